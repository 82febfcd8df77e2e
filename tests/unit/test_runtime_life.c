// SPDX-License-Identifier: MIT
// Making, stopping and freeing runtimes, in every order and from every place; forks.

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOPPERS 4u

static void
nothing(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void
nothing_timed(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    (void)status;
    (void)arg;
}

static void
nothing_watched(weir_watch watch, unsigned events, void *arg)
{
    (void)watch;
    (void)events;
    (void)arg;
}

static void
nothing_signalled(weir_watch watch, int signal, void *arg)
{
    (void)watch;
    (void)signal;
    (void)arg;
}

static int
create(struct weir_runtime_options options)
{
    struct wi_runtime *runtime = NULL;
    int result = wi_runtime_create(&options, &idle_service, &runtime);

    if (result == 0) {
        runtime_end((struct weir_runtime *)(void *)runtime);
    } else {
        assert_null(runtime);
    }
    return result;
}

static unsigned
descriptors_open(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 200; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

// ---- making -------------------------------------------------------------------------------------

static void
options_are_checked(void **state)
{
    (void)state;
    assert_int_equal(create((struct weir_runtime_options){0}), 0);
    assert_int_equal(create((struct weir_runtime_options){.loops = 257}), -EINVAL);
    assert_int_equal(create((struct weir_runtime_options){.flags = 4}), -EINVAL);
    assert_int_equal(create((struct weir_runtime_options){.lane_entries = 1}), -EINVAL);
    assert_int_equal(create((struct weir_runtime_options){.lane_entries = 3}), -EINVAL);
    assert_int_equal(create((struct weir_runtime_options){.lane_entries = 1u << 21}), -EINVAL);
    assert_int_equal(create((struct weir_runtime_options){.loops = 1, .lane_entries = 1u << 20}),
                     0);
    assert_int_equal(create((struct weir_runtime_options){.loops = 2, .flags = WEIR_PIN}), 0);
}

static void
loops_are_found_by_their_index(void **state)
{
    struct weir_runtime *runtime = runtime_make(3, 0);

    (void)state;
    assert_int_equal(weir_runtime_loop_count(runtime), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wi_loop_of(weir_runtime_loop(runtime, i))->index, i);
    }
    assert_null(weir_runtime_loop(runtime, 3));
    assert_null(weir_runtime_loop(NULL, 0));
    assert_int_equal(weir_runtime_loop_count(NULL), 0);
    runtime_end(runtime);
}

static void
only_so_many_live_at_once(void **state)
{
    struct weir_runtime *runtimes[WI_RUNTIMES_MAX];
    struct wi_runtime *beyond = NULL;
    unsigned index;
    unsigned before = descriptors_open();

    (void)state;
    for (unsigned i = 0; i < WI_RUNTIMES_MAX; i++) {
        runtimes[i] = runtime_make(1, WEIR_MANUAL);
    }
    assert_int_equal(wi_runtime_create(NULL, &idle_service, &beyond), -EMFILE);
    index = wi_runtime_of(runtimes[7])->index;
    runtime_end(runtimes[7]);
    runtimes[7] = runtime_make(1, WEIR_MANUAL);
    assert_int_equal(wi_runtime_of(runtimes[7])->index, index);
    for (unsigned i = 0; i < WI_RUNTIMES_MAX; i++) {
        runtime_end(runtimes[i]);
    }
    assert_int_equal(descriptors_open(), before);
}

static void
a_failing_upper_layer_leaves_nothing_behind(void **state)
{
    unsigned before = descriptors_open();

    (void)state;
    service_log = (struct service_log){.tables_fail = ENOMEM};
    assert_int_equal(create((struct weir_runtime_options){.loops = 3}), -ENOMEM);
    assert_int_equal(wi_load_relaxed(&service_log.finis), 0);
    for (unsigned at = 1; at <= 3; at++) {
        for (unsigned leaves = 0; leaves < 2; leaves++) {
            service_log = (struct service_log){.init_fail_at = at, .init_leaves_net = leaves == 1};
            assert_int_equal(create((struct weir_runtime_options){.loops = 3}), -ENOBUFS);
            assert_int_equal(wi_load_relaxed(&service_log.finis), at - 1 + leaves);
            assert_int_equal(wi_load_relaxed(&service_log.stops), 0);
        }
    }
    service_log = (struct service_log){0};
    assert_int_equal(descriptors_open(), before);
    no_failures();
}

static void
memory_that_runs_out_leaves_nothing_behind(void **state)
{
    unsigned before = descriptors_open();
    unsigned long nth = 0;
    int result;

    (void)state;
    do {
        struct weir_runtime_options options = {.loops = 2};
        struct wi_runtime *runtime = NULL;

        wi_heap_fail(++nth, 0);
        result = wi_runtime_create(&options, &idle_service, &runtime);
        wi_heap_fail(0, 0);
        assert_true(result == 0 || result == -ENOMEM);
        if (result == 0) {
            runtime_end((struct weir_runtime *)(void *)runtime);
        }
        assert_int_equal(descriptors_open(), before);
    } while (result != 0);
    assert_true(nth > 3);
}

static void
every_descriptor_is_closed_on_exec(void **state)
{
    struct weir_runtime *runtime = runtime_make(2, 0);

    (void)state;
    for (int fd = 3; fd < 200; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (fd == runtime_loop(runtime, 0)->poller || fd == runtime_loop(runtime, 1)->wake_fd) {
            assert_true(flags >= 0 && (flags & FD_CLOEXEC) != 0);
        }
    }
    runtime_end(runtime);
}

static void
note_mask(struct weir_loop *loop, void *arg)
{
    struct goal *goal = arg;
    sigset_t mask;

    (void)loop;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    FAILED_UNLESS(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1);
    goal_add(goal);
}

static void
loops_block_all_signals(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct goal goal = {.wanted = 1};
    sigset_t mask;

    (void)state;
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), note_mask, &goal), 0);
    await(reached, &goal);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM)); // ours is as it was
    runtime_end(runtime);
    no_failures();
}

// ---- stopping and freeing -----------------------------------------------------------------------

static void
each_order_of_stop_and_free_has_its_answer(void **state)
{
    static const unsigned flags[] = {0, WEIR_MANUAL};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct weir_runtime *runtime = runtime_make(2, flags[i]);

        assert_int_equal(weir_runtime_free(runtime), -EBUSY);
        assert_int_equal(weir_runtime_stop(runtime, WEIR_NEVER), 0);
        assert_int_equal(weir_runtime_stop(runtime, 0), -EALREADY);
        assert_int_equal(weir_runtime_free(runtime), 0);
    }
    assert_int_equal(weir_runtime_free(NULL), 0);
    assert_int_equal(weir_runtime_stop(NULL, 0), -EINVAL);
}

struct verdict {
    struct weir_runtime *runtime;
    int stop;
    int free;
    struct goal done;
};

static void
stop_and_free_here(struct weir_loop *loop, void *arg)
{
    struct verdict *verdict = arg;

    (void)loop;
    verdict->stop = weir_runtime_stop(verdict->runtime, 0);
    verdict->free = weir_runtime_free(verdict->runtime);
    goal_add(&verdict->done);
}

static void
a_loop_cannot_stop_or_free_its_own_runtime(void **state)
{
    static const unsigned flags[] = {0, WEIR_MANUAL};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct weir_runtime *runtime = runtime_make(1, flags[i]);
        struct verdict verdict = {.runtime = runtime, .done.wanted = 1};

        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), stop_and_free_here, &verdict), 0);
        if (flags[i] == WEIR_MANUAL) {
            loop_settle(weir_runtime_loop(runtime, 0));
        }
        await(reached, &verdict.done);
        assert_int_equal(verdict.stop, -EDEADLK);
        assert_int_equal(verdict.free, -EDEADLK);
        runtime_end(runtime);
    }
}

static void *
stop_concurrently(void *arg)
{
    struct verdict *verdict = arg;

    verdict->stop = weir_runtime_stop(verdict->runtime, 0);
    return NULL;
}

static void
of_many_who_stop_one_does(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct weir_runtime *runtime = runtime_make(2, 0);
        struct verdict verdicts[STOPPERS];
        pthread_t threads[STOPPERS];
        unsigned winners = 0;

        for (unsigned i = 0; i < STOPPERS; i++) {
            verdicts[i] = (struct verdict){.runtime = runtime};
            thread_go(&threads[i], stop_concurrently, &verdicts[i]);
        }
        for (unsigned i = 0; i < STOPPERS; i++) {
            thread_end_of(threads[i]);
            winners += verdicts[i].stop == 0;
            assert_true(verdicts[i].stop == 0 || verdicts[i].stop == -EALREADY);
        }
        assert_int_equal(winners, 1);
        assert_int_equal(weir_runtime_free(runtime), 0);
    }
}

static void
a_second_stop_does_not_change_the_deadline(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);

    (void)state;
    assert_int_equal(weir_runtime_stop(runtime, 12345), 0);
    assert_int_equal(weir_runtime_stop(runtime, 99999), -EALREADY);
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->stop_deadline), 12345);
    assert_int_equal(weir_runtime_free(runtime), 0);
}

static void
everything_new_is_refused_after_the_stop(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, 0);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct weir_timer timer = {.fn = nothing_timed};
    static const int signals[] = {SIGUSR1};
    weir_watch watch;
    weir_token token;
    weir_token old;

    (void)state;
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, &old), 0);
    assert_int_equal(weir_runtime_stop(runtime, 0), 0);
    assert_int_equal(weir_post(loop, nothing, NULL), -WEIR_EENDED);
    assert_int_equal(weir_timer_start(loop, &timer, NULL), -WEIR_EENDED);
    assert_int_equal(weir_watch_start(loop, 0, WEIR_WATCH_IN, nothing_watched, NULL, &watch),
                     -WEIR_EENDED);
    assert_int_equal(weir_signal_start(loop, signals, 1, nothing_signalled, NULL, &watch),
                     -WEIR_EENDED);
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, &token), -WEIR_EENDED);
    assert_int_equal(weir_token_fire(old, 0, 0), 0); // what lives can still be fired and freed
    assert_int_equal(weir_token_status(old), -ECANCELED);
    assert_int_equal(weir_token_free(old), 0);
    assert_int_equal(weir_token_status(old), -WEIR_ESTALE);
    assert_int_equal(weir_runtime_free(runtime), 0);
}

// ---- forks --------------------------------------------------------------------------------------

struct before_fork {
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    weir_op op;
    weir_token token;
    weir_watch watch;
};

// In the child: what is the first call that did not answer -ECHILD? 0: none.
static int
child_calls(const struct before_fork *at)
{
    struct weir_timer timer = {.fn = nothing_timed};
    struct wi_runtime *made;
    static const int signals[] = {SIGUSR1};
    weir_token token;
    weir_watch watch;
    const int answers[] = {
        wi_runtime_create(NULL, &idle_service, &made),
        weir_runtime_stop(at->runtime, 0),
        weir_runtime_free(at->runtime),
        weir_loop_turn(at->loop, 0),
        weir_loop_fd(at->loop),
        (int)weir_loop_timeout_ns(at->loop),
        weir_post(at->loop, nothing, NULL),
        weir_lane_notify(at->loop, nothing, NULL),
        weir_timer_start(at->loop, &timer, NULL),
        weir_cancel(at->op),
        weir_op_wait(at->op, WEIR_NEVER),
        weir_watch_start(at->loop, 0, WEIR_WATCH_IN, nothing_watched, NULL, &watch),
        weir_watch_stop(at->watch),
        weir_signal_start(at->loop, signals, 1, nothing_signalled, NULL, &watch),
        weir_token_create(at->runtime, at->token, &token),
        weir_token_fire(at->token, 0, 0),
        weir_token_status(at->token),
        weir_token_free(at->token),
    };

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i] != -ECHILD) {
            return (int)i + 1;
        }
    }
    return weir_op_is_busy(at->op) ? 99 : 0;
}

static int
fork_and_call(const struct before_fork *at)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        alarm(20);
        _exit(child_calls(at));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void
fork_on_the_loop(struct weir_loop *loop, void *arg)
{
    const struct before_fork *at = arg;

    FAILED_UNLESS(weir_loop_current() == loop);
    FAILED_UNLESS(fork_and_call(at) == 0);
}

static void *
exit_in_a_child(void *arg)
{
    struct weir_loop *loop = arg;
    int status = -1;
    pid_t child;

    FAILED_UNLESS(weir_post(loop, nothing, NULL) == 0); // the thread has a lane
    wi_cold_lock();                                     // as if another thread was inside
    child = fork();
    if (child == 0) {
        alarm(20);
        pthread_exit(NULL); // the thread's hooks run, then the process ends
    }
    wi_cold_unlock();
    FAILED_UNLESS(child > 0 && waitpid(child, &status, 0) == child);
    FAILED_UNLESS(WIFEXITED(status));
    return NULL;
}

static void
in_a_forked_child_every_call_says_so(void **state)
{
    struct weir_timer timer = {.deadline_ns = WEIR_NEVER, .fn = nothing_timed};
    struct before_fork at = {.runtime = runtime_make(1, WEIR_MANUAL)};
    uint64_t wakes;

    (void)state;
    at.loop = weir_runtime_loop(at.runtime, 0);
    assert_int_equal(weir_token_create(at.runtime, (weir_token){0}, &at.token), 0);
    assert_int_equal(weir_timer_start(at.loop, &timer, &at.op), 0);
    assert_int_equal(weir_watch_start(at.loop, wi_loop_of(at.loop)->wake_fd + 0, WEIR_WATCH_IN,
                                      nothing_watched, NULL, &at.watch),
                     -EEXIST);
    at.watch.bits = wi_handle(WI_HANDLE_WATCH, 0, 0, 1);
    loop_settle(at.loop);
    assert_int_equal(fork_and_call(&at), 0);
    assert_int_equal(weir_post(at.loop, fork_on_the_loop, &at), 0);
    loop_settle(at.loop);
    // The parent goes on as before; its loop is not woken by a child that ends.
    assert_true(weir_loop_timeout_ns(at.loop) != 0);
    wakes = wi_load_relaxed(&wi_loop_of(at.loop)->wakes);
    assert_int_equal(weir_token_status(at.token), 0);
    assert_true(weir_op_is_busy(at.op));
    assert_int_equal(weir_cancel(at.op), WEIR_CANCEL_WON);
    assert_int_equal(wi_load_relaxed(&wi_loop_of(at.loop)->wakes), wakes + 1);
    runtime_end(at.runtime);
    no_failures();
}

static void
a_forked_child_ends_without_touching_its_parent(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);

    (void)state;
    thread_run_joined(exit_in_a_child, weir_runtime_loop(runtime, 0));
    runtime_end(runtime);
    no_failures();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(loops_are_found_by_their_index),
        cmocka_unit_test(only_so_many_live_at_once),
        cmocka_unit_test(a_failing_upper_layer_leaves_nothing_behind),
        cmocka_unit_test(memory_that_runs_out_leaves_nothing_behind),
        cmocka_unit_test(every_descriptor_is_closed_on_exec),
        cmocka_unit_test(loops_block_all_signals),
        cmocka_unit_test(each_order_of_stop_and_free_has_its_answer),
        cmocka_unit_test(a_loop_cannot_stop_or_free_its_own_runtime),
        cmocka_unit_test(of_many_who_stop_one_does),
        cmocka_unit_test(a_second_stop_does_not_change_the_deadline),
        cmocka_unit_test(everything_new_is_refused_after_the_stop),
        cmocka_unit_test(in_a_forked_child_every_call_says_so),
        cmocka_unit_test(a_forked_child_ends_without_touching_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
