/* SPDX-License-Identifier: MIT */
#include "mem/thread.h"

#include "mem/assert.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

// The C library runs these when the thread ends, and on exit() for the thread that calls it, before
// the destructors of pthread keys. mimalloc ends a thread by such a key, so our hooks still find
// its per-thread state whole. A pthread key of ours would run before or after it by chance.
extern int __cxa_thread_atexit_impl(void (*destructor)(void *), void *arg, void *dso);
extern void *__dso_handle;

typedef void thread_hook_fn(void);

static _Thread_local thread_hook_fn *thread_hooks[WI_THREAD_STAGES];
static _Thread_local bool thread_is_hooked;
static _Thread_local bool thread_is_ending;

// For a thread that uses us again in a destructor of its own, after our hooks: too late for the
// mechanism above, but the C library calls the destructors of keys that got a value meanwhile.
static pthread_once_t late_once = PTHREAD_ONCE_INIT;
static pthread_key_t late_key;
static int late_status;

// The ending thread.
static void
thread_end(void *arg)
{
    (void)arg;
    // A hook set while the others run is registered anew, and runs after this pass.
    thread_is_hooked = false;
    thread_is_ending = true;
    for (int stage = 0; stage < WI_THREAD_STAGES; stage++) {
        thread_hook_fn *hook = thread_hooks[stage];

        thread_hooks[stage] = NULL;
        if (hook != NULL) {
            hook();
        }
    }
}

// Any thread, once.
static void
late_create(void)
{
    late_status = pthread_key_create(&late_key, thread_end);
}

// Any thread.
static int
thread_register(void)
{
    if (!thread_is_ending) {
        return __cxa_thread_atexit_impl(thread_end, NULL, &__dso_handle);
    }
    if (pthread_once(&late_once, late_create) != 0 || late_status != 0) {
        return -1;
    }
    return pthread_setspecific(late_key, &thread_is_ending);
}

int
wi_thread_at_exit(enum wi_thread_stage stage, void (*hook)(void))
{
    wi_assert(stage < WI_THREAD_STAGES);
    wi_assert(hook != NULL);
    if (!thread_is_hooked) {
        if (thread_register() != 0) {
            return -ENOMEM;
        }
        thread_is_hooked = true;
    }
    thread_hooks[stage] = hook;
    return 0;
}

bool
wi_thread_is_ending(void)
{
    return thread_is_ending;
}
