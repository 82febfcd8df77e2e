/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <assert.h>

// Values below 2 * 64 have a bucket each; above, each power of two has 64.
#define SUB_BITS 6u
#define SUBS     (UINT64_C(1) << SUB_BITS)

static_assert((64 - SUB_BITS + 1) * SUBS <= BENCH_HISTOGRAM_BUCKETS, "any duration has a bucket");

static uint64_t
bucket_of(uint64_t value)
{
    if (value < SUBS) {
        return value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return shift * SUBS + (value >> shift);
}

static uint64_t
bucket_upper_edge(uint64_t bucket)
{
    if (bucket < 2 * SUBS) {
        return bucket;
    }
    uint64_t shift = bucket / SUBS - 1;
    return ((bucket % SUBS + SUBS + 1) << shift) - 1;
}

void
bench_histogram_add(struct bench_histogram *histogram, uint64_t duration_ns)
{
    histogram->count++;
    histogram->sum_ns += duration_ns;
    histogram->buckets[bucket_of(duration_ns)]++;
}

double
bench_histogram_quantile_us(const struct bench_histogram *histogram, double fraction)
{
    double wanted = fraction * (double)histogram->count;
    uint64_t seen = 0;

    for (uint64_t bucket = 0; bucket < BENCH_HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double)seen >= wanted) {
            return (double)bucket_upper_edge(bucket) / 1e3;
        }
    }
    return 0;
}

double
bench_histogram_mean_us(const struct bench_histogram *histogram)
{
    if (histogram->count == 0) {
        return 0;
    }
    return (double)histogram->sum_ns / (double)histogram->count / 1e3;
}
