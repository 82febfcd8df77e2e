// SPDX-License-Identifier: MIT
//
// Which writes are timed from submit to wire, and what is told of them.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

static uint64_t
measured(struct fixture *fixture)
{
    struct weir_latency latency;

    assert_status(weir_latency(fixture->runtime, &latency), 0);
    return latency.count;
}

static struct fixture *
timing(void **state, unsigned every)
{
    return fixture_with(state, &(struct weir_runtime_options){
                                   .loops = 1, .flags = WEIR_MANUAL, .latency_every = every});
}

// One at a time, so that each is the first of its flush.
static void
write_some(struct fixture *fixture, struct pair *pair, unsigned count)
{
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < count; tag++) {
        assert_status(request_submit(pair, recorder, tag, 100, WEIR_COPY), 0);
        recorder_wait(recorder, tag + 1);
    }
}

static void
each_write_is_timed_when_asked(void **state)
{
    struct fixture *fixture = timing(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_latency latency;
    uint64_t sum = 0;

    write_some(fixture, pair, 40);
    assert_status(weir_loop_latency(fixture->loop, &latency), 0);
    assert_int_equal(latency.count, 40);
    assert_true(latency.sum_ns > 0);
    for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
        sum += latency.buckets[i];
    }
    assert_int_equal(sum, 40);
    assert_true(weir_latency_quantile_ns(&latency, 1000000) * 40 >= latency.sum_ns);
}

static void
one_in_so_many_is_timed(void **state)
{
    struct fixture *fixture = timing(state, 8);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    write_some(fixture, pair, 80);
    assert_int_equal(measured(fixture), 10);
}

// The time counts until the last byte goes, not the first.
static void
a_blocked_write_is_timed_until_it_has_left(void **state)
{
    struct fixture *fixture = timing(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t begun;
    struct weir_latency latency;

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
    fixture_settle(fixture);
    begun = weir_now_ns();
    assert_int_equal(measured(fixture), 0);
    while (weir_now_ns() - begun < MS(3)) {
        fixture_breathe(fixture);
    }
    pair_unstuff(pair);
    recorder_wait(recorder, 1);
    assert_status(weir_loop_latency(fixture->loop, &latency), 0);
    assert_int_equal(latency.count, 1);
    assert_true(latency.sum_ns >= MS(3));
}

static void
cancelled_and_failed_writes_are_not_timed(void **state)
{
    struct fixture *fixture = timing(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 100);
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 1);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_COPY), 0);
    close_anyhow(pair);
    recorder_wait(recorder, 2);
    assert_int_equal(measured(fixture), 0);
}

static void
bad_arguments_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_latency latency;

    assert_status(weir_latency(NULL, &latency), -EINVAL);
    assert_status(weir_latency(fixture->runtime, NULL), -EINVAL);
    assert_status(weir_loop_latency(NULL, &latency), -EINVAL);
    assert_status(weir_loop_latency(fixture->loop, NULL), -EINVAL);
}

static void
a_library_built_without_says_so(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_latency latency;

    assert_status(weir_latency(fixture->runtime, &latency), -ENOTSUP);
    assert_status(weir_loop_latency(fixture->loop, &latency), -ENOTSUP);
}

#if defined(WI_NO_LATENCY)
#define IS_BUILT_WITHOUT 1
#else
#define IS_BUILT_WITHOUT 0
#endif

int
main(void)
{
    static const struct test_case without[] = {
        ONCE(a_library_built_without_says_so),
        ONCE(bad_arguments_are_refused),
    };
    static const struct test_case cases[] = {
        EACH(each_write_is_timed_when_asked),
        EACH(one_in_so_many_is_timed),
        EACH(a_blocked_write_is_timed_until_it_has_left),
        EACH(cancelled_and_failed_writes_are_not_timed),
        ONCE(bad_arguments_are_refused),
    };

    return IS_BUILT_WITHOUT ? RUN_CASES("conformance.latency", without)
                            : RUN_CASES("conformance.latency", cases);
}
