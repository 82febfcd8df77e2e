/* SPDX-License-Identifier: MIT */

#include "runtime/watch.h"

#include "mem/plant.h"
#include "runtime/thread.h"

#include <errno.h>

// A watch is armed by whoever starts it, so that a wrong descriptor is an error at once; the loop
// lists it and ends it, told by the control it embeds.

#define WATCH_STARTED 1u
#define WATCH_STOPPED 2u

static uint64_t
handle_of(const struct wi_watch *watch)
{
    return wi_handle(WI_HANDLE_WATCH, watch->loop->runtime->index, watch->slot,
                     wi_load_relaxed(&watch->generation));
}

// One look for both: a stop may come at any moment. False: stopped, only the last call is left.
static bool
is_alive(const struct wi_watch *watch, weir_watch *ret_handle)
{
    uint32_t generation = wi_load_relaxed(&watch->generation);

    ret_handle->bits =
        wi_handle(WI_HANDLE_WATCH, watch->loop->runtime->index, watch->slot, generation);
    return (generation & 1) != 0 || WI_PLANT(30);
}

static uint32_t
poll_events(unsigned events)
{
    return (events & WEIR_WATCH_IN ? (uint32_t)EPOLLIN : 0) |
           (events & WEIR_WATCH_OUT ? (uint32_t)EPOLLOUT : 0);
}

static void
watch_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct wi_watch *watch = wi_container_of(source, struct wi_watch, source);
    unsigned seen = (events & EPOLLIN ? (unsigned)WEIR_WATCH_IN : 0) |
                    (events & EPOLLOUT ? (unsigned)WEIR_WATCH_OUT : 0) |
                    (events & (EPOLLHUP | EPOLLERR) ? (unsigned)WEIR_WATCH_HUP : 0);
    weir_watch handle;

    (void)loop;
    if (is_alive(watch, &handle)) {
        watch->fn(handle, seen, watch->arg);
    }
}

static void
signal_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct wi_watch *watch = wi_container_of(source, struct wi_watch, source);
    weir_watch handle;
    int signal;

    (void)loop;
    (void)events;
    while (is_alive(watch, &handle) && (signal = wi_os_signal_take(watch->fd)) > 0) {
        watch->signal_fn(handle, signal, watch->arg);
    }
}

static const struct wi_source_ops watch_ops = {.ready = watch_ready};
static const struct wi_source_ops signal_ops = {.ready = signal_ready};

static void
list(struct wi_loop *loop, struct wi_watch *watch)
{
    watch->prev = NULL;
    watch->next = loop->watches;
    if (watch->next != NULL) {
        watch->next->prev = watch;
    }
    loop->watches = watch;
    loop->open_things++;
}

static void
unlist(struct wi_loop *loop, struct wi_watch *watch)
{
    if (watch->next != NULL) {
        watch->next->prev = watch->prev;
    }
    if (watch->prev != NULL) {
        watch->prev->next = watch->next;
    } else {
        loop->watches = watch->next;
    }
    loop->open_things--;
}

static struct wi_watch *
watch_of_task(struct wi_task *task)
{
    return wi_container_of(task, struct wi_watch, last_call);
}

// The last call, among the posted functions: user code runs nowhere else.
static void
last_call(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_watch *watch = watch_of_task(task);
    weir_watch handle = {wi_handle(WI_HANDLE_WATCH, loop->runtime->index, watch->slot,
                                   wi_load_relaxed(&watch->generation) - 1)};

    if (watch->signal_fn != NULL) {
        watch->signal_fn(handle, 0, watch->arg);
    } else {
        watch->fn(handle, 0, watch->arg);
    }
    unlist(loop, watch);
    if (wi_load_relaxed(&watch->generation) < WI_GENERATION_MAX - 1) {
        wi_free_put(&loop->runtime->watches, &loop->runtime->free_watches, watch->slot);
    }
}

static const struct wi_task_ops last_call_ops = {.run = last_call};

static void
watch_run(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_watch *watch = wi_container_of(control, struct wi_watch, control);
    uint32_t pending = wi_swap_acq_rel(&watch->pending, 0); // ORDER(pending): see tell()

    if (pending & WATCH_STARTED) {
        list(loop, watch);
        if (loop->stopping) { // started on this loop just before: wi_watches_stop() has not seen it
            weir_watch_stop((weir_watch){handle_of(watch)});
        }
    }
    if (pending & WATCH_STOPPED) {
        wi_os_poll_remove(loop->poller, watch->fd);
        wi_loop_forget(loop, &watch->source);
        if (watch->signal_fn != NULL) {
            wi_os_close(watch->fd);
        }
        watch->last_call.ops = &last_call_ops;
        wi_loop_post(loop, &watch->last_call);
    }
}

static void
tell(struct wi_watch *watch, uint32_t what)
{
    // ORDER(pending) both ways: who sets the first bit pushes the node; watch_run() takes the bits
    // after the node came off the stack.
    if (wi_or_acq_rel(&watch->pending, what) == 0) {
        wi_loop_control(watch->loop, &watch->control);
    }
}

static struct wi_watch *
take_slot(struct wi_runtime *runtime)
{
    uint32_t first = wi_free_take(&runtime->watches, &runtime->free_watches);
    struct wi_watch *segment;

    if (first != WI_SLOT_NONE) {
        return wi_slots_at(&runtime->watches, first);
    }
    segment = wi_slots_grow(&runtime->watches, &first);
    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < WI_WATCH_SEGMENT; i++) {
        segment[i].slot = first + i;
    }
    wi_slots_publish(&runtime->watches, first, segment);
    for (uint32_t i = 1; i < WI_WATCH_SEGMENT; i++) {
        wi_free_put(&runtime->watches, &runtime->free_watches, first + i);
    }
    return segment;
}

static int
start(struct wi_loop *loop, const struct wi_watch *wanted, uint32_t events, weir_watch *ret_watch)
{
    struct wi_watch *watch = take_slot(loop->runtime);
    weir_watch before = *ret_watch;
    int result;

    if (watch == NULL) {
        return -ENOMEM;
    }
    watch->source = wanted->source;
    watch->fn = wanted->fn;
    watch->signal_fn = wanted->signal_fn;
    watch->arg = wanted->arg;
    watch->fd = wanted->fd;
    watch->loop = loop;
    watch->control.run = watch_run;
    // ORDER(watch) publish: pairs with weir_watch_stop(); whoever sees the generation sees the
    // rest.
    wi_store_release(&watch->generation, wi_load_relaxed(&watch->generation) + 1);
    ret_watch->bits = handle_of(watch); // before the first event can come
    // ORDER(source) publish: pairs with dispatch(), which may have the event before this call is
    // back. The kernel orders the two as well, but says so nowhere.
    wi_add_acq_rel(&loop->watched, 1);
    result = wi_os_poll_add(loop->poller, watch->fd, events, &watch->source);
    if (result < 0) {
        wi_store_release(&watch->generation, wi_load_relaxed(&watch->generation) + 1);
        wi_free_put(&loop->runtime->watches, &loop->runtime->free_watches, watch->slot);
        *ret_watch = before;
        return result;
    }
    tell(watch, WATCH_STARTED);
    return 0;
}

// A stop that comes meanwhile must find the watch listed.
static int
start_guarded(struct wi_loop *loop, const struct wi_watch *wanted, uint32_t events,
              weir_watch *ret_watch)
{
    struct wi_lane *lane;
    int result;

    if (wi_on_loop(loop)) {
        return wi_runtime_is_stopping(loop->runtime) ? -WEIR_EENDED
                                                     : start(loop, wanted, events, ret_watch);
    }
    lane = wi_thread_lane(loop);
    if (lane == NULL) {
        return -ENOMEM;
    }
    if (!wi_lane_enter(lane)) {
        return -WEIR_EENDED;
    }
    result = start(loop, wanted, events, ret_watch);
    wi_lane_leave(lane);
    return result;
}

int
weir_watch_start(struct weir_loop *public, int fd, unsigned events, weir_watch_fn *fn, void *arg,
                 weir_watch *ret_watch)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct wi_watch wanted = {.source.ops = &watch_ops, .fd = fd, .fn = fn, .arg = arg};

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || fn == NULL || ret_watch == NULL ||
        (events & ~(unsigned)(WEIR_WATCH_IN | WEIR_WATCH_OUT)) != 0) {
        return -EINVAL;
    }
    if (fd < 0) {
        return -EBADF;
    }
    return start_guarded(loop, &wanted, poll_events(events), ret_watch);
}

int
weir_watch_stop(weir_watch handle)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_WATCH);
    uint32_t generation = wi_handle_generation(handle.bits);
    struct wi_watch *watch;

    if (runtime == NULL) {
        return wi_stale();
    }
    watch = wi_slots_at(&runtime->watches, wi_handle_slot(handle.bits));
    // ORDER(watch) observe: pairs with start(). Two stops at once: one moves the generation on.
    if (watch == NULL || !(generation & 1) ||
        !wi_cas_acquire(&watch->generation, &generation, generation + 1)) {
        return -WEIR_ESTALE;
    }
    tell(watch, WATCH_STOPPED);
    return 0;
}

int
weir_signal_start(struct weir_loop *public, const int *signals, unsigned signal_count,
                  weir_signal_fn *fn, void *arg, weir_watch *ret_watch)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct wi_watch wanted = {.source.ops = &signal_ops, .signal_fn = fn, .arg = arg};
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || fn == NULL || ret_watch == NULL || signals == NULL || signal_count == 0) {
        return -EINVAL;
    }
    wanted.fd = wi_os_signal_create(signals, signal_count);
    if (wanted.fd < 0) {
        return wanted.fd;
    }
    result = start_guarded(loop, &wanted, EPOLLIN, ret_watch);
    if (result < 0) {
        wi_os_close(wanted.fd);
    }
    return result;
}

void
wi_watches_stop(struct wi_loop *loop)
{
    for (struct wi_watch *watch = loop->watches; watch != NULL; watch = watch->next) {
        weir_watch_stop((weir_watch){handle_of(watch)});
    }
}
