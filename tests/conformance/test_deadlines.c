// os: count
// SPDX-License-Identifier: MIT
//
// Deadlines of writes, and the timers of a loop. The clock is moved by hand, so that nothing passes
// because the machine is busy.
#include "tests/lib/fixture.h"
#include "tests/lib/os_count.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

static int
write_until(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size,
            uint64_t deadline_ns)
{
    struct weir_write request = request_make(recorder, tag, size);

    request.deadline_ns = deadline_ns;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

static struct fixture *
fixture_held(void **state)
{
    os_clock_hold();
    return fixture_manual(state);
}

static struct fixture *
fixture_going(void **state)
{
    os_clock_go();
    return fixture_threads(state, 1);
}

static void
let_pass(struct fixture *fixture, uint64_t ns)
{
    os_clock_pass(ns);
    fixture_settle(fixture);
}

// ---- writes -----------------------------------------------------------------------------------

// 5.9-12, N-T6: a blocked write always ends.
static void
a_blocked_write_ends_at_its_deadline(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    size_t taken;

    assert_status(write_until(pair, recorder, 0, MIB, weir_deadline_after(MS(60))), 0);
    taken = pair_block(pair);
    let_pass(fixture, MS(60) - 1);
    assert_int_equal(recorder_count(recorder), 0);
    let_pass(fixture, MS(2));
    recorder_wait(recorder, 1);
    // The kernel may have taken more until then; the wire must agree with what the result says.
    assert_in_range(recorder_of(recorder, 0).sent, taken, MIB - 1);
    taken = recorder_of(recorder, 0).sent;
    expect_result(recorder_of(recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, taken);
    assert_status(weir_stream_status(pair->stream), -WEIR_ETORN);
    peer_read_pattern(fixture, pair->peer, taken, 0, 0);
    peer_expect_silence(fixture, pair->peer);
}

// 5.4: 0 is the stream's default, relative to the submit.
static void
the_streams_default_deadline_is_inherited(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.write_deadline_ns = MS(40), .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(write_until(pair, recorder, 0, 10, 0), 0);
    assert_status(write_until(pair, recorder, 1, 10, WEIR_NEVER), 0);
    assert_status(write_until(pair, recorder, 2, 10, weir_deadline_after(MS(3600000))), 0);
    os_clock_pass(MS(7)); // it counts from the turn in which the write arrives
    fixture_settle(fixture);
    let_pass(fixture, MS(40) - 1);
    assert_int_equal(recorder_count(recorder), 0);
    let_pass(fixture, MS(2));
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    // The one that says never, and the one with its own, wait on.
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    peer_read_pattern(fixture, pair->peer, 10, 0, 2);
    recorder_wait(recorder, 3);
}

// Trying once is NOWAIT, not a deadline: a passed one sends nothing (C18).
static void
a_passed_deadline_sends_nothing(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(write_until(pair, recorder, 0, 10, 1), 0);
    assert_int_equal(recorder_count(recorder), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    peer_expect_silence(fixture, pair->peer);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    recorder_wait(recorder, 2);
}

// K22: what is done is done.
static void
a_deadline_after_the_completion_does_nothing(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(write_until(pair, recorder, 0, 10, weir_deadline_after(MS(30))), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 10);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    let_pass(fixture, MS(100));
    assert_status(weir_stream_status(pair->stream), 0);
    recorder_wait(recorder, 1);
}

// Each by its own clock, whatever its place in the queue.
static void
queued_writes_end_in_the_order_of_their_deadlines(void **state)
{
    enum { COUNT = 8 };
    struct fixture *fixture = fixture_held(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t base = weir_now_ns();

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(write_until(pair, recorder, tag, 10, base + MS(20 + 15 * (COUNT - tag))), 0);
    }
    let_pass(fixture, MS(22)); // a tick more than the deadlines
    for (unsigned index = 0; index < COUNT - 3; index++) {
        assert_int_equal(recorder_count(recorder), index);
        let_pass(fixture, MS(15));
    }
    os_clock_pass(MS(45)); // the last three at once
    recorder_wait(recorder, COUNT);
    for (unsigned index = 0; index < COUNT; index++) {
        uint64_t due = base + MS(20 + 15 * (index + 1));

        assert_true(recorder_at(recorder, index).result.turn_ns >= due);
        assert_int_equal(recorder_at(recorder, index).tag, COUNT - 1 - index);
        expect_result(recorder_at(recorder, index).result, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    }
    assert_status(weir_stream_status(pair->stream), 0);
}

struct rearmed {
    struct pair *pair;
    struct recorder *recorder;
    unsigned tag;
    unsigned rounds;
};

static void
rearm(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct rearmed *rearmed = arg;

    recorder_done(stream, result, recorder_tag(rearmed->recorder, rearmed->tag++));
    if (rearmed->tag < rearmed->rounds) {
        struct weir_write request = request_make(rearmed->recorder, rearmed->tag, 10);

        request.deadline_ns = weir_deadline_after(MS(5));
        request.done = rearm;
        request.arg = rearmed;
        if (submit(rearmed->pair->fixture, stream, &request, NULL) != 0) {
            rearmed->rounds = 0;
        }
    }
}

// 5.9-12, N-T1: again from the callback.
static void
a_timed_out_write_is_submitted_again_from_its_callback(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct rearmed *rearmed = fixture_memory(fixture, sizeof(*rearmed));
    struct weir_write request;

    rearmed->pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    rearmed->recorder = recorder_make(fixture);
    rearmed->rounds = 10;
    request = request_make(rearmed->recorder, 0, 10);
    request.deadline_ns = weir_deadline_after(MS(5));
    request.done = rearm;
    request.arg = rearmed;
    assert_status(submit(fixture, rearmed->pair->stream, &request, NULL), 0);
    for (unsigned tag = 0; tag < 10; tag++) {
        assert_int_equal(recorder_count(rearmed->recorder), tag);
        let_pass(fixture, MS(7)); // its deadline, and a tick
        recorder_wait(rearmed->recorder, tag + 1);
        expect_result(recorder_of(rearmed->recorder, tag), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
    }
}

// The same under threads: the loop sleeps, and wakes for it.
static void
a_sleeping_loop_wakes_for_a_deadline(void **state)
{
    struct fixture *fixture = fixture_going(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t deadline_ns = weir_deadline_after(MS(50));

    assert_status(write_until(pair, recorder, 0, 10, deadline_ns), 0);
    recorder_wait(recorder, 1);
    assert_true(weir_now_ns() >= deadline_ns);
    expect_result(recorder_of(recorder, 0), -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
}

// ---- timers -----------------------------------------------------------------------------------

struct timed {
    struct fixture *fixture;
    uint64_t deadline_ns;
    weir_op op;
    unsigned count;
    int status;
    bool early;
    unsigned rounds; // to start again from the callback
    unsigned *order; // a shared counter
    unsigned place;
};

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct timed *timed = arg;
    struct weir_timer again = {.fn = on_timer, .arg = timed};

    callback_begin(timed->fixture);
    timed->count++;
    timed->status = status;
    timed->early |= status == 0 && weir_now_ns() < timed->deadline_ns;
    if (timed->order != NULL) {
        timed->place = (*timed->order)++;
    }
    if (status == 0 && timed->count < timed->rounds) {
        timed->deadline_ns = again.deadline_ns = weir_deadline_after(MS(2));
        if (weir_timer_start(loop, &again, &timed->op) != 0) {
            timed->rounds = 0;
        }
    }
    callback_end();
}

static struct timed *
start_timer(struct fixture *fixture, uint64_t deadline_ns)
{
    struct timed *timed = fixture_memory(fixture, sizeof(*timed));
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = on_timer, .arg = timed};

    timed->fixture = fixture;
    timed->deadline_ns = deadline_ns;
    assert_status(weir_timer_start(fixture->loop, &timer, &timed->op), 0);
    assert_true(timed->op.bits != 0);
    return timed;
}

static bool
timer_is_done(void *arg)
{
    const struct timed *timed = arg;

    return timed->count > 0 && timed->count >= timed->rounds;
}

// N-T1 sleep
static void
a_timer_fires_once_and_not_early(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct timed *timed = start_timer(fixture, weir_deadline_after(MS(30)));

    let_pass(fixture, MS(30) - 1);
    assert_int_equal(timed->count, 0);
    assert_true(weir_op_is_busy(timed->op));
    let_pass(fixture, MS(2));
    assert_int_equal(timed->count, 1);
    assert_status(timed->status, 0);
    assert_false(timed->early);
    assert_int_equal(weir_cancel(timed->op), WEIR_CANCEL_LATE);
}

static void
a_passed_timer_fires_in_the_next_turn(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct timed *timed = start_timer(fixture, 1);

    assert_int_equal(timed->count, 0);
    fixture_turn(fixture);
    fixture_turn(fixture);
    assert_int_equal(timed->count, 1);
    assert_status(timed->status, 0);
}

// N-T1 sleep cancel
static void
a_cancelled_timer_says_so(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct timed *waiting = start_timer(fixture, weir_deadline_after(MS(3600000)));
    struct timed *in_lane;

    fixture_settle(fixture);
    in_lane = start_timer(fixture, weir_deadline_after(MS(3600000)));
    assert_int_not_equal(weir_cancel(waiting->op), WEIR_CANCEL_LATE);
    assert_int_not_equal(weir_cancel(in_lane->op), WEIR_CANCEL_LATE);
    assert_int_equal(waiting->count, 0);
    fixture_turn_until(fixture, timer_is_done, waiting);
    fixture_turn_until(fixture, timer_is_done, in_lane);
    fixture_settle(fixture);
    assert_int_equal(waiting->count, 1);
    assert_status(waiting->status, -ECANCELED);
    assert_status(in_lane->status, -ECANCELED);
    assert_false(weir_op_is_busy(waiting->op));
}

// N-T1 sleep loop
static void
a_timer_is_started_again_from_its_callback(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct timed *timed = start_timer(fixture, weir_deadline_after(MS(2)));

    timed->rounds = 20;
    for (unsigned round = 1; round <= 20; round++) {
        let_pass(fixture, MS(4)); // its deadline, and a tick
        assert_int_equal(timed->count, round);
    }
    let_pass(fixture, MS(10));
    assert_int_equal(timed->count, 20);
    assert_false(timed->early);
}

// The shorter one first, over every level a wheel may have.
static void
timers_fire_in_the_order_of_their_deadlines(void **state)
{
    enum { COUNT = 60 };
    struct fixture *fixture = fixture_held(state);
    struct timed *timers[COUNT];
    unsigned *order = fixture_memory(fixture, sizeof(*order));
    uint64_t base = weir_now_ns();

    for (unsigned index = 0; index < COUNT; index++) {
        unsigned rank = (index * 37) % COUNT;

        timers[rank] = start_timer(fixture, base + MS(10 + 5 * rank));
        timers[rank]->order = order;
    }
    for (unsigned round = 0; round < COUNT; round++) {
        let_pass(fixture, MS(round % 4 == 0 ? 17 : 5)); // several at once, too
    }
    fixture_turn_until(fixture, timer_is_done, timers[COUNT - 1]);
    for (unsigned rank = 0; rank < COUNT; rank++) {
        assert_int_equal(timers[rank]->count, 1);
        assert_int_equal(timers[rank]->place, rank);
        assert_false(timers[rank]->early);
    }
}

// 5.9-12, N-T1: 2,000 outstanding at the stop.
static void
a_stop_ends_two_thousand_timers(void **state)
{
    enum { COUNT = 2000 };
    struct fixture *fixture = fixture_held(state);
    struct timed *timers[COUNT];

    for (unsigned index = 0; index < COUNT; index++) {
        timers[index] = start_timer(fixture, weir_deadline_after(MS(1000000) + index * MS(100)));
        if (index % 100 == 99) {
            fixture_turn(fixture);
        }
    }
    fixture_end(fixture);
    for (unsigned index = 0; index < COUNT; index++) {
        assert_int_equal(timers[index]->count, 1);
        assert_status(timers[index]->status, -ECANCELED);
    }
}

// A loop turned by hand says how long it may rest: at rest it has no work now, though it may have
// timers of its own.
static void
the_loops_timeout_follows_its_timers(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct timed *timed;
    int64_t timeout_ns;

    fixture_settle(fixture);
    assert_true(weir_loop_timeout_ns(fixture->loop) != 0);
    timed = start_timer(fixture, weir_deadline_after(MS(50)));
    fixture_settle(fixture);
    timeout_ns = weir_loop_timeout_ns(fixture->loop);
    // A tick more at most: a timer is never early.
    assert_true(timeout_ns >= (int64_t)MS(50) && timeout_ns <= (int64_t)MS(51));
    os_clock_pass(MS(20));
    assert_true(weir_loop_timeout_ns(fixture->loop) == timeout_ns - (int64_t)MS(20));
    weir_cancel(timed->op);
    fixture_turn_until(fixture, timer_is_done, timed);
    fixture_settle(fixture);
    assert_true(weir_loop_timeout_ns(fixture->loop) != 0);
}

static void
relative_deadlines_saturate(void **state)
{
    uint64_t before;
    uint64_t deadline_ns;

    (void)state;
    os_clock_go();
    before = weir_now_ns();
    deadline_ns = weir_deadline_after(MS(1000));
    assert_true(deadline_ns >= before + MS(1000));
    assert_true(deadline_ns <= weir_now_ns() + MS(1000));
    assert_true(weir_deadline_after(UINT64_MAX) == WEIR_NEVER - 1);
    assert_true(weir_deadline_after(UINT64_MAX - 1) == WEIR_NEVER - 1);
    assert_true(weir_deadline_after(0) >= before);
}

// The default deadline of a write that was sent in time is over with it: it must not strike
// whatever uses the same memory next.
static void
a_default_deadline_ends_with_its_write(void **state)
{
    enum { WRITES = 100 };
    struct fixture *fixture = fixture_held(state);
    struct recorder *sent = recorder_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.write_deadline_ns = MS(60), .small = true});

    for (unsigned tag = 0; tag < WRITES; tag++) {
        assert_status(request_submit(pair, sent, tag, 10, 0), 0);
    }
    recorder_wait(sent, WRITES);
    for (unsigned tag = 0; tag < WRITES; tag++) {
        expect_result(recorder_of(sent, tag), 0, WEIR_ORIGIN_NONE, 10);
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
    for (unsigned tag = 0; tag < WRITES; tag++) {
        struct weir_write request = request_make(recorder, tag, tag == 0 ? MIB : 10);

        request.deadline_ns = WEIR_NEVER;
        assert_status(weir_write(pair->stream, &request, NULL), 0);
    }
    let_pass(fixture, MS(70)); // the last one's would have come by then
    assert_int_equal(recorder_count(recorder), 0);
    assert_status(weir_stream_status(pair->stream), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_blocked_write_ends_at_its_deadline),
        EACH(the_streams_default_deadline_is_inherited),
        EACH(a_passed_deadline_sends_nothing),
        EACH(a_deadline_after_the_completion_does_nothing),
        ONCE(queued_writes_end_in_the_order_of_their_deadlines),
        ONCE(a_timed_out_write_is_submitted_again_from_its_callback),
        EACH(a_sleeping_loop_wakes_for_a_deadline),
        ONCE(a_timer_fires_once_and_not_early),
        ONCE(a_passed_timer_fires_in_the_next_turn),
        ONCE(a_cancelled_timer_says_so),
        ONCE(a_timer_is_started_again_from_its_callback),
        ONCE(timers_fire_in_the_order_of_their_deadlines),
        ONCE(a_stop_ends_two_thousand_timers),
        ONCE(the_loops_timeout_follows_its_timers),
        ONCE(relative_deadlines_saturate),
        EACH(a_default_deadline_ends_with_its_write),
    };

    return RUN_CASES("conformance.deadlines", cases);
}
