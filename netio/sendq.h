/* SPDX-License-Identifier: MIT */
#ifndef WI_SENDQ_H
#define WI_SENDQ_H

/**
 * @file
 * The arithmetic of a stream's send queue: order, gathering, and what a short send means. No
 * descriptor, no loop, no clock.
 */

#include "netio/write.h"

struct wi_sendq {
    struct wi_write *head;
    struct wi_write *tail;
};

/** How what was gathered goes: writes of different kinds never share a send. */
enum wi_gather_kind {
    WI_GATHER_BYTES,
    WI_GATHER_OWN,  // large, with ZEROCOPY: by reference, never copied flat
    WI_GATHER_FILE, // one write, from its file; no pieces
};

/** What one gather found. */
struct wi_gather {
    struct iovec *iov;
    size_t iov_max;
    size_t iov_count;
    uint64_t size;
    uint64_t size_max;
    unsigned char *flat; // small pieces are copied together here
    size_t flat_left;
    enum wi_gather_kind kind;
    bool goes_on;          // all of them fitted, and a file is next
    bool wants_ack;        // some operation is of level ACKED
    struct wi_write *file; // of kind FILE: the write
    struct wi_write *lost; // a canceller won it: the caller unqueues it and gathers again
};

/** Pieces up to this size are copied flat: measured, an iovec costs more (docs/benchmarks.md). */
#define WI_FLAT_PIECE_MAX 256u

/** ZEROCOPY with fewer bytes left is copied. A send from the writer's memory costs what a copying
 *  one does not: its pages are pinned one by one, a notification is allocated and queued, the loop
 *  is woken and reads it by a call of its own. By the kernel's documentation that is as much as to
 *  copy some 10 KiB, by itself; with the wake-up, 32 KiB is where it pays (docs/design.md). */
#define WI_ZEROCOPY_MIN (32u * 1024)

static inline bool
wi_sendq_is_empty(const struct wi_sendq *queue)
{
    return queue->head == NULL;
}

WI_INLINE void
wi_sendq_append(struct wi_sendq *queue, struct wi_write *write)
{
    write->op.task.next = NULL;
    write->op.prev = queue->tail == NULL ? NULL : &queue->tail->op;
    if (queue->tail == NULL) {
        queue->head = write;
    } else {
        queue->tail->op.task.next = &write->op.task;
    }
    queue->tail = write;
}
void wi_sendq_prepend(struct wi_sendq *queue, struct wi_write *write);
/** In front of what has not started, behind earlier ones with priority; never past START, FIN or a
 *  barrier. At most WI_PRIORITY_RUN such in a row: then it takes its ordinary place. */
void wi_sendq_insert_priority(struct wi_sendq *queue, struct wi_write *write);
#define WI_PRIORITY_RUN 16u
void wi_sendq_remove(struct wi_sendq *queue, struct wi_write *write);

/** Claim operations from the head on and describe their unsent bytes. Stops at the bounds, behind a
 *  FIN, and at an operation a canceller won (gather->lost). */
void wi_sendq_gather(struct wi_sendq *queue, struct wi_gather *gather);

/** The kernel took @p size bytes: account them to the head. True: the head is done (all its bytes,
 *  or
 *  some were enough); take it off and call again with the rest in *@p size. */
bool wi_sendq_advance(struct wi_sendq *queue, uint64_t *size);

#endif /* WI_SENDQ_H */
