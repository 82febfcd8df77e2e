/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_MACHINE_H
#define SIGHT_MACHINE_H

// Where a figure was measured: without that it means nothing.

#include <stdio.h>

struct machine {
    char cpu[96];
    char kernel[96];
    char date[32]; // "2026-11-21 09:30"
    long cores;    // that this process may use
    double load;   // mean of the last minute; below 0: not known
};

// Of this machine, now.
void machine_read(struct machine *ret_machine);

// As an object of JSON, with the keys that stress/bench/run writes.
void machine_write(FILE *to, const struct machine *machine);

#endif /* SIGHT_MACHINE_H */
