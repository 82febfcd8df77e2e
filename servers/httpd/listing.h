/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_LISTING_H
#define HTTPD_LISTING_H

#include "host.h"

#include <stddef.h>

// A page with what is in a folder. Takes the descriptor. Blocks. Memory to be freed; NULL: it ran
// out. @p path is a target's.
char *listing_make(const struct host *host, int folder_fd, const char *path, size_t *ret_size);

#endif /* HTTPD_LISTING_H */
