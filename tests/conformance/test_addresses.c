// SPDX-License-Identifier: MIT
//
// Addresses: made from text, and a stream's own at every age.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

// ---- from text --------------------------------------------------------------------------------

static void
numbers_become_ip_addresses(void **state)
{
    struct weir_address address = {0};
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&address.as.any;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address.as.any;

    (void)state;
    assert_status(weir_address_ip(&address, "127.0.0.1", 80), 0);
    assert_int_equal(address.size, sizeof(*in4));
    assert_int_equal(in4->sin_family, AF_INET);
    assert_int_equal(ntohl(in4->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(in4->sin_port), 80);
    assert_status(weir_address_ip(&address, "::1", 65535), 0);
    assert_int_equal(address.size, sizeof(*in6));
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    assert_int_equal(ntohs(in6->sin6_port), 65535);
}

static void
what_is_no_number_is_refused(void **state)
{
    static const char *const wrong[] = {"",      "localhost",  "127.0.0",     "127.0.0.1.5",
                                        "::1::", "[::1]",      "256.0.0.1",   " 127.0.0.1",
                                        "1",     "127.0.0.1 ", "127.0.0.1:80"};
    struct weir_address address = {.size = 42};

    (void)state;
    for (unsigned index = 0; index < sizeof(wrong) / sizeof(wrong[0]); index++) {
        assert_status(weir_address_ip(&address, wrong[index], 1), -EINVAL);
    }
    assert_status(weir_address_ip(&address, NULL, 1), -EINVAL);
    assert_status(weir_address_ip(NULL, "::1", 1), -EINVAL);
    assert_int_equal(address.size, 42);
}

// H38: a path and its terminator; an abstract name without one.
static void
paths_become_unix_addresses(void **state)
{
    struct weir_address address = {0};
    const struct sockaddr_un *name = (const struct sockaddr_un *)&address.as.any;
    char path[sizeof(name->sun_path) + 1];

    (void)state;
    assert_status(weir_address_unix(&address, "/tmp/x"), 0);
    assert_int_equal(name->sun_family, AF_UNIX);
    assert_string_equal(name->sun_path, "/tmp/x");
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + 7);
    assert_status(weir_address_unix(&address, "@abc"), 0);
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + 4);
    assert_memory_equal(name->sun_path, "\0abc", 4);
    // The longest that fits, and one more.
    memset(path, 'a', sizeof(path));
    path[sizeof(name->sun_path) - 1] = '\0';
    assert_status(weir_address_unix(&address, path), 0);
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_status(weir_address_unix(&address, path), -ENAMETOOLONG);
    assert_status(weir_address_unix(&address, ""), -EINVAL);
    assert_status(weir_address_unix(&address, "@"), -EINVAL);
    assert_status(weir_address_unix(&address, NULL), -EINVAL);
    assert_status(weir_address_unix(NULL, "/tmp/x"), -EINVAL);
}

// ---- a stream's own ---------------------------------------------------------------------------

struct asked {
    weir_stream stream;
    socklen_t room;
    struct weir_address peer;
    struct weir_address local;
    int peer_result;
    int local_result;
};

static void
ask(void *arg)
{
    struct asked *asked = arg;

    asked->peer.size = asked->local.size = asked->room;
    asked->peer_result =
        weir_stream_peer_address(asked->stream, &asked->peer.as.any, &asked->peer.size);
    asked->local_result =
        weir_stream_local_address(asked->stream, &asked->local.as.any, &asked->local.size);
}

static struct asked *
asked_make(struct pair *pair)
{
    struct asked *asked = fixture_memory(pair->fixture, sizeof(*asked));

    asked->stream = pair->stream;
    asked->room = sizeof(asked->peer.as.storage);
    return asked;
}

static void
expect_address(struct weir_address *asked, const struct weir_address *told)
{
    assert_int_equal(asked->size, told->size);
    // Who dials over vsock has any context as his own, and the local one for his peer.
    if (told->as.any.sa_family == AF_VSOCK &&
        (asked->as.vm.svm_cid == WEIR_VSOCK_CID_ANY || told->as.vm.svm_cid == WEIR_VSOCK_CID_ANY)) {
        asked->as.vm.svm_cid = told->as.vm.svm_cid;
    }
    assert_memory_equal(&asked->as, &told->as, told->size);
}

// They are those that the kernel tells the plain end, crosswise.
static void
expect_addresses(struct pair *pair, const struct weir_address *peer,
                 const struct weir_address *local)
{
    struct asked *asked = asked_make(pair);

    loop_call(pair->fixture, pair->fixture->loop, ask, asked);
    assert_status(asked->peer_result, 0);
    assert_status(asked->local_result, 0);
    expect_address(&asked->peer, peer);
    expect_address(&asked->local, local);
}

static void
ask_the_kernel(int fd, struct weir_address *ret_own, struct weir_address *ret_other)
{
    *ret_own = *ret_other = (struct weir_address){.size = sizeof(struct sockaddr_storage)};
    assert_int_equal(getsockname(fd, &ret_own->as.any, &ret_own->size), 0);
    assert_int_equal(getpeername(fd, &ret_other->as.any, &ret_other->size), 0);
}

// N-T8, L2: at the start, after our end, after the peer's.
static void
addresses_outlive_every_shutdown(void **state)
{
    struct fixture *fixture = fixture_manual(state);

    for (unsigned made = PAIR_ADOPTED; made <= PAIR_ACCEPTED; made++) {
        struct pair *pair =
            pair_open(fixture, &(struct pair_options){.made = (enum pair_made)made});
        struct pair *other =
            pair_open(fixture, &(struct pair_options){.made = (enum pair_made)made});
        struct weir_address peer;
        struct weir_address local;

        ask_the_kernel(pair->peer, &peer, &local);
        expect_addresses(pair, &peer, &local);
        assert_status(weir_end(pair->stream), 0);
        events_wait(pair->events, "send_closed");
        expect_addresses(pair, &peer, &local);
        ask_the_kernel(other->peer, &peer, &local);
        fixture_close_fd(fixture, other->peer);
        events_wait(other->events, "peer_fin");
        expect_addresses(other, &peer, &local);
    }
}

struct last_look {
    struct events events; // the user pointer
    struct weir_handlers handlers;
    struct asked asked;
};

static void
look_inside_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct last_look *look = user;

    callback_begin(look->events.fixture);
    look->asked.stream = stream;
    ask(&look->asked);
    events_add_value(&look->events, "closed", closed->status);
    callback_end();
}

// L2: to the last callback; then the handle is stale.
static void
addresses_are_there_in_the_last_callback(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct last_look *look = fixture_memory(fixture, sizeof(*look));
    struct weir_address peer;
    struct weir_address local;
    struct pair *pair;

    events_join(fixture, &look->events);
    look->handlers = *events_handlers();
    look->handlers.closed = look_inside_closed;
    look->asked.room = sizeof(struct sockaddr_storage);
    pair = pair_open(fixture, &(struct pair_options){
                                  .stream = {.handlers = &look->handlers, .user = &look->events}});
    pair->events = &look->events;
    events_wait(pair->events, "started");
    ask_the_kernel(pair->peer, &peer, &local);
    close_anyhow(pair);
    assert_status(look->asked.peer_result, 0);
    assert_status(look->asked.local_result, 0);
    assert_int_equal(look->asked.peer.size, peer.size);
    assert_memory_equal(&look->asked.peer.as, &peer.as, peer.size);
    look->asked.stream = pair->stream;
    loop_call(fixture, fixture->loop, ask, &look->asked);
    assert_status(look->asked.peer_result, -WEIR_ESTALE);
    assert_status(look->asked.local_result, -WEIR_ESTALE);
}

// Elsewhere than on the loop; before the start.
static void
addresses_are_refused_where_they_cannot_be_given(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct asked *asked = asked_make(pair);
    struct weir_dial request = {.flags = WEIR_DIAL_LAZY};

    thread_call(fixture, ask, asked);
    assert_status(asked->peer_result, -EXDEV);
    assert_status(asked->local_result, -EXDEV);
    transport_listen(fixture, 0, &request.address);
    request.stream.handlers = events_handlers();
    request.stream.user = events_make(fixture);
    assert_status(weir_dial(fixture->loop, &request, &asked->stream), 0);
    asked->room = sizeof(struct sockaddr_storage);
    loop_call(fixture, fixture->loop, ask, asked);
    assert_status(asked->peer_result, -ENOTCONN);
    assert_status(asked->local_result, -ENOTCONN);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(numbers_become_ip_addresses),
        ONCE(what_is_no_number_is_refused),
        ONCE(paths_become_unix_addresses),
        EACH(addresses_outlive_every_shutdown),
        EACH(addresses_are_there_in_the_last_callback),
        ONCE(addresses_are_refused_where_they_cannot_be_given),
    };

    return RUN_CASES("conformance.addresses", cases);
}
