// SPDX-License-Identifier: MIT
//
// Produce and commit: bytes made in pool blocks take their place in the order at the commit.
#include "tests/lib/fixture.h"

#include <stdlib.h>
#include <string.h>

#define LONG_CORK (UINT64_C(3600) * 1000000000)

static struct weir_iter
produce(struct pair *pair, size_t size, unsigned seed)
{
    struct weir_iter iter = {0};

    assert_status(weir_produce(pair->stream, &iter), 0);
    assert_false(weir_iter_is_default(&iter));
    if (size > 0) {
        void *bytes = pattern_make(pair->fixture, size, seed);

        assert_status(weir_iter_append(&iter, bytes, size), 0);
    }
    return iter;
}

// K2, K3, K-T7: committed, but out only with the next write; an empty one is enough.
static void
a_plain_commit_is_corked_until_the_next_write(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.cork_ns = LONG_CORK});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_iter end = produce(pair, 2 * WEIR_BLOCK_SIZE + 100, 1);

    assert_status(weir_commit(pair->stream, end, NULL, NULL), 0);
    peer_expect_silence(fixture, pair->peer);
    assert_status(request_submit(pair, recorder, 0, 0, 0), 0);
    peer_read_pattern(fixture, pair->peer, 2 * WEIR_BLOCK_SIZE + 100, 0, 1);
    recorder_wait(recorder, 1);
}

// K1, K77: from one byte to many blocks, appended in pieces.
static void
sections_of_any_size_are_delivered(void **state)
{
    static const size_t sizes[] = {1, 4031, 4032, 4033, 40000, 1024 * 1024 + 1};
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < sizeof(sizes) / sizeof(sizes[0]); tag++) {
        struct weir_write request = request_make(recorder, tag, 0);
        const uint8_t *bytes = pattern_make(fixture, sizes[tag], tag);
        struct weir_iter iter;
        weir_op op = {0};

        assert_status(weir_produce(pair->stream, &iter), 0);
        for (size_t done = 0; done < sizes[tag];) {
            size_t piece = sizes[tag] - done < 777 ? sizes[tag] - done : 777;

            assert_status(weir_iter_append(&iter, bytes + done, piece), 0);
            done += piece;
        }
        assert_status(weir_commit(pair->stream, iter, &request, &op), 0);
        assert_true(op.bits != 0);
        peer_read_pattern(fixture, pair->peer, sizes[tag], 0, tag);
        recorder_wait(recorder, tag + 1);
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, sizes[tag]);
        assert_int_equal(recorder_of(recorder, tag).accepted, sizes[tag]);
        assert_true(recorder_of(recorder, tag).op.bits == op.bits);
    }
}

// K1: one open section per stream.
static void
a_second_section_is_ebusy(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_iter first = produce(pair, 10, 0);
    struct weir_iter second;

    assert_status(weir_produce(pair->stream, &second), -EBUSY);
    assert_status(weir_commit(pair->stream, first, &(struct weir_write){0}, NULL), 0);
    second = produce(pair, 10, 1);
    assert_status(weir_commit(pair->stream, second, &(struct weir_write){0}, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
}

// K13, C13: writes between produce and commit go first, and nothing mixes.
static void
a_section_takes_its_place_at_the_commit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 1, 0);
    struct weir_iter end = produce(pair, 5000, 1);

    assert_status(request_submit(pair, recorder, 0, 300, 0), 0);
    assert_status(weir_commit(pair->stream, end, &request, NULL), 0);
    assert_status(request_submit(pair, recorder, 2, 300, 0), 0);
    peer_read_pattern(fixture, pair->peer, 300, 0, 0);
    peer_read_pattern(fixture, pair->peer, 5000, 0, 1);
    peer_read_pattern(fixture, pair->peer, 300, 0, 2);
    recorder_wait(recorder, 3);
    for (unsigned index = 0; index < 3; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

// Only up to end: what was appended behind it is returned.
static void
a_commit_of_a_part_sends_that_part(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    struct weir_iter iter = produce(pair, 3000, 0);
    struct weir_iter part = iter;

    assert_status(weir_iter_append(&iter, pattern_make(fixture, 9000, 7), 9000), 0);
    assert_status(weir_commit(pair->stream, part, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 3000, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 3000);
    peer_expect_silence(fixture, pair->peer);
}

static void
an_empty_section_is_a_barrier(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);

    assert_status(weir_commit(pair->stream, produce(pair, 0, 0), &request, NULL), 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 0);
    peer_expect_silence(fixture, pair->peer);
}

// The flags of a write.
static void
a_commit_carries_flags_and_level(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);

    request.level = WEIR_ACCEPTED;
    assert_status(weir_commit(pair->stream, produce(pair, 100, 0), &request, NULL), 0);
    recorder_wait(recorder, 1);
    request = request_make(recorder, 1, 0);
    request.flags = WEIR_FIN;
    assert_status(weir_commit(pair->stream, produce(pair, 100, 1), &request, NULL), 0);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 100, 0, 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 1);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 2);
}

// Refused: the blocks go back (the teardown counts them), and no section is open any more.
static void
a_refused_commit_returns_the_blocks(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    struct weir_iter end;

    // Memory fields must be empty.
    end = produce(pair, 100, 0);
    assert_status(weir_commit(pair->stream, end, &request, NULL), -EINVAL);
    request = request_make(recorder, 0, 0);
    request.flags = WEIR_CHUNK;
    end = produce(pair, 100, 0);
    assert_status(weir_commit(pair->stream, end, &request, NULL), -ENOTSUP);
    request.flags = 1u << 30;
    end = produce(pair, 100, 0);
    assert_status(weir_commit(pair->stream, end, &request, NULL), -EINVAL);
    request.flags = 0;
    assert_status(weir_commit(pair->stream, (struct weir_iter){0}, &request, NULL), -EINVAL);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(recorder_count(recorder), 0);
    end = produce(pair, 100, 3);
    assert_status(weir_commit(pair->stream, end, &request, NULL), 0);
    peer_read_pattern(fixture, pair->peer, 100, 0, 3);
    recorder_wait(recorder, 1);
}

// Two streams' sections do not mix.
static void
a_commit_needs_the_end_of_its_own_section(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pairs[2] = {pair_open(fixture, &(struct pair_options){0}),
                             pair_open(fixture, &(struct pair_options){0})};
    struct weir_iter ends[2] = {produce(pairs[0], 100, 0), produce(pairs[1], 100, 1)};

    assert_status(weir_commit(pairs[0]->stream, ends[1], &(struct weir_write){0}, NULL), -EINVAL);
    assert_status(weir_commit(pairs[1]->stream, ends[1], &(struct weir_write){0}, NULL), 0);
    peer_read_pattern(fixture, pairs[1]->peer, 100, 0, 1);
    peer_expect_silence(fixture, pairs[0]->peer);
    // The refusal left the section open: its own end still commits it.
    assert_status(weir_commit(pairs[0]->stream, ends[0], &(struct weir_write){0}, NULL), 0);
    peer_read_pattern(fixture, pairs[0]->peer, 100, 0, 0);
}

// K-T10: after the end it is refused, never an assertion.
static void
produce_after_the_end_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_iter iter = {0};

    assert_status(weir_end(pair->stream), 0);
    assert_status(weir_produce(pair->stream, &iter), -WEIR_EENDED);
    assert_true(weir_iter_is_default(&iter));
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    fixture_settle(fixture);
    assert_status(weir_produce(pair->stream, &iter), -WEIR_ESTALE);
    assert_true(weir_commit(pair->stream, iter, NULL, NULL) < 0);
}

// K2: ended in between: the commit is refused and returns the blocks.
static void
an_end_between_produce_and_commit_refuses_the_commit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_iter end = produce(pair, 9000, 0);

    assert_status(weir_end(pair->stream), 0);
    assert_status(weir_commit(pair->stream, end, &(struct weir_write){0}, NULL), -WEIR_EENDED);
    peer_expect_eof(fixture, pair->peer);
}

struct here {
    struct pair *pair;
    struct weir_iter end;
    int result;
};

static void
produce_here(void *arg)
{
    struct here *here = arg;

    here->result = weir_produce(here->pair->stream, &here->end);
    if (here->result == 0) {
        here->result = weir_iter_append(&here->end, "0123456789", 10);
    }
}

static void
commit_here(void *arg)
{
    struct here *here = arg;

    here->result = weir_commit(here->pair->stream, here->end, NULL, NULL);
}

// K44: a section of the loop's is returned before closed.
static void
closing_returns_the_loops_open_section(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct here *here = fixture_memory(fixture, sizeof(*here));

    here->pair = pair_open(fixture, &(struct pair_options){0});
    loop_call(fixture, fixture->loop, produce_here, here);
    assert_status(here->result, 0);
    assert_status(weir_close(here->pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(here->pair);
    // Neither a stream nor a section: either may be said.
    loop_call(fixture, fixture->loop, commit_here, here);
    assert_true(here->result == -WEIR_ESTALE || here->result == -EINVAL);
}

// K44: another thread's by its commit.
static void
closing_leaves_another_threads_section_to_its_commit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct weir_iter end = produce(pair, 9000, 0);

    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(pair);
    fixture_settle(fixture);
    // Still the caller's to fill.
    assert_status(weir_iter_append(&end, "more", 4), 0);
    assert_status(weir_commit(pair->stream, end, NULL, NULL), -WEIR_ESTALE);
}

// ---- detached chains --------------------------------------------------------------------------

struct maker {
    struct pair *pair;
    struct recorder *recorder;
    unsigned tag;
    int result;
};

enum { MAKERS = 8, CHAIN_SIZE = 20000 };

// Any number, on any thread: filled through its iterator, then given with a write.
static void
make_chain(void *arg)
{
    struct maker *maker = arg;
    struct weir_chain chain = {0};
    struct weir_write request = request_make(maker->recorder, maker->tag, 0);
    uint8_t *bytes = pattern_make(maker->pair->fixture, CHAIN_SIZE, maker->tag);
    struct weir_iter iter;

    maker->result = weir_chain_append(&chain, bytes, 1);
    iter = weir_chain_end(&chain);
    for (size_t done = 1; done < CHAIN_SIZE && maker->result == 0; done += 1) {
        size_t piece = CHAIN_SIZE - done < 500 ? CHAIN_SIZE - done : 500;

        maker->result = weir_iter_append(&iter, bytes + done, piece);
        done += piece - 1;
    }
    request.chain = &chain;
    if (maker->result == 0) {
        maker->result = submit(maker->pair->fixture, maker->pair->stream, &request, NULL);
    }
    if (maker->result != 0) {
        weir_chain_return(&chain);
    }
}

// K13 mended: several at once, each whole.
static void
chains_made_on_many_threads_arrive_whole(void **state)
{
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct maker *makers = fixture_memory(fixture, sizeof(*makers) * MAKERS);
    struct thread *threads[MAKERS];

    for (unsigned tag = 0; tag < MAKERS; tag++) {
        makers[tag] = (struct maker){.pair = pair, .recorder = recorder, .tag = tag};
        threads[tag] = thread_start(fixture, make_chain, &makers[tag]);
    }
    for (unsigned tag = 0; tag < MAKERS; tag++) {
        thread_join(fixture, threads[tag]);
        assert_status(makers[tag].result, 0);
    }
    recorder_wait(recorder, MAKERS);
    for (unsigned index = 0; index < MAKERS; index++) {
        peer_read_pattern(fixture, pair->peer, CHAIN_SIZE, 0, recorder_at(recorder, index).tag);
    }
}

// K4, K62: blocks filled by hand, one of them larger than the pool's.
static void
blocks_filled_by_hand_are_sent(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    struct weir_chain chain = {0};
    static const size_t sizes[] = {100, WEIR_BLOCK_SIZE, 10000};

    for (unsigned index = 0; index < 3; index++) {
        struct weir_block *block = weir_block_lease(sizes[index]);

        assert_non_null(block);
        assert_true(weir_block_capacity(block) >= sizes[index]);
        pattern_fill(weir_block_data(block), sizes[index], 0, index);
        assert_status(weir_chain_append_block(&chain, block, sizes[index]), 0);
        assert_status(weir_chain_append_block(&chain, block, sizes[index]), -EINVAL);
    }
    request.chain = &chain;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    for (unsigned index = 0; index < 3; index++) {
        peer_read_pattern(fixture, pair->peer, sizes[index], 0, index);
    }
    recorder_wait(recorder, 1);
}

// Contract 4: a block of no slab is refused. The fake lies in zeroed memory that reaches to both
// sides as far as a slab would, so that looking for the slab's head finds no head.
static void
a_foreign_block_is_refused(void **state)
{
    enum { SLAB = 128 * 1024 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 0);
    uint8_t *memory = fixture_memory(fixture, 4 * (size_t)SLAB);
    uintptr_t base = ((uintptr_t)memory + 2 * SLAB - 1) / SLAB * SLAB;
    struct weir_block *fake = (struct weir_block *)(base + 64);
    struct weir_chain chain = {.head = fake, .tail = fake};

    request.chain = &chain;
    assert_status(submit(fixture, pair->stream, &request, NULL), -EINVAL);
    assert_true(chain.head == fake);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(recorder_count(recorder), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_plain_commit_is_corked_until_the_next_write),
        EACH(sections_of_any_size_are_delivered),
        ONCE(a_second_section_is_ebusy),
        EACH(a_section_takes_its_place_at_the_commit),
        ONCE(a_commit_of_a_part_sends_that_part),
        ONCE(an_empty_section_is_a_barrier),
        EACH(a_commit_carries_flags_and_level),
        ONCE(a_refused_commit_returns_the_blocks),
        ONCE(a_commit_needs_the_end_of_its_own_section),
        EACH(produce_after_the_end_is_refused),
        EACH(an_end_between_produce_and_commit_refuses_the_commit),
        ONCE(closing_returns_the_loops_open_section),
        ONCE(closing_leaves_another_threads_section_to_its_commit),
        EACH(chains_made_on_many_threads_arrive_whole),
        ONCE(blocks_filled_by_hand_are_sent),
        ONCE(a_foreign_block_is_refused),
    };

    return RUN_CASES("conformance.produce", cases);
}
