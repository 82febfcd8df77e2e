// with: stormlib
// SPDX-License-Identifier: MIT
// The page of a run: complete, safe to open, the same when drawn later from its JSON.

#include "stress/sight/run_report.h"

#include "stress/sight/result_read.h"
#include "stress/storm/json.h"
#include "stress/storm/verdict.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct machine machine = {
    .cpu = "A <CPU>", .kernel = "6.1 \"x\"", .date = "2026-11-21 09:30", .cores = 2, .load = 0.25};

static void
fill(struct result *result, bool held)
{
    result_init(result, "chaos", "everything <at once> & more", 42);
    result->seconds = 2.5;
    result_add_param(result, "connections", "64");
    result_add_param(result, "name", "</td><script>alert(1)</script>");
    result_add_figure(result, "messages per second", 291717.5, "/s");
    result_add_figure(result, "messages", 583488, "");
    result_add_figure(result, "system calls per message", 0.25, "");
    result_add_figure(result, "sends per message", 0.125, "");
    result_add_figure(result, "unknown", NAN, "");
    struct histogram *histogram = result_add_latency(result, "round trip");
    for (uint64_t i = 1; i <= 10000; i++) {
        histogram_add(histogram, i * i);
    }
    result_add_latency(result, "never");
    for (int i = 1; i <= 2000; i++) {
        result_add_point(result, "messages", "/s", i * 0.125, i == 777 ? 1e6 : 1000);
        result_add_point(result, "loop 0 turns", "/s", i * 0.125, i);
        result_add_point(result, "loop 1 turns", "/s", i * 0.125, 2 * i);
        result_add_point(result, "streams waiting: for a cork", "", i * 0.125, i % 3);
        result_add_point(result, "streams waiting: for the socket", "", i * 0.125, 1);
        result_add_point(result, "refusals", "/s", i * 0.125, 0);
        result_add_point(result, "round trip p50", "us", i * 0.125, 100);
        result_add_point(result, "round trip p99", "us", i * 0.125, 100 + i);
    }
    result_add_claim(result, CLAIM_CORRECTNESS, true, "each write completes once", "%d of %d", 5,
                     5);
    result_add_claim(result, CLAIM_CORRECTNESS, held, "nothing is lost", "<none>");
    result_add_claim(result, CLAIM_TIME, false, "it is fast", "12 us");
}

static char *
page_of(const struct result *result, const struct machine *of)
{
    struct run_report report = {.title = result->scenario, .result = result, .machine = of};
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    run_report_page(to, &report);
    fclose(to);
    return text;
}

static unsigned
count_of(const char *text, const char *wanted)
{
    unsigned count = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++) {
        count++;
    }
    return count;
}

static void
a_page_has_all_that_is_in_the_result(void **state)
{
    static const char *const wanted[] = {
        ">messages per second<",
        ">connections<",
        ">64<",
        ">0.125<",
        ">held: 2 of 3 claims<",
        ">missed<",
        ">5 of 5<",
        ">seed of this run<",
        ">Turns, per loop<",
        ">loop 1<",
        ">p99<",
        ">Streams waiting<",
        ">for a cork<",
        ">Round trip over time<",
        ">Latency by percentile<",
        "\xe2\x80\xaf\x30\x30\x30<", // 10 000 samples
        ">42<",
        ">never<",
        ">Zero all the time: refusals.<",
    };
    struct result result;

    (void)state;
    fill(&result, true);
    char *page = page_of(&result, &machine);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strstr(page, wanted[i]) == NULL) {
            fail_msg("no %s", wanted[i]);
        }
    }
    // By percentile, per message, messages, turns, waiting, round trip.
    assert_int_equal(count_of(page, "<svg "), 6);
    assert_int_equal(count_of(page, "</svg>"), 6);
    free(page);
    result_free(&result);
}

static void
what_broke_stands_first(void **state)
{
    struct result result;

    (void)state;
    fill(&result, false);
    char *page = page_of(&result, &machine);
    assert_non_null(strstr(page, ">broke: 1 of 3 claims<"));
    assert_true(strstr(page, ">BROKE<") < strstr(page, ">missed<"));
    assert_true(strstr(page, ">missed<") < strstr(page, ">held<"));
    free(page);
    result_free(&result);
}

static void
a_page_needs_nothing_and_runs_nothing(void **state)
{
    static const char *const unwanted[] = {
        "<script", "http:", "https:", "src=",  "url(",  "@import",
        "<link",   "nan",   "inf\"",  "<CPU>", "<none>"};
    struct result result;

    (void)state;
    fill(&result, true);
    char *page = page_of(&result, &machine);
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        if (strstr(page, unwanted[i]) != NULL) {
            fail_msg("there is %s", unwanted[i]);
        }
    }
    free(page);
    result_free(&result);
}

// A spike of one sample among thousands is seen, whatever the plot leaves out.
static void
no_peak_is_lost(void **state)
{
    struct result result;

    (void)state;
    fill(&result, true);
    char *page = page_of(&result, &machine);
    const char *plot = strstr(page, ">Messages<");
    assert_non_null(plot);
    // The largest value is the axis's end, which is the top of the field.
    assert_non_null(strstr(plot, " 56.0L"));
    assert_true(strlen(page) < 200000);
    free(page);
    result_free(&result);
}

static void
a_page_drawn_from_json_is_the_same(void **state)
{
    struct result result, back;
    struct machine where;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    struct json_error error;

    (void)state;
    fill(&result, true);
    assert_non_null(to);
    json_write(to, &result, &machine, false);
    fclose(to);
    assert_int_equal(count_of(text, "\n"), 1); // one line
    struct json_node *tree = json_tree_parse(text, &error);
    assert_non_null(tree);
    assert_true(result_is_known(tree));
    assert_null(result_read(&back, tree));
    result_read_machine(&where, tree);
    char *page = page_of(&result, &machine), *again = page_of(&back, &where);
    assert_string_equal(page, again);
    free(page);
    free(again);
    free(text);
    result_free(&result);
    result_free(&back);
    json_tree_free(tree);
}

static void
bad_results_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"scenario\":\"x\",\"figures\":{},\"latencies_ns\":{\"a\":{\"count\":1}}}",
        "{\"scenario\":\"x\",\"figures\":{},\"latencies_ns\":{\"a\":{\"histogram\":\"1\"}}}",
        "{\"scenario\":\"x\",\"figures\":{},\"series\":{\"a\":{\"points\":[[1]]}}}",
        "{\"scenario\":\"x\",\"figures\":{},\"series\":[{\"points\":[]}]}",
        "{\"scenario\":\"x\",\"figures\":{},\"claims\":[{\"claim\":\"y\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json_error error;
        struct result result;
        struct json_node *tree = json_tree_parse(bad[i], &error);

        assert_non_null(tree);
        assert_true(result_is_known(tree));
        assert_non_null(result_read(&result, tree));
        json_tree_free(tree);
    }
}

static void
an_empty_result_still_makes_a_page(void **state)
{
    struct result result;

    (void)state;
    result_init(&result, "nothing", "", 0);
    char *page = page_of(&result, &machine);
    assert_non_null(strstr(page, "weir-storm: nothing"));
    assert_int_equal(count_of(page, "<svg "), 0);
    free(page);
    result_free(&result);
}

static void
the_named_latency_stands_last(void **state)
{
    struct result result;

    (void)state;
    fill(&result, true);
    result_add_latency(&result, "third");
    result_put_latency_last(&result, "round trip");
    result_put_latency_last(&result, "no such");
    assert_string_equal(result.latencies[0].name, "never");
    assert_string_equal(result.latencies[1].name, "third");
    assert_string_equal(result.latencies[2].name, "round trip");
    assert_int_equal(histogram_count(result.latencies[2].histogram), 10000);
    result_free(&result);
}

static void
a_page_that_cannot_be_saved_says_why(void **state)
{
    struct result result;

    (void)state;
    fill(&result, true);
    struct run_report report = {.title = "chaos", .result = &result, .machine = &machine};
    assert_int_equal(run_report_save("/nowhere/at/all.html", &report), -ENOENT);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(run_report_save("/dev/full", &report), -ENOSPC);
    }
    result_free(&result);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_all_that_is_in_the_result),
        cmocka_unit_test(what_broke_stands_first),
        cmocka_unit_test(a_page_needs_nothing_and_runs_nothing),
        cmocka_unit_test(no_peak_is_lost),
        cmocka_unit_test(a_page_drawn_from_json_is_the_same),
        cmocka_unit_test(bad_results_are_refused),
        cmocka_unit_test(an_empty_result_still_makes_a_page),
        cmocka_unit_test(the_named_latency_stands_last),
        cmocka_unit_test(a_page_that_cannot_be_saved_says_why),
    };

    verdict_create();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
