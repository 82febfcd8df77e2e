// with: stormlib
// SPDX-License-Identifier: MIT
// Numbers as people read them.

#include "stress/sight/format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NARROW "\xe2\x80\xaf"
#define MICRO  "\xc2\xb5"
#define DASH   "\xe2\x80\x93"

static void
values_have_three_digits_and_a_prefix(void **state)
{
    static const struct {
        double value;
        const char *unit;
        const char *text;
    } cases[] = {
        {0, "", "0"},
        {7, "", "7"},
        {64, "", "64"},
        {0.0512, "", "0.051"},
        {1234, "", "1.23" NARROW "k"},
        {999.96, "", "1.00" NARROW "k"},
        {-1234, "", "-1.23" NARROW "k"},
        {2500000, "", "2.50" NARROW "M"},
        {0, "/s", "0/s"},
        {20, "/s", "20/s"},
        {291717.7, "/s", "292" NARROW "k/s"},
        {0, "bytes", "0" NARROW "B"},
        {708726361, "bytes", "709" NARROW "MB"},
        {354.33, "MB/s", "354" NARROW "MB/s"},
        {3200, "MB/s", "3.20" NARROW "GB/s"},
        {1, "KiB", "1.02" NARROW "kB"},
        {557055, "ns", "557" NARROW MICRO "s"},
        {0.4, "us", "400" NARROW "ns"},
        {999999.9, "ns", "1.00" NARROW "ms"},
        {90, "s", "90.0" NARROW "s"},
        {180, "s", "3.00" NARROW "min"},
        {0, "ns", "0" NARROW "s"},
        {12, "apples", "12" NARROW "apples"},
        {12000, "apples", "12.0" NARROW "k" NARROW "apples"},
        {NAN, "ns", DASH},
        {INFINITY, "", DASH},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(format_value(cases[i].value, cases[i].unit).text, cases[i].text);
    }
}

static void
what_was_measured_keeps_its_digits(void **state)
{
    (void)state;
    assert_string_equal(format_measured(3, "").text, "3.00");
    assert_string_equal(format_measured(64, "").text, "64.0");
    assert_string_equal(format_measured(300, "").text, "300");
    assert_string_equal(format_measured(1819.6, "").text, "1" NARROW "820");
    assert_string_equal(format_measured(999999.9, "").text, "1.00" NARROW "M");
    assert_string_equal(format_measured(1819.6, "/s").text, "1.82" NARROW "k/s");
}

static void
ticks_of_an_axis_share_a_prefix(void **state)
{
    (void)state;
    assert_string_equal(format_tick(0, "/s", 1500000).text, "0");
    assert_string_equal(format_tick(500000, "/s", 1500000).text, "0.5" NARROW "M/s");
    assert_string_equal(format_tick(1000000, "/s", 1500000).text, "1" NARROW "M/s");
    assert_string_equal(format_tick(0.5, "s", 2).text, "0.5" NARROW "s");
    assert_string_equal(format_tick(0.5, "s", 0.5).text, "500" NARROW "ms");
}

static void
counts_have_all_digits_in_groups(void **state)
{
    (void)state;
    assert_string_equal(format_count(0).text, "0");
    assert_string_equal(format_count(999).text, "999");
    assert_string_equal(format_count(583488).text, "583" NARROW "488");
    assert_string_equal(format_count(UINT64_MAX).text,
                        "18" NARROW "446" NARROW "744" NARROW "073" NARROW "709" NARROW "551" NARROW
                        "615");
}

static void
percentiles_have_as_many_nines_as_they_need(void **state)
{
    (void)state;
    assert_string_equal(format_percentile(0).text, "0" NARROW "%");
    assert_string_equal(format_percentile(0.9).text, "90" NARROW "%");
    assert_string_equal(format_percentile(1 - 1e-5).text, "99.999" NARROW "%");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_three_digits_and_a_prefix),
        cmocka_unit_test(what_was_measured_keeps_its_digits),
        cmocka_unit_test(ticks_of_an_axis_share_a_prefix),
        cmocka_unit_test(counts_have_all_digits_in_groups),
        cmocka_unit_test(percentiles_have_as_many_nines_as_they_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
