// SPDX-License-Identifier: MIT
//
// Compressed messages: the vectors of RFC 7692, contexts, bad data, bombs.
#include "netio/ws/deflate.h"

#include "weir/weir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 1 << 20 };

// A message unpacked, given `step` bytes at a time. Its size, or -errno.
static long
unpack(struct wi_ws_unpacker *unpacker, const void *data, size_t size, size_t step,
       unsigned char *ret_text)
{
    const unsigned char *from = data;
    size_t got = 0;
    size_t at = 0;

    do {
        size_t part = step < size - at ? step : size - at;
        struct wi_ws_unpacked out;

        wi_ws_unpacker_give(unpacker, from + at, part);
        at += part;
        do {
            int result = wi_ws_unpack(unpacker, at == size, &out);

            if (result < 0) {
                return result;
            }
            assert_true(out.size <= TEXT_MAX - got);
            if (out.size != 0) {
                memcpy(ret_text + got, out.data, out.size);
            }
            got += out.size;
        } while (out.has_more);
    } while (at < size);
    wi_ws_unpacker_rest(unpacker);
    return (long)got;
}

static size_t
pack(struct wi_ws_packer *packer, const void *data, size_t size, unsigned char *ret_packed)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter at;
    size_t packed;

    assert_int_equal(wi_ws_pack(packer, data, size / 2, &chain), 0);
    assert_int_equal(
        wi_ws_pack(packer, (const unsigned char *)data + size / 2, size - size / 2, &chain), 0);
    assert_int_equal(wi_ws_pack_end(packer, &chain), 0);
    packed = weir_chain_size(&chain);
    at = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_copy_out(&at, ret_packed, TEXT_MAX), packed);
    weir_chain_return(&chain);
    return packed;
}

static void
the_rfcs_messages_are_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},                         // 7.2.3.1
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},        // 7.2.3.3: no compression
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},                     // 7.2.3.4: a last block
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13} // 7.2.3.5: two blocks
    };
    unsigned char text[64];

    (void)state;
    for (size_t step = 1; step < 16; step++) {
        struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);

        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(unpack(unpacker, cases[i].bytes, cases[i].size, step, text), 5);
            assert_memory_equal(text, "Hello", 5);
        }
        // 7.2.3.2: refers to the message before, also when that said it was the last block.
        assert_int_equal(unpack(unpacker, "\xf2\x00\x11\x00\x00", 5, step, text), 5);
        assert_memory_equal(text, "Hello", 5);
        assert_int_equal(unpack(unpacker, cases[2].bytes, cases[2].size, step, text), 5);
        assert_int_equal(unpack(unpacker, "\xf2\x00\x11\x00\x00", 5, step, text), 5);
        assert_memory_equal(text, "Hello", 5);
        assert_int_equal(unpack(unpacker, "\x00", 1, step, text), 0); // 7.2.3.6: an empty one
        wi_ws_unpacker_free(unpacker);
    }
}

static void
without_a_context_nothing_is_referred_to(void **state)
{
    struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, false);
    unsigned char text[64];

    (void)state;
    assert_int_equal(unpack(unpacker, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, 7, text), 5);
    assert_int_equal(unpack(unpacker, "\xf2\x00\x11\x00\x00", 5, 5, text), -EILSEQ);
    wi_ws_unpacker_free(unpacker);
}

static void
what_does_not_end_with_its_message_is_refused(void **state)
{
    static const char whole[] = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    unsigned char text[64];

    (void)state;
    for (size_t size = 1; size < 6; size++) {
        struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);

        assert_int_equal(unpack(unpacker, whole, size, 64, text), -EILSEQ);
        wi_ws_unpacker_free(unpacker);
    }
    for (unsigned first = 0; first < 256; first++) { // a block of the type that there is not
        struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);
        unsigned char bytes[] = {(unsigned char)(first | 6), 0xff, 0xff};

        assert_int_equal(unpack(unpacker, bytes, sizeof(bytes), 64, text), -EILSEQ);
        wi_ws_unpacker_free(unpacker);
    }
}

static void
fill(unsigned char *text, size_t size, unsigned kind)
{
    uint64_t seed = 88172645463325252u + kind;

    for (size_t i = 0; i < size; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        text[i] = kind == 0   ? 'a'
                  : kind == 1 ? (unsigned char)seed
                              : (unsigned char)("the quick brown fox "[(seed >> 8) % 20]);
    }
}

static void
what_is_packed_is_unpacked_again(void **state)
{
    unsigned char *text = malloc(TEXT_MAX);
    unsigned char *packed = malloc(TEXT_MAX + 4096);
    unsigned char *again = malloc(TEXT_MAX);

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        unsigned bits = 9 + i % 7;
        bool keeps = i % 2 == 0;
        struct wi_ws_packer *packer = wi_ws_packer_make(bits, keeps, 1 + (int)i);
        struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(bits, keeps);
        // Sizes at which blocks fill up, so that the tail is cut in two.
        static const size_t sizes[] = {1,    5,    4020, 4027, 4028,  4029,   4030,
                                       4031, 4032, 4033, 8064, 60000, 1000000};

        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            for (unsigned kind = 0; kind < 3; kind++) {
                size_t size = sizes[j];
                size_t out;

                fill(text, size, kind);
                out = pack(packer, text, size, packed);
                assert_true(kind != 0 || size < 1000 || out < size / 50);
                assert_int_equal(unpack(unpacker, packed, out, 700, again), size);
                assert_memory_equal(again, text, size);
            }
        }
        wi_ws_packer_free(packer);
        wi_ws_unpacker_free(unpacker);
    }
    free(text);
    free(packed);
    free(again);
}

static void
every_size_around_a_block_is_cut_well(void **state)
{
    struct wi_ws_packer *packer = wi_ws_packer_make(15, true, 1);
    struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);
    unsigned char *text = malloc(8192);
    unsigned char *packed = malloc(TEXT_MAX);
    unsigned char *again = malloc(TEXT_MAX);

    (void)state;
    for (size_t size = 3980; size < 4070; size++) {
        size_t out;

        fill(text, size, 1); // as large packed as it is
        out = pack(packer, text, size, packed);
        assert_int_equal(unpack(unpacker, packed, out, 4096, again), size);
        assert_memory_equal(again, text, size);
    }
    free(text);
    free(packed);
    free(again);
    wi_ws_packer_free(packer);
    wi_ws_unpacker_free(unpacker);
}

static void
a_packer_is_as_new_after_a_message_that_was_not_sent(void **state)
{
    struct wi_ws_packer *packer = wi_ws_packer_make(15, true, 1);
    struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);
    unsigned char packed[256], text[256];
    size_t size;

    (void)state;
    size = pack(packer, "Hello", 5, packed);
    assert_int_equal(unpack(unpacker, packed, size, 99, text), 5);
    pack(packer, "lost, lost, lost", 16, packed);
    wi_ws_packer_reset(packer);
    size = pack(packer, "lost and found", 14, packed);
    assert_int_equal(unpack(unpacker, packed, size, 99, text), 14);
    assert_memory_equal(text, "lost and found", 14);
    wi_ws_packer_free(packer);
    wi_ws_unpacker_free(unpacker);
}

static void
a_bomb_comes_in_small_steps(void **state)
{
    struct wi_ws_packer *packer = wi_ws_packer_make(15, false, 9);
    struct wi_ws_unpacker *unpacker = wi_ws_unpacker_make(15, true);
    unsigned char *text = calloc(1, TEXT_MAX);
    unsigned char *packed = malloc(TEXT_MAX);
    size_t size = pack(packer, text, TEXT_MAX, packed);
    struct wi_ws_unpacked out;
    unsigned steps = 0;
    size_t all = 0;

    (void)state;
    assert_true(size < TEXT_MAX / 900);
    wi_ws_unpacker_give(unpacker, packed, size);
    do {
        assert_int_equal(wi_ws_unpack(unpacker, true, &out), 0);
        assert_true(out.size <= 8192);
        all += out.size;
        steps++;
    } while (out.has_more);
    assert_int_equal(all, TEXT_MAX);
    assert_true(steps >= TEXT_MAX / 8192);
    free(text);
    free(packed);
    wi_ws_packer_free(packer);
    wi_ws_unpacker_free(unpacker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_messages_are_read),
        cmocka_unit_test(without_a_context_nothing_is_referred_to),
        cmocka_unit_test(what_does_not_end_with_its_message_is_refused),
        cmocka_unit_test(what_is_packed_is_unpacked_again),
        cmocka_unit_test(every_size_around_a_block_is_cut_well),
        cmocka_unit_test(a_packer_is_as_new_after_a_message_that_was_not_sent),
        cmocka_unit_test(a_bomb_comes_in_small_steps),
    };

    return wi_ws_has_deflate() ? cmocka_run_group_tests_name("ws_deflate", tests, NULL, NULL) : 0;
}
