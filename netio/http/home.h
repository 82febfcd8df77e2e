/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_HOME_H
#define WI_HTTP_HOME_H

/**
 * @file
 * What the connections of one loop share: room to read a head in, responses that leave together,
 * what is remembered of heads.
 */

#include "netio/home.h"
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

/** Of one loop. Its thread's only. */
struct wi_http_home {
    struct wi_home base;
    const struct weir_http_request *current; // while its function runs
    char *joint;                             // a head that came in pieces, joined
    uint32_t joint_size;
    struct wi_http_out out;
    struct wi_http_live *lives; // that are nobody's
    unsigned live_count;
    unsigned lives_used;
    struct wi_http_memo *memos; // of a server: WI_HTTP_MEMOS, for its connections by turns
    struct wi_http_table table;
    struct weir_http_field fields[WI_HTTP_FIELDS_MAX];
};

void wi_http_home_init(struct wi_http_home *home, struct weir_loop *loop);
void wi_http_home_fini(struct wi_http_home *home);

/** Have it remember the heads of requests. 0 or -ENOMEM. */
int wi_http_home_remember(struct wi_http_home *home);

#endif /* WI_HTTP_HOME_H */
