/* SPDX-License-Identifier: MIT */
#ifndef STORM_ECHO_CLIENT_H
#define STORM_ECHO_CLIENT_H

// One client of an echo server. It lives on its stream's loop.

#include "counters.h"
#include "histogram.h"
#include "options.h"
#include "reader.h"

#include "weir/weir.h"

// Written on one loop's thread.
struct echo_loop {
    struct weir_loop *loop;
    struct counters counters;
    struct histogram round_trip;
};

struct echo_slot {
    struct record head;
    struct echo_client *client;
    bool is_written; // completed
    bool is_back;    // echoed and verified
};

struct echo_world {
    const struct options *options;
    struct echo_loop *loops;
    unsigned loop_count;
    atomic_bool is_ending;
    atomic_uint open; // clients that are not closed
};

struct echo_client {
    struct echo_world *world;
    struct echo_loop *loop;
    uint32_t id;
    weir_stream stream;
    struct random random;
    struct reader reader;
    unsigned depth;
    uint32_t sequence;       // of the next message
    uint32_t expected;       // of the next echo
    struct echo_slot *slots; // depth of them; message n is in slot n % depth
    bool has_ended;
};

// False: it could not be dialled.
bool echo_client_start(struct echo_client *client, struct echo_world *world, uint32_t id);

#endif /* STORM_ECHO_CLIENT_H */
