// os: count
// SPDX-License-Identifier: MIT
//
// The cancel table, stepped by hand: {state} x {caller} x {tear policy}.
//
// Each case submits the victim and a follower behind it, cancels the victim in the wanted state,
// and looks at the answer, the result, the follower, the wire, and the next write.
#include "tests/lib/fixture.h"
#include "tests/lib/os_count.h"

enum { MIB = 1024 * 1024, SMALL = 1000, VICTIM = 1, FOLLOWER = 2, BLOCKER = 3, LATER = 4 };
enum { ABORT_CODE = 77 };

enum state {
    IN_LANE,    // QUEUED: no loop has seen it
    IN_QUEUE,   // QUEUED: behind a write that is blocked
    TX_NOTHING, // the head; the kernel has taken nothing of it
    TX_PARTLY,  // the head; the kernel has taken a part of it
};

enum caller { BY_HANDLE, BY_TOKEN, BY_DEADLINE };

struct cancel {
    struct fixture *fixture;
    enum state state;
    enum caller caller;
    enum weir_tear tear;
    struct pair *pair;
    struct recorder *recorder;
    size_t size;  // of the victim
    size_t taken; // of the victim: before the cancel at least, in the end what its result says
    weir_op op;
    weir_token token;
};

// ---- arrange ----------------------------------------------------------------------------------

static void
submit_victim(struct cancel *cancel)
{
    struct weir_write request = request_make(cancel->recorder, VICTIM, cancel->size);

    request.tear = cancel->tear;
    request.abort_code = cancel->tear == WEIR_TEAR_ABORT ? ABORT_CODE : 0;
    if (cancel->caller == BY_TOKEN) {
        assert_status(weir_token_create(cancel->fixture->runtime, (weir_token){0}, &cancel->token),
                      0);
        request.token = cancel->token;
    } else if (cancel->caller == BY_DEADLINE) {
        request.deadline_ns = weir_deadline_after(MS(60)); // the clock is held until act()
    }
    assert_status(submit(cancel->fixture, cancel->pair->stream, &request, &cancel->op), 0);
}

static void
arrange(struct cancel *cancel)
{
    struct fixture *fixture = cancel->fixture;
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.small = true, .stuffed = cancel->state == TX_NOTHING});

    cancel->pair = pair;
    cancel->recorder = recorder_make(fixture);
    cancel->size = cancel->state == TX_PARTLY ? MIB : SMALL;
    fixture_settle(fixture);
    if (cancel->state == IN_QUEUE) {
        assert_status(request_submit(pair, cancel->recorder, BLOCKER, MIB, 0), 0);
        pair_block(pair);
    }
    submit_victim(cancel);
    if (cancel->state != IN_LANE) {
        fixture_turn(fixture);
    }
    if (cancel->state == TX_PARTLY) {
        cancel->taken = pair_block(pair);
        assert_true(cancel->taken < cancel->size);
    }
    assert_status(request_submit(pair, cancel->recorder, FOLLOWER, SMALL, 0), 0);
    if (cancel->state != IN_LANE) {
        fixture_turn(fixture);
    }
    assert_false(recorder_has(cancel->recorder, VICTIM));
}

// ---- act --------------------------------------------------------------------------------------

// The answer the table gives; 0 and up.
static void
expect_answer(struct cancel *cancel, int answer)
{
    switch (cancel->state) {
    case IN_LANE:
    case IN_QUEUE:
        assert_int_equal(answer, WEIR_CANCEL_WON);
        break;
    case TX_NOTHING:
        // Whether the loop still holds it after a try that moved nothing cannot be seen from here.
        assert_int_not_equal(answer, WEIR_CANCEL_LATE);
        break;
    case TX_PARTLY:
        assert_int_equal(answer, WEIR_CANCEL_PENDING);
        break;
    }
}

static void
act(struct cancel *cancel)
{
    int answer;

    call_begin();
    if (cancel->caller == BY_HANDLE) {
        answer = weir_cancel(cancel->op);
        call_end();
        expect_answer(cancel, answer);
        // Again, before the loop has turned: it has been decided, or is to be.
        assert_int_not_equal(weir_cancel(cancel->op), WEIR_CANCEL_WON);
        return;
    }
    if (cancel->caller == BY_TOKEN) {
        answer = weir_token_fire(cancel->token, 0, 0);
        call_end();
        assert_status(answer, 0);
        return;
    }
    call_end();
    os_clock_pass(MS(80)); // and a little more: how finely a loop counts time is its own affair
    if (cancel->state != IN_LANE) {
        fixture_settle(cancel->fixture);
    }
}

// ---- assert -----------------------------------------------------------------------------------

static void
expect_cancelled(struct cancel *cancel, uint64_t sent)
{
    bool deadline = cancel->caller == BY_DEADLINE;
    struct weir_result result = recorder_of(cancel->recorder, VICTIM);

    expect_result(result, deadline ? -ETIMEDOUT : -ECANCELED,
                  deadline ? WEIR_ORIGIN_DEADLINE : WEIR_ORIGIN_LOCAL_CANCEL, sent);
    assert_int_equal(result.accepted, cancel->size);
    assert_false(result.late_cancel);
}

// The kernel may have taken more until the cancel; the wire must agree with what the result says.
static void
expect_partly_sent(struct cancel *cancel)
{
    uint64_t sent = recorder_of(cancel->recorder, VICTIM).sent;

    assert_in_range(sent, cancel->taken, cancel->size - 1);
    cancel->taken = sent;
    expect_cancelled(cancel, sent);
}

static bool
victim_is_done(void *arg)
{
    struct cancel *cancel = arg;

    return recorder_has(cancel->recorder, VICTIM);
}

static void
write_later(struct cancel *cancel)
{
    assert_status(request_submit(cancel->pair, cancel->recorder, LATER, SMALL, 0), 0);
    peer_read_pattern(cancel->fixture, cancel->pair->peer, SMALL, 0, LATER);
}

// Nothing of it was taken: it is gone, and the stream goes on as if it had never been.
static void
expect_untouched(struct cancel *cancel)
{
    struct fixture *fixture = cancel->fixture;
    struct pair *pair = cancel->pair;

    // As soon as known: before the peer has read a byte.
    fixture_turn_until(fixture, victim_is_done, cancel);
    expect_cancelled(cancel, 0);
    assert_status(weir_stream_status(pair->stream), 0);
    pair_unstuff(pair);
    if (cancel->state == IN_QUEUE) {
        peer_read_pattern(fixture, pair->peer, MIB, 0, BLOCKER);
    }
    peer_read_pattern(fixture, pair->peer, SMALL, 0, FOLLOWER);
    write_later(cancel);
    recorder_wait(cancel->recorder, cancel->state == IN_QUEUE ? 4 : 3);
    expect_result(recorder_of(cancel->recorder, FOLLOWER), 0, WEIR_ORIGIN_NONE, SMALL);
}

// STOP: exactly what was taken, then nothing; torn until resumed.
static void
expect_torn(struct cancel *cancel)
{
    struct fixture *fixture = cancel->fixture;
    struct pair *pair = cancel->pair;

    recorder_wait(cancel->recorder, 2);
    expect_partly_sent(cancel);
    expect_result(recorder_of(cancel->recorder, FOLLOWER), -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
    assert_int_equal(recorder_at(cancel->recorder, 0).tag, VICTIM);
    assert_status(weir_stream_status(pair->stream), -WEIR_ETORN);
    assert_status(request_submit(pair, cancel->recorder, LATER, SMALL, 0), -WEIR_ETORN);
    assert_status(weir_end(pair->stream), -WEIR_ETORN);
    peer_read_pattern(fixture, pair->peer, cancel->taken, 0, VICTIM);
    peer_expect_silence(fixture, pair->peer);
    assert_status(weir_resume_torn(pair->stream), 0);
    assert_status(weir_resume_torn(pair->stream), -EINVAL);
    assert_status(weir_stream_status(pair->stream), 0);
    write_later(cancel);
    recorder_wait(cancel->recorder, 3);
}

// FINISH: it runs to its end and succeeds.
static void
expect_finished(struct cancel *cancel)
{
    struct fixture *fixture = cancel->fixture;
    struct weir_result result;

    fixture_settle(fixture);
    assert_int_equal(recorder_count(cancel->recorder), 0);
    peer_read_pattern(fixture, cancel->pair->peer, MIB, 0, VICTIM);
    peer_read_pattern(fixture, cancel->pair->peer, SMALL, 0, FOLLOWER);
    write_later(cancel);
    recorder_wait(cancel->recorder, 3);
    result = recorder_of(cancel->recorder, VICTIM);
    expect_result(result, 0, WEIR_ORIGIN_NONE, MIB);
    assert_true(result.late_cancel);
    expect_result(recorder_of(cancel->recorder, FOLLOWER), 0, WEIR_ORIGIN_NONE, SMALL);
}

// ABORT: the connection is reset, what was queued ends in order.
static void
expect_aborted(struct cancel *cancel)
{
    struct fixture *fixture = cancel->fixture;
    struct pair *pair = cancel->pair;
    struct weir_result follower;
    size_t got;

    pair_wait_closed(pair);
    recorder_wait(cancel->recorder, 2);
    expect_partly_sent(cancel);
    assert_int_equal(recorder_at(cancel->recorder, 0).tag, VICTIM);
    follower = recorder_of(cancel->recorder, FOLLOWER);
    assert_true(follower.status < 0);
    assert_int_equal(follower.sent, 0);
    assert_int_equal(pair->events->closed.code, ABORT_CODE);
    assert_int_equal(pair->events->closed.bytes_lost, MIB - cancel->taken + SMALL);
    assert_status(request_submit(pair, cancel->recorder, LATER, SMALL, 0), -WEIR_ESTALE);
    got = peer_expect_reset(fixture, pair->peer);
    assert_true(got <= cancel->taken);
}

static void
run(void **state, enum state at, enum caller caller, enum weir_tear tear)
{
    struct fixture *fixture = fixture_manual(state);
    struct cancel *cancel = fixture_memory(fixture, sizeof(*cancel));

    *cancel = (struct cancel){.fixture = fixture, .state = at, .caller = caller, .tear = tear};
    os_clock_hold();
    arrange(cancel);
    act(cancel);
    if (at != TX_PARTLY) {
        expect_untouched(cancel);
    } else if (tear == WEIR_TEAR_STOP) {
        expect_torn(cancel);
    } else if (tear == WEIR_TEAR_FINISH) {
        expect_finished(cancel);
    } else {
        expect_aborted(cancel);
    }
    // Finished, or a stale handle.
    assert_int_equal(weir_cancel(cancel->op), WEIR_CANCEL_LATE);
    assert_false(weir_op_is_busy(cancel->op));
    if (caller == BY_TOKEN) {
        assert_status(weir_token_free(cancel->token), 0);
    }
    os_clock_go();
}

// One function per cell of the table.
#define CELL(name, at, caller, tear)  \
    static void name(void **state)    \
    {                                 \
        run(state, at, caller, tear); \
    }
#define CELLS(name, at)                                                \
    CELL(name##_by_handle_stop, at, BY_HANDLE, WEIR_TEAR_STOP)         \
    CELL(name##_by_handle_finish, at, BY_HANDLE, WEIR_TEAR_FINISH)     \
    CELL(name##_by_handle_abort, at, BY_HANDLE, WEIR_TEAR_ABORT)       \
    CELL(name##_by_token_stop, at, BY_TOKEN, WEIR_TEAR_STOP)           \
    CELL(name##_by_token_finish, at, BY_TOKEN, WEIR_TEAR_FINISH)       \
    CELL(name##_by_token_abort, at, BY_TOKEN, WEIR_TEAR_ABORT)         \
    CELL(name##_by_deadline_stop, at, BY_DEADLINE, WEIR_TEAR_STOP)     \
    CELL(name##_by_deadline_finish, at, BY_DEADLINE, WEIR_TEAR_FINISH) \
    CELL(name##_by_deadline_abort, at, BY_DEADLINE, WEIR_TEAR_ABORT)
#define CELL_CASES(name)                                                                       \
    EACH(name##_by_handle_stop), EACH(name##_by_handle_finish), EACH(name##_by_handle_abort),  \
        EACH(name##_by_token_stop), EACH(name##_by_token_finish), EACH(name##_by_token_abort), \
        EACH(name##_by_deadline_stop), EACH(name##_by_deadline_finish),                        \
        EACH(name##_by_deadline_abort)

// 5.9-1, N35, C5
CELLS(cancelled_in_its_lane, IN_LANE)
// 5.9-1, N35, C6, K-T12
CELLS(cancelled_behind_a_blocked_write, IN_QUEUE)
// 5.9-1
CELLS(cancelled_with_nothing_taken, TX_NOTHING)
// 5.9-1, C4, N36
CELLS(cancelled_with_a_part_taken, TX_PARTLY)

// ---- beside the table -------------------------------------------------------------------------

// 5.9-2: a handle whose operation is gone never reaches the next one in its place.
static void
a_stale_handle_is_late_for_ever(void **state)
{
    enum { COUNT = 500 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_op old = {0};

    for (unsigned tag = 0; tag < COUNT; tag++) {
        struct weir_write request = request_make(recorder, tag, 10);
        weir_op op;

        assert_status(submit(fixture, pair->stream, &request, &op), 0);
        assert_true(op.bits != old.bits);
        assert_int_equal(weir_cancel(old), WEIR_CANCEL_LATE);
        assert_false(weir_op_is_busy(old));
        recorder_wait(recorder, tag + 1);
        assert_status(recorder_of(recorder, tag).status, 0);
        assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
        old = op;
    }
}

// N8, N-T4: right after the submit, before anything could run.
static void
a_cancel_right_after_the_submit_wins(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct released *released = released_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    weir_op op;

    request.flags = WEIR_GIVE;
    request.release = request_release;
    request.release_arg = released;
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(released_count(released), 1);
    assert_int_equal(fixture_stats(fixture).cancels_won, 1);
    assert_int_equal(fixture_stats(fixture).operations_cancelled, 1);
}

// The table's last row but one: the kernel has it all, the peer has not. Nothing can be taken back.
static void
cancelled_with_all_taken_succeeds_late(void **state)
{
    enum { SIZE = 60000 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream = {.flags = WEIR_STREAM_ACKED, .send_buffer = MIB},
                                        .small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, SIZE);
    weir_op op;
    int result;

    request.level = WEIR_ACKED;
    result = submit(fixture, pair->stream, &request, &op);
    if (result == -ENOTSUP) {
        skip(); // a kernel that cannot say
    }
    assert_status(result, 0);
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).bytes_sent, SIZE);
    assert_int_equal(recorder_count(recorder), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    peer_read_pattern(fixture, pair->peer, SIZE, 0, 0);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), 0, WEIR_ORIGIN_NONE, SIZE);
    assert_true(recorder_of(recorder, 0).late_cancel);
    assert_status(weir_stream_status(pair->stream), 0);
    assert_int_equal(fixture_stats(fixture).cancels_late, 1);
}

// A barrier is an operation too.
static void
a_cancelled_barrier_completes_cancelled(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write barrier = request_make(recorder, 1, 0);
    weir_op op;

    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(submit(fixture, pair->stream, &barrier, &op), 0);
    fixture_turn(fixture);
    assert_int_not_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 1), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    peer_read_pattern(fixture, pair->peer, MIB, 0, 0);
    recorder_wait(recorder, 2);
}

// Section 5: those in lanes included.
static void
a_tear_ends_what_waits_in_lanes_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, MIB);
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    pair_block(pair);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    // No turn between: this one is accepted, and found behind the tear.
    assert_status(request_submit(pair, recorder, 1, SMALL, WEIR_COPY), 0);
    recorder_wait(recorder, 2);
    expect_result(recorder_of(recorder, 1), -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
}

struct torn_head {
    struct pair *pair;
    struct recorder *recorder;
    int began;    // the inline write's result
    int answer;   // its cancel's
    int followed; // the result of the loop's own write
};

// Sends a part at once; the rest goes down this thread's lane, and is cancelled there.
static void *
begin_and_cancel(void *arg)
{
    struct torn_head *head = arg;
    struct weir_write request = request_make(head->recorder, 0, MIB);
    weir_op op = {0};

    request.flags = WEIR_INLINE_OK;
    head->began = weir_write(head->pair->stream, &request, &op);
    head->answer = weir_cancel(op);
    return NULL;
}

static void
follow_on_the_loop(struct weir_loop *loop, void *arg)
{
    struct torn_head *head = arg;
    pthread_t thread;

    (void)loop;
    if (pthread_create(&thread, NULL, begin_and_cancel, head) == 0) {
        pthread_join(thread, NULL);
    }
    head->followed = request_submit(head->pair, head->recorder, 1, SMALL, WEIR_COPY);
}

// The loop's own write looks for what other threads submitted before, and so finds the tear.
static void
a_tear_that_the_loop_finds_while_it_submits_ends_that_write_too(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(
        fixture, &(struct pair_options){.stream.flags = WEIR_STREAM_INLINE, .small = true});
    struct torn_head *head = fixture_memory(fixture, sizeof(*head));

    *head = (struct torn_head){.pair = pair, .recorder = recorder_make(fixture)};
    fixture_settle(fixture);
    assert_status(weir_post(fixture->loop, follow_on_the_loop, head), 0);
    recorder_wait(head->recorder, 2);
    assert_status(head->began, 0);
    assert_int_equal(head->answer, WEIR_CANCEL_PENDING);
    assert_status(head->followed, 0);
    assert_status(recorder_of(head->recorder, 0).status, -ECANCELED);
    assert_true(recorder_of(head->recorder, 0).sent > 0);
    expect_result(recorder_of(head->recorder, 1), -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
}

// Section 5: DRAIN and FLUSH of a torn stream act as ABORT.
static void
closing_a_torn_stream_is_an_abort(void **state)
{
    static const enum weir_close_mode modes[] = {WEIR_CLOSE_DRAIN, WEIR_CLOSE_FLUSH};
    struct fixture *fixture = fixture_manual(state);

    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
        struct recorder *recorder = recorder_make(fixture);
        struct weir_write request = request_make(recorder, 0, MIB);
        weir_op op;

        assert_status(submit(fixture, pair->stream, &request, &op), 0);
        fixture_settle(fixture);
        assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
        recorder_wait(recorder, 1);
        assert_status(weir_close(pair->stream, modes[index], WEIR_NEVER, 0), 0);
        pair_wait_closed(pair);
        peer_expect_reset(fixture, pair->peer);
        assert_true(events_count(pair->events, "send_closed") == 1);
    }
}

// ---- with threads -----------------------------------------------------------------------------

// Section 5: a parked loop wakes for it.
static void
a_cancel_wakes_a_parked_loop(void **state)
{
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);

    for (unsigned tag = 0; tag < 50; tag++) {
        struct weir_write request = request_make(recorder, tag, SMALL);
        struct weir_stats before;
        weir_op op;

        assert_status(submit(fixture, pair->stream, &request, &op), 0);
        // Two looks at a loop that does not move: it sleeps.
        do {
            before = fixture_stats(fixture);
            fixture_breathe(fixture);
        } while (fixture_stats(fixture).turns != before.turns);
        assert_int_not_equal(weir_cancel(op), WEIR_CANCEL_LATE);
        recorder_wait(recorder, tag + 1);
        expect_result(recorder_of(recorder, tag), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    }
}

struct race {
    struct fixture *fixture;
    struct pair *pair;
    struct recorder *recorder;
    unsigned count;
    weir_op *ops;       // of the submitter; the canceller reads what has been published
    unsigned published; // under the fixture's lock
    unsigned accepted;
    unsigned won;
    unsigned late;
};

static void
race_submit(void *arg)
{
    struct race *race = arg;

    for (unsigned tag = 0; tag < race->count; tag++) {
        struct weir_write request = request_make(race->recorder, tag, 1 + tag % 300);
        int result;

        request.flags = WEIR_COPY;
        request.tear = WEIR_TEAR_FINISH;
        do {
            result = submit(race->fixture, race->pair->stream, &request, &race->ops[tag]);
        } while (result == -WEIR_ELANEFULL);
        race->accepted += result == 0;
        pthread_mutex_lock(&race->fixture->lock);
        race->published = tag + 1;
        pthread_mutex_unlock(&race->fixture->lock);
    }
}

static void
race_cancel(void *arg)
{
    struct race *race = arg;

    for (unsigned tag = 0; tag < race->count;) {
        unsigned published;

        pthread_mutex_lock(&race->fixture->lock);
        published = race->published;
        pthread_mutex_unlock(&race->fixture->lock);
        for (; tag < published; tag++) {
            int answer = weir_cancel(race->ops[tag]);

            race->won += answer == WEIR_CANCEL_WON;
            race->late += answer == WEIR_CANCEL_LATE;
        }
    }
}

// 5.9-2: completions equal accepted submits, and those that a cancel won say so.
static void
racing_cancels_leave_one_completion_each(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct race *race = fixture_memory(fixture, sizeof(*race));
    struct thread *threads[2];
    unsigned cancelled = 0;
    uint8_t *seen;

    race->fixture = fixture;
    race->pair = pair_open(fixture, &(struct pair_options){0});
    race->recorder = recorder_make(fixture);
    race->count = 20000;
    race->ops = fixture_memory(fixture, sizeof(*race->ops) * race->count);
    threads[0] = thread_start(fixture, race_submit, race);
    threads[1] = thread_start(fixture, race_cancel, race);
    while (recorder_count(race->recorder) < race->count) {
        uint8_t block[4096];

        if (recv(race->pair->peer, block, sizeof(block), MSG_DONTWAIT) < 0) {
            fixture_breathe(fixture);
        }
    }
    thread_join(fixture, threads[0]);
    thread_join(fixture, threads[1]);
    assert_int_equal(race->accepted, race->count);
    recorder_wait(race->recorder, race->count);
    seen = fixture_memory(fixture, race->count);
    for (unsigned index = 0; index < race->count; index++) {
        struct recorded recorded = recorder_at(race->recorder, index);

        assert_int_equal(seen[recorded.tag]++, 0);
        if (recorded.result.status != 0) {
            expect_result(recorded.result, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
            cancelled++;
        }
    }
    assert_true(cancelled >= race->won);
    assert_true(cancelled <= race->count - race->late);
}

int
main(void)
{
    static const struct test_case cases[] = {
        CELL_CASES(cancelled_in_its_lane),
        CELL_CASES(cancelled_behind_a_blocked_write),
        CELL_CASES(cancelled_with_nothing_taken),
        CELL_CASES(cancelled_with_a_part_taken),
        ONCE(a_stale_handle_is_late_for_ever),
        EACH(a_cancel_right_after_the_submit_wins),
        EACH_TCP(cancelled_with_all_taken_succeeds_late),
        EACH(a_cancelled_barrier_completes_cancelled),
        EACH(a_tear_ends_what_waits_in_lanes_too),
        EACH(a_tear_that_the_loop_finds_while_it_submits_ends_that_write_too),
        EACH(closing_a_torn_stream_is_an_abort),
        EACH(a_cancel_wakes_a_parked_loop),
        ONCE(racing_cancels_leave_one_completion_each),
    };

    return RUN_CASES("conformance.cancel_matrix", cases);
}
