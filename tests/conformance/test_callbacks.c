// SPDX-License-Identifier: MIT
//
// In a callback everything is legal but waiting, and callbacks are never nested. (The fixture
// counts nested ones in every test; the teardown fails on the first.)
#include "tests/lib/fixture.h"

#include <stdlib.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

// A completion that runs an action of the test and then is recorded as tag 0.
struct acting {
    struct fixture *fixture;
    struct pair *pair;
    struct pair *other;
    struct recorder *recorder;
    struct recorder *later;
    void (*action)(struct acting *acting);
    weir_op op;
    weir_token token;
    void *memory;
    int results[16];
    unsigned result_count;
};

static void
act(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct acting *acting = arg;

    callback_begin(acting->fixture);
    acting->action(acting);
    callback_end();
    recorder_done(stream, result, recorder_tag(acting->recorder, 0));
}

static struct acting *
acting_make(struct fixture *fixture, void (*action)(struct acting *acting))
{
    struct acting *acting = fixture_memory(fixture, sizeof(*acting));

    acting->fixture = fixture;
    acting->pair = pair_open(fixture, &(struct pair_options){0});
    acting->recorder = recorder_make(fixture);
    acting->later = recorder_make(fixture);
    acting->action = action;
    return acting;
}

// Submit the write whose completion acts, and wait for it.
static void
acting_run(struct acting *acting)
{
    struct weir_write request = request_make(acting->recorder, 0, 10);

    request.done = act;
    request.arg = acting;
    assert_status(submit(acting->fixture, acting->pair->stream, &request, &acting->op), 0);
    recorder_wait(acting->recorder, 1);
}

// ---- submit -----------------------------------------------------------------------------------

static void
submit_a_thousand(struct acting *acting)
{
    for (unsigned tag = 0; tag < 1000; tag++) {
        acting->results[0] += request_submit(acting->pair, acting->later, tag, 1 + tag % 50, 0);
    }
    acting->results[1] = (int)recorder_count(acting->later);
}

// 5.9-13
static void
a_completion_may_submit_a_thousand_more(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acting *acting = acting_make(fixture, submit_a_thousand);

    acting_run(acting);
    assert_int_equal(acting->results[0], 0);
    assert_int_equal(acting->results[1], 0);
    peer_read_pattern(fixture, acting->pair->peer, 10, 0, 0);
    for (unsigned tag = 0; tag < 1000; tag++) {
        peer_read_pattern(fixture, acting->pair->peer, 1 + tag % 50, 0, tag);
    }
    recorder_wait(acting->later, 1000);
    for (unsigned index = 0; index < 1000; index++) {
        assert_int_equal(recorder_at(acting->later, index).tag, index);
    }
}

struct chained {
    struct fixture *fixture;
    weir_stream stream;
    unsigned left; // under the fixture's lock
    unsigned inlined;
    unsigned failed;
};

static void
submit_next(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct chained *chained = arg;
    struct weir_write request = {.iov = &(struct iovec){"x", 1},
                                 .iov_count = 1,
                                 .flags = WEIR_COPY | WEIR_INLINE_OK,
                                 .done = submit_next,
                                 .arg = chained};
    int answer = 1;

    callback_begin(chained->fixture);
    chained->failed += result->status != 0;
    pthread_mutex_lock(&chained->fixture->lock);
    chained->left--;
    pthread_mutex_unlock(&chained->fixture->lock);
    while (chained->left > 0 && answer == 1) {
        answer = submit(chained->fixture, stream, &request, NULL);
        chained->failed += answer < 0;
        if (answer == 1) {
            chained->inlined++;
            pthread_mutex_lock(&chained->fixture->lock);
            chained->left--;
            pthread_mutex_unlock(&chained->fixture->lock);
        }
    }
    callback_end();
}

static bool
chain_is_done(void *arg)
{
    struct chained *chained = arg;
    bool done;

    pthread_mutex_lock(&chained->fixture->lock);
    done = chained->left == 0;
    pthread_mutex_unlock(&chained->fixture->lock);
    return done;
}

// No recursion however long the chain, with inline completion as an explicit answer (324, 1871).
static void
a_long_chain_of_completions_does_not_nest(void **state)
{
    enum { COUNT = 5000 };
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct chained *chained = fixture_memory(fixture, sizeof(*chained));
    struct weir_write request = {.done = submit_next, .arg = chained};
    uint8_t byte[COUNT - 1];

    chained->fixture = fixture;
    chained->left = COUNT;
    assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    peer_read_exact(fixture, pair->peer, byte, sizeof(byte));
    fixture_turn_until(fixture, chain_is_done, chained);
    assert_int_equal(chained->failed, 0);
}

// ---- cancel -----------------------------------------------------------------------------------

static void
cancel_self_and_other(struct acting *acting)
{
    struct weir_write request = request_make(acting->later, 0, 100);
    weir_op op;

    acting->results[0] = weir_cancel(acting->op);
    acting->results[1] = submit(acting->fixture, acting->other->stream, &request, &op);
    acting->results[2] = weir_cancel(op);
    acting->results[3] = (int)recorder_count(acting->later);
    acting->results[4] = weir_token_fire(acting->token, 0, 0);
    acting->results[5] = weir_token_free(acting->token);
}

// 5.9-13: its own operation is over; another's ends later, not here.
static void
a_completion_may_cancel(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acting *acting = acting_make(fixture, cancel_self_and_other);
    struct weir_write request = request_make(acting->later, 1, 100);

    acting->other = pair_open(fixture, &(struct pair_options){.stuffed = true});
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &acting->token), 0);
    request.token = acting->token;
    assert_status(submit(fixture, acting->other->stream, &request, NULL), 0);
    fixture_settle(fixture);
    acting_run(acting);
    assert_int_equal(acting->results[0], WEIR_CANCEL_LATE);
    assert_status(acting->results[1], 0);
    assert_int_not_equal(acting->results[2], WEIR_CANCEL_LATE);
    assert_int_equal(acting->results[3], 0);
    assert_status(acting->results[4], 0);
    assert_status(acting->results[5], 0);
    recorder_wait(acting->later, 2);
    for (unsigned tag = 0; tag < 2; tag++) {
        expect_result(recorder_of(acting->later, tag), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    }
}

// ---- close ------------------------------------------------------------------------------------

static void
close_now(struct acting *acting)
{
    acting->results[0] = weir_close(acting->pair->stream, WEIR_CLOSE_ABORT, 0, 9);
    acting->results[1] = request_submit(acting->pair, acting->later, 9, 10, 0);
    acting->results[2] = (int)events_count(acting->pair->events, "closed");
}

// 5.9-7, 5.9-13: from a callback, with more behind it.
static void
a_completion_may_close_its_stream(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acting *acting = acting_make(fixture, close_now);
    struct weir_write request = request_make(acting->recorder, 0, 10);

    acting->later->events = acting->pair->events;
    request.done = act;
    request.arg = acting;
    assert_status(submit(fixture, acting->pair->stream, &request, NULL), 0);
    for (unsigned tag = 0; tag < 3; tag++) {
        assert_status(request_submit(acting->pair, acting->later, tag, 4 * MIB, 0), 0);
    }
    pair_wait_closed(acting->pair);
    recorder_wait(acting->later, 3);
    assert_status(acting->results[0], 0);
    assert_status(acting->results[1], -WEIR_EENDED);
    assert_int_equal(acting->results[2], 0);
    for (unsigned index = 0; index < 3; index++) {
        assert_int_equal(recorder_at(acting->later, index).tag, index);
        assert_true(recorder_at(acting->later, index).result.status < 0);
    }
    assert_int_equal(events_count(acting->pair->events, "closed"), 1);
    assert_string_equal(acting->pair->events->list[acting->pair->events->count - 1].name, "closed");
    assert_int_equal(acting->pair->events->closed.code, 9);
}

struct closing {
    struct fixture *fixture;
    weir_stream stream;
    int written;
    int closed_again;
    int produced;
    unsigned count;
};

static void
write_when_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct closing *closing = user;
    struct weir_iter iter;

    (void)closed;
    callback_begin(closing->fixture);
    closing->stream = stream;
    closing->written = weir_write(stream, &(struct weir_write){0}, NULL);
    closing->produced = weir_produce(stream, &iter);
    closing->closed_again = weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    callback_end();
    closing->count++;
}

static bool
is_closed(void *arg)
{
    const struct closing *closing = arg;

    return closing->count > 0;
}

// The last event, and nothing to be had any more.
static void
in_closed_everything_is_refused(void **state)
{
    static const struct weir_handlers handlers = {.closed = write_when_closed};
    struct fixture *fixture = fixture_manual(state);
    struct closing *closing = fixture_memory(fixture, sizeof(*closing));
    struct pair *pair;

    closing->fixture = fixture;
    pair = pair_open(fixture,
                     &(struct pair_options){.stream = {.handlers = &handlers, .user = closing}});
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    fixture_turn_until(fixture, is_closed, closing);
    fixture_settle(fixture);
    assert_int_equal(closing->count, 1);
    assert_true(closing->stream.bits == pair->stream.bits);
    assert_true(closing->written == -WEIR_EENDED || closing->written == -WEIR_ESTALE);
    assert_true(closing->produced < 0);
    assert_true(closing->closed_again == 0 || closing->closed_again == -WEIR_ESTALE);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
    assert_status(weir_closed_wait(pair->stream, weir_now_ns()), 0);
}

// ---- free -------------------------------------------------------------------------------------

static void
free_memory(struct acting *acting)
{
    free(acting->memory);
}

// 5.9-13, 72739: borrowed memory is the caller's again inside its completion.
static void
a_completion_may_free_what_was_written(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acting *acting = acting_make(fixture, free_memory);
    struct iovec iov = {.iov_base = malloc(50000), .iov_len = 50000};
    struct weir_write request = {.iov = &iov, .iov_count = 1, .done = act, .arg = acting};

    assert_non_null(iov.iov_base);
    pattern_fill(iov.iov_base, 50000, 0, 4);
    acting->memory = iov.iov_base;
    assert_status(submit(fixture, acting->pair->stream, &request, NULL), 0);
    peer_read_pattern(fixture, acting->pair->peer, 50000, 0, 4);
    recorder_wait(acting->recorder, 1);
}

// ---- waiting ----------------------------------------------------------------------------------

static void
wait_for_anything(struct acting *acting)
{
    struct weir_dial dial = {.address = transport_address(acting->fixture)};
    struct weir_read read = {0};
    struct weir_read_result read_result;
    struct weir_write write = {0};
    weir_stream stream;
    int *results = acting->results;

    results[0] = weir_write_wait(acting->pair->stream, &write, NULL);
    results[1] = weir_op_wait(acting->op, weir_now_ns());
    results[2] = weir_closed_wait(acting->pair->stream, weir_now_ns());
    results[3] = weir_read_wait(acting->pair->stream, &read, &read_result);
    results[4] = weir_dial_wait(acting->fixture->loop, &dial, &stream);
    results[5] = weir_runtime_stop(acting->fixture->runtime, weir_now_ns());
    results[6] = acting->fixture->manual ? weir_loop_turn(acting->fixture->loop, 0) : -EDEADLK;
    acting->result_count = 7;
    // Two reasons to refuse; either may be said.
    results[7] = weir_runtime_free(acting->fixture->runtime);
}

static void
expect_no_wait(struct acting *acting)
{
    struct fixture *fixture = acting->fixture;

    acting_run(acting);
    for (unsigned index = 0; index < acting->result_count; index++) {
        if (acting->results[index] != -EDEADLK) {
            fixture_fail(fixture, "waiting call %u answered %d in a callback, not -EDEADLK", index,
                         acting->results[index]);
        }
    }
    assert_true(acting->results[7] == -EDEADLK || acting->results[7] == -EBUSY);
    // And nothing has happened.
    peer_read_pattern(fixture, acting->pair->peer, 10, 0, 0);
    assert_status(request_submit(acting->pair, acting->later, 0, 10, 0), 0);
    peer_read_pattern(fixture, acting->pair->peer, 10, 0, 0);
    recorder_wait(acting->later, 1);
}

// 5.9-13, 508, 1428
static void
waiting_in_a_callback_is_edeadlk(void **state)
{
    expect_no_wait(acting_make(fixture_manual(state), wait_for_anything));
}

static void
waiting_on_a_loops_thread_is_edeadlk(void **state)
{
    expect_no_wait(acting_make(fixture_threads(state, 2), wait_for_anything));
}

// ---- events -----------------------------------------------------------------------------------

struct echo {
    struct fixture *fixture;
    struct recorder *recorder;
    unsigned failed;
    size_t echoed;
};

static struct weir_consumed
echo_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct echo *echo = user;
    struct weir_segment segment;
    size_t size = 0;

    callback_begin(echo->fixture);
    while (weir_iter_segment(&begin, end, &segment)) {
        struct weir_write request = {
            .iov = &(struct iovec){(void *)(uintptr_t)segment.data, segment.size},
            .iov_count = 1,
            .flags = WEIR_COPY,
        };

        echo->failed += submit(echo->fixture, stream, &request, NULL) < 0;
        size += segment.size;
    }
    echo->echoed += size;
    callback_end();
    return (struct weir_consumed){.consumed = size, .examined = size};
}

static void
end_when_peer_ends(weir_stream stream, bool ambiguous, void *user)
{
    struct echo *echo = user;

    (void)ambiguous;
    callback_begin(echo->fixture);
    echo->failed += weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0) != 0;
    callback_end();
}

// The smallest server there is: write in data, close in peer_fin.
static void
handlers_may_write_and_close(void **state)
{
    static const struct weir_handlers handlers = {.data = echo_data,
                                                  .peer_fin = end_when_peer_ends};
    struct fixture *fixture = fixture_manual(state);
    struct echo *echo = fixture_memory(fixture, sizeof(*echo));
    struct pair *pair;

    echo->fixture = fixture;
    pair =
        pair_open(fixture, &(struct pair_options){.stream = {.handlers = &handlers, .user = echo}});
    peer_write(fixture, pair->peer, pattern_make(fixture, 30000, 6), 30000);
    peer_finish(fixture, pair->peer);
    peer_read_pattern(fixture, pair->peer, 30000, 0, 6);
    peer_expect_eof(fixture, pair->peer);
    assert_int_equal(echo->failed, 0);
    assert_int_equal(echo->echoed, 30000);
}

static void
open_another(struct acting *acting)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return;
    }
    acting->results[0] = weir_adopt(
        acting->fixture->loop, fds[0],
        &(struct weir_stream_options){.handlers = events_handlers(), .user = acting->pair->events},
        &acting->pair->stream);
    acting->results[1] = fds[1];
    acting->results[2] = request_submit(acting->pair, acting->later, 0, 100, WEIR_FIN);
}

// A stream made in a callback can be written to there.
static void
a_completion_may_open_a_stream_and_write_to_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct acting *acting = acting_make(fixture, open_another);

    acting->results[1] = -1;
    acting_run(acting);
    fixture_own_fd(fixture, acting->results[1]);
    assert_status(acting->results[0], 0);
    assert_status(acting->results[2], 0);
    peer_read_pattern(fixture, acting->results[1], 100, 0, 0);
    peer_expect_eof(fixture, acting->results[1]);
    recorder_wait(acting->later, 1);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_completion_may_submit_a_thousand_more),
        EACH(a_long_chain_of_completions_does_not_nest),
        EACH(a_completion_may_cancel),
        EACH(a_completion_may_close_its_stream),
        EACH(in_closed_everything_is_refused),
        EACH(a_completion_may_free_what_was_written),
        EACH(waiting_in_a_callback_is_edeadlk),
        ONCE(waiting_on_a_loops_thread_is_edeadlk),
        EACH(handlers_may_write_and_close),
        ONCE(a_completion_may_open_a_stream_and_write_to_it),
    };

    return RUN_CASES("conformance.callbacks", cases);
}
