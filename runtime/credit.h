/* SPDX-License-Identifier: MIT */
#ifndef WI_CREDIT_H
#define WI_CREDIT_H

/**
 * @file
 * Limits on queued bytes per loop and per runtime, by credits.
 *
 * A producer leases credit in chunks from its loop's and the runtime's pots and spends it
 * privately; the loop gives back what finished once a turn. A chunk is 1/1280 of the smaller limit,
 * so 64 producers hold back at most 5 % of it. Without limits nothing here is touched.
 */

#include "runtime/runtime.h"

#define WI_CREDIT_NONE UINT64_MAX // a pot without a limit

static inline bool
wi_credit_is_limited(const struct wi_runtime *runtime)
{
    return runtime->options.loop_bytes_max != 0 || runtime->options.total_bytes_max != 0;
}

/** Any thread. Lease @p size bytes and a chunk more into *@p credit, then spend them. 0,
 *  -WEIR_ELOOPFULL or -WEIR_EPROCFULL. A size above a limit is admitted when the pot is whole. */
WI_COLD int wi_credit_lease(struct wi_loop *loop, uint64_t *credit, uint64_t size);

/** The submitter. Spend @p size bytes of its credit. 0, -WEIR_ELOOPFULL, -WEIR_EPROCFULL. */
static inline int
wi_credit_spend(struct wi_loop *loop, uint64_t *credit, uint64_t size)
{
    if (wi_likely(!wi_credit_is_limited(loop->runtime))) {
        return 0;
    }
    if (*credit >= size) {
        *credit -= size;
        return 0;
    }
    return wi_credit_lease(loop, credit, size);
}

/** The submitter. What was spent was not used after all: keep at most a chunk of it. */
WI_COLD void wi_credit_unspend(struct wi_loop *loop, uint64_t *credit, uint64_t size);

/** Any thread. Put bytes back into the pots. */
void wi_credit_give_back(struct wi_loop *loop, uint64_t size);

#endif /* WI_CREDIT_H */
