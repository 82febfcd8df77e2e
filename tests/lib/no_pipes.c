// SPDX-License-Identifier: MIT
// Of a kernel in memory: it has no pipes, so pumps move block by block.
#include "runtime/os.h"

#include <errno.h>

int
wi_os_pipe_create(int ret_ends[2], size_t size)
{
    (void)ret_ends;
    (void)size;
    return -ENOSYS;
}

ssize_t
wi_os_splice_in(int fd, int pipe, size_t size)
{
    (void)fd;
    (void)pipe;
    (void)size;
    return -ENOSYS;
}

ssize_t
wi_os_splice_out(int pipe, int fd, size_t size, bool blocks_signals)
{
    (void)pipe;
    (void)fd;
    (void)size;
    (void)blocks_signals;
    return -ENOSYS;
}
