// SPDX-License-Identifier: MIT
// The iterator's ways to grow a chain, and to show its bytes in place.

#include "tests/unit/mem_support.h"

#include <errno.h>

static uint8_t flat[20000];

static int
fill_flat(void **state)
{
    for (size_t i = 0; i < sizeof(flat); i++) {
        flat[i] = (uint8_t)(i * 17 + i / 256);
    }
    return mem_setup(state);
}

#define append_test(function) cmocka_unit_test_setup_teardown(function, fill_flat, mem_teardown)

// --- Append -------------------------------------------------------------------------------------

static void
append_of_any_size_at_any_fill_keeps_every_byte(void **state)
{
    const size_t fills[] = {0, 1, 4031, 4032};
    const size_t sizes[] = {1, 2, 31, 4031, 4032, 4033, 8064, 8065, 15000};

    for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            struct weir_chain chain = {NULL, NULL};
            struct weir_iter iter;

            (void)chain_add(&chain, flat, fills[i], 0);
            iter = weir_chain_end(&chain);
            assert_int_equal(weir_iter_append(&iter, flat + fills[i], sizes[j]), 0);
            assert_same_place(iter, weir_chain_end(&chain));
            assert_true(weir_iter_is_end(&iter));
            assert_true(chain_equals(&chain, flat, fills[i] + sizes[j]));
            weir_chain_return(&chain);
        }
    }
    (void)state;
}

static void
append_byte_by_byte_leases_one_block_per_4032_bytes(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter iter;

    (void)chain_add(&chain, flat, 0, 0);
    iter = weir_chain_end(&chain);
    for (size_t i = 0; i < 8064; i++) {
        assert_int_equal(weir_iter_append(&iter, flat + i, 1), 0);
    }
    assert_int_equal(blocks_out(), 2);
    assert_true(chain_equals(&chain, flat, 8064));
    weir_chain_return(&chain);
    (void)state;
}

static void
append_away_from_the_end_is_refused(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter iter;

    (void)chain_add(&chain, flat, 4, 0);
    iter = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_append(&iter, flat, 1), -EINVAL); // before the last byte
    iter = weir_chain_end(&chain);
    (void)chain_add(&chain, flat, 0, 0);
    assert_int_equal(weir_iter_append(&iter, flat, 1), -EINVAL); // not in the last block
    assert_int_equal(weir_iter_append_ascii(&iter, "x"), -EINVAL);
    iter = weir_chain_end(&chain);
    assert_int_equal(weir_iter_append(&iter, NULL, 1), -EINVAL);
    assert_int_equal(weir_iter_append(&iter, NULL, 0), 0);
    assert_int_equal(weir_iter_append(&iter, flat + 4, 1), 0);
    assert_true(chain_equals(&chain, flat, 5));
    weir_chain_return(&chain);
    (void)state;
}

static void
append_without_memory_changes_nothing(void **state)
{
    const size_t size = 3u << 20; // more than two regions
    uint8_t *data = calloc(1, size);
    int status = -ENOMEM;

    assert_non_null(data);
    for (unsigned long nth = 1; status != 0; nth++) {
        struct weir_chain chain = {NULL, NULL};
        struct weir_iter iter;
        struct weir_iter before;

        (void)chain_add(&chain, flat, 100, 0);
        iter = weir_chain_end(&chain);
        before = iter;
        wi_heap_fail(nth, 0);
        status = weir_iter_append(&iter, data, size);
        wi_heap_fail(0, 0);
        if (status != 0) {
            assert_int_equal(status, -ENOMEM);
            assert_same_place(iter, before);
            assert_same_place(weir_chain_end(&chain), before);
            assert_true(chain_equals(&chain, flat, 100));
            assert_int_equal(blocks_out(), 1);
        } else {
            assert_true(nth > 4);
            assert_int_equal(weir_chain_size(&chain), size + 100);
        }
        weir_chain_return(&chain);
        pool_rest();
    }
    free(data);
    (void)state;
}

static void
append_ascii_takes_text_and_refuses_the_rest_whole(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter iter;
    char all[128];

    for (int i = 0; i < 127; i++) {
        all[i] = (char)(i + 1);
    }
    all[127] = '\0';
    (void)chain_add(&chain, "", 0, 0);
    iter = weir_chain_end(&chain);
    assert_int_equal(weir_iter_append_ascii(&iter, all), 0);
    assert_int_equal(weir_iter_append_ascii(&iter, ""), 0);
    assert_int_equal(weir_iter_append_ascii(&iter, NULL), -EINVAL);
    assert_int_equal(weir_iter_append_ascii(&iter, "caf\xc3\xa9"), -EILSEQ);
    assert_int_equal(weir_iter_append_ascii(&iter, "\x80"), -EILSEQ);
    assert_true(chain_equals(&chain, all, 127));
    weir_chain_return(&chain);
    (void)state;
}

// --- Segments -----------------------------------------------------------------------------------

static void
segments_cover_the_bytes_block_by_block(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    const size_t sizes[] = {0, 10, 0, 5, 0};
    struct weir_segment segment;
    struct weir_iter iter;
    size_t at = 0;

    for (size_t i = 0; i < 5; i++) {
        (void)chain_add(&chain, flat + at, sizes[i], 3);
        at += sizes[i];
    }
    iter = weir_chain_begin(&chain);
    assert_true(weir_iter_segment(&iter, weir_chain_end(&chain), &segment));
    assert_int_equal(segment.size, 10);
    assert_memory_equal(segment.data, flat, 10);
    assert_true(weir_iter_segment(&iter, weir_chain_end(&chain), &segment));
    assert_int_equal(segment.size, 5);
    assert_memory_equal(segment.data, flat + 10, 5);
    assert_false(weir_iter_segment(&iter, weir_chain_end(&chain), &segment));
    assert_true(weir_iter_is_end(&iter));
    weir_chain_return(&chain);
    (void)state;
}

static void
segment_stops_at_the_end_it_is_given(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_segment segment = {NULL, 77};
    struct weir_iter iter;
    struct weir_iter end;

    (void)chain_add(&chain, flat, 10, 0);
    (void)chain_add(&chain, flat + 10, 10, 0);
    for (size_t from = 0; from <= 20; from++) {
        for (size_t to = from; to <= 20; to++) {
            size_t size = 0;

            iter = weir_chain_begin(&chain);
            end = iter;
            assert_int_equal(weir_iter_skip(&iter, from), 0);
            assert_int_equal(weir_iter_skip(&end, to), 0);
            while (weir_iter_segment(&iter, end, &segment)) {
                assert_true(segment.size > 0);
                assert_memory_equal(segment.data, flat + from + size, segment.size);
                size += segment.size;
            }
            assert_int_equal(size, to - from);
        }
    }
    weir_chain_return(&chain);
    (void)state;
}

static void
neighbouring_blocks_are_one_segment(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_segment segment;
    struct weir_iter iter;
    struct weir_iter end;
    size_t rest;

    assert_int_equal(weir_chain_append(&chain, flat, 20000), 0); // of a fresh slab: neighbours
    iter = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_skip(&iter, 100), 0);
    assert_true(weir_iter_segment(&iter, weir_chain_end(&chain), &segment));
    assert_int_equal(segment.size, 19900);
    assert_memory_equal(segment.data, flat + 100, 19900);
    assert_same_place(iter, weir_chain_end(&chain));
    assert_false(weir_iter_segment(&iter, weir_chain_end(&chain), &segment));

    iter = weir_chain_begin(&chain);
    end = iter;
    assert_int_equal(weir_iter_skip(&end, 9000), 0);
    assert_true(weir_iter_segment(&iter, end, &segment));
    assert_int_equal(segment.size, 9000);
    assert_same_place(iter, end);
    assert_int_equal(weir_iter_length(iter, weir_chain_end(&chain), &rest), 0);
    assert_int_equal(rest, 11000);
    weir_chain_return(&chain);
    (void)state;
}

static void
segment_without_an_end_runs_to_the_end_of_the_chain(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter none = {NULL, 0};
    struct weir_segment segment;
    struct weir_iter iter;

    (void)chain_add(&chain, flat, 10, 0);
    iter = weir_chain_begin(&chain);
    assert_true(weir_iter_segment(&iter, none, &segment));
    assert_int_equal(segment.size, 10);
    assert_false(weir_iter_segment(&iter, none, &segment));
    weir_chain_return(&chain);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        append_test(append_of_any_size_at_any_fill_keeps_every_byte),
        append_test(append_byte_by_byte_leases_one_block_per_4032_bytes),
        append_test(append_away_from_the_end_is_refused),
        append_test(append_without_memory_changes_nothing),
        append_test(append_ascii_takes_text_and_refuses_the_rest_whole),
        append_test(segments_cover_the_bytes_block_by_block),
        append_test(segment_stops_at_the_end_it_is_given),
        append_test(neighbouring_blocks_are_one_segment),
        append_test(segment_without_an_end_runs_to_the_end_of_the_chain),
    };

    return cmocka_run_group_tests_name("iter_append", tests, NULL, NULL);
}
