// SPDX-License-Identifier: MIT
// Which bytes a Range field asks for.

#include "ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

const char program_name[] = "test";

// "first+size first+size" of those that are to be sent.
static void
expect_ranges(const char *text, uint64_t length, const char *wanted)
{
    struct range ranges[RANGES_MAX];
    char found[400] = "";
    unsigned count;

    assert_int_equal(ranges_parse(text, strlen(text), length, ranges, &count), RANGES_SOME);
    for (unsigned i = 0; i < count; i++) {
        size_t at = strlen(found);

        snprintf(found + at, sizeof(found) - at, "%s%llu+%llu", i == 0 ? "" : " ",
                 (unsigned long long)ranges[i].first, (unsigned long long)ranges[i].size);
    }
    assert_string_equal(found, wanted);
}

static void
expect_answer(const char *text, uint64_t length, enum ranges_answer wanted)
{
    struct range ranges[RANGES_MAX];
    unsigned count;

    assert_int_equal(ranges_parse(text, strlen(text), length, ranges, &count), wanted);
}

static void
one_range_is_cut_to_what_there_is(void **state)
{
    (void)state;
    expect_ranges("bytes=0-0", 10, "0+1");
    expect_ranges("bytes=2-5", 10, "2+4");
    expect_ranges("bytes=2-", 10, "2+8");
    expect_ranges("bytes=2-99", 10, "2+8");
    expect_ranges("bytes=9-9", 10, "9+1");
    expect_ranges("BYTES=0-9", 10, "0+10");
    expect_ranges("bytes=0-99999999999999999999999999", 10, "0+10");
}

static void
a_suffix_counts_from_the_end(void **state)
{
    (void)state;
    expect_ranges("bytes=-3", 10, "7+3");
    expect_ranges("bytes=-10", 10, "0+10");
    expect_ranges("bytes=-99", 10, "0+10");
}

static void
several_come_in_the_order_asked_for(void **state)
{
    (void)state;
    expect_ranges("bytes=5-6,0-1", 10, "5+2 0+2");
    expect_ranges("bytes= 0-0 ,\t2-2 , ,4-4,", 10, "0+1 2+1 4+1");
    expect_ranges("bytes=0-1,50-60,-1", 10, "0+2 9+1");
}

static void
what_lies_behind_the_end_is_unsatisfiable(void **state)
{
    (void)state;
    expect_answer("bytes=10-", 10, RANGES_UNSATISFIABLE);
    expect_answer("bytes=10-12,99-", 10, RANGES_UNSATISFIABLE);
    expect_answer("bytes=-0", 10, RANGES_UNSATISFIABLE);
    expect_answer("bytes=0-0", 0, RANGES_UNSATISFIABLE);
    expect_answer("bytes=-5", 0, RANGES_UNSATISFIABLE);
    expect_answer("bytes=99999999999999999999-", 10, RANGES_UNSATISFIABLE);
}

static void
what_is_wrong_asks_for_nothing(void **state)
{
    static const char *const wrong[] = {
        "",           "bytes",         "bytes=",    "bytes=,",       "lines=0-1",
        "bytes=a-b",  "bytes=1",       "bytes=-",   "bytes=5-2",     "bytes=1-2x",
        "bytes=1 -2", "bytes=0-1;2-3", "bytes=--1", "bytes=0-1,5-2",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_answer(wrong[i], 10, RANGES_IGNORED);
    }
}

static void
more_than_the_whole_or_too_many_get_the_whole(void **state)
{
    char text[400] = "bytes=";

    (void)state;
    expect_answer("bytes=0-9,0-0", 10, RANGES_IGNORED);
    expect_answer("bytes=0-,0-,0-", 10, RANGES_IGNORED);
    for (unsigned i = 0; i < RANGES_MAX; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u-%u,", 2 * i, 2 * i);
    }
    expect_answer(text, 1000, RANGES_SOME);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "90-90");
    expect_answer(text, 1000, RANGES_IGNORED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_cut_to_what_there_is),
        cmocka_unit_test(a_suffix_counts_from_the_end),
        cmocka_unit_test(several_come_in_the_order_asked_for),
        cmocka_unit_test(what_lies_behind_the_end_is_unsatisfiable),
        cmocka_unit_test(what_is_wrong_asks_for_nothing),
        cmocka_unit_test(more_than_the_whole_or_too_many_get_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
