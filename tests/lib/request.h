/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_REQUEST_H
#define TESTS_LIB_REQUEST_H

// Write requests as the tests make them: recorded, and filled with the pattern of their tag.

#include <stddef.h>

#include "weir/weir.h"

struct fixture;
struct pair;
struct recorder;

// A borrowed write of size bytes of the pattern of seed tag; size 0: a barrier.
struct weir_write request_make(struct recorder *recorder, unsigned tag, size_t size);

// Make one with these flags and submit it; the result of weir_write().
int request_submit(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size,
                   unsigned flags);

// A chain of pool blocks with the pattern of the seed.
struct weir_chain request_chain(size_t size, unsigned seed);

// The release function of given memory, and its arg: counts, and notices a second call.
struct released {
    struct fixture *fixture;
    unsigned count; // under the fixture's lock
};
weir_release_fn request_release;
struct released *released_make(struct fixture *fixture);
unsigned released_count(struct released *released);

#endif /* TESTS_LIB_REQUEST_H */
