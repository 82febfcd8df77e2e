/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_CONNECT_H
#define WI_WS_CONNECT_H

/**
 * @file
 * A client: what its one connection has besides, and the way there. Loop thread.
 */

#include "netio/home.h"
#include "netio/ws/key.h"
#include "netio/ws/side.h"

struct wi_ws_client {
    struct wi_ws_side side;
    struct wi_home home;
    struct wi_ws_conn *conn;
    struct weir_http_client *http; // NULL: the connection is open, or never will be
    weir_op timer;                 // of the handshake
    bool was_told;                 // `opened` was called
    bool is_over;                  // the connection has gone
    char accept[WI_WS_ACCEPT_SIZE + 1];
};

/** Stop connecting, if it does still. */
void wi_ws_client_give_up(struct wi_ws_client *client, int status, enum weir_origin origin);

#endif /* WI_WS_CONNECT_H */
