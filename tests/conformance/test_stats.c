// SPDX-License-Identifier: MIT
//
// Counters: they balance, and they name what was refused.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024 };

// What must hold whenever the loops are at rest and nothing is queued.
static void
expect_balance(struct fixture *fixture)
{
    struct weir_stats stats = fixture_stats(fixture);

    assert_int_equal(stats.operations_accepted, stats.operations_completed);
    assert_int_equal(stats.streams_opened - stats.streams_closed, stats.streams_now);
    assert_int_equal(stats.queued_now, 0);
}

// Everything that went over a stream is counted, once.
static void
counters_tell_what_happened(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_stats before = fixture_stats(fixture);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats after;

    for (unsigned tag = 0; tag < 10; tag++) {
        assert_status(request_submit(pair, recorder, tag, 1000, WEIR_COPY), 0);
    }
    assert_int_equal(fixture_stats(fixture).queued_now, 10000);
    recorder_wait(recorder, 10);
    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    reader_wait_consumed(reader, 5000);
    fixture_settle(fixture);
    after = fixture_stats(fixture);
    assert_int_equal(after.operations_accepted - before.operations_accepted, 10);
    assert_int_equal(after.operations_completed - before.operations_completed, 10);
    assert_int_equal(after.bytes_sent - before.bytes_sent, 10000);
    assert_int_equal(after.bytes_received - before.bytes_received, 5000);
    assert_int_equal(after.streams_opened - before.streams_opened, 1);
    assert_int_equal(after.streams_now, 1);
    assert_in_range(after.system_sends - before.system_sends, 1, 10);
    assert_true(after.system_reads > before.system_reads);
    assert_true(after.system_waits > before.system_waits);
    assert_true(after.system_polls > before.system_polls);
    assert_true(after.turns > before.turns);
    expect_balance(fixture);
    close_anyhow(pair);
    after = fixture_stats(fixture);
    assert_int_equal(after.streams_closed - before.streams_closed, 1);
    assert_int_equal(after.streams_now, 0);
    expect_balance(fixture);
}

// What a stream has sent, has received and still holds, while it is open.
static void
a_stream_tells_how_far_it_is(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_int_equal(weir_sent(pair->stream) + weir_received(pair->stream), 0);
    assert_status(request_submit(pair, recorder, 1, MIB, WEIR_COPY), 0);
    fixture_settle(fixture); // the peer does not read
    assert_in_range(weir_sent(pair->stream), 1, MIB - 1);
    assert_true(weir_sent(pair->stream) + weir_queued(pair->stream) >= MIB);
    peer_read_exact(fixture, pair->peer, fixture_memory(fixture, MIB), MIB);
    recorder_wait(recorder, 1);
    assert_int_equal(weir_sent(pair->stream), MIB);
    peer_write_pattern(fixture, pair->peer, 5000, 0, 0);
    reader_wait_consumed(reader, 5000);
    assert_int_equal(weir_received(pair->stream), 5000);
    close_anyhow(pair);
    assert_int_equal(weir_sent(pair->stream) + weir_received(pair->stream), 0);
}

// K10, section 4.8: what is queued leaves in one system call.
static void
queued_writes_leave_in_one_system_call(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats before;

    fixture_settle(fixture);
    before = fixture_stats(fixture);
    for (unsigned tag = 0; tag < 50; tag++) {
        assert_status(request_submit(pair, recorder, tag, 100, WEIR_COPY), 0);
    }
    recorder_wait(recorder, 50);
    assert_int_equal(fixture_stats(fixture).system_sends - before.system_sends, 1);
    assert_int_equal(peer_waiting(pair->peer), 5000);
}

// Cancels are told apart.
static void
cancels_are_counted_by_their_kind(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats before = fixture_stats(fixture);
    struct weir_stats after;
    struct weir_write request;
    weir_op op;

    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    fixture_settle(fixture);
    request = request_make(recorder, 1, 100);
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    request = request_make(recorder, 2, 100);
    request.deadline_ns = 1;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 2);
    after = fixture_stats(fixture);
    assert_int_equal(after.operations_cancelled - before.operations_cancelled, 2);
    assert_int_equal(after.cancels_won - before.cancels_won, 1);
    assert_int_equal(after.queued_now, 100);
    assert_true(after.blocked > before.blocked);
    pair_unstuff(pair);
    recorder_wait(recorder, 3);
    after = fixture_stats(fixture);
    assert_true(after.blocked_ns > before.blocked_ns);
    expect_balance(fixture);
}

static bool
has_passed(void *arg)
{
    return weir_now_ns() >= *(uint64_t *)arg;
}

static void
pass(struct fixture *fixture, uint64_t ns)
{
    uint64_t until = weir_deadline_after(ns);

    fixture_turn_until(fixture, has_passed, &until);
}

// Section 8: time blocked, by what for. A cork, from the write to whatever ends it.
static void
corks_are_counted_with_their_time(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.cork_ns = MS(2000)});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats stats;

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    pass(fixture, MS(10));
    stats = fixture_stats(fixture);
    assert_int_equal(stats.corked, 1);
    assert_int_equal(stats.corked_ns, 0); // not over yet
    assert_status(request_submit(pair, recorder, 1, 100, 0), 0);
    recorder_wait(recorder, 2);
    stats = fixture_stats(fixture);
    assert_int_equal(stats.corked, 1);
    assert_true(stats.corked_ns >= MS(8));
    assert_true(stats.corked_ns < MS(2000));
    assert_int_equal(stats.blocked, 0);
}

// Likewise by its own end, by a close and by an abort.
static void
a_cork_is_counted_however_it_ends(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    uint64_t before = 0;

    for (unsigned way = 0; way < 3; way++) {
        struct pair *pair =
            pair_open(fixture, &(struct pair_options){.stream.cork_ns = MS(way == 0 ? 10 : 2000)});
        struct weir_stats stats;

        assert_status(request_submit(pair, recorder, way, 100, WEIR_MORE), 0);
        pass(fixture, MS(10));
        if (way != 0) {
            assert_status(
                weir_close(pair->stream, way == 1 ? WEIR_CLOSE_FLUSH : WEIR_CLOSE_ABORT, 0, 0), 0);
        }
        recorder_wait(recorder, way + 1);
        stats = fixture_stats(fixture);
        assert_int_equal(stats.corked, way + 1);
        assert_true(stats.corked_ns - before >= MS(8));
        before = stats.corked_ns;
    }
}

// A queue over its high mark, from the first refusal to `writable`: once.
static void
a_high_mark_is_counted_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 100, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats stats;

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
    fixture_settle(fixture);
    for (unsigned i = 0; i < 3; i++) {
        assert_status(request_submit(pair, recorder, 1, 1, WEIR_COPY), -WEIR_ESTREAMFULL);
        pass(fixture, MS(5));
    }
    assert_int_equal(fixture_stats(fixture).limited, 0);
    pair_unstuff(pair);
    events_wait(pair->events, "writable");
    stats = fixture_stats(fixture);
    assert_int_equal(stats.limited, 1);
    assert_true(stats.blocked >= 1);
    assert_true(stats.blocked_ns >= MS(14));
}

// What a stream waited for when it died has been waited for.
static void
waits_end_with_the_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 100, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats stats;

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_COPY), 0);
    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 1, 1, WEIR_COPY), -WEIR_ESTREAMFULL);
    pass(fixture, MS(10));
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    stats = fixture_stats(fixture);
    assert_int_equal(stats.limited, 1);
    assert_true(stats.blocked_ns >= MS(10));
    assert_int_equal(events_count(pair->events, "writable"), 0);
}

// Section 4.7: every refusal under its own name.
static void
refusals_are_counted_by_their_name(void **state)
{
    struct fixture *fixture = fixture_with(
        state, &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .lane_entries = 8});
    struct pair *full =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 100, .stuffed = true});
    struct pair *ended = pair_open(fixture, &(struct pair_options){0});
    struct pair *gone = pair_open(fixture, &(struct pair_options){0});
    struct pair *crowded = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request;
    struct weir_stats stats;
    weir_token token;
    unsigned taken = 0;

    close_anyhow(gone);
    assert_status(request_submit(gone, recorder, 0, 10, WEIR_COPY), -WEIR_ESTALE);
    assert_status(weir_end(ended->stream), 0);
    fixture_settle(fixture);
    assert_status(request_submit(ended, recorder, 0, 10, WEIR_COPY), -WEIR_EENDED);
    assert_status(request_submit(ended, recorder, 0, 10, WEIR_COPY), -WEIR_EENDED);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    assert_status(weir_token_fire(token, 0, 0), 0);
    request = request_make(recorder, 0, 10);
    request.token = token;
    assert_status(submit(fixture, crowded->stream, &request, NULL), -ECANCELED);
    assert_status(request_submit(full, recorder, 0, 100, WEIR_COPY), 0);
    assert_status(request_submit(full, recorder, 1, 1, WEIR_COPY), -WEIR_ESTREAMFULL);
    fixture_settle(fixture);
    while (request_submit(crowded, recorder, 2 + taken, 10, WEIR_COPY) == 0) {
        taken++;
        assert_true(taken <= 8);
    }
    stats = fixture_stats(fixture);
    assert_int_equal(stats.refused[WEIR_REFUSED_ENDED], 2);
    assert_int_equal(stats.refused[WEIR_REFUSED_TOKEN], 1);
    assert_int_equal(stats.refused[WEIR_REFUSED_STREAM], 1);
    assert_int_equal(stats.refused[WEIR_REFUSED_LANE], 1);
    assert_int_equal(stats.refused[WEIR_REFUSED_LOOP], 0);
    assert_int_equal(stats.refused[WEIR_REFUSED_PROCESS], 0);
    recorder_wait(recorder, taken);
    pair_unstuff(full);
    recorder_wait(recorder, taken + 1);
    assert_status(weir_token_free(token), 0);
    expect_balance(fixture);
}

// Each loop has its own, and the runtime their sum.
static void
the_runtime_sums_its_loops(void **state)
{
    struct fixture *fixture =
        fixture_with(state, &(struct weir_runtime_options){.loops = 2, .flags = WEIR_MANUAL});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats loops[2];
    struct weir_stats sum;

    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = pair_open(
            fixture, &(struct pair_options){.loop = weir_runtime_loop(fixture->runtime, index)});

        assert_status(request_submit(pair, recorder, index, 1000 * (index + 1), WEIR_COPY), 0);
        recorder_wait(recorder, index + 1);
    }
    fixture_settle(fixture);
    for (unsigned index = 0; index < 2; index++) {
        assert_status(weir_loop_stats(weir_runtime_loop(fixture->runtime, index), &loops[index]),
                      0);
        assert_int_equal(loops[index].bytes_sent, 1000 * (index + 1));
        assert_int_equal(loops[index].streams_now, 1);
    }
    sum = fixture_stats(fixture);
    assert_int_equal(sum.bytes_sent, 3000);
    assert_int_equal(sum.turns, loops[0].turns + loops[1].turns);
    assert_int_equal(sum.system_sends, loops[0].system_sends + loops[1].system_sends);
    assert_int_equal(sum.operations_completed, 2);
    assert_status(weir_loop_stats(NULL, &sum), -EINVAL);
    assert_status(weir_loop_stats(fixture->loop, NULL), -EINVAL);
    assert_status(weir_stats(NULL, &sum), -EINVAL);
    assert_status(weir_stats(fixture->runtime, NULL), -EINVAL);
}

// Contract 3.5: writes of a burst wake the sleeping loop once, not each.
static void
wakes_are_coalesced(void **state)
{
    enum { COUNT = 300 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats before = fixture_stats(fixture);
    struct weir_stats after;

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, 10, WEIR_COPY), 0);
    }
    // If each leaves by itself, a Unix socket has no room for all of them.
    peer_read_exact(fixture, pair->peer, fixture_memory(fixture, COUNT * 10), COUNT * 10);
    recorder_wait(recorder, COUNT);
    after = fixture_stats(fixture);
    // One more that had begun before, and one that ended while these were being read.
    assert_true(after.wakes - before.wakes <= after.sleeps - before.sleeps + 2);
    assert_true(after.wakes - before.wakes <= COUNT);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_stream_tells_how_far_it_is),
        EACH(counters_tell_what_happened),
        EACH(queued_writes_leave_in_one_system_call),
        EACH(cancels_are_counted_by_their_kind),
        EACH(corks_are_counted_with_their_time),
        EACH(a_cork_is_counted_however_it_ends),
        EACH(a_high_mark_is_counted_once),
        EACH(waits_end_with_the_stream),
        ONCE(refusals_are_counted_by_their_name),
        ONCE(the_runtime_sums_its_loops),
        EACH(wakes_are_coalesced),
    };

    return RUN_CASES("conformance.stats", cases);
}
