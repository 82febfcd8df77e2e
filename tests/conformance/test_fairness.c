// SPDX-License-Identifier: MIT
//
// Nobody starves: a stream has a budget per turn, for what it sends and for what it reads.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { MIB = 1024 * 1024, BUDGET = 256 * 1024, SLACK = 2 * 64 * 1024 };

// Section 4 of the design: 256 KiB per stream and turn, and the rest in the next.
static void
a_turn_sends_no_more_than_the_budget_of_one_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *hog = pair_open(fixture, &(struct pair_options){.stream.send_buffer = 16 * MIB});
    struct recorder *recorder = recorder_make(fixture);
    uint64_t before = fixture_stats(fixture).bytes_sent;
    uint64_t most = 0;

    assert_status(request_submit(hog, recorder, 0, 8 * MIB, 0), 0);
    for (unsigned turn = 0; turn < 20; turn++) {
        uint64_t after;

        fixture_turn(fixture);
        after = fixture_stats(fixture).bytes_sent;
        most = after - before > most ? after - before : most;
        before = after;
    }
    assert_true(most > 0);
    assert_true(most <= BUDGET + SLACK);
    peer_read_pattern(fixture, hog->peer, 8 * MIB, 0, 0);
    recorder_wait(recorder, 1);
}

// Whatever tells the loop to read: an edge, what was left over from the turn before, or both.
static void
a_turn_reads_no_more_than_the_budget_of_one_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *flood = reader_make(fixture);
    struct pair *hog =
        reader_open(flood, &(struct pair_options){.stream = {.receive_buffer = 16 * MIB}});
    size_t sent = peer_write_until_blocked(fixture, hog->peer, 4 * (size_t)MIB, 0);
    uint64_t before = fixture_stats(fixture).bytes_received;
    uint64_t most = 0;

    for (unsigned turn = 0; turn < 20; turn++) {
        uint64_t after;

        fixture_turn(fixture);
        after = fixture_stats(fixture).bytes_received;
        most = after - before > most ? after - before : most;
        before = after;
        if (turn % 3 == 0) { // another edge
            peer_write_pattern(fixture, hog->peer, 1000, sent, 0);
            sent += 1000;
        }
    }
    assert_true(most > 0);
    assert_true(most <= BUDGET + SLACK);
    reader_wait_consumed(flood, sent);
}

// A hog with much to send, and many with little: theirs leaves in the turn that sees it.
static void
small_writes_pass_beside_a_hog(void **state)
{
    enum { OTHERS = 10 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *hog = pair_open(fixture, &(struct pair_options){.stream.send_buffer = 16 * MIB});
    struct recorder *hogs = recorder_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct pair *others[OTHERS];

    for (unsigned index = 0; index < OTHERS; index++) {
        others[index] = pair_open(fixture, &(struct pair_options){0});
    }
    for (unsigned tag = 0; tag < 16; tag++) {
        assert_status(request_submit(hog, hogs, tag, MIB, 0), 0);
    }
    for (unsigned index = 0; index < OTHERS; index++) {
        assert_status(request_submit(others[index], recorder, index, 100, 0), 0);
    }
    for (unsigned turn = 0; turn < 3; turn++) {
        fixture_turn(fixture);
    }
    assert_int_equal(recorder_count(recorder), OTHERS);
    assert_true(recorder_count(hogs) < 16);
    for (unsigned index = 0; index < OTHERS; index++) {
        assert_int_equal(peer_waiting(others[index]->peer), 100);
    }
}

// A peer that floods, and others that say little: all are heard within a few turns.
static void
small_messages_are_heard_beside_a_flood(void **state)
{
    enum { OTHERS = 10 };
    struct fixture *fixture = fixture_manual(state);
    struct reader *flood = reader_make(fixture);
    struct pair *hog =
        reader_open(flood, &(struct pair_options){.stream = {.flags = WEIR_STREAM_PAUSED,
                                                             .receive_buffer = 16 * MIB}});
    struct reader *readers[OTHERS];
    size_t sent = peer_write_until_blocked(fixture, hog->peer, 4 * (size_t)MIB, 0);
    uint64_t before;

    for (unsigned index = 0; index < OTHERS; index++) {
        struct pair *pair;

        readers[index] = reader_make(fixture);
        pair = reader_open(readers[index], &(struct pair_options){0});
        peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    }
    assert_status(weir_resume(hog->stream), 0);
    before = fixture_stats(fixture).bytes_received;
    fixture_turn(fixture);
    assert_true(fixture_stats(fixture).bytes_received - before <=
                BUDGET + SLACK + OTHERS * (size_t)100);
    fixture_turn(fixture);
    fixture_turn(fixture);
    for (unsigned index = 0; index < OTHERS; index++) {
        assert_int_equal(reader_consumed(readers[index]), 100);
    }
    reader_wait_consumed(flood, sent);
}

static void
on_post(struct weir_loop *loop, void *arg)
{
    unsigned *count = arg;

    (void)loop;
    (*count)++;
}

// A posted function comes in between.
static void
posts_run_beside_a_hog(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *hog = pair_open(fixture, &(struct pair_options){.stream.send_buffer = 16 * MIB});
    struct recorder *recorder = recorder_make(fixture);
    unsigned *count = fixture_memory(fixture, sizeof(*count));

    for (unsigned tag = 0; tag < 16; tag++) {
        assert_status(request_submit(hog, recorder, tag, MIB, 0), 0);
    }
    fixture_turn(fixture);
    for (unsigned post = 1; post <= 5; post++) {
        assert_status(weir_post(fixture->loop, on_post, count), 0);
        fixture_turn(fixture);
        assert_int_equal(*count, post);
    }
    assert_true(recorder_count(recorder) < 16);
}

// A thousand small writes on one stream and one on another: the one does not wait for the last.
static void
a_long_queue_does_not_delay_another_stream(void **state)
{
    enum { COUNT = 400 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *busy = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct pair *other = pair_open(fixture, &(struct pair_options){0});
    struct recorder *queued = recorder_make(fixture);
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(busy, queued, tag, 1000, WEIR_COPY), 0);
    }
    fixture_settle(fixture);
    assert_status(request_submit(other, recorder, 0, 100, WEIR_COPY), 0);
    fixture_turn(fixture);
    fixture_turn(fixture);
    assert_int_equal(recorder_count(recorder), 1);
    assert_int_equal(recorder_count(queued), 0);
    pair_unstuff(busy);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        peer_read_pattern(fixture, busy->peer, 1000, 0, tag);
    }
    recorder_wait(queued, COUNT);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_turn_sends_no_more_than_the_budget_of_one_stream),
        EACH(a_turn_reads_no_more_than_the_budget_of_one_stream),
        EACH(small_writes_pass_beside_a_hog),
        EACH(small_messages_are_heard_beside_a_flood),
        EACH(posts_run_beside_a_hog),
        EACH(a_long_queue_does_not_delay_another_stream),
    };

    return RUN_CASES("conformance.fairness", cases);
}
