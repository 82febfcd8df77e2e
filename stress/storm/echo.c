/* SPDX-License-Identifier: MIT */
#include "echo.h"

#include "echo_client.h"
#include "report.h"
#include "verdict.h"
#include "watchdog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STOP_NS  (UINT64_C(5) * 1000 * 1000 * 1000)
#define PER_DIAL 64u // clients dialled at once, so that no backlog overflows

struct run {
    struct echo_world world;
    struct weir_runtime *runtime;
    struct echo_client *clients;
    struct watchdog watchdog;
    struct counters last;
};

static void
sum_counters(const struct run *run, struct counters *ret_sum)
{
    *ret_sum = (struct counters){0};
    for (unsigned i = 0; i < run->world.loop_count; i++) {
        counters_merge(ret_sum, &run->world.loops[i].counters);
    }
}

static void
look_after(struct run *run)
{
    const struct options *options = run->world.options;
    struct counters sum;
    double seconds;

    sum_counters(run, &sum);
    uint64_t progress = counter_get(&sum, COUNT_COMPLETED) + counter_get(&sum, COUNT_DELIVERED) -
                        atomic_load(&run->world.open);
    if (watchdog_is_stalled(&run->watchdog, progress)) {
        storm_broke("stalled: nothing has moved for 20 seconds");
        watchdog_dump(run->runtime);
        printf("echo: BROKE: %s (seed %" PRIu64 ")\n", storm_first_broken(), options->seed);
        fflush(stdout);
        _exit(1);
    }
    if (watchdog_line_is_due(&run->watchdog, &seconds)) {
        if (!options->quiet) {
            report_progress(&run->last, &sum, seconds, watchdog_seconds(&run->watchdog), 0);
        }
        run->last = sum;
    }
    watchdog_nap();
}

static void
start(struct run *run)
{
    const struct options *options = run->world.options;
    struct weir_runtime_options runtime_options = {.loops = options->loops};
    int status = weir_runtime_create(&runtime_options, &run->runtime);

    if (status != 0) {
        fprintf(stderr, "weir-storm: no runtime: %s\n", weir_strerror(status));
        exit(2);
    }
    run->world.loop_count = weir_runtime_loop_count(run->runtime);
    size_t size = run->world.loop_count * sizeof(*run->world.loops);
    run->world.loops = aligned_alloc(64, (size + 63) & ~(size_t)63);
    run->clients = calloc(options->connections, sizeof(*run->clients));
    storm_require(run->world.loops != NULL && run->clients != NULL, "memory");
    memset(run->world.loops, 0, size);
    for (unsigned i = 0; i < run->world.loop_count; i++) {
        run->world.loops[i].loop = weir_runtime_loop(run->runtime, i);
    }
    watchdog_init(&run->watchdog, run->runtime);
    for (unsigned i = 0; i < options->connections && !storm_is_broken(); i++) {
        echo_client_start(&run->clients[i], &run->world, i);
        if ((i + 1) % PER_DIAL == 0) {
            look_after(run);
        }
    }
}

static void
run_clients(struct run *run)
{
    const struct options *options = run->world.options;

    while (watchdog_seconds(&run->watchdog) < options->seconds && !storm_is_broken()) {
        look_after(run);
        if (options->messages != 0) {
            struct counters sum;

            sum_counters(run, &sum);
            if (counter_get(&sum, COUNT_DELIVERED) >= options->messages) {
                return;
            }
        }
    }
}

// Each client ends when its last message is back. In a run that broke some never will.
static void
end_clients(struct run *run)
{
    uint64_t until_ns = weir_now_ns() + STOP_NS;

    atomic_store(&run->world.is_ending, true);
    while (atomic_load(&run->world.open) > 0 && (!storm_is_broken() || weir_now_ns() < until_ns)) {
        look_after(run);
    }
}

static void
stop_runtime(struct run *run, struct summary *summary)
{
    if (weir_stats(run->runtime, &summary->stats) != 0) {
        storm_broke("no statistics");
    }
    int status = weir_runtime_stop(run->runtime, weir_deadline_after(STOP_NS));
    if (status != 0) {
        storm_broke("stopping answered %s", weir_strerror(status));
    }
    sum_counters(run, &summary->counters);
    if (counter_get(&summary->counters, COUNT_ACCEPTED) !=
        counter_get(&summary->counters, COUNT_COMPLETED)) {
        storm_broke("%" PRIu64 " writes were accepted, and %" PRIu64 " completions came",
                    counter_get(&summary->counters, COUNT_ACCEPTED),
                    counter_get(&summary->counters, COUNT_COMPLETED));
    }
    weir_runtime_free(run->runtime);
    weir_pool_ledger_all(&summary->ledger);
    if (summary->ledger.leased != summary->ledger.returned) {
        storm_broke("%" PRIu64 " blocks were leased, %" PRIu64 " returned", summary->ledger.leased,
                    summary->ledger.returned);
    }
}

int
echo_run(const struct options *options)
{
    struct run run = {.world = {.options = options}};
    struct summary summary = {.scenario = "echo", .options = options};

    start(&run);
    run_clients(&run);
    summary.seconds = watchdog_seconds(&run.watchdog);
    sum_counters(&run, &summary.counters);
    summary.messages = counter_get(&summary.counters, COUNT_DELIVERED);
    summary.bytes = counter_get(&summary.counters, COUNT_BYTES);
    end_clients(&run);
    stop_runtime(&run, &summary);
    summary.verified_messages = counter_get(&summary.counters, COUNT_DELIVERED);
    summary.verified_bytes = counter_get(&summary.counters, COUNT_BYTES);
    summary.acknowledged = calloc(1, sizeof(*summary.acknowledged));
    storm_require(summary.acknowledged != NULL, "memory");
    for (unsigned i = 0; i < run.world.loop_count; i++) {
        histogram_merge(summary.acknowledged, &run.world.loops[i].round_trip);
    }
    int status = report_summary(&summary);
    free(summary.acknowledged);
    for (unsigned i = 0; i < options->connections; i++) {
        free(run.clients[i].slots);
    }
    free(run.clients);
    free(run.world.loops);
    return status;
}
