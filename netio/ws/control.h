/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_CONTROL_H
#define WI_WS_CONTROL_H

/**
 * @file
 * Control frames that are sent.
 */

#include "netio/ws/conn.h"

/** Who has entered. Send a control frame, copied, of at most WI_WS_CONTROL_MAX bytes. As
 *  weir_write(). */
int wi_ws_send_control(struct wi_ws_conn *conn, enum wi_ws_opcode opcode, const void *data,
                       size_t size, struct weir_write *write);

/** Who is the last one inside: submit the Close that was said. */
void wi_ws_submit_close(struct wi_ws_conn *conn);

/** Any thread. Submit it, if it was refused for want of room. */
void wi_ws_retry_close(weir_ws ws);

/** Loop thread. Send the pong that waits, if it can go now. */
void wi_ws_send_kept(struct wi_ws_conn *conn);

/** Any thread. Say Close. 0, or as wi_ws_enter(). */
int wi_ws_say_close(weir_ws ws, unsigned code, const char *reason, size_t size);

#endif /* WI_WS_CONTROL_H */
