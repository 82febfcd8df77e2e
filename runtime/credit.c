/* SPDX-License-Identifier: MIT */

#include "runtime/credit.h"

#include <errno.h>

#define CREDIT_PRODUCERS 64u // who may hold a chunk at once within the promised slack
#define CREDIT_SLACK     20u // one in so many: 5 %

static uint64_t
chunk_of(const struct weir_runtime_options *options)
{
    uint64_t limit =
        options->loop_bytes_max != 0 ? options->loop_bytes_max : options->total_bytes_max;

    if (options->total_bytes_max != 0 && options->total_bytes_max < limit) {
        limit = options->total_bytes_max;
    }
    return limit / (CREDIT_PRODUCERS * CREDIT_SLACK);
}

// Take from a pot, even beyond its bottom for one oversize write when the pot is whole, but for the
// chunks that other producers may hold. The pot is signed in two's complement; below zero it admits
// nothing.
static bool
pot_take(wi_atomic_u64 *pot, uint64_t limit, uint64_t size)
{
    uint64_t seen = wi_load_relaxed(pot);

    if (limit == 0) {
        return true;
    }
    do {
        bool is_whole = seen >= limit - limit / CREDIT_SLACK;

        if ((int64_t)seen < 0 || (seen < size && !is_whole)) {
            return false;
        }
    } while (!wi_cas_relaxed(pot, &seen, seen - size));
    return true;
}

static void
pot_put(wi_atomic_u64 *pot, uint64_t limit, uint64_t size)
{
    if (limit != 0) {
        wi_add_relaxed(pot, size);
    }
}

// Both pots or neither.
static int
take_both(struct wi_loop *loop, uint64_t size)
{
    struct wi_runtime *runtime = loop->runtime;

    if (!pot_take(&loop->credit, runtime->options.loop_bytes_max, size)) {
        return -WEIR_ELOOPFULL;
    }
    if (!pot_take(&runtime->credit, runtime->options.total_bytes_max, size)) {
        pot_put(&loop->credit, runtime->options.loop_bytes_max, size);
        return -WEIR_EPROCFULL;
    }
    return 0;
}

int
wi_credit_lease(struct wi_loop *loop, uint64_t *credit, uint64_t size)
{
    uint64_t chunk = chunk_of(&loop->runtime->options);
    int result;

    // Give what is left of the old chunk back first, so that a whole pot can look whole.
    wi_credit_give_back(loop, *credit);
    *credit = 0;
    if (chunk != 0 && take_both(loop, size + chunk) == 0) {
        *credit = chunk;
        return 0;
    }
    result = take_both(loop, size);
    return result;
}

void
wi_credit_give_back(struct wi_loop *loop, uint64_t size)
{
    struct wi_runtime *runtime = loop->runtime;

    if (size != 0) {
        pot_put(&loop->credit, runtime->options.loop_bytes_max, size);
        pot_put(&runtime->credit, runtime->options.total_bytes_max, size);
    }
}

void
wi_credit_unspend(struct wi_loop *loop, uint64_t *credit, uint64_t size)
{
    uint64_t chunk;

    if (!wi_credit_is_limited(loop->runtime)) {
        return;
    }
    chunk = chunk_of(&loop->runtime->options);
    *credit += size;
    if (*credit > chunk) { // else one refused write would withhold its size from everybody
        wi_credit_give_back(loop, *credit - chunk);
        *credit = chunk;
    }
}
