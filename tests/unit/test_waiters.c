// SPDX-License-Identifier: MIT
// Plain threads that wait for an operation.

#include "runtime/runtime.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define MS      UINT64_C(1000000)
#define THREADS 4u
#define ROUNDS  ROUNDS_OF(5000u)

static void
nothing(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    (void)status;
    (void)arg;
}

static weir_op
timer_at(struct weir_loop *loop, uint64_t deadline_ns)
{
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = nothing};
    weir_op op = {0};

    FAILED_UNLESS(weir_timer_start(loop, &timer, &op) == 0);
    return op;
}

static void
a_wait_ends_when_the_operation_has(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    weir_op op = timer_at(weir_runtime_loop(runtime, 0), weir_deadline_after(3 * MS));

    (void)state;
    assert_int_equal(weir_op_wait(op, WEIR_NEVER), 0);
    assert_false(weir_op_is_busy(op));
    assert_int_equal(weir_op_wait(op, WEIR_NEVER), 0); // stale: at once
    assert_int_equal(weir_op_wait(op, 0), 0);
    assert_int_equal(weir_op_wait((weir_op){0}, WEIR_NEVER), 0);
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->waiters), 0);
    runtime_end(runtime);
}

static void
a_wait_ends_at_its_deadline(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    weir_op op = timer_at(weir_runtime_loop(runtime, 0), WEIR_NEVER);
    uint64_t deadline = weir_deadline_after(5 * MS);

    (void)state;
    assert_int_equal(weir_op_wait(op, 0), -ETIMEDOUT);
    assert_int_equal(weir_op_wait(op, deadline), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline);
    assert_true(weir_op_is_busy(op));
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    assert_int_equal(weir_op_wait(op, WEIR_NEVER), 0);
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->waiters), 0);
    runtime_end(runtime);
}

struct inside {
    weir_op op;
    int result;
    struct goal done;
};

static void
wait_on_the_loop(struct weir_loop *loop, void *arg)
{
    struct inside *inside = arg;

    (void)loop;
    inside->result = weir_op_wait(inside->op, WEIR_NEVER);
    goal_add(&inside->done);
}

static void
waiting_on_a_loop_is_a_deadlock(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct weir_runtime *other = runtime_make(1, 0);
    struct inside inside = {.done.wanted = 1};

    (void)state;
    inside.op = timer_at(weir_runtime_loop(runtime, 0), WEIR_NEVER);
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), wait_on_the_loop, &inside), 0);
    await(reached, &inside.done);
    assert_int_equal(inside.result, -EDEADLK);
    inside.done.wanted = 2; // another runtime's loop must not wait either
    assert_int_equal(weir_post(weir_runtime_loop(other, 0), wait_on_the_loop, &inside), 0);
    await(reached, &inside.done);
    assert_int_equal(inside.result, -EDEADLK);
    runtime_end(other);
    runtime_end(runtime);
}

// Completions and waits meet in every order; none is missed, or the wait never ends.
static void *
wait_for_each(void *arg)
{
    struct weir_loop *loop = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        weir_op op = timer_at(loop, i % 50 == 0 ? weir_deadline_after(MS) : 1);

        if (i % 3 == 0) {
            sched_yield();
        }
        FAILED_UNLESS(weir_op_wait(op, WEIR_NEVER) == 0);
        FAILED_UNLESS(!weir_op_is_busy(op));
    }
    return NULL;
}

static void
no_wake_up_is_lost(void **state)
{
    struct weir_runtime *runtime = runtime_make(2, 0);
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], wait_for_each, weir_runtime_loop(runtime, i % 2));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->waiters), 0);
    runtime_end(runtime);
    no_failures();
}

// ---- work that is left over from a turn ---------------------------------------------------------

struct slow {
    struct wi_task task;
    unsigned left; // rounds until it ends the operation
    wi_atomic_u32 over;
};

static void
slow_run(struct wi_loop *loop, struct wi_task *task)
{
    struct slow *slow = wi_container_of(task, struct slow, task);

    if (slow->left-- > 1) {
        wi_loop_defer(loop, task);
    } else {
        wi_store_release(&slow->over, 1);
    }
}

static const struct wi_task_ops slow_ops = {.run = slow_run};

static void
slow_begin(struct weir_loop *loop, void *arg)
{
    wi_loop_defer(wi_loop_of(loop), &((struct slow *)arg)->task);
}

static bool
slow_is_over(const void *arg)
{
    return wi_load_acquire(&((const struct slow *)arg)->over) != 0;
}

static void
what_ends_in_deferred_work_left_over_is_noticed(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        // The last round stands alone in a turn in which nothing else happens.
        struct slow slow = {.task.ops = &slow_ops, .left = 2 * WI_LOOP_ROUNDS_MAX + 1};

        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), slow_begin, &slow), 0);
        assert_int_equal(wi_wait_until(wi_runtime_of(runtime), slow_is_over, &slow,
                                       weir_deadline_after(20000 * MS)),
                         0);
    }
    runtime_end(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_when_the_operation_has),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(waiting_on_a_loop_is_a_deadlock),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(what_ends_in_deferred_work_left_over_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
