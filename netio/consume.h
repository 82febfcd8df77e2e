/* SPDX-License-Identifier: MIT */
#ifndef WI_CONSUME_H
#define WI_CONSUME_H

/**
 * @file
 * The answer to a data function, when it comes from elsewhere. Two words: one of the loop, while
 * the function runs; one of the stream, after it said PENDING.
 *
 *      the loop's    63..33   32..2      1..0        which call of a data function it is; one word
 *                    serial   consumed   state       beside it has the serial and `examined`
 *
 *      CLOSED ──data is called──► OPEN ──weir_consume() *──► ANSWERED ──data said PENDING──► CLOSED
 *                                   └──────────data returned──────────────────────────────────┘
 *
 *      the stream's  63..62   61..31     30..0
 *                    state    examined   consumed (OPEN: shown)
 *
 *      IDLE ──data said PENDING──► OPEN ──weir_consume() *──► ANSWERED ──the loop──► IDLE
 *                └──────────answered while data ran──────────────┘
 *
 *      * the one contested choice: of several answers a CAS lets one through, the others are
 *        -EALREADY.
 *
 * A worker that data starts may be faster than data itself, and then only the loop knows that there
 * is something to answer. An idle stream has no room for a word of its own; a loop runs one data
 * function at a time, so it has one for all.
 */

#include "netio/stream.h"

/** Of a loop; in wi_net. */
struct wi_show {
    wi_atomic_u64 word;
    wi_atomic_u64 examined; // serial and examined, before the word says ANSWERED
    wi_atomic_ptr gate;     // whose data function runs
    wi_atomic_u32 size;     // how much it is shown
    uint64_t serial;        // of the last call, in its place in the word
};

#define WI_SHOW_STATE    UINT64_C(3)
#define WI_SHOW_CLOSED   UINT64_C(0)
#define WI_SHOW_OPEN     UINT64_C(1)
#define WI_SHOW_ANSWERED UINT64_C(2)
#define WI_SHOW_SERIAL   (UINT64_C(1) << 33)

/** Loop thread. A data function is about to be called. */
static inline void
wi_show_begin(struct wi_show *show, struct wi_gate *gate, uint32_t size)
{
    show->serial += WI_SHOW_SERIAL;
    // ORDER(show) publish: whose it is and how much, behind the end of the call before and before
    // the word; so an answer whose CAS finds the word as it was has read what belongs to it.
    wi_store_release(&show->gate, (uintptr_t)gate);
    wi_store_release(&show->size, size);
    wi_store_release(&show->word, show->serial | WI_SHOW_OPEN);
}

/** Loop thread. It returned, and did not say PENDING. True: somebody has answered in vain. */
static inline bool
wi_show_end(struct wi_show *show)
{
    bool answered = (wi_load_relaxed(&show->word) & WI_SHOW_ANSWERED) != 0;

    wi_store_relaxed(&show->word, WI_SHOW_CLOSED);
    return answered;
}

/** Loop thread. It returned and said PENDING; @p shown is what of the input is still there. An
 *  answer that came while it ran counts. False: memory ran out. */
bool wi_consume_open(struct wi_loop *loop, struct wi_stream *stream, size_t shown);

/** Loop thread. Take an answer. False: there is none. */
bool wi_consume_take(struct wi_stream *stream, size_t *ret_consumed, size_t *ret_examined);

#endif /* WI_CONSUME_H */
