/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_SERVE_H
#define WI_HTTP_SERVE_H

/**
 * @file
 * A connection's turn: bytes in, exchanges told, answered and over, and what is due by the clock.
 * All of it on the loop's thread.
 */

#include "netio/http/conn.h"

/** What became of a piece. */
struct wi_http_sent {
    bool is_end;
    bool is_lost; // the message cannot be completed
    int status;
    enum weir_origin origin;
    uint64_t give_back; // bytes to be written again
};

/** A piece of the exchange, or of one before it, has completed. */
void wi_http_conn_sent(struct wi_http_conn *conn, weir_http http, weir_stream stream,
                       const struct wi_http_sent *sent);

/** Set the connection up on its stream, which has given its handlers. */
void wi_http_conn_open(struct wi_http_conn *conn, struct wi_http_side *side,
                       struct wi_http_home *home, weir_stream stream);

/** Bytes that it was shown; and an exchange as far as it gets without any. */
struct weir_consumed wi_http_conn_data(struct wi_http_conn *conn, struct weir_iter begin,
                                       struct weir_iter end);
void wi_http_conn_settle(struct wi_http_conn *conn);

/** Does anybody take bytes of the body now? */
bool wi_http_conn_has_room(const struct wi_http_conn *conn);

/** The handlers of a connection's stream. */
extern const struct weir_handlers wi_http_conn_handlers;

/** Look at it by the clock; when to look again. */
uint64_t wi_http_conn_due(struct wi_seat *seat, uint64_t now);

/** It has come to rest: by when it must be looked at. */
void wi_http_conn_touch(struct wi_http_conn *conn);

/** Input may have to be taken again: a read waits, a response has ended. */
void wi_http_conn_continue(struct wi_http_conn *conn);

/** No further exchange: close behind what is queued. */
void wi_http_conn_close(struct wi_http_conn *conn);

/** Reset it; an open exchange ends with @p status when it is closed. */
void wi_http_conn_abort(struct wi_http_conn *conn, int status, enum weir_origin origin);

/** Reset it behind the responses that were complete in this turn. */
void wi_http_conn_abort_behind(struct wi_http_conn *conn);

/** Answer with an error, if nothing of an answer was sent, and close. */
void wi_http_refuse(struct wi_http_conn *conn, unsigned status);

/** The exchange is over, whatever became of it; `ended` is told. */
void wi_http_exchange_over(struct wi_http_conn *conn, int status, enum weir_origin origin);

/** Keep the head beyond its function; and let go of it. 0 or -ENOMEM. */
int wi_http_keep_head(struct wi_http_conn *conn);
void wi_http_drop_head(struct wi_http_conn *conn);

/** A copy of a response's head, in one allocation; NULL: no memory. */
struct weir_http_response *wi_http_keep_response(const struct weir_http_response *response);

/** Bytes of a body. */
void wi_http_take_body(struct wi_http_parser *parser, const char *data, size_t size);

/** Bytes of a trailer, which is told with the body's end. False: there is no room. */
unsigned wi_http_take_trailer(struct wi_http_parser *parser, bool is_value, const char *data,
                              size_t size);
void wi_http_tell_body_end(struct wi_http_conn *conn);
void wi_http_drop_trailers(struct wi_http_conn *conn);

/** The slot's connection has gone, its stream closed or another's. */
void wi_http_conn_gone(struct wi_http_conn *conn, int status);

/** Among a server's connections: it has gone. */
void wi_http_server_left(struct wi_http_side *side);
bool wi_http_server_is_draining(const struct wi_http_side *side);

/** A client's connection: has its exchange ended, has it gone? */
void wi_http_client_exchange_over(struct wi_http_conn *conn, int status);
void wi_http_client_left(struct wi_http_conn *conn, int status);

#endif /* WI_HTTP_SERVE_H */
