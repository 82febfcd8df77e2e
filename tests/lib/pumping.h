/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PUMPING_H
#define TESTS_LIB_PUMPING_H

// Two pairs with a pump between their streams, and bytes that cross it.

#include "tests/lib/fixture.h"

struct pumping {
    struct fixture *fixture;
    struct pair *a;
    struct pair *b;
    struct weir_pump request;
    weir_pump_handle pump;
    int started; // what weir_pump_start() said; 1: not called yet
    int done;
    struct weir_pump_stats stats;
};

// Two adopted pairs; of threaded loops the second is on the second loop.
struct pumping *pumping_make(struct fixture *fixture, const struct pair_options *a,
                             const struct pair_options *b);
// Start the pump of pumping->request, on a's loop, and wait until it has been.
void pumping_start(struct pumping *pumping);
// The same with two plain pairs.
struct pumping *pumping_open(struct fixture *fixture, const struct weir_pump *request);
// Turn until `done`.
void pumping_wait(struct pumping *pumping);

// One way across, while others may run: from[0…size) written here comes out there.
struct crossing {
    int from, to;
    unsigned seed;
    size_t size;
    size_t written, read;
    bool ends; // a FIN behind it, which must come out too
    bool ended;
};

// Turn until every crossing is over.
void pumping_cross(struct pumping *pumping, struct crossing *crossings, unsigned count);

#endif /* TESTS_LIB_PUMPING_H */
