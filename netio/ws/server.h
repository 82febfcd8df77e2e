/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_SERVER_H
#define WI_WS_SERVER_H

/**
 * @file
 * What accepted connections have in common.
 */

#include "netio/home.h"
#include "netio/ws/side.h"

struct weir_ws_server {
    struct wi_ws_side side;
    weir_ws_origin_fn *origin;
    wi_atomic_u32 connections;
    wi_atomic_bool is_draining;
    unsigned home_count;
    struct wi_home homes[];
};

/** Of the loop that this runs on; NULL: it is none of the server's. */
struct wi_home *wi_ws_server_home(struct weir_ws_server *server);

#endif /* WI_WS_SERVER_H */
