// SPDX-License-Identifier: MIT
//
// The runtime's life: what a stop ends, what it refuses, and what is left of a handle.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, RUNTIMES_MAX = 32 };

// ---- the stop ---------------------------------------------------------------------------------

// Contract 3.11: close DRAIN; who has nothing to wait for is done before the deadline.
static void
a_stop_drains_what_is_queued(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct pair *pairs[4];
    struct recorder *recorder = recorder_make(fixture);
    uint64_t begin = weir_now_ns();

    for (unsigned index = 0; index < 4; index++) {
        pairs[index] = pair_open(fixture, &(struct pair_options){.loop = weir_runtime_loop(
                                                                     fixture->runtime, index % 2)});
        assert_status(request_submit(pairs[index], recorder, index, 10000, 0), 0);
        peer_finish(fixture, pairs[index]->peer);
    }
    assert_status(weir_runtime_stop(fixture->runtime, test_deadline()), 0);
    assert_true(weir_now_ns() - begin < MS(3000) * test_slow_factor());
    assert_int_equal(recorder_count(recorder), 4);
    for (unsigned index = 0; index < 4; index++) {
        expect_result(recorder_of(recorder, index), 0, WEIR_ORIGIN_NONE, 10000);
        events_expect_ending(pairs[index]->events, "send_closed:1 closed:0");
        peer_read_pattern(fixture, pairs[index]->peer, 10000, 0, index);
        peer_expect_eof(fixture, pairs[index]->peer);
    }
}

// Contract 3.11: at the deadline ABORT, and everything completes.
static void
a_stop_aborts_at_its_deadline_what_does_not_end(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *blocked = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct pair *silent = pair_open(fixture, &(struct pair_options){.pull = true});
    struct recorder *recorder = recorder_make(fixture);
    struct pulls *pulls = pulls_make(fixture);
    struct weir_read read = pulls_request(pulls, 0);
    uint64_t deadline = weir_deadline_after(MS(50));

    recorder->events = blocked->events;
    assert_status(request_submit(blocked, recorder, 0, 1000, 0), 0);
    assert_status(request_submit(blocked, recorder, 1, 10, 0), 0);
    assert_status(pull(silent, &read, NULL), 0);
    fixture_settle(fixture);
    assert_status(weir_runtime_stop(fixture->runtime, deadline), 0);
    assert_true(weir_now_ns() >= deadline);
    assert_true(weir_now_ns() <= deadline + MS(1000) * test_slow_factor());
    assert_int_equal(recorder_count(recorder), 2);
    assert_true(recorder_of(recorder, 0).status < 0);
    assert_int_equal(recorder_of(recorder, 0).sent, 0);
    assert_true(recorder_of(recorder, 1).status < 0);
    assert_int_equal(pulls_count(pulls), 1);
    events_expect_ending(blocked->events, "done done send_closed:0 closed");
    assert_int_equal(blocked->events->closed.bytes_lost, 1010);
    events_expect_ending(silent->events, "send_closed closed");
    peer_expect_reset(fixture, blocked->peer);
}

static void
count_post(struct weir_loop *loop, void *arg)
{
    struct recorder *posts = arg;

    (void)loop;
    pthread_mutex_lock(&posts->fixture->lock);
    posts->count++;
    pthread_mutex_unlock(&posts->fixture->lock);
}

struct ended {
    struct fixture *fixture;
    int timer;
    unsigned timers;
    unsigned watch_ends;
    unsigned watch_events;
};

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct ended *ended = arg;

    (void)loop;
    ended->timer = status;
    ended->timers++;
}

static void
on_watch(weir_watch watch, unsigned events, void *arg)
{
    struct ended *ended = arg;

    (void)watch;
    ended->watch_ends += events == 0;
    ended->watch_events += events != 0;
}

// What was posted runs; a timer that waits is cancelled; a watch ends.
static void
a_stop_ends_timers_watches_and_runs_posts(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct recorder *posts = recorder_make(fixture);
    struct ended *ended = fixture_memory(fixture, sizeof(*ended));
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(MS(60000)), .fn = on_timer, .arg = ended};
    weir_watch watch;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    fixture_own_fd(fixture, fds[0]);
    fixture_own_fd(fixture, fds[1]);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), 0);
    assert_status(weir_watch_start(fixture->loop, fds[0], WEIR_WATCH_IN, on_watch, ended, &watch),
                  0);
    fixture_settle(fixture);
    for (unsigned count = 0; count < 10; count++) {
        assert_status(weir_post(fixture->loop, count_post, posts), 0);
    }
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(50))), 0);
    assert_int_equal(posts->count, 10);
    assert_int_equal(ended->timers, 1);
    assert_status(ended->timer, -ECANCELED);
    assert_int_equal(ended->watch_ends, 1);
    assert_int_equal(ended->watch_events, 0);
    assert_status(weir_watch_stop(watch), -WEIR_ESTALE);
}

// ---- what it refuses --------------------------------------------------------------------------

struct stopping {
    struct fixture *fixture;
    struct pair *pair;
    struct recorder *recorder;
    int write;
    int adopt;
    int timer;
    int listen;
    int dial;
    int stop;
    int free;
    int posted;
    struct recorder *posts;
};

// In a completion of the drain: work is refused, what is there is still usable.
static void
try_work(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct stopping *stopping = arg;
    struct fixture *fixture = stopping->fixture;
    struct weir_timer timer = {.deadline_ns = 1, .fn = on_timer};
    struct weir_listen listen = {.address = transport_address(fixture)};
    struct weir_dial dial = {.address = transport_address(fixture)};
    weir_listener listener;
    weir_stream other;

    (void)result;
    callback_begin(fixture);
    call_begin();
    stopping->write = weir_write(stream, &(struct weir_write){0}, NULL);
    stopping->adopt =
        weir_adopt(fixture->loop, stopping->pair->peer, &(struct weir_stream_options){0}, &other);
    stopping->timer = weir_timer_start(fixture->loop, &timer, NULL);
    stopping->listen = weir_listen(fixture->runtime, &listen, &listener);
    dial.address = listen.address;
    stopping->dial = weir_dial(fixture->loop, &dial, &other);
    stopping->stop = weir_runtime_stop(fixture->runtime, 0);
    stopping->free = weir_runtime_free(fixture->runtime);
    stopping->posted = weir_post(fixture->loop, count_post, stopping->posts);
    call_end();
    callback_end();
}

// Contract 3.11
static void
a_stop_refuses_new_work_on_its_loops(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct stopping *stopping = fixture_memory(fixture, sizeof(*stopping));
    struct weir_write request;

    stopping->fixture = fixture;
    stopping->pair = pair_open(fixture, &(struct pair_options){0});
    stopping->recorder = recorder_make(fixture);
    stopping->posts = recorder_make(fixture);
    request = request_make(stopping->recorder, 0, 10);
    request.done = try_work;
    request.arg = stopping;
    assert_status(submit(fixture, stopping->pair->stream, &request, NULL), 0);
    peer_finish(fixture, stopping->pair->peer);
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(100))), 0);
    assert_status(stopping->write, -WEIR_EENDED);
    // Over vsock the peer's end, which has been shut down, is connected no more.
    assert_status(stopping->adopt,
                  fixture->transport->bit == TRANSPORT_VSOCK ? -ENOTCONN : -WEIR_EENDED);
    assert_status(stopping->timer, -WEIR_EENDED);
    assert_status(stopping->listen, -WEIR_EENDED);
    assert_status(stopping->dial, -WEIR_EENDED);
    assert_status(stopping->stop, -EDEADLK);
    assert_status(stopping->free, -EDEADLK);
    assert_status(stopping->posted, 0);
    assert_int_equal(stopping->posts->count, 1);
}

static void
stop_and_free(void *arg)
{
    struct stopping *stopping = arg;

    stopping->stop = weir_runtime_stop(stopping->fixture->runtime, 0);
    stopping->free = weir_runtime_free(stopping->fixture->runtime);
}

// On a loop, before the stop, twice, from two threads.
static void
a_stop_is_for_plain_threads_and_once(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct stopping *stopping = fixture_memory(fixture, 2 * sizeof(*stopping));

    stopping[0].fixture = stopping[1].fixture = fixture;
    loop_call(fixture, fixture->loop, stop_and_free, stopping);
    assert_status(stopping->stop, -EDEADLK);
    assert_status(stopping->free, -EDEADLK);
    assert_status(weir_runtime_free(fixture->runtime), -EBUSY);
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(1000))), 0);
    assert_status(weir_runtime_stop(fixture->runtime, 0), -EALREADY);
}

// ---- handles ----------------------------------------------------------------------------------

// Contract 3.8: a clean error until the runtime is freed.
static void
handles_are_stale_after_the_stop(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    struct weir_read read = {.done = pulls_done};
    struct weir_address address;
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(30))), 0);
    assert_int_equal(recorder_count(recorder), 1);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    assert_false(weir_op_is_busy(op));
    assert_status(weir_op_wait(op, WEIR_NEVER), 0);
    assert_true(weir_write(pair->stream, &request, NULL) < 0);
    assert_true(weir_read(pair->stream, &read, NULL) < 0);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
    assert_status(weir_closed_wait(pair->stream, WEIR_NEVER), 0);
    assert_status(weir_stream_status(pair->stream), -WEIR_ESTALE);
    assert_status(weir_pause(pair->stream), -WEIR_ESTALE);
    assert_status(weir_consume(pair->stream, 0, 0), -WEIR_ESTALE);
    assert_int_equal(weir_queued(pair->stream), 0);
    assert_status(weir_listener_close(pair->listener), -WEIR_ESTALE);
    assert_status(weir_listener_address(pair->listener, &address), -WEIR_ESTALE);
    assert_int_equal(recorder_count(recorder), 1);
}

// A handle of the slot's earlier life does not reach the next one.
static void
a_stale_handle_never_names_the_next_stream(void **state)
{
    enum { ROUNDS = 200 };
    struct fixture *fixture = fixture_manual(state);
    struct recorder *recorder = recorder_make(fixture);
    weir_stream old[ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});

        for (unsigned index = 0; index < round; index++) {
            assert_true(old[index].bits != pair->stream.bits);
            assert_status(weir_close(old[index], WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
        }
        assert_status(request_submit(pair, recorder, round, 10, WEIR_COPY), 0);
        recorder_wait(recorder, round + 1);
        assert_status(recorder_of(recorder, round).status, 0);
        old[round] = pair->stream;
        close_anyhow(pair);
        fixture_close_fd(fixture, pair->peer);
    }
}

// ---- submits during the stop ------------------------------------------------------------------

struct producer {
    struct fixture *fixture;
    struct pair *pair;
    struct recorder *recorder;
    unsigned accepted;
    int last;
};

static void
produce_until_refused(void *arg)
{
    struct producer *producer = arg;
    uint64_t deadline = test_deadline();

    while (weir_now_ns() < deadline) {
        struct weir_write request = {.iov = &(struct iovec){"x", 1},
                                     .iov_count = 1,
                                     .flags = WEIR_COPY,
                                     .done = recorder_done,
                                     .arg = recorder_tag(producer->recorder, producer->accepted)};

        producer->last = weir_write(producer->pair->stream, &request, NULL);
        if (producer->last == 0) {
            producer->accepted++;
        } else if (producer->last != -WEIR_ELANEFULL) {
            return;
        }
    }
}

// Contract 3.11: concurrent submits are refused; those accepted before complete.
static void
submits_that_race_with_the_stop_are_refused_or_complete(void **state)
{
    enum { THREADS = 4 };
    struct fixture *fixture = fixture_threads(state, 2);
    struct producer *producers = fixture_memory(fixture, THREADS * sizeof(*producers));
    struct thread *threads[THREADS];

    for (unsigned index = 0; index < THREADS; index++) {
        producers[index].fixture = fixture;
        producers[index].recorder = recorder_make(fixture);
        producers[index].pair = pair_open(
            fixture,
            &(struct pair_options){.loop = weir_runtime_loop(fixture->runtime, index % 2)});
        threads[index] = thread_start(fixture, produce_until_refused, &producers[index]);
    }
    while (recorder_count(producers[0].recorder) == 0) {
        fixture_breathe(fixture);
    }
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(100))), 0);
    for (unsigned index = 0; index < THREADS; index++) {
        thread_join(fixture, threads[index]);
        assert_true(producers[index].last == -WEIR_EENDED || producers[index].last == -WEIR_ESTALE);
        assert_int_equal(recorder_count(producers[index].recorder), producers[index].accepted);
    }
}

// Contract 3.11: what a close allowed before, the stop does not: its deadline is the earlier one.
static void
a_stop_ends_a_close_that_would_wait_for_ever(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    uint64_t begin = weir_now_ns();

    assert_status(weir_close(pair->stream, WEIR_CLOSE_DRAIN, WEIR_NEVER, 0), 0);
    events_wait(pair->events, "send_closed"); // and the peer does not end
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(50))), 0);
    assert_true(weir_now_ns() - begin < MS(3000) * test_slow_factor());
    assert_int_equal(events_count(pair->events, "closed"), 1);
}

// A stop that may wait for nothing waits for nothing.
static void
a_stop_without_time_ends_at_once(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    uint64_t begin = weir_now_ns();

    assert_status(weir_runtime_stop(fixture->runtime, 0), 0);
    assert_true(weir_now_ns() - begin < MS(3000) * test_slow_factor());
    assert_int_equal(events_count(pair->events, "closed"), 1);
}

// A stop does not wait as long as a dial may: a full backlog answers to nobody.
static void
a_stop_ends_a_stream_that_is_connecting(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct events *events = events_make(fixture);
    struct weir_dial request = {.address = address, .timeout_ns = WEIR_NEVER};
    uint64_t begin = weir_now_ns();
    weir_stream stream;

    assert_int_equal(listen(listener, 0), 0);
    for (unsigned index = 0; index < 8; index++) { // more than the backlog takes
        request.stream.handlers = events_handlers();
        request.stream.user = events_make(fixture);
        assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    }
    request.stream.user = events;
    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    fixture_settle(fixture);
    assert_int_equal(events_count(events, "started"), 0);
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(100))), 0);
    assert_true(weir_now_ns() - begin < MS(4000) * test_slow_factor());
    assert_int_equal(events_count(events, "closed"), 1);
}

struct crowd {
    struct fixture *fixture;
    struct weir_handlers handlers;
    unsigned accepted, closed; // under the fixture's lock
};

static void
on_crowd_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct crowd *crowd = arg;

    (void)listener;
    (void)stream;
    pthread_mutex_lock(&crowd->fixture->lock);
    crowd->accepted++;
    pthread_mutex_unlock(&crowd->fixture->lock);
}

static void
on_crowd_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct crowd *crowd = user;

    (void)stream;
    (void)closed;
    pthread_mutex_lock(&crowd->fixture->lock);
    crowd->closed++;
    pthread_mutex_unlock(&crowd->fixture->lock);
}

// Contract 3.11, 3.12: a connection from the backlog that goes to a loop which has nothing left to
// do is closed there, and told, before the stop returns.
static void
a_stop_closes_what_the_backlog_still_brings(void **state)
{
    enum { PEERS = 100 }; // more than one turn accepts
    struct fixture *fixture =
        fixture_with(state, &(struct weir_runtime_options){.loops = 3, .flags = WEIR_MANUAL});
    struct crowd *crowd = fixture_memory(fixture, sizeof(*crowd));
    struct weir_listen request = {
        .address = transport_address(fixture), .accepted = on_crowd_accepted, .arg = crowd};
    struct weir_address address;
    weir_listener listener;

    crowd->fixture = fixture;
    crowd->handlers.closed = on_crowd_closed;
    request.stream.handlers = &crowd->handlers;
    request.stream.user = crowd;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    assert_status(weir_listener_address(listener, &address), 0);
    for (unsigned index = 0; index < PEERS; index++) {
        transport_connect(fixture, &address, 0);
    }
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(100))), 0);
    assert_int_equal(crowd->accepted, PEERS);
    assert_int_equal(crowd->closed, PEERS);
}

// ---- several ----------------------------------------------------------------------------------

// Two runtimes talk to each other, and the end of one is not the other's.
static void
two_runtimes_live_side_by_side(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_runtime_options options = {.loops = 1};
    struct weir_runtime *other;
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct weir_dial dial = {.address = address};
    struct reader *reader = reader_make(fixture);
    struct events *events = events_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, MIB);
    struct weir_write foreign = {0};
    struct pair ours = {.fixture = fixture, .events = &reader->events};
    weir_stream theirs;
    weir_token token;
    int fd;

    assert_status(weir_runtime_create(&options, &other), 0);
    dial.stream.handlers = events_handlers();
    dial.stream.user = events;
    assert_status(weir_dial(weir_runtime_loop(other, 0), &dial, &theirs), 0);
    fd = dup(transport_accept(fixture, listener));
    assert_status(
        weir_adopt(fixture->loop, fd,
                   &(struct weir_stream_options){.handlers = &reader->handlers, .user = reader},
                   &ours.stream),
        0);
    assert_true(theirs.bits != ours.stream.bits);
    assert_status(weir_write(theirs, &request, NULL), 0);
    reader_wait_consumed(reader, MIB);
    recorder_wait(recorder, 1);
    // A token of the one is nothing to a stream of the other.
    assert_status(weir_token_create(other, (weir_token){0}, &token), 0);
    foreign.token = token;
    assert_true(weir_write(ours.stream, &foreign, NULL) < 0);
    assert_status(weir_token_bind(token, ours.stream), -EINVAL);
    assert_status(weir_runtime_stop(other, weir_deadline_after(MS(50))), 0);
    assert_status(weir_runtime_free(other), 0);
    assert_int_equal(events_count(events, "closed"), 1);
    assert_status(weir_stream_status(ours.stream), 0);
    fixture_close_fd(fixture, fixture->fds[fixture->fd_count - 1]);
    close_anyhow(&ours);
}

// So many and no more; and the number of one that is gone is free again.
static void
runtimes_are_limited_and_come_and_go(void **state)
{
    struct weir_runtime_options options = {.loops = 1, .flags = WEIR_MANUAL};
    struct weir_runtime *runtimes[RUNTIMES_MAX];
    struct weir_runtime *one_more = NULL;
    unsigned count = 0;
    int result;

    (void)state;
    while (count < RUNTIMES_MAX && weir_runtime_create(&options, &runtimes[count]) == 0) {
        count++;
    }
    result = weir_runtime_create(&options, &one_more);
    for (unsigned index = 0; index < count; index++) {
        assert_status(weir_runtime_stop(runtimes[index], 0), 0);
        assert_status(weir_runtime_free(runtimes[index]), 0);
    }
    assert_int_equal(count, RUNTIMES_MAX);
    assert_status(result, -EMFILE);
    assert_null(one_more);
    for (unsigned round = 0; round < 2 * RUNTIMES_MAX; round++) {
        assert_status(weir_runtime_create(&options, &one_more), 0);
        assert_status(weir_runtime_stop(one_more, 0), 0);
        assert_status(weir_runtime_free(one_more), 0);
    }
}

static void
write_once(void *arg)
{
    struct producer *producer = arg;

    producer->last = request_submit(producer->pair, producer->recorder, 0, 5000, WEIR_COPY);
}

// All orders of a producer thread's end and the runtime's.
static void
a_thread_may_end_before_or_after_the_runtime(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct producer *producer = fixture_memory(fixture, sizeof(*producer));

    producer->fixture = fixture;
    producer->pair = pair_open(fixture, &(struct pair_options){0});
    producer->recorder = recorder_make(fixture);
    // The thread is gone before its write was taken from its lane.
    thread_call(fixture, write_once, producer);
    assert_status(producer->last, 0);
    recorder_wait(producer->recorder, 1);
    expect_result(recorder_of(producer->recorder, 0), 0, WEIR_ORIGIN_NONE, 5000);
    peer_read_pattern(fixture, producer->pair->peer, 5000, 0, 0);
    // And one that is never taken but by the stop.
    producer->recorder = recorder_make(fixture);
    thread_call(fixture, write_once, producer);
    assert_status(producer->last, 0);
    peer_finish(fixture, producer->pair->peer);
    fixture_end(fixture);
    assert_int_equal(producer->recorder->count, 1);
}

// ---- by hand ----------------------------------------------------------------------------------

// As a loop of the program's own would: ask how long it may wait, then wait.
static int
poll_loop(struct fixture *fixture, int timeout_ms)
{
    struct pollfd loop = {.fd = weir_loop_fd(fixture->loop), .events = POLLIN};
    int64_t timeout_ns = weir_loop_timeout_ns(fixture->loop);

    return timeout_ns == 0 ? 1 : poll(&loop, 1, timeout_ms);
}

// Contract 3.10: the loop's descriptor nests in a loop of the program's own.
static void
a_loop_nests_in_poll(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);

    fixture_settle(fixture);
    assert_int_equal(poll_loop(fixture, 0), 0);
    // Bytes from outside.
    peer_write_pattern(fixture, pair->peer, 100, 0, 0);
    assert_int_equal(poll_loop(fixture, 5000), 1);
    fixture_settle(fixture);
    assert_int_equal(reader_consumed(reader), 100);
    assert_int_equal(poll_loop(fixture, 0), 0);
    // A write from a plain thread wakes it as well.
    assert_status(request_submit(pair, recorder, 0, 100, 0), 0);
    assert_int_equal(poll_loop(fixture, 5000), 1);
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 1);
    // And a close.
    assert_int_equal(poll_loop(fixture, 0), 0);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    assert_int_equal(poll_loop(fixture, 5000), 1);
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "closed"), 1);
}

struct turned {
    struct weir_loop *loop;
    int result;
};

static void
turn_here(void *arg)
{
    struct turned *turned = arg;

    turned->result = weir_loop_turn(turned->loop, 0);
}

static void
a_turn_inside_a_turn_is_edeadlk(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct turned turned = {.loop = fixture->loop, .result = 1};

    loop_call(fixture, fixture->loop, turn_here, &turned);
    assert_status(turned.result, -EDEADLK);
    assert_null(weir_loop_current());
}

// ---- fork -------------------------------------------------------------------------------------

static void
ignore_line(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

// The calls that other tests of a forked child leave out. The number of the first that does not
// answer -ECHILD, or 0.
static int
calls_in_child(struct fixture *fixture, struct pair *pair, weir_token token)
{
    struct weir_write write = {0};
    struct weir_read read = {0};
    struct weir_dial dial = {.address = transport_address(fixture)};
    struct weir_address address = {.size = sizeof(address.as.storage)};
    struct weir_stats stats;
    struct weir_iter iter = {0};
    struct weir_handlers handlers = {0};
    weir_stream stream;
    char byte;
    const int results[] = {
        weir_write_wait(pair->stream, &write, NULL),
        weir_commit(pair->stream, iter, NULL, NULL),
        weir_read_wait(pair->stream, &read, NULL),
        weir_consume(pair->stream, 0, 0),
        weir_provide(pair->stream, &byte, 1),
        weir_stream_set_user(pair->stream, NULL),
        weir_stream_set_handlers(pair->stream, &handlers, NULL),
        weir_stream_peer_address(pair->stream, &address.as.any, &address.size),
        weir_stream_local_address(pair->stream, &address.as.any, &address.size),
        weir_listener_address(pair->listener, &address),
        weir_listener_close(pair->listener),
        weir_dial_wait(fixture->loop, &dial, &stream),
        weir_token_fire(token, 0, 0),
        weir_loop_stats(fixture->loop, &stats),
        weir_dump(fixture->loop, ignore_line, NULL),
    };

    for (unsigned index = 0; index < sizeof(results) / sizeof(results[0]); index++) {
        if (results[index] != -ECHILD) {
            return (int)index + 1;
        }
    }
    return 0;
}

// Contract 3.11
static void
a_fork_disturbs_the_parent_in_nothing(void **state)
{
    struct fixture *fixture = fixture_threads(state, 2);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token;
    int status = 0;
    pid_t child;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(10);
        _exit(calls_in_child(fixture, pair, token));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fixture_fail(fixture, "in the child call number %d did not answer -ECHILD (status %#x)",
                     WEXITSTATUS(status), (unsigned)status);
    }
    assert_status(weir_token_status(token), 0);
    assert_status(weir_token_free(token), 0);
    assert_status(request_submit(pair, recorder, 0, 100000, 0), 0);
    peer_read_pattern(fixture, pair->peer, 100000, 0, 0);
    recorder_wait(recorder, 1);
    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    events_wait(pair->events, "data");
}

// ---- signals ----------------------------------------------------------------------------------

struct signalled {
    struct fixture *fixture;
    unsigned count; // under the fixture's lock
    unsigned ends;
    int last;
};

static void
on_signal(weir_watch watch, int signal, void *arg)
{
    struct signalled *signalled = arg;

    (void)watch;
    callback_begin(signalled->fixture);
    pthread_mutex_lock(&signalled->fixture->lock);
    if (signal == 0) {
        signalled->ends++;
    } else {
        signalled->count++;
        signalled->last = signal;
    }
    pthread_mutex_unlock(&signalled->fixture->lock);
    callback_end();
}

static bool
is_signalled(void *arg)
{
    struct signalled *signalled = arg;
    bool arrived;

    pthread_mutex_lock(&signalled->fixture->lock);
    arrived = signalled->count > 0;
    pthread_mutex_unlock(&signalled->fixture->lock);
    return arrived;
}

static bool
has_ended(void *arg)
{
    struct signalled *signalled = arg;
    bool ended;

    pthread_mutex_lock(&signalled->fixture->lock);
    ended = signalled->ends > 0;
    pthread_mutex_unlock(&signalled->fixture->lock);
    return ended;
}

// Contract 3.11: the program's own signals arrive by a source.
static void
a_signal_arrives_on_the_loop(void **state)
{
    static const int signals[] = {SIGUSR1, SIGUSR2};
    static const int wrong[] = {12345};
    struct fixture *fixture = fixture_threads(state, 1);
    struct signalled *signalled = fixture_memory(fixture, sizeof(*signalled));
    sigset_t before;
    weir_watch watch = {0};

    signalled->fixture = fixture;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_status(weir_signal_start(fixture->loop, wrong, 1, on_signal, signalled, &watch),
                  -EINVAL);
    assert_status(weir_signal_start(fixture->loop, signals, 2, on_signal, signalled, &watch), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    fixture_turn_until(fixture, is_signalled, signalled);
    assert_int_equal(signalled->last, SIGUSR2);
    assert_int_equal(signalled->count, 1);
    assert_status(weir_watch_stop(watch), 0);
    fixture_turn_until(fixture, has_ended, signalled);
    assert_int_equal(signalled->ends, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_stop_drains_what_is_queued),
        EACH(a_stop_aborts_at_its_deadline_what_does_not_end),
        ONCE(a_stop_ends_timers_watches_and_runs_posts),
        EACH(a_stop_refuses_new_work_on_its_loops),
        ONCE(a_stop_is_for_plain_threads_and_once),
        EACH(handles_are_stale_after_the_stop),
        EACH(a_stale_handle_never_names_the_next_stream),
        ONCE(submits_that_race_with_the_stop_are_refused_or_complete),
        EACH(two_runtimes_live_side_by_side),
        ONCE(runtimes_are_limited_and_come_and_go),
        EACH(a_thread_may_end_before_or_after_the_runtime),
        EACH(a_loop_nests_in_poll),
        ONCE(a_turn_inside_a_turn_is_edeadlk),
        EACH(a_fork_disturbs_the_parent_in_nothing),
        ONCE(a_signal_arrives_on_the_loop),
        EACH(a_stop_ends_a_close_that_would_wait_for_ever),
        EACH(a_stop_without_time_ends_at_once),
        EACH_UNIX(a_stop_ends_a_stream_that_is_connecting),
        EACH(a_stop_closes_what_the_backlog_still_brings),
    };

    return RUN_CASES("conformance.life", cases);
}
