/* SPDX-License-Identifier: MIT */

#include "runtime/latency.h"

#include "runtime/runtime.h"

#include <errno.h>

#define SUB_BITS 2u
#define SUBS     (1u << SUB_BITS)

// Bucket 4 e + s, e > 0, has the times above (4 + s) 2^(e-1) and up to (5 + s) 2^(e-1); the first
// four have one nanosecond each. A bound belongs to the bucket below it, so the buckets add up to
// Prometheus's "less or equal".
unsigned
wi_latency_bucket(uint64_t ns)
{
    uint64_t below = ns == 0 ? 0 : ns - 1;
    unsigned exponent;
    unsigned bucket;

    if (below < SUBS) {
        return (unsigned)below;
    }
    exponent = 63u - (unsigned)__builtin_clzll(below) - SUB_BITS;
    bucket = (exponent + 1) * SUBS + (unsigned)((below >> exponent) & (SUBS - 1));
    return bucket < WEIR_LATENCY_BUCKETS ? bucket : WEIR_LATENCY_BUCKETS - 1;
}

uint64_t
weir_latency_bound_ns(unsigned bucket)
{
    if (bucket >= WEIR_LATENCY_BUCKETS - 1) {
        return UINT64_MAX;
    }
    if (bucket < SUBS) {
        return bucket + 1;
    }
    return (uint64_t)(SUBS + bucket % SUBS + 1) << (bucket / SUBS - 1);
}

void
wi_latency_note(struct wi_latency *latency, uint64_t ns)
{
    wi_count(&latency->count, 1);
    wi_count(&latency->sum_ns, ns);
    wi_count(&latency->buckets[wi_latency_bucket(ns)], 1);
}

void
wi_latency_add(struct weir_latency *sum, const struct wi_latency *more)
{
    sum->count += wi_load_relaxed(&more->count);
    sum->sum_ns += wi_load_relaxed(&more->sum_ns);
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
        sum->buckets[i] += wi_load_relaxed(&more->buckets[i]);
    }
}

uint64_t
weir_latency_quantile_ns(const struct weir_latency *latency, unsigned per_million)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    uint64_t wanted;
    unsigned bucket = 0;

    if (latency == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) { // `count` may be of another moment
        total += latency->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    per_million = per_million < 1000000 ? per_million : 1000000;
    wanted = total / 1000000 * per_million + (total % 1000000 * per_million + 999999) / 1000000;
    wanted = wanted > 0 ? wanted : 1;
    while ((seen += latency->buckets[bucket]) < wanted) {
        bucket++;
    }
    return weir_latency_bound_ns(bucket);
}

#if defined(WI_NO_LATENCY)
#define IS_MEASURED false
#else
#define IS_MEASURED true
#endif

int
weir_loop_latency(struct weir_loop *public, struct weir_latency *ret_latency)
{
    struct wi_loop *loop = wi_loop_of(public);

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || ret_latency == NULL) {
        return -EINVAL;
    }
    if (!IS_MEASURED) {
        return -ENOTSUP;
    }
    *ret_latency = (struct weir_latency){0};
    wi_latency_add(ret_latency, &loop->latency);
    return 0;
}

int
weir_latency(struct weir_runtime *public, struct weir_latency *ret_latency)
{
    struct wi_runtime *runtime = wi_runtime_of(public);
    struct weir_latency sum = {0};

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || ret_latency == NULL) {
        return -EINVAL;
    }
    if (!IS_MEASURED) {
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        wi_latency_add(&sum, &runtime->loops[i].latency);
    }
    *ret_latency = sum;
    return 0;
}
