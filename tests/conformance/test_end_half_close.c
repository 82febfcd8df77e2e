// SPDX-License-Identifier: MIT
//
// Ends of one direction: FIN both ways, what comes before it, what is refused after it.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

// ---- our end ----------------------------------------------------------------------------------

// H31, K41, Q16, Q30: the FIN leaves behind every byte; reading goes on.
static void
an_end_leaves_behind_all_that_is_queued(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    recorder->events = pair->events;
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    call_begin();
    assert_status(weir_end(pair->stream), 0);
    call_end();
    pair_block(pair);
    assert_int_equal(events_count(pair->events, "send_closed"), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 2);
    events_wait(pair->events, "send_closed");
    events_expect(pair->events, "started done:0 done:0 send_closed:1");
    peer_write_pattern(fixture, pair->peer, 100000, 0, 0);
    reader_wait_consumed(reader, 100000);
    assert_int_equal(events_count(pair->events, "closed"), 0);
}

// H6, C8: nothing follows an end, by any verb.
static void
writes_after_an_end_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_iter iter;

    assert_status(weir_stream_status(pair->stream), 0);
    assert_status(weir_end(pair->stream), 0);
    assert_status(request_submit(pair, recorder, 0, 10, 0), -WEIR_EENDED);
    assert_status(request_submit(pair, recorder, 0, 0, 0), -WEIR_EENDED);
    assert_status(request_submit(pair, recorder, 0, 10, WEIR_COPY | WEIR_FIN), -WEIR_EENDED);
    assert_status(weir_produce(pair->stream, &iter), -WEIR_EENDED);
    events_wait(pair->events, "send_closed");
    assert_status(request_submit(pair, recorder, 0, 10, 0), -WEIR_EENDED);
    assert_status(weir_stream_status(pair->stream), -WEIR_EENDED);
    assert_int_equal(fixture_stats(fixture).refused[WEIR_REFUSED_ENDED] >= 4, true);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    peer_expect_eof(fixture, pair->peer);
}

// H31, Q30: twice is once.
static void
a_second_end_is_refused_and_changes_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(weir_end(pair->stream), 0);
    assert_status(weir_end(pair->stream), -WEIR_EENDED);
    events_wait(pair->events, "send_closed");
    assert_status(weir_end(pair->stream), -WEIR_EENDED);
    fixture_settle(fixture);
    events_expect(pair->events, "started send_closed:1");
    peer_expect_eof(fixture, pair->peer);
}

// Q21: a bare FIN needs no byte before it, and the write that carries it completes.
static void
a_bare_fin_completes_like_a_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    recorder->events = pair->events;
    assert_status(request_submit(pair, recorder, 0, 0, WEIR_FIN), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 0);
    events_wait(pair->events, "send_closed");
    events_expect(pair->events, "started done:0 send_closed:1");
    peer_expect_eof(fixture, pair->peer);
}

// An end of our own is no reason to stop a pull.
static void
pulls_go_on_after_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request;
    unsigned tag;

    assert_status(weir_end(pair->stream), 0);
    events_wait(pair->events, "send_closed");
    peer_expect_eof(fixture, pair->peer);
    peer_write_pattern(fixture, pair->peer, 70000, 0, 0);
    tag = pull_exact(pair, pulls, 0, 70000, 0, 0);
    peer_finish(fixture, pair->peer);
    request = pulls_request(pulls, tag);
    assert_status(pull(pair, &request, NULL), 0);
    pulls_wait(pulls, tag + 1);
    expect_pulled_eof(pulls, tag);
}

// ---- the peer's end ---------------------------------------------------------------------------

// K45, C12: an event; writing goes on.
static void
a_peer_fin_is_an_event_and_writing_goes_on(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    events_expect(pair->events, "started data:5000 peer_fin");
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, MIB);
    assert_status(weir_stream_status(pair->stream), 0);
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "peer_fin"), 1);
    assert_int_equal(events_count(pair->events, "closed"), 0);
}

// N62, 5.9-6: a FIN that comes while our write is blocked stops nothing.
static void
a_peer_fin_under_a_blocked_write_stops_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    reader_wait_consumed(reader, 1000);
    assert_true(events_is_before(pair->events, "data", "peer_fin"));
    assert_int_equal(recorder_count(recorder), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, MIB);
}

// H1: all bytes before the end, however many.
static void
all_data_comes_before_the_peer_fin(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    peer_write_pattern(fixture, pair->peer, 3 * MIB + 7, 0, 0);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    reader_wait_consumed(reader, 3 * MIB + 7);
    events_expect(pair->events, "started data:3145735 peer_fin");
}

// Both ends: nothing is left to do, so that a close, needed or not, ends it at once.
static void
both_ends_may_come_in_either_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *ours_first = pair_open(fixture, &(struct pair_options){0});
    struct pair *theirs_first = pair_open(fixture, &(struct pair_options){0});

    assert_status(weir_end(ours_first->stream), 0);
    events_wait(ours_first->events, "send_closed");
    peer_expect_eof(fixture, ours_first->peer);
    peer_finish(fixture, ours_first->peer);
    events_wait(ours_first->events, "peer_fin");
    peer_finish(fixture, theirs_first->peer);
    events_wait(theirs_first->events, "peer_fin");
    assert_status(weir_end(theirs_first->stream), 0);
    events_wait(theirs_first->events, "send_closed");
    peer_expect_eof(fixture, theirs_first->peer);
    fixture_settle(fixture);
    close_if_open(ours_first, WEIR_CLOSE_DRAIN);
    close_if_open(theirs_first, WEIR_CLOSE_DRAIN);
    pair_wait_closed(ours_first);
    pair_wait_closed(theirs_first);
    events_expect(ours_first->events, "started send_closed:1 peer_fin closed:0");
    events_expect(theirs_first->events, "started peer_fin send_closed:1 closed:0");
}

// K45: the 2.x policy is an option. What was queued ends in order, then the stream.
static void
a_peer_fin_may_be_an_abort(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.small = true, .stream.flags = WEIR_STREAM_FIN_IS_ABORT});
    struct recorder *recorder = recorder_make(fixture);

    recorder->events = pair->events;
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    pair_block(pair);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    peer_finish(fixture, pair->peer);
    pair_wait_closed(pair);
    assert_int_equal(recorder_count(recorder), 2);
    assert_true(recorder_of(recorder, 0).status < 0);
    assert_true(recorder_of(recorder, 1).status < 0);
    assert_int_equal(recorder_of(recorder, 1).sent, 0);
    events_expect_ending(pair->events, "done done send_closed:0 closed");
    assert_int_equal(events_input_size(pair->events), 100);
    assert_true(events_is_before(pair->events, "data", "closed"));
    assert_true(weir_queued(pair->stream) == 0);
    assert_status(request_submit(pair, recorder, 2, 10, 0), -WEIR_ESTALE);
}

// ---- data before errors -----------------------------------------------------------------------

// N62: a write fails because the peer is gone; what it had sent before is delivered all the same.
static void
bytes_that_arrived_are_delivered_after_a_write_failed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});
    struct recorder *recorder = recorder_make(fixture);

    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    fixture_close_fd(fixture, pair->peer);
    // The first write makes a TCP peer that is gone answer with a reset; the second finds out.
    for (unsigned tag = 0; tag < 100 && weir_stream_status(pair->stream) == 0; tag++) {
        if (request_submit(pair, recorder, tag, 10, WEIR_COPY) != 0) {
            break;
        }
        fixture_breathe(fixture);
    }
    assert_true(weir_stream_status(pair->stream) < 0);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 5000);
    close_anyhow(pair);
    assert_true(events_is_before(pair->events, "data", "closed"));
}

// The same with pulls: bytes first, then the end or the reason.
static void
pulls_get_their_bytes_after_a_write_failed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct recorder *recorder = recorder_make(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request;
    unsigned next;

    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    fixture_close_fd(fixture, pair->peer);
    for (unsigned tag = 0; tag < 100 && weir_stream_status(pair->stream) == 0; tag++) {
        if (request_submit(pair, recorder, tag, 10, WEIR_COPY) != 0) {
            break;
        }
        fixture_breathe(fixture);
    }
    assert_true(weir_stream_status(pair->stream) < 0);
    next = pull_exact(pair, pulls, 0, 5000, 0, 0);
    request = pulls_request(pulls, next);
    assert_status(pull(pair, &request, NULL), 0);
    pulls_wait(pulls, next + 1);
    assert_int_equal(pulls_of(pulls, next).size, 0);
    assert_true(pulls_of(pulls, next).result.eof || pulls_of(pulls, next).result.status < 0);
}

// ---- reading shut down ------------------------------------------------------------------------

// H6, H7: what was unread is dropped, what comes later is discarded, writing goes on.
static void
stopping_to_read_discards_input_and_keeps_writing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});
    struct recorder *recorder = recorder_make(fixture);

    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    fixture_settle(fixture);
    assert_status(weir_stop_reading(pair->stream, 0), 0);
    assert_status(weir_stop_reading(pair->stream, 0), 0);
    assert_status(weir_stop_reading(pair->stream, WEIR_CODE_MAX + 1), -EINVAL);
    fixture_settle(fixture);
    assert_status(weir_resume(pair->stream), 0);
    if (transport_is_tcp(fixture->transport)) {
        // The peer is not told; its bytes go nowhere and do not pile up.
        peer_write_pattern(fixture, pair->peer, MIB, 1000, 0);
    }
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 0);
    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 100);
}

// Q32, Q-T6: also with a pending answer and below the mark; it ends.
static void
stopping_to_read_works_with_an_answer_pending(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    int result;

    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    reader_wait_calls(reader, 1);
    assert_status(weir_stop_reading(pair->stream, 7), 0);
    fixture_settle(fixture);
    result = weir_consume(pair->stream, 1000, 1000);
    assert_true(result == 0 || result == -EALREADY);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    close_anyhow(pair);
}

// A FIN taken back on its way to the loop leaves the stream as it was: open.
static void
a_fin_cancelled_on_its_way_leaves_the_stream_open(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    weir_op op;

    request.flags = WEIR_FIN;
    assert_status(weir_write(pair->stream, &request, &op), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), -WEIR_EENDED);
    assert_status(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    assert_status(request_submit(pair, recorder, 2, 10, WEIR_FIN), 0);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 2), 0, WEIR_ORIGIN_NONE, 10);
    peer_read_pattern(fixture, pair->peer, 10, 0, 2);
    peer_expect_eof(fixture, pair->peer);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(an_end_leaves_behind_all_that_is_queued),
        EACH(writes_after_an_end_are_refused),
        EACH(a_second_end_is_refused_and_changes_nothing),
        EACH(a_bare_fin_completes_like_a_write),
        EACH(pulls_go_on_after_an_end),
        EACH(a_peer_fin_is_an_event_and_writing_goes_on),
        EACH(a_peer_fin_under_a_blocked_write_stops_nothing),
        EACH(all_data_comes_before_the_peer_fin),
        EACH(both_ends_may_come_in_either_order),
        EACH(a_peer_fin_may_be_an_abort),
        EACH(bytes_that_arrived_are_delivered_after_a_write_failed),
        EACH(pulls_get_their_bytes_after_a_write_failed),
        EACH(stopping_to_read_discards_input_and_keeps_writing),
        EACH(stopping_to_read_works_with_an_answer_pending),
        EACH(a_fin_cancelled_on_its_way_leaves_the_stream_open),
    };

    return RUN_CASES("conformance.end_half_close", cases);
}
