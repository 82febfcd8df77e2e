/* SPDX-License-Identifier: MIT */

#include "netio/ws/connect.h"

#include "mem/assert.h"
#include "mem/heap.h"
#include "netio/ws/deflate.h"
#include "netio/ws/handshake.h"
#include "netio/ws/random.h"
#include "netio/ws/serve.h"

#include <errno.h>
#include <string.h>

/* ---- its life ---- */

static void
free_if_left(struct wi_home *home)
{
    struct wi_ws_client *client = wi_container_of(home, struct wi_ws_client, home);

    if (client->is_over && wi_home_is_left(home)) {
        wi_ws_side_fini(&client->side);
        wi_heap_free(client);
    }
}

void
wi_ws_client_left(struct wi_ws_client *client)
{
    client->is_over = true;
    free_if_left(&client->home);
}

// HTTP is done with, whether it led here or not. Its connection may be aborted by that.
static void
leave_http(struct wi_ws_client *client)
{
    struct weir_http_client *http = client->http;

    client->http = NULL;
    weir_http_client_free(http);
}

static void
tell_opened(struct wi_ws_client *client, const struct weir_http_response *response)
{
    const struct wi_ws_conn *conn = client->conn;
    const struct weir_ws_opened opened = {
        .status = conn->status,
        .origin = (enum weir_origin)conn->origin,
        .code = response != NULL ? response->status : 0,
        .response = response,
        .protocol = conn->protocol != NULL ? conn->protocol : "",
        .is_deflate = conn->receiver.unpacker != NULL,
    };

    client->was_told = true;
    weir_cancel(client->timer);
    if (client->side.handlers->opened != NULL) {
        client->side.handlers->opened(wi_ws_handle(conn), &opened, conn->user);
    }
}

void
wi_ws_client_give_up(struct wi_ws_client *client, int status, enum weir_origin origin)
{
    if (client != NULL && client->http != NULL) {
        wi_ws_note(client->conn, status, origin);
        leave_http(client);
    }
}

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct wi_ws_client *client = arg;

    (void)loop;
    if (status == 0) {
        wi_ws_client_give_up(client, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    }
    wi_home_leave(&client->home);
}

/* ---- the answer ---- */

// The subprotocol that the server chose: none, or one that was offered.
static int
take_protocol(struct wi_ws_client *client, const struct weir_http_response *response)
{
    struct wi_ws_text text;

    if (weir_http_find(response->fields, response->field_count, "Sec-WebSocket-Protocol") == NULL) {
        return 0;
    }
    if (!wi_ws_only_field(response->fields, response->field_count, "Sec-WebSocket-Protocol",
                          &text)) {
        return -EPROTO;
    }
    client->conn->protocol = wi_ws_side_protocol(&client->side, text.data, text.size);
    return client->conn->protocol != NULL ? 0 : -EPROTO;
}

static int
take_extensions(struct wi_ws_client *client, const struct weir_http_response *response)
{
    struct wi_ws_agreed agreed;
    int result = wi_ws_extension_take(&client->side.deflate, response->fields,
                                      response->field_count, &agreed);

    return result < 0 ? result : wi_ws_conn_agree(client->conn, &agreed);
}

static int
judge(struct wi_ws_client *client, const struct weir_http_response *response)
{
    int result = response->status == 101 ? 0 : -ECONNREFUSED;

    if (result == 0) {
        result = wi_ws_check_response(response, client->accept);
    }
    if (result == 0) {
        result = take_protocol(client, response);
    }
    return result == 0 ? take_extensions(client, response) : result;
}

static void
on_response(weir_http http, const struct weir_http_response *response, void *user)
{
    struct wi_ws_client *client = user;
    struct wi_ws_conn *conn = client->conn;
    weir_stream stream = {0};
    int result;

    if (client->http == NULL || (response->status < 200 && response->status != 101)) {
        return;
    }
    result = judge(client, response);
    if (result == 0) {
        client->was_told = true; // the exchange ends inside, and well
        result = weir_http_hijack(http, NULL, &wi_ws_stream_handlers, conn, &stream);
        client->was_told = false;
    }
    if (result < 0) {
        wi_ws_note(conn, result, WEIR_ORIGIN_TRANSPORT);
        tell_opened(client, response);
        if (client->http != NULL) {
            leave_http(client);
        }
        return;
    }
    leave_http(client);
    wi_ws_conn_begin(conn, &client->home, stream);
    if (conn->flags & WI_WS_PAUSED) {
        weir_pause(stream);
    }
    tell_opened(client, response);
}

static void
on_ended(weir_http http, const struct weir_http_ended *ended, void *user)
{
    struct wi_ws_client *client = user;
    struct weir_ws_closed closed = {0};

    (void)http;
    if (wi_ws_stream(client->conn).bits != 0 || (client->was_told && ended->status == 0)) {
        return; // it led to an open connection
    }
    wi_ws_note(client->conn, ended->status != 0 ? ended->status : -EPROTO, ended->origin);
    if (!client->was_told) {
        tell_opened(client, NULL);
    }
    if (client->http != NULL) {
        leave_http(client);
    }
    wi_ws_conn_gone(client->conn, &closed);
}

static const struct weir_http_handlers http_handlers = {
    .response = on_response,
    .ended = on_ended,
};

/* ---- the question ---- */

struct question {
    struct weir_http_field *fields;
    unsigned count;
    char key[WI_WS_KEY_SIZE + 1];
    char extension[WI_WS_EXTENSION_MAX];
    char *protocols; // a list; NULL: none
};

static void
put_field(struct question *question, const char *name, const char *value)
{
    question->fields[question->count++] = (struct weir_http_field){
        .name = name,
        .value = value,
        .name_size = (uint32_t)strlen(name),
        .value_size = (uint32_t)strlen(value),
    };
}

static int
put_protocols(struct question *question, const struct wi_ws_side *side)
{
    size_t size = 0;
    char *at;

    if (side->protocol_count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < side->protocol_count; i++) {
        size += strlen(side->protocols[i]) + 2;
    }
    question->protocols = at = wi_heap_alloc(size);
    if (at == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < side->protocol_count; i++) {
        size_t length = strlen(side->protocols[i]);

        memcpy(at, side->protocols[i], length);
        memcpy(at + length, ", ", 2); // the last one is cut off below
        at += length + 2;
    }
    at[-2] = '\0';
    put_field(question, "Sec-WebSocket-Protocol", question->protocols);
    return 0;
}

static int
put_question(struct question *question, struct wi_ws_client *client,
             const struct weir_ws_connect *request)
{
    unsigned char nonce[16];
    int result = wi_ws_random(nonce, sizeof(nonce));

    if (result < 0) {
        return result;
    }
    question->fields = wi_heap_alloc((request->field_count + 8) * sizeof(question->fields[0]));
    if (question->fields == NULL) {
        return -ENOMEM;
    }
    wi_ws_key_make(nonce, question->key);
    wi_ws_key_accept(question->key, WI_WS_KEY_SIZE, client->accept);
    put_field(question, "Upgrade", "websocket");
    put_field(question, "Connection", "Upgrade");
    put_field(question, "Sec-WebSocket-Key", question->key);
    put_field(question, "Sec-WebSocket-Version", "13");
    if (client->side.deflate.is_on) {
        wi_ws_extension_offer(&client->side.deflate, question->extension);
        put_field(question, "Sec-WebSocket-Extensions", question->extension);
    }
    for (unsigned i = 0; i < request->field_count; i++) {
        question->fields[question->count++] = request->fields[i];
    }
    return put_protocols(question, &client->side);
}

static int
ask(struct wi_ws_client *client, const struct weir_ws_connect *request)
{
    struct question question = {.count = 0};
    struct weir_http_ask ask = {
        .target = request->target != NULL ? request->target : "/",
    };
    weir_http http;
    int result = put_question(&question, client, request);

    if (result == 0) {
        ask.fields = question.fields;
        ask.field_count = question.count;
        result = weir_http_ask(client->http, &ask, NULL, client, &http);
    }
    wi_heap_free(question.fields);
    wi_heap_free(question.protocols);
    return result;
}

static int
start(struct wi_ws_client *client, const struct weir_ws_connect *request)
{
    struct weir_http_client_options options = {
        .dial = request->dial,
        .host = request->host,
        .handlers = &http_handlers,
        .user = client,
        .response_ns = client->side.limits.open_ns,
    };
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(client->side.limits.open_ns),
        .fn = on_timer,
        .arg = client,
    };
    int result = weir_http_client_create(client->home.loop, &options, &client->http);

    if (result < 0) {
        return result;
    }
    result = weir_timer_start(client->home.loop, &timer, &client->timer);
    if (result < 0) {
        return result;
    }
    wi_add_relaxed(&client->home.pending, 1);
    result = ask(client, request);
    if (result < 0) {
        weir_cancel(client->timer);
    }
    return result;
}

static struct wi_ws_client *
make_client(struct weir_loop *loop, const struct weir_ws_connect *request, int *ret_status)
{
    struct wi_ws_client *client = wi_heap_zalloc(sizeof(*client));

    *ret_status = client == NULL ? -ENOMEM : wi_ws_side_init(&client->side, &request->ws);
    if (*ret_status < 0) {
        wi_heap_free(client);
        return NULL;
    }
    client->conn = wi_ws_conn_take();
    if (client->conn == NULL) {
        wi_ws_side_fini(&client->side);
        wi_heap_free(client);
        *ret_status = -ENOMEM;
        return NULL;
    }
    wi_home_init(&client->home, loop, wi_ws_conn_due);
    client->home.left = free_if_left;
    client->conn->side = &client->side;
    client->conn->client = client;
    client->conn->user = client->side.user;
    wi_ws_receiver_init(&client->conn->receiver, false, &client->side.limits, NULL);
    client->conn->home = &client->home;
    wi_home_add(&client->home, &client->conn->seat, (weir_stream){0});
    return client;
}

int
weir_ws_connect(struct weir_loop *loop, const struct weir_ws_connect *request, weir_ws *ret_ws)
{
    struct wi_ws_client *client;
    int result;

    if (loop == NULL || request == NULL || ret_ws == NULL || request->host == NULL ||
        (request->fields == NULL && request->field_count != 0)) {
        return -EINVAL;
    }
    if (weir_loop_current() != loop) {
        return -EXDEV;
    }
    client = make_client(loop, request, &result);
    if (client == NULL) {
        return result;
    }
    result = start(client, request);
    if (result < 0) {
        if (client->http != NULL) {
            client->was_told = true;
            leave_http(client);
        }
        wi_home_remove(&client->home, &client->conn->seat);
        wi_ws_conn_put(client->conn);
        wi_ws_client_left(client);
        return result;
    }
    *ret_ws = wi_ws_handle(client->conn);
    return 0;
}
