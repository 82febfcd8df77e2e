/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_HISTOGRAM_H
#define SIGHT_HISTOGRAM_H

// Durations in buckets of which each is at most 1/32 wide, relative to its value. One thread
// writes; the others may look at any time. All zeros is an empty histogram.

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_SUB_BITS 5u
#define HISTOGRAM_BUCKETS  ((64u - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t max_ns;
};

// --- Filling ------------------------------------------------------------------------------------

void histogram_add(struct histogram *histogram, uint64_t duration_ns);

// The same duration @p count times.
void histogram_add_many(struct histogram *histogram, uint64_t duration_ns, uint64_t count);

// Add a duration measured by a sender that should have sent every @p interval_ns, and waited
// instead while this one was out: also add what those it left out would have taken, had they been
// sent in time (duration - interval, duration - 2 interval, …). Without them one long pause counts
// as one bad duration, and quantiles look better than what a client sees. 0: as histogram_add().
void histogram_add_expected(struct histogram *histogram, uint64_t duration_ns,
                            uint64_t interval_ns);

// Add all of @p from.
void histogram_merge(struct histogram *histogram, const struct histogram *from);

// --- Asking -------------------------------------------------------------------------------------

uint64_t histogram_count(const struct histogram *histogram);

// To the width of a bucket; 0 when there are none. The largest is exact.
uint64_t histogram_min_ns(const struct histogram *histogram);
uint64_t histogram_max_ns(const struct histogram *histogram);
double histogram_mean_ns(const struct histogram *histogram);

// The duration that this fraction (0 to 1) of all does not exceed; 0 when there are none.
uint64_t histogram_quantile_ns(const struct histogram *histogram, double fraction);

// --- Walking through the quantiles, for a plot --------------------------------------------------

struct histogram_point {
    double fraction; // of all that do not exceed the value; 1 in the last point
    uint64_t value_ns;
    uint64_t count; // of those that do not
};

// Steps get smaller towards 1: so many until half of the way to 1 is done, as many for half of the
// rest, and so on. Each point is a bucket's, with the fraction that it truly reaches, and the last
// is the largest duration.
struct histogram_walk {
    const struct histogram *histogram;
    uint64_t total;
    uint64_t seen;
    unsigned bucket;
    unsigned steps_per_half;
    bool is_done;
};

struct histogram_walk histogram_walk_begin(const struct histogram *histogram,
                                           unsigned steps_per_half);

// False: that was all.
bool histogram_walk_next(struct histogram_walk *walk, struct histogram_point *ret_point);

// --- As text: digits, blanks and colons, so that it can stand in a JSON string ------------------

// "32 MAX BUCKET:COUNT BUCKET:COUNT …": buckets per doubling, the largest, and those not empty.
void histogram_print(const struct histogram *histogram, FILE *to);

// What histogram_print() wrote. 0, or -EINVAL with the histogram empty.
int histogram_parse(struct histogram *ret_histogram, const char *text);

#endif /* SIGHT_HISTOGRAM_H */
