/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

/**
 * @file
 * Counters of a loop and of the runtime, always on; how long writes take to reach the kernel; all
 * of it as text for Prometheus; and a dump of what lives. weir/page.h shows it to other processes.
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
    /* What streams waited for with something to send: how often, and for how long, summed over
     * streams and told when a wait has ended. A stream may wait for several things at once. */
    uint64_t blocked; /* room in the socket: a send found it full */
    uint64_t blocked_ns;
    uint64_t corked; /* the end of a cork (WEIR_MORE) */
    uint64_t corked_ns;
    uint64_t right_waits; /* a thread that was sending inline (WEIR_INLINE_OK) */
    uint64_t right_wait_ns;
    uint64_t limited; /* the low mark: queue_high refused, until `writable`; counted only */
    uint64_t streams_opened;
    uint64_t streams_closed;
    uint64_t streams_now;     /* not a counter: streams open now */
    uint64_t queued_now;      /* not a counter: bytes accepted and not finished */
    uint64_t order_looks;     /* times a gap in the order made the loop look through its lanes */
    uint64_t zerocopy_sends;  /* sends from the writer's own memory (WEIR_ZEROCOPY) */
    uint64_t zerocopy_copied; /* of these, those that the kernel copied all the same */
    uint64_t zerocopy_off;    /* streams that gave it up for that */

    uint64_t names;         /* hosts that were looked up for dials */
    uint64_t names_failed;  /* of these, those without an answer that could be dialled */
    uint64_t dial_attempts; /* connects of dials that race a name's addresses */
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

/** Every power of two has four buckets: a value is known to a quarter of itself. */
#define WEIR_LATENCY_BUCKETS 160

/**
 * From submit to wire: the time between the acceptance of a write and the moment its last byte was
 * handed to the kernel. One write in weir_runtime_options.latency_every is measured, of each thread
 * and loop; those that fail, are cancelled, or leave inside their submit (INLINE_OK) are not among
 * them. Only grows.
 */
struct weir_latency {
    uint64_t count;                         /* writes measured */
    uint64_t sum_ns;                        /* their times, summed */
    uint64_t buckets[WEIR_LATENCY_BUCKETS]; /* how many took so long: weir_latency_bound_ns() */
};

/**
 * A loop's times. As weir_loop_stats(): each number is exact.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -EINVAL, -ECHILD; -ENOTSUP: the library was built without (WEIR_LATENCY off).
 */
WEIR_API int weir_loop_latency(struct weir_loop *loop, struct weir_latency *ret_latency);

/**
 * The sum over all loops.
 *
 * Threads: any.
 * Blocks:  never.
 * @return as weir_loop_latency().
 */
WEIR_API int weir_latency(struct weir_runtime *runtime, struct weir_latency *ret_latency);

/**
 * The longest time that falls into a bucket, in nanoseconds; the last bucket has all that took
 * longer, and UINT64_MAX is its answer and that of any number beyond.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API uint64_t weir_latency_bound_ns(unsigned bucket);

/**
 * The time that @p per_million of the writes did not exceed, rounded up to its bucket's bound:
 * 500000 is the median, 999000 the 99.9th percentile, 1000000 and above the longest.
 *
 * Threads: any.
 * Blocks:  never.
 * @return nanoseconds; 0: nothing was measured, or @p latency is NULL.
 */
WEIR_API uint64_t weir_latency_quantile_ns(const struct weir_latency *latency,
                                           unsigned per_million);

/**
 * Counters and times of all loops in the text format of Prometheus (version 0.0.4), with HELP and
 * TYPE, a label `loop`, times in seconds. Every name begins with weir_.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  writes at most @p size bytes to @p buffer, the final NUL among them.
 * @return the length of the whole text without the NUL. A result of @p size or more says that the
 *   text was cut: call again with more room (NULL and 0 only ask). Or
 *   -EINVAL  no runtime, or no buffer with a size
 *   -ENOMEM, -ECHILD
 */
WEIR_API int64_t weir_stats_prometheus(struct weir_runtime *runtime, char *buffer, size_t size);

/** Receives one line without a newline. Must not call weir. */
typedef void weir_dump_fn(const char *line, void *arg);

/**
 * Describe what lives on a loop: the loop and its pool's ledger; lanes, each with its thread and
 * how much waits in it; listeners, watches, timers; streams with their state, and how long they
 * have been blocked; under each stream its operations, with the thread they came from and their
 * age. The age is known of timed writes (WEIR_TIMED, latency_every) and told as a bound of those
 * behind them. First all that waits in lanes is taken into its streams, so that it is described
 * too. The lines are for people, their form may change.
 *
 * Threads: the loop's; from elsewhere through weir_post(), or weir_dump_on_signal().
 * Blocks:  never.
 * Calls:   @p fn, before it returns.
 * @return 0, -EINVAL, -EXDEV (another thread), -ECHILD.
 */
WEIR_API int weir_dump(struct weir_loop *loop, weir_dump_fn *fn, void *arg);

/**
 * Describe all loops of a runtime whenever a signal arrives, each on its own thread; a loop that is
 * stuck keeps none of the others' lines back. A line begins with its loop's number. The signal is
 * blocked in the calling thread, as by weir_signal_start(); call this before other threads are
 * made.
 *
 * Threads: any.
 * Blocks:  never.
 * Calls:   @p fn on the loops' threads, one call at a time; until the watch has ended
 *   (weir_watch_stop(), or the runtime's stop) and a dump under way is over.
 * @param fn NULL: the lines go to weir_runtime_options.log as WEIR_LOG_INFO.
 * @return as weir_signal_start(); -EINVAL also when there is neither @p fn nor a log.
 */
WEIR_API WEIR_NODISCARD int weir_dump_on_signal(struct weir_runtime *runtime, int signal,
                                                weir_dump_fn *fn, void *arg, weir_watch *ret_watch);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_STATS_H */
