// SPDX-License-Identifier: MIT
#include "netio/ws/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 512 };
static const unsigned char key[4] = {0x12, 0x9a, 0xf0, 0x01};

static void
fill(unsigned char *bytes)
{
    for (size_t i = 0; i < ROOM; i++) {
        bytes[i] = (unsigned char)(i * 31 + 7);
    }
}

// What RFC 6455, section 5.3, says, one byte after the other.
static void
model(unsigned char *to, const unsigned char *from, size_t size, uint64_t position)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i] ^ key[(position + i) % 4];
    }
}

static void
it_is_what_the_model_says_at_every_alignment_and_size(void **state)
{
    unsigned char from[ROOM], to[ROOM], wanted[ROOM];

    (void)state;
    fill(from);
    for (size_t begin = 0; begin < 40; begin++) {
        for (size_t size = 0; size < 140; size++) {
            for (size_t other = 0; other < 9; other += 3) {
                uint64_t position = begin * 3 + size;

                memset(to, 0xee, sizeof(to));
                memset(wanted, 0xee, sizeof(wanted));
                model(wanted + other, from + begin, size, position);
                wi_ws_mask(to + other, from + begin, size, key, position);
                assert_memory_equal(to, wanted, ROOM);
            }
        }
    }
}

static void
it_works_in_place_and_undoes_itself(void **state)
{
    unsigned char bytes[ROOM], before[ROOM], wanted[ROOM];

    (void)state;
    fill(before);
    for (size_t begin = 0; begin < 33; begin++) {
        memcpy(bytes, before, ROOM);
        memcpy(wanted, before, ROOM);
        model(wanted + begin, before + begin, 400, 2);
        wi_ws_mask(bytes + begin, bytes + begin, 400, key, 2);
        assert_memory_equal(bytes, wanted, ROOM);
        wi_ws_mask(bytes + begin, bytes + begin, 400, key, 2);
        assert_memory_equal(bytes, before, ROOM);
    }
}

static void
pieces_are_the_whole(void **state)
{
    unsigned char from[ROOM], to[ROOM], wanted[ROOM];

    (void)state;
    fill(from);
    model(wanted, from, ROOM, 0);
    for (size_t step = 1; step < 80; step++) {
        for (size_t at = 0; at < ROOM; at += step) {
            size_t size = step < ROOM - at ? step : ROOM - at;

            wi_ws_mask(to + at, from + at, size, key, at);
        }
        assert_memory_equal(to, wanted, ROOM);
    }
}

static void
a_position_above_32_bits_counts(void **state)
{
    unsigned char from[64], to[64], wanted[64];
    uint64_t position = (UINT64_C(1) << 40) + 3;

    (void)state;
    memset(from, 0x55, sizeof(from));
    model(wanted, from, sizeof(from), position);
    wi_ws_mask(to, from, sizeof(from), key, position);
    assert_memory_equal(to, wanted, sizeof(to));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_model_says_at_every_alignment_and_size),
        cmocka_unit_test(it_works_in_place_and_undoes_itself),
        cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(a_position_above_32_bits_counts),
    };

    return cmocka_run_group_tests_name("ws_mask", tests, NULL, NULL);
}
