// SPDX-License-Identifier: MIT
#include "tests/lib/flow_contract.h"

#include "tests/lib/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

static const struct flow_layer *layer;

static const size_t sizes[] = {0,    1,    4,    4095, 4096,    4097, 4098,
                               4099, 5000, 5001, 5002, MIB - 1, MIB,  MIB + 1};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

// ---- helpers ----------------------------------------------------------------------------------

static struct flow *
open_flow(struct fixture *fixture)
{
    return flow_open(fixture, layer, (struct flow_options){0});
}

static void
send_and_end(struct flow *flow, unsigned side, size_t size)
{
    if (size > 0) {
        assert_status(flow_send(flow, side, size), 0);
    }
    assert_status(layer->end(&flow->ends[side]), 0);
}

// Everything came, both directions ended, nothing was lost.
static void
expect_good_end(struct flow *flow, size_t left, size_t right)
{
    const size_t expected[2] = {right, left};

    for (unsigned side = 0; side < 2; side++) {
        struct flow_end *end = &flow->ends[side];

        reader_wait_consumed(end->reader, expected[side]);
        events_wait(end->events, "closed");
        recorder_wait(end->recorder, expected[1 - side] > 0 ? 1 : 0);
        events_expect_ending(end->events, "send_closed:1 closed:0");
        assert_int_equal(end->events->closed.bytes_received, expected[side]);
        assert_int_equal(end->events->closed.bytes_sent, expected[1 - side]);
        assert_int_equal(end->events->closed.bytes_lost, 0);
        assert_int_equal(events_count(end->events, "peer_reset"), 0);
    }
}

static void
close_if_still_open(struct flow *flow, unsigned side)
{
    int result = flow_close(flow, side, WEIR_CLOSE_DRAIN, 0);

    if (result != -WEIR_ESTALE) { // else the peer's close has closed it
        assert_status(result, 0);
    }
}

static void
end_in_order(struct flow *flow, size_t left, size_t right)
{
    for (unsigned side = 0; side < 2; side++) {
        events_wait(flow->ends[side].events, "peer_fin");
        events_wait(flow->ends[side].events, "send_closed");
    }
    for (unsigned side = 0; side < 2; side++) {
        close_if_still_open(flow, side);
    }
    expect_good_end(flow, left, right);
    for (unsigned side = 0; side < 2; side++) {
        assert_int_equal(events_count(flow->ends[side].events, "peer_fin"), 1);
    }
}

// ---- sizes ------------------------------------------------------------------------------------

// H-T3, 5.9-16: the cross product, both directions at once.
static void
every_pair_of_sizes_flows_both_ways_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned left = 0; left < SIZE_COUNT; left++) {
        for (unsigned right = 0; right < SIZE_COUNT; right++) {
            struct flow *flow = open_flow(fixture);

            send_and_end(flow, 0, sizes[left]);
            send_and_end(flow, 1, sizes[right]);
            end_in_order(flow, sizes[left], sizes[right]);
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
        struct flow *flow = flow_open(fixture, layer, (struct flow_options){.other_thread = true});

        send_and_end(flow, 0, left);
        send_and_end(flow, 1, right);
        end_in_order(flow, left, right);
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
            if (size > 0) {
                assert_status(flow_send(flow, side, size), 0);
            }
            assert_status(flow_close(flow, side, WEIR_CLOSE_DRAIN, 0), 0);
        }
        expect_good_end(flow, size, size);
    }
}

static uint64_t
next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static uint64_t
seed_of_test(void)
{
    const char *text = getenv("WEIR_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : weir_now_ns();

    print_message("WEIR_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed | 1;
}

// Sends size bytes in pieces of any length, the last one with the end.
static void
send_in_pieces(struct flow *flow, unsigned side, size_t size, uint64_t *random)
{
    unsigned tag = 0;

    for (size_t done = 0; done < size;) {
        size_t most = (size_t)1 << next_random(random) % 22;
        size_t piece = 1 + next_random(random) % most;

        piece = piece < size - done ? piece : size - done;
        assert_status(flow_send_part(flow, side, tag++, done, piece,
                                     done + piece == size ? WEIR_FIN : WEIR_COPY),
                      0);
        done += piece;
        if (tag % 4 == 0) {
            fixture_breathe(flow->fixture);
        }
    }
    if (size == 0) {
        assert_status(layer->end(&flow->ends[side]), 0);
    }
}

// H-T4, bounded: any size up to 10 MiB in any pieces, both ways.
static void
random_sizes_flow_both_ways(void **state)
{
    enum { ROUNDS = 6 };
    struct fixture *fixture = fixture_manual(state);
    uint64_t random = seed_of_test();

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct flow *flow = open_flow(fixture);
        size_t size[2];

        for (unsigned side = 0; side < 2; side++) {
            size_t most = round == 0 ? 10 * (size_t)MIB : (size_t)1 << next_random(&random) % 21;

            size[side] = next_random(&random) % (most + 1);
            send_in_pieces(flow, side, size[side], &random);
        }
        for (unsigned side = 0; side < 2; side++) {
            reader_wait_consumed(flow->ends[side].reader, size[1 - side]);
            events_wait(flow->ends[side].events, "peer_fin");
        }
        for (unsigned side = 0; side < 2; side++) {
            close_if_still_open(flow, side);
        }
        flow_wait_closed(flow);
        for (unsigned side = 0; side < 2; side++) {
            events_expect_ending(flow->ends[side].events, "send_closed closed");
            assert_int_equal(flow->ends[side].events->closed.bytes_sent, size[side]);
            assert_int_equal(flow->ends[side].events->closed.status, 0);
        }
    }
}

// ---- the end ----------------------------------------------------------------------------------

static unsigned
pull_all(struct flow_end *end, struct pulls *pulls, size_t size, unsigned seed)
{
    size_t done = 0;
    unsigned tag = 0;

    while (done < size) {
        struct weir_read request = pulls_request(pulls, tag);
        struct pulled pulled;

        assert_status(layer->read(end, &request), 0);
        pulls_wait(pulls, tag + 1);
        pulled = pulls_of(pulls, tag);
        assert_status(pulled.result.status, 0);
        assert_true(pulled.size >= 1);
        assert_int_equal(pattern_check(pulled.bytes, pulled.size, done, seed), pulled.size);
        done += pulled.size;
        tag++;
    }
    return tag;
}

// H1, H30: all bytes, then the end, for ever; a read of nothing is neither (L9).
static void
reads_get_all_bytes_and_then_the_end_for_ever(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct flow *flow = flow_open(fixture, layer, (struct flow_options){.pull = true});
        struct pulls *pulls = pulls_make(fixture);
        struct weir_read request;
        unsigned tag;

        send_and_end(flow, 0, sizes[index]);
        tag = pull_all(&flow->ends[1], pulls, sizes[index], FLOW_LEFT);
        for (unsigned again = 0; again < 4; again++, tag++) {
            request = again == 2 ? pulls_into(pulls, tag, 0, 0) : pulls_request(pulls, tag);
            assert_status(layer->read(&flow->ends[1], &request), 0);
            pulls_wait(pulls, tag + 1);
            assert_int_equal(pulls_of(pulls, tag).result.status, 0);
            assert_int_equal(pulls_of(pulls, tag).size, 0);
            if (again != 2) {
                expect_pulled_eof(pulls, tag);
            }
        }
        flow_close_anyhow(flow);
    }
}

// H55: a fixed buffer, a minimum, and what is left over comes first the next time.
static void
a_read_into_memory_leaves_the_rest_for_the_next(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = flow_open(fixture, layer, (struct flow_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request = pulls_into(pulls, 0, 5000, 5000);

    assert_status(layer->read(&flow->ends[1], &request), 0);
    fixture_settle(fixture);
    assert_status(flow_send(flow, 0, 10000), 0);
    pulls_wait(pulls, 1);
    expect_pulled(pulls, 0, 5000, 0, FLOW_LEFT);
    request = pulls_into(pulls, 1, 100, 0);
    assert_status(layer->read(&flow->ends[1], &request), 0);
    pulls_wait(pulls, 2);
    expect_pulled(pulls, 1, 100, 5000, FLOW_LEFT);
    request = pulls_into(pulls, 2, 20000, 4900);
    assert_status(layer->read(&flow->ends[1], &request), 0);
    pulls_wait(pulls, 3);
    expect_pulled(pulls, 2, 4900, 5100, FLOW_LEFT);
    request = pulls_into(pulls, 3, 100, 0);
    request.deadline_ns = weir_deadline_after(MS(5));
    assert_status(layer->read(&flow->ends[1], &request), 0);
    pulls_wait(pulls, 4);
    expect_pull_failed(pulls, 3, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    flow_close_anyhow(flow);
}

// H34: reads that wait when this side closes end; behind `closed` there is nothing to read from.
static void
reads_end_with_the_own_close(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = flow_open(fixture, layer, (struct flow_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read request;

    for (unsigned tag = 0; tag < 3; tag++) {
        request = pulls_request(pulls, tag);
        assert_status(layer->read(&flow->ends[0], &request), 0);
    }
    fixture_settle(fixture);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_ABORT, 0), 0);
    events_wait(flow->ends[0].events, "closed");
    pulls_wait(pulls, 3);
    for (unsigned tag = 0; tag < 3; tag++) {
        assert_true(pulls_of(pulls, tag).result.status < 0);
        assert_int_equal(pulls_of(pulls, tag).size, 0);
    }
    request = pulls_request(pulls, 3);
    assert_status(layer->read(&flow->ends[0], &request), -WEIR_ESTALE);
    flow_close_anyhow(flow);
}

// H3, H6, H-T1, H-T6: nothing follows an end, a close, or the last event.
static void
writes_after_the_end_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);
    struct flow_end *left = &flow->ends[0];

    assert_status(layer->status(left), 0);
    assert_status(flow_send(flow, 0, 5000), 0);
    assert_status(layer->end(left), 0);
    assert_status(flow_send(flow, 0, 10), -WEIR_EENDED);
    assert_status(flow_send(flow, 0, 0), -WEIR_EENDED);
    assert_status(layer->end(left), -WEIR_EENDED);
    assert_status(layer->status(left), -WEIR_EENDED);
    reader_wait_consumed(flow->ends[1].reader, 5000);
    events_wait(flow->ends[1].events, "peer_fin");
    assert_status(flow_send(flow, 0, 10), -WEIR_EENDED);
    assert_status(flow_send(flow, 1, 5000), 0); // the other direction goes on
    reader_wait_consumed(left->reader, 5000);
    assert_status(flow_close(flow, 1, WEIR_CLOSE_DRAIN, 0), 0);
    assert_status(flow_send(flow, 1, 10), -WEIR_EENDED);
    close_if_still_open(flow, 0);
    flow_wait_closed(flow);
    assert_status(flow_send(flow, 0, 10), -WEIR_ESTALE);
    assert_status(layer->end(left), -WEIR_ESTALE);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0), -WEIR_ESTALE);
    assert_status(layer->status(left), -WEIR_ESTALE);
    recorder_wait(left->recorder, 1);
}

// Q16: bytes and their end in one write.
static void
a_write_may_carry_the_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct flow *flow = open_flow(fixture);

        assert_status(flow_send_part(flow, 0, FLOW_LEFT, 0, sizes[index], WEIR_FIN), 0);
        assert_status(flow_send(flow, 0, 1), -WEIR_EENDED);
        recorder_wait(flow->ends[0].recorder, 1);
        expect_result(recorder_of(flow->ends[0].recorder, FLOW_LEFT), 0, WEIR_ORIGIN_NONE,
                      sizes[index]);
        reader_wait_consumed(flow->ends[1].reader, sizes[index]);
        events_wait(flow->ends[1].events, "peer_fin");
        assert_status(layer->end(&flow->ends[1]), 0);
        close_if_still_open(flow, 0);
        close_if_still_open(flow, 1);
        flow_wait_closed(flow);
        events_expect_ending(flow->ends[1].events, "send_closed:1 closed:0");
    }
}

// ---- nothing ----------------------------------------------------------------------------------

// H35, C9, 5.9-8: a write of nothing is a barrier in any place, never an end, and stops nothing.
static void
a_write_of_nothing_is_a_barrier_everywhere(void **state)
{
    enum { WRITES = 10000 };
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);
    struct recorder *recorder = flow->ends[0].recorder;

    assert_status(flow_send_part(flow, 0, 0, 0, 0, 0), 0);
    recorder_wait(recorder, 1);
    for (unsigned index = 0; index < WRITES; index++) {
        unsigned tag = 1 + 2 * index;

        assert_status(flow_send_part(flow, 0, tag, index % 251, 1, WEIR_COPY), 0);
        if (index % 1000 == 0) {
            assert_status(flow_send_part(flow, 0, tag + 1, 0, 0, 0), 0);
        }
    }
    recorder_wait(recorder, 1 + WRITES + WRITES / 1000);
    for (unsigned index = 0; index < recorder_count(recorder); index++) {
        struct recorded recorded = recorder_at(recorder, index);

        assert_int_equal(recorded.result.status, 0);
        assert_int_equal(recorded.result.sent, recorded.tag % 2);
    }
    fixture_settle(fixture);
    assert_int_equal(events_count(flow->ends[1].events, "peer_fin"), 0);
    assert_status(flow_send_part(flow, 0, 2, 0, 0, WEIR_FIN), 0);
    events_wait(flow->ends[1].events, "peer_fin");
    flow_close_anyhow(flow);
    assert_int_equal(flow->ends[1].events->closed.bytes_received, WRITES);
}

// ---- closing ----------------------------------------------------------------------------------

// H4: a peer that reads nothing and never closes is left at the deadline, with or without a queue.
static void
a_drain_leaves_a_silent_peer_at_its_deadline(void **state)
{
    static const size_t queued[] = {0, 5000, 4 * (size_t)MIB};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 3; index++) {
        struct flow *flow = flow_open(fixture, layer, (struct flow_options){.small = true});
        struct events *events = flow->ends[0].events;

        assert_status(layer->pause(&flow->ends[1]), 0);
        fixture_settle(fixture);
        if (queued[index] > 0) {
            assert_status(flow_send(flow, 0, queued[index]), 0);
        }
        assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, weir_deadline_after(MS(10))), 0);
        assert_status(flow_send(flow, 0, 1), -WEIR_EENDED);
        events_wait(events, "closed");
        recorder_wait(flow->ends[0].recorder, queued[index] > 0 ? 1 : 0);
        assert_int_equal(events->closed.status, -ETIMEDOUT);
        assert_int_equal(events->closed.origin, WEIR_ORIGIN_DEADLINE);
        assert_int_equal(events->closed.bytes_sent + events->closed.bytes_lost, queued[index]);
        events_expect_ending(events, "send_closed closed");
        flow_close_anyhow(flow);
    }
}

// H4, H33: a peer that has ended, or closed, before.
static void
a_drain_meets_a_peer_that_was_there_first(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned closes = 0; closes < 2; closes++) {
        for (unsigned index = 0; index < SIZE_COUNT; index += 3) {
            struct flow *flow = open_flow(fixture);

            if (sizes[index] > 0) {
                assert_status(flow_send(flow, 1, sizes[index]), 0);
            }
            if (closes) {
                assert_status(flow_close(flow, 1, WEIR_CLOSE_DRAIN, 0), 0);
            } else {
                assert_status(layer->end(&flow->ends[1]), 0);
            }
            events_wait(flow->ends[0].events, "peer_fin");
            close_if_still_open(flow, 0);
            close_if_still_open(flow, 1);
            expect_good_end(flow, 0, sizes[index]);
        }
    }
}

// H4, H52: what is queued when the close comes arrives, blocked or not; unread input is no matter,
// and still comes when it is asked for.
static void
a_drain_loses_nothing_that_was_queued(void **state)
{
    enum { QUEUED = 300000, UNREAD = 60000 };
    struct fixture *fixture = fixture_manual(state);

    for (unsigned unread = 0; unread < 2; unread++) {
        struct flow *flow = flow_open(fixture, layer, (struct flow_options){.small = true});

        assert_status(layer->pause(&flow->ends[0]), 0);
        if (unread) {
            assert_status(flow_send(flow, 1, UNREAD), 0);
            fixture_settle(fixture);
        }
        assert_status(flow_send(flow, 0, QUEUED), 0);
        assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0), 0);
        reader_wait_consumed(flow->ends[1].reader, QUEUED);
        assert_status(layer->resume(&flow->ends[0]), 0);
        reader_wait_consumed(flow->ends[0].reader, unread ? UNREAD : 0);
        events_wait(flow->ends[1].events, "peer_fin");
        close_if_still_open(flow, 1);
        flow_wait_closed(flow);
        assert_int_equal(flow->ends[0].events->closed.status, 0);
        assert_int_equal(flow->ends[1].events->closed.status, 0);
        assert_int_equal(flow->ends[1].events->closed.bytes_received, QUEUED);
        assert_int_equal(events_count(flow->ends[1].events, "peer_reset"), 0);
    }
}

// H5, H33: with nothing queued, twice, and harder while softer waits.
static void
closes_may_be_repeated_and_made_harder(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);

    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0), 0);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0), 0);
    flow_close(flow, 1, WEIR_CLOSE_DRAIN, 0);
    expect_good_end(flow, 0, 0);

    flow = open_flow(fixture);
    assert_status(layer->pause(&flow->ends[1]), 0);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, WEIR_NEVER), 0);
    fixture_settle(fixture);
    assert_int_equal(events_count(flow->ends[0].events, "closed"), 0);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_FLUSH, 0), 0);
    events_wait(flow->ends[0].events, "closed");
    assert_int_equal(flow->ends[0].events->closed.status, 0);
    flow_close_anyhow(flow);

    flow = open_flow(fixture);
    assert_status(layer->pause(&flow->ends[1]), 0);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, WEIR_NEVER), 0);
    fixture_settle(fixture);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_ABORT, 0), 0);
    events_wait(flow->ends[0].events, "closed");
    events_expect_ending(flow->ends[0].events, "send_closed closed");
    flow_close_anyhow(flow);
}

struct closer {
    struct flow_end *end;
    enum weir_close_mode mode;
    int result;
};

static void
close_here(void *arg)
{
    struct closer *closer = arg;

    closer->result = closer->end->layer->close(closer->end, closer->mode, 0);
}

// 5.9-7: two threads at once, with a queue.
static void
two_threads_may_close_at_once(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);

    for (unsigned round = 0; round < 20; round++) {
        struct flow *flow = open_flow(fixture);
        struct closer *closers = fixture_memory(fixture, 2 * sizeof(*closers));
        struct thread *threads[2];

        assert_status(flow_send(flow, 0, 5000), 0);
        for (unsigned index = 0; index < 2; index++) {
            closers[index] = (struct closer){.end = &flow->ends[0], .mode = WEIR_CLOSE_DRAIN};
            threads[index] = thread_start(fixture, close_here, &closers[index]);
        }
        for (unsigned index = 0; index < 2; index++) {
            thread_join(fixture, threads[index]);
            assert_true(closers[index].result == 0 || closers[index].result == -WEIR_ESTALE);
        }
        reader_wait_consumed(flow->ends[1].reader, 5000);
        close_if_still_open(flow, 1);
        expect_good_end(flow, 5000, 0);
    }
}

// ---- closing from callbacks -------------------------------------------------------------------

static void
close_inside_data(struct reader *reader, weir_stream stream)
{
    struct flow_end *end = reader->arg;

    (void)stream;
    reader->status = end->layer->close(end, WEIR_CLOSE_DRAIN, 0);
}

static void
close_inside_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct flow_end *end = arg;

    (void)stream;
    (void)result;
    callback_begin(end->fixture);
    end->reader->status = end->layer->close(end, WEIR_CLOSE_DRAIN, 0);
    callback_end();
}

static void
close_inside_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct reader *reader = user;
    struct flow_end *end = reader->arg;

    (void)stream;
    (void)ambiguous;
    callback_begin(end->fixture);
    events_add(end->events, "peer_fin");
    reader->status = end->layer->close(end, WEIR_CLOSE_DRAIN, 0);
    callback_end();
}

// 5.9-7: from `data`, from a completion, from `peer_fin`.
static void
a_flow_may_be_closed_from_its_callbacks(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);
    struct weir_write request = {.done = close_inside_done};

    flow->ends[1].reader->inside = close_inside_data;
    flow->ends[1].reader->arg = &flow->ends[1];
    assert_status(flow_send(flow, 0, 5000), 0);
    assert_status(flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0), 0);
    expect_good_end(flow, 5000, 0);

    flow = open_flow(fixture);
    request.arg = &flow->ends[0];
    assert_status(layer->write(&flow->ends[0], &request, NULL), 0);
    events_wait(flow->ends[1].events, "peer_fin");
    close_if_still_open(flow, 1);
    expect_good_end(flow, 0, 0);

    flow = flow_make(fixture, layer, (struct flow_options){0});
    flow->ends[1].handlers.peer_fin = close_inside_fin;
    flow->ends[1].reader->arg = &flow->ends[1];
    flow_open_ends(flow);
    send_and_end(flow, 0, 5000);
    events_wait(flow->ends[0].events, "peer_fin");
    close_if_still_open(flow, 0);
    expect_good_end(flow, 5000, 0);
}

// ---- reading shut down ------------------------------------------------------------------------

// H6, H7, H51: what was unread is dropped, what comes goes nowhere, this side's writes arrive.
static void
shutting_reading_down_leaves_the_other_direction(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);
    unsigned calls;

    assert_status(layer->pause(&flow->ends[0]), 0);
    assert_status(flow_send(flow, 1, 5000), 0);
    fixture_settle(fixture);
    assert_status(layer->stop_reading(&flow->ends[0]), 0);
    assert_status(layer->stop_reading(&flow->ends[0]), 0);
    assert_status(layer->resume(&flow->ends[0]), 0);
    fixture_settle(fixture);
    calls = reader_calls(flow->ends[0].reader);
    assert_int_equal(calls, 0);
    if (layer->tells_stop) {
        events_wait(flow->ends[1].events, "peer_stop");
        assert_status(flow_send(flow, 1, 10), -EPIPE);
    }
    assert_status(flow_send(flow, 0, 5000), 0);
    reader_wait_consumed(flow->ends[1].reader, 5000);
    close_if_still_open(flow, 0);
    close_if_still_open(flow, 1);
    flow_wait_closed(flow);
    assert_int_equal(reader_calls(flow->ends[0].reader), 0);
}

// ---- resets -----------------------------------------------------------------------------------

// One side's part of a conversation, step by step.
struct script {
    struct flow *flow;
    size_t sent[2];
    unsigned tags[2];
    bool ended[2];
};

static void
say(struct script *script, unsigned side, size_t size)
{
    assert_status(flow_send_part(script->flow, side, script->tags[side]++, script->sent[side], size,
                                 size % 2 == 0 ? WEIR_COPY : 0),
                  0);
    script->sent[side] += size;
}

enum { SCRIPT_STEPS = 12 };

static void
script_step(struct script *script, unsigned step)
{
    struct flow_end *ends = script->flow->ends;

    switch (step) {
    case 0:
        say(script, 0, 1);
        break;
    case 1:
        say(script, 1, 5000);
        break;
    case 2:
        assert_status(layer->pause(&ends[1]), 0);
        break;
    case 3:
        say(script, 0, 600001); // blocked: the other end does not read
        break;
    case 4:
        say(script, 0, 4097);
        break;
    case 5:
        say(script, 1, 4096);
        break;
    case 6:
        say(script, 0, 0);
        break;
    case 7:
        assert_status(layer->end(&ends[0]), 0);
        script->ended[0] = true;
        break;
    case 8:
        assert_status(layer->resume(&ends[1]), 0);
        break;
    case 9:
        say(script, 1, 70000);
        break;
    case 10:
        assert_status(layer->end(&ends[1]), 0);
        script->ended[1] = true;
        break;
    default:
        for (unsigned side = 0; side < 2; side++) {
            close_if_still_open(script->flow, side);
        }
        break;
    }
}

// After a reset: whatever was told was true.
static void
expect_truth(struct script *script, unsigned side)
{
    struct flow_end *end = &script->flow->ends[side];
    size_t theirs = script->sent[1 - side];
    uint64_t sent = 0;

    recorder_wait(end->recorder, script->tags[side]);
    for (unsigned tag = 0; tag < script->tags[side]; tag++) {
        struct weir_result result = recorder_of(end->recorder, tag);

        assert_true(result.sent <= result.accepted);
        assert_true(result.status != 0 || result.sent == result.accepted);
        sent += result.sent;
    }
    assert_int_equal(sent, end->events->closed.bytes_sent);
    assert_int_equal(script->sent[side], sent + end->events->closed.bytes_lost);
    assert_false(end->reader->wrong);
    assert_true(reader_consumed(end->reader) <= theirs);
    if (events_count(end->events, "peer_fin") > 0 &&
        transport_is_tcp(script->flow->fixture->transport)) {
        // An end is the end: all was read before it.
        assert_int_equal(reader_consumed(end->reader), theirs);
        assert_true(script->ended[1 - side]);
    }
    assert_int_equal(events_count(end->events, "send_closed"), 1);
    assert_int_equal(events_count(end->events, "closed"), 1);
    events_expect_ending(end->events, "send_closed closed");
    assert_status(layer->status(end), -WEIR_ESTALE);
}

// 5.9-6: at every step, by either side, before and after the loops came to rest.
static void
a_reset_at_any_step_is_told_truly(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned run = 0; run < 4 * SCRIPT_STEPS; run++) {
        struct flow *flow = flow_open(fixture, layer, (struct flow_options){.small = true});
        struct script script = {.flow = flow};
        unsigned resetter = run / SCRIPT_STEPS % 2;
        bool rests = run / SCRIPT_STEPS < 2;
        int result;

        for (unsigned step = 0; step <= run % SCRIPT_STEPS; step++) {
            script_step(&script, step);
            if (rests) {
                fixture_settle(fixture);
            }
        }
        result = flow_close(flow, resetter, WEIR_CLOSE_ABORT, 0);
        assert_true(result == 0 || result == -WEIR_ESTALE);
        events_wait(flow->ends[resetter].events, "closed");
        fixture_settle(fixture);
        result = layer->resume(&flow->ends[1]);
        assert_true(result == 0 || result == -WEIR_ESTALE);
        result = flow_close(flow, 1 - resetter, WEIR_CLOSE_DRAIN, 0);
        assert_true(result == 0 || result == -WEIR_ESTALE);
        flow_wait_closed(flow);
        expect_truth(&script, 0);
        expect_truth(&script, 1);
    }
}

// N62, H29: what came before a reset is delivered; then it is told as what it is.
static void
bytes_come_before_a_reset(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = open_flow(fixture);

    assert_status(flow_send(flow, 1, 5000), 0);
    recorder_wait(flow->ends[1].recorder, 1);
    assert_status(flow_close(flow, 1, WEIR_CLOSE_ABORT, 0), 0);
    reader_wait_consumed(flow->ends[0].reader, 5000);
    events_wait(flow->ends[1].events, "closed");
    fixture_settle(fixture);
    if (transport_is_tcp(fixture->transport)) {
        assert_int_equal(events_count(flow->ends[0].events, "peer_fin"), 0);
        assert_int_equal(events_count(flow->ends[0].events, "peer_reset"), 1);
    }
    flow_close_anyhow(flow);
}

// ---- echoes, lines ----------------------------------------------------------------------------

// Takes what came and sends it back uncopied.
static struct weir_consumed
echo_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct reader *reader = user;
    struct flow_end *echo = reader->arg;
    struct weir_chain chain = {0};
    struct weir_write request = {.chain = &chain};

    (void)stream;
    (void)begin;
    (void)end;
    callback_begin(echo->fixture);
    if (echo->layer->take(echo, SIZE_MAX, &chain) != 0 ||
        echo->layer->write(echo, &request, NULL) != 0) {
        reader->wrong = true;
        weir_chain_return(&chain);
    }
    callback_end();
    return (struct weir_consumed){0};
}

static struct flow *
open_echo(struct fixture *fixture, struct flow_options options)
{
    struct flow *flow = flow_make(fixture, layer, options);

    flow->ends[1].handlers.data = echo_data;
    flow->ends[1].handlers.peer_fin = close_inside_fin;
    flow->ends[1].reader->arg = &flow->ends[1];
    flow->ends[0].reader->seed = FLOW_LEFT; // it gets its own bytes back
    flow_open_ends(flow);
    return flow;
}

// H-T5: parallel connections on two loops; the end of the one direction ends the echo, then both.
static void
parallel_echoes_give_back_every_byte_and_then_end(void **state)
{
    enum { FLOWS = 16 };
    struct fixture *fixture = fixture_threads(state, 2);
    uint64_t random = seed_of_test();
    struct flow *flows[FLOWS];
    size_t size[FLOWS];

    for (unsigned index = 0; index < FLOWS; index++) {
        flows[index] = open_echo(fixture, (struct flow_options){.other_thread = index % 2 == 0});
        size[index] = next_random(&random) % 400000;
    }
    for (unsigned index = 0; index < FLOWS; index++) {
        send_in_pieces(flows[index], 0, size[index], &random);
    }
    for (unsigned index = 0; index < FLOWS; index++) {
        struct flow *flow = flows[index];

        reader_wait_consumed(flow->ends[0].reader, size[index]);
        events_wait(flow->ends[0].events, "peer_fin");
        close_if_still_open(flow, 0);
        flow_wait_closed(flow);
        assert_false(flow->ends[1].reader->wrong);
        assert_int_equal(flow->ends[0].events->closed.status, 0);
        assert_int_equal(flow->ends[1].events->closed.status, 0);
        assert_int_equal(flow->ends[0].events->closed.bytes_received, size[index]);
        assert_int_equal(flow->ends[1].events->closed.bytes_sent, size[index]);
    }
}

struct lines {
    struct reader reader;
    struct flow_end *end;
    char text[256];
};

// H-T7: consumes whole lines, and says of a part that it has looked at it.
static struct weir_consumed
line_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct reader *reader = user;
    struct weir_iter at = begin;
    struct weir_consumed answer = {0};
    char line[64];
    size_t size, length;

    (void)stream;
    callback_begin(reader->events.fixture);
    while (weir_iter_seek(&at, '\n', '\n', '\n') == '\n' &&
           weir_iter_length(begin, at, &length) == 0 && length < sizeof(line)) {
        size = weir_iter_copy_out(&begin, line, length);
        line[size] = '\0';
        weir_iter_skip(&begin, 1);
        at = begin;
        answer.consumed += length + 1;
        events_add_value(&reader->events, "line", (int64_t)strtol(line, NULL, 10));
    }
    weir_iter_length(begin, end, &answer.examined);
    answer.examined += answer.consumed;
    callback_end();
    return answer;
}

static void
lines_are_read_across_fragments(void **state)
{
    enum { LINES = 200 };
    struct fixture *fixture = fixture_manual(state);
    struct flow *flow = flow_make(fixture, layer, (struct flow_options){0});
    char *text = fixture_memory(fixture, LINES * 8);
    size_t size = 0;

    flow->ends[1].handlers.data = line_data;
    flow_open_ends(flow);
    for (int line = 0; line < LINES; line++) {
        size += (size_t)snprintf(text + size, 8, "%d\n", line);
    }
    for (size_t done = 0, piece = 1; done < size; done += piece, piece = 1 + (done * 7) % 11) {
        struct iovec iov = {text + done, piece < size - done ? piece : size - done};
        struct weir_write request = {.iov = &iov, .iov_count = 1};

        assert_status(layer->write(&flow->ends[0], &request, NULL), 0);
        fixture_turn(fixture);
    }
    events_wait_count(flow->ends[1].events, "line", LINES);
    for (unsigned index = 0, line = 0; index < flow->ends[1].events->count; index++) {
        struct event *event = &flow->ends[1].events->list[index];

        if (strcmp(event->name, "line") == 0) {
            assert_int_equal(event->value, line++);
        }
    }
    flow_close_anyhow(flow);
}

// The hybrid form is a transport to who has dialled or accepted.
#define EACH_FLOW(f)                            \
    {                                           \
#f, f, TRANSPORT_ALL | TRANSPORT_HYBRID \
    }

int
flow_contract_run(const char *group, const struct flow_layer *under_test)
{
    static const struct test_case cases[] = {
        EACH_FLOW(every_pair_of_sizes_flows_both_ways_at_once),
        EACH_FLOW(sizes_flow_both_ways_between_loops),
        EACH_FLOW(two_drains_meet),
        EACH_FLOW(random_sizes_flow_both_ways),
        EACH_FLOW(reads_get_all_bytes_and_then_the_end_for_ever),
        EACH_FLOW(a_read_into_memory_leaves_the_rest_for_the_next),
        EACH_FLOW(reads_end_with_the_own_close),
        EACH_FLOW(writes_after_the_end_are_refused),
        EACH_FLOW(a_write_may_carry_the_end),
        EACH_FLOW(a_write_of_nothing_is_a_barrier_everywhere),
        EACH_FLOW(a_drain_leaves_a_silent_peer_at_its_deadline),
        EACH_FLOW(a_drain_meets_a_peer_that_was_there_first),
        EACH_FLOW(a_drain_loses_nothing_that_was_queued),
        EACH_FLOW(closes_may_be_repeated_and_made_harder),
        EACH_FLOW(two_threads_may_close_at_once),
        EACH_FLOW(a_flow_may_be_closed_from_its_callbacks),
        EACH_FLOW(shutting_reading_down_leaves_the_other_direction),
        EACH_FLOW(a_reset_at_any_step_is_told_truly),
        EACH_FLOW(bytes_come_before_a_reset),
        EACH_FLOW(parallel_echoes_give_back_every_byte_and_then_end),
        EACH_FLOW(lines_are_read_across_fragments),
    };

    layer = under_test;
    return RUN_CASES(group, cases);
}
