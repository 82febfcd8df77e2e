/* SPDX-License-Identifier: MIT */
#include "live.h"

#include "verdict.h"

#include <stdlib.h>
#include <string.h>

void
live_init(struct live *live, const char *scenario, double seconds_planned)
{
    memset(live, 0, sizeof(*live));
    live->scenario = scenario;
    live->seconds_planned = seconds_planned;
    live->begin_ns = weir_now_ns();
}

void
live_fini(struct live *live)
{
    for (size_t i = 0; i < live->latency_count; i++) {
        free(live->latencies[i].parts);
    }
    live->latency_count = 0;
}

void
live_add_count(struct live *live, enum live_kind kind, const _Atomic uint64_t *value)
{
    storm_require(live->source_count < LIVE_SOURCES_MAX, "so many counters");
    live->sources[live->source_count].kind = kind;
    live->sources[live->source_count].value = value;
    live->source_count++;
}

static struct live_latency *
find_latency(struct live *live, const char *name)
{
    for (size_t i = 0; i < live->latency_count; i++) {
        if (strcmp(live->latencies[i].name, name) == 0) {
            return &live->latencies[i];
        }
    }
    storm_require(live->latency_count < LIVE_LATENCIES_MAX, "so many latencies");
    live->latencies[live->latency_count] = (struct live_latency){.name = name};
    return &live->latencies[live->latency_count++];
}

void
live_add_latency(struct live *live, const char *name, const struct histogram *histogram)
{
    struct live_latency *latency = find_latency(live, name);

    latency->parts = reallocarray(latency->parts, latency->part_count + 1, sizeof(*latency->parts));
    storm_require(latency->parts != NULL, "memory");
    latency->parts[latency->part_count++] = histogram;
}

static void
read_loop(struct weir_runtime *runtime, unsigned index, struct live_loop *ret_loop)
{
    struct weir_stats stats;

    if (weir_loop_stats(weir_runtime_loop(runtime, index), &stats) != 0) {
        return;
    }
    *ret_loop = (struct live_loop){
        .turns = stats.turns,
        .sleeps = stats.sleeps,
        .wakes = stats.wakes,
        .sends = stats.system_sends,
        .bytes_sent = stats.bytes_sent,
        .bytes_received = stats.bytes_received,
        .completed = stats.operations_completed,
        .blocked = stats.blocked,
        .blocked_ns = stats.blocked_ns,
        .corked_ns = stats.corked_ns,
        .inline_ns = stats.right_wait_ns,
        .limited = stats.limited,
        .queued_now = stats.queued_now,
        .streams_now = stats.streams_now,
    };
}

void
live_read(const struct live *live, struct live_sample *ret_sample)
{
    memset(ret_sample, 0, sizeof(*ret_sample));
    ret_sample->seconds = (double)(weir_now_ns() - live->begin_ns) / 1e9;
    for (size_t i = 0; i < live->source_count; i++) {
        ret_sample->count[live->sources[i].kind] +=
            atomic_load_explicit(live->sources[i].value, memory_order_relaxed);
    }
    if (live->runtime == NULL) {
        return;
    }
    ret_sample->loop_count = weir_runtime_loop_count(live->runtime);
    if (ret_sample->loop_count > LIVE_LOOPS_MAX) {
        ret_sample->loop_count = LIVE_LOOPS_MAX;
    }
    for (unsigned i = 0; i < ret_sample->loop_count; i++) {
        read_loop(live->runtime, i, &ret_sample->loops[i]);
    }
}

void
live_read_latency(const struct live_latency *latency, struct histogram *ret_sum)
{
    memset(ret_sum, 0, sizeof(*ret_sum));
    for (size_t i = 0; i < latency->part_count; i++) {
        histogram_merge(ret_sum, latency->parts[i]);
    }
}

bool
live_read_wire(const struct live *live, struct histogram *ret_sum)
{
    struct weir_latency latency;

    memset(ret_sum, 0, sizeof(*ret_sum));
    if (live->runtime == NULL || weir_latency(live->runtime, &latency) != 0) {
        return false;
    }
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
        // The last bucket has no bound; what is in it took longer than the one before.
        bool is_last = i + 1 == WEIR_LATENCY_BUCKETS;
        uint64_t bound_ns = is_last ? weir_latency_bound_ns(i - 1) + 1 : weir_latency_bound_ns(i);

        if (latency.buckets[i] != 0) {
            histogram_add_many(ret_sum, bound_ns, latency.buckets[i]);
        }
    }
    return latency.count != 0;
}
