// SPDX-License-Identifier: MIT
// What a request's target means as a path below a folder, and what it cannot mean.

#include "target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

const char program_name[] = "test";

static void
expect_path(const char *text, const char *path, bool is_hidden)
{
    struct target target;

    assert_int_equal(target_parse(&target, text, strlen(text)), 0);
    assert_string_equal(target.path, path);
    assert_int_equal(target.path_size, strlen(path));
    assert_int_equal(target.is_hidden, is_hidden);
}

static void
expect_refused(const char *text, unsigned status)
{
    struct target target;

    assert_int_equal(target_parse(&target, text, strlen(text)), status);
}

static void
a_plain_path_is_itself(void **state)
{
    (void)state;
    expect_path("/", "/", false);
    expect_path("/a", "/a", false);
    expect_path("/a/b.c", "/a/b.c", false);
    expect_path("/a/b/", "/a/b/", false);
    expect_path("/a;b=c,d", "/a;b=c,d", false);
}

static void
escapes_are_decoded_once(void **state)
{
    (void)state;
    expect_path("/%61%62", "/ab", false);
    expect_path("/%2561", "/%61", false);
    expect_path("/%c3%A4", "/\xc3\xa4", false);
    expect_path("/a%20b", "/a b", false);
    expect_path("/%5c", "/\\", false);
}

static void
escapes_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {"/%",    "/%4",   "/%g1",    "/%1g",  "/%00",
                                        "/a%2f", "/%2Fb", "/a%00.b", "/%%30", "/% 1"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_refused(wrong[i], 400);
    }
}

static void
dot_segments_are_resolved_also_when_escaped(void **state)
{
    (void)state;
    expect_path("/a/./b", "/a/b", false);
    expect_path("/a/../b", "/b", false);
    expect_path("/a/b/..", "/a/", false);
    expect_path("/a/.", "/a/", false);
    expect_path("/a/%2e%2e/b", "/b", false);
    expect_path("/a/%2E/b", "/a/b", false);
    expect_path("/a/b/c/../../d", "/a/d", false);
    expect_path("/a/...", "/a/...", true);
}

static void
nothing_leaves_the_root(void **state)
{
    static const char *const wrong[] = {"/..",         "/../a",         "/a/../../b", "/%2e%2e/",
                                        "/.%2e/etc/x", "/a/../%2E./b/", "/./..",      "//../x"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_refused(wrong[i], 400);
    }
}

static void
empty_segments_are_nothing(void **state)
{
    (void)state;
    expect_path("//a", "/a", false);
    expect_path("/a//b///", "/a/b/", false);
    expect_path("//example.org/..", "/", false);
}

static void
what_begins_with_a_dot_is_hidden_but_for_well_known(void **state)
{
    (void)state;
    expect_path("/.a", "/.a", true);
    expect_path("/a/.git/config", "/a/.git/config", true);
    expect_path("/%2ehtaccess", "/.htaccess", true);
    expect_path("/.well-known/x", "/.well-known/x", false);
    expect_path("/a/.well-known/x", "/a/.well-known/x", true);
    expect_path("/.well-known/.x", "/.well-known/.x", true);
    expect_path("/.well-knownx", "/.well-knownx", true);
    expect_path("/.well-known", "/.well-known", false);
    expect_path("/.a/../b", "/b", false); // what is left again is not asked for
}

static void
a_query_is_kept_apart(void **state)
{
    struct target target;

    (void)state;
    assert_int_equal(target_parse(&target, "/a?b=/../%2f", 12), 0);
    assert_string_equal(target.path, "/a");
    assert_int_equal(target.query_size, 10);
    assert_memory_equal(target.query, "?b=/../%2f", 10);
    assert_int_equal(target_parse(&target, "/a", 2), 0);
    assert_null(target.query);
}

static void
the_absolute_form_names_a_host(void **state)
{
    struct target target;
    const char *text = "http://Example.org:80/a/../b?c";

    (void)state;
    assert_int_equal(target_parse(&target, text, strlen(text)), 0);
    assert_string_equal(target.path, "/b");
    assert_int_equal(target.authority_size, 14);
    assert_memory_equal(target.authority, "Example.org:80", 14);
    assert_int_equal(target_parse(&target, "http://a?b", 10), 0);
    assert_string_equal(target.path, "/");
    assert_int_equal(target.authority_size, 1);
    assert_int_equal(target_parse(&target, "*", 1), 0);
    assert_true(target.is_asterisk);
}

static void
what_is_no_target_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",     "a",      "ftp://a/", "http://", "http:///a", "http:/a",       "http://u@a/",
        "/a#b", "/a\x7f", "/a b",     "/a?b c",  "/a?b#c",    "example.org:80"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        expect_refused(wrong[i], 400);
    }
}

static void
a_path_longer_than_any_files_is_414(void **state)
{
    char text[2 * TARGET_PATH_MAX];
    struct target target;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    assert_int_equal(target_parse(&target, text, TARGET_PATH_MAX - 3), 0);
    assert_int_equal(target_parse(&target, text, TARGET_PATH_MAX), 414);
    assert_int_equal(target_parse(&target, text, sizeof(text)), 414);
}

static void
what_is_escaped_is_read_back_as_it_was(void **state)
{
    char path[256] = "/";
    char text[3 * sizeof(path)];
    struct target target;
    size_t size;

    (void)state;
    for (unsigned c = 1, at = 1; c < 256; c++) {
        if (c != '/' && c != '.') {
            path[at++] = (char)c;
        }
    }
    size = target_escape(path, text, sizeof(text));
    assert_int_equal(size, strlen(text));
    assert_int_equal(target_parse(&target, text, strlen(text)), 0);
    assert_string_equal(target.path, path);
    assert_int_equal(target_escape("/\x01", text, 4), 4);
    assert_true(strlen(text) < 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_path_is_itself),
        cmocka_unit_test(escapes_are_decoded_once),
        cmocka_unit_test(escapes_that_are_none_are_refused),
        cmocka_unit_test(dot_segments_are_resolved_also_when_escaped),
        cmocka_unit_test(nothing_leaves_the_root),
        cmocka_unit_test(empty_segments_are_nothing),
        cmocka_unit_test(what_begins_with_a_dot_is_hidden_but_for_well_known),
        cmocka_unit_test(a_query_is_kept_apart),
        cmocka_unit_test(the_absolute_form_names_a_host),
        cmocka_unit_test(what_is_no_target_is_refused),
        cmocka_unit_test(a_path_longer_than_any_files_is_414),
        cmocka_unit_test(what_is_escaped_is_read_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
