// SPDX-License-Identifier: MIT
//
// WebSocket (weir/ws.h): a server that sends every message back, and a client that says hello and,
// when it has been answered, good-bye.
#include <semaphore.h>
#include <stdio.h>
#include <weir/weir.h>
#include <weir/ws.h>

// ---- the server --------------------------------------------------------------------------------

static struct weir_ws_server *server;

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    weir_ws ws;

    if (weir_ws_accept(server, http, request, NULL, &ws) < 0)
        fprintf(stderr, "no handshake; it has been answered\n");
}

static void
on_question(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct weir_chain chain = {0};
    struct weir_write write = {.chain = &chain};
    unsigned kind = message->is_text ? WEIR_WS_TEXT : WEIR_WS_BINARY;

    if (weir_ws_take(message, &chain) < 0 || weir_ws_write(ws, kind, &write, NULL) < 0) {
        weir_chain_return(&chain);
        weir_ws_abort(ws);
    }
}

// ---- the client --------------------------------------------------------------------------------

static sem_t over;

static void
on_opened(weir_ws ws, const struct weir_ws_opened *opened, void *user)
{
    if (opened->status == 0 && weir_ws_send(ws, WEIR_WS_TEXT, "hello", 5) < 0)
        weir_ws_abort(ws);
}

static void
on_answer(weir_ws ws, struct weir_ws_message *message, void *user)
{
    printf("%.*s\n", (int)message->size, (const char *)message->data);
    weir_ws_close(ws, WEIR_WS_NORMAL, "good-bye", 8);
}

static void
on_closed(weir_ws ws, const struct weir_ws_closed *closed, void *user)
{
    printf("closed with %u: %s\n", closed->code, weir_strerror(closed->status));
    sem_post(&over);
}

static const struct weir_ws_handlers client_handlers = {
    .opened = on_opened, .message = on_answer, .closed = on_closed};

static void
connect_client(struct weir_loop *loop, void *arg)
{
    struct weir_ws_connect request = {
        .ws.handlers = &client_handlers,
        .dial.address = *(struct weir_address *)arg,
        .host = "localhost",
        .target = "/echo",
    };
    weir_ws ws;

    if (weir_ws_connect(loop, &request, &ws) < 0)
        sem_post(&over);
}

int
main(void)
{
    static const struct weir_http_handlers http_handlers = {.request = on_request};
    static const struct weir_ws_handlers ws_handlers = {.message = on_question};
    struct weir_http_server_options http_options = {.handlers = &http_handlers};
    struct weir_ws_server_options ws_options = {.ws.handlers = &ws_handlers};
    struct weir_listen listen = {0};
    struct weir_http_server *http;
    struct weir_runtime *runtime;
    struct weir_address address;
    weir_listener listener;

    sem_init(&over, 0, 0);
    if (weir_runtime_create(NULL, &runtime) < 0 ||
        weir_http_server_create(runtime, &http_options, &http) < 0 ||
        weir_ws_server_create(runtime, &ws_options, &server) < 0 ||
        weir_address_ip(&listen.address, "127.0.0.1", 0) < 0)
        return 1;
    weir_http_server_prepare(http, &listen);
    if (weir_listen(runtime, &listen, &listener) < 0 ||
        weir_listener_address(listener, &address) < 0 ||
        weir_post(weir_runtime_loop(runtime, 0), connect_client, &address) < 0)
        return 1;
    sem_wait(&over);
    weir_runtime_stop(runtime, weir_deadline_after(1000000000));
    weir_ws_server_free(server);
    weir_http_server_free(http);
    return weir_runtime_free(runtime) < 0;
}
