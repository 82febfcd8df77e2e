/* SPDX-License-Identifier: MIT */
#ifndef WI_TIMER_H
#define WI_TIMER_H

/**
 * @file
 * Public timers and posted functions: operations that a loop completes without an upper layer.
 */

#include <stdint.h>

struct wi_loop;

/** Loop thread. Cancel every public timer: the loop is being closed down. */
void wi_timers_stop(struct wi_loop *loop);

/** Loop thread. Call @p fn with the handle and the deadline of every public timer that waits. */
void wi_timers_each(struct wi_loop *loop,
                    void (*fn)(uint64_t handle, uint64_t deadline_ns, void *arg), void *arg);

#endif /* WI_TIMER_H */
