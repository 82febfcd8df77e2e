/* SPDX-License-Identifier: MIT */

#include "runtime/timer.h"

#include "runtime/thread.h"
#include "runtime/token.h"

#include <errno.h>

// A posted function, in an operation's slot; nobody has a handle to it.
struct post {
    struct wi_op op;
    weir_post_fn *fn;
    void *arg;
    bool is_late; // posted by a loop while stopping: the stop waits for it
};

// A public timer, likewise, but with a handle.
struct timer_op {
    struct wi_op op; // op.prev, op.task.next: in loop->timers while it waits
    weir_timer_fn *fn;
    void *arg;
    uint64_t deadline_ns;
    uint64_t token;
    int status;
};
static_assert(sizeof(struct timer_op) <= WI_OP_EXTRA_OFFSET, "the timer node lies behind");

static struct post *
post_of(struct wi_task *task)
{
    return (struct post *)(void *)wi_op_of_task(task);
}

static struct timer_op *
timer_of(struct wi_op *op)
{
    return (struct timer_op *)(void *)op;
}

/* ---- posting ---- */

static void
post_call(struct wi_loop *loop, struct wi_task *task)
{
    struct post *post = post_of(task);

    post->fn(wi_loop_public(loop), post->arg);
    if (wi_unlikely(post->is_late)) {
        wi_sub_acq_rel(&loop->runtime->late_posts, 1); // ORDER(idle) publish: see all_idle()
    }
    wi_op_recycle(loop, &post->op);
}

static const struct wi_task_ops post_call_ops = {.run = post_call};

static void
post_arrive(struct wi_loop *loop, struct wi_task *task)
{
    wi_op_arrive_quietly(wi_op_of_task(task));
    task->ops = &post_call_ops;
    wi_loop_post(loop, task);
}

static const struct wi_op_ops post_ops = {.task.run = post_arrive};

// The calling thread: hand an operation to the loop it was made for.
static void
submit(struct wi_loop *loop, struct wi_lane *lane, struct wi_op *op)
{
    if (lane == NULL) {
        op->task.ops->run(loop, &op->task);
    } else {
        wi_lane_send(lane, &op->task);
        wi_lane_leave(lane);
    }
}

// The calling thread: an operation for the loop, and the lane it will travel on (NULL: none, this
// is the loop's own thread). On success the lane is entered.
static int
reserve(struct wi_loop *loop, bool while_stopping, struct wi_lane **ret_lane, struct wi_op **ret_op)
{
    struct wi_lane *lane = NULL;

    if (!wi_on_loop(loop)) {
        lane = wi_thread_lane(loop);
        if (lane == NULL) {
            return -ENOMEM;
        }
        if (!wi_lane_enter(lane) && !while_stopping) {
            return -WEIR_EENDED;
        }
        if (!wi_lane_reserve(lane)) {
            wi_lane_leave(lane);
            wi_count(&lane->refused[WEIR_REFUSED_LANE], 1);
            return -WEIR_ELANEFULL;
        }
    } else if (!while_stopping && wi_runtime_is_stopping(loop->runtime)) {
        return -WEIR_EENDED;
    }
    *ret_op = wi_op_take(lane != NULL ? &lane->cache : &loop->cache);
    if (*ret_op == NULL) {
        if (lane != NULL) {
            wi_lane_leave(lane);
        }
        return -ENOMEM;
    }
    *ret_lane = lane;
    return 0;
}

// A loop that is being closed down may still post: the stop waits until late posts have run. Until
// its deadline, or a function that posts itself for ever would make it wait for ever.
static bool
may_post_late(struct wi_runtime *runtime)
{
    return wi_on_runtime(runtime) && (!wi_runtime_is_stopping(runtime) ||
                                      // 0: the stop has only just begun.
                                      wi_load_relaxed(&runtime->stop_deadline) == 0 ||
                                      wi_os_now_ns() < wi_load_relaxed(&runtime->stop_deadline));
}

int
weir_post(struct weir_loop *public, weir_post_fn *fn, void *arg)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct wi_lane *lane;
    struct wi_op *op;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || fn == NULL) {
        return -EINVAL;
    }
    result = reserve(loop, may_post_late(loop->runtime), &lane, &op);
    if (result < 0) {
        return result;
    }
    post_of(&op->task)->fn = fn;
    post_of(&op->task)->arg = arg;
    post_of(&op->task)->is_late = wi_runtime_is_stopping(loop->runtime);
    if (wi_unlikely(post_of(&op->task)->is_late)) {
        wi_add_relaxed(&loop->runtime->late_posts,
                       1); // within a post that counts itself, or a turn
    }
    wi_op_open(op, &post_ops, false);
    submit(loop, lane, op);
    return 0;
}

int
weir_lane_notify(struct weir_loop *public, weir_post_fn *fn, void *arg)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct wi_lane *lane;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || fn == NULL) {
        return -EINVAL;
    }
    if (wi_on_loop(loop)) {
        return -EDEADLK;
    }
    lane = wi_thread_lane_find(loop);
    return lane == NULL ? -EINVAL : wi_lane_ask(lane, fn, arg);
}

/* ---- timers ---- */

static void
timer_call(struct wi_loop *loop, struct wi_task *task)
{
    struct timer_op *timer = timer_of(wi_op_of_task(task));

    timer->fn(wi_loop_public(loop), timer->status, timer->arg);
    wi_op_recycle(loop, &timer->op);
}

static const struct wi_task_ops timer_call_ops = {.run = timer_call};

static void
timer_list(struct wi_loop *loop, struct timer_op *timer)
{
    timer->op.prev = NULL;
    timer->op.task.next = loop->timers != NULL ? &loop->timers->task : NULL;
    if (loop->timers != NULL) {
        loop->timers->prev = &timer->op;
    }
    loop->timers = &timer->op;
}

static void
timer_unlist(struct wi_loop *loop, struct timer_op *timer)
{
    struct wi_op *next = timer->op.task.next != NULL ? wi_op_of_task(timer->op.task.next) : NULL;

    if (next != NULL) {
        next->prev = timer->op.prev;
    }
    if (timer->op.prev != NULL) {
        timer->op.prev->task.next = timer->op.task.next;
    } else {
        loop->timers = next;
    }
}

// Its outcome is fixed: the user's function runs later in the turn, among the posted ones.
static void
timer_end(struct wi_loop *loop, struct timer_op *timer, int status)
{
    bool won = !wi_op_is_claimed(&timer->op) && !wi_op_claim(&timer->op);

    timer->status = won ? -ECANCELED : status;
    wi_op_finish_named(&timer->op);
    if (timer->status < 0) {
        wi_count(&loop->counters.cancelled, 1);
    }
    timer->op.task.ops = &timer_call_ops;
    wi_loop_post(loop, &timer->op.task);
}

static void
timer_cancel(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    timer_unlist(loop, timer_of(op));
    timer_end(loop, timer_of(op), origin == WEIR_ORIGIN_DEADLINE ? 0 : status);
}

static void
timer_arrive(struct wi_loop *loop, struct wi_task *task)
{
    struct timer_op *timer = timer_of(wi_op_of_task(task));
    int status = wi_op_arrive(loop, &timer->op, timer->deadline_ns, timer->token);

    if (status == 0 && loop->stopping) {
        status = -ECANCELED;
    }
    if (status < 0) {
        timer_end(loop, timer, status);
    } else {
        timer_list(loop, timer);
    }
}

static const struct wi_op_ops timer_ops = {.task.run = timer_arrive, .cancel = timer_cancel};

void
wi_timers_stop(struct wi_loop *loop)
{
    while (loop->timers != NULL) {
        timer_cancel(loop, loop->timers, -ECANCELED, WEIR_ORIGIN_LOCAL_CLOSE);
    }
}

static int
check_timer(struct wi_loop *loop, const struct weir_timer *request)
{
    if (loop == NULL || request == NULL || request->fn == NULL) {
        return -EINVAL;
    }
    if (request->token.bits == 0) {
        return 0;
    }
    if (wi_handle_runtime(request->token.bits) != loop->runtime->index) {
        return -WEIR_ESTALE;
    }
    return wi_token_status(loop->runtime, request->token.bits);
}

int
weir_timer_start(struct weir_loop *public, const struct weir_timer *request, weir_op *ret_op)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct timer_op *timer;
    struct wi_lane *lane;
    struct wi_op *op;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    result = check_timer(loop, request);
    if (result == 0) {
        result = reserve(loop, false, &lane, &op);
    }
    if (result != 0) {
        return result;
    }
    timer = timer_of(op);
    timer->fn = request->fn;
    timer->arg = request->arg;
    timer->deadline_ns = request->deadline_ns;
    timer->token = request->token.bits;
    wi_op_open(op, &timer_ops, true);
    if (ret_op != NULL) {
        ret_op->bits = wi_op_handle(op);
    }
    submit(loop, lane, op);
    return 0;
}

void
wi_timers_each(struct wi_loop *loop, void (*fn)(uint64_t handle, uint64_t deadline_ns, void *arg),
               void *arg)
{
    for (struct wi_op *op = loop->timers; op != NULL;
         op = op->task.next == NULL ? NULL : wi_op_of_task(op->task.next)) {
        fn(wi_op_handle(op), timer_of(op)->deadline_ns, arg);
    }
}
