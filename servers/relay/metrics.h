/* SPDX-License-Identifier: MIT */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

// What the relay counts. Each loop counts for itself; who asks adds up.

#include "limits.h"

#include "common/prometheus.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct weir_runtime;
struct relay;

// How a connection ended.
enum ending {
    ENDING_OK,             // both directions in order
    ENDING_CLIENT_RESET,   // or failed otherwise
    ENDING_TARGET_RESET,   // likewise
    ENDING_TARGET_REFUSED, // or could not be reached
    ENDING_IDLE,
    ENDING_HEADER,         // no PROXY header where there had to be one
    ENDING_HEADER_TIMEOUT, // or not in time
    ENDING_STOPPED,        // by the end of the program
    ENDING_MEMORY,
    ENDINGS,
};

const char *ending_name(enum ending ending);

// Of one loop.
struct counts {
    _Alignas(64) _Atomic uint64_t accepted;
    _Atomic uint64_t refused[LIMITS_ANSWERS];
    _Atomic uint64_t ended[ENDINGS];
    _Atomic uint64_t bytes_up;
    _Atomic uint64_t bytes_down;
};

struct metrics;

// NULL: memory ran out.
struct metrics *metrics_create(struct weir_runtime *runtime);
void metrics_free(struct metrics *metrics);

// On a loop: its counts.
struct counts *metrics_here(struct metrics *metrics);

// Everything in Prometheus's text format, the runtime's own statistics behind the relay's. Memory
// to be freed; NULL: it ran out.
char *metrics_text(struct relay *relay, size_t *ret_size);

#endif /* RELAY_METRICS_H */
