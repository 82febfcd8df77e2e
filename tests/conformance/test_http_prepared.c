// SPDX-License-Identifier: MIT
//
// Heads that are prepared once and sent with many responses.
#include "tests/lib/fixture.h"
#include "tests/lib/http.h"

#include <errno.h>
#include <string.h>

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

// What the test's function answers with, in the site's arg.
struct reply {
    struct weir_http_prepared *prepared;
    unsigned flags;
    const char *body;
    const char *rest; // the body's second piece
    int result;
};

static void
answer_prepared(struct site *site, weir_http http, const struct weir_http_request *request)
{
    struct reply *reply = site->arg;
    const struct weir_http_head head = {.prepared = reply->prepared,
                                        .flags = reply->flags | WEIR_HTTP_NO_DATE};
    const struct iovec iov[] = {
        {(void *)(uintptr_t)reply->body, reply->body != NULL ? strlen(reply->body) : 0},
        {(void *)(uintptr_t)reply->rest, reply->rest != NULL ? strlen(reply->rest) : 0}};
    const struct weir_write body = {
        .iov = iov, .iov_count = reply->rest != NULL ? 2 : 1, .flags = WEIR_CHUNK_END};

    (void)request;
    reply->result = weir_http_respond(http, &head, reply->body != NULL ? &body : NULL, NULL);
}

static struct weir_http_prepared *
prepare(unsigned status)
{
    static const struct weir_http_field fields[] = {WEIR_HTTP_FIELD("A", "b"),
                                                    WEIR_HTTP_FIELD("C", "")};
    const struct weir_http_head head = {.status = status, .fields = fields, .field_count = 2};
    struct weir_http_prepared *prepared = NULL;

    assert_int_equal(weir_http_prepare(&head, &prepared), 0);
    assert_non_null(prepared);
    return prepared;
}

static void
a_prepared_head_is_sent_with_every_response(void **state)
{
    struct reply reply = {.prepared = prepare(200), .body = "text"};
    struct site *site = site_open(state, &(struct site_options){.request = answer_prepared});
    int peer = site_connect(site);

    site->arg = &reply;
    peer_write_text(site, peer, GET("/1") GET("/2"));
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\nC: \r\n\r\ntext"
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\nC: \r\n\r\ntext");
    reply.rest = " in pieces";
    peer_write_text(site, peer, GET("/3"));
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nA: b\r\nC: \r\n\r\ntext in pieces");
    assert_int_equal(reply.result, 0);
    weir_http_prepared_free(reply.prepared);
}

static void
a_prepared_head_needs_no_body(void **state)
{
    struct reply reply = {.prepared = prepare(404)};
    struct site *site = site_open(state, &(struct site_options){.request = answer_prepared});
    int peer = site_connect(site);

    site->arg = &reply;
    peer_write_text(site, peer, GET("/"));
    peer_expect_text(site, peer,
                     "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nA: b\r\nC: \r\n\r\n");
    weir_http_prepared_free(reply.prepared);
    reply.prepared = prepare(204);
    peer_write_text(site, peer, GET("/"));
    peer_expect_text(site, peer, "HTTP/1.1 204 No Content\r\nA: b\r\nC: \r\n\r\n");
    reply.body = "text";
    peer_write_text(site, peer, GET("/"));
    peer_expect_text(site, peer, "HTTP/1.1 204 No Content\r\nA: b\r\nC: \r\n\r\n");
    weir_http_prepared_free(reply.prepared);
}

static void
what_is_of_the_request_is_not_prepared(void **state)
{
    struct reply reply = {.prepared = prepare(200), .body = "text"};
    struct site *site = site_open(state, &(struct site_options){.request = answer_prepared});
    int peer = site_connect(site);
    int old = site_connect(site);

    site->arg = &reply;
    peer_write_text(site, peer, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\nC: \r\n\r\n");
    peer_write_text(site, old, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_expect_text(site, old,
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n"
                     "A: b\r\nC: \r\n\r\ntext");
    reply.flags = WEIR_HTTP_CLOSE;
    peer_write_text(site, peer, GET("/"));
    peer_expect_text(site, peer,
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n"
                     "A: b\r\nC: \r\n\r\ntext");
    peer_expect_eof(site->fixture, peer);
    reply.flags = 0;
    peer_write_text(site, old, "GET / HTTP/1.0\r\n\r\n");
    peer_expect_text(site, old,
                     "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n"
                     "A: b\r\nC: \r\n\r\ntext");
    peer_expect_eof(site->fixture, old);
    weir_http_prepared_free(reply.prepared);
}

static void
answer_with_status_too(struct site *site, weir_http http, const struct weir_http_request *request)
{
    static const struct weir_http_field field = WEIR_HTTP_FIELD("A", "b");
    struct reply *reply = site->arg;
    const struct weir_http_head wrong[] = {
        {.prepared = reply->prepared, .status = 200},
        {.prepared = reply->prepared, .reason = "Fine"},
        {.prepared = reply->prepared, .fields = &field, .field_count = 1},
    };

    (void)request;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(weir_http_respond(http, &wrong[i], NULL, NULL), -EINVAL);
    }
    answer_prepared(site, http, request);
}

static void
what_is_prepared_is_not_given_again(void **state)
{
    struct reply reply = {.prepared = prepare(200), .body = ""};
    struct site *site = site_open(state, &(struct site_options){.request = answer_with_status_too});
    int peer = site_connect(site);

    site->arg = &reply;
    peer_write_text(site, peer, GET("/"));
    peer_expect_text(site, peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\nC: \r\n\r\n");
    weir_http_prepared_free(reply.prepared);
}

static void
many_responses_in_one_turn_fill_more_than_a_block(void **state)
{
    enum { REQUESTS = 100 };
    static const char response[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nA: b\r\nC: \r\n\r\ntext";
    static char requests[REQUESTS * sizeof(GET("/"))];
    static char responses[REQUESTS * sizeof(response)];
    struct reply reply = {.prepared = prepare(200), .body = "text"};
    struct site *site = site_open(state, &(struct site_options){.request = answer_prepared});
    int peer = site_connect(site);

    site->arg = &reply;
    for (int i = 0; i < REQUESTS; i++) {
        strcat(requests, GET("/"));
        strcat(responses, response);
    }
    peer_write_text(site, peer, requests);
    peer_expect_text(site, peer, responses);
    weir_http_prepared_free(reply.prepared);
}

static void
what_cannot_be_sent_cannot_be_prepared(void **state)
{
    static const struct weir_http_field date = WEIR_HTTP_FIELD("Date", "today");
    static const struct weir_http_field broken = WEIR_HTTP_FIELD("A", "b\r\nC: d");
    struct weir_http_prepared *ready = prepare(200);
    const struct weir_http_head heads[] = {
        {.status = 99},
        {.status = 600},
        {.status = 200, .reason = "O\nK"},
        {.status = 200, .fields = &date, .field_count = 1},
        {.status = 200, .fields = &broken, .field_count = 1},
        {.status = 200, .field_count = 1},
        {.status = 200, .flags = WEIR_HTTP_CLOSE},
        {.status = 200, .length = 1},
        {.prepared = ready},
    };
    struct weir_http_prepared *prepared = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        assert_int_equal(weir_http_prepare(&heads[i], &prepared), -EINVAL);
    }
    assert_int_equal(weir_http_prepare(NULL, &prepared), -EINVAL);
    assert_int_equal(weir_http_prepare(&(struct weir_http_head){.status = 200}, NULL), -EINVAL);
    assert_null(prepared);
    weir_http_prepared_free(ready);
    weir_http_prepared_free(NULL);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_prepared_head_is_sent_with_every_response),
        ONCE(a_prepared_head_needs_no_body),
        ONCE(what_is_of_the_request_is_not_prepared),
        ONCE(what_is_prepared_is_not_given_again),
        ONCE(many_responses_in_one_turn_fill_more_than_a_block),
        ONCE(what_cannot_be_sent_cannot_be_prepared),
    };

    return RUN_CASES("http_prepared", cases);
}
