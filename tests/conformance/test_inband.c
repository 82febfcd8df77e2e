// SPDX-License-Identifier: MIT
//
// The half-close in band, with a peer that speaks the frames by hand. test_contract_inband.c has
// what it promises as a flow.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <string.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, FRAME = WEIR_INBAND_FRAME_MAX, HEADER = 4 };

#define STOP_MARK  UINT32_C(0xdeadbeef)
#define END_MARK   UINT32_C(0xbeefdead)
#define CLOSE_MARK UINT32_C(0xdeaddead)

// ---- a flow and its hand-made peer ------------------------------------------------------------

struct hand {
    struct fixture *fixture;
    struct pair *pair;
    struct reader *reader;
    struct events *events;
    struct recorder *recorder;
    struct weir_inband *inband;
    struct weir_handlers handlers;
    size_t input_high;
    int peer;
};

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct reader *reader = user;

    (void)stream;
    callback_begin(reader->events.fixture);
    events_add_value(&reader->events, "peer_fin", ambiguous);
    callback_end();
}

static void
on_started(weir_stream stream, int status, void *user)
{
    struct hand *hand = user;
    struct weir_inband_options options = {
        .handlers = &hand->handlers, .user = hand->reader, .input_high = hand->input_high};

    if (status == 0 && weir_inband_open(stream, &options, &hand->inband) != 0) {
        hand->inband = NULL;
    }
    hand->handlers.started(stream, status, hand->reader);
}

static void
unref(void *arg)
{
    weir_inband_unref(arg);
}

static struct hand *
open_high(struct fixture *fixture, struct pair_options options, bool pull, size_t input_high)
{
    static const struct weir_handlers before = {.started = on_started};
    struct hand *hand = fixture_memory(fixture, sizeof(*hand));

    hand->fixture = fixture;
    hand->input_high = input_high;
    hand->reader = reader_make(fixture);
    hand->events = &hand->reader->events;
    hand->recorder = recorder_make(fixture);
    hand->handlers = pull ? *events_handlers_pull() : hand->reader->handlers;
    hand->handlers.peer_fin = on_peer_fin;
    options.stream.handlers = &before;
    options.stream.user = hand;
    hand->pair = pair_open(fixture, &options);
    hand->pair->events = hand->events;
    hand->peer = hand->pair->peer;
    events_wait(hand->events, "started");
    assert_non_null(hand->inband);
    fixture_at_end(fixture, unref, hand->inband);
    return hand;
}

static struct hand *
open_hand(struct fixture *fixture, struct pair_options options, bool pull)
{
    return open_high(fixture, options, pull, 0);
}

static struct hand *
open_plain(struct fixture *fixture)
{
    return open_hand(fixture, (struct pair_options){0}, false);
}

static void
peer_say(struct hand *hand, uint32_t value)
{
    uint8_t header[HEADER] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};

    peer_write(hand->fixture, hand->peer, header, sizeof(header));
}

static void
peer_frame(struct hand *hand, size_t size, uint64_t offset)
{
    peer_say(hand, (uint32_t)size);
    peer_write_pattern(hand->fixture, hand->peer, size, offset, 0);
}

static uint32_t
peer_header(struct hand *hand)
{
    uint8_t header[HEADER];

    peer_read_exact(hand->fixture, hand->peer, header, sizeof(header));
    return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16 |
           (uint32_t)header[3] << 24;
}

// The frames of one write, as they have to be.
static void
peer_expect_write(struct hand *hand, size_t size, unsigned seed)
{
    for (size_t done = 0; done < size;) {
        size_t frame = size - done < FRAME ? size - done : FRAME;

        assert_int_equal(peer_header(hand), frame);
        peer_read_pattern(hand->fixture, hand->peer, frame, done, seed);
        done += frame;
    }
}

static int
hand_submit(struct hand *hand, const struct weir_write *request, weir_op *ret_op)
{
    int result;

    call_begin();
    result = weir_inband_write(hand->inband, request, ret_op);
    call_end();
    return result;
}

static int
hand_write(struct hand *hand, unsigned tag, size_t size, unsigned flags)
{
    struct weir_write request = request_make(hand->recorder, tag, size);

    request.flags = flags;
    return hand_submit(hand, &request, NULL);
}

static void
expect_closed(struct hand *hand, int status)
{
    events_wait(hand->events, "closed");
    assert_int_equal(hand->events->closed.status, status);
    events_expect_ending(hand->events, "send_closed closed");
}

// ---- the wire ---------------------------------------------------------------------------------

// H50: frames of 4096 bytes and a last one; a mark for each end.
static void
writes_and_ends_are_the_documented_bytes(void **state)
{
    static const size_t sizes[] = {1, 4, 4095, 4096, 4097, 8192, 8193, 100000, MIB + 1};
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    unsigned count = sizeof(sizes) / sizeof(sizes[0]);

    for (unsigned tag = 0; tag < count; tag++) {
        assert_status(hand_write(hand, tag, sizes[tag], 0), 0);
        peer_expect_write(hand, sizes[tag], tag);
        recorder_wait(hand->recorder, tag + 1);
        expect_result(recorder_of(hand->recorder, tag), 0, WEIR_ORIGIN_NONE, sizes[tag]);
        assert_int_equal(recorder_of(hand->recorder, tag).accepted, sizes[tag]);
    }
    assert_status(weir_inband_stop_reading(hand->inband), 0);
    assert_int_equal(peer_header(hand), STOP_MARK);
    assert_status(weir_inband_end(hand->inband), 0);
    assert_int_equal(peer_header(hand), END_MARK);
    events_wait(hand->events, "send_closed");
    peer_expect_silence(fixture, hand->peer);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_expect_silence(fixture, hand->peer);
    peer_say(hand, CLOSE_MARK);
    peer_expect_eof(fixture, hand->peer);
    fixture_close_fd(fixture, hand->peer);
    expect_closed(hand, 0);
}

// The end in the same write; many pieces are one write, and the caller's memory is borrowed.
static void
pieces_of_any_size_make_one_write(void **state)
{
    enum { PIECES = 700, SIZE = 100000 };
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    uint8_t *bytes = pattern_make(fixture, SIZE, 3);
    struct iovec iov[PIECES];
    struct weir_write request = {.iov = iov,
                                 .iov_count = PIECES,
                                 .flags = WEIR_FIN,
                                 .done = recorder_done,
                                 .arg = recorder_tag(hand->recorder, 3)};
    struct weir_stats before = fixture_stats(fixture);

    for (size_t piece = 0, at = 0; piece < PIECES; piece++) {
        size_t size = piece == PIECES - 1 ? SIZE - at : piece % 280;

        iov[piece] = (struct iovec){bytes + at, size};
        at += size;
    }
    assert_status(hand_submit(hand, &request, NULL), 0);
    memset(iov, 0, sizeof(iov));
    peer_expect_write(hand, SIZE, 3);
    assert_int_equal(peer_header(hand), END_MARK);
    recorder_wait(hand->recorder, 1);
    assert_int_equal(fixture_stats(fixture).operations_accepted - before.operations_accepted, 1);
    expect_result(recorder_of(hand->recorder, 3), 0, WEIR_ORIGIN_NONE, SIZE);
    events_expect(hand->events, "started send_closed:1");
}

// H55 and more: every byte alone, in front of and behind every mark.
static void
frames_may_come_byte_by_byte(void **state)
{
    enum { FIRST = 5, SECOND = 4096, THIRD = 300 };
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    uint8_t wire[3 * HEADER + FIRST + SECOND + THIRD + 3 * HEADER];
    const uint8_t heads[] = {FIRST, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0};
    const uint8_t tail[] = {THIRD & 0xff, THIRD >> 8, 0, 0};
    const uint8_t end[] = {0xad, 0xde, 0xef, 0xbe};
    size_t size = 0;

    memcpy(wire, heads, HEADER);
    pattern_fill(wire + HEADER, FIRST, 0, 0);
    size = HEADER + FIRST;
    memcpy(wire + size, heads + HEADER, 2 * HEADER); // an empty frame, then a full one
    size += 2 * HEADER;
    pattern_fill(wire + size, SECOND, FIRST, 0);
    size += SECOND;
    memcpy(wire + size, tail, HEADER);
    size += HEADER;
    pattern_fill(wire + size, THIRD, FIRST + SECOND, 0);
    size += THIRD;
    memcpy(wire + size, end, HEADER);
    size += HEADER;
    for (size_t at = 0; at < size; at++) {
        assert_int_equal(events_count(hand->events, "peer_fin"), 0);
        peer_write(fixture, hand->peer, wire + at, 1);
        fixture_settle(fixture);
    }
    reader_wait_consumed(hand->reader, FIRST + SECOND + THIRD);
    events_expect(hand->events, "started data:4401 peer_fin:0");
    assert_status(hand_write(hand, 1, 100, 0), 0); // the other direction is open
    peer_expect_write(hand, 100, 1);
}

// ---- hostile peers ----------------------------------------------------------------------------

static void
expect_refused(struct hand *hand, size_t consumed)
{
    expect_closed(hand, -EPROTO);
    assert_int_equal(hand->events->closed.origin, WEIR_ORIGIN_TRANSPORT);
    assert_int_equal(reader_consumed(hand->reader), consumed);
    assert_false(hand->reader->wrong);
    peer_expect_reset(hand->fixture, hand->peer);
    fixture_close_fd(hand->fixture, hand->peer);
}

// H54: lengths above 4096 that are no mark. What came before was good.
static void
a_length_that_cannot_be_is_refused(void **state)
{
    static const uint32_t lengths[] = {4097,       0x10000000, 0x7fffffff, 0x80000000, 0xffffffff,
                                       0xdeadbeee, 0xbeefdeae, 0xdeaddeac, 0xefbeadde};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < sizeof(lengths) / sizeof(lengths[0]); index++) {
        struct hand *hand = open_plain(fixture);

        peer_frame(hand, 1000, 0);
        peer_say(hand, lengths[index]);
        peer_write_pattern(fixture, hand->peer, 5000, 1000, 0);
        expect_refused(hand, 1000);
        assert_status(hand_write(hand, 1, 10, 0), -WEIR_ESTALE);
    }
}

// Also in its place: what came before it is shown first, however late.
static void
a_broken_frame_waits_behind_what_is_held(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned cut = 0; cut < 2; cut++) {
        struct hand *hand = open_plain(fixture);

        assert_status(weir_inband_pause(hand->inband), 0);
        fixture_settle(fixture);
        peer_frame(hand, 1000, 0);
        if (cut) {
            peer_say(hand, 10);
            peer_finish(fixture, hand->peer);
        } else {
            peer_say(hand, 4097);
        }
        fixture_settle(fixture);
        assert_int_equal(events_count(hand->events, "closed"), 0);
        assert_status(weir_inband_resume(hand->inband), 0);
        expect_closed(hand, -EPROTO);
        assert_int_equal(reader_consumed(hand->reader), 1000);
    }
}

// A connection that ends inside a header or inside a frame was cut.
static void
an_end_inside_a_frame_is_refused(void **state)
{
    static const size_t cuts[] = {1, 2, 3, 4, 5, 503, 1007};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < sizeof(cuts) / sizeof(cuts[0]); index++) {
        struct hand *hand = open_plain(fixture);
        uint8_t wire[HEADER + 1004] = {1004 & 0xff, 1004 >> 8, 0, 0};

        peer_frame(hand, 1000, 0);
        pattern_fill(wire + HEADER, 1004, 1000, 0);
        peer_write(fixture, hand->peer, wire, cuts[index]);
        peer_finish(fixture, hand->peer);
        expect_closed(hand, -EPROTO);
        assert_int_equal(events_count(hand->events, "peer_fin"), 0);
        assert_int_equal(reader_consumed(hand->reader),
                         1000 + (cuts[index] > HEADER ? cuts[index] - HEADER : 0));
    }
}

static void
nothing_but_the_close_follows_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    peer_say(hand, END_MARK);
    events_wait(hand->events, "peer_fin");
    peer_frame(hand, 1, 0);
    expect_refused(hand, 0);
    hand = open_plain(fixture);
    peer_say(hand, END_MARK);
    peer_say(hand, END_MARK);
    expect_refused(hand, 0);
}

// An end without its mark is told as what it is: nobody knows whether that was all.
static void
an_end_without_a_mark_is_ambiguous(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    peer_frame(hand, 1000, 0);
    peer_finish(fixture, hand->peer);
    events_wait(hand->events, "peer_fin");
    events_expect(hand->events, "started data:1000 peer_fin:1");
    assert_status(hand_write(hand, 1, 5000, 0), 0);
    peer_expect_write(hand, 5000, 1);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    expect_closed(hand, 0);
}

// What a peer announces costs nothing until it comes.
static void
an_announced_frame_takes_no_memory(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hands[20];
    struct weir_ledger before, after;

    weir_pool_ledger_all(&before);
    for (unsigned index = 0; index < 20; index++) {
        hands[index] = open_plain(fixture);
        peer_say(hands[index], FRAME);
    }
    fixture_settle(fixture);
    weir_pool_ledger_all(&after);
    assert_int_equal(after.leased - after.returned, before.leased - before.returned);
}

// ---- closing ----------------------------------------------------------------------------------

// H52: a peer that closes is answered; it closes the connection, and we do then.
static void
the_peers_close_is_answered_behind_all_that_is_queued(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    assert_status(hand_write(hand, 1, 50000, 0), 0);
    peer_frame(hand, 100, 0);
    peer_say(hand, CLOSE_MARK);
    events_wait(hand->events, "peer_fin");
    fixture_settle(fixture);
    assert_status(hand_write(hand, 2, 10, 0), -WEIR_EENDED);
    peer_expect_write(hand, 50000, 1);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_expect_silence(fixture, hand->peer); // whoever spoke first closes first
    assert_int_equal(events_count(hand->events, "closed"), 0);
    peer_finish(fixture, hand->peer);
    peer_expect_eof(fixture, hand->peer);
    expect_closed(hand, 0);
    assert_int_equal(events_count(hand->events, "peer_fin"), 1);
}

// H52: input comes until the peer's word; what is behind that is of no interest.
static void
a_close_reads_on_until_the_peers_word(void **state)
{
    static const uint32_t words[] = {CLOSE_MARK, STOP_MARK};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 2; index++) {
        struct hand *hand = open_plain(fixture);

        assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
        assert_int_equal(peer_header(hand), CLOSE_MARK);
        peer_frame(hand, 5, 0);
        peer_frame(hand, 4096, 5);
        reader_wait_consumed(hand->reader, 4101);
        peer_expect_silence(fixture, hand->peer);
        peer_say(hand, words[index]);
        peer_say(hand, 4097);
        peer_expect_eof(fixture, hand->peer);
        peer_finish(fixture, hand->peer);
        expect_closed(hand, 0);
    }
}

// H52: without a data function input is discarded, whatever there is of it.
static void
a_close_discards_what_nobody_reads(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_hand(fixture, (struct pair_options){0}, true);

    for (unsigned frame = 0; frame < 60; frame++) {
        peer_frame(hand, 4096, 0);
    }
    fixture_settle(fixture);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    for (unsigned frame = 0; frame < 500; frame++) { // more than is ever held
        peer_frame(hand, 4096, 0);
    }
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_say(hand, CLOSE_MARK);
    peer_expect_eof(fixture, hand->peer);
    peer_finish(fixture, hand->peer);
    expect_closed(hand, 0);
}

// A peer that does not answer is left at the deadline, by either side's close.
static void
a_silent_peer_is_left_at_the_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, weir_deadline_after(MS(10)), 0),
                  0);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    expect_closed(hand, -ETIMEDOUT);
    assert_int_equal(hand->events->closed.origin, WEIR_ORIGIN_DEADLINE);
    peer_expect_reset(fixture, hand->peer);
}

// H8: FLUSH says its mark and closes the stream below without an answer.
static void
a_flush_says_its_mark_and_closes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    assert_status(hand_write(hand, 1, 20000, 0), 0);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_FLUSH, 0, 0), 0);
    expect_closed(hand, 0);
    peer_expect_write(hand, 20000, 1);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_expect_eof(fixture, hand->peer);
}

// The mark waits until the stream below has room for it.
static void
the_mark_for_the_close_waits_for_room(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_hand(
        fixture, (struct pair_options){.small = true, .stream.queue_high = 100000}, false);

    assert_status(hand_write(hand, 1, 400000, 0), 0); // more than the mark, into an empty queue
    assert_status(hand_write(hand, 2, 10, 0), -WEIR_ESTREAMFULL);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    peer_expect_write(hand, 400000, 1);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_say(hand, CLOSE_MARK);
    peer_expect_eof(fixture, hand->peer);
    peer_finish(fixture, hand->peer);
    expect_closed(hand, 0);
}

// H51: the peer reads no more: later writes are refused, its own still come.
static void
a_peer_that_stops_reading_ends_our_writes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    peer_say(hand, STOP_MARK);
    peer_frame(hand, 100, 0);
    events_wait(hand->events, "peer_stop");
    reader_wait_consumed(hand->reader, 100);
    assert_status(hand_write(hand, 1, 10, 0), -EPIPE);
    assert_status(weir_inband_end(hand->inband), -EPIPE);
    assert_status(weir_inband_status(hand->inband), -EPIPE);
    peer_say(hand, STOP_MARK); // again: of no effect
    peer_frame(hand, 100, 100);
    reader_wait_consumed(hand->reader, 200);
    assert_int_equal(events_count(hand->events, "peer_stop"), 1);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    assert_int_equal(peer_header(hand), CLOSE_MARK);
    peer_finish(fixture, hand->peer);
    expect_closed(hand, 0);
}

// ---- cancelling, refusing ---------------------------------------------------------------------

// A frame is never cut: before the first byte a write goes, after it it runs to its end.
static void
a_cancelled_write_never_cuts_a_frame(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_hand(fixture, (struct pair_options){.small = true}, false);
    struct weir_write request = request_make(hand->recorder, 1, 200000);
    weir_op first, second;

    assert_status(hand_submit(hand, &request, &first), 0);
    request = request_make(hand->recorder, 2, 50000);
    assert_status(hand_submit(hand, &request, &second), 0);
    assert_status(hand_write(hand, 3, 7, 0), 0);
    fixture_settle(fixture);
    assert_status(weir_cancel(first), WEIR_CANCEL_PENDING);
    assert_int_not_equal(weir_cancel(second), WEIR_CANCEL_LATE);
    peer_expect_write(hand, 200000, 1);
    peer_expect_write(hand, 7, 3);
    recorder_wait(hand->recorder, 3);
    expect_result(recorder_of(hand->recorder, 1), 0, WEIR_ORIGIN_NONE, 200000);
    assert_true(recorder_of(hand->recorder, 1).late_cancel);
    expect_result(recorder_of(hand->recorder, 2), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    expect_result(recorder_of(hand->recorder, 3), 0, WEIR_ORIGIN_NONE, 7);
}

// An end that is taken back in time leaves the flow open.
static void
a_cancelled_end_leaves_the_flow_open(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    struct weir_write request = request_make(hand->recorder, 1, 100);
    weir_op op;

    request.flags = WEIR_FIN;
    assert_status(hand_submit(hand, &request, &op), 0);
    assert_status(hand_write(hand, 2, 10, 0), -WEIR_EENDED);
    assert_status(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(hand->recorder, 1);
    assert_status(hand_write(hand, 3, 10, WEIR_FIN), 0);
    peer_expect_write(hand, 10, 3);
    assert_int_equal(peer_header(hand), END_MARK);
}

// A blocked write that is cut off tells how many of the caller's bytes have left.
static void
a_reset_counts_the_callers_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_hand(fixture, (struct pair_options){.small = true}, false);
    struct weir_result result;
    size_t wire, payload;

    assert_status(hand_write(hand, 1, MIB, 0), 0);
    wire = pair_block(hand->pair);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_ABORT, 0, 7), 0);
    expect_closed(hand, -ECONNABORTED);
    assert_int_equal(hand->events->closed.code, 7);
    result = recorder_of(hand->recorder, 1);
    payload = wire / (FRAME + HEADER) * FRAME;
    payload += wire % (FRAME + HEADER) > HEADER ? wire % (FRAME + HEADER) - HEADER : 0;
    assert_int_equal(result.sent, payload);
    assert_int_equal(result.accepted, MIB);
    assert_int_equal(hand->events->closed.bytes_lost, MIB - payload);
}

static void
what_a_frame_cannot_carry_is_refused(void **state)
{
    static const struct {
        unsigned flags;
        enum weir_level level;
        int status;
    } rows[] = {
        {1u << 30, WEIR_SENT, -EINVAL},
        {WEIR_SOME, WEIR_SENT, -ENOTSUP},
        {WEIR_NOWAIT, WEIR_SENT, -ENOTSUP},
        {WEIR_CHUNK, WEIR_SENT, -ENOTSUP},
        {WEIR_FIN | WEIR_MORE, WEIR_SENT, -EINVAL},
        {WEIR_FIN | WEIR_PRIORITY, WEIR_SENT, -EINVAL},
        {WEIR_FIN | WEIR_COPY, WEIR_ACCEPTED, -EINVAL},
        {0, WEIR_ACCEPTED, -EINVAL},
        {0, WEIR_ACKED, -ENOTSUP},
    };
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    struct weir_chain chain = request_chain(10000, 5);
    struct weir_chain same = chain;
    struct weir_write request = {.chain = &chain, .flags = WEIR_COPY};

    for (unsigned row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct weir_write bad = request_make(hand->recorder, 1, 10);

        bad.flags = rows[row].flags;
        bad.level = rows[row].level;
        assert_status(hand_submit(hand, &bad, NULL), rows[row].status);
    }
    assert_status(weir_inband_write(hand->inband, NULL, NULL), -EINVAL);
    assert_status(hand_submit(hand, &request, NULL), -EINVAL);
    request.flags = 0;
    request.level = WEIR_ACKED;
    assert_status(hand_submit(hand, &request, NULL), -ENOTSUP);
    assert_true(chain.head == same.head && chain.tail == same.tail); // the caller's still
    request.level = WEIR_ACCEPTED;
    assert_status(hand_submit(hand, &request, NULL), 0);
    assert_null(chain.head);
    peer_expect_write(hand, 10000, 5);
    assert_status(weir_inband_close(hand->inband, (enum weir_close_mode)9, 0, 0), -EINVAL);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(hand->recorder), 0);
}

static void
given_memory_is_released_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(hand->recorder, 1, 50000);

    request.flags = WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    request.level = WEIR_ACKED;
    assert_status(hand_submit(hand, &request, NULL), -ENOTSUP);
    assert_int_equal(released_count(released), 0);
    request.level = WEIR_SENT;
    assert_status(hand_submit(hand, &request, NULL), 0);
    peer_expect_write(hand, 50000, 1);
    recorder_wait(hand->recorder, 1);
    assert_int_equal(released_count(released), 1);
    request.level = WEIR_ACCEPTED;
    request.arg = recorder_tag(hand->recorder, 2);
    assert_status(hand_submit(hand, &request, NULL), 0);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_ABORT, 0, 0), 0);
    expect_closed(hand, -ECONNABORTED);
    recorder_wait(hand->recorder, 2);
    assert_int_equal(released_count(released), 2);
}

// One payload on many flows, uncopied; a refusal leaves its references as they were.
static void
a_shared_payload_is_framed_for_each_flow(void **state)
{
    enum { SIZE = 30000 };
    struct fixture *fixture = fixture_manual(state);
    struct weir_shared *shared = weir_shared_create(pattern_make(fixture, SIZE, 9), SIZE);
    struct weir_write request = {.shared = shared, .flags = WEIR_COPY};
    struct hand *hands[3];

    assert_non_null(shared);
    for (unsigned index = 0; index < 3; index++) {
        hands[index] = open_plain(fixture);
    }
    assert_status(hand_submit(hands[0], &request, NULL), -EINVAL);
    request.flags = 0;
    request.level = WEIR_ACKED;
    assert_status(hand_submit(hands[0], &request, NULL), -ENOTSUP);
    request.level = WEIR_ACCEPTED;
    for (unsigned index = 0; index < 3; index++) {
        assert_status(hand_submit(hands[index], &request, NULL), 0);
    }
    weir_shared_unref(shared);
    for (unsigned index = 0; index < 3; index++) {
        peer_expect_write(hands[index], SIZE, 9);
    }
}

// Sent inside the call: the result is 1, and nothing is called.
static void
a_write_may_be_sent_inside_the_call(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand =
        open_hand(fixture, (struct pair_options){.stream.flags = WEIR_STREAM_INLINE}, false);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(hand->recorder, 1, 9000);

    request.flags = WEIR_INLINE_OK | WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(hand_submit(hand, &request, NULL), 1);
    assert_int_equal(released_count(released), 1);
    peer_expect_write(hand, 9000, 1);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_ABORT, 0, 0), 0);
    expect_closed(hand, -ECONNABORTED);
    assert_int_equal(hand->events->closed.bytes_sent, 9000);
    assert_int_equal(hand->events->closed.bytes_lost, 0);
    assert_int_equal(recorder_count(hand->recorder), 0);
}

// A reference outlives the flow, and the runtime too: every call says that it is gone.
static void
a_reference_outlives_the_runtime(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    struct weir_inband *flow = weir_inband_ref(hand->inband);
    struct weir_write request = {0};
    struct weir_read read = {.done = pulls_done};

    fixture_end(fixture);
    assert_status(weir_inband_write(flow, &request, NULL), -WEIR_ESTALE);
    assert_status(weir_inband_end(flow), -WEIR_ESTALE);
    assert_true(weir_inband_read(flow, &read) < 0);
    assert_status(weir_inband_pause(flow), -WEIR_ESTALE);
    assert_status(weir_inband_resume(flow), -WEIR_ESTALE);
    assert_status(weir_inband_stop_reading(flow), -WEIR_ESTALE);
    for (unsigned mode = WEIR_CLOSE_DRAIN; mode <= WEIR_CLOSE_ABORT; mode++) {
        assert_status(weir_inband_close(flow, (enum weir_close_mode)mode, 0, 0), -WEIR_ESTALE);
    }
    assert_status(weir_inband_status(flow), -WEIR_ESTALE);
    weir_inband_unref(flow);
    weir_inband_unref(NULL);
}

// A stop of the runtime is no close of the layer: the peer sees an end without a mark.
static void
a_stop_of_the_runtime_ends_without_a_mark(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);
    int peer = dup(hand->peer);
    uint8_t byte;

    assert_true(peer >= 0);
    fixture_own_fd(fixture, peer);
    fixture_close_fd(fixture, hand->peer);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    events_wait(hand->events, "peer_fin");
    assert_status(weir_runtime_stop(fixture->runtime, weir_now_ns() + MS(1000)), 0);
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    expect_closed(hand, 0);
}

// ---- many threads -----------------------------------------------------------------------------

struct writer {
    struct hand *hand;
    unsigned seed;
    unsigned accepted; // writes
    unsigned writes;
    size_t size;
};

static void
write_many(void *arg)
{
    struct writer *writer = arg;

    for (unsigned index = 0; index < writer->writes; index++) {
        struct weir_write request = {
            .iov = pattern_iov(writer->hand->fixture, writer->size, writer->seed),
            .iov_count = 1,
            .flags = index % 2 ? WEIR_COPY : 0,
        };

        if (weir_inband_write(writer->hand->inband, &request, NULL) != 0) {
            return;
        }
        writer->accepted++;
    }
}

// H53: two large writes at once are one behind the other.
static void
concurrent_writes_are_not_mixed(void **state)
{
    enum { WRITERS = 4, WRITES = 8 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct hand *hand = open_plain(fixture);
    struct writer *writers = fixture_memory(fixture, WRITERS * sizeof(*writers));
    struct thread *threads[WRITERS];

    for (unsigned index = 0; index < WRITERS; index++) {
        writers[index] = (struct writer){
            .hand = hand, .seed = 10 + index, .writes = WRITES, .size = 20001 + 7000 * index};
        threads[index] = thread_start(fixture, write_many, &writers[index]);
    }
    for (unsigned count = 0; count < WRITERS * WRITES; count++) {
        uint8_t first[FRAME];
        size_t frame = peer_header(hand);
        unsigned which;

        assert_int_equal(frame, FRAME);
        peer_read_exact(fixture, hand->peer, first, frame);
        for (which = 0; which < WRITERS; which++) {
            if (pattern_check(first, frame, 0, 10 + which) == frame) {
                break;
            }
        }
        assert_true(which < WRITERS);
        for (size_t done = FRAME; done < writers[which].size; done += frame) {
            size_t rest = writers[which].size - done;

            frame = peer_header(hand);
            assert_int_equal(frame, rest < FRAME ? rest : FRAME);
            peer_read_pattern(fixture, hand->peer, frame, done, 10 + which);
        }
    }
    for (unsigned index = 0; index < WRITERS; index++) {
        thread_join(fixture, threads[index]);
        assert_int_equal(writers[index].accepted, WRITES);
    }
}

// The mark for the end is behind every write that was accepted, and in front of none.
static void
an_end_that_races_with_writes_is_the_last(void **state)
{
    enum { WRITERS = 3, ROUNDS = 40 };
    struct fixture *fixture = fixture_threads(state, 1);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct hand *hand = open_plain(fixture);
        struct writer *writers = fixture_memory(fixture, WRITERS * sizeof(*writers));
        struct thread *threads[WRITERS];
        unsigned accepted = 0, frames = 0;
        uint8_t byte;
        int result;

        for (unsigned index = 0; index < WRITERS; index++) {
            writers[index] =
                (struct writer){.hand = hand, .seed = index, .writes = 10000, .size = 1};
            threads[index] = thread_start(fixture, write_many, &writers[index]);
        }
        while (peer_header(hand) == 1 && frames++ < round) {
            peer_read_exact(fixture, hand->peer, &byte, 1);
        }
        peer_read_exact(fixture, hand->peer, &byte, 1);
        result = round % 2 ? weir_inband_end(hand->inband)
                           : weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0);
        assert_status(result, 0);
        for (unsigned index = 0; index < WRITERS; index++) {
            thread_join(fixture, threads[index]);
            accepted += writers[index].accepted;
        }
        for (; frames < accepted; frames++) {
            assert_int_equal(peer_header(hand), 1);
            peer_read_exact(fixture, hand->peer, &byte, 1);
        }
        assert_int_equal(peer_header(hand), round % 2 ? END_MARK : CLOSE_MARK);
        peer_reset(fixture, hand->peer);
        result = weir_inband_close(hand->inband, WEIR_CLOSE_ABORT, 0, 0);
        assert_true(result == 0 || result == -WEIR_ESTALE);
        events_wait(hand->events, "closed");
    }
}

// ---- reading ----------------------------------------------------------------------------------

// What is not read pushes back on the peer, with a data function that is paused and without one.
static void
unread_input_pushes_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned pull = 0; pull < 2; pull++) {
        struct hand *hand = open_hand(fixture, (struct pair_options){0}, pull != 0);
        uint8_t wire[HEADER + FRAME] = {0, 0x10, 0, 0};
        uint64_t deadline = weir_now_ns() + MS(50);
        size_t sent = 0;
        struct weir_ledger before, after;

        weir_pool_ledger_all(&before);
        assert_status(weir_inband_pause(hand->inband), 0);
        fixture_settle(fixture);
        while (weir_now_ns() < deadline && sent < 64 * (size_t)MIB) {
            ssize_t size = send(hand->peer, wire + sent % sizeof(wire),
                                sizeof(wire) - sent % sizeof(wire), MSG_DONTWAIT | MSG_NOSIGNAL);

            sent += size > 0 ? (size_t)size : 0;
            deadline = size > 0 ? weir_now_ns() + MS(50) : deadline;
            fixture_turn(fixture);
        }
        assert_true(sent < 64 * (size_t)MIB);
        weir_pool_ledger_all(&after);
        assert_true(after.leased - after.returned - (before.leased - before.returned) < 1000);
        fixture_close_fd(fixture, hand->peer);
        assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_ABORT, 0, 0), 0);
        expect_closed(hand, -ECONNABORTED);
    }
}

// However little may be held, all comes: what is read makes room for what stands behind it.
static void
all_comes_however_little_is_held(void **state)
{
    enum { FRAMES = 20 };
    static const size_t highs[] = {1, 1000, 4096, 5000};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < sizeof(highs) / sizeof(highs[0]); index++) {
        struct hand *hand = open_high(fixture, (struct pair_options){0}, false, highs[index]);
        struct hand *puller = open_high(fixture, (struct pair_options){0}, true, highs[index]);
        struct pulls *pulls = pulls_make(fixture);

        if (index % 2 == 1) { // full before anything is shown
            assert_status(weir_inband_pause(hand->inband), 0);
            fixture_settle(fixture);
        }
        for (unsigned frame = 0; frame < FRAMES; frame++) {
            peer_frame(hand, FRAME, frame * (uint64_t)FRAME);
            peer_frame(puller, FRAME, frame * (uint64_t)FRAME);
        }
        peer_say(hand, END_MARK);
        fixture_settle(fixture);
        assert_status(weir_inband_resume(hand->inband), 0);
        reader_wait_consumed(hand->reader, FRAMES * (uint64_t)FRAME);
        events_wait(hand->events, "peer_fin");
        for (unsigned frame = 0; frame < FRAMES; frame++) {
            struct weir_read request = pulls_into(pulls, frame, FRAME, FRAME);

            assert_status(weir_inband_read(puller->inband, &request), 0);
            pulls_wait(pulls, frame + 1);
            expect_pulled(pulls, frame, FRAME, frame * (uint64_t)FRAME, 0);
        }
    }
}

// A part of a header is nothing to be held: the rest of it comes whatever input_high is.
static void
a_header_in_two_parts_is_read_with_the_least_room(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_high(fixture, (struct pair_options){0}, false, 1);

    peer_write(fixture, hand->peer, "\5\0", 2);
    fixture_settle(fixture);
    peer_write(fixture, hand->peer, "\0\0", 2);
    peer_write_pattern(fixture, hand->peer, 5, 0, 0);
    reader_wait_consumed(hand->reader, 5);
}

// As on a stream: what was not consumed comes again with more, what was not looked at at once.
static void
what_is_not_consumed_comes_again(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_plain(fixture);

    reader_answer(hand->reader, 0, READER_ALL);
    reader_answer(hand->reader, 10, 10);
    reader_answer(hand->reader, 5, READER_ALL);
    peer_frame(hand, 20, 0);
    reader_wait_calls(hand->reader, 1);
    fixture_settle(fixture);
    reader_expect_shown(hand->reader, 0, 20);
    assert_int_equal(reader_calls(hand->reader), 1);
    peer_frame(hand, 10, 20);
    reader_wait_calls(hand->reader, 3);
    reader_expect_shown(hand->reader, 1, 30);
    reader_expect_shown(hand->reader, 2, 20);
    peer_frame(hand, 1, 30);
    reader_wait_consumed(hand->reader, 31);
    reader_expect_shown(hand->reader, 3, 16);
}

// A token and a close take a read back, which drops no byte.
static void
a_read_is_taken_back_by_its_token(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct hand *hand = open_hand(fixture, (struct pair_options){0}, true);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    weir_token token;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    request.token = token;
    assert_status(weir_inband_read(hand->inband, &request), 0);
    request = pulls_request(pulls, 1);
    assert_status(weir_inband_read(hand->inband, &request), 0);
    fixture_settle(fixture);
    assert_status(weir_token_fire(token, 0, 0), 0);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 0, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
    peer_frame(hand, 100, 0);
    pulls_wait(pulls, 2);
    expect_pulled(pulls, 1, 100, 0, 0);
    request = pulls_request(pulls, 2);
    request.token = token;
    assert_status(weir_inband_read(hand->inband, &request), 0);
    pulls_wait(pulls, 3);
    assert_true(pulls_of(pulls, 2).result.status < 0);
    request = pulls_request(pulls, 3);
    assert_status(weir_inband_read(hand->inband, &request), 0);
    assert_status(weir_inband_close(hand->inband, WEIR_CLOSE_DRAIN, 0, 0), 0);
    pulls_wait(pulls, 4);
    expect_pull_failed(pulls, 3, -WEIR_EENDED, WEIR_ORIGIN_LOCAL_CLOSE);
    assert_status(weir_token_free(token), 0);
    request = pulls_into(pulls, 4, 10, 11);
    assert_status(weir_inband_read(hand->inband, &request), -EINVAL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(writes_and_ends_are_the_documented_bytes),
        EACH(pieces_of_any_size_make_one_write),
        EACH(frames_may_come_byte_by_byte),
        EACH(a_length_that_cannot_be_is_refused),
        EACH(a_broken_frame_waits_behind_what_is_held),
        EACH(an_end_inside_a_frame_is_refused),
        EACH(nothing_but_the_close_follows_an_end),
        EACH(an_end_without_a_mark_is_ambiguous),
        EACH(an_announced_frame_takes_no_memory),
        EACH(the_peers_close_is_answered_behind_all_that_is_queued),
        EACH(a_close_reads_on_until_the_peers_word),
        EACH(a_close_discards_what_nobody_reads),
        EACH(a_silent_peer_is_left_at_the_deadline),
        EACH(a_flush_says_its_mark_and_closes),
        EACH(the_mark_for_the_close_waits_for_room),
        EACH(a_peer_that_stops_reading_ends_our_writes),
        EACH(a_cancelled_write_never_cuts_a_frame),
        EACH(a_cancelled_end_leaves_the_flow_open),
        EACH(a_reset_counts_the_callers_bytes),
        EACH(what_a_frame_cannot_carry_is_refused),
        EACH(given_memory_is_released_once),
        EACH(a_shared_payload_is_framed_for_each_flow),
        EACH(a_write_may_be_sent_inside_the_call),
        EACH(a_reference_outlives_the_runtime),
        EACH(a_stop_of_the_runtime_ends_without_a_mark),
        EACH(concurrent_writes_are_not_mixed),
        EACH(an_end_that_races_with_writes_is_the_last),
        EACH(unread_input_pushes_back),
        EACH(all_comes_however_little_is_held),
        EACH(a_header_in_two_parts_is_read_with_the_least_room),
        EACH(what_is_not_consumed_comes_again),
        EACH(a_read_is_taken_back_by_its_token),
    };

    return RUN_CASES("conformance.inband", cases);
}
