// SPDX-License-Identifier: MIT
//
// Whole conversations: both directions at once, both shut down, both close.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024, LEFT = 1, RIGHT = 2 };

static const size_t sizes[] = {0,    1,    4,    4095, 4096,    4097, 4098,
                               4099, 5000, 5001, 5002, MIB - 1, MIB,  MIB + 1};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

// ---- two weir streams, one with the other -----------------------------------------------------

// The streams of one connection, each with its reader.
struct flow {
    struct reader *readers[2];
    struct pair pairs[2];
    struct recorder *recorders[2];
};

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct pair *pair = arg;

    (void)listener;
    pthread_mutex_lock(&pair->fixture->lock);
    pair->stream = stream;
    pthread_mutex_unlock(&pair->fixture->lock);
}

static struct flow *
open_flow(struct fixture *fixture)
{
    struct flow *flow = fixture_memory(fixture, sizeof(*flow));
    struct weir_listen request = {.address = transport_address(fixture), .accepted = on_accepted};
    struct weir_dial dial = {0};

    for (unsigned side = 0; side < 2; side++) {
        flow->readers[side] = reader_make(fixture);
        // Each side reads what the other one sends.
        flow->readers[side]->seed = side == 0 ? RIGHT : LEFT;
        flow->pairs[side].fixture = fixture;
        flow->pairs[side].events = &flow->readers[side]->events;
        flow->recorders[side] = recorder_make(fixture);
    }
    request.stream.handlers = &flow->readers[1]->handlers;
    request.stream.user = flow->readers[1];
    request.arg = &flow->pairs[1];
    assert_status(weir_listen(fixture->runtime, &request, &flow->pairs[1].listener), 0);
    assert_status(weir_listener_address(flow->pairs[1].listener, &dial.address), 0);
    dial.stream.handlers = &flow->readers[0]->handlers;
    dial.stream.user = flow->readers[0];
    assert_status(weir_dial(fixture->loop, &dial, &flow->pairs[0].stream), 0);
    events_wait(flow->pairs[0].events, "started");
    events_wait(flow->pairs[1].events, "started");
    assert_status(weir_listener_close(flow->pairs[1].listener), 0);
    return flow;
}

static void
send_all(struct flow *flow, unsigned side, size_t size)
{
    unsigned seed = side == 0 ? LEFT : RIGHT;

    if (size > 0) {
        assert_status(request_submit(&flow->pairs[side], flow->recorders[side], seed, size, 0), 0);
    }
    assert_status(weir_end(flow->pairs[side].stream), 0);
}

static void
expect_flow(struct flow *flow, size_t left, size_t right)
{
    const size_t expected[2] = {right, left};

    for (unsigned side = 0; side < 2; side++) {
        reader_wait_consumed(flow->readers[side], expected[side]);
        events_wait(flow->pairs[side].events, "peer_fin");
        events_wait(flow->pairs[side].events, "send_closed");
        recorder_wait(flow->recorders[side], expected[1 - side] > 0 ? 1 : 0);
    }
    for (unsigned side = 0; side < 2; side++) {
        close_if_open(&flow->pairs[side], WEIR_CLOSE_DRAIN);
    }
    for (unsigned side = 0; side < 2; side++) {
        struct events *events = flow->pairs[side].events;

        pair_wait_closed(&flow->pairs[side]);
        events_expect_ending(events, "send_closed:1 closed:0");
        assert_int_equal(events->closed.bytes_received, expected[side]);
        assert_int_equal(events->closed.bytes_sent, expected[1 - side]);
        assert_int_equal(events->closed.bytes_lost, 0);
        assert_int_equal(events_count(events, "peer_fin"), 1);
        assert_int_equal(events_count(events, "peer_reset"), 0);
    }
}

// H-T3: the cross product, both directions at once.
static void
every_pair_of_sizes_flows_both_ways_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned left = 0; left < SIZE_COUNT; left++) {
        for (unsigned right = 0; right < SIZE_COUNT; right++) {
            struct flow *flow = open_flow(fixture);

            send_all(flow, 0, sizes[left]);
            send_all(flow, 1, sizes[right]);
            expect_flow(flow, sizes[left], sizes[right]);
        }
    }
    assert_int_equal(fixture_stats(fixture).streams_now, 0);
}

// The same between two loops with threads.
static void
sizes_flow_both_ways_between_loops(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        size_t left = sizes[index];
        size_t right = sizes[SIZE_COUNT - 1 - index];
        struct flow *flow = open_flow(fixture);

        send_all(flow, 0, left);
        send_all(flow, 1, right);
        expect_flow(flow, left, right);
    }
}

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

// H-T3 at the close: neither side ends first by hand; DRAIN on both does it all.
static void
two_drains_meet(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        size_t size = sizes[index];
        struct flow *flow = open_flow(fixture);

        for (unsigned side = 0; side < 2; side++) {
            unsigned seed = side == 0 ? LEFT : RIGHT;

            if (size > 0) {
                assert_status(
                    request_submit(&flow->pairs[side], flow->recorders[side], seed, size, 0), 0);
            }
            assert_status(weir_close(flow->pairs[side].stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
        }
        for (unsigned side = 0; side < 2; side++) {
            pair_wait_closed(&flow->pairs[side]);
            events_expect_ending(flow->pairs[side].events, "send_closed:1 closed:0");
            reader_wait_consumed(flow->readers[side], size);
            recorder_wait(flow->recorders[side], size > 0 ? 1 : 0);
        }
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
        EACH(every_pair_of_sizes_flows_both_ways_at_once),
        EACH(sizes_flow_both_ways_between_loops),
        EACH(a_write_and_an_end_are_seen_in_that_order),
        EACH(two_drains_meet),
        EACH(an_echo_gives_back_every_byte_and_then_ends),
        EACH(a_callback_may_submit_a_thousand_writes),
        EACH(two_blocked_directions_go_on_when_read),
    };

    return RUN_CASES("conformance.flow", cases);
}
