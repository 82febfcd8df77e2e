/* SPDX-License-Identifier: MIT */
// drain: connections that close with unread input on both sides. Their peers, plain sockets in
// another process, count the resets.

#include "crowd_result.h"
#include "house_drain.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>

static const struct parameter parameters[] = {
    {"count", PARAMETER_COUNT, "0", 0, 4000000000.0, NULL, "connections in all; 0: by time"},
    {"connections", PARAMETER_COUNT, "64", 1, 10000, NULL, "connections at once"},
    {"size", PARAMETER_COUNT, "20000", 1, 65536, NULL,
     "bytes that each is sent, and leaves unread"},
    {"unread", PARAMETER_COUNT, "20000", 2, 1048576, NULL,
     "bytes that each sends, half of them before it is closed"},
    {"close", PARAMETER_CHOICE, "drain", 0, 0, "drain flush", "how they are closed"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

static void
let_run(struct house *house, const struct crowd *crowd, uint64_t count, double seconds)
{
    uint64_t until_ns = weir_deadline_after((uint64_t)(seconds * 1e9));

    while ((count != 0 ? crowd_closes(crowd) < count : weir_now_ns() < until_ns) &&
           !storm_is_broken() && house_moves(house)) {
    }
}

static void
report(const struct crowd *crowd, const struct span *span, const struct run *run, bool drains)
{
    typedef unsigned long long ull;
    struct result *result = run->result;
    uint64_t closes = crowd_closes(crowd);
    uint64_t whole = crowd_messages(crowd);

    result_add_figure(result, "closes", (double)closes, "");
    result_add_figure(result, "resets seen by peers", (double)crowd_resets(crowd), "");
    result_add_figure(result, "closes per second",
                      span->seconds > 0 ? (double)closes / span->seconds : 0, "/s");
    result_add_figure(result, "ended after the last byte", (double)whole, "");
    result_add_figure(result, "streams closed", (double)house_drain_closed(), "");
    result_add_figure(result, "streams closed with an error", (double)house_drain_failed(), "");
    result_add_figure(result, "input discarded", (double)house_drain_received(), "bytes");
    if (!drains) { // a FLUSH does not wait for what its peer still sends; and so resets are seen
        result_add_claim(result, CLAIM_CORRECTNESS, crowd_resets(crowd) > 0 || closes == 0,
                         "a reset that happens is counted", "%llu in %llu closes",
                         (ull)crowd_resets(crowd), (ull)closes);
        return;
    }
    result_add_claim(result, CLAIM_CORRECTNESS, crowd_resets(crowd) == 0 && closes > 0,
                     "no peer sees a reset", "%llu in %llu closes", (ull)crowd_resets(crowd),
                     (ull)closes);
    result_add_claim(result, CLAIM_CORRECTNESS, whole == closes,
                     "every peer gets all bytes and then the end", "%llu of %llu", (ull)whole,
                     (ull)closes);
    result_add_claim(result, CLAIM_CORRECTNESS,
                     house_drain_failed() == 0 && house_drain_lost() == 0,
                     "every stream closes in good order", "%llu with an error, %llu bytes lost",
                     (ull)house_drain_failed(), (ull)house_drain_lost());
}

static void
drain_scenario_run(struct run *run)
{
    bool drains = run_choice(run, "close") == 0;
    const struct crowd_plan plan = {
        .groups[0] =
            {
                .clients = (unsigned)run_count(run, "connections"),
                .begins = CROWD_FIRST_RUN,
                .drains = true,
                .may_reset = !drains,
                .messages_max = run_count(run, "count"),
                .size = (size_t)run_count(run, "size"),
                .unread = (size_t)run_count(run, "unread"),
            },
        .group_count = 1,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    struct house *house = calloc(1, sizeof(*house));
    struct crowd crowd;
    struct span span;

    storm_require(house != NULL, "memory");
    crowd_start(&crowd, &plan, run->server);
    house_start(house, run, &crowd, &(struct weir_runtime_options){0});
    house_drain_start(house, (enum house_transport)run_choice(run, "transport"),
                      drains ? WEIR_CLOSE_DRAIN : WEIR_CLOSE_FLUSH, plan.groups[0].size);
    house_gather(house, run, 0);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&span, &crowd);
    let_run(house, &crowd, run_count(run, "count"), run->seconds);
    span_end(&span, &crowd);
    house_dismiss(house);
    house_stop(house, run->result);
    house_drain_end();
    run->result->seconds = span.seconds;
    report(&crowd, &span, run, drains);
    crowd_result_stats(run->result, house, &crowd);
    crowd_free(&crowd);
    free(house);
}

const struct scenario scenario_drain = {
    .name = "drain",
    .summary = "connections that are closed with unread input on both sides",
    .parameters = parameters,
    .run = drain_scenario_run,
};
