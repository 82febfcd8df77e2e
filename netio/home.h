/* SPDX-License-Identifier: MIT */
#ifndef WI_HOME_H
#define WI_HOME_H

/**
 * @file
 * What the connections of a layer share on one loop: their list, and one timer that looks after
 * all of them, so that none is armed for each, and none while there are none.
 */

#include "netio/seat.h"

/** Of one loop. Its thread's only, but for `pending`. */
struct wi_home {
    struct weir_loop *loop;
    struct wi_seat *first; // in no order
    uint64_t sweep_ns;     // when the timer fires; WEIR_NEVER: there is none
    weir_op sweep;
    wi_atomic_u32 pending; // timers and posts that still hold the home
    /** The time has come that wi_home_look_at() said. When to look again, WEIR_NEVER: not. */
    uint64_t (*due)(struct wi_seat *seat, uint64_t now);
    void (*left)(struct wi_home *home); // the last of what was pending has let go; or NULL
};

WI_SHARED void wi_home_init(struct wi_home *home, struct weir_loop *loop,
                            uint64_t (*due)(struct wi_seat *seat, uint64_t now));

/** Loop thread. The seat is one of this loop's now, of this stream if there is one yet. */
WI_SHARED void wi_home_add(struct wi_home *home, struct wi_seat *seat, weir_stream stream);
WI_SHARED void wi_home_remove(struct wi_home *home, struct wi_seat *seat);

/** Loop thread. The connection wants to be looked at by then, or a twentieth of a second later. */
WI_SHARED void wi_home_look_at(struct wi_home *home, struct wi_seat *seat, uint64_t look_ns);

/** Any thread. Have each of @p count homes, @p stride bytes apart, call the function on its loop,
 *  with the home, to end with wi_home_leave(). 0, or -WEIR_ELANEFULL, -ENOMEM: some were not told.
 *  A loop that stops needs not be told. */
WI_SHARED int wi_homes_post(struct wi_home *first, unsigned count, size_t stride,
                            weir_post_fn *function);

/** Loop thread. Something pending has ended. */
WI_SHARED void wi_home_leave(struct wi_home *home);

/** Any thread. Has everything pending ended? */
static inline bool
wi_home_is_left(const struct wi_home *home)
{
    // ORDER(home) observe: the last use of the home.
    return wi_load_acquire(&home->pending) == 0;
}

#endif /* WI_HOME_H */
