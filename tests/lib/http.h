/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_HTTP_H
#define TESTS_LIB_HTTP_H

// A server under test, and plain sockets that speak HTTP to it in text.
//
// By itself it answers every request with its target as the body, and the field X-Path; a test
// gives a function of its own to do anything else.

#include "tests/lib/fixture.h"
#include "weir/http.h"

struct site;

typedef void site_fn(struct site *site, weir_http http, const struct weir_http_request *request);

struct site_options {
    site_fn *request; // NULL: answer with the target
    bool reads;       // answer when the body has come
    bool pulls;       // no body function
    bool threads;     // loops with threads
    bool small;       // the smallest buffers
    unsigned stream_flags;
    struct weir_stream_options stream;
    struct weir_http_limits limits;
};

struct site {
    struct fixture *fixture;
    struct weir_http_server *server;
    struct weir_address address;
    struct weir_http_handlers handlers;
    site_fn *request;
    struct site_options options;
    weir_http http; // of the last request
    weir_stream stream;
    unsigned requests;
    unsigned answered;
    char method[16];
    char target[128];
    char a[64]; // the field A
    unsigned flags;

    uint8_t body[1 << 16]; // of the last request, with a body function
    size_t body_size;
    unsigned body_ends;
    unsigned trailers;
    unsigned ends;
    unsigned refusals; // of what was no request
    unsigned refused;  // the last one's status
    unsigned fins;
    struct weir_http_ended ended;
    struct weir_http_read_result reads[16]; // without their chains, which were returned
    unsigned read_count;
    void *arg; // the test's
};

struct site *site_open(void **state, const struct site_options *options);
int site_connect(struct site *site);
int site_connect_small(struct site *site);
void site_wait_ended(struct site *site, unsigned count);
void site_wait_requests(struct site *site, unsigned count);
void site_wait_no_connection(struct site *site);

// A read's done function; its argument is the site.
weir_http_read_fn site_read_done;
void site_wait_reads(struct site *site, unsigned count);

// A complete response without Date.
int site_answer(weir_http http, unsigned status, const char *body);
// A head with no Date, and what of a body there is.
struct weir_http_head site_head(void);

void peer_write_text(struct site *site, int peer, const char *text);
// One byte after another, each read before the next.
void peer_write_slowly(struct site *site, int peer, const char *text);
// Exactly these bytes come.
#define peer_expect_text(site, peer, text) peer_expect_text_at(site, peer, text, __FILE__, __LINE__)
void peer_expect_text_at(struct site *site, int peer, const char *text, const char *file, int line);

#endif /* TESTS_LIB_HTTP_H */
