// SPDX-License-Identifier: MIT
//
// Q14: how many bytes are worth keeping queued, and when that is told.
#include "tests/lib/fixture.h"

#include <sys/socket.h>

enum { MIB = 1024 * 1024, SIZES_MAX = 16 };

// A stream's user pointer: its log, and the sizes it was told.
struct ideal {
    struct events events;
    struct fixture *fixture;
    struct recorder *recorder;
    struct weir_handlers handlers;
    weir_stream stream;
    int fd; // the stream's
    int peer;
    size_t sizes[SIZES_MAX];
    unsigned count;
};

static void
note_size(weir_stream stream, size_t size, void *user)
{
    struct ideal *ideal = user;

    (void)stream;
    if (ideal->count < SIZES_MAX) {
        ideal->sizes[ideal->count] = size;
    }
    ideal->count++;
    events_add(&ideal->events, "ideal");
}

static struct ideal *
ideal_open(struct fixture *fixture, bool listens)
{
    struct ideal *ideal = fixture_memory(fixture, sizeof(*ideal));
    struct weir_stream_options options = {.handlers = &ideal->handlers, .user = ideal};
    struct weir_address address;
    int listener = transport_listen(fixture, 65536, &address);

    ideal->fixture = fixture;
    ideal->recorder = recorder_make(fixture);
    ideal->events.fixture = fixture;
    ideal->events.next = fixture->events;
    fixture->events = &ideal->events;
    ideal->handlers = *events_handlers();
    ideal->handlers.ideal_size = listens ? note_size : NULL;
    options.send_buffer = 20000;
    ideal->fd = socket(fixture->transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ideal->fd, &address.as.any, address.size), 0);
    ideal->peer = transport_accept(fixture, listener);
    assert_status(weir_adopt(fixture->loop, ideal->fd, &options, &ideal->stream), 0);
    events_wait(&ideal->events, "started");
    fixture_settle(fixture);
    return ideal;
}

static size_t
send_buffer(const struct ideal *ideal)
{
    int value = 0;
    socklen_t size = sizeof(value);

    assert_int_equal(getsockopt(ideal->fd, SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
    return (size_t)value;
}

// A write that finds the socket full, and goes when the peer has read.
static void
fill_and_drain(struct ideal *ideal, unsigned tag)
{
    struct weir_write request = request_make(ideal->recorder, tag, MIB);

    assert_status(submit(ideal->fixture, ideal->stream, &request, NULL), 0);
    fixture_settle(ideal->fixture);
    assert_false(recorder_has(ideal->recorder, tag)); // it is blocked
    peer_read_pattern(ideal->fixture, ideal->peer, MIB, 0, tag);
    recorder_wait(ideal->recorder, tag + 1);
    fixture_settle(ideal->fixture);
}

static void
it_is_told_behind_started(void **state)
{
    struct ideal *ideal = ideal_open(fixture_manual(state), true);

    events_expect(&ideal->events, "started ideal");
    assert_true(ideal->sizes[0] > 0);
    assert_true(ideal->sizes[0] <= send_buffer(ideal));
}

static void
it_is_not_told_while_it_stays_the_same(void **state)
{
    struct ideal *ideal = ideal_open(fixture_manual(state), true);

    assert_int_equal(ideal->sizes[0], send_buffer(ideal)); // smaller than any window
    fill_and_drain(ideal, 0);
    fill_and_drain(ideal, 1);
    assert_int_equal(ideal->count, 1);
}

static void
it_is_told_again_when_it_has_changed(void **state)
{
    struct ideal *ideal = ideal_open(fixture_manual(state), true);
    int less = 5000; // the kernel doubles it: a quarter of what it was

    assert_int_equal(setsockopt(ideal->fd, SOL_SOCKET, SO_SNDBUF, &less, sizeof(less)), 0);
    fill_and_drain(ideal, 0);
    assert_int_equal(ideal->count, 2);
    assert_int_equal(ideal->sizes[1], send_buffer(ideal));
    assert_true(ideal->sizes[1] < ideal->sizes[0]);
}

static void
set_handlers(void *arg)
{
    struct ideal *ideal = arg;

    ideal->handlers.ideal_size = note_size;
    assert_status(weir_stream_set_handlers(ideal->stream, &ideal->handlers, ideal), 0);
}

static void
new_handlers_are_told(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct ideal *ideal = ideal_open(fixture, false);

    assert_int_equal(ideal->count, 0);
    for (unsigned times = 1; times <= 2; times++) {
        loop_call(fixture, fixture->loop, set_handlers, ideal);
        fixture_settle(fixture);
        assert_int_equal(ideal->count, times);
        assert_int_equal(ideal->sizes[times - 1], send_buffer(ideal));
    }
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(it_is_told_behind_started),
        EACH(it_is_not_told_while_it_stays_the_same),
        EACH(it_is_told_again_when_it_has_changed),
        EACH(new_handlers_are_told),
    };

    return RUN_CASES("conformance.ideal_size", cases);
}
