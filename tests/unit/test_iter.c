// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include "mem/seek.h"

#include <errno.h>

// A chain of these texts, one block each, each a few bytes into its payload.
static struct weir_chain
chain_of(const char *const *texts, size_t count)
{
    struct weir_chain chain = {NULL, NULL};

    for (size_t i = 0; i < count; i++) {
        (void)chain_add(&chain, texts[i], strlen(texts[i]), i * 5 % 7);
    }
    return chain;
}

// A chain of blocks of these sizes, with the bytes 0, 1, 2 … 255, 0 …
static struct weir_chain
chain_counting(const size_t *sizes, size_t count)
{
    struct weir_chain chain = {NULL, NULL};
    uint8_t bytes[1024];
    uint8_t next = 0;

    for (size_t i = 0; i < count; i++) {
        assert_true(sizes[i] <= sizeof(bytes));
        for (size_t j = 0; j < sizes[i]; j++) {
            bytes[j] = next++;
        }
        (void)chain_add(&chain, bytes, sizes[i], 0);
    }
    return chain;
}

static struct weir_iter
iter_at(const struct weir_chain *chain, size_t offset)
{
    struct weir_iter iter = weir_chain_begin(chain);

    assert_int_equal(weir_iter_skip(&iter, offset), 0);
    return iter;
}

// --- The default iterator -----------------------------------------------------------------------

static void
default_iterator_is_refused_or_ignored_by_every_operation(void **state)
{
    struct weir_iter iter = {NULL, 0};
    struct weir_segment segment;
    uint64_t value = 77;
    size_t size = 77;

    assert_true(weir_iter_is_default(&iter));
    assert_true(weir_iter_is_end(&iter));
    assert_int_equal(weir_iter_take(&iter), -EINVAL);
    assert_int_equal(weir_iter_peek(&iter), -EINVAL);
    assert_int_equal(weir_iter_peek_u64(&iter, &value), -EINVAL);
    assert_int_equal(weir_iter_skip(&iter, 0), -EINVAL);
    assert_int_equal(weir_iter_seek(&iter, 0, 0, 0), -EINVAL);
    assert_int_equal(weir_iter_put(&iter, 1), -EINVAL);
    assert_int_equal(weir_iter_length(iter, iter, &size), -EINVAL);
    assert_int_equal(weir_iter_copy_out(&iter, NULL, 5), 0);
    assert_int_equal(weir_iter_append(&iter, "x", 1), -EINVAL);
    assert_int_equal(weir_iter_append(&iter, NULL, 0), -EINVAL);
    assert_int_equal(weir_iter_append_ascii(&iter, "x"), -EINVAL);
    assert_false(weir_iter_segment(&iter, iter, &segment));
    assert_int_equal(value, 77);
    assert_int_equal(size, 77);
    (void)state;
}

// --- K-T13: blocks ------------------------------------------------------------------------------

// K-T13 SeekWorks, and K-T14 FindFirstEqualByte: all values, from every place, in one block.
static void
seek_works(void **state)
{
    const size_t sizes[] = {256};
    struct weir_chain chain = chain_counting(sizes, 1);

    for (unsigned value = 0; value < 256; value++) {
        struct weir_iter iter = weir_chain_begin(&chain);

        assert_int_equal(weir_iter_seek(&iter, (uint8_t)value, (uint8_t)value, (uint8_t)value),
                         value);
        assert_int_equal(iter.index, value);
        for (unsigned from = 0; from <= value; from += 1 + value / 16) {
            iter = iter_at(&chain, from);
            assert_int_equal(weir_iter_seek(&iter, (uint8_t)value, (uint8_t)value, (uint8_t)value),
                             value);
            assert_int_equal(iter.index, value);
        }
        iter = iter_at(&chain, value + 1);
        assert_int_equal(weir_iter_seek(&iter, (uint8_t)value, (uint8_t)value, (uint8_t)value),
                         -ENODATA);
        assert_true(weir_iter_is_end(&iter));
        assert_int_equal(iter.index, 256);
    }
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 SeekWorksAcrossBlocks
static void
seek_works_across_blocks(void **state)
{
    const size_t sizes[] = {34, 25, 197};
    struct weir_chain chain = chain_counting(sizes, 3);

    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        struct weir_iter iter = weir_chain_begin(&chain);
        size_t size;

        assert_int_equal(weir_iter_seek(&iter, byte, byte, byte), value);
        assert_int_equal(weir_iter_length(weir_chain_begin(&chain), iter, &size), 0);
        assert_int_equal(size, value);
        assert_int_equal(weir_iter_take(&iter), value);
    }
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 GetLengthBetweenIteratorsWorks: every pair of places in 64 blocks of 4 bytes.
static void
get_length_between_iterators_works(void **state)
{
    static struct weir_iter places[257];
    size_t sizes[64];
    struct weir_chain chain;
    size_t size;

    for (size_t i = 0; i < 64; i++) {
        sizes[i] = 4;
    }
    chain = chain_counting(sizes, 64);
    for (size_t i = 0; i <= 256; i++) {
        places[i] = iter_at(&chain, i);
    }
    for (size_t i = 0; i <= 256; i++) {
        for (size_t j = i; j <= 256; j++) {
            assert_int_equal(weir_iter_length(places[i], places[j], &size), 0);
            assert_int_equal(size, j - i);
            assert_int_equal(weir_iter_length(places[j], places[i], &size), i == j ? 0 : -EINVAL);
        }
    }
    weir_chain_return(&chain);
    (void)state;
}

static void
one_place_with_two_names_is_no_distance(void **state)
{
    const char *texts[] = {"abc", "", "", "def"};
    struct weir_chain chain = chain_of(texts, 4);
    struct weir_iter before = iter_at(&chain, 3);
    struct weir_iter behind = before;
    size_t size = 77;

    behind.block = chain.tail;
    behind.index = chain.tail->begin;
    assert_int_equal(weir_iter_length(before, behind, &size), 0);
    assert_int_equal(size, 0);
    size = 77;
    assert_int_equal(weir_iter_length(behind, before, &size), 0);
    assert_int_equal(size, 0);
    behind.index++;
    assert_int_equal(weir_iter_length(behind, before, &size), -EINVAL);
    assert_int_equal(weir_iter_length(before, behind, NULL), -EINVAL);
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 AddDoesNotAdvanceAtEndOfCurrentBlock
static void
add_does_not_advance_at_end_of_current_block(void **state)
{
    const size_t sizes[] = {100, 100};
    struct weir_chain chain = chain_counting(sizes, 2);
    struct weir_iter iter = weir_chain_begin(&chain);

    assert_int_equal(weir_iter_skip(&iter, 100), 0);
    assert_ptr_equal(iter.block, chain.head);
    assert_int_equal(iter.index, 100);
    assert_int_equal(weir_iter_skip(&iter, 0), 0);
    assert_ptr_equal(iter.block, chain.head);
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 CopyToCorrectlyTraversesBlocks
static void
copy_to_correctly_traverses_blocks(void **state)
{
    const size_t sizes[] = {128, 0, 64, 64, 0};
    struct weir_chain chain = chain_counting(sizes, 5);
    struct weir_iter iter = weir_chain_begin(&chain);
    uint8_t bytes[256];

    assert_int_equal(weir_iter_copy_out(&iter, bytes, 1000), 256);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(bytes[i], i);
    }
    assert_true(weir_iter_is_end(&iter));
    assert_int_equal(weir_iter_copy_out(&iter, bytes, 1), 0);
    iter = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_copy_out(&iter, NULL, 130), 130);
    assert_int_equal(weir_iter_take(&iter), 130);
    assert_int_equal(weir_iter_copy_out(&iter, NULL, 1000), 125);
    assert_int_equal(weir_iter_copy_out(&iter, bytes, 0), 0);
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 CopyFromCorrectlyTraversesBlocks
static void
copy_from_correctly_traverses_blocks(void **state)
{
    static uint8_t bytes[3 * WEIR_BLOCK_SIZE];
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter iter;

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i % 251);
    }
    (void)chain_add(&chain, bytes, 10, 0);
    iter = weir_chain_end(&chain);
    assert_int_equal(weir_iter_append(&iter, bytes + 10, sizeof(bytes) - 10), 0);
    assert_int_equal(iter.block->end, iter.index);
    assert_null(iter.block->next);
    assert_true(chain_equals(&chain, bytes, sizeof(bytes)));
    weir_chain_return(&chain);
    (void)state;
}

// K-T13 IsEndCorrectlyTraversesBlocks
static void
is_end_correctly_traverses_blocks(void **state)
{
    const char *texts[] = {"", "a", "", "b", "", ""};
    struct weir_chain chain = chain_of(texts, 6);
    struct weir_iter iter = weir_chain_begin(&chain);

    assert_false(weir_iter_is_end(&iter));
    assert_int_equal(weir_iter_take(&iter), 'a');
    assert_false(weir_iter_is_end(&iter));
    assert_int_equal(weir_iter_take(&iter), 'b');
    assert_true(weir_iter_is_end(&iter));
    assert_ptr_not_equal(iter.block, chain.tail);
    weir_chain_return(&chain);
    (void)state;
}

// --- K-T14: the iterator ------------------------------------------------------------------------

struct seek_case {
    const char *text;
    const char *values;
    int found;
    int at;
};

// K-T14 MemorySeek
static const struct seek_case seek_cases[] = {
    {"a", "a", 'a', 0},
    {"ab", "a", 'a', 0},
    {"aab", "a", 'a', 0},
    {"acab", "a", 'a', 0},
    {"acab", "c", 'c', 1},
    {"abcdefghijklmnopqrstuvwxyz", "lo", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "ol", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "ll", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "lmr", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "rml", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "mlr", 'l', 11},
    {"abcdefghijklmnopqrstuvwxyz", "lmz", 'l', 11},
    {"aaaaaaaaaaalmnopqrstuvwxyz", "lmr", 'l', 11},
    {"aaaaaaaaaaalmnopqrstuvwxyz", "rml", 'l', 11},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaa", "b", -ENODATA, 26},
    {"/localhost:5000/PATH/%2FPATH2/ HTTP/1.1", " %?", '%', 21},
    {"/localhost:5000/PATH/%2FPATH2/?key=value HTTP/1.1", " %?", '%', 21},
    {"/localhost:5000/PATH/PATH2/?key=value HTTP/1.1", " %?", '?', 27},
    {"/localhost:5000/PATH/PATH2/ HTTP/1.1", " %?", ' ', 27},
};

// Seek in a chain; the place it stopped at as an offset from the begin.
static void
check_seek(const struct weir_chain *chain, const struct seek_case *test)
{
    const size_t count = strlen(test->values);
    struct weir_iter iter = weir_chain_begin(chain);
    size_t size;

    assert_int_equal(weir_iter_seek(&iter, (uint8_t)test->values[0],
                                    (uint8_t)test->values[1 % count],
                                    (uint8_t)test->values[2 % count]),
                     test->found);
    assert_int_equal(weir_iter_length(weir_chain_begin(chain), iter, &size), 0);
    assert_int_equal(size, test->at);
    assert_int_equal(weir_iter_peek(&iter), test->found);
}

static void
memory_seek(void **state)
{
    for (size_t i = 0; i < sizeof(seek_cases) / sizeof(seek_cases[0]); i++) {
        const struct seek_case *test = &seek_cases[i];
        const size_t size = strlen(test->text);

        for (size_t step = 1; step <= size; step++) { // in one block, and in ever smaller ones
            struct weir_chain chain = {NULL, NULL};

            for (size_t at = 0; at < size; at += step) {
                (void)chain_add(&chain, test->text + at, size - at < step ? size - at : step, 0);
            }
            check_seek(&chain, test);
            weir_chain_return(&chain);
        }
    }
    (void)state;
}

// Every size, every place, and bytes outside that must neither be found nor read.
static void
seek_stays_inside_and_every_way_of_it_agrees(void **state)
{
    const uint8_t values[3] = {'x', 0x80, 0xff};

    for (size_t size = 0; size <= 67; size++) {
        uint8_t *bytes = malloc(size + 1);

        assert_non_null(bytes);
        for (size_t at = 0; at <= size; at++) {
            memset(bytes, 'w', size);
            bytes[at] = values[at % 3];
            assert_int_equal(wi_seek(bytes, size, values), at);
            assert_int_equal(wi_seek_words(bytes, size, values), at);
            assert_int_equal(wi_seek_bytes(bytes, size, values), at);
        }
        free(bytes);
        bytes = malloc(size == 0 ? 1 : size); // exactly as large: a sanitizer watches the edge
        assert_non_null(bytes);
        memset(bytes, 0x7f, size);
        assert_int_equal(wi_seek(bytes, size, values), size);
        assert_int_equal(wi_seek_words(bytes, size, values), size);
        free(bytes);
    }
    (void)state;
}

static void
seek_does_not_find_what_lies_around_the_data(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);
    struct weir_iter iter;

    assert_non_null(block);
    memset(block->data, 'x', WEIR_BLOCK_SIZE);
    memset(block->data + 20, 'y', 100);
    assert_int_equal(weir_chain_append_block(&chain, block, 120), 0);
    block->begin = 20;
    iter = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_seek(&iter, 'x', 'x', 'x'), -ENODATA);
    assert_int_equal(iter.index, 120);
    weir_chain_return(&chain);
    (void)state;
}

// K-T14 Put
static void
put_overwrites_across_blocks_and_stops_at_the_end(void **state)
{
    const char *texts[] = {"abc", "", "d", "ef", ""};
    struct weir_chain chain = chain_of(texts, 5);
    struct weir_iter iter = weir_chain_begin(&chain);
    struct weir_iter before;

    for (uint8_t i = 0; i < 6; i++) {
        assert_int_equal(weir_iter_put(&iter, (uint8_t)('A' + i)), 0);
    }
    before = iter;
    assert_int_equal(weir_iter_put(&iter, 'x'), -ENODATA);
    assert_same_place(iter, before);
    assert_true(chain_equals(&chain, "ABCDEF", 6));
    weir_chain_return(&chain);
    (void)state;
}

static void
take_and_peek_stop_at_the_end_and_stay_there(void **state)
{
    const char *texts[] = {"", "\xff", "", "b", ""};
    struct weir_chain chain = chain_of(texts, 5);
    struct weir_iter iter = weir_chain_begin(&chain);
    struct weir_iter before = iter;

    assert_int_equal(weir_iter_peek(&iter), 0xff);
    assert_same_place(iter, before);
    assert_int_equal(weir_iter_take(&iter), 0xff);
    assert_int_equal(weir_iter_peek(&iter), 'b');
    assert_int_equal(weir_iter_take(&iter), 'b');
    before = iter;
    assert_int_equal(weir_iter_take(&iter), -ENODATA);
    assert_int_equal(weir_iter_peek(&iter), -ENODATA);
    assert_same_place(iter, before);
    weir_chain_return(&chain);
    (void)state;
}

// K-T14 PeekLong
static void
peek_long(void **state)
{
    const uint8_t bytes[9] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter iter;
    uint64_t value = 0;

    (void)chain_add(&chain, bytes, sizeof(bytes), 1);
    iter = weir_chain_begin(&chain);
    assert_int_equal(weir_iter_peek_u64(&iter, &value), 0);
    assert_true(value == UINT64_MAX); // a value like any other
    assert_int_equal(weir_iter_skip(&iter, 1), 0);
    assert_int_equal(weir_iter_peek_u64(&iter, &value), 0);
    assert_true(value == UINT64_C(0x01ffffffffffffff));
    assert_int_equal(weir_iter_skip(&iter, 1), 0);
    value = 5;
    assert_int_equal(weir_iter_peek_u64(&iter, &value), -ENODATA);
    assert_true(value == 5);
    assert_int_equal(weir_iter_peek_u64(&iter, NULL), -EINVAL);
    weir_chain_return(&chain);
    (void)state;
}

// K-T14 PeekLongAtBlockBoundary, and over more boundaries than one
static void
peek_long_at_block_boundary(void **state)
{
    for (size_t first = 0; first <= 8; first++) {
        for (size_t second = 0; first + second <= 8; second++) {
            const size_t sizes[] = {1 + first, second, 8 - first - second, 0};
            struct weir_chain chain = chain_counting(sizes, 4);
            struct weir_iter iter = iter_at(&chain, 1);
            struct weir_iter before = iter;
            uint64_t value = 0;

            assert_int_equal(weir_iter_peek_u64(&iter, &value), 0);
            assert_true(value == UINT64_C(0x0807060504030201));
            assert_same_place(iter, before);
            assert_int_equal(weir_iter_take(&iter), 1);
            assert_int_equal(weir_iter_peek_u64(&iter, &value), -ENODATA);
            weir_chain_return(&chain);
        }
    }
    (void)state;
}

// K-T14 SkipAtBlockBoundary
static void
skip_at_block_boundary(void **state)
{
    for (size_t count = 0; count <= 9; count++) {
        const size_t sizes[] = {4, 1, 0, 5};
        struct weir_chain chain = chain_counting(sizes, 4);
        struct weir_iter iter = weir_chain_begin(&chain);

        assert_int_equal(weir_iter_skip(&iter, count), 0);
        assert_int_equal(weir_iter_take(&iter), count);
        weir_chain_return(&chain);
    }
    (void)state;
}

// K-T14 SkipThrows…: too far is an error, and the iterator stays.
static void
skip_too_far_changes_nothing(void **state)
{
    const size_t sizes[] = {3, 0, 2, 0};
    struct weir_chain chain = chain_counting(sizes, 4);
    struct weir_iter iter = iter_at(&chain, 1);
    struct weir_iter before = iter;

    assert_int_equal(weir_iter_skip(&iter, 5), -ENODATA);
    assert_int_equal(weir_iter_skip(&iter, SIZE_MAX), -ENODATA);
    assert_same_place(iter, before);
    assert_int_equal(weir_iter_skip(&iter, 4), 0);
    assert_true(weir_iter_is_end(&iter));
    weir_chain_return(&chain);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(default_iterator_is_refused_or_ignored_by_every_operation),
        mem_test(seek_works),
        mem_test(seek_works_across_blocks),
        mem_test(get_length_between_iterators_works),
        mem_test(one_place_with_two_names_is_no_distance),
        mem_test(add_does_not_advance_at_end_of_current_block),
        mem_test(copy_to_correctly_traverses_blocks),
        mem_test(copy_from_correctly_traverses_blocks),
        mem_test(is_end_correctly_traverses_blocks),
        mem_test(memory_seek),
        mem_test(seek_stays_inside_and_every_way_of_it_agrees),
        mem_test(seek_does_not_find_what_lies_around_the_data),
        mem_test(put_overwrites_across_blocks_and_stops_at_the_end),
        mem_test(take_and_peek_stop_at_the_end_and_stay_there),
        mem_test(peek_long),
        mem_test(peek_long_at_block_boundary),
        mem_test(skip_at_block_boundary),
        mem_test(skip_too_far_changes_nothing),
    };

    return cmocka_run_group_tests_name("iter", tests, NULL, NULL);
}
