/* SPDX-License-Identifier: MIT */
#ifndef SERVERS_PROMETHEUS_H
#define SERVERS_PROMETHEUS_H

// A program's own counters in Prometheus's text format, and the runtime's behind them.

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

struct weir_runtime;

void prometheus_head(FILE *out, const char *name, const char *type, const char *what);
void prometheus_one(FILE *out, const char *name, const char *type, const char *what,
                    uint64_t value);

// Everything that the library counts.
void prometheus_runtime(FILE *out, struct weir_runtime *runtime);

// The number of the loop on which this is called.
unsigned prometheus_loop_index(struct weir_runtime *runtime);

// A counter with one writer, a loop; others may look.
static inline void
count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

#endif /* SERVERS_PROMETHEUS_H */
