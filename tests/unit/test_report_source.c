// with: stormlib
// SPDX-License-Identifier: MIT
// What weir-storm report takes from files, and the page and the picture it makes of that.

#include "stress/sight/report_source.h"

#include "stress/sight/report_page.h"
#include "stress/storm/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COMPARISON                                                                              \
    "{\"case\":\"echo\",\"extra\":[],\"results\":{\"weir\":{\"instructions\":600,\"calls\":2}," \
    "\"uv\":{\"instructions\":800,\"calls\":3}}}"
#define RUN                                                                                      \
    "{\"scenario\":\"chaos\",\"summary\":\"all\",\"seed\":7,\"figures\":{\"rate\":{\"value\":5," \
    "\"unit\":\"/s\"}},\"latencies_ns\":{\"round trip\":{\"histogram\":\"32 5 5:1\"}},"          \
    "\"claims\":[{\"kind\":\"time\",\"held\":true,\"claim\":\"fast\",\"found\":\"5\"}]}"
#define TARGETS                                                                   \
    "{\"figures\":{\"a\":" COMPARISON ",\"b\":" COMPARISON "},\"targets\":["      \
    "{\"what\":\"w\",\"target\":\"< 3\",\"measured\":\"2\",\"verdict\":\"met\"}," \
    "{\"what\":\"v\",\"target\":\"< 1\",\"measured\":\"2\",\"verdict\":\"missed?\"}]}"

// Read this text out of a file.
static bool
add_text(struct sources *sources, const char *text)
{
    char path[] = "/tmp/weir-report-XXXXXX";
    int fd = mkstemp(path);
    size_t size = strlen(text);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(close(fd), 0);
    bool is_good = sources_add_file(sources, path);
    assert_int_equal(unlink(path), 0);
    return is_good;
}

static char *
page_of(const struct sources *sources)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    report_page(to, sources);
    fclose(to);
    return text;
}

// The picture, or NULL; @p ret_wrong is why.
static char *
picture_of(const struct sources *sources, const char *key, const char **ret_wrong)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    *ret_wrong = report_picture(to, sources, key);
    fclose(to);
    if (*ret_wrong != NULL) {
        free(text);
        return NULL;
    }
    return text;
}

static void
a_file_may_hold_several_values(void **state)
{
    struct sources sources = {NULL, 0};

    (void)state;
    assert_true(add_text(&sources, RUN "\n" COMPARISON " " RUN "\n"));
    assert_int_equal(sources.count, 3);
    assert_int_equal(sources.list[0].kind, SOURCE_RUN);
    assert_string_equal(sources.list[0].title, "chaos");
    assert_int_equal(sources.list[1].kind, SOURCE_COMPARE);
    assert_string_equal(sources.list[1].title, "echo");
    char *page = page_of(&sources);
    assert_non_null(strstr(page, ">Side by side<"));
    assert_non_null(strstr(page, ">held: 1 of 1 claims<"));
    assert_non_null(strstr(page, ">User instructions per message<"));
    free(page);
    sources_free(&sources);
}

static void
targets_come_with_their_comparisons(void **state)
{
    struct sources sources = {NULL, 0};

    (void)state;
    assert_true(add_text(&sources, TARGETS));
    assert_int_equal(sources.count, 3);
    assert_int_equal(sources.list[0].kind, SOURCE_TARGETS);
    assert_int_equal(sources.list[2].kind, SOURCE_COMPARE);
    char *page = page_of(&sources);
    assert_non_null(strstr(page, "<tr class=\"good\"><td>met</td><td>w</td>"));
    assert_non_null(strstr(page, "<tr class=\"warn\"><td>missed?</td><td>v</td>"));
    free(page);
    sources_free(&sources);
}

static void
what_cannot_be_read_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "[1]",
        RUN "x",
        "{\"figures\":{\"a\":5},\"targets\":[]}",
        "{\"scenario\":\"x\",\"figures\":{},\"latencies_ns\":{\"a\":{}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sources sources = {NULL, 0};

        assert_false(add_text(&sources, bad[i]));
        sources_free(&sources);
    }
    struct sources sources = {NULL, 0};
    assert_false(sources_add_file(&sources, "/nowhere/at/all"));
    sources_free(&sources);
}

static void
a_picture_shows_the_figure_that_is_asked_for(void **state)
{
    struct sources sources = {NULL, 0};
    const char *wrong;

    (void)state;
    assert_true(add_text(&sources, COMPARISON));
    sources.list[0].title = "A title";
    sources.list[0].target = 300;
    char *picture = picture_of(&sources, NULL, &wrong);
    assert_non_null(picture);
    assert_non_null(strstr(picture, ">A title<"));
    assert_non_null(strstr(picture, ">User instructions per message; less is better<"));
    assert_non_null(strstr(picture, ">target 300<"));
    free(picture);
    picture = picture_of(&sources, "calls", &wrong);
    assert_non_null(picture);
    assert_non_null(strstr(picture, ">System calls per message; less is better<"));
    free(picture);
    assert_null(picture_of(&sources, "nothing", &wrong));
    assert_string_equal(wrong, "a comparison has no such figure");
    sources_free(&sources);
}

static void
a_picture_is_of_runs_or_of_comparisons(void **state)
{
    struct sources sources = {NULL, 0};
    const char *wrong;

    (void)state;
    assert_true(add_text(&sources, RUN RUN));
    char *picture = picture_of(&sources, NULL, &wrong);
    assert_non_null(picture);
    assert_non_null(strstr(picture, ">Latency by percentile<"));
    free(picture);
    assert_true(add_text(&sources, COMPARISON));
    assert_null(picture_of(&sources, NULL, &wrong));
    assert_non_null(wrong);
    sources_free(&sources);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_may_hold_several_values),
        cmocka_unit_test(targets_come_with_their_comparisons),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(a_picture_shows_the_figure_that_is_asked_for),
        cmocka_unit_test(a_picture_is_of_runs_or_of_comparisons),
    };

    verdict_create();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
