/* SPDX-License-Identifier: MIT */
#include "mem/thread.h"

#include "mem/assert.h"

#include <errno.h>
#include <stddef.h>

// The C library runs these when the thread ends, and on exit() for the thread that calls it, before
// the destructors of pthread keys. mimalloc ends a thread by such a key, so our hooks still find its
// per-thread state whole. A pthread key of ours would run before or after it by chance.
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *arg, void *dso);
extern void *__dso_handle;

typedef void thread_hook_fn(void);

static _Thread_local thread_hook_fn *thread_hooks[WI_THREAD_STAGES];
static _Thread_local bool thread_is_hooked;

// The ending thread.
static void
thread_end(void *arg)
{
    (void)arg;
    // A hook set while the others run (memory used by a late destructor) is registered anew, and the
    // C library runs it after this pass.
    thread_is_hooked = false;
    for (int stage = 0; stage < WI_THREAD_STAGES; stage++) {
        thread_hook_fn *hook = thread_hooks[stage];

        thread_hooks[stage] = NULL;
        if (hook != NULL) {
            hook();
        }
    }
}

int
wi_thread_at_exit(enum wi_thread_stage stage, void (*hook)(void))
{
    wi_assert(stage < WI_THREAD_STAGES);
    wi_assert(hook != NULL);
    if (!thread_is_hooked) {
        if (__cxa_thread_atexit_impl(thread_end, NULL, &__dso_handle) != 0) {
            return -ENOMEM;
        }
        thread_is_hooked = true;
    }
    thread_hooks[stage] = hook;
    return 0;
}
