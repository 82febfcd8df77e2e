// SPDX-License-Identifier: MIT
//
// Pumps (H9): every byte crosses in both directions, ends are carried across, a slow side holds
// the other back, and the failure of one side is told apart from one of the other.
#include "tests/lib/pumping.h"
#include "tests/lib/reader.h"

#include <sys/socket.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct crossing
a_to_b(const struct pumping *pumping, size_t size, bool ends)
{
    return (struct crossing){
        .from = pumping->a->peer, .to = pumping->b->peer, .seed = 1, .size = size, .ends = ends};
}

static struct crossing
b_to_a(const struct pumping *pumping, size_t size, bool ends)
{
    return (struct crossing){
        .from = pumping->b->peer, .to = pumping->a->peer, .seed = 2, .size = size, .ends = ends};
}

static void
expect_flow(const struct weir_pump_flow *flow, uint64_t bytes, bool ended)
{
    assert_int_equal(flow->bytes, bytes);
    assert_int_equal(flow->sent, bytes);
    assert_int_equal(flow->ended, ended);
    assert_true(bytes == 0 || flow->operations != 0);
    assert_true(flow->operations <= bytes);
}

// ---- bytes and ends ---------------------------------------------------------------------------

static void
cross_both_ways(struct pumping *pumping, size_t forward, size_t backward)
{
    struct crossing crossings[] = {a_to_b(pumping, forward, true), b_to_a(pumping, backward, true)};

    pumping_cross(pumping, crossings, 2);
    pumping_wait(pumping);
    assert_status(pumping->stats.status, 0);
    assert_status(pumping->stats.status_a, 0);
    assert_status(pumping->stats.status_b, 0);
    expect_flow(&pumping->stats.a_to_b, forward, true);
    expect_flow(&pumping->stats.b_to_a, backward, true);
}

// H-T3's sizes, both ways at once.
static void
all_sizes_cross_both_ways_at_once(void **state)
{
    static const size_t sizes[] = {0,    1,    2,     4031,  4032,  4033,    4095, 4096,
                                   4097, 8192, 65535, 65536, 65537, MIB - 1, MIB,  3 * MIB + 5};
    struct fixture *fixture = fixture_manual(state);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        cross_both_ways(pumping_open(fixture, NULL), sizes[i],
                        sizes[sizeof(sizes) / sizeof(sizes[0]) - 1 - i]);
    }
}

static void
block_by_block_nothing_is_different(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_pump request = {.flags = WEIR_PUMP_NO_SPLICE};

    cross_both_ways(pumping_open(fixture, &request), 5 * MIB + 1, 70000);
    cross_both_ways(pumping_open(fixture, &request), 0, 1);
}

static void
streams_of_different_loops_are_pumped(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);

    cross_both_ways(pumping_open(fixture, NULL), 4 * MIB + 3, 2 * MIB);
    cross_both_ways(pumping_open(fixture, NULL), 1, 0);
    cross_both_ways(pumping_open(fixture, &(struct weir_pump){.buffer = 1}), 300 * KIB, 300 * KIB);
}

// The smallest socket buffers: every send is short.
static void
small_socket_buffers_change_nothing(void **state)
{
    static const struct pair_options small = {.small = true};
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_make(fixture, &small, &small);

    pumping_start(pumping);
    cross_both_ways(pumping, MIB, MIB);
}

// A half-close goes across, and the other direction goes on.
static void
a_half_close_is_carried_and_the_answer_comes_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing request = a_to_b(pumping, 1000, true);
    struct crossing answer = b_to_a(pumping, 2 * MIB, true);

    pumping_cross(pumping, &request, 1);
    fixture_settle(fixture);
    assert_int_equal(pumping->done, 0);
    pumping_cross(pumping, &answer, 1);
    pumping_wait(pumping);
    expect_flow(&pumping->stats.a_to_b, 1000, true);
    expect_flow(&pumping->stats.b_to_a, 2 * MIB, true);
    assert_true(pumping->stats.a_to_b.duration_ns <= pumping->stats.b_to_a.duration_ns);
}

// ---- what was there before --------------------------------------------------------------------

static struct weir_consumed
take_four(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    (void)stream;
    (void)begin;
    (void)end;
    (void)user;
    return (struct weir_consumed){4, SIZE_MAX};
}

static struct weir_consumed
start_behind_four(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct pumping *pumping = user;

    (void)stream;
    (void)begin;
    (void)end;
    pumping->started = weir_pump_start(&pumping->request, &pumping->pump);
    return (struct weir_consumed){4, SIZE_MAX};
}

// What a header parser does: it takes a few bytes, the rest is the pump's.
static void
what_was_received_and_not_consumed_goes_first(void **state)
{
    static const struct weir_handlers handlers = {.data = start_behind_four};
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping =
        pumping_make(fixture, &(struct pair_options){0}, &(struct pair_options){0});
    struct pair_options parsed = {.stream = {.handlers = &handlers, .user = pumping}};

    pumping->a = pair_open(fixture, &parsed);
    pumping->request.a = pumping->a->stream;
    peer_write_pattern(fixture, pumping->a->peer, 5000, 0, 3);
    peer_finish(fixture, pumping->a->peer);
    peer_read_pattern(fixture, pumping->b->peer, 4996, 4, 3);
    peer_expect_eof(fixture, pumping->b->peer);
    assert_status(pumping->started, 0);
}

// Also when the bytes had been shown before, and the end been told.
static void
an_end_that_was_told_before_is_carried_too(void **state)
{
    static const struct weir_handlers handlers = {.data = take_four};
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping =
        pumping_make(fixture, &(struct pair_options){.stream = {.handlers = &handlers}},
                     &(struct pair_options){0});

    peer_write_pattern(fixture, pumping->a->peer, 100, 0, 3);
    peer_finish(fixture, pumping->a->peer);
    fixture_settle(fixture);
    fixture_breathe(fixture);
    fixture_settle(fixture);
    pumping_start(pumping);
    assert_status(pumping->started, 0);
    peer_read_pattern(fixture, pumping->b->peer, 96, 4, 3);
    peer_expect_eof(fixture, pumping->b->peer);
}

static void
a_paused_stream_is_resumed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair_options paused = {.stream = {.flags = WEIR_STREAM_PAUSED}};
    struct pumping *pumping = pumping_make(fixture, &paused, &paused);

    pumping_start(pumping);
    cross_both_ways(pumping, 5000, 7);
}

// ---- holding back -----------------------------------------------------------------------------

static size_t
in_flight(struct pumping *pumping)
{
    return weir_queued(pumping->b->stream);
}

// A peer that does not read is not read for: bounded by the buffer and what one receive brings.
static void
a_slow_sink_holds_the_source_back(void **state)
{
    enum { TOTAL = 32 * MIB, BUFFER = 100 * KIB };
    static const struct pair_options small = {.small = true};
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_make(fixture, &small, &small);
    uint8_t *piece = fixture_memory(fixture, 64 * KIB);
    size_t written = 0;
    size_t idle = 0;

    pumping->request.buffer = BUFFER;
    pumping->request.flags = WEIR_PUMP_NO_SPLICE;
    pumping_start(pumping);
    while (idle < 20) {
        ssize_t sent;

        pattern_fill(piece, 64 * KIB, written, 1);
        sent = send(pumping->a->peer, piece, 64 * KIB, MSG_DONTWAIT | MSG_NOSIGNAL);
        written += sent > 0 ? (size_t)sent : 0;
        idle = sent > 0 ? 0 : idle + 1;
        fixture_breathe(fixture);
        assert_true(in_flight(pumping) <= BUFFER + 16 * WEIR_BLOCK_SIZE);
    }
    assert_true(written < TOTAL);
    assert_true(in_flight(pumping) > BUFFER / 2);
    peer_finish(fixture, pumping->a->peer);
    peer_read_pattern(fixture, pumping->b->peer, written, 0, 1);
    peer_expect_eof(fixture, pumping->b->peer);
}

// The sink's own high mark refuses the pump's writes; `writable` makes it go on.
static void
a_sink_with_a_high_mark_is_not_overrun(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_make(
        fixture, &(struct pair_options){.small = true},
        &(struct pair_options){.small = true, .stream = {.queue_high = 10000, .queue_low = 5000}});

    pumping_start(pumping);
    cross_both_ways(pumping, 2 * MIB, 2 * MIB);
    assert_true(fixture_stats(fixture).refused[WEIR_REFUSED_STREAM] != 0);
}

// ---- failures ---------------------------------------------------------------------------------

static void
a_reset_of_one_side_is_told_of_that_side(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing crossing = a_to_b(pumping, 10000, false);

    pumping_cross(pumping, &crossing, 1);
    peer_reset(fixture, pumping->a->peer);
    pumping_wait(pumping);
    events_wait(pumping->a->events, "closed");
    assert_status(pumping->stats.status, 0);
    assert_status(pumping->stats.status_a, -ECONNRESET);
    assert_int_equal(pumping->stats.origin_a, WEIR_ORIGIN_PEER_RESET);
    assert_status(pumping->stats.status_b, 0);
    expect_flow(&pumping->stats.a_to_b, 10000, false);
    assert_int_equal(events_count(pumping->a->events, "peer_reset"), 1);
    assert_int_equal(events_count(pumping->b->events, "closed"), 0);
    assert_status(request_submit(pumping->b, recorder_make(fixture), 0, 10, 0), 0); // it is whole
    peer_read_pattern(fixture, pumping->b->peer, 10, 0, 0);
}

// The bytes that had been taken from it still go to the other side, however slow that is.
static void
what_was_taken_before_a_reset_arrives(void **state)
{
    static const struct pair_options small = {.small = true};
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_make(fixture, &small, &small);
    struct weir_pump_stats stats;
    uint64_t deadline = test_deadline();

    pumping_start(pumping);
    peer_write_until_blocked(fixture, pumping->a->peer, 32 * MIB, 1);
    assert_status(weir_pump_look(pumping->pump, &stats), 0);
    assert_true(stats.a_to_b.bytes > stats.a_to_b.sent);
    peer_reset(fixture, pumping->a->peer);
    peer_read_pattern(fixture, pumping->b->peer, stats.a_to_b.bytes, 0, 1);
    while (pumping->done == 0 && weir_now_ns() < deadline) { // and what the kernel had of it
        uint8_t bytes[4096];

        while (recv(pumping->b->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
        }
        fixture_breathe(fixture);
    }
    assert_int_equal(pumping->done, 1);
    assert_status(pumping->stats.status_a, -ECONNRESET);
    assert_status(pumping->stats.status_b, 0);
    assert_int_equal(events_count(pumping->b->events, "closed"), 0);
}

static void
a_closed_side_ends_the_pump(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);

    assert_status(weir_close(pumping->b->stream, WEIR_CLOSE_ABORT, 0, 7), 0);
    pumping_wait(pumping);
    assert_status(pumping->stats.status_a, 0);
    assert_status(pumping->stats.status_b, -ECONNABORTED);
    assert_int_equal(pumping->stats.origin_b, WEIR_ORIGIN_LOCAL_CLOSE);
    assert_int_equal(events_count(pumping->b->events, "closed"), 1);
    assert_int_equal(events_count(pumping->a->events, "closed"), 0);
}

// A sink that was ended by its owner takes nothing more; the other direction is not touched.
static void
an_ended_sink_ends_its_direction_only(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing backward = b_to_a(pumping, 100000, true);

    assert_status(weir_end(pumping->b->stream), 0);
    peer_expect_eof(fixture, pumping->b->peer);
    peer_write_pattern(fixture, pumping->a->peer, 10, 0, 1);
    fixture_settle(fixture);
    pumping_cross(pumping, &backward, 1);
    pumping_wait(pumping);
    assert_status(pumping->stats.status_b, -WEIR_EENDED);
    assert_int_equal(pumping->stats.a_to_b.ended, false);
    assert_int_equal(pumping->stats.a_to_b.bytes, 0);
    expect_flow(&pumping->stats.b_to_a, 100000, true);
}

// ---- ending it --------------------------------------------------------------------------------

static void
an_abort_gives_the_streams_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing crossing = a_to_b(pumping, 3000, false);
    struct weir_pump_stats stats;

    pumping_cross(pumping, &crossing, 1);
    assert_status(weir_pump_look(pumping->pump, &stats), 0);
    expect_flow(&stats.a_to_b, 3000, false);
    assert_status(weir_pump_abort(pumping->pump), 0);
    assert_status(weir_pump_abort(pumping->pump), 0); // still there: twice is once
    assert_int_equal(pumping->done, 0);
    pumping_wait(pumping);
    assert_status(pumping->stats.status, -ECANCELED);
    assert_status(weir_pump_abort(pumping->pump), -WEIR_ESTALE);
    assert_status(weir_pump_look(pumping->pump, &stats), -WEIR_ESTALE);
    peer_write_pattern(fixture, pumping->a->peer, 50, 0, 4);
    events_wait(pumping->a->events, "data");
    assert_int_equal(events_input_size(pumping->a->events), 50);
    fixture_settle(fixture);
    assert_int_equal(pumping->done, 1);
}

// Writes of the pump that the sink still has go on to it, and complete for nobody.
static void
an_abort_leaves_what_was_written(void **state)
{
    static const struct pair_options small = {.small = true};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned flags = 0; flags <= WEIR_PUMP_NO_SPLICE; flags++) {
        struct pumping *pumping = pumping_make(fixture, &small, &small);
        uint64_t sent;

        pumping->request.flags = flags;
        pumping_start(pumping);
        peer_write_until_blocked(fixture, pumping->a->peer, 32 * MIB, 1);
        assert_status(weir_pump_abort(pumping->pump), 0);
        pumping_wait(pumping);
        sent = pumping->stats.a_to_b.bytes;
        assert_true(sent != 0);
        assert_status(weir_end(pumping->b->stream), 0);
        peer_read_pattern(fixture, pumping->b->peer, sent, 0, 1);
        peer_expect_eof(fixture, pumping->b->peer);
        fixture_settle(fixture);
        assert_int_equal(pumping->done, 1);
    }
}

static void
a_silent_pump_ends_at_its_idle_time(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    uint64_t begun = weir_now_ns();
    struct pumping *pumping = pumping_open(fixture, &(struct weir_pump){.idle_ns = MS(30)});

    pumping_wait(pumping);
    assert_status(pumping->stats.status, -ETIMEDOUT);
    assert_true(weir_now_ns() - begun >= MS(29));
    pumping = pumping_open(fixture, &(struct weir_pump){.deadline_ns = weir_now_ns() + MS(5)});
    pumping_wait(pumping);
    assert_status(pumping->stats.status, -ETIMEDOUT);
}

static void
a_pump_of_two_loops_is_aborted_from_anywhere(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);

    for (unsigned i = 0; i < 50; i++) {
        struct pumping *pumping = pumping_open(fixture, NULL);
        struct crossing crossing = b_to_a(pumping, 1000, false);

        if (i % 2 == 0) {
            pumping_cross(pumping, &crossing, 1);
        }
        assert_status(weir_pump_abort(pumping->pump), 0);
        pumping_wait(pumping);
        assert_status(pumping->stats.status, -ECANCELED);
        weir_close(pumping->a->stream, WEIR_CLOSE_ABORT, 0, 0);
        weir_close(pumping->b->stream, WEIR_CLOSE_ABORT, 0, 0);
        pair_wait_closed(pumping->a);
        pair_wait_closed(pumping->b);
    }
}

// ---- what it takes over, and what not ----------------------------------------------------------

static void
swap_handlers(struct weir_loop *loop, void *arg)
{
    struct pumping *pumping = arg;

    (void)loop;
    pumping->started = 0;
    if (weir_stream_user(pumping->a->stream) != pumping->a->events) {
        pumping->started = -1;
    }
    pumping->started +=
        weir_stream_set_handlers(pumping->a->stream, events_handlers(), pumping->b->events);
    if (weir_stream_user(pumping->a->stream) != pumping->b->events) {
        pumping->started = -2;
    }
    pumping->started += weir_stream_set_user(pumping->a->stream, pumping->a->events);
}

static bool
has_swapped(void *arg)
{
    return ((struct pumping *)arg)->started != 1;
}

static void
handlers_set_meanwhile_are_those_it_gives_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing crossing = a_to_b(pumping, 100, false);

    pumping->started = 1;
    assert_status(weir_post(fixture->loop, swap_handlers, pumping), 0);
    fixture_turn_until(fixture, has_swapped, pumping);
    assert_status(pumping->started, 0);
    pumping_cross(pumping, &crossing, 1);
    assert_status(weir_pump_abort(pumping->pump), 0);
    pumping_wait(pumping);
    peer_write_pattern(fixture, pumping->a->peer, 10, 0, 0);
    events_wait(pumping->a->events, "data");
    assert_int_equal(events_count(pumping->b->events, "data"), 0);
}

static void
a_start_is_refused_with_nothing_changed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct pumping *other =
        pumping_make(fixture, &(struct pair_options){0}, &(struct pair_options){.pull = true});
    weir_pump_handle none = {0};
    struct weir_pump_stats stats;

    assert_status(weir_pump_start(NULL, NULL), -EINVAL);
    assert_status(weir_pump_start(&other->request, NULL), -EXDEV);
    assert_status(weir_pump_abort(none), -WEIR_ESTALE);
    assert_status(weir_pump_look(none, &stats), -WEIR_ESTALE);
    assert_status(weir_pump_look(pumping->pump, NULL), -EINVAL);
    other->request.flags = 1u << 9;
    pumping_start(other);
    assert_status(other->started, -EINVAL);
    other->request.flags = 0;
    other->request.b = other->request.a;
    pumping_start(other);
    assert_status(other->started, -EINVAL);
    other->request.b = pumping->b->stream;
    pumping_start(other);
    assert_status(other->started, -EBUSY);
    other->request.b = (weir_stream){0};
    pumping_start(other);
    assert_status(other->started, -WEIR_ESTALE);
    other->request.b = other->b->stream; // now it may
    pumping_start(other);
    assert_status(other->started, 0);
    cross_both_ways(other, 10, 10);
    cross_both_ways(pumping, 10, 10);
}

// The runtime's stop ends it like any other stream's business.
static void
a_stop_ends_a_running_pump(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct pumping *busy = pumping_open(fixture, NULL);
    struct crossing crossing = a_to_b(busy, 100000, false);

    pumping_cross(busy, &crossing, 1);
    peer_reset(fixture, pumping->a->peer);
    fixture_end(fixture);
    assert_int_equal(pumping->done, 1);
    assert_int_equal(busy->done, 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(all_sizes_cross_both_ways_at_once),
        EACH(block_by_block_nothing_is_different),
        EACH(streams_of_different_loops_are_pumped),
        EACH(small_socket_buffers_change_nothing),
        EACH(a_half_close_is_carried_and_the_answer_comes_back),
        EACH(what_was_received_and_not_consumed_goes_first),
        EACH(an_end_that_was_told_before_is_carried_too),
        EACH(a_paused_stream_is_resumed),
        EACH(a_slow_sink_holds_the_source_back),
        EACH(a_sink_with_a_high_mark_is_not_overrun),
        EACH_TCP(a_reset_of_one_side_is_told_of_that_side),
        EACH_TCP(what_was_taken_before_a_reset_arrives),
        EACH(a_closed_side_ends_the_pump),
        EACH(an_ended_sink_ends_its_direction_only),
        EACH(an_abort_gives_the_streams_back),
        EACH(an_abort_leaves_what_was_written),
        EACH(a_silent_pump_ends_at_its_idle_time),
        EACH(a_pump_of_two_loops_is_aborted_from_anywhere),
        EACH(handlers_set_meanwhile_are_those_it_gives_back),
        EACH(a_start_is_refused_with_nothing_changed),
        EACH(a_stop_ends_a_running_pump),
    };

    return RUN_CASES("pump", cases);
}
