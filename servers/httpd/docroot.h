/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_DOCROOT_H
#define HTTPD_DOCROOT_H

// Opening what lies below a folder, and never anything else: neither dots nor symbolic links lead
// out of it.

#include <stdbool.h>
#include <sys/stat.h>

// The folder itself; -errno.
int docroot_begin(const char *path);

// Open for reading what is at @p path, relative and not empty, and look at it. If it may not block,
// only what the kernel knows without asking a disk is opened: -EAGAIN is then no answer, ask again
// where it may.
//
// The descriptor, or -errno: -ENOENT, -ENOTDIR, -EACCES, -EMFILE and the like; -EXDEV or -ELOOP: it
// would lead out, or round and round.
int docroot_open(int root_fd, const char *path, bool may_block, struct stat *ret_stat);

// The same where the kernel has no openat2(2): step by step, no symbolic link at all is followed.
int docroot_open_by_steps(int root_fd, const char *path, struct stat *ret_stat);

#endif /* HTTPD_DOCROOT_H */
