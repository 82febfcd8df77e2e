// SPDX-License-Identifier: MIT
//
// A stream that swallows: write errors and writes after the end report success, as Kestrel's do;
// the reason stays readable. And the same without the option, for the difference.
#include "tests/lib/fixture.h"

enum { MIB = 1024 * 1024, WRITES = 5 };

struct broken {
    struct fixture *fixture;
    struct pair *pair;
    struct recorder *recorder;
    // What the first completion of a failed write saw, inside its callback.
    bool looked;
    int status;
    int later;
    struct recorder *late;
};

static void
look(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct broken *broken = arg;

    recorder_done(stream, result, recorder_tag(broken->recorder, 0));
    if (!broken->looked) {
        struct weir_write request = request_make(broken->late, 0, 10);

        broken->looked = true;
        broken->status = weir_stream_status(stream);
        broken->later = submit(broken->fixture, stream, &request, NULL);
    }
}

// Blocked writes, then a peer that resets.
static struct broken *
break_stream(struct fixture *fixture, unsigned flags)
{
    struct broken *broken = fixture_memory(fixture, sizeof(*broken));
    struct weir_write request;

    broken->fixture = fixture;
    broken->pair = pair_open(fixture, &(struct pair_options){.stream.flags = flags, .small = true});
    broken->recorder = recorder_make(fixture);
    broken->late = recorder_make(fixture);
    request = request_make(broken->recorder, 0, MIB);
    request.done = look;
    request.arg = broken;
    assert_status(submit(fixture, broken->pair->stream, &request, NULL), 0);
    for (unsigned tag = 1; tag < WRITES; tag++) {
        assert_status(request_submit(broken->pair, broken->recorder, tag, 100, 0), 0);
    }
    pair_block(broken->pair);
    peer_reset(fixture, broken->pair->peer);
    recorder_wait(broken->recorder, WRITES);
    return broken;
}

static bool
is_reset(int status)
{
    return status == -ECONNRESET || status == -EPIPE;
}

// K25, K27, K-T5; N39 the other way round
static void
a_broken_stream_reports_success_when_it_swallows(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct broken *broken = break_stream(fixture, WEIR_STREAM_SWALLOW);

    for (unsigned index = 0; index < WRITES; index++) {
        struct recorded recorded = recorder_at(broken->recorder, index);

        assert_int_equal(recorded.tag, index);
        assert_status(recorded.result.status, 0);
    }
    // Success, and yet the count is honest.
    assert_true(recorder_of(broken->recorder, 0).sent < MIB);
    assert_int_equal(recorder_of(broken->recorder, WRITES - 1).sent, 0);
}

// K24, K26: the reason is there before the first completion, and a further write does nothing,
// successfully.
static void
a_write_after_the_failure_succeeds_and_the_reason_stays(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct broken *broken = break_stream(fixture, WEIR_STREAM_SWALLOW);

    assert_true(broken->looked);
    assert_true(is_reset(broken->status));
    assert_true(broken->later >= 0);
    if (broken->later == 0) {
        recorder_wait(broken->late, 1);
        expect_result(recorder_of(broken->late, 0), 0, recorder_of(broken->late, 0).origin, 0);
    }
}

// N39, 2727: without the option every one says why, and so does the next.
static void
a_broken_stream_reports_the_reason_by_default(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct broken *broken = break_stream(fixture, 0);

    for (unsigned index = 0; index < WRITES; index++) {
        struct recorded recorded = recorder_at(broken->recorder, index);

        assert_int_equal(recorded.tag, index);
        assert_true(is_reset(recorded.result.status));
        assert_true(recorded.result.origin == WEIR_ORIGIN_PEER_RESET ||
                    recorded.result.origin == WEIR_ORIGIN_PEER_STOP);
    }
    assert_true(recorder_of(broken->recorder, 0).sent < MIB);
    assert_true(is_reset(broken->status));
    assert_true(is_reset(broken->later));
    assert_int_equal(recorder_count(broken->late), 0);
}

// K24
static void
a_write_after_the_end_succeeds_and_sends_nothing(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_SWALLOW});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(recorder, 1, 100);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_FIN), 0);
    request.flags = WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 2);
    assert_status(recorder_of(recorder, 1).status, 0);
    assert_int_equal(recorder_of(recorder, 1).sent, 0);
    assert_int_equal(released_count(released), 1);
    assert_status(weir_stream_status(pair->stream), -WEIR_EENDED);
}

// K21: what the caller took back says so.
static void
a_cancelled_write_still_says_so(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_SWALLOW, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 100);
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    fixture_settle(fixture);
    assert_int_not_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
}

// The caller's mistakes are not swallowed.
static void
a_bad_request_is_still_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_SWALLOW});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(weir_end(pair->stream), 0);
    assert_status(request_submit(pair, recorder, 0, 10, 1u << 31), -EINVAL);
    assert_status(request_submit(pair, recorder, 0, 10, WEIR_CHUNK), -ENOTSUP);
    assert_status(weir_write((weir_stream){0}, &(struct weir_write){0}, NULL), -WEIR_ESTALE);
    assert_int_equal(recorder_count(recorder), 0);
}

// The close tells everything, swallowed or not.
static void
closed_carries_the_reason_that_was_swallowed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct broken *broken = break_stream(fixture, WEIR_STREAM_SWALLOW);
    struct pair *pair = broken->pair;

    weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0);
    pair_wait_closed(pair);
    assert_true(is_reset(pair->events->closed.status));
    assert_true(pair->events->closed.bytes_lost > 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_broken_stream_reports_success_when_it_swallows),
        EACH(a_write_after_the_failure_succeeds_and_the_reason_stays),
        EACH(a_broken_stream_reports_the_reason_by_default),
        EACH(a_write_after_the_end_succeeds_and_sends_nothing),
        EACH(a_cancelled_write_still_says_so),
        EACH(a_bad_request_is_still_refused),
        EACH(closed_carries_the_reason_that_was_swallowed),
    };

    return RUN_CASES("conformance.swallow", cases);
}
