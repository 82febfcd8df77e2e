// SPDX-License-Identifier: MIT
//
// Dialling with a write: START, what was queued before it, and a start that fails.
#include "tests/lib/fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dialled {
    weir_stream stream;
    struct events *events;
    struct recorder *recorder; // its completions are in events too
};

static struct dialled *
dial(struct fixture *fixture, const struct weir_address *address, unsigned flags,
     uint64_t timeout_ns)
{
    struct dialled *dialled = fixture_memory(fixture, sizeof(*dialled));
    struct weir_dial request = {.address = *address, .flags = flags, .timeout_ns = timeout_ns};

    dialled->events = events_make(fixture);
    dialled->recorder = recorder_make(fixture);
    dialled->recorder->events = dialled->events;
    request.stream.handlers = events_handlers();
    request.stream.user = dialled->events;
    assert_status(weir_dial(fixture->loop, &request, &dialled->stream), 0);
    assert_true(dialled->stream.bits != 0);
    return dialled;
}

static int
write_to(struct fixture *fixture, struct dialled *dialled, unsigned tag, size_t size,
         unsigned flags)
{
    struct weir_write request = request_make(dialled->recorder, tag, size);

    request.flags = flags;
    return submit(fixture, dialled->stream, &request, NULL);
}

static void
expect_no_connection(struct fixture *fixture, int listener)
{
    fixture_settle(fixture);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    assert_int_equal(errno, EAGAIN);
}

// An address that refuses: bound, not listening.
static struct weir_address
refusing_address(struct fixture *fixture)
{
    struct weir_address address = transport_address(fixture);
    int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture_own_fd(fixture, fd);
    assert_int_equal(bind(fd, &address.as.any, address.size), 0);
    if (transport_is_tcp(fixture->transport)) {
        address.size = sizeof(address.as.storage);
        assert_int_equal(getsockname(fd, &address.as.any, &address.size), 0);
    }
    return address;
}

// Q3: connect, send and end in one call.
static void
one_call_connects_sends_and_ends(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    int peer;

    expect_no_connection(fixture, listener);
    events_expect(dialled->events, "");
    assert_status(write_to(fixture, dialled, 0, 5000, WEIR_START | WEIR_FIN), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 5000, 0, 0);
    peer_expect_eof(fixture, peer);
    events_wait(dialled->events, "send_closed");
    expect_result(recorder_of(dialled->recorder, 0), 0, WEIR_ORIGIN_NONE, 5000);
    events_expect(dialled->events, "started done:0 send_closed:1");
    peer_finish(fixture, peer);
    events_wait(dialled->events, "peer_fin");
}

// Q2: writes queued before run at the start, in their order.
static void
writes_queued_before_the_start_run_at_the_start(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    int peer;

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    assert_status(write_to(fixture, dialled, 1, 0, 0), 0);
    assert_status(write_to(fixture, dialled, 2, 200, 0), 0);
    expect_no_connection(fixture, listener);
    assert_int_equal(recorder_count(dialled->recorder), 0);
    assert_status(write_to(fixture, dialled, 3, 300, WEIR_START), 0);
    assert_status(write_to(fixture, dialled, 4, 400, 0), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 100, 0, 0);
    peer_read_pattern(fixture, peer, 200, 0, 2);
    peer_read_pattern(fixture, peer, 300, 0, 3);
    peer_read_pattern(fixture, peer, 400, 0, 4);
    recorder_wait(dialled->recorder, 5);
    events_expect(dialled->events, "started done:0 done:0 done:0 done:0 done:0");
}

// Without LAZY the connect is on its way; writes need not wait for it.
static void
a_dialled_stream_takes_writes_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, 0, 0);
    int peer;

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    assert_status(write_to(fixture, dialled, 1, 100, WEIR_FIN), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 100, 0, 0);
    peer_read_pattern(fixture, peer, 100, 0, 1);
    peer_expect_eof(fixture, peer);
    recorder_wait(dialled->recorder, 2);
}

// Q21: START with nothing opens.
static void
a_bare_start_opens(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);

    assert_status(write_to(fixture, dialled, 0, 0, WEIR_START), 0);
    transport_accept(fixture, listener);
    recorder_wait(dialled->recorder, 1);
    events_expect(dialled->events, "started done:0");
}

// Q3
static void
start_on_a_started_stream_is_harmless(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_START), 0);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_START), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
    recorder_wait(recorder, 2);
    events_expect(pair->events, "started");
}

// After the end of a stream that could not start: all in order, the reason in each.
static void
expect_failed_start(struct fixture *fixture, struct dialled *dialled, unsigned count, int status)
{
    events_wait(dialled->events, "closed");
    recorder_wait(dialled->recorder, count);
    for (unsigned tag = 0; tag < count; tag++) {
        assert_int_equal(recorder_at(dialled->recorder, tag).tag, tag);
        expect_result(recorder_of(dialled->recorder, tag), status, WEIR_ORIGIN_TRANSPORT, 0);
    }
    assert_int_equal(events_count(dialled->events, "started"), 1);
    assert_int_equal(events_count(dialled->events, "closed"), 1);
    assert_status(dialled->events->closed.status, status);
    assert_string_equal(dialled->events->list[dialled->events->count - 1].name, "closed");
    assert_status(write_to(fixture, dialled, count, 10, 0), -WEIR_ESTALE);
}

// 2869: a failing start ends what was queued, in order, and then the stream.
static void
a_refused_start_ends_all_writes_in_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = refusing_address(fixture);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    assert_status(write_to(fixture, dialled, 1, 0, 0), 0);
    assert_status(write_to(fixture, dialled, 2, 100, WEIR_START), 0);
    assert_status(write_to(fixture, dialled, 3, 100, WEIR_FIN), 0);
    expect_failed_start(fixture, dialled, 4, -transport_refusal(fixture->transport));
}

static void
a_refused_dial_ends_its_writes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = refusing_address(fixture);
    struct dialled *dialled = dial(fixture, &address, 0, 0);

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    assert_status(write_to(fixture, dialled, 1, 100, 0), 0);
    expect_failed_start(fixture, dialled, 2, -transport_refusal(fixture->transport));
}

static void
a_path_that_is_not_there_is_enoent(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = transport_address(fixture);
    struct dialled *dialled = dial(fixture, &address, 0, 0);
    bool abstract = fixture->transport->bit == TRANSPORT_ABSTRACT;

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    expect_failed_start(fixture, dialled, 1, abstract ? -ECONNREFUSED : -ENOENT);
}

// A listener whose backlog is full drops further SYNs: a connect there hangs.
static struct weir_address
silent_address(struct fixture *fixture)
{
    struct weir_address address = transport_address(fixture);
    int listener = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture_own_fd(fixture, listener);
    assert_int_equal(bind(listener, &address.as.any, address.size), 0);
    assert_int_equal(listen(listener, 0), 0);
    address.size = sizeof(address.as.storage);
    assert_int_equal(getsockname(listener, &address.as.any, &address.size), 0);
    for (unsigned index = 0; index < 16; index++) {
        int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd connected = {.fd = fixture_own_fd(fixture, fd), .events = POLLOUT};

        if (connect(fd, &address.as.any, address.size) != 0 && poll(&connected, 1, 100) == 0) {
            return address;
        }
    }
    skip();
    return address;
}

// Q2, H37
static void
a_start_that_takes_too_long_is_etimedout(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = silent_address(fixture);
    uint64_t begin = weir_now_ns();
    struct dialled *dialled = dial(fixture, &address, 0, MS(60));

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    events_wait(dialled->events, "closed");
    assert_true(weir_now_ns() - begin >= MS(59));
    recorder_wait(dialled->recorder, 1);
    assert_status(recorder_of(dialled->recorder, 0).status, -ETIMEDOUT);
    assert_int_equal(recorder_of(dialled->recorder, 0).sent, 0);
    assert_status(dialled->events->closed.status, -ETIMEDOUT);
}

// A write's own deadline passes while the stream still connects: it ends, the stream goes on.
static void
a_write_may_time_out_before_the_start(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    struct weir_write request = request_make(dialled->recorder, 0, 100);
    int peer;

    request.deadline_ns = weir_deadline_after(MS(20));
    assert_status(submit(fixture, dialled->stream, &request, NULL), 0);
    recorder_wait(dialled->recorder, 1);
    expect_result(recorder_of(dialled->recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    assert_status(write_to(fixture, dialled, 1, 100, WEIR_START), 0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 100, 0, 1);
    recorder_wait(dialled->recorder, 2);
}

// Q1, 2869: opened, never started, closed: one final event and no connection.
static void
a_stream_never_started_closes_quietly(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    fixture_settle(fixture);
    assert_status(weir_close(dialled->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    events_wait(dialled->events, "closed");
    fixture_settle(fixture);
    recorder_wait(dialled->recorder, 1);
    assert_true(recorder_of(dialled->recorder, 0).status < 0);
    assert_int_equal(recorder_of(dialled->recorder, 0).sent, 0);
    assert_int_equal(events_count(dialled->events, "closed"), 1);
    assert_int_equal(dialled->events->closed.bytes_lost, 100);
    events_expect(dialled->events, "started:-103 done:-108 send_closed:0 closed:-103");
    expect_no_connection(fixture, listener);
}

// Closed in good order, with nothing to flush: it has not started, and yet nothing failed.
static void
a_stream_never_started_drains_quietly(void **state)
{
    static const enum weir_close_mode modes[] = {WEIR_CLOSE_DRAIN, WEIR_CLOSE_FLUSH};
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);

    for (unsigned i = 0; i < 2; i++) {
        struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);

        fixture_settle(fixture);
        assert_int_equal(events_count(dialled->events, "started"), 0);
        assert_status(weir_close(dialled->stream, modes[i], 0, 0), 0);
        events_wait(dialled->events, "closed");
        events_expect(dialled->events, "started:-108 send_closed:1 closed:0");
    }
    expect_no_connection(fixture, listener);
}

// Q2, Q4: there are no stream limits to be blocked by, and the kernel's accept is the peer's.
static void
fail_blocked_and_notify_go_with_a_start(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    int peer;

    assert_status(write_to(fixture, dialled, 0, 100, WEIR_FAIL_BLOCKED), -EINVAL);
    assert_status(write_to(fixture, dialled, 0, 100, WEIR_NOTIFY), -EINVAL);
    assert_status(write_to(fixture, dialled, 0, 100, WEIR_START | WEIR_FAIL_BLOCKED | WEIR_NOTIFY),
                  0);
    peer = transport_accept(fixture, listener);
    peer_read_pattern(fixture, peer, 100, 0, 0);
    recorder_wait(dialled->recorder, 1);
    events_wait(dialled->events, "peer_accepted");
    fixture_settle(fixture);
    assert_int_equal(events_count(dialled->events, "peer_accepted"), 1);
    assert_string_equal(dialled->events->list[0].name, "started");
}

// Nobody is told who did not ask.
static void
a_start_without_notify_tells_no_peer_accepted(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    struct dialled *dialled;

    transport_listen(fixture, 0, &address);
    dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    assert_status(write_to(fixture, dialled, 0, 100, WEIR_START), 0);
    recorder_wait(dialled->recorder, 1);
    fixture_settle(fixture);
    assert_int_equal(events_count(dialled->events, "peer_accepted"), 0);
}

// A token ends what it is bound to, started or not; `started` is told first, and once.
static void
a_fired_token_tells_started_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    struct dialled *dialled;
    weir_token token;

    transport_listen(fixture, 0, &address);
    dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    assert_status(weir_token_bind(token, dialled->stream), 0);
    fixture_settle(fixture);
    weir_token_fire(token, -ECANCELED, 0);
    events_wait(dialled->events, "closed");
    events_expect(dialled->events, "started:-125 send_closed:0 closed:-125");
    weir_token_free(token);
}

// Closing while the connect is under way.
static void
a_stream_that_connects_can_be_aborted(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = silent_address(fixture);
    struct dialled *dialled = dial(fixture, &address, 0, WEIR_NEVER);

    assert_status(write_to(fixture, dialled, 0, 100, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(dialled->recorder), 0);
    assert_status(weir_close(dialled->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    events_wait(dialled->events, "closed");
    recorder_wait(dialled->recorder, 1);
    assert_true(recorder_of(dialled->recorder, 0).status < 0);
    events_expect(dialled->events, "started:-103 done:-108 send_closed:0 closed:-103");
}

// Q3 with TCP Fast Open, where the kernel allows it or not.
static void
fast_open_delivers_the_first_bytes_either_way(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);

    for (unsigned round = 0; round < 3; round++) {
        struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY | WEIR_DIAL_FAST_OPEN, 0);
        int peer;

        assert_status(write_to(fixture, dialled, 0, 300, WEIR_START), 0);
        assert_status(write_to(fixture, dialled, 1, 70000, WEIR_FIN), 0);
        peer = transport_accept(fixture, listener);
        peer_read_pattern(fixture, peer, 300, 0, 0);
        peer_read_pattern(fixture, peer, 70000, 0, 1);
        peer_expect_eof(fixture, peer);
        recorder_wait(dialled->recorder, 2);
        expect_result(recorder_of(dialled->recorder, 0), 0, WEIR_ORIGIN_NONE, 300);
    }
}

struct dial_wait {
    struct fixture *fixture;
    struct weir_dial request;
    weir_stream stream;
    int status;
};

static void
dial_and_wait(void *arg)
{
    struct dial_wait *wait = arg;

    wait->status = weir_dial_wait(wait->fixture->loop, &wait->request, &wait->stream);
}

static void
dial_wait_returns_a_started_stream_or_the_reason(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct dial_wait *good = fixture_memory(fixture, sizeof(*good));
    struct dial_wait *bad = fixture_memory(fixture, sizeof(*bad));
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    int listener = transport_listen(fixture, 0, &good->request.address);
    int peer;

    good->fixture = fixture;
    thread_join(fixture, thread_start(fixture, dial_and_wait, good));
    assert_status(good->status, 0);
    peer = transport_accept(fixture, listener);
    assert_status(submit(fixture, good->stream, &request, NULL), 0);
    peer_read_pattern(fixture, peer, 10, 0, 0);

    bad->fixture = fixture;
    bad->request.address = refusing_address(fixture);
    thread_join(fixture, thread_start(fixture, dial_and_wait, bad));
    assert_status(bad->status, -transport_refusal(fixture->transport));
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).streams_now, 1);
}

// A connect that fails at once (Unix) ends the write inside its own arrival: it completes once, and
// the runtime's stop, at the test's end, finds its count right.
static void
an_accepted_write_whose_start_fails_at_once_completes_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address = refusing_address(fixture);
    struct dialled *dialled = dial(fixture, &address, WEIR_DIAL_LAZY, 0);
    struct weir_write request = request_make(dialled->recorder, 0, 100);

    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_COPY | WEIR_START;
    assert_status(submit(fixture, dialled->stream, &request, NULL), 0);
    events_wait(dialled->events, "closed");
    assert_int_equal(recorder_count(dialled->recorder), 1);
    assert_int_equal(dialled->events->closed.status, -transport_refusal(fixture->transport));
    assert_int_equal(dialled->events->closed.bytes_lost, 100);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(one_call_connects_sends_and_ends),
        EACH(writes_queued_before_the_start_run_at_the_start),
        EACH(a_dialled_stream_takes_writes_at_once),
        EACH(a_bare_start_opens),
        EACH(start_on_a_started_stream_is_harmless),
        EACH(a_refused_start_ends_all_writes_in_order),
        EACH(a_refused_dial_ends_its_writes),
        EACH_UNIX(a_path_that_is_not_there_is_enoent),
        EACH_TCP(a_start_that_takes_too_long_is_etimedout),
        EACH(a_write_may_time_out_before_the_start),
        EACH(a_stream_never_started_closes_quietly),
        EACH(a_stream_never_started_drains_quietly),
        EACH(a_fired_token_tells_started_too),
        EACH(fail_blocked_and_notify_go_with_a_start),
        EACH(a_start_without_notify_tells_no_peer_accepted),
        EACH_TCP(a_stream_that_connects_can_be_aborted),
        EACH_TCP(fast_open_delivers_the_first_bytes_either_way),
        EACH(an_accepted_write_whose_start_fails_at_once_completes_once),
        EACH(dial_wait_returns_a_started_stream_or_the_reason),
    };

    return RUN_CASES("conformance.write_start", cases);
}
