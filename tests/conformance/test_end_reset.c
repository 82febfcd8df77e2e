// SPDX-License-Identifier: MIT
//
// The peer resets: what had arrived comes first, then the event, then the completions.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

// The stream has sent one byte that the peer never reads: that makes a Unix peer's close a reset.
static void
send_unread_byte(struct pair *pair)
{
    struct recorder *recorder = recorder_make(pair->fixture);

    assert_status(request_submit(pair, recorder, 0, 1, WEIR_COPY), 0);
    recorder_wait(recorder, 1);
    fixture_settle(pair->fixture);
}

// What a reset says here to a write: TCP resets, a Unix socket breaks the pipe as well.
static bool
is_reset_status(struct fixture *fixture, int status)
{
    return status == -ECONNRESET || (status == -EPIPE && !transport_is_tcp(fixture->transport));
}

// ---- while reading ----------------------------------------------------------------------------

// N62, C19, 2100: data first, then the reason, told apart from a FIN.
static void
bytes_come_before_the_reset(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    send_unread_byte(pair);
    peer_write_pattern(fixture, pair->peer, 50000, 0, 0);
    peer_wait_sent(fixture, pair->peer);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_reset");
    reader_wait_consumed(reader, 50000);
    assert_true(events_is_before(pair->events, "data", "peer_reset"));
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
    assert_int_equal(events_count(pair->events, "peer_reset"), 1);
    close_anyhow(pair);
    events_expect_ending(pair->events, "send_closed:0 closed");
    assert_int_equal(pair->events->closed.bytes_received, 50000);
}

// 2727, dotnet 53090: the reason can be read when the event comes, and stays the reason.
static void
the_reason_is_stored_when_the_event_comes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    send_unread_byte(pair);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_reset");
    if (events_count(pair->events, "closed") == 0) {
        assert_true(is_reset_status(fixture, weir_stream_status(pair->stream)));
        assert_true(is_reset_status(fixture, request_submit(pair, recorder, 0, 10, 0)));
    }
    close_anyhow(pair);
    assert_true(is_reset_status(fixture, pair->events->closed.status));
    assert_int_equal(pair->events->closed.origin, WEIR_ORIGIN_PEER_RESET);
}

// C19: pulls get what is there, then the reason.
static void
pulls_get_their_bytes_and_then_the_reason(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);

    send_unread_byte(pair);
    for (unsigned tag = 0; tag < 3; tag++) {
        struct weir_read request = pulls_into(pulls, tag, 10, 10);

        assert_status(pull(pair, &request, NULL), 0);
    }
    peer_write_pattern(fixture, pair->peer, 15, 0, 0);
    peer_reset(fixture, pair->peer);
    pulls_wait(pulls, 3);
    expect_pulled(pulls, 0, 10, 0, 0);
    // The second has five bytes and no hope for more: they are given, not dropped.
    assert_int_equal(pulls_of(pulls, 1).size, 5);
    assert_int_equal(pattern_check(pulls_of(pulls, 1).bytes, 5, 10, 0), 5);
    expect_pull_failed(pulls, 2, -ECONNRESET, WEIR_ORIGIN_PEER_RESET);
    close_anyhow(pair);
}

// ---- while writing ----------------------------------------------------------------------------

struct reset_order {
    struct fixture *fixture;
    struct events *events;
    int status; // of the stream, seen from the first failing completion
    unsigned completions;
};

static void
look_at_status(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct reset_order *order = arg;

    callback_begin(order->fixture);
    pthread_mutex_lock(&order->fixture->lock);
    if (result->status < 0 && order->completions++ == 0) {
        order->status = weir_stream_status(stream);
    }
    pthread_mutex_unlock(&order->fixture->lock);
    events_add_value(order->events, "done", result->status);
    callback_end();
}

// N39, 5.9-6: bytes that arrived, the event, the completions in order with exact counts.
static void
a_reset_under_a_blocked_write_ends_all_in_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    size_t taken;

    recorder->events = pair->events;
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 1000, WEIR_COPY), 0);
    assert_status(request_submit(pair, recorder, 2, 0, 0), 0);
    taken = pair_block(pair);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_reset(fixture, pair->peer);
    recorder_wait(recorder, 3);
    reader_wait_consumed(reader, 1000);
    events_wait(pair->events, "peer_reset");
    assert_true(events_is_before(pair->events, "data", "peer_reset"));
    assert_true(events_is_before(pair->events, "peer_reset", "done"));
    for (unsigned tag = 0; tag < 3; tag++) {
        struct weir_result result = recorder_of(recorder, tag);

        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        assert_true(is_reset_status(fixture, result.status));
        assert_int_equal(result.origin, WEIR_ORIGIN_PEER_RESET);
        assert_int_equal(result.sent, tag == 0 ? taken : 0);
    }
    close_anyhow(pair);
    events_expect_ending(pair->events, "done done done send_closed:0 closed");
    assert_int_equal(pair->events->closed.bytes_lost, MIB - taken + 1000);
    assert_int_equal(pair->events->closed.bytes_sent, taken);
}

// 2727: stored before the first failing completion.
static void
a_failing_completion_finds_the_reason_stored(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct reset_order *order = fixture_memory(fixture, sizeof(*order));
    struct weir_write request = request_make(recorder, 0, MIB);

    *order = (struct reset_order){.fixture = fixture, .events = pair->events, .status = 1};
    request.done = look_at_status;
    request.arg = order;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    pair_block(pair);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "done");
    assert_true(is_reset_status(fixture, order->status));
    close_anyhow(pair);
}

// A write into a connection that is gone and was not looked at: the send finds out.
static void
a_write_into_a_reset_connection_fails_with_the_reason(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_result result;

    recorder->events = pair->events;
    send_unread_byte(pair);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    peer_reset(fixture, pair->peer);
    assert_status(request_submit(pair, recorder, 0, 1000, WEIR_COPY), 0);
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 0);
    assert_true(result.status == -ECONNRESET || result.status == -EPIPE);
    assert_true(result.origin == WEIR_ORIGIN_PEER_RESET || result.origin == WEIR_ORIGIN_PEER_STOP);
    assert_int_equal(result.sent, 0);
    close_anyhow(pair);
    assert_int_equal(events_input_size(pair->events), 100);
    assert_true(events_is_before(pair->events, "data", "closed"));
}

// Unless the peer stopped reading only: EPIPE is its name, and what it sends still comes (5.6).
static void
a_unix_peer_that_stops_reading_is_a_stop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_int_equal(shutdown(pair->peer, SHUT_RD), 0);
    assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -EPIPE, WEIR_ORIGIN_PEER_STOP, 0);
    events_wait(pair->events, "peer_stop");
    assert_int_equal(events_count(pair->events, "peer_stop"), 1);
    assert_status(weir_stream_status(pair->stream), -EPIPE);
    assert_status(request_submit(pair, recorder, 1, 100, 0), -EPIPE);
    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    reader_wait_consumed(reader, 5000);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
}

// The same under a blocked write: it ends when there is room to find out. (The kernel tells nobody
// before that.)
static void
a_stop_under_a_blocked_write_ends_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    size_t taken;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    taken = pair_block(pair);
    assert_int_equal(shutdown(pair->peer, SHUT_RD), 0);
    peer_read_pattern(fixture, pair->peer, taken, 0, 0);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 0), -EPIPE, WEIR_ORIGIN_PEER_STOP, taken);
    expect_result(recorder_of(recorder, 1), -EPIPE, WEIR_ORIGIN_PEER_STOP, 0);
    events_wait(pair->events, "peer_stop");
}

// ---- while paused -----------------------------------------------------------------------------

// Q56: a reset is told at once; what had arrived stays readable.
static void
a_reset_while_paused_is_told_at_once_and_keeps_the_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});

    send_unread_byte(pair);
    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_reset");
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 0);
    assert_int_equal(events_count(pair->events, "closed"), 0);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 5000);
    assert_int_equal(events_count(pair->events, "peer_reset"), 1);
    close_anyhow(pair);
    events_expect_ending(pair->events, "send_closed:0 closed");
}

// Q56: also while an answer is pending.
static void
a_reset_with_an_answer_pending_is_told_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    send_unread_byte(pair);
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(fixture);
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_reset");
    close_anyhow(pair);
}

// Writes queued on a paused stream end too.
static void
writes_of_a_paused_stream_end_with_the_reset(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.small = true, .stream.flags = WEIR_STREAM_PAUSED});
    struct recorder *recorder = recorder_make(fixture);
    size_t taken;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    taken = pair_block(pair);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_reset(fixture, pair->peer);
    recorder_wait(recorder, 1);
    assert_true(is_reset_status(fixture, recorder_of(recorder, 0).status));
    assert_int_equal(recorder_of(recorder, 0).sent, taken);
    if (events_count(pair->events, "closed") == 0) {
        weir_resume(pair->stream);
        fixture_settle(fixture);
        assert_int_equal(events_input_size(pair->events), 1000);
    }
    close_anyhow(pair);
}

// Nobody reads, and this side has ended: the reset is told, and no end behind it.
static void
a_reset_is_not_told_as_an_end_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});

    send_unread_byte(pair);
    assert_status(weir_end(pair->stream), 0);
    events_wait(pair->events, "send_closed");
    peer_reset(fixture, pair->peer);
    events_wait(pair->events, "peer_reset");
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
    close_anyhow(pair);
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
}

// The end that a close would have sent finds the connection gone before it was ever looked at.
static void
an_end_that_did_not_leave_is_not_graceful(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.unstarted = true});

    peer_reset(fixture, pair->peer);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    pair_wait_closed(pair);
    assert_int_equal(events_count(pair->events, "send_closed:1"), 0);
}

// ---- many -------------------------------------------------------------------------------------

// 5.9-6 with threads, over and over: whatever the race, every accepted write ends once.
static void
resets_that_race_with_writes_leave_nothing_open(void **state)
{
    enum { ROUNDS = 100, WRITES = 20 };
    struct fixture *fixture = fixture_threads(state, 2);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct pair *pair = pair_open(
            fixture,
            &(struct pair_options){.loop = weir_runtime_loop(fixture->runtime, round % 2)});
        struct recorder *recorder = recorder_make(fixture);
        unsigned accepted = 0;

        recorder->events = pair->events;
        for (unsigned tag = 0; tag < WRITES; tag++) {
            accepted += request_submit(pair, recorder, tag, 10000, WEIR_COPY) == 0;
            if (tag == WRITES / 2) {
                peer_reset(fixture, pair->peer);
            }
        }
        recorder_wait(recorder, accepted);
        close_anyhow(pair);
        assert_int_equal(recorder_count(recorder), accepted);
        assert_true(events_is_before(pair->events, "done", "closed"));
        assert_int_equal(events_count(pair->events, "closed"), 1);
        assert_int_equal(events_count(pair->events, "send_closed"), 1);
    }
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH_WITH_RESETS(bytes_come_before_the_reset),
        EACH_WITH_RESETS(the_reason_is_stored_when_the_event_comes),
        EACH_WITH_RESETS(pulls_get_their_bytes_and_then_the_reason),
        EACH_WITH_RESETS(a_reset_under_a_blocked_write_ends_all_in_order),
        EACH(a_failing_completion_finds_the_reason_stored),
        EACH(a_write_into_a_reset_connection_fails_with_the_reason),
        EACH_UNIX(a_unix_peer_that_stops_reading_is_a_stop),
        EACH_UNIX(a_stop_under_a_blocked_write_ends_it),
        EACH_WITH_RESETS(a_reset_while_paused_is_told_at_once_and_keeps_the_bytes),
        EACH_WITH_RESETS(a_reset_with_an_answer_pending_is_told_at_once),
        EACH(writes_of_a_paused_stream_end_with_the_reset),
        EACH_TCP(a_reset_is_not_told_as_an_end_too),
        EACH_TCP(an_end_that_did_not_leave_is_not_graceful),
        EACH(resets_that_race_with_writes_leave_nothing_open),
    };

    return RUN_CASES("conformance.end_reset", cases);
}
