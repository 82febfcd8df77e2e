/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#define SUBS (1u << HISTOGRAM_SUB_BITS)

static uint64_t
load(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static void
store(_Atomic uint64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static unsigned
bucket_of(uint64_t value)
{
    if (value < SUBS) {
        return (unsigned)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return shift * SUBS + (unsigned)(value >> shift);
}

static uint64_t
bucket_upper_edge(unsigned bucket)
{
    if (bucket < 2 * SUBS) {
        return bucket;
    }
    unsigned shift = bucket / SUBS - 1;
    return ((uint64_t)(bucket % SUBS + SUBS + 1) << shift) - 1;
}

void
histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
    _Atomic uint64_t *bucket = &histogram->buckets[bucket_of(duration_ns)];

    store(bucket, load(bucket) + 1);
    if (duration_ns > load(&histogram->max_ns)) {
        store(&histogram->max_ns, duration_ns);
    }
}

void
histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        store(&histogram->buckets[i], load(&histogram->buckets[i]) + load(&from->buckets[i]));
    }
    if (load(&from->max_ns) > load(&histogram->max_ns)) {
        store(&histogram->max_ns, load(&from->max_ns));
    }
}

uint64_t
histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += load(&histogram->buckets[i]);
    }
    return count;
}

uint64_t
histogram_quantile_ns(const struct histogram *histogram, double fraction)
{
    double wanted = fraction * (double)histogram_count(histogram);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += load(&histogram->buckets[i]);
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t edge = bucket_upper_edge(i);

            return edge < load(&histogram->max_ns) ? edge : load(&histogram->max_ns);
        }
    }
    return 0;
}
