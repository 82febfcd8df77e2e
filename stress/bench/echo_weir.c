/* SPDX-License-Identifier: MIT */
// Echo server on weir: the blocks in which bytes arrive are written back, each write with a
// completion of its own. Reading rests while a stream has too much queued.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <weir/weir.h>

#define QUEUE_HIGH ((size_t)256 * 1024)
#define QUEUE_LOW  ((size_t)64 * 1024)
#define STOP_NS    UINT64_C(1000000000)

// The loop's.
static uint64_t echo_count;
static uint64_t resting_count; // streams whose user pointer is not NULL: they are not read

static void
require_weir(int result, const char *what)
{
    if (result < 0) {
        errno = -result;
        bench_fail(what);
    }
}

static void
rest(weir_stream stream)
{
    require_weir(weir_stream_set_user(stream, &resting_count), "weir_stream_set_user");
    require_weir(weir_pause(stream), "weir_pause");
    resting_count++;
}

static void
on_echoed(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)arg;
    echo_count += result->status == 0;
    if (resting_count > 0 && weir_stream_user(stream) != NULL && weir_queued(stream) <= QUEUE_LOW) {
        require_weir(weir_stream_set_user(stream, NULL), "weir_stream_set_user");
        require_weir(weir_resume(stream), "weir_resume");
        resting_count--;
    }
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {0};
    struct weir_write write = {.chain = &chain, .done = on_echoed};

    (void)begin;
    (void)end;
    require_weir(weir_take(stream, SIZE_MAX, &chain), "weir_take");
    if (weir_write(stream, &write, NULL) < 0) {
        weir_chain_return(&chain);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else if (user == NULL && weir_queued(stream) > QUEUE_HIGH) {
        rest(stream);
    }
    return (struct weir_consumed){0, 0};
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
    (void)stream;
    (void)closed;
    resting_count -= user != NULL;
}

static const struct weir_handlers handlers = {
    .data = on_data,
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
        .stream = {.handlers = &handlers, .flags = WEIR_STREAM_NODELAY},
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
