// SPDX-License-Identifier: MIT
//
// The errors of nng's manual pages for HTTP connections, each provoked here: docs/semantics.md has
// the table ("nng's errors by weir's name"), in this order.
#include "mem/heap.h"
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <errno.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

struct row {
    const char *operation; // nng's, without nng_http_
    const char *error;     // nng's, without NNG_
    int status;            // weir's
    int (*provoke)(void **state);
};

/* ---- what the rows begin with ---- */

static void
defer(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)request;
    assert_int_equal(weir_http_defer(http, NULL), 0);
    site->http = http;
}

// An exchange that waits for its answer; its body, of ten bytes, has not come.
static struct site *
open_told(void **state, int *ret_peer)
{
    struct site *site =
        site_open(state, &(struct site_options){.request = defer, .pulls = true, .small = true});

    *ret_peer = site_connect_small(site);
    peer_write_text(site, *ret_peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    return site;
}

static int
write_at(struct site *site, size_t size, uint64_t deadline_ns, struct recorder *recorder,
         unsigned tag, weir_op *ret_op)
{
    struct iovec iov = {fixture_memory(site->fixture, size), size};
    struct weir_write write = {.iov = &iov,
                               .iov_count = 1,
                               .deadline_ns = deadline_ns,
                               .done = recorder_done,
                               .arg = recorder_tag(recorder, tag)};

    return weir_http_write(site->http, &write, ret_op);
}

// A body in chunks that is open, with a write in front that the peer does not read.
static struct site *
open_blocked(void **state, int *ret_peer, struct recorder **ret_recorder)
{
    struct site *site = open_told(state, ret_peer);
    struct weir_http_head head = site_head();
    struct weir_write nothing = {0};

    *ret_recorder = recorder_make(site->fixture);
    assert_status(weir_http_respond(site->http, &head, &nothing, NULL), 0);
    assert_status(write_at(site, MIB, 0, *ret_recorder, 1, NULL), 0);
    fixture_settle(site->fixture);
    return site;
}

static int
start_read(struct site *site, uint64_t deadline_ns, weir_op *ret_op)
{
    struct weir_http_read read = {.buffer = fixture_memory(site->fixture, 16),
                                  .size = 10,
                                  .size_min = 10,
                                  .deadline_ns = deadline_ns,
                                  .done = site_read_done,
                                  .arg = site};
    int result = weir_http_read(site->http, &read, ret_op);

    fixture_settle(site->fixture);
    return result;
}

static int
read_status(struct site *site)
{
    site_wait_reads(site, 1);
    return site->reads[0].status;
}

/* ---- write, write_all, write_req, write_res ---- */

static int
write_cancelled(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);
    weir_op op;

    assert_status(write_at(site, 10, 0, recorder, 2, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    recorder_wait(recorder, 1);
    return recorder_of(recorder, 2).status;
}

static int
write_when_aborted(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);

    assert_status(weir_http_abort(site->http), 0);
    recorder_wait(recorder, 1);
    assert_int_equal(recorder_of(recorder, 1).origin, WEIR_ORIGIN_LOCAL_CLOSE);
    return recorder_of(recorder, 1).status;
}

static int
write_behind_the_close(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);

    assert_status(weir_http_abort(site->http), 0);
    site_wait_ended(site, 1);
    return write_at(site, 1, 0, recorder, 2, NULL);
}

static int
write_behind_the_end(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);

    assert_status(weir_http_end(site->http, NULL, 0, NULL, NULL), 0);
    return write_at(site, 1, 0, recorder, 2, NULL);
}

static int
write_when_the_peer_resets(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);

    peer_reset(site->fixture, peer);
    recorder_wait(recorder, 1);
    assert_int_equal(recorder_of(recorder, 1).origin, WEIR_ORIGIN_PEER_RESET);
    return recorder_of(recorder, 1).status;
}

static int
write_no_memory_of_the_callers(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);
    struct weir_write write = {.iov = NULL, .iov_count = 1};

    return weir_http_write(site->http, &write, NULL);
}

static int
write_without_memory(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);
    int result;

    wi_heap_fail(1, true);
    result = write_at(site, 1, 0, recorder, 2, NULL);
    wi_heap_fail(0, false);
    return result;
}

static int
write_what_chunks_cannot(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_NOWAIT};

    return weir_http_write(site->http, &write, NULL);
}

static int
write_to_its_deadline(void **state)
{
    struct recorder *recorder;
    int peer;
    struct site *site = open_blocked(state, &peer, &recorder);

    assert_status(write_at(site, 10, weir_deadline_after(MS(20)), recorder, 2, NULL), 0);
    recorder_wait(recorder, 1);
    return recorder_of(recorder, 2).status;
}

/* ---- read, read_all, read_req, read_res ---- */

static int
read_cancelled(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);
    weir_op op;

    assert_status(start_read(site, 0, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    return read_status(site);
}

static int
read_when_aborted(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);

    assert_status(start_read(site, 0, NULL), 0);
    assert_status(weir_http_abort(site->http), 0);
    return read_status(site);
}

static int
read_behind_the_close(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);

    assert_status(weir_http_abort(site->http), 0);
    site_wait_ended(site, 1);
    return start_read(site, 0, NULL);
}

static int
read_when_the_peer_resets(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);

    assert_status(start_read(site, 0, NULL), 0);
    peer_reset(site->fixture, peer);
    return read_status(site);
}

static int
read_when_the_peer_ends(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);

    assert_status(start_read(site, 0, NULL), 0);
    peer_finish(site->fixture, peer);
    return read_status(site);
}

static int
read_into_nothing(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);
    struct weir_http_read read = {.size = 5, .size_min = 6, .done = site_read_done, .arg = site};

    return weir_http_read(site->http, &read, NULL);
}

static int
read_without_memory(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);
    struct weir_http_read read = {.size = 5, .done = site_read_done, .arg = site};
    int result;

    wi_heap_fail(1, true);
    result = weir_http_read(site->http, &read, NULL);
    wi_heap_fail(0, false);
    return result;
}

static int
read_to_its_deadline(void **state)
{
    int peer;
    struct site *site = open_told(state, &peer);

    assert_status(start_read(site, weir_deadline_after(MS(20)), NULL), 0);
    return read_status(site);
}

/* ---- hijack ---- */

static int hijacked;

static void
hijack(struct weir_loop *loop, void *arg)
{
    struct site *site = arg;
    struct weir_http_head head = {.status = 101};
    weir_stream stream;

    (void)loop;
    wi_heap_fail(site->flags == 1 ? 1 : 0, site->flags == 1);
    hijacked = weir_http_hijack(site->http, &head, NULL, NULL, &stream);
    wi_heap_fail(0, false);
    site->read_count = 1;
}

static int
hijack_at(void **state, bool is_closed, unsigned failing)
{
    struct site *site = site_open(state, &(struct site_options){.request = defer, .pulls = true});
    int peer = site_connect(site);

    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_settle(site->fixture);
    if (is_closed) {
        assert_status(weir_http_abort(site->http), 0);
        site_wait_ended(site, 1);
    }
    site->flags = failing;
    assert_status(weir_post(site->fixture->loop, hijack, site), 0);
    site_wait_reads(site, 1);
    return hijacked;
}

static int
hijack_behind_the_close(void **state)
{
    return hijack_at(state, true, 0);
}

static int
hijack_without_memory(void **state)
{
    return hijack_at(state, false, 1);
}

/* ---- client_connect, transact ---- */

struct agent {
    struct fixture *fixture;
    struct weir_http_client *client;
    uint64_t deadline_ns;
    int status;
    bool is_done;
};

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    (void)http;
    (void)response;
    (void)user;
}

static void
on_transacted(struct weir_http_client *client, struct weir_http_transacted *result, void *arg)
{
    struct agent *agent = arg;

    (void)client;
    weir_chain_return(&result->body);
    agent->status = result->status;
    agent->is_done = true;
}

static void
transact(struct weir_loop *loop, void *arg)
{
    struct agent *agent = arg;
    struct weir_http_ask ask = {.target = "/"};
    struct weir_http_transaction request = {
        .ask = &ask, .deadline_ns = agent->deadline_ns, .done = on_transacted, .arg = agent};

    (void)loop;
    agent->status = weir_http_transact(agent->client, &request);
    agent->is_done = agent->status < 0;
}

static void
free_client(struct weir_loop *loop, void *arg)
{
    struct agent *agent = arg;

    (void)loop;
    weir_http_client_free(agent->client);
    agent->client = NULL;
}

static bool
is_done(void *arg)
{
    return ((struct agent *)arg)->is_done;
}

static void
end_agent(void *arg)
{
    weir_http_client_free(((struct agent *)arg)->client);
}

static struct agent *
open_agent(struct fixture *fixture, const struct weir_address *address, uint64_t deadline_ns)
{
    static const struct weir_http_handlers handlers = {.response = on_response};
    struct weir_http_client_options options = {
        .host = "x", .handlers = &handlers, .dial.address = *address};
    struct agent *agent = fixture_memory(fixture, sizeof(*agent));

    agent->fixture = fixture;
    agent->deadline_ns = deadline_ns;
    assert_status(weir_http_client_create(fixture->loop, &options, &agent->client), 0);
    fixture_at_end(fixture, end_agent, agent);
    assert_status(weir_post(fixture->loop, transact, agent), 0);
    return agent;
}

static int
status_of(struct agent *agent)
{
    fixture_turn_until(agent->fixture, is_done, agent);
    return agent->status;
}

// The request has come to a server that says so much, and then ends if told to.
static int
transact_with(void **state, const char *answer, bool ends, bool resets)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct agent *agent = open_agent(fixture, &address, 0);
    char got[16];
    int peer;

    fixture_settle(fixture);
    peer = transport_accept(fixture, listener);
    peer_read_exact(fixture, peer, got, sizeof(got));
    peer_write(fixture, peer, answer, strlen(answer));
    if (resets) {
        peer_reset(fixture, peer);
    } else if (ends) {
        peer_finish(fixture, peer);
    }
    return status_of(agent);
}

static int
connect_refused(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;

    fixture_close_fd(fixture, transport_listen(fixture, 0, &address));
    return status_of(open_agent(fixture, &address, 0));
}

static int
connect_to_no_address(void **state)
{
    return status_of(open_agent(fixture_manual(state), &(struct weir_address){0}, 0));
}

static int
transact_and_free_the_client(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    struct agent *agent = open_agent(fixture, &address, 0);

    fixture_settle(fixture);
    transport_accept(fixture, listener);
    assert_status(weir_post(fixture->loop, free_client, agent), 0);
    return status_of(agent);
}

static int
transact_with_a_reset(void **state)
{
    return transact_with(state, "HTTP/1.1 2", false, true);
}

static int
transact_with_an_end(void **state)
{
    return transact_with(state, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", true, false);
}

static int
transact_with_nonsense(void **state)
{
    return transact_with(state, "nonsense\r\n\r\n", false, false);
}

static int
transact_with_chunks(void **state)
{
    return transact_with(
        state, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", false,
        false);
}

static int
transact_with_too_much(void **state)
{
    return transact_with(state, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false,
                         false);
}

static int
transact_without_memory(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;
    struct agent *agent;

    transport_listen(fixture, 0, &address);
    agent = open_agent(fixture, &address, 0);
    wi_heap_fail(1, true);
    weir_loop_turn(fixture->loop, 0);
    wi_heap_fail(0, false);
    return status_of(agent);
}

static int
transact_to_its_deadline(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct weir_address address;

    transport_listen(fixture, 0, &address);
    return status_of(open_agent(fixture, &address, weir_deadline_after(MS(20))));
}

/* ---- the table ---- */

static const struct row rows[] = {
    {"conn_write", "ECANCELED", -ECANCELED, write_cancelled},
    {"conn_write", "ECLOSED", -WEIR_EENDED, write_when_aborted},
    {"conn_write", "ECLOSED", -WEIR_ESTALE, write_behind_the_close},
    {"conn_write", "ECLOSED", -WEIR_EENDED, write_behind_the_end},
    {"conn_write", "ECONNRESET", -ECONNRESET, write_when_the_peer_resets},
    {"conn_write", "EINVAL", -EINVAL, write_no_memory_of_the_callers},
    {"conn_write", "ENOMEM", -ENOMEM, write_without_memory},
    {"conn_write", "ENOTSUP", -ENOTSUP, write_what_chunks_cannot},
    {"conn_write", "ETIMEDOUT", -ETIMEDOUT, write_to_its_deadline},
    {"conn_read", "ECANCELED", -ECANCELED, read_cancelled},
    {"conn_read", "ECLOSED", -ECONNABORTED, read_when_aborted},
    {"conn_read", "ECLOSED", -WEIR_ESTALE, read_behind_the_close},
    {"conn_read", "ECONNRESET", -ECONNRESET, read_when_the_peer_resets},
    {"conn_read", "ECONNRESET", -ENODATA, read_when_the_peer_ends},
    {"conn_read", "EINVAL", -EINVAL, read_into_nothing},
    {"conn_read", "ENOMEM", -ENOMEM, read_without_memory},
    {"conn_read", "ETIMEDOUT", -ETIMEDOUT, read_to_its_deadline},
    {"hijack", "ECLOSED", -WEIR_ESTALE, hijack_behind_the_close},
    {"hijack", "ENOMEM", -ENOMEM, hijack_without_memory},
    {"client_connect", "ECONNREFUSED", -ECONNREFUSED, connect_refused},
    {"client_connect", "EADDRINVAL", -EINVAL, connect_to_no_address},
    {"conn_transact", "ECANCELED", -ECONNABORTED, transact_and_free_the_client},
    {"conn_transact", "ECONNRESET", -ECONNRESET, transact_with_a_reset},
    {"conn_transact", "ECONNRESET", -ENODATA, transact_with_an_end},
    {"conn_transact", "ENOMEM", -ENOMEM, transact_without_memory},
    {"conn_transact", "ENOMEM", -EMSGSIZE, transact_with_too_much},
    {"conn_transact", "ENOTSUP", 0, transact_with_chunks},
    {"conn_transact", "EPROTO", -EPROTO, transact_with_nonsense},
    {"conn_transact", "ETIMEDOUT", -ETIMEDOUT, transact_to_its_deadline},
};

static void
every_error_of_nngs_manual_pages_has_its_cause(void **state)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = rows[i].provoke(state);

        if (status != rows[i].status) {
            print_error("nng_http_%s, NNG_%s: %d (%s), not %d\n", rows[i].operation, rows[i].error,
                        status, weir_strerror(status), rows[i].status);
            wrong++;
        }
        fixture_end(*state);
    }
    assert_int_equal(wrong, 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH_TCP(every_error_of_nngs_manual_pages_has_its_cause),
    };

    return RUN_CASES("http_nng", cases);
}
