/* SPDX-License-Identifier: MIT */
#ifndef STORM_COUNTERS_H
#define STORM_COUNTERS_H

// What writers and loops count. One thread writes a set of counters; any thread may look.

#include <stdatomic.h>
#include <stdint.h>

enum counter {
    COUNT_ACCEPTED,    // writes answered with 0
    COUNT_INLINE,      // writes answered with 1
    COUNT_COMPLETED,   // completions
    COUNT_DELIVERED,   // whole messages that completed with success
    COUNT_BYTES,       // bytes the kernel took
    COUNT_CANCELLED,   // completions that say so
    COUNT_LATE_CANCEL, // completions with late_cancel
    COUNT_CANCEL_WON,  // answers
    COUNT_CANCEL_PENDING,
    COUNT_CANCEL_LATE,
    COUNT_CANCEL_TOKEN,    // writes that carried a token to be fired
    COUNT_CANCEL_DEADLINE, // and a deadline to pass
    COUNT_TORN,            // streams torn by a cancel
    COUNT_TORN_EXACT,      // the receiver had exactly the bytes that were said to be sent
    COUNT_CUT,             // streams reset by a cancel
    COUNT_MENDED,          // messages continued after a tear or a partial write
    COUNT_GIVEN,           // memory given in accepted writes
    COUNT_RELEASED,
    COUNT_REFUSED_STALE, // from here on: why writes were refused
    COUNT_REFUSED_ENDED,
    COUNT_REFUSED_TORN,
    COUNT_REFUSED_FAILED,
    COUNT_REFUSED_TOKEN,
    COUNT_REFUSED_STREAM,
    COUNT_REFUSED_LANE,
    COUNT_REFUSED_LOOP,
    COUNT_REFUSED_PROCESS,
    COUNT_REFUSED_NOWAIT,
    COUNT_REFUSED_SECTION,
    COUNT_REFUSED_MEMORY,
    COUNTERS,
};

struct counters {
    _Alignas(64) _Atomic uint64_t value[COUNTERS];
};

static inline uint64_t
counter_get(const struct counters *counters, enum counter counter)
{
    return atomic_load_explicit(&counters->value[counter], memory_order_relaxed);
}

static inline void
counter_add(struct counters *counters, enum counter counter, uint64_t amount)
{
    atomic_store_explicit(&counters->value[counter], counter_get(counters, counter) + amount,
                          memory_order_relaxed);
}

// Add all of @p from.
static inline void
counters_merge(struct counters *counters, const struct counters *from)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        counter_add(counters, (enum counter)i, counter_get(from, (enum counter)i));
    }
}

#endif /* STORM_COUNTERS_H */
