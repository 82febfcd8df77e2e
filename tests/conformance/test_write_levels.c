// SPDX-License-Identifier: MIT
//
// When a write is done: ACCEPTED by the write-behind budget, SENT, ACKED.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum { KIB = 1024, MIB = 1024 * 1024, BUDGET = 64 * KIB };

static int
accept_write(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size)
{
    struct weir_write request = request_make(recorder, tag, size);

    request.flags = WEIR_COPY;
    request.level = WEIR_ACCEPTED;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

static struct pair *
stuffed_pair(struct fixture *fixture, size_t write_behind)
{
    return pair_open(fixture,
                     &(struct pair_options){.stream.write_behind = write_behind, .stuffed = true});
}

// 5.4: borrowed memory is not free before the kernel has it.
static void
accepted_needs_memory_that_is_not_borrowed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);

    request.level = WEIR_ACCEPTED;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    request.level = (enum weir_level)3;
    request.flags = WEIR_COPY;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    peer_expect_silence(fixture, pair->peer);
}

// Every form that is not the caller's any more.
static void
accepted_takes_copy_give_chain_and_shared(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_chain chain = request_chain(100, 2);
    struct weir_write request;

    assert_status(accept_write(pair, recorder, 0, 100), 0);
    request = request_make(recorder, 1, 100);
    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    request = request_make(recorder, 2, 0);
    request.level = WEIR_ACCEPTED;
    request.chain = &chain;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    request = request_make(recorder, 3, 0);
    request.level = WEIR_ACCEPTED;
    request.shared = weir_shared_create(pattern_make(fixture, 100, 3), 100);
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    weir_shared_unref(request.shared);
    recorder_wait(recorder, 4);
    fixture_settle(fixture);
    // Done, and yet the memory is still in use.
    assert_int_equal(released_count(released), 0);
    pair_unstuff(pair);
    for (unsigned tag = 0; tag < 4; tag++) {
        assert_status(recorder_of(recorder, tag).status, 0);
        assert_int_equal(recorder_of(recorder, tag).accepted, 100);
        peer_read_pattern(fixture, pair->peer, 100, 0, tag);
    }
    fixture_settle(fixture);
    assert_int_equal(released_count(released), 1);
}

// K8, K-T2: 64 KiB at once, the next 64 KiB when there is room for it.
static void
a_full_budget_makes_the_next_write_wait(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_result result;

    assert_status(accept_write(pair, recorder, 0, BUDGET), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 1);
    result = recorder_of(recorder, 0);
    assert_status(result.status, 0);
    assert_int_equal(result.accepted, BUDGET);
    assert_int_equal(result.sent, 0);
    assert_status(accept_write(pair, recorder, 1, BUDGET), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, BUDGET, 0, 0);
    recorder_wait(recorder, 2);
    peer_read_pattern(fixture, pair->peer, BUDGET, 0, 1);
}

// K8: the limit is inclusive.
static void
the_budget_is_inclusive(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 1000);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(accept_write(pair, recorder, 0, 600), 0);
    assert_status(accept_write(pair, recorder, 1, 400), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 2);
    assert_status(accept_write(pair, recorder, 2, 1), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 2);
    pair_unstuff(pair);
    recorder_wait(recorder, 3);
    peer_read_pattern(fixture, pair->peer, 600, 0, 0);
    peer_read_pattern(fixture, pair->peer, 400, 0, 1);
    peer_read_pattern(fixture, pair->peer, 1, 0, 2);
}

// K-T1: more than the budget completes once written, and not before.
static void
a_write_above_the_budget_completes_when_written(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(accept_write(pair, recorder, 0, MIB), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, MIB);
}

// K8: strictly in order; a small write does not slip past a large one that waits.
static void
accepted_completions_come_in_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(accept_write(pair, recorder, 0, 40 * KIB), 0);
    assert_status(accept_write(pair, recorder, 1, 40 * KIB), 0);
    assert_status(accept_write(pair, recorder, 2, 1), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 40 * KIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 40 * KIB, 0, 1);
    peer_read_pattern(fixture, pair->peer, 1, 0, 2);
    recorder_wait(recorder, 3);
    for (unsigned index = 0; index < 3; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

// K-T6: what is drained admits exactly as many as fit; checked after every piece the peer reads.
static void
draining_admits_exactly_what_fits(void **state)
{
    enum { COUNT = 40, SIZE = 10000 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(accept_write(pair, recorder, tag, SIZE), 0);
    }
    fixture_settle(fixture);
    pair_unstuff(pair);
    for (size_t read = 0; read < (size_t)COUNT * SIZE; read += 1000) {
        size_t count;
        size_t sent;

        peer_read_pattern(fixture, pair->peer, 1000, read % SIZE, (unsigned)(read / SIZE));
        fixture_settle(fixture);
        count = recorder_count(recorder);
        sent = fixture_stats(fixture).bytes_sent;
        if (count * SIZE > sent + BUDGET) {
            fixture_fail(fixture, "%zu writes accepted with %zu bytes sent: above the budget",
                         count, sent);
        }
        if (count < COUNT && (count + 1) * SIZE <= sent + BUDGET) {
            fixture_fail(fixture, "%zu writes accepted with %zu bytes sent: one more fits", count,
                         sent);
        }
    }
    recorder_wait(recorder, COUNT);
}

// K-T3: what produce has committed counts.
static void
committed_bytes_count_against_the_budget(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 1000);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    struct weir_iter iter;

    assert_status(weir_produce(pair->stream, &iter), 0);
    assert_status(weir_iter_append(&iter, pattern_make(fixture, 1000, 0), 1000), 0);
    request.level = WEIR_ACCEPTED;
    assert_status(weir_commit(pair->stream, iter, &request, NULL), 0);
    assert_status(accept_write(pair, recorder, 1, 1), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
    peer_read_pattern(fixture, pair->peer, 1, 0, 1);
    recorder_wait(recorder, 2);
}

// K9, K-T11: no buffering at all.
static void
without_write_behind_accepted_completes_with_sent(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, WEIR_WRITE_BEHIND_NONE);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(accept_write(pair, recorder, 0, 100), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 100);
}

// K9, K-T11: no limit at all.
static void
unlimited_write_behind_accepts_everything_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, WEIR_WRITE_BEHIND_UNLIMITED);
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 4; tag++) {
        assert_status(accept_write(pair, recorder, tag, MIB), 0);
    }
    fixture_settle(fixture);
    recorder_wait(recorder, 4);
    pair_unstuff(pair);
    for (unsigned tag = 0; tag < 4; tag++) {
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, 0);
        peer_read_pattern(fixture, pair->peer, MIB, 0, tag);
    }
}

// Contract 4.3: levels are independent.
static void
an_accepted_write_need_not_wait_for_a_sent_one(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    assert_status(accept_write(pair, recorder, 1, 100), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 1);
    assert_int_equal(recorder_at(recorder, 0).tag, 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
    recorder_wait(recorder, 2);
}

// 566: success for bytes never sent is told, at the end.
static void
accepted_bytes_that_were_lost_are_reported_by_closed(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);

    assert_status(accept_write(pair, recorder, 0, 10000), 0);
    fixture_settle(fixture);
    recorder_wait(recorder, 1);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    assert_int_equal(pair->events->closed.bytes_lost, 10000);
    recorder_wait(recorder, 1);
}

// A cancel after the budget took it is late; the bytes still go.
static void
cancel_after_accepted_is_late(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 0);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 100);
    weir_op op;

    request.flags = WEIR_COPY;
    request.level = WEIR_ACCEPTED;
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    recorder_wait(recorder, 1);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    recorder_wait(recorder, 1);
}

// ---- ACKED ------------------------------------------------------------------------------------

static int
ack_write(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size)
{
    struct weir_write request = request_make(recorder, tag, size);

    request.level = WEIR_ACKED;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

// 1937: opt-in.
static void
acked_without_the_streams_option_is_enotsup(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(ack_write(pair, recorder, 0, 10), -ENOTSUP);
    peer_expect_silence(fixture, pair->peer);
}

// Nothing on a Unix socket can tell.
static void
acked_on_a_unix_socket_is_enotsup(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(ack_write(pair, recorder, 0, 10), -ENOTSUP);
    peer_expect_silence(fixture, pair->peer);
}

// Q14: done when the peer's transport has every byte.
static void
acked_completes_when_the_peers_kernel_has_the_bytes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED, .small = true});
    struct recorder *recorder = recorder_make(fixture);
    int result = ack_write(pair, recorder, 0, 100);

    if (result == -ENOTSUP) {
        skip(); // a kernel that cannot say
    }
    assert_status(result, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 100);
    assert_int_equal(recorder_of(recorder, 0).acked, 100);
    assert_status(ack_write(pair, recorder, 1, MIB), 0);
    pair_block(pair);
    assert_int_equal(recorder_count(recorder), 1);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 1);
    recorder_wait(recorder, 2);
    assert_int_equal(recorder_of(recorder, 1).acked, MIB);
}

// However the stream came to be.
static void
acked_works_on_a_dialled_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.made = PAIR_DIALLED, .stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);

    if (ack_write(pair, recorder, 0, 100) == -ENOTSUP) {
        skip();
    }
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 100);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
}

// Section 5: a tear ends what was accepted; the budget is whole again for what is written after it.
static void
a_tear_gives_the_budget_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.write_behind = 1000, .small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct recorder *torn = recorder_make(fixture);
    struct weir_write request = request_make(torn, 0, MIB);
    weir_op op;

    assert_status(weir_write(pair->stream, &request, &op), 0);
    pair_block(pair);
    request = request_make(recorder, 1, 1000);
    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_COPY;
    assert_status(weir_write(pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    assert_status(weir_cancel(op), WEIR_CANCEL_PENDING);
    recorder_wait(torn, 1);
    assert_status(weir_resume_torn(pair->stream), 0);
    assert_status(weir_write(pair->stream, &request, NULL), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 2);
}

// FIFO is that of the wire: what passes another write with PRIORITY passes it in the budget too.
static void
priority_comes_first_in_the_budget_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.write_behind = 1000, .small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct recorder *blocking = recorder_make(fixture);
    struct weir_write request = request_make(blocking, 0, MIB);

    assert_status(weir_write(pair->stream, &request, NULL), 0);
    pair_block(pair);
    for (unsigned tag = 0; tag < 3; tag++) {
        request = request_make(recorder, tag, tag == 2 ? 100 : 900); // the second one must wait
        request.level = WEIR_ACCEPTED;
        request.flags = WEIR_COPY | (tag == 2 ? (unsigned)WEIR_PRIORITY : 0);
        assert_status(weir_write(pair->stream, &request, NULL), 0);
        fixture_settle(fixture);
    }
    assert_int_equal(recorder_count(recorder), 2);
    expect_result(recorder_of(recorder, 2), 0, WEIR_ORIGIN_NONE, 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 2);
    peer_read_pattern(fixture, pair->peer, 900, 0, 0);
    peer_read_pattern(fixture, pair->peer, 900, 0, 1);
    recorder_wait(recorder, 3);
}

// What has completed as accepted is sent whole: "some" was answered before a byte went.
static void
accepted_with_some_goes_out_whole(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture,
        &(struct pair_options){.stream.write_behind = WEIR_WRITE_BEHIND_UNLIMITED, .small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, MIB);

    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_COPY | WEIR_SOME;
    assert_status(weir_write(pair->stream, &request, NULL), 0);
    recorder_wait(recorder, 1);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    fixture_settle(fixture);
    assert_int_equal(weir_queued(pair->stream), 0);
}

// Contract 4.3: the sent one is done, the acknowledged one behind it in its own order.
static void
acked_completions_come_in_order(void **state)
{
    enum { COUNT = 50 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *acked = recorder_make(fixture);
    struct recorder *sent = recorder_make(fixture);

    if (ack_write(pair, acked, 0, 1000) == -ENOTSUP) {
        skip();
    }
    for (unsigned tag = 1; tag < COUNT; tag++) {
        assert_status(request_submit(pair, sent, tag - 1, 10, 0), 0);
        assert_status(ack_write(pair, acked, tag, 1000), 0);
    }
    recorder_wait(acked, COUNT);
    recorder_wait(sent, COUNT - 1);
    for (unsigned index = 0; index < COUNT; index++) {
        assert_int_equal(recorder_at(acked, index).tag, index);
        assert_status(recorder_of(acked, index).status, 0);
    }
    peer_read_pattern(fixture, pair->peer, 1000, 0, 0);
}

// A stream whose socket the test knows, blocked in the middle of writes of level ACKED.
struct acked {
    struct fixture *fixture;
    weir_stream stream;
    int fd; // the stream's
    int peer;
    struct recorder *recorder;
    struct events *events;
};

enum { ACKED_WRITES = 40, ACKED_SIZE = 20000 };

static struct acked *
blocked_with_acked(struct fixture *fixture, weir_op *ret_last)
{
    struct acked *acked = fixture_memory(fixture, sizeof(*acked));
    struct weir_stream_options options = {.flags = WEIR_STREAM_ACKED, .send_buffer = 1};
    struct weir_address address;
    int listener = transport_listen(fixture, 1, &address);

    *acked = (struct acked){
        .fixture = fixture, .events = events_make(fixture), .recorder = recorder_make(fixture)};
    options.handlers = events_handlers();
    options.user = acked->events;
    acked->fd = socket(fixture->transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(acked->fd, &address.as.any, address.size), 0);
    acked->peer = transport_accept(fixture, listener);
    assert_status(weir_adopt(fixture->loop, acked->fd, &options, &acked->stream), 0);
    for (unsigned tag = 0; tag < ACKED_WRITES; tag++) {
        struct weir_write request = request_make(acked->recorder, tag, ACKED_SIZE);

        request.level = WEIR_ACKED;
        assert_status(submit(fixture, acked->stream, &request, ret_last), 0);
    }
    fixture_settle(fixture);
    return acked;
}

// Bytes that the peer's kernel has acknowledged, of all that were sent.
static uint64_t
acked_by_kernel(const struct acked *acked, uint64_t sent)
{
    int unacked = 0;

    assert_int_equal(ioctl(acked->fd, SIOCOUTQ, &unacked), 0);
    return sent - (uint64_t)unacked;
}

static uint64_t
sent_by_stream(struct fixture *fixture)
{
    return fixture_stats(fixture).bytes_sent;
}

// Contract 4.5, N5: what was acknowledged when it failed is told, operation by operation.
static void
acked_is_told_of_what_failed_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acked *acked = blocked_with_acked(fixture, NULL);
    uint64_t sent = sent_by_stream(fixture);
    uint64_t known = acked_by_kernel(acked, sent);
    uint64_t sum_sent = 0;
    uint64_t sum_acked = 0;
    bool whole = true;

    assert_true(known > 0);
    assert_status(weir_close(acked->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    events_wait(acked->events, "closed");
    recorder_wait(acked->recorder, ACKED_WRITES);
    for (unsigned tag = 0; tag < ACKED_WRITES; tag++) {
        struct weir_result result = recorder_of(acked->recorder, tag);

        assert_true(result.acked <= result.sent);
        assert_true(whole || result.acked == 0); // a stamp covers all before it
        whole = result.acked == ACKED_SIZE;
        sum_sent += result.sent;
        sum_acked += result.acked;
    }
    assert_int_equal(sum_sent, sent);
    assert_true(sum_acked >= known);
    assert_true(sum_acked < sent);
}

// The last one that the kernel took a part of, torn by its token.
static void
acked_is_told_of_what_was_cancelled(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acked *acked = blocked_with_acked(fixture, NULL);
    struct weir_result result;
    weir_op op;
    struct weir_write request = request_make(acked->recorder, ACKED_WRITES, MIB);

    peer_read_pattern(fixture, acked->peer, ACKED_SIZE, 0, 0);
    for (unsigned tag = 1; tag < ACKED_WRITES; tag++) {
        peer_read_pattern(fixture, acked->peer, ACKED_SIZE, 0, tag);
    }
    recorder_wait(acked->recorder, ACKED_WRITES);
    request.level = WEIR_ACKED;
    assert_status(submit(fixture, acked->stream, &request, &op), 0);
    peer_read_pattern(fixture, acked->peer, MIB / 2, 0, ACKED_WRITES);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    recorder_wait(acked->recorder, ACKED_WRITES + 1);
    result = recorder_of(acked->recorder, ACKED_WRITES);
    expect_result(result, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, result.sent);
    assert_true(result.sent < MIB);
    assert_true(result.acked >= MIB / 2 - 65536); // what was read, but for late acknowledgements
    assert_true(result.acked <= result.sent);
}

// What waited behind a write that has been cancelled waits no longer, though nothing can be sent.
static void
a_cancelled_write_gives_way_to_those_behind_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = stuffed_pair(fixture, 100);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 200);
    weir_op op;

    request.flags = WEIR_COPY;
    request.level = WEIR_ACCEPTED;
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    assert_status(accept_write(pair, recorder, 2, 60), 0);
    assert_status(accept_write(pair, recorder, 3, 60), 0);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0); // the first is above the budget
    assert_int_not_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    recorder_wait(recorder, 2);
    fixture_settle(fixture);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    expect_result(recorder_of(recorder, 2), 0, WEIR_ORIGIN_NONE, 0);
    assert_int_equal(recorder_count(recorder), 2);
    pair_unstuff(pair);
    recorder_wait(recorder, 4);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    peer_read_pattern(fixture, pair->peer, 60, 0, 2);
    peer_read_pattern(fixture, pair->peer, 60, 0, 3);
}

struct above {
    struct recorder *recorder;
    weir_op op; // of the one above the budget
    int result;
};

// In `data`: one that is above the budget, and a plain one behind it.
static void
write_above_budget(struct reader *reader, weir_stream stream)
{
    struct above *above = reader->arg;
    struct weir_write request = request_make(above->recorder, 0, 200);
    struct weir_chain chain = request_chain(10, 1);

    request.flags = WEIR_COPY;
    request.level = WEIR_ACCEPTED;
    above->result += submit(above->recorder->fixture, stream, &request, &above->op);
    above->result +=
        weir_write_chain(stream, &chain, recorder_done, recorder_tag(above->recorder, 1));
}

static struct above *
above_write(struct pair **ret_pair, struct fixture *fixture, bool stuffed)
{
    struct above *above = fixture_memory(fixture, sizeof(*above));
    struct reader *reader = reader_make(fixture);

    above->recorder = recorder_make(fixture);
    reader->arg = above;
    reader->inside = write_above_budget;
    reader->handlers.ideal_size = NULL;
    *ret_pair = reader_open(
        reader,
        &(struct pair_options){.stream.write_behind = 100, .small = true, .stuffed = stuffed});
    peer_write_pattern(fixture, (*ret_pair)->peer, 1, 0, 0);
    reader_wait_calls(reader, 1);
    assert_status(above->result, 0);
    return above;
}

// The account of the budget must not go on from a plain write, which may be over and its memory
// another's by then.
static void
the_budget_goes_on_behind_a_cancelled_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *before;
    struct pair *pair;
    struct above *above = above_write(&before, fixture, false); // whose memory the next ones get

    recorder_wait(above->recorder, 2);
    peer_read_pattern(fixture, before->peer, 200, 0, 0);
    peer_read_pattern(fixture, before->peer, 10, 0, 1);
    above = above_write(&pair, fixture, true);
    assert_int_not_equal(weir_cancel(above->op), WEIR_CANCEL_LATE);
    recorder_wait(above->recorder, 1);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    recorder_wait(above->recorder, 2);
    assert_status(request_submit(pair, above->recorder, 2, MIB, 0), 0);
    pair_block(pair);
    assert_status(accept_write(pair, above->recorder, 3, 60), 0);
    recorder_wait(above->recorder, 3); // there is room in the budget, if not in the socket
    expect_result(recorder_of(above->recorder, 3), 0, WEIR_ORIGIN_NONE, 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 2);
    peer_read_pattern(fixture, pair->peer, 60, 0, 3);
    recorder_wait(above->recorder, 4);
}

// One above the budget, sent from the writer's own memory, is told when it is sent: only its
// release waits for the kernel. A later one is not told before, though the budget has room.
static void
accepted_completions_keep_their_order_behind_the_writers_memory(void **state)
{
    enum { LARGE = 64 * KIB };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.write_behind = 1000});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(recorder, 0, LARGE);

    request.level = WEIR_ACCEPTED;
    request.flags = WEIR_GIVE | WEIR_ZEROCOPY;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    for (unsigned tag = 1; tag < 10; tag++) {
        assert_status(accept_write(pair, recorder, tag, 100), 0);
    }
    peer_read_pattern(fixture, pair->peer, LARGE, 0, 0);
    for (unsigned tag = 1; tag < 10; tag++) {
        peer_read_pattern(fixture, pair->peer, 100, 0, tag);
    }
    recorder_wait(recorder, 10);
    for (unsigned tag = 0; tag < 10; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        assert_status(recorder_at(recorder, tag).result.status, 0);
    }
    assert_true(fixture_stats(fixture).zerocopy_sends > 0);
}

// A barrier waits for what was sent before it; a cancel that comes meanwhile is too late, as it is
// for bytes.
static void
a_barrier_that_waits_to_be_acknowledged_completes_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_ACKED});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write barrier = request_make(recorder, 1, 0);
    weir_op op;

    barrier.level = WEIR_ACKED;
    if (ack_write(pair, recorder, 0, 100) == -ENOTSUP) {
        skip();
    }
    assert_status(submit(fixture, pair->stream, &barrier, &op), 0);
    assert_true(weir_loop_turn(fixture->loop, 0) >= 0); // sent; the stamp is for the next turn
    weir_cancel(op);
    recorder_wait(recorder, 2);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 2);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 100);
    assert_status(recorder_of(recorder, 1).status, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(accepted_needs_memory_that_is_not_borrowed),
        EACH(accepted_takes_copy_give_chain_and_shared),
        EACH(a_full_budget_makes_the_next_write_wait),
        EACH(the_budget_is_inclusive),
        EACH(a_write_above_the_budget_completes_when_written),
        EACH(accepted_completions_come_in_order),
        EACH(draining_admits_exactly_what_fits),
        EACH(committed_bytes_count_against_the_budget),
        EACH(without_write_behind_accepted_completes_with_sent),
        EACH(unlimited_write_behind_accepts_everything_at_once),
        EACH(an_accepted_write_need_not_wait_for_a_sent_one),
        EACH(accepted_bytes_that_were_lost_are_reported_by_closed),
        EACH(cancel_after_accepted_is_late),
        EACH(a_cancelled_write_gives_way_to_those_behind_it),
        EACH(the_budget_goes_on_behind_a_cancelled_write),
        EACH_TCP(accepted_completions_keep_their_order_behind_the_writers_memory),
        EACH_TCP(acked_without_the_streams_option_is_enotsup),
        EACH_UNIX(acked_on_a_unix_socket_is_enotsup),
        EACH_TCP(acked_completes_when_the_peers_kernel_has_the_bytes),
        EACH_TCP(acked_works_on_a_dialled_stream),
        EACH(a_tear_gives_the_budget_back),
        EACH(accepted_with_some_goes_out_whole),
        EACH(priority_comes_first_in_the_budget_too),
        EACH_TCP(acked_completions_come_in_order),
        EACH_TCP(acked_is_told_of_what_failed_too),
        EACH_TCP(acked_is_told_of_what_was_cancelled),
        EACH_TCP(a_barrier_that_waits_to_be_acknowledged_completes_once),
    };

    return RUN_CASES("conformance.write_levels", cases);
}
