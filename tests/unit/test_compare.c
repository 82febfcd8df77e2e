// with: stormlib
// SPDX-License-Identifier: MIT
// Bars out of what stress/bench/run and stress/bench/count write.

#include "stress/sight/compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char run_text[] =
    "{\"machine\":{\"cpu\":\"C\",\"cores\":2,\"kernel\":\"6.1\",\"date\":\"D\",\"load\":0.5},"
    "\"case\":\"echo\",\"extra\":[\"--connections\",\"1\"],\"rounds\":15,\"seconds\":2,"
    "\"summaries\":{"
    "\"rate\":{\"epoll\":{\"value\":{\"median\":100,\"min\":90,\"max\":120}},"
    "\"weir\":{\"value\":{\"median\":110,\"min\":80,\"max\":130}},\"nng\":null,"
    "\"epoll (again)\":{\"value\":{\"median\":99,\"min\":99,\"max\":99}}},"
    "\"p50_us\":{\"weir:copy\":{\"value\":{\"median\":5,\"min\":4,\"max\":6}},"
    "\"uv\":{\"value\":{\"median\":900,\"min\":4,\"max\":1000}}},"
    "\"nobody\":{\"weir\":null},"
    "\"odd_ns\":{\"weirdo\":{\"value\":{\"median\":7,\"min\":7,\"max\":7}}}}}";

static const char count_text[] =
    "{\"case\":\"echo\",\"extra\":[],\"messages\":[10,20],\"results\":{"
    "\"nng\":{\"instructions\":4000,\"calls\":10.5,\"calls_by_name\":{\"futex\":8,\"a\":1,\"b\":0."
    "5,"
    "\"c\":0.3,\"d\":0.25,\"e\":0.2,\"f\":0.15,\"g\":0.1}},"
    "\"weir\":{\"instructions\":600,\"calls\":2,\"calls_by_name\":{\"read\":1,\"send\":1}}}}";

static struct json_node *
parse(const char *text, struct compare *ret_compare)
{
    struct json_error error;
    struct json_node *tree = json_tree_parse(text, &error);

    assert_non_null(tree);
    assert_true(compare_is_known(tree));
    compare_read(ret_compare, tree);
    return tree;
}

static void
a_run_makes_a_chart_of_each_figure_that_somebody_has(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(run_text, &compare);

    (void)state;
    assert_int_equal(compare.count, 3);
    assert_string_equal(compare.keys[0], "rate");
    assert_string_equal(compare.keys[1], "p50_us");
    assert_string_equal(compare.keys[2], "odd_ns");
    assert_string_equal(compare.charts[1].title, "Median latency");
    assert_string_equal(compare.charts[2].title, "Odd ns");
    assert_string_equal(compare.charts[2].unit, "ns");
    assert_string_equal(compare.subject, "echo --connections 1");
    assert_non_null(strstr(compare.origin, "15 rounds of 2 s. C, 2 cores, Linux 6.1, D"));
    json_tree_free(tree);
}

static void
the_best_stands_first_and_who_cannot_tell_last(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(run_text, &compare);
    const struct bars *rate = &compare.charts[0];

    (void)state;
    assert_string_equal(rate->bars[0].name, "weir");
    assert_string_equal(rate->bars[1].name, "epoll");
    assert_string_equal(rate->bars[3].name, "nng");
    assert_true(isnan(rate->bars[3].value));
    assert_true(rate->bars[0].low == 80 && rate->bars[0].high == 130);
    assert_string_equal(compare.charts[1].bars[0].name, "weir:copy");
    assert_non_null(strstr(rate->note, "more is better"));
    assert_non_null(strstr(compare.charts[1].note, "less is better"));
    assert_null(strstr(compare.charts[2].note, "better"));
    json_tree_free(tree);
}

static void
weir_and_the_limit_are_told_from_the_others(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(run_text, &compare);

    (void)state;
    assert_int_equal(compare.charts[0].bars[0].kind, BAR_OURS);
    assert_int_equal(compare.charts[0].bars[1].kind, BAR_LIMIT);
    assert_int_equal(compare.charts[0].bars[2].kind, BAR_LIMIT); // again
    assert_int_equal(compare.charts[0].bars[3].kind, BAR_OTHER);
    assert_int_equal(compare.charts[1].bars[0].kind, BAR_OURS);
    assert_int_equal(compare.charts[2].bars[0].kind, BAR_OTHER); // weirdo
    json_tree_free(tree);
}

static void
what_lies_far_apart_has_a_log_scale_and_says_so(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(run_text, &compare);

    (void)state;
    assert_false(compare.charts[0].is_log);
    assert_null(strstr(compare.charts[0].note, "logarithmic"));
    assert_true(compare.charts[1].is_log);
    assert_non_null(strstr(compare.charts[1].note, "logarithmic"));
    json_tree_free(tree);
}

static void
a_count_makes_instructions_and_calls(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(count_text, &compare);
    const struct bars *calls = &compare.charts[1];

    (void)state;
    assert_int_equal(compare.count, 2);
    assert_string_equal(compare.charts[0].bars[0].name, "weir");
    assert_true(compare.charts[0].bars[0].value == 600);
    assert_int_equal(calls->part_count, BARS_PARTS_MAX);
    assert_string_equal(calls->part_names[0], "futex");
    assert_string_equal(calls->part_names[BARS_PARTS_MAX - 1], "others");
    for (size_t i = 0; i < calls->count; i++) { // the parts are the whole
        double sum = 0;

        for (size_t part = 0; part < calls->part_count; part++) {
            sum += calls->bars[i].parts[part];
        }
        assert_true(fabs(sum - calls->bars[i].value) < 1e-9);
    }
    json_tree_free(tree);
}

static void
a_picture_has_every_name_and_value(void **state)
{
    static struct compare compare;
    struct json_node *tree = parse(run_text, &compare);
    const struct bars *charts[] = {&compare.charts[0], &compare.charts[1]};
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    compare.charts[1].target = 8;
    bars_draw(charts, 2, to, 1);
    fclose(to);
    assert_non_null(strstr(text, ">epoll (again)<"));
    assert_non_null(strstr(text, ">weir:copy<"));
    assert_non_null(strstr(text, ">target 8\xe2\x80\xaf"));
    assert_non_null(strstr(text, "xmlns"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "=\"-")); // nothing begins outside, nothing has a negative size
    free(text);
    json_tree_free(tree);
}

static void
other_json_is_not_known(void **state)
{
    static const char *const others[] = {"{}", "[]", "{\"case\":\"echo\"}", "{\"results\":{}}",
                                         "{\"case\":\"echo\",\"results\":[]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct json_error error;
        struct json_node *tree = json_tree_parse(others[i], &error);

        assert_non_null(tree);
        assert_false(compare_is_known(tree));
        json_tree_free(tree);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_makes_a_chart_of_each_figure_that_somebody_has),
        cmocka_unit_test(the_best_stands_first_and_who_cannot_tell_last),
        cmocka_unit_test(weir_and_the_limit_are_told_from_the_others),
        cmocka_unit_test(what_lies_far_apart_has_a_log_scale_and_says_so),
        cmocka_unit_test(a_count_makes_instructions_and_calls),
        cmocka_unit_test(a_picture_has_every_name_and_value),
        cmocka_unit_test(other_json_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
