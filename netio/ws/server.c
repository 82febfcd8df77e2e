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
        wi_home_init(&server->homes[i], weir_runtime_loop(runtime, i), wi_ws_conn_due);
    }
    *ret_server = server;
    return 0;
}

struct wi_home *
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

    // ORDER(home) publish: the connection's last use of its home.
    wi_sub_acq_rel(&server->connections, 1);
}

static void
drain_home(struct weir_loop *loop, void *arg)
{
    struct wi_home *home = arg;

    (void)loop;
    for (struct wi_seat *seat = home->first; seat != NULL; seat = seat->next) {
        (void)wi_ws_say_close(wi_ws_handle(wi_ws_conn_of(seat)), WEIR_WS_GOING_AWAY, NULL, 0);
    }
    wi_home_leave(home);
}

int
weir_ws_server_drain(struct weir_ws_server *server)
{
    wi_store_relaxed(&server->is_draining, true);
    return wi_homes_post(server->homes, server->home_count, sizeof(server->homes[0]), drain_home);
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
    // ORDER(home) observe: the last use of their homes.
    if (wi_load_acquire(&server->connections) != 0) {
        return -EBUSY;
    }
    for (unsigned i = 0; i < server->home_count; i++) {
        if (!wi_home_is_left(&server->homes[i])) {
            return -EBUSY;
        }
    }
    wi_ws_side_fini(&server->side);
    wi_heap_free(server);
    return 0;
}
