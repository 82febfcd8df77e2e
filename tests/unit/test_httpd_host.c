// SPDX-License-Identifier: MIT
// Whose a request is, by the name it is for; media types; what of strangers goes into a log.

#include "access.h"
#include "host.h"
#include "media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char program_name[] = "test";

static const struct host *
find(const struct hosts *hosts, const char *authority)
{
    return hosts_find(hosts, authority, strlen(authority));
}

static void
a_host_is_found_in_any_case_without_its_port(void **state)
{
    struct hosts hosts = {0};

    (void)state;
    hosts_add(&hosts);
    assert_int_equal(hosts_name(&hosts, hosts_add(&hosts), "Example.org"), 0);
    assert_int_equal(hosts_name(&hosts, &hosts.all[1], "www.example.org"), 0);
    assert_int_equal(hosts_name(&hosts, hosts_add(&hosts), "[::1]"), 0);
    assert_int_equal(hosts_name(&hosts, &hosts.all[2], "example.org."), -EEXIST);
    assert_int_equal(hosts_sort(&hosts), 0);
    assert_ptr_equal(find(&hosts, "example.org"), &hosts.all[1]);
    assert_ptr_equal(find(&hosts, "EXAMPLE.ORG:8080"), &hosts.all[1]);
    assert_ptr_equal(find(&hosts, "www.example.org.:80"), &hosts.all[1]);
    assert_ptr_equal(find(&hosts, "[::1]:80"), &hosts.all[2]);
    assert_ptr_equal(find(&hosts, "[::1]"), &hosts.all[2]);
    hosts_free(&hosts);
}

static void
others_are_nobody(void **state)
{
    static const char *const others[] = {
        "",       "example.com", "xexample.org",  "example.org.x", ":80", "[::1",
        "[::1]x", ".",           "exam\tple.org", "a@example.org"};
    struct hosts hosts = {0};

    (void)state;
    hosts_add(&hosts);
    assert_int_equal(hosts_name(&hosts, hosts_add(&hosts), "example.org"), 0);
    assert_int_equal(hosts_name(&hosts, &hosts.all[1], "a/b"), -EINVAL);
    assert_int_equal(hosts_name(&hosts, &hosts.all[1], ""), -EINVAL);
    assert_int_equal(hosts_sort(&hosts), 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(find(&hosts, others[i]));
    }
    hosts_free(&hosts);
}

static void
media_are_known_by_the_last_ending(void **state)
{
    struct media *media = media_create();

    (void)state;
    assert_string_equal(media_type(media, "a/b.html"), "text/html; charset=utf-8");
    assert_string_equal(media_type(media, "/b.tar.GZ"), "application/gzip");
    assert_string_equal(media_type(media, "a.png/b"), "application/octet-stream");
    assert_string_equal(media_type(media, "a"), "application/octet-stream");
    assert_string_equal(media_type(media, "a."), "application/octet-stream");
    assert_int_equal(media_add(media, "html", "text/x"), 0);
    assert_int_equal(media_add(media, "x.y", "text/x"), -EINVAL);
    assert_int_equal(media_add(media, "x", "text\r\n/x"), -EINVAL);
    assert_int_equal(media_add(media, "x", "text"), -EINVAL);
    assert_string_equal(media_type(media, "a/b.html"), "text/x");
    media_free(media);
}

static void
every_known_ending_is_found(void **state)
{
    static const char *const known[] = {"7z", "css", "js", "svg", "woff2", "zst", "wasm", "txt"};
    struct media *media = media_create();

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char path[16];

        snprintf(path, sizeof(path), "x.%s", known[i]);
        assert_string_not_equal(media_type(media, path), "application/octet-stream");
    }
    media_free(media);
}

static void
what_strangers_say_cannot_leave_its_quotes(void **state)
{
    char out[64];
    size_t size = access_escape(out, 0, sizeof(out), "a\" \n\x1b[2J\\\xc3", 10);

    (void)state;
    assert_int_equal(size, 25);
    assert_memory_equal(out, "a\\x22 \\x0a\\x1b[2J\\x5c\\xc3", 25);
    assert_int_equal(access_escape(out, 0, 3, "\n", 1), 0); // no half of an escape
    assert_int_equal(access_escape(out, 0, 3, "abcdef", 6), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_found_in_any_case_without_its_port),
        cmocka_unit_test(others_are_nobody),
        cmocka_unit_test(media_are_known_by_the_last_ending),
        cmocka_unit_test(every_known_ending_is_found),
        cmocka_unit_test(what_strangers_say_cannot_leave_its_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
