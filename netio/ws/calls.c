/* SPDX-License-Identifier: MIT */
// What a program asks of a connection besides sending.

#include "netio/ws/connect.h"
#include "netio/ws/serve.h"

#include <errno.h>

int
weir_ws_pause(weir_ws ws)
{
    int result = 0;
    struct wi_ws_conn *conn = wi_ws_conn_here(ws, &result);

    if (conn != NULL && !(conn->flags & WI_WS_PAUSED)) {
        conn->flags |= WI_WS_PAUSED;
        if (wi_ws_stream(conn).bits != 0) {
            weir_pause(wi_ws_stream(conn));
        }
    }
    return result;
}

int
weir_ws_resume(weir_ws ws)
{
    int result = 0;
    struct wi_ws_conn *conn = wi_ws_conn_here(ws, &result);

    if (conn != NULL && (conn->flags & WI_WS_PAUSED)) {
        conn->flags &= ~(uint32_t)WI_WS_PAUSED;
        if (wi_ws_stream(conn).bits != 0) {
            weir_resume(wi_ws_stream(conn));
        }
    }
    return result;
}

const char *
weir_ws_protocol(weir_ws ws)
{
    int result = 0;
    struct wi_ws_conn *conn = wi_ws_conn_here(ws, &result);

    return conn == NULL ? NULL : conn->protocol != NULL ? conn->protocol : "";
}

int
weir_ws_set_user(weir_ws ws, void *user)
{
    int result = 0;
    struct wi_ws_conn *conn = wi_ws_conn_here(ws, &result);

    if (conn != NULL) {
        conn->user = user;
    }
    return result;
}

weir_stream
weir_ws_stream(weir_ws ws)
{
    weir_stream stream = {0};
    struct wi_ws_conn *conn;

    if (wi_ws_enter_to_look(ws, &conn)) {
        stream = wi_ws_stream(conn);
        wi_ws_leave(conn);
    }
    return stream;
}

int
weir_ws_abort(weir_ws ws)
{
    struct wi_ws_conn *conn;
    int result = 0;

    if (wi_ws_enter_to_look(ws, &conn)) {
        result = weir_close(wi_ws_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        wi_ws_leave(conn);
        return result;
    }
    conn = wi_ws_conn_here(ws, &result);
    if (conn != NULL) {
        wi_ws_client_give_up(conn->client, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE);
    }
    return result;
}
