/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_HANDSHAKE_H
#define WI_WS_HANDSHAKE_H

/**
 * @file
 * The handshake's heads, judged (RFC 6455, section 4): text in, answers out. No stream.
 */

#include "netio/ws/side.h"

/** A part of a field's value. */
struct wi_ws_text {
    const char *data;
    size_t size;
};

/** The next element of a list with commas; white space around is not part of it, empty ones are
 *  passed over. Quoted commas are no separators. False: there is none. */
bool wi_ws_next_element(struct wi_ws_text *list, struct wi_ws_text *ret_element);

/** Without the white space around. */
struct wi_ws_text wi_ws_trim(struct wi_ws_text text);

/** Is that the field's name, in any case? */
bool wi_ws_is_field(const struct weir_http_field *field, const char *name);

/** A token (RFC 7230)? */
bool wi_ws_is_token(const char *text);
bool wi_ws_is_token_of(const char *data, size_t size);

/** The text of the only field of that name; false: there is none, or several. */
bool wi_ws_only_field(const struct weir_http_field *fields, unsigned count, const char *name,
                      struct wi_ws_text *ret_value);

/** Is that a client's handshake? 0, -EPROTO, -EPROTONOSUPPORT. Fills in its key. */
int wi_ws_check_request(const struct weir_http_request *request, struct wi_ws_text *ret_key);

/** Is that a server's answer to the key with this accept text? 0 or -EPROTO. */
int wi_ws_check_response(const struct weir_http_response *response, const char *accept);

/** The side's first protocol that the client offers; "" if there is none. -EPROTO: what it offers
 *  is no list of tokens. */
int wi_ws_choose_protocol(const struct wi_ws_side *side, const struct weir_http_request *request,
                          const char **ret_protocol);

/** Does the client offer it? */
bool wi_ws_offers_protocol(const struct weir_http_request *request, const char *protocol);

/** Is the Origin, if there is one, of the host that was asked? */
bool wi_ws_is_same_origin(const struct weir_http_request *request,
                          const struct weir_http_field *origin);

#endif /* WI_WS_HANDSHAKE_H */
