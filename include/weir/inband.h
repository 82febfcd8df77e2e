/* SPDX-License-Identifier: MIT */
#ifndef WEIR_INBAND_H
#define WEIR_INBAND_H

/**
 * @file
 * Half-close in band: a layer over any stream, for transports that cannot shut one direction down.
 *
 * Several virtual machine monitors turn the end of one direction of an AF_VSOCK connection into the
 * end of both, or lose at a close what is still on its way. This layer says its ends in frames of
 * its own and needs nothing below but bytes in order (H50 to H55). Each frame is four bytes, little
 * endian, and then as many bytes as they say, at most 4096; three values above that are the marks
 * for the end of either direction and for the close. docs/inband.md draws it.
 *
 * An in-band flow is used like a stream: the same requests, completions and handlers, whose first
 * argument is the stream below. After weir_inband_open() the program leaves that stream alone but
 * for looking at it, and for an abort.
 *
 * It is counted: weir_inband_open() gives one reference. Every function may be called as long as
 * the caller has one, also when the flow has closed: then they answer -WEIR_ESTALE.
 */

#include "weir/base.h"
#include "weir/pool.h"
#include "weir/stream.h"
#include "weir/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The most payload of one frame. */
#define WEIR_INBAND_FRAME_MAX 4096u

struct weir_inband;

/** How an in-band flow is made. All zero is a good default. */
struct weir_inband_options {
    /** Borrowed until closed; NULL: no events. Of a stream's functions these are called: started
     *  (when the layer was there before it), data (but WEIR_CONSUME_PENDING closes the flow with
     *  -ENOTSUP), peer_fin (`ambiguous`: the stream below ended without a mark), peer_reset,
     *  peer_stop, writable, ideal_size, send_closed and closed, which counts bytes of payload. */
    const struct weir_handlers *handlers;
    void *user;
    size_t input_high; /* payload held unread before the stream below is paused; 0: 256 KiB */
};

/**
 * Put the layer over a stream: in an accept function, in `started`, or in any later function of the
 * loop before input was shown. Replaces the stream's handlers and user pointer.
 *
 * Threads: the loop's.
 * Blocks:  never.
 * Memory:  copies @p options; gives one reference, see weir_inband_unref().
 * @return 0, or with nothing changed -EINVAL, -WEIR_ESTALE, -EXDEV (another thread), -ENOMEM,
 *   -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_inband_open(weir_stream stream,
                                             const struct weir_inband_options *options,
                                             struct weir_inband **ret_inband);

/**
 * Take one more reference.
 *
 * Threads: any. Wait-free.
 * Blocks:  never.
 */
WEIR_API struct weir_inband *weir_inband_ref(struct weir_inband *inband);

/**
 * Give one reference back. NULL is legal. An open flow goes on without: it needs no reference of
 * the program's to run, and none to close.
 *
 * Threads: any. Wait-free but for the allocator's free.
 * Blocks:  never.
 */
WEIR_API void weir_inband_unref(struct weir_inband *inband);

/**
 * The stream below.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API weir_stream weir_inband_stream(const struct weir_inband *inband);

/**
 * Write, as weir_write(): one operation of the stream below whatever the size, so that concurrent
 * writes are never mixed (H53), frame headers between the caller's bytes, which are not copied for
 * that. Sizes in the completion are of the caller's bytes. A write of nothing is a barrier. With
 * WEIR_FIN the mark for the end follows the bytes.
 *
 * A frame is never cut: a write of which a part has been sent runs to its end (WEIR_TEAR_FINISH, to
 * which the default is changed) or resets the connection (WEIR_TEAR_ABORT).
 *
 * Threads: any, as weir_write().
 * Blocks:  never.
 * Memory:  as weir_write().
 * Calls:   request->done exactly once, later, on the stream's loop, iff this returns 0.
 * @return as weir_write(), and
 *   -ENOTSUP  WEIR_SOME, WEIR_NOWAIT, a file
 *   -EINVAL   also FIN with level ACCEPTED or with PRIORITY
 *   -EBUSY    FIN, while another thread is inside a write of this flow
 *   -EPIPE    the peer does not read any more
 */
WEIR_API WEIR_NODISCARD int weir_inband_write(struct weir_inband *inband,
                                              const struct weir_write *request, weir_op *ret_op);

/**
 * End the write side: the mark goes behind all that is queued, the peer reads an end (H51). The
 * stream below stays open both ways.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or as weir_write().
 */
WEIR_API WEIR_NODISCARD int weir_inband_end(struct weir_inband *inband);

/**
 * Read once, as weir_read() but without an operation's handle: a token or a deadline takes a read
 * back.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  borrows request->buffer until the completion.
 * Calls:   request->done exactly once, later, on the loop iff this returns 0.
 * @return 0, or -EINVAL, -EBUSY (there is a data function), -WEIR_ESTALE, -WEIR_ELANEFULL, -ENOMEM,
 *   -WEIR_EENDED (the runtime is stopping), -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_inband_read(struct weir_inband *inband,
                                             const struct weir_read *request);

/**
 * Inside `data`: take the first @p size presented bytes as a chain (SIZE_MAX: all), as weir_take().
 *
 * Threads: the loop's, inside `data` of this flow.
 * Blocks:  never.
 * Memory:  gives @p ret_chain, which must be empty.
 * @return 0, or -EINVAL (not inside `data`, more than presented), -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_inband_take(struct weir_inband *inband, size_t size,
                                             struct weir_chain *ret_chain);

/**
 * Stop delivering, as weir_pause(). What comes is held, up to input_high, marks included.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, -WEIR_ESTALE, and from another thread -WEIR_ELANEFULL, -ENOMEM, -WEIR_EENDED (the
 *   runtime is stopping), -ECHILD.
 */
WEIR_API int weir_inband_pause(struct weir_inband *inband);

/**
 * Deliver again.
 *
 * Threads: any.
 * Blocks:  never.
 * @return as weir_inband_pause(), from any thread.
 */
WEIR_API int weir_inband_resume(struct weir_inband *inband);

/**
 * Shut reading down: what was unread is dropped, reads end, later input is discarded; the peer is
 * told, and its later writes end with -EPIPE (H51).
 *
 * Threads: any.
 * Blocks:  never.
 * @return as weir_inband_resume().
 */
WEIR_API int weir_inband_stop_reading(struct weir_inband *inband);

/**
 * Close. Idempotent; a harder mode overrides a softer one.
 *
 * DRAIN: behind all that is queued the mark for the close; input goes to `data` if there is one and
 * is discarded otherwise (while paused it waits), until the peer's mark or end; then the stream
 * below is closed too (H52, H8). At the deadline it is aborted. FLUSH: the mark, and the stream
 * below is closed without waiting. ABORT: it is reset at once. The peer's mark for the close starts
 * a DRAIN by itself.
 *
 * Threads: any.
 * Blocks:  never.
 * @param deadline_ns  absolute, for DRAIN and FLUSH; 0: 5 s from now; WEIR_NEVER: none.
 * @param code         for ABORT; at most WEIR_CODE_MAX.
 * @return 0, -EINVAL, -WEIR_ESTALE, -ECHILD; ABORT cannot fail for want of anything, the others may
 *   be refused with nothing done: -WEIR_ELANEFULL, -ENOMEM, -WEIR_EENDED (the runtime is stopping,
 *   and closes the stream below).
 */
WEIR_API int weir_inband_close(struct weir_inband *inband, enum weir_close_mode mode,
                               uint64_t deadline_ns, uint64_t code);

/**
 * Why the write side failed or ended.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0 while it is good; the reason (< 0), -EPROTO for a peer that broke the framing;
 *   -WEIR_ESTALE.
 */
WEIR_API int weir_inband_status(struct weir_inband *inband);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_INBAND_H */
