/* SPDX-License-Identifier: MIT */
#ifndef STORM_WATCHDOG_H
#define STORM_WATCHDOG_H

// Progress: an end with a dump when there is none.

#include "counters.h"

#include "weir/weir.h"

#include <stdbool.h>
#include <stdint.h>

struct watchdog {
    struct weir_runtime *runtime;
    uint64_t begin_ns;
    uint64_t moved_ns; // when something last moved
    uint64_t progress;
};

void watchdog_init(struct watchdog *watchdog, struct weir_runtime *runtime);

// @p progress grows whenever anything happens. True: nothing has for too long.
bool watchdog_is_stalled(struct watchdog *watchdog, uint64_t progress);

double watchdog_seconds(const struct watchdog *watchdog);

// Describe every loop on standard error.
void watchdog_dump(struct weir_runtime *runtime);

// Let others run for a moment.
void watchdog_nap(void);

#endif /* STORM_WATCHDOG_H */
