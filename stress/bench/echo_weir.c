/* SPDX-License-Identifier: MIT */
// Echo server on weir, in three styles. The blocks in which bytes arrive are written back in each.
//
//   readme   the server of README.md, its text itself
//   own      counts its echoes, and says what it wants by a struct weir_write
//   server   weir-echo, its source itself: nothing is told of a completion

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"
#include "lib/weir.h"

#include "../../servers/echo/echo.h"

#include <arpa/inet.h>
#include <signal.h>
#include <weir/weir.h>

// The README's text is included as it is: it casts no argument that a callback has no use for.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define main readme_main
int readme_main(void);
#include "../../examples/echo20.c"
#undef main
#pragma GCC diagnostic pop

#define STOP_NS UINT64_C(1000000000)

// The loop's.
static uint64_t echo_count;

static void
own_echoed(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    echo_count += result->status == 0;
}

static struct weir_consumed
own_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {0};
    struct weir_write write = {.chain = &chain, .done = own_echoed};

    (void)begin;
    (void)end;
    (void)user;
    require_weir(weir_take(stream, SIZE_MAX, &chain), "weir_take");
    if (weir_write(stream, &write, NULL) < 0) {
        weir_chain_return(&chain);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
    return (struct weir_consumed){0, 0};
}

static void
own_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_FLUSH, 0, 0);
}

static const struct weir_handlers own_handlers = {
    .data = own_data,
    .peer_fin = own_peer_fin,
};

static const struct weir_handlers readme_handlers = {.data = on_data, .peer_fin = on_peer_fin};

enum style { STYLE_README, STYLE_OWN, STYLE_SERVER };
static const char *const style_names[] = {"readme", "own", "server", NULL};

static uint16_t
listen_on(struct weir_runtime *runtime, enum style style)
{
    weir_listener listener;
    struct weir_address address;
    struct weir_listen listen = {
        .backlog = BENCH_BACKLOG,
        .stream = {.handlers = &own_handlers, .flags = WEIR_STREAM_NODELAY | WEIR_STREAM_REST},
    };

    if (style == STYLE_README) {
        listen.stream.handlers = &readme_handlers;
    } else if (style == STYLE_SERVER) {
        echo_prepare(&listen);
    }
    require_weir(weir_address_ip(&listen.address, "127.0.0.1", 0), "weir_address_ip");
    require_weir(weir_listen(runtime, &listen, &listener), "weir_listen");
    require_weir(weir_listener_address(listener, &address), "weir_listener_address");
    return ntohs(((const struct sockaddr_in *)&address.as.storage)->sin_port);
}

int
main(int argc, char **argv)
{
    struct weir_runtime_options options = {.loops = 1};
    struct weir_runtime *runtime;
    sigset_t term;
    int number;

    enum style style = (enum style)bench_server_begin_styled(argc, argv, style_names);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    bench_require(sigprocmask(SIG_BLOCK, &term, NULL) == 0, "sigprocmask");
    require_weir(weir_runtime_create(&options, &runtime), "weir_runtime_create");
    bench_server_ready(listen_on(runtime, style));

    bench_require(sigwait(&term, &number) == 0, "sigwait");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "weir_runtime_stop");
    require_weir(weir_runtime_free(runtime), "weir_runtime_free");
    bench_server_report();
    return 0;
}
