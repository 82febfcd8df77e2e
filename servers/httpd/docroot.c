/* SPDX-License-Identifier: MIT */
#include "docroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// A fifo without a writer must hold nobody; it is refused later.
#define OPEN_FLAGS  (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define RACES_MAX   16u
#define CACHED_ONLY 0x20u // RESOLVE_CACHED, newer than some headers

static atomic_bool lacks_openat2; // before Linux 5.6
static atomic_bool lacks_cached;  // before 5.12

int
docroot_begin(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int
looked_at(int fd, struct stat *ret_stat)
{
    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, ret_stat) != 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

// The next part of the path, copied; the rest. NULL: it is too long.
static const char *
cut_part(const char *path, char part[NAME_MAX + 1])
{
    size_t size = strcspn(path, "/");

    if (size > NAME_MAX) {
        return NULL;
    }
    memcpy(part, path, size);
    part[size] = '\0';
    path += size;
    return path + strspn(path, "/");
}

int
docroot_open_by_steps(int root_fd, const char *path, struct stat *ret_stat)
{
    char part[NAME_MAX + 1];
    int at = root_fd;

    for (;;) {
        const char *rest = cut_part(path, part);
        int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
        int next;

        if (rest == NULL || strcmp(part, "..") == 0) {
            errno = rest == NULL ? ENAMETOOLONG : EXDEV;
            next = -1;
        } else {
            next = openat(at, part[0] != '\0' ? part : ".",
                          *rest == '\0' ? OPEN_FLAGS | O_NOFOLLOW : flags);
        }
        if (at != root_fd) {
            int error = errno;

            close(at);
            errno = error;
        }
        if (next < 0 || *rest == '\0') {
            return looked_at(next, ret_stat);
        }
        at = next;
        path = rest;
    }
}

static int
open_beneath(int root_fd, const char *path, bool may_block)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (may_block ? 0 : CACHED_ONLY),
    };
    unsigned races = 0;
    long fd;

    do { // a rename somewhere beside the path may make it start anew
        fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && may_block && races++ < RACES_MAX)));
    return (int)fd;
}

int
docroot_open(int root_fd, const char *path, bool may_block, struct stat *ret_stat)
{
    int fd;

    if (!may_block && (atomic_load_explicit(&lacks_openat2, memory_order_relaxed) ||
                       atomic_load_explicit(&lacks_cached, memory_order_relaxed))) {
        return -EAGAIN;
    }
    if (atomic_load_explicit(&lacks_openat2, memory_order_relaxed)) {
        return docroot_open_by_steps(root_fd, path, ret_stat);
    }
    fd = open_beneath(root_fd, path, may_block);
    if (fd < 0 && errno == ENOSYS) {
        atomic_store(&lacks_openat2, true);
        return docroot_open(root_fd, path, may_block, ret_stat);
    }
    if (fd < 0 && errno == EINVAL && !may_block) {
        atomic_store(&lacks_cached, true);
        return -EAGAIN;
    }
    return looked_at(fd, ret_stat);
}
