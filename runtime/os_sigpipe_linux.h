/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_SIGPIPE_LINUX_H
#define WI_OS_SIGPIPE_LINUX_H

/**
 * @file
 * sendfile() and splice() have no MSG_NOSIGNAL: on a thread that does not block SIGPIPE it is
 * blocked meanwhile, and taken off the thread if it was this call that raised it. Loops with
 * threads of their own block all signals and have no need of it.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct wi_sigpipe {
    sigset_t before;
    bool was_pending;
};

static inline void
wi_sigpipe_hold(struct wi_sigpipe *held)
{
    sigset_t broken_pipe;
    sigset_t pending;

    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &held->before);
    sigpending(&pending);
    held->was_pending = sigismember(&pending, SIGPIPE) == 1;
}

static inline void
wi_sigpipe_release(const struct wi_sigpipe *held, bool was_raised)
{
    const struct timespec at_once = {0};
    sigset_t broken_pipe;

    if (was_raised && !held->was_pending) {
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        while (sigtimedwait(&broken_pipe, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
}

#endif /* WI_OS_SIGPIPE_LINUX_H */
