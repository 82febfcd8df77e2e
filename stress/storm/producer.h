/* SPDX-License-Identifier: MIT */
#ifndef STORM_PRODUCER_H
#define STORM_PRODUCER_H

// A writer: makes random messages and writes them to random connections. Either a thread of its own
// or, for the path that has no lane, a timer on a loop.

#include "cancel.h"
#include "message.h"
#include "storm.h"

#include <pthread.h>
#include <semaphore.h>

struct producer {
    struct storm *storm;
    unsigned index;
    struct weir_loop *loop; // NULL: a thread
    pthread_t thread;
    struct random random;
    struct counters counters;
    struct canceller canceller;

    // Only the producer.
    struct message *slots;
    unsigned depth;
    struct message *free;
    struct message *unfinished;    // partly sent, to be continued
    struct producer_place *places; // per connection
    uint32_t attempt;
    uint64_t now_ns;
    unsigned failures; // in a row

    // Shared with the loops that complete.
    _Alignas(64) _Atomic(struct message *) returned;
    atomic_uint outstanding;
    _Atomic size_t outstanding_bytes;
    atomic_bool is_waiting;
    atomic_bool has_ended; // writes no more
    sem_t may_go_on;
};

void producer_init(struct producer *producer, struct storm *storm, unsigned index,
                   struct weir_loop *loop);
void producer_fini(struct producer *producer);

void producer_start(struct producer *producer);

// Any thread. Is there anything left that it has not been told about?
bool producer_is_done(const struct producer *producer);

// Any thread, when nothing moves: describe what it waits for on standard error.
void producer_dump(const struct producer *producer);

// Any thread. There may be room now.
void producer_wake(struct producer *producer);
void producer_wake_all(struct storm *storm);

#endif /* STORM_PRODUCER_H */
