// SPDX-License-Identifier: MIT
//
// Reading by pulls: blocks and memory, order, ends, and a cancel that drops nothing.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

static struct pair *
open_pull(struct fixture *fixture)
{
    return pair_open(fixture, &(struct pair_options){.pull = true});
}

// ---- forms ------------------------------------------------------------------------------------

// H1, N43: at least one byte, in fresh blocks.
static void
a_pull_takes_what_there_is(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    struct pulled pulled;
    weir_op op;

    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    assert_status(pull(pair, &request, &op), 0);
    assert_int_equal(pulls_count(pulls), 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 100, 0, 0);
    pulled = pulls_of(pulls, 0);
    assert_true(pulled.result.op.bits == op.bits);
    assert_true(pulled.stream.bits == pair->stream.bits);
    assert_int_equal(pulled.result.origin, WEIR_ORIGIN_NONE);
    assert_false(pulled.result.eof);
    assert_null(pulled.result.buffer);
}

// H1: a pull waits for the first byte.
static void
a_pull_waits_for_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    weir_op op;

    assert_status(pull(pair, &request, &op), 0);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
    assert_true(weir_op_is_busy(op));
    peer_write_pattern(fixture, pair->peer, 1, 0, 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 1, 0, 0);
    assert_false(weir_op_is_busy(op));
}

// The size of a pull into blocks is the most it takes; the rest is the next one's.
static void
a_pull_into_blocks_takes_no_more_than_asked(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);

    peer_write_pattern(fixture, pair->peer, 10000, 0, 0);
    for (unsigned tag = 0; tag < 4; tag++) {
        struct weir_read request = pulls_request(pulls, tag);

        request.size = 100;
        assert_status(pull(pair, &request, NULL), 0);
        pulls_wait(pulls, tag + 1);
        expect_pulled(pulls, tag, 100, tag * 100, 0);
    }
    pull_exact(pair, pulls, 4, 9600, 400, 0);
}

// N43
static void
a_pull_into_memory_takes_what_there_is_up_to_its_size(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read first = pulls_into(pulls, 0, 1000, 0);
    struct weir_read second = pulls_into(pulls, 1, 60, 0);
    struct weir_read third = pulls_into(pulls, 2, 1000, 0);

    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    assert_status(pull(pair, &first, NULL), 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 100, 0, 0);
    assert_ptr_equal(pulls_of(pulls, 0).result.buffer, first.buffer);
    peer_write_pattern(fixture, pair->peer, 100, 100, 0);
    assert_status(pull(pair, &second, NULL), 0);
    assert_status(pull(pair, &third, NULL), 0);
    pulls_wait(pulls, 3);
    expect_pulled(pulls, 1, 60, 100, 0);
    expect_pulled(pulls, 2, 40, 160, 0);
}

// N43: read_all.
static void
a_minimum_is_waited_for(void **state)
{
    static const size_t sizes[] = {2, 4032, 4033, 100000, MIB};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    uint64_t offset = 0;

    for (unsigned tag = 0; tag < sizeof(sizes) / sizeof(sizes[0]); tag++) {
        struct weir_read request = pulls_into(pulls, tag, sizes[tag], sizes[tag]);

        assert_status(pull(pair, &request, NULL), 0);
        peer_write_pattern(fixture, pair->peer, sizes[tag] - 1, offset, 0);
        fixture_settle(fixture);
        assert_int_equal(pulls_count(pulls), tag);
        peer_write_pattern(fixture, pair->peer, 1, offset + sizes[tag] - 1, 0);
        pulls_wait(pulls, tag + 1);
        expect_pulled(pulls, tag, sizes[tag], offset, 0);
        offset += sizes[tag];
    }
}

// N43: between minimum and size, no further wait.
static void
a_pull_above_its_minimum_does_not_wait_for_its_size(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 1000, 10);

    assert_status(pull(pair, &request, NULL), 0);
    peer_write_pattern(fixture, pair->peer, 9, 0, 0);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
    peer_write_pattern(fixture, pair->peer, 20, 9, 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 29, 0, 0);
}

// N42, C9
static void
a_zero_length_pull_is_not_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 0, 0);

    assert_status(pull(pair, &request, NULL), 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 0, 0, 0);
    assert_false(pulls_of(pulls, 0).result.eof);
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    request = pulls_into(pulls, 1, 0, 0);
    assert_status(pull(pair, &request, NULL), 0);
    pulls_wait(pulls, 2);
    expect_pulled(pulls, 1, 0, 0, 0);
    assert_false(pulls_of(pulls, 1).result.eof);
    pull_exact(pair, pulls, 2, 100, 0, 0);
    peer_expect_silence(fixture, pair->peer);
}

// ---- order ------------------------------------------------------------------------------------

// K83, N33: pulls queue, first come first served.
static void
pulls_are_served_in_order(void **state)
{
    enum { COUNT = 100 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);

    for (unsigned tag = 0; tag < COUNT; tag++) {
        struct weir_read request = pulls_into(pulls, tag, 50, 50);

        if (tag % 2 == 1) {
            request = pulls_request(pulls, tag);
            request.size = 1;
        }
        assert_status(pull(pair, &request, NULL), 0);
    }
    peer_write_pattern(fixture, pair->peer, 51 * COUNT / 2, 0, 0);
    pulls_wait(pulls, COUNT);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_int_equal(pulls->list[tag].tag, tag);
        expect_pulled(pulls, tag, tag % 2 == 1 ? 1 : 50, tag / 2 * 51 + (tag % 2) * 50, 0);
    }
}

struct pulling {
    struct pair *pair;
    struct pulls *pulls;
    unsigned first;
    unsigned count;
    int result;
};

static void
pull_here(void *arg)
{
    struct pulling *pulling = arg;

    for (unsigned tag = pulling->first; tag < pulling->first + pulling->count; tag++) {
        struct weir_read request = pulls_into(pulling->pulls, tag, 10, 10);

        pulling->result = pull(pulling->pair, &request, NULL);
        if (pulling->result != 0) {
            return;
        }
    }
}

// K83: from several threads and the loop; each byte goes to one of them.
static void
pulls_may_come_from_any_thread(void **state)
{
    enum { COUNT = 50 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct pulling *pulling = fixture_memory(fixture, 2 * sizeof(*pulling));

    pulling[0] = (struct pulling){pair, pulls, 0, COUNT, 1};
    pulling[1] = (struct pulling){pair, pulls, COUNT, COUNT, 1};
    thread_call(fixture, pull_here, &pulling[0]);
    assert_status(pulling[0].result, 0);
    loop_call(fixture, fixture->loop, pull_here, &pulling[1]);
    assert_status(pulling[1].result, 0);
    peer_write_pattern(fixture, pair->peer, 20 * COUNT, 0, 0);
    pulls_wait(pulls, 2 * COUNT);
    for (unsigned index = 0; index < 2 * COUNT; index++) {
        assert_int_equal(pulls->list[index].size, 10);
        assert_int_equal(pattern_check(pulls->list[index].bytes, 10, 10 * index, 0), 10);
    }
}

struct chained {
    struct pair *pair;
    struct fixture *fixture;
    size_t size; // under the fixture's lock
    bool eof;    // under the fixture's lock
    bool wrong;
};

static void
pull_again(weir_stream stream, struct weir_read_result *result, void *arg)
{
    struct chained *chained = arg;
    struct weir_read request = {.done = pull_again, .arg = chained};
    struct weir_iter iter = weir_chain_begin(&result->chain);

    callback_begin(chained->fixture);
    pthread_mutex_lock(&chained->fixture->lock);
    for (size_t index = 0; index < result->size; index++) {
        chained->wrong |= weir_iter_take(&iter) != pattern_byte(chained->size + index, 0);
    }
    chained->size += result->size;
    chained->eof = result->eof;
    chained->wrong |= result->status != 0;
    pthread_mutex_unlock(&chained->fixture->lock);
    weir_chain_return(&result->chain);
    if (!result->eof) {
        call_begin();
        if (weir_read(stream, &request, NULL) != 0) {
            chained->wrong = true;
        }
        call_end();
    }
    callback_end();
}

static bool
chained_is_done(void *arg)
{
    struct chained *chained = arg;
    bool done;

    pthread_mutex_lock(&chained->fixture->lock);
    done = chained->eof || chained->wrong;
    pthread_mutex_unlock(&chained->fixture->lock);
    return done;
}

// A pull from the callback of the one before it, to the end.
static void
a_callback_may_pull_again(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct chained *chained = fixture_memory(fixture, sizeof(*chained));
    struct weir_read request = {.done = pull_again, .arg = chained};

    chained->pair = pair;
    chained->fixture = fixture;
    assert_status(weir_read(pair->stream, &request, NULL), 0);
    peer_write_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_finish(fixture, pair->peer);
    fixture_turn_until(fixture, chained_is_done, chained);
    assert_false(chained->wrong);
    assert_int_equal(chained->size, MIB);
}

// ---- ends -------------------------------------------------------------------------------------

// H1, H30: data, then EOF, which stays.
static void
the_end_comes_after_the_data_and_stays(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    unsigned tag;

    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_finish(fixture, pair->peer);
    tag = pull_exact(pair, pulls, 0, 5000, 0, 0);
    for (unsigned more = 0; more < 3; more++) {
        struct weir_read request =
            more == 1 ? pulls_into(pulls, tag, 10, 5) : pulls_request(pulls, tag);

        assert_status(pull(pair, &request, NULL), 0);
        pulls_wait(pulls, tag + 1);
        expect_pulled_eof(pulls, tag);
        tag++;
    }
    events_wait(pair->events, "peer_fin");
    assert_int_equal(events_count(pair->events, "peer_fin"), 1);
}

// H1: also those that wait already.
static void
the_end_reaches_all_waiting_pulls(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);

    for (unsigned tag = 0; tag < 5; tag++) {
        struct weir_read request = pulls_into(pulls, tag, 10, 10);

        assert_status(pull(pair, &request, NULL), 0);
    }
    peer_write_pattern(fixture, pair->peer, 20, 0, 0);
    peer_finish(fixture, pair->peer);
    pulls_wait(pulls, 5);
    expect_pulled(pulls, 0, 10, 0, 0);
    expect_pulled(pulls, 1, 10, 10, 0);
    for (unsigned tag = 2; tag < 5; tag++) {
        expect_pulled_eof(pulls, tag);
    }
}

// N43: what came before an early end is not lost.
static void
an_end_before_the_minimum_gives_what_there_is(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 100, 100);
    struct weir_read second = pulls_into(pulls, 1, 100, 100);

    assert_status(pull(pair, &request, NULL), 0);
    assert_status(pull(pair, &second, NULL), 0);
    peer_write_pattern(fixture, pair->peer, 60, 0, 0);
    peer_finish(fixture, pair->peer);
    pulls_wait(pulls, 2);
    expect_pulled(pulls, 0, 60, 0, 0);
    assert_true(pulls_of(pulls, 0).result.eof);
    expect_pulled_eof(pulls, 1);
}

// H6, H34: reading shut down on this side is an end as well.
static void
pulls_end_when_reading_is_shut_down(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read waiting = pulls_request(pulls, 0);
    struct weir_read later = pulls_request(pulls, 1);

    assert_status(pull(pair, &waiting, NULL), 0);
    fixture_settle(fixture);
    assert_status(weir_stop_reading(pair->stream, 0), 0);
    pulls_wait(pulls, 1);
    expect_pulled_eof(pulls, 0);
    assert_status(pull(pair, &later, NULL), 0);
    pulls_wait(pulls, 2);
    expect_pulled_eof(pulls, 1);
}

// Closing ends them, and no pull is forgotten.
static void
pulls_end_when_the_stream_closes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request;

    for (unsigned tag = 0; tag < 3; tag++) {
        request = pulls_request(pulls, tag);
        assert_status(pull(pair, &request, NULL), 0);
    }
    fixture_settle(fixture);
    request = pulls_request(pulls, 3);
    assert_status(pull(pair, &request, NULL), 0);
    assert_status(close_stream(pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    assert_int_equal(pulls_count(pulls), 4);
    for (unsigned tag = 0; tag < 4; tag++) {
        struct pulled pulled = pulls_of(pulls, tag);

        assert_true(pulled.result.status < 0);
        assert_int_equal(pulled.result.origin, WEIR_ORIGIN_LOCAL_CLOSE);
        assert_int_equal(pulled.result.size, 0);
    }
    assert_status(pull(pair, &request, NULL), -WEIR_ESTALE);
}

// ---- cancel, deadlines, tokens ----------------------------------------------------------------

// N35: a waiting pull goes without a trace.
static void
a_waiting_pull_can_be_cancelled(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    weir_op ops[3];

    for (unsigned tag = 0; tag < 3; tag++) {
        request = pulls_into(pulls, tag, 10, 10);
        assert_status(pull(pair, &request, &ops[tag]), 0);
    }
    fixture_settle(fixture);
    assert_in_range(weir_cancel(ops[1]), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 1, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
    assert_in_range(weir_cancel(ops[0]), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    pulls_wait(pulls, 2);
    expect_pull_failed(pulls, 0, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    pulls_wait(pulls, 3);
    expect_pulled(pulls, 2, 10, 0, 0);
    for (unsigned tag = 0; tag < 3; tag++) {
        assert_int_equal(weir_cancel(ops[tag]), WEIR_CANCEL_LATE);
    }
}

// N38: bytes that arrived belong to the next pull, also those of a minimum that was not reached.
static void
a_cancelled_pull_drops_no_byte(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 100000, 100000);
    weir_op op;

    assert_status(pull(pair, &request, &op), 0);
    fixture_settle(fixture);
    peer_write_pattern(fixture, pair->peer, 60000, 0, 0);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
    assert_in_range(weir_cancel(op), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 0, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
    pull_exact(pair, pulls, 1, 60000, 0, 0);
}

// N38: the race itself, over and over; the sum of what came is the stream.
static void
cancels_that_race_with_bytes_drop_none(void **state)
{
    enum { ROUNDS = 120 }; // what all cancelled ones leave must fit the peer's socket
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    uint64_t sent = 0;
    uint64_t got = 0;

    for (unsigned tag = 0; tag < ROUNDS; tag++) {
        struct weir_read request =
            tag % 2 == 0 ? pulls_request(pulls, tag) : pulls_into(pulls, tag, 5, 3);
        struct pulled pulled;
        weir_op op;

        assert_status(pull(pair, &request, &op), 0);
        peer_write_pattern(fixture, pair->peer, 7, sent, 0);
        sent += 7;
        weir_cancel(op);
        pulls_wait(pulls, tag + 1);
        pulled = pulls_of(pulls, tag);
        if (pulled.result.status != 0) {
            expect_pull_failed(pulls, tag, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
            continue;
        }
        assert_true(pulled.size > 0);
        assert_int_equal(pattern_check(pulled.bytes, pulled.size, got, 0), pulled.size);
        got += pulled.size;
    }
    pull_exact(pair, pulls, ROUNDS, sent - got, got, 0);
}

// N16, N-T6
static void
a_pull_ends_at_its_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 100, 100);
    uint64_t deadline = weir_deadline_after(MS(20));

    request.deadline_ns = deadline;
    assert_status(pull(pair, &request, NULL), 0);
    peer_write_pattern(fixture, pair->peer, 50, 0, 0);
    pulls_wait(pulls, 1);
    assert_true(weir_now_ns() >= deadline);
    expect_pull_failed(pulls, 0, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    pull_exact(pair, pulls, 1, 50, 0, 0);
}

// A deadline that has passed ends a pull that would wait.
static void
a_passed_deadline_ends_a_pull_that_waits(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);

    request.deadline_ns = 1;
    assert_status(pull(pair, &request, NULL), 0);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 0, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    request = pulls_request(pulls, 1);
    request.deadline_ns = WEIR_NEVER;
    assert_status(pull(pair, &request, NULL), 0);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 1);
    peer_write_pattern(fixture, pair->peer, 5, 0, 0);
    pulls_wait(pulls, 2);
    expect_pulled(pulls, 1, 5, 0, 0);
}

// Chapter 5 of the contract: a pull obeys its token as a write does.
static void
a_token_takes_pulls_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    weir_token token;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    request.token = token;
    assert_status(pull(pair, &request, NULL), 0);
    fixture_settle(fixture);
    assert_status(weir_token_fire(token, -EHOSTDOWN, 0), 0);
    pulls_wait(pulls, 1);
    expect_pull_failed(pulls, 0, -EHOSTDOWN, WEIR_ORIGIN_LOCAL_CANCEL);
    request = pulls_request(pulls, 1);
    request.token = token;
    assert_status(pull(pair, &request, NULL), -EHOSTDOWN);
    assert_status(weir_token_free(token), 0);
    assert_status(pull(pair, &request, NULL), -WEIR_ESTALE);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 1);
    events_expect(pair->events, "started");
}

// ---- refusals ---------------------------------------------------------------------------------

static void
a_pull_beside_a_data_function_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);
    weir_op op = {.bits = 42};

    assert_status(pull(pair, &request, &op), -EBUSY);
    assert_int_equal(op.bits, 42);
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
}

static void
impossible_pulls_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 10, 11);

    assert_status(pull(pair, &request, NULL), -EINVAL);
    request.size_min = 0;
    request.done = NULL;
    assert_status(pull(pair, &request, NULL), -EINVAL);
    call_begin();
    assert_status(weir_read(pair->stream, NULL, NULL), -EINVAL);
    request.done = pulls_done;
    assert_status(weir_read((weir_stream){0}, &request, NULL), -WEIR_ESTALE);
    call_end();
    fixture_settle(fixture);
    assert_int_equal(pulls_count(pulls), 0);
}

// ---- the waiting form -------------------------------------------------------------------------

struct waiting {
    struct pair *pair;
    struct weir_read request;
    struct weir_read_result result;
    int status;
};

static void
read_and_wait(void *arg)
{
    struct waiting *waiting = arg;

    waiting->status = weir_read_wait(waiting->pair->stream, &waiting->request, &waiting->result);
}

// N6, N43
static void
the_waiting_form_returns_the_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct weir_iter iter;
    struct thread *thread;

    waiting->pair = pair;
    waiting->request.deadline_ns = test_deadline();
    thread = thread_start(fixture, read_and_wait, waiting);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    thread_join(fixture, thread);
    assert_status(waiting->status, 0);
    assert_int_equal(weir_chain_size(&waiting->result.chain), waiting->result.size);
    assert_in_range(waiting->result.size, 1, 1000);
    iter = weir_chain_begin(&waiting->result.chain);
    for (size_t index = 0; index < waiting->result.size; index++) {
        assert_int_equal(weir_iter_take(&iter), pattern_byte(index, 0));
    }
    weir_chain_return(&waiting->result.chain);
}

// It could never end.
static void
a_minimum_above_the_most_wanted_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct weir_read request = {.size = 700, .size_min = 701, .done = pull_again};
    char buffer[700];

    assert_status(weir_read(pair->stream, &request, NULL), -EINVAL);
    request.buffer = buffer;
    assert_status(weir_read(pair->stream, &request, NULL), -EINVAL);
}

static void
the_waiting_form_fills_memory_and_sees_the_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct thread *thread;

    waiting->pair = pair;
    waiting->request = (struct weir_read){.buffer = fixture_memory(fixture, 1000),
                                          .size = 1000,
                                          .size_min = 1000,
                                          .deadline_ns = test_deadline()};
    thread = thread_start(fixture, read_and_wait, waiting);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    thread_join(fixture, thread);
    assert_status(waiting->status, 0);
    assert_int_equal(waiting->result.size, 1000);
    assert_int_equal(pattern_check(waiting->request.buffer, 1000, 0, 0), 1000);
    peer_finish(fixture, pair->peer);
    thread = thread_start(fixture, read_and_wait, waiting);
    thread_join(fixture, thread);
    assert_status(waiting->status, 0);
    assert_true(waiting->result.eof);
    assert_int_equal(waiting->result.size, 0);
}

static void
the_waiting_form_ends_at_its_deadline_and_refuses_the_loop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = open_pull(fixture);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct thread *thread;

    waiting->pair = pair;
    waiting->request.deadline_ns = weir_deadline_after(MS(10));
    thread = thread_start(fixture, read_and_wait, waiting);
    thread_join(fixture, thread);
    assert_status(waiting->status, -ETIMEDOUT);
    waiting->request.deadline_ns = 0;
    loop_call(fixture, fixture->loop, read_and_wait, waiting);
    assert_status(waiting->status, -EDEADLK);
    waiting->request.size_min = 5;
    waiting->request.size = 4;
    waiting->request.buffer = waiting;
    read_and_wait(waiting);
    assert_status(waiting->status, -EINVAL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_pull_takes_what_there_is),
        EACH(a_pull_waits_for_bytes),
        EACH(a_pull_into_blocks_takes_no_more_than_asked),
        EACH(a_pull_into_memory_takes_what_there_is_up_to_its_size),
        EACH(a_minimum_is_waited_for),
        EACH(a_minimum_above_the_most_wanted_is_refused),
        EACH(a_pull_above_its_minimum_does_not_wait_for_its_size),
        EACH(a_zero_length_pull_is_not_an_end),
        EACH(pulls_are_served_in_order),
        EACH(pulls_may_come_from_any_thread),
        EACH(a_callback_may_pull_again),
        EACH(the_end_comes_after_the_data_and_stays),
        EACH(the_end_reaches_all_waiting_pulls),
        EACH(an_end_before_the_minimum_gives_what_there_is),
        EACH(pulls_end_when_reading_is_shut_down),
        EACH(pulls_end_when_the_stream_closes),
        EACH(a_waiting_pull_can_be_cancelled),
        EACH(a_cancelled_pull_drops_no_byte),
        EACH(cancels_that_race_with_bytes_drop_none),
        EACH(a_pull_ends_at_its_deadline),
        ONCE(a_passed_deadline_ends_a_pull_that_waits),
        EACH(a_token_takes_pulls_back),
        ONCE(a_pull_beside_a_data_function_is_refused),
        ONCE(impossible_pulls_are_refused),
        EACH(the_waiting_form_returns_the_bytes),
        EACH(the_waiting_form_fills_memory_and_sees_the_end),
        ONCE(the_waiting_form_ends_at_its_deadline_and_refuses_the_loop),
    };

    return RUN_CASES("conformance.read_pull", cases);
}
