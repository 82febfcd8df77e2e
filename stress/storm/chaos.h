/* SPDX-License-Identifier: MIT */
#ifndef STORM_CHAOS_H
#define STORM_CHAOS_H

// Closes connections at random moments in every way there is, while others write to them.

#include "random.h"
#include "storm.h"

struct chaos {
    struct random random;
    uint64_t next_ns; // of the next close
};

void chaos_init(struct chaos *chaos, const struct storm *storm);

// Main thread, often. Close what is due, dial again what could not be dialled.
void chaos_turn(struct chaos *chaos, struct storm *storm);

// Main thread, when nothing is written any more; again and again until no link is open.
void chaos_drain_all(struct storm *storm);

#endif /* STORM_CHAOS_H */
