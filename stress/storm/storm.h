/* SPDX-License-Identifier: MIT */
#ifndef STORM_STORM_H
#define STORM_STORM_H

// The storm of writes: what its parts share.
//
// This process writes, through weir. Another process receives with plain sockets and verifies. A
// *connection* is a place that always has a stream; each stream it has, one after the other, is a
// *link*. A *producer* is a writer, a thread of its own or a timer on a loop; it writes *messages*
// to the links of any connection.

#include "counters.h"
#include "histogram.h"
#include "receiver.h"
#include "scenario.h"
#include "storm_options.h"

#include "weir/weir.h"

#include <stdatomic.h>
#include <stdbool.h>

#define STRANGERS 1024u // handles that a thread which does not own them cancels

struct link;
struct producer;

struct connection {
    _Atomic(struct link *) link;   // the current one, or one that is gone; see link_hold()
    _Atomic(struct link *) buried; // gone, and freed when nobody can be looking at them
    atomic_uint lookers;           // who may be looking at a link that they do not hold yet
    atomic_bool wants_reset;       // the next message asks the receiver to reset
    atomic_bool is_down;           // could not be dialled; the main thread tries again
};

// Written on one loop's thread.
struct storm_loop {
    struct weir_loop *loop;
    struct counters counters;
    struct histogram acknowledged; // submit to the receiver's acknowledgement read here
    struct histogram completed;    // submit to completion
};

struct storm {
    const struct options *options;
    struct receiver receiver;
    struct weir_runtime *runtime;
    unsigned loop_count;
    struct storm_loop *loops;
    struct connection *connections;
    struct producer *producers; // options->producers threads, then one per loop
    unsigned producer_count;
    atomic_bool is_ending;                 // no new messages, no new links
    _Atomic uint64_t closes;               // asked for, in any mode
    _Atomic uint64_t settled;              // links whose two ends were compared
    _Atomic uint64_t overdue;              // closed links that a deadline ended
    _Atomic uint64_t strangers[STRANGERS]; // bits of handles, 0: none
};

// Run it and fill the result.
void storm_run(struct run *run, const struct options *options);

#endif /* STORM_STORM_H */
