/* SPDX-License-Identifier: MIT */
#ifndef WI_TASK_H
#define WI_TASK_H

/**
 * @file
 * The two small structs by which the runtime knows what it carries and watches, each with one table
 * of functions. Upper layers embed them.
 */

#include <stdbool.h>
#include <stdint.h>

struct wi_loop;
struct wi_task;
struct wi_source;

struct wi_task_ops {
    /** Loop thread. The task came out of a lane, or its turn among the deferred ones has come. */
    void (*run)(struct wi_loop *loop, struct wi_task *task);
};

/** What a lane carries and a loop defers. */
struct wi_task {
    struct wi_task *next;
    const struct wi_task_ops *ops;
};

struct wi_source_ops {
    /** Loop thread. The poller saw @p events (EPOLL…). */
    void (*ready)(struct wi_loop *loop, struct wi_source *source, uint32_t events);
};

/** What a poller watches. */
struct wi_source {
    const struct wi_source_ops *ops;
};

#endif /* WI_TASK_H */
