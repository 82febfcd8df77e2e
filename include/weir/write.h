/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WRITE_H
#define WEIR_WRITE_H

/**
 * @file
 * The one write: from any thread, to any stream, with one completion and exact byte counts.
 *
 * docs/states.md draws an operation's life and the cancel table; docs/semantics.md says which rule
 * of which system each part carries.
 */

#include "weir/base.h"
#include "weir/pool.h"
#include "weir/token.h"

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a write asks for. Bits not named here are refused with -EINVAL. */
enum weir_write_flag {
    /* Whose memory: none of these is BORROW, the bytes stay the caller's, untouched until done. */
    WEIR_COPY = 1 << 0, /* copied before the call returns; the caller's memory is free */
    WEIR_GIVE = 1 << 1, /* given: `release` is called exactly once when no one refers to it */

    WEIR_SOME = 1 << 2,   /* done after at least one byte (N30); default: all bytes (N31) */
    WEIR_MORE = 1 << 3,   /* cork: do not flush yet (K3, Q17); docs/states.md says what flushes */
    WEIR_FIN = 1 << 4,    /* end the write side behind these bytes (Q16) */
    WEIR_START = 1 << 5,  /* connect with this write (Q3); harmless on a started stream */
    WEIR_NOWAIT = 1 << 6, /* one try; implies SOME; -EAGAIN if nothing goes; never tears */
    WEIR_INLINE_OK = 1 << 7, /* may be sent inside this call, then the result is 1 */
    WEIR_ZEROCOPY = 1 << 8,  /* large on TCP: sent from the memory itself; see weir_write() */
    WEIR_PRIORITY = 1 << 9,  /* pass operations that have not started */
    WEIR_CHUNK = 1 << 10,    /* HTTP framing; refused with -ENOTSUP on a plain stream */
    WEIR_CHUNK_END = 1 << 11,
    WEIR_FAIL_BLOCKED = 1 << 12,   /* with START: fail rather than wait for a stream limit (Q2) */
    WEIR_NOTIFY = 1 << 13,         /* with START: report peer_accepted */
    WEIR_ALLOW_0RTT = 1 << 14,     /* QUIC (Q18) */
    WEIR_CANCEL_ON_LOSS = 1 << 15, /* QUIC (Q19) */
    WEIR_BEST_EFFORT = 1 << 16,    /* ignore flags this transport lacks instead of refusing them */
    WEIR_TIMED = 1 << 17,          /* fill weir_result.submit_ns */
};

/** When a write is done. */
enum weir_level {
    WEIR_SENT = 0,     /* the kernel took the last byte */
    WEIR_ACCEPTED = 1, /* the write-behind budget took it; needs COPY, GIVE, a chain or shared */
    WEIR_ACKED = 2,    /* the peer's transport has it; -ENOTSUP where nothing can tell */
};

/** What a cancel does to a write of which the kernel has taken a part. */
enum weir_tear {
    WEIR_TEAR_STOP = 0,   /* no further byte; the write side is torn until weir_resume_torn() */
    WEIR_TEAR_FINISH = 1, /* it runs to its end and succeeds, late_cancel set */
    WEIR_TEAR_ABORT = 2,  /* the connection is reset with abort_code */
    WEIR_TEAR_NEEDED = 3, /* as FINISH; and cancelled before its first byte it tears the write side,
                             for what is behind it makes no sense without it */
};

/** How a write ended. */
struct weir_result {
    weir_op op; /* the handle the write was given, or 0 when none was asked for */
    int status; /* 0 or a negative errno */
    enum weir_origin origin;
    bool late_cancel;   /* a cancel came, too late to matter */
    uint64_t accepted;  /* bytes taken into the stream's queue: the write's size */
    uint64_t sent;      /* bytes the kernel took */
    uint64_t acked;     /* of level ACKED, however it ended: bytes the peer's transport is known
                           to have; else 0 */
    uint64_t turn_ns;   /* the time of the loop's turn */
    uint64_t submit_ns; /* the time of the submit, 0 unless WEIR_TIMED */
    uint64_t peer_code; /* with PEER_RESET or PEER_STOP: the peer's code, where there is one */
};

/** Runs on the stream's loop, once, with no lock held, never inside a submit, cancel or close. */
typedef void weir_done_fn(weir_stream stream, const struct weir_result *result, void *arg);

/** Called once when given memory is no longer referred to: on the loop before the completion, or
 *  inside a submit whose result is 1. Never after a refusal: then the memory is still the
 *  caller's. */
typedef void weir_release_fn(void *arg);

/** A part of a file, as what a write sends. */
struct weir_file {
    int fd;          /* open for reading, and the caller's, until the write is done */
    uint64_t offset; /* of its first byte; the descriptor's position is neither used nor moved */
    uint64_t size;   /* 0: nothing, as any write of zero bytes */
};

/** One write. All zero is a barrier at level SENT. At most one of iov, chain, shared and file. */
struct weir_write {
    const struct iovec *iov; /* descriptors are copied before the call returns */
    unsigned iov_count;
    unsigned flags;               /* enum weir_write_flag */
    struct weir_chain *chain;     /* pool blocks: taken, and left empty, on success only */
    struct weir_shared *shared;   /* a shared payload: one reference is taken on success */
    const struct weir_file *file; /* the struct is copied before the call returns */
    enum weir_level level;
    enum weir_tear tear;
    uint64_t abort_code;  /* for WEIR_TEAR_ABORT */
    uint64_t deadline_ns; /* absolute; 0: the stream's default; WEIR_NEVER: none */
    weir_token token;     /* all zero: none */
    weir_done_fn *done;   /* NULL: counted, not called */
    void *arg;
    weir_release_fn *release; /* with WEIR_GIVE */
    void *release_arg;
    unsigned stream_priority; /* QUIC (Q6): anything but 0 is -ENOTSUP elsewhere */
    uint64_t reliable_offset; /* QUIC (Q36): likewise */
};

/**
 * Write. Order: a submit that returned before another began goes first, in whatever threads.
 *
 * WEIR_ZEROCOPY is a hint. While 32 KiB or more of the write are left to send over TCP, the kernel
 * sends from its memory and copies nothing; `done` and `release` come when it refers to the memory
 * no more, which is as a rule when the peer has acknowledged the bytes; at level ACCEPTED only
 * `release` waits for that. What is behind it on the stream, of level SENT, is told behind it, and
 * so are send_closed and closed: a close waits, DRAIN and FLUSH until their deadline, then the
 * connection is reset, upon which the kernel lets go; no deadline and no stop ever frees memory
 * that it still reads. A cancel does what it always does. Smaller writes, other transports, a
 * kernel that cannot (no room for notifications, SO_ZEROCOPY refused) and a device that copied four
 * such sends in a row, as loopback always does, are served by a copy, silently; weir_stats counts.
 *
 * A file is sent in its place among the other writes by sendfile(2), or read and sent where that
 * cannot be. The descriptor is borrowed, or with WEIR_GIVE given: `release` closes it; WEIR_COPY is
 * refused, and so is level ACCEPTED. What the file has when it is sent is what the peer gets, and
 * the kernel may read it until the peer has acknowledged the bytes: change it only behind that. A
 * file that ends too soon ends the write with -ENODATA, one that cannot be read with the error of
 * reading (-EBADF, -EISDIR, -ESPIPE, -EIO and the like) and origin TRANSPORT, -ENOMEM with origin
 * MEMORY: with `sent` 0 the stream goes on; after a part it is torn by the write's policy, FINISH
 * as STOP. Sending from a file that is not in the page cache blocks the loop until the disk has
 * answered.
 *
 * Threads: any. From a foreign thread lock-free after this thread's first write to the loop; a
 *          producer stopped inside it stops no loop and no other stream.
 * Blocks:  never.
 * Memory:  borrows @p request until return; the bytes as the flags say.
 * Calls:   request->done exactly once, later, on the stream's loop, iff this returns 0.
 *
 * @param ret_op  written before the loop can see the operation, only when the result is >= 0; all
 *                zero when it is 1, for nothing is left to name; may be NULL.
 * @return 0 accepted; 1 done already (only with WEIR_INLINE_OK), no completion follows; or, with
 * nothing queued, memory still the caller's and nothing to be called, in this order:
 *   -EINVAL       unknown bits, a NULL with a size, contradictory flags or memory, FIN with MORE,
 *                 level ACCEPTED with borrowed memory or a file, a foreign block, a size above
 *                 SSIZE_MAX, a descriptor below 0, a file's part beyond INT64_MAX
 *   -ENOTSUP      a flag this transport has not (see WEIR_BEST_EFFORT)
 *   -ECHILD       in a forked child
 *   -WEIR_ESTALE  the stream is gone
 *   -WEIR_EENDED, -WEIR_ETORN, -EPIPE, -ECONNRESET …  the write side has ended, is torn, or failed:
 *                 the stored reason
 *   -ECANCELED    the token has fired (its reason); -WEIR_ESTALE for a stale token
 *   -ENOTSUP      level ACKED, and the stream cannot tell: which stream it is had to be known first
 *   -WEIR_ESTREAMFULL, -WEIR_ELANEFULL, -WEIR_ELOOPFULL, -WEIR_EPROCFULL  what is full, see there
 *   -EAGAIN       NOWAIT, and nothing could be taken
 *   -ENOMEM       memory ran out
 */
WEIR_API WEIR_NODISCARD int weir_write(weir_stream stream, const struct weir_write *request,
                                       weir_op *ret_op);

/**
 * The shortest weir_write(): a chain of pool blocks, level SENT, and nothing else asked for.
 *
 * Threads: any, as weir_write().
 * Blocks:  never.
 * Memory:  takes the blocks, and leaves @p chain empty, on success only.
 * Calls:   @p done exactly once, later, on the stream's loop, iff this returns 0; NULL: counted.
 * @return as weir_write(), with -EINVAL also for a NULL chain. An empty chain is a barrier.
 */
WEIR_API WEIR_NODISCARD int weir_write_chain(weir_stream stream, struct weir_chain *chain,
                                             weir_done_fn *done, void *arg);

/**
 * weir_write() and wait for its completion.
 *
 * Threads: plain threads; -EDEADLK on a loop.
 * Blocks:  until the completion; bound it with request->deadline_ns.
 * Memory:  as weir_write(); request->done is called as well when set.
 * @param ret_result  how it ended; may be NULL.
 * @return the completion's status, or weir_write()'s refusal.
 */
WEIR_API int weir_write_wait(weir_stream stream, const struct weir_write *request,
                             struct weir_result *ret_result);

/**
 * Open a producing section: an iterator at the end of a fresh detached chain (K1). The first block
 * is leased here. One open section per stream.
 *
 * Threads: any; commit on the same thread.
 * Blocks:  never.
 * Memory:  the section's blocks belong to the caller until weir_commit(). If the stream closes
 *          first: a section opened on the loop is returned before `closed`; another's by its
 *          commit.
 * @return 0, or -EBUSY (a section is open), -WEIR_ESTALE, -WEIR_EENDED, -WEIR_ETORN, -ENOMEM,
 * -EINVAL,
 *   -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_produce(weir_stream stream, struct weir_iter *ret_iter);

/**
 * Commit the section up to @p end; it takes its place in the order now. @p request carries flags,
 * level, token, deadline and completion as in weir_write(); its memory fields must be empty. NULL:
 * flags MORE, so that nothing is sent until a later write or a barrier (K2, K3).
 *
 * Threads: the one that produced.
 * Blocks:  never.
 * Memory:  takes the section's blocks, on success and on refusal. A refusal returns them.
 * Calls:   as weir_write().
 * @return as weir_write(); -EINVAL when no section is open or @p end is not in it.
 */
WEIR_API WEIR_NODISCARD int weir_commit(weir_stream stream, struct weir_iter end,
                                        const struct weir_write *request, weir_op *ret_op);

/**
 * Close the section up to @p end without writing it: its blocks are the caller's, as a chain, to be
 * written with more around them.
 *
 * Threads: the one that produced.
 * Blocks:  never.
 * Memory:  gives @p ret_chain, which must be empty; returns what lies behind @p end.
 * @return 0; -EINVAL when no section is open or @p end is not in it; -WEIR_ESTALE with the blocks
 *   returned; -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_produce_take(weir_stream stream, struct weir_iter end,
                                              struct weir_chain *ret_chain);

/**
 * End the write side: a FIN behind all that is queued (Q30, H31). Same as a write of nothing with
 * WEIR_FIN.
 *
 * Threads: any.
 * Blocks:  never.
 * @return as weir_write().
 */
WEIR_API WEIR_NODISCARD int weir_end(weir_stream stream);

/**
 * After a tear: let later writes go again. What was accepted before the tear stays ended.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -EINVAL (not torn), -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_resume_torn(weir_stream stream);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_WRITE_H */
