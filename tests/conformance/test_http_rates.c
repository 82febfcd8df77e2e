// SPDX-License-Identifier: MIT
//
// The minimum rate at which a peer must read looks at what the kernel has taken, and at nothing
// else: neither what is refused nor what is put into the queue buys time.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <sys/socket.h>

enum { KIB = 1024 };

// By this the body is open; nobody reads it.
static void
answer_and_go_on(struct site *site, weir_http http, const struct weir_http_request *request)
{
    struct iovec iov = {fixture_memory(site->fixture, 256 * KIB), 256 * KIB};
    struct weir_write body = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};
    struct weir_http_head head = site_head();

    (void)request;
    assert_status(weir_http_defer(http, NULL), 0);
    assert_status(weir_http_respond(http, &head, &body, NULL), 0);
    site->http = http;
}

static bool
is_cut_while_it_writes(void *arg)
{
    struct site *site = arg;
    struct iovec iov = {fixture_memory(site->fixture, 100), 100};
    struct weir_write more = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};

    if (site->requests == 1 && site->ends == 0) {
        assert_true(weir_http_write(site->http, &more, NULL) < 0);
    }
    return site->ends == 1;
}

static void
refused_writes_are_no_progress(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = answer_and_go_on,
                                                                .small = true,
                                                                .stream.queue_high = 100 * KIB,
                                                                .limits = {.grace_ns = MS(200)}});
    int peer = site_connect_small(site);

    peer_write_text(site, peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_turn_until(site->fixture, is_cut_while_it_writes, site);
    assert_status(site->ended.status, -ETIMEDOUT);
    peer_expect_reset(site->fixture, peer);
}

// A large answer to the first request, which is sent as it is; small ones to those that follow.
static void
answer_large_once(struct site *site, weir_http http, const struct weir_http_request *request)
{
    struct iovec iov = {fixture_memory(site->fixture, 256 * KIB), 256 * KIB};
    struct weir_write body = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};
    struct weir_http_head head = site_head();

    (void)request;
    iov.iov_len = site->requests == 1 ? iov.iov_len : 10;
    assert_status(weir_http_respond(http, &head, &body, NULL), 0);
}

struct asking {
    struct site *site;
    int peer;
};

static bool
is_cut_while_it_asks(void *arg)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct asking *asking = arg;

    (void)send(asking->peer, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return weir_http_server_connections(asking->site->server) == 0;
}

static void
more_requests_are_no_progress(void **state)
{
    struct asking asking;
    struct site *site = site_open(state, &(struct site_options){.request = answer_large_once,
                                                                .small = true,
                                                                .limits = {.grace_ns = MS(200)}});

    asking = (struct asking){site, site_connect_small(site)};
    peer_write_text(site, asking.peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    site_wait_requests(site, 1);
    fixture_turn_until(site->fixture, is_cut_while_it_asks, &asking);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(refused_writes_are_no_progress),
        EACH(more_requests_are_no_progress),
    };

    return RUN_CASES("http_rates", cases);
}
