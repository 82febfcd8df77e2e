/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_HOME_H
#define WI_WS_HOME_H

/**
 * @file
 * What the connections of one loop share: their list, and one timer that looks after all of them.
 */

#include "netio/ws/conn.h"

/** Of one loop. Its thread's only, but for `pending`. */
struct wi_ws_home {
    struct weir_loop *loop;
    struct wi_ws_conn *conns;
    uint64_t sweep_ns; // when the timer fires; WEIR_NEVER: there is none
    weir_op sweep;
    wi_atomic_u32 pending;                 // timers and posts that still hold the home
    void (*left)(struct wi_ws_home *home); // the last of them has let go; or NULL
};

void wi_ws_home_init(struct wi_ws_home *home, struct weir_loop *loop);

/** Loop thread. */
void wi_ws_home_add(struct wi_ws_home *home, struct wi_ws_conn *conn);
void wi_ws_home_remove(struct wi_ws_home *home, struct wi_ws_conn *conn);

/** Loop thread. The connection wants to be looked at by then. */
void wi_ws_home_look_at(struct wi_ws_home *home, struct wi_ws_conn *conn, uint64_t look_ns);

/** Loop thread. Something pending has ended. */
void wi_ws_home_leave(struct wi_ws_home *home);

#endif /* WI_WS_HOME_H */
