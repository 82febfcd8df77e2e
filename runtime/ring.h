/* SPDX-License-Identifier: MIT */
#ifndef WI_RING_H
#define WI_RING_H

/**
 * @file
 * What the library takes from ConcurrencyKit, each thing with its true guarantee: the single-
 * producer single-consumer ring that a lane is made of, and the intrusive stack that cancels,
 * control requests and marked lanes travel on. The only file that includes CK. (CK's multi-producer
 * ring is not used: its producers publish in ticket order, so a preempted one stops all others.)
 */

#include "mem/assert.h"
#include "mem/atomic.h"

#include <ck_ring.h>
#include <ck_stack.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ---- the ring: one producer, one consumer ---- */

struct wi_ring {
    ck_ring_t ring;
    wi_atomic_ptr next;       // a larger ring that the producer went on to; see lane.h
    ck_ring_buffer_t slots[]; // as many as the ring's size, a power of two; one stays empty
};

/** Start only. */
static inline void
wi_ring_init(struct wi_ring *ring, unsigned entries)
{
    ck_ring_init(&ring->ring, entries);
    wi_store_relaxed(&ring->next, (uintptr_t)0);
}

/** The producer. Entries that can be put now; never fewer until it puts. */
static inline unsigned
wi_ring_room(const struct wi_ring *ring)
{
    return ring->ring.mask - ck_ring_size(&ring->ring);
}

/** Either side. Entries in it: at least those whose putting came before, for the consumer; at most
 *  those, for the producer. */
static inline unsigned
wi_ring_size(const struct wi_ring *ring)
{
    return ck_ring_size(&ring->ring);
}

/** The producer. The number of the next entry; wraps. */
static inline unsigned
wi_ring_number(const struct wi_ring *ring)
{
    return ring->ring.p_tail;
}

/** The producer, which knows that there is room. Wait-free. What the entry points at goes along.
 *  Same layout and fence as ck_ring_enqueue_spsc(), without its look at the consumer's line. */
static inline void
wi_ring_put(struct wi_ring *ring, void *entry)
{
    unsigned tail = ring->ring.p_tail;

    wi_assert(wi_ring_room(ring) != 0);
    ring->slots[tail & ring->ring.mask].value = entry;
    ck_pr_fence_store(); // ORDER(lane) publish: pairs with wi_ring_take()
    ck_pr_store_uint(&ring->ring.p_tail, tail + 1);
}

/**
 * The consumer. Wait-free. Take up to @p count entries with one look at the producer's tail and one
 * move of the head, so that the cache lines of the two sides travel once per batch and not once per
 * entry. Same layout as ck_ring_dequeue_spsc(); where that of old releases has a store fence, which
 * keeps no load in front of the store behind it, here is the one that does.
 */
static inline unsigned
wi_ring_take(struct wi_ring *ring, void **ret_entries, unsigned count)
{
    unsigned head = ring->ring.c_head;
    unsigned tail = ck_pr_load_uint(&ring->ring.p_tail);
    unsigned first = head & ring->ring.mask;
    unsigned ready = tail - head;
    unsigned before_end;

    static_assert(sizeof(ring->slots[0]) == sizeof(*ret_entries), "a slot is its entry");
    if (ready == 0) {
        return 0;
    }
    ready = ready < count ? ready : count;
    before_end = ring->ring.mask + 1 - first < ready ? ring->ring.mask + 1 - first : ready;
    ck_pr_fence_load(); // ORDER(lane) observe: entries are read after the tail that covers them
    memcpy(ret_entries, &ring->slots[first], before_end * sizeof(*ret_entries));
    memcpy(ret_entries + before_end, ring->slots, (ready - before_end) * sizeof(*ret_entries));
    // ORDER(lane): the producer may overwrite a slot only after it was read.
    ck_pr_fence_load_store();
    ck_pr_store_uint(&ring->ring.c_head, head + ready);
    return ready;
}

/* ---- the stack: any thread pushes, one takes all ---- */

struct wi_stack {
    ck_stack_t stack;
};

/** Embedded in whatever travels. */
struct wi_stack_node {
    ck_stack_entry_t entry;
};

/** Start only. */
static inline void
wi_stack_init(struct wi_stack *stack)
{
    ck_stack_init(&stack->stack);
}

/** Any thread. Lock-free: a failed exchange means that another push succeeded. No ABA, for nodes
 *  are only ever taken all at once. */
static inline void
wi_stack_push(struct wi_stack *stack, struct wi_stack_node *node)
{
    ck_stack_push_upmc(&stack->stack, &node->entry);
}

/** Any thread; no false "empty" about one's own pushes. */
static inline bool
wi_stack_is_empty(const struct wi_stack *stack)
{
    return ck_pr_load_ptr(&stack->stack.head) == NULL;
}

/** Any thread. Wait-free. The newest node, the others behind it by wi_stack_next(). */
static inline struct wi_stack_node *
wi_stack_take_all(struct wi_stack *stack)
{
    return (struct wi_stack_node *)(void *)ck_stack_batch_pop_upmc(&stack->stack);
}

/** Whoever took the nodes. Read it before the node is given away. */
static inline struct wi_stack_node *
wi_stack_next(const struct wi_stack_node *node)
{
    return (struct wi_stack_node *)(void *)node->entry.next;
}

/** Whoever took the nodes. The same nodes, oldest first. */
static inline struct wi_stack_node *
wi_stack_reversed(struct wi_stack_node *node)
{
    struct wi_stack_node *reversed = NULL;

    while (node != NULL) {
        struct wi_stack_node *next = wi_stack_next(node);

        node->entry.next = (ck_stack_entry_t *)(void *)reversed;
        reversed = node;
        node = next;
    }
    return reversed;
}

#endif /* WI_RING_H */
