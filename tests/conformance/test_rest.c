// SPDX-License-Identifier: MIT
//
// A stream that rests: it is not read from while more than its low mark waits to be sent, and
// always again after that.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <sys/socket.h>

enum { KIB = 1024, MIB = 1024 * 1024, LOW = 16 * KIB, LOW_DEFAULT = 64 * KIB };

// What is read at once, as a bound: the kernel is asked for so much at most.
enum { READ_MAX = 16 * WEIR_BLOCK_SIZE };

static const struct weir_stream_options rests = {
    .flags = WEIR_STREAM_REST, .queue_low = LOW, .receive_buffer = 64 * KIB};

static struct pair *
rest_open(struct reader *reader, bool stuffed)
{
    return reader_open(reader,
                       &(struct pair_options){.stream = rests, .small = true, .stuffed = stuffed});
}

static void
expect_nothing_read(struct fixture *fixture, struct reader *reader, unsigned calls)
{
    fixture_settle(fixture);
    fixture_breathe(fixture);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(reader), calls);
}

// ---- a peer that does not read -----------------------------------------------------------------

struct answering {
    struct reader *reader;
    struct iovec answer; // NULL: an echo
    size_t queued_max;   // when `data` began
    int result;
};

static void
answer(struct reader *reader, weir_stream stream)
{
    struct answering *answering = reader->arg;
    struct weir_chain chain = {0};
    struct weir_write request = {.iov = &answering->answer, .iov_count = 1};
    size_t queued = weir_queued(stream);

    answering->queued_max = queued > answering->queued_max ? queued : answering->queued_max;
    if (answering->answer.iov_base != NULL) {
        answering->result += weir_write(stream, &request, NULL);
    } else {
        answering->result += weir_take(stream, SIZE_MAX, &chain);
        answering->result += weir_write_chain(stream, &chain, NULL, NULL);
    }
}

static struct answering *
answering_make(struct fixture *fixture)
{
    struct answering *answering = fixture_memory(fixture, sizeof(*answering));

    answering->reader = reader_make(fixture);
    answering->reader->arg = answering;
    answering->reader->inside = answer;
    return answering;
}

// As much as goes without waiting; how much that was.
static size_t
write_some(int peer, size_t offset, size_t end)
{
    uint8_t piece[8192];
    size_t size = end - offset < sizeof(piece) ? end - offset : sizeof(piece);
    ssize_t sent;

    pattern_fill(piece, size, offset, 0);
    sent = send(peer, piece, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? (size_t)sent : 0;
}

static size_t
read_some(struct fixture *fixture, int peer, size_t offset)
{
    uint8_t piece[8192];
    ssize_t size = recv(peer, piece, sizeof(piece), MSG_DONTWAIT);

    if (size <= 0) {
        return 0;
    }
    if (pattern_check(piece, (size_t)size, offset, 0) != (size_t)size) {
        fixture_fail(fixture, "not the bytes that were sent, at %zu", offset);
    }
    return (size_t)size;
}

// Every byte comes back, and never is much queued.
static void
an_echo_to_a_peer_that_does_not_read_is_bounded(void **state)
{
    enum { TOTAL = 16 * MIB };
    struct fixture *fixture = fixture_manual(state);
    struct answering *answering = answering_make(fixture);
    struct pair *pair = rest_open(answering->reader, false);
    uint64_t deadline = test_deadline();
    size_t written;
    size_t read = 0;

    written = peer_write_until_blocked(fixture, pair->peer, TOTAL, 0);
    assert_true(written < TOTAL);
    assert_true(weir_queued(pair->stream) > LOW);
    assert_true(weir_queued(pair->stream) <= LOW + READ_MAX);
    while (read < TOTAL) {
        size_t before = read;

        assert_true(test_now_ns() < deadline);
        written += write_some(pair->peer, written, TOTAL);
        read += read_some(fixture, pair->peer, read);
        deadline = read != before ? test_deadline() : deadline; // it comes, however slowly
        fixture_breathe(fixture);
        assert_true(weir_queued(pair->stream) <= LOW + READ_MAX);
    }
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    assert_status(answering->result, 0);
    assert_true(answering->queued_max <= LOW);
    assert_int_equal(weir_queued(pair->stream), 0);
}

// Also when one answer alone is more than the socket takes.
static void
one_large_answer_makes_reading_rest(void **state)
{
    enum { ANSWER = 200 * KIB };
    struct fixture *fixture = fixture_manual(state);
    struct answering *answering = answering_make(fixture);
    struct pair *pair = rest_open(answering->reader, false);

    answering->answer = *pattern_iov(fixture, 10, 1);
    peer_write_pattern(fixture, pair->peer, 1, 0, 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    fixture_settle(fixture);
    answering->answer = *pattern_iov(fixture, ANSWER, 1);
    peer_write_pattern(fixture, pair->peer, 1, 1, 0);
    reader_wait_calls(answering->reader, 2);
    assert_true(weir_queued(pair->stream) > LOW);
    peer_write_pattern(fixture, pair->peer, 1, 2, 0);
    expect_nothing_read(fixture, answering->reader, 2);
    peer_read_pattern(fixture, pair->peer, ANSWER, 0, 1);
    reader_wait_calls(answering->reader, 3);
    assert_true(answering->queued_max <= LOW);
    peer_read_pattern(fixture, pair->peer, ANSWER, 0, 1);
    assert_status(answering->result, 0);
}

// Within a turn as well: what waits in the socket is not read in one go.
static void
a_burst_of_requests_is_read_as_far_as_the_mark(void **state)
{
    enum { REQUESTS = 20, ANSWER = 50 * KIB };
    struct fixture *fixture = fixture_manual(state);
    struct answering *answering = answering_make(fixture);
    struct pair *pair = rest_open(answering->reader, true);

    for (unsigned count = 0; count < REQUESTS; count++) { // each is shown on its own
        reader_answer(answering->reader, 1, 1);
    }
    answering->answer = *pattern_iov(fixture, ANSWER, 1);
    peer_write_pattern(fixture, pair->peer, 1, 0, 0);
    fixture_settle(fixture);
    assert_int_equal(reader_calls(answering->reader), 1);
    for (unsigned count = 1; count < REQUESTS; count++) {
        peer_write_pattern(fixture, pair->peer, 1, count, 0);
        expect_nothing_read(fixture, answering->reader, 1);
    }
    pair_unstuff(pair);
    for (unsigned count = 0; count < REQUESTS; count++) {
        peer_read_pattern(fixture, pair->peer, ANSWER, 0, 1);
    }
    reader_wait_consumed(answering->reader, REQUESTS);
    assert_true(answering->queued_max <= LOW);
    assert_status(answering->result, 0);
}

// ---- the mark ----------------------------------------------------------------------------------

static void
expect_mark(struct fixture *fixture, struct recorder *recorder, size_t high, size_t low,
            size_t mark)
{
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(
        reader, &(struct pair_options){
                    .stream = {.flags = WEIR_STREAM_REST, .queue_high = high, .queue_low = low},
                    .stuffed = true});
    unsigned before = recorder_count(recorder);

    assert_status(request_submit(pair, recorder, before, mark, 0), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_consumed(reader, 10);
    assert_status(request_submit(pair, recorder, before + 1, 1, 0), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 10, 10, 0);
    expect_nothing_read(fixture, reader, reader_calls(reader));
    assert_int_equal(reader_consumed(reader), 10);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, mark, 0, before);
    peer_read_pattern(fixture, pair->peer, 1, 0, before + 1);
    recorder_wait(recorder, before + 2);
    reader_wait_consumed(reader, 20);
}

static void
the_mark_is_the_queues_low_one(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);

    expect_mark(fixture, recorder, 0, 1000, 1000);
    expect_mark(fixture, recorder, 4000, 1000, 1000);
    expect_mark(fixture, recorder, 4000, 0, 2000);
    expect_mark(fixture, recorder, 0, 0, LOW_DEFAULT);
    expect_mark(fixture, recorder, 2, 0, 1);
}

// A mark so small that nothing may be queued while it reads.
static void
a_mark_of_nothing_rests_until_all_is_sent(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pair = reader_open(
        reader, &(struct pair_options){.stream = {.flags = WEIR_STREAM_REST, .queue_high = 1},
                                       .stuffed = true});

    assert_status(request_submit(pair, recorder, 0, 1, 0), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    expect_nothing_read(fixture, reader, 0);
    pair_unstuff(pair);
    reader_wait_consumed(reader, 10);
    peer_read_pattern(fixture, pair->peer, 1, 0, 0);
}

static void
without_the_flag_reading_goes_on(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){.stuffed = true});

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_consumed(reader, 10);
}

// ---- reading goes on ---------------------------------------------------------------------------

struct resting {
    struct fixture *fixture;
    struct reader *reader;
    struct recorder *recorder;
    struct pair *pair;
    weir_op op; // of the write that waits
};

// A megabyte waits, of which nothing has gone (stuffed) or some; ten bytes wait to be read.
static struct resting *
resting_make(void **state, bool stuffed)
{
    struct fixture *fixture = fixture_manual(state);
    struct resting *resting = fixture_memory(fixture, sizeof(*resting));
    struct weir_write request;

    resting->fixture = fixture;
    resting->reader = reader_make(fixture);
    resting->recorder = recorder_make(fixture);
    resting->pair = rest_open(resting->reader, stuffed);
    request = request_make(resting->recorder, 0, MIB);
    assert_status(submit(fixture, resting->pair->stream, &request, &resting->op), 0);
    fixture_settle(fixture);
    if (!stuffed) {
        pair_block(resting->pair);
    }
    peer_write_pattern(fixture, resting->pair->peer, 10, 0, 0);
    expect_nothing_read(fixture, resting->reader, 0);
    return resting;
}

static void
a_foreign_write_makes_reading_rest_until_it_is_sent(void **state)
{
    struct resting *resting = resting_make(state, false);

    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    recorder_wait(resting->recorder, 1);
    reader_wait_consumed(resting->reader, 10);
}

static void
a_cancel_lets_reading_go_on(void **state)
{
    struct resting *resting = resting_make(state, true);

    assert_int_not_equal(weir_cancel(resting->op), WEIR_CANCEL_LATE);
    recorder_wait(resting->recorder, 1);
    reader_wait_consumed(resting->reader, 10);
}

static void
a_tear_lets_reading_go_on(void **state)
{
    struct resting *resting = resting_make(state, false);

    assert_int_equal(weir_cancel(resting->op), WEIR_CANCEL_PENDING);
    recorder_wait(resting->recorder, 1);
    assert_status(weir_stream_status(resting->pair->stream), -WEIR_ETORN);
    reader_wait_consumed(resting->reader, 10);
}

static void
a_fin_is_told_when_reading_goes_on(void **state)
{
    struct resting *resting = resting_make(state, false);

    peer_finish(resting->fixture, resting->pair->peer);
    expect_nothing_read(resting->fixture, resting->reader, 0);
    events_expect(resting->pair->events, "started");
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    events_wait(resting->pair->events, "peer_fin");
    events_expect(resting->pair->events, "started data:10 peer_fin");
}

// A reset is told at once, and ends the write; what had arrived is shown, and then it closes.
static void
a_reset_is_told_while_reading_rests(void **state)
{
    struct resting *resting = resting_make(state, false);

    peer_reset(resting->fixture, resting->pair->peer);
    recorder_wait(resting->recorder, 1);
    assert_true(recorder_of(resting->recorder, 0).status < 0);
    pair_wait_closed(resting->pair);
    assert_int_equal(events_count(resting->pair->events, "closed"), 1);
}

static void
an_end_of_writing_keeps_reading_at_rest_until_it_is_sent(void **state)
{
    struct resting *resting = resting_make(state, false);

    assert_status(weir_end(resting->pair->stream), 0);
    expect_nothing_read(resting->fixture, resting->reader, 0);
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    peer_expect_eof(resting->fixture, resting->pair->peer);
    reader_wait_consumed(resting->reader, 10);
}

// The pause is another reason to rest: both must be over.
static void
a_pause_and_a_full_queue_are_two_reasons(void **state)
{
    struct resting *resting = resting_make(state, false);

    assert_status(weir_pause(resting->pair->stream), 0);
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    recorder_wait(resting->recorder, 1);
    expect_nothing_read(resting->fixture, resting->reader, 0);
    assert_status(weir_resume(resting->pair->stream), 0);
    reader_wait_consumed(resting->reader, 10);
}

static void
a_resume_does_not_end_the_rest(void **state)
{
    struct resting *resting = resting_make(state, false);

    assert_status(weir_pause(resting->pair->stream), 0);
    fixture_settle(resting->fixture);
    assert_status(weir_resume(resting->pair->stream), 0);
    expect_nothing_read(resting->fixture, resting->reader, 0);
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    reader_wait_consumed(resting->reader, 10);
}

static void
a_pull_rests_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream = rests, .pull = true, .small = true});
    struct weir_read request = pulls_request(pulls, 0);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    assert_status(pull(pair, &request, NULL), 0);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 10, 0, 0);
}

// ---- closing -----------------------------------------------------------------------------------

static void
a_drain_shows_what_waited(void **state)
{
    struct resting *resting = resting_make(state, false);

    peer_finish(resting->fixture, resting->pair->peer);
    assert_status(close_stream(resting->pair, WEIR_CLOSE_DRAIN, 0, 0), 0);
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    peer_expect_eof(resting->fixture, resting->pair->peer);
    pair_wait_closed(resting->pair);
    events_expect(resting->pair->events, "started data:10 peer_fin send_closed:1 closed:0");
}

static void
a_flush_and_an_abort_end_a_stream_that_rests(void **state)
{
    struct resting *resting = resting_make(state, false);

    assert_status(close_stream(resting->pair, WEIR_CLOSE_FLUSH, 0, 0), 0);
    fixture_settle(resting->fixture);
    assert_int_equal(events_count(resting->pair->events, "closed"), 0);
    assert_status(close_stream(resting->pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(resting->pair);
    expect_result(recorder_of(resting->recorder, 0), -WEIR_EENDED, WEIR_ORIGIN_LOCAL_CLOSE,
                  recorder_of(resting->recorder, 0).sent);
}

// Input that nobody will see is taken, though much is queued: else two ends could wait for each
// other.
static void
discarded_input_does_not_rest(void **state)
{
    struct resting *resting = resting_make(state, false);
    uint8_t *more = pattern_make(resting->fixture, 4 * MIB, 2);

    assert_status(weir_stop_reading(resting->pair->stream, 0), 0);
    peer_write(resting->fixture, resting->pair->peer, more, 4 * MIB);
    assert_int_equal(recorder_count(resting->recorder), 0);
    peer_read_pattern(resting->fixture, resting->pair->peer, MIB, 0, 0);
    recorder_wait(resting->recorder, 1);
}

static void
a_drain_without_a_reader_does_not_rest(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream = rests, .pull = true, .small = true});
    uint8_t *more = pattern_make(fixture, 4 * MIB, 2);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(close_stream(pair, WEIR_CLOSE_DRAIN, test_deadline(), 0), 0);
    peer_write(fixture, pair->peer, more, 4 * MIB);
    peer_finish(fixture, pair->peer);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    pair_wait_closed(pair);
    assert_status(pair->events->closed.status, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(an_echo_to_a_peer_that_does_not_read_is_bounded),
        EACH(one_large_answer_makes_reading_rest),
        EACH(a_burst_of_requests_is_read_as_far_as_the_mark),
        EACH(the_mark_is_the_queues_low_one),
        EACH(a_mark_of_nothing_rests_until_all_is_sent),
        EACH(without_the_flag_reading_goes_on),
        EACH(a_foreign_write_makes_reading_rest_until_it_is_sent),
        EACH(a_cancel_lets_reading_go_on),
        EACH(a_tear_lets_reading_go_on),
        EACH(a_fin_is_told_when_reading_goes_on),
        EACH_TCP(a_reset_is_told_while_reading_rests),
        EACH(an_end_of_writing_keeps_reading_at_rest_until_it_is_sent),
        EACH(a_pause_and_a_full_queue_are_two_reasons),
        EACH(a_resume_does_not_end_the_rest),
        EACH(a_pull_rests_too),
        EACH(a_drain_shows_what_waited),
        EACH(a_flush_and_an_abort_end_a_stream_that_rests),
        EACH_WITH_RESETS(discarded_input_does_not_rest),
        EACH(a_drain_without_a_reader_does_not_rest),
    };

    return RUN_CASES("conformance.rest", cases);
}
