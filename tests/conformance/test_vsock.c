// SPDX-License-Identifier: MIT
// What vsock does otherwise than TCP and Unix sockets: the rows of docs/transports.md.

#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

// ---- ends and resets --------------------------------------------------------------------------

// L4: a close by the peer may have been a reset.
static void
an_end_by_a_close_is_ambiguous(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    peer_write(fixture, pair->peer, "last", 4);
    fixture_close_fd(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_int_equal(events_input_size(pair->events), 4);
    assert_true(pair->events->fin_is_ambiguous);
    assert_int_equal(events_count(pair->events, "peer_reset"), 0);
}

// L4: only an end of both directions can have been one.
static void
an_end_of_one_side_is_none_but_that(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_false(pair->events->fin_is_ambiguous);
    assert_status(request_submit(pair, recorder, 0, 1000, 0), 0);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
}

// L4: nor can it be told once this side has ended.
static void
an_end_behind_ours_is_ambiguous(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(weir_end(pair->stream), 0);
    events_wait(pair->events, "send_closed");
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_true(pair->events->fin_is_ambiguous);
}

// L4, L5: a peer that resets with our bytes unread, and its own not read here yet.
static void
bytes_come_before_an_end_that_was_a_reset(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 1000, WEIR_COPY), 0);
    recorder_wait(recorder, 1);
    peer_write_pattern(fixture, pair->peer, 50000, 0, 0);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    reader_wait_consumed(reader, 50000);
    assert_true(pair->events->fin_is_ambiguous);
    assert_status(request_submit(pair, recorder, 1, 1000, WEIR_COPY), 0);
    events_wait(pair->events, "peer_stop");
    recorder_wait(recorder, 2);
    assert_int_equal(recorder_of(recorder, 1).status, -EPIPE);
}

// Nothing makes room for it any more, and no event says so.
static void
a_peer_that_goes_ends_a_blocked_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    size_t taken;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    taken = pair_block(pair);
    fixture_close_fd(fixture, pair->peer);
    recorder_wait(recorder, 1);
    assert_int_equal(recorder_of(recorder, 0).status, -EPIPE);
    assert_int_equal(recorder_of(recorder, 0).sent, taken);
    events_wait(pair->events, "peer_stop");
}

// C7: what an abort looks like at the other end.
static void
an_abort_looks_like_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    peer_expect_eof(fixture, pair->peer);
}

// ---- shutting reading down --------------------------------------------------------------------

static bool
peer_is_refused(void *arg)
{
    const int *peer = arg;

    return send(*peer, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

// L1: a stop of reading is told to the peer, whose writes fail from then on.
static void
a_stop_of_reading_is_felt_by_the_peer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(weir_stop_reading(pair->stream, 0), 0);
    fixture_turn_until(fixture, peer_is_refused, &pair->peer);
    assert_status(request_submit(pair, recorder, 0, 1000, 0), 0);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
    recorder_wait(recorder, 1);
    assert_int_equal(recorder_of(recorder, 0).status, 0);
}

// L1: asked for before there was a connection.
static void
a_stop_before_the_start_is_felt_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_dial request = {.flags = WEIR_DIAL_LAZY};
    int listener = transport_listen(fixture, 0, &request.address);
    weir_stream stream;
    int peer;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    assert_status(weir_stop_reading(stream, 0), 0);
    fixture_settle(fixture);
    assert_status(weir_write(stream, &(struct weir_write){.flags = WEIR_START}, NULL), 0);
    peer = transport_accept(fixture, listener);
    fixture_turn_until(fixture, peer_is_refused, &peer);
}

// L1, the other way round.
static void
a_peer_that_stops_reading_is_a_stop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_int_equal(shutdown(pair->peer, SHUT_RD), 0);
    fixture_breathe(fixture);
    for (unsigned tag = 0; events_count(pair->events, "peer_stop") == 0; tag++) {
        if (request_submit(pair, recorder, tag, 100, WEIR_COPY) < 0) {
            break; // the word had been on its way
        }
        recorder_wait(recorder, tag + 1);
    }
    events_wait(pair->events, "peer_stop");
    assert_status(weir_stream_status(pair->stream), -EPIPE);
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
}

// The kernel shows no end of the peer's behind that: a drain has nothing to wait for.
static void
a_drain_behind_a_stop_does_not_wait(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(weir_stop_reading(pair->stream, 0), 0);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_DRAIN, WEIR_NEVER, 0), 0);
    pair_wait_closed(pair);
    assert_int_equal(pair->events->closed.status, 0);
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
    peer_expect_eof(fixture, pair->peer);
}

// ---- connecting -------------------------------------------------------------------------------

static bool
is_closed(void *arg)
{
    return events_count(arg, "closed") > 0;
}

static struct events *
dial(struct fixture *fixture, struct weir_dial *request)
{
    struct events *events = events_make(fixture);
    weir_stream stream;

    request->stream.handlers = events_handlers();
    request->stream.user = events;
    assert_status(weir_dial(fixture->loop, request, &stream), 0);
    fixture_turn_until(fixture, is_closed, events);
    return events;
}

static void
a_closed_port_resets(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_dial request = {0};
    int listener = transport_listen(fixture, 0, &request.address);
    struct events *events;

    fixture_close_fd(fixture, listener);
    events = dial(fixture, &request);
    assert_status(events->closed.status, -ECONNRESET);
}

// L7: ours, not the kernel's own timer of two seconds.
static void
the_dials_timeout_rules(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_dial request = {.timeout_ns = MS(50)};
    uint64_t begun = weir_now_ns();
    struct events *events;

    // Nobody has this context: nothing answers, unless the kernel refuses at once.
    assert_int_equal(weir_address_vsock(&request.address, 4000000000u, 1024), 0);
    events = dial(fixture, &request);
    if (events->closed.status != -ETIMEDOUT) {
        assert_int_equal(events->closed.status, -ENODEV);
        return; // this machine has no way to any context but its own
    }
    assert_int_equal(events->closed.origin, WEIR_ORIGIN_DEADLINE);
    assert_true(weir_now_ns() - begun >= MS(50));
}

// L7: the kernel waits longer than we do, or the answer would be its own.
static void
the_kernels_timer_is_above_the_dials(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.made = PAIR_DIALLED, .unstarted = true});
    struct timeval timeout = {0};
    socklen_t size = sizeof(timeout);
    int found = 0;

    events_wait(pair->events, "started");
    // Its descriptor is the library's: look for the one that has a peer and is not ours.
    for (int fd = 3; fd < 64 && found == 0; fd++) {
        struct weir_address peer = {.size = sizeof(peer.as.storage)};

        if (fd != pair->peer && getpeername(fd, &peer.as.any, &peer.size) == 0 &&
            peer.as.any.sa_family == AF_VSOCK) {
            assert_int_equal(
                getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, &size), 0);
            found = fd;
        }
    }
    assert_true(found != 0);
    assert_int_equal(timeout.tv_sec, 31); // a dial's 30 s, and one
}

// ---- addresses --------------------------------------------------------------------------------

static void
the_local_context_is_asked_from_the_kernel(void **state)
{
    uint32_t cid = WEIR_VSOCK_CID_ANY;
    int result = weir_vsock_local_cid(&cid);

    (void)fixture_manual(state);
    assert_status(weir_vsock_local_cid(NULL), -EINVAL);
    if (result < 0) {
        assert_true(result == -EACCES || result == -ENOENT || result == -ENODEV ||
                    result == -ENXIO);
        return;
    }
    // Without a host of its own or guests it has none but the local one, or says "any".
    assert_true(cid >= 1);
}

struct asked {
    weir_stream stream;
    struct weir_address local;
    int result;
};

static void
ask(void *arg)
{
    struct asked *asked = arg;

    asked->result =
        weir_stream_local_address(asked->stream, &asked->local.as.any, &asked->local.size);
}

// A dialled stream's own context is whatever the kernel will use.
static void
a_dialled_stream_has_any_context(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_DIALLED});
    struct asked asked = {.stream = pair->stream, .local.size = sizeof(asked.local.as.storage)};
    struct weir_address seen = {.size = sizeof(seen.as.storage)};

    loop_call(fixture, fixture->loop, ask, &asked);
    assert_status(asked.result, 0);
    assert_int_equal(getpeername(pair->peer, &seen.as.any, &seen.size), 0);
    assert_int_equal(weir_address_port(&asked.local), weir_address_port(&seen));
    assert_true(asked.local.as.vm.svm_cid == WEIR_VSOCK_CID_ANY ||
                asked.local.as.vm.svm_cid == seen.as.vm.svm_cid);
}

// L2
static void
a_socket_that_was_shut_down_cannot_be_adopted(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    weir_stream stream;

    peer_finish(fixture, pair->peer);
    assert_status(weir_adopt(fixture->loop, pair->peer, NULL, &stream), -ENOTCONN);
}

// ---- options ----------------------------------------------------------------------------------

static uint64_t
buffer_of(int fd)
{
    uint64_t size = 0;
    socklen_t room = sizeof(size);

    assert_int_equal(getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, &room), 0);
    return size;
}

// L8: also above what the kernel allows those who do not ask for it; at least its 128.
static void
a_buffer_has_the_size_that_is_asked_for(void **state)
{
    static const int sizes[] = {1, 30000, 256 * 1024, 1024 * 1024};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        struct weir_stream_options options = {.receive_buffer = sizes[index]};
        struct weir_address address;
        int listener = transport_listen(fixture, 0, &address);
        int fd = transport_connect(fixture, &address, 0);
        int ours = fixture_own_fd(fixture, dup(fd));
        weir_stream stream;

        transport_accept(fixture, listener);
        assert_status(weir_adopt(fixture->loop, dup(fd), &options, &stream), 0);
        fixture_settle(fixture);
        assert_int_equal(buffer_of(ours), sizes[index] < 128 ? 128 : sizes[index]);
    }
}

// L8: bytes that the peer may send ahead.
static void
a_reader_that_rests_holds_up_what_its_buffer_allows(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED,
                                                  .stream.receive_buffer = 64 * 1024,
                                                  .stream.flags = WEIR_STREAM_PAUSED});
    static uint8_t block[4096];
    size_t sent = 0;
    ssize_t size;

    while ((size = send(pair->peer, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
        sent += (size_t)size;
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(sent, 64 * 1024);
}

static void
reuseport_and_acknowledgements_are_tcps(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen listen = {.address = transport_address(fixture),
                                 .flags = WEIR_LISTEN_REUSEPORT};
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    weir_listener listener;

    request.level = WEIR_ACKED;
    assert_status(weir_listen(fixture->runtime, &listen, &listener), -EINVAL);
    assert_status(weir_write(pair->stream, &request, NULL), -ENOTSUP);
}

static void
zerocopy_is_a_copy(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100000, WEIR_ZEROCOPY), 0);
    peer_read_pattern(fixture, pair->peer, 100000, 0, 0);
    recorder_wait(recorder, 1);
    assert_int_equal(fixture_stats(fixture).zerocopy_sends, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH_VSOCK(an_end_by_a_close_is_ambiguous),
        EACH_VSOCK(an_end_of_one_side_is_none_but_that),
        EACH_VSOCK(an_end_behind_ours_is_ambiguous),
        EACH_VSOCK(bytes_come_before_an_end_that_was_a_reset),
        EACH_VSOCK(a_peer_that_goes_ends_a_blocked_write),
        EACH_VSOCK(an_abort_looks_like_an_end),
        EACH_VSOCK(a_stop_of_reading_is_felt_by_the_peer),
        EACH_VSOCK(a_stop_before_the_start_is_felt_too),
        EACH_VSOCK(a_peer_that_stops_reading_is_a_stop),
        EACH_VSOCK(a_drain_behind_a_stop_does_not_wait),
        EACH_VSOCK(a_closed_port_resets),
        EACH_VSOCK(the_dials_timeout_rules),
        EACH_VSOCK(the_kernels_timer_is_above_the_dials),
        ONCE(the_local_context_is_asked_from_the_kernel),
        EACH_VSOCK(a_dialled_stream_has_any_context),
        EACH_VSOCK(a_socket_that_was_shut_down_cannot_be_adopted),
        EACH_VSOCK(a_buffer_has_the_size_that_is_asked_for),
        EACH_VSOCK(a_reader_that_rests_holds_up_what_its_buffer_allows),
        EACH_VSOCK(reuseport_and_acknowledgements_are_tcps),
        EACH_VSOCK(zerocopy_is_a_copy),
    };

    return RUN_CASES("conformance.vsock", cases);
}
