// SPDX-License-Identifier: MIT
//
// Reading into buffers that the program provides.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

enum { BUFFERS = 8, BUFFER = 100 };

// A stream with buffers: an event log first, as its handlers expect.
struct provided {
    struct events events;
    struct weir_handlers handlers;
    struct pair *pair;
    uint8_t buffers[BUFFERS][BUFFER];
    unsigned given;  // by the test
    unsigned filled; // came back, in order
    size_t sizes[BUFFERS];
    bool wrong_order;
    bool answer; // provide another one inside buffer_needed
    int status;  // of the last weir_provide()
    size_t size; // of the next one
};

static void
provide_next(void *arg)
{
    struct provided *provided = arg;

    call_begin();
    provided->status =
        weir_provide(provided->pair->stream, provided->buffers[provided->given], provided->size);
    call_end();
    if (provided->status == 0) {
        provided->given++;
    }
}

static void
on_filled(weir_stream stream, void *buffer, size_t size, void *user)
{
    struct provided *provided = user;

    (void)stream;
    callback_begin(provided->events.fixture);
    if (provided->filled >= BUFFERS || buffer != provided->buffers[provided->filled]) {
        provided->wrong_order = true;
    } else {
        provided->sizes[provided->filled++] = size;
    }
    events_add_value(&provided->events, "filled", (int64_t)size);
    callback_end();
}

static void
on_needed(weir_stream stream, void *user)
{
    struct provided *provided = user;

    (void)stream;
    callback_begin(provided->events.fixture);
    events_add(&provided->events, "buffer_needed");
    if (provided->answer && provided->given < BUFFERS) {
        provide_next(provided);
    }
    callback_end();
}

static struct provided *
open_provided(struct fixture *fixture, size_t size)
{
    struct provided *provided = fixture_memory(fixture, sizeof(*provided));

    events_join(fixture, &provided->events);
    provided->handlers = *events_handlers_pull();
    provided->handlers.filled = on_filled;
    provided->handlers.buffer_needed = on_needed;
    provided->size = size;
    provided->pair =
        pair_open(fixture, &(struct pair_options){.stream = {.handlers = &provided->handlers,
                                                             .user = &provided->events}});
    provided->pair->events = &provided->events;
    events_wait(&provided->events, "started");
    return provided;
}

static void
provide(struct provided *provided, unsigned count)
{
    for (unsigned index = 0; index < count; index++) {
        loop_call(provided->events.fixture, provided->events.fixture->loop, provide_next, provided);
        assert_status(provided->status, 0);
    }
}

// The bytes that came back, in their order, are the pattern.
static void
expect_filled(struct provided *provided, size_t size)
{
    size_t offset = 0;

    assert_false(provided->wrong_order);
    for (unsigned index = 0; index < provided->filled; index++) {
        assert_int_equal(pattern_check(provided->buffers[index], provided->sizes[index], offset, 0),
                         provided->sizes[index]);
        offset += provided->sizes[index];
    }
    assert_int_equal(offset, size);
}

// Q54
static void
buffers_are_filled_in_the_order_given(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provide(provided, 3);
    peer_write_pattern(fixture, provided->pair->peer, 3 * BUFFER, 0, 0);
    events_wait_count(&provided->events, "filled", 3);
    expect_filled(provided, 3 * BUFFER);
}

// Q54: a buffer comes back with what arrived; it is not waited full.
static void
a_buffer_comes_back_with_what_arrived(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provide(provided, 2);
    peer_write_pattern(fixture, provided->pair->peer, 10, 0, 0);
    events_wait_count(&provided->events, "filled", 1);
    peer_write_pattern(fixture, provided->pair->peer, 20, 10, 0);
    events_wait_count(&provided->events, "filled", 2);
    assert_int_equal(provided->sizes[0], 10);
    assert_int_equal(provided->sizes[1], 20);
    expect_filled(provided, 30);
}

// Q54, Q-T15: out of space is a question, not a death; the answer may be given inside it.
static void
a_buffer_is_asked_for_when_bytes_wait(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provided->answer = true;
    provide(provided, 1);
    peer_write_pattern(fixture, provided->pair->peer, 5 * BUFFER, 0, 0);
    events_wait_count(&provided->events, "filled", 5);
    expect_filled(provided, 5 * BUFFER);
    assert_true(events_count(&provided->events, "buffer_needed") >= 4);
}

// Q54: asked once, and answered at leisure.
static void
a_buffer_may_be_provided_later(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provide(provided, 1);
    peer_write_pattern(fixture, provided->pair->peer, 2 * BUFFER, 0, 0);
    events_wait(&provided->events, "buffer_needed");
    fixture_settle(fixture);
    assert_int_equal(events_count(&provided->events, "buffer_needed"), 1);
    assert_int_equal(provided->filled, 1);
    provide(provided, 1);
    events_wait_count(&provided->events, "filled", 2);
    expect_filled(provided, 2 * BUFFER);
}

// Q54: asked also when the bytes come while there is none, and the last one had been filled
// exactly.
static void
a_buffer_is_asked_for_when_bytes_come_later(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provide(provided, 1);
    peer_write_pattern(fixture, provided->pair->peer, BUFFER, 0, 0);
    events_wait(&provided->events, "filled");
    fixture_settle(fixture);
    peer_write_pattern(fixture, provided->pair->peer, BUFFER, BUFFER, 0);
    events_wait(&provided->events, "buffer_needed");
    provide(provided, 1);
    events_wait_count(&provided->events, "filled", 2);
    expect_filled(provided, 2 * BUFFER);
}

// The end comes behind the bytes, and gives back what was not needed.
static void
the_end_gives_unused_buffers_back(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, BUFFER);

    provide(provided, 3);
    peer_write_pattern(fixture, provided->pair->peer, 10, 0, 0);
    peer_finish(fixture, provided->pair->peer);
    events_wait(&provided->events, "peer_fin");
    assert_true(events_is_before(&provided->events, "filled", "peer_fin"));
    close_anyhow(provided->pair);
    assert_int_equal(events_count(&provided->events, "filled"), 3);
    assert_int_equal(provided->sizes[1], 0);
    assert_int_equal(provided->sizes[2], 0);
    expect_filled(provided, 10);
    events_expect_ending(&provided->events, "send_closed:0 closed");
}

static void
wrong_provides_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct provided *provided = open_provided(fixture, 0);
    struct pair *pushing = pair_open(fixture, &(struct pair_options){0});
    struct pair *pair = provided->pair;

    loop_call(fixture, fixture->loop, provide_next, provided);
    assert_status(provided->status, -EINVAL);
    provided->size = BUFFER;
    thread_call(fixture, provide_next, provided);
    assert_status(provided->status, -EXDEV);
    provided->pair = pushing;
    loop_call(fixture, fixture->loop, provide_next, provided);
    assert_status(provided->status, -EBUSY);
    provided->pair = pair;
    close_anyhow(pair);
    loop_call(fixture, fixture->loop, provide_next, provided);
    assert_status(provided->status, -WEIR_ESTALE);
    assert_int_equal(provided->given, 0);
    assert_int_equal(provided->filled, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(buffers_are_filled_in_the_order_given),
        EACH(a_buffer_comes_back_with_what_arrived),
        EACH(a_buffer_is_asked_for_when_bytes_wait),
        EACH(a_buffer_may_be_provided_later),
        EACH(the_end_gives_unused_buffers_back),
        ONCE(wrong_provides_are_refused),
        EACH(a_buffer_is_asked_for_when_bytes_come_later),
    };

    return RUN_CASES("conformance.read_provided", cases);
}
