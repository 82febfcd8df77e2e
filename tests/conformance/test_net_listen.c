// SPDX-License-Identifier: MIT
//
// Listening: addresses, placement, the backlog at the end, and what happens when descriptors run
// out.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTED_MAX = 256 };

// What a listener said. Everything under the fixture's lock.
struct heard {
    struct fixture *fixture;
    weir_stream streams[ACCEPTED_MAX];
    struct weir_loop *loops[ACCEPTED_MAX];
    unsigned accepted;
    unsigned closed;
    int status;
    bool wrong_thread;
    bool late; // accepted after closed
    weir_listener listener;
};

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct heard *heard = arg;
    struct weir_loop *loop = weir_loop_current();

    callback_begin(heard->fixture);
    pthread_mutex_lock(&heard->fixture->lock);
    heard->listener = listener;
    heard->wrong_thread |= loop == NULL || loop != weir_stream_loop(stream);
    heard->late |= heard->closed > 0;
    if (heard->accepted < ACCEPTED_MAX) {
        heard->loops[heard->accepted] = loop;
        heard->streams[heard->accepted] = stream;
    }
    heard->accepted++;
    pthread_cond_broadcast(&heard->fixture->changed);
    pthread_mutex_unlock(&heard->fixture->lock);
    callback_end();
}

static void
on_listener_closed(weir_listener listener, int status, void *arg)
{
    struct heard *heard = arg;

    (void)listener;
    callback_begin(heard->fixture);
    pthread_mutex_lock(&heard->fixture->lock);
    heard->closed++;
    heard->status = status;
    heard->wrong_thread |= weir_loop_current() == NULL;
    pthread_cond_broadcast(&heard->fixture->changed);
    pthread_mutex_unlock(&heard->fixture->lock);
    callback_end();
}

static unsigned
heard_accepted(struct heard *heard)
{
    unsigned count;

    pthread_mutex_lock(&heard->fixture->lock);
    count = heard->accepted;
    pthread_mutex_unlock(&heard->fixture->lock);
    return count;
}

static bool
is_closed(void *arg)
{
    struct heard *heard = arg;
    bool closed;

    pthread_mutex_lock(&heard->fixture->lock);
    closed = heard->closed > 0;
    pthread_mutex_unlock(&heard->fixture->lock);
    return closed;
}

static void
wait_accepted(struct heard *heard, unsigned count)
{
    uint64_t deadline = test_deadline();

    while (heard_accepted(heard) < count) {
        if (weir_now_ns() > deadline) {
            fixture_fail(heard->fixture, "%u of %u connections were accepted",
                         heard_accepted(heard), count);
        }
        fixture_breathe(heard->fixture);
    }
    assert_int_equal(heard_accepted(heard), count);
    assert_false(heard->wrong_thread);
}

static struct heard *
heard_make(struct fixture *fixture, struct weir_listen *ret_request)
{
    static const struct weir_handlers none = {0};
    struct heard *heard = fixture_memory(fixture, sizeof(*heard));

    heard->fixture = fixture;
    *ret_request = (struct weir_listen){
        .address = transport_address(fixture),
        .stream.handlers = &none,
        .accepted = on_accepted,
        .closed = on_listener_closed,
        .arg = heard,
    };
    return heard;
}

// The address a client connects to.
static struct weir_address
bound_address(weir_listener listener)
{
    struct weir_address address = {0};

    assert_status(weir_listener_address(listener, &address), 0);
    return address;
}

static uint16_t
port_of(const struct weir_address *address)
{
    // The port is at the same place in both families.
    return ntohs(((const struct sockaddr_in *)&address->as.any)->sin_port);
}

// ---- addresses --------------------------------------------------------------------------------

// N-T8, H36: the kernel chooses a port, and the listener tells.
static void
the_bound_address_can_be_connected_to(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    assert_true(listener.bits != 0);
    address = bound_address(listener);
    assert_int_equal(address.as.any.sa_family, fixture->transport->family);
    if (transport_is_tcp(fixture->transport)) {
        assert_true(port_of(&address) != 0);
    }
    transport_connect(fixture, &address, 0);
    wait_accepted(heard, 1);
    assert_true(heard->listener.bits == listener.bits);
    assert_int_equal(fixture_stats(fixture).streams_now, 1);
}

static void
assert_endpoint_listens(struct fixture *fixture, const char *text, const char *dialled)
{
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_endpoint endpoint;
    struct weir_address address;
    weir_listener listener = {0};

    request.address.size = 0;
    request.endpoint = &endpoint;
    assert_status(weir_endpoint_parse(&endpoint, text, NULL), 0);
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    memset(&endpoint, 0x5a, sizeof(endpoint)); // it was borrowed until the return
    address = bound_address(listener);
    assert_status(weir_address_ip(&address, dialled, port_of(&address)), 0);
    transport_connect(fixture, &address, 0);
    wait_accepted(heard, 1);
    assert_status(weir_listener_close(listener), 0);
    fixture_settle(fixture);
}

// H36: by endpoint; `*` is every address of the machine.
static void
endpoints_are_listened_on(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    assert_endpoint_listens(fixture, "tcp://127.0.0.1:0", "127.0.0.1");
    assert_endpoint_listens(fixture, "tcp://*:0", "127.0.0.1");
    assert_endpoint_listens(fixture, "tcp://:0", "127.0.0.1");
}

// ---- sockets that listen already --------------------------------------------------------------

static int
listening_socket(struct fixture *fixture)
{
    struct weir_address address = transport_address(fixture);
    int fd = socket(address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &address.as.any, address.size), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void
a_socket_that_listens_is_adopted_with_what_waits_there(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address = {.size = sizeof(address.as)};
    weir_listener listener = {0};

    request.fd = listening_socket(fixture);
    request.flags = WEIR_LISTEN_ADOPT;
    request.address.size = 0;
    assert_int_equal(getsockname(request.fd, &address.as.any, &address.size), 0);
    transport_connect(fixture, &address, 0);
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    transport_connect(fixture, &address, 0);
    wait_accepted(heard, 2);
    assert_int_equal(bound_address(listener).size, address.size);
    assert_true(fcntl(request.fd, F_GETFL) & O_NONBLOCK);
    assert_status(weir_listener_close(listener), 0);
    fixture_turn_until(fixture, is_closed, heard);
    assert_int_equal(fcntl(request.fd, F_GETFL), -1); // it was the listener's
}

static void
what_does_not_listen_is_not_adopted_and_stays_the_callers(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    weir_listener listener = {.bits = 42};
    int listening = listening_socket(fixture);

    heard_make(fixture, &request);
    request.flags = WEIR_LISTEN_ADOPT;
    request.fd = listening;
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EINVAL); // and an address
    request.address.size = 0;
    request.flags |= WEIR_LISTEN_REUSEPORT;
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EINVAL);
    request.flags = WEIR_LISTEN_ADOPT;
    assert_int_not_equal(fcntl(listening, F_GETFD), -1);
    close(listening);
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EBADF);
    request.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_status(weir_listen(fixture->runtime, &request, &listener), -ENOTSOCK);
    close(request.fd);
    request.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EINVAL);
    close(request.fd);
    request.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EINVAL);
    close(request.fd);
    assert_int_equal(listener.bits, 42);
}

// N-T14: a listener nobody asks about, and requests that cannot be.
static void
impossible_requests_are_refused_and_leave_nothing_open(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_listen wrong = request;
    struct weir_address other = {0};
    weir_listener listener = {.bits = 42};

    wrong.address.size = 0;
    assert_status(weir_listen(fixture->runtime, &wrong, &listener), -EINVAL);
    wrong = request;
    wrong.flags = 1u << 31;
    assert_status(weir_listen(fixture->runtime, &wrong, &listener), -EINVAL);
    wrong = request;
    wrong.address.as.any.sa_family = AF_NETLINK;
    assert_true(weir_listen(fixture->runtime, &wrong, &listener) < 0);
    assert_status(weir_listen(fixture->runtime, NULL, &listener), -EINVAL);
    assert_status(weir_listen(NULL, &request, &listener), -EINVAL);
    // An address of nobody here: documentation's own network.
    assert_status(weir_address_ip(&other, "192.0.2.1", 0), 0);
    wrong = request;
    wrong.address = other;
    assert_status(weir_listen(fixture->runtime, &wrong, &listener), -EADDRNOTAVAIL);
    assert_int_equal(listener.bits, 42);
    fixture_settle(fixture);
    assert_int_equal(heard->closed, 0);
    assert_status(weir_listener_address((weir_listener){0}, &other), -WEIR_ESTALE);
    assert_status(weir_listener_close((weir_listener){0}), -WEIR_ESTALE);
}

static void
reuseport_is_refused_beside_tcp(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    weir_listener listener = {0};

    heard_make(fixture, &request);
    request.flags = WEIR_LISTEN_REUSEPORT;
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EINVAL);
}

// An address in use has one listener.
static void
an_address_in_use_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    weir_listener listener = {0};
    weir_listener second = {0};

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    request.address = bound_address(listener);
    assert_status(weir_listen(fixture->runtime, &request, &second), -EADDRINUSE);
    assert_int_equal(second.bits, 0);
    transport_connect(fixture, &request.address, 0);
    wait_accepted(heard, 1);
}

// A port becomes free at the close, also while streams that came over it live on.
static void
an_address_can_be_listened_on_again_after_the_close(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    weir_listener listener = {0};

    request.flags = fixture->transport->bit == TRANSPORT_PATH ? WEIR_LISTEN_UNLINK : 0;
    for (unsigned round = 1; round <= 3; round++) {
        heard->closed = 0;
        assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
        request.address = bound_address(listener);
        transport_connect(fixture, &request.address, 0);
        wait_accepted(heard, round);
        assert_status(weir_listener_close(listener), 0);
        fixture_turn_until(fixture, is_closed, heard);
    }
    assert_int_equal(fixture_stats(fixture).streams_now, 3);
}

static const char *
path_of(const struct weir_address *address)
{
    return ((const struct sockaddr_un *)&address->as.any)->sun_path;
}

static bool
exists(const struct weir_address *address)
{
    struct stat status;

    return lstat(path_of(address), &status) == 0;
}

// H36: the path of a dead socket is in the way; with UNLINK it is removed before, and ours after.
static void
unlink_removes_a_dead_socket_before_and_ours_afterwards(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    weir_listener listener = {0};
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(dead >= 0);
    assert_int_equal(bind(dead, &request.address.as.any, request.address.size), 0);
    close(dead);
    assert_true(exists(&request.address));
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EADDRINUSE);
    assert_true(exists(&request.address));
    request.flags = WEIR_LISTEN_UNLINK;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    assert_true(exists(&request.address));
    transport_connect(fixture, &request.address, 0);
    wait_accepted(heard, 1);
    assert_status(weir_listener_close(listener), 0);
    fixture_turn_until(fixture, is_closed, heard);
    assert_false(exists(&request.address));
}

// Somebody else's live socket is not ours to remove; nor is a file.
static void
unlink_spares_what_is_alive_or_no_socket(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct weir_address alive;
    weir_listener listener = {0};
    int file;

    heard_make(fixture, &request);
    transport_listen(fixture, 0, &alive);
    file = open(path_of(&request.address), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    request.flags = WEIR_LISTEN_UNLINK;
    assert_true(weir_listen(fixture->runtime, &request, &listener) < 0);
    assert_true(exists(&request.address));
    request.address = alive;
    assert_status(weir_listen(fixture->runtime, &request, &listener), -EADDRINUSE);
    assert_true(exists(&alive));
    transport_connect(fixture, &alive, 0);
}

// Without UNLINK the path stays where it is.
static void
a_path_stays_without_unlink(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    weir_listener listener = {0};

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    assert_status(weir_listener_close(listener), 0);
    fixture_turn_until(fixture, is_closed, heard);
    assert_true(exists(&request.address));
}

static void
v6only_leaves_the_port_to_ipv4(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct weir_address any4 = {0};
    weir_listener first = {0};
    weir_listener second = {0};

    heard_make(fixture, &request);
    // The port was the kernel's choice for IPv6: somebody else may have it for IPv4. Then another.
    for (unsigned tries = 0; tries < 20; tries++) {
        int result;

        assert_status(weir_address_ip(&request.address, "::", 0), 0);
        request.flags = WEIR_LISTEN_V6ONLY;
        assert_status(weir_listen(fixture->runtime, &request, &first), 0);
        request.flags = 0;
        any4 = bound_address(first);
        assert_status(weir_address_ip(&request.address, "0.0.0.0", port_of(&any4)), 0);
        result = weir_listen(fixture->runtime, &request, &second);
        if (result == 0) {
            return;
        }
        assert_status(result, -EADDRINUSE);
        assert_status(weir_listener_close(first), 0);
    }
    fail_msg("twenty ports were all taken for IPv4");
}

// ---- placement --------------------------------------------------------------------------------

static struct fixture *
manual_loops(void **state, unsigned loops)
{
    return fixture_with(state,
                        &(struct weir_runtime_options){.loops = loops, .flags = WEIR_MANUAL});
}

static unsigned
count_on(struct heard *heard, unsigned loop)
{
    unsigned count = 0;

    for (unsigned index = 0; index < heard->accepted; index++) {
        count += heard->loops[index] == weir_runtime_loop(heard->fixture->runtime, loop);
    }
    return count;
}

// The loop with the fewest streams gets the next.
static void
connections_go_to_the_loop_with_the_fewest_streams(void **state)
{
    enum { LOOPS = 3, COUNT = 30 };
    struct fixture *fixture = manual_loops(state, LOOPS);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};

    // Six streams on the first loop to begin with.
    for (unsigned index = 0; index < 6; index++) {
        pair_open(fixture, &(struct pair_options){0});
    }
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    for (unsigned count = 1; count <= COUNT; count++) {
        transport_connect(fixture, &address, 0);
        wait_accepted(heard, count);
    }
    assert_int_equal(count_on(heard, 0) + 6, 12);
    assert_int_equal(count_on(heard, 1), 12);
    assert_int_equal(count_on(heard, 2), 12);
}

// The same in a burst and with threads: nobody is left out.
static void
a_burst_is_spread_over_the_loops(void **state)
{
    enum { LOOPS = 4, COUNT = 100 };
    struct fixture *fixture = fixture_threads(state, LOOPS);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    wait_accepted(heard, COUNT);
    for (unsigned loop = 0; loop < LOOPS; loop++) {
        assert_in_range(count_on(heard, loop), COUNT / LOOPS - 5, COUNT / LOOPS + 5);
    }
}

// One socket per loop, one address, one handle, one end.
static void
reuseport_has_one_socket_per_loop(void **state)
{
    enum { LOOPS = 4, COUNT = 100 };
    struct fixture *fixture = fixture_threads(state, LOOPS);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};
    unsigned used = 0;

    request.flags = WEIR_LISTEN_REUSEPORT;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    wait_accepted(heard, COUNT);
    for (unsigned loop = 0; loop < LOOPS; loop++) {
        used += count_on(heard, loop) > 0;
    }
    assert_true(used > 1);
    assert_status(weir_listener_close(listener), 0);
    fixture_turn_until(fixture, is_closed, heard);
    assert_int_equal(heard->closed, 1);
    assert_false(heard->late);
}

// ---- what the accept function may do ----------------------------------------------------------

struct greeter {
    struct fixture *fixture;
    struct events *events;
    int handlers;
    int write;
    int closed;
    bool refuse;
};

static void
greet(weir_listener listener, weir_stream stream, void *arg)
{
    struct greeter *greeter = arg;
    struct weir_write request = {
        .iov = &(struct iovec){"hello", 5}, .iov_count = 1, .flags = WEIR_COPY};

    (void)listener;
    callback_begin(greeter->fixture);
    events_add(greeter->events, "accepted");
    call_begin();
    greeter->handlers = weir_stream_set_handlers(stream, events_handlers(), greeter->events);
    if (greeter->refuse) {
        greeter->closed = weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else {
        greeter->write = weir_write(stream, &request, NULL);
    }
    call_end();
    callback_end();
}

static struct greeter *
open_greeter(struct fixture *fixture, bool refuse)
{
    struct greeter *greeter = fixture_memory(fixture, sizeof(*greeter));
    struct weir_listen request = {
        .address = transport_address(fixture), .accepted = greet, .arg = greeter};
    struct weir_address address;
    weir_listener listener = {0};

    *greeter = (struct greeter){.fixture = fixture, .events = events_make(fixture)};
    greeter->refuse = refuse;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    transport_connect(fixture, &address, 0);
    return greeter;
}

// It runs before the stream's other events, and everything is legal in it.
static void
the_accept_function_comes_first_and_may_do_anything(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct greeter *greeter = open_greeter(fixture, false);
    int peer = fixture->fds[fixture->fd_count - 1];
    char text[5];

    peer_write(fixture, peer, "abc", 3);
    events_wait(greeter->events, "data");
    assert_status(greeter->handlers, 0);
    assert_status(greeter->write, 0);
    assert_string_equal(greeter->events->list[0].name, "accepted");
    assert_int_equal(events_count(greeter->events, "accepted"), 1);
    peer_read_exact(fixture, peer, text, 5);
    assert_memory_equal(text, "hello", 5);
}

static void
the_accept_function_may_refuse(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct greeter *greeter = open_greeter(fixture, true);
    int peer = fixture->fds[fixture->fd_count - 1];

    events_wait(greeter->events, "closed");
    assert_status(greeter->closed, 0);
    peer_expect_reset(fixture, peer);
    assert_int_equal(events_count(greeter->events, "data"), 0);
}

// Nobody is called: the streams are there all the same.
static void
a_listener_needs_no_functions(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request = {.address = transport_address(fixture)};
    struct reader *reader = reader_make(fixture);
    struct weir_address address;
    weir_listener listener = {0};
    int peer;

    request.stream.handlers = &reader->handlers;
    request.stream.user = reader;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    peer = transport_connect(fixture, &address, 0);
    peer_write_pattern(fixture, peer, 5000, 0, 0);
    reader_wait_consumed(reader, 5000);
    assert_status(weir_listener_close(listener), 0);
    fixture_settle(fixture);
    assert_status(weir_listener_address(listener, &address), -WEIR_ESTALE);
    peer_write_pattern(fixture, peer, 5000, 5000, 0);
    reader_wait_consumed(reader, 10000);
}

// ---- the end ----------------------------------------------------------------------------------

// N-T10, contract 3.12: who stands in the backlog is accepted before the socket closes.
static void
the_backlog_is_accepted_before_the_close(void **state)
{
    enum { COUNT = 50 };
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};
    int fd;

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    fixture_settle(fixture);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    assert_int_equal(heard_accepted(heard), 0);
    call_begin();
    assert_status(weir_listener_close(listener), 0);
    call_end();
    fixture_turn_until(fixture, is_closed, heard);
    assert_int_equal(heard_accepted(heard), COUNT);
    assert_false(heard->late);
    assert_status(heard->status, 0);
    assert_int_equal(heard->closed, 1);
    // Streams live on; new ones find nobody.
    assert_int_equal(fixture_stats(fixture).streams_now, COUNT);
    fd = fixture_own_fd(fixture, socket(fixture->transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    assert_int_equal(connect(fd, &address.as.any, address.size), -1);
    assert_int_equal(errno, transport_refusal(fixture->transport));
    assert_status(weir_listener_close(listener), -WEIR_ESTALE);
    assert_status(weir_listener_address(listener, &address), -WEIR_ESTALE);
}

// A peer that connects again whenever it was accepted.
struct crowd {
    struct heard *heard;
    struct weir_address address;
    weir_accept_fn *accepted;
    int fds[ACCEPTED_MAX];
    unsigned count;
    unsigned most; // accepted in one turn
};

static void
connect_once_more(weir_listener listener, weir_stream stream, void *arg)
{
    struct crowd *crowd = arg;
    int fd = socket(crowd->address.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    on_accepted(listener, stream, crowd->heard);
    if (fd >= 0 && crowd->count < ACCEPTED_MAX) {
        crowd->fds[crowd->count++] = fd;
        (void)!connect(fd, &crowd->address.as.any, crowd->address.size);
    }
}

static void
crowd_closed(weir_listener listener, int status, void *arg)
{
    on_listener_closed(listener, status, ((struct crowd *)arg)->heard);
}

// What comes after the close is not waited for, and no turn is given to accepting alone.
static void
a_crowd_that_never_ends_does_not_keep_a_listener_open(void **state)
{
    enum { BACKLOG = 90, BATCH = 64 };
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct crowd *crowd = fixture_memory(fixture, sizeof(*crowd));
    weir_listener listener = {0};

    crowd->heard = heard_make(fixture, &request);
    request.backlog = BACKLOG;
    request.accepted = connect_once_more;
    request.closed = crowd_closed;
    request.arg = crowd;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    crowd->address = bound_address(listener);
    fixture_settle(fixture);
    for (unsigned count = 0; count < BACKLOG; count++) {
        transport_connect(fixture, &crowd->address, 0);
    }
    assert_status(weir_listener_close(listener), 0);
    while (crowd->heard->closed == 0 && crowd->heard->accepted < ACCEPTED_MAX) {
        unsigned before = crowd->heard->accepted;

        fixture_turn(fixture);
        crowd->most = crowd->heard->accepted - before > crowd->most
                          ? crowd->heard->accepted - before
                          : crowd->most;
    }
    for (unsigned i = 0; i < crowd->count; i++) {
        fixture_own_fd(fixture, crowd->fds[i]);
    }
    assert_int_equal(crowd->heard->closed, 1);
    assert_status(crowd->heard->status, 0);
    assert_true(crowd->heard->accepted >= BACKLOG);
    assert_true(crowd->heard->accepted <= BACKLOG + 1);
    assert_true(crowd->most <= BATCH);
    assert_false(crowd->heard->late);
}

// The runtime's stop does the same.
static void
the_backlog_is_accepted_before_the_stop(void **state)
{
    enum { COUNT = 20 };
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    assert_status(weir_runtime_stop(fixture->runtime, weir_deadline_after(MS(50))), 0);
    assert_int_equal(heard->accepted, COUNT);
    assert_int_equal(heard->closed, 1);
    assert_false(heard->late);
    assert_status(weir_listen(fixture->runtime, &request, &listener), -WEIR_EENDED);
}

// Many at once, more than the backlog of one turn.
static void
a_crowd_is_accepted_to_the_last(void **state)
{
    enum { COUNT = 250 };
    struct fixture *fixture = fixture_threads(state, 2);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};

    request.backlog = COUNT;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    wait_accepted(heard, COUNT);
    assert_int_equal(fixture_stats(fixture).streams_opened, COUNT);
}

// ---- no descriptors ---------------------------------------------------------------------------

static rlim_t
set_limit(rlim_t count)
{
    struct rlimit limit;
    rlim_t before;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

// The lowest descriptor that is free.
static int
next_fd(void)
{
    int fd = dup(STDERR_FILENO);

    assert_true(fd >= 0);
    close(fd);
    return fd;
}

struct passed {
    uint64_t until;
};

static bool
has_passed(void *arg)
{
    struct passed *passed = arg;

    return weir_now_ns() >= passed->until;
}

// Contract 3.12: accepting rests and tries again; it never spins, and it loses nobody.
static void
accepting_rests_while_descriptors_are_out(void **state)
{
    enum { COUNT = 5, WATCHED_MS = 200 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    struct weir_stats before;
    struct weir_stats after;
    struct passed passed;
    weir_listener listener = {0};
    rlim_t limit;

    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    transport_connect(fixture, &address, 0);
    wait_accepted(heard, 1);
    limit = set_limit((rlim_t)next_fd() + COUNT);
    before = fixture_stats(fixture);
    // The connecting side uses up all that is left.
    for (unsigned count = 0; count < COUNT; count++) {
        int fd = socket(fixture->transport->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0) {
            break;
        }
        fixture_own_fd(fixture, fd);
        if (connect(fd, &address.as.any, address.size) != 0) {
            break;
        }
    }
    passed.until = weir_deadline_after(MS(WATCHED_MS));
    fixture_turn_until(fixture, has_passed, &passed);
    after = fixture_stats(fixture);
    set_limit(limit);
    assert_true(after.turns - before.turns < 100);
    assert_true(after.system_accepts - before.system_accepts < 100);
    assert_true(heard_accepted(heard) < 1 + COUNT);
    wait_accepted(heard, fixture->fd_count);
    assert_int_equal(heard->closed, 0);
}

static unsigned warnings; // under nobody's lock: one thread

static void
count_warning(enum weir_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level == WEIR_LOG_WARNING && strstr(line, "backlog") != NULL) {
        warnings++;
    }
}

// Without descriptors the rest of a backlog cannot be accepted: it is dropped, and that is told.
static void
a_backlog_that_is_dropped_is_reported(void **state)
{
    enum { COUNT = 5, LEFT = 2 };
    struct fixture *fixture = fixture_with(
        state,
        &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL, .log = count_warning});
    struct weir_listen request;
    struct heard *heard = heard_make(fixture, &request);
    struct weir_address address;
    weir_listener listener = {0};
    rlim_t limit;

    warnings = 0;
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
    address = bound_address(listener);
    fixture_settle(fixture);
    for (unsigned count = 0; count < COUNT; count++) {
        transport_connect(fixture, &address, 0);
    }
    assert_status(weir_listener_close(listener), 0);
    limit = set_limit((rlim_t)next_fd() + LEFT);
    fixture_turn_until(fixture, is_closed, heard);
    set_limit(limit);
    assert_int_equal(heard->accepted, LEFT);
    assert_status(heard->status, -EMFILE);
    assert_int_equal(heard->closed, 1);
    assert_int_equal(warnings, 1);
}

// A listener that cannot have a descriptor says so and leaves nothing open.
static void
listening_without_a_descriptor_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen request;
    weir_listener listener = {0};
    rlim_t limit;
    int result;

    heard_make(fixture, &request);
    limit = set_limit((rlim_t)next_fd());
    result = weir_listen(fixture->runtime, &request, &listener);
    set_limit(limit);
    assert_status(result, -EMFILE);
    assert_int_equal(listener.bits, 0);
    assert_status(weir_listen(fixture->runtime, &request, &listener), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(the_bound_address_can_be_connected_to),
        ONCE(endpoints_are_listened_on),
        EACH(a_socket_that_listens_is_adopted_with_what_waits_there),
        EACH(what_does_not_listen_is_not_adopted_and_stays_the_callers),
        ONCE(impossible_requests_are_refused_and_leave_nothing_open),
        EACH_UNIX(reuseport_is_refused_beside_tcp),
        EACH(an_address_in_use_is_refused),
        EACH(an_address_can_be_listened_on_again_after_the_close),
        {"unlink_removes_a_dead_socket_before_and_ours_afterwards",
         unlink_removes_a_dead_socket_before_and_ours_afterwards, TRANSPORT_PATH},
        {"unlink_spares_what_is_alive_or_no_socket", unlink_spares_what_is_alive_or_no_socket,
         TRANSPORT_PATH},
        {"a_path_stays_without_unlink", a_path_stays_without_unlink, TRANSPORT_PATH},
        {"v6only_leaves_the_port_to_ipv4", v6only_leaves_the_port_to_ipv4, TRANSPORT_TCP6},
        EACH(connections_go_to_the_loop_with_the_fewest_streams),
        EACH(a_burst_is_spread_over_the_loops),
        EACH_TCP(reuseport_has_one_socket_per_loop),
        EACH(the_accept_function_comes_first_and_may_do_anything),
        EACH(the_accept_function_may_refuse),
        EACH(a_listener_needs_no_functions),
        EACH(the_backlog_is_accepted_before_the_close),
        EACH(a_crowd_that_never_ends_does_not_keep_a_listener_open),
        EACH(a_backlog_that_is_dropped_is_reported),
        EACH(the_backlog_is_accepted_before_the_stop),
        EACH(a_crowd_is_accepted_to_the_last),
        EACH(accepting_rests_while_descriptors_are_out),
        EACH(listening_without_a_descriptor_is_refused),
    };

    return RUN_CASES("conformance.net_listen", cases);
}
