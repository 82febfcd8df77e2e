// SPDX-License-Identifier: MIT
// The word of an operation: whatever meets, it completes once, and the answers of cancels are true.

#include "runtime/runtime.h"
#include "runtime/thread.h"
#include "tests/sched/fixture.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

#define JOBS 2u

struct job {
    struct wi_op *op;
    struct wi_task work;
    wi_atomic_u64 handle; // once other threads may cancel it
    unsigned completions;
    int status;       // of the last one
    bool was_claimed; // the loop worked on it
    bool was_told;    // finish said that a cancel had come before
    unsigned reason;  // the first canceller's, for who is told of the cancel
    unsigned reason_seen;
};

static struct job jobs[JOBS];
static wi_atomic_u32 cancellers;
static int answers[3];
static unsigned result; // written by the completion, read by who waited for it
static bool is_parked;  // the work waits for what never comes
static bool is_chained; // when the first ends the second begins, in the same slot

static struct job *
job_of(const struct wi_op *op)
{
    return &jobs[op->owner];
}

static void begin(struct wi_loop *loop, struct job *job);

static void
complete(struct wi_loop *loop, struct job *job, int status)
{
    struct wi_op *op = job->op;

    job->was_told = wi_op_finish(op);
    job->status = status;
    job->completions++;
    job->reason_seen = job->was_told && !is_chained ? job->reason : 0;
    result = 77;
    job->op = NULL;
    wi_op_recycle(loop, op);
    if (is_chained && job == &jobs[0]) {
        begin(loop, &jobs[1]);
    }
}

static void
cancelled(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    sched_check(origin == WEIR_ORIGIN_LOCAL_CANCEL);
    complete(loop, job_of(op), status);
}

// What the loop does with an operation at the end of the turn it came in.
static void
work(struct wi_loop *loop, struct wi_task *task)
{
    struct job *job = wi_container_of(task, struct job, work);

    if (job->op == NULL) {
        return; // a cancel was faster
    }
    if (!wi_op_claim(job->op)) {
        complete(loop, job, -ECANCELED);
        return;
    }
    job->was_claimed = true;
    if (!is_parked) {
        complete(loop, job, 0);
    }
}

static const struct wi_task_ops work_ops = {.run = work};

static void
arrive(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_op *op = wi_op_of_task(task);
    int status = wi_op_arrive(loop, op, WEIR_NEVER, 0);

    if (status < 0) {
        complete(loop, job_of(op), status);
        return;
    }
    job_of(op)->work.ops = &work_ops;
    wi_loop_defer(loop, &job_of(op)->work);
}

static const struct wi_op_ops job_ops = {.task = {.run = arrive}, .cancel = cancelled};

static void
open_job(struct job *job, struct wi_op *op)
{
    wi_op_open(op, &job_ops, true);
    op->owner = (uint64_t)(job - jobs);
    job->op = op;
    // As a program would hand it over.
    wi_store_release(&job->handle, wi_op_handle(op));
}

// Loop thread.
static void
begin(struct wi_loop *loop, struct job *job)
{
    struct wi_op *op = wi_op_take(&loop->cache);

    sched_check(op != NULL);
    open_job(job, op);
    arrive(loop, &op->task);
}

static void
begin_posted(struct weir_loop *loop, void *arg)
{
    begin(wi_loop_of(loop), arg);
}

static void
submit(void *arg)
{
    struct wi_lane *lane;
    struct wi_op *op;

    sched_hold();
    lane = wi_thread_lane(fixture_loop());
    sched_check(lane != NULL);
    op = wi_op_take(&lane->cache);
    sched_check(op != NULL);
    sched_release();
    sched_check(wi_lane_reserve(lane));
    open_job(arg, op);
    wi_lane_send(lane, &op->task);
}

static bool
is_open(void *arg)
{
    return sched_peek(&((struct job *)arg)->handle, 8) != 0;
}

static void
cancel(void *arg)
{
    struct job *job = arg;
    unsigned number = wi_add_relaxed(&cancellers, 1);

    sched_wait(is_open, job);
    if (!is_chained) { // else there are two
        job->reason = 5;
    }
    answers[number] = wi_op_cancel(wi_load_acquire(&job->handle));
}

static void
verify_job(const struct job *job, int first_answer)
{
    sched_check(job->completions == 1);
    sched_check(job->status == 0 || job->status == -ECANCELED);
    if (first_answer == WEIR_CANCEL_WON) {
        sched_check(job->status == -ECANCELED && job->was_told && !job->was_claimed);
    } else if (first_answer == WEIR_CANCEL_PENDING) {
        sched_check(job->was_told);
    } else {
        sched_check(job->status == 0 && !job->was_told);
    }
}

/* ---- a cancel meets the claim ---- */

static void
set_up_cancel(void)
{
    fixture_start(1, 8);
    sched_start(submit, &jobs[0]);
    sched_start(cancel, &jobs[0]);
}

static void
verify_cancel(void)
{
    verify_job(&jobs[0], answers[0]);
    sched_check(jobs[0].reason_seen == (jobs[0].was_told ? 5 : 0));
    fixture_verify();
}

const struct sched_scenario op_cancel = {
    .name = "op-cancel",
    .promise = "submit, claim and cancel: one completion, and the canceller's answer is true",
    .set_up = set_up_cancel,
    .verify = verify_cancel,
};

/* ---- the work is parked: only the cancel ends it ---- */

static void
set_up_parked(void)
{
    is_parked = true;
    set_up_cancel();
}

static void
verify_parked(void)
{
    sched_check(answers[0] != WEIR_CANCEL_LATE && jobs[0].status == -ECANCELED);
    verify_cancel();
}

const struct sched_scenario op_parked = {
    .name = "op-parked",
    .promise = "a cancel of an operation that waits wakes its loop",
    .set_up = set_up_parked,
    .verify = verify_parked,
};

/* ---- the slot is used again while somebody cancels the operation before ---- */

static void
set_up_reuse(void)
{
    is_chained = true;
    fixture_start(1, 8);
    wi_tls.loop = fixture_loop();
    sched_check(weir_post(wi_loop_public(fixture_loop()), begin_posted, &jobs[0]) == 0);
    wi_tls.loop = NULL;
    sched_start(cancel, &jobs[0]);
    sched_start(cancel, &jobs[0]);
}

static void
verify_reuse(void)
{
    unsigned won = 0;

    for (unsigned i = 0; i < 2; i++) {
        won += answers[i] == WEIR_CANCEL_WON;
    }
    sched_check(won <= 1 && jobs[0].completions == 1);
    sched_check(won == 0 || jobs[0].status == -ECANCELED);
    sched_check((jobs[0].status == 0 && !jobs[0].was_told) || answers[0] != WEIR_CANCEL_LATE ||
                answers[1] != WEIR_CANCEL_LATE);
    // Nobody cancelled the second one.
    sched_check(jobs[1].completions == 1 && jobs[1].status == 0 && !jobs[1].was_told);
    fixture_verify();
}

const struct sched_scenario op_reuse = {
    .name = "op-reuse",
    .promise = "a cancel by an old handle leaves the next operation of the slot alone",
    .set_up = set_up_reuse,
    .verify = verify_reuse,
};

/* ---- a plain thread waits for it ---- */

static void
submit_and_wait(void *arg)
{
    struct job *job = arg;

    submit(job);
    sched_check(weir_op_wait((weir_op){wi_load_relaxed(&job->handle)}, WEIR_NEVER) == 0);
    sched_check(result == 77);
}

static void
set_up_wait(void)
{
    fixture_start(1, 8);
    sched_start(submit_and_wait, &jobs[0]);
}

static void
verify_wait(void)
{
    verify_job(&jobs[0], WEIR_CANCEL_LATE);
    fixture_verify();
}

const struct sched_scenario op_wait = {
    .name = "op-wait",
    .promise = "who waits for an operation is woken, and sees what its completion did",
    .set_up = set_up_wait,
    .verify = verify_wait,
};

/* ---- the same, for an operation of the loop's own ---- */

// What ends it is a store; no exchange behind it lets it out before the loop looks for waiters.
static void
wait_for_it(void *arg)
{
    struct job *job = arg;

    sched_wait(is_open, job);
    sched_check(weir_op_wait((weir_op){wi_load_acquire(&job->handle)}, WEIR_NEVER) == 0);
    sched_check(result == 77);
}

static void
set_up_own(void)
{
    fixture_start(1, 8);
    wi_tls.loop = fixture_loop();
    sched_check(weir_post(wi_loop_public(fixture_loop()), begin_posted, &jobs[0]) == 0);
    wi_tls.loop = NULL;
    sched_start(wait_for_it, &jobs[0]);
}

const struct sched_scenario op_wait_own = {
    .name = "op-wait-own",
    .promise = "who waits for an operation that its loop began is woken",
    .set_up = set_up_own,
    .verify = verify_wait,
};
