/* SPDX-License-Identifier: MIT */

#include "netio/http/home.h"

#include "mem/heap.h"
#include "netio/http/live.h"
#include "netio/http/serve.h"

#include <errno.h>

// Finer than this nobody is cut off: one timer serves all connections of a loop.
#define SWEEP_NS_MIN (UINT64_C(100) * 1000 * 1000)

void
wi_http_home_init(struct wi_http_home *home, struct weir_loop *loop)
{
    home->loop = loop;
    home->sweep_ns = WEIR_NEVER;
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

void
wi_http_home_leave(struct wi_http_home *home)
{
    void (*left)(struct wi_http_home *) = home->left;

    // ORDER(httphome) publish: the home is left.
    if (wi_sub_acq_rel(&home->pending, 1) == 1 && left != NULL) {
        left(home);
    }
}

static void sweep(struct weir_loop *loop, int status, void *arg);

static void
arm(struct wi_http_home *home, uint64_t at_ns)
{
    struct weir_timer timer = {.deadline_ns = at_ns, .fn = sweep, .arg = home};

    if (home->sweep_ns != WEIR_NEVER) {
        weir_cancel(home->sweep);
        home->sweep_ns = WEIR_NEVER;
    }
    if (weir_timer_start(home->loop, &timer, &home->sweep) == 0) {
        wi_add_relaxed(&home->pending, 1);
        home->sweep_ns = at_ns;
    } // else memory ran out or the runtime stops: the next event of a connection tries again
}

static void
sweep(struct weir_loop *loop, int status, void *arg)
{
    struct wi_http_home *home = arg;
    uint64_t now = weir_loop_now_ns(loop);
    uint64_t next_ns = WEIR_NEVER;

    if (status == 0) {
        home->sweep_ns = WEIR_NEVER;
        for (struct wi_http_conn *conn = home->conns, *next; conn != NULL; conn = next) {
            next = conn->next;
            if (conn->look_ns <= now) {
                conn->look_ns = wi_http_conn_due(conn, now);
            }
            next_ns = conn->look_ns < next_ns ? conn->look_ns : next_ns;
        }
        if (next_ns != WEIR_NEVER && next_ns < home->sweep_ns) {
            arm(home, next_ns < now + SWEEP_NS_MIN ? now + SWEEP_NS_MIN : next_ns);
        }
    }
    wi_http_home_leave(home);
}

void
wi_http_home_look_at(struct wi_http_home *home, struct wi_http_conn *conn, uint64_t look_ns)
{
    conn->look_ns = look_ns;
    if (look_ns < home->sweep_ns) {
        arm(home, look_ns);
    }
}

void
wi_http_home_rest(struct wi_http_home *home)
{
    if (home->sweep_ns != WEIR_NEVER) {
        weir_cancel(home->sweep);
        home->sweep_ns = WEIR_NEVER;
    }
}
