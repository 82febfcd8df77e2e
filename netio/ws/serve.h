/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_SERVE_H
#define WI_WS_SERVE_H

/**
 * @file
 * A connection's life on its loop. Loop thread.
 */

#include "netio/home.h"
#include "netio/ws/conn.h"
#include "netio/ws/extension.h"

extern const struct weir_handlers wi_ws_stream_handlers;

/** What both sides agreed on. 0 or -ENOMEM. */
int wi_ws_conn_agree(struct wi_ws_conn *conn, const struct wi_ws_agreed *agreed);

/** The handshake is over: the stream is ours. */
void wi_ws_conn_begin(struct wi_ws_conn *conn, struct wi_home *home, weir_stream stream);

/** Look at what takes too long. @return when to look again. */
uint64_t wi_ws_conn_due(struct wi_seat *seat, uint64_t now);

/** Note why it ends, unless something else was noted before. */
void wi_ws_note(struct wi_ws_conn *conn, int status, enum weir_origin origin);

/** Say why, by Close, and end. */
void wi_ws_fail(struct wi_ws_conn *conn, enum weir_ws_code code, int status,
                enum weir_origin origin);

/** What a data function is shown, and how far it is. */
struct wi_ws_shown {
    size_t before; // bytes in front of the segment that is looked at
    const unsigned char *segment;
    bool is_taken; // blocks were taken away: no more of it may be looked at
};

/** A piece of a message arrived. */
void wi_ws_take_piece(struct wi_ws_conn *conn, const struct wi_ws_event *event);

/** A control frame arrived. */
void wi_ws_take_control(struct wi_ws_conn *conn, const struct wi_ws_event *event);

/** Nothing more is waited for: close the stream, what was written first. */
void wi_ws_end_stream(struct wi_ws_conn *conn);

/** Ask whether the peer is there. */
void wi_ws_ask(struct wi_ws_conn *conn, uint64_t now);

/** Tell `closed`, and give the slot back. */
void wi_ws_conn_gone(struct wi_ws_conn *conn, struct weir_ws_closed *closed);

/** A server's connection has gone (server.c). */
void wi_ws_server_left(struct wi_ws_side *side);

/** A client's has (connect.c). */
void wi_ws_client_left(struct wi_ws_client *client);

#endif /* WI_WS_SERVE_H */
