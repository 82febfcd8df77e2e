// SPDX-License-Identifier: MIT
// Tokens: who fires reaches what is registered and what is about to be, once, with the reason.

#include "runtime/token.h"

#include "runtime/runtime.h"
#include "runtime/thread.h"
#include "tests/sched/fixture.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

static weir_token token, parent, next;
static struct wi_op *op;
static unsigned cancels, completions;
static int cancel_status;
static int fired, freed, seen;
static unsigned message; // by who fires, for who is cancelled

static void
complete(struct wi_loop *loop, int status)
{
    struct wi_op *ended = op;

    cancel_status = status;
    completions++;
    sched_check(message == 9);
    op = NULL;
    wi_op_finish(ended);
    wi_op_recycle(loop, ended);
}

static void
cancelled(struct wi_loop *loop, struct wi_op *ended, int status, enum weir_origin origin)
{
    sched_check(op == ended && origin == WEIR_ORIGIN_LOCAL_CANCEL);
    cancels++;
    complete(loop, status);
}

static void
arrive(struct wi_loop *loop, struct wi_task *task)
{
    int status;

    op = wi_op_of_task(task);
    status = wi_op_arrive(loop, op, WEIR_NEVER, token.bits);
    if (status < 0) {
        complete(loop, status);
    }
}

static const struct wi_op_ops op_ops = {.task = {.run = arrive}, .cancel = cancelled};

static void
submit(void *arg)
{
    struct wi_lane *lane;
    struct wi_op *submitted;

    (void)arg;
    sched_hold();
    lane = wi_thread_lane(fixture_loop());
    sched_check(lane != NULL);
    submitted = wi_op_take(&lane->cache);
    sched_check(submitted != NULL && wi_lane_reserve(lane));
    sched_release();
    wi_op_open(submitted, &op_ops, false);
    wi_lane_send(lane, &submitted->task);
}

static void
make_token(weir_token above, weir_token *ret_token)
{
    sched_check(
        weir_token_create((struct weir_runtime *)(void *)fixture_runtime, above, ret_token) == 0);
}

static void
fire(void *arg)
{
    message = 9;
    fired = weir_token_fire(*(weir_token *)arg, -EPIPE, 3);
}

static void
free_token(void *arg)
{
    freed = weir_token_free(*(weir_token *)arg);
}

/* ---- a fire meets the submit ---- */

static void
set_up_fire(void)
{
    fixture_start(1, 8);
    make_token((weir_token){0}, &token);
    sched_start(submit, NULL);
    sched_start(fire, &token);
}

static void
verify_fire(void)
{
    sched_check(fired == 0 && completions == 1 && cancel_status == -EPIPE && cancels <= 1);
    fixture_verify();
}

const struct sched_scenario token_fire = {
    .name = "token-fire",
    .promise = "a fire reaches an operation that is being submitted, once",
    .set_up = set_up_fire,
    .verify = verify_fire,
};

/* ---- the parent's fire ---- */

static void
set_up_parent(void)
{
    fixture_start(1, 8);
    make_token((weir_token){0}, &parent);
    make_token(parent, &token);
    sched_start(submit, NULL);
    sched_start(fire, &parent);
}

const struct sched_scenario token_parent = {
    .name = "token-parent",
    .promise = "a fire of the parent reaches an operation of the child that is being submitted",
    .set_up = set_up_parent,
    .verify = verify_fire,
};

/* ---- it is freed while it fires ---- */

static void
set_up_free(void)
{
    fixture_start(1, 8);
    make_token((weir_token){0}, &token);
    sched_start(fire, &token);
    sched_start(free_token, &token);
    sched_start(free_token, &token);
}

static void
verify_free(void)
{
    sched_check(fired == 0 || fired == -WEIR_ESTALE);
    sched_check(weir_token_status(token) == -WEIR_ESTALE);
    // The slot is free, and once: all that was taken for its loops has been given back.
    sched_check((uint32_t)wi_load_relaxed(&fixture_runtime->free_tokens.head) ==
                wi_handle_slot(token.bits) + 1);
    fixture_verify();
}

const struct sched_scenario token_free = {
    .name = "token-free",
    .promise = "a token that is freed twice while it fires gives its slot back once",
    .set_up = set_up_free,
    .verify = verify_free,
    .pre_emptions = 1,
};

/* ---- its slot is used again ---- */

static void
free_and_make_next(void *arg)
{
    free_token(arg);
    make_token((weir_token){0}, &next);
    message = 9;
    sched_check(weir_token_fire(next, -EPIPE, 3) == 0);
}

static void
ask(void *arg)
{
    seen = weir_token_status(*(weir_token *)arg);
}

static void
set_up_reuse(void)
{
    fixture_start(1, 8);
    make_token((weir_token){0}, &token);
    sched_start(free_and_make_next, &token);
    sched_start(ask, &token);
}

static void
verify_reuse(void)
{
    // It was never fired; the one that may have its slot now was.
    sched_check(seen == 0 || seen == -WEIR_ESTALE);
    fixture_verify();
}

const struct sched_scenario token_reuse = {
    .name = "token-reuse",
    .promise = "an old handle never tells of the next token in its slot",
    .set_up = set_up_reuse,
    .verify = verify_reuse,
};
