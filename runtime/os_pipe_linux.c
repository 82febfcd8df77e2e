/* SPDX-License-Identifier: MIT */

// Pipes, and moving pages between them and sockets.

#include "runtime/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

int
wi_os_pipe_create(int ret_ends[2], size_t size)
{
    if (pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -errno;
    }
    fcntl(ret_ends[1], F_SETPIPE_SZ, (int)size); // refused above a limit: it holds less then
    return 0;
}

static ssize_t
move(int from, int to, size_t size)
{
    ssize_t count;

    do {
        count = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t
wi_os_splice_in(int fd, int pipe, size_t size)
{
    return move(fd, pipe, size);
}

// splice() has no MSG_NOSIGNAL: SIGPIPE is blocked meanwhile, and taken off this thread if it was
// this call that raised it.
static ssize_t
move_unsignalled(int pipe, int fd, size_t size)
{
    const struct timespec at_once = {0};
    sigset_t broken_pipe;
    sigset_t before;
    sigset_t pending;
    ssize_t count;

    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    sigpending(&pending);
    count = move(pipe, fd, size);
    if (count == -EPIPE && !sigismember(&pending, SIGPIPE)) {
        while (sigtimedwait(&broken_pipe, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return count;
}

ssize_t
wi_os_splice_out(int pipe, int fd, size_t size, bool blocks_signals)
{
    return blocks_signals ? move(pipe, fd, size) : move_unsignalled(pipe, fd, size);
}
