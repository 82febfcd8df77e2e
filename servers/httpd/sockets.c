/* SPDX-License-Identifier: MIT */
#include "sockets.h"

#include "answer.h"
#include "live.h"

#include "weir/ws.h"

#include <errno.h>
#include <stdlib.h>

// An echo is not read from while more than this waits to be sent on it.
#define ECHO_HIGH 262144u
// A page that is so far behind is left out until it has caught up.
#define LIVE_HIGH 65536u

// One connection, on one loop.
struct socket {
    weir_ws ws;
    struct httpd *httpd;
    struct here *here;
    struct socket *next; // of the loop's live ones
    struct socket *prev;
    bool is_live;
    bool is_paused;
};

struct sockets {
    struct weir_ws_server *echo;
    struct weir_ws_server *live;
};

bool
sockets_are_built(void)
{
    return true;
}

/* ---- the echo ---- */

static void
on_echoed(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct socket *socket = arg;

    (void)result;
    if (socket->is_paused && weir_queued(stream) <= ECHO_HIGH / 2) {
        socket->is_paused = false;
        weir_ws_resume(socket->ws);
    }
}

static void
on_echo_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct socket *socket = user;
    struct weir_chain chain = {NULL, NULL};
    struct weir_write write = {.chain = &chain, .done = on_echoed, .arg = socket};

    count(&socket->here->counts.messages, 1);
    if (weir_ws_take(message, &chain) < 0 ||
        weir_ws_write(ws, message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY, &write, NULL) < 0) {
        weir_chain_return(&chain);
        weir_ws_abort(ws);
        return;
    }
    if (weir_queued(weir_ws_stream(ws)) > ECHO_HIGH) {
        socket->is_paused = true;
        weir_ws_pause(ws);
    }
}

/* ---- the live page ---- */

static void on_tick(struct weir_loop *loop, int status, void *arg);

static bool
start_tick(struct httpd *httpd, struct here *here)
{
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(SOCKETS_LIVE_NS), .fn = on_tick, .arg = httpd};

    here->ticks = weir_timer_start(weir_loop_current(), &timer, NULL) == 0;
    return here->ticks;
}

static void
tell(struct here *here, const struct live_text *text)
{
    struct socket *next;

    for (struct socket *socket = here->live; socket != NULL; socket = next) {
        next = socket->next;
        if (weir_queued(weir_ws_stream(socket->ws)) <= LIVE_HIGH &&
            weir_ws_send(socket->ws, WEIR_WS_TEXT, text->bytes, text->size) == -ENOMEM) {
            weir_ws_abort(socket->ws);
        }
    }
}

static void
on_tick(struct weir_loop *loop, int status, void *arg)
{
    struct httpd *httpd = arg;
    struct here *here = httpd_here(httpd);
    struct live_text text;

    (void)loop;
    here->ticks = false;
    if (status != 0 || here->live == NULL) {
        return;
    }
    live_write(httpd, &text);
    tell(here, &text);
    start_tick(httpd, here);
}

static void
on_live_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct socket *socket = user;

    (void)ws;
    (void)message; // a page says nothing; what it says all the same is counted
    count(&socket->here->counts.messages, 1);
}

static void
list_live(struct socket *socket)
{
    struct here *here = socket->here;
    struct live_text text;

    socket->is_live = true;
    socket->next = here->live;
    if (here->live != NULL) {
        here->live->prev = socket;
    }
    here->live = socket;
    live_write(socket->httpd, &text);
    if (weir_ws_send(socket->ws, WEIR_WS_TEXT, text.bytes, text.size) < 0 ||
        (!here->ticks && !start_tick(socket->httpd, here))) {
        weir_ws_close(socket->ws, WEIR_WS_TRY_AGAIN, NULL, 0);
    }
}

static void
unlist_live(struct socket *socket)
{
    if (socket->next != NULL) {
        socket->next->prev = socket->prev;
    }
    *(socket->prev != NULL ? &socket->prev->next : &socket->here->live) = socket->next;
}

/* ---- both ---- */

static void
on_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    struct socket *socket = user;

    (void)ws;
    (void)closed;
    count(&socket->here->counts.sockets, (uint64_t)-1);
    if (socket->is_live) {
        unlist_live(socket);
    }
    free(socket);
}

// A connection of @p server, or NULL: it was answered with what it is not.
static struct socket *
open_socket(struct visit *visit, struct weir_ws_server *server,
            const struct weir_http_request *request)
{
    struct socket *socket = calloc(1, sizeof(*socket));
    struct weir_ws_accept accept = {.user = socket};
    int result;

    if (socket == NULL) {
        answer_status(visit, 503);
        return NULL;
    }
    socket->httpd = visit->httpd;
    socket->here = visit->here;
    result = weir_ws_accept(server, visit->http, request, &accept, &socket->ws);
    if (result < 0) {
        if (!visit->is_over && result != -EPROTO && result != -EPROTONOSUPPORT &&
            result != -EACCES && result != -ENOMEM && result != -WEIR_EENDED) {
            weir_http_abort(visit->http);
        }
        free(socket);
        return NULL;
    }
    count(&socket->here->counts.sockets, 1);
    return socket;
}

void
sockets_echo(struct visit *visit, const struct weir_http_request *request)
{
    open_socket(visit, visit->httpd->sockets->echo, request);
}

void
sockets_live(struct visit *visit, const struct weir_http_request *request)
{
    struct socket *socket = open_socket(visit, visit->httpd->sockets->live, request);

    if (socket != NULL) {
        list_live(socket);
    }
}

/* ---- life ---- */

static int
make_server(struct httpd *httpd, const struct weir_ws_handlers *handlers,
            struct weir_ws_server **ret_server)
{
    struct weir_ws_server_options options = {
        .ws = {.handlers = handlers, .user = httpd, .deflate = {.is_on = true}}};
    int result = weir_ws_server_create(httpd->runtime, &options, ret_server);

    if (result == -ENOTSUP) {
        options.ws.deflate.is_on = false;
        result = weir_ws_server_create(httpd->runtime, &options, ret_server);
    }
    return result;
}

int
sockets_begin(struct httpd *httpd)
{
    static const struct weir_ws_handlers echo = {.message = on_echo_message, .closed = on_closed};
    static const struct weir_ws_handlers live = {.message = on_live_message, .closed = on_closed};
    int result;

    httpd->sockets = calloc(1, sizeof(*httpd->sockets));
    if (httpd->sockets == NULL) {
        return -ENOMEM;
    }
    result = make_server(httpd, &echo, &httpd->sockets->echo);
    if (result == 0) {
        result = make_server(httpd, &live, &httpd->sockets->live);
    }
    return result;
}

void
sockets_drain(struct httpd *httpd)
{
    weir_ws_server_drain(httpd->sockets->echo);
    weir_ws_server_drain(httpd->sockets->live);
}

unsigned
sockets_count(const struct httpd *httpd)
{
    return weir_ws_server_connections(httpd->sockets->echo) +
           weir_ws_server_connections(httpd->sockets->live);
}

void
sockets_end(struct httpd *httpd)
{
    if (httpd->sockets != NULL) {
        weir_ws_server_free(httpd->sockets->echo);
        weir_ws_server_free(httpd->sockets->live);
    }
    free(httpd->sockets);
}
