// SPDX-License-Identifier: MIT
//
// The histogram of submit-to-wire times: its buckets, its quantiles.
#include "runtime/latency.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <string.h>

// Each time lies above the bound of the bucket before and not above its own.
static void
a_time_is_in_the_bucket_that_bounds_it(void **state)
{
    unsigned last = 0;

    (void)state;
    for (uint64_t base = 1; base < UINT64_C(1) << 40; base = base * 5 / 4 + 1) {
        for (uint64_t ns = base - 1; ns <= base + 1; ns++) {
            unsigned bucket = wi_latency_bucket(ns);

            assert_true(bucket < WEIR_LATENCY_BUCKETS);
            assert_true(ns <= weir_latency_bound_ns(bucket));
            assert_true(bucket == 0 || ns > weir_latency_bound_ns(bucket - 1));
            last = bucket > last ? bucket : last;
        }
    }
    assert_true(last > WEIR_LATENCY_BUCKETS * 3 / 4);
    assert_int_equal(wi_latency_bucket(UINT64_MAX), WEIR_LATENCY_BUCKETS - 1);
    assert_true(weir_latency_bound_ns(WEIR_LATENCY_BUCKETS - 1) == UINT64_MAX);
    assert_true(weir_latency_bound_ns(WEIR_LATENCY_BUCKETS) == UINT64_MAX);
}

static void
a_bound_is_at_most_a_quarter_above_the_one_before(void **state)
{
    (void)state;
    for (unsigned bucket = 4; bucket < WEIR_LATENCY_BUCKETS - 1; bucket++) {
        uint64_t below = weir_latency_bound_ns(bucket - 1);
        uint64_t bound = weir_latency_bound_ns(bucket);

        assert_true(bound > below);
        assert_true(bound - below <= below / 4);
    }
}

// Every power of two from 8 ns on is a bound: what Prometheus is told is exact.
static void
powers_of_two_are_bounds(void **state)
{
    (void)state;
    for (unsigned power = 3; power < 40; power++) {
        uint64_t ns = UINT64_C(1) << power;

        assert_true(weir_latency_bound_ns(wi_latency_bucket(ns)) == ns);
    }
}

static void
quantiles_are_the_bounds_of_their_buckets(void **state)
{
    struct wi_latency measured;
    struct weir_latency latency = {0};

    (void)state;
    memset(&measured, 0, sizeof(measured));
    assert_int_equal(weir_latency_quantile_ns(&latency, 500000), 0);
    assert_int_equal(weir_latency_quantile_ns(NULL, 500000), 0);
    for (unsigned i = 0; i < 990; i++) {
        wi_latency_note(&measured, 1024);
    }
    for (unsigned i = 0; i < 10; i++) {
        wi_latency_note(&measured, 1024 * 1024);
    }
    wi_latency_add(&latency, &measured);
    assert_int_equal(latency.count, 1000);
    assert_int_equal(latency.sum_ns, 990 * 1024 + 10 * 1024 * 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, 0), 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, 500000), 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, 990000), 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, 990001), 1024 * 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, 1000000), 1024 * 1024);
    assert_int_equal(weir_latency_quantile_ns(&latency, UINT32_MAX), 1024 * 1024);
}

static void
how_often_to_measure_is_a_power_of_two(void **state)
{
    static const unsigned wrong[] = {3, 6, 255, 1000, 1u << 31};
    struct weir_runtime *runtime;

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct weir_runtime_options options = {.latency_every = wrong[i]};

        assert_int_equal(weir_runtime_create(&options, &runtime), -EINVAL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_in_the_bucket_that_bounds_it),
        cmocka_unit_test(a_bound_is_at_most_a_quarter_above_the_one_before),
        cmocka_unit_test(powers_of_two_are_bounds),
        cmocka_unit_test(quantiles_are_the_bounds_of_their_buckets),
        cmocka_unit_test(how_often_to_measure_is_a_power_of_two),
    };

    return cmocka_run_group_tests_name("unit.latency", tests, NULL, NULL);
}
