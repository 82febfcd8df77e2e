/* SPDX-License-Identifier: MIT */
#ifndef WI_LOOP_H
#define WI_LOOP_H

/**
 * @file
 * One loop: a poller, lanes from other threads, a stack of cancels and controls, a timer wheel, and
 * the turn that serves them in a fixed order with a bounded amount of work.
 */

#include "mem/assert.h"
#include "mem/atomic.h"
#include "runtime/control.h"
#include "runtime/lane.h"
#include "runtime/latency.h"
#include "runtime/op.h"
#include "runtime/os.h"
#include "runtime/ring.h"
#include "runtime/stall.h"
#include "runtime/task.h"
#include "runtime/wheel.h"
#include "weir/runtime.h"
#include "weir/stats.h"

#define WI_LOOP_EVENTS     256   // taken from the poller in one turn
#define WI_LANE_TURN_MAX   2048u // entries taken from one lane in one turn
#define WI_LOOP_ROUNDS_MAX 8     // rounds of deferred work in one turn

/** A counter per number in weir_stats that the loop's own thread writes. */
struct wi_counters {
    wi_atomic_u64 turns, sleeps, waits, reads, sends, accepts, polls;
    wi_atomic_u64 bytes_received, bytes_sent;
    wi_atomic_u64 accepted, completed, cancelled, cancels_won, cancels_late;
    wi_atomic_u64 refused[WEIR_REFUSALS];
    wi_atomic_u64 blocked, blocked_ns, opened, closed, order_looks;
    wi_atomic_u64 corked, corked_ns, right_waits, right_wait_ns, limited;
    wi_atomic_u64 zerocopy_sends, zerocopy_copied, zerocopy_off;
    wi_atomic_u64 names, names_failed, attempts; // of dials that race
    wi_atomic_u64 inline_done;                   // of lanes that are gone
};

struct wi_loop {
    // Written at start, read by every thread.
    struct wi_runtime *runtime;
    int poller;
    int wake_fd;
    unsigned index;
    bool manual;
    void *thread;
    uint64_t spin_ns;
    uint64_t latency_mask;  // of the numbers of writes: none of these bits, and it is timed
    struct wi_stall *stall; // NULL: nobody looks how long turns last
    void *net;              // the upper layer's part
    void (*timer_fns[WI_TIMER_KINDS])(struct wi_loop *loop, struct wi_timer *timer);

    // Written by producers and the loop, but not once per operation: a producer writes here only
    // when it finds its lane empty, or cancels.
    alignas(WI_CACHE_LINE) wi_atomic_u64 parked; // the number of a sleep, and PARKED_SEEN; 0: awake
    struct wi_stack marked;                      // lanes with something in them
    struct wi_stack cancels;                     // operations (wi_op.node)
    struct wi_stack controls;                    // struct wi_control: streams, tokens, listeners
    alignas(WI_CACHE_LINE) wi_atomic_u64 credit; // bytes that may still be queued; see credit.h
    wi_atomic_u64 wakes;
    wi_atomic_u32 streams; // open now; read when placing connections
    wi_atomic_u32 watched; // watches that any thread has started

    // Loop thread only.
    alignas(WI_CACHE_LINE) struct wi_cache cache;
    uint64_t now_ns;
    uint64_t sleep_number; // of the last sleep announced
    bool stopping;         // being closed down
    uint64_t open_things;  // streams, listeners, watches: a stop waits for them to go
    struct wi_op *timers;  // public timers that wait
    struct wi_watch *watches;
    wi_atomic_u64 turn_began; // for the stall detector; 0: between turns
    wi_atomic_u32 thread_number;
    bool idle;     // stopping, and everything has closed
    bool ended;    // the thread may leave
    bool draining; // entries of lanes are being run
    bool decaying; // the decay timer is armed, or nothing happened since it rested
    struct wi_control stop_control;
    struct wi_control end_control;
    struct wi_task *deferred, *deferred_last;
    struct wi_task *posts, *posts_last;
    struct wi_lane *homing;
    struct wi_lane *orphans;
    uint64_t credit_back; // bytes finished and not yet given back
    struct wi_timer decay;
    struct wi_source wake_source;
    struct wi_wheel wheel;
    struct wi_counters counters;
    struct wi_latency latency;
    struct epoll_event *event_next, *event_end; // what the dispatch of `events` has still to do
    struct epoll_event events[WI_LOOP_EVENTS];
};

/** The calling thread's part; see thread.h. */
struct wi_tls {
    struct wi_loop *loop;   // the loop this thread is, or is turning now
    uint64_t serial;        // of the runtime that `lanes` belongs to
    struct wi_lane **lanes; // by loop index
    void *at;               // the upper layer's: what the callback running now is about
};
extern __thread struct wi_tls wi_tls __attribute__((tls_model("initial-exec")));

static inline struct wi_loop *
wi_loop_of(const struct weir_loop *loop)
{
    return (struct wi_loop *)(uintptr_t)loop;
}

static inline struct weir_loop *
wi_loop_public(struct wi_loop *loop)
{
    return (struct weir_loop *)(void *)loop;
}

static inline bool
wi_on_loop(const struct wi_loop *loop)
{
    return wi_tls.loop == loop;
}

#define wi_assert_on_loop(loop) wi_assert(wi_on_loop(loop))

/** Start only. 0 or -errno; wi_loop_fini() in either case. */
int wi_loop_init(struct wi_loop *loop, struct wi_runtime *runtime, unsigned index);
/** Stop only. */
void wi_loop_fini(struct wi_loop *loop);

/** Any thread. Wait-free. If the loop sleeps, wake it. One system call per sleep, and one for each
 *  thread that comes while that one is under way: it may have been stopped before it. */
void wi_loop_wake(struct wi_loop *loop);

/** Any thread. Hand a control over. */
static inline void
wi_loop_control(struct wi_loop *loop, struct wi_control *control)
{
    wi_stack_push(&loop->controls, &control->node);
    wi_loop_wake(loop);
}

/** Loop thread. Run @p task once, at the end of this turn. The caller keeps it from being deferred
 *  twice. */
static inline void
wi_loop_defer(struct wi_loop *loop, struct wi_task *task)
{
    task->next = NULL;
    if (loop->deferred == NULL) {
        loop->deferred = task;
    } else {
        loop->deferred_last->next = task;
    }
    loop->deferred_last = task;
}

/** Loop thread. Run @p task among the user's code, in order, in this turn or, if these run already,
 *  in the next. */
static inline void
wi_loop_post(struct wi_loop *loop, struct wi_task *task)
{
    task->next = NULL;
    if (loop->posts == NULL) {
        loop->posts = task;
    } else {
        loop->posts_last->next = task;
    }
    loop->posts_last = task;
}

/** Loop thread. Run what is in the marked lanes, at most about @p bound entries of each. How
 *  many. */
unsigned wi_loop_drain(struct wi_loop *loop, unsigned bound);

/** Loop thread. Take every entry that is in a lane now: what was submitted before this call began
 *  is in its stream's queue when it returns. Runs no user code. Not from inside a task that came
 *  out of a lane: the rest of that lane's batch, and the lanes that wait behind it, would be passed
 *  over. */
void wi_loop_look(struct wi_loop *loop);

/** Loop thread. The source is going away: drop events of it that were taken but not yet handled. */
void wi_loop_forget(struct wi_loop *loop, struct wi_source *source);

/** Loop thread. Stopping, and something that must close first has come from another loop. */
void wi_loop_not_idle(struct wi_loop *loop);

/** The thread that turns the loop. How many things were handled, or -EDEADLK. */
int wi_loop_turn(struct wi_loop *loop, int64_t timeout_ns);

/** The loop's own thread. */
void wi_loop_run(struct wi_loop *loop);

#endif /* WI_LOOP_H */
