/* SPDX-License-Identifier: MIT */

#include "runtime/loop.h"

#include "mem/block.h"
#include "mem/plant.h"
#include "runtime/credit.h"
#include "runtime/probe.h"
#include "runtime/runtime.h"
#include "runtime/timer.h"
#include "runtime/watch.h"

#include <errno.h>
#include <limits.h>

#define WAIT_MAX_NS (INT_MAX * NS_PER_MS)
#define NS_PER_MS   UINT64_C(1000000)
#define DECAY_NS    (1000 * NS_PER_MS)
#define TIMERS_MAX  4096u // timers run in one turn
#define POSTS_MAX   4096u // posted functions run in one turn

__thread struct wi_tls wi_tls __attribute__((tls_model("initial-exec")));

/* ---- waking and sleeping ---- */

#define PARKED_SEEN  UINT64_C(1) // a producer has seen it, and counted its wake-up
#define PARKED_SLEEP UINT64_C(2) // numbers above

void
wi_loop_wake(struct wi_loop *loop)
{
    uint64_t sleep;

    // ORDER(park), producer half: publish (a push), fence, look at parked. may_sleep() does the
    // mirror image: set parked, fence, look at the stacks. Two full fences guarantee that at least
    // one side sees the other's store; weaken either and both can miss, and what was published
    // waits until some unrelated event.
    wi_fence_full();
    sleep = wi_load_relaxed(&loop->parked);
    if (sleep == 0 || WI_PLANT(4)) {
        return;
    }
    if (!(sleep & PARKED_SEEN)) {
        uint64_t seen = sleep | PARKED_SEEN;

        if (wi_cas_relaxed(&loop->parked, &sleep, seen)) {
            wi_add_relaxed(&loop->wakes, 1);
        } else if (sleep != seen) {
            return; // it woke meanwhile, and looks for work before it sleeps again
        }
        sleep = seen;
    }
    // First the call, then the word that spares the others theirs. The other way round, a producer
    // stopped between the two would leave the loop asleep for everybody. Who comes while the call
    // is under way makes it too. Each sleep has a number of its own, so a producer that goes on
    // late clears no later sleep's.
    wi_probe_wake(loop, loop->index, sleep);
    wi_os_wake(loop->wake_fd);
    wi_cas_relaxed(&loop->parked, &sleep, 0);
}

WI_INLINE bool
has_work(const struct wi_loop *loop)
{
    return !((int)wi_stack_is_empty(&loop->marked) & (int)wi_stack_is_empty(&loop->cancels) &
             (int)wi_stack_is_empty(&loop->controls));
}

// Announce a sleep, unless there is work. Every announced sleep is counted, but for one taken back
// before a producer saw it: each of them lets one producer pay for a wake-up.
WI_INLINE bool
may_sleep(struct wi_loop *loop)
{
    uint64_t sleep;

    if (has_work(loop)) { // the usual case under load, and no producer is told to wake us
        return false;
    }
    wi_store_relaxed(&loop->parked, ++loop->sleep_number * PARKED_SLEEP);
    wi_fence_full(); // ORDER(park), loop half: see wi_loop_wake()
    if (!has_work(loop)) {
        wi_count(&loop->counters.sleeps, 1);
        return true;
    }
    sleep = wi_swap_relaxed(&loop->parked, 0);
    if (sleep == 0 || (sleep & PARKED_SEEN)) {
        wi_count(&loop->counters.sleeps, 1);
    }
    return false;
}

// The wake-up needs no reading: it is edge-triggered, and its count never wraps.
static void
wake_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    (void)loop;
    (void)source;
    (void)events;
}

static const struct wi_source_ops wake_ops = {.ready = wake_ready};

// Milliseconds for the poller, rounded up: a timer never fires early. -1: no bound.
WI_INLINE int
poll_timeout(struct wi_loop *loop, int64_t timeout_ns)
{
    uint64_t wait = timeout_ns < 0 ? UINT64_MAX : (uint64_t)timeout_ns;

    if (loop->deferred != NULL || loop->posts != NULL || wait == 0) {
        return 0;
    }
    if (loop->wheel.armed != 0) {
        uint64_t due = wi_wheel_wait_ns(&loop->wheel, loop->now_ns);

        wait = due < wait ? due : wait;
    }
    if (wait == UINT64_MAX) {
        return -1;
    }
    wait = wait < WAIT_MAX_NS ? (wait + NS_PER_MS - 1) / NS_PER_MS : WAIT_MAX_NS / NS_PER_MS;
    return (int)wait;
}

// Poll without sleeping for a while: worth a core when one connection ping-pongs. Not beyond the
// time the loop would have slept: a timer may be due then. -EAGAIN: nothing came, sleep the rest.
static int
spin(struct wi_loop *loop, int timeout_ms)
{
    uint64_t start = wi_os_now_ns();
    uint64_t wait = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * NS_PER_MS;
    uint64_t bound = loop->spin_ns < wait ? loop->spin_ns : wait;

    do {
        int ready = wi_os_wait(loop->poller, loop->events, WI_LOOP_EVENTS, 0);

        wi_count(&loop->counters.waits, 1);
        if (ready != 0 || has_work(loop)) {
            return ready;
        }
    } while (wi_os_now_ns() - start < bound);
    return bound < wait ? -EAGAIN : 0;
}

static void
arm_decay(struct wi_loop *loop)
{
    if (!loop->decaying) {
        loop->decaying = true;
        wi_wheel_arm(&loop->wheel, &loop->decay, WI_TIMER_LOOP, loop->now_ns + DECAY_NS);
    }
}

// Empty slabs give their memory back; the timer rests while there are none.
static void
decay_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    if (wi_pool_decay()) {
        wi_wheel_arm(&loop->wheel, timer, WI_TIMER_LOOP, loop->now_ns + DECAY_NS);
    } else {
        loop->decaying = false;
    }
}

WI_INLINE int
wait_events(struct wi_loop *loop, int64_t timeout_ns)
{
    int timeout_ms = poll_timeout(loop, timeout_ns);
    int ready;

    if (timeout_ms != 0) {
        if (loop->spin_ns != 0) {
            ready = spin(loop, timeout_ms);
            if (ready != -EAGAIN) {
                return ready;
            }
        }
        timeout_ms = may_sleep(loop) ? timeout_ms : 0;
    }
    ready = wi_os_wait(loop->poller, loop->events, WI_LOOP_EVENTS, timeout_ms);
    wi_count(&loop->counters.waits, 1);
    if (wi_load_relaxed(&loop->parked) != 0) {
        wi_store_relaxed(&loop->parked, 0); // awake: producers need not pay for a wake
    }
    return ready;
}

/* ---- the turn ---- */

static unsigned
take_cancels(struct wi_loop *loop)
{
    struct wi_stack_node *node;
    unsigned count = 0;

    if (wi_stack_is_empty(&loop->cancels)) {
        return 0;
    }
    node = wi_stack_reversed(wi_stack_take_all(&loop->cancels));
    while (node != NULL) {
        struct wi_stack_node *next = wi_stack_next(node);

        wi_op_popped(loop, wi_container_of(node, struct wi_op, node));
        node = next;
        count++;
    }
    return count;
}

static unsigned
take_controls(struct wi_loop *loop)
{
    struct wi_stack_node *node;
    unsigned count = 0;

    if (wi_stack_is_empty(&loop->controls)) {
        return 0;
    }
    node = wi_stack_reversed(wi_stack_take_all(&loop->controls));
    while (node != NULL) {
        struct wi_stack_node *next = wi_stack_next(node);
        struct wi_control *control = wi_container_of(node, struct wi_control, node);

        control->run(loop, control);
        node = next;
        count++;
    }
    return count;
}

unsigned
wi_loop_drain(struct wi_loop *loop, unsigned bound)
{
    struct wi_stack_node *node;
    unsigned count = 0;

    if (wi_stack_is_empty(&loop->marked)) {
        return 0;
    }
    wi_assert(!loop->draining);
    loop->draining = true;
    node = wi_stack_reversed(wi_stack_take_all(&loop->marked));
    while (node != NULL) {
        struct wi_stack_node *next = wi_stack_next(node);

        count += wi_lane_drain(loop, wi_container_of(node, struct wi_lane, mark_node), bound);
        node = next;
    }
    loop->draining = false;
    return count;
}

void
wi_loop_look(struct wi_loop *loop)
{
    wi_assert(!loop->draining);
    wi_count(&loop->counters.order_looks, 1);
    wi_loop_drain(loop, WI_LANE_ALL);
}

WI_INLINE void
dispatch(struct wi_loop *loop)
{
    struct epoll_event *end = loop->event_end;

    // ORDER(source) observe: pairs with start(); its sources are set up.
    (void)wi_load_acquire(&loop->watched);
    for (struct epoll_event *event = loop->events; event != end;) {
        struct wi_source *source = event->data.ptr;
        uint32_t events = event->events;

        loop->event_next = ++event;
        if (wi_likely(source != NULL)) { // else forgotten meanwhile: see wi_loop_forget()
            source->ops->ready(loop, source, events);
        }
    }
}

static unsigned
run_timers(struct wi_loop *loop)
{
    unsigned count = 0;
    struct wi_timer *timer;

    while (count < TIMERS_MAX && (timer = wi_wheel_take(&loop->wheel, loop->now_ns)) != NULL) {
        enum wi_timer_kind kind = wi_timer_kind(timer);

        loop->timer_fns[kind](loop, timer);
        count += kind != WI_TIMER_LOOP; // else the decay would keep the loop awake for ever
    }
    return count;
}

// What these post in turn is for the next turn: a function that posts itself for ever leaves others
// their turns.
static unsigned
run_posts(struct wi_loop *loop)
{
    const struct wi_task *last = loop->posts_last;
    unsigned count = 0;
    bool more = loop->posts != NULL;

    while (more && count < POSTS_MAX) {
        struct wi_task *task = loop->posts;

        more = task != last;
        loop->posts = task->next;
        task->ops->run(loop, task);
        count++;
    }
    return count;
}

// What upper layers do once a turn: flush, complete. Callbacks may make more of it; after some
// rounds the rest waits for the next turn, which does not sleep.
WI_INLINE unsigned
run_deferred(struct wi_loop *loop)
{
    unsigned count = 0;

    for (int round = 0; loop->deferred != NULL && round < WI_LOOP_ROUNDS_MAX; round++) {
        struct wi_task *task = loop->deferred;

        loop->deferred = NULL;
        while (task != NULL) {
            struct wi_task *next = task->next;

            task->ops->run(loop, task);
            task = next;
            count++;
        }
    }
    return count;
}

// While stopping: when the last operation has completed and the last stream, listener and watch has
// gone, the stopping thread may end this loop.
static void
become_idle(struct wi_loop *loop)
{
    const struct wi_counters *counters = &loop->counters;

    if (loop->open_things == 0 && loop->posts == NULL && loop->deferred == NULL &&
        !has_work(loop) &&
        wi_load_relaxed(&counters->accepted) == wi_load_relaxed(&counters->completed)) {
        loop->idle = true;
        wi_add_acq_rel(&loop->runtime->idle_loops, 1); // ORDER(idle) publish: see all_idle()
        wi_waiters_wake(loop->runtime);
    }
}

void
wi_loop_not_idle(struct wi_loop *loop)
{
    if (loop->idle) {
        loop->idle = false;
        // ORDER(idle) publish: before whatever sent the thing here can call its own loop idle.
        wi_sub_acq_rel(&loop->runtime->idle_loops, 1);
    }
}

// What other threads sent.
static __attribute__((noinline)) unsigned
take_work(struct wi_loop *loop)
{
    unsigned count = take_controls(loop); // before the lanes: a close refuses what comes behind it

    count += wi_loop_drain(loop, WI_LANE_TURN_MAX);
    return count + take_cancels(loop);
}

static void
give_back(struct wi_loop *loop)
{
    if (loop->homing != NULL) {
        wi_lanes_return_home(loop);
    }
    if (loop->credit_back != 0) {
        wi_credit_give_back(loop, loop->credit_back);
        loop->credit_back = 0;
    }
}

// @p is_watched is a constant at each call: who asks for no stall detector pays nothing for it.
WI_INLINE unsigned
turn(struct wi_loop *loop, int64_t timeout_ns, bool is_watched)
{
    int ready = wait_events(loop, timeout_ns);
    unsigned count = ready > 0 ? (unsigned)ready : 0;

    loop->event_next = loop->events; // before anything may want events forgotten
    loop->event_end = loop->events + count;
    loop->now_ns = wi_os_now_ns();
    wi_count(&loop->counters.turns, 1);
    wi_probe_turn(loop, loop->index, ready);
    if (is_watched) {
        wi_stall_turn_begins(loop);
    }
    if (has_work(loop)) {
        count += take_work(loop);
    }
    dispatch(loop);
    if (wi_unlikely(wi_wheel_may_be_due(&loop->wheel, loop->now_ns))) {
        count += run_timers(loop);
    }
    count += run_posts(loop);
    count += run_deferred(loop); // some may be left over from the turn before
    give_back(loop);
    if (count != 0) {
        arm_decay(loop);
        wi_waiters_wake(loop->runtime);
    }
    if (wi_unlikely(loop->stopping && !loop->idle)) {
        become_idle(loop);
    }
    if (is_watched) {
        wi_stall_turn_ends(loop);
    }
    return count;
}

int
wi_loop_turn(struct wi_loop *loop, int64_t timeout_ns)
{
    unsigned count;

    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    wi_tls.loop = loop;
    count = turn(loop, timeout_ns, false);
    wi_tls.loop = NULL;
    wi_tls.at = NULL;
    // Between turns the program may sleep on the loop's descriptor: producers signal it, and what
    // is left to do signals it now.
    if (!may_sleep(loop) || loop->deferred != NULL || loop->posts != NULL) {
        wi_os_wake(loop->wake_fd);
    }
    return count > INT_MAX ? INT_MAX : (int)count;
}

static WI_COLD void
run_watched(struct wi_loop *loop)
{
    while (!loop->ended) {
        turn(loop, -1, true);
    }
}

void
wi_loop_run(struct wi_loop *loop)
{
    wi_tls.loop = loop;
    if (loop->stall != NULL) {
        run_watched(loop);
    }
    while (!loop->ended) {
        turn(loop, -1, false);
    }
    wi_tls.loop = NULL;
}

void
wi_loop_forget(struct wi_loop *loop, struct wi_source *source)
{
    for (struct epoll_event *event = loop->event_next; event != loop->event_end; event++) {
        if (event->data.ptr == source) {
            event->data.ptr = NULL;
        }
    }
}

/* ---- life ---- */

static void
stop_run(struct wi_loop *loop, struct wi_control *control)
{
    (void)control;
    loop->stopping = true;
    wi_watches_stop(loop);
    wi_timers_stop(loop);
    loop->runtime->service->stop(loop, wi_load_relaxed(&loop->runtime->stop_deadline));
}

static void
end_run(struct wi_loop *loop, struct wi_control *control)
{
    (void)control;
    loop->ended = true;
}

int
wi_loop_init(struct wi_loop *loop, struct wi_runtime *runtime, unsigned index)
{
    int result;

    loop->runtime = runtime;
    loop->index = index;
    loop->manual = (runtime->options.flags & WEIR_MANUAL) != 0;
    loop->spin_ns = runtime->options.spin_ns;
    loop->latency_mask = runtime->options.latency_every - 1;
    loop->cache.loop = loop;
    loop->wake_source.ops = &wake_ops;
    loop->stop_control.run = stop_run;
    loop->end_control.run = end_run;
    loop->timer_fns[WI_TIMER_OP] = wi_op_timer_fired;
    loop->timer_fns[WI_TIMER_LOOP] = decay_fired;
    loop->now_ns = wi_os_now_ns();
    loop->wake_fd = -1;
    wi_store_relaxed(&loop->credit, runtime->options.loop_bytes_max);
    wi_stack_init(&loop->marked);
    wi_stack_init(&loop->cancels);
    wi_stack_init(&loop->controls);
    wi_wheel_init(&loop->wheel, loop->now_ns);
    loop->poller = wi_os_poller_create();
    if (loop->poller < 0) {
        return loop->poller;
    }
    loop->wake_fd = wi_os_wake_create();
    result = loop->wake_fd < 0 ? loop->wake_fd
                               : wi_os_poll_add(loop->poller, loop->wake_fd, EPOLLIN | EPOLLET,
                                                &loop->wake_source);
    return result < 0 ? result : runtime->service->init(loop);
}

void
wi_loop_fini(struct wi_loop *loop)
{
    if (loop->net != NULL) {
        loop->runtime->service->fini(loop);
    }
    while (loop->orphans != NULL) {
        struct wi_lane *lane = loop->orphans;

        loop->orphans = lane->next_orphan;
        wi_lane_destroy(lane);
    }
    if (loop->wake_fd >= 0) {
        wi_os_close(loop->wake_fd);
    }
    if (loop->poller >= 0) {
        wi_os_close(loop->poller);
    }
}

/* ---- public ---- */

int
weir_loop_turn(struct weir_loop *public, int64_t timeout_ns)
{
    struct wi_loop *loop = wi_loop_of(public);

    if (wi_is_forked()) {
        return -ECHILD;
    }
    return loop == NULL || !loop->manual ? -EINVAL : wi_loop_turn(loop, timeout_ns);
}

int
weir_loop_fd(const struct weir_loop *public)
{
    const struct wi_loop *loop = wi_loop_of(public);

    if (wi_is_forked()) {
        return -ECHILD;
    }
    return loop == NULL || !loop->manual ? -EINVAL : loop->poller;
}

int64_t
weir_loop_timeout_ns(struct weir_loop *public)
{
    struct wi_loop *loop = wi_loop_of(public);
    uint64_t wait;

    if (wi_is_forked()) {
        return -ECHILD; // none
    }
    if (loop == NULL || !loop->manual) {
        return -EINVAL; // none: the loop needs no turn by the caller
    }
    // From now on producers signal the descriptor: the program is about to sleep on it.
    if (loop->deferred != NULL || loop->posts != NULL || !may_sleep(loop)) {
        return 0;
    }
    wait = wi_wheel_wait_ns(&loop->wheel, wi_os_now_ns());
    return wait > INT64_MAX ? -1 : (int64_t)wait;
}

uint64_t
weir_loop_now_ns(const struct weir_loop *loop)
{
    return loop == NULL ? 0 : wi_loop_of(loop)->now_ns;
}
