/* SPDX-License-Identifier: MIT */

#include "runtime/thread.h"

#include "mem/heap.h"
#include "mem/thread.h"

#include <errno.h>

static wi_atomic_bool cold;
static __thread struct wi_thread *own_threads;

void
wi_cold_lock(void)
{
    // ORDER(cold) observe: pairs with wi_cold_unlock().
    while (wi_swap_acquire(&cold, true)) {
        wi_os_yield();
    }
}

void
wi_cold_unlock(void)
{
    // ORDER(cold) publish: pairs with wi_cold_lock().
    wi_store_release(&cold, false);
}

// Under the cold lock. Take the record out of its runtime's list.
static void
unlist(struct wi_thread *thread)
{
    struct wi_thread **link = &thread->runtime->threads;

    while (*link != thread) {
        link = &(*link)->next_of_runtime;
    }
    *link = thread->next_of_runtime;
}

static void
abandon_lanes(struct wi_thread *thread)
{
    for (unsigned i = 0; i < thread->runtime->loop_count; i++) {
        if (thread->lanes[i] != NULL) {
            wi_lane_abandon(thread->lanes[i]);
        }
    }
}

// A running runtime's loops take the lanes over; a stopping one keeps the record until it is freed,
// for its loops may have ended; a freed one left the record to us. True: the record is ours to
// free.
static bool
leave_runtime(struct wi_thread *thread)
{
    bool is_mine = true;

    wi_cold_lock();
    if (thread->runtime != NULL && wi_runtime_is_stopping(thread->runtime)) {
        thread->is_left = true;
        is_mine = false;
    } else if (thread->runtime != NULL) {
        unlist(thread);
        abandon_lanes(thread);
    }
    wi_cold_unlock();
    return is_mine;
}

// The thread ends.
static void
leave(void)
{
    if (wi_is_forked()) { // the lanes, the lock and the loops' descriptors are the parent's
        own_threads = NULL;
    }
    while (own_threads != NULL) {
        struct wi_thread *thread = own_threads;

        own_threads = thread->next_of_thread;
        if (leave_runtime(thread)) {
            wi_heap_free(thread);
        }
    }
    wi_tls.serial = 0;
    wi_tls.lanes = NULL;
}

void
wi_thread_swap(struct wi_thread_self *self)
{
    struct wi_thread_self now = {.tls = wi_tls, .threads = own_threads};

    wi_tls = self->tls;
    own_threads = self->threads;
    *self = now;
}

void
wi_thread_leave(void)
{
    leave();
}

// Records of runtimes that were freed.
static void
prune(void)
{
    struct wi_thread **link = &own_threads;

    while (*link != NULL) {
        struct wi_thread *thread = *link;
        bool is_dead;

        wi_cold_lock();
        is_dead = thread->runtime == NULL;
        wi_cold_unlock();
        if (is_dead) {
            *link = thread->next_of_thread;
            wi_heap_free(thread);
        } else {
            link = &thread->next_of_thread;
        }
    }
}

static struct wi_thread *
find(uint64_t serial)
{
    struct wi_thread *thread = own_threads;

    while (thread != NULL && thread->serial != serial) {
        thread = thread->next_of_thread;
    }
    return thread;
}

struct wi_lane *
wi_thread_lane_find(struct wi_loop *loop)
{
    struct wi_thread *thread = find(loop->runtime->serial);

    return thread == NULL ? NULL : thread->lanes[loop->index];
}

static struct wi_thread *
join_runtime(struct wi_runtime *runtime)
{
    struct wi_thread *thread;

    prune();
    if (wi_thread_at_exit(WI_THREAD_LANES, leave) < 0) {
        return NULL;
    }
    // An array of pointers: NOLINTNEXTLINE(bugprone-sizeof-expression)
    thread = wi_heap_zalloc(sizeof(*thread) + runtime->loop_count * sizeof(thread->lanes[0]));
    if (thread == NULL) {
        return NULL;
    }
    thread->runtime = runtime;
    thread->serial = runtime->serial;
    thread->next_of_thread = own_threads;
    own_threads = thread;
    wi_cold_lock();
    thread->next_of_runtime = runtime->threads;
    runtime->threads = thread;
    wi_cold_unlock();
    return thread;
}

struct wi_lane *
wi_thread_lane_slow(struct wi_loop *loop)
{
    struct wi_thread *thread = find(loop->runtime->serial);

    if (thread == NULL) {
        thread = join_runtime(loop->runtime);
        if (thread == NULL) {
            return NULL;
        }
    }
    wi_tls.serial = thread->serial;
    wi_tls.lanes = thread->lanes;
    if (thread->lanes[loop->index] == NULL) {
        struct wi_lane *lane = wi_lane_create(loop, loop->runtime->options.lane_entries);

        wi_cold_lock(); // weir_stats() walks the lanes of other threads
        thread->lanes[loop->index] = lane;
        wi_cold_unlock();
    }
    return thread->lanes[loop->index];
}

void
wi_threads_release(struct wi_runtime *runtime)
{
    wi_cold_lock();
    while (runtime->threads != NULL) {
        struct wi_thread *thread = runtime->threads;

        runtime->threads = thread->next_of_runtime;
        for (unsigned i = 0; i < runtime->loop_count; i++) {
            if (thread->lanes[i] != NULL) {
                wi_lane_destroy(thread->lanes[i]);
            }
        }
        thread->runtime = NULL;
        if (thread->is_left) {
            wi_heap_free(thread);
        }
    }
    wi_cold_unlock();
}

void
wi_threads_count(struct wi_loop *loop, struct weir_stats *stats)
{
    wi_cold_lock();
    for (struct wi_thread *thread = loop->runtime->threads; thread != NULL;
         thread = thread->next_of_runtime) {
        const struct wi_lane *lane = thread->lanes[loop->index];

        if (lane == NULL) {
            continue;
        }
        for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
            stats->refused[i] += wi_load_relaxed(&lane->refused[i]);
        }
        stats->operations_inline += wi_load_relaxed(&lane->inline_done);
        stats->bytes_sent += wi_load_relaxed(&lane->inline_bytes);
        stats->system_sends += wi_load_relaxed(&lane->inline_sends);
    }
    wi_cold_unlock();
}

void
wi_threads_each_lane(struct wi_loop *loop, void (*fn)(struct wi_lane *lane, void *arg), void *arg)
{
    wi_cold_lock();
    for (struct wi_thread *thread = loop->runtime->threads; thread != NULL;
         thread = thread->next_of_runtime) {
        if (thread->lanes[loop->index] != NULL) {
            fn(thread->lanes[loop->index], arg);
        }
    }
    wi_cold_unlock();
}

bool
wi_threads_are_entering(struct wi_runtime *runtime)
{
    bool entering = false;

    wi_cold_lock();
    for (struct wi_thread *thread = runtime->threads; thread != NULL;
         thread = thread->next_of_runtime) {
        for (unsigned i = 0; i < runtime->loop_count; i++) {
            // ORDER(enter) observe: pairs with wi_lane_leave(); what was sent inside is in its
            // lane.
            entering |= thread->lanes[i] != NULL && wi_load_acquire(&thread->lanes[i]->entering);
        }
    }
    wi_cold_unlock();
    return entering;
}
