/* SPDX-License-Identifier: MIT */
#ifndef WI_INBAND_H
#define WI_INBAND_H

/**
 * @file
 * A flow with its half-close in band: what its files share. It stands on the public interface of
 * streams; nothing else of the library knows it. docs/inband.md draws frames and states.
 *
 *   inband.c        life, the events of the stream below, requests from other threads
 *   inband_write.c  writes and the marks that are sent
 *   inband_read.c   frames that are received, and showing their payload
 *   inband_pull.c   reads that wait
 *   inband_close.c  the closing handshake
 */

#include "mem/atomic.h"
#include "netio/inband_wire.h"
#include "weir/inband.h"
#include "weir/runtime.h"

enum wi_inband_flag {
    WI_INBAND_PAUSED = 1 << 0,      // by the program
    WI_INBAND_FULL = 1 << 1,        // enough is held: the stream below is paused
    WI_INBAND_DISCARD = 1 << 2,     // reading was shut down, or it closes without a data function
    WI_INBAND_IN_DATA = 1 << 3,     // inside the program's data function
    WI_INBAND_FIN = 1 << 4,         // the peer's end has been read
    WI_INBAND_FIN_TOLD = 1 << 5,    // … and the program knows
    WI_INBAND_PEER_CLOSED = 1 << 6, // the peer's mark for the close has been read
    WI_INBAND_ANSWERS = 1 << 7,     // … before ours was sent: the peer closes the stream below
    WI_INBAND_RELEASED = 1 << 8,    // the peer wants nothing more from a flow that closes
    WI_INBAND_EOF = 1 << 9,         // the stream below has ended; what is held comes before
    WI_INBAND_AT_EOF = 1 << 10,     // … nothing is held any more
    WI_INBAND_RESET = 1 << 11,      // the stream below was reset; what is held comes before
    WI_INBAND_END_DUE = 1 << 12,    // marks that wait for writes under way, or for room
    WI_INBAND_STOP_DUE = 1 << 13,
    WI_INBAND_SEND_TOLD = 1 << 14, // send_closed was called
    WI_INBAND_RETRIES = 1 << 15,   // a timer is on its way to send what is due
    WI_INBAND_PARSES = 1 << 16,    // wi_inband_advance() is under way
};

enum wi_inband_phase {
    WI_INBAND_OPEN,
    WI_INBAND_CLOSING,   // the mark for the close is due
    WI_INBAND_MARKED,    // it is queued or sent: waiting for the peer's
    WI_INBAND_FINISHING, // nothing more is wanted; the stream below closes
    WI_INBAND_DEAD,
};

// The gate of writers: who is inside a write, and why no more may come in.
#define WI_INBAND_GATE_ENDED   UINT64_C(1)  /* weir_inband_end(), WEIR_FIN */
#define WI_INBAND_GATE_CLOSED  UINT64_C(2)  /* it closes */
#define WI_INBAND_GATE_STOPPED UINT64_C(4)  /* the peer does not read */
#define WI_INBAND_GATE_BROKEN  UINT64_C(8)  /* `status` says why */
#define WI_INBAND_GATE_DEAD    UINT64_C(16) /* closed was told */
#define WI_INBAND_GATE_BITS    UINT64_C(0xff)
#define WI_INBAND_GATE_ONE     UINT64_C(0x100)

struct wi_inband_pull;

struct weir_inband {
    // Any thread.
    wi_atomic_u32 references;
    wi_atomic_u32 status; // negated; 0: good
    wi_atomic_u64 gate;
    wi_atomic_u64 accepted; // bytes of payload
    wi_atomic_u64 sent;

    // Never changed.
    weir_stream stream;
    struct weir_loop *loop;
    const struct weir_handlers *handlers;
    void *user;
    size_t input_high;

    // The loop's.
    unsigned flags; // enum wi_inband_flag
    enum wi_inband_phase phase;
    enum weir_origin origin; // of status
    struct weir_chain raw;   // received, not looked at
    size_t raw_size;
    struct weir_chain input; // payload that was not consumed
    size_t input_size;
    size_t input_looked; // of it the program has seen so much and wants more
    uint32_t frame_left; // payload still to come of the frame under way
    uint64_t received;   // bytes of payload
    enum weir_close_mode mode;
    weir_op deadline; // the close's timer
    struct wi_inband_pull *pulls;
    struct wi_inband_pull *pulls_last;
};

/* ---- inband.c ---- */

typedef void wi_inband_run_fn(struct weir_inband *inband, void *arg);
/** Any thread. Run @p run on the loop, later, with a reference held. As weir_post(). */
int wi_inband_post(struct weir_inband *inband, wi_inband_run_fn *run, void *arg);
/** Loop. Does the program have such a function? */
bool wi_inband_pushes(const struct weir_inband *inband);
/** Loop. The flow fails with this reason (the first one stays): the stream below is reset. */
void wi_inband_fail(struct weir_inband *inband, int status, enum weir_origin origin);
/** Loop. Tell send_closed, once. */
void wi_inband_tell_send_closed(struct weir_inband *inband, bool graceful);

/** Loop. The peer reads no more: refuse writes, and tell it, once. */
void wi_inband_tell_stop(struct weir_inband *inband, uint64_t code);

/* ---- inband_write.c ---- */

/** Any thread. Why a writer may not enter; 0: it may. */
int wi_inband_refusal(struct weir_inband *inband, uint64_t gate);
/** Loop. Send the marks that are due and may go; else come back in a moment. */
void wi_inband_send_due(struct weir_inband *inband);

/* ---- inband_read.c ---- */

/** Loop. Look at what was received as far as it may be, show it, and act on marks. */
void wi_inband_advance(struct weir_inband *inband);
/** Loop. Everything held goes back to the pool. */
void wi_inband_drop_input(struct weir_inband *inband);

/* ---- inband_pull.c ---- */

/** Loop. How much payload the first waiting read needs to be done; 0: none waits. */
size_t wi_inband_pull_need(const struct weir_inband *inband);
/** Loop. Serve the waiting reads as far as possible. */
void wi_inband_feed_pulls(struct weir_inband *inband);
/** Loop. End all waiting reads: with status 0 as at an end. */
void wi_inband_end_pulls(struct weir_inband *inband, int status, enum weir_origin origin);

/* ---- inband_close.c ---- */

/** Loop. Begin to close, or to close harder. */
void wi_inband_begin_close(struct weir_inband *inband, enum weir_close_mode mode,
                           uint64_t deadline_ns);
/** Loop. The mark for the close is on its way. */
void wi_inband_marked(struct weir_inband *inband);
/** Loop. After anything changed: is the handshake over? */
void wi_inband_settle(struct weir_inband *inband);

#endif /* WI_INBAND_H */
