// SPDX-License-Identifier: MIT
//
// Closing: three modes, by whatever state the stream and its peer are in.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024, CODE = 4711 };

static const enum weir_close_mode modes[] = {WEIR_CLOSE_DRAIN, WEIR_CLOSE_FLUSH, WEIR_CLOSE_ABORT};
enum { MODE_COUNT = sizeof(modes) / sizeof(modes[0]) };

static struct recorder *
recorded(struct pair *pair)
{
    struct recorder *recorder = recorder_make(pair->fixture);

    recorder->events = pair->events;
    return recorder;
}

// What every ended stream owes.
static void
expect_gone(struct pair *pair)
{
    struct fixture *fixture = pair->fixture;

    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "closed"), 1);
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
    assert_status(weir_closed_wait(pair->stream, WEIR_NEVER), 0);
    assert_status(weir_stream_status(pair->stream), -WEIR_ESTALE);
    assert_int_equal(weir_queued(pair->stream), 0);
}

static void
expect_local(struct pair *pair, uint64_t code)
{
    assert_int_equal(pair->events->closed.origin, WEIR_ORIGIN_LOCAL_CLOSE);
    assert_int_equal(pair->events->closed.code, code);
}

// Ended by our own close, with what the kernel had taken.
static void
expect_aborted(struct weir_result result, uint64_t sent)
{
    assert_true(result.status == -WEIR_EENDED || result.status == -ECONNABORTED);
    assert_int_equal(result.origin, WEIR_ORIGIN_LOCAL_CLOSE);
    assert_int_equal(result.sent, sent);
}

// ---- nothing queued ---------------------------------------------------------------------------

// H33, H4: flush nothing, FIN, wait for the peer's FIN.
static void
drain_with_nothing_queued_waits_for_the_peer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(close_stream(pair, WEIR_CLOSE_DRAIN, 0, 0), 0);
    events_wait(pair->events, "send_closed");
    peer_expect_eof(fixture, pair->peer);
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "closed"), 0);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_finish(fixture, pair->peer);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "send_closed:1 closed:0");
    assert_int_equal(pair->events->closed.origin, WEIR_ORIGIN_NONE);
    assert_int_equal(pair->events->closed.bytes_lost, 0);
    // Its input went to the data function.
    assert_int_equal(events_input_size(pair->events), 1000);
    assert_int_equal(pair->events->closed.bytes_received, 1000);
    expect_gone(pair);
}

// H33, K43
static void
flush_with_nothing_queued_closes_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(close_stream(pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    pair_wait_closed(pair);
    events_expect(pair->events, "started send_closed:1 closed:0");
    peer_expect_eof(fixture, pair->peer);
    expect_gone(pair);
}

// Q31, Q33, Q35: a reset, and the code stays with us.
static void
abort_with_nothing_queued_resets(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, WEIR_CODE_MAX + 1), -EINVAL);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, CODE), 0);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "send_closed:0 closed");
    expect_local(pair, CODE);
    assert_int_equal(peer_expect_reset(fixture, pair->peer), 0);
    expect_gone(pair);
}

// Unknown modes are nobody's.
static void
an_unknown_mode_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    assert_status(close_stream(pair, (enum weir_close_mode)17, 0, 0), -EINVAL);
    assert_status(weir_close((weir_stream){0}, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
}

// ---- queued -----------------------------------------------------------------------------------

// K40: write, FIN, close; K42, 1167: without losing the tail.
static void
drain_and_flush_send_all_that_is_queued(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
        struct recorder *recorder = recorded(pair);

        assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
        assert_status(request_submit(pair, recorder, 1, 10, WEIR_MORE), 0);
        assert_status(close_stream(pair, modes[index], 0, 0), 0);
        assert_status(request_submit(pair, recorder, 2, 10, 0), -WEIR_EENDED);
        pair_block(pair);
        assert_int_equal(events_count(pair->events, "closed"), 0);
        peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
        peer_read_pattern(fixture, pair->peer, 10, 0, 1);
        peer_expect_eof(fixture, pair->peer);
        peer_finish(fixture, pair->peer);
        pair_wait_closed(pair);
        events_expect_ending(pair->events, "done:0 done:0 send_closed:1 closed:0");
        assert_int_equal(pair->events->closed.bytes_sent, MIB + 10);
        assert_int_equal(pair->events->closed.bytes_lost, 0);
        expect_gone(pair);
        fixture_close_fd(fixture, pair->peer);
    }
}

// N40, Q31: what is queued ends in order, with what it had sent.
static void
abort_ends_all_that_is_queued(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorded(pair);
    size_t taken;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_COPY), 0);
    assert_status(request_submit(pair, recorder, 2, 0, 0), 0);
    taken = pair_block(pair);
    assert_status(request_submit(pair, recorder, 3, 1000, 0), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, CODE), 0);
    pair_wait_closed(pair);
    assert_int_equal(recorder_count(recorder), 4);
    expect_aborted(recorder_of(recorder, 0), taken);
    expect_aborted(recorder_of(recorder, 1), 0);
    expect_aborted(recorder_of(recorder, 2), 0);
    expect_aborted(recorder_of(recorder, 3), 0);
    events_expect_ending(pair->events, "done done done done send_closed:0 closed");
    expect_local(pair, CODE);
    assert_int_equal(pair->events->closed.bytes_sent, taken);
    assert_int_equal(pair->events->closed.bytes_lost, MIB - taken + 100 + 1000);
    peer_expect_reset(fixture, pair->peer);
    expect_gone(pair);
}

// Nothing was ever turned between submit and close: still one completion each.
static void
a_close_right_behind_a_write_forgets_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        struct recorder *recorder = recorded(pair);

        assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
        assert_status(close_stream(pair, modes[index], 0, CODE), 0);
        peer_finish(fixture, pair->peer);
        pair_wait_closed(pair);
        assert_int_equal(recorder_count(recorder), 1);
        events_expect_ending(pair->events, modes[index] == WEIR_CLOSE_ABORT
                                               ? "done send_closed closed"
                                               : "done:0 send_closed:1 closed:0");
        if (modes[index] != WEIR_CLOSE_ABORT) {
            peer_read_pattern(fixture, pair->peer, 100, 0, 0);
            peer_expect_eof(fixture, pair->peer);
        }
        expect_gone(pair);
    }
}

// ---- a blocked peer ---------------------------------------------------------------------------

// 5.9-7, H4, 1785: the deadline ends what the peer does not take.
static void
drain_and_flush_of_a_blocked_stream_end_at_the_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
        struct recorder *recorder = recorded(pair);
        uint64_t deadline = weir_deadline_after(MS(30));
        struct weir_result result;

        assert_status(request_submit(pair, recorder, 0, 1000, 0), 0);
        fixture_settle(fixture);
        assert_status(close_stream(pair, modes[index], deadline, 0), 0);
        fixture_settle(fixture);
        assert_int_equal(events_count(pair->events, "closed"), weir_now_ns() >= deadline);
        pair_wait_closed(pair);
        assert_true(weir_now_ns() >= deadline);
        result = recorder_of(recorder, 0);
        assert_true(result.status < 0);
        assert_int_equal(result.sent, 0);
        events_expect_ending(pair->events, "done send_closed:0 closed");
        assert_true(pair->events->closed.status < 0);
        assert_int_equal(pair->events->closed.bytes_lost, 1000);
        peer_expect_reset(fixture, pair->peer);
        expect_gone(pair);
    }
}

// H4: the peer that never ends is left at the deadline.
static void
drain_leaves_a_peer_that_never_closes_at_the_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorded(pair);
    uint64_t deadline = weir_deadline_after(MS(30));

    assert_status(request_submit(pair, recorder, 0, 1000, 0), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_DRAIN, deadline, 0), 0);
    recorder_wait(recorder, 1);
    events_wait(pair->events, "send_closed");
    pair_wait_closed(pair);
    assert_true(weir_now_ns() >= deadline);
    events_expect_ending(pair->events, "done:0 send_closed:1 closed");
    assert_true(pair->events->closed.status < 0);
    assert_int_equal(pair->events->closed.bytes_lost, 0);
    expect_gone(pair);
}

// WEIR_NEVER: as long as it takes. A deadline that has passed: at once.
static void
a_close_takes_any_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *never = pair_open(fixture, &(struct pair_options){.small = true});
    struct pair *passed = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorded(never);

    assert_status(request_submit(passed, recorded(passed), 0, 10, 0), 0);
    assert_status(close_stream(passed, WEIR_CLOSE_DRAIN, 1, 0), 0);
    pair_wait_closed(passed);
    events_expect_ending(passed->events, "done send_closed:0 closed");
    assert_status(request_submit(never, recorder, 0, MIB, 0), 0);
    assert_status(close_stream(never, WEIR_CLOSE_FLUSH, WEIR_NEVER, 0), 0);
    pair_block(never);
    peer_read_pattern(fixture, never->peer, MIB, 0, 0);
    pair_wait_closed(never);
    events_expect_ending(never->events, "done:0 send_closed:1 closed:0");
}

// C24, Q33, 2557: an abort never waits behind back-pressure.
static void
abort_passes_a_blocked_queue(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorded(pair);

    for (unsigned tag = 0; tag < 100; tag++) {
        assert_status(request_submit(pair, recorder, tag, 1000, 0), 0);
    }
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 100);
    for (unsigned tag = 0; tag < 100; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        expect_aborted(recorder_of(recorder, tag), 0);
    }
    assert_int_equal(pair->events->closed.bytes_lost, 100000);
    peer_expect_reset(fixture, pair->peer);
}

// ---- the peer is gone already -----------------------------------------------------------------

// 5.9-7
static void
any_mode_closes_a_stream_whose_peer_has_ended(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});

        peer_finish(fixture, pair->peer);
        events_wait(pair->events, "peer_fin");
        assert_status(close_stream(pair, modes[index], 0, 0), 0);
        pair_wait_closed(pair);
        events_expect_ending(pair->events, modes[index] == WEIR_CLOSE_ABORT
                                               ? "send_closed closed"
                                               : "send_closed:1 closed:0");
        expect_gone(pair);
    }
}

// 5.9-7
static void
any_mode_closes_a_stream_whose_peer_has_closed(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        int result;

        fixture_close_fd(fixture, pair->peer);
        events_wait(pair->events, "peer_fin");
        result = close_stream(pair, modes[index], 0, 0);
        assert_true(result == 0 || result == -WEIR_ESTALE);
        pair_wait_closed(pair);
        events_expect_ending(pair->events, "send_closed closed");
        expect_gone(pair);
    }
}

// The same, not yet seen by the loop.
static void
any_mode_closes_a_stream_whose_peer_has_just_gone(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        struct recorder *recorder = recorded(pair);

        peer_write_pattern(fixture, pair->peer, 100, 0, 0);
        peer_reset(fixture, pair->peer);
        assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
        assert_status(close_stream(pair, modes[index], 0, 0), 0);
        pair_wait_closed(pair);
        assert_int_equal(recorder_count(recorder), 1);
        events_expect_ending(pair->events, "done send_closed closed");
        if (modes[index] == WEIR_CLOSE_DRAIN) {
            assert_int_equal(events_input_size(pair->events), 100);
        }
        expect_gone(pair);
    }
}

// ---- again, harder, from anywhere -------------------------------------------------------------

// K43, Q38: twice is once.
static void
a_second_close_of_the_same_mode_changes_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});

        assert_status(close_stream(pair, modes[index], 0, CODE), 0);
        assert_status(close_stream(pair, modes[index], 0, CODE + 1), 0);
        fixture_turn(fixture);
        close_stream(pair, modes[index], 0, CODE + 2);
        shutdown(pair->peer, SHUT_WR); // refused after a reset
        pair_wait_closed(pair);
        events_expect_ending(pair->events, "send_closed closed");
        if (modes[index] == WEIR_CLOSE_ABORT) {
            expect_local(pair, CODE);
        }
        expect_gone(pair);
    }
}

// A harder mode overrides; a softer one does not.
static void
a_harder_mode_overrides_a_softer_one(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *drained = pair_open(fixture, &(struct pair_options){0});
    struct pair *flushed = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct pair *aborted = pair_open(fixture, &(struct pair_options){.stuffed = true});

    // DRAIN waits for the peer; FLUSH does not.
    assert_status(close_stream(drained, WEIR_CLOSE_DRAIN, 0, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(events_count(drained->events, "closed"), 0);
    assert_status(close_stream(drained, WEIR_CLOSE_FLUSH, 0, 0), 0);
    pair_wait_closed(drained);
    events_expect_ending(drained->events, "send_closed:1 closed:0");
    // FLUSH waits for room; DRAIN does not soften it; ABORT does not wait.
    assert_status(request_submit(flushed, recorded(flushed), 0, 10, 0), 0);
    fixture_settle(fixture);
    assert_status(close_stream(flushed, WEIR_CLOSE_FLUSH, 0, 0), 0);
    assert_status(close_stream(flushed, WEIR_CLOSE_DRAIN, 0, 0), 0);
    fixture_settle(fixture);
    pair_unstuff(flushed);
    pair_wait_closed(flushed);
    events_expect_ending(flushed->events, "done:0 send_closed:1 closed:0");
    assert_status(request_submit(aborted, recorded(aborted), 0, 10, 0), 0);
    fixture_settle(fixture);
    assert_status(close_stream(aborted, WEIR_CLOSE_DRAIN, WEIR_NEVER, 0), 0);
    fixture_settle(fixture);
    assert_status(close_stream(aborted, WEIR_CLOSE_ABORT, 0, CODE), 0);
    pair_wait_closed(aborted);
    events_expect_ending(aborted->events, "done send_closed:0 closed");
    expect_local(aborted, CODE);
}

struct closing {
    struct events events; // the user pointer of the stream
    struct weir_handlers handlers;
    struct pair *pair;
    enum weir_close_mode mode;
    int result;
};

static struct weir_consumed
close_inside_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct closing *closing = user;
    size_t size = 0;

    callback_begin(closing->events.fixture);
    call_begin();
    closing->result = weir_close(stream, closing->mode, 0, CODE);
    call_end();
    weir_iter_length(begin, end, &size);
    events_add_value(&closing->events, "data", (int64_t)size);
    callback_end();
    return (struct weir_consumed){.consumed = size, .examined = size};
}

static void
close_inside_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct closing *closing = user;

    (void)ambiguous;
    callback_begin(closing->events.fixture);
    call_begin();
    closing->result = weir_close(stream, closing->mode, 0, CODE);
    call_end();
    events_add(&closing->events, "peer_fin");
    callback_end();
}

static struct closing *
open_closing(struct fixture *fixture, enum weir_close_mode mode)
{
    struct closing *closing = fixture_memory(fixture, sizeof(*closing));

    events_join(fixture, &closing->events);
    closing->handlers = *events_handlers();
    closing->mode = mode;
    closing->result = 1;
    return closing;
}

static struct pair *
open_closing_pair(struct fixture *fixture, struct closing *closing)
{
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream = {.handlers = &closing->handlers,
                                                             .user = &closing->events}});

    pair->events = &closing->events;
    events_wait(pair->events, "started");
    return pair;
}

// 5.9-7, 5.9-13: from a callback of the stream's own, also the one that speaks of input.
static void
a_stream_may_be_closed_from_its_callbacks(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 2 * MODE_COUNT; index++) {
        struct closing *closing = open_closing(fixture, modes[index / 2]);
        struct pair *pair;

        if (index % 2 == 0) {
            closing->handlers.data = close_inside_data;
        } else {
            closing->handlers.peer_fin = close_inside_fin;
        }
        pair = open_closing_pair(fixture, closing);
        peer_write_pattern(fixture, pair->peer, 10, 0, 0);
        peer_finish(fixture, pair->peer);
        pair_wait_closed(pair);
        assert_status(closing->result, 0);
        events_expect_ending(pair->events, closing->mode == WEIR_CLOSE_ABORT
                                               ? "send_closed closed"
                                               : "send_closed:1 closed:0");
        expect_gone(pair);
    }
}

struct done_close {
    struct fixture *fixture;
    struct pair *pair;
    enum weir_close_mode mode;
    int result;
};

static void
close_inside_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct done_close *close = arg;

    callback_begin(close->fixture);
    events_add_value(close->pair->events, "done", result->status);
    call_begin();
    close->result = weir_close(stream, close->mode, 0, CODE);
    call_end();
    callback_end();
}

// 5.9-13: from a completion; those behind it end as the mode says.
static void
a_stream_may_be_closed_from_a_completion(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < MODE_COUNT; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
        struct recorder *recorder = recorded(pair);
        struct done_close *close = fixture_memory(fixture, sizeof(*close));
        struct weir_write request = request_make(recorder, 0, 100);

        *close = (struct done_close){fixture, pair, modes[index], 1};
        request.done = close_inside_done;
        request.arg = close;
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
        assert_status(request_submit(pair, recorder, 1, MIB, 0), 0);
        events_wait(pair->events, "done");
        if (modes[index] == WEIR_CLOSE_ABORT) {
            pair_wait_closed(pair);
            events_expect_ending(pair->events, "done:0 done send_closed:0 closed");
        } else {
            peer_read_pattern(fixture, pair->peer, 100, 0, 0);
            peer_read_pattern(fixture, pair->peer, MIB, 0, 1);
            peer_expect_eof(fixture, pair->peer);
            peer_finish(fixture, pair->peer);
            pair_wait_closed(pair);
            events_expect_ending(pair->events, "done:0 done:0 send_closed:1 closed:0");
        }
        assert_status(close->result, 0);
        expect_gone(pair);
    }
}

static void
close_hard(void *arg)
{
    struct closing *closing = arg;

    closing->result = weir_close(closing->pair->stream, closing->mode, 0, CODE);
}

// 5.9-7: from two threads at once, and the loop: one end.
static void
a_stream_may_be_closed_from_two_threads_at_once(void **state)
{
    enum { ROUNDS = 50 };
    struct fixture *fixture = fixture_threads(state, 1);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});
        struct recorder *recorder = recorded(pair);
        struct closing *closing = fixture_memory(fixture, 2 * sizeof(*closing));
        struct thread *threads[2];

        for (unsigned index = 0; index < 2; index++) {
            closing[index].pair = pair;
            closing[index].mode = modes[(round + index) % MODE_COUNT];
            closing[index].result = 1;
        }
        assert_status(request_submit(pair, recorder, 0, 1000, WEIR_COPY), 0);
        threads[0] = thread_start(fixture, close_hard, &closing[0]);
        threads[1] = thread_start(fixture, close_hard, &closing[1]);
        thread_join(fixture, threads[0]);
        thread_join(fixture, threads[1]);
        for (unsigned index = 0; index < 2; index++) {
            assert_true(closing[index].result == 0 || closing[index].result == -WEIR_ESTALE);
        }
        shutdown(pair->peer, SHUT_WR); // refused after a reset
        pair_wait_closed(pair);
        recorder_wait(recorder, 1);
        events_expect_ending(pair->events, "done send_closed closed");
        assert_status(weir_closed_wait(pair->stream, test_deadline()), 0);
        assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
        fixture_close_fd(fixture, pair->peer);
    }
}

// ---- input at the end -------------------------------------------------------------------------

// K42, 4703, 1167: unread input must not turn our tail into a reset.
static void
drain_with_unread_input_loses_no_byte_of_ours(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true, .small = true});
    struct recorder *recorder = recorded(pair);

    peer_write_pattern(fixture, pair->peer, 100000, 0, 0);
    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_DRAIN, 0, 0), 0);
    peer_read_pattern(fixture, pair->peer, MIB / 2, 0, 0);
    peer_write_pattern(fixture, pair->peer, 100000, 100000, 0);
    peer_read_pattern(fixture, pair->peer, MIB / 2, MIB / 2, 0);
    peer_expect_eof(fixture, pair->peer);
    peer_write_pattern(fixture, pair->peer, 100000, 200000, 0);
    peer_finish(fixture, pair->peer);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "done:0 send_closed:1 closed:0");
    // Still no reset.
    peer_expect_eof(fixture, pair->peer);
}

// K42: a flush does not wait for the peer, and yet what it flushed is not lost for want of reading.
static void
flush_with_unread_input_loses_no_byte_of_ours(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(
        reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED, .small = true});
    struct recorder *recorder = recorded(pair);
    size_t unread = peer_write_until_blocked(fixture, pair->peer, MIB, 0);

    assert_true(unread > 0);
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "done:0 send_closed:1 closed:0");
    assert_int_equal(reader_calls(reader), 0); // paused until its end
    assert_int_equal(pair->events->closed.bytes_received, unread);
}

// The tail is still in the kernel when the stream has closed.
static void
flush_leaves_the_tail_with_the_kernel(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});
    struct recorder *recorder = recorded(pair);

    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    assert_status(request_submit(pair, recorder, 0, 100000, 0), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    pair_wait_closed(pair);
    peer_read_pattern(fixture, pair->peer, 100000, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    events_expect_ending(pair->events, "done:0 send_closed:1 closed:0");
}

// H4: paused reading does not keep a drain from its end.
static void
drain_ends_also_when_reading_is_paused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});

    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_finish(fixture, pair->peer);
    fixture_settle(fixture);
    assert_status(close_stream(pair, WEIR_CLOSE_DRAIN, weir_deadline_after(MS(100)), 0), 0);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "send_closed:1 closed");
}

// K44, Q-T7: blocks that a data function still holds do not outlive the stream.
static void
a_pending_answer_does_not_outlive_an_abort(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 20000, 0, 0);
    reader_wait_calls(reader, 1);
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "send_closed:0 closed");
    fixture_end(fixture);
}

// K44: a section that was open returns its blocks.
static void
an_open_section_does_not_keep_a_stream_from_closing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_iter iter;

    assert_status(weir_produce(pair->stream, &iter), 0);
    assert_status(weir_iter_append(&iter, "abc", 3), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    pair_wait_closed(pair);
    assert_true(weir_commit(pair->stream, iter, NULL, NULL) < 0);
    events_expect_ending(pair->events, "send_closed:1 closed:0");
    peer_expect_eof(fixture, pair->peer);
    fixture_end(fixture);
}

// ---- closed is the last -----------------------------------------------------------------------

// The user pointer of two streams that end in one turn: their log, and what another thread was
// answered about the second one while the first one's `closed` ran, and while its own did.
struct ending {
    struct events events;
    struct recorder *recorder;
    struct pulls *pulls;
    weir_stream second;
    int reads[2];
    int writes[2];
    unsigned step;
};

static void *
come_late(void *arg)
{
    struct ending *ending = arg;
    struct weir_read read = pulls_request(ending->pulls, ending->step);
    struct weir_write write = request_make(ending->recorder, ending->step, 10);

    ending->reads[ending->step] = weir_read(ending->second, &read, NULL);
    ending->writes[ending->step] = weir_write(ending->second, &write, NULL);
    return NULL;
}

static void
closed_with_late_comers(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct ending *ending = user;
    pthread_t thread;

    events_handlers_pull()->closed(stream, closed, user);
    if (ending->step < 2 && pthread_create(&thread, NULL, come_late, ending) == 0) {
        pthread_join(thread, NULL);
    }
    ending->step++;
}

// Nothing is in flight, and `closed` is the next thing to be told: whoever comes now, from any
// thread, with what a dead stream would still take, is refused; nothing completes behind `closed`.
static void
what_comes_when_closed_is_due_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ending *ending = fixture_memory(fixture, sizeof(*ending));
    struct weir_handlers *handlers = fixture_memory(fixture, sizeof(*handlers));
    struct pair_options options = {.stream.handlers = handlers,
                                   .stream.user = ending,
                                   .stream.flags = WEIR_STREAM_SWALLOW,
                                   .unstarted = true};
    struct pair *first;

    *handlers = *events_handlers_pull();
    handlers->closed = closed_with_late_comers;
    ending->recorder = recorder_make(fixture);
    ending->pulls = pulls_make(fixture);
    events_join(fixture, &ending->events);
    first = pair_open(fixture, &options);
    ending->second = pair_open(fixture, &options)->stream;
    events_wait_count(&ending->events, "started", 2);
    assert_status(weir_close(ending->second, WEIR_CLOSE_ABORT, 0, 0), 0);
    assert_status(weir_close(first->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    events_wait_count(&ending->events, "closed", 2);
    fixture_settle(fixture);
    for (unsigned step = 0; step < 2; step++) {
        assert_status(ending->reads[step], -WEIR_ESTALE);
        assert_status(ending->writes[step], -WEIR_EENDED);
    }
    assert_int_equal(pulls_count(ending->pulls), 0);
    assert_int_equal(recorder_count(ending->recorder), 0);
}

// The same as a race: threads read and write until the handle is stale.
struct hammer {
    struct ending *ending;
    weir_stream stream;
    unsigned taken; // accepted, each to complete
};

static void
count_write(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)result;
    events_add(arg, "late");
}

static void
count_read(weir_stream stream, struct weir_read_result *result, void *arg)
{
    (void)stream;
    weir_chain_return(&result->chain);
    events_add(arg, "late");
}

static void
hammer_until_stale(void *arg)
{
    struct hammer *hammer = arg;
    struct weir_read read = {.done = count_read, .arg = &hammer->ending->events};
    struct weir_write write = {.done = count_write, .arg = &hammer->ending->events};

    for (unsigned tries = 0; tries < 300; tries++) {
        hammer->taken += weir_read(hammer->stream, &read, NULL) == 0;
        hammer->taken += weir_write(hammer->stream, &write, NULL) == 0;
        if (weir_stream_status(hammer->stream) == -WEIR_ESTALE) {
            break;
        }
    }
}

static void
closed_is_the_last_also_in_a_race(void **state)
{
    enum { ROUNDS = 60, THREADS = 2 };
    struct fixture *fixture = fixture_threads(state, 1);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct ending *ending = fixture_memory(fixture, sizeof(*ending));
        struct hammer *hammers = fixture_memory(fixture, THREADS * sizeof(*hammers));
        struct thread *threads[THREADS];
        unsigned taken = 0;
        struct pair *pair;

        events_join(fixture, &ending->events);
        pair = pair_open(fixture, &(struct pair_options){.stream.handlers = events_handlers_pull(),
                                                         .stream.user = ending,
                                                         .stream.flags = WEIR_STREAM_SWALLOW,
                                                         .unstarted = true});
        events_wait(&ending->events, "started");
        for (unsigned i = 0; i < THREADS; i++) {
            hammers[i].ending = ending;
            hammers[i].stream = pair->stream;
            threads[i] = thread_start(fixture, hammer_until_stale, &hammers[i]);
        }
        assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
        for (unsigned i = 0; i < THREADS; i++) {
            thread_join(fixture, threads[i]);
            taken += hammers[i].taken;
        }
        events_wait(&ending->events, "closed");
        assert_int_equal(events_count(&ending->events, "late"), taken);
        assert_string_equal(ending->events.list[ending->events.count - 1].name, "closed");
        fixture_close_fd(fixture, pair->peer);
    }
}

// ---- waiting ----------------------------------------------------------------------------------

struct waiting {
    struct pair *pair;
    uint64_t deadline_ns;
    int result;
    unsigned closed; // entries in the log when the wait returned
};

static void
wait_closed(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = weir_closed_wait(waiting->pair->stream, waiting->deadline_ns);
    waiting->closed = events_count(waiting->pair->events, "closed");
}

static void
a_thread_may_wait_for_the_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct thread *thread;

    waiting->pair = pair;
    waiting->deadline_ns = weir_deadline_after(MS(10));
    wait_closed(waiting);
    assert_status(waiting->result, -ETIMEDOUT);
    waiting->deadline_ns = test_deadline();
    loop_call(fixture, fixture->loop, wait_closed, waiting);
    assert_status(waiting->result, -EDEADLK);
    thread = thread_start(fixture, wait_closed, waiting);
    assert_status(close_stream(pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    thread_join(fixture, thread);
    assert_status(waiting->result, 0);
    assert_int_equal(waiting->closed, 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(drain_with_nothing_queued_waits_for_the_peer),
        EACH(flush_with_nothing_queued_closes_at_once),
        EACH(abort_with_nothing_queued_resets),
        ONCE(an_unknown_mode_is_refused),
        EACH(drain_and_flush_send_all_that_is_queued),
        EACH(abort_ends_all_that_is_queued),
        EACH(a_close_right_behind_a_write_forgets_nothing),
        EACH(drain_and_flush_of_a_blocked_stream_end_at_the_deadline),
        EACH(drain_leaves_a_peer_that_never_closes_at_the_deadline),
        EACH(a_close_takes_any_deadline),
        EACH(abort_passes_a_blocked_queue),
        EACH(any_mode_closes_a_stream_whose_peer_has_ended),
        EACH(any_mode_closes_a_stream_whose_peer_has_closed),
        EACH(any_mode_closes_a_stream_whose_peer_has_just_gone),
        EACH(a_second_close_of_the_same_mode_changes_nothing),
        EACH(a_harder_mode_overrides_a_softer_one),
        EACH(a_stream_may_be_closed_from_its_callbacks),
        EACH(a_stream_may_be_closed_from_a_completion),
        EACH(a_stream_may_be_closed_from_two_threads_at_once),
        EACH(drain_with_unread_input_loses_no_byte_of_ours),
        EACH(flush_with_unread_input_loses_no_byte_of_ours),
        EACH(flush_leaves_the_tail_with_the_kernel),
        EACH(drain_ends_also_when_reading_is_paused),
        EACH(a_pending_answer_does_not_outlive_an_abort),
        EACH(an_open_section_does_not_keep_a_stream_from_closing),
        EACH(what_comes_when_closed_is_due_is_refused),
        EACH(closed_is_the_last_also_in_a_race),
        EACH(a_thread_may_wait_for_the_end),
    };

    return RUN_CASES("conformance.end_close", cases);
}
