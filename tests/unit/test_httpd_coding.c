// SPDX-License-Identifier: MIT
// Which of several codings a client gets.

#include "coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

const char program_name[] = "test";

#define BR   (1u << CODING_BR)
#define ZSTD (1u << CODING_ZSTD)
#define GZIP (1u << CODING_GZIP)
#define SELF (1u << CODING_IDENTITY)
#define ALL  (BR | ZSTD | GZIP | SELF)

static enum coding
choice(const char *value, unsigned available)
{
    struct weir_http_field field = {"Accept-Encoding", value, 15, (uint32_t)strlen(value)};
    struct accepted accepted;
    struct asked asked;

    asked_collect(&asked, &field, 1);
    coding_accepted(&asked, &accepted);
    return coding_choose(&accepted, available);
}

static void
without_preference_the_smallest_comes_first(void **state)
{
    (void)state;
    assert_int_equal(choice("gzip, deflate, br, zstd", ALL), CODING_BR);
    assert_int_equal(choice("gzip, zstd", ALL), CODING_ZSTD);
    assert_int_equal(choice("gzip, br", GZIP | SELF), CODING_GZIP);
    assert_int_equal(choice("*", ALL), CODING_BR);
    assert_int_equal(choice("x-gzip", ALL), CODING_GZIP);
    assert_int_equal(choice("GZIP", ALL), CODING_GZIP);
}

static void
weights_decide(void **state)
{
    (void)state;
    assert_int_equal(choice("br;q=0.5, gzip;q=0.8", ALL), CODING_GZIP);
    assert_int_equal(choice("br;q=0.001, gzip;q=0", ALL), CODING_BR);
    assert_int_equal(choice("gzip;q=0.5, identity;q=1", ALL), CODING_IDENTITY);
    assert_int_equal(choice("gzip ; Q=1.000 , br ; q=0.999", ALL), CODING_GZIP);
    assert_int_equal(choice("*;q=0.5, gzip", ALL), CODING_GZIP);
    assert_int_equal(choice("gzip;q=0, *", GZIP | SELF), CODING_IDENTITY);
}

static void
identity_is_there_unless_it_is_refused(void **state)
{
    (void)state;
    assert_int_equal(choice("", ALL), CODING_IDENTITY);
    assert_int_equal(choice("deflate", ALL), CODING_IDENTITY);
    assert_int_equal(choice("gzip", SELF), CODING_IDENTITY);
    assert_int_equal(choice("identity;q=0", SELF), CODINGS);
    assert_int_equal(choice("*;q=0", ALL), CODINGS);
    assert_int_equal(choice("identity;q=0, gzip", ALL), CODING_GZIP);
    assert_int_equal(choice("*;q=0, identity", ALL), CODING_IDENTITY);
}

static void
several_fields_are_one_list(void **state)
{
    struct weir_http_field fields[] = {WEIR_HTTP_FIELD("accept-encoding", "br;q=0.1"),
                                       WEIR_HTTP_FIELD("Host", "x"),
                                       WEIR_HTTP_FIELD("Accept-Encoding", "gzip;q=0.2")};
    struct accepted accepted;
    struct asked asked;

    (void)state;
    asked_collect(&asked, fields, 3);
    coding_accepted(&asked, &accepted);
    assert_int_equal(coding_choose(&accepted, ALL), CODING_GZIP);
    assert_int_equal(coding_choose(&accepted, BR | SELF), CODING_BR);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_preference_the_smallest_comes_first),
        cmocka_unit_test(weights_decide),
        cmocka_unit_test(identity_is_there_unless_it_is_refused),
        cmocka_unit_test(several_fields_are_one_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
