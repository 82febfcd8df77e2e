// SPDX-License-Identifier: MIT
// The turn: rest, wake-ups, bounds, events that are forgotten, loops turned by hand.

#include "runtime/loop.h"

#include "runtime/runtime.h"
#include "runtime/thread.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS         UINT64_C(1000000)
#define IDLE_LANES 1000u
#define WAKES      20000u

static uint64_t
load(wi_atomic_u64 *counter)
{
    return wi_load_relaxed(counter);
}

// ---- rest ---------------------------------------------------------------------------------------

struct rest {
    uint64_t turns;
    uint64_t until_ns;
};

static bool
time_is_over(void *arg)
{
    return weir_now_ns() >= ((struct rest *)arg)->until_ns;
}

static bool
is_asleep(void *arg)
{
    return wi_load_relaxed(&((struct wi_loop *)arg)->parked) != 0;
}

static void
a_loop_at_rest_does_not_turn(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 1};
    struct rest rest;
    uint64_t begin = weir_now_ns();

    (void)state;
    assert_int_equal(weir_post(wi_loop_public(loop), post_goal, &goal), 0);
    await(reached, &goal);
    // Within 10 s after the last event: turns stop. Here a second and a half without one is looked
    // for, half as long again as the longest timer of a loop that has nothing to do.
    do {
        await(is_asleep, loop);
        rest.turns = load(&loop->counters.turns);
        rest.until_ns = weir_now_ns() + 1500 * MS;
        await(time_is_over, &rest);
        assert_true(weir_now_ns() - begin < 10000 * MS);
    } while (load(&loop->counters.turns) != rest.turns);
    assert_true(load(&loop->wakes) <= 1);
    runtime_end(runtime);
}

static void
sleeping_by_hand_ends_with_the_decay(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 1};
    unsigned turns = 0;

    (void)state;
    assert_int_equal(weir_post(loop, post_goal, &goal), 0);
    loop_settle(loop);
    assert_true(weir_loop_timeout_ns(loop) > 0); // the decay timer
    while (weir_loop_timeout_ns(loop) >= 0) {
        weir_loop_turn(loop, weir_loop_timeout_ns(loop));
        assert_true(++turns < 20);
    }
    assert_int_equal(wi_loop_of(loop)->wheel.armed, 0);
    runtime_end(runtime);
}

// ---- wake-ups -----------------------------------------------------------------------------------

struct posting {
    struct goal goal;
    struct weir_loop *loop;
};

static void *
post_many(void *arg)
{
    struct posting *posting = arg;

    for (unsigned i = 0; i < WAKES; i++) {
        while (weir_post(posting->loop, post_goal, &posting->goal) != 0) {
            sched_yield();
        }
        if (i % 16 == 0) {
            sched_yield(); // let the loop fall asleep now and then
        }
    }
    return NULL;
}

static void
a_sleep_is_ended_by_one_wake_up_at_most(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    struct posting posting = {.goal.wanted = 3 * WAKES, .loop = wi_loop_public(loop)};
    pthread_t threads[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        thread_go(&threads[i], post_many, &posting);
    }
    await(reached, &posting.goal);
    for (unsigned i = 0; i < 3; i++) {
        thread_end_of(threads[i]);
    }
    await(is_asleep, loop);
    assert_true(load(&loop->wakes) <= load(&loop->counters.sleeps));
    runtime_end(runtime);
}

static void
one_producer_pays_for_a_sleep_only(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 0};

    (void)state;
    for (unsigned i = 0; i < WAKES; i++) {
        goal.wanted++;
        assert_int_equal(weir_post(wi_loop_public(loop), post_goal, &goal), 0);
        if (i % 4 == 0) {
            await(reached, &goal); // the loop goes to sleep
        }
    }
    await(reached, &goal);
    await(is_asleep, loop);
    assert_true(load(&loop->wakes) <= load(&loop->counters.sleeps));
    assert_true(load(&loop->wakes) <= WAKES);
    runtime_end(runtime);
}

static void *
post_a_few(void *arg)
{
    struct posting *posting = arg;

    for (unsigned i = 0; i < 10; i++) {
        FAILED_UNLESS(weir_post(posting->loop, post_goal, &posting->goal) == 0);
    }
    return NULL;
}

static void
stay_busy(struct weir_loop *loop, void *arg)
{
    uint64_t wakes = load(&wi_loop_of(loop)->wakes);

    thread_run_joined(post_a_few, arg);
    FAILED_UNLESS(load(&wi_loop_of(loop)->wakes) == wakes);
}

static void
a_busy_loop_is_not_woken(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct posting posting = {.goal.wanted = 10, .loop = loop};

    (void)state;
    assert_int_equal(weir_post(loop, stay_busy, &posting), 0);
    loop_settle(loop);
    assert_true(reached(&posting.goal));
    runtime_end(runtime);
    no_failures();
}

// ---- lanes that rest ----------------------------------------------------------------------------

struct idler {
    pthread_t thread;
    struct weir_loop *loop;
    struct goal *goal;
    wi_atomic_u32 *leave;
};

static void *
post_once_and_stay(void *arg)
{
    struct idler *idler = arg;

    FAILED_UNLESS(weir_post(idler->loop, post_goal, idler->goal) == 0);
    while (wi_load_acquire(idler->leave) == 0) {
        wi_os_sleep(idler->leave, 0, WEIR_NEVER);
    }
    return NULL;
}

// A turn touches marked lanes only: a drain of an idle lane would crash, for its ring is taken
// away.
static void
idle_lanes_are_not_touched(void **state)
{
    static struct idler idlers[IDLE_LANES];
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct goal goal = {.wanted = IDLE_LANES};
    wi_atomic_u32 leave = 0;
    unsigned lanes = 0;

    (void)state;
    for (unsigned i = 0; i < IDLE_LANES; i++) {
        idlers[i] = (struct idler){.loop = loop, .goal = &goal, .leave = &leave};
        thread_go(&idlers[i].thread, post_once_and_stay, &idlers[i]);
    }
    while (!reached(&goal)) {
        weir_loop_turn(loop, -1);
    }
    loop_settle(loop);
    for (struct wi_thread *thread = wi_loop_of(loop)->runtime->threads; thread != NULL;
         thread = thread->next_of_runtime) {
        assert_false(wi_load_relaxed(&thread->lanes[0]->marked));
        thread->lanes[0]->take = NULL;
        lanes++;
    }
    assert_int_equal(lanes, IDLE_LANES);
    goal.wanted++;
    assert_int_equal(weir_post(loop, post_goal, &goal), 0);
    loop_settle(loop);
    assert_true(reached(&goal));
    for (struct wi_thread *thread = wi_loop_of(loop)->runtime->threads; thread != NULL;
         thread = thread->next_of_runtime) {
        thread->lanes[0]->take = thread->lanes[0]->put;
    }
    wi_store_release(&leave, 1);
    wi_os_wake_sleepers(&leave);
    for (unsigned i = 0; i < IDLE_LANES; i++) {
        thread_end_of(idlers[i].thread);
    }
    loop_settle(loop);
    assert_null(wi_loop_of(loop)->orphans); // what the threads left behind came home
    runtime_end(runtime);
    no_failures();
}

// ---- deferred work ------------------------------------------------------------------------------

struct again {
    struct wi_task task;
    unsigned left;
    unsigned runs;
};

static void
again_run(struct wi_loop *loop, struct wi_task *task)
{
    struct again *again = wi_container_of(task, struct again, task);

    again->runs++;
    if (again->left-- > 1) {
        wi_loop_defer(loop, task);
    }
}

static const struct wi_task_ops again_ops = {.run = again_run};

static void
deferred_work_is_bounded_per_turn_and_keeps_the_loop_awake(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct again again = {.task.ops = &again_ops, .left = 3 * WI_LOOP_ROUNDS_MAX};

    (void)state;
    loop_enter(wi_loop_of(loop));
    wi_loop_defer(wi_loop_of(loop), &again.task);
    loop_leave();
    assert_int_equal(weir_loop_timeout_ns(loop), 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        assert_true(weir_loop_turn(loop, -1) >= WI_LOOP_ROUNDS_MAX);
        assert_int_equal(again.runs, turn * WI_LOOP_ROUNDS_MAX);
    }
    loop_settle(loop);
    assert_int_equal(again.runs, 3 * WI_LOOP_ROUNDS_MAX);
    runtime_end(runtime);
}

// ---- events -------------------------------------------------------------------------------------

struct eye {
    struct wi_source source;
    struct wi_control control;
    struct eye *other; // is forgotten when this one is ready
    unsigned seen;
};

static void
eye_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct eye *eye = wi_container_of(source, struct eye, source);

    FAILED_UNLESS(events & EPOLLIN);
    eye->seen++;
    if (eye->other != NULL) {
        wi_loop_forget(loop, &eye->other->source);
    }
}

static const struct wi_source_ops eye_ops = {.ready = eye_ready};

static void
eye_forget(struct wi_loop *loop, struct wi_control *control)
{
    wi_loop_forget(loop, &wi_container_of(control, struct eye, control)->source);
}

static void
an_event_of_a_source_that_goes_is_not_delivered(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    struct eye eyes[3] = {{.source.ops = &eye_ops, .control.run = eye_forget},
                          {.source.ops = &eye_ops},
                          {.source.ops = &eye_ops}};
    int fds[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_int_equal(wi_os_poll_add(loop->poller, fds[i], EPOLLIN, &eyes[i].source), 0);
    }
    eyes[1].other = &eyes[2]; // whichever of the two comes first forgets the other
    eyes[2].other = &eyes[1];
    wi_loop_control(loop, &eyes[0].control); // runs in the turn that polls, before its events
    assert_true(weir_loop_turn(wi_loop_public(loop), -1) > 0);
    assert_int_equal(eyes[0].seen, 0);
    assert_int_equal(eyes[1].seen + eyes[2].seen, 1);
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    runtime_end(runtime);
    no_failures();
}

// ---- by hand ------------------------------------------------------------------------------------

static bool
is_readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, 0) == 1;
}

static void
the_descriptor_tells_when_a_turn_would_find_something(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 0};
    int fd = weir_loop_fd(loop);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        goal.wanted++;
        loop_settle(loop);
        assert_true(weir_loop_timeout_ns(loop) != 0);
        assert_false(is_readable(fd));
        assert_int_equal(weir_post(loop, post_goal, &goal), 0);
        assert_true(is_readable(fd));
        assert_int_equal(weir_loop_timeout_ns(loop), 0);
        assert_true(weir_loop_turn(loop, 0) > 0);
        assert_true(reached(&goal));
    }
    assert_true(load(&wi_loop_of(loop)->wakes) <= load(&wi_loop_of(loop)->counters.sleeps));
    runtime_end(runtime);
}

static int nested_result;

static void
turn_inside(struct weir_loop *loop, void *arg)
{
    (void)arg;
    nested_result = weir_loop_turn(loop, 0);
}

static void
a_turn_inside_a_turn_is_refused(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);

    (void)state;
    assert_int_equal(weir_post(loop, turn_inside, NULL), 0);
    loop_settle(loop);
    assert_int_equal(nested_result, -EDEADLK);
    runtime_end(runtime);
}

static void
loops_with_threads_are_not_turned_by_hand(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);

    (void)state;
    assert_int_equal(weir_loop_turn(loop, 0), -EINVAL);
    assert_int_equal(weir_loop_fd(loop), -EINVAL);
    assert_int_equal(weir_loop_timeout_ns(loop), -EINVAL);
    assert_int_equal(weir_loop_turn(NULL, 0), -EINVAL);
    assert_int_equal(weir_loop_fd(NULL), -EINVAL);
    assert_int_equal(weir_loop_timeout_ns(NULL), -EINVAL);
    assert_int_equal(weir_loop_now_ns(NULL), 0);
    assert_null(weir_loop_runtime(NULL));
    assert_ptr_equal(weir_loop_runtime(loop), runtime);
    runtime_end(runtime);
}

static void
a_turn_waits_as_long_as_it_was_told(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    uint64_t begin = weir_now_ns();

    (void)state;
    assert_int_equal(weir_loop_turn(loop, 5 * (int64_t)MS), 0);
    assert_true(weir_now_ns() - begin >= 5 * MS);
    assert_true(weir_loop_now_ns(loop) >= begin + 5 * MS);
    runtime_end(runtime);
}

static void
count_timer(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    (void)status;
    goal_add(arg);
}

static void
a_loop_that_spins_is_on_time_and_finds_posts(void **state)
{
    struct weir_runtime_options options = {.loops = 1, .flags = WEIR_MANUAL, .spin_ns = UINT64_MAX};
    struct weir_runtime *runtime = runtime_make_with(&options);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 1};
    uint64_t deadline = weir_deadline_after(10 * MS);
    struct weir_timer timer = {.deadline_ns = deadline, .fn = count_timer, .arg = &goal};

    (void)state;
    assert_int_equal(weir_timer_start(loop, &timer, NULL), 0);
    while (!reached(&goal)) {
        assert_true(weir_loop_turn(loop, -1) >= 0);
    }
    assert_true(weir_now_ns() < deadline + 10000 * MS);
    assert_true(load(&wi_loop_of(loop)->counters.waits) >
                2 * load(&wi_loop_of(loop)->counters.turns)); // it polled again and again
    goal.wanted++;
    assert_int_equal(weir_post(loop, post_goal, &goal), 0);
    assert_true(weir_loop_turn(loop, -1) > 0);
    assert_true(reached(&goal));
    runtime_end(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_at_rest_does_not_turn),
        cmocka_unit_test(sleeping_by_hand_ends_with_the_decay),
        cmocka_unit_test(a_sleep_is_ended_by_one_wake_up_at_most),
        cmocka_unit_test(one_producer_pays_for_a_sleep_only),
        cmocka_unit_test(a_busy_loop_is_not_woken),
        cmocka_unit_test(idle_lanes_are_not_touched),
        cmocka_unit_test(deferred_work_is_bounded_per_turn_and_keeps_the_loop_awake),
        cmocka_unit_test(an_event_of_a_source_that_goes_is_not_delivered),
        cmocka_unit_test(the_descriptor_tells_when_a_turn_would_find_something),
        cmocka_unit_test(a_turn_inside_a_turn_is_refused),
        cmocka_unit_test(loops_with_threads_are_not_turned_by_hand),
        cmocka_unit_test(a_turn_waits_as_long_as_it_was_told),
        cmocka_unit_test(a_loop_that_spins_is_on_time_and_finds_posts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
