/* SPDX-License-Identifier: MIT */
#ifndef WI_RUNTIME_THREAD_H
#define WI_RUNTIME_THREAD_H

/**
 * @file
 * A thread's lanes: found by a thread-local keyed with the runtime's serial number, which is never
 * reused, so what a freed runtime left behind is never mistaken for the next one's.
 *
 * First use, thread exit and the freeing of a runtime meet under one small spin lock, the cold
 * lock. No submit, cancel or completion takes it after a thread's first call to a loop.
 */

#include "runtime/runtime.h"

/** One thread's lanes into one runtime. */
struct wi_thread {
    struct wi_runtime *runtime; // NULL: it has been freed; under the cold lock
    uint64_t serial;
    struct wi_thread *next_of_thread;  // the thread's own list
    struct wi_thread *next_of_runtime; // under the cold lock
    bool is_left; // its thread has ended, the runtime frees it; under the cold lock
    struct wi_lane *lanes[];
};

/** What a thread is to runtimes. */
struct wi_thread_self {
    struct wi_tls tls;
    struct wi_thread *threads;
};

/** Test seam, always compiled in: exchange what the calling thread is with what @p self says, so
 *  that one thread can play many, one inside a call of another's. All zero: a fresh thread. */
void wi_thread_swap(struct wi_thread_self *self);
/** Test seam, always compiled in: what happens when the calling thread ends. */
void wi_thread_leave(void);

void wi_cold_lock(void);
void wi_cold_unlock(void);

/** The calling thread. Its lane to the loop if it has one, or NULL. */
struct wi_lane *wi_thread_lane_find(struct wi_loop *loop);

/** The calling thread. Make its lane to the loop. NULL: memory ran out. */
WI_COLD struct wi_lane *wi_thread_lane_slow(struct wi_loop *loop);

/** The calling thread, not the loop's own. Its lane to @p loop; NULL: memory ran out. */
static inline struct wi_lane *
wi_thread_lane(struct wi_loop *loop)
{
    if (wi_likely(wi_tls.serial == loop->runtime->serial)) {
        struct wi_lane *lane = wi_tls.lanes[loop->index];

        if (wi_likely(lane != NULL)) {
            return lane;
        }
    }
    return wi_thread_lane_slow(loop);
}

/** Stop only: free every lane into the runtime and cut the threads' records loose. */
void wi_threads_release(struct wi_runtime *runtime);

/** The stopping thread. Is any thread inside a call that may still send a task? */
bool wi_threads_are_entering(struct wi_runtime *runtime);

/**
 * The calling thread. Enter a call that sends a task which is no stream's business (a post, a
 * timer, a new stream): from here on the runtime cannot finish stopping until wi_lane_leave().
 * False: it is stopping. Streams' own submits do not need this: their submit word keeps the stream
 * alive.
 */
static inline bool
wi_lane_enter(struct wi_lane *lane)
{
    wi_store_relaxed(&lane->entering, true);
    // ORDER(enter), producer half: say "entering", fence, look at the state. wi_runtime_stop() does
    // the mirror image: set the state, fence, look who is entering.
    wi_fence_full();
    if (wi_unlikely(wi_runtime_is_stopping(lane->cache.loop->runtime))) {
        wi_store_release(&lane->entering, false); // ORDER(enter) publish
        return false;
    }
    return true;
}

/** The calling thread. */
static inline void
wi_lane_leave(struct wi_lane *lane)
{
    wi_store_release(&lane->entering, false); // ORDER(enter) publish
}

/** Any thread. Call @p fn with every lane to @p loop that has a thread, under the cold lock. */
void wi_threads_each_lane(struct wi_loop *loop, void (*fn)(struct wi_lane *lane, void *arg),
                          void *arg);

/** Any thread. Add what this runtime's lanes to @p loop counted. */
void wi_threads_count(struct wi_loop *loop, struct weir_stats *stats);

#endif /* WI_RUNTIME_THREAD_H */
