// os: fake
// SPDX-License-Identifier: MIT
// Dialling names: what the resolver says is a script, time moves when told, and networks are silent
// or not as the test wants.

#include "netio/race.h"

#include "mem/heap.h"
#include "runtime/resolver.h"
#include "tests/lib/fake_names.h"
#include "tests/lib/os_fake.h"
#include "tests/lib/runtime_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { PORT = 80, LISTENERS = 4 };

static struct world {
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    int listeners[LISTENERS];
    unsigned listener_count;
    unsigned open; // descriptors that are not a dial's
    bool holds;    // look-ups, so that no answer comes
    weir_stream stream;
    unsigned started, closed, done;
    int start_status, done_status;
    struct weir_closed end;
    struct weir_address peer;
} world;

// ---- the world -------------------------------------------------------------------------------

static void
on_started(weir_stream stream, int status, void *user)
{
    (void)user;
    world.started++;
    world.start_status = status;
    world.peer.size = sizeof(world.peer.as);
    if (weir_stream_peer_address(stream, &world.peer.as.any, &world.peer.size) < 0) {
        world.peer.size = 0;
    }
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)user;
    world.closed++;
    world.end = *closed;
}

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    world.done++;
    world.done_status = result->status;
}

static void
hold(bool holds)
{
    world.holds = holds;
    fake_names_hold(holds);
}

static const struct weir_handlers handlers = {.started = on_started, .closed = on_closed};

static int
begin(void **state)
{
    struct weir_runtime_options options = {.loops = 1, .flags = WEIR_MANUAL};

    (void)state;
    os_fake_reset();
    fake_names_reset();
    memset(&world, 0, sizeof(world));
    assert_int_equal(weir_runtime_create(&options, &world.runtime), 0);
    world.loop = weir_runtime_loop(world.runtime, 0);
    loop_settle(world.loop);
    world.open = os_fake_open_count();
    return 0;
}

static int
end(void **state)
{
    (void)state;
    os_fake_fail(0, 0, false);
    hold(false);
    assert_int_equal(weir_runtime_stop(world.runtime, 0), 0);
    assert_int_equal(weir_runtime_free(world.runtime), 0);
    return 0;
}

static struct weir_address
address_of(const char *host)
{
    struct weir_address address;

    assert_int_equal(weir_address_ip(&address, host, PORT), 0);
    return address;
}

static void
listen_at(const char *host)
{
    struct weir_address address = address_of(host);
    int fd = wi_os_socket(address.as.any.sa_family);

    assert_int_equal(wi_os_bind(fd, &address.as.any, address.size), 0);
    assert_int_equal(wi_os_listen(fd, 8), 0);
    world.listeners[world.listener_count++] = fd;
    world.open++;
}

// The other end of a connection; -EAGAIN: none.
static int
accept_at(unsigned listener)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);

    return wi_os_accept(world.listeners[listener], (struct sockaddr *)&peer, &size);
}

static void
name(const char *host, const char *first, const char *second, const char *third)
{
    const char *addresses[] = {first, second, third, NULL};

    fake_names_set(host, addresses);
}

static int
dial_with(struct weir_dial *request)
{
    struct weir_endpoint endpoint;

    assert_int_equal(weir_endpoint_parse(&endpoint, "tcp://name.test:80", NULL), 0);
    request->endpoint = &endpoint;
    request->stream.handlers = &handlers;
    return weir_dial(world.loop, request, &world.stream);
}

static void
dial(void)
{
    assert_int_equal(dial_with(&(struct weir_dial){0}), 0);
}

// Turn the loop, without letting time pass, until nothing moves and no answer is on its way.
static void
settle(void)
{
    struct wi_loop *loop = wi_loop_of(world.loop);

    loop_settle(world.loop);
    // A loop counts what it waits for: streams and answers.
    while (loop->open_things > wi_load_relaxed(&loop->streams) && !world.holds) {
        sched_yield();
        loop_settle(world.loop);
    }
    loop_settle(world.loop);
}

static void
settle_inside(unsigned count)
{
    loop_settle(world.loop);
    while (fake_names_inside() != count) {
        sched_yield();
    }
    loop_settle(world.loop);
}

static void
pass(uint64_t ns)
{
    os_fake_advance(ns);
    settle();
}

static unsigned long
connects(void)
{
    return os_fake_calls_of(OS_CONNECT);
}

static void
assert_started_at(const char *host)
{
    struct weir_address address = address_of(host);

    assert_int_equal(world.started, 1);
    assert_int_equal(world.start_status, 0);
    assert_int_equal(world.closed, 0);
    assert_int_equal(world.peer.size, address.size);
    assert_memory_equal(&world.peer.as, &address.as, address.size);
    // The stream's socket and the other end of it; every loser is gone.
    assert_int_equal(os_fake_open_count(), world.open + 2);
}

static void
assert_failed(int status, enum weir_origin origin)
{
    assert_int_equal(world.started, 1);
    assert_int_equal(world.start_status, status);
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.end.status, status);
    assert_int_equal(world.end.origin, origin);
    assert_int_equal(os_fake_open_count(), world.open);
}

static struct weir_stats
stats(void)
{
    struct weir_stats stats;

    assert_int_equal(weir_stats(world.runtime, &stats), 0);
    return stats;
}

// ---- the order of addresses ------------------------------------------------------------------

static void
assert_order(const char *given, const char *expected)
{
    union wi_ip addresses[WI_QUERY_ADDRESSES];
    unsigned count = (unsigned)strlen(given);
    unsigned next4 = 0;
    unsigned next6 = 0;

    memset(addresses, 0, sizeof(addresses));
    for (unsigned i = 0; i < count; i++) {
        addresses[i].any.sa_family = given[i] == '6' ? AF_INET6 : AF_INET;
        addresses[i].in.sin_port = (in_port_t)i;
    }
    wi_race_interleave(addresses, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned *next = expected[i] == '6' ? &next6 : &next4;

        assert_int_equal(addresses[i].any.sa_family, expected[i] == '6' ? AF_INET6 : AF_INET);
        while (given[*next] != expected[i]) {
            (*next)++;
        }
        assert_int_equal(addresses[i].in.sin_port, (*next)++); // each family keeps its order
    }
}

static void
families_take_turns(void **state)
{
    (void)state;
    assert_order("6", "6");
    assert_order("64", "64");
    assert_order("46", "46");
    assert_order("666444", "646464");
    assert_order("444666", "464646");
    assert_order("66664", "64666");
    assert_order("46666", "46666");
    assert_order("4444", "4444");
    assert_order("664664", "646466");
}

static void
the_failure_that_tells_most_is_kept(void **state)
{
    static const int order[] = {0,          -EADDRNOTAVAIL, -ENETUNREACH, -EHOSTUNREACH,
                                -ETIMEDOUT, -EACCES,        -EMFILE,      -ECONNREFUSED};

    (void)state;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        for (size_t j = i; j < sizeof(order) / sizeof(order[0]); j++) {
            assert_int_equal(wi_race_worse(order[i], order[j]), order[j]);
            assert_int_equal(wi_race_worse(order[j], order[i]), order[j]);
        }
    }
}

// ---- starting --------------------------------------------------------------------------------

static void
a_name_is_resolved_and_its_address_dialled(void **state)
{
    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "127.0.0.1", NULL, NULL);
    dial();
    settle();
    assert_started_at("127.0.0.1");
    assert_int_equal(stats().names, 1);
    assert_int_equal(stats().names_failed, 0);
    assert_int_equal(stats().dial_attempts, 1);
}

static void
an_address_that_connects_inside_the_call_is_as_good(void **state)
{
    (void)state;
    os_fake_connect_at_once(true);
    listen_at("::1");
    name("name.test", "::1", "127.0.0.1", NULL);
    dial();
    settle();
    assert_started_at("::1");
    assert_int_equal(connects(), 1);
}

static void
the_next_address_is_tried_beside_a_silent_one_after_250_ms(void **state)
{
    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "2001:db8::1", "127.0.0.1", NULL);
    dial();
    settle();
    assert_int_equal(connects(), 1);
    pass(249 * MS);
    assert_int_equal(connects(), 1);
    assert_int_equal(world.started, 0);
    pass(1 * MS);
    assert_int_equal(connects(), 2);
    assert_started_at("127.0.0.1");
}

static void
the_delay_is_the_one_that_was_asked_for(void **state)
{
    struct weir_dial request = {.attempt_delay_ns = 10 * MS};

    (void)state;
    name("name.test", "2001:db8::1", "192.0.2.1", "2001:db8::2");
    assert_int_equal(dial_with(&request), 0);
    settle();
    pass(9 * MS);
    assert_int_equal(connects(), 1);
    pass(1 * MS);
    assert_int_equal(connects(), 2);
    pass(10 * MS);
    assert_int_equal(connects(), 3);
    pass(1000 * MS); // there is no other
    assert_int_equal(connects(), 3);
    assert_int_equal(world.started, 0);
    request.attempt_delay_ns = 10 * MS - 1;
    assert_int_equal(dial_with(&request), -EINVAL);
    request.attempt_delay_ns = 2000 * MS + 1;
    assert_int_equal(dial_with(&request), -EINVAL);
}

static void
a_refused_address_makes_way_at_once(void **state)
{
    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "::1", "127.0.0.1", NULL);
    dial();
    settle();
    assert_int_equal(connects(), 2);
    assert_started_at("127.0.0.1");
}

static void
an_address_without_a_way_makes_way_at_once(void **state)
{
    (void)state;
    listen_at("::1");
    name("name.test", "198.51.100.1", "::1", NULL);
    dial();
    settle();
    assert_started_at("::1");
}

// The first attempt goes on while the second one runs.
static void
the_first_to_connect_wins_whenever_it_began(void **state)
{
    struct weir_address first = address_of("2001:db8::1");

    (void)state;
    name("name.test", "2001:db8::1", "192.0.2.1", "2001:db8::2");
    dial();
    settle();
    pass(250 * MS);
    pass(250 * MS);
    assert_int_equal(os_fake_open_count(), world.open + 3);
    listen_at("2001:db8::1");
    assert_int_equal(os_fake_end_connects(&first.as.any, first.size, 0), 1);
    settle();
    assert_started_at("2001:db8::1");
}

static void
what_is_written_before_the_start_goes_behind_it(void **state)
{
    struct iovec piece = {(void *)(uintptr_t) "hello", 5};
    struct weir_write write = {.iov = &piece, .iov_count = 1, .done = on_done};
    char seen[8];
    int peer;

    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "2001:db8::1", "127.0.0.1", NULL);
    hold(true);
    dial();
    settle_inside(1);
    assert_int_equal(weir_write(world.stream, &write, NULL), 0);
    assert_int_equal(weir_queued(world.stream), 5);
    hold(false);
    settle();
    assert_int_equal(weir_write(world.stream, &write, NULL), 0);
    assert_int_equal(world.done, 0);
    pass(250 * MS);
    assert_started_at("127.0.0.1");
    assert_int_equal(world.done, 2);
    assert_int_equal(world.done_status, 0);
    peer = accept_at(0);
    assert_int_equal(wi_os_receive(peer, seen, sizeof(seen)), 8);
    assert_memory_equal(seen, "hellohel", 8);
}

static void
a_lazy_dial_resolves_when_it_is_started(void **state)
{
    struct iovec piece = {(void *)(uintptr_t) "hello", 5};
    struct weir_write write = {.iov = &piece, .iov_count = 1, .done = on_done, .flags = WEIR_START};

    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "127.0.0.1", NULL, NULL);
    assert_int_equal(dial_with(&(struct weir_dial){.flags = WEIR_DIAL_LAZY | WEIR_DIAL_FAST_OPEN}),
                     0);
    settle();
    assert_int_equal(fake_names_begun(), 0);
    assert_int_equal(weir_write(world.stream, &write, NULL), 0);
    settle();
    assert_int_equal(fake_names_begun(), 1);
    assert_started_at("127.0.0.1");
    assert_int_equal(world.done, 1);
}

static void
a_lazy_dial_that_is_never_started_resolves_nothing(void **state)
{
    (void)state;
    assert_int_equal(dial_with(&(struct weir_dial){.flags = WEIR_DIAL_LAZY}), 0);
    assert_int_equal(weir_close(world.stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    settle();
    assert_int_equal(fake_names_begun(), 0);
    assert_int_equal(world.started, 1);
    assert_int_equal(world.start_status, -WEIR_EENDED);
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.end.status, 0);
}

static void
only_addresses_of_the_bound_family_are_tried(void **state)
{
    struct weir_dial request = {0};

    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "2001:db8::1", "127.0.0.1", NULL);
    assert_int_equal(weir_address_ip(&request.bind, "127.0.0.1", 0), 0);
    assert_int_equal(dial_with(&request), 0);
    settle();
    assert_int_equal(connects(), 1);
    assert_started_at("127.0.0.1");
}

static void
an_address_that_cannot_be_reached_from_the_bound_one_is_none(void **state)
{
    struct weir_dial request = {0};

    (void)state;
    name("name.test", "2001:db8::1", NULL, NULL);
    assert_int_equal(weir_address_ip(&request.bind, "127.0.0.1", 0), 0);
    assert_int_equal(dial_with(&request), 0);
    settle();
    assert_failed(-EAFNOSUPPORT, WEIR_ORIGIN_TRANSPORT);
    assert_int_equal(stats().names_failed, 1);
}

// A name has more addresses than are tried.
static void
so_many_addresses_are_tried_and_no_more(void **state)
{
    const char *addresses[FAKE_NAMES_ADDRESSES];

    (void)state;
    for (unsigned i = 0; i < FAKE_NAMES_ADDRESSES - 1; i++) {
        addresses[i] = "192.0.2.1";
    }
    addresses[FAKE_NAMES_ADDRESSES - 1] = NULL;
    fake_names_set("name.test", addresses);
    dial();
    settle();
    for (unsigned i = 0; i < FAKE_NAMES_ADDRESSES; i++) {
        pass(250 * MS);
    }
    assert_int_equal(connects(), WI_QUERY_ADDRESSES);
    assert_int_equal(os_fake_open_count(), world.open + WI_QUERY_ADDRESSES);
}

// ---- failing ---------------------------------------------------------------------------------

static void
when_all_fail_the_most_telling_reason_is_told(void **state)
{
    struct weir_address silent = address_of("192.0.2.1");

    (void)state;
    name("name.test", "192.0.2.1", "::1", "198.51.100.1");
    dial();
    settle(); // refused by ::1, no way to the last: the first goes on
    assert_int_equal(connects(), 1);
    pass(250 * MS);
    assert_int_equal(connects(), 3);
    assert_int_equal(world.started, 0);
    assert_int_equal(os_fake_end_connects(&silent.as.any, silent.size, EHOSTUNREACH), 1);
    settle();
    assert_failed(-ECONNREFUSED, WEIR_ORIGIN_TRANSPORT);
    assert_int_equal(stats().dial_attempts, 3);
}

static void
a_name_without_an_address_says_so(void **state)
{
    (void)state;
    dial();
    settle();
    assert_failed(-WEIR_ENONAME, WEIR_ORIGIN_TRANSPORT);
    assert_int_equal(stats().names_failed, 1);
    assert_int_equal(connects(), 0);
}

static void
a_failing_name_server_is_told_apart(void **state)
{
    (void)state;
    fake_names_fail("name.test", WEIR_ENAMEFAIL);
    dial();
    settle();
    assert_failed(-WEIR_ENAMEFAIL, WEIR_ORIGIN_TRANSPORT);
}

static void
a_lookup_that_takes_too_long_is_etimedout(void **state)
{
    (void)state;
    hold(true);
    assert_int_equal(dial_with(&(struct weir_dial){.timeout_ns = 1000 * MS}), 0);
    settle_inside(1);
    os_fake_advance(999 * MS);
    loop_settle(world.loop);
    assert_int_equal(world.started, 0);
    os_fake_advance(1 * MS);
    loop_settle(world.loop);
    assert_failed(-ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    assert_int_equal(fake_names_inside(), 1); // nobody waits for it
}

static void
a_race_that_takes_too_long_is_etimedout(void **state)
{
    (void)state;
    name("name.test", "2001:db8::1", "192.0.2.1", NULL);
    assert_int_equal(dial_with(&(struct weir_dial){.timeout_ns = 300 * MS}), 0);
    settle();
    pass(250 * MS);
    assert_int_equal(os_fake_open_count(), world.open + 2);
    pass(49 * MS);
    assert_int_equal(world.started, 0);
    pass(1 * MS);
    assert_failed(-ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
}

// The look-up is part of the time.
static void
one_deadline_holds_for_lookup_and_race(void **state)
{
    (void)state;
    hold(true);
    name("name.test", "192.0.2.1", NULL, NULL);
    assert_int_equal(dial_with(&(struct weir_dial){.timeout_ns = 300 * MS}), 0);
    settle_inside(1);
    os_fake_advance(200 * MS);
    hold(false);
    settle();
    assert_int_equal(connects(), 1);
    pass(99 * MS);
    assert_int_equal(world.started, 0);
    pass(1 * MS);
    assert_failed(-ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
}

static void
without_a_thread_there_is_no_lookup(void **state)
{
    (void)state;
    os_fake_fail_call(OS_THREAD_START, 1, EAGAIN, true);
    dial();
    settle();
    assert_failed(-WEIR_ENAMESFULL, WEIR_ORIGIN_MEMORY);
    os_fake_fail_call(OS_THREAD_START, 0, 0, false);
    listen_at("127.0.0.1"); // and then there is one
    name("name.test", "127.0.0.1", NULL, NULL);
    world.started = world.closed = 0;
    dial();
    settle();
    assert_started_at("127.0.0.1");
}

// ---- ending it -------------------------------------------------------------------------------

static void
assert_aborted(void)
{
    assert_int_equal(weir_close(world.stream, WEIR_CLOSE_ABORT, 0, 7), 0);
    loop_settle(world.loop);
    assert_failed(-ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE);
    assert_int_equal(world.end.code, 7);
}

static void
an_abort_ends_a_lookup_at_once(void **state)
{
    (void)state;
    hold(true);
    dial();
    settle_inside(1);
    assert_aborted();
    assert_int_equal(fake_names_inside(), 1);
    hold(false);
    settle();
    assert_int_equal(connects(), 0);
}

static void
an_abort_ends_a_race_at_once(void **state)
{
    (void)state;
    name("name.test", "2001:db8::1", "192.0.2.1", NULL);
    dial();
    settle();
    pass(250 * MS);
    assert_int_equal(os_fake_open_count(), world.open + 2);
    assert_aborted();
    pass(1000 * MS);
    assert_int_equal(connects(), 2);
}

// Whether the answer is home already or not.
static void
an_abort_beside_the_answer_is_an_abort(void **state)
{
    (void)state;
    name("name.test", "192.0.2.1", NULL, NULL);
    for (unsigned i = 0; i < 200; i++) {
        world.started = world.closed = 0;
        dial();
        loop_settle(world.loop);
        for (unsigned spin = 0; spin < i; spin++) {
            sched_yield();
        }
        assert_aborted();
    }
    settle();
    assert_int_equal(os_fake_open_count(), world.open);
}

static void
a_token_ends_it_at_every_step(void **state)
{
    static const uint64_t steps[] = {0, 250 * MS, 500 * MS};

    (void)state;
    name("name.test", "2001:db8::1", "192.0.2.1", "2001:db8::2");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) + 1; i++) {
        weir_token token;

        world.started = world.closed = 0;
        hold(i == 0);
        assert_int_equal(weir_token_create(world.runtime, (weir_token){0}, &token), 0);
        dial();
        assert_int_equal(weir_token_bind(token, world.stream), 0);
        if (i == 0) {
            settle_inside(1);
        } else {
            settle();
            pass(steps[i - 1] / 2);
            pass(steps[i - 1] / 2);
        }
        assert_int_equal(weir_token_fire(token, 0, 3), 0);
        loop_settle(world.loop);
        assert_failed(-ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
        assert_int_equal(weir_token_free(token), 0);
    }
}

static void
a_close_bounds_the_lookup_and_goes_on_behind_the_start(void **state)
{
    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "127.0.0.1", NULL, NULL);
    hold(true);
    dial();
    settle_inside(1);
    assert_int_equal(weir_close(world.stream, WEIR_CLOSE_FLUSH, wi_os_now_ns() + 500 * MS, 0), 0);
    loop_settle(world.loop);
    assert_int_equal(world.closed, 0);
    hold(false);
    settle();
    assert_int_equal(world.started, 1);
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.end.status, 0);

    world.started = world.closed = 0;
    wi_os_close(accept_at(0));
    hold(true);
    dial();
    settle_inside(1);
    assert_int_equal(weir_close(world.stream, WEIR_CLOSE_FLUSH, wi_os_now_ns() + 500 * MS, 0), 0);
    loop_settle(world.loop);
    os_fake_advance(500 * MS);
    loop_settle(world.loop);
    assert_failed(-ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
}

static void
a_stop_leaves_a_lookup_behind_that_does_not_end(void **state)
{
    (void)state;
    hold(true);
    dial();
    settle_inside(1);
    assert_int_equal(weir_runtime_stop(world.runtime, wi_os_now_ns() + 100 * MS), 0);
    assert_failed(-ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    assert_int_equal(weir_runtime_free(world.runtime), 0);
    assert_int_equal(fake_names_inside(), 1);
    hold(false); // it ends on its own, and touches nothing of the runtime's
    while (fake_names_inside() != 0) {
        sched_yield();
    }
    begin(NULL);
}

// ---- many, and what fails --------------------------------------------------------------------

static void
slow_lookups_do_not_hold_up_others(void **state)
{
    (void)state;
    hold(true);
    for (unsigned i = 0; i < WI_RESOLVER_THREADS + 4; i++) {
        dial();
    }
    settle_inside(WI_RESOLVER_THREADS);
    assert_int_equal(fake_names_begun(), WI_RESOLVER_THREADS);
    hold(false);
    while (world.closed != WI_RESOLVER_THREADS + 4) {
        settle();
    }
    assert_int_equal(fake_names_begun(), WI_RESOLVER_THREADS + 4);
    assert_int_equal(stats().names_failed, WI_RESOLVER_THREADS + 4);
}

static void
so_many_lookups_may_wait_and_no_more(void **state)
{
    unsigned wanted = WI_RESOLVER_THREADS + WI_QUERIES_MAX;

    (void)state;
    hold(true);
    for (unsigned i = 0; i < WI_RESOLVER_THREADS; i++) {
        dial();
    }
    settle_inside(WI_RESOLVER_THREADS);
    for (unsigned i = 0; i < WI_QUERIES_MAX; i++) {
        dial();
        loop_settle(world.loop);
    }
    assert_int_equal(world.started, 0);
    dial();
    loop_settle(world.loop);
    assert_int_equal(world.started, 1);
    assert_int_equal(world.start_status, -WEIR_ENAMESFULL);
    hold(false);
    while (world.closed != wanted + 1) {
        settle();
    }
    assert_int_equal(world.started, wanted + 1);
}

// Each call that the kernel can refuse, refused once: it starts somewhere, or says why not.
static void
every_refusal_of_the_kernel_ends_well(void **state)
{
    unsigned long nth = 0;
    bool is_over = false;

    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "2001:db8::1", "::1", "127.0.0.1");
    while (!is_over) {
        world.started = world.closed = 0;
        os_fake_fail(++nth, EMFILE, false);
        dial();
        settle();
        pass(250 * MS);
        pass(250 * MS);
        if (world.started == 0) { // the one that was refused would have connected
            pass(30000 * MS);
        }
        is_over = os_fake_failed() == OS_CALLS;
        os_fake_fail(0, 0, false);
        assert_int_equal(world.started, 1);
        if (world.start_status == 0) {
            assert_int_equal(weir_close(world.stream, WEIR_CLOSE_ABORT, 0, 0), 0);
            settle();
        }
        for (int fd = accept_at(0); fd >= 0; fd = accept_at(0)) {
            wi_os_close(fd);
        }
        settle();
        assert_int_equal(world.closed, 1);
        assert_int_equal(os_fake_open_count(), world.open);
    }
    assert_true(nth > 8);
}

static void
without_memory_a_dial_is_refused_or_ends(void **state)
{
    unsigned long nth = 0;
    unsigned refused = 0;
    bool is_over = false;

    (void)state;
    listen_at("127.0.0.1");
    name("name.test", "127.0.0.1", NULL, NULL);
    while (!is_over) {
        int result;

        world.started = world.closed = 0;
        wi_heap_fail(++nth, false);
        result = dial_with(&(struct weir_dial){0});
        settle();
        is_over = wi_heap_fail_count() < nth;
        wi_heap_fail(0, false);
        assert_int_equal(world.started, result == 0);
        refused += result == -ENOMEM;
        assert_true(result == 0 || result == -ENOMEM);
        if (result == 0 && world.start_status == 0) {
            assert_int_equal(weir_close(world.stream, WEIR_CLOSE_ABORT, 0, 0), 0);
            settle();
            wi_os_close(accept_at(0));
        }
        assert_int_equal(world.closed, result == 0);
        assert_int_equal(os_fake_open_count(), world.open);
    }
    assert_true(refused >= 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(the_failure_that_tells_most_is_kept),
        CASE(a_name_is_resolved_and_its_address_dialled),
        CASE(an_address_that_connects_inside_the_call_is_as_good),
        CASE(the_next_address_is_tried_beside_a_silent_one_after_250_ms),
        CASE(the_delay_is_the_one_that_was_asked_for),
        CASE(a_refused_address_makes_way_at_once),
        CASE(an_address_without_a_way_makes_way_at_once),
        CASE(the_first_to_connect_wins_whenever_it_began),
        CASE(what_is_written_before_the_start_goes_behind_it),
        CASE(a_lazy_dial_resolves_when_it_is_started),
        CASE(a_lazy_dial_that_is_never_started_resolves_nothing),
        CASE(only_addresses_of_the_bound_family_are_tried),
        CASE(an_address_that_cannot_be_reached_from_the_bound_one_is_none),
        CASE(so_many_addresses_are_tried_and_no_more),
        CASE(when_all_fail_the_most_telling_reason_is_told),
        CASE(a_name_without_an_address_says_so),
        CASE(a_failing_name_server_is_told_apart),
        CASE(a_lookup_that_takes_too_long_is_etimedout),
        CASE(a_race_that_takes_too_long_is_etimedout),
        CASE(one_deadline_holds_for_lookup_and_race),
        CASE(without_a_thread_there_is_no_lookup),
        CASE(an_abort_ends_a_lookup_at_once),
        CASE(an_abort_ends_a_race_at_once),
        CASE(an_abort_beside_the_answer_is_an_abort),
        CASE(a_token_ends_it_at_every_step),
        CASE(a_close_bounds_the_lookup_and_goes_on_behind_the_start),
        CASE(a_stop_leaves_a_lookup_behind_that_does_not_end),
        CASE(slow_lookups_do_not_hold_up_others),
        CASE(so_many_lookups_may_wait_and_no_more),
        CASE(every_refusal_of_the_kernel_ends_well),
        CASE(without_memory_a_dial_is_refused_or_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
