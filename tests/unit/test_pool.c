// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include "mem/slab.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// --- Lease and return ---------------------------------------------------------------------------

static void
leased_block_is_empty_and_unlinked(void **state)
{
    struct weir_block *block = weir_block_lease(1);

    assert_non_null(block);
    assert_null(block->next);
    assert_null(block->head);
    assert_int_equal(block->begin, 0);
    assert_int_equal(block->end, 0);
    assert_int_equal(wi_load_relaxed(&block->refs), 1);
    assert_int_equal(weir_block_capacity(block), WEIR_BLOCK_SIZE);
    assert_true(wi_block_is_ours(block));
    memset(weir_block_data(block), 0xa5, WEIR_BLOCK_SIZE);
    weir_block_return(block);
    (void)state;
}

static void
returned_block_comes_back_clean(void **state)
{
    struct weir_block *block = weir_block_lease(1);
    struct weir_block *again;

    assert_non_null(block);
    block->begin = 5;
    block->end = 9;
    block->head = block;
    weir_block_return(block);
    again = weir_block_lease(WEIR_BLOCK_SIZE);
    assert_ptr_equal(again, block);
    assert_int_equal(again->begin, 0);
    assert_int_equal(again->end, 0);
    assert_null(again->head);
    weir_block_return(again);
    (void)state;
}

static void
thirty_two_blocks_fill_a_slab_and_the_next_opens_another(void **state)
{
    struct weir_block *blocks[33];
    uint64_t slabs = slabs_held();

    for (int i = 0; i < 33; i++) {
        blocks[i] = weir_block_lease(WEIR_BLOCK_SIZE);
        assert_non_null(blocks[i]);
        assert_int_equal(slabs_held() - slabs, i < 32 ? 1 : 2);
        assert_true(i == 32 || blocks[i]->slab == blocks[0]->slab);
    }
    assert_int_equal(ledger_mine().slabs, 2);
    for (int i = 0; i < 33; i++) {
        weir_block_return(blocks[i]);
    }
    (void)state;
}

static void
full_slab_is_leased_from_again_after_a_return(void **state)
{
    struct weir_block *blocks[64];
    struct weir_block *block;

    for (int i = 0; i < 64; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    weir_block_return(blocks[7]); // of the slab that is not open
    block = weir_block_lease(1);
    assert_ptr_equal(block, blocks[7]);
    for (int i = 0; i < 64; i++) {
        weir_block_return(blocks[i]);
    }
    (void)state;
}

static void
random_leases_and_returns_never_hand_a_block_out_twice(void **state)
{
    enum { OUT_MAX = 300 };
    static struct weir_block *out[OUT_MAX];
    uint64_t random = random_seed();
    size_t count = 0;

    for (int step = 0; step < 20000; step++) {
        if (count < OUT_MAX && random_below(&random, 100) < (step / 5000 % 2 == 0 ? 60 : 40)) {
            struct weir_block *block = weir_block_lease(1);

            assert_non_null(block);
            memset(block->data, 0, 8);
            memcpy(block->data, &block, sizeof(block));
            out[count++] = block;
        } else if (count > 0) {
            size_t at = random_below(&random, (uint32_t)count);

            assert_memory_equal(out[at]->data, &out[at], sizeof(out[at]));
            weir_block_return(out[at]);
            out[at] = out[--count];
        }
        if (step % 777 == 0) {
            (void)wi_pool_decay();
        }
        assert_int_equal(ledger_mine().leased - ledger_mine().returned, count);
    }
    while (count > 0) {
        weir_block_return(out[--count]);
    }
    (void)state;
}

static void
block_above_4032_bytes_is_a_one_off_that_is_counted(void **state)
{
    struct weir_ledger before = ledger_mine();
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE + 1);
    struct weir_block *large = weir_block_lease(10 << 20);

    assert_non_null(block);
    assert_non_null(large);
    assert_null(block->slab);
    assert_int_equal(weir_block_capacity(block), WEIR_BLOCK_SIZE + 1);
    assert_int_equal(weir_block_capacity(large), 10 << 20);
    assert_true(wi_block_is_ours(block));
    memset(weir_block_data(block), 1, WEIR_BLOCK_SIZE + 1);
    memset(weir_block_data(large), 1, 10 << 20);
    assert_int_equal(ledger_mine().oversize, 2);
    assert_int_equal(ledger_mine().slabs, before.slabs);
    weir_block_return(block);
    assert_int_equal(ledger_mine().oversize, 1);
    weir_block_return(large);
    assert_int_equal(ledger_mine().oversize, 0);
    assert_int_equal(ledger_mine().leased, ledger_mine().returned);
    (void)state;
}

static void
block_too_large_to_be_described_is_refused(void **state)
{
    assert_null(weir_block_lease((size_t)UINT32_MAX + 1));
    assert_null(weir_block_lease(SIZE_MAX));
    (void)state;
}

static void
lease_without_memory_fails_and_changes_nothing(void **state)
{
    struct weir_block *blocks[32];
    struct weir_ledger before;
    struct weir_ledger after;

    for (int i = 0; i < 32; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    before = ledger_all();
    // A full slab and a region with room: cut eight more, then none is left to cut.
    wi_heap_fail(1, 1);
    assert_null(weir_block_lease(WEIR_BLOCK_SIZE + 1));
    wi_heap_fail(0, 0);
    after = ledger_all();
    assert_memory_equal(&before, &after, sizeof(before));
    for (int i = 0; i < 32; i++) {
        weir_block_return(blocks[i]);
    }
    (void)state;
}

static void *
lease_first_block_without_memory(void *arg)
{
    unsigned *failures = arg;

    // The pool, or one that an ended thread has left; then the region's description and its memory.
    for (unsigned long nth = 1; nth <= 2; nth++) {
        wi_heap_fail(nth, 0);
        struct weir_block *block = weir_block_lease(1);
        wi_heap_fail(0, 0);
        *failures += block == NULL;
        if (block != NULL) {
            weir_block_return(block);
        }
    }
    struct weir_block *block = weir_block_lease(1);

    *failures += block == NULL ? 100 : 0;
    if (block != NULL) {
        weir_block_return(block);
    }
    return NULL;
}

static void
first_lease_of_a_thread_survives_a_failure_of_each_allocation(void **state)
{
    unsigned failures = 0;

    thread_run(lease_first_block_without_memory, &failures);
    assert_int_equal(failures, 2);
    (void)state;
}

// --- Runs ---------------------------------------------------------------------------------------

static void
run_of_a_fresh_slab_is_contiguous(void **state)
{
    unsigned count = 0;
    struct weir_block *first = wi_block_lease_run(32, &count);
    const struct weir_block *block = first;

    assert_non_null(first);
    assert_int_equal(count, 32);
    for (unsigned i = 1; i < count; i++) {
        assert_ptr_equal(block->next->data, block->data + WEIR_BLOCK_SIZE);
        block = block->next;
    }
    assert_null(block->next);
    wi_block_return_list(first);
    (void)state;
}

static void
run_uses_a_hole_that_is_long_enough_and_never_more_than_asked(void **state)
{
    struct weir_block *blocks[32];
    struct weir_block *run;
    unsigned count = 0;

    for (int i = 0; i < 32; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    for (int i = 0; i < 3; i++) { // holes of 1, 3 and 5
        for (int j = 0; j < 2 * i + 1; j++) {
            weir_block_return(blocks[10 * i + j]);
        }
    }
    run = wi_block_lease_run(2, &count);
    assert_int_equal(count, 2);
    assert_ptr_equal(run, blocks[10]);
    wi_block_return_list(run);
    run = wi_block_lease_run(9, &count);
    assert_int_equal(count, 5);
    assert_ptr_equal(run, blocks[20]);
    wi_block_return_list(run);
    run = wi_block_lease_run(0, &count);
    assert_int_equal(count, 1);
    wi_block_return_list(run);
    for (int i = 0; i < 32; i++) {
        bool is_hole = i == 0 || (i >= 10 && i < 13) || (i >= 20 && i < 25);

        if (!is_hole) {
            weir_block_return(blocks[i]);
        }
    }
    (void)state;
}

static void
run_prefers_an_empty_slab_to_a_short_run(void **state)
{
    struct weir_block *blocks[64];
    struct weir_block *run;
    unsigned count = 0;

    for (int i = 0; i < 64; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    for (int i = 0; i < 32; i++) {
        weir_block_return(blocks[i]); // the first slab is empty, and listed
    }
    weir_block_return(blocks[40]); // the second is open, with one hole
    run = wi_block_lease_run(16, &count);
    assert_int_equal(count, 16);
    assert_ptr_equal(run->slab, blocks[0]->slab);
    wi_block_return_list(run);
    for (int i = 32; i < 64; i++) {
        if (i != 40) {
            weir_block_return(blocks[i]);
        }
    }
    (void)state;
}

// --- Decay --------------------------------------------------------------------------------------

static void
empty_slabs_wait_for_two_decays_and_then_go(void **state)
{
    static struct weir_block *blocks[96];
    uint64_t slabs = slabs_held();

    for (int i = 0; i < 96; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    assert_false(wi_pool_decay());
    for (int i = 0; i < 96; i++) {
        weir_block_return(blocks[i]);
    }
    assert_int_equal(slabs_held() - slabs, 3);
    assert_true(wi_pool_decay());
    assert_int_equal(slabs_held() - slabs, 3);
    assert_false(wi_pool_decay());
    assert_int_equal(slabs_held(), slabs);
    assert_false(wi_pool_decay());
    (void)state;
}

static void
slab_in_use_between_two_decays_stays(void **state)
{
    uint64_t slabs = slabs_held();
    struct weir_block *block = weir_block_lease(1);

    assert_non_null(block);
    weir_block_return(block);
    for (int i = 0; i < 5; i++) {
        assert_true(wi_pool_decay());
        block = weir_block_lease(1);
        assert_non_null(block);
        weir_block_return(block);
    }
    block = weir_block_lease(1);
    assert_non_null(block);
    assert_false(wi_pool_decay()); // out: nothing is empty
    weir_block_return(block);
    assert_true(wi_pool_decay()); // empty for the first time
    assert_int_equal(slabs_held(), slabs + 1);
    assert_false(wi_pool_decay());
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

static void *
return_block(void *arg)
{
    weir_block_return(arg);
    return NULL;
}

static void
block_returned_elsewhere_comes_home_at_the_decay(void **state)
{
    uint64_t slabs = slabs_held();
    struct weir_block *block = weir_block_lease(1);

    assert_non_null(block);
    thread_run(return_block, block);
    assert_true(wi_pool_decay());
    assert_false(wi_pool_decay());
    assert_int_equal(slabs_held(), slabs);
    (void)state;
}

// --- References ---------------------------------------------------------------------------------

static void
block_goes_back_with_its_last_reference(void **state)
{
    struct weir_block *block = weir_block_lease(1);

    assert_non_null(block);
    wi_block_ref(block, 3);
    wi_block_unref(block, 2);
    weir_block_return(block); // one more
    assert_int_equal(blocks_out(), 1);
    assert_true(wi_block_is_ours(block));
    wi_block_unref(block, 1);
    assert_int_equal(blocks_out(), 0);
    assert_false(wi_block_is_ours(block));
    (void)state;
}

static void
last_references_are_given_back_at_once(void **state)
{
    struct weir_block *block = weir_block_lease(1);

    assert_non_null(block);
    wi_block_ref(block, 7);
    wi_block_unref(block, 8);
    assert_int_equal(blocks_out(), 0);
    (void)state;
}

// --- What is ours -------------------------------------------------------------------------------

static void
copy_of_a_header_is_not_ours(void **state)
{
    struct weir_block *block = weir_block_lease(1);
    struct weir_block copy;

    assert_non_null(block);
    copy = *block;
    assert_false(wi_block_is_ours(&copy));
    assert_false(wi_block_is_ours(NULL));
    weir_block_return(block);
    (void)state;
}

#if defined(WI_DEBUG) && WI_DEBUG
static void
count_site(const struct weir_block *block, const void *site, void *arg)
{
    unsigned *sites = arg;

    *sites += site != NULL && block->magic == WI_BLOCK_LEASED;
}

static void
leased_blocks_can_be_visited_with_their_sites(void **state)
{
    struct weir_block *blocks[40];
    unsigned sites = 0;

    for (int i = 0; i < 40; i++) {
        blocks[i] = weir_block_lease(1);
        assert_non_null(blocks[i]);
    }
    weir_block_return(blocks[0]);
    assert_int_equal(wi_pool_visit_leased(count_site, &sites), 39);
    assert_int_equal(sites, 39);
    assert_int_equal(wi_pool_visit_leased(NULL, NULL), 39);
    for (int i = 1; i < 40; i++) {
        weir_block_return(blocks[i]);
    }
    assert_int_equal(wi_pool_visit_leased(NULL, NULL), 0);
    (void)state;
}

// Run a mistake in a child; it must be stopped, and say why.
static void
expect_stop(void (*mistake)(void), const char *message, const char *more)
{
    char text[2048] = {0};
    size_t size = 0;
    ssize_t got;
    int ends[2];
    int status = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        mistake();
        _exit(0);
    }
    (void)close(ends[1]);
    while (size < sizeof(text) - 1 &&
           (got = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0) {
        size += (size_t)got;
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, message));
    assert_non_null(strstr(text, more));
}

static void
return_twice(void)
{
    struct weir_block *block = weir_block_lease(1);

    weir_block_return(block);
    weir_block_return(block);
}

static void
return_twice_through_a_chain(void)
{
    struct weir_block *block = weir_block_lease(1);
    struct weir_chain chain = {NULL, NULL};

    if (weir_chain_append_block(&chain, block, 1) == 0) {
        weir_block_return(block);
        weir_chain_return(&chain);
    }
}

static void
return_copy(void)
{
    struct weir_block copy = *weir_block_lease(1);

    weir_block_return(&copy);
}

static void
return_null(void)
{
    weir_block_return(NULL);
}

static void
double_return_stops_with_the_lease_site(void **state)
{
    expect_stop(return_twice, "double return of block", "leased at");
    expect_stop(return_twice_through_a_chain, "double return of block", "leased at");
    (void)state;
}

static void
foreign_return_stops(void **state)
{
    expect_stop(return_copy, "foreign return of block", "");
    expect_stop(return_null, "foreign return of block", "");
    (void)state;
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(leased_block_is_empty_and_unlinked),
        mem_test(returned_block_comes_back_clean),
        mem_test(thirty_two_blocks_fill_a_slab_and_the_next_opens_another),
        mem_test(full_slab_is_leased_from_again_after_a_return),
        mem_test(random_leases_and_returns_never_hand_a_block_out_twice),
        mem_test(block_above_4032_bytes_is_a_one_off_that_is_counted),
        mem_test(block_too_large_to_be_described_is_refused),
        mem_test(lease_without_memory_fails_and_changes_nothing),
        mem_test(first_lease_of_a_thread_survives_a_failure_of_each_allocation),
        mem_test(run_of_a_fresh_slab_is_contiguous),
        mem_test(run_uses_a_hole_that_is_long_enough_and_never_more_than_asked),
        mem_test(run_prefers_an_empty_slab_to_a_short_run),
        mem_test(empty_slabs_wait_for_two_decays_and_then_go),
        mem_test(slab_in_use_between_two_decays_stays),
        mem_test(block_returned_elsewhere_comes_home_at_the_decay),
        mem_test(block_goes_back_with_its_last_reference),
        mem_test(last_references_are_given_back_at_once),
        mem_test(copy_of_a_header_is_not_ours),
#if defined(WI_DEBUG) && WI_DEBUG
        mem_test(leased_blocks_can_be_visited_with_their_sites),
        mem_test(double_return_stops_with_the_lease_site),
        mem_test(foreign_return_stops),
#endif
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
