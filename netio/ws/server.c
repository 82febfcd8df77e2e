/* SPDX-License-Identifier: MIT */

#include "netio/ws/server.h"

#include "mem/heap.h"
#include "netio/ws/control.h"
#include "netio/ws/serve.h"

#include <assert.h>
#include <errno.h>

static_assert(offsetof(struct weir_ws_server, side) == 0, "a server's side is the server");

int
weir_ws_server_create(struct weir_runtime *runtime, const struct weir_ws_server_options *options,
                      struct weir_ws_server **ret_server)
{
    struct weir_ws_server *server;
    unsigned loops;
    int result;

    if (runtime == NULL || options == NULL || ret_server == NULL) {
        return -EINVAL;
    }
    loops = weir_runtime_loop_count(runtime);
    server = wi_heap_zalloc(sizeof(*server) + loops * sizeof(server->homes[0]));
    if (server == NULL) {
        return -ENOMEM;
    }
    result = wi_ws_side_init(&server->side, &options->ws);
    if (result < 0) {
        wi_heap_free(server);
        return result;
    }
    server->origin = options->origin;
    server->home_count = loops;
    for (unsigned i = 0; i < loops; i++) {
        wi_ws_home_init(&server->homes[i], weir_runtime_loop(runtime, i));
    }
    *ret_server = server;
    return 0;
}

struct wi_ws_home *
wi_ws_server_home(struct weir_ws_server *server)
{
    const struct weir_loop *loop = weir_loop_current();

    for (unsigned i = 0; loop != NULL && i < server->home_count; i++) {
        if (server->homes[i].loop == loop) {
            return &server->homes[i];
        }
    }
    return NULL;
}

void
wi_ws_server_left(struct wi_ws_side *side)
{
    struct weir_ws_server *server = (struct weir_ws_server *)(void *)side;

    // ORDER(wshome) publish: the connection's last use of its home.
    wi_sub_acq_rel(&server->connections, 1);
}

static void
drain_home(struct weir_loop *loop, void *arg)
{
    struct wi_ws_home *home = arg;

    (void)loop;
    for (struct wi_ws_conn *conn = home->conns; conn != NULL; conn = conn->next) {
        (void)wi_ws_say_close(wi_ws_handle(conn), WEIR_WS_GOING_AWAY, NULL, 0);
    }
    wi_ws_home_leave(home);
}

int
weir_ws_server_drain(struct weir_ws_server *server)
{
    int result = 0;

    wi_store_relaxed(&server->is_draining, true);
    for (unsigned i = 0; i < server->home_count; i++) {
        struct wi_ws_home *home = &server->homes[i];
        int status;

        wi_add_relaxed(&home->pending, 1);
        status = weir_post(home->loop, drain_home, home);
        if (status < 0) {
            wi_sub_relaxed(&home->pending, 1);
            result = status == -WEIR_EENDED ? result : status; // a stopping loop drains by itself
        }
    }
    return result;
}

unsigned
weir_ws_server_connections(const struct weir_ws_server *server)
{
    return wi_load_relaxed(&((struct weir_ws_server *)(uintptr_t)server)->connections);
}

int
weir_ws_server_free(struct weir_ws_server *server)
{
    if (server == NULL) {
        return 0;
    }
    // ORDER(wshome) observe: who used a home has left it.
    if (wi_load_acquire(&server->connections) != 0) {
        return -EBUSY;
    }
    for (unsigned i = 0; i < server->home_count; i++) {
        if (wi_load_acquire(&server->homes[i].pending) != 0) {
            return -EBUSY;
        }
    }
    wi_ws_side_fini(&server->side);
    wi_heap_free(server);
    return 0;
}
