/* SPDX-License-Identifier: MIT */
#ifndef STORM_LIVE_H
#define STORM_LIVE_H

// What a running scenario lets others see. Before it begins the scenario names the counters and
// histograms it keeps anyway; a sampler thread adds them up ten times a second. Nothing is copied
// on the scenario's own path.

#include "histogram.h"

#include "weir/weir.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_LOOPS_MAX     64u
#define LIVE_SOURCES_MAX   8192u // counters, all kinds together
#define LIVE_LATENCIES_MAX 4u

// What is counted. Several counters of one kind are added up.
enum live_kind {
    LIVE_MESSAGES, // whole ones that arrived and were verified, or else completed
    LIVE_BYTES,
    LIVE_CANCELS,
    LIVE_REFUSALS,
    LIVE_CLOSES,
    LIVE_CONNECTIONS, // open now: the only one that also falls
    LIVE_KINDS,
};

// One loop of the runtime. All but the two marked only grow.
struct live_loop {
    uint64_t turns;
    uint64_t sleeps;
    uint64_t wakes;
    uint64_t sends;
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t completed;
    uint64_t blocked;     // times a send found its socket full
    uint64_t blocked_ns;  // streams' time of waiting for room, summed
    uint64_t corked_ns;   // the same of waiting for a cork's end
    uint64_t inline_ns;   // and for a thread that was sending inline
    uint64_t limited;     // times a stream was refused for its high mark
    uint64_t queued_now;  // bytes; not a counter
    uint64_t streams_now; // not a counter
};

// Everything at one moment. Rates are the difference of two.
struct live_sample {
    double seconds; // since the scenario began
    uint64_t count[LIVE_KINDS];
    unsigned loop_count; // 0: no runtime here, as with an address
    struct live_loop loops[LIVE_LOOPS_MAX];
};

struct live_latency {
    const char *name;
    const struct histogram **parts; // added up
    size_t part_count;
};

struct live {
    const char *scenario;
    double seconds_planned; // 0: until the work is done
    uint64_t begin_ns;
    struct weir_runtime *runtime; // may be NULL
    struct {
        enum live_kind kind;
        const _Atomic uint64_t *value;
    } sources[LIVE_SOURCES_MAX];
    size_t source_count;
    struct live_latency latencies[LIVE_LATENCIES_MAX];
    size_t latency_count;
};

// Called by the sampler's thread at every sample: @p before and @p now are neighbours.
typedef void live_view_fn(const struct live *live, const struct live_sample *before,
                          const struct live_sample *now, void *arg);

// --- The scenario's side, before the sampler runs ------------------------------------------------

void live_init(struct live *live, const char *scenario, double seconds_planned);
void live_fini(struct live *live);
void live_add_count(struct live *live, enum live_kind kind, const _Atomic uint64_t *value);
void live_add_latency(struct live *live, const char *name, const struct histogram *histogram);

// --- The looker's side ---------------------------------------------------------------------------

// Any thread, while it runs.
void live_read(const struct live *live, struct live_sample *ret_sample);

// Any thread. All of one latency so far; @p ret_sum is cleared first.
void live_read_latency(const struct live_latency *latency, struct histogram *ret_sum);

// Any thread. From submit to wire, as the runtime itself has measured it of a part of the writes.
// False: there is no runtime here, or it has measured none.
bool live_read_wire(const struct live *live, struct histogram *ret_sum);

#endif /* STORM_LIVE_H */
