/* SPDX-License-Identifier: MIT */

#include "netio/http/home.h"

#include "mem/heap.h"
#include "netio/http/live.h"
#include "netio/http/serve.h"

#include <errno.h>

void
wi_http_home_init(struct wi_http_home *home, struct weir_loop *loop)
{
    wi_home_init(&home->base, loop, wi_http_conn_due);
}

void
wi_http_home_fini(struct wi_http_home *home)
{
    wi_http_lives_free(home);
    wi_heap_free(home->joint);
    wi_heap_free(home->memos);
}

int
wi_http_home_remember(struct wi_http_home *home)
{
    home->memos = wi_heap_zalloc(WI_HTTP_MEMOS * sizeof(home->memos[0]));
    return home->memos == NULL ? -ENOMEM : 0;
}
