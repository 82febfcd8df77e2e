/* SPDX-License-Identifier: MIT */

#include "runtime/runtime.h"

#include "mem/heap.h"
#include "runtime/resolver.h"
#include "runtime/thread.h"
#include "runtime/token.h"
#include "runtime/watch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOOPS_MAX            256u
#define LANE_ENTRIES_DEFAULT 16384u
#define LANE_ENTRIES_MAX     (1u << 20)
#define STOP_TURN_NS         INT64_C(1000000)

wi_atomic_ptr wi_runtimes[WI_RUNTIMES_MAX];
wi_atomic_bool wi_forked;
static wi_atomic_u64 last_serial;
static wi_atomic_bool fork_hooked;

/* ---- the registry ---- */

int
wi_stale(void)
{
    return wi_is_forked() ? -ECHILD : -WEIR_ESTALE;
}

// In a forked child: no handle names anything any more. Async-signal-safe: plain stores.
static void
forked(void)
{
    wi_store_relaxed(&wi_forked, true);
    wi_tls.at = NULL; // the thread that forked may be inside a callback
    for (unsigned i = 0; i < WI_RUNTIMES_MAX; i++) {
        wi_store_relaxed(&wi_runtimes[i], (uintptr_t)0);
    }
}

static int
enlist(struct wi_runtime *runtime)
{
    // ORDER(runtimes): the hook is there before the first runtime is.
    if (!wi_swap_acq_rel(&fork_hooked, true) && wi_os_at_fork_child(forked) < 0) {
        wi_store_relaxed(&fork_hooked, false);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < WI_RUNTIMES_MAX; i++) {
        uintptr_t none = 0;

        runtime->index = i;
        // ORDER(runtimes) both ways: the place was left by destroy(); handles, which carry the
        // index, reach other threads after this.
        if (wi_cas_acq_rel(&wi_runtimes[i], &none, (uintptr_t)runtime)) {
            runtime->is_enlisted = true;
            return 0;
        }
    }
    return -EMFILE;
}

/* ---- making one ---- */

// Pots of credit are signed.
static size_t
limit_of(size_t wanted)
{
    return wanted < INT64_MAX ? wanted : INT64_MAX;
}

static int
check_options(struct weir_runtime_options *options)
{
    if (options->loops == 0) {
        options->loops = wi_os_processors();
        options->loops = options->loops < LOOPS_MAX ? options->loops : LOOPS_MAX;
    }
    if (options->lane_entries == 0) {
        options->lane_entries = LANE_ENTRIES_DEFAULT;
    }
    if (options->latency_every == 0) {
        options->latency_every = WI_LATENCY_EVERY_DEFAULT;
    }
    if (options->stall_ns != 0 && ((options->flags & WEIR_MANUAL) || options->log == NULL)) {
        return -EINVAL;
    }
    if (options->latency_every > WI_LATENCY_EVERY_MAX ||
        (options->latency_every & (options->latency_every - 1)) != 0) {
        return -EINVAL;
    }
    if (options->loops > LOOPS_MAX || options->lane_entries > LANE_ENTRIES_MAX ||
        options->lane_entries < 2 || (options->lane_entries & (options->lane_entries - 1)) != 0 ||
        (options->flags & ~(unsigned)(WEIR_MANUAL | WEIR_PIN)) != 0) {
        return -EINVAL;
    }
    options->loop_bytes_max = limit_of(options->loop_bytes_max);
    options->total_bytes_max = limit_of(options->total_bytes_max);
    return 0;
}

static int
make_tables(struct wi_runtime *runtime)
{
    int result = wi_slots_init(&runtime->ops, WI_OP_SEGMENT, WI_OP_SIZE, 0);

    if (result == 0) {
        result = wi_slots_init(&runtime->tokens, WI_TOKEN_SEGMENT, sizeof(struct wi_token),
                               offsetof(struct wi_token, next_free));
    }
    if (result == 0) {
        result = wi_slots_init(&runtime->watches, WI_WATCH_SEGMENT, sizeof(struct wi_watch),
                               offsetof(struct wi_watch, next_free));
    }
    return result == 0 ? runtime->service->tables(runtime) : result;
}

static void
destroy(struct wi_runtime *runtime)
{
    wi_stall_free(runtime);
    if (runtime->page != NULL) {
        runtime->service->unshare(runtime);
    }
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        wi_loop_fini(&runtime->loops[i]);
    }
    // From here on handles name nothing, also in what the user's free functions call.
    if (runtime->is_enlisted) {
        wi_store_release(&wi_runtimes[runtime->index], (uintptr_t)0); // ORDER(runtimes) publish
    }
    wi_threads_release(runtime);
    wi_tokens_fini(runtime);
    wi_slots_fini(&runtime->ops);
    wi_slots_fini(&runtime->gates);
    wi_slots_fini(&runtime->tokens);
    wi_slots_fini(&runtime->listeners);
    wi_slots_fini(&runtime->watches);
    wi_slots_fini(&runtime->pumps);
    wi_heap_free(runtime);
}

static void *
loop_thread(void *arg)
{
    struct wi_loop *loop = arg;

    if ((loop->runtime->options.flags & WEIR_PIN) && wi_os_pin(loop->index) < 0) {
        wi_log(loop->runtime, WEIR_LOG_WARNING, "loop %u: cannot be pinned", loop->index);
    }
    if (loop->stall != NULL) {
        wi_stall_join(loop);
    }
    wi_loop_run(loop);
    return NULL;
}

static int
make_loops(struct wi_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->options.loops; i++) {
        int result;

        runtime->loop_count = i + 1;
        runtime->loops[i].poller = -1;
        result = wi_loop_init(&runtime->loops[i], runtime, i);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int
start_threads(struct wi_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        int result = wi_os_thread_start(&runtime->loops[i].thread, loop_thread, &runtime->loops[i]);

        if (result < 0) {
            for (unsigned started = 0; started < i; started++) {
                wi_loop_control(&runtime->loops[started], &runtime->loops[started].end_control);
                wi_os_thread_join(runtime->loops[started].thread);
            }
            return result;
        }
    }
    return 0;
}

int
wi_runtime_create(const struct weir_runtime_options *options, const struct wi_service *service,
                  struct wi_runtime **ret_runtime)
{
    struct weir_runtime_options checked =
        options != NULL ? *options : (struct weir_runtime_options){0};
    struct wi_runtime *runtime;
    int result = check_options(&checked);

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (result < 0) {
        return result;
    }
    runtime = wi_heap_alloc_aligned(sizeof(*runtime) + checked.loops * sizeof(runtime->loops[0]),
                                    WI_CACHE_LINE);
    if (runtime == NULL) {
        return -ENOMEM;
    }
    memset(runtime, 0, sizeof(*runtime) + checked.loops * sizeof(runtime->loops[0]));
    runtime->options = checked;
    runtime->service = service;
    runtime->serial = wi_add_relaxed(&last_serial, 1) + 1;
    wi_store_relaxed(&runtime->credit, checked.total_bytes_max);
    result = make_tables(runtime);
    if (result == 0) {
        result = make_loops(runtime);
    }
    if (result == 0) {
        result = enlist(runtime);
    }
    if (result == 0 && checked.stats_name != NULL) {
        result = service->share == NULL ? -ENOTSUP : service->share(runtime);
        runtime->options.stats_name = NULL; // the caller's
    }
    if (result == 0) {
        result = wi_stall_start(runtime);
    }
    if (result == 0 && !(checked.flags & WEIR_MANUAL)) {
        result = start_threads(runtime);
    }
    if (result < 0) {
        destroy(runtime);
        return result;
    }
    *ret_runtime = runtime;
    return 0;
}

/* ---- stopping ---- */

static bool
all_idle(const void *arg)
{
    const struct wi_runtime *runtime = arg;

    // ORDER(idle) observe: pairs with become_idle() and post_call(); all that the loops completed
    // has been done. In this order: once all loops are idle only a late post can make another one,
    // and does so before it is taken off the count itself.
    return wi_load_acquire(&runtime->idle_loops) == runtime->loop_count &&
           wi_load_acquire(&runtime->late_posts) == 0;
}

static void
turn_by_hand(struct wi_runtime *runtime)
{
    int handled = 1;

    while (!all_idle(runtime)) {
        int64_t wait_ns = handled == 0 ? STOP_TURN_NS : 0; // only when no loop found anything

        handled = 0;
        for (unsigned i = 0; i < runtime->loop_count; i++) {
            handled += wi_loop_turn(&runtime->loops[i], i == 0 ? wait_ns : 0);
        }
    }
}

static void
end_loops(struct wi_runtime *runtime)
{
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        struct wi_loop *loop = &runtime->loops[i];

        if (loop->manual) {
            continue;
        }
        wi_loop_control(loop, &loop->end_control);
        wi_os_thread_join(loop->thread);
    }
}

int
wi_runtime_stop(struct wi_runtime *runtime, uint64_t deadline_ns)
{
    uint32_t running = WI_RUNTIME_RUNNING;

    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    // ORDER(enter) publish; the fence below is what the other half rests on.
    if (!wi_cas_acq_rel(&runtime->state, &running, WI_RUNTIME_STOPPING)) {
        return -EALREADY;
    }
    // A time long past, where 0 would be a close's default.
    deadline_ns = deadline_ns != 0 ? deadline_ns : 1;
    wi_store_relaxed(&runtime->stop_deadline, deadline_ns); // the stop controls publish it
    wi_fence_full(); // ORDER(enter), stopping half: see wi_lane_enter()
    while (wi_threads_are_entering(runtime)) {
        wi_os_yield();
    }
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        wi_loop_control(&runtime->loops[i], &runtime->loops[i].stop_control);
    }
    if (runtime->loops[0].manual) {
        turn_by_hand(runtime);
    } else {
        wi_wait_until(runtime, all_idle, runtime, WEIR_NEVER);
    }
    wi_stall_stop(runtime); // its signals must find their threads
    end_loops(runtime);
    wi_resolver_stop(runtime, deadline_ns);
    // ORDER(stopped) publish: pairs with wi_runtime_free(), which may run on another thread.
    wi_store_release(&runtime->state, WI_RUNTIME_STOPPED);
    return 0;
}

int
wi_runtime_free(struct wi_runtime *runtime)
{
    if (wi_on_runtime(runtime)) {
        return -EDEADLK;
    }
    if (wi_load_acquire(&runtime->state) != WI_RUNTIME_STOPPED) { // ORDER(stopped) observe
        return -EBUSY;
    }
    destroy(runtime);
    return 0;
}

/* ---- waiting plain threads ---- */

void
wi_waiters_wake_all(struct wi_runtime *runtime)
{
    wi_add_acq_rel(&runtime->wait_epoch, 1); // ORDER(wait) publish
    wi_os_wake_sleepers(&runtime->wait_epoch);
}

int
wi_wait_until(struct wi_runtime *runtime, bool (*is_over)(const void *arg), const void *arg,
              uint64_t deadline_ns)
{
    int result = 0;

    wi_add_relaxed(&runtime->waiters, 1);
    for (;;) {
        // ORDER(wait) observe: a move of the epoch after this look makes the sleep return at once.
        uint32_t epoch = wi_load_acquire(&runtime->wait_epoch);

        wi_fence_full(); // ORDER(wait), waiter half: see wi_waiters_wake()
        if (is_over(arg)) {
            break;
        }
        if (deadline_ns != WEIR_NEVER && wi_os_now_ns() >= deadline_ns) {
            result = -ETIMEDOUT;
            break;
        }
        wi_os_sleep(&runtime->wait_epoch, epoch, deadline_ns);
    }
    wi_sub_relaxed(&runtime->waiters, 1);
    return result;
}

/* ---- small things ---- */

void
wi_log(struct wi_runtime *runtime, enum weir_log_level level, const char *format, ...)
{
    char line[256];
    va_list args;

    if (runtime->options.log == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    runtime->options.log(level, line, runtime->options.log_arg);
}

int
weir_runtime_stop(struct weir_runtime *runtime, uint64_t deadline_ns)
{
    if (wi_is_forked()) {
        return -ECHILD;
    }
    return runtime == NULL ? -EINVAL : wi_runtime_stop(wi_runtime_of(runtime), deadline_ns);
}

int
weir_runtime_free(struct weir_runtime *runtime)
{
    if (wi_is_forked()) {
        return -ECHILD;
    }
    return runtime == NULL ? 0 : wi_runtime_free(wi_runtime_of(runtime));
}

unsigned
weir_runtime_loop_count(const struct weir_runtime *runtime)
{
    return runtime == NULL ? 0 : wi_runtime_of(runtime)->loop_count;
}

struct weir_loop *
weir_runtime_loop(struct weir_runtime *public, unsigned index)
{
    struct wi_runtime *runtime = wi_runtime_of(public);

    if (runtime == NULL || index >= runtime->loop_count) {
        return NULL;
    }
    return wi_loop_public(&runtime->loops[index]);
}

struct weir_loop *
weir_loop_current(void)
{
    return wi_loop_public(wi_tls.loop);
}

struct weir_runtime *
weir_loop_runtime(struct weir_loop *loop)
{
    return loop == NULL ? NULL : (struct weir_runtime *)(void *)wi_loop_of(loop)->runtime;
}
