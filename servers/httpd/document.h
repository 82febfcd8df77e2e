/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_DOCUMENT_H
#define HTTPD_DOCUMENT_H

// What is at a path, as it was when it was looked at: a file with its encoded neighbours, open, or
// in memory if it is small; a folder to be redirected to, or listed.

#include "coding.h"
#include "date.h"
#include "host.h"
#include "media.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define DOCUMENT_CONTENT_MAX 16384u // up to so many bytes a file is kept in memory
#define DOCUMENT_ETAG_SIZE   64u

// A file.
struct variant {
    int fd;        // -1: it is in memory
    char *content; // NULL: it is in the file
    uint64_t size;
    int64_t modified_s;
    uint32_t modified_ns;
    uint64_t inode;
    char modified[DATE_SIZE];
    char etag[DOCUMENT_ETAG_SIZE]; // with W/ if it is weak
    uint8_t etag_size;
    bool is_weak; // it was changed so lately that the clock would not tell the next change
    struct weir_http_prepared *head; // of it as a whole; NULL: was not asked for yet
};

enum document_kind {
    DOCUMENT_FILE,
    DOCUMENT_FOLDER, // whose path wants a slash
    DOCUMENT_LISTING,
};

struct document {
    unsigned refs; // on one loop
    enum document_kind kind;
    unsigned available; // bits of enum coding
    const char *type;   // the host's media's
    struct variant variants[CODINGS];

    // The cache's.
    struct document *next_of_hash;
    struct document *newer;
    struct document *older;
    const struct host *host;
    uint64_t checked_ns;
    uint32_t hash;
    size_t path_size;
    char path[];
};

// Look at what is at @p path, of a target. If it may not block: -EAGAIN is no answer. 0 and a
// document with one reference, or -errno.
int document_load(const struct host *host, const struct media *media, const char *path,
                  bool may_block, struct document **ret_document);

// Is what it has open still as it was?
bool document_is_current(const struct document *document);

void document_ref(struct document *document);
void document_unref(void *arg); // the document: a release function

#endif /* HTTPD_DOCUMENT_H */
