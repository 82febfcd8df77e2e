// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include "mem/thread.h"

#include <sched.h>

// Wait until a word has a value. The other side always gets there; the test's time limit is the
// deadline.
static void
wait_for(wi_atomic_u32 *word, uint32_t value)
{
    while (wi_load_acquire(word) != value) {
        (void)sched_yield();
    }
}

// --- Hooks --------------------------------------------------------------------------------------

static char hooks_run[8];

static void
hook_lanes(void)
{
    (void)strcat(hooks_run, "L");
}

static void
hook_pool(void)
{
    (void)strcat(hooks_run, "P");
}

static void
hook_heap(void)
{
    (void)strcat(hooks_run, "H");
}

static void
hook_lanes_that_hooks_again(void)
{
    (void)strcat(hooks_run, "l");
    (void)wi_thread_at_exit(WI_THREAD_POOL, hook_pool);   // in this pass
    (void)wi_thread_at_exit(WI_THREAD_LANES, hook_lanes); // in one more
}

static void *
hook_in_reverse_order(void *arg)
{
    int *status = arg;

    *status |= wi_thread_at_exit(WI_THREAD_HEAP, hook_heap);
    *status |= wi_thread_at_exit(WI_THREAD_POOL, hook_pool);
    *status |= wi_thread_at_exit(WI_THREAD_LANES, hook_heap);
    *status |= wi_thread_at_exit(WI_THREAD_LANES, hook_lanes); // replaces
    return NULL;
}

static void *
hook_that_hooks(void *arg)
{
    int *status = arg;

    *status |= wi_thread_at_exit(WI_THREAD_LANES, hook_lanes_that_hooks_again);
    return NULL;
}

static void
hooks_run_once_in_the_order_of_their_stages(void **state)
{
    int status = 0;

    hooks_run[0] = '\0';
    thread_run(hook_in_reverse_order, &status);
    assert_int_equal(status, 0);
    assert_string_equal(hooks_run, "LPH");
    (void)state;
}

static void
hook_set_while_the_thread_ends_still_runs(void **state)
{
    int status = 0;

    hooks_run[0] = '\0';
    thread_run(hook_that_hooks, &status);
    assert_int_equal(status, 0);
    assert_string_equal(hooks_run, "lPL");
    (void)state;
}

// --- Blocks out when their thread ends ----------------------------------------------------------

struct leased {
    size_t count;
    size_t size;
    struct weir_block *blocks[100];
};

static void *
lease_and_end(void *arg)
{
    struct leased *leased = arg;

    for (size_t i = 0; i < leased->count; i++) {
        leased->blocks[i] = weir_block_lease(leased->size);
        if (leased->blocks[i] != NULL) {
            memset(leased->blocks[i]->data, (int)i, leased->size);
        }
    }
    return NULL;
}

static void
thread_that_ends_with_nothing_out_leaves_no_slab(void **state)
{
    struct leased leased = {.count = 0};
    uint64_t slabs = slabs_held();

    thread_run(lease_and_end, &leased);
    leased.count = 1;
    leased.size = 1;
    thread_run(lease_and_end, &leased);
    assert_non_null(leased.blocks[0]);
    weir_block_return(leased.blocks[0]);
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

static void
each_slab_of_an_ended_thread_goes_with_its_last_block(void **state)
{
    struct leased leased = {.count = 96, .size = WEIR_BLOCK_SIZE};
    uint64_t slabs = slabs_held();

    thread_run(lease_and_end, &leased);
    assert_int_equal(slabs_held() - slabs, 3);
    assert_int_equal(blocks_out(), 96);
    for (size_t i = 0; i < 96; i++) {
        assert_int_equal(leased.blocks[i]->data[WEIR_BLOCK_SIZE - 1], i);
        weir_block_return(leased.blocks[i]);
        assert_int_equal(slabs_held() - slabs, 3 - (i + 1) / 32);
    }
    assert_int_equal(blocks_out(), 0);
    (void)state;
}

static void
only_slabs_with_blocks_out_outlive_their_thread(void **state)
{
    struct leased leased = {.count = 96, .size = 1};
    uint64_t slabs = slabs_held();

    thread_run(lease_and_end, &leased);
    for (size_t i = 0; i < 96; i++) {
        if (i != 40) {
            weir_block_return(leased.blocks[i]);
        }
    }
    assert_int_equal(slabs_held() - slabs, 1);
    weir_block_return(leased.blocks[40]);
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

static void
one_off_blocks_outlive_their_thread(void **state)
{
    struct leased leased = {.count = 3, .size = 100000};

    thread_run(lease_and_end, &leased);
    assert_int_equal(ledger_all().oversize, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(leased.blocks[i]->data[99999], i);
        weir_block_return(leased.blocks[i]);
    }
    assert_int_equal(ledger_all().oversize, 0);
    (void)state;
}

static void *
ledger_of_a_new_thread(void *arg)
{
    struct weir_ledger *ledgers = arg;
    struct weir_block *block;

    weir_pool_ledger(&ledgers[0]);
    block = weir_block_lease(1);
    weir_pool_ledger(&ledgers[1]);
    if (block != NULL) {
        weir_block_return(block);
    }
    weir_pool_ledger(&ledgers[2]);
    return NULL;
}

static void
ledger_of_a_thread_begins_at_zero_and_that_of_the_process_goes_on(void **state)
{
    struct weir_ledger ledgers[3];
    struct weir_ledger before = ledger_all();

    for (uint64_t i = 1; i <= 2; i++) { // the second gets the pool of the first
        thread_run(ledger_of_a_new_thread, ledgers);
        assert_int_equal(ledgers[0].leased, 0);
        assert_int_equal(ledgers[1].leased, 1);
        assert_int_equal(ledgers[1].returned, 0);
        assert_int_equal(ledgers[1].slabs, 1);
        assert_int_equal(ledgers[2].returned, 1);
        assert_int_equal(ledgers[2].slabs_peak, 1);
        assert_int_equal(ledger_all().leased, before.leased + i);
    }
    (void)state;
}

static void *
reserve_and_end(void *arg)
{
    struct weir_block **block = arg;

    (void)!wi_pack_reserve(100, block);
    return NULL;
}

static void
open_block_of_an_ended_thread_goes_with_its_last_piece(void **state)
{
    struct weir_block *block = NULL;
    uint64_t slabs = slabs_held();

    thread_run(reserve_and_end, &block);
    assert_non_null(block);
    assert_int_equal(blocks_out(), 1);
    wi_block_unref(block, 1);
    assert_int_equal(blocks_out(), 0);
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

// --- Use after the hooks ------------------------------------------------------------------------

static pthread_key_t late_key;
static unsigned late_failures;

static void
lease_late(void *arg)
{
    struct weir_block *block = weir_block_lease(1);

    (void)arg;
    if (block == NULL) {
        late_failures++;
        return;
    }
    weir_block_return(block);
}

static void *
set_late_key(void *arg)
{
    struct weir_block *block = weir_block_lease(1);

    if (block != NULL) {
        weir_block_return(block);
    }
    late_failures += pthread_setspecific(late_key, arg) != 0;
    return NULL;
}

static void
lease_in_a_destructor_after_the_hooks_leaves_nothing(void **state)
{
    uint64_t slabs = slabs_held();

    assert_int_equal(pthread_key_create(&late_key, lease_late), 0);
    thread_run(set_late_key, &late_key);
    assert_int_equal(pthread_key_delete(late_key), 0);
    assert_int_equal(late_failures, 0);
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

// --- Returns while the owner ends ---------------------------------------------------------------

#define RACE_ROUNDS 400u

static struct leased race;
static wi_atomic_u32 race_round;
static wi_atomic_u32 race_done;

static void *
return_in_a_race(void *arg)
{
    size_t first = (size_t)(uintptr_t)arg;

    for (uint32_t round = 1; round <= RACE_ROUNDS; round++) {
        wait_for(&race_round, round);
        for (size_t i = first; i < race.count; i += 2) {
            weir_block_return(race.blocks[i]);
        }
        (void)wi_add_acq_rel(&race_done, 1);
    }
    return NULL;
}

static void *
lease_and_end_in_a_race(void *arg)
{
    (void)lease_and_end(&race);
    wi_store_release(&race_round, (uint32_t)(uintptr_t)arg);
    return NULL; // from here on the blocks come back while this thread ends
}

static void
slabs_are_released_once_when_returns_race_with_the_end(void **state)
{
    uint64_t slabs = slabs_held();
    pthread_t threads[2];

    race.size = 64;
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, return_in_a_race, (void *)i), 0);
    }
    for (uintptr_t round = 1; round <= RACE_ROUNDS; round++) {
        race.count = 1 + round % 100;
        wi_store_relaxed(&race_done, 0);
        thread_run(lease_and_end_in_a_race, (void *)round);
        wait_for(&race_done, 2);
        assert_int_equal(slabs_held(), slabs);
        assert_int_equal(blocks_out(), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(hooks_run_once_in_the_order_of_their_stages),
        mem_test(hook_set_while_the_thread_ends_still_runs),
        mem_test(thread_that_ends_with_nothing_out_leaves_no_slab),
        mem_test(each_slab_of_an_ended_thread_goes_with_its_last_block),
        mem_test(only_slabs_with_blocks_out_outlive_their_thread),
        mem_test(one_off_blocks_outlive_their_thread),
        mem_test(ledger_of_a_thread_begins_at_zero_and_that_of_the_process_goes_on),
        mem_test(open_block_of_an_ended_thread_goes_with_its_last_piece),
        mem_test(lease_in_a_destructor_after_the_hooks_leaves_nothing),
        mem_test(slabs_are_released_once_when_returns_race_with_the_end),
    };

    return cmocka_run_group_tests_name("thread_exit", tests, NULL, NULL);
}
