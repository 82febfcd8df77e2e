// with: stormlib
// SPDX-License-Identifier: MIT
//
// A result: which claims fail a run, and the line of JSON that other programs read.
#include "json.h"
#include "json_tree.h"
#include "result.h"
#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
a_broken_claim_of_correctness_fails_the_run(void **state)
{
    struct result result;

    (void)state;
    result_init(&result, "name", "what it does", 1);
    assert_true(result_held(&result, true));
    result_add_claim(&result, CLAIM_CORRECTNESS, true, "one", "%d", 1);
    assert_true(result_held(&result, true));
    result_add_claim(&result, CLAIM_CORRECTNESS, false, "two", "%d", 2);
    assert_false(result_held(&result, false));
    assert_false(result_held(&result, true));
    result_free(&result);
}

static void
a_missed_claim_about_time_fails_it_only_when_asked(void **state)
{
    struct result result;

    (void)state;
    result_init(&result, "name", "what it does", 1);
    result_add_claim(&result, CLAIM_TIME, false, "fast", "slow");
    assert_true(result_held(&result, false));
    assert_false(result_held(&result, true));
    result_free(&result);
}

static void
points_of_one_name_are_one_series_in_their_order(void **state)
{
    struct result result;

    (void)state;
    result_init(&result, "name", "what it does", 1);
    for (unsigned i = 0; i < 1000; i++) {
        result_add_point(&result, i % 2 == 0 ? "even" : "odd", "/s", i, 10.0 * i);
    }
    assert_int_equal(result.series_count, 2);
    assert_string_equal(result.series[1].name, "odd");
    assert_int_equal(result.series[1].point_count, 500);
    assert_true(result.series[1].points[499].seconds == 999);
    assert_true(result.series[1].points[499].value == 9990);
    result_free(&result);
}

static char *
written(const struct result *result, bool strict_time)
{
    struct machine machine = {.cpu = "a \"processor\"", .kernel = "6", .date = "now", .cores = 2};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    json_write(file, result, &machine, strict_time);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(strcspn(text, "\n"), size - 1); // one line, the whole of it
    return text;
}

static void
fill(struct result *result)
{
    result_init(result, "name", "says \"hello\" \\ and\tgoes", UINT64_C(18446744073709551615));
    result->seconds = 1.5;
    result_add_param(result, "size", "64k");
    result_add_figure(result, "rate", 12.25, "/s");
    result_add_figure(result, "nothing", NAN, "");
    histogram_add(result_add_latency(result, "round trip"), 1000);
    result_add_point(result, "queued", "bytes", 0.1, 7);
    result_add_claim(result, CLAIM_TIME, false, "fast", "%u us", 3);
}

static void
the_line_has_every_key_and_value(void **state)
{
    struct result result;
    struct json_error error;

    (void)state;
    fill(&result);
    char *text = written(&result, false);
    struct json_node *tree = json_tree_parse(text, &error);
    assert_non_null(tree);
    assert_int_equal(json_count(tree, "schema"), 1);
    assert_string_equal(json_text(tree, "scenario", ""), "name");
    assert_string_equal(json_text(tree, "summary", ""), "says \"hello\" \\ and\tgoes");
    assert_true(json_count(tree, "seed") == UINT64_MAX);
    assert_true(json_number(tree, "seconds", 0) == 1.5);
    assert_int_equal(json_member(tree, "held")->kind, JSON_TRUE);
    assert_string_equal(json_text(json_member(tree, "params"), "size", ""), "64k");

    const struct json_node *figures = json_member(tree, "figures");
    assert_true(json_number(json_member(figures, "rate"), "value", 0) == 12.25);
    assert_string_equal(json_text(json_member(figures, "rate"), "unit", ""), "/s");
    assert_int_equal(json_member(json_member(figures, "nothing"), "value")->kind, JSON_NULL);

    const struct json_node *trip = json_member(json_member(tree, "latencies_ns"), "round trip");
    static const char *const keys[] = {"p50", "p90", "p99", "p999", "p9999", "max"};
    assert_int_equal(json_count(trip, "count"), 1);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_int_equal(json_count(trip, keys[i]), 1000);
    }

    const struct json_node *claim = json_member(tree, "claims")->first;
    assert_string_equal(json_text(claim, "kind", ""), "time");
    assert_int_equal(json_member(claim, "held")->kind, JSON_FALSE);
    assert_string_equal(json_text(claim, "claim", ""), "fast");
    assert_string_equal(json_text(claim, "found", ""), "3 us");

    const struct json_node *queued = json_member(json_member(tree, "series"), "queued");
    const struct json_node *point = json_member(queued, "points")->first;
    assert_string_equal(json_text(queued, "unit", ""), "bytes");
    assert_true(point->first->number == 0.1 && point->first->next->number == 7);
    json_tree_free(tree);
    free(text);
    result_free(&result);
}

static void
held_is_what_the_exit_status_says(void **state)
{
    struct result result;

    (void)state;
    fill(&result);
    char *text = written(&result, true);
    assert_non_null(strstr(text, "\"held\":false,\"seed\""));
    free(text);
    result_free(&result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_claim_of_correctness_fails_the_run),
        cmocka_unit_test(a_missed_claim_about_time_fails_it_only_when_asked),
        cmocka_unit_test(points_of_one_name_are_one_series_in_their_order),
        cmocka_unit_test(the_line_has_every_key_and_value),
        cmocka_unit_test(held_is_what_the_exit_status_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
