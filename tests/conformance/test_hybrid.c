// os: count
// SPDX-License-Identifier: MIT
//
// Ports of a virtual machine behind a Unix socket: both ends of the lines that ask for one. The
// clock is moved by hand.

#include "tests/lib/fixture.h"
#include "tests/lib/os_count.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define ON_A_PATH(f)          \
    {                         \
#f, f, TRANSPORT_PATH \
    }

static const char *const not_lines[] = {
    "OK 5 \n",
    "ok 5\n",
    "NO 5\n",
    "OK\n",
    "OK \n",
    "OK x\n",
    "OK 4294967296\n",
    "OK -1\n",
    "\n",
    "CONNECT\n",
    "OK  5\n",
    "CONNECT 1024 \n",
    "5\n",
    "OKAY 5\n",
    "OK 00000000000000000000000000000000000000000000000000000005\n",
};

static struct fixture *
fixture_held(void **state)
{
    os_clock_hold();
    return fixture_manual(state);
}

static struct weir_endpoint
endpoint_of(const struct weir_address *address, uint32_t port)
{
    return (struct weir_endpoint){.kind = WEIR_ENDPOINT_HYBRID, .port = port, .address = *address};
}

static void
say(struct fixture *fixture, int peer, const char *text)
{
    peer_write(fixture, peer, text, strlen(text));
}

static void
expect_line(struct fixture *fixture, int peer, const char *line)
{
    char read[64] = "";

    peer_read_exact(fixture, peer, read, strlen(line));
    assert_string_equal(read, line);
}

// ---- dialling ---------------------------------------------------------------------------------

struct dialled {
    weir_stream stream;
    struct events *events;
    int peer;
};

// Port 52 behind a plain listener, which has accepted.
static struct dialled
dial(struct fixture *fixture, uint64_t timeout_ns)
{
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct weir_endpoint endpoint = endpoint_of(&address, 52);
    struct dialled dialled = {.events = events_make(fixture)};
    struct weir_dial request = {.endpoint = &endpoint,
                                .timeout_ns = timeout_ns,
                                .stream.handlers = events_handlers(),
                                .stream.user = dialled.events};

    assert_status(weir_dial(fixture->loop, &request, &dialled.stream), 0);
    dialled.peer = transport_accept(fixture, listener);
    return dialled;
}

static void
expect_failure(struct dialled *dialled, int status)
{
    events_wait(dialled->events, "closed");
    assert_status(dialled->events->closed.status, status);
    assert_int_equal(events_count(dialled->events, "data"), 0);
}

static void
a_dial_asks_for_its_port_before_it_starts(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct dialled dialled = dial(fixture, 0);
    struct weir_write early = {
        .iov = &(struct iovec){(void *)(uintptr_t) "hello", 5}, .iov_count = 1, .flags = WEIR_COPY};

    assert_status(weir_write(dialled.stream, &early, NULL), 0);
    expect_line(fixture, dialled.peer, "CONNECT 52\n");
    peer_expect_silence(fixture, dialled.peer);
    assert_int_equal(events_count(dialled.events, "started"), 0);
    say(fixture, dialled.peer, "OK 1073741824\n");
    events_wait(dialled.events, "started");
    expect_line(fixture, dialled.peer, "hello");
    assert_int_equal(events_input_size(dialled.events), 0);
}

static void
bytes_behind_the_answer_are_input(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct dialled dialled = dial(fixture, 0);

    say(fixture, dialled.peer, "OK 5\nfirst");
    peer_finish(fixture, dialled.peer);
    events_wait(dialled.events, "peer_fin");
    assert_int_equal(events_input_size(dialled.events), 5);
    assert_memory_equal(dialled.events->input, "first", 5);
}

static void
an_answer_may_come_in_pieces(void **state)
{
    static const char answer[] = "OK 4294967295\n";
    struct fixture *fixture = fixture_held(state);
    struct dialled dialled = dial(fixture, 0);

    for (size_t i = 0; i + 1 < sizeof(answer); i++) {
        fixture_settle(fixture);
        assert_int_equal(events_count(dialled.events, "started"), 0);
        peer_write(fixture, dialled.peer, answer + i, 1);
    }
    events_wait(dialled.events, "started");
}

static void
an_end_without_an_answer_is_a_refusal(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct dialled dialled = dial(fixture, 0);

    expect_line(fixture, dialled.peer, "CONNECT 52\n");
    fixture_close_fd(fixture, dialled.peer);
    expect_failure(&dialled, -ECONNREFUSED);
}

static void
an_answer_that_is_none_fails(void **state)
{
    struct fixture *fixture = fixture_held(state);

    for (unsigned i = 0; i < sizeof(not_lines) / sizeof(not_lines[0]); i++) {
        struct dialled dialled = dial(fixture, 0);

        say(fixture, dialled.peer, not_lines[i]);
        expect_failure(&dialled, -EPROTO);
    }
}

static void
an_answer_that_does_not_come_is_a_timeout(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct dialled dialled = dial(fixture, MS(50));

    say(fixture, dialled.peer, "OK ");
    fixture_settle(fixture);
    os_clock_pass(MS(49));
    fixture_settle(fixture);
    assert_int_equal(events_count(dialled.events, "closed"), 0);
    os_clock_pass(MS(2));
    expect_failure(&dialled, -ETIMEDOUT);
    assert_int_equal(dialled.events->closed.origin, WEIR_ORIGIN_DEADLINE);
}

static void
a_path_with_nobody_behind_it_is_refused(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct weir_address address = transport_address(fixture);
    struct weir_endpoint endpoint = endpoint_of(&address, 52);
    struct dialled dialled = {.events = events_make(fixture)};
    struct weir_dial request = {
        .endpoint = &endpoint, .stream.handlers = events_handlers(), .stream.user = dialled.events};

    assert_status(weir_dial(fixture->loop, &request, &dialled.stream), 0);
    expect_failure(&dialled, -ENOENT);
}

// ---- listening --------------------------------------------------------------------------------

struct heard {
    struct fixture *fixture;
    struct events *events;
    weir_listener listener;
    struct weir_address address;
    weir_stream stream;
    uint32_t port;
    int port_result;
    unsigned accepted;
    unsigned closed;
};

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct heard *heard = arg;

    (void)listener;
    callback_begin(heard->fixture);
    heard->stream = stream;
    heard->port_result = weir_stream_hybrid_port(stream, &heard->port);
    heard->accepted++;
    callback_end();
}

static void
on_closed(weir_listener listener, int status, void *arg)
{
    struct heard *heard = arg;

    (void)listener;
    (void)status;
    heard->closed++;
}

static bool
is_accepted(void *arg)
{
    return ((struct heard *)arg)->accepted > 0;
}

static bool
is_closed(void *arg)
{
    return ((struct heard *)arg)->closed > 0;
}

static struct heard *
listen_with(struct fixture *fixture, struct weir_listen *request)
{
    struct heard *heard = fixture_memory(fixture, sizeof(*heard));

    heard->fixture = fixture;
    heard->events = events_make(fixture);
    request->stream.handlers = events_handlers();
    request->stream.user = heard->events;
    request->accepted = on_accepted;
    request->closed = on_closed;
    request->arg = heard;
    assert_status(weir_listen(fixture->runtime, request, &heard->listener), 0);
    assert_status(weir_listener_address(heard->listener, &heard->address), 0);
    return heard;
}

static struct heard *
listen_for_questions(struct fixture *fixture)
{
    return listen_with(fixture, &(struct weir_listen){.address = transport_address(fixture),
                                                      .flags = WEIR_LISTEN_HYBRID});
}

static void
a_listener_answers_and_hands_over_the_port(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);
    int client = transport_connect(fixture, &heard->address, 0);

    say(fixture, client, "CONNECT 4294967294\nhello");
    fixture_turn_until(fixture, is_accepted, heard);
    assert_status(heard->port_result, 0);
    assert_int_equal(heard->port, 4294967294u);
    expect_line(fixture, client, "OK 1073741824\n");
    events_wait(heard->events, "data");
    assert_int_equal(events_input_size(heard->events), 5);
    assert_memory_equal(heard->events->input, "hello", 5);
}

static void
a_question_that_is_none_is_refused(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);

    for (unsigned i = 0; i < sizeof(not_lines) / sizeof(not_lines[0]); i++) {
        int client = transport_connect(fixture, &heard->address, 0);
        size_t size;

        say(fixture, client, not_lines[i]);
        peer_read_to_end(fixture, client, &size);
        assert_int_equal(size, 0);
        fixture_close_fd(fixture, client);
    }
    assert_int_equal(heard->accepted, 0);
}

static void
a_slow_client_holds_up_nobody(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);
    int slow = transport_connect(fixture, &heard->address, 0);
    int quick;

    say(fixture, slow, "CONN");
    fixture_settle(fixture);
    quick = transport_connect(fixture, &heard->address, 0);
    say(fixture, quick, "CONNECT 7\n");
    expect_line(fixture, quick, "OK 1073741824\n");
    fixture_settle(fixture);
    assert_int_equal(heard->accepted, 1);
    say(fixture, slow, "ECT 8\n");
    expect_line(fixture, slow, "OK 1073741825\n");
    fixture_settle(fixture);
    assert_int_equal(heard->accepted, 2);
    assert_int_equal(heard->port, 8);
}

static void
a_client_that_does_not_ask_is_dropped(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);
    int client = transport_connect(fixture, &heard->address, 0);

    say(fixture, client, "CONNECT 1");
    fixture_settle(fixture);
    os_clock_pass(MS(4999));
    fixture_settle(fixture);
    peer_expect_silence(fixture, client);
    os_clock_pass(MS(2));
    peer_expect_eof(fixture, client);
    assert_int_equal(heard->accepted, 0);
}

static void
a_close_drops_those_who_have_not_asked(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);
    int silent = transport_connect(fixture, &heard->address, 0);
    int waiting;

    fixture_settle(fixture);
    waiting = transport_connect(fixture, &heard->address, 0);
    say(fixture, waiting, "CONNECT 9\n");
    assert_status(weir_listener_close(heard->listener), 0);
    fixture_turn_until(fixture, is_closed, heard);
    peer_expect_eof(fixture, silent);
    expect_line(fixture, waiting, "OK 1073741824\n"); // it had asked
    assert_int_equal(heard->accepted, 1);
    assert_int_equal(heard->port, 9);
}

// A connection that a virtual machine made has its port in its path, and no lines.
static void
a_guests_connection_comes_to_its_ports_socket(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct weir_address base = transport_address(fixture);
    struct weir_endpoint endpoint = endpoint_of(&base, 1024);
    struct heard *heard = listen_with(
        fixture, &(struct weir_listen){.endpoint = &endpoint, .flags = WEIR_LISTEN_UNLINK});
    char path[sizeof(base.as.un.sun_path) + 8];
    int client;

    snprintf(path, sizeof(path), "%s_1024", base.as.un.sun_path);
    assert_string_equal(heard->address.as.un.sun_path, path);
    client = transport_connect(fixture, &heard->address, 0);
    fixture_turn_until(fixture, is_accepted, heard);
    assert_status(heard->port_result, -ENOTSUP);
    say(fixture, client, "hello");
    events_wait(heard->events, "data");
    assert_int_equal(events_input_size(heard->events), 5);
}

static void
both_ends_may_be_weirs(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct heard *heard = listen_for_questions(fixture);
    struct weir_endpoint endpoint = endpoint_of(&heard->address, 80);
    struct events *events = events_make(fixture);
    struct weir_dial request = {
        .endpoint = &endpoint, .stream.handlers = events_handlers(), .stream.user = events};
    struct weir_write write = {.iov = &(struct iovec){(void *)(uintptr_t) "question", 8},
                               .iov_count = 1,
                               .flags = WEIR_COPY | WEIR_FIN};
    weir_stream stream;

    assert_status(weir_dial(fixture->loop, &request, &stream), 0);
    assert_status(weir_write(stream, &write, NULL), 0);
    events_wait(heard->events, "peer_fin");
    assert_int_equal(heard->port, 80);
    assert_int_equal(events_input_size(heard->events), 8);
    write.iov = &(struct iovec){(void *)(uintptr_t) "answer", 6};
    assert_status(weir_write(heard->stream, &write, NULL), 0);
    events_wait(events, "peer_fin");
    assert_int_equal(events_input_size(events), 6);
}

static void
what_cannot_be_is_refused(void **state)
{
    struct fixture *fixture = fixture_held(state);
    struct weir_listen tcp = {.flags = WEIR_LISTEN_HYBRID};
    struct weir_address longest = {.size = sizeof(longest.as.un)};
    struct weir_endpoint endpoint;
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    weir_listener listener;
    weir_stream stream;
    uint32_t port;

    assert_int_equal(weir_address_ip(&tcp.address, "127.0.0.1", 0), 0);
    assert_status(weir_listen(fixture->runtime, &tcp, &listener), -EINVAL);
    endpoint = endpoint_of(&tcp.address, 1); // behind a Unix socket only
    assert_status(
        weir_listen(fixture->runtime, &(struct weir_listen){.endpoint = &endpoint}, &listener),
        -EINVAL);
    assert_status(weir_dial(fixture->loop, &(struct weir_dial){.endpoint = &endpoint}, &stream),
                  -EINVAL);
    longest.as.un.sun_family = AF_UNIX;
    memset(longest.as.un.sun_path, 'x', sizeof(longest.as.un.sun_path) - 1);
    endpoint = endpoint_of(&longest, 1);
    assert_status(
        weir_listen(fixture->runtime, &(struct weir_listen){.endpoint = &endpoint}, &listener),
        -ENAMETOOLONG);
    assert_status(weir_stream_hybrid_port(pair->stream, &port), -EXDEV);
    assert_status(weir_stream_hybrid_port((weir_stream){0}, &port), -WEIR_ESTALE);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ON_A_PATH(a_dial_asks_for_its_port_before_it_starts),
        ON_A_PATH(bytes_behind_the_answer_are_input),
        ON_A_PATH(an_answer_may_come_in_pieces),
        ON_A_PATH(an_end_without_an_answer_is_a_refusal),
        ON_A_PATH(an_answer_that_is_none_fails),
        ON_A_PATH(an_answer_that_does_not_come_is_a_timeout),
        ON_A_PATH(a_path_with_nobody_behind_it_is_refused),
        ON_A_PATH(a_listener_answers_and_hands_over_the_port),
        ON_A_PATH(a_question_that_is_none_is_refused),
        ON_A_PATH(a_slow_client_holds_up_nobody),
        ON_A_PATH(a_client_that_does_not_ask_is_dropped),
        ON_A_PATH(a_close_drops_those_who_have_not_asked),
        ON_A_PATH(a_guests_connection_comes_to_its_ports_socket),
        ON_A_PATH(both_ends_may_be_weirs),
        ON_A_PATH(what_cannot_be_is_refused),
    };

    return RUN_CASES("conformance.hybrid", cases);
}
