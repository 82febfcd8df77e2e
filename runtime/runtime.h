/* SPDX-License-Identifier: MIT */
#ifndef WI_RUNTIME_H
#define WI_RUNTIME_H

/**
 * @file
 * A runtime as the library sees it: its loops, its tables of slots, the upper layer's service, and
 * the registry by which a handle finds it.
 */

#include "runtime/handle.h"
#include "runtime/loop.h"
#include "runtime/slots.h"
#include "weir/runtime.h"

/** What the upper layer does for a loop. One table: the runtime knows nothing else of it. */
struct wi_service {
    int (*tables)(struct wi_runtime *runtime);   // start only: gates and listeners; 0 or -ENOMEM
    int (*init)(struct wi_loop *loop);           // start only; 0 or -errno
    int (*share)(struct wi_runtime *runtime);    // start only, the loops are made; NULL: nothing
    void (*unshare)(struct wi_runtime *runtime); // stop only, the loops are still there
    void (*stop)(struct wi_loop *loop, uint64_t deadline_ns); // loop thread: begin to close all
    void (*fini)(struct wi_loop *loop);                       // stop only
};

enum wi_runtime_state { WI_RUNTIME_RUNNING, WI_RUNTIME_STOPPING, WI_RUNTIME_STOPPED };

struct wi_runtime {
    struct weir_runtime_options options;
    const struct wi_service *service;
    uint64_t serial; // never reused
    unsigned index;  // in the registry, and in handles
    bool is_enlisted;
    unsigned loop_count;
    struct wi_slots ops;
    struct wi_slots gates;
    struct wi_slots tokens;
    struct wi_slots listeners;
    struct wi_slots watches;
    struct wi_slots pumps;
    struct wi_stall *stall;    // NULL: none
    wi_atomic_ptr resolver;    // made when first needed
    void *page;                // the upper layer's: statistics for other processes; NULL: none
    struct wi_thread *threads; // with lanes into this runtime; under the cold lock

    alignas(WI_CACHE_LINE) wi_atomic_u32 state; // enum wi_runtime_state
    wi_atomic_u64 stop_deadline;
    wi_atomic_u32 waiters;    // plain threads asleep in a wait
    wi_atomic_u32 wait_epoch; // moves when something may have ended
    wi_atomic_u32 idle_loops; // while stopping: loops that have closed everything
    wi_atomic_u32 late_posts; // while stopping: posts by loops that have not run yet
    alignas(WI_CACHE_LINE) wi_atomic_u64 credit; // bytes that may still be queued in all
    struct wi_free_list free_tokens;
    struct wi_free_list free_watches;
    struct wi_free_list free_listeners;
    struct wi_free_list free_pumps;

    alignas(WI_CACHE_LINE) struct wi_loop loops[];
};

/** By a handle's index; NULL: none, or this process is a forked child. */
extern wi_atomic_ptr wi_runtimes[WI_RUNTIMES_MAX];
extern wi_atomic_bool wi_forked;

static inline struct wi_runtime *
wi_runtime_of(const struct weir_runtime *runtime)
{
    return (struct wi_runtime *)(uintptr_t)runtime;
}

/** Any thread. The runtime a handle names; NULL: see wi_stale(). */
static inline struct wi_runtime *
wi_runtime_by_handle(uint64_t bits, enum wi_handle_kind kind)
{
    if (wi_unlikely(wi_handle_kind(bits) != kind)) {
        return NULL;
    }
    return (struct wi_runtime *)wi_load_relaxed(&wi_runtimes[wi_handle_runtime(bits)]);
}

/** What to answer when a handle names nothing: -ECHILD in a forked child, else -WEIR_ESTALE. */
WI_COLD int wi_stale(void);

static inline bool
wi_is_forked(void)
{
    return wi_unlikely(wi_load_relaxed(&wi_forked));
}

static inline bool
wi_runtime_is_stopping(struct wi_runtime *runtime)
{
    return wi_load_relaxed(&runtime->state) != WI_RUNTIME_RUNNING;
}

/** Any thread. Is this thread one of the runtime's loops (or turning one by hand)? */
static inline bool
wi_on_runtime(const struct wi_runtime *runtime)
{
    return wi_tls.loop != NULL && wi_tls.loop->runtime == runtime;
}

int wi_runtime_create(const struct weir_runtime_options *options, const struct wi_service *service,
                      struct wi_runtime **ret_runtime);
int wi_runtime_stop(struct wi_runtime *runtime, uint64_t deadline_ns);
int wi_runtime_free(struct wi_runtime *runtime);

void wi_log(struct wi_runtime *runtime, enum weir_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- waiting plain threads: the only futex ---- */

/** Loop thread. Something ended: wake whoever waits. Cheap when nobody does. */
WI_COLD void wi_waiters_wake_all(struct wi_runtime *runtime);
static inline void
wi_waiters_wake(struct wi_runtime *runtime)
{
    // ORDER(wait), loop half: end something, fence, look for waiters. wi_wait_until() does the
    // mirror image: count itself, fence, look whether it has ended.
    wi_fence_full();
    if (wi_unlikely(wi_load_relaxed(&runtime->waiters) != 0)) {
        wi_waiters_wake_all(runtime);
    }
}

/** Plain threads. Sleep until @p is_over says so. 0 or -ETIMEDOUT. */
int wi_wait_until(struct wi_runtime *runtime, bool (*is_over)(const void *arg), const void *arg,
                  uint64_t deadline_ns);

#endif /* WI_RUNTIME_H */
