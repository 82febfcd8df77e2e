/* SPDX-License-Identifier: MIT */
#ifndef STORM_HISTOGRAM_H
#define STORM_HISTOGRAM_H

// Durations in buckets of which each is at most 1/32 wide, relative to its value. One thread
// writes; the others may look at any time.

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5u
#define HISTOGRAM_BUCKETS  ((64u - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t max_ns;
};

void histogram_add(struct histogram *histogram, uint64_t duration_ns);

// Add all of @p from.
void histogram_merge(struct histogram *histogram, const struct histogram *from);

uint64_t histogram_count(const struct histogram *histogram);

// The duration that this fraction (0 to 1) of all does not exceed; 0 when there are none.
uint64_t histogram_quantile_ns(const struct histogram *histogram, double fraction);

#endif /* STORM_HISTOGRAM_H */
