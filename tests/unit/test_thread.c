// SPDX-License-Identifier: MIT
// Threads and runtimes that end in every order.

#include "runtime/thread.h"

#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define THREADS 8u
#define ROUNDS  ROUNDS_OF(150u)

// A thread that posts, waits at each gate until it is let through, and ends.
struct guest {
    pthread_t thread;
    struct weir_loop *loop;
    struct goal goal; // its posts
    struct goal at;   // how far it is
    wi_atomic_u32 gate;
    int late; // what a post after the stop said
};

static void
guest_wait(struct guest *guest, uint32_t gate)
{
    goal_add(&guest->at);
    while (wi_load_acquire(&guest->gate) < gate) {
        sched_yield();
    }
}

static void *
guest_body(void *arg)
{
    struct guest *guest = arg;

    FAILED_UNLESS(weir_post(guest->loop, post_goal, &guest->goal) == 0);
    guest_wait(guest, 1);
    return NULL;
}

static void *
guest_body_late(void *arg)
{
    struct guest *guest = arg;

    FAILED_UNLESS(weir_post(guest->loop, post_goal, &guest->goal) == 0);
    guest_wait(guest, 1);
    guest->late = weir_post(guest->loop, post_goal, &guest->goal);
    guest_wait(guest, 2);
    return NULL;
}

static void
guest_start(struct guest *guest, struct weir_runtime *runtime, void *(*body)(void *))
{
    *guest =
        (struct guest){.loop = weir_runtime_loop(runtime, 0), .goal.wanted = 1, .at.wanted = 1};
    thread_go(&guest->thread, body, guest);
    await(reached, &guest->at);
}

static void
guest_pass(struct guest *guest, uint32_t gate)
{
    wi_store_release(&guest->gate, gate);
}

static void
a_thread_may_end_before_the_stop(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct guest guest;

    (void)state;
    guest_start(&guest, runtime, guest_body);
    guest_pass(&guest, 1);
    thread_end_of(guest.thread);
    assert_null(wi_runtime_of(runtime)->threads);
    loop_settle(guest.loop); // its post runs although it is gone
    assert_true(reached(&guest.goal));
    assert_null(wi_loop_of(guest.loop)->orphans);
    runtime_end(runtime);
    no_failures();
}

static void
a_thread_may_end_unnoticed_before_the_stop(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct guest guest;

    (void)state;
    guest_start(&guest, runtime, guest_body);
    guest_pass(&guest, 1);
    thread_end_of(guest.thread);
    runtime_end(runtime); // no turn between
    assert_int_equal(wi_load_relaxed(&guest.goal.count), 1);
}

static void
a_thread_may_end_between_stop_and_free(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct guest guest;

    (void)state;
    guest_start(&guest, runtime, guest_body_late);
    assert_int_equal(weir_runtime_stop(runtime, 0), 0);
    guest.at.wanted = 2;
    guest_pass(&guest, 1);
    await(reached, &guest.at);
    assert_int_equal(guest.late, -WEIR_EENDED);
    guest_pass(&guest, 2);
    thread_end_of(guest.thread);
    assert_int_equal(weir_runtime_free(runtime), 0);
    assert_int_equal(wi_load_relaxed(&guest.goal.count), 1);
    no_failures();
}

static void
a_thread_may_end_after_the_free(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct guest guest;

    (void)state;
    guest_start(&guest, runtime, guest_body);
    runtime_end(runtime);
    guest_pass(&guest, 1);
    thread_end_of(guest.thread);
    assert_int_equal(wi_load_relaxed(&guest.goal.count), 1);
}

// ---- the next runtime ---------------------------------------------------------------------------

static void *
post_in_the_next(void *arg)
{
    struct guest *guest = arg;

    FAILED_UNLESS(weir_post(guest->loop, post_goal, &guest->goal) == 0);
    guest_wait(guest, 1); // meanwhile the runtime is freed and a new one made
    FAILED_UNLESS(weir_post(guest->loop, post_goal, &guest->goal) == 0);
    guest_wait(guest, 2);
    return NULL;
}

static void
old_lanes_are_not_mistaken_for_the_next_runtimes(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    uint64_t serial = wi_runtime_of(runtime)->serial;
    struct guest guest;

    (void)state;
    guest_start(&guest, runtime, post_in_the_next);
    runtime_end(runtime);
    runtime = runtime_make(1, 0); // probably at the same address, with the same index
    assert_true(wi_runtime_of(runtime)->serial > serial);
    guest.loop = weir_runtime_loop(runtime, 0);
    guest.goal.wanted = 2;
    guest_pass(&guest, 1);
    await(reached, &guest.goal);
    runtime_end(runtime);
    guest_pass(&guest, 2);
    thread_end_of(guest.thread);
    no_failures();
}

static void
one_thread_serves_many_runtimes_by_turns(void **state)
{
    struct weir_runtime *runtimes[5];
    struct goal goal = {.wanted = 0};

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 5; i++) {
            runtimes[i] = runtime_make(2, WEIR_MANUAL);
        }
        for (unsigned i = 0; i < 30; i++) {
            goal.wanted++;
            assert_int_equal(weir_post(weir_runtime_loop(runtimes[i % 5], i % 2), post_goal, &goal),
                             0);
        }
        for (unsigned i = 0; i < 5; i++) {
            runtime_end(runtimes[i]);
        }
        assert_true(reached(&goal));
    }
}

// ---- what a thread leaves behind ----------------------------------------------------------------

static void
timer_told(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    FAILED_UNLESS(status == -ECANCELED);
    goal_add(arg);
}

struct left {
    struct weir_loop *loop;
    struct goal goal;
    weir_op ops[100];
};

static void *
leave_timers(void *arg)
{
    struct left *left = arg;
    struct weir_timer timer = {.deadline_ns = WEIR_NEVER, .fn = timer_told, .arg = &left->goal};

    for (unsigned i = 0; i < 100; i++) {
        FAILED_UNLESS(weir_timer_start(left->loop, &timer, &left->ops[i]) == 0);
    }
    return NULL;
}

static void
a_lane_lives_until_all_it_carried_is_home(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct left left = {.loop = weir_runtime_loop(runtime, 0), .goal.wanted = 99};

    (void)state;
    thread_run_joined(leave_timers, &left);
    loop_settle(left.loop);
    assert_non_null(wi_loop_of(left.loop)->orphans);
    for (unsigned i = 0; i < 99; i++) {
        assert_int_equal(weir_cancel(left.ops[i]), WEIR_CANCEL_WON);
    }
    loop_settle(left.loop);
    assert_true(reached(&left.goal));
    assert_non_null(wi_loop_of(left.loop)->orphans); // one is out still
    assert_int_equal(weir_cancel(left.ops[99]), WEIR_CANCEL_WON);
    loop_settle(left.loop);
    assert_null(wi_loop_of(left.loop)->orphans);
    assert_int_equal(weir_cancel(left.ops[50]), WEIR_CANCEL_LATE);
    runtime_end(runtime);
    no_failures();
}

// Threads come, start timers, end; others cancel what they left; operations go home to lanes that
// may be gone.
struct relay {
    struct weir_loop *loop;
    struct goal told;
    wi_atomic_u64 op; // one left for the others to cancel
};

static void *
relay_runner(void *arg)
{
    struct relay *relay = arg;
    struct weir_timer timer = {.deadline_ns = WEIR_NEVER, .fn = timer_told, .arg = &relay->told};
    weir_op op;
    weir_op other;

    FAILED_UNLESS(weir_timer_start(relay->loop, &timer, &op) == 0);
    other.bits = wi_swap_acq_rel(&relay->op, op.bits);
    if (other.bits != 0) {
        FAILED_UNLESS(weir_cancel(other) == WEIR_CANCEL_WON);
    }
    return NULL;
}

static void
threads_come_and_go_while_others_cancel_their_operations(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct relay relay = {.loop = weir_runtime_loop(runtime, 0), .told.wanted = THREADS * ROUNDS};

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];

        for (unsigned i = 0; i < THREADS; i++) {
            thread_go(&threads[i], relay_runner, &relay);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            thread_end_of(threads[i]);
        }
    }
    weir_cancel((weir_op){wi_load_relaxed(&relay.op)});
    await(reached, &relay.told);
    runtime_end(runtime);
    no_failures();
}

// ---- a stop among threads that post and end -----------------------------------------------------

static void *
post_until_stopped(void *arg)
{
    struct guest *guest = arg;
    int result;

    goal_add(&guest->at);
    while ((result = weir_post(guest->loop, post_goal, &guest->goal)) != -WEIR_EENDED) {
        FAILED_UNLESS(result == 0 || result == -WEIR_ELANEFULL);
        guest->late += result == 0;
    }
    return NULL;
}

static void
a_stop_among_posting_threads_runs_what_was_accepted(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS / 3; round++) {
        struct weir_runtime *runtime = runtime_make(2, 0);
        struct guest guests[4];

        for (unsigned i = 0; i < 4; i++) {
            guest_start(&guests[i], runtime, post_until_stopped);
        }
        assert_int_equal(weir_runtime_stop(runtime, 0), 0);
        for (unsigned i = 0; i < 4; i += 2) { // half of them end before the free
            thread_end_of(guests[i].thread);
        }
        for (unsigned i = 1; i < 4; i += 2) {
            thread_end_of(guests[i].thread);
        }
        assert_int_equal(weir_runtime_free(runtime), 0);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(wi_load_relaxed(&guests[i].goal.count), guests[i].late);
        }
    }
    no_failures();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_may_end_before_the_stop),
        cmocka_unit_test(a_thread_may_end_unnoticed_before_the_stop),
        cmocka_unit_test(a_thread_may_end_between_stop_and_free),
        cmocka_unit_test(a_thread_may_end_after_the_free),
        cmocka_unit_test(old_lanes_are_not_mistaken_for_the_next_runtimes),
        cmocka_unit_test(one_thread_serves_many_runtimes_by_turns),
        cmocka_unit_test(a_lane_lives_until_all_it_carried_is_home),
        cmocka_unit_test(threads_come_and_go_while_others_cancel_their_operations),
        cmocka_unit_test(a_stop_among_posting_threads_runs_what_was_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
