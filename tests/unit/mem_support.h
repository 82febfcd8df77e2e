/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_MEM_SUPPORT_H
#define TESTS_UNIT_MEM_SUPPORT_H

// What the tests of the memory layer share. Every test ends with as many blocks out as it began
// with: use mem_setup() and mem_teardown().

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem/block.h"
#include "mem/heap.h"

// Any thread, each for itself: a cheap generator with a state the test owns.
static inline uint32_t
random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static inline uint32_t
random_below(uint64_t *state, uint32_t bound)
{
    return random_next(state) % bound;
}

// The seed of a run: WEIR_SEED, or a fixed one. Printed, so that a failure can be run again.
static inline uint64_t
random_seed(void)
{
    const char *text = getenv("WEIR_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20151;

    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static inline struct weir_ledger
ledger_mine(void)
{
    struct weir_ledger ledger;

    weir_pool_ledger(&ledger);
    return ledger;
}

static inline struct weir_ledger
ledger_all(void)
{
    struct weir_ledger ledger;

    weir_pool_ledger_all(&ledger);
    return ledger;
}

static inline uint64_t
blocks_out(void)
{
    struct weir_ledger ledger = ledger_all();

    return ledger.leased - ledger.returned;
}

static inline uint64_t
slabs_held(void)
{
    return ledger_all().slabs;
}

// Give back all that this thread's pool can give back.
static inline void
pool_rest(void)
{
    while (wi_pool_decay()) {
    }
}

static inline int
mem_setup(void **state)
{
    (void)state;
    wi_heap_fail(0, 0);
    pool_rest();
    return 0;
}

static inline int
mem_teardown(void **state)
{
    (void)state;
    wi_heap_fail(0, 0);
    wi_pack_close();
    if (blocks_out() != 0) {
        print_error("%llu blocks are still out\n", (unsigned long long)blocks_out());
        return -1;
    }
    return 0;
}

#define mem_test(function) cmocka_unit_test_setup_teardown(function, mem_setup, mem_teardown)

// Run a function on a thread of its own, and wait for the thread's end.
static inline void
thread_run(void *(*function)(void *), void *arg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, function, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

// Append one block with these bytes to a chain, @p offset bytes into its payload.
static inline struct weir_block *
chain_add(struct weir_chain *chain, const void *data, size_t size, size_t offset)
{
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);

    assert_non_null(block);
    assert_true(offset + size <= WEIR_BLOCK_SIZE);
    if (size > 0) {
        memcpy(weir_block_data(block) + offset, data, size);
    }
    assert_int_equal(weir_chain_append_block(chain, block, offset + size), 0);
    block->begin = (uint32_t)offset;
    return block;
}

static inline void
assert_same_place(struct weir_iter iter, struct weir_iter other)
{
    assert_ptr_equal(iter.block, other.block);
    assert_int_equal(iter.index, other.index);
}

// Do the chain's bytes equal these?
static inline bool
chain_equals(const struct weir_chain *chain, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (const struct weir_block *block = chain->head; block != NULL; block = block->next) {
        uint32_t part = wi_block_size(block);

        if (part > size || memcmp(block->data + block->begin, bytes, part) != 0) {
            return false;
        }
        bytes += part;
        size -= part;
    }
    return size == 0;
}

#endif /* TESTS_UNIT_MEM_SUPPORT_H */
