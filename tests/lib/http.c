/* SPDX-License-Identifier: MIT */

#include "tests/lib/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the server ---- */

struct weir_http_head
site_head(void)
{
    return (struct weir_http_head){.status = 200, .flags = WEIR_HTTP_NO_DATE};
}

int
site_answer(weir_http http, unsigned status, const char *body)
{
    struct weir_http_head head = {.status = status, .flags = WEIR_HTTP_NO_DATE};
    struct iovec iov = {(void *)(uintptr_t)body, strlen(body)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};

    return weir_http_respond(http, &head, &write, NULL);
}

static void
answer_with_target(struct site *site, weir_http http)
{
    struct weir_http_field field = {"X-Path", site->target, 6, (uint32_t)strlen(site->target)};
    struct weir_http_head head = site_head();
    struct iovec iov = {site->target, strlen(site->target)};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY | WEIR_CHUNK_END};

    head.fields = &field;
    head.field_count = 1;
    if (weir_http_respond(http, &head, &write, NULL) == 0) {
        site->answered++;
    }
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    struct site *site = user;
    const struct weir_http_field *a = weir_http_find(request->fields, request->field_count, "a");

    pthread_mutex_lock(&site->fixture->lock);
    site->http = http;
    site->stream = weir_http_stream(http);
    site->requests++;
    site->flags = request->flags;
    site->body_size = 0;
    snprintf(site->method, sizeof(site->method), "%.*s", (int)request->method_size,
             request->method);
    snprintf(site->target, sizeof(site->target), "%.*s", (int)request->target_size,
             request->target);
    if (a != NULL) {
        snprintf(site->a, sizeof(site->a), "%.*s", (int)a->value_size, a->value);
    }
    pthread_cond_broadcast(&site->fixture->changed);
    pthread_mutex_unlock(&site->fixture->lock);
    if (site->request != NULL) {
        site->request(site, http, request);
    } else if (!site->options.reads ||
               !(request->flags & (WEIR_HTTP_CHUNKED | WEIR_HTTP_HAS_LENGTH))) {
        answer_with_target(site, http);
    }
}

static void
on_body(weir_http http, const void *data, size_t size, void *user)
{
    struct site *site = user;

    (void)http;
    if (size <= sizeof(site->body) - site->body_size) {
        memcpy(site->body + site->body_size, data, size);
    }
    site->body_size += size;
}

static void
on_body_end(weir_http http, const struct weir_http_field *trailers, unsigned count, void *user)
{
    struct site *site = user;

    (void)trailers;
    site->body_ends++;
    site->trailers += count;
    if (site->options.reads && site->request == NULL) {
        answer_with_target(site, http);
    }
}

static void
on_peer_fin(weir_http http, void *user)
{
    struct site *site = user;

    (void)http;
    site->fins++;
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    struct site *site = user;

    (void)http;
    pthread_mutex_lock(&site->fixture->lock);
    site->ended = *ended;
    site->ends++;
    pthread_cond_broadcast(&site->fixture->changed);
    pthread_mutex_unlock(&site->fixture->lock);
}

static void
on_refused(weir_stream stream, unsigned status, void *user)
{
    struct site *site = user;

    (void)stream;
    site->refusals++;
    site->refused = status;
}

static void
on_end(void *arg)
{
    struct site *site = arg;

    if (weir_http_server_free(site->server) != 0) {
        print_error("the server has connections still\n");
        abort();
    }
}

struct site *
site_open(void **state, const struct site_options *options)
{
    struct fixture *fixture = options->threads ? fixture_threads(state, 2) : fixture_manual(state);
    struct site *site = fixture_memory(fixture, sizeof(*site));
    struct weir_http_server_options server = {
        .handlers = &site->handlers, .user = site, .limits = options->limits};
    struct weir_listen listen = {.address = transport_address(fixture), .stream = options->stream};
    weir_listener listener;

    site->fixture = fixture;
    site->options = *options;
    site->request = options->request;
    site->handlers = (struct weir_http_handlers){
        .request = on_request,
        .body = options->pulls ? NULL : on_body,
        .body_end = on_body_end,
        .peer_fin = on_peer_fin,
        .ended = on_ended,
        .refused = on_refused,
    };
    assert_status(weir_http_server_create(fixture->runtime, &server, &site->server), 0);
    fixture_at_end(fixture, on_end, site);
    weir_http_server_prepare(site->server, &listen);
    if (options->small) {
        listen.stream.send_buffer = 1;
        listen.stream.receive_buffer = 1;
    }
    assert_status(weir_listen(fixture->runtime, &listen, &listener), 0);
    assert_status(weir_listener_address(listener, &site->address), 0);
    return site;
}

int
site_connect(struct site *site)
{
    return transport_connect(site->fixture, &site->address, 0);
}

int
site_connect_small(struct site *site)
{
    return transport_connect(site->fixture, &site->address, 1);
}

static bool
has_ended(void *arg)
{
    const unsigned *wanted = ((void **)arg)[1];
    struct site *site = ((void **)arg)[0];
    bool result;

    pthread_mutex_lock(&site->fixture->lock);
    result = site->ends >= *wanted;
    pthread_mutex_unlock(&site->fixture->lock);
    return result;
}

void
site_wait_ended(struct site *site, unsigned count)
{
    void *arg[2] = {site, &count};

    fixture_turn_until(site->fixture, has_ended, arg);
}

static bool
has_requests(void *arg)
{
    const unsigned *wanted = ((void **)arg)[1];
    struct site *site = ((void **)arg)[0];
    bool result;

    pthread_mutex_lock(&site->fixture->lock);
    result = site->requests >= *wanted;
    pthread_mutex_unlock(&site->fixture->lock);
    return result;
}

void
site_wait_requests(struct site *site, unsigned count)
{
    void *arg[2] = {site, &count};

    fixture_turn_until(site->fixture, has_requests, arg);
}

static bool
has_no_connection(void *arg)
{
    return weir_http_server_connections(((struct site *)arg)->server) == 0;
}

void
site_wait_no_connection(struct site *site)
{
    fixture_turn_until(site->fixture, has_no_connection, site);
}

void
site_read_done(weir_http http, struct weir_http_read_result *result, void *arg)
{
    struct site *site = arg;

    (void)http;
    weir_chain_return(&result->chain);
    pthread_mutex_lock(&site->fixture->lock);
    if (site->read_count < sizeof(site->reads) / sizeof(site->reads[0])) {
        site->reads[site->read_count++] = *result;
    }
    pthread_cond_broadcast(&site->fixture->changed);
    pthread_mutex_unlock(&site->fixture->lock);
}

static bool
has_reads(void *arg)
{
    const unsigned *wanted = ((void **)arg)[1];
    struct site *site = ((void **)arg)[0];
    bool result;

    pthread_mutex_lock(&site->fixture->lock);
    result = site->read_count >= *wanted;
    pthread_mutex_unlock(&site->fixture->lock);
    return result;
}

void
site_wait_reads(struct site *site, unsigned count)
{
    void *arg[2] = {site, &count};

    fixture_turn_until(site->fixture, has_reads, arg);
}

/* ---- the plain end ---- */

void
peer_write_text(struct site *site, int peer, const char *text)
{
    peer_write(site->fixture, peer, text, strlen(text));
}

void
peer_write_slowly(struct site *site, int peer, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (send(peer, at, 1, MSG_NOSIGNAL) != 1) {
            return; // it was refused before: what was answered says so
        }
        fixture_settle(site->fixture);
    }
}

void
peer_expect_text_at(struct site *site, int peer, const char *text, const char *file, int line)
{
    size_t size = strlen(text);
    char *got = fixture_memory(site->fixture, size + 1);

    peer_read_exact(site->fixture, peer, got, size);
    if (memcmp(got, text, size) != 0) {
        fixture_fail_at(site->fixture, file, line, "got\n%s\nnot\n%s", got, text);
    }
}
