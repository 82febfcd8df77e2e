/* SPDX-License-Identifier: MIT */
#ifndef WI_THREAD_H
#define WI_THREAD_H

/**
 * @file
 * What happens when a thread ends: hooks, run in the order of their stage, before the C library's
 * thread-specific destructors (and so before mimalloc's).
 */

#include <stdbool.h>

enum wi_thread_stage {
    WI_THREAD_LANES, /* runtime: give up this thread's lanes */
    WI_THREAD_POOL,  /* mem: orphan the slabs */
    WI_THREAD_HEAP,  /* mem: delete the heap */
    WI_THREAD_STAGES,
};

/** Any thread. Run @p hook when the calling thread ends; a second call for a stage replaces it.
 *  0, or -ENOMEM. */
int wi_thread_at_exit(enum wi_thread_stage stage, void (*hook)(void));

/** Any thread. Have the hooks of the calling thread begun to run? Destructors that run later may
 *  still use the library. */
bool wi_thread_is_ending(void);

#endif /* WI_THREAD_H */
