// SPDX-License-Identifier: MIT
//
// Dialling: what starts, what cannot, and the waiting form. Writes that start a stream are in
// test_write_start.c.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <netdb.h>
#include <poll.h>
#include <string.h>

// ---- addresses to dial ------------------------------------------------------------------------

static struct weir_dial
dial_request(struct fixture *fixture, const struct weir_address *address,
             struct events **ret_events)
{
    struct weir_dial request = {.address = *address};

    *ret_events = events_make(fixture);
    request.stream.handlers = events_handlers();
    request.stream.user = *ret_events;
    return request;
}

// Bound, not listening.
static struct weir_address
refusing_address(struct fixture *fixture)
{
    struct weir_address address = transport_address(fixture);
    int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture_own_fd(fixture, fd);
    assert_int_equal(bind(fd, &address.as.any, address.size), 0);
    if (fixture->transport->family != AF_UNIX) {
        address.size = sizeof(address.as.storage);
        assert_int_equal(getsockname(fd, &address.as.any, &address.size), 0);
    }
    return address;
}

// A listener with a full backlog: TCP drops further SYNs, a Unix connect finds no room.
static struct weir_address
silent_address(struct fixture *fixture, int *ret_listener)
{
    struct weir_address address = transport_address(fixture);
    int listener = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_listener = fixture_own_fd(fixture, listener);
    assert_int_equal(bind(listener, &address.as.any, address.size), 0);
    assert_int_equal(listen(listener, 0), 0);
    if (fixture->transport->family != AF_UNIX) {
        address.size = sizeof(address.as.storage);
        assert_int_equal(getsockname(listener, &address.as.any, &address.size), 0);
    }
    for (unsigned index = 0; index < 16; index++) {
        int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd connected = {.fd = fixture_own_fd(fixture, fd), .events = POLLOUT};

        if (connect(fd, &address.as.any, address.size) != 0 &&
            (errno == EAGAIN || poll(&connected, 1, 100) == 0)) {
            return address;
        }
    }
    skip();
    return address;
}

// ---- starts -----------------------------------------------------------------------------------

// Q2: exactly one `started`, first of all.
static void
a_dialled_stream_starts_once_and_talks(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    weir_stream stream = {0};
    int peer;

    call_begin();
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    call_end();
    assert_true(stream.bits != 0);
    events_expect(events, "");
    peer = transport_accept(fixture, listener);
    events_wait(events, "started");
    peer_write(fixture, peer, "hello", 5);
    peer_finish(fixture, peer);
    events_wait(events, "peer_fin");
    events_expect(events, "started data:5 peer_fin");
    assert_ptr_equal(weir_stream_loop(stream), fixture->loop);
    assert_true(events->stream.bits == stream.bits);
}

// Q1: lazy means that nothing happens before a write starts it.
static void
a_lazy_dial_waits_for_its_start(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write start = request_make(recorder, 0, 10);
    weir_stream stream;
    int peer;

    request.flags = WEIR_DIAL_LAZY;
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    fixture_settle(fixture);
    events_expect(events, "");
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    start.flags = WEIR_START;
    assert_status(submit(fixture, stream, &start, NULL), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 10, 0, 0);
    recorder_wait(recorder, 1);
    events_expect(events, "started");
}

// On any loop, from any thread, many at once.
static void
many_dials_on_many_loops_all_start(void **state)
{
    enum { LOOPS = 3, COUNT = 60 };
    struct fixture *fixture = fixture_threads(state, LOOPS);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events[COUNT];
    weir_stream streams[COUNT];

    for (unsigned index = 0; index < COUNT; index++) {
        struct weir_dial request = dial_request(fixture, &address, &events[index]);
        struct weir_loop *loop = weir_runtime_loop(fixture->runtime, index % LOOPS);

        assert_status(weir_dial(loop, &request, &streams[index]), 0);
        assert_ptr_equal(weir_stream_loop(streams[index]), loop);
    }
    for (unsigned index = 0; index < COUNT; index++) {
        fixture_close_fd(fixture, transport_accept(fixture, listener));
    }
    for (unsigned index = 0; index < COUNT; index++) {
        events_wait(events[index], "peer_fin");
        events_expect(events[index], "started peer_fin");
    }
}

// Every system knows this one; over IPv4 only, for who listens on IPv6's port is not for us to say.
static void
dial_by_name(struct weir_dial *request, struct weir_endpoint *endpoint)
{
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", NULL, &wanted, &found) != 0) {
        skip();
    }
    freeaddrinfo(found);
    *endpoint = (struct weir_endpoint){.kind = WEIR_ENDPOINT_NAME,
                                       .port = weir_address_port(&request->address),
                                       .host = "localhost"};
    request->endpoint = endpoint;
    request->address.size = 0;
    assert_status(weir_address_ip(&request->bind, "127.0.0.1", 0), 0);
}

// H36: names are looked up beside the loops; what the dial borrowed is not needed any more.
static void
names_are_dialled_on_many_loops(void **state)
{
    enum { LOOPS = 3, COUNT = 60 };
    struct fixture *fixture = fixture_threads(state, LOOPS);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events[COUNT];
    weir_stream streams[COUNT];

    for (unsigned index = 0; index < COUNT; index++) {
        struct weir_dial request = dial_request(fixture, &address, &events[index]);
        struct weir_loop *loop = weir_runtime_loop(fixture->runtime, index % LOOPS);
        struct weir_endpoint endpoint;

        dial_by_name(&request, &endpoint);
        assert_status(weir_dial(loop, &request, &streams[index]), 0);
        memset(&endpoint, 0x5a, sizeof(endpoint));
    }
    for (unsigned index = 0; index < COUNT; index++) {
        fixture_close_fd(fixture, transport_accept(fixture, listener));
    }
    for (unsigned index = 0; index < COUNT; index++) {
        events_wait(events[index], "peer_fin");
        events_expect(events[index], "started peer_fin");
    }
    assert_int_equal(fixture_stats(fixture).names, COUNT);
    assert_int_equal(fixture_stats(fixture).dial_attempts, COUNT);
}

// At whatever moment of the look-up or the race.
static void
names_that_are_dialled_can_be_given_up(void **state)
{
    enum { COUNT = 60 };
    struct fixture *fixture = fixture_threads(state, 2);
    struct weir_address address;
    struct events *events[COUNT];
    weir_stream streams[COUNT];

    transport_listen(fixture, 0, &address);
    for (unsigned index = 0; index < COUNT; index++) {
        struct weir_dial request = dial_request(fixture, &address, &events[index]);
        struct weir_loop *loop = weir_runtime_loop(fixture->runtime, index % 2);
        struct weir_endpoint endpoint;

        dial_by_name(&request, &endpoint);
        assert_status(weir_dial(loop, &request, &streams[index]), 0);
        if (index >= COUNT / 2) {
            assert_status(weir_close(streams[index - COUNT / 2], WEIR_CLOSE_ABORT, 0, 0), 0);
        }
    }
    for (unsigned index = COUNT / 2; index < COUNT; index++) {
        assert_status(weir_close(streams[index], WEIR_CLOSE_ABORT, 0, 0), 0);
    }
    for (unsigned index = 0; index < COUNT; index++) {
        events_wait(events[index], "closed");
        assert_int_equal(events_count(events[index], "started"), 1);
    }
}

// The stream can be read paused, and ended, before it has started.
static void
an_end_before_the_start_is_kept(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    weir_stream stream;
    int peer;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    assert_status(weir_pause(stream), 0);
    assert_status(weir_end(stream), 0);
    peer = transport_accept(fixture, listener);
    peer_expect_eof(fixture, peer);
    peer_write(fixture, peer, "abc", 3);
    events_wait(events, "send_closed");
    fixture_settle(fixture);
    events_expect(events, "started send_closed:1");
    assert_status(weir_resume(stream), 0);
    events_wait(events, "data");
}

// H4 before the start: the drain waits for it.
static void
a_drain_before_the_start_still_sends(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write write = request_make(recorder, 0, 5000);
    weir_stream stream;
    int peer;

    recorder->events = events;
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    assert_status(submit(fixture, stream, &write, NULL), 0);
    assert_status(weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 5000, 0, 0);
    peer_expect_eof(fixture, peer);
    peer_finish(fixture, peer);
    events_wait(events, "closed");
    events_expect_ending(events, "done:0 send_closed:1 closed:0");
}

// ---- what cannot start ------------------------------------------------------------------------

static void
expect_failure(struct events *events, int status)
{
    events_wait(events, "closed");
    assert_int_equal(events_count(events, "started"), 1);
    assert_string_equal(events->list[0].name, "started");
    assert_int_equal(events->list[0].value, status);
    assert_status(events->closed.status, status);
    assert_int_equal(events->closed.bytes_lost, 0);
    events_expect_ending(events, events_count(events, "send_closed") > 0 ? "send_closed:0 closed"
                                                                         : "closed");
}

// H37, Q2
static void
a_refused_dial_says_so_and_is_gone(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = refusing_address(fixture);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    weir_stream stream;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    expect_failure(events, -transport_refusal(fixture->transport));
    assert_int_equal(events->closed.origin, WEIR_ORIGIN_TRANSPORT);
    fixture_settle(fixture);
    assert_status(weir_end(stream), -WEIR_ESTALE);
    assert_int_equal(fixture_stats(fixture).streams_now, 0);
}

// H37: the dial's own time limit, from the connect on.
static void
a_dial_that_takes_too_long_is_etimedout(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int listener;
    struct weir_address address = silent_address(fixture, &listener);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    uint64_t begin = weir_now_ns();
    weir_stream stream;

    request.timeout_ns = MS(50);
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    expect_failure(events, -ETIMEDOUT);
    assert_true(weir_now_ns() - begin >= MS(49));
}

// H4: a close's deadline holds for a stream that never starts; what was queued ends with it.
static void
a_close_before_the_start_ends_at_its_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int listener;
    struct weir_address address = silent_address(fixture, &listener);

    for (unsigned mode = WEIR_CLOSE_DRAIN; mode <= WEIR_CLOSE_FLUSH; mode++) {
        struct recorder *recorder = recorder_make(fixture);
        struct events *events;
        struct weir_dial request = dial_request(fixture, &address, &events);
        struct weir_write write = request_make(recorder, 0, 100);
        uint64_t begin = weir_now_ns();
        weir_stream stream;

        assert_status(weir_dial(fixture->loop, &request, &stream), 0);
        assert_status(weir_write(stream, &write, NULL), 0);
        fixture_settle(fixture);
        assert_status(
            weir_close(stream, (enum weir_close_mode)mode, weir_deadline_after(MS(30)), 0), 0);
        recorder_wait(recorder, 1);
        assert_true(recorder_of(recorder, 0).status < 0);
        assert_int_equal(recorder_of(recorder, 0).sent, 0);
        events_wait(events, "closed");
        assert_status(events->closed.status, -ETIMEDOUT);
        assert_int_equal(events->closed.bytes_lost, 100);
        events_expect_ending(events, "send_closed:0 closed");
        assert_true(weir_now_ns() - begin >= MS(29));
    }
}

// Waiting for the peer is nobody else's business: another stream of the loop talks meanwhile.
static void
a_dial_that_hangs_disturbs_nobody(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int listener;
    struct weir_address address = silent_address(fixture, &listener);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    struct weir_stats before;
    weir_stream stream;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    peer_write_pattern(fixture, pair->peer, 100000, 0, 0);
    reader_wait_consumed(reader, 100000);
    fixture_settle(fixture);
    before = fixture_stats(fixture);
    fixture_settle(fixture);
    assert_true(fixture_stats(fixture).turns - before.turns <= 10);
    assert_int_equal(events_count(events, "started"), 0);
    assert_status(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    events_wait(events, "closed");
    assert_int_equal(events->closed.origin, WEIR_ORIGIN_LOCAL_CLOSE);
}

// A Unix socket has no way to wait for room in a backlog: the dial is refused, or taken when there
// is room. In either case it says so.
static void
a_full_unix_backlog_is_a_refusal_or_a_wait(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    int listener;
    struct weir_address address = silent_address(fixture, &listener);
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    weir_stream stream;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    fixture_settle(fixture);
    if (events_count(events, "started") > 0) {
        expect_failure(events, -ECONNREFUSED);
        return;
    }
    transport_accept(fixture, listener); // room for one: the dial gets it when it tries again
    events_wait(events, "started");
    transport_accept(fixture, listener);
    events_expect(events, "started");
}

// ---- bind -------------------------------------------------------------------------------------

static void
a_dial_may_choose_its_own_address(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct weir_address ours = refusing_address(fixture);
    struct weir_address seen = {.size = sizeof(seen.as.storage)};
    struct events *events;
    struct weir_dial request = dial_request(fixture, &address, &events);
    weir_stream stream;
    int peer;

    // The name is free again: it was the kernel's choice a moment ago.
    fixture_close_fd(fixture, fixture->fds[fixture->fd_count - 1]);
    if (fixture->transport->family != AF_UNIX) {
        request.bind = ours;
    } else {
        request.bind = transport_address(fixture);
    }
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    peer = transport_accept(fixture, listener);
    assert_int_equal(getpeername(peer, &seen.as.any, &seen.size), 0);
    assert_int_equal(seen.size, request.bind.size);
    assert_memory_equal(&seen.as, &request.bind.as, seen.size);
    events_wait(events, "started");
}

// 192.0.2.0/24 is documentation's: nobody here has it.
static void
a_dial_from_an_address_that_is_not_ours_fails(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    struct events *events;
    struct weir_dial request;
    weir_stream stream;

    transport_listen(fixture, 0, &address);
    request = dial_request(fixture, &address, &events);
    assert_status(weir_address_ip(&request.bind, "192.0.2.1", 0), 0);
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    expect_failure(events, -EADDRNOTAVAIL);
}

// ---- the waiting form -------------------------------------------------------------------------

struct waiting {
    struct fixture *fixture;
    struct weir_dial request;
    struct events *events;
    weir_stream stream;
    int result;
};

static void
dial_and_wait(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = weir_dial_wait(waiting->fixture->loop, &waiting->request, &waiting->stream);
}

static struct waiting *
waiting_make(struct fixture *fixture, const struct weir_address *address)
{
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));

    waiting->fixture = fixture;
    waiting->request = dial_request(fixture, address, &waiting->events);
    waiting->result = 1;
    return waiting;
}

static void
the_waiting_form_returns_a_started_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct waiting *waiting = waiting_make(fixture, &address);
    struct thread *thread = thread_start(fixture, dial_and_wait, waiting);
    int peer = transport_accept(fixture, listener);

    thread_join(fixture, thread);
    assert_status(waiting->result, 0);
    events_wait(waiting->events, "started");
    peer_write(fixture, peer, "abc", 3);
    events_wait(waiting->events, "data");
    events_expect(waiting->events, "started data:3");
    assert_status(weir_end(waiting->stream), 0);
    peer_expect_eof(fixture, peer);
}

static void
the_waiting_form_leaves_no_stream_when_it_fails(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address refusing = refusing_address(fixture);
    struct waiting *refused = waiting_make(fixture, &refusing);
    int listener;
    struct weir_address silent = silent_address(fixture, &listener);
    struct waiting *late = waiting_make(fixture, &silent);

    refused->stream.bits = late->stream.bits = 42;
    thread_join(fixture, thread_start(fixture, dial_and_wait, refused));
    assert_status(refused->result, -transport_refusal(fixture->transport));
    late->request.timeout_ns = MS(30);
    thread_join(fixture, thread_start(fixture, dial_and_wait, late));
    assert_true(late->result == -ETIMEDOUT ||
                (late->result == -transport_refusal(fixture->transport) &&
                 !transport_is_tcp(fixture->transport)));
    assert_int_equal(refused->stream.bits, 42);
    assert_int_equal(late->stream.bits, 42);
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).streams_now, 0);
}

static void
the_waiting_form_is_refused_on_a_loop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct waiting *waiting = waiting_make(fixture, &address);

    loop_call(fixture, fixture->loop, dial_and_wait, waiting);
    assert_status(waiting->result, -EDEADLK);
    fixture_settle(fixture);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    assert_int_equal(fixture_stats(fixture).streams_opened, 0);
    waiting->request.address.size = 0;
    dial_and_wait(waiting);
    assert_status(waiting->result, -EINVAL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_dialled_stream_starts_once_and_talks),
        EACH(a_lazy_dial_waits_for_its_start),
        EACH(many_dials_on_many_loops_all_start),
        ONCE(names_are_dialled_on_many_loops),
        ONCE(names_that_are_dialled_can_be_given_up),
        EACH(an_end_before_the_start_is_kept),
        EACH(a_drain_before_the_start_still_sends),
        EACH(a_refused_dial_says_so_and_is_gone),
        EACH_TCP(a_dial_that_takes_too_long_is_etimedout),
        EACH_TCP(a_close_before_the_start_ends_at_its_deadline),
        EACH_TCP(a_dial_that_hangs_disturbs_nobody),
        EACH_UNIX(a_full_unix_backlog_is_a_refusal_or_a_wait),
        EACH(a_dial_may_choose_its_own_address),
        ONCE(a_dial_from_an_address_that_is_not_ours_fails),
        EACH(the_waiting_form_returns_a_started_stream),
        EACH(the_waiting_form_leaves_no_stream_when_it_fails),
        ONCE(the_waiting_form_is_refused_on_a_loop),
    };

    return RUN_CASES("conformance.net_dial", cases);
}
