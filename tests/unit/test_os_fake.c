// os: fake
// SPDX-License-Identifier: MIT
// The scripted kernel itself, and a runtime on it: every system call fails in turn.

#include "tests/lib/os_fake.h"

#include "runtime/runtime.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <string.h>

#define MS UINT64_C(1000000)

static int
fresh(void **state)
{
    (void)state;
    os_fake_reset();
    return 0;
}

static uint32_t
wait_for(int poller)
{
    struct epoll_event event = {0};

    return wi_os_wait(poller, &event, 1, 0) == 1 ? event.events : 0;
}

static void
pair_make(int fds[2])
{
    assert_int_equal(os_fake_pair(fds), 0);
}

// ---- the kernel ---------------------------------------------------------------------------------

static void
a_full_pipe_takes_a_part_and_then_nothing(void **state)
{
    char out[100];
    char in[100];
    int fds[2];

    (void)state;
    os_fake_set_capacity(64);
    pair_make(fds);
    for (unsigned i = 0; i < sizeof(out); i++) {
        out[i] = (char)i;
    }
    assert_int_equal(wi_os_send(fds[0], out, 40), 40);
    assert_int_equal(wi_os_send(fds[0], out + 40, 60), 24);
    assert_int_equal(wi_os_send(fds[0], out + 64, 36), -EAGAIN);
    assert_int_equal(os_fake_buffered(fds[1]), 64);
    assert_int_equal(wi_os_receive(fds[1], in, 50), 50);
    assert_int_equal(wi_os_send(fds[0], out + 64, 36), 36);
    assert_int_equal(wi_os_receive(fds[1], in + 50, 100), 50);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(wi_os_receive(fds[1], in, 1), -EAGAIN);
}

static void
limits_make_transfers_short(void **state)
{
    struct iovec iov[2] = {{.iov_base = (char[]){"abc"}, .iov_len = 3},
                           {.iov_base = (char[]){"defg"}, .iov_len = 4}};
    char in[8] = {0};
    int fds[2];

    (void)state;
    pair_make(fds);
    os_fake_set_limits(5, 2);
    assert_int_equal(wi_os_send_vector(fds[0], iov, 2), 5);
    assert_int_equal(wi_os_receive(fds[1], in, 8), 2);
    os_fake_set_limits(0, 0);
    assert_int_equal(wi_os_receive(fds[1], in + 2, 8), 3);
    assert_string_equal(in, "abcde");
}

static void
a_file_is_sent_and_read_from_where_it_is_asked(void **state)
{
    char in[8] = {0};
    int file = os_fake_disk("abcdefgh", 8);
    int fds[2];

    (void)state;
    os_fake_set_capacity(4);
    pair_make(fds);
    assert_int_equal(wi_os_send_file(fds[0], file, 2, 3, true), 3);
    assert_int_equal(wi_os_send_file(fds[0], file, 5, 9, true), 1);
    assert_int_equal(wi_os_send_file(fds[0], file, 6, 2, true), -EAGAIN);
    assert_int_equal(wi_os_receive(fds[1], in, 8), 4);
    assert_string_equal(in, "cdef");
    assert_int_equal(wi_os_send_file(fds[0], file, 8, 1, true), 0);
    assert_int_equal(wi_os_read_file(file, in, 8, 6), 2);
    assert_string_equal(in, "ghef");
    assert_int_equal(wi_os_read_file(file, in, 8, 8), 0);
    assert_int_equal(wi_os_send_file(fds[0], fds[1], 0, 1, true), -EBADF);
    assert_int_equal(wi_os_read_file(fds[1], in, 1, 0), -EBADF);
}

static void
ends_and_resets_are_told(void **state)
{
    char byte;
    int fds[2];

    (void)state;
    pair_make(fds);
    assert_int_equal(wi_os_send(fds[0], "x", 1), 1);
    assert_int_equal(wi_os_shutdown(fds[0], SHUT_WR), 0);
    assert_false(wi_os_is_at_end(fds[1]));
    assert_int_equal(wi_os_receive(fds[1], &byte, 1), 1);
    assert_true(wi_os_is_at_end(fds[1]));
    assert_int_equal(wi_os_receive(fds[1], &byte, 1), 0);
    assert_int_equal(wi_os_send(fds[0], "x", 1), -EPIPE);
    assert_int_equal(wi_os_send(fds[1], "y", 1), 1); // the other half is open
    assert_int_equal(wi_os_close(fds[0]), 0);        // with a byte unread
    assert_int_equal(wi_os_receive(fds[1], &byte, 1), -ECONNRESET);
    assert_int_equal(wi_os_receive(fds[1], &byte, 1), 0); // an error is told once
    assert_int_equal(wi_os_send(fds[1], "y", 1), -EPIPE);
    assert_int_equal(wi_os_close(fds[1]), 0);
    assert_int_equal(wi_os_close(fds[1]), -EBADF);
    assert_int_equal(os_fake_open_count(), 0);
}

static void
levels_repeat_and_edges_do_not(void **state)
{
    int level = wi_os_poller_create();
    int edge = wi_os_poller_create();
    char byte;
    int fds[2];

    (void)state;
    os_fake_set_capacity(4);
    pair_make(fds);
    assert_int_equal(wi_os_poll_add(level, fds[1], EPOLLIN, &level), 0);
    assert_int_equal(wi_os_poll_add(level, fds[1], EPOLLIN, &level), -EEXIST);
    assert_int_equal(wi_os_poll_add(edge, fds[1], EPOLLIN | EPOLLET, &edge), 0);
    assert_int_equal(wait_for(level) | wait_for(edge), 0);
    assert_int_equal(wi_os_send(fds[0], "ab", 2), 2);
    assert_int_equal(wait_for(level), EPOLLIN);
    assert_int_equal(wait_for(level), EPOLLIN);
    assert_int_equal(wait_for(edge), EPOLLIN);
    assert_int_equal(wait_for(edge), 0);
    assert_int_equal(wi_os_send(fds[0], "c", 1), 1); // another edge, though it was readable
    assert_int_equal(wait_for(edge), EPOLLIN);
    while (wi_os_receive(fds[1], &byte, 1) > 0) {
    }
    assert_int_equal(wait_for(level), 0);
    assert_int_equal(wi_os_poll_remove(level, fds[1]), 0);
    assert_int_equal(wi_os_poll_remove(level, fds[1]), -ENOENT);
    assert_int_equal(wi_os_poll_modify(level, fds[1], EPOLLIN, NULL), -ENOENT);
}

static void
room_is_an_edge_only_after_there_was_none(void **state)
{
    int poller = wi_os_poller_create();
    char in[4];
    int fds[2];

    (void)state;
    os_fake_set_capacity(4);
    pair_make(fds);
    assert_int_equal(wi_os_poll_add(poller, fds[0], EPOLLOUT | EPOLLET, NULL), 0);
    assert_int_equal(wait_for(poller), EPOLLOUT); // newly added
    assert_int_equal(wi_os_send(fds[0], "ab", 2), 2);
    assert_int_equal(wi_os_receive(fds[1], in, 2), 2);
    assert_int_equal(wait_for(poller), 0);
    assert_int_equal(wi_os_send(fds[0], "abcdef", 6), 4);
    assert_int_equal(wait_for(poller), 0);
    assert_int_equal(wi_os_receive(fds[1], in, 1), 1);
    assert_int_equal(wait_for(poller), EPOLLOUT);
    // After a scripted "not now" the edge comes too, or nobody would ever try again.
    os_fake_fail_call(OS_SEND, 1, EAGAIN, false);
    assert_int_equal(wi_os_send(fds[0], "x", 1), -EAGAIN);
    assert_int_equal(wait_for(poller), EPOLLOUT);
    assert_int_equal(wi_os_send(fds[0], "x", 1), 1);
}

static struct sockaddr_in
port(in_port_t number)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(number), .sin_addr.s_addr = htonl(0x7f000001)};
}

static void
connections_go_through_a_backlog(void **state)
{
    struct sockaddr_in where = port(80);
    struct sockaddr_in peer;
    struct sockaddr_in own;
    socklen_t size = sizeof(peer);
    int listener = wi_os_socket(AF_INET);
    int client = wi_os_socket(AF_INET);
    int poller = wi_os_poller_create();
    int error = -1;
    int server;

    (void)state;
    assert_int_equal(wi_os_bind(listener, (void *)&where, sizeof(where)), 0);
    assert_int_equal(wi_os_listen(listener, 4), 0);
    assert_int_equal(wi_os_accept(listener, (void *)&peer, &size), -EAGAIN);
    assert_int_equal(wi_os_poll_add(poller, client, EPOLLOUT | EPOLLET, NULL), 0);
    assert_int_equal(wi_os_connect(client, (void *)&where, sizeof(where)), -EINPROGRESS);
    assert_true(wait_for(poller) & EPOLLOUT);
    assert_int_equal(wi_os_get_option(client, SOL_SOCKET, SO_ERROR, &error), 0);
    assert_int_equal(error, 0);
    server = wi_os_accept(listener, (void *)&peer, &size);
    assert_true(server >= OS_FAKE_FIRST_FD);
    size = sizeof(own);
    assert_int_equal(wi_os_local_address(client, (void *)&own, &size), 0);
    assert_memory_equal(&own, &peer, sizeof(own));
    assert_int_equal(wi_os_send(client, "hi", 2), 2);
    assert_int_equal(os_fake_buffered(server), 2);
}

static void
nobody_listening_refuses(void **state)
{
    struct sockaddr_in where = port(81);
    int client = wi_os_socket(AF_INET);
    int local = wi_os_socket(AF_UNIX);
    int error = 0;

    (void)state;
    assert_int_equal(wi_os_connect(client, (void *)&where, sizeof(where)), -EINPROGRESS);
    assert_int_equal(wi_os_get_option(client, SOL_SOCKET, SO_ERROR, &error), 0);
    assert_int_equal(error, ECONNREFUSED);
    assert_int_equal(wi_os_connect(local, (void *)&where, sizeof(where)), -ECONNREFUSED);
    assert_int_equal(wi_os_socket(AF_APPLETALK), -EAFNOSUPPORT);
}

static void
time_passes_when_told_and_over_bounded_waits(void **state)
{
    int poller = wi_os_poller_create();
    struct epoll_event event;

    (void)state;
    assert_true(wi_os_now_ns() == OS_FAKE_START_NS);
    os_fake_advance(5);
    assert_true(wi_os_now_ns() == OS_FAKE_START_NS + 5);
    assert_int_equal(wi_os_wait(poller, &event, 1, 30), 0);
    assert_true(wi_os_now_ns() == OS_FAKE_START_NS + 5 + 30 * MS);
    os_fake_set_now(7);
    assert_true(wi_os_now_ns() == 7);
}

static void
the_countdown_strikes_once_or_for_ever(void **state)
{
    (void)state;
    os_fake_fail(2, EMFILE, false);
    assert_true(wi_os_socket(AF_INET) > 0);
    assert_int_equal(wi_os_poller_create(), -EMFILE);
    assert_int_equal(os_fake_failed(), OS_POLLER_CREATE);
    assert_string_equal(os_fake_call_name(os_fake_failed()), "poller_create");
    assert_true(wi_os_poller_create() > 0);
    assert_int_equal(os_fake_calls(), 3);
    os_fake_fail(1, ENOBUFS, true);
    assert_int_equal(wi_os_socket(AF_INET), -ENOBUFS);
    assert_int_equal(wi_os_wake_create(), -ENOBUFS);
    os_fake_aside(true); // the test's own calls
    assert_true(wi_os_socket(AF_INET) > 0);
    os_fake_aside(false);
    assert_int_equal(os_fake_calls(), 2);
    os_fake_fail(0, 0, false);
    os_fake_fail_call(OS_SOCKET, 1, EACCES, false);
    assert_true(wi_os_wake_create() > 0);
    assert_int_equal(wi_os_socket(AF_INET), -EACCES);
}

// ---- a runtime on it ----------------------------------------------------------------------------

static void
making_a_runtime_survives_every_failing_call(void **state)
{
    static const unsigned flags[] = {WEIR_MANUAL, 0, WEIR_PIN};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct weir_runtime_options options = {.loops = 3, .flags = flags[i]};
        unsigned long nth = 0;
        int result;

        do {
            struct wi_runtime *runtime = NULL;

            os_fake_reset();
            os_fake_fail(++nth, EMFILE, false);
            result = wi_runtime_create(&options, &idle_service, &runtime);
            if (result == 0) {
                runtime_end((struct weir_runtime *)(void *)runtime);
            }
            assert_true(result == 0 || result == -EMFILE || result == -ENOMEM);
            assert_int_equal(os_fake_open_count(), 0);
        } while (os_fake_calls() >= nth);
        assert_true(nth > 9); // a poller, a wake-up and its watch for each loop
    }
    no_failures();
}

static void
told(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    FAILED_UNLESS(status == 0);
    goal_add(arg);
}

static void
a_loop_on_the_fake_clock_skips_to_its_timers(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct goal goal = {.wanted = 1};
    uint64_t deadline = weir_deadline_after(UINT64_C(86400) * 1000 * MS);
    struct weir_timer timer = {.deadline_ns = deadline, .fn = told, .arg = &goal};
    unsigned turns = 0;

    (void)state;
    assert_int_equal(weir_timer_start(loop, &timer, NULL), 0);
    while (!reached(&goal)) {
        assert_true(weir_loop_turn(loop, -1) >= 0);
        turns++;
    }
    assert_true(weir_now_ns() >= deadline && weir_now_ns() < deadline + 2 * MS);
    assert_true(turns < 20);
    runtime_end(runtime);
}

static void
threads_on_the_fake_kernel_are_woken(void **state)
{
    struct weir_runtime *runtime = runtime_make(2, 0);
    struct goal goal = {.wanted = 0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        goal.wanted++;
        assert_int_equal(weir_post(weir_runtime_loop(runtime, i % 2), post_goal, &goal), 0);
        if (i % 3 == 0) {
            await(reached, &goal);
        }
    }
    await(reached, &goal);
    runtime_end(runtime);
    assert_int_equal(os_fake_open_count(), 0);
    no_failures();
}

static void
a_wait_that_fails_is_tried_again(void **state)
{
    static const int errors[] = {EINTR, EBADF};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
        struct goal goal = {.wanted = 1};

        os_fake_fail_call(OS_WAIT, 1, errors[i], false);
        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_goal, &goal), 0);
        assert_true(weir_loop_turn(weir_runtime_loop(runtime, 0), -1) > 0);
        assert_true(reached(&goal));
        runtime_end(runtime);
    }
}

static void
ignore_watch(weir_watch watch, unsigned events, void *arg)
{
    (void)watch;
    if (events == 0) {
        goal_add(arg);
    }
}

static void
a_watch_survives_every_failing_call(void **state)
{
    unsigned long nth = 0;

    (void)state;
    do {
        struct weir_runtime *runtime;
        struct goal ends = {.wanted = 1};
        weir_watch watch;
        int fds[2];
        int result;

        os_fake_reset();
        runtime = runtime_make(1, WEIR_MANUAL);
        pair_make(fds);
        os_fake_fail(++nth, ENOMEM, false);
        result = weir_watch_start(weir_runtime_loop(runtime, 0), fds[0], WEIR_WATCH_IN,
                                  ignore_watch, &ends, &watch);
        assert_int_equal(result, os_fake_failed() == OS_POLL_ADD ? -ENOMEM : 0);
        loop_settle(weir_runtime_loop(runtime, 0));
        if (result == 0) {
            assert_int_equal(weir_watch_stop(watch), 0);
        }
        assert_int_equal(weir_runtime_stop(runtime, 0), 0);
        assert_int_equal(reached(&ends), result == 0); // also when the poller could not let go
        assert_int_equal(weir_runtime_free(runtime), 0);
    } while (os_fake_calls() >= nth);
    assert_true(nth > 3);
}

#define FRESH(test) cmocka_unit_test_setup(test, fresh)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_full_pipe_takes_a_part_and_then_nothing),
        FRESH(limits_make_transfers_short),
        FRESH(a_file_is_sent_and_read_from_where_it_is_asked),
        FRESH(ends_and_resets_are_told),
        FRESH(levels_repeat_and_edges_do_not),
        FRESH(room_is_an_edge_only_after_there_was_none),
        FRESH(connections_go_through_a_backlog),
        FRESH(nobody_listening_refuses),
        FRESH(time_passes_when_told_and_over_bounded_waits),
        FRESH(the_countdown_strikes_once_or_for_ever),
        FRESH(making_a_runtime_survives_every_failing_call),
        FRESH(a_loop_on_the_fake_clock_skips_to_its_timers),
        FRESH(threads_on_the_fake_kernel_are_woken),
        FRESH(a_wait_that_fails_is_tried_again),
        FRESH(a_watch_survives_every_failing_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
