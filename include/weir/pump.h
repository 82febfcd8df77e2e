/* SPDX-License-Identifier: MIT */
#ifndef WEIR_PUMP_H
#define WEIR_PUMP_H

/**
 * @file
 * A pump: carries the bytes of two streams across, each to the other, until both directions have
 * ended.
 *
 * Each direction goes by itself: it is read no faster than it can be written, the end of its source
 * becomes the end of its sink's write side, behind every byte, and a failure of one stream is told
 * apart from one of the other. Between two sockets of one loop large amounts go through a pipe in
 * the kernel and are never copied; everything else goes block by block, the blocks in which bytes
 * arrived are those that are written. A pump whose streams are silent holds neither.
 */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Names a running pump. */
typedef struct weir_pump_handle {
    uint64_t bits;
} weir_pump_handle;

/** One direction (H9). */
struct weir_pump_flow {
    uint64_t bytes;       /* taken from the source */
    uint64_t sent;        /* of these, taken by the sink's kernel */
    uint64_t operations;  /* how many pieces they came in */
    uint64_t duration_ns; /* from the start to its end, or to now */
    bool ended;           /* the source ended, and so has the sink, behind every byte */
    bool ambiguous;       /* the source's end may have been a reset (see peer_fin) */
};

struct weir_pump_stats {
    struct weir_pump_flow a_to_b;
    struct weir_pump_flow b_to_a;
    int status;   /* 0: both directions ended in order, or a stream failed; -ECANCELED: aborted;
                   -ETIMEDOUT: idle, or at the deadline */
    int status_a; /* why stream a could not go on; 0: it could */
    int status_b;
    enum weir_origin origin_a;
    enum weir_origin origin_b;
};

/** Both directions are over. Runs on stream a's loop, once; the pump's handle is stale, the streams
 *  have their own handlers again. */
typedef void weir_pump_fn(const struct weir_pump_stats *stats, void *arg);

enum weir_pump_flag {
    WEIR_PUMP_NO_SPLICE = 1 << 0, /* block by block, whatever the streams are */
};

struct weir_pump {
    weir_stream a;
    weir_stream b;
    unsigned flags;       /* enum weir_pump_flag */
    size_t buffer;        /* a direction rests when so much waits for its sink; 0: 256 KiB. What one
                             receive brings may come on top */
    uint64_t idle_ns;     /* end it when nothing moves for so long; 0: never */
    uint64_t deadline_ns; /* absolute; 0 or WEIR_NEVER: none */
    weir_pump_fn *done;   /* may be NULL */
    void *arg;
};

/**
 * Start a pump. From now on `data`, `peer_fin`, `writable` and `ideal_size` of both streams are the
 * pump's, and so are pausing and resuming; every other event goes on to the streams' own handlers,
 * and handlers or user pointers set meanwhile are those they get back. What was received and not
 * consumed goes across first; a paused stream is resumed; an end that was told already is carried
 * across too. The streams need not have started. Others may write to them; their bytes go between
 * the pump's.
 *
 * When a source ends, its sink gets a FIN behind every byte. When a sink fails, its source's
 * reading is shut down (weir_stop_reading()). A stream that closes ends both directions at once:
 * what was written to the other is still its to send. The pump closes neither stream.
 *
 * Threads: the loop's of stream a; b may be on another loop of the runtime.
 * Blocks:  never.
 * Memory:  copies @p request.
 * Calls:   request->done exactly once on a's loop iff this returns 0, never inside this call.
 *
 * @param ret_pump  may be NULL.
 * @return 0, or, with nothing changed:
 *   -EINVAL       unknown flags, a and b are one stream, or of two runtimes
 *   -ECHILD       in a forked child
 *   -WEIR_ESTALE  a stream is gone
 *   -EXDEV        not on a's loop
 *   -EBUSY        a stream is in a pump, has pulls or provided buffers, or owes an answer
 *                 (WEIR_CONSUME_PENDING)
 *   -ENOMEM       memory ran out
 */
WEIR_API WEIR_NODISCARD int weir_pump_start(const struct weir_pump *request,
                                            weir_pump_handle *ret_pump);

/**
 * End a pump now. What it has written is still the streams' to send; `done` says -ECANCELED.
 *
 * Threads: any.
 * Blocks:  never, and cannot fail for want of anything.
 * @return 0, or -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_pump_abort(weir_pump_handle pump);

/**
 * What a running pump has done so far.
 *
 * Threads: any. Wait-free; the numbers of one direction may be a moment apart.
 * Blocks:  never.
 * @return 0, or -EINVAL, -WEIR_ESTALE, -ECHILD.
 */
WEIR_API int weir_pump_look(weir_pump_handle pump, struct weir_pump_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_PUMP_H */
