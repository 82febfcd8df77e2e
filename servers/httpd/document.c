/* SPDX-License-Identifier: MIT */
#include "document.h"

#include "docroot.h"
#include "listing.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// A change is near if the next one might have the same time: nearer than a tick of the clock by
// which file systems note it, or a little ahead of ours, as of a file server's.
#define TICK_NS  INT64_C(20000000)
#define AHEAD_NS INT64_C(2000000000)

#define READS_MAX 4u
#define AHEAD_MAX (UINT64_C(2) << 20) // of a large file, read ahead when it is opened

/* ---- a file ---- */

static bool
has_settled(const struct stat *stat)
{
    struct timespec now;
    int64_t age_s;
    int64_t age_ns;

    clock_gettime(CLOCK_REALTIME, &now);
    age_s = now.tv_sec - stat->st_mtim.tv_sec;
    if (age_s > 1 || age_s < -AHEAD_NS / 1000000000) { // no product of this can be too large
        return true;
    }
    age_ns = age_s * 1000000000 + (now.tv_nsec - stat->st_mtim.tv_nsec);
    return age_ns > TICK_NS || age_ns < -AHEAD_NS;
}

static void
describe(struct variant *variant, const struct stat *stat)
{
    variant->size = (uint64_t)stat->st_size;
    variant->modified_s = stat->st_mtim.tv_sec;
    variant->modified_ns = (uint32_t)stat->st_mtim.tv_nsec;
    variant->inode = (uint64_t)stat->st_ino;
    variant->is_weak = !has_settled(stat);
    variant->etag_size = (uint8_t)snprintf(
        variant->etag, sizeof(variant->etag),
        "%s\"%" PRIx64 "%08" PRIx32 "-%" PRIx64 "-%" PRIx64 "\"", variant->is_weak ? "W/" : "",
        (uint64_t)variant->modified_s, variant->modified_ns, variant->size, variant->inode);
    date_format(variant->modified_s, variant->modified);
}

static bool
is_same(const struct variant *variant, const struct stat *stat)
{
    return variant->size == (uint64_t)stat->st_size &&
           variant->modified_s == stat->st_mtim.tv_sec &&
           variant->modified_ns == (uint32_t)stat->st_mtim.tv_nsec && stat->st_nlink != 0;
}

// All of it, or -errno; -EAGAIN: it is not in memory, or was changed meanwhile.
static int
read_all(int fd, void *content, size_t size, bool may_block)
{
    size_t have = 0;

    while (have < size) {
        struct iovec piece = {(char *)content + have, size - have};
        ssize_t got = preadv2(fd, &piece, 1, (off_t)have, may_block ? 0 : RWF_NOWAIT);

        if (got < 0 && errno == EOPNOTSUPP) {
            return -EAGAIN;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got == 0) {
            return -EAGAIN;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

// Take a small file into memory. What was read is what the description says, for it was the same
// before and behind.
static int
keep_content(struct variant *variant, bool may_block)
{
    char *content = malloc(DOCUMENT_CONTENT_MAX);
    int result = -EAGAIN;

    for (unsigned i = 0; content != NULL && i < READS_MAX && result == -EAGAIN; i++) {
        struct stat after;

        result = read_all(variant->fd, content, variant->size, may_block);
        if (fstat(variant->fd, &after) != 0) {
            result = -errno;
        } else if (result == 0 && !is_same(variant, &after)) {
            describe(variant, &after);
            result = variant->size <= DOCUMENT_CONTENT_MAX ? -EAGAIN : -EFBIG;
        }
        if (!may_block) {
            break;
        }
    }
    if (content == NULL || result != 0) {
        free(content);
        return content == NULL ? -ENOMEM : result;
    }
    variant->content = realloc(content, variant->size + 1);
    if (variant->content == NULL) {
        variant->content = content;
    }
    close(variant->fd);
    variant->fd = -1;
    return 0;
}

// A large file is sent from the page cache. Is its beginning there? If it may block it is brought
// there, and the kernel told that more will be wanted.
static int
warm_up(int fd, uint64_t size, bool may_block)
{
    char first[4096];
    int result = read_all(fd, first, sizeof(first), may_block);

    if (result == 0 && may_block) {
        posix_fadvise(fd, 0, (off_t)(size < AHEAD_MAX ? size : AHEAD_MAX), POSIX_FADV_WILLNEED);
    }
    return result;
}

// The variant has the descriptor from here on.
static int
take_file(struct variant *variant, int fd, const struct stat *stat, bool may_block)
{
    variant->fd = fd;
    describe(variant, stat);
    if (variant->size <= DOCUMENT_CONTENT_MAX) {
        int result = keep_content(variant, may_block);

        return result == -EFBIG ? 0 : result; // it grew: it stays a file
    }
    return warm_up(fd, variant->size, may_block);
}

/* ---- a document ---- */

static struct document *
make(const struct host *host, const char *path)
{
    size_t size = strlen(path);
    struct document *document = calloc(1, sizeof(*document) + size + 1);

    if (document == NULL) {
        return NULL;
    }
    document->refs = 1;
    document->host = host;
    document->path_size = size;
    memcpy(document->path, path, size + 1);
    for (unsigned i = 0; i < CODINGS; i++) {
        document->variants[i].fd = -1;
    }
    return document;
}

// Files beside the file, of the same name and one more ending.
static int
take_encoded(struct document *document, const char *file, bool may_block)
{
    char path[TARGET_PATH_MAX + 8];

    for (unsigned i = 0; i < CODING_IDENTITY; i++) {
        struct stat stat;
        int result;
        int fd;

        if (!(document->host->codings & 1u << i) ||
            snprintf(path, sizeof(path), "%s%s", file, coding_suffix((enum coding)i)) >=
                (int)sizeof(path)) {
            continue;
        }
        fd = docroot_open(document->host->root_fd, path, may_block, &stat);
        if (fd == -EAGAIN) {
            return fd;
        }
        if (fd >= 0 && !S_ISREG(stat.st_mode)) {
            close(fd);
        } else if (fd >= 0) {
            result = take_file(&document->variants[i], fd, &stat, may_block);
            if (result < 0) {
                return result;
            }
            document->available |= 1u << i;
        }
    }
    return 0;
}

static int
take_document(struct document *document, const struct media *media, const char *file, int fd,
              const struct stat *stat, bool may_block)
{
    int result;

    if (S_ISDIR(stat->st_mode)) {
        close(fd);
        document->kind = DOCUMENT_FOLDER;
        return 0;
    }
    if (!S_ISREG(stat->st_mode)) {
        close(fd);
        return -ENOENT;
    }
    document->kind = DOCUMENT_FILE;
    document->type = media_type(media, file);
    document->available = 1u << CODING_IDENTITY;
    result = take_file(&document->variants[CODING_IDENTITY], fd, stat, may_block);
    return result < 0 ? result : take_encoded(document, file, may_block);
}

/* ---- a folder ---- */

static int
list_folder(struct document *document, const char *folder, bool may_block)
{
    struct variant *variant = &document->variants[CODING_IDENTITY];
    struct stat stat;
    size_t size = 0;
    int fd;

    if (!may_block) {
        return -EAGAIN;
    }
    fd = docroot_open(document->host->root_fd, folder, true, &stat);
    if (fd < 0) {
        return fd;
    }
    if (!S_ISDIR(stat.st_mode)) {
        close(fd);
        return -ENOENT;
    }
    variant->content = listing_make(document->host, fd, document->path, &size);
    variant->size = size;
    document->kind = DOCUMENT_LISTING;
    document->type = "text/html; charset=utf-8";
    document->available = 1u << CODING_IDENTITY;
    return variant->content == NULL ? -ENOMEM : 0;
}

static int
take_folder(struct document *document, const struct media *media, bool may_block)
{
    const struct host *host = document->host;
    const char *folder = document->path + 1;
    char path[TARGET_PATH_MAX + 256];

    for (unsigned i = 0; i < host->index_count; i++) {
        struct stat stat;
        int fd;

        if (snprintf(path, sizeof(path), "%s%s", folder, host->indexes[i]) >= (int)sizeof(path)) {
            continue;
        }
        fd = docroot_open(host->root_fd, path, may_block, &stat);
        if (fd >= 0 && S_ISREG(stat.st_mode)) {
            return take_document(document, media, path, fd, &stat, may_block);
        }
        if (fd >= 0) {
            close(fd);
        } else if (fd != -ENOENT && fd != -ENOTDIR) {
            return fd;
        }
    }
    return host->lists ? list_folder(document, *folder != '\0' ? folder : ".", may_block) : -ENOENT;
}

int
document_load(const struct host *host, const struct media *media, const char *path, bool may_block,
              struct document **ret_document)
{
    struct document *document = make(host, path);
    struct stat stat;
    int result;

    if (document == NULL) {
        return -ENOMEM;
    }
    if (path[document->path_size - 1] == '/') {
        result = take_folder(document, media, may_block);
    } else {
        result = docroot_open(host->root_fd, path + 1, may_block, &stat);
        if (result >= 0) {
            result = take_document(document, media, path + 1, result, &stat, may_block);
        }
    }
    if (result < 0) {
        document_unref(document);
        return result;
    }
    *ret_document = document;
    return 0;
}

bool
document_is_current(const struct document *document)
{
    for (unsigned i = 0; i < CODINGS; i++) {
        const struct variant *variant = &document->variants[i];
        struct stat stat;

        if (variant->fd >= 0 && (fstat(variant->fd, &stat) != 0 || !is_same(variant, &stat))) {
            return false;
        }
    }
    return true;
}

void
document_ref(struct document *document)
{
    document->refs++;
}

void
document_unref(void *arg)
{
    struct document *document = arg;

    if (--document->refs != 0) {
        return;
    }
    for (unsigned i = 0; i < CODINGS; i++) {
        if (document->variants[i].fd >= 0) {
            close(document->variants[i].fd);
        }
        free(document->variants[i].content);
        weir_http_prepared_free(document->variants[i].head);
    }
    free(document);
}
