// os: count
// SPDX-License-Identifier: MIT
//
// The kernel has no memory, no descriptors or no room for one more watch: what fails says so, with
// the origin that tells it from the network's failures, and nothing hangs.
#include "mem/heap.h"
#include "tests/lib/fixture.h"
#include "tests/lib/os_count.h"
#include "tests/lib/reader.h"

#include <unistd.h>

enum { MIB = 1024 * 1024 };

static void
expect_closed(struct events *events, int status, enum weir_origin origin)
{
    events_wait(events, "closed");
    os_count_off();
    assert_status(events->closed.status, status);
    assert_int_equal(events->closed.origin, origin);
}

// ---- writing ------------------------------------------------------------------------------------

// Over Unix sockets room is watched only while something waits for it.
static void
room_that_cannot_be_watched_ends_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    os_count_fail(COUNT_POLL_MODIFY, 1, ENOMEM);
    recorder_wait(recorder, 1);
    assert_status(recorder_of(recorder, 0).status, -ENOMEM);
    assert_int_equal(recorder_of(recorder, 0).origin, WEIR_ORIGIN_MEMORY);
    assert_true(recorder_of(recorder, 0).sent < MIB);
    expect_closed(pair->events, -ENOMEM, WEIR_ORIGIN_MEMORY);
}

// A watch that could not be taken back costs a turn now and then, no more.
static void
room_that_is_watched_on_does_no_harm(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 3; tag++) {
        assert_status(request_submit(pair, recorder, tag, MIB, 0), 0);
        pair_block(pair);
        os_count_fail(COUNT_POLL_MODIFY, 1, ENOMEM);
        peer_read_pattern(fixture, pair->peer, MIB, 0, tag);
        recorder_wait(recorder, tag + 1);
        os_count_off();
        assert_status(recorder_of(recorder, tag).status, 0);
    }
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "closed"), 0);
}

static int
accept_write(struct pair *pair, struct recorder *recorder, unsigned tag)
{
    struct weir_write request = request_make(recorder, tag, 100);

    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_COPY;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

// K8: one that found no memory for the account completes when it is sent, and those behind it wait
// for it, also when the memory was there for something else of the stream's meanwhile.
static void
accepted_writes_without_memory_are_not_overtaken(void **state)
{
    enum { ALLOCATIONS = 8 };
    static const struct weir_handlers none; // some of the pair's own bring the account with them
    struct fixture *fixture = fixture_manual(state);

    for (unsigned long nth = 1; nth <= ALLOCATIONS; nth++) {
        struct pair *pair =
            pair_open(fixture, &(struct pair_options){.stream.handlers = &none, .stuffed = true});
        struct recorder *recorder = recorder_make(fixture);

        fixture_settle(fixture);
        assert_status(accept_write(pair, recorder, 0), 0);
        wi_heap_fail(nth, false);
        fixture_turn(fixture);
        wi_heap_fail(0, false);
        assert_status(accept_write(pair, recorder, 1), 0);
        fixture_settle(fixture);
        pair_unstuff(pair);
        recorder_wait(recorder, 2);
        assert_int_equal(recorder_at(recorder, 0).tag, 0);
        assert_status(recorder_of(recorder, 0).status, 0);
        assert_status(recorder_of(recorder, 1).status, 0);
        peer_read_pattern(fixture, pair->peer, 100, 0, 0);
        peer_read_pattern(fixture, pair->peer, 100, 0, 1);
        assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    }
}

static void
a_send_without_memory_says_memory(void **state)
{
    static const int errors[] = {ENOMEM, ENOBUFS};

    struct fixture *fixture = fixture_manual(state);

    for (unsigned i = 0; i < 2; i++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        struct recorder *recorder = recorder_make(fixture);

        assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
        os_count_fail(COUNT_SEND, 1, errors[i]);
        recorder_wait(recorder, 1);
        os_count_off();
        expect_result(recorder_of(recorder, 0), -errors[i], WEIR_ORIGIN_MEMORY, 0);
        close_anyhow(pair);
    }
}

// ---- reading ------------------------------------------------------------------------------------

// K46: an error of reading that is no reset reaches the reader, and the connection goes.
static void
a_failing_receive_ends_the_pull_and_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);

    assert_status(pull(pair, &request, NULL), 0);
    fixture_settle(fixture);
    os_count_fail(COUNT_RECEIVE, 1, ETIMEDOUT);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 0, -ETIMEDOUT, WEIR_ORIGIN_TRANSPORT);
    expect_closed(pair->events, -ETIMEDOUT, WEIR_ORIGIN_TRANSPORT);
    assert_int_equal(events_count(pair->events, "peer_reset"), 0);
}

// ---- becoming a stream --------------------------------------------------------------------------

static void
an_adopted_stream_that_cannot_be_watched_says_memory(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair;

    os_count_fail(COUNT_POLL_ADD, 1, ENOSPC);
    pair = pair_open(fixture, &(struct pair_options){.unstarted = true});
    expect_closed(pair->events, -ENOSPC, WEIR_ORIGIN_MEMORY);
    assert_string_equal(pair->events->list[0].name, "started");
    assert_status(pair->events->list[0].value, -ENOSPC);
}

static void
dial_and_fail(struct fixture *fixture, enum os_counted call, int error)
{
    struct events *events = events_make(fixture);
    struct weir_dial request = {.stream.handlers = events_handlers(), .stream.user = events};
    weir_stream stream;

    fixture_own_fd(fixture, transport_listen(fixture, 0, &request.address));
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    os_count_fail(call, 1, error);
    expect_closed(events, -error, WEIR_ORIGIN_MEMORY);
    assert_string_equal(events->list[0].name, "started");
    assert_status(events->list[0].value, -error);
}

static void
a_dial_without_a_descriptor_says_memory(void **state)
{
    dial_and_fail(fixture_manual(state), COUNT_SOCKET, EMFILE);
}

static void
a_dial_that_cannot_be_watched_says_memory(void **state)
{
    dial_and_fail(fixture_manual(state), COUNT_POLL_ADD, ENOMEM);
}

// ---- listening ----------------------------------------------------------------------------------

static void
note_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    (void)listener;
    (void)stream;
    events_add(arg, "accepted");
}

// It rests outside the poller; what cannot go back there is tried again.
static void
a_rest_that_cannot_end_is_prolonged(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct events *events = events_make(fixture);
    struct weir_listen request = {
        .address = transport_address(fixture), .accepted = note_accepted, .arg = events};
    struct weir_address address;
    weir_listener listener;

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    assert_status(weir_listener_address(listener, &address), 0);
    fixture_settle(fixture);
    transport_connect(fixture, &address, 0);
    os_count_fail(COUNT_ACCEPT, 1, EMFILE);
    while (os_count_of(COUNT_ACCEPT) == 0) {
        fixture_turn(fixture);
    }
    os_count_fail(COUNT_POLL_ADD, 1, ENOMEM);
    events_wait(events, "accepted");
    assert_true(os_count_of(COUNT_POLL_ADD) >= 2);
    os_count_off();
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH_UNIX(room_that_cannot_be_watched_ends_the_stream),
        EACH_UNIX(room_that_is_watched_on_does_no_harm),
        EACH(accepted_writes_without_memory_are_not_overtaken),
        EACH(a_send_without_memory_says_memory),
        EACH(a_failing_receive_ends_the_pull_and_the_stream),
        EACH(an_adopted_stream_that_cannot_be_watched_says_memory),
        EACH(a_dial_without_a_descriptor_says_memory),
        EACH(a_dial_that_cannot_be_watched_says_memory),
        EACH(a_rest_that_cannot_end_is_prolonged),
    };

    return RUN_CASES("conformance.kernel_refuses", cases);
}
