/* SPDX-License-Identifier: MIT */

#include "mem/heap.h"
#include "netio/http/home.h"
#include "netio/http/serve.h"

#include <errno.h>

struct weir_http_server {
    struct wi_http_side side;
    struct weir_runtime *runtime;
    wi_atomic_u32 connections;
    wi_atomic_u32 is_draining;
    unsigned home_count;
    struct wi_http_home homes[];
};

static struct weir_http_server *
server_of(const struct wi_http_side *side)
{
    return (struct weir_http_server *)(void *)(uintptr_t)side;
}
static_assert(offsetof(struct weir_http_server, side) == 0, "a server's side is the server");

int
weir_http_server_create(struct weir_runtime *runtime,
                        const struct weir_http_server_options *options,
                        struct weir_http_server **ret_server)
{
    struct weir_http_limits limits;
    struct weir_http_server *server;
    unsigned loops;

    if (runtime == NULL || options == NULL || ret_server == NULL || options->handlers == NULL ||
        options->handlers->request == NULL || wi_http_limits_set(&limits, &options->limits) < 0) {
        return -EINVAL;
    }
    loops = weir_runtime_loop_count(runtime);
    server = wi_heap_zalloc(sizeof(*server) + loops * sizeof(server->homes[0]));
    if (server == NULL) {
        return -ENOMEM;
    }
    server->side = (struct wi_http_side){options->handlers, options->user, limits, 0};
    server->runtime = runtime;
    server->home_count = loops;
    for (unsigned i = 0; i < loops; i++) {
        wi_http_home_init(&server->homes[i], weir_runtime_loop(runtime, i));
        if (wi_http_home_remember(&server->homes[i]) < 0) {
            weir_http_server_free(server);
            return -ENOMEM;
        }
    }
    *ret_server = server;
    return 0;
}

static struct wi_http_home *
home_of(struct weir_http_server *server, const struct weir_loop *loop)
{
    for (unsigned i = 0; i < server->home_count; i++) {
        if (server->homes[i].base.loop == loop) {
            return &server->homes[i];
        }
    }
    return NULL;
}

int
weir_http_attach(struct weir_http_server *server, weir_stream stream)
{
    struct weir_loop *loop = weir_stream_loop(stream);
    struct wi_http_home *home = loop == NULL ? NULL : home_of(server, loop);
    struct wi_http_conn *conn;
    int result;

    if (home == NULL || loop != weir_loop_current()) {
        return loop == NULL ? -WEIR_ESTALE : -EXDEV;
    }
    if (wi_load_relaxed(&server->is_draining)) {
        return -WEIR_EENDED;
    }
    conn = wi_http_conn_take();
    if (conn == NULL) {
        return -ENOMEM;
    }
    result = weir_stream_set_handlers(stream, &wi_http_conn_handlers, conn);
    if (result < 0) {
        wi_http_conn_put(conn);
        return result;
    }
    wi_add_relaxed(&server->connections, 1);
    wi_http_conn_open(conn, &server->side, home, stream);
    return 0;
}

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    (void)listener;
    if (weir_http_attach(arg, stream) < 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

void
weir_http_server_prepare(struct weir_http_server *server, struct weir_listen *listen)
{
    listen->accepted = on_accepted;
    listen->arg = server;
    listen->stream.flags |= WEIR_STREAM_NODELAY | WEIR_STREAM_REST;
}

void
wi_http_server_left(struct wi_http_side *side)
{
    // ORDER(home) publish: the connection's last use of its home.
    wi_sub_acq_rel(&server_of(side)->connections, 1);
}

bool
wi_http_server_is_draining(const struct wi_http_side *side)
{
    return wi_load_relaxed(&server_of(side)->is_draining) != 0;
}

static void
drain_home(struct weir_loop *loop, void *arg)
{
    struct wi_home *home = arg;

    (void)loop;
    for (struct wi_seat *seat = home->first, *next; seat != NULL; seat = next) {
        struct wi_http_conn *conn = wi_http_conn_of(seat);

        next = seat->next;
        if (wi_http_phase(wi_load_relaxed(&seat->word)) == WI_HTTP_IDLE) {
            if (!(wi_http_flags(conn) & WI_HTTP_OVER)) {
                wi_http_conn_close(conn);
            }
        } else {
            wi_http_set(conn, WI_HTTP_LAST);
        }
    }
    wi_home_leave(home);
}

int
weir_http_server_drain(struct weir_http_server *server)
{
    wi_store_relaxed(&server->is_draining, 1);
    return wi_homes_post(&server->homes[0].base, server->home_count, sizeof(server->homes[0]),
                         drain_home);
}

unsigned
weir_http_server_connections(const struct weir_http_server *server)
{
    return wi_load_relaxed(&((struct weir_http_server *)(uintptr_t)server)->connections);
}

int
weir_http_server_free(struct weir_http_server *server)
{
    if (server == NULL) {
        return 0;
    }
    // ORDER(home) observe: the last use of their homes.
    if (wi_load_acquire(&server->connections) != 0) {
        return -EBUSY;
    }
    for (unsigned i = 0; i < server->home_count; i++) {
        if (!wi_home_is_left(&server->homes[i].base)) {
            return -EBUSY;
        }
    }
    for (unsigned i = 0; i < server->home_count; i++) {
        wi_http_home_fini(&server->homes[i]);
    }
    wi_heap_free(server);
    return 0;
}
