// SPDX-License-Identifier: MIT
// Blocks that many threads lease, pass on and return.

#include "tests/unit/mem_support.h"

#include <sched.h>

#define THREADS 4u
#define STEPS   20000u
#define SLOTS   64u

// Where blocks change hands: a swap takes what is there and leaves what one has.
static wi_atomic_ptr slots[SLOTS];
static wi_atomic_u32 failures;

struct storm {
    pthread_t thread;
    uint64_t random;
};

// Fill a block so that whoever gets it can tell whether it is whole.
static void
block_mark(struct weir_block *block, uint32_t tag)
{
    block->begin = 0;
    block->end = 4 + tag % 61;
    memset(block->data, (int)(tag & 0xff), block->end);
}

static bool
block_is_whole(const struct weir_block *block)
{
    for (uint32_t i = 1; i < block->end; i++) {
        if (block->data[i] != block->data[0]) {
            return false;
        }
    }
    return block->end >= 4 && wi_block_is_ours(block);
}

static struct weir_block *
storm_lease(uint64_t *random)
{
    uint32_t kind = random_below(random, 20);
    struct weir_block *block;
    unsigned count = 0;

    if (kind == 0) {
        return weir_block_lease(WEIR_BLOCK_SIZE + 1 + random_below(random, 5000));
    }
    if (kind > 2) {
        return weir_block_lease(1);
    }
    block = wi_block_lease_run(1 + random_below(random, 8), &count);
    if (block != NULL) {
        wi_block_return_list(block->next);
        block->next = NULL;
    }
    return block;
}

static void *
storm_run(void *arg)
{
    struct storm *storm = arg;

    for (unsigned step = 0; step < STEPS; step++) {
        struct weir_block *block = storm_lease(&storm->random);
        wi_atomic_ptr *slot = &slots[random_below(&storm->random, SLOTS)];

        if (block == NULL) {
            wi_add_relaxed(&failures, 1);
            continue;
        }
        block_mark(block, random_next(&storm->random));
        block = (struct weir_block *)wi_swap_acq_rel(slot, (uintptr_t)block);
        if (block == NULL) {
            continue;
        }
        if (!block_is_whole(block)) {
            wi_add_relaxed(&failures, 1);
        }
        weir_block_return(block);
        if (step % 1000 == 0) {
            (void)wi_pool_decay();
        }
    }
    return NULL;
}

static void
storm_of_returns_loses_nothing_and_hands_nothing_out_twice(void **state)
{
    struct storm storms[THREADS];
    uint64_t seed = random_seed();
    uint64_t slabs = slabs_held();

    for (unsigned i = 0; i < THREADS; i++) {
        storms[i].random = seed + i;
        assert_int_equal(pthread_create(&storms[i].thread, NULL, storm_run, &storms[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(storms[i].thread, NULL), 0);
    }
    assert_int_equal(wi_load_relaxed(&failures), 0);
    // What is left in the slots belongs to threads that have ended.
    for (unsigned i = 0; i < SLOTS; i++) {
        struct weir_block *block = (struct weir_block *)wi_swap_acq_rel(&slots[i], 0);

        if (block != NULL) {
            assert_true(block_is_whole(block));
            weir_block_return(block);
        }
    }
    assert_int_equal(blocks_out(), 0);
    assert_int_equal(ledger_all().oversize, 0);
    pool_rest();
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

// --- One list to one home -----------------------------------------------------------------------

static void *
return_list(void *arg)
{
    wi_block_return_list(arg);
    return NULL;
}

static void
list_of_another_threads_blocks_goes_home_whole(void **state)
{
    struct weir_block *first = NULL;

    for (int i = 0; i < 70; i++) {
        struct weir_block *block = weir_block_lease(i % 10 == 0 ? WEIR_BLOCK_SIZE + 1 : 1);

        assert_non_null(block);
        if (i % 7 == 0) {
            wi_block_ref(block, 1); // stays out
        }
        block->next = first;
        first = block;
    }

    struct weir_block *kept[70];
    size_t count = 0;

    for (struct weir_block *block = first; block != NULL; block = block->next) {
        if (wi_load_relaxed(&block->refs) == 2) {
            kept[count++] = block;
        }
    }
    thread_run(return_list, first);
    assert_int_equal(blocks_out(), count);
    assert_int_equal(ledger_mine().leased - ledger_mine().returned, count);
    for (size_t i = 0; i < count; i++) {
        weir_block_return(kept[i]);
    }
    (void)state;
}

struct lent {
    struct weir_block *blocks[50];
    wi_atomic_u32 step; // 1: leased; 2: the ledger was read
    struct weir_ledger mine;
};

static void *
lease_and_wait(void *arg)
{
    struct lent *lent = arg;

    for (int i = 0; i < 50; i++) {
        lent->blocks[i] = weir_block_lease(1);
    }
    wi_store_release(&lent->step, 1);
    while (wi_load_acquire(&lent->step) != 2) {
        (void)sched_yield();
    }
    weir_pool_ledger(&lent->mine);
    return NULL;
}

static void
ledger_of_all_counts_blocks_that_wait_for_their_owner(void **state)
{
    static struct lent lent;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, lease_and_wait, &lent), 0);
    while (wi_load_acquire(&lent.step) != 1) {
        (void)sched_yield();
    }
    assert_int_equal(blocks_out(), 50);
    for (int i = 0; i < 49; i++) {
        weir_block_return(lent.blocks[i]);
        assert_int_equal(blocks_out(), 49 - i);
    }
    wi_store_release(&lent.step, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(lent.mine.leased, 50);
    assert_int_equal(lent.mine.returned, 49);
    weir_block_return(lent.blocks[49]);
    (void)state;
}

// --- A ledger reader in the middle --------------------------------------------------------------

static wi_atomic_bool readers_stop;

static void *
read_ledgers(void *arg)
{
    struct weir_ledger ledger;

    (void)arg;
    while (!wi_load_relaxed(&readers_stop)) {
        weir_pool_ledger_all(&ledger);
    }
    return NULL;
}

static void *
send_back(void *arg)
{
    wi_atomic_ptr *post = arg;

    for (;;) {
        uintptr_t word = wi_swap_acq_rel(post, 0);

        if (word == 1) {
            return NULL;
        }
        if (word != 0) {
            weir_block_return((struct weir_block *)word);
        } else {
            (void)sched_yield();
        }
    }
}

static void
reading_the_ledger_of_all_takes_no_block_away(void **state)
{
    static wi_atomic_ptr post;
    pthread_t reader;
    pthread_t sender;

    assert_int_equal(pthread_create(&reader, NULL, read_ledgers, NULL), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_back, &post), 0);
    for (int i = 0; i < 20000; i++) {
        struct weir_block *block = weir_block_lease(1);

        assert_non_null(block);
        block = (struct weir_block *)wi_swap_acq_rel(&post, (uintptr_t)block);
        if (block != NULL) {
            weir_block_return(block);
        }
    }

    struct weir_block *block = (struct weir_block *)wi_swap_acq_rel(&post, 1);

    if (block != NULL) {
        weir_block_return(block);
    }
    assert_int_equal(pthread_join(sender, NULL), 0);
    wi_store_relaxed(&readers_stop, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(blocks_out(), 0);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(storm_of_returns_loses_nothing_and_hands_nothing_out_twice),
        mem_test(list_of_another_threads_blocks_goes_home_whole),
        mem_test(ledger_of_all_counts_blocks_that_wait_for_their_owner),
        mem_test(reading_the_ledger_of_all_takes_no_block_away),
    };

    return cmocka_run_group_tests_name("pool_threads", tests, NULL, NULL);
}
