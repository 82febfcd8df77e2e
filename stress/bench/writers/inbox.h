/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_INBOX_H
#define BENCH_WRITERS_INBOX_H

// How writes get from many producers to the one loop: five queues to compare, behind three calls.
//
//   stack       CK's stack: producers push, the loop takes everything at once and reverses it
//   vyukov      intrusive queue: producers exchange the head, the loop follows the links
//   spsc        one single-producer CK ring for each producer
//   mpsc-ring   one multi-producer CK ring; a producer waits for those who reserved before it
//   mutex       a list under a mutex; the loop takes everything at once

#include "lib/fail.h"
#include "lib/writers.h"

#include <ck_ring.h>
#include <ck_stack.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define CACHE_LINE 64

enum inbox_kind {
    INBOX_STACK,
    INBOX_VYUKOV,
    INBOX_SPSC,
    INBOX_MPSC_RING,
    INBOX_MUTEX,
};

struct queued {
    struct bench_write write;
    struct queued *next;    // in a list: of the inbox, of a connection
    ck_stack_entry_t entry; // in the stack
};
CK_STACK_CONTAINER(struct queued, entry, queued_of)

struct inbox_ring {
    _Alignas(CACHE_LINE) ck_ring_t ring;
    ck_ring_buffer_t *slots;
};

struct inbox {
    enum inbox_kind kind;
    unsigned ring_count;
    struct inbox_ring *rings; // spsc: one for each producer; mpsc-ring: one

    // Producers and the loop.
    _Alignas(CACHE_LINE) ck_stack_t stack;
    _Alignas(CACHE_LINE) struct queued *newest; // vyukov, mutex
    struct queued stub;                         // vyukov: keeps the queue from being empty
    struct queued *first;                       // mutex
    pthread_mutex_t mutex;

    // The loop only.
    _Alignas(CACHE_LINE) struct queued *oldest; // vyukov
    struct queued *popped;                      // stack, mutex: taken at once, oldest first
    unsigned turn;                              // spsc: the ring to look at
};

static inline void
rings_init(struct inbox *inbox, unsigned ring_count, unsigned in_flight_max)
{
    unsigned size = 4;

    while (size <= in_flight_max) { // a CK ring holds one less than its size
        size *= 2;
    }
    inbox->ring_count = ring_count;
    inbox->rings = aligned_alloc(CACHE_LINE, ring_count * sizeof(*inbox->rings));
    bench_require(inbox->rings != NULL, "aligned_alloc");
    for (unsigned i = 0; i < ring_count; i++) {
        ck_ring_init(&inbox->rings[i].ring, size);
        inbox->rings[i].slots = calloc(size, sizeof(ck_ring_buffer_t));
        bench_require(inbox->rings[i].slots != NULL, "calloc");
    }
}

static inline void
inbox_init(struct inbox *inbox, enum inbox_kind kind, unsigned producers, unsigned window)
{
    *inbox = (struct inbox){.kind = kind};
    ck_stack_init(&inbox->stack);
    pthread_mutex_init(&inbox->mutex, NULL);
    inbox->newest = &inbox->stub;
    inbox->oldest = &inbox->stub;
    if (kind == INBOX_SPSC) {
        rings_init(inbox, producers, window);
    } else if (kind == INBOX_MPSC_RING) {
        rings_init(inbox, 1, producers * window);
    }
}

static inline void
inbox_fini(struct inbox *inbox)
{
    for (unsigned i = 0; i < inbox->ring_count; i++) {
        free(inbox->rings[i].slots);
    }
    free(inbox->rings);
    pthread_mutex_destroy(&inbox->mutex);
}

static inline void
vyukov_put(struct inbox *inbox, struct queued *queued)
{
    __atomic_store_n(&queued->next, NULL, __ATOMIC_RELAXED);
    struct queued *before = __atomic_exchange_n(&inbox->newest, queued, __ATOMIC_ACQ_REL);
    __atomic_store_n(&before->next, queued, __ATOMIC_RELEASE);
}

static inline void
mutex_put(struct inbox *inbox, struct queued *queued)
{
    queued->next = NULL;
    pthread_mutex_lock(&inbox->mutex);
    if (inbox->first == NULL) {
        __atomic_store_n(&inbox->first, queued, __ATOMIC_RELAXED);
    } else {
        inbox->newest->next = queued;
    }
    inbox->newest = queued;
    pthread_mutex_unlock(&inbox->mutex);
}

// Any producer.
static inline void
inbox_put(struct inbox *inbox, struct queued *queued)
{
    struct inbox_ring *ring = inbox->rings;
    bool has_room = true;

    switch (inbox->kind) {
    case INBOX_STACK:
        ck_stack_push_upmc(&inbox->stack, &queued->entry);
        break;
    case INBOX_VYUKOV:
        vyukov_put(inbox, queued);
        break;
    case INBOX_SPSC:
        ring += queued->write.producer;
        has_room = ck_ring_enqueue_spsc(&ring->ring, ring->slots, queued);
        break;
    case INBOX_MPSC_RING:
        has_room = ck_ring_enqueue_mpsc(&ring->ring, ring->slots, queued);
        break;
    case INBOX_MUTEX:
        mutex_put(inbox, queued);
        break;
    }
    bench_require(has_room, "a ring that holds every window is full");
}

static inline struct queued *
stack_take_all(struct inbox *inbox)
{
    ck_stack_entry_t *newest = ck_stack_batch_pop_upmc(&inbox->stack);
    struct queued *oldest = NULL;

    while (newest != NULL) {
        struct queued *queued = queued_of(newest);

        newest = newest->next;
        queued->next = oldest;
        oldest = queued;
    }
    return oldest;
}

static inline struct queued *
mutex_take_all(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    struct queued *first = inbox->first;
    __atomic_store_n(&inbox->first, NULL, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&inbox->mutex);
    return first;
}

static inline struct queued *
popped_next(struct inbox *inbox)
{
    if (inbox->popped == NULL) {
        inbox->popped = inbox->kind == INBOX_STACK ? stack_take_all(inbox) : mutex_take_all(inbox);
    }
    struct queued *next = inbox->popped;
    if (next != NULL) {
        inbox->popped = next->next;
    }
    return next;
}

static inline struct queued *
vyukov_next(struct inbox *inbox)
{
    struct queued *oldest = inbox->oldest;
    struct queued *next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);

    if (oldest == &inbox->stub) {
        if (next == NULL) {
            return NULL;
        }
        inbox->oldest = oldest = next;
        next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);
    }
    if (next == NULL) {
        if (oldest != __atomic_load_n(&inbox->newest, __ATOMIC_ACQUIRE)) {
            return NULL; // a producer is between its exchange and its link
        }
        vyukov_put(inbox, &inbox->stub);
        next = __atomic_load_n(&oldest->next, __ATOMIC_ACQUIRE);
    }
    if (next == NULL) {
        return NULL;
    }
    inbox->oldest = next;
    return oldest;
}

static inline struct queued *
spsc_next(struct inbox *inbox)
{
    struct queued *next;

    for (unsigned i = 0; i < inbox->ring_count; i++) {
        struct inbox_ring *ring = &inbox->rings[inbox->turn];

        if (ck_ring_dequeue_spsc(&ring->ring, ring->slots, &next)) {
            return next;
        }
        inbox->turn = (inbox->turn + 1) % inbox->ring_count;
    }
    return NULL;
}

// The loop. NULL: nothing to take now.
static inline struct queued *
inbox_next(struct inbox *inbox)
{
    struct queued *next = NULL;

    switch (inbox->kind) {
    case INBOX_STACK:
    case INBOX_MUTEX:
        return popped_next(inbox);
    case INBOX_VYUKOV:
        return vyukov_next(inbox);
    case INBOX_SPSC:
        return spsc_next(inbox);
    case INBOX_MPSC_RING:
        return ck_ring_dequeue_mpsc(&inbox->rings->ring, inbox->rings->slots, &next) ? next : NULL;
    }
    return NULL;
}

// The loop. A put that is under way may or may not be seen.
static inline bool
inbox_is_empty(struct inbox *inbox)
{
    switch (inbox->kind) {
    case INBOX_STACK:
        return inbox->popped == NULL && CK_STACK_ISEMPTY(&inbox->stack);
    case INBOX_VYUKOV:
        return inbox->oldest == &inbox->stub &&
               __atomic_load_n(&inbox->newest, __ATOMIC_RELAXED) == &inbox->stub;
    case INBOX_SPSC:
    case INBOX_MPSC_RING:
        for (unsigned i = 0; i < inbox->ring_count; i++) {
            if (ck_ring_size(&inbox->rings[i].ring) > 0) {
                return false;
            }
        }
        return true;
    case INBOX_MUTEX:
        return inbox->popped == NULL && __atomic_load_n(&inbox->first, __ATOMIC_RELAXED) == NULL;
    }
    return true;
}

#endif /* BENCH_WRITERS_INBOX_H */
