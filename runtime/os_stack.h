/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_STACK_H
#define WI_OS_STACK_H

/**
 * @file
 * Taking the stack of another thread, by a signal whose handler walks its own. os_stack_linux.c is
 * the only file that makes these system calls. Results as in os.h.
 */

#include <stdint.h>

/** The calling thread, as the system counts. */
uint32_t wi_os_thread_number(void);

/** The signal used when none is named. */
int wi_os_stack_signal_default(void);

/** Under the cold lock. Take the signal for stacks; counted. -EINVAL: no such signal; -EBUSY: the
 *  program has a handler of its own for it. */
int wi_os_stack_listen(int signal);
/** Under the cold lock. */
void wi_os_stack_unlisten(int signal);

/** The calling thread. Let the signal through; its number for wi_os_stack_take(). */
uint32_t wi_os_stack_join(int signal);

/** One thread at a time. The return addresses of @p thread, innermost first, by @p deadline_ns. How
 *  many, or -ETIMEDOUT, or -ESRCH: the thread is gone. */
int wi_os_stack_take(uint32_t thread, int signal, void **ret_addresses, unsigned count,
                     uint64_t deadline_ns);

/** Allocated by libc: free() it. NULL: no memory. */
char **wi_os_stack_names(void *const *addresses, int count);

#endif /* WI_OS_STACK_H */
