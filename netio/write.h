/* SPDX-License-Identifier: MIT */
#ifndef WI_WRITE_H
#define WI_WRITE_H

/**
 * @file
 * The write operation: one slot, from submit to completion. docs/states.md tells its life.
 */

#include "runtime/handle.h"
#include "runtime/loop.h"
#include "runtime/op.h"
#include "runtime/probe.h"
#include "weir/write.h"

struct wi_gate;
struct wi_stream;

/** Marks of the library in wi_write.flags, above the user's. */
enum wi_write_mark {
    WI_WRITE_FILE = 1 << 18,   // from a file; never of size 0
    WI_WRITE_PLAIN = 1 << 19,  // one piece, nobody has a handle, and none of it has been sent
    WI_WRITE_MANY = 1 << 20,   // several pieces
    WI_WRITE_CHAIN = 1 << 21,  // a chain of pool blocks
    WI_WRITE_PACKED = 1 << 22, // copied into a block that others share: `owner.block`
    WI_WRITE_SHARED = 1 << 23, // `owner.shared`
    WI_WRITE_HEAP = 1 << 24,   // `pieces` were allocated
    WI_WRITE_TOKEN = 1 << 25,
    WI_WRITE_DEADLINE = 1 << 26, // `deadline_ns` is set
    WI_WRITE_HEAD = 1 << 27,     // began inline: goes in front of everything queued
    WI_WRITE_EARLY = 1 << 28,    // completed at level ACCEPTED; its bytes are still to go
    WI_WRITE_SPENT = 1 << 29,    // credit was spent for it
    WI_WRITE_STAMPED = 1 << 30,  // its way to the wire is timed: `submit_ns` is set
};
#define WI_WRITE_USER_FLAGS 0x3ffffu

#define WI_WRITE_INLINE_SIZE 128u

/** In place of a file's offset: the write's bytes are what a pipe holds. No user can say so. */
#define WI_FILE_IS_PIPE UINT64_MAX

struct wi_write {
    struct wi_op op; // op.owner: bytes the kernel took

    // Written by the submitter, read by the loop.
    struct wi_gate *gate;
    uint64_t size;
    weir_done_fn *done;
    void *arg;
    union {
        struct iovec one;
        struct {
            struct iovec *next; // pieces not wholly sent
            size_t left;
        } many;
        struct weir_chain chain; // what is not sent yet
        struct {
            int fd;
            bool is_read;    // it cannot be sent from: read and send
            uint64_t offset; // of its first byte; or WI_FILE_IS_PIPE
        } file;
    } from;
    uint32_t flags;      // user's flags and enum wi_write_mark
    uint32_t ticket;     // low 24 bits; level and tear above
    uint64_t kernel_end; // with ZEROCOPY: number behind its last send from its own memory; 0: none

    // At WI_OP_EXTRA_OFFSET: the loop's, for a deadline or a token.
    struct wi_op_extra extra;

    // Written by the submitter when the request has such a thing.
    uint64_t deadline_ns;
    uint64_t token;
    union {
        struct {
            weir_release_fn *fn;
            void *arg;
        } release;
        struct weir_block *block;
        struct weir_shared *shared;
        struct weir_chain kept; // of a chain with ZEROCOPY: blocks sent, and not yet returned
    } owner;
    struct iovec *pieces;
    uint64_t abort_code;
    uint64_t submit_ns;
    uint64_t end; // ACKED: where in the stream it ends, 0: not sent; ended: bytes acknowledged

    unsigned char copy[WI_WRITE_INLINE_SIZE]; // small copies; or up to 8 pieces
};
static_assert(offsetof(struct wi_write, extra) == WI_OP_EXTRA_OFFSET, "where the runtime looks");
static_assert(sizeof(struct wi_write) <= WI_OP_SIZE, "an operation's slot must hold it");
#define WI_WRITE_INLINE_PIECES (WI_WRITE_INLINE_SIZE / sizeof(struct iovec))

#define WI_TICKET_MASK 0xffffffu

static inline struct wi_write *
wi_write_of(struct wi_op *op)
{
    return (struct wi_write *)(void *)op;
}

static inline struct wi_write *
wi_write_of_task(struct wi_task *task)
{
    return wi_write_of(wi_op_of_task(task));
}

static inline struct wi_write *
wi_write_next(const struct wi_write *write)
{
    return write->op.task.next == NULL ? NULL : wi_write_of_task(write->op.task.next);
}

static inline enum weir_level
wi_write_level(const struct wi_write *write)
{
    return (enum weir_level)((write->ticket >> 24) & 0xf);
}

static inline enum weir_tear
wi_write_tear(const struct wi_write *write)
{
    return (enum weir_tear)(write->ticket >> 28);
}

static inline uint64_t
wi_write_left(const struct wi_write *write)
{
    return write->size - write->op.owner;
}

/** Is it bytes and nothing else, SENT, without a handle, token, deadline or credit? Its memory is
 *  the caller's, its own copy, or a chain. */
static inline bool
wi_write_is_plain(const struct wi_write *write)
{
    return ((write->flags &
             ~(unsigned)(WI_WRITE_CHAIN | WEIR_COPY | WI_WRITE_PLAIN | WI_WRITE_STAMPED)) |
            (write->ticket >> 24) |
            (write->op.flags & (WI_OP_NAMED | WI_OP_TIMED | WI_OP_TOKENED))) == 0;
}

/** The submitter (latency.c). Remember the time. Only the ways of several writes at once, and of
 *  those that are not plain, need to ask for the stamp at the end. */
WI_COLD void wi_write_stamp(struct wi_write *write);
/** Loop thread (latency.c). The last byte of a stamped write has been handed to the kernel. */
WI_COLD void wi_write_stamp_end(struct wi_loop *loop, const struct wi_write *write);

/** The submitter. Is the next write to be stamped? @p number: of the lane's next entry, or of the
 *  writes the loop accepted. */
WI_INLINE bool
wi_write_is_sampled(const struct wi_loop *loop, uint64_t number)
{
#if !defined(WI_NO_LATENCY)
    return (number & loop->latency_mask) == 0;
#else
    (void)loop;
    (void)number;
    return false;
#endif
}

/** The submitter, before anybody else can see the write. */
static inline void
wi_write_submitted(struct wi_loop *loop, struct wi_write *write, uint64_t number)
{
    wi_probe_submit(&write->op, write->gate, write->size);
    if (wi_unlikely(wi_write_is_sampled(loop, number))) {
        wi_write_stamp(write);
    }
}

/** Loop thread. The last byte was handed to the kernel. */
WI_INLINE void
wi_write_written(struct wi_loop *loop, struct wi_write *write)
{
    wi_probe_written(&write->op, write->size);
    if (wi_unlikely(write->flags & WI_WRITE_STAMPED)) {
        wi_write_stamp_end(loop, write);
    }
}

/** Is it as plain as the short ways left it? */
WI_INLINE bool
wi_write_is_marked_plain(const struct wi_write *write)
{
    return (write->flags & ~(uint32_t)(WI_WRITE_CHAIN | WEIR_COPY)) == WI_WRITE_PLAIN;
}

extern const struct wi_op_ops wi_write_ops;
/** Of an operation that is no write any more: a submitter tells the loop that the right is its own,
 *  or that a send failed (`end`: with what). */
extern const struct wi_op_ops wi_write_right_ops;

/** Loop thread. Take it into the stream's queue, or end it. It carries its place in the order. */
void wi_write_accept(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write);

/** Loop thread. Nothing of it was sent and nothing will be: off the queue, and so is its FIN. */
void wi_write_take_back(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write);

/** Loop thread. It came from another thread and its turn in the order has come: accept it, or end
 *  it
 *  if it was torn. */
void wi_write_place(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write);

/** Loop thread. Fix its outcome; it must be in no queue. Its completion runs later in the turn. */
void wi_write_end(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                  int status, enum weir_origin origin);

/** Loop thread. The same, and it never began: cancelled, or refused after it was accepted. That is
 *  told as soon as it is known; the others of a level in their order. */
void wi_write_end_unsent(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                         int status, enum weir_origin origin);

/** Loop thread. The same of one that was cancelled; if the rest needs it (WEIR_TEAR_NEEDED), the
 *  write side is torn. */
void wi_write_end_cancelled(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                            int status, enum weir_origin origin);

/** Loop thread. It cannot go on, by no fault of the stream: as if it were cancelled now, with this
 *  status, and with FINISH as with STOP. */
void wi_write_fail(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                   int status, enum weir_origin origin);

/** Among the loop's ended operations: run the completion. */
extern const struct wi_task_ops wi_write_done_ops;

/** Loop thread. Level ACCEPTED reached: complete, keep for its bytes. */
void wi_write_end_early(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write);

/** Whoever holds the operation. The kernel took @p size bytes, fewer than are left (sendq.c). */
void wi_write_advance(struct wi_write *write, uint64_t size);

/** Whoever holds the operation. Give its memory back; calls a user's release. */
void wi_write_release(struct wi_write *write);

/** Loop thread. Call the completion and let the operation go. */
void wi_write_complete(struct wi_loop *loop, struct wi_write *write);

#endif /* WI_WRITE_H */
