/* SPDX-License-Identifier: MIT */
// WebSocket responder on weir::ws: every message goes back.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"
#include "lib/weir.h"

#include <arpa/inet.h>
#include <signal.h>
#include <weir/weir.h>
#include <weir/ws.h>

#define STOP_NS UINT64_C(1000000000)

static struct weir_ws_server *ws_server;

static void
on_message(weir_ws ws, struct weir_ws_message *message, void *user)
{
    struct weir_write write = {0};
    struct weir_chain chain = {NULL, NULL};
    struct iovec iov = {(void *)(uintptr_t)message->data, message->size};
    int result = 0;

    (void)user;
    if (message->chain.head != NULL) { // it is in blocks: they are sent as they are
        result = weir_ws_take(message, &chain);
        write.chain = &chain;
    } else {
        write.iov = &iov;
        write.iov_count = 1;
        write.flags = WEIR_COPY;
    }
    if (result < 0 || weir_ws_write(ws, WEIR_WS_BINARY, &write, NULL) < 0) {
        weir_chain_return(&chain);
        weir_ws_abort(ws);
    }
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    weir_ws ws;

    (void)user;
    require_weir(weir_ws_accept(ws_server, http, request, NULL, &ws), "weir_ws_accept");
}

int
main(int argc, char **argv)
{
    static const struct weir_http_handlers handlers = {.request = on_request};
    static const struct weir_ws_handlers ws_handlers = {.message = on_message};
    const struct weir_http_server_options server_options = {.handlers = &handlers};
    const struct weir_ws_server_options ws_options = {.ws.handlers = &ws_handlers};
    struct weir_runtime_options options = {.loops = 1};
    struct weir_listen listen = {.backlog = BENCH_BACKLOG};
    struct weir_http_server *server;
    struct weir_runtime *runtime;
    struct weir_address address;
    weir_listener listener;
    sigset_t term;
    int number;

    bench_server_begin(argc, argv);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    bench_require(sigprocmask(SIG_BLOCK, &term, NULL) == 0, "sigprocmask");
    require_weir(weir_runtime_create(&options, &runtime), "weir_runtime_create");
    require_weir(weir_http_server_create(runtime, &server_options, &server), "server_create");
    require_weir(weir_ws_server_create(runtime, &ws_options, &ws_server), "ws_server_create");
    weir_http_server_prepare(server, &listen);
    require_weir(weir_address_ip(&listen.address, "127.0.0.1", 0), "weir_address_ip");
    require_weir(weir_listen(runtime, &listen, &listener), "weir_listen");
    require_weir(weir_listener_address(listener, &address), "weir_listener_address");
    bench_server_ready(ntohs(((const struct sockaddr_in *)&address.as.storage)->sin_port));

    bench_require(sigwait(&term, &number) == 0, "sigwait");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "weir_runtime_stop");
    require_weir(weir_ws_server_free(ws_server), "weir_ws_server_free");
    require_weir(weir_http_server_free(server), "weir_http_server_free");
    require_weir(weir_runtime_free(runtime), "weir_runtime_free");
    bench_server_report();
    return 0;
}
