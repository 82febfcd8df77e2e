/* SPDX-License-Identifier: MIT */
#ifndef WI_SLAB_H
#define WI_SLAB_H

/**
 * @file
 * Slabs of 32 blocks, cut from regions of 1 MiB.
 *
 *     region   | slab 0 | slab 1 | … | slab 7 |            128 KiB each, 128 KiB aligned
 *     slab     | 32 headers of 64 | 32 payloads of 4032 |  2 KiB + 126 KiB
 *
 * The descriptors stand apart from the memory they describe, so a slab is all blocks, and giving
 * its pages back loses nothing. A pool has its own regions. Its thread cuts and releases slabs;
 * when the thread has ended, each slab is released by whoever returned its last block.
 */

#include "mem/block.h"

#include <stdalign.h>

struct wi_pool;
struct wi_region;

#define WI_REGION_SLABS 8u
#define WI_REGION_SIZE  (WI_REGION_SLABS * WI_SLAB_SIZE)
#define WI_SLAB_EMPTY   UINT32_MAX // the free mask of a slab with no block out

static_assert(WI_SLAB_SIZE == WI_SLAB_BLOCKS * (sizeof(struct weir_block) + WEIR_BLOCK_SIZE),
              "headers and payloads fill a slab");
static_assert(WI_SLAB_BLOCKS == 32, "the free mask is 32 bits");

struct wi_slab {
    // Written when cut; read by any thread that holds a block of the slab.
    alignas(WI_CACHE_LINE) struct weir_block *headers; // the slab's memory begins with them
    struct wi_pool *pool;
    struct wi_region *region;
    // Any thread, once the pool's thread has ended: blocks still out, see pool.c.
    wi_atomic_u32 balance;

    // The pool's thread. Its own line: it changes with each lease and return.
    alignas(WI_CACHE_LINE) uint32_t free; // bit i: block i is free
    bool is_listed;                       // in one of the pool's lists
    bool is_aged;                         // was empty at the last decay too
    struct wi_slab *next;
    struct wi_slab *previous;
};

struct wi_region {
    // Written once.
    uint8_t *memory;
    // Any thread: 1 for the pool's thread, 1 for each slab cut. The last one out frees the region.
    wi_atomic_u32 holds;
    // The pool's thread.
    uint32_t used; // bit i: slab i is cut
    struct wi_region *next;
    struct wi_region *previous;
    struct wi_slab slabs[WI_REGION_SLABS];
};

/** The regions of one pool. One with room, if there is any, is the first. */
struct wi_region_list {
    struct wi_region *first;
    struct wi_region *last;
};

/** The pool's thread. An empty slab with its headers ready; NULL: memory ran out. */
struct wi_slab *wi_slab_cut(struct wi_region_list *regions, struct wi_pool *pool);

/** The pool's thread. Give an empty slab back: its pages, or its whole region with the last one. */
void wi_slab_release(struct wi_region_list *regions, struct wi_slab *slab);

/** Any thread, after the pool's thread gave the slab up: the same without the list. */
void wi_slab_release_orphan(struct wi_slab *slab);

/** Any thread that holds the region. Give the hold back; the last one frees the region. */
void wi_region_drop(struct wi_region *region);

/** Any thread. Slabs cut in the whole process now, and the most there ever were. */
void wi_slab_counts(uint64_t *ret_slabs, uint64_t *ret_peak);

/** Any thread. Which of its slab's 32 blocks it is. */
static inline uint32_t
wi_block_index(const struct weir_block *block)
{
    return (uint32_t)((uintptr_t)block / sizeof(struct weir_block)) % WI_SLAB_BLOCKS;
}

#endif /* WI_SLAB_H */
