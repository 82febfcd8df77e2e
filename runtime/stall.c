/* SPDX-License-Identifier: MIT */

#include "runtime/stall.h"

#include "mem/heap.h"
#include "runtime/os_stack.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_MS     UINT64_C(1000000)
#define TICKS         4u // looks in the time that is allowed
#define STACK_MAX     48u
#define STACK_WAIT_NS (200 * NS_PER_MS)

// What the detector knows of a loop.
struct view {
    uint64_t turns;    // when it last looked
    uint64_t reported; // when the turn began that it reported; 0: none
};

struct wi_stall {
    struct wi_runtime *runtime;
    void *thread;
    int signal;
    uint64_t limit_ns;
    uint64_t tick_ns;
    wi_atomic_u32 epoch; // moves to end its sleep
    wi_atomic_bool resting;
    wi_atomic_bool ended;
    wi_atomic_u64 looks;
    struct view views[];
};

/* ---- the loop ---- */

void
wi_stall_join(struct wi_loop *loop)
{
    wi_store_relaxed(&loop->thread_number, wi_os_stack_join(loop->stall->signal));
}

static void
rouse(struct wi_stall *stall)
{
    wi_add_acq_rel(&stall->epoch, 1); // ORDER(stall) publish
    wi_os_wake_sleepers(&stall->epoch);
}

void
wi_stall_turn_begins(struct wi_loop *loop)
{
    struct wi_stall *stall = loop->stall;

    wi_store_release(&loop->turn_began, loop->now_ns); // ORDER(stall) publish: the thread's number
    // ORDER(stall), loop half: say that a turn has begun, fence, look whether the detector rests.
    // rest() does the mirror image: say "resting", fence, look for turns.
    wi_fence_full();
    if (wi_load_relaxed(&stall->resting) && wi_swap_acq_rel(&stall->resting, false)) {
        rouse(stall);
    }
}

void
wi_stall_turn_ends(struct wi_loop *loop)
{
    wi_store_relaxed(&loop->turn_began, 0);
}

/* ---- the detector ---- */

static wi_atomic_bool is_taking;

static void
report_stack(struct wi_stall *stall, struct wi_loop *loop, void **addresses, int count)
{
    char **names = count > 0 ? wi_os_stack_names(addresses, count) : NULL;

    for (int i = 0; i < count; i++) {
        wi_log(stall->runtime, WEIR_LOG_WARNING, "loop %u: #%d %s", loop->index, i,
               names != NULL ? names[i] : "?");
    }
    free(names);
}

static void
report(struct wi_stall *stall, struct wi_loop *loop, uint64_t began, uint64_t now_ns)
{
    void *addresses[STACK_MAX];
    int count;

    // ORDER(stack) both ways: the detectors of all runtimes share the place a stack is taken to.
    while (wi_swap_acq_rel(&is_taking, true)) {
        wi_os_yield();
    }
    count = wi_os_stack_take(wi_load_relaxed(&loop->thread_number), stall->signal, addresses,
                             STACK_MAX, wi_os_now_ns() + STACK_WAIT_NS);
    wi_store_release(&is_taking, false); // ORDER(stack) publish
    if (wi_load_relaxed(&loop->turn_began) != began) {
        return; // it went on meanwhile: the stack is another's
    }
    stall->views[loop->index].reported = began;
    wi_log(stall->runtime, WEIR_LOG_WARNING,
           "loop %u: stalled: one turn has lasted %llu ms, more than %llu ms; %s", loop->index,
           (unsigned long long)((now_ns - began) / NS_PER_MS),
           (unsigned long long)(stall->limit_ns / NS_PER_MS),
           count > 0 ? "its stack:" : "its thread does not give its stack");
    report_stack(stall, loop, addresses, count);
}

// Has it turned since the last look, or does it now?
static bool
look_at(struct wi_stall *stall, struct wi_loop *loop, uint64_t now_ns)
{
    struct view *view = &stall->views[loop->index];
    uint64_t began = wi_load_acquire(&loop->turn_began); // ORDER(stall) observe
    uint64_t turns = wi_load_relaxed(&loop->counters.turns);
    bool turned = began != 0 || turns != view->turns;

    view->turns = turns;
    if (view->reported != 0 && began != view->reported) {
        wi_log(stall->runtime, WEIR_LOG_INFO, "loop %u: goes on; the turn lasted about %llu ms",
               loop->index, (unsigned long long)((now_ns - view->reported) / NS_PER_MS));
        view->reported = 0;
    }
    if (began != 0 && began != view->reported && now_ns > began &&
        now_ns - began >= stall->limit_ns) {
        report(stall, loop, began, now_ns);
    }
    return turned;
}

static bool
look(struct wi_stall *stall)
{
    uint64_t now_ns = wi_os_now_ns();
    bool turned = false;

    wi_count(&stall->looks, 1);
    for (unsigned i = 0; i < stall->runtime->loop_count; i++) {
        turned |= look_at(stall, &stall->runtime->loops[i], now_ns);
    }
    return turned;
}

uint64_t
wi_stall_looks(const struct wi_stall *stall)
{
    return wi_load_relaxed(&stall->looks);
}

static bool
is_any_turning(const struct wi_stall *stall)
{
    bool turning = false;

    for (unsigned i = 0; i < stall->runtime->loop_count; i++) {
        turning |= wi_load_acquire(&stall->runtime->loops[i].turn_began) != 0; // ORDER(stall)
    }
    return turning;
}

// Nothing has turned for a whole tick: sleep until something does.
static void
rest(struct wi_stall *stall, uint32_t epoch)
{
    wi_store_relaxed(&stall->resting, true);
    wi_fence_full(); // ORDER(stall), detector half: see wi_stall_turn_begins()
    if (!is_any_turning(stall)) {
        wi_os_sleep(&stall->epoch, epoch, UINT64_MAX);
    }
    wi_store_relaxed(&stall->resting, false);
}

static void *
stall_thread(void *arg)
{
    struct wi_stall *stall = arg;

    for (;;) {
        uint32_t epoch = wi_load_acquire(&stall->epoch); // ORDER(stall) observe

        if (wi_load_relaxed(&stall->ended)) {
            return NULL;
        }
        if (look(stall)) {
            wi_os_sleep(&stall->epoch, epoch, wi_os_now_ns() + stall->tick_ns);
        } else {
            rest(stall, epoch);
        }
    }
}

/* ---- life ---- */

static int
listen_for(int signal)
{
    int result;

    wi_cold_lock();
    result = wi_os_stack_listen(signal);
    wi_cold_unlock();
    return result;
}

int
wi_stall_start(struct wi_runtime *runtime)
{
    const struct weir_runtime_options *options = &runtime->options;
    struct wi_stall *stall;
    int result;

    if (options->stall_ns == 0) {
        return 0;
    }
    stall = wi_heap_zalloc(sizeof(*stall) + runtime->loop_count * sizeof(stall->views[0]));
    if (stall == NULL) {
        return -ENOMEM;
    }
    stall->runtime = runtime;
    stall->limit_ns = options->stall_ns;
    stall->tick_ns = options->stall_ns / TICKS > NS_PER_MS ? options->stall_ns / TICKS : NS_PER_MS;
    stall->signal =
        options->stall_signal != 0 ? options->stall_signal : wi_os_stack_signal_default();
    result = listen_for(stall->signal);
    if (result < 0) {
        wi_heap_free(stall);
        return result;
    }
    runtime->stall = stall;
    for (unsigned i = 0; i < runtime->loop_count; i++) {
        runtime->loops[i].stall = stall;
    }
    return wi_os_thread_start(&stall->thread, stall_thread, stall);
}

void
wi_stall_stop(struct wi_runtime *runtime)
{
    struct wi_stall *stall = runtime->stall;

    if (stall == NULL) {
        return;
    }
    if (stall->thread != NULL) {
        wi_store_relaxed(&stall->ended, true);
        rouse(stall);
        wi_os_thread_join(stall->thread);
        stall->thread = NULL;
    }
}

void
wi_stall_free(struct wi_runtime *runtime)
{
    struct wi_stall *stall = runtime->stall;

    if (stall == NULL) {
        return;
    }
    wi_stall_stop(runtime);
    wi_cold_lock();
    wi_os_stack_unlisten(stall->signal);
    wi_cold_unlock();
    wi_heap_free(stall);
    runtime->stall = NULL;
}
