/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_HOME_H
#define WI_HTTP_HOME_H

/**
 * @file
 * What the connections of one loop share: their list, one timer, and room to read a head in.
 */

#include "netio/http/conn.h"

/** Complete responses that leave together at the end of the turn: of one connection at a time. */
struct wi_http_out {
    struct wi_http_conn *conn; // whose they are; NULL: there are none
    struct weir_chain chain;   // the first of them
    struct weir_block *block;  // behind those, being filled; or NULL
    char *at;                  // its first free byte
    size_t room;               // from there on
};

#define WI_HTTP_MEMOS 8u

/** Of one loop. Its thread's only, but for `pending`. */
struct wi_http_home {
    struct weir_loop *loop;
    struct wi_http_conn *conns;
    uint64_t sweep_ns; // when the timer fires; WEIR_NEVER: there is none
    weir_op sweep;
    wi_atomic_u32 pending;                   // timers and posts that still hold the home
    void (*left)(struct wi_http_home *home); // the last of them has let go; or NULL
    const struct weir_http_request *current; // while its function runs
    char *joint;                             // a head that came in pieces, joined
    uint32_t joint_size;
    struct wi_http_out out;
    struct wi_http_live *lives; // that are nobody's
    unsigned live_count;
    struct wi_http_memo *memos; // of a server: WI_HTTP_MEMOS, for its connections by turns
    struct wi_http_table table;
    struct weir_http_field fields[WI_HTTP_FIELDS_MAX];
};

void wi_http_home_init(struct wi_http_home *home, struct weir_loop *loop);
void wi_http_home_fini(struct wi_http_home *home);

/** Have it remember the heads of requests. 0 or -ENOMEM. */
int wi_http_home_remember(struct wi_http_home *home);

/** Loop thread. The connection wants to be looked at by then. */
void wi_http_home_look_at(struct wi_http_home *home, struct wi_http_conn *conn, uint64_t look_ns);

/** Loop thread. Something pending has ended. */
void wi_http_home_leave(struct wi_http_home *home);

/** Loop thread. No connection is left: nothing needs the timer. */
void wi_http_home_rest(struct wi_http_home *home);

#endif /* WI_HTTP_HOME_H */
