/* SPDX-License-Identifier: MIT */
#ifndef WI_OP_H
#define WI_OP_H

/**
 * @file
 * An operation: what a handle names, a cancel takes back, and a loop completes exactly once. The
 * runtime knows its life; what it does is the upper layer's, which embeds it.
 *
 *             open               claim *           finish            recycle
 *      FREE ─────────► QUEUED ───────────► TX ───────────► DONE ───────────► FREE, generation + 1
 *                        │  cancel bit *    │  cancel bit    ▲
 *                        └──────────────────┼────────────────┘
 *                          finish, unsent   └ the loop decides by what the kernel took
 *
 *      * the one contested choice: the loop claims, any thread sets the cancel bit, a CAS decides.
 *        Cancel bit first: WON. Claim first: PENDING. Every other edge has one mover: the submitter
 *        opens, the loop finishes and recycles.
 *
 * State, bits and generation share one word, so nobody ever sees them disagree.
 */

#include "mem/assert.h"
#include "mem/atomic.h"
#include "runtime/ring.h"
#include "runtime/task.h"
#include "runtime/wheel.h"
#include "weir/base.h"

struct wi_loop;
struct wi_runtime;
struct wi_op;
struct wi_token_record;

enum wi_op_state {
    // Each value has the bits of the ones before it, so moving on is an OR.
    WI_OP_FREE = 0,   // in a cache; only the generation means anything
    WI_OP_QUEUED = 1, // in a lane or a queue; the only state two parties may try to leave
    WI_OP_TX = 3,     // the loop works on it; bytes may be on the wire
    WI_OP_DONE = 7,   // outcome fixed; the callback runs in this state
};

#define WI_OP_STATE_MASK UINT64_C(7)
#define WI_OP_CANCEL     UINT64_C(8)  // somebody cancelled it
#define WI_OP_LINKED     UINT64_C(16) // its node is, or will be, on the loop's cancel stack
#define WI_OP_AWAITED    UINT64_C(32) // a plain thread waits for it

/** The loop's own marks, in wi_op.flags. */
enum wi_op_flag {
    WI_OP_NAMED = 1 << 0,    // a handle was given out, so other threads may touch the word
    WI_OP_QUIET = 1 << 1,    // the library's own message: not counted among operations
    WI_OP_WAITING = 1 << 2,  // recycled but for the node that is still to come off
    WI_OP_TIMED = 1 << 3,    // its deadline is armed
    WI_OP_TOKENED = 1 << 4,  // registered with its token
    WI_OP_ARRIVED = 1 << 5,  // out of its lane
    WI_OP_RELEASED = 1 << 6, // its handle is stale; the slot is still in use
    WI_OP_GONE = 1 << 7,     // recycled
    // 1 << 8 and up: the upper layer's
};

struct wi_op_ops {
    struct wi_task_ops task; // run: the loop took it out of a lane
    /** Loop thread. End it early with @p status, if it still can be. Only arrived, unfinished
     *  ones. */
    void (*cancel)(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin);
    /** Loop thread. A plain thread waits for it: do not hold it back. NULL: nothing to do. */
    void (*awaited)(struct wi_loop *loop, struct wi_op *op);
};

/** Where free operations of one producer wait: a lane's, or the loop's own. Owner thread only. */
struct wi_cache {
    struct wi_loop *loop;
    struct wi_op *free;
    bool is_lane;
};

struct wi_op {
    struct wi_task task; // next: in a queue, in a free list, on the way home
    wi_atomic_u64 word;  // generation << 32 | bits | state
    struct wi_op *prev;  // in a queue
    struct wi_cache *home;
    struct wi_stack_node node; // on the cancel stack
    uint32_t slot;
    uint32_t flags; // enum wi_op_flag
    uint64_t owner; // the upper layer's: what both sides write shares this one cache line
};
static_assert(sizeof(struct wi_op) == WI_CACHE_LINE, "one line is written by both sides");

/** Only operations with a deadline or a token touch this: at WI_OP_EXTRA_OFFSET in their slot. */
struct wi_op_extra {
    struct wi_timer timer;
    struct wi_op *token_next;
    struct wi_op **token_link; // NULL: not registered
    struct wi_token_record *record;
};

#define WI_OP_EXTRA_OFFSET 128u
#define WI_OP_SIZE         448u
#define WI_OP_SEGMENT      32u
static_assert(WI_OP_SIZE % WI_CACHE_LINE == 0, "operations start on a cache line");

static inline struct wi_op_extra *
wi_op_extra(struct wi_op *op)
{
    return (struct wi_op_extra *)(void *)((char *)op + WI_OP_EXTRA_OFFSET);
}

static inline struct wi_op *
wi_op_of_extra(struct wi_op_extra *extra)
{
    return (struct wi_op *)(void *)((char *)extra - WI_OP_EXTRA_OFFSET);
}

static inline struct wi_op *
wi_op_of_task(struct wi_task *task)
{
    return wi_container_of(task, struct wi_op, task);
}

static inline enum wi_op_state
wi_op_state(uint64_t word)
{
    return (enum wi_op_state)(word & WI_OP_STATE_MASK);
}

static inline uint32_t
wi_op_generation(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/** Owner thread of the cache. NULL: memory ran out. */
WI_COLD struct wi_op *wi_op_take_slow(struct wi_cache *cache);

WI_INLINE struct wi_op *
wi_op_take(struct wi_cache *cache)
{
    struct wi_op *op = cache->free;

    if (wi_unlikely(op == NULL)) {
        return wi_op_take_slow(cache);
    }
    cache->free = (struct wi_op *)(void *)op->task.next;
    return op;
}

/** Owner thread of the cache. Put back what was taken and never opened. */
WI_INLINE void
wi_op_put_back(struct wi_cache *cache, struct wi_op *op)
{
    op->task.next = (struct wi_task *)(void *)cache->free;
    cache->free = op;
}

/** The submitter. Nobody gets a handle to it, so nobody else looks at its word: it stays as it is
 *  until the operation is finished, and its generation may serve once more. */
WI_INLINE void
wi_op_open_unnamed(struct wi_op *op, const struct wi_op_ops *ops)
{
    wi_assert(wi_op_state(wi_load_relaxed(&op->word)) == WI_OP_FREE && op->flags == 0);
    op->task.ops = &ops->task;
}

static inline void
wi_op_open_as(struct wi_op *op, const struct wi_op_ops *ops, bool named, uint64_t state)
{
    wi_op_open_unnamed(op, ops);
    if (named) {
        op->flags = WI_OP_NAMED;
        wi_store_relaxed(&op->word, wi_load_relaxed(&op->word) | state);
    }
}

/** The submitter. FREE → QUEUED; the ring or the loop itself publishes it. */
static inline void
wi_op_open(struct wi_op *op, const struct wi_op_ops *ops, bool named)
{
    wi_op_open_as(op, ops, named, WI_OP_QUEUED);
}

/** The submitter. FREE → TX in one step: a part of it is done already, so no cancel can win. */
static inline void
wi_op_open_claimed(struct wi_op *op, const struct wi_op_ops *ops, bool named)
{
    wi_op_open_as(op, ops, named, WI_OP_TX);
}

/** The submitter, before the loop can see it; or the loop. */
uint64_t wi_op_handle(const struct wi_op *op);

/** Any thread. The operation a handle names, and its runtime; NULL: stale. The word tells more. */
struct wi_op *wi_op_by_handle(uint64_t handle, struct wi_runtime **ret_runtime);

/** Loop thread. QUEUED → TX, if it has a handle. False: a canceller won; finish it unsent. */
WI_INLINE bool
wi_op_claim(struct wi_op *op)
{
    uint64_t seen;

    if (!(op->flags & WI_OP_NAMED)) { // nobody else knows it
        return true;
    }
    seen = wi_load_relaxed(&op->word);
    do { // a try fails only when a canceller, or one who waits, changed the word: twice at most
        if (wi_op_state(seen) != WI_OP_QUEUED || (seen & WI_OP_CANCEL)) {
            return false;
        }
        // ORDER(cancel) observe: pairs with the release in mark_and_link(), so that the -ECANCELED
        // callback sees everything the canceller did before it called weir_cancel().
    } while (!wi_cas_acquire(&op->word, &seen, seen | WI_OP_TX));
    return true;
}

/** Loop thread. Is it between claim and finish? */
static inline bool
wi_op_is_claimed(const struct wi_op *op)
{
    return wi_op_state(wi_load_relaxed(&op->word)) == WI_OP_TX;
}

/** Loop thread. Fix the outcome: → DONE. True: a cancel had come before. */
bool wi_op_finish_named(struct wi_op *op);

WI_INLINE bool
wi_op_finish(struct wi_op *op)
{
    if (op->flags & (WI_OP_NAMED | WI_OP_TIMED | WI_OP_TOKENED)) {
        return wi_op_finish_named(op);
    }
    wi_store_relaxed(&op->word, wi_load_relaxed(&op->word) | WI_OP_DONE);
    return false;
}

/** Loop thread. After the callback: the handle is stale from here. The slot stays, for work that
 *  goes on although its completion has been told. */
void wi_op_release(struct wi_loop *loop, struct wi_op *op);

/** Loop thread. The slot goes home; releases first if that has not been done. */
void wi_op_recycle(struct wi_loop *loop, struct wi_op *op);

/** Loop thread. The op has been taken out of a lane (or never was in one): register its token, arm
 *  its deadline (WEIR_NEVER: none). 0, or the status with which it must end now: it was cancelled
 *  on the way, or its token has fired. */
int wi_op_arrive(struct wi_loop *loop, struct wi_op *op, uint64_t deadline_ns, uint64_t token);

/** Loop thread. The same for the library's own messages, which are not counted as operations. */
static inline void
wi_op_arrive_quietly(struct wi_op *op)
{
    op->flags |= WI_OP_ARRIVED | WI_OP_QUIET;
}

/** Loop thread. Disarm and unregister, before the operation ends or goes on unbothered. */
void wi_op_unbind(struct wi_loop *loop, struct wi_op *op);

/** Any thread. Wait-free: the word can move only a few times more in this generation. */
int wi_op_cancel(uint64_t handle);

/** Loop thread. Cancel from within: a deadline, a token. */
static inline void
wi_op_cancel_local(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    const struct wi_op_ops *ops = wi_container_of(op->task.ops, const struct wi_op_ops, task);

    ops->cancel(loop, op, status, origin);
}

/** Loop thread. The deadline of an operation has come. */
void wi_op_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

/** Loop thread. The node came off the cancel stack. */
void wi_op_popped(struct wi_loop *loop, struct wi_op *op);

#endif /* WI_OP_H */
