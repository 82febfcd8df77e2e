/* SPDX-License-Identifier: MIT */

#include "netio/http/live.h"

#include "mem/heap.h"
#include "netio/http/serve.h"

#include <errno.h>

#define KEPT_MAX 64u // more than this wait for nobody

static struct wi_http_live *
make(struct wi_http_home *home, bool is_client)
{
    struct wi_http_live *live = wi_heap_zalloc(sizeof(*live));

    if (live != NULL) {
        live->parser.table = &home->table;
        live->parser.body = wi_http_take_body;
        live->parser.trailer = wi_http_take_trailer;
        wi_http_parser_begin(&live->parser, is_client);
    }
    return live;
}

int
wi_http_live_begin_at(struct wi_http_conn *conn)
{
    struct wi_http_home *home = conn->home;
    struct wi_http_live *live = home->lives;

    if (wi_likely(live != NULL)) {
        home->lives = live->next;
        home->live_count--;
    } else {
        live = make(home, (wi_http_flags(conn) & WI_HTTP_CLIENT) != 0);
    }
    if (live == NULL) {
        return -ENOMEM;
    }
    home->lives_used++;
    live->conn = conn;
    live->parser.limits = &conn->side->limits;
    live->parser.memo = home->memos != NULL ? &home->memos[conn->seat.index % WI_HTTP_MEMOS] : NULL;
    conn->live = live;
    return 0;
}

void
wi_http_live_put(struct wi_http_conn *conn)
{
    struct wi_http_home *home = conn->home;
    struct wi_http_live *live = conn->live;

    conn->live = NULL;
    home->lives_used--;
    if (wi_unlikely(home->live_count >= KEPT_MAX)) {
        wi_heap_free(live);
        return;
    }
    live->next = home->lives;
    home->lives = live;
    home->live_count++;
}

void
wi_http_live_end(struct wi_http_conn *conn)
{
    struct wi_http_live *live = conn->live;

    if (live == NULL) {
        return;
    }
    wi_http_drop_head(conn);
    wi_http_drop_trailers(conn);
    wi_heap_free(live->saved);
    live->saved = NULL;
    live->saved_count = 0;
    live->raw = 0;
    live->received_mark_ns = 0;
    wi_http_live_next(conn);
    wi_http_live_put(conn);
}

void
wi_http_lives_free(struct wi_http_home *home)
{
    while (home->lives != NULL) {
        struct wi_http_live *live = home->lives;

        home->lives = live->next;
        wi_heap_free(live);
    }
}
