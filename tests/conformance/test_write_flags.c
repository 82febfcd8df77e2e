// SPDX-License-Identifier: MIT
//
// The flags of a write, one by one.
#include "tests/lib/fixture.h"

#include <string.h>

enum { MIB = 1024 * 1024 };

// A cork that no test outlives: what flushes is then never the timer.
#define LONG_CORK (UINT64_C(3600) * 1000000000)

static struct pair *
corked_pair(struct fixture *fixture)
{
    return pair_open(fixture, &(struct pair_options){.stream.cork_ns = LONG_CORK});
}

// ---- MORE -------------------------------------------------------------------------------------

// K3, Q17
static void
more_holds_until_the_next_write_without_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = corked_pair(fixture);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_MORE), 0);
    peer_expect_silence(fixture, pair->peer);
    assert_status(request_submit(pair, recorder, 2, 100, 0), 0);
    for (unsigned tag = 0; tag < 3; tag++) {
        peer_read_pattern(fixture, pair->peer, 100, 0, tag);
    }
    recorder_wait(recorder, 3);
}

// K3, K7, Q21
static void
more_is_flushed_by_a_barrier(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = corked_pair(fixture);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    peer_expect_silence(fixture, pair->peer);
    assert_status(request_submit(pair, recorder, 1, 0, 0), 0);
    recorder_wait(recorder, 2);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    assert_int_equal(recorder_at(recorder, 0).tag, 0);
}

static void
more_is_flushed_by_a_fin(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = corked_pair(fixture);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    peer_expect_silence(fixture, pair->peer);
    assert_status(weir_end(pair->stream), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
}

// 5.9-9
static void
more_then_close_loses_nothing(void **state)
{
    static const enum weir_close_mode modes[] = {WEIR_CLOSE_DRAIN, WEIR_CLOSE_FLUSH};
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = corked_pair(fixture);

        assert_status(request_submit(pair, recorder, index, 100, WEIR_MORE), 0);
        peer_expect_silence(fixture, pair->peer);
        assert_status(weir_close(pair->stream, modes[index], 0, 0), 0);
        peer_read_pattern(fixture, pair->peer, 100, 0, index);
        peer_expect_eof(fixture, pair->peer);
        peer_finish(fixture, pair->peer);
        pair_wait_closed(pair);
        recorder_wait(recorder, index + 1);
        assert_status(recorder_of(recorder, index).status, 0);
    }
}

// 5.9-9, 598: a bounded timer, so that nobody has to come back.
static void
more_then_idle_leaves_by_itself(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.cork_ns = MS(20)});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t begin = weir_now_ns();

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    recorder_wait(recorder, 1);
    assert_true(weir_now_ns() - begin >= MS(19));
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
}

// The default is a fifth of a second, not for ever.
static void
more_then_idle_leaves_by_itself_by_default(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, WEIR_MORE), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    recorder_wait(recorder, 1);
}

struct waiting {
    struct pair *pair;
    struct recorder *recorder;
    int status;
};

static void
wait_for_corked(void *arg)
{
    struct waiting *waiting = arg;
    struct weir_write request = request_make(waiting->recorder, 0, 100);

    request.flags = WEIR_MORE;
    request.deadline_ns = test_deadline();
    waiting->status = weir_write_wait(waiting->pair->stream, &request, NULL);
}

// 5.9-9, 1602: never corked across a wait.
static void
more_then_wait_does_not_wait_for_ever(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));

    waiting->pair = corked_pair(fixture);
    waiting->recorder = recorder_make(fixture);
    thread_join(fixture, thread_start(fixture, wait_for_corked, waiting));
    assert_status(waiting->status, 0);
    peer_read_pattern(fixture, waiting->pair->peer, 100, 0, 0);
}

struct op_waiting {
    weir_op op;
    int status;
};

static void
wait_for_op(void *arg)
{
    struct op_waiting *waiting = arg;

    waiting->status = weir_op_wait(waiting->op, weir_deadline_after(MS(2000) * test_slow_factor()));
}

// 1602: the other way to wait.
static void
more_then_op_wait_does_not_wait_for_ever(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct op_waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct pair *pair = corked_pair(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 100);

    request.flags = WEIR_MORE;
    assert_status(submit(fixture, pair->stream, &request, &waiting->op), 0);
    thread_join(fixture, thread_start(fixture, wait_for_op, waiting));
    assert_status(waiting->status, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
}

// ---- FIN --------------------------------------------------------------------------------------

// Q16, K41, H31
static void
fin_ends_the_write_side_behind_its_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 1000, WEIR_FIN), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), -WEIR_EENDED);
    assert_status(request_submit(pair, recorder, 2, 0, WEIR_FIN), -WEIR_EENDED);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
    // The other direction lives on.
    peer_write(fixture, pair->peer, "hello", 5);
    events_wait(pair->events, "data");
    events_expect(pair->events, "started send_closed:1 data:5");
    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
}

// Q21
static void
a_bare_fin_is_an_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 0, WEIR_FIN), 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 0);
}

static void
fin_waits_behind_a_blocked_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, WEIR_FIN), 0);
    pair_block(pair);
    assert_int_equal(events_count(pair->events, "send_closed"), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
    events_wait(pair->events, "send_closed");
}

// ---- barriers ---------------------------------------------------------------------------------

// 5.9-8, K7, Q21, C9
static void
a_barrier_completes_in_every_position(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    // 0 is a barrier; else a size. First, doubled, between, after a cork, last.
    static const size_t order[] = {0, 0, 10, 0, 20, 30, 0, 0, 40, 0};
    enum { COUNT = sizeof(order) / sizeof(order[0]) };

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, order[tag], tag == 4 ? WEIR_MORE : 0), 0);
    }
    recorder_wait(recorder, COUNT);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, order[tag]);
        peer_read_pattern(fixture, pair->peer, order[tag], 0, tag);
    }
}

static void
a_barrier_of_empty_pieces_is_a_barrier_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    struct iovec pieces[2] = {{NULL, 0}, {"x", 0}};

    request.iov = pieces;
    request.iov_count = 2;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    peer_expect_silence(fixture, pair->peer);
}

// 6243
static void
a_thousand_writes_follow_a_barrier(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 0, 0), 0);
    for (unsigned tag = 1; tag <= 1000; tag++) {
        assert_status(request_submit(pair, recorder, tag, 10, 0), 0);
        if (tag % 100 == 0) {
            fixture_turn(fixture);
        }
    }
    for (unsigned tag = 1; tag <= 1000; tag++) {
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
    recorder_wait(recorder, 1001);
}

// 1093: the flush waits for the wire.
static void
a_barrier_waits_for_all_before_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 0, 0), 0);
    pair_block(pair);
    assert_int_equal(recorder_count(recorder), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 2);
    assert_int_equal(recorder_at(recorder, 0).tag, 0);
}

// ---- NOWAIT -----------------------------------------------------------------------------------

// The one try is made in the call or on the loop: the status, wherever it is said.
static int
nowait(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size, uint64_t *ret_sent)
{
    unsigned count = recorder_count(recorder);
    int result = request_submit(pair, recorder, tag, size, WEIR_NOWAIT);

    *ret_sent = 0;
    if (result < 0) {
        fixture_settle(pair->fixture);
        assert_int_equal(recorder_count(recorder), count);
        return result;
    }
    assert_int_equal(result, 0);
    recorder_wait(recorder, count + 1);
    *ret_sent = recorder_of(recorder, tag).sent;
    return recorder_of(recorder, tag).status;
}

// N14, N-T13, C18
static void
nowait_sends_what_the_kernel_takes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t sent;

    assert_status(nowait(pair, recorder, 0, 100, &sent), 0);
    assert_int_equal(sent, 100);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    assert_status(nowait(pair, recorder, 1, MIB, &sent), 0);
    assert_true(sent >= 1 && sent < MIB);
    peer_read_pattern(fixture, pair->peer, sent, 0, 1);
    // It never tears: the next write goes on right behind what was taken.
    assert_status(weir_stream_status(pair->stream), 0);
    assert_status(request_submit(pair, recorder, 2, 500, 0), 0);
    peer_read_pattern(fixture, pair->peer, 500, 0, 2);
}

// N14, C18
static void
nowait_on_a_full_socket_is_eagain(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t sent;

    assert_status(nowait(pair, recorder, 0, 100, &sent), -EAGAIN);
    assert_int_equal(sent, 0);
    assert_status(weir_stream_status(pair->stream), 0);
    pair_unstuff(pair);
    assert_status(nowait(pair, recorder, 1, 100, &sent), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
}

// Behind a blocked write nothing of it can go.
static void
nowait_behind_a_blocked_write_is_eagain(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t sent;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(nowait(pair, recorder, 1, 100, &sent), -EAGAIN);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_expect_silence(fixture, pair->peer);
}

struct here {
    struct pair *pair;
    struct recorder *recorder;
    int result;
};

static void
nowait_here(void *arg)
{
    struct here *here = arg;

    here->result = request_submit(here->pair, here->recorder, 0, 100, WEIR_NOWAIT);
}

// Contract 4: where the caller may write inline, -EAGAIN is the call's own answer.
static void
nowait_on_the_loop_is_one_try_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct here *here = fixture_memory(fixture, sizeof(*here));

    here->pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    here->recorder = recorder_make(fixture);
    loop_call(fixture, fixture->loop, nowait_here, here);
    fixture_settle(fixture);
    if (here->result == 0) {
        recorder_wait(here->recorder, 1);
        here->result = recorder_of(here->recorder, 0).status;
    } else {
        assert_int_equal(recorder_count(here->recorder), 0);
    }
    assert_status(here->result, -EAGAIN);
}

// ---- INLINE_OK --------------------------------------------------------------------------------

// N21, K8
static void
inline_sends_inside_the_call(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_INLINE});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(recorder, 0, 1000);
    weir_op op = {0};
    uint8_t bytes[1000];

    fixture_settle(fixture);
    request.flags = WEIR_INLINE_OK | WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, &op), 1);
    // No loop has turned: the bytes are there.
    assert_int_equal(peer_waiting(pair->peer), 1000);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    assert_int_equal(released_count(released), 1);
    assert_int_equal(fixture_stats(fixture).operations_inline, 1);
    peer_read_exact(fixture, pair->peer, bytes, sizeof(bytes));
    assert_int_equal(pattern_check(bytes, sizeof(bytes), 0, 0), sizeof(bytes));
}

// Without the stream's option the right to write stays with the loop.
static void
inline_needs_the_streams_option(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 1000, WEIR_INLINE_OK), 0);
    recorder_wait(recorder, 1);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
}

// What the kernel does not take goes to the loop as the head.
static void
inline_of_more_than_fits_completes_on_the_loop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_INLINE, .small = true});
    struct recorder *recorder = recorder_make(fixture);

    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 0, MIB, WEIR_INLINE_OK), 0);
    assert_status(request_submit(pair, recorder, 1, 1000, WEIR_INLINE_OK), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 1);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, MIB);
    assert_int_equal(recorder_at(recorder, 0).tag, 0);
}

// Not past a submit that waits in a lane, nor past a cork.
static void
inline_does_not_overtake(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture,
        &(struct pair_options){.stream = {.flags = WEIR_STREAM_INLINE, .cork_ns = LONG_CORK}});
    struct recorder *recorder = recorder_make(fixture);

    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_INLINE_OK), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
    recorder_wait(recorder, 2);
    assert_status(request_submit(pair, recorder, 2, 100, WEIR_MORE), 0);
    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 3, 100, WEIR_INLINE_OK), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 2);
    peer_read_pattern(fixture, pair->peer, 100, 0, 3);
    recorder_wait(recorder, 4);
}

// ---- ZEROCOPY ---------------------------------------------------------------------------------

// 72739: done means that nobody reads the memory any more.
static void
zerocopy_memory_is_free_when_done(void **state)
{
    enum { SIZE = 60000 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, SIZE);
    struct weir_result result;

    request.flags = WEIR_ZEROCOPY;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 0);
    expect_result(result, 0, WEIR_ORIGIN_NONE, SIZE);
    memset(request.iov[0].iov_base, 0xA5, SIZE);
    peer_read_pattern(fixture, pair->peer, SIZE, 0, 0);
}

static void
zerocopy_of_any_size_is_delivered(void **state)
{
    static const size_t sizes[] = {1, 4096, 32768, 262144, MIB};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 5; tag++) {
        assert_status(request_submit(pair, recorder, tag, sizes[tag], WEIR_ZEROCOPY), 0);
    }
    for (unsigned tag = 0; tag < 5; tag++) {
        peer_read_pattern(fixture, pair->peer, sizes[tag], 0, tag);
    }
    recorder_wait(recorder, 5);
}

static void
zerocopy_mixes_with_other_writes(void **state)
{
    static const size_t sizes[] = {100, 32768, 0, 50000, 4000, MIB, 3 * MIB, 1, 40000, 0, 300000};
    enum { WRITES = sizeof(sizes) / sizeof(sizes[0]) };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < WRITES; tag++) {
        unsigned flags =
            (tag % 3 != 0 ? (unsigned)WEIR_ZEROCOPY : 0) | (tag % 4 == 1 ? (unsigned)WEIR_COPY : 0);

        assert_status(request_submit(pair, recorder, tag, sizes[tag], flags), 0);
    }
    for (unsigned tag = 0; tag < WRITES; tag++) {
        peer_read_pattern(fixture, pair->peer, sizes[tag], 0, tag);
    }
    recorder_wait(recorder, WRITES);
    for (unsigned tag = 0; tag < WRITES; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, sizes[tag]);
    }
}

static void
zerocopy_blocks_come_home(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_chain chain = request_chain(MIB, 3);
    struct weir_write request = request_make(recorder, 0, 0);

    request.chain = &chain;
    request.flags = WEIR_ZEROCOPY;
    assert_status(weir_write(pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 3);
    recorder_wait(recorder, 1); // the teardown counts the blocks
}

static struct weir_write
given_from_memory(struct recorder *recorder, struct released *released)
{
    struct weir_write request = request_make(recorder, 0, MIB);

    request.flags = WEIR_ZEROCOPY | WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    return request;
}

// A cancel after a part: torn, and the peer has exactly what was reported.
static void
zerocopy_is_torn_as_any_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = given_from_memory(recorder, released);
    struct weir_result result;
    weir_op op;
    size_t taken;

    assert_status(weir_write(pair->stream, &request, &op), 0);
    taken = pair_block(pair);
    assert_status(weir_cancel(op), WEIR_CANCEL_PENDING);
    fixture_settle(fixture);
    assert_status(request_submit(pair, recorder, 1, 1, 0), -WEIR_ETORN);
    peer_read_pattern(fixture, pair->peer, taken, 0, 0);
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 0);
    expect_result(result, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, taken);
    assert_int_equal(released_count(released), 1);
    peer_expect_silence(fixture, pair->peer);
}

// Reset with bytes under way: the kernel lets go at once, and then the memory is free.
static void
zerocopy_ends_with_an_abort(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = given_from_memory(recorder, released);
    size_t taken;

    assert_status(weir_write(pair->stream, &request, NULL), 0);
    taken = pair_block(pair);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    assert_int_equal(released_count(released), 1);
    expect_result(recorder_of(recorder, 0), -WEIR_EENDED, WEIR_ORIGIN_LOCAL_CLOSE, taken);
    assert_int_equal(pair->events->closed.bytes_lost, MIB - taken);
    assert_true(peer_expect_reset(fixture, pair->peer) <= taken);
}

static void
zerocopy_ends_with_a_reset_by_the_peer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = given_from_memory(recorder, released);

    assert_status(weir_write(pair->stream, &request, NULL), 0);
    pair_block(pair);
    peer_reset(fixture, pair->peer);
    pair_wait_closed(pair);
    assert_int_equal(released_count(released), 1);
    assert_true(recorder_of(recorder, 0).status < 0);
}

// A drain waits for the peer, and so for everything.
static void
zerocopy_is_drained(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, WEIR_ZEROCOPY), 0);
    assert_status(request_submit(pair, recorder, 1, 50000, WEIR_ZEROCOPY), 0);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 50000, 0, 1);
    peer_expect_eof(fixture, pair->peer);
    peer_finish(fixture, pair->peer);
    pair_wait_closed(pair);
    assert_int_equal(recorder_count(recorder), 2);
    assert_status(pair->events->closed.status, 0);
}

// Level ACKED: both have to be told, what the peer has and what the kernel let go of.
static void
zerocopy_may_be_acknowledged(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 4; tag++) {
        struct weir_write request = request_make(recorder, tag, 100000);

        request.flags = tag % 2 == 0 ? WEIR_ZEROCOPY : 0;
        request.level = WEIR_ACKED;
        assert_status(weir_write(pair->stream, &request, NULL), 0);
    }
    for (unsigned tag = 0; tag < 4; tag++) {
        peer_read_pattern(fixture, pair->peer, 100000, 0, tag);
    }
    recorder_wait(recorder, 4);
    for (unsigned tag = 0; tag < 4; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        assert_int_equal(recorder_of(recorder, tag).acked, 100000);
    }
}

// The loopback device copies all the same: that is noticed, and costs a few sends.
static void
zerocopy_over_loopback_is_given_up(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_stats stats;

    for (unsigned tag = 0; tag < 20; tag++) {
        assert_status(request_submit(pair, recorder, tag, 50000, WEIR_ZEROCOPY), 0);
        peer_read_pattern(fixture, pair->peer, 50000, 0, tag);
        recorder_wait(recorder, tag + 1);
    }
    stats = fixture_stats(fixture);
    assert_int_equal(stats.zerocopy_off, 1);
    assert_int_equal(stats.zerocopy_copied, stats.zerocopy_sends);
    assert_in_range(stats.zerocopy_sends, 1, 10);
}

// ---- PRIORITY ---------------------------------------------------------------------------------

// Q20, Q-T14: past those that have not started, in order among themselves.
static void
priority_passes_what_has_not_started(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(request_submit(pair, recorder, 3, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 4, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 1, 100, WEIR_PRIORITY), 0);
    assert_status(request_submit(pair, recorder, 2, 100, WEIR_PRIORITY), 0);
    fixture_settle(fixture);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    for (unsigned tag = 1; tag <= 4; tag++) {
        peer_read_pattern(fixture, pair->peer, 100, 0, tag);
    }
    recorder_wait(recorder, 5);
    for (unsigned index = 0; index < 5; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

static void
priority_does_not_pass_a_barrier(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(request_submit(pair, recorder, 1, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 2, 0, 0), 0);
    assert_status(request_submit(pair, recorder, 4, 100, 0), 0);
    assert_status(request_submit(pair, recorder, 3, 100, WEIR_PRIORITY), 0);
    fixture_settle(fixture);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
    peer_read_pattern(fixture, pair->peer, 100, 0, 3);
    peer_read_pattern(fixture, pair->peer, 100, 0, 4);
    recorder_wait(recorder, 5);
    for (unsigned index = 0; index < 5; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

// Q-T14 InfiniteLoop: at most so many in a row.
static void
priority_starves_nobody(void **state)
{
    enum { COUNT = 400 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    for (unsigned tag = 2; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, 10, WEIR_PRIORITY), 0);
    }
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, COUNT);
    assert_true(recorder_at(recorder, COUNT - 1).tag != 1);
}

// ---- refusals ---------------------------------------------------------------------------------

static void
unknown_flags_and_contradictions_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned bit = 18; bit < 32; bit++) {
        assert_status(request_submit(pair, recorder, bit, 10, 1u << bit), -EINVAL);
        assert_status(request_submit(pair, recorder, bit, 10, 1u << bit | WEIR_BEST_EFFORT),
                      -EINVAL);
    }
    assert_status(request_submit(pair, recorder, 0, 10, WEIR_FIN | WEIR_MORE), -EINVAL);
    assert_status(request_submit(pair, recorder, 0, 10, WEIR_COPY | WEIR_GIVE), -EINVAL);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(recorder_count(recorder), 0);
}

// 5.10-5, Q18, Q19, Q6, Q36, K50
static void
what_this_transport_lacks_is_enotsup(void **state)
{
    static const unsigned flags[] = {WEIR_CHUNK, WEIR_CHUNK_END, WEIR_ALLOW_0RTT,
                                     WEIR_CANCEL_ON_LOSS};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request;

    for (unsigned index = 0; index < 4; index++) {
        assert_status(request_submit(pair, recorder, 0, 10, flags[index]), -ENOTSUP);
    }
    request = request_make(recorder, 0, 10);
    request.stream_priority = 1;
    assert_status(submit(fixture, pair->stream, &request, NULL), -ENOTSUP);
    request.stream_priority = 0;
    request.reliable_offset = 1;
    assert_status(submit(fixture, pair->stream, &request, NULL), -ENOTSUP);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(recorder_count(recorder), 0);
}

static void
best_effort_does_without_what_is_lacking(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);

    request.flags = WEIR_BEST_EFFORT | WEIR_ALLOW_0RTT | WEIR_CANCEL_ON_LOSS;
    request.stream_priority = 7;
    request.reliable_offset = 5;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    recorder_wait(recorder, 1);
    assert_status(recorder_of(recorder, 0).status, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(more_holds_until_the_next_write_without_it),
        EACH(more_is_flushed_by_a_barrier),
        EACH(more_is_flushed_by_a_fin),
        EACH(more_then_close_loses_nothing),
        EACH(more_then_idle_leaves_by_itself),
        ONCE(more_then_idle_leaves_by_itself_by_default),
        EACH(more_then_wait_does_not_wait_for_ever),
        EACH(more_then_op_wait_does_not_wait_for_ever),
        EACH(fin_ends_the_write_side_behind_its_bytes),
        EACH(a_bare_fin_is_an_end),
        EACH(fin_waits_behind_a_blocked_write),
        EACH(a_barrier_completes_in_every_position),
        EACH(a_barrier_of_empty_pieces_is_a_barrier_too),
        EACH(a_thousand_writes_follow_a_barrier),
        EACH(a_barrier_waits_for_all_before_it),
        EACH(nowait_sends_what_the_kernel_takes),
        EACH(nowait_on_a_full_socket_is_eagain),
        EACH(nowait_behind_a_blocked_write_is_eagain),
        EACH(nowait_on_the_loop_is_one_try_too),
        EACH(inline_sends_inside_the_call),
        EACH(inline_needs_the_streams_option),
        EACH(inline_of_more_than_fits_completes_on_the_loop),
        EACH(inline_does_not_overtake),
        EACH(zerocopy_memory_is_free_when_done),
        EACH(zerocopy_of_any_size_is_delivered),
        EACH(zerocopy_mixes_with_other_writes),
        EACH(zerocopy_blocks_come_home),
        EACH(zerocopy_is_torn_as_any_write),
        EACH(zerocopy_ends_with_an_abort),
        EACH_WITH_RESETS(zerocopy_ends_with_a_reset_by_the_peer),
        EACH(zerocopy_is_drained),
        EACH_TCP(zerocopy_may_be_acknowledged),
        EACH_TCP(zerocopy_over_loopback_is_given_up),
        EACH(priority_passes_what_has_not_started),
        EACH(priority_does_not_pass_a_barrier),
        EACH(priority_starves_nobody),
        EACH(unknown_flags_and_contradictions_are_refused),
        EACH(what_this_transport_lacks_is_enotsup),
        EACH(best_effort_does_without_what_is_lacking),
    };

    return RUN_CASES("conformance.write_flags", cases);
}
