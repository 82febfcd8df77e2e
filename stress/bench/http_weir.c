/* SPDX-License-Identifier: MIT */
// HTTP responder on weir::http: every request gets the same 13 bytes.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"
#include "lib/weir.h"

#include <arpa/inet.h>
#include <signal.h>
#include <weir/http.h>
#include <weir/weir.h>

#define STOP_NS UINT64_C(1000000000)

static struct weir_http_head head;

static void
prepare_head(void)
{
    static const struct weir_http_field field = WEIR_HTTP_FIELD("Content-Type", "text/plain");
    const struct weir_http_head lines = {.status = 200, .fields = &field, .field_count = 1};
    struct weir_http_prepared *prepared;

    require_weir(weir_http_prepare(&lines, &prepared), "weir_http_prepare");
    head.prepared = prepared;
}

static void
on_request(weir_http http, const struct weir_http_request *request, void *user)
{
    static const struct iovec text = {(void *)(uintptr_t) "Hello, World!", 13};
    static const struct weir_write body = {.iov = &text, .iov_count = 1, .flags = WEIR_CHUNK_END};

    (void)request;
    (void)user;
    if (weir_http_respond(http, &head, &body, NULL) < 0) {
        weir_http_abort(http);
    }
}

int
main(int argc, char **argv)
{
    static const struct weir_http_handlers handlers = {.request = on_request};
    const struct weir_http_server_options server_options = {.handlers = &handlers};
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
    prepare_head();
    require_weir(weir_runtime_create(&options, &runtime), "weir_runtime_create");
    require_weir(weir_http_server_create(runtime, &server_options, &server), "server_create");
    weir_http_server_prepare(server, &listen);
    require_weir(weir_address_ip(&listen.address, "127.0.0.1", 0), "weir_address_ip");
    require_weir(weir_listen(runtime, &listen, &listener), "weir_listen");
    require_weir(weir_listener_address(listener, &address), "weir_listener_address");
    bench_server_ready(ntohs(((const struct sockaddr_in *)&address.as.storage)->sin_port));

    bench_require(sigwait(&term, &number) == 0, "sigwait");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "weir_runtime_stop");
    require_weir(weir_http_server_free(server), "weir_http_server_free");
    require_weir(weir_runtime_free(runtime), "weir_runtime_free");
    bench_server_report();
    return 0;
}
