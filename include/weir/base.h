/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

/**
 * @file
 * What every weir header shares: handles, statuses, times, names.
 *
 * An `int` result is 0 or a count on success and a negative errno on failure; nothing else. A call
 * that fails has done nothing and will call nothing back. Every size is in bytes, every time in
 * nanoseconds of CLOCK_MONOTONIC.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEIR_API       __attribute__((visibility("default")))
#define WEIR_NODISCARD __attribute__((warn_unused_result))
#else
#define WEIR_API
#define WEIR_NODISCARD
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/**
 * Handles are plain values: copy them, keep them, compare their bits, never free them. A handle
 * whose object is gone is *stale*; every call answers a stale handle with a clean error, from any
 * thread, until the runtime is freed. All bits zero never names anything.
 */
typedef struct weir_stream {
    uint64_t bits; /* private: kind, runtime, slot, generation */
} weir_stream;

/** Names one accepted operation: a write, a read, a timer. */
typedef struct weir_op {
    uint64_t bits;
} weir_op;

/** Names a cancel token. */
typedef struct weir_token {
    uint64_t bits;
} weir_token;

/** Names a listener. */
typedef struct weir_listener {
    uint64_t bits;
} weir_listener;

/** Names a watched foreign descriptor or a signal source. */
typedef struct weir_watch {
    uint64_t bits;
} weir_watch;

struct weir_runtime; /* see weir/runtime.h */
struct weir_loop;    /* see weir/runtime.h */

/*
 * Statuses. All are negative errno values from <errno.h>; the names below say what weir means by
 * the few that name a state of its own.
 */
#define WEIR_ESTALE      9   /* EBADF: the handle is stale or never named anything */
#define WEIR_EENDED      108 /* ESHUTDOWN: the write side has ended or the stream is closing */
#define WEIR_ETORN       131 /* ENOTRECOVERABLE: a cancelled write tore the stream; see resume */
#define WEIR_ESTREAMFULL 122 /* EDQUOT: the stream's queue is over its high mark */
#define WEIR_ELANEFULL   54  /* EXFULL: this thread's lane to the loop is full */
#define WEIR_ELOOPFULL   105 /* ENOBUFS: the loop's share of queued bytes is used up */
#define WEIR_ENAMESFULL  87  /* EUSERS: too many names wait to be resolved, or no thread can */
#define WEIR_ENONAME     6   /* ENXIO: the name has no address */
#define WEIR_ENAMEFAIL   121 /* EREMOTEIO: no name server could tell; perhaps later */
#define WEIR_EPROCFULL   28  /* ENOSPC: the runtime's share of queued bytes is used up */

/** Who decided how an operation or a stream ended. */
enum weir_origin {
    WEIR_ORIGIN_NONE,         /* success */
    WEIR_ORIGIN_LOCAL_CANCEL, /* a handle or a token */
    WEIR_ORIGIN_DEADLINE,     /* its deadline passed */
    WEIR_ORIGIN_LOCAL_CLOSE,  /* the stream was ended, torn, closed or aborted on this side */
    WEIR_ORIGIN_PEER_RESET,   /* the peer reset the connection */
    WEIR_ORIGIN_PEER_STOP,    /* the peer stopped reading (EPIPE) */
    WEIR_ORIGIN_TRANSPORT,    /* the network or the kernel: unreachable, timed out, … */
    WEIR_ORIGIN_MEMORY,       /* memory or a limit ran out */
};

/** What a cancel can answer. */
enum weir_cancel_answer {
    WEIR_CANCEL_WON,     /* this call decided: it ends with -ECANCELED and nothing sent */
    WEIR_CANCEL_PENDING, /* the loop decides; the completion tells */
    WEIR_CANCEL_LATE,    /* it had finished, or the handle is stale */
};

/** Never: a deadline that does not pass. */
#define WEIR_NEVER UINT64_MAX

/**
 * Text for a status: every negative errno weir returns, and 0.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  the text is static.
 */
WEIR_API const char *weir_strerror(int status);

/**
 * The short name of an origin, as logs print it.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  the text is static.
 */
WEIR_API const char *weir_origin_name(enum weir_origin origin);

/**
 * The library's version as "major.minor.patch".
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  the text is static.
 */
WEIR_API const char *weir_version(void);

/**
 * The monotonic clock, in nanoseconds.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API uint64_t weir_now_ns(void);

/**
 * The deadline @p delay_ns from now; saturates at WEIR_NEVER - 1.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API uint64_t weir_deadline_after(uint64_t delay_ns);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_BASE_H */
