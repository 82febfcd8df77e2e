// SPDX-License-Identifier: MIT
//
// Order: a submit that returned before another began goes first, in whatever threads; one
// operation is contiguous on the wire; completions come in wire order.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

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

// ---- all kinds of writes at once ---------------------------------------------------------------

enum kind {
    BORROWED,
    COPY_SMALL,
    COPY_LARGER,
    COPY_LARGE,
    NAMED,
    CHAIN,
    CHAIN_OF_MANY,
    BARRIER,
    PRIORITY,
    TOKEN,
    DEADLINE,
    GIVEN,
    PIECES,
    SHARED,
    TIMED,
    KINDS,
};

static const size_t kind_sizes[KINDS] = {
    [BORROWED] = 100, [COPY_SMALL] = 60, [COPY_LARGER] = 500,    [COPY_LARGE] = 6000, [NAMED] = 300,
    [CHAIN] = 700,    [BARRIER] = 0,     [CHAIN_OF_MANY] = 9000, [PRIORITY] = 80,     [TOKEN] = 90,
    [DEADLINE] = 110, [GIVEN] = 120,     [PIECES] = 130,         [SHARED] = 140,      [TIMED] = 150,
};

enum { MIXED = 60, MIXTURES = 12, PRIORITY_RUN = 16 };

struct mixture {
    struct pair *pair;
    struct recorder *recorder;
    struct released *released;
    weir_token token;
    enum kind kinds[MIXED];
    unsigned order[MIXED]; // tags as they must go
    int result;
};

static enum kind
kind_of(unsigned mixture, unsigned tag)
{
    uint32_t x = mixture * 2654435761u + tag * 40503u + 12345u;

    x ^= x >> 13;
    x *= 2246822519u;
    x ^= x >> 16;
    // Half of them the commonest kinds, for long runs of these.
    return x % 2 == 0 ? (x / 2 % 2 == 0 ? BORROWED : CHAIN) : (enum kind)(x / 2 % KINDS);
}

static unsigned
flags_of(enum kind kind)
{
    switch (kind) {
    case COPY_SMALL:
    case COPY_LARGER:
    case COPY_LARGE:
        return WEIR_COPY;
    case PRIORITY:
        return WEIR_PRIORITY;
    case GIVEN:
        return WEIR_GIVE;
    case TIMED:
        return WEIR_TIMED;
    default:
        return 0;
    }
}

static int
write_shared(struct mixture *mixture, unsigned tag, size_t size)
{
    struct weir_write request = request_make(mixture->recorder, tag, 0);
    int result;

    request.shared = weir_shared_create(pattern_make(mixture->pair->fixture, size, tag), size);
    result = submit(mixture->pair->fixture, mixture->pair->stream, &request, NULL);
    weir_shared_unref(request.shared);
    return result;
}

static int
write_kind(struct mixture *mixture, unsigned tag)
{
    enum kind kind = mixture->kinds[tag];
    size_t size = kind_sizes[kind];
    struct weir_write request;
    struct iovec pieces[3];
    weir_op op;

    if (kind == CHAIN || kind == CHAIN_OF_MANY) {
        struct weir_chain chain = request_chain(size, tag);

        return weir_write_chain(mixture->pair->stream, &chain, recorder_done,
                                recorder_tag(mixture->recorder, tag));
    }
    if (kind == SHARED) {
        return write_shared(mixture, tag, size);
    }
    request = request_make(mixture->recorder, tag, size);
    request.flags = flags_of(kind);
    request.token = kind == TOKEN ? mixture->token : (weir_token){0};
    request.deadline_ns = kind == DEADLINE ? WEIR_NEVER - 1 : 0;
    request.release = kind == GIVEN ? request_release : NULL;
    request.release_arg = mixture->released;
    if (kind == PIECES) {
        for (unsigned index = 0; index < 3; index++) {
            pieces[index] = *request.iov;
            pieces[index].iov_base = (char *)request.iov->iov_base + (size_t)index * 40;
            pieces[index].iov_len = index < 2 ? 40 : size - 80;
        }
        request.iov = pieces;
        request.iov_count = 3;
    }
    return submit(mixture->pair->fixture, mixture->pair->stream, &request,
                  kind == NAMED ? &op : NULL);
}

static void
write_mixture(void *arg)
{
    struct mixture *mixture = arg;

    for (unsigned tag = 0; tag < MIXED; tag++) {
        mixture->result += write_kind(mixture, tag);
    }
}

static void
write_mixture_in_data(struct reader *reader, weir_stream stream)
{
    (void)stream;
    write_mixture(reader->arg);
    reader->inside = NULL;
}

// docs/states.md: PRIORITY passes what has not started, but no barrier and no other PRIORITY, and
// at most 16 times in a row.
static void
order_mixture(struct mixture *mixture)
{
    const enum kind *kinds = mixture->kinds;
    unsigned *order = mixture->order;

    for (unsigned tag = 0; tag < MIXED; tag++) {
        unsigned place = tag;
        unsigned run = 0;

        if (kinds[tag] == PRIORITY) {
            while (place > 0 && kinds[order[place - 1]] != PRIORITY &&
                   kinds[order[place - 1]] != BARRIER) {
                place--;
            }
            while (run < place && kinds[order[place - 1 - run]] == PRIORITY) {
                run++;
            }
            place = run < PRIORITY_RUN ? place : tag;
        }
        memmove(order + place + 1, order + place, (tag - place) * sizeof(order[0]));
        order[place] = tag;
    }
}

enum mixed_from { FROM_OUTSIDE, FROM_A_POST, FROM_DATA, FROM_PLACES };

static void
expect_mixture(struct mixture *mixture)
{
    struct fixture *fixture = mixture->pair->fixture;

    assert_status(mixture->result, 0);
    pair_unstuff(mixture->pair);
    for (unsigned index = 0; index < MIXED; index++) {
        unsigned tag = mixture->order[index];

        peer_read_pattern(fixture, mixture->pair->peer, kind_sizes[mixture->kinds[tag]], 0, tag);
    }
    recorder_wait(mixture->recorder, MIXED);
    for (unsigned index = 0; index < MIXED; index++) {
        struct recorded recorded = recorder_at(mixture->recorder, index);

        if (recorded.tag != mixture->order[index]) {
            fixture_fail(fixture, "completion %u is of write %u (kind %d), not of %u (kind %d)",
                         index, recorded.tag, (int)mixture->kinds[recorded.tag],
                         mixture->order[index], (int)mixture->kinds[mixture->order[index]]);
        }
        expect_result(recorded.result, 0, WEIR_ORIGIN_NONE,
                      kind_sizes[mixture->kinds[recorded.tag]]);
        assert_int_equal(recorded.result.op.bits != 0, mixture->kinds[recorded.tag] == NAMED);
        assert_int_equal(recorded.result.submit_ns != 0, mixture->kinds[recorded.tag] == TIMED);
    }
}

static void
write_mixture_from(struct fixture *fixture, enum mixed_from from, unsigned number, bool stuffed)
{
    struct mixture *mixture = fixture_memory(fixture, sizeof(*mixture));
    struct reader *reader = reader_make(fixture);

    mixture->pair = reader_open(reader, &(struct pair_options){.stuffed = stuffed});
    mixture->recorder = recorder_make(fixture);
    mixture->released = released_make(fixture);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &mixture->token), 0);
    for (unsigned tag = 0; tag < MIXED; tag++) {
        mixture->kinds[tag] = kind_of(number, tag);
    }
    order_mixture(mixture);
    reader->arg = mixture;
    if (from == FROM_OUTSIDE) {
        write_mixture(mixture);
    } else if (from == FROM_A_POST) {
        loop_call(fixture, fixture->loop, write_mixture, mixture);
    } else {
        reader->inside = write_mixture_in_data;
        peer_write_pattern(fixture, mixture->pair->peer, 1, 0, 0);
        reader_wait_calls(reader, 1);
    }
    expect_mixture(mixture);
    assert_status(weir_token_free(mixture->token), 0);
    close_anyhow(mixture->pair);
}

// Whatever a write asks for besides its bytes, and whichever way inside it takes.
static void
completions_of_all_kinds_follow_the_wire(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned number = 0; number < MIXTURES; number++) {
        write_mixture_from(fixture, number % FROM_PLACES, number, false);
    }
}

static void
completions_of_all_kinds_follow_the_wire_when_it_was_full(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned number = 0; number < FROM_PLACES; number++) {
        write_mixture_from(fixture, number, MIXTURES + number, true);
    }
}

// ---- what ended without being sent -------------------------------------------------------------

struct crossing {
    struct pair *pair;
    struct pair *other;
    struct recorder *recorder;
    struct recorder *elsewhere;
    int result;
};

static void
write_and_cancel(void *arg)
{
    struct crossing *crossing = arg;
    struct weir_write request = request_make(crossing->recorder, 2, 10);
    weir_op op;

    crossing->result += submit(crossing->pair->fixture, crossing->pair->stream, &request, &op);
    crossing->result += weir_cancel(op) == WEIR_CANCEL_WON ? 0 : 1000;
}

// The first of two completions: one write more, from elsewhere and cancelled, and one from here.
static void
write_behind_a_cancelled_one(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct crossing *crossing = arg;
    struct weir_chain chain = request_chain(10, 9);

    recorder_done(stream, result, recorder_tag(crossing->recorder, 0));
    crossing->result += weir_write_chain(crossing->other->stream, &chain, recorder_done,
                                         recorder_tag(crossing->elsewhere, 9));
    thread_call(crossing->pair->fixture, write_and_cancel, crossing);
    chain = request_chain(10, 3);
    crossing->result +=
        weir_write_chain(stream, &chain, recorder_done, recorder_tag(crossing->recorder, 3));
}

static void
what_ended_before_a_write_is_told_before_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct crossing *crossing = fixture_memory(fixture, sizeof(*crossing));
    struct weir_write request;
    weir_op ops[2];

    crossing->pair = pair_open(fixture, &(struct pair_options){0});
    crossing->other = pair_open(fixture, &(struct pair_options){0});
    crossing->recorder = recorder_make(fixture);
    crossing->elsewhere = recorder_make(fixture);
    request = request_make(crossing->recorder, 0, 10);
    request.done = write_behind_a_cancelled_one;
    request.arg = crossing;
    assert_status(submit(fixture, crossing->pair->stream, &request, &ops[0]), 0);
    request = request_make(crossing->recorder, 1, 10);
    assert_status(submit(fixture, crossing->pair->stream, &request, &ops[1]), 0);
    recorder_wait(crossing->recorder, 4);
    recorder_wait(crossing->elsewhere, 1);
    assert_status(crossing->result, 0);
    for (unsigned tag = 0; tag < 4; tag++) {
        assert_int_equal(recorder_at(crossing->recorder, tag).tag, tag);
    }
    expect_result(recorder_of(crossing->recorder, 2), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    peer_read_pattern(fixture, crossing->pair->peer, 10, 0, 0);
    peer_read_pattern(fixture, crossing->pair->peer, 10, 0, 1);
    peer_read_pattern(fixture, crossing->pair->peer, 10, 0, 3);
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
        EACH(completions_of_all_kinds_follow_the_wire),
        EACH(completions_of_all_kinds_follow_the_wire_when_it_was_full),
        EACH(what_ended_before_a_write_is_told_before_it),
    };

    return RUN_CASES("conformance.write_order", cases);
}
