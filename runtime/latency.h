/* SPDX-License-Identifier: MIT */
#ifndef WI_LATENCY_H
#define WI_LATENCY_H

/**
 * @file
 * How long writes take from submit to wire: a histogram per loop, its buckets four to a power of
 * two. One writer, its loop; any thread reads.
 */

#include "mem/atomic.h"
#include "weir/stats.h"

#define WI_LATENCY_EVERY_DEFAULT 1024u
#define WI_LATENCY_EVERY_MAX     (1u << 30)

struct wi_latency {
    wi_atomic_u64 count;
    wi_atomic_u64 sum_ns;
    wi_atomic_u64 buckets[WEIR_LATENCY_BUCKETS];
};

/** The bucket whose bound is the smallest that @p ns does not exceed. */
unsigned wi_latency_bucket(uint64_t ns);

/** Loop thread. */
void wi_latency_note(struct wi_latency *latency, uint64_t ns);

/** Any thread. Add what a loop has measured. */
void wi_latency_add(struct weir_latency *sum, const struct wi_latency *more);

#endif /* WI_LATENCY_H */
