/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_CLIENT_H
#define WI_HTTP_CLIENT_H

/**
 * @file
 * A client: one connection, made when it is wanted, and the exchange that is open on it. Loop
 * thread.
 */

#include "netio/http/home.h"

struct wi_http_transact;

struct weir_http_client {
    struct wi_http_side side;      // of exchanges that the program makes
    struct wi_http_side transacts; // of those that weir_http_transact() makes
    struct wi_http_home home;
    struct weir_dial dial;
    struct wi_http_conn *conn; // NULL: none, or the last one is closing
    struct wi_http_transact *current;
    struct wi_http_transact *first; // they wait
    struct wi_http_transact *last;
    unsigned waiting;
    unsigned waiting_max;
    unsigned redirects_max;
    unsigned refs; // by the program, connections and posts
    bool is_freed;
    char host[];
};

/** A request as it is to be sent: its head's text, and its body. */
struct wi_http_asked {
    char *text; // with room for a chunk's head behind it
    size_t text_size;
    bool is_head;
    bool says_close;
    enum wi_http_mode mode;
    bool is_complete;
    uint64_t size;
    uint64_t length;
};

/** Connect if need be, and begin an exchange. 0, -EBUSY, or as weir_dial() and weir_write(). */
int wi_http_client_begin(struct weir_http_client *client, struct wi_http_side *side,
                         const struct wi_http_asked *asked, const struct weir_write *body,
                         void *user, weir_http *ret_http);

/** One reference less; the last frees it. */
void wi_http_client_drop(struct weir_http_client *client);

/** The handlers of transactions (transact.c). */
extern const struct weir_http_handlers wi_http_transact_handlers;

/** The connection is free: the next transaction that waits. */
void wi_http_transact_pump(struct weir_http_client *client);

/** The client goes: all of them end. */
void wi_http_transact_end_all(struct weir_http_client *client);

#endif /* WI_HTTP_CLIENT_H */
