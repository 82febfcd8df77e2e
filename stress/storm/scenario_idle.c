/* SPDX-License-Identifier: MIT */
// idle: many connections that have said something once and are silent now. What do they cost in
// memory, and does anything wake up for them?

#include "crowd_result.h"
#include "house_echo.h"
#include "private_memory.h"
#include "scenario.h"
#include "verdict.h"
#include "watchdog.h"

#include <stdlib.h>

#define BYTES_MAX   512.0 // claimed, of user space, per connection
#define TELLING_MIN 5000u // below so many a page here or there decides
#define QUIET_NS    UINT64_C(1500000000)
#define SETTLE_NS   UINT64_C(15000000000)

static const struct parameter parameters[] = {
    {"connections", PARAMETER_COUNT, "10000", 1, 1000000, NULL, "connections"},
    {"seconds", PARAMETER_REAL, "3", 0, 1e7, NULL, "how long wake-ups are counted, when at rest"},
    {"size", PARAMETER_COUNT, "64", 40, 65536, NULL, "bytes of the one message of each"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

struct idle {
    struct house *house;
    struct crowd crowd;
    uint64_t memory_before;
    uint64_t memory_after;
    double settled_s; // how long it took until nothing turned any more
    struct weir_stats before;
    struct weir_stats after;
};

static void
await_echoes(struct idle *idle)
{
    while (crowd_messages(&idle->crowd) < idle->crowd.client_count && !storm_is_broken() &&
           !crowd_is_done(&idle->crowd)) {
        house_wait(idle->house, 0.01);
    }
}

// Wait until no loop has turned for a while: what decays has decayed.
static void
await_quiet(struct idle *idle)
{
    uint64_t begin_ns = weir_now_ns();
    uint64_t quiet_ns = begin_ns;
    uint64_t turns = 0;

    while (weir_now_ns() - quiet_ns < QUIET_NS && weir_now_ns() - begin_ns < SETTLE_NS) {
        weir_stats(idle->house->runtime, &idle->before);
        if (idle->before.turns != turns) {
            turns = idle->before.turns;
            quiet_ns = weir_now_ns();
        }
        watchdog_nap();
    }
    idle->settled_s = (double)(quiet_ns - begin_ns) / 1e9;
}

static void
rest(struct idle *idle, double seconds)
{
    await_quiet(idle);
    idle->memory_after = private_memory();
    weir_stats(idle->house->runtime, &idle->before);
    house_wait(idle->house, seconds);
    weir_stats(idle->house->runtime, &idle->after);
}

static void
report(const struct idle *idle, struct run *run)
{
    struct result *result = run->result;
    double count = (double)crowd_connected(&idle->crowd);
    double grown = (double)idle->memory_after - (double)idle->memory_before;
    double bytes = count > 0 ? grown / count : 0;
    uint64_t turns = idle->after.turns - idle->before.turns;

    result_add_figure(result, "connections", count, "");
    if (run->server == SERVER_FORK) { // else the clients' memory is in it
        result_add_figure(result, "memory per connection", bytes, "bytes");
        result_add_figure(result, "memory in all", grown, "bytes");
    }
    result_add_figure(result, "turns per second at rest", (double)turns / run->seconds, "/s");
    result_add_figure(result, "sleeps per second at rest",
                      (double)(idle->after.sleeps - idle->before.sleeps) / run->seconds, "/s");
    result_add_figure(result, "rest came after", idle->settled_s, "s");
    if (run->server == SERVER_FORK && private_memory_is_telling() && count >= TELLING_MIN) {
        result_add_claim(result, CLAIM_CORRECTNESS, bytes <= BYTES_MAX,
                         "an idle connection costs at most 512 bytes of private memory",
                         "%.1f bytes, of %.0f connections", bytes, count);
    }
    result_add_claim(result, CLAIM_CORRECTNESS, turns == 0, "at rest no loop turns",
                     "%llu turns in %.1f s", (unsigned long long)turns, run->seconds);
}

static void
idle_run(struct run *run)
{
    const struct crowd_plan plan = {
        .groups[0] =
            {
                .clients = (unsigned)run_count(run, "connections"),
                .begins = CROWD_FIRST_RUN,
                .sends = true,
                .is_echo = true,
                .depth = 1,
                .messages_max = 1,
                .size = (size_t)run_count(run, "size"),
            },
        .group_count = 1,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    struct idle idle = {.house = calloc(1, sizeof(*idle.house))};

    storm_require(idle.house != NULL, "memory");
    pattern_create(run->seed, plan.groups[0].size);
    crowd_start(&idle.crowd, &plan, run->server);
    house_start(idle.house, run, &idle.crowd, &(struct weir_runtime_options){0});
    house_echo_start(idle.house, (enum house_transport)run_choice(run, "transport"), 0, NULL, NULL);
    idle.memory_before = private_memory();
    house_gather(idle.house, run, idle.crowd.client_count);
    crowd_enter(&idle.crowd, CROWD_FIRST_RUN);
    await_echoes(&idle);
    rest(&idle, run->seconds);
    house_dismiss(idle.house);
    house_stop(idle.house, run->result);
    run->result->seconds = run->seconds;
    report(&idle, run);
    crowd_claim_echoes(run->result, &idle.crowd);
    crowd_free(&idle.crowd);
    free(idle.house);
}

const struct scenario scenario_idle = {
    .name = "idle",
    .summary = "silent connections: memory of each, and wake-ups at rest",
    .parameters = parameters,
    .run = idle_run,
};
