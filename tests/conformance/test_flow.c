// SPDX-License-Identifier: MIT
//
// Whole conversations of a stream with a plain socket; test_contract.c has those of two streams.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

static const size_t sizes[] = {0,    1,    4,    4095, 4096,    4097, 4098,
                               4099, 5000, 5001, 5002, MIB - 1, MIB,  MIB + 1};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

// H-T2: what was written comes before the end that was made right behind it.
static void
a_write_and_an_end_are_seen_in_that_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct reader *reader = reader_make(fixture);
        struct pair *pair = reader_open(reader, &(struct pair_options){0});
        struct recorder *recorder = recorder_make(fixture);

        if (sizes[index] > 0) {
            assert_status(request_submit(pair, recorder, 0, sizes[index], 0), 0);
        }
        assert_status(weir_end(pair->stream), 0);
        peer_read_pattern(fixture, pair->peer, sizes[index], 0, 0);
        peer_expect_eof(fixture, pair->peer);
        peer_write_pattern(fixture, pair->peer, sizes[index], 0, 0);
        peer_finish(fixture, pair->peer);
        reader_wait_consumed(reader, sizes[index]);
        events_wait(pair->events, "peer_fin");
        close_if_open(pair, WEIR_CLOSE_DRAIN);
        pair_wait_closed(pair);
        events_expect_ending(pair->events, "send_closed:1 closed:0");
        fixture_close_fd(fixture, pair->peer);
    }
}

// ---- echo -------------------------------------------------------------------------------------

struct echo {
    struct events events;
    struct weir_handlers handlers;
    uint64_t echoed; // under the fixture's lock
    int refused;
};

// Takes what came and sends it back uncopied.
static struct weir_consumed
echo_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct echo *echo = user;
    struct weir_chain chain = {0};
    struct weir_write request = {.chain = &chain};
    size_t size = 0;

    (void)begin;
    (void)end;
    callback_begin(echo->events.fixture);
    if (weir_take(stream, SIZE_MAX, &chain) == 0) {
        size = weir_chain_size(&chain);
        call_begin();
        if (weir_write(stream, &request, NULL) != 0) {
            echo->refused++;
            weir_chain_return(&chain);
        }
        call_end();
    } else {
        echo->refused++;
    }
    pthread_mutex_lock(&echo->events.fixture->lock);
    echo->echoed += size;
    pthread_mutex_unlock(&echo->events.fixture->lock);
    callback_end();
    return (struct weir_consumed){0};
}

static void
echo_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct echo *echo = user;

    (void)ambiguous;
    callback_begin(echo->events.fixture);
    events_add(&echo->events, "peer_fin");
    call_begin();
    if (weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0) != 0) {
        echo->refused++;
    }
    call_end();
    callback_end();
}

static struct pair *
open_echo(struct fixture *fixture, struct echo **ret_echo)
{
    struct echo *echo = fixture_memory(fixture, sizeof(*echo));
    struct pair *pair;

    events_join(fixture, &echo->events);
    echo->handlers = *events_handlers();
    echo->handlers.data = echo_data;
    echo->handlers.peer_fin = echo_fin;
    pair = pair_open(fixture, &(struct pair_options){
                                  .small = true,
                                  .stream = {.handlers = &echo->handlers, .user = &echo->events}});
    pair->events = &echo->events;
    events_wait(pair->events, "started");
    *ret_echo = echo;
    return pair;
}

// H-T5, 5.9-13: writes from inside data, each piece its own chain, and an end behind them.
static void
an_echo_gives_back_every_byte_and_then_ends(void **state)
{
    enum { PIECE = 5000, PIECES = 60 };
    struct fixture *fixture = fixture_manual(state);
    struct echo *echo;
    struct pair *pair = open_echo(fixture, &echo);

    for (unsigned piece = 0; piece < PIECES; piece++) {
        peer_write_pattern(fixture, pair->peer, PIECE, piece * PIECE, 0);
        peer_read_pattern(fixture, pair->peer, PIECE, piece * PIECE, 0);
    }
    peer_write_pattern(fixture, pair->peer, PIECE, 0, 0);
    peer_finish(fixture, pair->peer);
    peer_read_pattern(fixture, pair->peer, PIECE, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    pair_wait_closed(pair);
    events_expect_ending(pair->events, "send_closed:1 closed:0");
    assert_int_equal(echo->refused, 0);
    assert_int_equal(echo->echoed, (PIECES + 1) * PIECE);
}

// 5.9-13: a thousand more from one callback.
struct burst {
    struct fixture *fixture;
    struct pair *pair;
    struct recorder *recorder;
    int refused;
};

static void
submit_a_thousand(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct burst *burst = arg;

    (void)stream;
    (void)result;
    callback_begin(burst->fixture);
    for (unsigned tag = 0; tag < 1000; tag++) {
        burst->refused += request_submit(burst->pair, burst->recorder, tag, 10, WEIR_COPY) != 0;
    }
    callback_end();
}

static void
a_callback_may_submit_a_thousand_writes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct burst *burst = fixture_memory(fixture, sizeof(*burst));
    struct weir_write request = {.done = submit_a_thousand, .arg = burst};

    *burst = (struct burst){fixture, pair, recorder_make(fixture), 0};
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    for (unsigned tag = 0; tag < 1000; tag++) {
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
    recorder_wait(burst->recorder, 1000);
    assert_int_equal(burst->refused, 0);
    for (unsigned tag = 0; tag < 1000; tag++) {
        assert_int_equal(recorder_at(burst->recorder, tag).tag, tag);
    }
}

// Both directions blocked at once, neither reading: nobody spins, and reading frees both.
static void
two_blocked_directions_go_on_when_read(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.small = true,
                                                   .stream = {.flags = WEIR_STREAM_PAUSED,
                                                              .receive_buffer = 16 * 1024}});
    struct recorder *recorder = recorder_make(fixture);
    size_t theirs;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    theirs = peer_write_until_blocked(fixture, pair->peer, 64 * (size_t)MIB, 0);
    pair_block(pair);
    assert_status(weir_resume(pair->stream), 0);
    reader_wait_consumed(reader, theirs);
    assert_int_equal(recorder_count(recorder), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_write_and_an_end_are_seen_in_that_order),
        EACH(an_echo_gives_back_every_byte_and_then_ends),
        EACH(a_callback_may_submit_a_thousand_writes),
        EACH(two_blocked_directions_go_on_when_read),
    };

    return RUN_CASES("conformance.flow", cases);
}
