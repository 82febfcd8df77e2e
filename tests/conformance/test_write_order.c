// SPDX-License-Identifier: MIT
//
// Order: a submit that returned before another began goes first, in whatever threads; one
// operation is contiguous on the wire; completions come in wire order.
#include "tests/lib/fixture.h"

#include <string.h>

enum { THREADS = 16, RECORDS = 200, RECORD_MAX = 3000 };

// One submit in a thread of its own or on the loop.
struct one {
    struct pair *pair;
    struct recorder *recorder;
    unsigned tag;
    size_t size;
    unsigned flags;
    int result;
};

static void
submit_one(void *arg)
{
    struct one *one = arg;

    one->result = request_submit(one->pair, one->recorder, one->tag, one->size, one->flags);
}

static struct one *
one_make(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size)
{
    struct one *one = fixture_memory(pair->fixture, sizeof(*one));

    *one = (struct one){.pair = pair, .recorder = recorder, .tag = tag, .size = size};
    return one;
}

// Q12, N33
static void
one_threads_submits_leave_in_program_order(void **state)
{
    enum { COUNT = 400 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_status(request_submit(pair, recorder, tag, 1 + (tag * 131) % 700,
                                     tag % 3 == 0 ? WEIR_COPY : 0),
                      0);
    }
    for (unsigned tag = 0; tag < COUNT; tag++) {
        peer_read_pattern(fixture, pair->peer, 1 + (tag * 131) % 700, 0, tag);
    }
    recorder_wait(recorder, COUNT);
    for (unsigned tag = 0; tag < COUNT; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
    }
}

// C13: through sixteen lanes, one after the other, before the loop has looked at any.
static void
submits_of_many_threads_leave_in_the_order_they_returned(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    unsigned tag = 0;

    for (; tag < THREADS; tag++) {
        struct one *one = one_make(pair, recorder, tag, 100 + tag);

        thread_call(fixture, submit_one, one);
        assert_status(one->result, 0);
    }
    assert_status(request_submit(pair, recorder, tag, 100 + tag, 0), 0);
    for (unsigned read = 0; read <= tag; read++) {
        peer_read_pattern(fixture, pair->peer, 100 + read, 0, read);
    }
    recorder_wait(recorder, tag + 1);
    for (unsigned index = 0; index <= tag; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

// Lanes that exist already are walked in some order of the loop's; that order must not show.
static void
the_order_of_lanes_does_not_show(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    // This thread's lane is the oldest; submit on it last, then first, then last.
    for (unsigned tag = 0; tag < 12; tag++) {
        struct one *one = one_make(pair, recorder, tag, 50);

        if (tag % 3 == 1) {
            submit_one(one);
        } else {
            thread_call(fixture, submit_one, one);
        }
        assert_status(one->result, 0);
    }
    for (unsigned tag = 0; tag < 12; tag++) {
        peer_read_pattern(fixture, pair->peer, 50, 0, tag);
    }
    recorder_wait(recorder, 12);
}

struct handover {
    struct fixture *fixture;
    struct one *foreign;
    struct one *here;
    bool foreign_done; // under the fixture's lock
};

static void
submit_foreign(void *arg)
{
    struct handover *handover = arg;

    submit_one(handover->foreign);
    pthread_mutex_lock(&handover->fixture->lock);
    handover->foreign_done = true;
    pthread_cond_broadcast(&handover->fixture->changed);
    pthread_mutex_unlock(&handover->fixture->lock);
}

// On the loop: wait until the foreign submit has returned, then submit too.
static void
submit_after_foreign(void *arg)
{
    struct handover *handover = arg;

    pthread_mutex_lock(&handover->fixture->lock);
    while (!handover->foreign_done) {
        pthread_cond_wait(&handover->fixture->changed, &handover->fixture->lock);
    }
    pthread_mutex_unlock(&handover->fixture->lock);
    submit_one(handover->here);
}

// Contract 3.3: the loop's own submit skips the lanes, and still goes behind one that had returned.
static void
a_foreign_submit_that_returned_goes_before_the_loops_own(void **state)
{
    enum { ROUNDS = 50 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct handover *handover = fixture_memory(fixture, sizeof(*handover));
        struct thread *thread;

        handover->fixture = fixture;
        handover->foreign = one_make(pair, recorder, 2 * round, 300);
        handover->here = one_make(pair, recorder, 2 * round + 1, 200);
        thread = thread_start(fixture, submit_foreign, handover);
        loop_call(fixture, fixture->loop, submit_after_foreign, handover);
        thread_join(fixture, thread);
        assert_status(handover->foreign->result, 0);
        assert_status(handover->here->result, 0);
        peer_read_pattern(fixture, pair->peer, 300, 0, 2 * round);
        peer_read_pattern(fixture, pair->peer, 200, 0, 2 * round + 1);
    }
    recorder_wait(recorder, 2 * ROUNDS);
    for (unsigned index = 0; index < 2 * ROUNDS; index++) {
        assert_int_equal(recorder_at(recorder, index).tag, index);
    }
}

// The same by hand: the submit waits in a lane while the posted function runs before it.
static void
a_submit_in_a_lane_goes_before_a_posted_functions(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct one *foreign = one_make(pair, recorder, 0, 300);
    struct one *here = one_make(pair, recorder, 1, 200);

    thread_call(fixture, submit_one, foreign);
    assert_status(foreign->result, 0);
    loop_call(fixture, fixture->loop, submit_one, here);
    assert_status(here->result, 0);
    peer_read_pattern(fixture, pair->peer, 300, 0, 0);
    peer_read_pattern(fixture, pair->peer, 200, 0, 1);
    recorder_wait(recorder, 2);
    assert_int_equal(recorder_at(recorder, 0).tag, 0);
}

static void
end_stream(void *arg)
{
    struct one *one = arg;

    one->result = weir_end(one->pair->stream);
}

static void
drain_stream(void *arg)
{
    struct one *one = arg;

    one->result = weir_close(one->pair->stream, WEIR_CLOSE_DRAIN, 0, 0);
}

// Q16, H31: the end is a submit like any other.
static void
an_end_takes_its_place_in_the_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct one *first = one_make(pair, recorder, 0, 5000);
    struct one *end = one_make(pair, recorder, 1, 0);

    thread_call(fixture, submit_one, first);
    thread_call(fixture, end_stream, end);
    assert_status(first->result, 0);
    assert_status(end->result, 0);
    assert_status(request_submit(pair, recorder, 2, 10, 0), -WEIR_EENDED);
    peer_read_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    recorder_wait(recorder, 1);
}

// Contract 3.3, K40
static void
a_close_takes_its_place_in_the_order(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct one *first = one_make(pair, recorder, 0, 5000);
    struct one *close = one_make(pair, recorder, 1, 0);

    thread_call(fixture, submit_one, first);
    thread_call(fixture, drain_stream, close);
    assert_status(first->result, 0);
    assert_status(close->result, 0);
    assert_status(request_submit(pair, recorder, 2, 10, 0), -WEIR_EENDED);
    peer_read_pattern(fixture, pair->peer, 5000, 0, 0);
    peer_expect_eof(fixture, pair->peer);
    peer_finish(fixture, pair->peer);
    pair_wait_closed(pair);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, 5000);
}

// ---- sixteen threads at once ------------------------------------------------------------------

struct header {
    uint32_t thread;
    uint32_t sequence;
    uint32_t size; // of the pattern behind it
};

struct producer {
    struct pair *pair;
    struct recorder *recorder;
    unsigned thread;
    unsigned flags;
    unsigned refused; // submits that were neither accepted nor done
    unsigned inlined;
};

static unsigned
record_tag(unsigned thread, unsigned sequence)
{
    return thread * RECORDS + sequence;
}

static size_t
record_size(unsigned thread, unsigned sequence)
{
    return 1 + (thread * 7919u + sequence * 104729u) % RECORD_MAX;
}

static void
produce_records(void *arg)
{
    struct producer *producer = arg;
    struct fixture *fixture = producer->pair->fixture;

    for (unsigned sequence = 0; sequence < RECORDS; sequence++) {
        unsigned tag = record_tag(producer->thread, sequence);
        size_t size = record_size(producer->thread, sequence);
        struct header *header = fixture_memory(fixture, sizeof(*header));
        struct iovec iov[2] = {{header, sizeof(*header)}, {pattern_make(fixture, size, tag), size}};
        struct weir_write request = {
            .iov = iov,
            .iov_count = 2,
            .flags = producer->flags | (sequence % 2 == 0 ? WEIR_COPY : 0),
            .done = recorder_done,
            .arg = recorder_tag(producer->recorder, tag),
        };
        int result;

        *header = (struct header){producer->thread, sequence, (uint32_t)size};
        result = submit(fixture, producer->pair->stream, &request, NULL);
        producer->refused += result < 0;
        producer->inlined += result == 1;
    }
}

// Reads every record whole, checks each producer's order, and notes the tags in wire order.
static void
read_records(struct pair *pair, unsigned *ret_tags)
{
    unsigned next[THREADS] = {0};
    struct header header;

    for (unsigned index = 0; index < THREADS * RECORDS; index++) {
        unsigned tag;

        peer_read_exact(pair->fixture, pair->peer, &header, sizeof(header));
        if (header.thread >= THREADS || header.sequence >= RECORDS ||
            header.size != record_size(header.thread, header.sequence)) {
            fixture_fail(pair->fixture, "record %u is not a record: torn by another", index);
        }
        if (header.sequence != next[header.thread]) {
            fixture_fail(pair->fixture, "thread %u: record %u came where %u was due", header.thread,
                         header.sequence, next[header.thread]);
        }
        next[header.thread]++;
        tag = record_tag(header.thread, header.sequence);
        peer_read_pattern(pair->fixture, pair->peer, header.size, 0, tag);
        ret_tags[index] = tag;
    }
}

static void
many_threads_write_records(struct fixture *fixture, unsigned stream_flags, unsigned write_flags)
{
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stream.flags = stream_flags});
    struct recorder *recorder = recorder_make(fixture);
    struct thread *threads[THREADS];
    struct producer *producers = fixture_memory(fixture, sizeof(*producers) * THREADS);
    unsigned *tags = fixture_memory(fixture, sizeof(*tags) * THREADS * RECORDS);
    unsigned inlined = 0;
    unsigned count = 0;

    for (unsigned thread = 0; thread < THREADS; thread++) {
        producers[thread] = (struct producer){
            .pair = pair, .recorder = recorder, .thread = thread, .flags = write_flags};
        threads[thread] = thread_start(fixture, produce_records, &producers[thread]);
    }
    read_records(pair, tags);
    for (unsigned thread = 0; thread < THREADS; thread++) {
        thread_join(fixture, threads[thread]);
        assert_int_equal(producers[thread].refused, 0);
        inlined += producers[thread].inlined;
    }
    recorder_wait(recorder, THREADS * RECORDS - inlined);
    for (unsigned index = 0; index < THREADS * RECORDS && count < recorder_count(recorder);
         index++) {
        // Those done inside the submit have no completion: step over them.
        if (recorder_at(recorder, count).tag == tags[index]) {
            assert_status(recorder_at(recorder, count).result.status, 0);
            count++;
        } else if (inlined == 0) {
            fixture_fail(fixture, "completion %u is of operation %u; on the wire it was %u", count,
                         recorder_at(recorder, count).tag, tags[index]);
        }
    }
    if (count != recorder_count(recorder)) {
        fixture_fail(fixture, "completions do not follow the wire from number %u on", count);
    }
}

// 5.9-10, K13, C13
static void
records_of_sixteen_threads_are_whole_and_in_order(void **state)
{
    many_threads_write_records(fixture_threads(state, 2), 0, 0);
}

// 5.9-10 with the right to write passing between threads.
static void
records_sent_inside_the_submit_are_whole_and_in_order(void **state)
{
    many_threads_write_records(fixture_threads(state, 2), WEIR_STREAM_INLINE, WEIR_INLINE_OK);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(one_threads_submits_leave_in_program_order),
        EACH(submits_of_many_threads_leave_in_the_order_they_returned),
        ONCE(the_order_of_lanes_does_not_show),
        EACH(a_foreign_submit_that_returned_goes_before_the_loops_own),
        EACH(a_submit_in_a_lane_goes_before_a_posted_functions),
        EACH(an_end_takes_its_place_in_the_order),
        EACH(a_close_takes_its_place_in_the_order),
        EACH(records_of_sixteen_threads_are_whole_and_in_order),
        EACH(records_sent_inside_the_submit_are_whole_and_in_order),
    };

    return RUN_CASES("conformance.write_order", cases);
}
