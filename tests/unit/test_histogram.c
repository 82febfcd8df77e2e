// with: stormlib
// SPDX-License-Identifier: MIT
// The histogram of weir-storm: buckets, quantiles, what a stalled sender left out, text.

#include "stress/sight/histogram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct histogram *
fresh(void)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    assert_non_null(histogram);
    return histogram;
}

static void
assert_near(uint64_t value, uint64_t wanted)
{
    assert_true(value >= wanted - wanted / 32 && value <= wanted + wanted / 32);
}

static void
an_empty_one_answers_zero(void **state)
{
    struct histogram *histogram = fresh();
    struct histogram_walk walk = histogram_walk_begin(histogram, 5);
    struct histogram_point point;

    (void)state;
    assert_int_equal(histogram_count(histogram), 0);
    assert_int_equal(histogram_quantile_ns(histogram, 0.5), 0);
    assert_int_equal(histogram_min_ns(histogram), 0);
    assert_int_equal(histogram_max_ns(histogram), 0);
    assert_true(histogram_mean_ns(histogram) == 0);
    assert_false(histogram_walk_next(&walk, &point));
    free(histogram);
}

static void
small_values_are_exact(void **state)
{
    struct histogram *histogram = fresh();

    (void)state;
    for (uint64_t value = 0; value < 64; value++) {
        histogram_add(histogram, value);
    }
    for (unsigned i = 1; i <= 64; i++) {
        assert_int_equal(histogram_quantile_ns(histogram, i / 64.0), i - 1);
    }
    free(histogram);
}

static void
every_value_is_within_a_bucket_of_what_is_told(void **state)
{
    static const uint64_t values[] = {65, 1000, 999999, 1u << 20, UINT64_C(123456789012345)};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct histogram *histogram = fresh();

        histogram_add(histogram, values[i]);
        histogram_add(histogram, values[i] * 4);
        assert_near(histogram_min_ns(histogram), values[i]);
        assert_near(histogram_quantile_ns(histogram, 0.5), values[i]);
        assert_int_equal(histogram_quantile_ns(histogram, 1), values[i] * 4);
        free(histogram);
    }
}

static void
the_largest_value_there_is_fits(void **state)
{
    struct histogram *histogram = fresh();

    (void)state;
    histogram_add(histogram, UINT64_MAX);
    assert_int_equal(histogram_quantile_ns(histogram, 0.5), UINT64_MAX);
    assert_int_equal(histogram_max_ns(histogram), UINT64_MAX);
    assert_true(histogram_mean_ns(histogram) > 0.9 * (double)UINT64_MAX);
    free(histogram);
}

static void
quantiles_and_mean_of_even_values(void **state)
{
    struct histogram *histogram = fresh();

    (void)state;
    for (uint64_t value = 1; value <= 100000; value++) {
        histogram_add(histogram, value * 10);
    }
    assert_near(histogram_quantile_ns(histogram, 0.5), 500000);
    assert_near(histogram_quantile_ns(histogram, 0.99), 990000);
    assert_near(histogram_quantile_ns(histogram, 0.999), 999000);
    assert_int_equal(histogram_quantile_ns(histogram, 1), 1000000);
    assert_near((uint64_t)histogram_mean_ns(histogram), 500000);
    free(histogram);
}

static void
merging_is_adding_all_of_both(void **state)
{
    struct histogram *one = fresh(), *other = fresh(), *both = fresh();

    (void)state;
    for (uint64_t value = 1; value < 1000; value++) {
        histogram_add(value % 3 == 0 ? one : other, value * value);
        histogram_add(both, value * value);
    }
    histogram_merge(one, other);
    assert_memory_equal(one, both, sizeof(*both));
    free(one);
    free(other);
    free(both);
}

// One by one what histogram_add_expected() adds bucket by bucket.
static void
add_expected_slowly(struct histogram *histogram, uint64_t duration, uint64_t interval)
{
    histogram_add(histogram, duration);
    for (uint64_t left = duration - interval; left >= interval && left < duration;
         left -= interval) {
        histogram_add(histogram, left);
    }
}

static void
a_stall_counts_for_all_that_it_held_up(void **state)
{
    static const struct {
        uint64_t duration, interval;
    } cases[] = {{100, 10},   {1000000, 7}, {99, 10},      {19, 10},     {20, 10},
                 {1000, 999}, {1000, 1},    {123456, 100}, {65536, 4096}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct histogram *histogram = fresh(), *wanted = fresh();

        histogram_add_expected(histogram, cases[i].duration, cases[i].interval);
        add_expected_slowly(wanted, cases[i].duration, cases[i].interval);
        assert_memory_equal(histogram, wanted, sizeof(*wanted));
        free(histogram);
        free(wanted);
    }
}

static void
a_stall_shows_in_the_quantiles(void **state)
{
    struct histogram *histogram = fresh(), *naive = fresh();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) { // one per millisecond that took 100 us
        histogram_add_expected(histogram, 100000, 1000000);
        histogram_add(naive, 100000);
    }
    histogram_add_expected(histogram, UINT64_C(1000000000), 1000000); // and a pause of a second
    histogram_add(naive, UINT64_C(1000000000));
    assert_int_equal(histogram_count(histogram), 2000);
    assert_near(histogram_quantile_ns(histogram, 0.75), 500000000);
    assert_near(histogram_quantile_ns(naive, 0.75), 100000);
    free(histogram);
    free(naive);
}

static void
no_interval_and_a_short_duration_add_one(void **state)
{
    struct histogram *histogram = fresh();

    (void)state;
    histogram_add_expected(histogram, 1000, 0);
    histogram_add_expected(histogram, 1000, 1001);
    histogram_add_expected(histogram, 1000, UINT64_MAX);
    histogram_add_expected(histogram, 0, 0);
    assert_int_equal(histogram_count(histogram), 4);
    free(histogram);
}

static void
a_walk_ends_with_the_largest_and_never_goes_back(void **state)
{
    struct histogram *histogram = fresh();
    struct histogram_point point, last = {0};
    unsigned points = 0;

    (void)state;
    for (uint64_t value = 1; value <= 1000000; value++) {
        histogram_add(histogram, value);
    }
    struct histogram_walk walk = histogram_walk_begin(histogram, 5);
    while (histogram_walk_next(&walk, &point)) {
        assert_true(point.fraction > last.fraction && point.value_ns > last.value_ns);
        assert_near(point.value_ns, (uint64_t)(point.fraction * 1000000));
        assert_true((double)point.count == point.fraction * 1000000 ||
                    (double)point.count - point.fraction * 1000000 < 1e-6);
        last = point;
        points++;
    }
    assert_true(last.fraction == 1);
    assert_int_equal(last.value_ns, 1000000);
    // At least one per bucket of the upper half, at most five per halving of a million.
    assert_in_range(points, 10, 5 * 21);
    free(histogram);
}

static void
a_walk_over_one_value_is_one_point(void **state)
{
    struct histogram *histogram = fresh();
    struct histogram_point point;

    (void)state;
    histogram_add_many(histogram, 12345, 1000);
    struct histogram_walk walk = histogram_walk_begin(histogram, 0);
    assert_true(histogram_walk_next(&walk, &point));
    assert_int_equal(point.value_ns, 12345);
    assert_int_equal(point.count, 1000);
    assert_true(point.fraction == 1);
    assert_false(histogram_walk_next(&walk, &point));
    free(histogram);
}

static char *
text_of(const struct histogram *histogram)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    histogram_print(histogram, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void
text_brings_back_the_same(void **state)
{
    struct histogram *histogram = fresh(), *back = fresh();

    (void)state;
    for (unsigned round = 0; round < 2; round++) { // the first one empty
        char *text = text_of(histogram);

        histogram_add(back, 5); // forgotten
        assert_int_equal(histogram_parse(back, text), 0);
        assert_memory_equal(back, histogram, sizeof(*back));
        assert_int_equal(strspn(text, "0123456789: "), strlen(text));
        free(text);
        for (uint64_t value = 1; value != 0; value *= 3) {
            histogram_add_many(histogram, value, value % 7 + 1);
            value = value > UINT64_MAX / 3 ? 0 : value;
        }
        histogram_add(histogram, UINT64_MAX);
    }
    free(histogram);
    free(back);
}

static void
bad_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "32",
        "32 ",
        "32 x",
        "64 5 5:1",
        "32 5 5",
        "32 5 5:",
        "32 5 5:0",
        "32 5 5:1x",
        "32 5 5:1 4:1",
        "32 5 5:1 5:1",
        "32 5 6:1",
        "32 5",
        "32 5 99999:1",
        "32 5 5:99999999999999999999",
        "-32 5 5:1",
        "32 5 5:1 6",
        "32 5 5:1  6:1",
    };
    struct histogram *histogram = fresh();

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(histogram_parse(histogram, bad[i]), -EINVAL);
        assert_int_equal(histogram_count(histogram), 0);
        assert_int_equal(histogram_max_ns(histogram), 0);
    }
    free(histogram);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_answers_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_value_is_within_a_bucket_of_what_is_told),
        cmocka_unit_test(the_largest_value_there_is_fits),
        cmocka_unit_test(quantiles_and_mean_of_even_values),
        cmocka_unit_test(merging_is_adding_all_of_both),
        cmocka_unit_test(a_stall_counts_for_all_that_it_held_up),
        cmocka_unit_test(a_stall_shows_in_the_quantiles),
        cmocka_unit_test(no_interval_and_a_short_duration_add_one),
        cmocka_unit_test(a_walk_ends_with_the_largest_and_never_goes_back),
        cmocka_unit_test(a_walk_over_one_value_is_one_point),
        cmocka_unit_test(text_brings_back_the_same),
        cmocka_unit_test(bad_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
