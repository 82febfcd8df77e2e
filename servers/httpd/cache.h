/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_CACHE_H
#define HTTPD_CACHE_H

// A loop's documents, for as long as they may be taken for current. Bounded; what was longest not
// asked for goes first.

#include "document.h"

struct cache;

// At most @p room documents, each for @p valid_ns. NULL: memory ran out.
struct cache *cache_create(unsigned room, uint64_t valid_ns);
void cache_free(struct cache *cache);

// With a reference for the caller; NULL: it is not there, is too old, or its open file has changed.
struct document *cache_find(struct cache *cache, const struct host *host, const char *path,
                            size_t path_size, uint64_t now_ns);

// Keep it, with a reference, in place of what is there. Nothing is done if it was changed so lately
// that the next change might not show.
void cache_put(struct cache *cache, struct document *document, uint64_t now_ns);

#endif /* HTTPD_CACHE_H */
