/* SPDX-License-Identifier: MIT */
#ifndef STORM_CROWD_LOOP_H
#define STORM_CROWD_LOOP_H

// One thread of a crowd: an epoll loop with its part of the clients.

#include "churn.h"
#include "client.h"
#include "drainer.h"

// When an open loop's messages are due: the n-th of this thread goes to the next client in turn, so
// a message's time follows from its number, whatever happened to those before it.
struct schedule {
    double interval_ns; // 0: none
    uint64_t begin_ns;
    uint64_t next; // number of the next message
    struct client **clients;
    unsigned client_count;
};

struct crowd_loop {
    struct crowd *crowd;
    struct crowd_counts *counts;
    unsigned index;
    pthread_t thread;
    int poller;
    enum crowd_phase phase;
    uint64_t now_ns; // of this turn
    struct client *clients;
    unsigned client_count;
    unsigned connecting;
    unsigned left;          // clients that have not gone
    unsigned begun;         // clients that were asked to connect
    struct client *resting; // slow ones, read once in a while
    uint64_t rested_ns;
    struct schedule schedules[CROWD_GROUPS_MAX];
    struct churn churn;
    struct drain drain;
    uint8_t *buffer;
    struct random random;
};

void crowd_loop_start(struct crowd_loop *loop, struct crowd *crowd, unsigned index);
void crowd_loop_join(struct crowd_loop *loop);

const struct crowd_group *crowd_loop_group(const struct crowd_loop *loop, unsigned group);

// Watch @p fd for @p owner; @p before: what it was watched for, 0: not at all.
void crowd_loop_watch(const struct crowd_loop *loop, int fd, uint32_t before, uint32_t events,
                      const void *owner);

// When the n-th message of a client with an open loop is due.
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number, unsigned position);

// A count of one thread, which only it writes.
static inline void
crowd_count(_Atomic uint64_t *count, uint64_t amount)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

#endif /* STORM_CROWD_LOOP_H */
