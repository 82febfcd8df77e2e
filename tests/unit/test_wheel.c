// SPDX-License-Identifier: MIT
// The timer wheel: against a plain list, and its rules one by one.

#include "runtime/wheel.h"

#include "tests/lib/runtime_fixture.h"

#define TICK   WI_WHEEL_TICK_NS
#define TIMERS 400u
#define STEPS  30000u

struct timed {
    struct wi_timer timer;
    uint64_t deadline_ns;
    bool armed; // what the model says
};

static struct timed *
timed_of(struct wi_timer *timer)
{
    return wi_container_of(timer, struct timed, timer);
}

// ---- against a model ----------------------------------------------------------------------------

struct model {
    struct wi_wheel wheel;
    struct timed timers[TIMERS];
    uint64_t now_ns;
    uint64_t random;
    uint64_t armed;
};

// From a tick to a century, each order of magnitude as likely as the next.
static uint64_t
random_span(uint64_t *random)
{
    uint64_t bits = random_upto(random, 42);

    return random_upto(random, TICK << (bits < 1 ? 1 : bits));
}

static void
model_arm(struct model *model, struct timed *timed)
{
    uint64_t span = random_span(&model->random);
    bool is_past = random_upto(&model->random, 10) == 0;

    timed->deadline_ns =
        is_past && span < model->now_ns ? model->now_ns - span : model->now_ns + span;
    model->armed += !timed->armed;
    timed->armed = true;
    wi_wheel_arm(&model->wheel, &timed->timer, WI_TIMER_STREAM, timed->deadline_ns);
}

static void
model_disarm(struct model *model, struct timed *timed)
{
    model->armed -= timed->armed;
    timed->armed = false;
    wi_wheel_disarm(&model->wheel, &timed->timer);
}

// Everything due and nothing else fires, earlier ticks first; some are armed anew as they fire.
static void
model_take(struct model *model)
{
    uint64_t last = 0;
    bool rearmed[TIMERS] = {false};
    struct wi_timer *timer;

    while ((timer = wi_wheel_take(&model->wheel, model->now_ns)) != NULL) {
        struct timed *timed = timed_of(timer);
        uint64_t tick = (timed->deadline_ns + TICK - 1) / TICK;

        assert_true(timed->armed);
        assert_true(timed->deadline_ns <= model->now_ns);
        assert_false(wi_timer_is_armed(timer));
        assert_int_equal(wi_timer_kind(timer), WI_TIMER_STREAM);
        assert_false(rearmed[timed - model->timers]); // overdue ones wait for the next round
        assert_true(tick >= last || tick <= model->wheel.tick);
        last = tick;
        timed->armed = false;
        model->armed--;
        if (random_upto(&model->random, 8) == 0) {
            model_arm(model, timed);
            rearmed[timed - model->timers] = timed->deadline_ns <= model->now_ns;
        }
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        struct timed *timed = &model->timers[i];

        assert_int_equal(timed->armed, wi_timer_is_armed(&timed->timer));
        // A tick rounds up, so up to one tick late.
        assert_true(!timed->armed || rearmed[i] ||
                    (timed->deadline_ns + TICK - 1) / TICK > model->now_ns / TICK);
    }
    assert_int_equal(model->wheel.armed, model->armed);
}

// The wheel must not ask to be woken later than its first timer.
static void
model_check_wait(struct model *model)
{
    uint64_t wait = wi_wheel_wait_ns(&model->wheel, model->now_ns);
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < TIMERS; i++) {
        uint64_t tick = (model->timers[i].deadline_ns + TICK - 1) / TICK;

        if (model->timers[i].armed && tick * TICK < first) {
            first = tick * TICK;
        }
    }
    if (first == UINT64_MAX) {
        assert_true(wait == UINT64_MAX);
    } else {
        assert_true(wait <= (first > model->now_ns ? first - model->now_ns : 0));
    }
}

static void
model_restart(struct model *model)
{
    for (unsigned i = 0; i < TIMERS; i++) {
        model_disarm(model, &model->timers[i]);
    }
    assert_int_equal(model->wheel.armed, 0);
    model->now_ns = random_span(&model->random) + TICK;
    wi_wheel_init(&model->wheel, model->now_ns);
}

static void
fires_what_a_sorted_list_would(void **state)
{
    static struct model model;

    (void)state;
    model.random = seed_take();
    model_restart(&model);
    for (unsigned step = 0; step < STEPS; step++) {
        struct timed *timed = &model.timers[random_upto(&model.random, TIMERS)];

        switch (random_upto(&model.random, 8)) {
        case 0:
            model_disarm(&model, timed);
            break;
        case 1:
            model.now_ns += random_upto(&model.random, 3 * TICK);
            model_take(&model);
            break;
        case 2: // a jump; now and then over years
            model.now_ns += random_span(&model.random) >> random_upto(&model.random, 12);
            model_take(&model);
            break;
        case 3: // exactly as long as the wheel says
            if (model.armed != 0) {
                model.now_ns += wi_wheel_wait_ns(&model.wheel, model.now_ns);
                model_take(&model);
            }
            break;
        default:
            model_arm(&model, timed);
            break;
        }
        model_check_wait(&model);
        if (model.now_ns > UINT64_MAX / 8) { // some 70 years later: begin anew
            model_restart(&model);
        }
    }
}

// ---- rule by rule -------------------------------------------------------------------------------

static void
never_fires_early(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer timer = {0};

    (void)state;
    for (uint64_t ahead = 1; ahead < UINT64_C(1) << 40; ahead = ahead * 7 + 3) {
        uint64_t start = 5 * TICK + ahead % TICK;
        uint64_t now = start;

        wi_wheel_init(&wheel, start);
        wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, start + ahead);
        assert_null(wi_wheel_take(&wheel, start + ahead - 1));
        while (wi_wheel_take(&wheel, now) == NULL) {
            uint64_t wait = wi_wheel_wait_ns(&wheel, now);

            assert_true(wait > 0 && wait <= start + ahead + TICK - now);
            now += wait;
        }
        assert_true(now >= start + ahead && now < start + ahead + TICK);
    }
}

static void
a_sleep_until_the_wheels_time_ends_in_few_steps(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer timer = {0};
    uint64_t now = 12345 * TICK;
    unsigned steps = 0;

    (void)state;
    wi_wheel_init(&wheel, now);
    wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, now + UINT64_C(1) * 3600 * 1000 * TICK);
    while (wi_wheel_take(&wheel, now) == NULL) {
        now += wi_wheel_wait_ns(&wheel, now);
        steps++;
    }
    assert_true(steps <= WI_WHEEL_LEVELS);
}

static void
overdue_timers_armed_while_taking_wait_for_the_next_round(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer timer = {0};
    uint64_t now = 1000 * TICK;

    (void)state;
    wi_wheel_init(&wheel, now);
    wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, 0);
    for (uint64_t round = 0; round < 5; round++) {
        assert_int_equal(wi_wheel_wait_ns(&wheel, now), 0);
        assert_ptr_equal(wi_wheel_take(&wheel, now), &timer);
        wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, now - round);
        assert_null(wi_wheel_take(&wheel, now));
    }
    wi_wheel_disarm(&wheel, &timer);
    assert_true(wi_wheel_wait_ns(&wheel, now) == UINT64_MAX);
}

static void
overdue_timers_are_due_when_the_taking_is_broken_off(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer timer = {0};
    uint64_t now = 1000 * TICK;

    (void)state;
    wi_wheel_init(&wheel, now);
    wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, now);
    assert_ptr_equal(wi_wheel_take(&wheel, now), &timer);
    wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, now); // and nobody takes until NULL
    assert_int_equal(wi_wheel_wait_ns(&wheel, now), 0);
    assert_null(wi_wheel_take(&wheel, now));
    assert_int_equal(wi_wheel_wait_ns(&wheel, now), 0);
    assert_ptr_equal(wi_wheel_take(&wheel, now), &timer);
    assert_null(wi_wheel_take(&wheel, now));
}

static void
disarming_is_legal_in_every_state(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer first = {0};
    struct wi_timer second = {0};
    struct wi_timer third = {0};

    (void)state;
    wi_wheel_init(&wheel, TICK);
    wi_wheel_disarm(&wheel, &first); // never armed
    wi_wheel_arm(&wheel, &first, WI_TIMER_OP, 50 * TICK);
    wi_wheel_arm(&wheel, &second, WI_TIMER_OP, 50 * TICK);
    wi_wheel_arm(&wheel, &third, WI_TIMER_OP, 50 * TICK);
    wi_wheel_disarm(&wheel, &second); // in the middle
    wi_wheel_disarm(&wheel, &third);
    wi_wheel_disarm(&wheel, &third); // twice
    assert_int_equal(wheel.armed, 1);
    assert_ptr_equal(wi_wheel_take(&wheel, 60 * TICK), &first);
    wi_wheel_disarm(&wheel, &first);               // fired
    wi_wheel_arm(&wheel, &second, WI_TIMER_OP, 0); // overdue while taking
    wi_wheel_disarm(&wheel, &second);
    assert_null(wi_wheel_take(&wheel, 60 * TICK));
    assert_int_equal(wheel.armed, 0);
}

static void
the_last_moment_is_a_deadline_like_any_other(void **state)
{
    struct wi_wheel wheel;
    struct wi_timer timer = {0};

    (void)state;
    wi_wheel_init(&wheel, 77 * TICK);
    wi_wheel_arm(&wheel, &timer, WI_TIMER_OP, UINT64_MAX - 1);
    assert_null(wi_wheel_take(&wheel, UINT64_C(100) * 365 * 86400 * 1000 * TICK));
    assert_true(wi_timer_is_armed(&timer));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_what_a_sorted_list_would),
        cmocka_unit_test(never_fires_early),
        cmocka_unit_test(a_sleep_until_the_wheels_time_ends_in_few_steps),
        cmocka_unit_test(overdue_timers_armed_while_taking_wait_for_the_next_round),
        cmocka_unit_test(overdue_timers_are_due_when_the_taking_is_broken_off),
        cmocka_unit_test(disarming_is_legal_in_every_state),
        cmocka_unit_test(the_last_moment_is_a_deadline_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
