// SPDX-License-Identifier: MIT
//
// What may be in a value: each byte at each place of values up to a few words long.

#include "netio/http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_TRIED 27u

static bool
may_be_in_a_value(unsigned byte, bool is_at_an_edge)
{
    return byte == ' ' || byte == '\t' ? !is_at_an_edge : byte > ' ' && byte != 0x7f;
}

static void
a_byte_is_in_a_value_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t size = 1; size <= SIZE_TRIED; size++) {
        for (size_t at = 0; at < size; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[SIZE_TRIED];

                memset(text, 'x', sizeof(text));
                text[at] = (char)byte;
                assert_int_equal(wi_http_is_value(text, size),
                                 may_be_in_a_value(byte, at == 0 || at == size - 1));
            }
        }
    }
    assert_true(wi_http_is_value("", 0));
}

static void
two_bytes_do_not_hide_one_another(void **state)
{
    (void)state;
    for (size_t at = 1; at < 15; at++) {
        for (unsigned first = 0; first < 256; first++) {
            for (unsigned second = 0; second < 256; second++) {
                char text[17];

                memset(text, 'x', sizeof(text));
                text[at] = (char)first;
                text[at + 1] = (char)second;
                assert_int_equal(wi_http_is_value(text, sizeof(text)),
                                 may_be_in_a_value(first, false) &&
                                     may_be_in_a_value(second, false));
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_is_in_a_value_wherever_it_stands),
        cmocka_unit_test(two_bytes_do_not_hide_one_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
