/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

struct cache {
    unsigned count;
    unsigned room;
    uint64_t valid_ns;
    struct document *newest;
    struct document *oldest;
    uint32_t mask;
    struct document *buckets[];
};

struct cache *
cache_create(unsigned room, uint64_t valid_ns)
{
    uint32_t buckets = 1;
    struct cache *cache;

    while (buckets < room) {
        buckets *= 2;
    }
    cache = calloc(1, sizeof(*cache) + buckets * sizeof(struct document *));
    if (cache != NULL) {
        cache->room = room;
        cache->valid_ns = valid_ns;
        cache->mask = buckets - 1;
    }
    return cache;
}

static uint32_t
hash_of(const struct host *host, const char *path, size_t size)
{
    uint64_t hash = (uint64_t)(uintptr_t)host;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)path[i]) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

static struct document **
link_to(struct cache *cache, const struct document *document)
{
    struct document **link = &cache->buckets[document->hash & cache->mask];

    while (*link != document) {
        link = &(*link)->next_of_hash;
    }
    return link;
}

/* ---- in the order of use ---- */

static void
unlink_use(struct cache *cache, struct document *document)
{
    *(document->newer != NULL ? &document->newer->older : &cache->newest) = document->older;
    *(document->older != NULL ? &document->older->newer : &cache->oldest) = document->newer;
}

static void
link_newest(struct cache *cache, struct document *document)
{
    document->newer = NULL;
    document->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = document;
    cache->newest = document;
}

static void
drop(struct cache *cache, struct document *document)
{
    *link_to(cache, document) = document->next_of_hash;
    unlink_use(cache, document);
    cache->count--;
    document_unref(document);
}

void
cache_free(struct cache *cache)
{
    while (cache != NULL && cache->oldest != NULL) {
        drop(cache, cache->oldest);
    }
    free(cache);
}

/* ---- finding and keeping ---- */

static struct document *
find(const struct cache *cache, const struct host *host, const char *path, size_t size,
     uint32_t hash)
{
    struct document *document = cache->buckets[hash & cache->mask];

    while (document != NULL &&
           (document->hash != hash || document->host != host || document->path_size != size ||
            memcmp(document->path, path, size) != 0)) {
        document = document->next_of_hash;
    }
    return document;
}

struct document *
cache_find(struct cache *cache, const struct host *host, const char *path, size_t path_size,
           uint64_t now_ns)
{
    struct document *document = find(cache, host, path, path_size, hash_of(host, path, path_size));

    if (document == NULL) {
        return NULL;
    }
    if (now_ns - document->checked_ns >= cache->valid_ns || !document_is_current(document)) {
        drop(cache, document);
        return NULL;
    }
    if (cache->newest != document) {
        unlink_use(cache, document);
        link_newest(cache, document);
    }
    document_ref(document);
    return document;
}

static bool
has_settled(const struct document *document)
{
    for (unsigned i = 0; i < CODINGS; i++) {
        if (document->variants[i].is_weak) {
            return false;
        }
    }
    return true;
}

void
cache_put(struct cache *cache, struct document *document, uint64_t now_ns)
{
    uint32_t hash = hash_of(document->host, document->path, document->path_size);
    struct document *old = find(cache, document->host, document->path, document->path_size, hash);

    if (old != NULL) {
        drop(cache, old);
    }
    if (cache->room == 0 || cache->valid_ns == 0 || !has_settled(document)) {
        return;
    }
    if (cache->count == cache->room) {
        drop(cache, cache->oldest);
    }
    document->hash = hash;
    document->checked_ns = now_ns;
    document->next_of_hash = cache->buckets[hash & cache->mask];
    cache->buckets[hash & cache->mask] = document;
    link_newest(cache, document);
    cache->count++;
    document_ref(document);
}
