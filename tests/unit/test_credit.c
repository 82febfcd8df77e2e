// SPDX-License-Identifier: MIT
// Credits: limits per loop and per runtime, in chunks.

#include "runtime/credit.h"

#include "tests/lib/runtime_fixture.h"

#include <errno.h>

#define LIMIT   (UINT64_C(1) << 20)
#define THREADS 4u
#define STEPS   100000u

static struct weir_runtime *
limited(unsigned loops, uint64_t loop_max, uint64_t total_max)
{
    struct weir_runtime_options options = {.loops = loops,
                                           .flags = WEIR_MANUAL,
                                           .loop_bytes_max = loop_max,
                                           .total_bytes_max = total_max};

    return runtime_make_with(&options);
}

static void
without_limits_nothing_is_counted(void **state)
{
    struct weir_runtime *runtime = limited(1, 0, 0);
    uint64_t credit = 0;

    (void)state;
    assert_false(wi_credit_is_limited(wi_runtime_of(runtime)));
    assert_int_equal(wi_credit_spend(runtime_loop(runtime, 0), &credit, UINT64_C(1) << 60), 0);
    assert_int_equal(credit, 0);
    runtime_end(runtime);
}

static void
the_limits_are_told_apart(void **state)
{
    struct weir_runtime *runtime = limited(2, LIMIT, LIMIT + LIMIT / 2);
    uint64_t credits[2] = {0};
    uint64_t spent[2] = {0};
    int result;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        while ((result = wi_credit_spend(runtime_loop(runtime, i), &credits[i], 1000)) == 0) {
            spent[i] += 1000;
        }
        assert_int_equal(result, i == 0 ? -WEIR_ELOOPFULL : -WEIR_EPROCFULL);
    }
    assert_true(spent[0] <= LIMIT && spent[0] >= LIMIT - LIMIT / 20);
    assert_true(spent[0] + spent[1] <= LIMIT + LIMIT / 2);
    assert_true(spent[0] + spent[1] >= (LIMIT + LIMIT / 2) / 20 * 19);
    for (unsigned i = 0; i < 2; i++) {
        wi_credit_give_back(runtime_loop(runtime, i), spent[i] + credits[i]);
        assert_int_equal(wi_load_relaxed(&runtime_loop(runtime, i)->credit), LIMIT);
    }
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->credit), LIMIT + LIMIT / 2);
    runtime_end(runtime);
}

static void
an_oversize_write_is_admitted_when_nothing_is_queued(void **state)
{
    struct weir_runtime *runtime = limited(1, LIMIT, 0);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    uint64_t idle = 0; // another producer's chunk
    uint64_t credit = 0;

    (void)state;
    assert_int_equal(wi_credit_spend(loop, &idle, 1), 0);
    wi_credit_give_back(loop, 1);
    assert_true(idle > 0); // it holds a chunk and has nothing queued
    assert_int_equal(wi_credit_spend(loop, &credit, 3 * LIMIT), 0);
    assert_int_equal(wi_credit_spend(loop, &credit, LIMIT), -WEIR_ELOOPFULL);
    assert_int_equal(wi_credit_spend(loop, &idle, idle + 1), -WEIR_ELOOPFULL); // below the bottom
    wi_credit_give_back(loop, 3 * LIMIT);
    assert_int_equal(wi_credit_spend(loop, &credit, LIMIT / 2), 0);
    assert_int_equal(wi_credit_spend(loop, &credit, 2 * LIMIT), -WEIR_ELOOPFULL); // half is queued
    wi_credit_give_back(loop, LIMIT / 2 + credit + idle);
    assert_int_equal(wi_load_relaxed(&loop->credit), LIMIT);
    runtime_end(runtime);
}

static void
tiny_and_huge_limits_work(void **state)
{
    static const uint64_t limits[] = {1, 19, 1279, 1280, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct weir_runtime *runtime = limited(1, limits[i], 0);
        struct wi_loop *loop = runtime_loop(runtime, 0);
        uint64_t whole = wi_load_relaxed(&loop->credit);
        uint64_t credit = 0;

        assert_int_equal(wi_credit_spend(loop, &credit, 1), 0);
        wi_credit_give_back(loop, 1 + credit);
        assert_int_equal(wi_load_relaxed(&loop->credit), whole);
        runtime_end(runtime);
    }
}

// ---- threads ------------------------------------------------------------------------------------

static wi_atomic_u64 queued_now;

static void *
spend_and_return(void *arg)
{
    struct wi_loop *loop = arg;
    uint64_t random = (uintptr_t)&loop;
    uint64_t credit = 0;
    uint64_t own = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t size = 1 + random_upto(&random, 20000);

        if (wi_credit_spend(loop, &credit, size) == 0) {
            own += size;
            FAILED_UNLESS(wi_add_acq_rel(&queued_now, size) + size <= LIMIT);
        } else {
            wi_sub_acq_rel(&queued_now, own); // before it may be leased again
            wi_credit_give_back(loop, own);
            own = 0;
        }
    }
    wi_sub_acq_rel(&queued_now, own);
    wi_credit_give_back(loop, own + credit);
    return NULL;
}

static void
threads_never_exceed_the_limit_and_nothing_is_lost(void **state)
{
    struct weir_runtime *runtime = limited(1, LIMIT, 2 * LIMIT);
    struct wi_loop *loop = runtime_loop(runtime, 0);
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], spend_and_return, loop);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    assert_int_equal(wi_load_relaxed(&loop->credit), LIMIT);
    assert_int_equal(wi_load_relaxed(&wi_runtime_of(runtime)->credit), 2 * LIMIT);
    runtime_end(runtime);
    no_failures();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_nothing_is_counted),
        cmocka_unit_test(the_limits_are_told_apart),
        cmocka_unit_test(an_oversize_write_is_admitted_when_nothing_is_queued),
        cmocka_unit_test(tiny_and_huge_limits_work),
        cmocka_unit_test(threads_never_exceed_the_limit_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
