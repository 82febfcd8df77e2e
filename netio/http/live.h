/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_LIVE_H
#define WI_HTTP_LIVE_H

/**
 * @file
 * What connections have while they are not idle. The loop's thread.
 */

#include "netio/http/home.h"

/** Have one, ready for a message as all are that are nobody's. 0 or -ENOMEM. */
int wi_http_live_begin_at(struct wi_http_conn *conn);

/** The next message. */
static inline void
wi_http_live_next(struct wi_http_conn *conn)
{
    wi_http_parser_begin(&conn->live->parser, (wi_http_flags(conn) & WI_HTTP_CLIENT) != 0);
}

/** Give back one that is ready for a message. */
void wi_http_live_put(struct wi_http_conn *conn);

/** Let go of it, with what is left of a message. Also when there is none. */
void wi_http_live_end(struct wi_http_conn *conn);

/** So many connections of a loop keep it all the same. */
#define WI_HTTP_LIVES_KEPT 256u

/** A server's that is idle, without a byte of the next head, does without. */
static inline void
wi_http_live_rest(struct wi_http_conn *conn)
{
    const struct wi_http_live *live = conn->live;

    if (wi_unlikely(conn->home->lives_used > WI_HTTP_LIVES_KEPT) && live != NULL &&
        live->parser.in_head == 0 && !(wi_http_flags(conn) & WI_HTTP_CLIENT) &&
        wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_IDLE) {
        wi_http_live_put(conn);
    }
}

/** Bytes of a head that is incomplete. */
static inline uint32_t
wi_http_live_in_head(const struct wi_http_conn *conn)
{
    return conn->live != NULL ? conn->live->parser.in_head : 0;
}

/** The home's, when it has no connection any more. */
void wi_http_lives_free(struct wi_http_home *home);

#endif /* WI_HTTP_LIVE_H */
