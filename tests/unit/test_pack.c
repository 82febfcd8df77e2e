// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include <sched.h>

static void
pieces_lie_one_behind_the_other(void **state)
{
    struct weir_block *first;
    struct weir_block *second;
    uint8_t *a = wi_pack_reserve(10, &first);
    uint8_t *b = wi_pack_reserve(100, &second);

    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_equal(first, second);
    assert_ptr_equal(b, a + 10);
    memset(a, 1, 10);
    memset(b, 2, 100);
    wi_block_unref(first, 1);
    wi_block_unref(second, 1);
    (void)state;
}

static void
piece_that_does_not_fit_opens_another_block(void **state)
{
    struct weir_block *first;
    struct weir_block *second;

    assert_non_null(wi_pack_reserve(4000, &first));
    assert_non_null(wi_pack_reserve(33, &second));
    assert_ptr_not_equal(first, second);
    assert_int_equal(blocks_out(), 2);
    wi_block_unref(first, 1); // not open any more: goes with its last piece
    assert_int_equal(blocks_out(), 1);
    wi_block_unref(second, 1);
    (void)state;
}

static void
whole_block_and_single_bytes_can_be_reserved(void **state)
{
    struct weir_block *block;
    struct weir_block *first;

    assert_non_null(wi_pack_reserve(WEIR_BLOCK_SIZE, &block));
    wi_block_unref(block, 1);
    assert_non_null(wi_pack_reserve(1, &first));
    for (unsigned i = 1; i < WEIR_BLOCK_SIZE; i++) {
        assert_non_null(wi_pack_reserve(1, &block));
        assert_ptr_equal(block, first);
    }
    assert_non_null(wi_pack_reserve(1, &block)); // one more than its bytes
    assert_ptr_not_equal(block, first);
    wi_block_unref(first, WEIR_BLOCK_SIZE);
    wi_block_unref(block, 1);
    (void)state;
}

static void
size_out_of_range_is_refused(void **state)
{
    struct weir_block *block = NULL;

    assert_null(wi_pack_reserve(0, &block));
    assert_null(wi_pack_reserve(WEIR_BLOCK_SIZE + 1, &block));
    assert_null(block);
    (void)state;
}

static void
block_whose_pieces_are_all_back_is_written_anew(void **state)
{
    struct weir_block *first;
    struct weir_block *block;
    uint64_t leased;

    assert_non_null(wi_pack_reserve(3000, &first));
    leased = ledger_mine().leased;
    wi_block_unref(first, 1);
    for (int i = 0; i < 100; i++) {
        assert_non_null(wi_pack_reserve(3000, &block));
        assert_ptr_equal(block, first);
        wi_block_unref(block, 1);
    }
    assert_int_equal(ledger_mine().leased, leased);
    (void)state;
}

static void
close_gives_the_open_block_back_and_pieces_stay(void **state)
{
    struct weir_block *block;
    uint8_t *piece;

    piece = wi_pack_reserve(8, &block);
    assert_non_null(piece);
    memcpy(piece, "12345678", 8);
    wi_pack_close();
    wi_pack_close();
    assert_int_equal(blocks_out(), 1);
    assert_memory_equal(piece, "12345678", 8);
    wi_block_unref(block, 1);
    assert_int_equal(blocks_out(), 0);
    (void)state;
}

static void
failed_reserve_keeps_the_open_block(void **state)
{
    struct weir_block *blocks[31];
    struct weir_block *open;
    struct weir_block *block;

    assert_non_null(wi_pack_reserve(4000, &open));
    for (int i = 0; i < 31; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    // The slab is full. The next one is cut from the region until that is full too.
    struct weir_chain rest = {NULL, NULL};

    wi_heap_fail(1, 1);
    while ((block = weir_block_lease(1)) != NULL) {
        assert_int_equal(weir_chain_append_block(&rest, block, 0), 0);
    }
    assert_null(wi_pack_reserve(100, &block));
    assert_non_null(wi_pack_reserve(32, &block));
    wi_heap_fail(0, 0);
    assert_ptr_equal(block, open);
    wi_block_unref(open, 2);
    weir_chain_return(&rest);
    for (int i = 0; i < 31; i++) {
        weir_block_return(blocks[i]);
    }
    (void)state;
}

static void
idle_open_block_decays(void **state)
{
    uint64_t slabs = slabs_held();
    struct weir_block *block;

    assert_non_null(wi_pack_reserve(8, &block));
    assert_false(wi_pool_decay()); // its piece is out
    wi_block_unref(block, 1);
    assert_true(wi_pool_decay());
    assert_non_null(wi_pack_reserve(8, &block)); // used again
    wi_block_unref(block, 1);
    assert_true(wi_pool_decay());
    assert_int_equal(blocks_out(), 0); // looking at the ledger closes a block nobody uses
    pool_rest();
    assert_int_equal(blocks_out(), 0);
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

// --- Released elsewhere -------------------------------------------------------------------------

#define PIECES 20000u
#define WINDOW 64u

struct piece {
    struct weir_block *block;
    const uint8_t *bytes;
    uint32_t size;
    wi_atomic_bool is_full;
};

static struct piece pieces[WINDOW];
static unsigned piece_failures;

static uint32_t
piece_size(unsigned number)
{
    return 1 + number * 7919u % 300;
}

static void *
release_pieces(void *arg)
{
    (void)arg;
    for (unsigned number = 0; number < PIECES; number++) {
        struct piece *piece = &pieces[number % WINDOW];

        while (!wi_load_acquire(&piece->is_full)) {
            (void)sched_yield();
        }
        for (uint32_t i = 0; i < piece->size; i++) {
            piece_failures += piece->bytes[i] != (uint8_t)number;
        }
        wi_block_unref(piece->block, 1);
        wi_store_release(&piece->is_full, false);
    }
    return NULL;
}

static void
pieces_released_on_another_thread_are_never_overwritten_before(void **state)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, release_pieces, NULL), 0);
    for (unsigned number = 0; number < PIECES; number++) {
        struct piece *piece = &pieces[number % WINDOW];
        uint8_t *bytes;

        while (wi_load_acquire(&piece->is_full)) {
            (void)sched_yield();
        }
        piece->size = piece_size(number);
        bytes = wi_pack_reserve(piece->size, &piece->block);
        assert_non_null(bytes);
        memset(bytes, (uint8_t)number, piece->size);
        piece->bytes = bytes;
        wi_store_release(&piece->is_full, true);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(piece_failures, 0);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(pieces_lie_one_behind_the_other),
        mem_test(piece_that_does_not_fit_opens_another_block),
        mem_test(whole_block_and_single_bytes_can_be_reserved),
        mem_test(size_out_of_range_is_refused),
        mem_test(block_whose_pieces_are_all_back_is_written_anew),
        mem_test(close_gives_the_open_block_back_and_pieces_stay),
        mem_test(failed_reserve_keeps_the_open_block),
        mem_test(idle_open_block_decays),
        mem_test(pieces_released_on_another_thread_are_never_overwritten_before),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
