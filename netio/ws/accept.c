/* SPDX-License-Identifier: MIT */
// The server's side of the handshake.

#include "mem/heap.h"
#include "netio/ws/deflate.h"
#include "netio/ws/handshake.h"
#include "netio/ws/key.h"
#include "netio/ws/serve.h"
#include "netio/ws/server.h"

#include <errno.h>
#include <string.h>

#define OWN_FIELDS_MAX  5u
#define FIELDS_ON_STACK 16u

/* ---- no ---- */

// Refuse the request. What is told is `status`, unless even the answer fails.
static int
refuse(weir_http http, unsigned code, int status)
{
    static const struct weir_http_field fields[] = {
        WEIR_HTTP_FIELD("Upgrade", "websocket"),
        WEIR_HTTP_FIELD("Sec-WebSocket-Version", "13"),
    };
    struct weir_http_head head = {.status = code, .flags = WEIR_HTTP_CLOSE};
    int result;

    if (code == 426) {
        head.fields = fields;
        head.field_count = 2;
    }
    result = weir_http_respond(http, &head, NULL, NULL);
    if (result == -ENOMEM) {
        weir_http_abort(http); // it must not wait for an answer for ever
        return status;
    }
    return result < 0 ? result : status;
}

static unsigned
judge_origin(const struct weir_ws_server *server, const struct weir_http_request *request)
{
    const struct weir_http_field *origin =
        weir_http_find(request->fields, request->field_count, "Origin");
    unsigned code;

    if (server->origin == NULL) {
        return wi_ws_is_same_origin(request, origin) ? 0 : 403;
    }
    code = server->origin(request, origin, server->side.user);
    return code == 0 || (code >= 400 && code <= 599) ? code : 403;
}

/* ---- yes ---- */

// What the answer says.
struct answer {
    struct weir_http_field fields[FIELDS_ON_STACK];
    unsigned count;
    char accept[WI_WS_ACCEPT_SIZE + 1];
    struct wi_ws_agreed agreed;
};

static void
put_field(struct answer *answer, const char *name, const char *value)
{
    answer->fields[answer->count++] = (struct weir_http_field){
        .name = name,
        .value = value,
        .name_size = (uint32_t)strlen(name),
        .value_size = (uint32_t)strlen(value),
    };
}

static int
choose_protocol(const struct weir_ws_server *server, const struct weir_http_request *request,
                const struct weir_ws_accept *accept, const char **ret_protocol)
{
    if (accept->protocol == NULL) {
        return wi_ws_choose_protocol(&server->side, request, ret_protocol);
    }
    *ret_protocol =
        accept->protocol[0] == '\0'
            ? ""
            : wi_ws_side_protocol(&server->side, accept->protocol, strlen(accept->protocol));
    return *ret_protocol == NULL ||
                   (**ret_protocol != '\0' && !wi_ws_offers_protocol(request, *ret_protocol))
               ? -EINVAL
               : 0;
}

static struct wi_ws_conn *
make_conn(struct weir_ws_server *server, const struct weir_ws_accept *accept)
{
    struct wi_ws_conn *conn = wi_ws_conn_take();

    if (conn != NULL) {
        conn->side = &server->side;
        conn->user = accept->user != NULL ? accept->user : server->side.user;
    }
    return conn;
}

// A request that is to become a WebSocket.
struct asked {
    struct weir_ws_server *server;
    struct wi_home *home;
    weir_http http;
    const struct weir_http_request *request;
    const struct weir_ws_accept *accept;
    struct wi_ws_text key;
};

// From here an answer is 101, or the request is as it was.
static int
upgrade(const struct asked *asked, struct wi_ws_conn *conn, struct answer *answer)
{
    const struct weir_ws_accept *accept = asked->accept;
    struct weir_http_head head = {.status = 101};
    unsigned count = answer->count + accept->field_count;
    struct weir_http_field *fields = answer->fields;
    weir_stream stream;
    int result;

    if (count > FIELDS_ON_STACK) {
        fields = wi_heap_alloc(count * sizeof(fields[0]));
        if (fields == NULL) {
            return -ENOMEM;
        }
        memcpy(fields, answer->fields, answer->count * sizeof(fields[0]));
    }
    if (accept->field_count != 0) {
        memcpy(fields + answer->count, accept->fields, accept->field_count * sizeof(fields[0]));
    }
    head.fields = fields;
    head.field_count = count;
    result = weir_http_hijack(asked->http, &head, &wi_ws_stream_handlers, conn, &stream);
    if (fields != answer->fields) {
        wi_heap_free(fields);
    }
    if (result == 0) {
        wi_add_relaxed(&asked->server->connections, 1);
        conn->home = asked->home;
        wi_home_add(asked->home, &conn->seat, (weir_stream){0});
        wi_ws_conn_begin(conn, asked->home, stream);
    }
    return result;
}

static void
put_answer(const struct asked *asked, const char *protocol, struct answer *answer)
{
    const struct weir_http_request *request = asked->request;

    wi_ws_key_accept(asked->key.data, asked->key.size, answer->accept);
    put_field(answer, "Upgrade", "websocket");
    put_field(answer, "Connection", "Upgrade");
    put_field(answer, "Sec-WebSocket-Accept", answer->accept);
    if (*protocol != '\0') {
        put_field(answer, "Sec-WebSocket-Protocol", protocol);
    }
    wi_ws_extension_answer(&asked->server->side.deflate, request->fields, request->field_count,
                           &answer->agreed);
    if (answer->agreed.is_on) {
        put_field(answer, "Sec-WebSocket-Extensions", answer->agreed.text);
    }
}

// The request is a handshake, and welcome.
static int
accept_request(const struct asked *asked, weir_ws *ret_ws)
{
    struct answer answer = {.count = 0};
    const char *protocol;
    struct wi_ws_conn *conn;
    int result = choose_protocol(asked->server, asked->request, asked->accept, &protocol);

    if (result < 0) {
        return result == -EPROTO ? refuse(asked->http, 400, -EPROTO) : result;
    }
    conn = make_conn(asked->server, asked->accept);
    if (conn == NULL) {
        return refuse(asked->http, 503, -ENOMEM);
    }
    conn->protocol = protocol;
    put_answer(asked, protocol, &answer);
    result = wi_ws_conn_agree(conn, &answer.agreed);
    if (result == 0) {
        result = upgrade(asked, conn, &answer);
    }
    if (result < 0) {
        wi_ws_unpacker_free(conn->receiver.unpacker);
        wi_ws_conn_put(conn);
        return result == -ENOMEM ? refuse(asked->http, 503, -ENOMEM) : result;
    }
    *ret_ws = wi_ws_handle(conn);
    return 0;
}

int
weir_ws_accept(struct weir_ws_server *server, weir_http http,
               const struct weir_http_request *request, const struct weir_ws_accept *accept,
               weir_ws *ret_ws)
{
    static const struct weir_ws_accept nothing;
    struct asked asked = {
        .server = server,
        .http = http,
        .request = request,
        .accept = accept != NULL ? accept : &nothing,
    };
    unsigned code;
    int result;

    if (server == NULL || request == NULL || ret_ws == NULL ||
        (asked.accept->fields == NULL && asked.accept->field_count != 0)) {
        return -EINVAL;
    }
    asked.home = wi_ws_server_home(server);
    if (asked.home == NULL) {
        return -EXDEV;
    }
    if (wi_load_relaxed(&server->is_draining)) {
        return refuse(http, 503, -WEIR_EENDED);
    }
    result = wi_ws_check_request(request, &asked.key);
    if (result < 0) {
        return refuse(http, result == -EPROTO && weir_ws_is_asked(request) ? 400 : 426, result);
    }
    code = judge_origin(server, request);
    return code != 0 ? refuse(http, code, -EACCES) : accept_request(&asked, ret_ws);
}
