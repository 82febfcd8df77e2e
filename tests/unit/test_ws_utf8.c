// SPDX-License-Identifier: MIT
#include "netio/ws/utf8.h"
#include "tests/lib/utf8_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool
is_text(const unsigned char *bytes, size_t size)
{
    struct wi_utf8 utf8 = {0};

    return wi_utf8_check(&utf8, bytes, size) && wi_utf8_is_whole(&utf8);
}

static bool
model(const unsigned char *bytes, size_t size)
{
    while (size != 0) {
        size_t length = utf8_model_character(bytes, size);

        if (length == 0) {
            return false;
        }
        bytes += length;
        size -= length;
    }
    return true;
}

static void
every_two_bytes_are_judged_as_by_the_definition(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 0x10000; value++) {
        unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};

        assert_int_equal(is_text(bytes, 1), model(bytes, 1));
        assert_int_equal(is_text(bytes, 2), model(bytes, 2));
    }
}

static void
every_three_and_four_bytes_at_an_edge_are_judged_so(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
                                          0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff};
    enum { EDGES = sizeof(edges) };
    unsigned char bytes[4];

    (void)state;
    for (unsigned i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
        bytes[0] = edges[i % EDGES];
        bytes[1] = edges[i / EDGES % EDGES];
        bytes[2] = edges[i / EDGES / EDGES % EDGES];
        bytes[3] = edges[i / EDGES / EDGES / EDGES];
        assert_int_equal(is_text(bytes, 3), model(bytes, 3));
        assert_int_equal(is_text(bytes, 4), model(bytes, 4));
    }
}

static void
what_is_wrong_is_known_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t good; // so many of them may begin a text
    } cases[] = {
        {"\xc0\x80", 0},                         // a longer form of NUL
        {"\xe0\x9f\xbf", 1},                     // of U+07FF
        {"\xf0\x8f\xbf\xbf", 1},                 // of U+FFFF
        {"\xed\xa0\x80", 1},                     // a surrogate
        {"\xed\xbf\xbf", 1},                     //
        {"\xf4\x90\x80\x80", 1},                 // above U+10FFFF
        {"\xf5\x80\x80\x80", 0},                 //
        {"\xf8\x88\x80\x80\x80", 0},             // five bytes
        {"\x80", 0},                             // goes on with nothing
        {"abc\xe2\x82g", 5},                     // breaks off
        {"\xce\xba\xe1\xbd\xb9\xed\xa0\x80", 6}, // the vector of Autobahn's 6.4
        {"12345678\xff", 8},                     // behind a whole word
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const unsigned char *bytes = (const unsigned char *)cases[i].bytes;
        struct wi_utf8 utf8 = {0};

        for (size_t j = 0; j < cases[i].good; j++) {
            assert_true(wi_utf8_check(&utf8, bytes + j, 1));
        }
        assert_false(wi_utf8_check(&utf8, bytes + cases[i].good, 1));
        assert_false(is_text(bytes, strlen(cases[i].bytes)));
    }
}

static void
it_makes_no_difference_where_a_text_is_cut(void **state)
{
    static const char text[] = "Hello \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 "
                               "\xf0\x9f\x8c\x8a\xef\xbf\xbd\xf4\x8f\xbf\xbf and on in ASCII";
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = sizeof(text) - 1;

    (void)state;
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            struct wi_utf8 utf8 = {0};

            assert_true(wi_utf8_check(&utf8, bytes, first));
            assert_int_equal(wi_utf8_is_whole(&utf8), model(bytes, first));
            assert_true(wi_utf8_check(&utf8, bytes + first, second - first));
            assert_true(wi_utf8_check(&utf8, bytes + second, size - second));
            assert_true(wi_utf8_is_whole(&utf8));
        }
    }
}

static void
random_bytes_are_judged_as_by_the_definition(void **state)
{
    uint64_t seed = 88172645463325252u;
    unsigned char bytes[24];

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t size = i % sizeof(bytes);

        for (size_t j = 0; j < size; j++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[j] = seed & 0x300 ? (unsigned char)(seed & 0x7f) : (unsigned char)seed;
        }
        assert_int_equal(is_text(bytes, size), model(bytes, size));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_two_bytes_are_judged_as_by_the_definition),
        cmocka_unit_test(every_three_and_four_bytes_at_an_edge_are_judged_so),
        cmocka_unit_test(what_is_wrong_is_known_at_once),
        cmocka_unit_test(it_makes_no_difference_where_a_text_is_cut),
        cmocka_unit_test(random_bytes_are_judged_as_by_the_definition),
    };

    return cmocka_run_group_tests_name("ws_utf8", tests, NULL, NULL);
}
