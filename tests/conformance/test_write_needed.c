// SPDX-License-Identifier: MIT
//
// WEIR_TEAR_NEEDED: what is behind such a write makes no sense without it.
#include "tests/lib/fixture.h"

enum { MIB = 1024 * 1024, SMALL = 1000, VICTIM = 1, FOLLOWER = 2, BLOCKER = 3, LATER = 4 };

static weir_op
submit_needed(struct fixture *fixture, struct pair *pair, struct recorder *recorder, size_t size,
              weir_token token)
{
    struct weir_write request = request_make(recorder, VICTIM, size);
    weir_op op;

    request.tear = WEIR_TEAR_NEEDED;
    request.token = token;
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    return op;
}

static void
expect_torn(struct pair *pair, struct recorder *recorder, int status)
{
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, VICTIM), status, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    expect_result(recorder_of(recorder, FOLLOWER), -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
    assert_status(request_submit(pair, recorder, LATER, SMALL, 0), -WEIR_ETORN);
    peer_expect_silence(pair->fixture, pair->peer);
}

static void
cancelled_in_its_lane_it_tears(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_op op = submit_needed(fixture, pair, recorder, SMALL, (weir_token){0});

    assert_status(request_submit(pair, recorder, FOLLOWER, SMALL, 0), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    expect_torn(pair, recorder, -ECANCELED);
}

static void
cancelled_by_a_token_on_its_way_it_tears(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    submit_needed(fixture, pair, recorder, SMALL, token);
    assert_status(request_submit(pair, recorder, FOLLOWER, SMALL, 0), 0);
    assert_status(weir_token_fire(token, 0, 0), 0);
    expect_torn(pair, recorder, -ECANCELED);
    assert_status(weir_token_free(token), 0);
}

static void
cancelled_in_the_queue_it_tears_and_what_was_before_ends(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_op op;

    assert_status(request_submit(pair, recorder, BLOCKER, MIB, 0), 0);
    pair_block(pair);
    op = submit_needed(fixture, pair, recorder, SMALL, (weir_token){0});
    fixture_turn(fixture);
    assert_status(request_submit(pair, recorder, FOLLOWER, SMALL, 0), 0);
    fixture_turn(fixture);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 3);
    assert_status(recorder_of(recorder, VICTIM).status, -ECANCELED);
    assert_status(recorder_of(recorder, FOLLOWER).status, -WEIR_ETORN);
    assert_status(recorder_of(recorder, BLOCKER).status, -WEIR_ETORN);
}

static void
cancelled_with_a_part_taken_it_runs_to_its_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_op op = submit_needed(fixture, pair, recorder, MIB, (weir_token){0});

    pair_block(pair);
    assert_status(request_submit(pair, recorder, FOLLOWER, SMALL, 0), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    peer_read_pattern(fixture, pair->peer, MIB, 0, VICTIM);
    peer_read_pattern(fixture, pair->peer, SMALL, 0, FOLLOWER);
    recorder_wait(recorder, 2);
    assert_status(recorder_of(recorder, VICTIM).status, 0);
    assert_true(recorder_of(recorder, VICTIM).late_cancel);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(cancelled_in_its_lane_it_tears),
        EACH(cancelled_by_a_token_on_its_way_it_tears),
        EACH(cancelled_in_the_queue_it_tears_and_what_was_before_ends),
        EACH(cancelled_with_a_part_taken_it_runs_to_its_end),
    };

    return RUN_CASES("write_needed", cases);
}
