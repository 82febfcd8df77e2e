/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

/**
 * @file
 * A stream: its events, its reading, its ending, its options. Writing is in weir/write.h.
 *
 * A stream lives on one loop; its events and completions run there, one at a time. Over TCP, Unix
 * sockets and vsock alike; docs/transports.md has what is not.
 */

#include "weir/base.h"
#include "weir/pool.h"
#include "weir/write.h"

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a data function did with the bytes it was shown. */
struct weir_consumed {
    size_t consumed; /* from the front; these bytes go back to the pool */
    size_t examined; /* looked at; the rest comes again only when there is more than this */
};

/** Bytes of consumed meaning: answered later by weir_consume(), from any thread. */
#define WEIR_CONSUME_PENDING SIZE_MAX

/** How a stream closed: the last thing said about it. */
struct weir_closed {
    int status; /* 0: both sides ended as asked; else the first reason, a negative errno */
    enum weir_origin origin;
    uint64_t code;       /* the abort code, local or the peer's, where there is one */
    uint64_t bytes_lost; /* accepted and never taken by the kernel */
    uint64_t bytes_sent;
    uint64_t bytes_received;
};

/**
 * A stream's events. Every function may be NULL, runs on the loop, and may call anything but what
 * blocks. Order: completions, then send_closed, then closed, which is last and once.
 */
struct weir_handlers {
    /** The stream is connected (status 0), or never will be: why, or -WEIR_EENDED if it was closed
     *  in good order before. First and once, on every stream. `closed` follows a failure. */
    void (*started)(weir_stream stream, int status, void *user);
    /** Bytes arrived: everything received and not consumed, from @p begin to @p end (K82). */
    struct weir_consumed (*data)(weir_stream stream, struct weir_iter begin, struct weir_iter end,
                                 void *user);
    /** The peer ended its write side; all its bytes were delivered. @p ambiguous: or it reset, or
     *  closed, which the transport does not tell apart (vsock). */
    void (*peer_fin)(weir_stream stream, bool ambiguous, void *user);
    /** The peer reset the connection; bytes that arrived were delivered, unless reading is paused.
     *  */
    void (*peer_reset)(weir_stream stream, uint64_t code, void *user);
    /** The peer will not read any more; writes end with -EPIPE. */
    void (*peer_stop)(weir_stream stream, uint64_t code, void *user);
    /** The queue fell to its low mark after somebody was refused for its high mark. */
    void (*writable)(weir_stream stream, void *user);
    /** How many bytes are worth keeping queued (Q14), from the send buffer and, on TCP, the
     *  window: behind `started`, and when the socket has been full, has room again and it has
     *  changed by more than an eighth. */
    void (*ideal_size)(weir_stream stream, size_t size, void *user);
    /** A provided buffer holds @p size bytes (Q54). */
    void (*filled)(weir_stream stream, void *buffer, size_t size, void *user);
    /** Bytes wait and no provided buffer is left. */
    void (*buffer_needed)(weir_stream stream, void *user);
    /** The write side is over: @p graceful when the FIN left behind every byte (Q37). */
    void (*send_closed)(weir_stream stream, bool graceful, void *user);
    /** The peer accepted the stream (transports with stream limits; WEIR_NOTIFY). */
    void (*peer_accepted)(weir_stream stream, void *user);
    /** A loss was seen on a stream with WEIR_CANCEL_ON_LOSS; answers the code (QUIC, Q19). */
    uint64_t (*loss)(weir_stream stream, void *user);
    /** Last and once. The handle is stale when this returns. */
    void (*closed)(weir_stream stream, const struct weir_closed *closed, void *user);
};

enum weir_stream_flag {
    WEIR_STREAM_INLINE = 1 << 0,       /* foreign threads may send at once (WEIR_INLINE_OK) */
    WEIR_STREAM_SWALLOW = 1 << 1,      /* write errors and writes after the end report success */
    WEIR_STREAM_FIN_IS_ABORT = 1 << 2, /* a peer FIN aborts the stream (Kestrel 2.x, K45) */
    WEIR_STREAM_ACKED = 1 << 3,        /* allow level ACKED (TCP: transmit timestamps) */
    WEIR_STREAM_PAUSED = 1 << 4,       /* begin with reading paused */
    WEIR_STREAM_PAUSE_ON_PARTIAL = 1 << 5, /* consuming less than presented pauses (Q51) */
    WEIR_STREAM_NODELAY = 1 << 6,          /* TCP_NODELAY */
    WEIR_STREAM_KEEPALIVE = 1 << 7,        /* SO_KEEPALIVE */
    WEIR_STREAM_REST = 1 << 8, /* neither read nor show input, but to discard it, while more than
                                  queue_low bytes wait to be sent */
};

/** No write-behind at all would be 0 bytes; a zeroed option means the default of 64 KiB (K9). */
#define WEIR_WRITE_BEHIND_NONE      1        /* ACCEPTED completes with SENT */
#define WEIR_WRITE_BEHIND_UNLIMITED SIZE_MAX /* ACCEPTED completes at once */

/** How a stream is made. All zero is a good default. */
struct weir_stream_options {
    const struct weir_handlers *handlers; /* borrowed until closed; NULL: no events */
    void *user;
    unsigned flags;             /* enum weir_stream_flag */
    size_t write_behind;        /* budget of level ACCEPTED; 0: 64 KiB; see above */
    size_t queue_high;          /* refuse submits above; 0: no limit; at most 4 GiB - 1 */
    size_t queue_low;           /* `writable` at or below; 0: half of high, or 64 KiB without one */
    size_t input_high;          /* stop reading at so many unconsumed bytes; 0: 1 MiB (K84) */
    size_t input_low;           /* read again at or below; 0: half of high */
    uint64_t write_deadline_ns; /* default deadline of a write, relative; 0: none */
    uint64_t cork_ns;           /* longest life of a cork (WEIR_MORE); 0: 200 ms, never forever */
    int send_buffer;            /* SO_SNDBUF, 0: the kernel's; none over vsock */
    int receive_buffer;         /* SO_RCVBUF, or vsock's credit; 0: the kernel's */
    unsigned user_timeout_ms;   /* TCP_USER_TIMEOUT, 0: the kernel's */
};

/**
 * Adopt a connected stream socket (TCP, Unix or vsock).
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  takes @p fd on success: weir makes it non-blocking and closes it. After a refusal it is
 *          the caller's, as it was. Copies @p options.
 * Calls:   `started` with 0 first, on @p loop.
 * @return 0, or -EINVAL, -EBADF, -ENOTSOCK, -ENOTSUP (not a stream socket of a known family),
 *   -ENOTCONN, -WEIR_ELANEFULL, -ENOMEM, -WEIR_EENDED (stopping), -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_adopt(struct weir_loop *loop, int fd,
                                       const struct weir_stream_options *options,
                                       weir_stream *ret_stream);

/* ---- reading ----------------------------------------------------------------------------------
 * */

/** How a pull ended. */
struct weir_read_result {
    weir_op op;
    int status; /* 0, or why it ended with nothing */
    enum weir_origin origin;
    bool eof;                /* the peer's end was reached; sticky: every later pull says so too */
    size_t size;             /* bytes read */
    void *buffer;            /* the caller's memory, in that form */
    struct weir_chain chain; /* the blocks otherwise, given to the callback: it returns them */
};

typedef void weir_read_fn(weir_stream stream, struct weir_read_result *result, void *arg);

/** One pull. */
struct weir_read {
    void *buffer;         /* NULL: fresh blocks */
    size_t size;          /* of the buffer; without one, the most wanted, 0: what there is */
    size_t size_min;      /* wait for so many bytes (N43); 0 counts as 1; never above `size`, unless
                             there is neither that nor a buffer */
    uint64_t deadline_ns; /* absolute; 0 or WEIR_NEVER: none */
    weir_token token;
    weir_read_fn *done;
    void *arg;
};

/**
 * Read once; pulls queue in order (K83). A cancelled pull never drops a byte (N38). A zero-length
 * buffer completes with 0 bytes and is not an EOF (C9).
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  borrows request->buffer until the completion.
 * Calls:   request->done exactly once on the loop iff this returns 0.
 * @return 0, or -EINVAL, -WEIR_ESTALE, -EBUSY (the stream has a data function), -ECANCELED,
 *   -WEIR_ELANEFULL, -ENOMEM, -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_read(weir_stream stream, const struct weir_read *request,
                                      weir_op *ret_op);

/**
 * weir_read() and wait. The result's chain is then the caller's to return.
 *
 * Threads: plain threads; -EDEADLK on a loop.
 * Blocks:  until the completion.
 * @return the completion's status, or weir_read()'s refusal.
 */
WEIR_API int weir_read_wait(weir_stream stream, const struct weir_read *request,
                            struct weir_read_result *ret_result);

/**
 * Inside `data`: take the first @p size presented bytes as a chain, uncopied (SIZE_MAX: all). They
 * count as consumed; what the data function returns then speaks of the rest.
 *
 * Threads: the loop's, inside `data` of this stream.
 * Blocks:  never.
 * Memory:  gives @p ret_chain, which must be empty.
 * @return 0, or -EINVAL (not inside `data`, more than presented), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_take(weir_stream stream, size_t size,
                                      struct weir_chain *ret_chain);

/**
 * Answer a `data` that said WEIR_CONSUME_PENDING (Q50). The answer may come before `data` has
 * returned, as from a worker that it started: it counts if `data` then says PENDING, and is logged
 * and void if not.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -EINVAL (more than was presented, or examined < consumed), -EALREADY (nothing is
 *   pending), -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_consume(weir_stream stream, size_t consumed, size_t examined);

/**
 * Stop delivering. Bytes wait in the kernel; a peer reset is still an event at once, a FIN is held
 * back (Q56). Idempotent.
 *
 * Threads: any. From another thread, data already on its way may still come.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_pause(weir_stream stream);

/**
 * Deliver again. Idempotent.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_resume(weir_stream stream);

/**
 * Provide a buffer to be filled by arriving bytes, in the order given; `filled` gives it back.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  borrows @p buffer until `filled` (size 0 at close).
 * @return 0, -EINVAL, -EBUSY (the stream has a data function), -EXDEV (another thread),
 *   -WEIR_ESTALE, -ENOMEM, -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_provide(weir_stream stream, void *buffer, size_t size);

/**
 * Shut reading down: unread input is dropped, pulls end with EOF, later input is discarded (H6).
 * Over vsock the peer is told (L1), and its end is not seen any more.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EINVAL (code above WEIR_CODE_MAX), -ECHILD.
 */
WEIR_API int weir_stop_reading(weir_stream stream, uint64_t code);

/* ---- ending -----------------------------------------------------------------------------------
 * */

enum weir_close_mode {
    WEIR_CLOSE_DRAIN, /* flush, FIN, read on until the peer's FIN; at the deadline ABORT (H4) */
    WEIR_CLOSE_FLUSH, /* flush, FIN, drop unread input, close without waiting for the peer (K43) */
    WEIR_CLOSE_ABORT, /* reset now; never waits behind back-pressure (Q33) */
};

/**
 * Close. Idempotent; a harder mode overrides a softer one. Everything queued completes, then
 * send_closed, then closed. Memory that the kernel still reads (WEIR_ZEROCOPY) is waited for, by
 * DRAIN and FLUSH until the deadline.
 *
 * Threads: any.
 * Blocks:  never, and cannot fail for want of anything.
 * @param deadline_ns  absolute, for DRAIN and FLUSH; 0: 5 s from now; WEIR_NEVER: none.
 * @param code         for ABORT; at most WEIR_CODE_MAX.
 * @return 0, -WEIR_ESTALE, -EINVAL, -ECHILD.
 */
WEIR_API int weir_close(weir_stream stream, enum weir_close_mode mode, uint64_t deadline_ns,
                        uint64_t code);

/**
 * Wait until `closed` has returned.
 *
 * Threads: plain threads.
 * Blocks:  until then, or until @p deadline_ns.
 * @return 0, -ETIMEDOUT, -EDEADLK on a loop, -ECHILD. A stale handle is 0 at once.
 */
WEIR_API int weir_closed_wait(weir_stream stream, uint64_t deadline_ns);

/* ---- looking ----------------------------------------------------------------------------------
 * */

/**
 * Bytes accepted and not yet finished.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the count; 0 for a stale handle.
 */
WEIR_API size_t weir_queued(weir_stream stream);

/**
 * Bytes that the kernel has taken of the stream, so far: what `closed` says at the end.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the count; 0 for a stale handle.
 */
WEIR_API uint64_t weir_sent(weir_stream stream);

/**
 * Bytes that arrived on the stream, so far, consumed or not.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the count; 0 for a stale handle.
 */
WEIR_API uint64_t weir_received(weir_stream stream);

/**
 * The stream's user pointer and loop.
 *
 * Threads: any for the loop; the loop's for the user pointer (NULL elsewhere or when stale).
 * Blocks:  never.
 */
WEIR_API void *weir_stream_user(weir_stream stream);

/**
 * Replace the user pointer.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -ECHILD.
 */
WEIR_API int weir_stream_set_user(weir_stream stream, void *user);

/**
 * The loop a stream lives on; NULL when stale.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API struct weir_loop *weir_stream_loop(weir_stream stream);

/**
 * Replace handlers and user pointer, e.g. after an accept function looked at the peer.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -ECHILD.
 */
WEIR_API int weir_stream_set_handlers(weir_stream stream, const struct weir_handlers *handlers,
                                      void *user);

/**
 * Why the stream's write side failed or ended, also under SWALLOW.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0 while it is good; the reason (< 0); -WEIR_ESTALE.
 */
WEIR_API int weir_stream_status(weir_stream stream);

/**
 * Addresses, kept from the start and so there after a shutdown too (L2).
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @param size  in: room; out: the address's length.
 * @return 0, -WEIR_ESTALE, -EXDEV (another thread), -ENOTCONN (not started), -EINVAL, -ECHILD.
 */
WEIR_API int weir_stream_peer_address(weir_stream stream, struct sockaddr *address,
                                      socklen_t *size);

/**
 * See weir_stream_peer_address().
 *
 * Threads: the loop's.
 * Blocks:  never.
 * @return as weir_stream_peer_address().
 */
WEIR_API int weir_stream_local_address(weir_stream stream, struct sockaddr *address,
                                       socklen_t *size);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_STREAM_H */
