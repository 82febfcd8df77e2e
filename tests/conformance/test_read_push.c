// SPDX-License-Identifier: MIT
//
// Reading by a data function: what it is shown, what its answers do, pause, take, input marks.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <unistd.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

// ---- what is shown ----------------------------------------------------------------------------

// H1, K81
static void
bytes_are_shown_in_order_and_all_of_them(void **state)
{
    static const size_t sizes[] = {1, 2, 4031, 4032, 4033, 70000, MIB + 1};
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    uint64_t offset = 0;

    for (unsigned index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        peer_write_pattern(fixture, pair->peer, sizes[index], offset, 0);
        offset += sizes[index];
        reader_wait_consumed(reader, offset);
    }
    assert_int_equal(fixture_stats(fixture).bytes_received, offset);
}

// However the stream came to be.
static void
dialled_and_accepted_streams_read_alike(void **state)
{
    static const enum pair_made made[] = {PAIR_ADOPTED, PAIR_DIALLED, PAIR_ACCEPTED};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < sizeof(made) / sizeof(made[0]); index++) {
        struct reader *reader = reader_make(fixture);
        struct pair *pair = reader_open(reader, &(struct pair_options){.made = made[index]});

        peer_write_pattern(fixture, pair->peer, 100000, 0, 0);
        peer_finish(fixture, pair->peer);
        reader_wait_consumed(reader, 100000);
        events_wait(pair->events, "peer_fin");
        events_expect(pair->events, "started data:100000 peer_fin");
    }
}

// Bytes that lay in the socket before it was adopted are not lost.
static void
bytes_that_came_before_the_stream_did_are_shown(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    int ours = transport_connect(fixture, &address, 0);
    int peer = transport_accept(fixture, listener);
    weir_stream stream;
    int copy = dup(ours);

    peer_write_pattern(fixture, peer, 5000, 0, 0);
    peer_finish(fixture, peer);
    fixture_close_fd(fixture, ours);
    assert_true(copy >= 0);
    assert_status(
        weir_adopt(fixture->loop, copy,
                   &(struct weir_stream_options){.handlers = &reader->handlers, .user = reader},
                   &stream),
        0);
    events_wait(&reader->events, "peer_fin");
    events_expect(&reader->events, "started data:5000 peer_fin");
}

// ---- consumed and examined --------------------------------------------------------------------

// K82: what was not consumed comes again, with more behind it, and only then.
static void
what_was_examined_comes_again_with_more(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, 3, READER_ALL);
    reader_answer(reader, 0, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    peer_write_pattern(fixture, pair->peer, 5, 10, 0);
    reader_wait_calls(reader, 2);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 2);
    peer_write_pattern(fixture, pair->peer, 1, 15, 0);
    reader_wait_consumed(reader, 16);
    reader_expect_shown(reader, 0, 10);
    reader_expect_shown(reader, 1, 12);
    reader_expect_shown(reader, 2, 13);
    assert_int_equal(reader_calls(reader), 3);
}

// K82: the rest comes again at once when not all of it was looked at.
static void
what_was_not_examined_comes_again_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, 2, 2);
    reader_answer(reader, 3, 4);
    reader_answer(reader, 0, 1);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_consumed(reader, 10);
    reader_expect_shown(reader, 0, 10);
    reader_expect_shown(reader, 1, 8);
    reader_expect_shown(reader, 2, 5);
    reader_expect_shown(reader, 3, 5);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 4);
}

// K82: one byte at a time, over the boundary of blocks.
static void
bytes_may_be_consumed_one_by_one(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    for (unsigned call = 0; call < READER_ANSWERS_MAX; call++) {
        reader_answer(reader, 1, 1);
    }
    peer_write_pattern(fixture, pair->peer, 20000, 0, 0);
    reader_wait_consumed(reader, 20000);
    assert_true(reader_calls(reader) > READER_ANSWERS_MAX);
}

// K82: a message that arrives byte by byte is shown whole in the end.
static void
a_message_in_pieces_grows_until_it_is_whole(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    for (unsigned call = 0; call < 20; call++) {
        reader_answer(reader, 0, READER_ALL);
    }
    for (unsigned call = 0; call < 20; call++) {
        peer_write_pattern(fixture, pair->peer, 1, call, 0);
        reader_wait_calls(reader, call + 1);
        reader_expect_shown(reader, call, call + 1);
    }
    peer_write_pattern(fixture, pair->peer, 1, 20, 0);
    reader_wait_consumed(reader, 21);
    reader_expect_shown(reader, 20, 21);
}

// K85: blocks that nobody consumed go back at the end; the fixture's ledger would notice.
static void
unconsumed_bytes_go_back_when_the_stream_closes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, 1, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 20000, 0, 0);
    reader_wait_calls(reader, 1);
    close_anyhow(pair);
    fixture_end(fixture);
}

// A FIN behind bytes that were examined and not consumed still is an event.
static void
a_fin_behind_an_unfinished_message_is_reported(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, 0, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_int_equal(events_count(pair->events, "peer_fin"), 1);
}

// ---- answered later ---------------------------------------------------------------------------

static struct pair *
open_pending(struct reader *reader, size_t size, const struct pair_options *options)
{
    struct pair *pair = reader_open(reader, options);

    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(pair->fixture, pair->peer, size, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(pair->fixture);
    assert_int_equal(reader_calls(reader), 1);
    return pair;
}

// Q50, Q52: nothing is shown until the answer; the rest comes with it.
static void
a_pending_answer_may_come_later(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 100, &(struct pair_options){0});

    peer_write_pattern(fixture, pair->peer, 50, 100, 0);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    reader_advance(reader, 60);
    assert_status(weir_consume(pair->stream, 60, 100), 0);
    reader_wait_consumed(reader, 150);
    reader_expect_shown(reader, 1, 90);
    assert_int_equal(reader_calls(reader), 2);
}

struct consume {
    struct fixture *fixture;
    weir_stream stream;
    size_t consumed;
    size_t examined;
    int result;
};

static void
consume_here(void *arg)
{
    struct consume *consume = arg;

    call_begin();
    consume->result = weir_consume(consume->stream, consume->consumed, consume->examined);
    call_end();
}

// Q50
static void
a_pending_answer_may_come_from_another_thread_or_the_loop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 100, &(struct pair_options){0});
    struct consume *consume = fixture_memory(fixture, sizeof(*consume));

    *consume = (struct consume){fixture, pair->stream, 40, 40, 1};
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    reader_advance(reader, 40);
    thread_call(fixture, consume_here, consume);
    assert_status(consume->result, 0);
    reader_wait_calls(reader, 2);
    reader_expect_shown(reader, 1, 60);
    reader_advance(reader, 50);
    consume->consumed = consume->examined = 50;
    loop_call(fixture, fixture->loop, consume_here, consume);
    assert_status(consume->result, 0);
    reader_wait_consumed(reader, 100);
    reader_expect_shown(reader, 2, 10);
}

// K82, Q50: an answer that consumed nothing and looked at all waits for more.
static void
a_pending_answer_may_ask_for_more(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 100, &(struct pair_options){0});

    assert_status(weir_consume(pair->stream, 0, 100), 0);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    peer_write_pattern(fixture, pair->peer, 1, 100, 0);
    reader_wait_consumed(reader, 101);
    reader_expect_shown(reader, 1, 101);
}

// Q52: over-consuming is an error without a trace; a duplicate is another.
static void
a_wrong_answer_is_refused_and_changes_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 100, &(struct pair_options){0});

    assert_status(weir_consume(pair->stream, 101, 101), -EINVAL);
    assert_status(weir_consume(pair->stream, 50, 101), -EINVAL);
    assert_status(weir_consume(pair->stream, 50, 49), -EINVAL);
    assert_status(weir_consume(pair->stream, SIZE_MAX, SIZE_MAX), -EINVAL);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    reader_advance(reader, 100);
    assert_status(weir_consume(pair->stream, 100, 100), 0);
    assert_status(weir_consume(pair->stream, 0, 0), -EALREADY);
    assert_status(weir_consume(pair->stream, 100, 100), -EALREADY);
    fixture_settle(fixture);
    assert_status(weir_consume(pair->stream, 0, 0), -EALREADY);
    peer_write_pattern(fixture, pair->peer, 7, 100, 0);
    reader_wait_consumed(reader, 107);
}

// K85, Q52
static void
an_answer_after_the_end_finds_a_stale_handle(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 20000, &(struct pair_options){0});

    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    assert_status(weir_consume(pair->stream, 1, 1), -WEIR_ESTALE);
    assert_status(weir_consume((weir_stream){0}, 1, 1), -WEIR_ESTALE);
}

// Q-T7: a pending receive holds the end back until it is drained.
static void
a_pending_answer_holds_the_fin_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(reader, 100, &(struct pair_options){0});

    peer_write_pattern(fixture, pair->peer, 100, 100, 0);
    peer_finish(fixture, pair->peer);
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "peer_fin"), 0);
    reader_advance(reader, 100);
    assert_status(weir_consume(pair->stream, 100, 100), 0);
    events_wait(pair->events, "peer_fin");
    reader_wait_consumed(reader, 200);
    assert_true(events_is_before(pair->events, "data", "peer_fin"));
}

static void *
consume_elsewhere(void *arg)
{
    struct reader *reader = arg;

    reader->status = weir_consume(reader->events.stream, 10, 10);
    return NULL;
}

// The worker that data starts is done before data returns.
static void
consume_by_a_fast_worker(struct reader *reader, weir_stream stream)
{
    pthread_t worker;

    if (reader->calls == 1) {
        reader->status = 1;
        reader->events.stream = stream;
        if (pthread_create(&worker, NULL, consume_elsewhere, reader) == 0) {
            pthread_join(worker, NULL);
        }
    }
}

// Q50
static void
a_pending_answer_may_come_before_data_has_returned(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->inside = consume_by_a_fast_worker;
    pair = reader_open(reader, &(struct pair_options){0});
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    reader_wait_calls(reader, 1);
    reader_advance(reader, 10);
    reader_wait_consumed(reader, 100);
    assert_status(reader->status, 0);
    reader_expect_shown(reader, 1, 90);
    assert_status(weir_consume(pair->stream, 10, 10), -EALREADY);
}

static void
consume_inside(struct reader *reader, weir_stream stream)
{
    if (reader->calls == 1) {
        reader->status = weir_consume(stream, 10, 10);
    }
}

// Q50: a worker that needs no thread at all.
static void
a_pending_answer_may_come_from_inside_data(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->inside = consume_inside;
    pair = reader_open(reader, &(struct pair_options){0});
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    reader_wait_calls(reader, 1);
    reader_advance(reader, 10);
    reader_wait_consumed(reader, 100);
    assert_status(reader->status, 0);
    reader_expect_shown(reader, 1, 90);
}

// What data returns is its answer; another one, given meanwhile, has nothing to say.
static void
an_answer_inside_data_is_void_unless_data_says_pending(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->inside = consume_inside;
    pair = reader_open(reader, &(struct pair_options){0});
    reader_answer(reader, 20, 20);
    peer_write_pattern(fixture, pair->peer, 20, 0, 0);
    reader_wait_consumed(reader, 20);
    fixture_settle(fixture);
    assert_status(weir_consume(pair->stream, 0, 0), -EALREADY);
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    peer_write_pattern(fixture, pair->peer, 10, 20, 0);
    reader_wait_calls(reader, 2);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 2); // the void answer answers nothing later
    reader_advance(reader, 10);
    assert_status(weir_consume(pair->stream, 10, 10), 0);
    reader_wait_consumed(reader, 30);
}

// ---- blocks -----------------------------------------------------------------------------------

static uint64_t
blocks_out(void)
{
    struct weir_ledger ledger;

    weir_pool_ledger(&ledger);
    return ledger.leased - ledger.returned;
}

// K80: input goes into the tail block while at least 2048 bytes of it are free.
static void
input_fills_the_tail_block_first(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    uint64_t before = blocks_out();

    for (unsigned call = 0; call < 3; call++) {
        reader_answer(reader, 0, READER_ALL); // wait for more
    }
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    reader_wait_calls(reader, 1);
    assert_int_equal(blocks_out(), before + 1);
    peer_write_pattern(fixture, pair->peer, 1000, 1000, 0);
    reader_wait_calls(reader, 2);
    assert_int_equal(blocks_out(), before + 1); // 3032 bytes were free
    peer_write_pattern(fixture, pair->peer, 1000, 2000, 0);
    reader_wait_calls(reader, 3);
    assert_int_equal(blocks_out(), before + 2); // 2032 were not enough
    peer_write_pattern(fixture, pair->peer, 1, 3000, 0);
    reader_wait_consumed(reader, 3001);
    fixture_settle(fixture);
    assert_int_equal(blocks_out(), before);
}

// ---- pause ------------------------------------------------------------------------------------

// Q51, Q-T5
static void
consuming_less_than_shown_may_pause(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSE_ON_PARTIAL});

    reader_answer(reader, 10, 10);
    reader_answer(reader, 4, 4);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    peer_write_pattern(fixture, pair->peer, 10, 10, 0);
    reader_wait_calls(reader, 2);
    peer_write_pattern(fixture, pair->peer, 10, 20, 0);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 2);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 30);
    assert_int_equal(reader->shown[2] <= 16, true);
}

// Q51: also where nothing more arrives, resume shows the rest.
static void
resume_shows_the_rest_after_a_partial_consume(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSE_ON_PARTIAL});

    reader_answer(reader, 0, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(fixture);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 10);
}

// Q51: answers and resumes that the loop learns of at once hold in the order of their calls.
static void
a_resume_behind_a_partial_answer_holds(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(
        reader, 10, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSE_ON_PARTIAL});

    reader_advance(reader, 6);
    assert_status(weir_consume(pair->stream, 6, 10), 0);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 10);
}

static void
a_partial_answer_behind_a_resume_pauses(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = open_pending(
        reader, 10, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSE_ON_PARTIAL});

    reader_advance(reader, 6);
    assert_status(weir_resume(pair->stream), 0);
    assert_status(weir_consume(pair->stream, 6, 6), 0);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 10);
}

// K84, Q56
static void
nothing_is_shown_while_paused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    assert_status(weir_pause(pair->stream), 0);
    assert_status(weir_pause(pair->stream), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_finish(fixture, pair->peer);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
    assert_status(weir_resume(pair->stream), 0);
    assert_status(weir_resume(pair->stream), 0);
    events_wait(pair->events, "peer_fin");
    events_expect(pair->events, "started data:5000 peer_fin");
}

// WEIR_STREAM_PAUSED
static void
a_stream_may_begin_paused(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned made = PAIR_ADOPTED; made <= PAIR_ACCEPTED; made++) {
        struct reader *reader = reader_make(fixture);
        struct pair *pair =
            reader_open(reader, &(struct pair_options){.made = (enum pair_made)made,
                                                       .stream.flags = WEIR_STREAM_PAUSED});

        peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
        fixture_settle(fixture);
        events_expect(pair->events, "started");
        assert_status(weir_resume(pair->stream), 0);
        reader_wait_consumed(reader, 5000);
    }
}

static void
pause_inside(struct reader *reader, weir_stream stream)
{
    reader->status = weir_pause(stream);
}

// On the loop a pause holds at once: no further call of data.
static void
a_pause_inside_data_holds_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->inside = pause_inside;
    pair = reader_open(reader, &(struct pair_options){0});
    reader_answer(reader, 1, 1);
    reader_answer(reader, 2, 2);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 1);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_calls(reader, 2);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), 2);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, 10);
    assert_status(reader->status, 0);
    close_anyhow(pair); // it paused again: else the stop waits for what is not read
}

// Bytes wait in the kernel, so the peer is pushed back.
static void
a_paused_stream_pushes_back_on_its_peer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream = {.flags = WEIR_STREAM_PAUSED,
                                                              .receive_buffer = 16 * KIB}});
    size_t sent = peer_write_until_blocked(fixture, pair->peer, 64 * (size_t)MIB, 0);

    assert_true(sent < 64 * (size_t)MIB);
    assert_int_equal(fixture_stats(fixture).bytes_received, 0);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, sent);
}

static void
stale_handles_cannot_be_paused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    close_anyhow(pair);
    assert_status(weir_pause(pair->stream), -WEIR_ESTALE);
    assert_status(weir_resume(pair->stream), -WEIR_ESTALE);
    assert_status(weir_stop_reading(pair->stream, 0), -WEIR_ESTALE);
    assert_status(weir_pause((weir_stream){0}), -WEIR_ESTALE);
    assert_status(weir_resume((weir_stream){0}), -WEIR_ESTALE);
}

// ---- marks ------------------------------------------------------------------------------------

// K84, Q55, C22: no more is read than the mark and one read's worth; below the low mark it goes on.
static void
reading_stops_at_the_high_mark_and_goes_on_at_the_low_one(void **state)
{
    enum { HIGH = 64 * KIB, SLACK = 256 * KIB };
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream = {.input_high = HIGH,
                                                              .input_low = HIGH / 4,
                                                              .receive_buffer = 16 * KIB}});
    size_t sent;
    size_t first;

    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    sent = peer_write_until_blocked(fixture, pair->peer, 64 * (size_t)MIB, 0);
    assert_true(sent < 64 * (size_t)MIB);
    reader_wait_calls(reader, 1);
    assert_true(fixture_stats(fixture).bytes_received <= HIGH + SLACK);
    first = reader->shown[0];
    reader_advance(reader, first);
    assert_status(weir_consume(pair->stream, first, first), 0);
    reader_wait_consumed(reader, sent);
    assert_true(reader->shown_max <= HIGH + SLACK);
}

static struct weir_consumed
keep_all(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    (void)stream;
    (void)begin;
    (void)end;
    (void)user;
    return (struct weir_consumed){0, SIZE_MAX};
}

// Nothing holds the reading back but the mark: what is shown is looked at, and kept.
static void
input_that_is_kept_is_bounded(void **state)
{
    enum { HIGH = 64 * KIB, SLACK = 256 * KIB };
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->handlers.data = keep_all;
    pair = reader_open(reader, &(struct pair_options){.stream = {.input_high = HIGH,
                                                                 .input_low = HIGH / 4,
                                                                 .receive_buffer = 16 * KIB}});
    assert_true(peer_write_until_blocked(fixture, pair->peer, 16 * (size_t)MIB, 0) <
                16 * (size_t)MIB);
    fixture_settle(fixture);
    assert_in_range(fixture_stats(fixture).bytes_received, HIGH, HIGH + SLACK);
    close_anyhow(pair);
}

// K84: the default is finite.
static void
the_default_mark_bounds_what_is_held(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;
    size_t sent;

    pair = reader_open(reader, &(struct pair_options){.stream.receive_buffer = 16 * KIB});
    reader_answer(reader, WEIR_CONSUME_PENDING, 0);
    sent = peer_write_until_blocked(fixture, pair->peer, 64 * (size_t)MIB, 0);
    assert_true(sent < 64 * (size_t)MIB);
    assert_true(fixture_stats(fixture).bytes_received <= MIB + MIB / 2);
    reader_advance(reader, 1);
    assert_status(weir_consume(pair->stream, 1, 1), 0);
    reader_wait_consumed(reader, sent);
}

// ---- taking -----------------------------------------------------------------------------------

struct taken {
    size_t size; // to take; SIZE_MAX: all
    int status;
    int again; // a second take, of more than is left
    struct weir_chain chain;
    unsigned times;
};

static void
take_inside(struct reader *reader, weir_stream stream)
{
    struct taken *taken = reader->arg;
    struct weir_chain other = {0};

    if (taken->times++ == 0) {
        taken->status = weir_take(stream, taken->size, &taken->chain);
        taken->again = weir_take(stream, 100000, &other);
        reader_advance(reader, weir_chain_size(&taken->chain));
    }
}

static void
expect_chain(struct weir_chain *chain, size_t size, uint64_t offset)
{
    struct weir_iter iter = weir_chain_begin(chain);

    assert_int_equal(weir_chain_size(chain), size);
    for (size_t index = 0; index < size; index++) {
        assert_int_equal(weir_iter_take(&iter), pattern_byte(offset + index, 0));
    }
    weir_chain_return(chain);
}

// C22: the whole, uncopied; it outlives the stream.
static void
all_that_is_shown_may_be_taken(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct taken *taken = fixture_memory(fixture, sizeof(*taken));
    struct pair *pair;

    taken->size = SIZE_MAX;
    reader->arg = taken;
    reader->inside = take_inside;
    pair = reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});
    reader_answer(reader, 0, 0);
    peer_write_pattern(fixture, pair->peer, 9000, 0, 0);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_calls(reader, 1);
    assert_status(taken->status, 0);
    assert_status(taken->again, -EINVAL);
    assert_int_equal(weir_chain_size(&taken->chain), reader->shown[0]);
    peer_write_pattern(fixture, pair->peer, 100, 9000, 0);
    reader_wait_consumed(reader, 9100);
    close_anyhow(pair);
    expect_chain(&taken->chain, reader->shown[0], 0);
}

// The answer speaks of the rest.
static void
a_part_may_be_taken_and_the_rest_consumed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct taken *taken = fixture_memory(fixture, sizeof(*taken));
    struct pair *pair;

    taken->size = 30;
    reader->arg = taken;
    reader->inside = take_inside;
    pair = reader_open(reader, &(struct pair_options){0});
    reader_answer(reader, 20, 20);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    reader_wait_consumed(reader, 100);
    reader_expect_shown(reader, 0, 100);
    reader_expect_shown(reader, 1, 50);
    assert_status(taken->status, 0);
    assert_status(taken->again, -EINVAL);
    expect_chain(&taken->chain, 30, 0);
}

struct take_call {
    weir_stream stream;
    struct weir_chain chain;
    int result;
};

static void
take_here(void *arg)
{
    struct take_call *call = arg;

    call->result = weir_take(call->stream, SIZE_MAX, &call->chain);
}

static void
taking_outside_data_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct take_call *call = fixture_memory(fixture, sizeof(*call));

    call->stream = pair->stream;
    thread_call(fixture, take_here, call);
    assert_status(call->result, -EINVAL);
    loop_call(fixture, fixture->loop, take_here, call);
    assert_status(call->result, -EINVAL);
    assert_int_equal(weir_chain_size(&call->chain), 0);
}

// ---- handlers ---------------------------------------------------------------------------------

struct handlers_call {
    weir_stream stream;
    const struct weir_handlers *handlers;
    void *user;
    int handlers_result;
    int user_result;
    void *seen;
};

static void
set_handlers_here(void *arg)
{
    struct handlers_call *call = arg;

    call->handlers_result = weir_stream_set_handlers(call->stream, call->handlers, call->user);
    call->seen = weir_stream_user(call->stream);
    call->user_result = weir_stream_set_user(call->stream, call->user);
}

// Handlers may be replaced on the loop, and there only.
static void
handlers_and_user_change_on_the_loop_only(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct reader *reader = reader_make(fixture);
    struct handlers_call *call = fixture_memory(fixture, sizeof(*call));

    call->stream = pair->stream;
    call->handlers = &reader->handlers;
    call->user = reader;
    thread_call(fixture, set_handlers_here, call);
    assert_status(call->handlers_result, -EXDEV);
    assert_status(call->user_result, -EXDEV);
    assert_null(call->seen);
    loop_call(fixture, fixture->loop, set_handlers_here, call);
    assert_status(call->handlers_result, 0);
    assert_status(call->user_result, 0);
    assert_ptr_equal(call->seen, reader);
    assert_ptr_equal(weir_stream_loop(pair->stream), fixture->loop);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    reader_wait_consumed(reader, 100);
    pair->events = &reader->events;
    close_anyhow(pair);
    assert_null(weir_stream_loop(pair->stream));
    loop_call(fixture, fixture->loop, set_handlers_here, call);
    assert_status(call->handlers_result, -WEIR_ESTALE);
    assert_status(call->user_result, -WEIR_ESTALE);
    assert_null(call->seen);
}

// Handlers that come before the first byte change nothing about what an end waits for.
static void
a_fin_behind_an_unfinished_message_is_told_to_new_handlers(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct reader *reader = reader_make(fixture);
    struct handlers_call *call = fixture_memory(fixture, sizeof(*call));

    call->stream = pair->stream;
    call->handlers = &reader->handlers;
    call->user = reader;
    loop_call(fixture, fixture->loop, set_handlers_here, call);
    pair->events = &reader->events;
    reader_answer(reader, 0, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_int_equal(reader_calls(reader), 1);
    close_anyhow(pair);
}

// A stream without handlers reads nothing and disturbs nobody.
static void
a_stream_without_handlers_lives_and_ends(void **state)
{
    static const struct weir_handlers none = {0};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.handlers = &none});
    struct recorder *recorder = recorder_make(fixture);

    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    recorder_wait(recorder, 1);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).streams_now, 0);
}

static struct weir_consumed
take_one_byte(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct reader *reader = user;

    (void)stream;
    (void)begin;
    (void)end;
    events_add_value(&reader->events, "data", 1);
    return (struct weir_consumed){.consumed = 1, .examined = 1};
}

// What was left unexamined is shown again, however often; and the end comes behind all of it.
static void
a_fin_comes_behind_input_that_is_shown_again(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->handlers.data = take_one_byte;
    pair = reader_open(reader, &(struct pair_options){0});
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    fixture_settle(fixture);
    events_expect(pair->events, "started data:1000 peer_fin");
}

// Above the mark nothing more is read; what is there is shown as it was asked for.
static void
unexamined_input_above_the_mark_is_shown_again(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair;

    reader->handlers.data = take_one_byte;
    pair = reader_open(reader, &(struct pair_options){.stream.input_high = 500});
    peer_write_pattern(fixture, pair->peer, 2000, 0, 0);
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    events_expect(pair->events, "started data:2000 peer_fin");
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(bytes_are_shown_in_order_and_all_of_them),
        EACH(dialled_and_accepted_streams_read_alike),
        EACH(bytes_that_came_before_the_stream_did_are_shown),
        EACH(what_was_examined_comes_again_with_more),
        EACH(what_was_not_examined_comes_again_at_once),
        EACH(bytes_may_be_consumed_one_by_one),
        EACH(a_message_in_pieces_grows_until_it_is_whole),
        EACH(unconsumed_bytes_go_back_when_the_stream_closes),
        EACH(a_fin_behind_an_unfinished_message_is_reported),
        EACH(a_pending_answer_may_come_later),
        EACH(a_pending_answer_may_come_from_another_thread_or_the_loop),
        EACH(a_pending_answer_may_ask_for_more),
        EACH(a_wrong_answer_is_refused_and_changes_nothing),
        EACH(an_answer_after_the_end_finds_a_stale_handle),
        EACH(a_pending_answer_holds_the_fin_back),
        EACH(a_pending_answer_may_come_before_data_has_returned),
        EACH(a_pending_answer_may_come_from_inside_data),
        EACH(an_answer_inside_data_is_void_unless_data_says_pending),
        EACH(input_fills_the_tail_block_first),
        EACH(consuming_less_than_shown_may_pause),
        EACH(resume_shows_the_rest_after_a_partial_consume),
        EACH(a_resume_behind_a_partial_answer_holds),
        EACH(a_partial_answer_behind_a_resume_pauses),
        EACH(nothing_is_shown_while_paused),
        EACH(a_stream_may_begin_paused),
        EACH(a_pause_inside_data_holds_at_once),
        EACH(a_paused_stream_pushes_back_on_its_peer),
        ONCE(stale_handles_cannot_be_paused),
        EACH(reading_stops_at_the_high_mark_and_goes_on_at_the_low_one),
        EACH(input_that_is_kept_is_bounded),
        EACH(the_default_mark_bounds_what_is_held),
        EACH(all_that_is_shown_may_be_taken),
        EACH(a_part_may_be_taken_and_the_rest_consumed),
        ONCE(taking_outside_data_is_refused),
        EACH(handlers_and_user_change_on_the_loop_only),
        EACH(a_fin_behind_an_unfinished_message_is_told_to_new_handlers),
        EACH(a_stream_without_handlers_lives_and_ends),
        EACH(a_fin_comes_behind_input_that_is_shown_again),
        EACH(unexamined_input_above_the_mark_is_shown_again),
    };

    return RUN_CASES("conformance.read_push", cases);
}
