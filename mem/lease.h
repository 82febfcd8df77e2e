/* SPDX-License-Identifier: MIT */
#ifndef WI_LEASE_H
#define WI_LEASE_H

/**
 * @file
 * Lease and return where the pool is the calling thread's own and there is nothing to decide: no
 * atomics, no call.
 */

#include "mem/check.h"
#include "mem/poison.h"
#include "mem/pool.h"

/** The pool's thread. A block that was free is leased. */
WI_INLINE struct weir_block *
wi_pool_lease_out(struct wi_pool *pool, struct weir_block *block, const void *site)
{
    wi_assert(wi_load_relaxed(&block->refs) == 1);
    wi_count(&pool->leased, 1);
    block->next = NULL;
    block->head = NULL;
    block->begin = 0;
    block->end = 0;
    block->is_chained = 0;
    block->magic = WI_BLOCK_LEASED;
#if defined(WI_DEBUG) && WI_DEBUG
    block->site = site;
#else
    (void)site;
#endif
    wi_unpoison(block->data, WEIR_BLOCK_SIZE);
    return block;
}

/** Any thread that held the block. It must not be touched from here on. */
WI_INLINE void
wi_block_retire(struct weir_block *block)
{
    block->magic = WI_BLOCK_FREE;
    if (block->slab != NULL) {
        wi_poison(block->data, WEIR_BLOCK_SIZE);
    }
}

/** The calling thread. The block it returned last; NULL: there is none. */
WI_INLINE struct weir_block *
wi_block_lease_spare(const void *site)
{
    struct wi_pool *pool = wi_pool_self;
    struct weir_block *block = pool->spare;

    if (wi_unlikely(block == NULL)) {
        return NULL;
    }
    pool->spare = block->next;
    pool->spare_count--;
    return wi_pool_lease_out(pool, block, site);
}

/** Any thread that holds the block. Keep it as a spare of the calling thread's pool. False: it is
 *  another's, others hold it too, or there are enough; nothing has been done. */
WI_INLINE bool
wi_block_return_spare(struct weir_block *block)
{
    struct wi_pool *pool = wi_pool_self;
    struct wi_slab *slab = block->slab;

    // ORDER(refs) observe: pairs with wi_block_unref(); without it a last read of the block by an
    // earlier holder could meet the next owner's bytes.
    if (wi_unlikely(wi_load_acquire(&block->refs) != 1 || slab == NULL || slab->pool != pool ||
                    pool->spare_count == WI_POOL_SPARE_MAX)) {
        return false;
    }
    wi_block_retire(block);
    block->next = pool->spare;
    pool->spare = block;
    pool->spare_count++;
    wi_count(&pool->returned, 1);
    return true;
}

/** The calling thread. weir_block_lease() of a whole block. NULL: memory ran out. */
WI_INLINE struct weir_block *
wi_block_lease_one(void)
{
    struct weir_block *block = wi_block_lease_spare(WI_CALLER);

    return wi_likely(block != NULL) ? block : weir_block_lease(WEIR_BLOCK_SIZE);
}

/** Any thread that holds the block. weir_block_return(). */
WI_INLINE void
wi_block_return_one(struct weir_block *block)
{
    wi_check_return(block);
    if (wi_unlikely(!wi_block_return_spare(block))) {
        weir_block_return(block);
    }
}

#endif /* WI_LEASE_H */
