/* SPDX-License-Identifier: MIT */
#ifndef WI_TIMER_H
#define WI_TIMER_H

/**
 * @file
 * Public timers and posted functions: operations that a loop completes without an upper layer.
 */

struct wi_loop;

/** Loop thread. Cancel every public timer: the loop is being closed down. */
void wi_timers_stop(struct wi_loop *loop);

#endif /* WI_TIMER_H */
