/* SPDX-License-Identifier: MIT */
// churn: connections that come, say one thing, and go, in every way a connection can end. At the
// end nothing may be left of them.

#include "crowd_result.h"
#include "house_churn.h"
#include "private_memory.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>

#define TELLING_MIN    50000u // connections, before growth says something
#define GROWTH_MAX     8.0    // bytes of each connection after the first ones
#define GROWTH_FREE    (4.0 * 1024 * 1024)
#define FIRST_FRACTION 10u

static const struct parameter parameters[] = {
    {"count", PARAMETER_COUNT, "0", 0, 4000000000.0, NULL, "connections in all; 0: by time"},
    {"connections", PARAMETER_COUNT, "64", 1, 10000, NULL, "connections at once"},
    {"size", PARAMETER_COUNT, "64", 40, 4032, NULL, "bytes of the message"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

struct churn_run {
    struct house *house;
    struct crowd crowd;
    struct span span;
    uint64_t count;
    uint64_t first_closes; // when memory was looked at first
    uint64_t first_memory;
    uint64_t last_memory;
};

// Let it run; look at the memory when about a tenth is done.
static void
let_run(struct churn_run *churn, double seconds)
{
    uint64_t half_ns = weir_deadline_after((uint64_t)(seconds * 1e9 / FIRST_FRACTION));
    uint64_t until_ns = weir_deadline_after((uint64_t)(seconds * 1e9));

    for (;;) {
        uint64_t closes = crowd_closes(&churn->crowd);
        bool is_begun =
            churn->count != 0 ? closes >= churn->count / FIRST_FRACTION : weir_now_ns() >= half_ns;
        bool is_over = churn->count != 0 ? closes >= churn->count : weir_now_ns() >= until_ns;

        if (is_begun && churn->first_memory == 0) {
            churn->first_closes = closes;
            churn->first_memory = private_memory();
        }
        if (is_over || storm_is_broken() || !house_moves(churn->house)) {
            break;
        }
    }
}

static void
report(const struct churn_run *churn, struct run *run)
{
    struct result *result = run->result;
    uint64_t closes = crowd_closes(&churn->crowd);
    double grown = (double)churn->last_memory - (double)churn->first_memory;
    double later = (double)(closes - churn->first_closes);

    result_add_figure(result, "connections per second",
                      churn->span.seconds > 0 ? (double)closes / churn->span.seconds : 0, "/s");
    result_add_figure(result, "connections", (double)closes, "");
    result_add_figure(result, "verified messages", (double)crowd_messages(&churn->crowd), "");
    result_add_figure(result, "resets seen", (double)crowd_resets(&churn->crowd), "");
    crowd_result_latency(result, &churn->crowd, 0, 0, "connect to echo");
    if (run->server == SERVER_ADDRESS) {
        return;
    }
    static const char *const names[CHURN_MODES] = {"closed by drain", "closed by flush",
                                                   "closed by abort", "closed by the client's FIN",
                                                   "closed by the client's reset"};
    for (unsigned mode = 0; mode < CHURN_MODES; mode++) {
        result_add_figure(result, names[mode], (double)house_churn_closed((enum churn_mode)mode),
                          "");
    }
    result_add_figure(result, "memory grown", grown, "bytes");
    if (private_memory_is_telling() && run->server == SERVER_FORK && later >= TELLING_MIN) {
        result_add_claim(result, CLAIM_CORRECTNESS, grown <= GROWTH_FREE + GROWTH_MAX * later,
                         "memory does not grow with the connections that have gone",
                         "%.0f bytes more after %.0f more connections", grown, later);
    }
}

static void
churn_scenario_run(struct run *run)
{
    const struct crowd_plan plan = {
        .groups[0] =
            {
                .clients = (unsigned)run_count(run, "connections"),
                .begins = CROWD_FIRST_RUN,
                .sends = true,
                .is_echo = true,
                .churns = true,
                .ends_by_itself = run->server == SERVER_ADDRESS,
                .messages_max = run_count(run, "count"),
                .size = (size_t)run_count(run, "size"),
            },
        .group_count = 1,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    struct churn_run churn = {.house = calloc(1, sizeof(*churn.house)),
                              .count = run_count(run, "count")};

    storm_require(churn.house != NULL, "memory");
    pattern_create(run->seed, plan.groups[0].size);
    crowd_start(&churn.crowd, &plan, run->server);
    house_start(churn.house, run, &churn.crowd, &(struct weir_runtime_options){0});
    if (run->server != SERVER_ADDRESS) {
        house_churn_start(churn.house, (enum house_transport)run_choice(run, "transport"),
                          plan.groups[0].size);
    }
    house_gather(churn.house, run, 0);
    crowd_enter(&churn.crowd, CROWD_FIRST_RUN);
    span_begin(&churn.span, &churn.crowd);
    let_run(&churn, run->seconds);
    span_end(&churn.span, &churn.crowd);
    house_dismiss(churn.house);
    churn.last_memory = private_memory();
    house_stop(churn.house, run->result);
    run->result->seconds = churn.span.seconds;
    report(&churn, run);
    crowd_result_stats(run->result, churn.house, &churn.crowd);
    crowd_free(&churn.crowd);
    free(churn.house);
}

const struct scenario scenario_churn = {
    .name = "churn",
    .summary = "connections that come, say one thing, and go, in every way they can end",
    .parameters = parameters,
    .takes_address = true,
    .run = churn_scenario_run,
};
