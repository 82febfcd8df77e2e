// SPDX-License-Identifier: MIT
// Watches of foreign descriptors, and signal sources.

#include "runtime/watch.h"

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUNDS ROUNDS_OF(1600u)

static struct weir_runtime *runtime;
static struct weir_loop *loop;

static int
scene_open(void **state)
{
    (void)state;
    runtime = runtime_make(1, WEIR_MANUAL);
    loop = weir_runtime_loop(runtime, 0);
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    runtime_end(runtime);
    no_failures();
    return 0;
}

struct seen {
    unsigned calls; // with events
    unsigned last;  // the events
    unsigned ends;
    weir_watch watch;
    weir_watch stops; // stop this one at an event
    int signal;
};

static void
note(weir_watch watch, unsigned events, void *arg)
{
    struct seen *seen = arg;

    FAILED_UNLESS(watch.bits == seen->watch.bits);
    FAILED_UNLESS(seen->ends == 0); // the last call is the last
    if (events == 0) {
        seen->ends++;
        return;
    }
    seen->calls++;
    seen->last = events;
    if (seen->stops.bits != 0) {
        weir_watch_stop(seen->stops);
    }
}

static void
note_signal(weir_watch watch, int signal, void *arg)
{
    struct seen *seen = arg;

    FAILED_UNLESS(watch.bits == seen->watch.bits);
    seen->signal = signal;
    seen->calls += signal != 0;
    seen->ends += signal == 0;
    if (signal != 0 && seen->stops.bits != 0) {
        weir_watch_stop(seen->stops);
    }
}

static int
counter_make(unsigned value)
{
    int fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);

    assert_true(fd >= 0);
    return fd;
}

static void
watch(int fd, unsigned events, struct seen *seen)
{
    assert_int_equal(weir_watch_start(loop, fd, events, note, seen, &seen->watch), 0);
}

static void
arguments_are_checked(void **state)
{
    int fd = counter_make(0);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct seen seen = {0};
    weir_watch handle = {77};

    (void)state;
    assert_int_equal(weir_watch_start(NULL, fd, WEIR_WATCH_IN, note, &seen, &handle), -EINVAL);
    assert_int_equal(weir_watch_start(loop, fd, WEIR_WATCH_IN, NULL, &seen, &handle), -EINVAL);
    assert_int_equal(weir_watch_start(loop, fd, WEIR_WATCH_IN, note, &seen, NULL), -EINVAL);
    assert_int_equal(weir_watch_start(loop, fd, WEIR_WATCH_HUP, note, &seen, &handle), -EINVAL);
    assert_int_equal(weir_watch_start(loop, -1, WEIR_WATCH_IN, note, &seen, &handle), -EBADF);
    assert_int_equal(weir_watch_start(loop, 1 << 20, WEIR_WATCH_IN, note, &seen, &handle), -EBADF);
    assert_int_equal(weir_watch_start(loop, file, WEIR_WATCH_IN, note, &seen, &handle), -EPERM);
    assert_int_equal(weir_watch_stop((weir_watch){0}), -WEIR_ESTALE);
    loop_settle(loop);
    assert_int_equal(seen.calls + seen.ends, 0);
    assert_int_equal(wi_loop_of(loop)->open_things, 0);
    close(fd);
    close(file);
}

static void
events_come_until_the_stop_and_then_the_last_call(void **state)
{
    struct seen seen = {0};
    int fd = counter_make(0);
    uint64_t value;

    (void)state;
    watch(fd, WEIR_WATCH_IN, &seen);
    loop_settle(loop);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(eventfd_write(fd, 1), 0);
    assert_true(weir_loop_turn(loop, -1) > 0);
    assert_true(weir_loop_turn(loop, -1) > 0); // level-triggered: again until it is read
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.last, WEIR_WATCH_IN);
    assert_int_equal(eventfd_read(fd, &value), 0);
    loop_settle(loop);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(weir_watch_stop(seen.watch), 0);
    assert_int_equal(weir_watch_stop(seen.watch), -WEIR_ESTALE);
    assert_int_equal(seen.ends, 0); // never from inside the call
    loop_settle(loop);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(eventfd_write(fd, 1), 0); // the descriptor is the program's again
    loop_settle(loop);
    assert_int_equal(seen.calls, 2);
    close(fd);
}

static void
each_kind_of_event_is_told(void **state)
{
    struct seen reader = {0};
    struct seen writer = {0};
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    watch(fds[1], WEIR_WATCH_OUT, &writer);
    watch(fds[0], WEIR_WATCH_IN, &reader);
    assert_true(weir_loop_turn(loop, -1) > 0);
    assert_int_equal(writer.last, WEIR_WATCH_OUT);
    assert_int_equal(weir_watch_stop(writer.watch), 0);
    loop_settle(loop);
    close(fds[1]);
    assert_true(weir_loop_turn(loop, -1) > 0);
    assert_int_equal(reader.last, WEIR_WATCH_HUP);
    assert_int_equal(weir_watch_stop(reader.watch), 0);
    loop_settle(loop);
    close(fds[0]);
}

static void
after_a_stop_in_a_callback_only_the_last_call_comes(void **state)
{
    struct seen seen[2] = {{0}};
    int fds[2] = {counter_make(1), counter_make(1)};

    (void)state;
    watch(fds[0], WEIR_WATCH_IN, &seen[0]);
    watch(fds[1], WEIR_WATCH_IN, &seen[1]);
    seen[0].stops = seen[1].watch; // both are ready: whichever is first stops the other
    seen[1].stops = seen[0].watch;
    assert_true(weir_loop_turn(loop, -1) > 0);
    assert_int_equal(seen[0].calls + seen[1].calls, 1);
    for (unsigned i = 0; i < 2; i++) {
        seen[i].stops = (weir_watch){0};
        weir_watch_stop(seen[i].watch);
    }
    loop_settle(loop);
    assert_int_equal(seen[0].calls + seen[1].calls, 1);
    assert_int_equal(seen[0].ends + seen[1].ends, 2);
    close(fds[0]);
    close(fds[1]);
}

static void
slots_are_used_again_and_old_handles_stay_stale(void **state)
{
    weir_watch old = {0};
    int fd = counter_make(0);

    (void)state;
    for (unsigned i = 0; i < 5 * WI_WATCH_SEGMENT; i++) {
        struct seen seen = {0};

        watch(fd, WEIR_WATCH_IN, &seen);
        if (old.bits != 0) {
            assert_true(old.bits != seen.watch.bits);
            assert_int_equal(weir_watch_stop(old), -WEIR_ESTALE);
        }
        old = seen.watch;
        assert_int_equal(weir_watch_stop(old), 0); // before the loop ever saw it
        loop_settle(loop);
        assert_int_equal(seen.ends, 1);
    }
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->watches.segments), 1);
    close(fd);
}

static void
a_stop_of_the_runtime_ends_every_watch(void **state)
{
    struct weir_runtime *own = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *own_loop = weir_runtime_loop(own, 0);
    struct seen seen[3] = {{0}};
    int fds[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = counter_make(0);
        assert_int_equal(
            weir_watch_start(own_loop, fds[i], WEIR_WATCH_IN, note, &seen[i], &seen[i].watch), 0);
        if (i == 1) {
            loop_settle(own_loop);
        }
    }
    assert_int_equal(weir_watch_stop(seen[1].watch), 0); // one is ending already
    assert_int_equal(weir_runtime_stop(own, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(seen[i].ends, 1);
        close(fds[i]);
    }
    assert_int_equal(weir_watch_start(own_loop, 0, WEIR_WATCH_IN, note, &seen[0], &seen[0].watch),
                     -WEIR_EENDED);
    assert_int_equal(weir_runtime_free(own), 0);
}

// A watch started on its loop after the stop was decided and before the loop heard of it.
static void
a_start_that_meets_the_stop_is_ended_too(void **state)
{
    struct weir_runtime *own = runtime_make(1, WEIR_MANUAL);
    struct wi_loop *own_loop = runtime_loop(own, 0);
    struct seen seen = {0};
    int fd = counter_make(0);

    (void)state;
    wi_loop_control(own_loop, &own_loop->stop_control);
    loop_enter(own_loop);
    assert_int_equal(
        weir_watch_start(wi_loop_public(own_loop), fd, WEIR_WATCH_IN, note, &seen, &seen.watch), 0);
    loop_leave();
    for (unsigned i = 0; i < 5; i++) {
        assert_true(weir_loop_turn(wi_loop_public(own_loop), 0) >= 0);
    }
    assert_int_equal(seen.ends, 1);
    assert_true(own_loop->idle);
    own_loop->idle = false; // the real stop now
    wi_store_relaxed(&own_loop->runtime->idle_loops, 0);
    runtime_end(own);
    close(fd);
}

static void
memory_that_runs_out_starts_nothing(void **state)
{
    struct seen seen = {0};
    int fd = counter_make(1);

    (void)state;
    wi_heap_fail(1, 1);
    assert_int_equal(weir_watch_start(loop, fd, WEIR_WATCH_IN, note, &seen, &seen.watch), -ENOMEM);
    wi_heap_fail(0, 0);
    loop_settle(loop);
    assert_int_equal(seen.calls + seen.ends, 0);
    close(fd);
}

// ---- threads ------------------------------------------------------------------------------------

struct pair {
    wi_atomic_u64 watch;
    wi_atomic_u32 ends;
};

static void
note_end(weir_watch handle, unsigned events, void *arg)
{
    struct pair *pair = arg;

    (void)handle;
    if (events == 0) {
        wi_add_acq_rel(&pair->ends, 1);
    }
}

static void *
stop_each(void *arg)
{
    struct pair *pair = arg;

    for (unsigned i = 0; i < ROUNDS;) {
        uint64_t bits = wi_swap_acq_rel(&pair->watch, 0);

        if (bits == 0) {
            sched_yield();
            continue;
        }
        FAILED_UNLESS(weir_watch_stop((weir_watch){bits}) == 0);
        i++;
    }
    return NULL;
}

static void
starts_and_stops_from_threads_each_end_once(void **state)
{
    struct weir_runtime *own = runtime_make(1, 0);
    struct pair pair = {0};
    int fd = counter_make(1); // ready all the time
    pthread_t thread;

    (void)state;
    thread_go(&thread, stop_each, &pair);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        weir_watch handle;

        assert_int_equal(weir_watch_start(weir_runtime_loop(own, 0), fd, WEIR_WATCH_IN, note_end,
                                          &pair, &handle),
                         0);
        wi_store_release(&pair.watch, handle.bits);
        while (wi_load_acquire(&pair.ends) != i + 1) {
            sched_yield();
        }
    }
    thread_end_of(thread);
    runtime_end(own);
    assert_int_equal(wi_load_relaxed(&pair.ends), ROUNDS);
    close(fd);
}

// ---- signals ------------------------------------------------------------------------------------

static void
signals_arrive_on_the_loop(void **state)
{
    static const int signals[] = {SIGUSR1, SIGUSR2};
    static const int wrong[] = {SIGUSR1, 12345};
    struct seen seen = {0};

    (void)state;
    assert_int_equal(weir_signal_start(loop, signals, 0, note_signal, &seen, &seen.watch), -EINVAL);
    assert_int_equal(weir_signal_start(loop, NULL, 1, note_signal, &seen, &seen.watch), -EINVAL);
    assert_int_equal(weir_signal_start(loop, signals, 1, NULL, &seen, &seen.watch), -EINVAL);
    assert_int_equal(weir_signal_start(loop, signals, 1, note_signal, &seen, NULL), -EINVAL);
    assert_int_equal(weir_signal_start(NULL, signals, 1, note_signal, &seen, &seen.watch), -EINVAL);
    assert_int_equal(weir_signal_start(loop, wrong, 2, note_signal, &seen, &seen.watch), -EINVAL);
    assert_int_equal(weir_signal_start(loop, signals, 2, note_signal, &seen, &seen.watch), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    loop_settle(loop);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.signal, SIGUSR2);
    seen.stops = seen.watch; // stopping in the callback: no second one though two are pending
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    loop_settle(loop);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.ends, 1);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(arguments_are_checked),
        SCENE(events_come_until_the_stop_and_then_the_last_call),
        SCENE(each_kind_of_event_is_told),
        SCENE(after_a_stop_in_a_callback_only_the_last_call_comes),
        SCENE(slots_are_used_again_and_old_handles_stay_stale),
        SCENE(a_stop_of_the_runtime_ends_every_watch),
        SCENE(a_start_that_meets_the_stop_is_ended_too),
        SCENE(memory_that_runs_out_starts_nothing),
        SCENE(starts_and_stops_from_threads_each_end_once),
        SCENE(signals_arrive_on_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
