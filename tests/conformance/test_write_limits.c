// SPDX-License-Identifier: MIT
//
// What refuses a write, under its own name: stream, lane, loop, process.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <string.h>
#include <time.h>

enum { LANE = 8, PIECE = 1000, SHARE = 1000000 };

static int
copy_write(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size)
{
    return request_submit(pair, recorder, tag, size, WEIR_COPY);
}

// ---- the stream's queue -----------------------------------------------------------------------

// 5.9-5: exact per stream.
static void
the_queue_refuses_above_its_high_mark(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 1000, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(copy_write(pair, recorder, 0, 600), 0);
    assert_status(copy_write(pair, recorder, 1, 400), 0);
    assert_status(copy_write(pair, recorder, 2, 1), -WEIR_ESTREAMFULL);
    fixture_settle(fixture);
    assert_status(copy_write(pair, recorder, 2, 1), -WEIR_ESTREAMFULL);
    assert_int_equal(weir_queued(pair->stream), 1000);
    assert_int_equal(fixture_stats(fixture).refused[WEIR_REFUSED_STREAM], 2);
    // A barrier and an end weigh nothing.
    assert_status(copy_write(pair, recorder, 2, 0), 0);
    pair_unstuff(pair);
    recorder_wait(recorder, 3);
    assert_status(copy_write(pair, recorder, 3, 1000), 0);
    peer_read_pattern(fixture, pair->peer, 600, 0, 0);
    peer_read_pattern(fixture, pair->peer, 400, 0, 1);
    peer_read_pattern(fixture, pair->peer, 1000, 0, 3);
}

// H24, C16: larger than the mark is admitted when nothing is queued, and only then.
static void
an_oversize_write_is_admitted_by_an_empty_queue(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 1000, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(copy_write(pair, recorder, 0, 5000), 0);
    assert_status(copy_write(pair, recorder, 1, 1), -WEIR_ESTREAMFULL);
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 5000, 0, 0);
    recorder_wait(recorder, 1);
    assert_status(copy_write(pair, recorder, 1, 1), 0);
    assert_status(copy_write(pair, recorder, 2, 5000), -WEIR_ESTREAMFULL);
    recorder_wait(recorder, 2);
    peer_read_pattern(fixture, pair->peer, 1, 0, 1);
}

// 1061: told once, at the low mark.
static void
writable_comes_once_at_the_low_mark(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream = {.queue_high = 1000, .queue_low = 300},
                                                  .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 10; tag++) {
        assert_status(copy_write(pair, recorder, tag, 100), 0);
    }
    assert_status(copy_write(pair, recorder, 10, 1), -WEIR_ESTREAMFULL);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
    pair_unstuff(pair);
    events_wait(pair->events, "writable");
    assert_true(weir_queued(pair->stream) <= 300);
    recorder_wait(recorder, 10);
    for (unsigned tag = 0; tag < 10; tag++) {
        peer_read_pattern(fixture, pair->peer, 100, 0, tag);
    }
    fixture_settle(fixture);
    events_expect(pair->events, "started writable");
}

// Nothing was refused and the mark not passed: nothing to say.
static void
writable_does_not_come_without_a_refusal(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 1000, .stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    assert_status(copy_write(pair, recorder, 0, 900), 0);
    fixture_settle(fixture);
    pair_unstuff(pair);
    recorder_wait(recorder, 1);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
    peer_read_pattern(fixture, pair->peer, 900, 0, 0);
}

struct here {
    struct pair *pair;
    struct recorder *recorder;
    int result;
};

static void
write_one_byte(void *arg)
{
    struct here *here = arg;

    here->result = copy_write(here->pair, here->recorder, 9, 1);
}

// The mark holds for every thread alike.
static void
the_high_mark_holds_on_the_loop_and_on_other_threads(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct here *here = fixture_memory(fixture, sizeof(*here));

    here->pair =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 1000, .stuffed = true});
    here->recorder = recorder_make(fixture);
    assert_status(copy_write(here->pair, here->recorder, 0, 1000), 0);
    thread_call(fixture, write_one_byte, here);
    assert_status(here->result, -WEIR_ESTREAMFULL);
    loop_call(fixture, fixture->loop, write_one_byte, here);
    assert_status(here->result, -WEIR_ESTREAMFULL);
}

// ---- the high mark, with writers everywhere ----------------------------------------------------

enum { HIGH = 4000, WRITERS = 5, RECORDS = 400, RECORD = 600 };

struct crowd {
    struct fixture *fixture;
    struct pair *pair;
    unsigned char bytes[WRITERS][RECORD];
    unsigned writables; // under the fixture's lock, as the rest
    unsigned completed;
    unsigned failed;
    unsigned local; // records the loop's own writer has submitted
    unsigned next;  // number of the next other writer
};

static void crowd_done(weir_stream stream, const struct weir_result *result, void *arg);

// 0, or why not.
static int
crowd_write(struct crowd *crowd, unsigned writer, unsigned number)
{
    struct iovec piece = {crowd->bytes[writer], 1 + (number * 37 + writer) % RECORD};
    struct weir_write request = {
        .iov = &piece,
        .iov_count = 1,
        .done = crowd_done,
        .arg = crowd,
        .flags = number % 3 == 0 ? (unsigned)WEIR_COPY : 0,
    };

    return weir_write(crowd->pair->stream, &request, NULL);
}

static void
crowd_fail(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->fixture->lock);
    crowd->failed++;
    pthread_mutex_unlock(&crowd->fixture->lock);
}

// On the loop: as much as goes. What is refused is tried again when there is room.
static void
crowd_write_local(struct crowd *crowd)
{
    while (crowd->local < RECORDS) {
        int result = crowd_write(crowd, 0, crowd->local);

        if (result == -WEIR_ESTREAMFULL) {
            return;
        }
        if (result != 0) {
            crowd_fail(crowd);
            return;
        }
        crowd->local++;
    }
}

static void
crowd_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct crowd *crowd = arg;

    pthread_mutex_lock(&crowd->fixture->lock);
    crowd->completed++;
    crowd->failed += result->status != 0 || result->sent != result->accepted;
    crowd->failed += weir_queued(stream) > HIGH;
    pthread_cond_broadcast(&crowd->fixture->changed);
    pthread_mutex_unlock(&crowd->fixture->lock);
    if (crowd->completed % 8 == 0) {
        crowd_write_local(crowd);
    }
}

static void
crowd_writable(weir_stream stream, void *user)
{
    struct crowd *crowd = ((struct reader *)user)->arg;

    (void)stream;
    pthread_mutex_lock(&crowd->fixture->lock);
    crowd->writables++;
    pthread_cond_broadcast(&crowd->fixture->changed);
    pthread_mutex_unlock(&crowd->fixture->lock);
    crowd_write_local(crowd);
}

static unsigned
crowd_writables(struct crowd *crowd)
{
    unsigned writables;

    pthread_mutex_lock(&crowd->fixture->lock);
    writables = crowd->writables;
    pthread_mutex_unlock(&crowd->fixture->lock);
    return writables;
}

// False: `writable` did not follow a refusal.
static bool
crowd_wait_writable(struct crowd *crowd, unsigned seen)
{
    uint64_t deadline = test_deadline();
    bool came;

    pthread_mutex_lock(&crowd->fixture->lock);
    while (crowd->writables == seen && weir_now_ns() < deadline) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&crowd->fixture->changed, &crowd->fixture->lock, &until);
    }
    came = crowd->writables != seen;
    pthread_mutex_unlock(&crowd->fixture->lock);
    return came;
}

static void
crowd_write_foreign(void *arg)
{
    struct crowd *crowd = arg;
    unsigned writer;

    pthread_mutex_lock(&crowd->fixture->lock);
    writer = ++crowd->next;
    pthread_mutex_unlock(&crowd->fixture->lock);
    for (unsigned number = 0; number < RECORDS;) {
        unsigned seen = crowd_writables(crowd);
        int result = crowd_write(crowd, writer, number);

        if (result == 0) {
            number++;
        } else if (result != -WEIR_ESTREAMFULL || !crowd_wait_writable(crowd, seen)) {
            crowd_fail(crowd);
            return;
        }
    }
}

static size_t
crowd_total(unsigned writer)
{
    size_t total = 0;

    for (unsigned number = 0; number < RECORDS; number++) {
        total += 1 + (number * 37 + writer) % RECORD;
    }
    return total;
}

static bool
crowd_has_completed(void *arg)
{
    struct crowd *crowd = arg;
    bool all;

    pthread_mutex_lock(&crowd->fixture->lock);
    all = crowd->completed == WRITERS * RECORDS || crowd->failed != 0;
    pthread_mutex_unlock(&crowd->fixture->lock);
    return all;
}

// Whoever was refused is told, wherever it wrote from; the queue stays below the mark; every byte
// arrives, and in the end nothing is queued.
static void
writers_everywhere_share_a_high_mark(void **state)
{
    struct fixture *fixture = fixture_threads(state, 1);
    struct crowd *crowd = fixture_memory(fixture, sizeof(*crowd));
    struct reader *reader = reader_make(fixture);
    struct thread *threads[WRITERS - 1];
    size_t got[WRITERS] = {0};
    size_t left = 0;

    crowd->fixture = fixture;
    reader->arg = crowd;
    reader->handlers.writable = crowd_writable;
    crowd->pair = reader_open(
        reader, &(struct pair_options){.stream = {.queue_high = HIGH, .queue_low = 1000},
                                       .small = true,
                                       .window = 16384});
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        memset(crowd->bytes[writer], (int)writer, RECORD);
        left += crowd_total(writer);
    }
    for (unsigned index = 0; index < WRITERS - 1; index++) {
        threads[index] = thread_start(fixture, crowd_write_foreign, crowd);
    }
    while (left > 0) {
        unsigned char piece[997];
        size_t size = left < sizeof(piece) ? left : sizeof(piece);

        peer_read_exact(fixture, crowd->pair->peer, piece, size);
        assert_true(weir_queued(crowd->pair->stream) <= HIGH);
        for (size_t index = 0; index < size; index++) {
            assert_true(piece[index] < WRITERS);
            got[piece[index]]++;
        }
        left -= size;
    }
    for (unsigned index = 0; index < WRITERS - 1; index++) {
        thread_join(fixture, threads[index]);
    }
    fixture_turn_until(fixture, crowd_has_completed, crowd);
    assert_int_equal(crowd->failed, 0);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        assert_int_equal(got[writer], crowd_total(writer));
    }
    assert_int_equal(weir_queued(crowd->pair->stream), 0);
}

// ---- the lane ---------------------------------------------------------------------------------

static struct fixture *
small_lane(void **state)
{
    return fixture_with(state, &(struct weir_runtime_options){
                                   .loops = 1, .flags = WEIR_MANUAL, .lane_entries = LANE});
}

// Submit until the lane refuses; how many it took.
static unsigned
fill_lane(struct pair *pair, struct recorder *recorder, unsigned first)
{
    for (unsigned count = 0; count <= LANE; count++) {
        int result = copy_write(pair, recorder, first + count, 10);

        if (result != 0) {
            assert_status(result, -WEIR_ELANEFULL);
            return count;
        }
    }
    fixture_fail(pair->fixture, "a lane of %d entries took %d", LANE, LANE + 1);
    return 0;
}

static void
a_full_lane_refuses_by_its_name(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    unsigned count;

    fixture_settle(fixture);
    count = fill_lane(pair, recorder, 0);
    assert_true(count >= LANE / 2);
    assert_int_equal(fixture_stats(fixture).refused[WEIR_REFUSED_LANE], 1);
    recorder_wait(recorder, count);
    // Drained: as many again.
    assert_int_equal(fill_lane(pair, recorder, count), count);
    recorder_wait(recorder, 2 * count);
    for (unsigned tag = 0; tag < 2 * count; tag++) {
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
}

static void
write_elsewhere(void *arg)
{
    struct here *here = arg;

    here->result = copy_write(here->pair, here->recorder, 100, 10);
}

// A lane belongs to one thread: another's is not full.
static void
a_full_lane_refuses_its_own_thread_only(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct here *here = fixture_memory(fixture, sizeof(*here));
    unsigned count;

    here->pair = pair_open(fixture, &(struct pair_options){0});
    here->recorder = recorder_make(fixture);
    fixture_settle(fixture);
    count = fill_lane(here->pair, here->recorder, 0);
    thread_call(fixture, write_elsewhere, here);
    assert_status(here->result, 0);
    recorder_wait(here->recorder, count + 1);
}

struct releasing {
    struct pair *other;
    struct recorder *recorder;
    unsigned accepted;
    int refusal;
};

// The caller's release, inside the submit: it writes too, and takes all that the lane has left.
static void
release_and_fill_the_lane(void *arg)
{
    struct releasing *releasing = arg;

    while (releasing->accepted <= 2 * LANE && releasing->refusal == 0) {
        releasing->refusal =
            copy_write(releasing->other, releasing->recorder, releasing->accepted, 10);
        releasing->accepted += releasing->refusal == 0;
    }
}

// A write that is over inside its submit may still have to tell the loop something, as that the
// send has failed. Its place in the lane is its own.
static void
what_a_release_submits_takes_no_place_that_is_reserved(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct pair *broken = pair_open(
        fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_INLINE | WEIR_STREAM_SWALLOW});
    struct releasing *releasing = fixture_memory(fixture, sizeof(*releasing));
    struct weir_write request;

    releasing->other = pair_open(fixture, &(struct pair_options){0});
    releasing->recorder = recorder_make(fixture);
    fixture_settle(fixture);
    peer_reset(fixture, broken->peer);
    request = request_make(releasing->recorder, 0, 10);
    request.done = NULL;
    request.flags = WEIR_GIVE | WEIR_INLINE_OK;
    request.release = release_and_fill_the_lane;
    request.release_arg = releasing;
    assert_status(weir_write(broken->stream, &request, NULL), 1);
    assert_status(releasing->refusal, -WEIR_ELANEFULL);
    assert_true(releasing->accepted >= LANE / 2);
    recorder_wait(releasing->recorder, releasing->accepted);
    for (unsigned tag = 0; tag < releasing->accepted; tag++) {
        expect_result(recorder_of(releasing->recorder, tag), 0, WEIR_ORIGIN_NONE, 10);
        peer_read_pattern(fixture, releasing->other->peer, 10, 0, tag);
    }
    pair_wait_closed(broken);
}

static void
count_post(struct weir_loop *loop, void *arg)
{
    (void)loop;
    ++*(unsigned *)arg;
}

// Writes, posts and timers of one thread share its lane: none takes a place that another has.
static void
send_mixed(void **state, unsigned entries, unsigned rounds)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .lane_entries = entries});
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    unsigned *posted = fixture_memory(fixture, sizeof(*posted));
    uint32_t choice = entries;
    unsigned writes = 0;
    unsigned posts = 0;

    fixture_settle(fixture);
    for (unsigned round = 0; round < rounds; round++) {
        int result = 0;

        while (result == 0) {
            unsigned before = writes + posts;

            choice = choice * 1664525u + 1013904223u;
            if (choice >> 30 != 0) {
                result = request_submit(pair, recorder, writes, 1 + (choice >> 16) % 200,
                                        choice & 64 ? (unsigned)WEIR_COPY : 0);
                writes += result == 0;
            } else {
                result = weir_post(fixture->loop, count_post, posted);
                posts += result == 0;
            }
            assert_true(result == -WEIR_ELANEFULL || writes + posts == before + 1);
        }
        assert_status(result, -WEIR_ELANEFULL);
        fixture_settle(fixture);
        assert_int_equal(*posted, posts);
        assert_int_equal(peer_waiting(pair->peer) > 0, writes > 0);
        while (peer_waiting(pair->peer) > 0) {
            uint8_t bytes[4096];

            assert_true(recv(pair->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
            fixture_settle(fixture);
        }
        assert_int_equal(recorder_count(recorder), writes);
    }
    for (unsigned tag = 0; tag < writes; tag++) {
        assert_int_equal(recorder_at(recorder, tag).tag, tag);
        assert_status(recorder_at(recorder, tag).result.status, 0);
    }
}

static void
all_that_is_sent_shares_a_lane(void **state)
{
    send_mixed(state, LANE, 60);
}

static void
all_that_is_sent_shares_a_lane_that_grows(void **state)
{
    send_mixed(state, 2048, 3); // from 512 on
}

struct notified {
    struct fixture *fixture;
    unsigned count;
    bool on_loop;
};

static void
on_room(struct weir_loop *loop, void *arg)
{
    struct notified *notified = arg;

    callback_begin(notified->fixture);
    notified->count++;
    notified->on_loop = weir_loop_current() == loop;
    callback_end();
}

// 5.6: a producer refused by its lane can ask to be told.
static void
a_refused_producer_is_told_once_when_there_is_room(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct notified *replaced = fixture_memory(fixture, sizeof(*replaced));
    struct notified *notified = fixture_memory(fixture, sizeof(*notified));
    unsigned count;

    replaced->fixture = notified->fixture = fixture;
    fixture_settle(fixture);
    count = fill_lane(pair, recorder, 0);
    assert_status(weir_lane_notify(fixture->loop, NULL, notified), -EINVAL);
    assert_status(weir_lane_notify(fixture->loop, on_room, replaced), 0);
    assert_status(weir_lane_notify(fixture->loop, on_room, notified), 0);
    assert_int_equal(notified->count, 0);
    recorder_wait(recorder, count);
    fixture_settle(fixture);
    assert_int_equal(notified->count, 1);
    assert_true(notified->on_loop);
    assert_int_equal(replaced->count, 0);
    fill_lane(pair, recorder, count);
    fixture_settle(fixture);
    assert_int_equal(notified->count, 1);
}

static void
notify_here(void *arg)
{
    struct here *here = arg;

    here->result = weir_lane_notify(here->pair->fixture->loop, on_room, NULL);
}

static void
lane_notify_needs_a_lane_and_another_thread(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct here *here = fixture_memory(fixture, sizeof(*here));

    here->pair = pair_open(fixture, &(struct pair_options){0});
    loop_call(fixture, fixture->loop, notify_here, here);
    assert_status(here->result, -EDEADLK);
    thread_call(fixture, notify_here, here);
    assert_status(here->result, -EINVAL);
}

// Contract 3.7: what ends things never waits behind a full lane.
static void
cancel_and_close_pass_a_full_lane(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct pair *other = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct recorder *victims = recorder_make(fixture);
    struct weir_write request = request_make(victims, 0, 10);
    unsigned count;
    weir_op op;

    fixture_settle(fixture);
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    count = fill_lane(pair, recorder, 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    assert_status(weir_close(other->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_FLUSH, 0, 0), 0);
    pair_wait_closed(other);
    recorder_wait(recorder, count);
    recorder_wait(victims, 1);
    expect_result(recorder_of(victims, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    for (unsigned tag = 0; tag < count; tag++) {
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
    peer_expect_eof(fixture, pair->peer);
}

// ---- the loop's and the process's share -------------------------------------------------------

// Fill stuffed pairs in turn until refused; how many bytes were taken.
static size_t
fill_share(struct pair **pairs, unsigned pair_count, struct recorder *recorder, int refusal)
{
    size_t total = 0;

    for (unsigned tag = 0; total <= 2 * (size_t)SHARE; tag++) {
        int result = copy_write(pairs[tag % pair_count], recorder, tag, PIECE);

        if (result != 0) {
            assert_status(result, refusal);
            return total;
        }
        total += PIECE;
        if (tag % 200 == 199) {
            fixture_turn(pairs[0]->fixture);
        }
    }
    fixture_fail(pairs[0]->fixture, "%zu bytes taken, the limit is %d", total, SHARE);
    return 0;
}

// The limit, with at most five percent of slack either way.
static void
expect_share(size_t total)
{
    assert_in_range(total, SHARE - SHARE / 20, SHARE + SHARE / 20);
}

// Read at the plain end until the stream has nothing queued.
static bool
drain_step(void *arg)
{
    struct pair *pair = arg;
    uint8_t block[4096];

    while (recv(pair->peer, block, sizeof(block), MSG_DONTWAIT) > 0) {
    }
    return weir_queued(pair->stream) == 0;
}

static void
drain_pair(struct pair *pair)
{
    fixture_turn_until(pair->fixture, drain_step, pair);
}

static void
a_loops_share_refuses_by_its_name(void **state)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .loop_bytes_max = SHARE});
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pairs[2];
    size_t total;
    uint64_t sent;

    for (unsigned index = 0; index < 2; index++) {
        pairs[index] = pair_open(fixture, &(struct pair_options){.stuffed = true});
    }
    total = fill_share(pairs, 2, recorder, -WEIR_ELOOPFULL);
    expect_share(total);
    assert_true(fixture_stats(fixture).refused[WEIR_REFUSED_LOOP] >= 1);
    assert_int_equal(fixture_stats(fixture).queued_now, total);
    // Drained: all of it is there again.
    for (unsigned index = 0; index < 2; index++) {
        pair_unstuff(pairs[index]);
        drain_pair(pairs[index]);
    }
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).queued_now, 0);
    sent = fixture_stats(fixture).bytes_sent;
    total = fill_share(pairs, 2, recorder_make(fixture), -WEIR_ELOOPFULL);
    expect_share(total - (fixture_stats(fixture).bytes_sent - sent));
}

static void
the_processes_share_refuses_by_its_name(void **state)
{
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 2, .flags = WEIR_MANUAL, .total_bytes_max = SHARE});
    struct recorder *recorder = recorder_make(fixture);
    struct pair *pairs[2];

    for (unsigned index = 0; index < 2; index++) {
        pairs[index] = pair_open(
            fixture, &(struct pair_options){.stuffed = true,
                                            .loop = weir_runtime_loop(fixture->runtime, index)});
    }
    expect_share(fill_share(pairs, 2, recorder, -WEIR_EPROCFULL));
    assert_true(fixture_stats(fixture).refused[WEIR_REFUSED_PROCESS] >= 1);
}

// ---- precedence -------------------------------------------------------------------------------

// Contract 4.7: stale, ended, token, stream, lane; each hides the ones behind it.
static void
refusals_have_a_fixed_precedence(void **state)
{
    struct fixture *fixture = small_lane(state);
    struct pair *full =
        pair_open(fixture, &(struct pair_options){.stream.queue_high = 100, .stuffed = true});
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 99, 10);

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &request.token), 0);
    assert_status(weir_token_fire(request.token, 0, 0), 0);
    assert_status(copy_write(full, recorder, 0, 100), 0);
    fixture_settle(fixture);
    fill_lane(pair, recorder, 1);
    assert_status(copy_write(full, recorder, 50, 10), -WEIR_ESTREAMFULL);
    assert_status(submit(fixture, full->stream, &request, NULL), -ECANCELED);
    request.flags = 1u << 31;
    assert_status(submit(fixture, full->stream, &request, NULL), -EINVAL);
    request.flags = WEIR_CHUNK;
    assert_status(submit(fixture, full->stream, &request, NULL), -ENOTSUP);
    request.flags = 0;
    assert_status(submit(fixture, (weir_stream){0}, &request, NULL), -WEIR_ESTALE);
    fixture_settle(fixture);
    assert_status(weir_end(full->stream), 0);
    fixture_settle(fixture);
    fill_lane(pair, recorder, 20);
    assert_status(submit(fixture, full->stream, &request, NULL), -WEIR_EENDED);
    assert_status(weir_token_free(request.token), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(the_queue_refuses_above_its_high_mark),
        EACH(an_oversize_write_is_admitted_by_an_empty_queue),
        EACH(writable_comes_once_at_the_low_mark),
        EACH(writable_does_not_come_without_a_refusal),
        EACH(the_high_mark_holds_on_the_loop_and_on_other_threads),
        EACH(writers_everywhere_share_a_high_mark),
        EACH(a_full_lane_refuses_by_its_name),
        ONCE(a_full_lane_refuses_its_own_thread_only),
        EACH(what_a_release_submits_takes_no_place_that_is_reserved),
        ONCE(all_that_is_sent_shares_a_lane),
        ONCE(all_that_is_sent_shares_a_lane_that_grows),
        ONCE(a_refused_producer_is_told_once_when_there_is_room),
        ONCE(lane_notify_needs_a_lane_and_another_thread),
        EACH(cancel_and_close_pass_a_full_lane),
        EACH(a_loops_share_refuses_by_its_name),
        EACH(the_processes_share_refuses_by_its_name),
        ONCE(refusals_have_a_fixed_precedence),
    };

    return RUN_CASES("conformance.write_limits", cases);
}
