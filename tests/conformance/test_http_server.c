// SPDX-License-Identifier: MIT
//
// A server's side of HTTP, byte for byte: requests in, responses out.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// ---- requests and responses --------------------------------------------------------------------

static void
a_request_is_answered_and_the_connection_kept(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);

    for (int i = 0; i < 3; i++) {
        peer_write_text(site, peer, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        peer_expect_text(site, peer,
                         "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Path: /hello\r\n\r\n/hello");
    }
    assert_int_equal(site->requests, 3);
    assert_string_equal(site->method, "GET");
}

static void
requests_in_one_piece_are_answered_in_order_in_one_send(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);
    struct weir_stats before = fixture_stats(site->fixture);

    peer_write_text(site, peer,
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1"
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /2\r\n\r\n/2"
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /3\r\n\r\n/3");
    assert_int_equal(fixture_stats(site->fixture).system_sends - before.system_sends, 1);
}

static void
a_request_byte_by_byte_is_the_same(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);

    peer_write_slowly(
        site, peer,
        "\r\nPOST /hello HTTP/1.1\r\nHost: x\r\nA: b c\r\nContent-Length: 3\r\n\r\nabc");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Path: /hello\r\n\r\n/hello");
    assert_int_equal(site->requests, 1);
    assert_string_equal(site->a, "b c");
}

static void
head_has_a_length_and_no_body(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);

    peer_write_text(site, peer,
                    "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Path: /hello\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1");
}

static void
connection_close_and_old_clients_end_the_connection(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);
    int other = site_connect(site);
    int third = site_connect(site);

    peer_write_text(site, peer,
                    "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                    "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                     "X-Path: /1\r\n\r\n/1");
    peer_expect_eof(site->fixture, peer);
    peer_write_text(site, other, "GET /1 HTTP/1.0\r\n\r\n");
    peer_expect_text(site, other,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                     "X-Path: /1\r\n\r\n/1");
    peer_expect_eof(site->fixture, other);
    peer_write_text(site, third, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_expect_text(site, third,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
                     "X-Path: /1\r\n\r\n/1");
    assert_int_equal(site->requests, 3);
}

static void
a_body_that_nobody_reads_is_dropped_and_the_connection_kept(void **state)
{
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);

    peer_write_text(site, peer,
                    "POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1"
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /2\r\n\r\n/2");
}

// Beyond some, idle connections give back what they parse with; half a head keeps it.
static void
many_connections_go_idle_and_on_again(void **state)
{
    enum { PEERS = 300 };
    struct site *site = site_open(state, &(struct site_options){0});
    int peers[PEERS];

    for (int i = 0; i < PEERS; i++) {
        peers[i] = site_connect(site);
        peer_write_text(site, peers[i], "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
        peer_expect_text(site, peers[i],
                         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1");
    }
    for (int i = 0; i < PEERS; i++) {
        peer_write_slowly(site, peers[i], i % 2 == 0 ? "GET /2 HTTP/1.1\r\nHo" : "\r\n");
    }
    for (int i = PEERS - 1; i >= 0; i--) {
        peer_write_text(site, peers[i],
                        i % 2 == 0 ? "st: x\r\n\r\n" : "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
        peer_expect_text(site, peers[i],
                         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /2\r\n\r\n/2");
    }
    assert_int_equal(site->requests, 2 * PEERS);
}

static void
abort_the_third(struct site *site, weir_http http, const struct weir_http_request *request)
{
    (void)request;
    if (site->requests < 3) {
        assert_int_equal(site_answer(http, 200, "yes"), 0);
        return;
    }
    assert_int_equal(weir_http_abort(http), 0);
    assert_int_equal(site_answer(http, 200, "no"), -EBUSY);
}

static void
responses_before_an_abort_leave_first(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.request = abort_the_third});
    int peer = site_connect(site);

    peer_write_text(site, peer,
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
                     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    assert_int_equal(peer_expect_reset(site->fixture, peer), 0);
    site_wait_ended(site, 3);
    assert_status(site->ended.status, -ECONNABORTED);
    assert_int_equal(site->requests, 3);
}

// ---- what is refused ---------------------------------------------------------------------------

struct vector {
    const char *bytes;
    const char *status;
};

#define HOST    "Host: x\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static const struct vector vectors[] = {
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5 6\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\nhello", "400"},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
    {"POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
     "400"},
    {"POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "X:\rContent-Length: 5\r\n\r\nhello", "400"},
    {"POST / HTTP/1.1\r\n" HOST " Content-Length: 5\r\n\r\nhello", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A:\r\n c\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A:\r\n \r\nB: c\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n A: b\r\n" HOST "\r\n", "400"},
    {"GET / HTTP/1.1\nHost: x\n\n", "400"},
    {"GET / HTTP/1.1\r\nHost: x\n\r\n", "400"},
    {CHUNKED "2;a\nxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "10000000000000002\r\nxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "2\r\nxxZZ0\r\n\r\n", "400"},
    {CHUNKED "2\r\nxxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "0x2\r\nxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "-2\r\nxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "2 \nxx\r\n0\r\n\r\n", "400"},
    {CHUNKED "ffffffffffffff\r\nxx\r\n0\r\n\r\n", "413"},
    {"GET / http/1.1\r\n" HOST "\r\n", "400"},
    {"GET / RTSP/1.0\r\n" HOST "\r\n", "400"},
    {"SOURCE / ICE/1.0\r\n" HOST "\r\n", "400"},
    {"GET / HTTP/9.9\r\n" HOST "\r\n", "505"},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", "505"},
    {"GET / HTTP/1.1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: x,y\r\n\r\n", "400"},
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"FROB / HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"CONNECT x:1 HTTP/1.1\r\n" HOST "\r\n", "501"},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A\x01: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n", "400"},
    {"POST / HTTP/1.1\r\n" HOST "Expect: something\r\nContent-Length: 1\r\n\r\n", "417"},
};

// The answer, nothing behind it, and the server's end, which does not wait for ours.
static void
expect_refused(struct site *site, int peer, const struct vector *vector)
{
    const char end[] = "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char status[13] = {0};
    char got[13] = {0};
    char byte = 0;
    unsigned at = 0;

    snprintf(status, sizeof(status), "HTTP/1.1 %s", vector->status);
    peer_read_exact(site->fixture, peer, got, 12);
    if (strcmp(got, status) != 0) {
        fixture_fail(site->fixture, "%s for %s", got, vector->bytes);
    }
    while (byte != '\r' && at++ < 64) { // the reason
        peer_read_exact(site->fixture, peer, &byte, 1);
    }
    for (at = 1; end[at] != '\0'; at++) {
        peer_read_exact(site->fixture, peer, &byte, 1);
        if (byte != end[at]) {
            fixture_fail(site->fixture, "byte %u of the fields for %s", at, vector->bytes);
        }
    }
    peer_expect_eof(site->fixture, peer);
    peer_finish(site->fixture, peer);
    site_wait_no_connection(site);
}

// What would be smuggled.
static const char behind[] = "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n";

static void
what_smuggles_is_refused_whole(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.reads = true});

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        int peer = site_connect(site);

        peer_write_text(site, peer, vectors[i].bytes);
        peer_write_text(site, peer, behind);
        expect_refused(site, peer, &vectors[i]);
        fixture_close_fd(site->fixture, peer);
        assert_int_equal(site->refusals + site->ends, i + 1); // one of the two tells it
    }
    assert_int_equal(site->answered, 0);
}

static void
what_smuggles_is_refused_byte_by_byte(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.reads = true});

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        int peer = site_connect(site);

        peer_write_slowly(site, peer, vectors[i].bytes);
        peer_write_slowly(site, peer, behind);
        expect_refused(site, peer, &vectors[i]);
        fixture_close_fd(site->fixture, peer);
        assert_int_equal(site->refusals + site->ends, i + 1); // one of the two tells it
    }
    assert_int_equal(site->answered, 0);
}

static void
a_zero_byte_in_a_value_is_refused(void **state)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n";
    struct site *site = site_open(state, &(struct site_options){0});
    int peer = site_connect(site);

    peer_write(site->fixture, peer, bytes, sizeof(bytes) - 1);
    expect_refused(site, peer, &(struct vector){"a zero byte", "400"});
    assert_int_equal(site->refusals, 1);
    assert_int_equal(site->refused, 400);
    assert_int_equal(site->ends, 0);
}

// ---- bounds ------------------------------------------------------------------------------------

static void
each_bound_has_its_status(void **state)
{
    static const struct vector beyond[] = {
        {"GET /12345678901234567890 HTTP/1.1\r\n" HOST "\r\n", "414"},
        {"GET / HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n\r\n", "431"},
        {"GET / HTTP/1.1\r\n" HOST "A: 123456789012345678901234567890123456789012345678901234"
         "56789012345678901234567890123456789012345678901234567890\r\n\r\n",
         "431"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n12345678901", "413"},
        {CHUNKED "6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n", "413"},
    };
    struct site *site = site_open(
        state, &(struct site_options){
                   .reads = true,
                   .limits = {.line_max = 20, .head_max = 120, .fields_max = 4, .body_max = 10}});

    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        int peer = site_connect(site);

        peer_write_text(site, peer, beyond[i].bytes);
        expect_refused(site, peer, &beyond[i]);
    }
    assert_int_equal(site->answered, 0);
}

static void
a_connection_has_so_many_requests(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.limits = {.requests_max = 2}});
    int peer = site_connect(site);

    peer_write_text(site, peer,
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1"
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
                     "X-Path: /2\r\n\r\n/2");
    peer_expect_eof(site->fixture, peer);
    assert_int_equal(site->requests, 2);
}

static void
a_head_that_does_not_come_is_given_up(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.limits = {.head_ns = MS(300)}});
    int peer = site_connect(site);

    peer_write_text(site, peer, "GET / HT");
    expect_refused(site, peer, &(struct vector){"half a head", "408"});
}

static void
an_idle_connection_is_closed(void **state)
{
    struct site *site = site_open(state, &(struct site_options){.limits = {.idle_ns = MS(300)}});
    int peer = site_connect(site);

    peer_write_text(site, peer, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Path: /1\r\n\r\n/1");
    peer_expect_eof(site->fixture, peer);
}

static void
a_body_that_hardly_comes_is_given_up(void **state)
{
    struct site *site =
        site_open(state, &(struct site_options){.reads = true, .limits = {.grace_ns = MS(200)}});
    int peer = site_connect(site);

    peer_write_text(site, peer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12");
    expect_refused(site, peer, &(struct vector){"hardly a body", "408"});
    site_wait_ended(site, 1);
    assert_status(site->ended.status, -ETIMEDOUT);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_request_is_answered_and_the_connection_kept),
        EACH(requests_in_one_piece_are_answered_in_order_in_one_send),
        EACH(a_request_byte_by_byte_is_the_same),
        EACH(head_has_a_length_and_no_body),
        EACH(connection_close_and_old_clients_end_the_connection),
        EACH(a_body_that_nobody_reads_is_dropped_and_the_connection_kept),
        ONCE(many_connections_go_idle_and_on_again),
        ONCE(responses_before_an_abort_leave_first),
        ONCE(what_smuggles_is_refused_whole),
        ONCE(what_smuggles_is_refused_byte_by_byte),
        ONCE(a_zero_byte_in_a_value_is_refused),
        ONCE(each_bound_has_its_status),
        ONCE(a_connection_has_so_many_requests),
        ONCE(a_head_that_does_not_come_is_given_up),
        ONCE(an_idle_connection_is_closed),
        ONCE(a_body_that_hardly_comes_is_given_up),
    };

    return RUN_CASES("http_server", cases);
}
