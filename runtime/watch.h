/* SPDX-License-Identifier: MIT */
#ifndef WI_WATCH_H
#define WI_WATCH_H

/**
 * @file
 * Foreign descriptors and signals on a loop.
 */

#include "mem/atomic.h"
#include "runtime/control.h"
#include "runtime/task.h"
#include "weir/runtime.h"

struct wi_watch {
    wi_atomic_u32 generation; // odd: alive
    wi_atomic_u32 pending;    // why the control was pushed
    struct wi_control control;
    struct wi_source source;
    struct wi_loop *loop;
    struct wi_watch *next, *prev; // loop->watches
    struct wi_task last_call;
    weir_watch_fn *fn;
    weir_signal_fn *signal_fn; // a signal source; its descriptor is ours
    void *arg;
    int fd;
    uint32_t slot;
    wi_atomic_u32 next_free;
};

#define WI_WATCH_SEGMENT 16u

/** Loop thread. End every watch: the loop is being closed down. */
void wi_watches_stop(struct wi_loop *loop);

#endif /* WI_WATCH_H */
