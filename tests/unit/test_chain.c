// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include <errno.h>

static uint8_t flat[40000];

static int
fill_flat(void **state)
{
    for (size_t i = 0; i < sizeof(flat); i++) {
        flat[i] = (uint8_t)(i * 31 + i / 256);
    }
    return mem_setup(state);
}

#define chain_test(function) cmocka_unit_test_setup_teardown(function, fill_flat, mem_teardown)

// A chain of these bytes in blocks of these sizes, each a few bytes into its payload.
static struct weir_chain
chain_of(const uint8_t *data, const size_t *sizes, size_t count)
{
    struct weir_chain chain = {NULL, NULL};

    for (size_t i = 0; i < count; i++) {
        (void)chain_add(&chain, data, sizes[i], i % 3);
        data += sizes[i];
    }
    return chain;
}

static size_t
chain_blocks(const struct weir_chain *chain)
{
    size_t count = 0;

    for (const struct weir_block *block = chain->head; block != NULL; block = block->next) {
        assert_true(block->next != NULL || block == chain->tail);
        count++;
    }
    return count;
}

// --- Empty --------------------------------------------------------------------------------------

static void
everything_is_legal_on_an_empty_chain(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_chain other = {NULL, NULL};
    struct weir_iter begin = weir_chain_begin(&chain);
    struct weir_iter end = weir_chain_end(&chain);

    assert_true(weir_iter_is_default(&begin));
    assert_true(weir_iter_is_default(&end));
    assert_int_equal(weir_chain_size(&chain), 0);
    assert_int_equal(weir_chain_append(&chain, NULL, 0), 0);
    assert_null(chain.head);
    weir_chain_splice(&chain, &other);
    weir_chain_splice(&chain, &chain);
    assert_int_equal(weir_chain_consume(&chain, 0), 0);
    assert_int_equal(weir_chain_consume(&chain, 1), -EINVAL);
    assert_int_equal(weir_chain_split(&chain, 0, &other), 0);
    assert_int_equal(weir_chain_split(&chain, 1, &other), -EINVAL);
    assert_null(other.head);
    weir_chain_return(&chain);
    (void)state;
}

// --- Append -------------------------------------------------------------------------------------

static void
append_fills_the_tail_before_it_leases(void **state)
{
    struct weir_chain chain = {NULL, NULL};

    assert_int_equal(weir_chain_append(&chain, flat, 4000), 0);
    assert_int_equal(chain_blocks(&chain), 1);
    assert_int_equal(weir_chain_append(&chain, flat + 4000, 32), 0);
    assert_int_equal(chain_blocks(&chain), 1);
    assert_int_equal(weir_chain_append(&chain, flat + 4032, 1), 0);
    assert_int_equal(chain_blocks(&chain), 2);
    assert_int_equal(weir_chain_append(&chain, flat + 4033, 4032), 0);
    assert_int_equal(chain_blocks(&chain), 3);
    assert_int_equal(weir_chain_size(&chain), 8065);
    assert_true(chain_equals(&chain, flat, 8065));
    weir_chain_return(&chain);
    assert_null(chain.head);
    assert_null(chain.tail);
    (void)state;
}

static void
append_of_any_size_up_to_ten_blocks_keeps_every_byte(void **state)
{
    for (size_t size = 1; size < sizeof(flat); size += 977) {
        struct weir_chain chain = {NULL, NULL};

        assert_int_equal(weir_chain_append(&chain, flat, size), 0);
        assert_true(chain_equals(&chain, flat, size));
        assert_int_equal(chain_blocks(&chain), (size + 4031) / 4032);
        weir_chain_return(&chain);
    }
    (void)state;
}

static void
append_follows_blocks_that_an_iterator_added(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_iter end;

    assert_int_equal(weir_chain_append(&chain, flat, 10), 0);
    end = weir_chain_end(&chain);
    assert_int_equal(weir_iter_append(&end, flat + 10, 9990), 0);
    assert_int_equal(weir_chain_append(&chain, flat + 10000, 5000), 0);
    end = weir_chain_end(&chain);
    assert_ptr_equal(end.block, chain.tail);
    assert_true(chain_equals(&chain, flat, 15000));
    weir_chain_return(&chain);
    (void)state;
}

static void
append_without_data_or_chain_is_refused(void **state)
{
    struct weir_chain chain = {NULL, NULL};

    assert_int_equal(weir_chain_append(&chain, NULL, 1), -EINVAL);
    assert_int_equal(weir_chain_append(NULL, flat, 1), -EINVAL);
    assert_null(chain.head);
    (void)state;
}

static void
append_without_memory_leaves_the_chain_unchanged(void **state)
{
    const size_t size = 3u << 20; // more than two regions
    uint8_t *data = calloc(1, size);
    unsigned long allocations;

    assert_non_null(data);
    for (unsigned long nth = 1;; nth++) {
        struct weir_chain chain = {NULL, NULL};
        struct weir_chain before;

        assert_int_equal(weir_chain_append(&chain, flat, 100), 0);
        before = chain;
        wi_heap_fail(nth, 0);
        int status = weir_chain_append(&chain, data, size);
        allocations = wi_heap_fail_count();
        wi_heap_fail(0, 0);
        if (status == 0) {
            assert_int_equal(weir_chain_size(&chain), size + 100);
        } else {
            assert_int_equal(status, -ENOMEM);
            assert_memory_equal(&chain, &before, sizeof(chain));
            assert_true(chain_equals(&chain, flat, 100));
            assert_int_equal(blocks_out(), 1);
        }
        weir_chain_return(&chain);
        pool_rest();
        if (status == 0) {
            assert_true(nth > allocations);
            assert_true(nth > 4);
            break;
        }
    }
    free(data);
    (void)state;
}

// --- Blocks by hand -----------------------------------------------------------------------------

static void
filled_block_becomes_the_tail(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);
    struct weir_block *large = weir_block_lease(9000);

    assert_non_null(block);
    assert_non_null(large);
    memcpy(weir_block_data(block), flat, 4032);
    memcpy(weir_block_data(large), flat + 4032, 9000);
    assert_int_equal(weir_chain_append_block(&chain, block, 4032), 0);
    assert_int_equal(weir_chain_append_block(&chain, large, 9000), 0);
    assert_true(chain_equals(&chain, flat, 13032));
    assert_int_equal(weir_chain_append(&chain, flat + 13032, 10), 0);
    assert_true(chain_equals(&chain, flat, 13042));
    weir_chain_return(&chain);
    (void)state;
}

static void
block_that_cannot_be_appended_stays_the_callers(void **state)
{
    struct weir_chain chain = {NULL, NULL};
    struct weir_chain other = {NULL, NULL};
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);
    struct weir_block copy;

    assert_non_null(block);
    copy = *block;
    assert_int_equal(weir_chain_append_block(&chain, NULL, 0), -EINVAL);
    assert_int_equal(weir_chain_append_block(NULL, block, 0), -EINVAL);
    assert_int_equal(weir_chain_append_block(&chain, block, 4033), -EINVAL);
    assert_int_equal(weir_chain_append_block(&chain, &copy, 1), -EINVAL);
    assert_null(chain.head);
    assert_int_equal(weir_chain_append_block(&chain, block, 0), 0);
    assert_int_equal(weir_chain_append_block(&other, block, 0), -EINVAL);
    assert_int_equal(weir_chain_append_block(&chain, block, 0), -EINVAL);
    assert_int_equal(chain_blocks(&chain), 1);
    weir_chain_return(&chain);
    (void)state;
}

// --- Splice -------------------------------------------------------------------------------------

static void
splice_moves_all_blocks_and_empties_the_source(void **state)
{
    const size_t sizes[] = {5, 0, 7};
    struct weir_chain chain = {NULL, NULL};
    struct weir_chain first = chain_of(flat, sizes, 3);
    struct weir_chain second = chain_of(flat + 12, sizes, 3);

    weir_chain_splice(&chain, &first);
    assert_true(chain_equals(&chain, flat, 12));
    assert_null(first.head);
    assert_null(first.tail);
    weir_chain_splice(&chain, &second);
    weir_chain_splice(&chain, &second);
    weir_chain_splice(&chain, &chain);
    assert_int_equal(chain_blocks(&chain), 6);
    assert_true(chain_equals(&chain, flat, 24));
    weir_chain_return(&chain);
    (void)state;
}

// --- Consume and split --------------------------------------------------------------------------

static const size_t mixed[] = {0, 5, 1, 0, 0, 300, 1, 1, 4000, 0, 34, 25, 197, 0};
#define MIXED      (sizeof(mixed) / sizeof(mixed[0]))
#define MIXED_SIZE 4564u

static void
consume_drops_the_front_at_every_place(void **state)
{
    for (size_t size = 0; size <= MIXED_SIZE; size++) {
        struct weir_chain chain = chain_of(flat, mixed, MIXED);
        uint64_t out = blocks_out();

        assert_int_equal(weir_chain_consume(&chain, size), 0);
        assert_true(chain_equals(&chain, flat + size, MIXED_SIZE - size));
        assert_int_equal(chain_blocks(&chain), blocks_out());
        assert_int_equal(blocks_out() == out, size == 0); // the first block is empty, and goes
        weir_chain_return(&chain);
    }
    (void)state;
}

static void
consume_beyond_the_end_drops_nothing(void **state)
{
    struct weir_chain chain = chain_of(flat, mixed, MIXED);

    assert_int_equal(weir_chain_consume(&chain, MIXED_SIZE + 1), -EINVAL);
    assert_int_equal(weir_chain_consume(&chain, SIZE_MAX), -EINVAL);
    assert_true(chain_equals(&chain, flat, MIXED_SIZE));
    weir_chain_return(&chain);
    (void)state;
}

static void
consumed_chain_can_grow_again(void **state)
{
    struct weir_chain chain = {NULL, NULL};

    assert_int_equal(weir_chain_append(&chain, flat, 9000), 0);
    assert_int_equal(weir_chain_consume(&chain, 9000), 0);
    assert_null(chain.head);
    assert_null(chain.tail);
    assert_int_equal(weir_chain_append(&chain, flat, 9000), 0);
    assert_int_equal(weir_chain_consume(&chain, 8999), 0);
    assert_int_equal(weir_chain_append(&chain, flat + 9000, 1), 0);
    assert_true(chain_equals(&chain, flat + 8999, 2));
    weir_chain_return(&chain);
    (void)state;
}

static void
split_cuts_at_every_place(void **state)
{
    for (size_t size = 0; size <= MIXED_SIZE; size++) {
        struct weir_chain chain = chain_of(flat, mixed, MIXED);
        struct weir_chain front = {NULL, NULL};

        assert_int_equal(weir_chain_split(&chain, size, &front), 0);
        assert_true(chain_equals(&front, flat, size));
        assert_true(chain_equals(&chain, flat + size, MIXED_SIZE - size));
        assert_int_equal(chain_blocks(&chain) + chain_blocks(&front), blocks_out());
        assert_int_equal(weir_chain_append(&front, "x", 1), 0); // the tail is right
        assert_int_equal(weir_chain_append(&chain, "y", 1), 0);
        assert_int_equal(weir_chain_size(&front), size + 1);
        assert_int_equal(weir_chain_size(&chain), MIXED_SIZE - size + 1);
        weir_chain_return(&chain);
        weir_chain_return(&front);
    }
    (void)state;
}

static void
split_of_a_one_off_block_copies_the_smaller_part(void **state)
{
    for (size_t size = 1000; size < 20000; size += 1000) {
        struct weir_chain chain = {NULL, NULL};
        struct weir_chain front = {NULL, NULL};
        struct weir_block *block = weir_block_lease(20000);

        assert_non_null(block);
        memcpy(weir_block_data(block), flat, 20000);
        assert_int_equal(weir_chain_append_block(&chain, block, 20000), 0);
        assert_int_equal(weir_chain_split(&chain, size, &front), 0);
        assert_ptr_equal(size <= 10000 ? chain.head : front.head, block);
        assert_true(chain_equals(&front, flat, size));
        assert_true(chain_equals(&chain, flat + size, 20000 - size));
        weir_chain_return(&chain);
        weir_chain_return(&front);
    }
    (void)state;
}

static void
split_that_cannot_be_done_leaves_the_chain_as_it_was(void **state)
{
    const size_t size = 20000;
    struct weir_chain chain = {NULL, NULL};
    struct weir_chain front = {NULL, NULL};
    struct weir_block *block = weir_block_lease(size);

    assert_non_null(block);
    memcpy(weir_block_data(block), flat, size);
    assert_int_equal(weir_chain_append_block(&chain, block, size), 0);
    assert_int_equal(weir_chain_split(&chain, size + 1, &front), -EINVAL);
    assert_int_equal(weir_chain_split(&chain, 1, NULL), -EINVAL);
    wi_heap_fail(1, 0);
    assert_int_equal(weir_chain_split(&chain, 9000, &front), -ENOMEM);
    wi_heap_fail(0, 0);
    assert_null(front.head);
    assert_true(chain_equals(&chain, flat, size));
    assert_int_equal(weir_chain_append(&front, "x", 1), 0);
    assert_int_equal(weir_chain_split(&chain, 1, &front), -EINVAL); // not empty
    assert_true(chain_equals(&front, "x", 1));
    weir_chain_return(&chain);
    weir_chain_return(&front);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        chain_test(everything_is_legal_on_an_empty_chain),
        chain_test(append_fills_the_tail_before_it_leases),
        chain_test(append_of_any_size_up_to_ten_blocks_keeps_every_byte),
        chain_test(append_follows_blocks_that_an_iterator_added),
        chain_test(append_without_data_or_chain_is_refused),
        chain_test(append_without_memory_leaves_the_chain_unchanged),
        chain_test(filled_block_becomes_the_tail),
        chain_test(block_that_cannot_be_appended_stays_the_callers),
        chain_test(splice_moves_all_blocks_and_empties_the_source),
        chain_test(consume_drops_the_front_at_every_place),
        chain_test(consume_beyond_the_end_drops_nothing),
        chain_test(consumed_chain_can_grow_again),
        chain_test(split_cuts_at_every_place),
        chain_test(split_of_a_one_off_block_copies_the_smaller_part),
        chain_test(split_that_cannot_be_done_leaves_the_chain_as_it_was),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
