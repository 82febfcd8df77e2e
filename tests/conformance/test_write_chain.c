// SPDX-License-Identifier: MIT
//
// weir_write_chain(): the shortest write, from every place that a call can be made from.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

// ---- where it is called from -------------------------------------------------------------------

enum where { OWN_CALLBACK, OTHER_CALLBACK, POSTED, LOOP_OWNER, OTHER_THREAD, PLACES };

struct ground {
    struct fixture *fixture;
    struct recorder *recorder;
    struct pair *pair;
    struct pair *other; // another stream of the same loop
    struct reader *readers[2];
    size_t sent[2]; // bytes that the peers wrote, to have `data` called

    // One call.
    weir_stream stream;
    struct weir_chain chain;
    weir_done_fn *done;
    unsigned tag;
    int result;
    thread_fn *before; // what is done at the same place before it; NULL: nothing
};

static void
write_here(void *arg)
{
    struct ground *ground = arg;

    if (ground->before != NULL) {
        ground->before(ground);
    }
    call_begin();
    ground->result = weir_write_chain(ground->stream, &ground->chain, ground->done,
                                      recorder_tag(ground->recorder, ground->tag));
    call_end();
}

static void
write_in_data(struct reader *reader, weir_stream stream)
{
    (void)stream;
    write_here(reader->arg);
    reader->inside = NULL;
}

static struct ground *
ground_make(void **state, const struct weir_stream_options *options, bool stuffed)
{
    struct fixture *fixture = fixture_manual(state);
    struct ground *ground = fixture_memory(fixture, sizeof(*ground));

    ground->fixture = fixture;
    ground->recorder = recorder_make(fixture);
    for (unsigned index = 0; index < 2; index++) {
        ground->readers[index] = reader_make(fixture);
        ground->readers[index]->arg = ground;
    }
    ground->pair = reader_open(ground->readers[0],
                               &(struct pair_options){.stream = *options, .stuffed = stuffed});
    ground->other = reader_open(ground->readers[1], &(struct pair_options){0});
    ground->stream = ground->pair->stream;
    ground->done = recorder_done;
    return ground;
}

static void
call_in_data(struct ground *ground, unsigned index)
{
    struct reader *reader = ground->readers[index];
    struct pair *pair = index == 0 ? ground->pair : ground->other;

    reader->inside = write_in_data;
    peer_write_pattern(ground->fixture, pair->peer, 1, ground->sent[index]++, 0);
    reader_wait_consumed(reader, ground->sent[index]);
}

// weir_write_chain() of the ground's chain, called there.
static int
write_from(struct ground *ground, enum where where, unsigned tag)
{
    ground->tag = tag;
    switch (where) {
    case OWN_CALLBACK:
        call_in_data(ground, 0);
        break;
    case OTHER_CALLBACK:
        call_in_data(ground, 1);
        break;
    case POSTED:
        loop_call(ground->fixture, ground->fixture->loop, write_here, ground);
        break;
    case OTHER_THREAD:
        thread_call(ground->fixture, write_here, ground);
        break;
    case LOOP_OWNER:
    default:
        write_here(ground);
        break;
    }
    return ground->result;
}

static const struct weir_stream_options plain;

// ---- what is sent ------------------------------------------------------------------------------

static const size_t sizes[] = {
    1, 256, 257, WEIR_BLOCK_SIZE, WEIR_BLOCK_SIZE + 1, 3 * WEIR_BLOCK_SIZE, 100000};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static void
every_size_arrives_from_everywhere(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);
    unsigned tag = 0;

    for (unsigned where = 0; where < PLACES; where++) {
        for (unsigned index = 0; index < SIZES; index++) {
            ground->chain = request_chain(sizes[index], tag);
            assert_status(write_from(ground, where, tag), 0);
            assert_null(ground->chain.head); // taken
            assert_null(ground->chain.tail);
            peer_read_pattern(ground->fixture, ground->pair->peer, sizes[index], 0, tag);
            recorder_wait(ground->recorder, tag + 1);
            expect_result(recorder_of(ground->recorder, tag), 0, WEIR_ORIGIN_NONE, sizes[index]);
            assert_int_equal(recorder_of(ground->recorder, tag).accepted, sizes[index]);
            assert_true(recorder_of(ground->recorder, tag).op.bits == 0);
            tag++;
        }
    }
    assert_int_equal(weir_queued(ground->pair->stream), 0);
}

// One block that is larger than the pool's own.
static void
a_large_block_arrives_from_everywhere(void **state)
{
    enum { SIZE = 3 * WEIR_BLOCK_SIZE };
    struct ground *ground = ground_make(state, &plain, false);

    for (unsigned where = 0; where < PLACES; where++) {
        struct weir_block *block = weir_block_lease(SIZE);

        assert_non_null(block);
        pattern_fill(weir_block_data(block), SIZE, 0, where);
        assert_status(weir_chain_append_block(&ground->chain, block, SIZE), 0);
        assert_status(write_from(ground, where, where), 0);
        peer_read_pattern(ground->fixture, ground->pair->peer, SIZE, 0, where);
        recorder_wait(ground->recorder, where + 1);
    }
}

static void
an_empty_chain_is_a_barrier(void **state)
{
    struct ground *ground = ground_make(state, &plain, true);

    for (unsigned where = 0; where < PLACES; where++) {
        ground->chain = request_chain(10, 2 * where);
        assert_status(write_from(ground, where, 2 * where), 0);
        ground->chain = (struct weir_chain){0};
        assert_status(write_from(ground, where, 2 * where + 1), 0);
        fixture_settle(ground->fixture);
        assert_int_equal(recorder_count(ground->recorder), 0);
    }
    pair_unstuff(ground->pair);
    recorder_wait(ground->recorder, 2 * PLACES);
    for (unsigned tag = 0; tag < 2 * PLACES; tag++) {
        assert_int_equal(recorder_at(ground->recorder, tag).tag, tag);
        expect_result(recorder_of(ground->recorder, tag), 0, WEIR_ORIGIN_NONE,
                      tag % 2 == 0 ? 10 : 0);
    }
    for (unsigned where = 0; where < PLACES; where++) {
        peer_read_pattern(ground->fixture, ground->pair->peer, 10, 0, 2 * where);
    }
    peer_expect_silence(ground->fixture, ground->pair->peer);
}

static void
without_a_completion_it_is_counted(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);
    uint64_t before = fixture_stats(ground->fixture).operations_completed;

    ground->done = NULL;
    for (unsigned where = 0; where < PLACES; where++) {
        ground->chain = request_chain(10, where);
        assert_status(write_from(ground, where, 0), 0);
        peer_read_pattern(ground->fixture, ground->pair->peer, 10, 0, where);
    }
    fixture_settle(ground->fixture);
    assert_int_equal(fixture_stats(ground->fixture).operations_completed - before, PLACES);
    assert_int_equal(fixture_stats(ground->fixture).operations_accepted,
                     fixture_stats(ground->fixture).operations_completed);
}

// All that wait when a stream goes complete, and their blocks go home (the teardown looks).
static void
an_abort_ends_chains_from_everywhere(void **state)
{
    struct ground *ground = ground_make(state, &plain, true);

    for (unsigned where = 0; where < PLACES; where++) {
        ground->chain = request_chain(where % 2 == 0 ? 10 : 10000, where);
        assert_status(write_from(ground, where, where), 0);
    }
    assert_status(close_stream(ground->pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    recorder_wait(ground->recorder, PLACES);
    for (unsigned where = 0; where < PLACES; where++) {
        assert_int_equal(recorder_at(ground->recorder, where).tag, where);
        expect_result(recorder_of(ground->recorder, where), -WEIR_EENDED, WEIR_ORIGIN_LOCAL_CLOSE,
                      0);
    }
    pair_wait_closed(ground->pair);
}

// ---- refusals ----------------------------------------------------------------------------------

// The chain stays the caller's, and nothing is called.
static void
expect_refused(struct ground *ground, enum where where, int status)
{
    unsigned before = recorder_count(ground->recorder);

    ground->chain = request_chain(10000, 0);
    assert_status(write_from(ground, where, 1000), status);
    assert_int_equal(weir_chain_size(&ground->chain), 10000);
    weir_chain_return(&ground->chain);
    ground->chain = request_chain(10, 0);
    assert_status(write_from(ground, where, 1000), status);
    assert_int_equal(weir_chain_size(&ground->chain), 10);
    weir_chain_return(&ground->chain);
    fixture_settle(ground->fixture);
    assert_int_equal(recorder_count(ground->recorder), before);
}

static void
write_null(void *arg)
{
    struct ground *ground = arg;

    ground->result = weir_write_chain(ground->pair->stream, NULL, recorder_done,
                                      recorder_tag(ground->recorder, 0));
}

static void
no_chain_is_einval(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);

    write_null(ground);
    assert_status(ground->result, -EINVAL);
    thread_call(ground->fixture, write_null, ground);
    assert_status(ground->result, -EINVAL);
    loop_call(ground->fixture, ground->fixture->loop, write_null, ground);
    assert_status(ground->result, -EINVAL);
    peer_expect_silence(ground->fixture, ground->pair->peer);
    assert_int_equal(recorder_count(ground->recorder), 0);
}

static void
an_ended_stream_refuses(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);

    assert_status(weir_end(ground->pair->stream), 0);
    for (unsigned where = 0; where < PLACES; where++) {
        expect_refused(ground, where, -WEIR_EENDED);
    }
    peer_expect_eof(ground->fixture, ground->pair->peer);
}

static void
end_stream(void *arg)
{
    struct ground *ground = arg;

    ground->before = NULL;
    if (weir_end(ground->stream) != 0) {
        ground->stream.bits = 0;
    }
}

// In the very callback that ends it, too.
static void
an_end_in_the_same_place_refuses(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);

    ground->before = end_stream;
    expect_refused(ground, OWN_CALLBACK, -WEIR_EENDED);
    peer_expect_eof(ground->fixture, ground->pair->peer);
}

static void
a_stale_handle_refuses(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);

    assert_status(close_stream(ground->pair, WEIR_CLOSE_ABORT, 0, 0), 0);
    pair_wait_closed(ground->pair);
    for (unsigned where = OTHER_CALLBACK; where < PLACES; where++) {
        expect_refused(ground, where, -WEIR_ESTALE);
    }
    ground->stream.bits = 0;
    expect_refused(ground, LOOP_OWNER, -WEIR_ESTALE);
    expect_refused(ground, OTHER_CALLBACK, -WEIR_ESTALE);
}

static void
a_torn_stream_refuses(void **state)
{
    struct ground *ground =
        ground_make(state, &(struct weir_stream_options){.send_buffer = 4096}, false);
    struct weir_write request = request_make(ground->recorder, 0, 8 * MIB);
    weir_op op;

    assert_status(submit(ground->fixture, ground->pair->stream, &request, &op), 0);
    pair_block(ground->pair);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    recorder_wait(ground->recorder, 1);
    for (unsigned where = 0; where < PLACES; where++) {
        expect_refused(ground, where, -WEIR_ETORN);
    }
}

static void
the_high_mark_refuses_everywhere(void **state)
{
    struct ground *ground = ground_make(
        state, &(struct weir_stream_options){.queue_high = 1000, .queue_low = 500}, true);
    unsigned count = 0;

    for (unsigned where = 0; where < PLACES; where++) { // exactly as far as the mark
        ground->chain = request_chain(200, count);
        assert_status(write_from(ground, where, count++), 0);
    }
    assert_int_equal(weir_queued(ground->pair->stream), 1000);
    for (unsigned where = 0; where < PLACES; where++) {
        expect_refused(ground, where, -WEIR_ESTREAMFULL);
    }
    assert_int_equal(fixture_stats(ground->fixture).refused[WEIR_REFUSED_STREAM], 2 * PLACES);
    pair_unstuff(ground->pair);
    events_wait(ground->pair->events, "writable");
    recorder_wait(ground->recorder, count);
    assert_int_equal(weir_queued(ground->pair->stream), 0);
    fixture_settle(ground->fixture);
    assert_int_equal(events_count(ground->pair->events, "writable"), 1);
    for (unsigned tag = 0; tag < count; tag++) {
        peer_read_pattern(ground->fixture, ground->pair->peer, 200, 0, tag);
    }
    ground->chain = request_chain(5000, count); // larger than the mark: an empty queue takes it
    assert_status(write_from(ground, OWN_CALLBACK, count), 0);
    peer_read_pattern(ground->fixture, ground->pair->peer, 5000, 0, count);
    recorder_wait(ground->recorder, count + 1);
}

// 0: every call said -ECHILD.
static void
write_in_child(void *arg)
{
    struct ground *ground = arg;
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        int result = weir_write_chain(ground->stream, &ground->chain, NULL, NULL);
        int none = weir_write_chain(ground->stream, NULL, NULL, NULL);

        _exit(result == -ECHILD && none == -ECHILD ? 0 : 1);
    }
    if (child > 0) {
        waitpid(child, &status, 0);
    }
    ground->result = status;
}

static void
write_in_child_of_data(struct reader *reader, weir_stream stream)
{
    (void)stream;
    write_in_child(reader->arg);
}

static void
a_forked_child_is_told_so(void **state)
{
    struct ground *ground = ground_make(state, &plain, false);

    ground->chain = request_chain(10, 0);
    write_in_child(ground);
    assert_int_equal(ground->result, 0);
    ground->result = -1;
    ground->readers[0]->inside = write_in_child_of_data;
    peer_write_pattern(ground->fixture, ground->pair->peer, 1, 0, 0);
    reader_wait_consumed(ground->readers[0], 1);
    assert_int_equal(ground->result, 0);
    weir_chain_return(&ground->chain);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(every_size_arrives_from_everywhere),
        EACH(a_large_block_arrives_from_everywhere),
        EACH(an_empty_chain_is_a_barrier),
        EACH(without_a_completion_it_is_counted),
        EACH(an_abort_ends_chains_from_everywhere),
        ONCE(no_chain_is_einval),
        EACH(an_ended_stream_refuses),
        EACH(an_end_in_the_same_place_refuses),
        EACH(a_stale_handle_refuses),
        EACH(a_torn_stream_refuses),
        EACH(the_high_mark_refuses_everywhere),
        ONCE(a_forked_child_is_told_so),
    };

    return RUN_CASES("conformance.write_chain", cases);
}
