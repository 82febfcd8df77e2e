// SPDX-License-Identifier: MIT
//
// Timers: operations like any other, with the same cancels.
#include "tests/lib/fixture.h"

// ---- a recorder of timers ---------------------------------------------------------------------

struct ticks {
    struct fixture *fixture;
    unsigned count; // under the fixture's lock, as the lists
    unsigned tags[4096];
    int statuses[4096];
    uint64_t times[4096];
    bool wrong_loop;
};

struct tick {
    struct ticks *ticks;
    unsigned tag;
    uint64_t again_ns; // start another one so much later, from inside
    unsigned again;    // so many times
    weir_op op;
    weir_op other; // cancel this one from inside
    int other_answer;
    int result; // of the start from inside
};

static void
on_tick(struct weir_loop *loop, int status, void *arg)
{
    struct tick *tick = arg;
    struct ticks *ticks = tick->ticks;

    callback_begin(ticks->fixture);
    pthread_mutex_lock(&ticks->fixture->lock);
    if (ticks->count < sizeof(ticks->tags) / sizeof(ticks->tags[0])) {
        ticks->tags[ticks->count] = tick->tag;
        ticks->statuses[ticks->count] = status;
        ticks->times[ticks->count] = weir_now_ns();
    }
    ticks->count++;
    ticks->wrong_loop |= weir_loop_current() != loop;
    pthread_cond_broadcast(&ticks->fixture->changed);
    pthread_mutex_unlock(&ticks->fixture->lock);
    if (tick->other.bits != 0) {
        call_begin();
        tick->other_answer = weir_cancel(tick->other);
        call_end();
    }
    if (status == 0 && tick->again > 0) {
        struct weir_timer timer = {
            .deadline_ns = weir_deadline_after(tick->again_ns), .fn = on_tick, .arg = tick};

        tick->again--;
        call_begin();
        tick->result = weir_timer_start(loop, &timer, &tick->op);
        call_end();
    }
    callback_end();
}

static struct ticks *
ticks_make(struct fixture *fixture)
{
    struct ticks *ticks = fixture_memory(fixture, sizeof(*ticks));

    ticks->fixture = fixture;
    return ticks;
}

static struct tick *
tick_make(struct ticks *ticks, unsigned tag)
{
    struct tick *tick = fixture_memory(ticks->fixture, sizeof(*tick));

    tick->ticks = ticks;
    tick->tag = tag;
    return tick;
}

static void
tick_start(struct tick *tick, uint64_t deadline_ns)
{
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = on_tick, .arg = tick};

    call_begin();
    assert_status(weir_timer_start(tick->ticks->fixture->loop, &timer, &tick->op), 0);
    call_end();
}

static unsigned
ticks_count(struct ticks *ticks)
{
    unsigned count;

    pthread_mutex_lock(&ticks->fixture->lock);
    count = ticks->count;
    pthread_mutex_unlock(&ticks->fixture->lock);
    return count;
}

static void
ticks_wait(struct ticks *ticks, unsigned count)
{
    uint64_t deadline = test_deadline();

    while (ticks_count(ticks) < count) {
        if (weir_now_ns() > deadline) {
            fixture_fail(ticks->fixture, "%u of %u timers ended", ticks_count(ticks), count);
        }
        fixture_breathe(ticks->fixture);
    }
    assert_int_equal(ticks_count(ticks), count);
    assert_false(ticks->wrong_loop);
}

// ---- firing -----------------------------------------------------------------------------------

// N-T1 sleep: not before its time, and not long after.
static void
a_timer_fires_once_at_its_time(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);
    uint64_t deadline = weir_deadline_after(MS(30));

    tick_start(tick, deadline);
    assert_int_equal(ticks_count(ticks), 0);
    assert_true(weir_op_is_busy(tick->op));
    ticks_wait(ticks, 1);
    assert_status(ticks->statuses[0], 0);
    assert_true(ticks->times[0] >= deadline);
    assert_true(ticks->times[0] <= deadline + MS(100) * test_slow_factor());
    assert_false(weir_op_is_busy(tick->op));
    assert_int_equal(weir_cancel(tick->op), WEIR_CANCEL_LATE);
    fixture_settle(fixture);
    assert_int_equal(ticks_count(ticks), 1);
}

// N-T1: those that are due fire in the order of their times, however they were started.
static void
timers_fire_in_the_order_of_their_times(void **state)
{
    enum { COUNT = 40 };
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    uint64_t base = weir_deadline_after(MS(5));

    for (unsigned index = 0; index < COUNT; index++) {
        unsigned place = (index * 17) % COUNT;

        tick_start(tick_make(ticks, place), base + place * MS(2));
    }
    ticks_wait(ticks, COUNT);
    for (unsigned index = 0; index < COUNT; index++) {
        assert_int_equal(ticks->tags[index], index);
        assert_status(ticks->statuses[index], 0);
        assert_true(ticks->times[index] >= base + index * MS(2));
    }
}

// A passed time is due at the next turn; zero is a time like any other.
static void
a_passed_time_is_due_at_once(void **state)
{
    static const uint64_t passed[] = {0, 1, 1000000};
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);

    for (unsigned index = 0; index < 3; index++) {
        tick_start(tick_make(ticks, index), passed[index]);
        assert_int_equal(ticks_count(ticks), index);
        fixture_settle(fixture);
        assert_int_equal(ticks_count(ticks), index + 1);
    }
}

// N-T1 sleep loop: re-armed from its own callback.
static void
a_timer_may_be_started_again_from_its_callback(void **state)
{
    struct fixture *fixture = fixture_threads(state, 1);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);

    tick->again = 20;
    tick->again_ns = MS(2);
    tick_start(tick, weir_deadline_after(MS(2)));
    ticks_wait(ticks, 21);
    assert_status(tick->result, 0);
    for (unsigned index = 1; index < 21; index++) {
        assert_true(ticks->times[index] >= ticks->times[index - 1] + MS(2));
    }
}

// Timers that start further timers for now do not keep the loop from anything else.
static void
timers_that_never_end_do_not_hold_a_turn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);

    tick->again = 1000;
    tick->again_ns = 0;
    tick_start(tick, 0);
    fixture_turn(fixture);
    assert_true(ticks_count(ticks) < 100);
    ticks_wait(ticks, 1001);
}

// ---- taking back ------------------------------------------------------------------------------

// N22, N-T1 sleep cancel, N-T4
static void
a_timer_can_be_cancelled(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *at_once = tick_make(ticks, 0);
    struct tick *later = tick_make(ticks, 1);

    tick_start(at_once, weir_deadline_after(MS(10000)));
    assert_in_range(weir_cancel(at_once->op), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    assert_int_equal(ticks_count(ticks), 0);
    ticks_wait(ticks, 1);
    assert_status(ticks->statuses[0], -ECANCELED);
    tick_start(later, weir_deadline_after(MS(10000)));
    fixture_settle(fixture);
    assert_in_range(weir_cancel(later->op), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    assert_int_equal(weir_cancel(later->op) == WEIR_CANCEL_WON, false);
    ticks_wait(ticks, 2);
    assert_status(ticks->statuses[1], -ECANCELED);
    assert_int_equal(weir_cancel(later->op), WEIR_CANCEL_LATE);
    fixture_settle(fixture);
    assert_int_equal(ticks_count(ticks), 2);
}

// N-T1 cancel mid-loop: one timer takes another back, and itself is too late.
static void
a_timer_may_cancel_another_and_itself(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *victim = tick_make(ticks, 0);
    struct tick *hand = tick_make(ticks, 1);
    struct tick *self = tick_make(ticks, 2);

    tick_start(victim, weir_deadline_after(MS(10000)));
    hand->other = victim->op;
    tick_start(hand, 1);
    ticks_wait(ticks, 2);
    assert_in_range(hand->other_answer, WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    assert_int_equal(ticks->tags[0], 1);
    assert_int_equal(ticks->tags[1], 0);
    assert_status(ticks->statuses[1], -ECANCELED);
    tick_start(self, weir_deadline_after(MS(5)));
    self->other = self->op;
    ticks_wait(ticks, 3);
    assert_int_equal(self->other_answer, WEIR_CANCEL_LATE);
}

// N22: a token takes back timers and whatever else carries it.
static void
a_token_takes_timers_and_writes_back_alike(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct ticks *ticks = ticks_make(fixture);
    struct weir_write write = request_make(recorder, 0, 100);
    struct weir_timer timer = {.deadline_ns = weir_deadline_after(MS(10000)), .fn = on_tick};
    weir_token token;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    write.token = timer.token = token;
    timer.arg = tick_make(ticks, 0);
    assert_status(submit(fixture, pair->stream, &write, NULL), 0);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), 0);
    fixture_settle(fixture);
    assert_status(weir_token_fire(token, 0, 0), 0);
    ticks_wait(ticks, 1);
    recorder_wait(recorder, 1);
    assert_status(ticks->statuses[0], -ECANCELED);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), -ECANCELED);
    assert_status(weir_token_free(token), 0);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), -WEIR_ESTALE);
    fixture_settle(fixture);
    assert_int_equal(ticks_count(ticks), 1);
}

// N7, N6: the waiting form, and its own time limit.
struct waiting {
    weir_op op;
    uint64_t deadline_ns;
    int result;
};

static void
wait_for(void *arg)
{
    struct waiting *waiting = arg;

    waiting->result = weir_op_wait(waiting->op, waiting->deadline_ns);
}

static void
a_thread_may_wait_for_a_timer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct thread *thread;

    tick_start(tick, weir_deadline_after(MS(30)));
    waiting->op = tick->op;
    waiting->deadline_ns = weir_deadline_after(MS(1));
    wait_for(waiting);
    assert_status(waiting->result, -ETIMEDOUT);
    waiting->deadline_ns = test_deadline();
    thread = thread_start(fixture, wait_for, waiting);
    thread_join(fixture, thread);
    assert_status(waiting->result, 0);
    assert_int_equal(ticks_count(ticks), 1);
}

// 5.9-2 for timers: cancels that race with the firing; one end each.
static void
cancels_that_race_with_the_firing_end_each_timer_once(void **state)
{
    enum { COUNT = 2000 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct ticks *ticks = ticks_make(fixture);
    unsigned won = 0;
    unsigned cancelled = 0;

    for (unsigned index = 0; index < COUNT; index++) {
        struct tick *tick = tick_make(ticks, index);

        tick_start(tick, weir_now_ns() + (index % 50) * 1000);
        won += weir_cancel(tick->op) == WEIR_CANCEL_WON;
        if (index % 100 == 99) {
            ticks_wait(ticks, index + 1);
        }
    }
    ticks_wait(ticks, COUNT);
    for (unsigned index = 0; index < COUNT; index++) {
        cancelled += ticks->statuses[index] == -ECANCELED;
        assert_true(ticks->statuses[index] == 0 || ticks->statuses[index] == -ECANCELED);
    }
    assert_true(cancelled >= won);
}

// ---- many, and the end ------------------------------------------------------------------------

// N-T1, 5.9-12: 2,000 outstanding at the stop, each ends once with a cancel.
static void
two_thousand_timers_end_at_the_stop(void **state)
{
    enum { COUNT = 2000 };
    struct fixture *fixture = fixture_threads(state, 2);
    struct ticks *ticks = ticks_make(fixture);

    for (unsigned index = 0; index < COUNT; index++) {
        struct weir_timer timer = {.deadline_ns = index % 10 == 0
                                                      ? WEIR_NEVER - 1
                                                      : weir_deadline_after(MS(60000) + index),
                                   .fn = on_tick,
                                   .arg = tick_make(ticks, index)};
        struct weir_loop *loop = weir_runtime_loop(fixture->runtime, index % 2);
        int result;

        while ((result = weir_timer_start(loop, &timer, NULL)) == -WEIR_ELANEFULL) {
            fixture_breathe(fixture);
        }
        assert_status(result, 0);
    }
    fixture_end(fixture);
    assert_int_equal(ticks->count, COUNT);
    for (unsigned index = 0; index < COUNT; index++) {
        assert_status(ticks->statuses[index], -ECANCELED);
    }
}

// One that never fires costs nothing, and can be taken back.
static void
a_timer_may_wait_for_ever(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);

    tick_start(tick, WEIR_NEVER);
    fixture_settle(fixture);
    assert_int_equal(ticks_count(ticks), 0);
    assert_int_equal(weir_loop_turn(fixture->loop, 0), 0);
    assert_in_range(weir_cancel(tick->op), WEIR_CANCEL_WON, WEIR_CANCEL_PENDING);
    ticks_wait(ticks, 1);
    assert_status(ticks->statuses[0], -ECANCELED);
}

// The loop says how long it may sleep.
static void
the_loop_tells_when_its_next_timer_is_due(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ticks *ticks = ticks_make(fixture);
    struct tick *tick = tick_make(ticks, 0);
    int64_t timeout;

    fixture_settle(fixture);
    assert_true(weir_loop_timeout_ns(fixture->loop) != 0); // at most the pool's decay
    tick_start(tick, weir_deadline_after(MS(500)));
    fixture_settle(fixture);
    timeout = weir_loop_timeout_ns(fixture->loop);
    assert_true(timeout > 0);
    assert_true(timeout <= (int64_t)MS(510));
    weir_cancel(tick->op);
    ticks_wait(ticks, 1);
    fixture_settle(fixture);
    assert_true(weir_loop_timeout_ns(fixture->loop) != 0); // at most the pool's decay
    assert_true(weir_deadline_after(UINT64_MAX) == WEIR_NEVER - 1);
    assert_true(weir_loop_now_ns(fixture->loop) <= weir_now_ns());
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(a_timer_fires_once_at_its_time),
        ONCE(timers_fire_in_the_order_of_their_times),
        ONCE(a_passed_time_is_due_at_once),
        ONCE(a_timer_may_be_started_again_from_its_callback),
        ONCE(timers_that_never_end_do_not_hold_a_turn),
        ONCE(a_timer_can_be_cancelled),
        ONCE(a_timer_may_cancel_another_and_itself),
        ONCE(a_token_takes_timers_and_writes_back_alike),
        ONCE(a_thread_may_wait_for_a_timer),
        ONCE(cancels_that_race_with_the_firing_end_each_timer_once),
        ONCE(two_thousand_timers_end_at_the_stop),
        ONCE(a_timer_may_wait_for_ever),
        ONCE(the_loop_tells_when_its_next_timer_is_due),
    };

    return RUN_CASES("conformance.timers", cases);
}
