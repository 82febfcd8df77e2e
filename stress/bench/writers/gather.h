/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_GATHER_H
#define BENCH_WRITERS_GATHER_H

// What the hand-written loops do with the writes of a connection: queue them, gather what waits
// into the pieces of one send with small ones copied flat, and hand back what was sent.

#include "lib/writers.h"
#include "writers/inbox.h"

#include <string.h>
#include <sys/uio.h>

#define PIECES_MAX    256 // of one send
#define SMALL_MAX     512 // copying a piece up to this size costs less than another iovec
#define FLAT_SIZE     65536
#define SEND_SIZE_MAX 262144 // what one send offers, but for its last piece

// A connection's writes, in order.
struct pending {
    struct queued *oldest;
    struct queued *newest;
    size_t sent; // of the oldest
};

// Writes that were sent and not yet handed back.
struct finished {
    struct queued *first;
    struct queued **end;
};

static inline void
finished_init(struct finished *finished)
{
    finished->first = NULL;
    finished->end = &finished->first;
}

static inline void
pending_append(struct pending *pending, struct queued *queued)
{
    queued->next = NULL;
    if (pending->oldest == NULL) {
        pending->oldest = queued;
    } else {
        pending->newest->next = queued;
    }
    pending->newest = queued;
}

// Fills pieces (PIECES_MAX of them) with what is queued, from the first unsent byte; returns how
// many they are. Runs of small writes become one piece of flat (FLAT_SIZE bytes).
static inline int
pending_gather(const struct pending *pending, char *flat, struct iovec *pieces, size_t *ret_size)
{
    size_t flat_used = 0;
    size_t gathered = 0;
    size_t skip = pending->sent;
    bool is_last_flat = false;
    int count = 0;

    for (const struct queued *queued = pending->oldest; queued != NULL && gathered < SEND_SIZE_MAX;
         queued = queued->next) {
        const char *data = queued->write.data + skip;
        size_t size = queued->write.size - skip;
        bool is_flat = size <= SMALL_MAX && flat_used + size <= FLAT_SIZE;

        skip = 0;
        if (is_flat) {
            memcpy(flat + flat_used, data, size);
            data = flat + flat_used;
            flat_used += size;
        }
        if (is_flat && is_last_flat) {
            pieces[count - 1].iov_len += size;
        } else if (count == PIECES_MAX) {
            break;
        } else {
            pieces[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
        }
        is_last_flat = is_flat;
        gathered += size;
    }
    *ret_size = gathered;
    return count;
}

// The kernel took so many bytes more.
static inline void
pending_finish(struct pending *pending, size_t taken, struct finished *finished)
{
    pending->sent += taken;
    while (pending->oldest != NULL && pending->sent >= pending->oldest->write.size) {
        struct queued *done = pending->oldest;

        pending->sent -= done->write.size;
        pending->oldest = done->next;
        done->next = NULL;
        *finished->end = done;
        finished->end = &done->next;
    }
}

// After all sends of a turn: a producer woken between them would find the next write it needs still
// in flight, and sleep once more.
static inline void
finished_hand_back(struct finished *finished)
{
    struct queued *done = finished->first;

    while (done != NULL) {
        struct queued *next = done->next;

        bench_write_done(&done->write); // from here on the producer may use it again
        done = next;
    }
    finished_init(finished);
}

#endif /* BENCH_WRITERS_GATHER_H */
