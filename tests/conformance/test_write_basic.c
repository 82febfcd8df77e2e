// SPDX-License-Identifier: MIT
//
// One write: memory forms, sizes, scatter/gather, results, exactly one completion, later.
#include "tests/lib/fixture.h"

#include <limits.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

static const size_t sizes[] = {1,    2,    127,   128,   129,    4031,    4032,
                               4033, 8064, 16384, 65536, 131073, MIB - 1, MIB + 1};
enum { SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };

// Read what was written, then the one completion; every field says all went well.
static void
expect_delivery(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size)
{
    struct weir_result result;

    peer_read_pattern(pair->fixture, pair->peer, size, 0, tag);
    recorder_wait(recorder, tag + 1);
    result = recorder_of(recorder, tag);
    expect_result(result, 0, WEIR_ORIGIN_NONE, size);
    assert_int_equal(result.accepted, size);
    assert_false(result.late_cancel);
    assert_true(result.turn_ns > 0);
    assert_int_equal(result.submit_ns, 0);
}

// N31, Q10, Q12
static void
borrowed_memory_of_any_size_is_delivered(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct weir_write request = request_make(recorder, index, sizes[index]);
        weir_op op = {0};

        assert_status(submit(fixture, pair->stream, &request, &op), 0);
        assert_true(op.bits != 0);
        assert_int_equal(recorder_count(recorder), index);
        expect_delivery(pair, recorder, index, sizes[index]);
        assert_true(recorder_of(recorder, index).op.bits == op.bits);
        assert_true(recorder_at(recorder, index).stream.bits == pair->stream.bits);
    }
}

// K6: the caller's memory is free when the call returns.
static void
copied_memory_may_be_overwritten_after_submit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct weir_write request = request_make(recorder, index, sizes[index]);

        request.flags = WEIR_COPY;
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
        memset(request.iov[0].iov_base, 0xA5, request.iov[0].iov_len);
        expect_delivery(pair, recorder, index, sizes[index]);
    }
}

// H2: given away, with a signal when it is free.
static void
given_memory_is_released_exactly_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct weir_write request = request_make(recorder, index, sizes[index]);

        request.flags = WEIR_GIVE;
        request.release = request_release;
        request.release_arg = released;
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
        expect_delivery(pair, recorder, index, sizes[index]);
        fixture_settle(fixture);
        assert_int_equal(released_count(released), index + 1);
    }
}

// Also when there is nothing in it.
static void
given_nothing_is_released_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);

    request.iov = &(struct iovec){"x", 0};
    request.iov_count = 1;
    request.flags = WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    fixture_settle(fixture);
    assert_int_equal(released_count(released), 1);
    peer_expect_silence(fixture, pair->peer);
}

// K4
static void
a_chain_is_taken_and_left_empty(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned index = 0; index < SIZE_COUNT; index++) {
        struct weir_chain chain = request_chain(sizes[index], index);
        struct weir_write request = request_make(recorder, index, 0);

        request.chain = &chain;
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
        assert_null(chain.head);
        assert_int_equal(weir_chain_size(&chain), 0);
        expect_delivery(pair, recorder, index, sizes[index]);
    }
}

static void
one_shared_payload_goes_to_many_streams(void **state)
{
    enum { STREAMS = 8, SIZE = 100000 };
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pairs[STREAMS];
    struct weir_shared *shared = weir_shared_create(pattern_make(fixture, SIZE, 3), SIZE);

    assert_non_null(shared);
    for (unsigned index = 0; index < STREAMS; index++) {
        struct weir_write request = request_make(recorder, index, 0);

        request.shared = shared;
        pairs[index] = pair_open(fixture, &(struct pair_options){0});
        assert_status(submit(fixture, pairs[index]->stream, &request, NULL), 0);
    }
    weir_shared_unref(shared);
    for (unsigned index = 0; index < STREAMS; index++) {
        peer_read_pattern(fixture, pairs[index]->peer, SIZE, 0, 3);
    }
    recorder_wait(recorder, STREAMS);
    for (unsigned index = 0; index < STREAMS; index++) {
        struct weir_result result = recorder_of(recorder, index);

        expect_result(result, 0, WEIR_ORIGIN_NONE, SIZE);
        assert_int_equal(result.accepted, SIZE);
    }
}

// Pieces of 1, 2, 3, … bytes, one of them empty; descriptors are overwritten after the call.
static void
gather(struct pair *pair, struct recorder *recorder, unsigned tag, unsigned count, unsigned flags)
{
    struct fixture *fixture = pair->fixture;
    size_t total = 0;
    uint8_t *bytes;
    struct iovec *iov = fixture_memory(fixture, sizeof(*iov) * (count + 1));
    struct weir_write request = request_make(recorder, tag, 0);

    for (unsigned index = 0; index < count; index++) {
        iov[index].iov_len = index == 1 ? 0 : 1 + index % 97;
        total += iov[index].iov_len;
    }
    bytes = pattern_make(fixture, total, tag);
    for (unsigned index = 0; index < count; index++) {
        iov[index].iov_base = index == 1 ? NULL : bytes;
        bytes += iov[index].iov_len;
    }
    request.iov = count > 0 ? iov : NULL;
    request.iov_count = count;
    request.flags = flags;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    memset(iov, 0xFF, sizeof(*iov) * count);
    expect_delivery(pair, recorder, tag, total);
}

// N17, Q11: any number, and the descriptors are free at return.
static void
any_number_of_pieces_is_one_write(void **state)
{
    static const unsigned counts[] = {0, 1, 2, 3, 8, 64, 1024, 1025, 5000};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    unsigned tag = 0;

    for (unsigned index = 0; index < sizeof(counts) / sizeof(counts[0]); index++) {
        gather(pair, recorder, tag++, counts[index], 0);
        gather(pair, recorder, tag++, counts[index], WEIR_COPY);
    }
}

// N31: all is the default, however little the kernel takes at a time.
static void
a_write_is_done_when_the_kernel_has_all_of_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_int_equal(recorder_count(recorder), 0);
    assert_int_equal(weir_queued(pair->stream), MIB);
    expect_delivery(pair, recorder, 0, MIB);
    assert_int_equal(weir_queued(pair->stream), 0);
}

// N30
static void
a_write_with_some_is_done_after_one_byte(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_result result;

    assert_status(request_submit(pair, recorder, 1, MIB, WEIR_SOME), 0);
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 1);
    assert_status(result.status, 0);
    assert_true(result.sent >= 1);
    assert_true(result.sent < MIB);
    assert_int_equal(result.accepted, MIB);
    peer_read_pattern(fixture, pair->peer, result.sent, 0, 1);
    peer_expect_silence(fixture, pair->peer);
}

// 5.9-4, N33, N34: how a write ends is its own affair, not its neighbour's.
static void
some_and_all_side_by_side_keep_their_own_rules(void **state)
{
    enum { PAIRS = 8, SIZE = 200000 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < PAIRS; tag += 2) {
        assert_status(request_submit(pair, recorder, tag, SIZE, 0), 0);
        assert_status(request_submit(pair, recorder, tag + 1, SIZE, WEIR_SOME), 0);
    }
    for (unsigned tag = 0; tag < PAIRS; tag += 2) {
        struct weir_result some;

        peer_read_pattern(fixture, pair->peer, SIZE, 0, tag);
        // One byte of the short one leaves as soon as there is room for it.
        peer_read_pattern(fixture, pair->peer, 1, 0, tag + 1);
        fixture_turn(fixture);
        some = recorder_of(recorder, tag + 1);
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, SIZE);
        assert_status(some.status, 0);
        assert_true(some.sent >= 1 && some.sent <= SIZE);
        peer_read_pattern(fixture, pair->peer, some.sent - 1, 1, tag + 1);
    }
    recorder_wait(recorder, PAIRS);
}

// N33, C14
static void
completions_come_in_submit_order(void **state)
{
    enum { COUNT = 300 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, (tag * 37) % 5000, 0), 0);
    }
    for (unsigned tag = 0; tag < COUNT; tag++) {
        peer_read_pattern(fixture, pair->peer, (tag * 37) % 5000, 0, tag);
    }
    recorder_wait(recorder, COUNT);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
    }
}

// K10, K-T9, contract 4.8: what waits for a stream leaves in one call.
static void
queued_writes_leave_in_one_system_call(void **state)
{
    enum { COUNT = 100 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t sends;

    fixture_settle(fixture);
    sends = fixture_stats(fixture).system_sends;
    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, 10 + tag, tag % 2 ? WEIR_COPY : 0), 0);
    }
    recorder_wait(recorder, COUNT);
    assert_int_equal(fixture_stats(fixture).system_sends - sends, 1);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        peer_read_pattern(fixture, pair->peer, 10 + tag, 0, tag);
    }
}

struct loop_submit {
    struct pair *pair;
    struct recorder *recorder;
    int result;
    unsigned count_after;
};

static void
submit_here(void *arg)
{
    struct loop_submit *here = arg;

    here->result = request_submit(here->pair, here->recorder, 0, 1000, 0);
    here->count_after = recorder_count(here->recorder);
}

// N2: also from the loop itself the completion comes later; the fixture would notice a nested one.
static void
a_submit_on_the_loop_completes_after_it_returned(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct loop_submit *here = fixture_memory(fixture, sizeof(*here));

    here->pair = pair_open(fixture, &(struct pair_options){0});
    here->recorder = recorder_make(fixture);
    loop_call(fixture, fixture->loop, submit_here, here);
    assert_status(here->result, 0);
    assert_int_equal(here->count_after, 0);
    expect_delivery(here->pair, here->recorder, 0, 1000);
}

// N3
static void
a_write_without_a_done_function_is_counted(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_write request = {.iov = pattern_iov(fixture, 10, 0), .iov_count = 1};
    struct weir_stats before = fixture_stats(fixture);
    struct weir_stats after;

    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    fixture_settle(fixture);
    after = fixture_stats(fixture);
    assert_int_equal(after.operations_accepted - before.operations_accepted, 1);
    assert_int_equal(after.operations_completed - before.operations_completed, 1);
    assert_int_equal(after.bytes_sent - before.bytes_sent, 10);
}

static void
a_timed_write_carries_the_time_of_its_submit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t before = weir_now_ns();
    uint64_t after;
    struct weir_result result;

    assert_status(request_submit(pair, recorder, 0, 10, WEIR_TIMED), 0);
    after = weir_now_ns();
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 0);
    assert_true(result.submit_ns >= before);
    assert_true(result.submit_ns <= after);
}

// N7
static void
an_operation_is_busy_until_its_callback_has_returned(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_true(weir_op_is_busy(op));
    assert_status(weir_op_wait(op, weir_now_ns()), -ETIMEDOUT);
    recorder_wait(recorder, 1);
    assert_false(weir_op_is_busy(op));
    assert_status(weir_op_wait(op, WEIR_NEVER), 0);
}

struct waiting {
    struct pair *pair;
    struct recorder *recorder;
    int status;
    struct weir_result result;
};

static void
write_and_wait(void *arg)
{
    struct waiting *waiting = arg;
    struct weir_write request = request_make(waiting->recorder, 0, 300000);

    request.deadline_ns = test_deadline();
    waiting->status = weir_write_wait(waiting->pair->stream, &request, &waiting->result);
}

struct waiting_inline {
    struct pair *pair;
    struct weir_write request;
    unsigned completions; // of the request's own function
    uint64_t told;        // what it was told is sent
    int status;
    struct weir_result result;
};

static void
count_completion(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct waiting_inline *waiting = arg;

    (void)stream;
    waiting->completions++;
    waiting->told = result->sent;
}

static void
write_inline_and_wait(void *arg)
{
    struct waiting_inline *waiting = arg;

    waiting->status = weir_write_wait(waiting->pair->stream, &waiting->request, &waiting->result);
}

// Whether it is sent inside the call or not is not to be seen.
static void
waiting_inline_as(void **state, unsigned flags)
{
    static char bytes[500];
    static const struct iovec iov = {bytes, sizeof(bytes)};
    struct fixture *fixture = fixture_manual(state);
    struct waiting_inline *waiting = fixture_memory(fixture, sizeof(*waiting));

    waiting->pair = pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_INLINE});
    waiting->request = (struct weir_write){.iov = &iov,
                                           .iov_count = 1,
                                           .flags = flags,
                                           .deadline_ns = test_deadline(),
                                           .done = count_completion,
                                           .arg = waiting};
    thread_join(fixture, thread_start(fixture, write_inline_and_wait, waiting));
    assert_status(waiting->status, 0);
    assert_status(waiting->result.status, 0);
    assert_int_equal(waiting->result.origin, WEIR_ORIGIN_NONE);
    assert_int_equal(waiting->result.accepted, sizeof(bytes));
    assert_int_equal(waiting->result.sent, sizeof(bytes));
    assert_int_equal(waiting->completions, 1);
    assert_int_equal(waiting->told, sizeof(bytes));
    waiting->request.iov = NULL;
    thread_join(fixture, thread_start(fixture, write_inline_and_wait, waiting));
    assert_status(waiting->status, -EINVAL);
    assert_int_equal(waiting->completions, 1);
}

static void
the_waiting_form_tells_what_was_sent_inside_the_call(void **state)
{
    waiting_inline_as(state, WEIR_INLINE_OK);
}

static void
the_waiting_form_tells_how_much_of_some_was_sent(void **state)
{
    waiting_inline_as(state, WEIR_INLINE_OK | WEIR_SOME);
}

// K5, N6
static void
the_waiting_form_returns_the_result(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct waiting *waiting = fixture_memory(fixture, sizeof(*waiting));
    struct thread *thread;

    waiting->pair = pair_open(fixture, &(struct pair_options){.small = true});
    waiting->recorder = recorder_make(fixture);
    thread = thread_start(fixture, write_and_wait, waiting);
    peer_read_pattern(fixture, waiting->pair->peer, 300000, 0, 0);
    thread_join(fixture, thread);
    assert_status(waiting->status, 0);
    expect_result(waiting->result, 0, WEIR_ORIGIN_NONE, 300000);
    recorder_wait(waiting->recorder, 1);
}

// Contract of ret_op: there before the loop can see the operation.
struct early {
    struct fixture *fixture;
    weir_op op;
    bool right; // under the fixture's lock
    bool done;
};

static void
compare_op(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct early *early = arg;

    (void)stream;
    pthread_mutex_lock(&early->fixture->lock);
    early->right = early->op.bits == result->op.bits && result->op.bits != 0;
    early->done = true;
    pthread_cond_broadcast(&early->fixture->changed);
    pthread_mutex_unlock(&early->fixture->lock);
}

static bool
early_is_done(void *arg)
{
    struct early *early = arg;
    bool done;

    pthread_mutex_lock(&early->fixture->lock);
    done = early->done;
    pthread_mutex_unlock(&early->fixture->lock);
    return done;
}

static void
the_handle_is_written_before_the_completion_can_run(void **state)
{
    enum { COUNT = 2000 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct early *early = fixture_memory(fixture, sizeof(*early) * COUNT);
    uint8_t byte[COUNT];

    for (unsigned index = 0; index < COUNT; index++) {
        struct weir_write request = {
            .iov = &(struct iovec){"x", 1},
            .iov_count = 1,
            .flags = WEIR_COPY,
            .done = compare_op,
            .arg = &early[index],
        };

        early[index].fixture = fixture;
        assert_status(weir_write(pair->stream, &request, &early[index].op), 0);
        if (index % 256 == 255) {
            fixture_turn_until(fixture, early_is_done, &early[index]);
        }
    }
    peer_read_exact(fixture, pair->peer, byte, COUNT);
    for (unsigned index = 0; index < COUNT; index++) {
        fixture_turn_until(fixture, early_is_done, &early[index]);
        assert_true(early[index].right);
    }
}

// Contract 4.1: a refusal leaves all with the caller and calls nothing.
static void
a_refused_write_leaves_memory_with_the_caller(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_chain chain = request_chain(5000, 1);
    struct weir_write given = request_make(recorder, 0, 10);
    struct weir_write chained = request_make(recorder, 1, 0);
    struct weir_write shared = request_make(recorder, 2, 0);
    weir_op op = {.bits = 42};

    assert_status(weir_end(pair->stream), 0);
    given.flags = WEIR_GIVE;
    given.release = request_release;
    given.release_arg = released;
    assert_status(submit(fixture, pair->stream, &given, &op), -WEIR_EENDED);
    chained.chain = &chain;
    assert_status(submit(fixture, pair->stream, &chained, &op), -WEIR_EENDED);
    assert_int_equal(weir_chain_size(&chain), 5000);
    weir_chain_return(&chain);
    shared.shared = weir_shared_create("abc", 3);
    assert_non_null(shared.shared);
    assert_status(submit(fixture, pair->stream, &shared, &op), -WEIR_EENDED);
    weir_shared_unref(shared.shared);
    assert_int_equal(op.bits, 42);
    fixture_settle(fixture);
    assert_int_equal(released_count(released), 0);
    assert_int_equal(recorder_count(recorder), 0);
}

// Q10: NULL with a count is refused, NULL without one is a barrier; totals above SSIZE_MAX are
// refused (C20).
static void
impossible_memory_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    struct iovec null_piece = {.iov_base = NULL, .iov_len = 5};
    struct iovec huge[2] = {{"x", (size_t)SSIZE_MAX}, {"y", 1}};
    struct weir_chain chain = request_chain(10, 0);

    request.iov_count = 1;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    request.iov = &null_piece;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    request.iov = huge;
    request.iov_count = 2;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    request.iov = pattern_iov(fixture, 4, 0);
    request.iov_count = 1;
    request.chain = &chain;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    request.chain = NULL;
    request.flags = WEIR_COPY | WEIR_GIVE;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    weir_chain_return(&chain);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    peer_expect_silence(fixture, pair->peer);
}

// However the stream came to be.
static void
dialled_and_accepted_streams_write_alike(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *dialled = recorder_make(fixture);
    struct recorder *accepted = recorder_make(fixture);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_DIALLED});

    assert_status(request_submit(pair, dialled, 0, 70000, 0), 0);
    expect_delivery(pair, dialled, 0, 70000);
    pair = pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED});
    assert_status(request_submit(pair, accepted, 0, 70000, 0), 0);
    expect_delivery(pair, accepted, 0, 70000);
}

// ---- handles and those without ------------------------------------------------------------------

struct nameless {
    struct pair *blocked;
    struct recorder *recorder;
    unsigned tag;
    int result;
};

enum { ROUNDS = 20, BEHIND = 8 };

// A write with a handle, and when it is over some that have none, which get its memory.
static void
a_stale_handle_reaches_no_later_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *blocked = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct pair *open = pair_open(fixture, &(struct pair_options){0});
    struct recorder *named = recorder_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    weir_op ops[ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct weir_write request = request_make(named, round, 10);

        assert_status(submit(fixture, open->stream, &request, &ops[round]), 0);
        recorder_wait(named, round + 1);
        peer_read_pattern(fixture, open->peer, 10, 0, round);
        for (unsigned count = 0; count < BEHIND; count++) {
            assert_status(request_submit(blocked, recorder, round * BEHIND + count, 10, 0), 0);
        }
        for (unsigned stale = 0; stale <= round; stale++) { // in their lane, and then in the queue
            assert_int_equal(weir_cancel(ops[stale]), WEIR_CANCEL_LATE);
        }
        fixture_settle(fixture);
        for (unsigned stale = 0; stale <= round; stale++) {
            assert_int_equal(weir_cancel(ops[stale]), WEIR_CANCEL_LATE);
            assert_false(weir_op_is_busy(ops[stale]));
            assert_status(weir_op_wait(ops[stale], WEIR_NEVER), 0);
        }
    }
    assert_int_equal(recorder_count(recorder), 0);
    pair_unstuff(blocked);
    for (unsigned tag = 0; tag < ROUNDS * BEHIND; tag++) {
        peer_read_pattern(fixture, blocked->peer, 10, 0, tag);
    }
    recorder_wait(recorder, ROUNDS * BEHIND);
    for (unsigned tag = 0; tag < ROUNDS * BEHIND; tag++) {
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, 10);
        assert_true(recorder_of(recorder, tag).op.bits == 0);
    }
}

static void
write_and_end(void *arg)
{
    struct nameless *nameless = arg;

    for (unsigned count = 0; count < BEHIND; count++) {
        nameless->result += request_submit(nameless->blocked, nameless->recorder, nameless->tag++,
                                           10, count % 2 == 0 ? (unsigned)WEIR_COPY : 0);
    }
}

// Threads that come and go leave writes behind, in their lanes and in the queue.
static void
a_thread_may_end_before_its_writes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct nameless *nameless = fixture_memory(fixture, sizeof(*nameless));

    nameless->blocked = pair_open(fixture, &(struct pair_options){.stuffed = true});
    nameless->recorder = recorder_make(fixture);
    for (unsigned round = 0; round < ROUNDS; round++) {
        thread_call(fixture, write_and_end, nameless);
        if (round % 3 == 0) {
            fixture_settle(fixture);
        }
    }
    assert_status(nameless->result, 0);
    assert_int_equal(weir_queued(nameless->blocked->stream), ROUNDS * BEHIND * 10);
    pair_unstuff(nameless->blocked);
    for (unsigned tag = 0; tag < ROUNDS * BEHIND; tag++) {
        peer_read_pattern(fixture, nameless->blocked->peer, 10, 0, tag);
    }
    recorder_wait(nameless->recorder, ROUNDS * BEHIND);
    assert_int_equal(weir_queued(nameless->blocked->stream), 0);
    // And again when they end after what they wrote.
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct thread *thread = thread_start(fixture, write_and_end, nameless);

        for (unsigned count = 0; count < BEHIND; count++) {
            peer_read_pattern(fixture, nameless->blocked->peer, 10, 0,
                              (ROUNDS + round) * BEHIND + count);
        }
        thread_join(fixture, thread);
        recorder_wait(nameless->recorder, (ROUNDS + round + 1) * BEHIND);
    }
    assert_status(nameless->result, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(borrowed_memory_of_any_size_is_delivered),
        EACH(copied_memory_may_be_overwritten_after_submit),
        EACH(given_memory_is_released_exactly_once),
        ONCE(given_nothing_is_released_too),
        EACH(a_chain_is_taken_and_left_empty),
        EACH(one_shared_payload_goes_to_many_streams),
        EACH(any_number_of_pieces_is_one_write),
        EACH(a_write_is_done_when_the_kernel_has_all_of_it),
        EACH(a_write_with_some_is_done_after_one_byte),
        EACH(some_and_all_side_by_side_keep_their_own_rules),
        EACH(completions_come_in_submit_order),
        EACH(queued_writes_leave_in_one_system_call),
        EACH(a_submit_on_the_loop_completes_after_it_returned),
        EACH(a_write_without_a_done_function_is_counted),
        ONCE(a_timed_write_carries_the_time_of_its_submit),
        ONCE(an_operation_is_busy_until_its_callback_has_returned),
        EACH(the_waiting_form_returns_the_result),
        EACH(the_waiting_form_tells_what_was_sent_inside_the_call),
        EACH(the_waiting_form_tells_how_much_of_some_was_sent),
        ONCE(the_handle_is_written_before_the_completion_can_run),
        EACH(a_refused_write_leaves_memory_with_the_caller),
        ONCE(impossible_memory_is_refused),
        EACH(dialled_and_accepted_streams_write_alike),
        EACH(a_stale_handle_reaches_no_later_write),
        EACH(a_thread_may_end_before_its_writes),
    };

    return RUN_CASES("conformance.write_basic", cases);
}
