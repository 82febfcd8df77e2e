/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

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
bucket_lower_edge(unsigned bucket)
{
    if (bucket < 2 * SUBS) {
        return bucket;
    }
    unsigned shift = bucket / SUBS - 1;
    return (uint64_t)(bucket % SUBS + SUBS) << shift;
}

static uint64_t
bucket_upper_edge(unsigned bucket)
{
    return bucket + 1 < HISTOGRAM_BUCKETS ? bucket_lower_edge(bucket + 1) - 1 : UINT64_MAX;
}

// No bucket's edge is larger than the largest duration.
static uint64_t
value_of(const struct histogram *histogram, unsigned bucket)
{
    uint64_t edge = bucket_upper_edge(bucket);
    uint64_t max_ns = load(&histogram->max_ns);

    return edge < max_ns ? edge : max_ns;
}

void
histogram_add_many(struct histogram *histogram, uint64_t duration_ns, uint64_t count)
{
    _Atomic uint64_t *bucket = &histogram->buckets[bucket_of(duration_ns)];

    store(bucket, load(bucket) + count);
    if (duration_ns > load(&histogram->max_ns)) {
        store(&histogram->max_ns, duration_ns);
    }
}

void
histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
    histogram_add_many(histogram, duration_ns, 1);
}

// Those left out lie at even distances, so a bucket takes all of its own in one step, however many
// they are: a pause of an hour at one per microsecond costs no more than the buckets there are.
void
histogram_add_expected(struct histogram *histogram, uint64_t duration_ns, uint64_t interval_ns)
{
    histogram_add(histogram, duration_ns);
    if (interval_ns == 0 || duration_ns / 2 < interval_ns) {
        return;
    }
    uint64_t left = duration_ns - interval_ns;
    while (left >= interval_ns) {
        uint64_t edge = bucket_lower_edge(bucket_of(left));
        uint64_t least = edge > interval_ns ? edge : interval_ns;
        uint64_t count = (left - least) / interval_ns + 1;

        histogram_add_many(histogram, left, count);
        if (count > left / interval_ns) {
            break;
        }
        left -= count * interval_ns;
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
histogram_min_ns(const struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (load(&histogram->buckets[i]) != 0) {
            return bucket_lower_edge(i);
        }
    }
    return 0;
}

uint64_t
histogram_max_ns(const struct histogram *histogram)
{
    return load(&histogram->max_ns);
}

double
histogram_mean_ns(const struct histogram *histogram)
{
    double sum = 0, count = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double in_bucket = (double)load(&histogram->buckets[i]);

        if (in_bucket > 0) {
            double low = (double)bucket_lower_edge(i), high = (double)value_of(histogram, i);

            sum += in_bucket * (low + high) / 2;
            count += in_bucket;
        }
    }
    return count > 0 ? sum / count : 0;
}

uint64_t
histogram_quantile_ns(const struct histogram *histogram, double fraction)
{
    double wanted = fraction * (double)histogram_count(histogram);
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += load(&histogram->buckets[i]);
        if (seen > 0 && (double)seen >= wanted) {
            return value_of(histogram, i);
        }
    }
    return 0;
}

// --- Walking ------------------------------------------------------------------------------------

struct histogram_walk
histogram_walk_begin(const struct histogram *histogram, unsigned steps_per_half)
{
    uint64_t total = histogram_count(histogram);

    return (struct histogram_walk){.histogram = histogram,
                                   .total = total,
                                   .steps_per_half = steps_per_half == 0 ? 1 : steps_per_half,
                                   .is_done = total == 0};
}

// The fraction that the next point has to reach.
static double
next_fraction(const struct histogram_walk *walk)
{
    double reached = (double)walk->seen / (double)walk->total;
    double halvings = floor(-log2(1 - reached));

    return reached + exp2(-halvings) / 2 / walk->steps_per_half;
}

bool
histogram_walk_next(struct histogram_walk *walk, struct histogram_point *ret_point)
{
    if (walk->is_done) {
        return false;
    }
    double wanted = walk->seen == 0 ? 0 : next_fraction(walk) * (double)walk->total;
    uint64_t in_bucket = 0;
    while (walk->bucket < HISTOGRAM_BUCKETS && (in_bucket == 0 || (double)walk->seen < wanted)) {
        in_bucket = load(&walk->histogram->buckets[walk->bucket++]);
        walk->seen += in_bucket;
    }
    // A writer may go on meanwhile: what came behind the beginning is not told.
    walk->is_done = walk->seen >= walk->total || walk->bucket == HISTOGRAM_BUCKETS;
    ret_point->count = walk->is_done ? walk->total : walk->seen;
    ret_point->fraction = (double)ret_point->count / (double)walk->total;
    ret_point->value_ns = walk->is_done ? histogram_max_ns(walk->histogram)
                                        : value_of(walk->histogram, walk->bucket - 1);
    return true;
}

// --- Text ---------------------------------------------------------------------------------------

void
histogram_print(const struct histogram *histogram, FILE *to)
{
    fprintf(to, "%u %" PRIu64, SUBS, histogram_max_ns(histogram));
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (load(&histogram->buckets[i]) != 0) {
            fprintf(to, " %u:%" PRIu64, i, load(&histogram->buckets[i]));
        }
    }
}

// A number that ends with @p end, and what is behind that; NULL: something else is there.
static const char *
parse_number(const char *text, char end, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text == NULL || *text < '0' || *text > '9') {
        return NULL;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (number > (UINT64_MAX - digit) / 10) {
            return NULL;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    if (*text == end && end != '\0') {
        return text + 1;
    }
    return *text == '\0' ? text : NULL;
}

int
histogram_parse(struct histogram *ret_histogram, const char *text)
{
    uint64_t subs = 0, max_ns = 0, next = 0; // buckets come in order, from this one on

    memset(ret_histogram, 0, sizeof(*ret_histogram));
    text = parse_number(text, ' ', &subs);
    text = parse_number(text, ' ', &max_ns);
    bool is_good = text != NULL && subs == SUBS;
    while (is_good && *text != '\0') {
        uint64_t bucket = 0, count = 0;

        text = parse_number(text, ':', &bucket);
        text = parse_number(text, ' ', &count);
        is_good = text != NULL && bucket >= next && bucket < HISTOGRAM_BUCKETS && count != 0;
        if (is_good) {
            store(&ret_histogram->buckets[bucket], count);
            next = bucket + 1;
        }
    }
    store(&ret_histogram->max_ns, max_ns);
    if (!is_good || (next == 0 ? max_ns != 0 : bucket_of(max_ns) != next - 1)) {
        memset(ret_histogram, 0, sizeof(*ret_histogram));
        return -EINVAL;
    }
    return 0;
}
