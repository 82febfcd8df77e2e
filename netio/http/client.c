/* SPDX-License-Identifier: MIT */

#include "netio/http/client.h"

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/head.h"
#include "netio/http/live.h"
#include "netio/http/serve.h"
#include "netio/http/text.h"

#include <errno.h>
#include <string.h>

#define RESPONSE_NS (UINT64_C(60) * 1000 * 1000 * 1000)

/* ---- its life ---- */

static void
free_if_left(struct wi_home *home)
{
    struct weir_http_client *client =
        (struct weir_http_client *)(void *)((char *)home - offsetof(struct weir_http_client, home));

    if (client->refs == 0 && wi_home_is_left(home)) {
        wi_http_home_fini(&client->home);
        wi_heap_free(client);
    }
}
static_assert(offsetof(struct wi_http_home, base) == 0, "its home begins with the common part");

void
wi_http_client_drop(struct weir_http_client *client)
{
    client->refs--;
    free_if_left(&client->home.base);
}

int
weir_http_client_create(struct weir_loop *loop, const struct weir_http_client_options *options,
                        struct weir_http_client **ret_client)
{
    struct weir_http_limits limits;
    struct weir_http_client *client;
    uint64_t response_ns;
    size_t host_size;

    if (loop == NULL || options == NULL || ret_client == NULL || options->host == NULL ||
        options->handlers == NULL || options->handlers->response == NULL ||
        !wi_http_is_value(options->host, strlen(options->host)) ||
        wi_http_limits_set(&limits, &options->limits) < 0) {
        return -EINVAL;
    }
    host_size = strlen(options->host) + 1;
    client = wi_heap_zalloc(sizeof(*client) + host_size);
    if (client == NULL) {
        return -ENOMEM;
    }
    response_ns = options->response_ns != 0 ? options->response_ns : RESPONSE_NS;
    client->side = (struct wi_http_side){options->handlers, options->user, limits, response_ns};
    client->transacts =
        (struct wi_http_side){&wi_http_transact_handlers, NULL, limits, response_ns};
    client->dial = options->dial;
    client->waiting_max = options->waiting_max != 0 ? options->waiting_max : 1024;
    client->redirects_max = options->redirects_max;
    client->refs = 1;
    memcpy(client->host, options->host, host_size);
    wi_http_home_init(&client->home, loop);
    client->home.base.left = free_if_left;
    *ret_client = client;
    return 0;
}

// One that is kept ends in good order: for the server a reset would be a failure.
static void
leave_connection(struct wi_http_conn *conn)
{
    if (wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_IDLE &&
        !(wi_http_flags(conn) & WI_HTTP_OVER)) {
        wi_http_set(conn, WI_HTTP_OVER);
        weir_close(wi_http_stream(conn), WEIR_CLOSE_FLUSH, 0, 0);
    } else {
        wi_http_conn_abort(conn, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE);
    }
}

void
weir_http_client_free(struct weir_http_client *client)
{
    if (client == NULL || client->is_freed) {
        return;
    }
    client->is_freed = true;
    client->refs++; // ended transactions must not take it away from under us
    wi_http_transact_end_all(client);
    if (client->conn != NULL && !(wi_http_flags(client->conn) & WI_HTTP_HIJACKED)) {
        leave_connection(client->conn);
    }
    client->refs--;
    wi_http_client_drop(client);
}

/* ---- its connection ---- */

void
wi_http_client_left(struct wi_http_conn *conn, int status)
{
    struct weir_http_client *client = conn->client;

    (void)status;
    if (client->conn == conn) {
        client->conn = NULL;
        if (!client->is_freed) {
            wi_http_transact_pump(client);
        }
    }
    wi_http_client_drop(client);
}

void
wi_http_client_exchange_over(struct wi_http_conn *conn, int status)
{
    struct weir_http_client *client = conn->client;

    (void)status;
    if ((wi_http_flags(conn) & WI_HTTP_LAST) && !(wi_http_flags(conn) & WI_HTTP_OVER)) {
        wi_http_conn_close(conn);
    }
    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        client->conn = client->conn == conn ? NULL : client->conn;
    }
    if (!client->is_freed) {
        wi_http_transact_pump(client);
    }
}

static int
connect_client(struct weir_http_client *client)
{
    struct wi_http_conn *conn = wi_http_conn_take();
    struct weir_dial dial = client->dial;
    weir_stream stream;
    int result;

    if (conn == NULL) {
        return -ENOMEM;
    }
    wi_http_set(conn, WI_HTTP_CLIENT);
    conn->side = &client->side;
    conn->home = &client->home;
    result = wi_http_live_begin_at(conn);
    if (result < 0) {
        wi_http_conn_put(conn);
        return result;
    }
    dial.stream.handlers = &wi_http_conn_handlers;
    dial.stream.user = conn;
    dial.stream.flags |= WEIR_STREAM_NODELAY;
    result = weir_dial(client->home.base.loop, &dial, &stream);
    if (result < 0) {
        wi_http_live_end(conn);
        wi_http_conn_put(conn);
        return result;
    }
    conn->client = client;
    client->refs++;
    client->conn = conn;
    wi_http_conn_open(conn, &client->side, &client->home, stream);
    return 0;
}

static int
have_free_connection(struct weir_http_client *client)
{
    struct wi_http_conn *conn = client->conn;

    if (conn != NULL && (wi_http_flags(conn) & WI_HTTP_OVER)) {
        client->conn = NULL;
        conn = NULL;
    }
    if (conn == NULL) {
        return connect_client(client);
    }
    return wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_IDLE ? 0 : -EBUSY;
}

int
wi_http_client_begin(struct weir_http_client *client, struct wi_http_side *side,
                     const struct wi_http_asked *asked, const struct weir_write *body, void *user,
                     weir_http *ret_http)
{
    static const struct weir_write nothing;
    struct wi_http_begin begin = {
        .text = asked->text,
        .text_size = asked->text_size,
        .mode = asked->mode,
        .is_complete = asked->is_complete,
        .size = asked->size,
        .length = asked->length,
    };
    int result = have_free_connection(client);
    struct wi_http_conn *conn = client->conn;
    uint64_t entered;

    if (result < 0) {
        return result;
    }
    conn->side = side;
    conn->live->parser.limits = &side->limits;
    conn->user = user;
    wi_http_next_exchange(conn, WI_HTTP_OPEN);
    wi_http_unhold(conn);
    *ret_http = wi_http_handle(conn);
    result = wi_http_enter(*ret_http, 1u << WI_HTTP_OPEN, &conn, &entered);
    if (result == 0) {
        result = wi_http_take_alone(conn, entered);
    }
    if (result == 0) {
        wi_http_set(conn, asked->is_head ? (unsigned)WI_HTTP_IS_HEAD : 0);
        conn->is_last = asked->says_close;
        result = wi_http_begin_message(conn, entered, &begin, body != NULL ? body : &nothing, NULL);
        wi_http_leave(conn, entered);
    }
    if (result < 0) { // as if it had never been
        wi_http_exchange_over(conn, result, WEIR_ORIGIN_LOCAL_CLOSE);
        return result;
    }
    wi_http_set(conn, WI_HTTP_TOLD);
    wi_http_conn_touch(conn);
    return 0;
}

/* ---- asking ---- */

static int
frame_request(const struct weir_http_ask *ask, const struct weir_write *body,
              struct wi_http_asked *asked)
{
    bool has_length = (ask->flags & WEIR_HTTP_HAS_LENGTH) != 0;

    asked->is_complete = body == NULL || (body->flags & WEIR_CHUNK_END);
    asked->length = has_length ? ask->length : asked->size;
    if (has_length || asked->is_complete) {
        asked->mode = WI_HTTP_LENGTH;
        return asked->size > asked->length || (asked->is_complete && asked->size != asked->length)
                   ? -EMSGSIZE
                   : 0;
    }
    asked->mode = WI_HTTP_CHUNKS;
    return 0;
}

int
weir_http_ask(struct weir_http_client *client, const struct weir_http_ask *ask,
              const struct weir_write *body, void *user, weir_http *ret_http)
{
    struct wi_http_asked asked = {0};
    struct wi_http_framing framing = {0};
    const char *host;
    int result;

    if (client == NULL || ask == NULL || ret_http == NULL) {
        return -EINVAL;
    }
    if (weir_loop_current() != client->home.base.loop) {
        return -EXDEV;
    }
    host = ask->host != NULL ? ask->host : client->host;
    result = client->is_freed ? -EINVAL : wi_http_check_ask(ask);
    if (result == 0 && body != NULL) {
        result = body->flags & WEIR_NOWAIT ? -ENOTSUP : wi_http_check_body(body, &asked.size);
    }
    if (result == 0) {
        result = frame_request(ask, body, &asked);
    }
    if (result < 0) {
        return result;
    }
    framing.is_chunked = asked.mode == WI_HTTP_CHUNKS;
    framing.has_length = asked.mode == WI_HTTP_LENGTH && (body != NULL || asked.length != 0);
    framing.length = asked.length;
    framing.says_close = asked.says_close = (ask->flags & WEIR_HTTP_CLOSE) != 0;
    asked.is_head = ask->method != NULL && strcmp(ask->method, "HEAD") == 0;
    asked.text = wi_heap_alloc(wi_http_request_bound(ask, host) + WI_HTTP_CHUNK_HEAD_MAX);
    if (asked.text == NULL) {
        return -ENOMEM;
    }
    asked.text_size = wi_http_put_request(asked.text, ask, host, &framing);
    result = wi_http_client_begin(client, &client->side, &asked, body,
                                  user != NULL ? user : client->side.user, ret_http);
    wi_heap_free(asked.text);
    return result;
}
