/* SPDX-License-Identifier: MIT */
#include "host.h"

#include "coding.h"
#include "docroot.h"

#include "common/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_SIZE 256u

struct host_name {
    const char *name;
    unsigned host;
};

struct host *
hosts_add(struct hosts *hosts)
{
    struct host *all = realloc(hosts->all, (hosts->count + 1) * sizeof(all[0]));
    struct host *host;

    if (all == NULL) {
        return NULL;
    }
    hosts->all = all;
    host = &all[hosts->count++];
    *host = (struct host){.root_fd = -1,
                          .codings = 1u << CODING_BR | 1u << CODING_ZSTD | 1u << CODING_GZIP};
    return host;
}

/* ---- names ---- */

// In small letters, without port and last dot; terminated. False: it is none.
static bool
normalise(const char *text, size_t size, char name[NAME_MAX_SIZE])
{
    const char *end = text + size;
    const char *colon = memchr(text, ':', size);
    size_t length;

    if (size != 0 && *text == '[') {
        const char *bracket = memchr(text, ']', size);

        if (bracket == NULL || (bracket + 1 != end && bracket[1] != ':')) {
            return false;
        }
        end = bracket + 1;
    } else if (colon != NULL) {
        end = colon;
    }
    length = (size_t)(end - text);
    if (length > 1 && text[length - 1] == '.') {
        length--;
    }
    if (length == 0 || length >= NAME_MAX_SIZE) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c == 0x7f || strchr("/?#@\\", c) != NULL) {
            return false;
        }
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    name[length] = '\0';
    return true;
}

int
hosts_name(struct hosts *hosts, struct host *host, const char *text)
{
    char name[NAME_MAX_SIZE];
    char **names;

    if (!normalise(text, strlen(text), name)) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < hosts->count; i++) {
        for (unsigned j = 0; j < hosts->all[i].name_count; j++) {
            if (strcmp(hosts->all[i].names[j], name) == 0) {
                return -EEXIST;
            }
        }
    }
    names = realloc(host->names, (host->name_count + 1) * sizeof(names[0]));
    if (names == NULL) {
        return -ENOMEM;
    }
    host->names = names;
    names[host->name_count] = strdup(name);
    if (names[host->name_count] == NULL) {
        return -ENOMEM;
    }
    host->name_count++;
    hosts->name_count++;
    return 0;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(((const struct host_name *)a)->name, ((const struct host_name *)b)->name);
}

int
hosts_sort(struct hosts *hosts)
{
    unsigned count = 0;

    free(hosts->by_name);
    hosts->by_name = calloc(hosts->name_count + 1, sizeof(hosts->by_name[0]));
    if (hosts->by_name == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < hosts->count; i++) {
        for (unsigned j = 0; j < hosts->all[i].name_count; j++) {
            hosts->by_name[count++] = (struct host_name){hosts->all[i].names[j], i};
        }
    }
    qsort(hosts->by_name, count, sizeof(hosts->by_name[0]), compare);
    return 0;
}

const struct host *
hosts_find(const struct hosts *hosts, const char *authority, size_t size)
{
    char name[NAME_MAX_SIZE];
    struct host_name wanted = {.name = name};
    const struct host_name *found;

    if (hosts->name_count == 0 || !normalise(authority, size, name)) {
        return NULL;
    }
    found = bsearch(&wanted, hosts->by_name, hosts->name_count, sizeof(wanted), compare);
    return found != NULL ? &hosts->all[found->host] : NULL;
}

// The descriptor keeps its number: who uses it meanwhile has the one folder or the other.
static int
reopen(const struct host *host)
{
    int fd = docroot_begin(host->root);
    int result = fd < 0 ? fd : 0;

    if (fd >= 0) {
        result = dup3(fd, host->root_fd, O_CLOEXEC) < 0 ? -errno : 0;
        close(fd);
    }
    return result;
}

void
hosts_reopen(const struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts->count; i++) {
        int result = hosts->all[i].root != NULL ? reopen(&hosts->all[i]) : 0;

        if (result < 0) {
            complain("cannot open %s again: %s", hosts->all[i].root, strerror(-result));
        }
    }
}

static void
release(struct host *host)
{
    for (unsigned i = 0; i < host->name_count; i++) {
        free(host->names[i]);
    }
    for (unsigned i = 0; i < host->index_count; i++) {
        free(host->indexes[i]);
    }
    if (host->root_fd >= 0) {
        close(host->root_fd);
    }
    free(host->names);
    free(host->root);
    free(host->cache_control);
}

void
hosts_free(struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts->count; i++) {
        release(&hosts->all[i]);
    }
    free(hosts->all);
    free(hosts->by_name);
}
