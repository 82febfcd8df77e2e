/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_OUT_H
#define WI_HTTP_OUT_H

/**
 * @file
 * Complete responses of a connection's turn, put together in blocks, which leave in one write. All
 * of it on the loop's thread, between the begin of a connection's data function and its end.
 */

#include "netio/http/home.h"

/** Memory for @p size bytes behind what there is, in one piece; NULL: none, or more than a block
 *  has. */
char *wi_http_out_room(struct wi_http_conn *conn, size_t size);

/** So many bytes of that memory were written. */
static inline void
wi_http_out_put(struct wi_http_conn *conn, size_t size)
{
    conn->home->out.at += size;
    conn->home->out.room -= size;
}

/** Bytes behind what there is, in as many blocks as it takes: all or nothing. 0 or -ENOMEM. */
int wi_http_out_append(struct wi_http_conn *conn, const void *data, size_t size);

/** Blocks behind what there is. */
void wi_http_out_splice(struct wi_http_conn *conn, struct weir_chain *chain);

/** Submit it. Also when there is nothing. 0 or as weir_write(), and the connection is reset. */
int wi_http_out_flush(struct wi_http_conn *conn);

/** Submit it, and reset the connection behind it; also when there is nothing. */
void wi_http_out_abort(struct wi_http_conn *conn);

/** Is there something? */
static inline bool
wi_http_out_is_of(const struct wi_http_conn *conn)
{
    return conn->home->out.conn == conn;
}

/** Let it go. */
void wi_http_out_drop(struct wi_http_conn *conn);

#endif /* WI_HTTP_OUT_H */
