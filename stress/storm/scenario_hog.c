/* SPDX-License-Identifier: MIT */
// hog: one connection that takes all it can get among many that play ping-pong. First without it,
// then with it: what does it do to the others' latency?

#include "crowd_result.h"
#include "house_echo.h"
#include "scenario.h"
#include "verdict.h"

#include <stdlib.h>

#define PINGERS 0u // groups
#define HOG     1u

static const struct parameter parameters[] = {
    {"connections", PARAMETER_COUNT, "999", 1, 100000, NULL, "clients that play ping-pong"},
    {"rate", PARAMETER_REAL, "0", 0, 1e9, NULL, "their messages per second in all; 0: closed loop"},
    {"size", PARAMETER_COUNT, "64", 40, 65536, NULL, "bytes of their messages"},
    {"hogs", PARAMETER_COUNT, "1", 1, 100, NULL, "connections that take all they can get"},
    {"hog-size", PARAMETER_COUNT, "1m", 40, 67108864, NULL, "bytes of a hog's message"},
    {"hog-depth", PARAMETER_COUNT, "4", 1, 64, NULL, "messages a hog keeps out"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

static void
plan_crowd(const struct run *run, struct crowd_plan *ret_plan)
{
    *ret_plan = (struct crowd_plan){
        .groups[PINGERS] =
            {
                .clients = (unsigned)run_count(run, "connections"),
                .begins = CROWD_FIRST_RUN,
                .sends = true,
                .is_echo = true,
                .depth = 1,
                .rate = run_real(run, "rate"),
                .size = (size_t)run_count(run, "size"),
            },
        .groups[HOG] =
            {
                .clients = (unsigned)run_count(run, "hogs"),
                .begins = CROWD_SECOND_RUN,
                .sends = true,
                .is_echo = true,
                .depth = (unsigned)run_count(run, "hog-depth"),
                .size = (size_t)run_count(run, "hog-size"),
            },
        .group_count = 2,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
}

static double
p99_us(const struct result *result, size_t latency)
{
    return (double)histogram_quantile_ns(result->latencies[latency].histogram, 0.99) / 1e3;
}

static void
report(struct run *run, const struct crowd *crowd, const struct span *alone,
       const struct span *together)
{
    struct result *result = run->result;
    double hog_bytes =
        2.0 * (double)together->group_messages[HOG] * (double)run_count(run, "hog-size");

    crowd_result_latency(result, crowd, PINGERS, 0, "without the hog");
    crowd_result_latency(result, crowd, PINGERS, 1, "with the hog");
    double without = p99_us(result, result->latency_count - 2);
    double with = p99_us(result, result->latency_count - 1);
    result_add_figure(result, "p99 without the hog", without, "us");
    result_add_figure(result, "p99 with the hog", with, "us");
    result_add_figure(result, "messages per second without",
                      span_rate(alone, alone->group_messages[PINGERS]), "/s");
    result_add_figure(result, "messages per second with",
                      span_rate(together, together->group_messages[PINGERS]), "/s");
    result_add_figure(result, "throughput of the hog",
                      together->seconds > 0 ? hog_bytes / together->seconds / 1e6 : 0, "MB/s");
    result_add_claim(result, CLAIM_TIME, with <= 2 * without,
                     "a hog at most doubles the others' p99", "%.1f us without, %.1f us with",
                     without, with);
}

static void
hog_run(struct run *run)
{
    struct crowd_plan plan;
    struct house *house = calloc(1, sizeof(*house));
    struct crowd crowd;
    struct span alone;
    struct span together;

    storm_require(house != NULL, "memory");
    plan_crowd(run, &plan);
    pattern_create(run->seed, plan.groups[HOG].size > plan.groups[PINGERS].size
                                  ? plan.groups[HOG].size
                                  : plan.groups[PINGERS].size);
    crowd_start(&crowd, &plan, run->server);
    house_start(house, run, &crowd, &(struct weir_runtime_options){0});
    if (run->server != SERVER_ADDRESS) {
        house_echo_start(house, (enum house_transport)run_choice(run, "transport"),
                         HOUSE_ECHO_QUEUE_HIGH, NULL, NULL);
    }
    house_gather(house, run, crowd.client_count);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&alone, &crowd);
    house_wait(house, run->seconds / 2);
    span_end(&alone, &crowd);
    crowd_enter(&crowd, CROWD_SECOND_RUN);
    span_begin(&together, &crowd);
    house_wait(house, run->seconds / 2);
    span_end(&together, &crowd);
    house_dismiss(house);
    house_stop(house, run->result);
    run->result->seconds = alone.seconds + together.seconds;
    report(run, &crowd, &alone, &together);
    crowd_result_stats(run->result, house, &crowd);
    crowd_claim_echoes(run->result, &crowd);
    crowd_free(&crowd);
    free(house);
}

const struct scenario scenario_hog = {
    .name = "hog",
    .summary = "one connection that takes all it can get, among many that play ping-pong",
    .parameters = parameters,
    .takes_address = true,
    .run = hog_run,
};
