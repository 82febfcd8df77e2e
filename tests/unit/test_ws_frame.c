// SPDX-License-Identifier: MIT
#include "netio/ws/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct wi_ws_rules server = {.is_server = true};
static const struct wi_ws_rules client = {.is_server = false};
static const struct wi_ws_rules packing = {.is_server = false, .may_compress = true};

// A head of the rules' reader, whole and byte by byte: the same answer, at the same byte.
static int
read_head(struct wi_ws_frame *frame, const unsigned char *bytes, size_t size,
          const struct wi_ws_rules *rules)
{
    int result = wi_ws_frame_read(frame, bytes, size, rules);
    int slowly = -EAGAIN;

    for (size_t i = 0; i <= size && slowly == -EAGAIN; i++) {
        struct wi_ws_frame other;

        slowly = wi_ws_frame_read(&other, bytes, i, rules);
        assert_true(slowly <= (int)i);
    }
    assert_int_equal(slowly, result);
    return result;
}

static void
every_first_byte_is_judged(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        unsigned char bytes[2] = {(unsigned char)first, 0};
        unsigned opcode = first & 0xf;
        bool is_final = (first & 0x80) != 0;
        bool is_data = opcode <= 2;
        bool is_control = opcode >= 8 && opcode <= 10;
        bool is_packed = (first & 0x40) != 0;
        bool is_good = (first & 0x30) == 0 && (is_data || (is_control && is_final));
        struct wi_ws_frame frame;

        assert_int_equal(read_head(&frame, bytes, 2, &client), is_good && !is_packed ? 2 : -EPROTO);
        is_good &= !is_packed || opcode == 1 || opcode == 2;
        assert_int_equal(read_head(&frame, bytes, 2, &packing), is_good ? 2 : -EPROTO);
        if (is_good) {
            assert_int_equal(frame.opcode, opcode);
            assert_int_equal(frame.is_final, is_final);
            assert_int_equal(frame.is_compressed, is_packed);
        }
    }
}

static void
a_mask_is_wanted_of_clients_and_of_nobody_else(void **state)
{
    static const unsigned char masked[] = {0x81, 0x83, 1, 2, 3, 4};
    static const unsigned char plain[] = {0x81, 0x03, 1, 2, 3, 4};
    struct wi_ws_frame frame;

    (void)state;
    assert_int_equal(read_head(&frame, masked, sizeof(masked), &server), 6);
    assert_memory_equal(frame.key, masked + 2, 4);
    assert_true(frame.is_masked);
    assert_int_equal(read_head(&frame, plain, sizeof(plain), &server), -EPROTO);
    assert_int_equal(read_head(&frame, plain, sizeof(plain), &client), 2);
    assert_false(frame.is_masked);
    assert_int_equal(read_head(&frame, masked, sizeof(masked), &client), -EPROTO);
}

static void
a_length_has_one_form(void **state)
{
    static const struct {
        unsigned char bytes[10];
        size_t size;
        int result;
    } cases[] = {
        {{0x82, 125}, 2, 2},
        {{0x82, 126, 0, 126}, 4, 4},
        {{0x82, 126, 0, 125}, 4, -EPROTO},
        {{0x82, 126, 0xff, 0xff}, 4, 4},
        {{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10, 10},
        {{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 10, -EPROTO},
        {{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 10, 10},
        {{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 10, -EPROTO},
        {{0x89, 125}, 2, 2},
        {{0x89, 126, 0, 126}, 4, -EPROTO}, // a control frame is short
        {{0x88, 127}, 2, -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wi_ws_frame frame;

        assert_int_equal(read_head(&frame, cases[i].bytes, cases[i].size, &client),
                         cases[i].result);
    }
}

static void
what_is_written_is_read_again(void **state)
{
    static const uint64_t sizes[] = {0,     1,     125,        126,        127,      65535,
                                     65536, 65537, 1ULL << 31, 1ULL << 32, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned j = 0; j < 8; j++) {
            struct wi_ws_rules rules = {.is_server = (j & 1) != 0, .may_compress = true};
            struct wi_ws_frame frame = {
                .size = sizes[i],
                .opcode = j & 2 ? WI_WS_TEXT : WI_WS_BINARY,
                .is_final = (j & 4) != 0,
                .is_compressed = (j & 2) != 0,
                .is_masked = rules.is_server,
                .key = {9, 8, 7, 6},
            };
            struct wi_ws_frame again;
            unsigned char bytes[WI_WS_FRAME_MAX];
            size_t size = wi_ws_frame_write(bytes, &frame);

            assert_true(size <= sizeof(bytes));
            assert_int_equal(read_head(&again, bytes, size, &rules), size);
            assert_true(again.size == frame.size);
            assert_int_equal(again.opcode, frame.opcode);
            assert_int_equal(again.is_final, frame.is_final);
            assert_int_equal(again.is_compressed, frame.is_compressed);
            assert_int_equal(again.is_masked, frame.is_masked);
            assert_true(!frame.is_masked || memcmp(again.key, frame.key, 4) == 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_first_byte_is_judged),
        cmocka_unit_test(a_mask_is_wanted_of_clients_and_of_nobody_else),
        cmocka_unit_test(a_length_has_one_form),
        cmocka_unit_test(what_is_written_is_read_again),
    };

    return cmocka_run_group_tests_name("ws_frame", tests, NULL, NULL);
}
