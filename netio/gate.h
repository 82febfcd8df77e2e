/* SPDX-License-Identifier: MIT */
#ifndef WI_GATE_H
#define WI_GATE_H

/**
 * @file
 * The gate of a stream: the one cache line of it that other threads touch. Its submit word decides,
 * in one read-modify-write, whether a foreign submit is refused, where in the order it stands, and
 * that the slot stays.
 *
 *      word:  63..40   39..16      15..0
 *             ticket   in flight   bits: state, who holds the right to write, section, bound
 *
 *      state:   CLOSED ──open──► OPEN ──FIN──► ENDED ─┐
 *                  ▲              │ ▲                  ├─close─► DRAINING
 *                  │          tear│ │resume            │            │
 *                  │              ▼ │                  │            │
 *                  │              TORN ────────────────┘            │
 *                  │                                                ▼
 *                  └──────────── in flight 0 again ◄────────────── OVER  in flight 0, right back
 *
 *      right:   NOBODY ──► LOOP          the loop has something queued for the stream
 *               NOBODY ──► SUBMITTER     a foreign submit sends inline; CAS from idle only
 *               SUBMITTER ──► NOBODY     all of it went
 *               SUBMITTER ──► LOOP       some of it did not: the loop goes on with the rest
 *
 * *In flight* counts submits between this word and their arrival on the loop, and calls that touch
 * the stream from outside. The slot is freed only at zero. A loop that finds it above zero when it
 * wants to free the slot sets AWAITED in the same step; then whoever brings it to zero asks for
 * SETTLE, and the slot cannot have been freed before that. Nobody else asks without holding.
 * Streams that do not enable inline writes leave the right with the loop for ever, so their loop
 * never touches it.
 */

#include "mem/assert.h"
#include "mem/atomic.h"
#include "mem/plant.h"
#include "runtime/runtime.h"

#define WI_GATE_STATE     UINT64_C(7)
#define WI_GATE_RIGHT     (UINT64_C(3) << 3)
#define WI_GATE_WANTED    (UINT64_C(1) << 5)  // the loop waits for the right
#define WI_GATE_SECTION   (UINT64_C(1) << 6)  // a producing section is open
#define WI_GATE_BOUND     (UINT64_C(1) << 7)  // bound to a token
#define WI_GATE_HIGH      (UINT64_C(1) << 8)  // somebody was refused: tell when there is room
#define WI_GATE_EXTRA     (UINT64_C(1) << 9)  // other threads may look at the extra part
#define WI_GATE_ABORTED   (UINT64_C(1) << 11) // an abort was asked for: its code stays
#define WI_GATE_AWAITED   (UINT64_C(1) << 10) // the loop waits for the last one in flight
#define WI_GATE_INFLIGHT  (UINT64_C(1) << 16)
#define WI_GATE_INFLIGHTS (UINT64_C(0xffffff) << 16)
#define WI_GATE_TICKET    (UINT64_C(1) << 40)

enum wi_gate_state {
    WI_GATE_CLOSED,   // a free slot, or one whose stream is gone
    WI_GATE_OPEN,     // submits are taken
    WI_GATE_ENDED,    // a FIN is queued or left
    WI_GATE_TORN,     // a cancel tore it; weir_resume_torn() opens it again
    WI_GATE_DRAINING, // closing, or failed: the reason is in `status`
    WI_GATE_OVER,     // `closed` is due: nothing whatever is taken that would complete behind it
};

enum wi_gate_right {
    WI_RIGHT_NOBODY,
    WI_RIGHT_LOOP,
    WI_RIGHT_SUBMITTER,
};

/** Fixed while the stream is open; wi_gate.options. */
enum wi_gate_option {
    WI_GATE_INLINE = 1 << 0,
    WI_GATE_SWALLOW = 1 << 1,
    WI_GATE_ACKED = 1 << 2,
    WI_GATE_PUSH = 1 << 3, // it has a data function
    WI_GATE_PARTIAL_PAUSE = 1 << 4,
    WI_GATE_FIN_IS_ABORT = 1 << 5,
    WI_GATE_REST = 1 << 6, // reading rests while much is queued
};

/** Why a stream is put on its loop's control stack; wi_gate.asked. */
enum wi_ask {
    WI_ASK_ABORT = 1 << 0,
    WI_ASK_FLUSH = 1 << 1,
    WI_ASK_DRAIN = 1 << 2,
    WI_ASK_PAUSE = 1 << 3,
    WI_ASK_RESUME = 1 << 4,
    WI_ASK_STOP_READING = 1 << 5,
    WI_ASK_UNTEAR = 1 << 6,
    WI_ASK_CONSUME = 1 << 7,
    WI_ASK_SETTLE = 1 << 9, // the last one in flight left without arriving
};

/** A slot holds the gate and behind it the stream; 64 of them make a segment. */
#define WI_SLOT_SIZE  256u
#define WI_SLOT_SHIFT 6u

struct wi_gate {
    wi_atomic_u64 word;
    wi_atomic_u64 queued;         // bytes foreign submits added, ever
    wi_atomic_u64 finished;       // bytes the loop finished less those it added itself; one writer
    wi_atomic_u64 handle;         // of the stream here; while free: the last one's, of no kind
    wi_atomic_u64 close_argument; // the deadline of a DRAIN or FLUSH, the code of an ABORT
    struct wi_loop *loop;         // for ever: a slot never changes its loop
    wi_atomic_u32 asked;          // enum wi_ask
    wi_atomic_u32 high;           // refuse above so many queued bytes; 0: no limit
    int fd;                       // for whoever holds the right
    _Atomic(uint16_t) options;    // enum wi_gate_option; read before holding, so perhaps the next
    _Atomic(int16_t) status;      // why it failed or ended, for refusals
};
static_assert(sizeof(struct wi_gate) == WI_CACHE_LINE, "one line is shared with other threads");

static inline bool
wi_gate_has(const struct wi_gate *gate, enum wi_gate_option option)
{
    return (wi_load_relaxed(&gate->options) & (unsigned)option) != 0;
}

static inline enum wi_gate_state
wi_gate_state(uint64_t word)
{
    return (enum wi_gate_state)(word & WI_GATE_STATE);
}

static inline enum wi_gate_right
wi_gate_right(uint64_t word)
{
    return (enum wi_gate_right)((word & WI_GATE_RIGHT) >> 3);
}

static inline uint64_t
wi_gate_right_bits(enum wi_gate_right right)
{
    return (uint64_t)right << 3;
}

static inline uint32_t
wi_gate_ticket(uint64_t word)
{
    return (uint32_t)(word >> 40);
}

/** Is ticket @p a before @p b? Tickets wrap; fewer than half of them are ever under way. */
static inline bool
wi_ticket_before(uint32_t a, uint32_t b)
{
    return ((a - b) & 0x800000u) != 0;
}

static inline uint32_t
wi_ticket_next(uint32_t ticket)
{
    return (ticket + 1) & 0xffffffu;
}

/** Any thread. Bytes accepted and not finished. */
static inline uint64_t
wi_gate_queued(const struct wi_gate *gate)
{
    int64_t queued = (int64_t)(wi_load_relaxed(&gate->queued) - wi_load_relaxed(&gate->finished));

    return queued > 0 ? (uint64_t)queued : 0;
}

/** Any thread. Would @p size bytes more pass the high mark? An empty queue admits one write,
 *  whatever its size. */
static inline bool
wi_gate_is_over(const struct wi_gate *gate, uint64_t queued, uint64_t size)
{
    uint32_t high = wi_load_relaxed(&gate->high);

    return high != 0 && queued != 0 && queued + size > high + (WI_PLANT(17) ? 20u : 0u) &&
           size != 0;
}

/** Any thread. Wait-free. The gate a handle names now, not held; NULL: stale. */
WI_INLINE struct wi_gate *
wi_gate_of_runtime(const struct wi_runtime *runtime, uint64_t handle)
{
    struct wi_gate *gate;

    gate = wi_slots_at_fixed(&runtime->gates, wi_handle_slot(handle), WI_SLOT_SHIFT, WI_SLOT_SIZE);
    if (wi_unlikely(gate == NULL || wi_load_relaxed(&gate->handle) != handle)) {
        return NULL;
    }
    return gate;
}

WI_INLINE struct wi_gate *
wi_gate_find(uint64_t handle)
{
    const struct wi_runtime *runtime = wi_runtime_by_handle(handle, WI_HANDLE_STREAM);

    return wi_likely(runtime != NULL) ? wi_gate_of_runtime(runtime, handle) : NULL;
}

/** Any thread. Wait-free. The same, with a first look at the stream whose callback runs here. */
WI_INLINE struct wi_gate *
wi_gate_here(uint64_t handle)
{
    struct wi_gate *gate = wi_tls.at;

    if (wi_likely(gate != NULL && wi_load_relaxed(&gate->handle) == handle)) {
        return gate;
    }
    return wi_gate_find(handle);
}

/** Any thread. Wait-free. Find and hold: the slot is not freed until wi_gate_leave(). */
struct wi_gate *wi_gate_hold(uint64_t handle);

/** Whoever has just opened it: hold for a message that speaks of it. The gate. */
static inline struct wi_gate *
wi_gate_held(struct wi_gate *gate)
{
    wi_add_acq_rel(&gate->word, WI_GATE_INFLIGHT); // ORDER(gate): as wi_gate_hold()
    return gate;
}

/** Any thread that holds it. */
void wi_gate_leave(struct wi_gate *gate);

/** Any thread that holds it, or the loop. Put the stream on its loop's control stack. */
void wi_gate_ask(struct wi_gate *gate, uint32_t what);

/** The same, and take back what it replaces, unless the loop has taken that already. */
void wi_gate_ask_instead(struct wi_gate *gate, uint32_t what, uint32_t instead_of);

/** Any thread that holds it, or the loop. Move the state, unless it is beyond @p to already.
 *  The word as it was. */
uint64_t wi_gate_move(struct wi_gate *gate, enum wi_gate_state to);

/** Any thread that holds it, or the loop. Back to OPEN, if the state is @p from. True: it was. */
bool wi_gate_reopen(struct wi_gate *gate, enum wi_gate_state from);

/** Any thread that holds it, or the loop. What a submit is refused with in this state; 0: OPEN. */
int wi_gate_refusal(const struct wi_gate *gate, uint64_t word);

/** Any thread that holds it, or the loop. Somebody is to be refused: the loop tells when there is
 *  room, at the flush that finishes what is queued. False: that has been finished meanwhile, and no
 *  flush may come; so there is room. */
bool wi_gate_note_high(struct wi_gate *gate);

/** Loop thread. Does nobody hold the slot? If so, clear bits in the same step; if not, the last one
 *  out asks for SETTLE. */
bool wi_gate_is_quiet(struct wi_gate *gate, uint64_t clear);

/** Loop thread. The same, and the state moves to OVER in that step: whoever holds it later finds
 *  so. */
bool wi_gate_finish(struct wi_gate *gate);

/** Whoever holds the slot, or the loop. The bytes count from here on, if they do not pass the high
 *  mark: so nobody else is refused for what was not taken. Lock-free. */
bool wi_gate_queue_below_high(struct wi_gate *gate, uint64_t size);

/** The same, with or without a high mark; a refusal is noted. 0 or -WEIR_ESTREAMFULL. */
int wi_gate_queue(struct wi_gate *gate, uint64_t size);

/** Whoever holds the slot. They are not to be sent by the loop after all (a FIN behind an end, a
 *  tear, a close; an inline write that went as a whole). Who was refused for them meanwhile, or
 *  rests because of them, counts on a flush that does not come. */
void wi_gate_unqueue(struct wi_gate *gate, uint64_t size);

/** How the loop came by the right. */
enum wi_gate_take {
    WI_TAKE_NO,     // a submitter has it; its lane will bring it
    WI_TAKE_FREE,   // nobody had it
    WI_TAKE_HANDED, // a submitter left it to the loop, and perhaps a head in its lane
};

/** Loop thread. Get the right to write. */
enum wi_gate_take wi_gate_take_right(struct wi_gate *gate);

/** Loop thread. */
void wi_gate_drop_right(struct wi_gate *gate);

#endif /* WI_GATE_H */
