/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_HOST_H
#define HTTPD_HOST_H

// Virtual hosts: whose files they are, by the name a request is for.

#include <stdbool.h>
#include <stddef.h>

#define HOST_INDEXES_MAX 8u

struct host {
    char **names; // in small letters; the first host has none: it is who is nobody else
    unsigned name_count;
    char *root; // NULL: no files
    int root_fd;
    char *indexes[HOST_INDEXES_MAX];
    unsigned index_count;
    char *cache_control; // NULL: no such field
    unsigned codings;    // bits of enum coding that may lie beside a file
    bool lists;
    bool shows_hidden;
};

struct hosts {
    struct host *all; // the first is the default
    unsigned count;
    struct host_name *by_name;
    unsigned name_count;
};

// Add one; NULL: memory ran out. Earlier pointers are void.
struct host *hosts_add(struct hosts *hosts);

// Give it a name. 0, -EINVAL: no name of a host, -EEXIST: another one's, -ENOMEM.
int hosts_name(struct hosts *hosts, struct host *host, const char *text);

// Behind the last name: make ready for hosts_find(). 0, -ENOMEM.
int hosts_sort(struct hosts *hosts);

// Whose is "name", "name:port", "[::1]:80"? In any case, with or without a dot behind it. NULL:
// nobody's.
const struct host *hosts_find(const struct hosts *hosts, const char *authority, size_t size);

// Any thread. Open the roots anew, for another folder may be at their paths now. What cannot be
// opened stays as it is, and is said.
void hosts_reopen(const struct hosts *hosts);

void hosts_free(struct hosts *hosts);

#endif /* HTTPD_HOST_H */
