/* SPDX-License-Identifier: MIT */

#include "runtime/os_share.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

uint32_t
wi_os_process(void)
{
    return (uint32_t)getpid();
}

int
wi_os_share_create(const char *path, size_t size, void **ret_memory)
{
    int result;
    int fd;

    unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    // Room is reserved now: a full file system would else be told by SIGBUS, at some store.
    result = -posix_fallocate(fd, 0, (off_t)size);
    if (result == 0) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (memory == MAP_FAILED) {
            result = -errno;
        } else {
            *ret_memory = memory;
        }
    }
    close(fd);
    if (result < 0) {
        unlink(path);
    }
    return result;
}

void
wi_os_share_destroy(const char *path, void *memory, size_t size)
{
    munmap(memory, size);
    unlink(path);
}

void
wi_os_share_sleep(const void *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

void
wi_os_share_wake(const void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}
