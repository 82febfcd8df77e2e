/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

/**
 * @file
 * Counters of a loop and of the runtime, always on, and a dump of what lives.
 */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Why submits were refused; indices of weir_stats.refused. */
enum weir_refusal {
    WEIR_REFUSED_STALE,
    WEIR_REFUSED_ENDED, /* ended, torn, draining or failed */
    WEIR_REFUSED_TOKEN,
    WEIR_REFUSED_STREAM,
    WEIR_REFUSED_LANE,
    WEIR_REFUSED_LOOP,
    WEIR_REFUSED_PROCESS,
    WEIR_REFUSED_MEMORY,
    WEIR_REFUSED_NOWAIT,
    WEIR_REFUSALS,
};

/** All counters only grow, except the two marked. */
struct weir_stats {
    uint64_t turns;
    uint64_t sleeps;       /* waits with a timeout that was not zero */
    uint64_t wakes;        /* sleeps that other threads ended; at most one per sleep */
    uint64_t system_waits; /* epoll_wait */
    uint64_t system_reads;
    uint64_t system_sends;
    uint64_t system_accepts;
    uint64_t system_polls; /* epoll_ctl */
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t operations_accepted;
    uint64_t operations_completed;
    uint64_t operations_cancelled; /* completed with LOCAL_CANCEL or DEADLINE */
    uint64_t operations_inline;    /* done inside the submit */
    uint64_t cancels_won;
    uint64_t cancels_late; /* late_cancel set in a completion */
    uint64_t refused[WEIR_REFUSALS];
    uint64_t blocked;    /* times a send found the socket full */
    uint64_t blocked_ns; /* time streams spent waiting for room, summed */
    uint64_t streams_opened;
    uint64_t streams_closed;
    uint64_t streams_now; /* not a counter: streams open now */
    uint64_t queued_now;  /* not a counter: bytes accepted and not finished */
    uint64_t order_looks; /* times a gap in the order made the loop look through its lanes */
};

/**
 * A loop's counters. Each is exact; together they are a moment only when the loop is at rest.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -EINVAL, -ECHILD.
 */
WEIR_API int weir_loop_stats(struct weir_loop *loop, struct weir_stats *ret_stats);

/**
 * The sum over all loops.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -EINVAL, -ECHILD.
 */
WEIR_API int weir_stats(struct weir_runtime *runtime, struct weir_stats *ret_stats);

/** Receives one line without a newline. */
typedef void weir_dump_fn(const char *line, void *arg);

/**
 * Describe what lives on a loop: streams, their queued operations, listeners, timers, ledgers.
 *
 * Threads: the loop's; from elsewhere through weir_post().
 * Blocks:  never.
 * @return 0, -EINVAL, -EXDEV (another thread), -ECHILD.
 */
WEIR_API int weir_dump(struct weir_loop *loop, weir_dump_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_STATS_H */
