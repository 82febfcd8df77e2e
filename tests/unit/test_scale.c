// with: stormlib
// SPDX-License-Identifier: MIT
// Axes: where values lie on them, and their ticks.

#include "stress/sight/scale.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
assert_close(double value, double wanted)
{
    assert_true(fabs(value - wanted) <= 1e-9 * (1 + fabs(wanted)));
}

static void
linear_ticks_are_round_and_enclose_the_values(void **state)
{
    struct scale scale = scale_make(SCALE_LINEAR, 0, 437, 5);

    (void)state;
    assert_close(scale.low, 0);
    assert_close(scale.high, 500);
    assert_int_equal(scale.tick_count, 6);
    for (size_t i = 0; i < scale.tick_count; i++) {
        assert_close(scale.ticks[i].value, 100.0 * (double)i);
    }
    scale_lay(&scale, 300, 50);
    assert_close(scale_place(&scale, 0), 300);
    assert_close(scale_place(&scale, 250), 175);
    assert_close(scale_place(&scale, 500), 50);
}

static void
values_outside_are_moved_to_the_end(void **state)
{
    struct scale scale = scale_make(SCALE_LINEAR, 0, 10, 5);

    (void)state;
    assert_close(scale_place(&scale, -5), 0);
    assert_close(scale_place(&scale, 50), 1);
    scale = scale_make(SCALE_LOG, 1, 100, 5);
    assert_close(scale_place(&scale, 0), 0);
    assert_close(scale_place(&scale, -1), 0);
}

static void
no_extent_still_makes_an_axis(void **state)
{
    static const double values[] = {0, 64, -3, 1e-12, 1e15};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct scale scale = scale_make(SCALE_LINEAR, values[i], values[i], 5);

        assert_true(scale.high > scale.low);
        assert_in_range(scale.tick_count, 2, SCALE_TICKS_MAX);
        assert_true(isfinite(scale_place(&scale, values[i])));
    }
    struct scale scale = scale_make(SCALE_LOG, 1000, 1000, 5);
    assert_true(scale.high > scale.low);
    assert_true(isfinite(scale_place(&scale, 1000)));
}

static void
a_log_axis_gives_each_decade_equal_room(void **state)
{
    struct scale scale = scale_make(SCALE_LOG, 120, 5e8, 8);

    (void)state;
    assert_close(scale.low, 100);
    assert_close(scale.high, 1e9);
    assert_int_equal(scale.tick_count, 8);
    assert_close(scale_place(&scale, 1e3) - scale_place(&scale, 1e2), 1.0 / 7);
    assert_close(scale_place(&scale, 1e9) - scale_place(&scale, 1e8), 1.0 / 7);
}

static void
a_short_log_axis_ends_within_a_decade(void **state)
{
    struct scale scale = scale_make(SCALE_LOG, 147, 4200, 8);

    (void)state;
    assert_close(scale.low, 100);
    assert_close(scale.high, 5000);
    assert_close(scale.ticks[0].value, 100);
    assert_close(scale.ticks[1].value, 200);
    assert_close(scale.ticks[scale.tick_count - 1].value, 5000);
}

static void
a_percentile_axis_gives_each_nine_equal_room(void **state)
{
    struct scale scale = scale_make(SCALE_PERCENTILE, 0, 0.99999, 7);

    (void)state;
    assert_close(scale_place(&scale, 0), 0);
    assert_close(scale_place(&scale, 0.9), 0.2);
    assert_close(scale_place(&scale, 0.999), 0.6);
    assert_close(scale_place(&scale, 1), 1);
    assert_int_equal(scale.tick_count, 7); // 0, 50, 90, 99, 99.9, 99.99, 99.999
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_ticks_are_round_and_enclose_the_values),
        cmocka_unit_test(values_outside_are_moved_to_the_end),
        cmocka_unit_test(no_extent_still_makes_an_axis),
        cmocka_unit_test(a_log_axis_gives_each_decade_equal_room),
        cmocka_unit_test(a_short_log_axis_ends_within_a_decade),
        cmocka_unit_test(a_percentile_axis_gives_each_nine_equal_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
