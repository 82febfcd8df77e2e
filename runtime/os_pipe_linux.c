/* SPDX-License-Identifier: MIT */

// Pipes, and moving pages between them and sockets.

#include "runtime/os.h"
#include "runtime/os_sigpipe_linux.h"

#include <errno.h>
#include <fcntl.h>
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

ssize_t
wi_os_splice_out(int pipe, int fd, size_t size, bool blocks_signals)
{
    struct wi_sigpipe held;
    ssize_t count;

    if (blocks_signals) {
        return move(pipe, fd, size);
    }
    wi_sigpipe_hold(&held);
    count = move(pipe, fd, size);
    wi_sigpipe_release(&held, count == -EPIPE);
    return count;
}
