/* SPDX-License-Identifier: MIT */
// Echo server on weir: the blocks in which bytes arrive are written back, each write with a
// completion of its own. What the stream refuses above its high mark waits, and so does reading.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <weir/weir.h>

#define QUEUE_HIGH ((size_t)256 * 1024)
#define STOP_NS    UINT64_C(1000000000)

static uint64_t echo_count; // the loop's

static void
require_weir(int result, const char *what)
{
    if (result < 0) {
        errno = -result;
        bench_fail(what);
    }
}

static void
on_echoed(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    echo_count += result->status == 0;
}

static void
hold(weir_stream stream, struct weir_chain *chain)
{
    struct weir_chain *held = malloc(sizeof(*held));

    bench_require(held != NULL, "malloc");
    *held = *chain;
    require_weir(weir_stream_set_user(stream, held), "weir_stream_set_user");
    weir_pause(stream);
}

static void
echo(weir_stream stream, struct weir_chain *chain)
{
    struct weir_write write = {.chain = chain, .done = on_echoed};
    int result = weir_write(stream, &write, NULL);

    if (result == -WEIR_ESTREAMFULL) {
        hold(stream, chain);
    } else if (result < 0) {
        weir_chain_return(chain);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {0};

    (void)begin;
    (void)end;
    if (user == NULL) { // else it is held back: reading is paused
        require_weir(weir_take(stream, SIZE_MAX, &chain), "weir_take");
        echo(stream, &chain);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_writable(weir_stream stream, void *user)
{
    struct weir_chain *held = user;

    if (held == NULL) {
        return;
    }
    struct weir_chain chain = *held;
    free(held);
    require_weir(weir_stream_set_user(stream, NULL), "weir_stream_set_user");
    weir_resume(stream);
    echo(stream, &chain);
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_FLUSH, 0, 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct weir_chain *held = user;

    (void)stream;
    (void)closed;
    if (held != NULL) {
        weir_chain_return(held);
        free(held);
    }
}

static const struct weir_handlers handlers = {
    .data = on_data,
    .writable = on_writable,
    .peer_fin = on_peer_fin,
    .closed = on_closed,
};

static uint16_t
listen_on(struct weir_runtime *runtime)
{
    weir_listener listener;
    struct weir_address address;
    struct weir_listen listen = {
        .backlog = BENCH_BACKLOG,
        .stream = {.handlers = &handlers, .flags = WEIR_STREAM_NODELAY, .queue_high = QUEUE_HIGH},
    };

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

    bench_server_begin(argc, argv);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    bench_require(sigprocmask(SIG_BLOCK, &term, NULL) == 0, "sigprocmask");
    require_weir(weir_runtime_create(&options, &runtime), "weir_runtime_create");
    bench_server_ready(listen_on(runtime));

    bench_require(sigwait(&term, &number) == 0, "sigwait");
    require_weir(weir_runtime_stop(runtime, weir_deadline_after(STOP_NS)), "weir_runtime_stop");
    require_weir(weir_runtime_free(runtime), "weir_runtime_free");
    bench_server_report();
    return 0;
}
