/* SPDX-License-Identifier: MIT */
#ifndef WI_BLOCK_H
#define WI_BLOCK_H

/**
 * @file
 * A pool block's header, as the library sees it. 32 of them stand packed in front of their slab's
 * 32 payloads, so the payloads of neighbours are contiguous.
 */

#include "mem/assert.h"
#include "mem/atomic.h"
#include "weir/pool.h"

struct wi_slab;

struct weir_block {
    // The chain's owner. What a lease resets lies together: here, and from begin on.
    struct weir_block *next; // in a chain, in a free list, on the way home
    struct weir_block *head; // see wi_block_section()
    // Written when the slab is cut.
    uint8_t *data;        // payload
    struct wi_slab *slab; // NULL: a one-off heap block
    // The chain's owner.
    uint32_t begin;      // first live byte
    uint32_t end;        // behind the last one; advanced before next is set (K67)
    uint32_t is_chained; // stands in a chain; a second chain must refuse it
    // The pool.
    uint32_t magic;    // WI_BLOCK_LEASED or _FREE: catches double and foreign returns
    const void *site;  // who leased it, in debug builds
    uint32_t capacity; // WEIR_BLOCK_SIZE, or more for a one-off
    // Any holder.
    wi_atomic_u32 refs; // 1 when leased or free; more while pieces of it are packed into operations
};
static_assert(sizeof(struct weir_block) == 64, "32 headers must fill 2 KiB");

#define WI_BLOCK_LEASED 0x4c656173u
#define WI_BLOCK_FREE   0x46726565u

#define WI_SLAB_SIZE   (128u * 1024u)
#define WI_SLAB_BLOCKS 32u

/**
 * The chain's owner. The first block of the producing section that a block belongs to; NULL: none.
 * The first block itself carries its owner, with the low bit set; the later ones point at it.
 */
static inline struct weir_block *
wi_block_section(struct weir_block *block)
{
    return (uintptr_t)block->head & 1 ? block : block->head;
}

/** The chain's owner. Bytes the block holds. */
static inline uint32_t
wi_block_size(const struct weir_block *block)
{
    return block->end - block->begin;
}

/** The chain's owner. Bytes still free behind the last one. */
static inline uint32_t
wi_block_room(const struct weir_block *block)
{
    return block->capacity - block->end;
}

/** Any thread. Is it a leased block of this library? Reads the header; false for NULL. */
bool wi_block_is_ours(const struct weir_block *block);

/** Any thread that holds the block. Take @p count more references. */
void wi_block_ref(struct weir_block *block, uint32_t count);

/** Any thread. Give @p count references back; the last one returns the block. */
void wi_block_unref(struct weir_block *block, uint32_t count);

/** Any thread that holds them. Return a list of blocks linked by next; NULL is legal. Neighbours in
 *  the list that go home to the same other thread go together. */
void wi_block_return_list(struct weir_block *first);

/**
 * Any thread. The calling thread's open block: reserve @p size contiguous bytes in it (1 …
 * WEIR_BLOCK_SIZE), opening a new one when they do not fit. Each reservation holds one reference on
 * @p ret_block; give it back with wi_block_unref(), from any thread. NULL: memory ran out, or a
 * size out of range. The thread's own hold on its open block ends when it opens the next one or
 * wi_pack_close() is called (thread exit does).
 */
uint8_t *wi_pack_reserve(size_t size, struct weir_block **ret_block);
void wi_pack_close(void);

/**
 * Any thread. Lease up to @p count neighbouring blocks of one slab as a list: contiguous payload,
 * one iovec. At least one; fewer than asked when the slab has no longer run. NULL: memory ran out.
 */
struct weir_block *wi_block_lease_run(unsigned count, unsigned *ret_count);

/**
 * The owner thread, between turns. Take home what other threads returned and let empty slabs that
 * were empty at the last call too give their memory back; so two calls, as far apart as the caller
 * chooses, make one decay. True while any empty slab waits for its second call.
 */
bool wi_pool_decay(void);

/**
 * Sees one block that is still leased. @p site is who leased it; NULL in builds without WI_DEBUG.
 */
typedef void wi_block_visit_fn(const struct weir_block *block, const void *site, void *arg);

/** Any thread. Visit every block of the calling thread's pool that is out, one-offs excepted, and
 *  count them. @p visit may be NULL. */
size_t wi_pool_visit_leased(wi_block_visit_fn *visit, void *arg);

#endif /* WI_BLOCK_H */
