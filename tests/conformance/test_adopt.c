// SPDX-License-Identifier: MIT
//
// Adopting connected sockets: whose descriptor it is, and what is refused.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

// A socket pair: one end the library's, the other returned in *ret_peer, the fixture's.
static int
make_pair(struct fixture *fixture, int *ret_peer)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    *ret_peer = fixture_own_fd(fixture, fds[1]);
    return fds[0];
}

static struct weir_stream_options
recorded_options(struct fixture *fixture, struct events **ret_events)
{
    *ret_events = events_make(fixture);
    return (struct weir_stream_options){.handlers = events_handlers(), .user = *ret_events};
}

static void
a_socketpair_is_a_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct events *events;
    struct weir_stream_options options = recorded_options(fixture, &events);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 100000);
    weir_stream stream = {0};
    int peer;
    int fd = make_pair(fixture, &peer);

    call_begin();
    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), 0);
    call_end();
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_status(submit(fixture, stream, &request, NULL), 0);
    peer_read_pattern(fixture, peer, 100000, 0, 0);
    peer_write_pattern(fixture, peer, 100000, 0, 1);
    peer_finish(fixture, peer);
    events_wait(events, "peer_fin");
    assert_int_equal(events_input_size(events), 100000);
    assert_int_equal(pattern_check(events->input, 100000, 0, 1), 100000);
    assert_string_equal(events->list[0].name, "started");
    assert_status(weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    events_wait(events, "closed");
    assert_false(is_open(fd));
    events_expect_ending(events, "send_closed:1 closed:0");
}

// The handle is there before its stream has started; writes are taken.
static void
an_adopted_stream_takes_writes_before_it_started(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.unstarted = true});
    struct recorder *recorder = recorder_make(fixture);

    recorder->events = pair->events;
    events_expect(pair->events, "");
    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    recorder_wait(recorder, 1);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    events_expect(pair->events, "started done:0");
}

// N-T14: a peer that was gone already is an end like any other.
static void
a_peer_that_was_gone_already_is_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    weir_stream stream;
    int peer;
    int fd = make_pair(fixture, &peer);

    peer_write_pattern(fixture, peer, 100, 0, 0);
    fixture_close_fd(fixture, peer);
    assert_status(
        weir_adopt(fixture->loop, fd,
                   &(struct weir_stream_options){.handlers = &reader->handlers, .user = reader},
                   &stream),
        0);
    events_wait(&reader->events, "peer_fin");
    reader_wait_consumed(reader, 100);
    events_expect(&reader->events, "started data:100 peer_fin");
}

// What is refused stays the caller's.
static void
expect_refused(struct fixture *fixture, int fd, int status)
{
    struct events *events;
    struct weir_stream_options options = recorded_options(fixture, &events);
    weir_stream stream = {.bits = 42};
    int flags = fcntl(fd, F_GETFL);

    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), status);
    assert_int_equal(stream.bits, 42);
    fixture_settle(fixture);
    events_expect(events, "");
    assert_int_equal(fcntl(fd, F_GETFL), flags);
}

static void
what_is_no_socket_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int file = fixture_own_fd(fixture, eventfd(0, EFD_CLOEXEC));
    int closed = dup(file);

    close(closed);
    expect_refused(fixture, -1, -EBADF);
    expect_refused(fixture, closed, -EBADF);
    expect_refused(fixture, file, -ENOTSOCK);
    assert_true(is_open(file));
}

static void
sockets_of_other_kinds_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int datagrams[2];
    int packets[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, packets), 0);
    for (unsigned index = 0; index < 2; index++) {
        fixture_own_fd(fixture, datagrams[index]);
        fixture_own_fd(fixture, packets[index]);
    }
    expect_refused(fixture, datagrams[0], -ENOTSUP);
    expect_refused(fixture, packets[0], -ENOTSUP);
    expect_refused(fixture, fixture_own_fd(fixture, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
                   -ENOTSUP);
    assert_true(is_open(datagrams[0]));
    assert_true(is_open(packets[0]));
}

static void
sockets_that_are_not_connected_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int family = fixture->transport->family;
    struct weir_address address;
    int fd = fixture_own_fd(fixture, socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int listener = transport_listen(fixture, 0, &address);

    expect_refused(fixture, fd, -ENOTCONN);
    expect_refused(fixture, listener, -ENOTCONN);
    assert_true(is_open(fd));
    assert_true(is_open(listener));
}

static void
impossible_options_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_stream_options options = {.flags = 1u << 31};
    weir_stream stream = {.bits = 42};
    int peer;
    int fd = fixture_own_fd(fixture, make_pair(fixture, &peer));

    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), -EINVAL);
    options = (struct weir_stream_options){.queue_high = 10, .queue_low = 11};
    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), -EINVAL);
    options = (struct weir_stream_options){.input_high = 10, .input_low = 11};
    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), -EINVAL);
    options = (struct weir_stream_options){0};
    assert_status(weir_adopt(NULL, fd, &options, &stream), -EINVAL);
    assert_int_equal(stream.bits, 42);
    assert_true(is_open(fd));
    // Still usable by the caller.
    peer_write(fixture, peer, "x", 1);
    assert_int_equal(fixture_stats(fixture).streams_opened, 0);
}

static int
option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

// The options that are the kernel's.
static void
socket_options_are_set(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_stream_options options = {
        .flags = WEIR_STREAM_NODELAY | WEIR_STREAM_KEEPALIVE,
        .send_buffer = 20000,
        .receive_buffer = 30000,
        .user_timeout_ms = 4321,
    };
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    int connected = transport_connect(fixture, &address, 0);
    int fd = dup(connected);
    weir_stream stream;

    transport_accept(fixture, listener);
    assert_true(fd >= 0);
    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), 0);
    fixture_settle(fixture);
    if (fixture->transport->bit == TRANSPORT_VSOCK) {
        uint64_t size = 0;
        socklen_t room = sizeof(size);

        assert_int_equal(getsockopt(connected, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &room),
                         0);
        assert_int_equal(size, 30000);
        return;
    }
    // The kernel doubles what it is told.
    assert_int_equal(option(connected, SOL_SOCKET, SO_SNDBUF), 40000);
    assert_int_equal(option(connected, SOL_SOCKET, SO_RCVBUF), 60000);
    assert_int_equal(option(connected, SOL_SOCKET, SO_KEEPALIVE), 1);
    if (transport_is_tcp(fixture->transport)) {
        assert_int_equal(option(connected, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option(connected, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
    }
}

struct adopting {
    struct fixture *fixture;
    int fd;
    struct weir_stream_options options;
    weir_stream stream;
    int result;
};

static void
adopt_here(void *arg)
{
    struct adopting *adopting = arg;

    call_begin();
    adopting->result =
        weir_adopt(adopting->fixture->loop, adopting->fd, &adopting->options, &adopting->stream);
    call_end();
}

// From another thread, from the loop, and from another loop.
static void
any_thread_may_adopt(void **state)
{
    struct fixture *fixture =
        fixture_with(state, &(struct weir_runtime_options){.loops = 2, .flags = WEIR_MANUAL});

    for (unsigned from = 0; from < 3; from++) {
        struct adopting *adopting = fixture_memory(fixture, sizeof(*adopting));
        struct events *events;
        int peer;

        adopting->fixture = fixture;
        adopting->fd = make_pair(fixture, &peer);
        adopting->options = recorded_options(fixture, &events);
        if (from == 0) {
            thread_call(fixture, adopt_here, adopting);
        } else {
            loop_call(fixture, weir_runtime_loop(fixture->runtime, from - 1), adopt_here, adopting);
        }
        assert_status(adopting->result, 0);
        assert_ptr_equal(weir_stream_loop(adopting->stream), fixture->loop);
        peer_write(fixture, peer, "abc", 3);
        peer_finish(fixture, peer);
        events_wait(events, "peer_fin");
        events_expect(events, "started data:3 peer_fin");
    }
}

// ---- a message that overtakes ------------------------------------------------------------------

struct overtaker {
    struct fixture *fixture;
    struct recorder *recorder;
    weir_stream stream; // under the fixture's lock, as `step`
    unsigned step;
    int status;
};

static void
overtaker_step(struct overtaker *overtaker, unsigned step)
{
    pthread_mutex_lock(&overtaker->fixture->lock);
    overtaker->step = step;
    pthread_cond_broadcast(&overtaker->fixture->changed);
    pthread_mutex_unlock(&overtaker->fixture->lock);
}

static void
overtaker_await(struct overtaker *overtaker, unsigned step)
{
    pthread_mutex_lock(&overtaker->fixture->lock);
    while (overtaker->step < step) {
        pthread_cond_wait(&overtaker->fixture->changed, &overtaker->fixture->lock);
    }
    pthread_mutex_unlock(&overtaker->fixture->lock);
}

static void
nothing(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void
overtake(void *arg)
{
    struct overtaker *overtaker = arg;
    struct weir_write request = request_make(overtaker->recorder, 0, 1000);

    // Our lane is the first that the loop will look at, and takes what we put behind this too.
    overtaker->status = weir_post(overtaker->fixture->loop, nothing, NULL);
    overtaker_step(overtaker, 1);
    overtaker_await(overtaker, 2);
    request.flags = WEIR_START;
    if (overtaker->status == 0) {
        overtaker->status = weir_write(overtaker->stream, &request, NULL);
    }
    overtaker_step(overtaker, 3);
    overtaker_await(overtaker, 4);
}

// Another thread's START reaches the loop before the stream itself does, and is harmless.
static void
a_start_may_overtake_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct overtaker *overtaker = fixture_memory(fixture, sizeof(*overtaker));
    struct events *events;
    struct weir_stream_options options = recorded_options(fixture, &events);
    struct thread *thread;
    int peer;
    int fd = make_pair(fixture, &peer);

    overtaker->fixture = fixture;
    overtaker->recorder = recorder_make(fixture);
    thread = thread_start(fixture, overtake, overtaker);
    overtaker_await(overtaker, 1);
    assert_status(weir_adopt(fixture->loop, fd, &options, &overtaker->stream), 0);
    overtaker_step(overtaker, 2);
    overtaker_await(overtaker, 3);
    assert_status(overtaker->status, 0);
    recorder_wait(overtaker->recorder, 1);
    peer_read_pattern(fixture, peer, 1000, 0, 0);
    assert_int_equal(events_count(events, "started"), 1);
    overtaker_step(overtaker, 4);
    thread_join(fixture, thread);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(a_socketpair_is_a_stream),
        EACH(an_adopted_stream_takes_writes_before_it_started),
        ONCE(a_peer_that_was_gone_already_is_an_end),
        ONCE(what_is_no_socket_is_refused),
        ONCE(sockets_of_other_kinds_are_refused),
        EACH(sockets_that_are_not_connected_are_refused),
        ONCE(impossible_options_are_refused),
        EACH(socket_options_are_set),
        ONCE(any_thread_may_adopt),
        ONCE(a_start_may_overtake_the_stream),
    };

    return RUN_CASES("conformance.adopt", cases);
}
