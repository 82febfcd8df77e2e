/* SPDX-License-Identifier: MIT */
#ifndef WI_LANE_H
#define WI_LANE_H

/**
 * @file
 * A lane: a ring from one thread to one loop, and the operations that travel on it.
 *
 * One producer and one consumer, so a preempted producer delays nobody. Made on a thread's first
 * use of a loop; starts at 512 entries (4 KiB); when full, the producer goes on to a ring twice as
 * large, up to a bound. On empty → non-empty the producer *marks* the lane: links it onto the
 * loop's stack of marked lanes, so drain and park look only at lanes with something in them.
 *
 * A lane lives until every operation it carried came home. When its thread ends, a control that the
 * lane embeds says so, and the loop keeps the rest.
 */

#include "runtime/control.h"
#include "runtime/op.h"
#include "runtime/probe.h"
#include "weir/runtime.h"
#include "weir/stats.h"

struct wi_lane {
    // The producer.
    struct wi_cache cache; // first: an operation's home is its lane's cache
    struct wi_ring *put;
    unsigned quick; // entries that can be put with no question: see wi_lane_look()
    unsigned entries_max;
    uint32_t thread_number;               // the system's, for who looks at it
    uint64_t made;                        // operations ever made for this lane
    uint64_t credit;                      // bytes leased for queueing and not used
    wi_atomic_bool entering;              // inside a call that checks for the stop, then sends
    wi_atomic_u64 refused[WEIR_REFUSALS]; // one writer; summed by weir_stats()
    wi_atomic_u64 inline_done;            // operations finished inside a submit
    wi_atomic_u64 inline_bytes;
    wi_atomic_u64 inline_sends;

    // Both, but only when the lane was empty.
    alignas(WI_CACHE_LINE) wi_atomic_bool marked;
    struct wi_stack_node mark_node;
    wi_atomic_ptr returned; // operations that came home, taken all at once by the producer
    wi_atomic_ptr notify;   // struct wi_notice: who waits for room

    // The loop.
    alignas(WI_CACHE_LINE) struct wi_ring *take;
    struct wi_op *homing; // finished operations, given back at the end of the turn
    struct wi_op *homing_last;
    struct wi_lane *homing_next; // lanes with some
    bool is_homing;
    bool orphaned;       // its thread has ended
    uint64_t operations; // carried and not yet home; meaningful once orphaned
    struct wi_lane *next_orphan;
    struct wi_control farewell; // pushed when its thread ends
};

/** The producer. NULL: memory ran out. */
struct wi_lane *wi_lane_create(struct wi_loop *loop, unsigned entries_max);
/** Stop only. */
void wi_lane_destroy(struct wi_lane *lane);

/** The producer. Go on to a larger ring. False: at the bound, or memory ran out. */
WI_COLD bool wi_lane_grow(struct wi_lane *lane);

/** The producer, or the loop that leaves something in the lane: tell the loop to look. */
void wi_lane_mark(struct wi_lane *lane);

/** The producer. Is there room for one more entry? It stays until used. Wait-free unless it must
 *  grow the ring. */
static inline bool
wi_lane_reserve(struct wi_lane *lane)
{
    return wi_likely(wi_ring_room(lane->put) != 0) || wi_lane_grow(lane);
}

/** The producer. Look how many entries are free, for so many writes with nothing about them that
 *  has to be accounted: the next one that is sampled ends the count, and credits forbid it. */
void wi_lane_look(struct wi_lane *lane);

/** The producer, after wi_lane_reserve(), or with an entry of `quick`. Wait-free. Then it
 *  looks at the mark: a lane that has none gets one, which is lock-free. */
WI_INLINE void
wi_lane_put(struct wi_lane *lane, struct wi_task *task)
{
    wi_probe_lane_push(lane, lane->cache.loop, task);
    wi_ring_put(lane->put, task);
    // ORDER(mark), producer half: put, fence, look at the mark. wi_lane_drain() does the mirror
    // image: clear the mark, fence, look at the ring. Weaken either, and an entry could stay in a
    // lane that nobody looks at.
    wi_fence_full();
}

static inline void
wi_lane_send(struct wi_lane *lane, struct wi_task *task)
{
    lane->quick -= lane->quick != 0;
    wi_lane_put(lane, task);
    if (!wi_load_relaxed(&lane->marked)) {
        wi_lane_mark(lane);
    }
}

#define WI_LANE_ALL UINT32_MAX // as a bound: all that is in it when the call begins

/** Any thread. Entries in all the rings of the lane, about; exact for the loop's thread. */
unsigned wi_lane_size(const struct wi_lane *lane);

/** Loop thread. Run what is in the lane, at most about @p bound entries, and mark it again if some
 *  stay. */
unsigned wi_lane_drain(struct wi_loop *loop, struct wi_lane *lane, unsigned bound);

/** Loop thread. Give finished operations back to their producers; once a turn. */
void wi_lanes_return_home(struct wi_loop *loop);

/** Loop thread. One finished operation, its word already free. */
void wi_lane_take_first_home(struct wi_loop *loop, struct wi_lane *lane, struct wi_op *op);
WI_INLINE void
wi_lane_take_home(struct wi_loop *loop, struct wi_lane *lane, struct wi_op *op)
{
    if (wi_unlikely(!lane->is_homing)) {
        wi_lane_take_first_home(loop, lane, op);
        return;
    }
    op->task.next = (struct wi_task *)(void *)lane->homing;
    lane->homing = op;
}

/** Loop thread. An operation whose word and flags are as in a cache: to its producer's. */
WI_INLINE void
wi_op_send_home(struct wi_loop *loop, struct wi_op *op)
{
    if (op->home->is_lane) {
        wi_lane_take_home(loop, wi_container_of(op->home, struct wi_lane, cache), op);
    } else {
        wi_op_put_back(op->home, op);
    }
}

/** The producer's end: hand everything to the loop. */
void wi_lane_abandon(struct wi_lane *lane);

/** The producer. Have @p fn told when there is room. 0, -ENOMEM or -WEIR_EENDED: stopping. */
int wi_lane_ask(struct wi_lane *lane, weir_post_fn *fn, void *arg);

#endif /* WI_LANE_H */
