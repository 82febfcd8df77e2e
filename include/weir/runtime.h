/* SPDX-License-Identifier: MIT */
#ifndef WEIR_RUNTIME_H
#define WEIR_RUNTIME_H

/**
 * @file
 * The runtime and its loops: life, posting functions, timers, foreign descriptors, signals, sight.
 *
 * A runtime owns one loop per core. A loop runs on a thread of its own, or is turned by hand. After
 * fork() every call in the child answers -ECHILD.
 */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum weir_runtime_flag {
    WEIR_MANUAL = 1 << 0, /* no threads: the program turns each loop with weir_loop_turn() */
    WEIR_PIN = 1 << 1,    /* pin loop i to the i-th processor this process may use */
};

enum weir_log_level { WEIR_LOG_ERROR, WEIR_LOG_WARNING, WEIR_LOG_INFO };

/** Receives one line without a newline. Any thread; must not call weir. */
typedef void weir_log_fn(enum weir_log_level level, const char *line, void *arg);

/** How a runtime is made. All zero is a good default. */
struct weir_runtime_options {
    unsigned loops;        /* 0: as many as processors this process may use; at most 256 */
    unsigned flags;        /* enum weir_runtime_flag */
    uint64_t spin_ns;      /* poll so long before sleeping; 0: sleep at once */
    unsigned lane_entries; /* a lane's ring starts at 512 entries at most and doubles up to so many,
                               a power of two; 0: 16384 */
    size_t loop_bytes_max; /* queued bytes per loop, 0: no limit (refusal -WEIR_ELOOPFULL) */
    size_t total_bytes_max; /* queued bytes in all, 0: no limit (refusal -WEIR_EPROCFULL) */
    weir_log_fn *log;       /* NULL: silent */
    void *log_arg;
    unsigned latency_every; /* one write in so many is timed from submit to wire (weir_latency()), a
                               power of two; 0: 1024; 1: each one, at the price of two looks at the
                               clock and of the short ways that untimed writes take */
    uint64_t stall_ns; /* report a turn of a loop that lasts longer, with the loop's stack, through
                          `log`, which must be there; not for WEIR_MANUAL; 0: do not look. While
                          loops turn, a thread of its own looks every stall_ns / 4, at least a
                          millisecond apart; while none turns it sleeps */
    int stall_signal;  /* the signal by which a loop's thread gives its stack: the library handles
                          it while the runtime lives; 0: SIGRTMAX - 1. Blocking calls in callbacks
                          of a stalled loop may be interrupted (EINTR) */
    const char *stats_name; /* show statistics to other processes under this name: weir/page.h;
                               NULL: do not. 1 to 63 characters A-Z a-z 0-9 _ - . */
};

/**
 * Make a runtime and start its loops.
 *
 * Threads: any.
 * Blocks:  until the loop threads run.
 * Memory:  copies @p options; NULL means all zero.
 * @return 0, or
 *   -EINVAL  an option is out of range, or ret_runtime is NULL
 *   -EMFILE  32 runtimes live already, or the process is out of descriptors
 *   -ENOMEM, -EAGAIN  memory or threads ran out
 *   -EBUSY   the program has a handler for stall_signal
 *   -EACCES, -ENOSPC, another errno of open()  the page of stats_name cannot be made
 */
WEIR_API WEIR_NODISCARD int weir_runtime_create(const struct weir_runtime_options *options,
                                                struct weir_runtime **ret_runtime);

/**
 * Stop: refuse new work, close listeners once their backlog is drained, close every stream DRAIN
 * and at @p deadline_ns ABORT, complete every operation, run what was posted, end the threads.
 *
 * Threads: any but a loop's. Loops turned by hand are turned by this call, here.
 * Blocks:  until all is done, at most shortly after the deadline.
 * Calls:   every completion and every `closed` still due, on the loops.
 * @return 0, or
 *   -EDEADLK  called on a loop of this runtime
 *   -EALREADY stopped before, or being stopped
 *   -ECHILD   in a forked child
 */
WEIR_API int weir_runtime_stop(struct weir_runtime *runtime, uint64_t deadline_ns);

/**
 * Free a stopped runtime. Handles that named something in it must not be used any more.
 *
 * Threads: any but a loop's; no other thread may be inside a call on this runtime.
 * Blocks:  never.
 * @return 0, or -EBUSY: not stopped; -EDEADLK: on a loop of it; -ECHILD: in a forked child, where
 *   the memory stays until exit. NULL is legal.
 */
WEIR_API int weir_runtime_free(struct weir_runtime *runtime);

/**
 * How many loops the runtime has.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API unsigned weir_runtime_loop_count(const struct weir_runtime *runtime);

/**
 * Loop @p index, 0 … count - 1; NULL beyond.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  the loop belongs to the runtime.
 */
WEIR_API struct weir_loop *weir_runtime_loop(struct weir_runtime *runtime, unsigned index);

/**
 * The loop this call runs on, or NULL on a plain thread.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API struct weir_loop *weir_loop_current(void);

/**
 * The runtime a loop belongs to.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API struct weir_runtime *weir_loop_runtime(struct weir_loop *loop);

/**
 * Turn a loop of a WEIR_MANUAL runtime once: take what is ready, run what is due.
 *
 * Threads: one at a time per loop.
 * Blocks:  up to @p timeout_ns for something to happen; 0: not at all; negative: no bound.
 * Calls:   whatever is due on the loop.
 * @return how many things it handled, 0 when the time passed, or
 *   -EINVAL   the runtime's loops have threads
 *   -EDEADLK  from inside a turn
 *   -ECHILD   in a forked child
 */
WEIR_API int weir_loop_turn(struct weir_loop *loop, int64_t timeout_ns);

/**
 * The epoll descriptor of a loop turned by hand: readable when a turn would find something. Watch
 * it in another loop, and ask weir_loop_timeout_ns() how long that loop may wait.
 *
 * Threads: any.
 * Blocks:  never.
 * @return the descriptor, which stays the loop's, or -EINVAL as weir_loop_turn().
 */
WEIR_API int weir_loop_fd(const struct weir_loop *loop);

/**
 * How long until the loop's next timer: nanoseconds, 0 for work now, negative for none.
 *
 * Threads: the one that turns the loop.
 * Blocks:  never.
 */
WEIR_API int64_t weir_loop_timeout_ns(struct weir_loop *loop);

/**
 * The time read at the start of the current turn.
 *
 * Threads: the loop's.
 * Blocks:  never.
 */
WEIR_API uint64_t weir_loop_now_ns(const struct weir_loop *loop);

/** Runs on a loop. */
typedef void weir_post_fn(struct weir_loop *loop, void *arg);

/**
 * Run @p fn once on @p loop, later, in the order this thread posts.
 *
 * Threads: any. Lock-free after this thread's first call to the loop.
 * Blocks:  never.
 * Calls:   @p fn exactly once on the loop iff this returns 0; also while stopping.
 * @return 0, or -EINVAL, -WEIR_ELANEFULL, -ENOMEM, -ECHILD, or -WEIR_EENDED: stopping or stopped;
 *   on a loop of the runtime only from the stop's deadline on, so what runs while stopping may
 *   post on.
 */
WEIR_API WEIR_NODISCARD int weir_post(struct weir_loop *loop, weir_post_fn *fn, void *arg);

/**
 * Ask to be told when this thread's lane to @p loop has room again after -WEIR_ELANEFULL.
 *
 * Threads: any but the loop's.
 * Blocks:  never.
 * Calls:   @p fn once, on the loop, when at least half of the lane is free; a second request before
 *          that replaces the first.
 * @return 0, or -EINVAL: no function, or the caller has no lane there; -EDEADLK on the loop itself;
 *   -ENOMEM; -WEIR_EENDED (stopping); -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_lane_notify(struct weir_loop *loop, weir_post_fn *fn, void *arg);

/** How a timer ended: status 0 fired, -ECANCELED cancelled. */
typedef void weir_timer_fn(struct weir_loop *loop, int status, void *arg);

/** One timer. @p deadline_ns is absolute; a passed one fires in the next turn. */
struct weir_timer {
    uint64_t deadline_ns;
    weir_timer_fn *fn;
    void *arg;
    weir_token token; /* all zero: none */
};

/**
 * Start a timer on @p loop. It is an operation: weir_cancel() takes it back by its handle, its
 * token takes it back with all others (N22).
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p timer.
 * Calls:   timer->fn exactly once on the loop iff this returns 0.
 * @return 0, or -EINVAL, -ECANCELED (token fired), -WEIR_ESTALE (token), -WEIR_ELANEFULL, -ENOMEM,
 *   -WEIR_EENDED (stopping), -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_timer_start(struct weir_loop *loop, const struct weir_timer *timer,
                                             weir_op *ret_op);

/**
 * Take an operation back: a write, a read, a timer. docs/states.md has the table of what follows.
 *
 * Threads: any. Wait-free.
 * Blocks:  never.
 * Calls:   nothing; the operation's completion comes on its loop as always.
 * @return enum weir_cancel_answer; never fails. -ECHILD in a forked child.
 */
WEIR_API int weir_cancel(weir_op op);

/**
 * Is the operation still to complete, or its callback still running?
 *
 * Threads: any. Wait-free.
 * Blocks:  never.
 */
WEIR_API bool weir_op_is_busy(weir_op op);

/**
 * Wait until the operation has completed and its callback has returned.
 *
 * Threads: plain threads.
 * Blocks:  until then, or until @p deadline_ns.
 * @return 0, -ETIMEDOUT, or -EDEADLK on a loop; a stale handle is 0 at once; -ECHILD.
 */
WEIR_API int weir_op_wait(weir_op op, uint64_t deadline_ns);

enum weir_watch_event {
    WEIR_WATCH_IN = 1 << 0,
    WEIR_WATCH_OUT = 1 << 1,
    WEIR_WATCH_HUP = 1 << 2, /* hang-up or error; always reported */
};

/** @p events is a set of enum weir_watch_event, or 0: the last call, the watch has ended. */
typedef void weir_watch_fn(weir_watch watch, unsigned events, void *arg);

/**
 * Watch a descriptor of the program's own on a loop; level-triggered.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  borrows @p fd until the last call; never closes it.
 * Calls:   @p fn on the loop at every event, and once with 0 at the end.
 * @return 0, or -EINVAL, -EBADF, -EPERM (a regular file), -ENOMEM, -WEIR_ELANEFULL, -WEIR_EENDED,
 *   -ECHILD.
 */
WEIR_API WEIR_NODISCARD int weir_watch_start(struct weir_loop *loop, int fd, unsigned events,
                                             weir_watch_fn *fn, void *arg, weir_watch *ret_watch);

/**
 * End a watch. Its function is called once more, with 0.
 *
 * Threads: any.
 * Blocks:  never.
 * @return 0, or -WEIR_ESTALE.
 */
WEIR_API int weir_watch_stop(weir_watch watch);

/** A signal arrived. @p signal is 0 in the last call. */
typedef void weir_signal_fn(weir_watch watch, int signal, void *arg);

/**
 * Receive the program's signals on a loop. The signals are blocked in the calling thread: call this
 * before other threads are made (loops block all signals by themselves).
 *
 * Threads: any.
 * Blocks:  never.
 * Calls:   @p fn on the loop, once per signal taken, and once with 0 at the end.
 * @return as weir_watch_start(); -EINVAL also for a signal out of range.
 */
WEIR_API WEIR_NODISCARD int weir_signal_start(struct weir_loop *loop, const int *signals,
                                              unsigned signal_count, weir_signal_fn *fn, void *arg,
                                              weir_watch *ret_watch);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_RUNTIME_H */
