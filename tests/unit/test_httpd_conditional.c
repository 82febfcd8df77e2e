// SPDX-License-Identifier: MIT
// Preconditions in their order, entity tags and dates.

#include "conditional.h"
#include "date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

const char program_name[] = "test";

#define DATE    "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT"
#define SECONDS 784111777

#define FIELDS_OF(...)         \
    (struct weir_http_field[]) \
    {                          \
        __VA_ARGS__            \
    }
#define NUMBER_OF(...) (sizeof(FIELDS_OF(__VA_ARGS__)) / sizeof(struct weir_http_field))

static const struct validators strong = {"\"a\"", 3, false, SECONDS};
static const struct validators weak = {"\"a\"", 3, true, SECONDS};

static enum conditional_answer
judge(const struct validators *validators, const struct weir_http_field *fields, size_t count)
{
    struct asked asked;

    asked_collect(&asked, fields, (unsigned)count);
    return conditional_judge(&asked, validators);
}

#define expect(validators, wanted, ...) \
    assert_int_equal(judge(validators, FIELDS_OF(__VA_ARGS__), NUMBER_OF(__VA_ARGS__)), wanted)
#define F(name, value) WEIR_HTTP_FIELD(name, value)

static void
if_match_compares_strongly(void **state)
{
    (void)state;
    expect(&strong, CONDITIONAL_GO_ON, F("If-Match", "\"a\""));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Match", "*"));
    expect(&strong, CONDITIONAL_GO_ON, F("if-match", "\"b\" , \"a\""));
    expect(&strong, CONDITIONAL_FAILED, F("If-Match", "\"b\""));
    expect(&strong, CONDITIONAL_FAILED, F("If-Match", "W/\"a\""));
    expect(&weak, CONDITIONAL_FAILED, F("If-Match", "\"a\""));
    expect(&weak, CONDITIONAL_GO_ON, F("If-Match", "*"));
    expect(&strong, CONDITIONAL_FAILED, F("If-Match", ""));
    expect(&strong, CONDITIONAL_FAILED, F("If-Match", "a, \"a\""));
}

static void
if_none_match_compares_weakly(void **state)
{
    (void)state;
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "\"a\""));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "W/\"a\""));
    expect(&weak, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "\"a\""));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "*"));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "\"x,y\",,\"a\""));
    expect(&strong, CONDITIONAL_GO_ON, F("If-None-Match", "\"b\""));
    expect(&strong, CONDITIONAL_GO_ON, F("If-None-Match", "\"a"));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "\"b\""), F("Host", "x"),
           F("If-None-Match", "\"a\""));
}

static void
dates_count_where_no_tag_does(void **state)
{
    (void)state;
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-Modified-Since", DATE));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-Modified-Since", LATER));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Modified-Since", EARLIER));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Modified-Since", "yesterday"));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Modified-Since", DATE), F("If-Modified-Since", DATE));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Unmodified-Since", DATE));
    expect(&strong, CONDITIONAL_FAILED, F("If-Unmodified-Since", EARLIER));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Unmodified-Since", "tomorrow"));
}

static void
tags_count_before_dates_and_matches_before_the_others(void **state)
{
    (void)state;
    expect(&strong, CONDITIONAL_GO_ON, F("If-Modified-Since", DATE), F("If-None-Match", "\"b\""));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-Modified-Since", EARLIER),
           F("If-None-Match", "\"a\""));
    expect(&strong, CONDITIONAL_GO_ON, F("If-Unmodified-Since", EARLIER), F("If-Match", "\"a\""));
    expect(&strong, CONDITIONAL_FAILED, F("If-None-Match", "\"a\""), F("If-Match", "\"b\""));
    expect(&strong, CONDITIONAL_NOT_MODIFIED, F("If-None-Match", "\"a\""), F("If-Match", "\"a\""));
}

static bool
range_holds(const struct validators *validators, const char *value, int64_t now_s)
{
    struct weir_http_field field = {"If-Range", value, 8, (uint32_t)strlen(value)};
    struct asked asked;

    asked_collect(&asked, &field, value[0] != '\0');
    return conditional_range_holds(&asked, validators, now_s);
}

static void
if_range_wants_exactly_this(void **state)
{
    (void)state;
    assert_true(range_holds(&strong, "", SECONDS));
    assert_true(range_holds(&strong, "\"a\"", SECONDS));
    assert_false(range_holds(&strong, "\"b\"", SECONDS));
    assert_false(range_holds(&strong, "W/\"a\"", SECONDS));
    assert_false(range_holds(&weak, "\"a\"", SECONDS));
    assert_true(range_holds(&strong, DATE, SECONDS + 1));
    assert_false(range_holds(&strong, DATE, SECONDS));
    assert_false(range_holds(&strong, LATER, SECONDS + 9));
    assert_false(range_holds(&strong, EARLIER, SECONDS + 9));
    assert_false(range_holds(&strong, "\"a\"x", SECONDS));
}

static void
dates_have_three_forms(void **state)
{
    static const char *const forms[] = {DATE, "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    char text[DATE_SIZE];
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(date_parse(forms[i], strlen(forms[i]), &seconds));
        assert_int_equal(seconds, SECONDS);
    }
    date_format(SECONDS, text);
    assert_string_equal(text, DATE);
    assert_false(date_parse("Sun, 06 Nov 1994 08:49:37 CET", 29, &seconds));
    assert_false(date_parse(DATE "x", 30, &seconds));
    assert_false(date_parse("Sun, 06 Nov 1994 25:49:37 GMT", 29, &seconds));
    assert_false(date_parse("", 0, &seconds));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(if_match_compares_strongly),
        cmocka_unit_test(if_none_match_compares_weakly),
        cmocka_unit_test(dates_count_where_no_tag_does),
        cmocka_unit_test(tags_count_before_dates_and_matches_before_the_others),
        cmocka_unit_test(if_range_wants_exactly_this),
        cmocka_unit_test(dates_have_three_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
