/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_EXTENSION_H
#define WI_WS_EXTENSION_H

/**
 * @file
 * What is said of permessage-deflate in a handshake (RFC 7692, section 7). No stream: text in,
 * text out.
 */

#include "weir/ws.h"

#define WI_WS_EXTENSION_MAX 160u

/** What both sides agreed on, as one of them sees it. */
struct wi_ws_agreed {
    bool is_on;
    bool is_context_sent; // kept from one message that is sent to the next
    bool is_context_received;
    unsigned window_sent; // bits
    unsigned window_received;
    char text[WI_WS_EXTENSION_MAX]; // server: the field's value
};

/** Client: the field's value. */
void wi_ws_extension_offer(const struct weir_ws_deflate *deflate,
                           char ret_text[WI_WS_EXTENSION_MAX]);

/** Server: the first offer that it can agree to; else compression stays off. */
void wi_ws_extension_answer(const struct weir_ws_deflate *deflate,
                            const struct weir_http_field *fields, unsigned count,
                            struct wi_ws_agreed *ret_agreed);

/** Client: does the answer agree to what was offered? 0 or -EPROTO. */
int wi_ws_extension_take(const struct weir_ws_deflate *deflate,
                         const struct weir_http_field *fields, unsigned count,
                         struct wi_ws_agreed *ret_agreed);

#endif /* WI_WS_EXTENSION_H */
