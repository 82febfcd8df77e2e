// SPDX-License-Identifier: MIT
//
// Null, stale, garbage and impossible arguments: the documented error each, for every public
// function, and nothing happens.
#include "tests/lib/fixture.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Bits that name nothing: empty, random, all set, and neighbours of a real one.
enum { GARBAGE = 9 };

static void
garbage_bits(uint64_t real, uint64_t *ret_bits)
{
    uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);

    ret_bits[0] = 0;
    ret_bits[1] = UINT64_MAX;
    ret_bits[2] = 1;
    ret_bits[3] = seed;
    ret_bits[4] = seed * seed;
    ret_bits[5] = ~seed;
    ret_bits[6] = UINT64_C(1) << 63;
    ret_bits[7] = real ^ (UINT64_C(1) << 63);
    ret_bits[8] = real ^ (UINT64_C(1) << 32);
}

static void
post_nothing(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void
timer_nothing(struct weir_loop *loop, int status, void *arg)
{
    (void)loop;
    (void)status;
    (void)arg;
}

static void
watch_nothing(weir_watch watch, unsigned events, void *arg)
{
    (void)watch;
    (void)events;
    (void)arg;
}

static void
signal_nothing(weir_watch watch, int number, void *arg)
{
    (void)watch;
    (void)number;
    (void)arg;
}

static void
read_nothing(weir_stream stream, struct weir_read_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    weir_chain_return(&result->chain);
}

static void
dump_nothing(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

// ---- streams ----------------------------------------------------------------------------------

// Every function that takes a stream and answers from any thread.
static void
expect_stale_stream(struct fixture *fixture, weir_stream stream)
{
    struct weir_write write = {0};
    struct weir_read read = {.done = read_nothing};
    struct weir_result result;
    struct weir_read_result read_result;
    struct weir_iter iter = {0};
    weir_token token;
    weir_op op = {.bits = 42};
    int result_of_commit;

    assert_status(weir_write(stream, &write, &op), -WEIR_ESTALE);
    assert_status(weir_write_wait(stream, &write, &result), -WEIR_ESTALE);
    assert_status(weir_produce(stream, &iter), -WEIR_ESTALE);
    // Neither a stream nor a section: either may be said.
    result_of_commit = weir_commit(stream, iter, NULL, &op);
    assert_true(result_of_commit == -WEIR_ESTALE || result_of_commit == -EINVAL);
    assert_status(weir_end(stream), -WEIR_ESTALE);
    assert_status(weir_resume_torn(stream), -WEIR_ESTALE);
    assert_status(weir_read(stream, &read, &op), -WEIR_ESTALE);
    assert_status(weir_read_wait(stream, &read, &read_result), -WEIR_ESTALE);
    assert_status(weir_consume(stream, 0, 0), -WEIR_ESTALE);
    assert_status(weir_pause(stream), -WEIR_ESTALE);
    assert_status(weir_resume(stream), -WEIR_ESTALE);
    assert_status(weir_stop_reading(stream, 0), -WEIR_ESTALE);
    assert_status(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0), -WEIR_ESTALE);
    assert_status(weir_closed_wait(stream, WEIR_NEVER), 0);
    assert_int_equal(weir_queued(stream), 0);
    assert_null(weir_stream_user(stream));
    assert_null(weir_stream_loop(stream));
    assert_status(weir_stream_status(stream), -WEIR_ESTALE);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    assert_status(weir_token_bind(token, stream), -WEIR_ESTALE);
    assert_status(weir_token_free(token), 0);
    assert_int_equal(op.bits, 42);
}

static void
streams_that_never_were_are_stale(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    uint64_t bits[GARBAGE];

    garbage_bits(pair->stream.bits, bits);
    for (unsigned index = 0; index < GARBAGE; index++) {
        expect_stale_stream(fixture, (weir_stream){bits[index]});
    }
    assert_status(weir_stream_status(pair->stream), 0);
    peer_expect_silence(fixture, pair->peer);
}

static void
streams_that_are_gone_are_stale(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    weir_stream gone[4];

    for (unsigned round = 0; round < 4; round++) {
        struct pair *pair = pair_open(fixture, &(struct pair_options){0});

        gone[round] = pair->stream;
        for (unsigned before = 0; before < round; before++) {
            assert_true(gone[before].bits != pair->stream.bits);
            expect_stale_stream(fixture, gone[before]);
        }
        assert_status(weir_stream_status(pair->stream), 0);
        assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0), 0);
        pair_wait_closed(pair);
        fixture_settle(fixture);
        expect_stale_stream(fixture, pair->stream);
    }
}

// A handle of one kind is garbage for another.
static void
handles_do_not_change_their_kind(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED});
    struct weir_address address;
    weir_token token;
    uint64_t stream = pair->stream.bits;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    expect_stale_stream(fixture, (weir_stream){token.bits});
    expect_stale_stream(fixture, (weir_stream){pair->listener.bits});
    assert_status(weir_token_fire((weir_token){stream}, 0, 0), -WEIR_ESTALE);
    assert_status(weir_token_free((weir_token){pair->listener.bits}), -WEIR_ESTALE);
    assert_int_equal(weir_cancel((weir_op){stream}), WEIR_CANCEL_LATE);
    assert_int_equal(weir_cancel((weir_op){token.bits}), WEIR_CANCEL_LATE);
    assert_status(weir_listener_close((weir_listener){stream}), -WEIR_ESTALE);
    assert_status(weir_listener_address((weir_listener){token.bits}, &address), -WEIR_ESTALE);
    assert_status(weir_watch_stop((weir_watch){stream}), -WEIR_ESTALE);
    assert_status(weir_stream_status(pair->stream), 0);
    assert_status(weir_token_status(token), 0);
    assert_status(weir_token_free(token), 0);
}

static void
a_good_stream_refuses_bad_requests(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct weir_write write = {.level = (enum weir_level)7};

    assert_status(weir_write(pair->stream, NULL, NULL), -EINVAL);
    assert_status(weir_write(pair->stream, &write, NULL), -EINVAL);
    write = (struct weir_write){.tear = (enum weir_tear)7};
    assert_status(weir_write(pair->stream, &write, NULL), -EINVAL);
    write = (struct weir_write){.tear = WEIR_TEAR_ABORT, .abort_code = WEIR_CODE_MAX + 1};
    assert_status(weir_write(pair->stream, &write, NULL), -EINVAL);
    assert_status(weir_produce(pair->stream, NULL), -EINVAL);
    assert_status(weir_commit(pair->stream, (struct weir_iter){0}, NULL, NULL), -EINVAL);
    assert_status(weir_resume_torn(pair->stream), -EINVAL);
    assert_status(weir_read(pair->stream, NULL, NULL), -EINVAL);
    assert_status(weir_stop_reading(pair->stream, WEIR_CODE_MAX + 1), -EINVAL);
    assert_status(weir_close(pair->stream, (enum weir_close_mode)9, 0, 0), -EINVAL);
    assert_status(weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, WEIR_CODE_MAX + 1), -EINVAL);
    assert_status(weir_take(pair->stream, 1, &(struct weir_chain){0}), -EINVAL);
    assert_status(weir_consume(pair->stream, 0, 0), -EALREADY);
    fixture_settle(fixture);
    events_expect(pair->events, "started");
    peer_expect_silence(fixture, pair->peer);
}

// The loop's own functions, from elsewhere.
static void
functions_of_the_loop_are_exdev_elsewhere(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.pull = true});
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    uint8_t buffer[16];

    assert_status(weir_stream_set_user(pair->stream, NULL), -EXDEV);
    assert_status(weir_stream_set_handlers(pair->stream, events_handlers(), NULL), -EXDEV);
    assert_status(weir_stream_peer_address(pair->stream, (struct sockaddr *)&address, &size),
                  -EXDEV);
    assert_status(weir_stream_local_address(pair->stream, (struct sockaddr *)&address, &size),
                  -EXDEV);
    assert_status(weir_provide(pair->stream, buffer, sizeof(buffer)), -EXDEV);
    assert_status(weir_dump(fixture->loop, dump_nothing, NULL), -EXDEV);
    assert_null(weir_stream_user(pair->stream));
    assert_true(weir_stream_loop(pair->stream) == fixture->loop);
}

struct on_loop {
    struct fixture *fixture;
    weir_stream stale;
    weir_stream good;
    int results[12];
};

static void
call_on_loop(void *arg)
{
    struct on_loop *here = arg;
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    uint8_t buffer[16];
    int *results = here->results;

    results[0] = weir_stream_set_user(here->stale, NULL);
    results[1] = weir_stream_set_handlers(here->stale, events_handlers(), NULL);
    results[2] = weir_stream_peer_address(here->stale, (struct sockaddr *)&address, &size);
    results[3] = weir_stream_local_address(here->stale, (struct sockaddr *)&address, &size);
    results[4] = weir_provide(here->stale, buffer, sizeof(buffer));
    results[5] = weir_stream_peer_address(here->good, NULL, &size);
    results[6] = weir_stream_local_address(here->good, (struct sockaddr *)&address, NULL);
    results[7] = weir_provide(here->good, NULL, 10);
    results[8] = weir_dump(here->fixture->loop, NULL, NULL);
}

static void
functions_of_the_loop_check_their_arguments(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct on_loop *here = fixture_memory(fixture, sizeof(*here));

    here->fixture = fixture;
    here->good = pair_open(fixture, &(struct pair_options){.pull = true})->stream;
    loop_call(fixture, fixture->loop, call_on_loop, here);
    for (unsigned index = 0; index < 9; index++) {
        int expected = index < 5 ? -WEIR_ESTALE : -EINVAL;

        if (here->results[index] != expected) {
            fixture_fail(fixture, "call %u on the loop answered %d, not %d", index,
                         here->results[index], expected);
        }
    }
}

// ---- adopting, dialling, listening ------------------------------------------------------------

static void
expect_no_adoption(struct fixture *fixture, int fd, int expected)
{
    struct weir_stream_options options = {0};
    weir_stream stream = {.bits = 42};

    assert_status(weir_adopt(fixture->loop, fd, &options, &stream), expected);
    assert_int_equal(stream.bits, 42);
    if (expected != -EBADF) {
        // Not taken: still the caller's, still open.
        assert_true(fcntl(fd, F_GETFD) >= 0);
    }
}

static void
what_is_no_connected_stream_is_not_adopted(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_stream_options options = {0};
    weir_stream stream;
    int fds[2];
    int fd;

    expect_no_adoption(fixture, -1, -EBADF);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    fixture_own_fd(fixture, fds[0]);
    fixture_own_fd(fixture, fds[1]);
    expect_no_adoption(fixture, fds[0], -ENOTSOCK);
    fd = fixture_own_fd(fixture, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    expect_no_adoption(fixture, fd, -ENOTSUP);
    fd = fixture_own_fd(fixture, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    expect_no_adoption(fixture, fd, -ENOTSUP);
    fd = fixture_own_fd(fixture, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect_no_adoption(fixture, fd, -ENOTCONN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    fixture_own_fd(fixture, fds[0]);
    fixture_own_fd(fixture, fds[1]);
    assert_status(weir_adopt(NULL, fds[0], &options, &stream), -EINVAL);
    assert_status(weir_adopt(fixture->loop, fds[0], &options, NULL), -EINVAL);
    options.flags = 1u << 31;
    assert_status(weir_adopt(fixture->loop, fds[0], &options, &stream), -EINVAL);
    fixture_settle(fixture);
    assert_int_equal(fixture_stats(fixture).streams_now, 0);
}

static void
bad_addresses_are_refused(void **state)
{
    struct weir_address address;
    char path[200];

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_status(weir_address_ip(NULL, "127.0.0.1", 0), -EINVAL);
    assert_status(weir_address_ip(&address, NULL, 0), -EINVAL);
    assert_status(weir_address_ip(&address, "", 0), -EINVAL);
    assert_status(weir_address_ip(&address, "localhost", 0), -EINVAL);
    assert_status(weir_address_ip(&address, "127.0.0.256", 0), -EINVAL);
    assert_status(weir_address_ip(&address, "::g", 0), -EINVAL);
    assert_status(weir_address_unix(NULL, "x"), -EINVAL);
    assert_status(weir_address_unix(&address, NULL), -EINVAL);
    assert_status(weir_address_unix(&address, ""), -EINVAL);
    assert_status(weir_address_unix(&address, path), -ENAMETOOLONG);
    path[0] = '@';
    assert_status(weir_address_unix(&address, path), -ENAMETOOLONG);
    assert_status(weir_address_ip(&address, "127.0.0.1", 80), 0);
    assert_int_equal(address.as.any.sa_family, AF_INET);
    assert_status(weir_address_ip(&address, "::1", 80), 0);
    assert_int_equal(address.as.any.sa_family, AF_INET6);
}

static void
bad_listens_and_dials_are_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_listen listen_request = {.address = transport_address(fixture)};
    struct weir_dial dial_request = {.address = transport_address(fixture)};
    struct weir_address address;
    weir_listener listener = {.bits = 42};
    weir_listener twin;
    weir_stream stream = {.bits = 42};

    assert_status(weir_listen(NULL, &listen_request, &listener), -EINVAL);
    assert_status(weir_listen(fixture->runtime, NULL, &listener), -EINVAL);
    assert_status(weir_listen(fixture->runtime, &listen_request, NULL), -EINVAL);
    listen_request.flags = 1u << 31;
    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), -EINVAL);
    listen_request.flags = 0;
    listen_request.address.size = 0;
    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), -EINVAL);
    assert_status(weir_dial(NULL, &dial_request, &stream), -EINVAL);
    assert_status(weir_dial(fixture->loop, NULL, &stream), -EINVAL);
    assert_status(weir_dial(fixture->loop, &dial_request, NULL), -EINVAL);
    dial_request.flags = 1u << 31;
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EINVAL);
    dial_request.flags = 0;
    dial_request.address.size = 0;
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EINVAL);
    dial_request.address = transport_address(fixture);
    dial_request.address.as.any.sa_family = AF_NETLINK;
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EAFNOSUPPORT);
    assert_int_equal(listener.bits, 42);
    assert_int_equal(stream.bits, 42);

    listen_request.address = transport_address(fixture);
    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), 0);
    assert_status(weir_listener_address(listener, NULL), -EINVAL);
    assert_status(weir_listener_address(listener, &listen_request.address), 0);
    assert_status(weir_listen(fixture->runtime, &listen_request, &twin), -EADDRINUSE);
    assert_status(weir_listener_close(listener), 0);
    fixture_settle(fixture);
    assert_status(weir_listener_close(listener), -WEIR_ESTALE);
    assert_status(weir_listener_address(listener, &address), -WEIR_ESTALE);
}

// H36: endpoints of a kind that is not for this, or of none.
static void
endpoints_that_lead_nowhere_are_refused(void **state)
{
    static const struct {
        const char *text;
        int dialled, listened;
    } kinds[] = {
        {"tcp://*:80", -EINVAL, 0},
        {"tcp://localhost:80", 0, -EINVAL},
        {"hvsock://any/80", -ENOTSUP, -ENOTSUP},
    };
    struct fixture *fixture = fixture_manual(state);
    struct weir_endpoint endpoint = {0};
    struct weir_listen listen_request = {.endpoint = &endpoint};
    struct weir_dial dial_request = {.endpoint = &endpoint};
    weir_listener listener = {.bits = 42};
    weir_stream stream = {.bits = 42};

    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), -EINVAL);
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EINVAL);
    endpoint.kind = (enum weir_endpoint_kind)99;
    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), -EINVAL);
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EINVAL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_status(weir_endpoint_parse(&endpoint, kinds[i].text, NULL), 0);
        if (kinds[i].listened != 0) {
            assert_status(weir_listen(fixture->runtime, &listen_request, &listener),
                          kinds[i].listened);
        }
        if (kinds[i].dialled != 0) {
            assert_status(weir_dial(fixture->loop, &dial_request, &stream), kinds[i].dialled);
        }
    }
    assert_status(weir_endpoint_parse(&endpoint, "tcp://127.0.0.1:0", NULL), 0);
    listen_request.address = transport_address(fixture); // and an address as well
    dial_request.address = listen_request.address;
    assert_status(weir_listen(fixture->runtime, &listen_request, &listener), -EINVAL);
    assert_status(weir_dial(fixture->loop, &dial_request, &stream), -EINVAL);
    assert_int_equal(listener.bits, 42);
    assert_int_equal(stream.bits, 42);
}

static void
listeners_that_never_were_are_stale(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.made = PAIR_ACCEPTED});
    struct weir_address address;
    uint64_t bits[GARBAGE];

    garbage_bits(pair->listener.bits, bits);
    for (unsigned index = 0; index < GARBAGE; index++) {
        assert_status(weir_listener_close((weir_listener){bits[index]}), -WEIR_ESTALE);
        assert_status(weir_listener_address((weir_listener){bits[index]}, &address), -WEIR_ESTALE);
    }
    assert_status(weir_listener_address(pair->listener, &address), 0);
}

// ---- operations, tokens -----------------------------------------------------------------------

static void
operations_that_never_were_are_late(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    uint64_t bits[GARBAGE];
    weir_op op;

    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    fixture_settle(fixture);
    garbage_bits(op.bits, bits);
    for (unsigned index = 0; index < GARBAGE; index++) {
        assert_int_equal(weir_cancel((weir_op){bits[index]}), WEIR_CANCEL_LATE);
        assert_false(weir_op_is_busy((weir_op){bits[index]}));
        assert_status(weir_op_wait((weir_op){bits[index]}, WEIR_NEVER), 0);
    }
    fixture_settle(fixture);
    assert_int_equal(recorder_count(recorder), 0);
    assert_true(weir_op_is_busy(op));
}

static void
tokens_that_never_were_are_stale(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    uint64_t bits[GARBAGE];
    weir_token real;
    weir_token child = {.bits = 42};

    assert_status(weir_token_create(NULL, (weir_token){0}, &real), -EINVAL);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, NULL), -EINVAL);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &real), 0);
    garbage_bits(real.bits, bits);
    for (unsigned index = 0; index < GARBAGE; index++) {
        weir_token token = {bits[index]};

        assert_status(weir_token_fire(token, 0, 0), -WEIR_ESTALE);
        assert_status(weir_token_status(token), -WEIR_ESTALE);
        assert_status(weir_token_free(token), -WEIR_ESTALE);
        assert_status(weir_token_bind(token, pair->stream), -WEIR_ESTALE);
        if (token.bits != 0) {
            assert_true(weir_token_create(fixture->runtime, token, &child) < 0);
            request.token = token;
            assert_status(submit(fixture, pair->stream, &request, NULL), -WEIR_ESTALE);
        }
    }
    assert_int_equal(child.bits, 42);
    assert_status(weir_token_status(real), 0);
    assert_status(weir_token_free(real), 0);
    peer_expect_silence(fixture, pair->peer);
}

// ---- runtime, loop ----------------------------------------------------------------------------

static void
impossible_runtimes_are_refused(void **state)
{
    static const struct weir_runtime_options wrong[] = {
        {.loops = 257},
        {.loops = 1, .lane_entries = 3},
        {.loops = 1, .lane_entries = 1000},
        {.loops = 1, .flags = 1u << 31},
    };
    struct weir_runtime *runtime = NULL;

    (void)state;
    assert_status(weir_runtime_create(NULL, NULL), -EINVAL);
    for (unsigned index = 0; index < sizeof(wrong) / sizeof(wrong[0]); index++) {
        assert_status(weir_runtime_create(&wrong[index], &runtime), -EINVAL);
        assert_null(runtime);
    }
    assert_status(weir_runtime_free(NULL), 0);
}

static void
a_runtime_is_stopped_before_it_is_freed(void **state)
{
    struct weir_runtime_options options = {.loops = 2, .flags = WEIR_MANUAL};
    struct weir_runtime *runtime;
    weir_token token;
    weir_stream stream;
    int fds[2];

    (void)state;
    assert_status(weir_runtime_create(&options, &runtime), 0);
    assert_int_equal(weir_runtime_loop_count(runtime), 2);
    assert_null(weir_runtime_loop(runtime, 2));
    assert_null(weir_loop_current());
    assert_true(weir_loop_runtime(weir_runtime_loop(runtime, 1)) == runtime);
    assert_status(weir_runtime_free(runtime), -EBUSY);
    assert_status(weir_runtime_stop(runtime, weir_now_ns()), 0);
    assert_status(weir_runtime_stop(runtime, weir_now_ns()), -EALREADY);
    // Stopped: no new work.
    assert_status(weir_post(weir_runtime_loop(runtime, 0), post_nothing, NULL), -WEIR_EENDED);
    assert_status(weir_timer_start(weir_runtime_loop(runtime, 0),
                                   &(struct weir_timer){.deadline_ns = 1, .fn = timer_nothing},
                                   NULL),
                  -WEIR_EENDED);
    assert_status(weir_token_create(runtime, (weir_token){0}, &token), -WEIR_EENDED);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_status(weir_adopt(weir_runtime_loop(runtime, 0), fds[0],
                             &(struct weir_stream_options){0}, &stream),
                  -WEIR_EENDED);
    close(fds[0]);
    close(fds[1]);
    assert_status(weir_runtime_free(runtime), 0);
}

static void
loops_with_threads_are_not_turned_by_hand(void **state)
{
    struct fixture *fixture = fixture_threads(state, 1);

    assert_status(weir_loop_turn(fixture->loop, 0), -EINVAL);
    assert_status(weir_loop_fd(fixture->loop), -EINVAL);
}

static void
bad_work_for_a_loop_is_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_timer timer = {.deadline_ns = 1};
    struct weir_stats stats;
    int regular = fixture_own_fd(fixture, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    int usr1 = SIGUSR1;
    int too_high = 4096;
    weir_watch watch = {.bits = 42};

    assert_status(weir_post(fixture->loop, NULL, NULL), -EINVAL);
    assert_status(weir_post(NULL, post_nothing, NULL), -EINVAL);
    assert_status(weir_timer_start(fixture->loop, NULL, NULL), -EINVAL);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), -EINVAL);
    timer.fn = timer_nothing;
    assert_status(weir_timer_start(NULL, &timer, NULL), -EINVAL);
    timer.token.bits = 12345;
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), -WEIR_ESTALE);
    assert_status(weir_watch_start(fixture->loop, -1, WEIR_WATCH_IN, watch_nothing, NULL, &watch),
                  -EBADF);
    assert_status(
        weir_watch_start(fixture->loop, regular, WEIR_WATCH_IN, watch_nothing, NULL, &watch),
        -EPERM);
    assert_status(weir_watch_start(fixture->loop, 0, WEIR_WATCH_IN, NULL, NULL, &watch), -EINVAL);
    assert_status(weir_watch_start(NULL, 0, WEIR_WATCH_IN, watch_nothing, NULL, &watch), -EINVAL);
    assert_status(weir_signal_start(fixture->loop, &too_high, 1, signal_nothing, NULL, &watch),
                  -EINVAL);
    assert_status(weir_signal_start(fixture->loop, &usr1, 1, NULL, NULL, &watch), -EINVAL);
    assert_status(weir_signal_start(fixture->loop, NULL, 1, signal_nothing, NULL, &watch), -EINVAL);
    assert_int_equal(watch.bits, 42);
    assert_status(weir_watch_stop((weir_watch){0}), -WEIR_ESTALE);
    assert_status(weir_watch_stop((weir_watch){UINT64_MAX}), -WEIR_ESTALE);
    assert_status(weir_loop_stats(NULL, &stats), -EINVAL);
    assert_status(weir_loop_stats(fixture->loop, NULL), -EINVAL);
    assert_status(weir_stats(NULL, &stats), -EINVAL);
    assert_status(weir_stats(fixture->runtime, NULL), -EINVAL);
}

// ---- pool -------------------------------------------------------------------------------------

static void
the_default_iterator_is_refused_or_ignored(void **state)
{
    struct weir_iter none = {0};
    struct weir_chain chain = {0};
    struct weir_segment segment;
    uint64_t value;
    size_t size;

    (void)state;
    assert_true(weir_iter_is_default(&none));
    assert_true(weir_iter_is_end(&none));
    assert_status(weir_iter_take(&none), -EINVAL);
    assert_status(weir_iter_peek(&none), -EINVAL);
    assert_status(weir_iter_peek_u64(&none, &value), -EINVAL);
    assert_status(weir_iter_skip(&none, 1), -EINVAL);
    assert_true(weir_iter_seek(&none, 1, 1, 1) < 0);
    assert_status(weir_iter_put(&none, 1), -EINVAL);
    assert_status(weir_iter_length(none, none, &size), -EINVAL);
    assert_int_equal(weir_iter_copy_out(&none, NULL, 10), 0);
    assert_status(weir_iter_append(&none, "x", 1), -EINVAL);
    assert_status(weir_iter_append_ascii(&none, "x"), -EINVAL);
    assert_false(weir_iter_segment(&none, none, &segment));
    assert_status(weir_chain_append(&chain, NULL, 1), -EINVAL);
    assert_status(weir_chain_append_block(&chain, NULL, 0), -EINVAL);
    assert_status(weir_chain_consume(&chain, 1), -EINVAL);
    assert_status(weir_chain_split(&chain, 1, &(struct weir_chain){0}), -EINVAL);
    weir_chain_return(&chain);
    assert_int_equal(weir_chain_size(&chain), 0);
    assert_null(weir_shared_create("x", 0));
    weir_shared_unref(NULL);
}

static void
a_block_holds_no_more_than_its_capacity(void **state)
{
    struct weir_block *block = weir_block_lease(100);
    struct weir_chain chain = {0};

    (void)state;
    assert_non_null(block);
    assert_status(weir_chain_append_block(&chain, block, weir_block_capacity(block) + 1), -EINVAL);
    weir_block_return(block);
}

// ---- names ------------------------------------------------------------------------------------

// Every status of the headers has its own text; what is none has a text all the same.
static void
every_status_and_origin_has_a_name(void **state)
{
    static const int statuses[] = {
        0,
        WEIR_ESTALE,
        WEIR_EENDED,
        WEIR_ETORN,
        WEIR_ESTREAMFULL,
        WEIR_ELANEFULL,
        ECANCELED,
        WEIR_ELOOPFULL,
        WEIR_EPROCFULL,
        EINVAL,
        ENOTSUP,
        ECHILD,
        ETIMEDOUT,
        EDEADLK,
        EAGAIN,
        ENOMEM,
        EPIPE,
        ECONNRESET,
        EALREADY,
        EBUSY,
        ELOOP,
        EXDEV,
        ENODATA,
        EILSEQ,
    };
    enum { COUNT = sizeof(statuses) / sizeof(statuses[0]) };

    (void)state;
    for (unsigned index = 0; index < COUNT; index++) {
        const char *text = weir_strerror(-statuses[index]);

        assert_non_null(text);
        assert_true(text[0] != '\0');
        for (unsigned other = 0; other < index; other++) {
            assert_string_not_equal(text, weir_strerror(-statuses[other]));
        }
    }
    assert_non_null(weir_strerror(-99999));
    assert_non_null(weir_strerror(1));
    for (unsigned origin = WEIR_ORIGIN_NONE; origin <= WEIR_ORIGIN_MEMORY; origin++) {
        assert_non_null(weir_origin_name((enum weir_origin)origin));
        for (unsigned other = 0; other < origin; other++) {
            assert_string_not_equal(weir_origin_name((enum weir_origin)origin),
                                    weir_origin_name((enum weir_origin)other));
        }
    }
    assert_non_null(weir_origin_name((enum weir_origin)1000));
    assert_string_equal(weir_version(), "0.1.0");
}

// ---- fork -------------------------------------------------------------------------------------

// The number of the first call that does not answer -ECHILD, or 0.
static int
call_in_child(struct fixture *fixture, struct pair *pair, weir_token token, weir_op op)
{
    struct weir_write write = {0};
    struct weir_read read = {.done = read_nothing};
    struct weir_timer timer = {.deadline_ns = 1, .fn = timer_nothing};
    struct weir_listen listen_request = {.address = transport_address(fixture)};
    struct weir_dial dial_request = {.address = transport_address(fixture)};
    struct weir_stats stats;
    struct weir_iter iter;
    struct weir_stream_options options = {0};
    weir_listener listener;
    weir_stream stream;
    weir_token child;
    weir_watch watch;
    const int results[] = {
        weir_write(pair->stream, &write, NULL),
        weir_end(pair->stream),
        weir_produce(pair->stream, &iter),
        weir_resume_torn(pair->stream),
        weir_read(pair->stream, &read, NULL),
        weir_pause(pair->stream),
        weir_resume(pair->stream),
        weir_stop_reading(pair->stream, 0),
        weir_close(pair->stream, WEIR_CLOSE_ABORT, 0, 0),
        weir_closed_wait(pair->stream, 0),
        weir_cancel(op),
        weir_op_wait(op, 0),
        weir_token_create(fixture->runtime, (weir_token){0}, &child),
        weir_token_fire(token, 0, 0),
        weir_post(fixture->loop, post_nothing, NULL),
        weir_timer_start(fixture->loop, &timer, NULL),
        weir_watch_start(fixture->loop, 0, WEIR_WATCH_IN, watch_nothing, NULL, &watch),
        weir_listen(fixture->runtime, &listen_request, &listener),
        weir_dial(fixture->loop, &dial_request, &stream),
        weir_adopt(fixture->loop, pair->peer, &options, &stream),
        weir_loop_turn(fixture->loop, 0),
        weir_stats(fixture->runtime, &stats),
        weir_runtime_stop(fixture->runtime, 0),
        weir_runtime_free(fixture->runtime),
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
in_a_forked_child_every_call_is_echild(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_write request = request_make(recorder, 0, 10);
    weir_token token;
    weir_op op;
    int status = 0;
    pid_t child;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &token), 0);
    assert_status(submit(fixture, pair->stream, &request, &op), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(10);
        _exit(call_in_child(fixture, pair, token, op));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fixture_fail(fixture, "in the child call number %d did not answer -ECHILD (status %#x)",
                     WEXITSTATUS(status), (unsigned)status);
    }
    // The parent is as it was.
    pair_unstuff(pair);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    recorder_wait(recorder, 1);
    assert_status(recorder_of(recorder, 0).status, 0);
    assert_status(weir_token_free(token), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(streams_that_never_were_are_stale),
        EACH(streams_that_are_gone_are_stale),
        ONCE(handles_do_not_change_their_kind),
        EACH(a_good_stream_refuses_bad_requests),
        EACH(functions_of_the_loop_are_exdev_elsewhere),
        EACH(functions_of_the_loop_check_their_arguments),
        ONCE(what_is_no_connected_stream_is_not_adopted),
        ONCE(bad_addresses_are_refused),
        EACH(bad_listens_and_dials_are_refused),
        ONCE(endpoints_that_lead_nowhere_are_refused),
        ONCE(listeners_that_never_were_are_stale),
        ONCE(operations_that_never_were_are_late),
        ONCE(tokens_that_never_were_are_stale),
        ONCE(impossible_runtimes_are_refused),
        ONCE(a_runtime_is_stopped_before_it_is_freed),
        ONCE(loops_with_threads_are_not_turned_by_hand),
        ONCE(bad_work_for_a_loop_is_refused),
        ONCE(the_default_iterator_is_refused_or_ignored),
        ONCE(a_block_holds_no_more_than_its_capacity),
        ONCE(every_status_and_origin_has_a_name),
        ONCE(in_a_forked_child_every_call_is_echild),
    };

    return RUN_CASES("conformance.bad_input", cases);
}
