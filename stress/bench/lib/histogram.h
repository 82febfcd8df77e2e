/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

// Durations counted in buckets at most 1/64 wide, relative to their value. One writer.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_HISTOGRAM_BUCKETS 4096

struct bench_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_add(struct bench_histogram *histogram, uint64_t duration_ns);

// The duration that this fraction (0 to 1) of all does not exceed, to the bucket's upper edge.
double bench_histogram_quantile_us(const struct bench_histogram *histogram, double fraction);
double bench_histogram_mean_us(const struct bench_histogram *histogram);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_HISTOGRAM_H */
