/* SPDX-License-Identifier: MIT */
// The storm of writes from beginning to end.

#include "storm.h"

#include "chaos.h"
#include "link.h"
#include "message.h"
#include "producer.h"
#include "sampler.h"
#include "storm_summary.h"
#include "terminal.h"
#include "verdict.h"
#include "watchdog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STOP_NS    (UINT64_C(10) * 1000 * 1000 * 1000)
#define REPORTS_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define REST_NS    (UINT64_C(5) * 1000 * 1000 * 1000)

struct storm_run {
    struct storm *storm;
    struct watchdog watchdog;
    struct chaos chaos;
    struct counters now;
    struct live live;
    struct sampler sampler;
    pthread_t reports;
    pthread_t strangers;
};

static void
sum_counters(const struct storm *storm, struct counters *ret_sum)
{
    *ret_sum = (struct counters){0};
    for (unsigned i = 0; i <= storm->loop_count; i++) {
        counters_merge(ret_sum, &storm->loops[i].counters);
    }
    for (unsigned i = 0; i < storm->producer_count; i++) {
        counters_merge(ret_sum, &storm->producers[i].counters);
    }
    counter_add(ret_sum, COUNT_GIVEN, message_given());
    counter_add(ret_sum, COUNT_RELEASED, message_released());
}

static void *
take_reports(void *arg)
{
    struct storm *storm = arg;
    struct report report;

    while (receiver_next_report(&storm->receiver, &report)) {
        struct link *link = link_find(report.link);

        if (link == NULL) {
            storm_broke("the receiver reported link %u, which never was", report.link);
        } else {
            link_reported(link, &report);
        }
    }
    return NULL;
}

static void
start_runtime(struct storm *storm)
{
    struct weir_runtime_options options = {.loops = storm->options->loops};
    int status = weir_runtime_create(&options, &storm->runtime);

    if (status != 0) {
        fprintf(stderr, "weir-storm: no runtime: %s\n", weir_strerror(status));
        exit(2);
    }
    storm->loop_count = weir_runtime_loop_count(storm->runtime);
    storm->loops = aligned_alloc(64, (storm->loop_count + 1) * sizeof(*storm->loops));
    storm_require(storm->loops != NULL, "memory");
    memset(storm->loops, 0, (storm->loop_count + 1) * sizeof(*storm->loops));
    for (unsigned i = 0; i < storm->loop_count; i++) {
        storm->loops[i].loop = weir_runtime_loop(storm->runtime, i);
    }
}

static void
start_producers(struct storm *storm)
{
    unsigned threads = storm->options->producers;

    storm->producer_count = threads + (storm->options->is_plain ? 0 : storm->loop_count);
    storm->producers = aligned_alloc(64, storm->producer_count * sizeof(*storm->producers));
    storm_require(storm->producers != NULL, "memory");
    memset(storm->producers, 0, storm->producer_count * sizeof(*storm->producers));
    for (unsigned i = 0; i < storm->producer_count; i++) {
        producer_init(&storm->producers[i], storm, i,
                      i < threads ? NULL : storm->loops[i - threads].loop);
    }
    for (unsigned i = 0; i < storm->options->connections; i++) {
        if (!link_dial(storm, &storm->connections[i])) {
            atomic_store(&storm->connections[i].is_down, true);
        }
    }
    for (unsigned i = 0; i < storm->producer_count; i++) {
        producer_start(&storm->producers[i]);
    }
}

// Everything that can move, in one number.
static uint64_t
progress_of(const struct storm *storm, const struct counters *sum)
{
    return counter_get(sum, COUNT_COMPLETED) + counter_get(sum, COUNT_INLINE) +
           receiver_messages(&storm->receiver) + atomic_load(&storm->settled) - link_open_count();
}

static _Noreturn void
end_stalled(const struct storm_run *run)
{
    const struct storm *storm = run->storm;

    storm_broke("stalled: nothing has moved for 20 seconds");
    for (unsigned i = 0; i < storm->producer_count; i++) {
        producer_dump(&storm->producers[i]);
    }
    fprintf(stderr, "%u links open\n", link_open_count());
    watchdog_dump(storm->runtime);
    fprintf(stderr, "storm: BROKE: %s (seed %" PRIu64 ")\n", storm_first_broken(),
            storm->options->seed);
    receiver_kill(&run->storm->receiver);
    terminal_release();
    _exit(1);
}

// One turn of the main thread's waiting, whatever it waits for.
static void
look_after(struct storm_run *run)
{
    struct storm *storm = run->storm;

    sum_counters(storm, &run->now);
    if (watchdog_is_stalled(&run->watchdog, progress_of(storm, &run->now))) {
        end_stalled(run);
    }
    watchdog_nap();
}

static bool
has_done_enough(const struct storm_run *run)
{
    const struct options *options = run->storm->options;
    double seconds = watchdog_seconds(&run->watchdog);

    if (options->cancels != 0) {
        return storm_count_cancels(&run->now) >= options->cancels;
    }
    return seconds >= options->seconds ||
           (options->messages != 0 && counter_get(&run->now, COUNT_DELIVERED) >= options->messages);
}

static void
run_storm(struct storm_run *run)
{
    while (!has_done_enough(run) && !storm_is_broken()) {
        chaos_turn(&run->chaos, run->storm);
        look_after(run);
    }
}

static void
end_producers(struct storm_run *run)
{
    struct storm *storm = run->storm;

    atomic_store(&storm->is_ending, true);
    for (unsigned i = 0; i < storm->producer_count; i++) {
        while (!producer_is_done(&storm->producers[i])) {
            producer_wake(&storm->producers[i]);
            look_after(run);
        }
    }
    for (unsigned i = 0; i < storm->options->producers; i++) {
        pthread_join(storm->producers[i].thread, NULL);
    }
    pthread_join(run->strangers, NULL);
}

static void
end_links(struct storm_run *run)
{
    struct storm *storm = run->storm;
    uint64_t until_ns;

    while (link_open_count() > 0) {
        chaos_drain_all(storm);
        look_after(run);
    }
    until_ns = weir_now_ns() + REPORTS_NS;
    while (!link_are_all_reported() && weir_now_ns() < until_ns) {
        look_after(run);
    }
    receiver_ask_to_stop(&storm->receiver);
    pthread_join(run->reports, NULL);
    link_settle_all();
}

// At rest nothing may be left.
static void
check_stats(struct storm_run *run, struct weir_stats *ret_stats)
{
    struct storm *storm = run->storm;
    uint64_t until_ns = weir_now_ns() + REST_NS;

    do {
        watchdog_nap();
        if (weir_stats(storm->runtime, ret_stats) != 0) {
            storm_broke("no statistics");
        }
    } while ((ret_stats->streams_now != 0 || ret_stats->queued_now != 0 ||
              ret_stats->operations_accepted != ret_stats->operations_completed) &&
             weir_now_ns() < until_ns);
    if (ret_stats->operations_accepted != ret_stats->operations_completed) {
        storm_broke("the runtime accepted %" PRIu64 " operations and completed %" PRIu64,
                    ret_stats->operations_accepted, ret_stats->operations_completed);
    }
    if (ret_stats->queued_now != 0 || ret_stats->streams_now != 0) {
        storm_broke("at rest %" PRIu64 " bytes are queued and %" PRIu64 " streams are open",
                    ret_stats->queued_now, ret_stats->streams_now);
    }
}

static void
check_counts(const struct counters *sum)
{
    if (counter_get(sum, COUNT_ACCEPTED) != counter_get(sum, COUNT_COMPLETED)) {
        storm_broke("%" PRIu64 " writes were accepted, and %" PRIu64 " completions came",
                    counter_get(sum, COUNT_ACCEPTED), counter_get(sum, COUNT_COMPLETED));
    }
    if (counter_get(sum, COUNT_GIVEN) != counter_get(sum, COUNT_RELEASED)) {
        storm_broke("%" PRIu64 " pieces of memory were given, and %" PRIu64 " released",
                    counter_get(sum, COUNT_GIVEN), counter_get(sum, COUNT_RELEASED));
    }
}

static void
stop_runtime(struct storm *storm, struct weir_ledger *ret_ledger)
{
    int status = weir_runtime_stop(storm->runtime, weir_deadline_after(STOP_NS));

    if (status != 0) {
        storm_broke("stopping answered %s", weir_strerror(status));
    }
    for (unsigned i = 0; i < storm->producer_count; i++) {
        producer_fini(&storm->producers[i]);
    }
    status = weir_runtime_free(storm->runtime);
    if (status != 0) {
        storm_broke("freeing the runtime answered %s", weir_strerror(status));
    }
    weir_pool_ledger_all(ret_ledger);
    if (ret_ledger->leased != ret_ledger->returned || ret_ledger->oversize != 0) {
        storm_broke("%" PRIu64 " blocks were leased, %" PRIu64 " returned, %" PRIu64
                    " oversize ones are out",
                    ret_ledger->leased, ret_ledger->returned, ret_ledger->oversize);
    }
}

static void
merge_histograms(const struct storm *storm, struct storm_summary *summary)
{
    summary->acknowledged = calloc(2, sizeof(struct histogram));
    storm_require(summary->acknowledged != NULL, "memory");
    summary->completed = summary->acknowledged + 1;
    for (unsigned i = 0; i < storm->loop_count; i++) {
        histogram_merge(summary->acknowledged, &storm->loops[i].acknowledged);
        histogram_merge(summary->completed, &storm->loops[i].completed);
    }
}

static void
end_storm(struct storm_run *run, struct result *result)
{
    struct storm *storm = run->storm;
    struct storm_summary summary = {.options = storm->options};

    summary.seconds = watchdog_seconds(&run->watchdog);
    sum_counters(storm, &summary.counters);
    summary.messages = counter_get(&summary.counters, COUNT_DELIVERED);
    summary.bytes = counter_get(&summary.counters, COUNT_BYTES);
    end_producers(run);
    end_links(run);
    sampler_stop(&run->sampler);
    check_stats(run, &summary.stats);
    summary.verified_messages = receiver_messages(&storm->receiver);
    summary.verified_bytes = receiver_bytes(&storm->receiver);
    stop_runtime(storm, &summary.ledger);
    sum_counters(storm, &summary.counters);
    check_counts(&summary.counters);
    if (!receiver_join(&storm->receiver)) {
        storm_broke("the receiver's process did not end well");
    }
    summary.closes = atomic_load(&storm->closes);
    summary.links = link_count();
    summary.settled = atomic_load(&storm->settled);
    summary.overdue = atomic_load(&storm->overdue);
    merge_histograms(storm, &summary);
    storm_summarise(&summary, result);
    free(summary.acknowledged);
    live_fini(&run->live);
    link_free_all(storm);
    free(storm->producers);
    free(storm->loops);
    free(storm->connections);
    free(storm);
}

static void
show_counters(struct live *live, const struct counters *counters)
{
    live_add_count(live, LIVE_CANCELS, &counters->value[COUNT_CANCEL_WON]);
    live_add_count(live, LIVE_CANCELS, &counters->value[COUNT_CANCEL_PENDING]);
    live_add_count(live, LIVE_CANCELS, &counters->value[COUNT_CANCEL_LATE]);
    live_add_count(live, LIVE_CANCELS, &counters->value[COUNT_CANCEL_TOKEN]);
    live_add_count(live, LIVE_CANCELS, &counters->value[COUNT_CANCEL_DEADLINE]);
    for (unsigned i = COUNT_REFUSED_STALE; i < COUNTERS; i++) {
        live_add_count(live, LIVE_REFUSALS, &counters->value[i]);
    }
}

static void
show(struct storm_run *run)
{
    struct live *live = &run->live;
    const struct storm *storm = run->storm;

    live->runtime = storm->runtime;
    live_add_count(live, LIVE_MESSAGES, receiver_message_counter(&storm->receiver));
    live_add_count(live, LIVE_BYTES, receiver_byte_counter(&storm->receiver));
    live_add_count(live, LIVE_CLOSES, &storm->closes);
    live_add_count(live, LIVE_CONNECTIONS, link_open_counter());
    for (unsigned i = 0; i <= storm->loop_count; i++) {
        show_counters(live, &storm->loops[i].counters);
        live_add_latency(live, "round trip", &storm->loops[i].acknowledged);
        live_add_latency(live, "completion", &storm->loops[i].completed);
    }
    for (unsigned i = 0; i < storm->producer_count; i++) {
        show_counters(live, &storm->producers[i].counters);
    }
}

void
storm_run(struct run *asked, const struct options *options)
{
    static struct storm_run run; // large, and alone in its process
    struct storm *storm = calloc(1, sizeof(*storm));
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t loops = options->loops != 0 ? options->loops : (uint32_t)processors;

    storm_require(storm != NULL, "memory");
    pattern_create(options->seed, options->size_max);
    run.storm = storm;
    storm->options = options;
    storm->connections = calloc(options->connections, sizeof(*storm->connections));
    storm_require(storm->connections != NULL, "memory");
    receiver_start(&storm->receiver, options, 2 * (options->producers + loops));
    start_runtime(storm);
    watchdog_init(&run.watchdog, storm->runtime);
    chaos_init(&run.chaos, storm);
    storm_require(pthread_create(&run.reports, NULL, take_reports, storm) == 0, "thread");
    storm_require(pthread_create(&run.strangers, NULL, cancel_strangers_run, storm) == 0, "thread");
    start_producers(storm);
    live_init(&run.live, asked->scenario->name, options->cancels != 0 ? 0 : options->seconds);
    show(&run);
    sampler_start(&run.sampler, asked, &run.live);
    run_storm(&run);
    end_storm(&run, asked->result);
}
