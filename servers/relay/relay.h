/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

// What all parts of the program share.

#include "limits.h"
#include "metrics.h"
#include "options.h"

#include "common/log.h"

#include <stdatomic.h>

struct relay {
    const struct options *options;
    struct weir_runtime *runtime;
    struct limits *limits;
    struct log *log; // NULL: none
    struct metrics *metrics;
    atomic_bool is_draining;
    void (*drained)(struct relay *relay); // while draining, the last connection has ended
};

#endif /* RELAY_RELAY_H */
