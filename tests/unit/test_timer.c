// SPDX-License-Identifier: MIT
// Public timers: on time, exactly once, with the cancel rules of an operation.

#include "runtime/runtime.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define MS      UINT64_C(1000000)
#define RACES   ROUNDS_OF(200000u)
#define IN_TIME 64u // timers under way at once in the race

struct record {
    unsigned calls;
    int status;
    uint64_t at_ns;
};

static void
note(struct weir_loop *loop, int status, void *arg)
{
    struct record *record = arg;

    FAILED_UNLESS(weir_loop_current() == loop);
    record->calls++;
    record->status = status;
    record->at_ns = weir_now_ns();
}

static int
start(struct weir_loop *loop, uint64_t deadline_ns, struct record *record, weir_op *ret_op)
{
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = note, .arg = record};

    return weir_timer_start(loop, &timer, ret_op);
}

static void
turn_until_called(struct weir_loop *loop, const struct record *record)
{
    while (record->calls == 0) {
        assert_true(weir_loop_turn(loop, -1) >= 0);
    }
}

static void
arguments_are_checked(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_runtime *other = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct weir_timer timer = {.fn = note};
    weir_op op = {77};

    (void)state;
    assert_int_equal(weir_timer_start(NULL, &timer, &op), -EINVAL);
    assert_int_equal(weir_timer_start(loop, NULL, &op), -EINVAL);
    timer.fn = NULL;
    assert_int_equal(weir_timer_start(loop, &timer, &op), -EINVAL);
    timer.fn = note;
    assert_int_equal(weir_token_create(other, (weir_token){0}, &timer.token), 0);
    assert_int_equal(weir_timer_start(loop, &timer, &op), -WEIR_ESTALE);
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, &timer.token), 0);
    assert_int_equal(weir_token_fire(timer.token, 0, 0), 0);
    assert_int_equal(weir_timer_start(loop, &timer, &op), -ECANCELED);
    assert_int_equal(weir_token_free(timer.token), 0);
    assert_int_equal(weir_timer_start(loop, &timer, &op), -WEIR_ESTALE);
    assert_int_equal(op.bits, 77); // an output is written on success only
    runtime_end(runtime);
    runtime_end(other);
}

static void
never_early_and_not_much_late(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);

    (void)state;
    for (uint64_t delay = 0; delay < 30; delay += 7) {
        uint64_t deadline = weir_deadline_after(delay * MS);
        struct record record = {0};

        assert_int_equal(start(loop, deadline, &record, NULL), 0);
        turn_until_called(loop, &record);
        assert_int_equal(record.status, 0);
        assert_true(record.at_ns >= deadline);
    }
    runtime_end(runtime);
    no_failures();
}

static void
they_fire_in_the_order_of_their_deadlines(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct record records[10] = {{0}};
    uint64_t start_ns = weir_now_ns();

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        unsigned place = i * 7 % 10;

        assert_int_equal(start(loop, start_ns + place * 2 * MS, &records[place], NULL), 0);
    }
    turn_until_called(loop, &records[9]);
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_true(records[i].at_ns <= records[i + 1].at_ns);
    }
    runtime_end(runtime);
}

struct again {
    struct record record;
    unsigned left;
    uint64_t last_turn;
};

static void
again(struct weir_loop *loop, int status, void *arg)
{
    struct again *state = arg;
    struct weir_timer timer = {.deadline_ns = 1, .fn = again, .arg = arg};

    note(loop, status, &state->record);
    FAILED_UNLESS(loop_turns(loop) > state->last_turn); // once per turn
    state->last_turn = loop_turns(loop);
    if (state->left-- > 1) {
        FAILED_UNLESS(weir_timer_start(loop, &timer, NULL) == 0);
    }
}

static void
an_overdue_timer_started_by_a_timer_fires_in_the_next_turn(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct again periodic = {.left = 20};
    struct weir_timer timer = {.deadline_ns = 1, .fn = again, .arg = &periodic};

    (void)state;
    assert_int_equal(weir_timer_start(loop, &timer, NULL), 0);
    while (periodic.left > 0) {
        assert_true(weir_loop_turn(loop, -1) >= 0); // does not sleep: the next is due
    }
    assert_int_equal(periodic.record.calls, 20);
    runtime_end(runtime);
    no_failures();
}

// ---- cancels ------------------------------------------------------------------------------------

static void
a_cancel_wins_on_the_way_and_while_waiting(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);

    (void)state;
    for (unsigned turns = 0; turns < 2; turns++) {
        struct record record = {0};
        weir_op op;

        assert_int_equal(start(loop, WEIR_NEVER, &record, &op), 0);
        for (unsigned i = 0; i < turns; i++) {
            loop_settle(loop);
        }
        assert_true(weir_op_is_busy(op));
        assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
        assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
        assert_int_equal(record.calls, 0); // never from inside the cancel
        loop_settle(loop);
        assert_int_equal(record.calls, 1);
        assert_int_equal(record.status, -ECANCELED);
        assert_false(weir_op_is_busy(op));
        assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    }
    assert_int_equal(wi_load_relaxed(&wi_loop_of(loop)->counters.cancels_won), 2);
    runtime_end(runtime);
}

static void
a_token_takes_all_of_them_back(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct record records[5] = {{0}};
    struct weir_timer timer = {.deadline_ns = WEIR_NEVER, .fn = note};

    (void)state;
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, &timer.token), 0);
    for (unsigned i = 0; i < 5; i++) {
        timer.arg = &records[i];
        assert_int_equal(weir_timer_start(loop, &timer, NULL), 0);
        if (i == 2) {
            loop_settle(loop); // some are registered, the others still on the way
        }
    }
    assert_int_equal(weir_token_fire(timer.token, -ETIMEDOUT, 0), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, -ETIMEDOUT);
    }
    runtime_end(runtime);
}

static void
a_stop_cancels_those_that_wait(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct record records[3] = {{0}};

    (void)state;
    assert_int_equal(start(loop, WEIR_NEVER, &records[0], NULL), 0);
    assert_int_equal(start(loop, weir_deadline_after(UINT64_C(3600000) * MS), &records[1], NULL),
                     0);
    loop_settle(loop);
    assert_int_equal(start(loop, WEIR_NEVER, &records[2], NULL), 0); // still in the lane
    assert_int_equal(weir_runtime_stop(runtime, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, -ECANCELED);
    }
    assert_int_equal(start(loop, 0, &records[0], NULL), -WEIR_EENDED);
    assert_int_equal(weir_runtime_free(runtime), 0);
}

// ---- the race -----------------------------------------------------------------------------------

struct racer {
    wi_atomic_u64 op; // for the canceller; 0: none
    wi_atomic_u32 completed;
    int status;
    int answer;
};

struct race {
    struct weir_loop *loop;
    struct racer racers[IN_TIME];
    wi_atomic_u64 canceller_at; // how far the canceller is
    unsigned counts[3];         // by answer
};

static void
racer_done(struct weir_loop *loop, int status, void *arg)
{
    struct racer *racer = arg;

    (void)loop;
    racer->status = status;
    FAILED_UNLESS(wi_add_acq_rel(&racer->completed, 1) == 0);
}

static void *
cancel_all(void *arg)
{
    struct race *race = arg;

    for (uint64_t i = 0; i < RACES; i++) {
        struct racer *racer = &race->racers[i % IN_TIME];
        uint64_t bits;

        while ((bits = wi_load_acquire(&racer->op)) == 0) {
            sched_yield();
        }
        racer->answer = weir_cancel((weir_op){bits});
        race->counts[racer->answer]++;
        wi_store_relaxed(&racer->op, 0);
        wi_store_release(&race->canceller_at, i + 1);
    }
    return NULL;
}

// One completion for each timer; a cancel that won is told by it, and nothing else is.
static void
settle_racer(struct race *race, uint64_t number)
{
    struct racer *racer = &race->racers[number % IN_TIME];

    while (wi_load_acquire(&race->canceller_at) <= number) {
        sched_yield();
    }
    while (wi_load_acquire(&racer->completed) == 0) {
        sched_yield();
    }
    FAILED_UNLESS(wi_load_relaxed(&racer->completed) == 1);
    FAILED_UNLESS(wi_implies(racer->answer == WEIR_CANCEL_WON, racer->status == -ECANCELED));
    FAILED_UNLESS(wi_implies(racer->answer == WEIR_CANCEL_LATE, racer->status == 0));
    wi_store_relaxed(&racer->completed, 0);
}

static void
cancels_and_completions_race_and_each_ends_once(void **state)
{
    static struct race race;
    struct weir_runtime *runtime = runtime_make(1, 0);
    pthread_t canceller;

    (void)state;
    race.loop = weir_runtime_loop(runtime, 0);
    thread_go(&canceller, cancel_all, &race);
    for (uint64_t i = 0; i < RACES; i++) {
        struct racer *racer = &race.racers[i % IN_TIME];
        struct weir_timer timer = {.fn = racer_done, .arg = racer};
        weir_op op;

        if (i >= IN_TIME) {
            settle_racer(&race, i - IN_TIME);
        }
        timer.deadline_ns = i % 3 == 0 ? 1 : weir_now_ns();
        FAILED_UNLESS(weir_timer_start(race.loop, &timer, &op) == 0);
        wi_store_release(&racer->op, op.bits);
    }
    for (uint64_t i = RACES - IN_TIME; i < RACES; i++) {
        settle_racer(&race, i);
    }
    thread_end_of(canceller);
    print_message("won %u, pending %u, late %u\n", race.counts[WEIR_CANCEL_WON],
                  race.counts[WEIR_CANCEL_PENDING], race.counts[WEIR_CANCEL_LATE]);
    assert_int_equal(wi_load_relaxed(&runtime_loop(runtime, 0)->counters.cancels_won),
                     race.counts[WEIR_CANCEL_WON]);
    runtime_end(runtime);
    no_failures();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(never_early_and_not_much_late),
        cmocka_unit_test(they_fire_in_the_order_of_their_deadlines),
        cmocka_unit_test(an_overdue_timer_started_by_a_timer_fires_in_the_next_turn),
        cmocka_unit_test(a_cancel_wins_on_the_way_and_while_waiting),
        cmocka_unit_test(a_token_takes_all_of_them_back),
        cmocka_unit_test(a_stop_cancels_those_that_wait),
        cmocka_unit_test(cancels_and_completions_race_and_each_ends_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
