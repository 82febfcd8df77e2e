/* SPDX-License-Identifier: MIT */
#include "mem/pool.h"

// More than there can be pieces in a block. Taken when the block is opened, and handed out one by
// one with plain arithmetic: only giving a piece back is an atomic step.
#define PACK_CHARGE (WEIR_BLOCK_SIZE + 1u)

// The pool's thread. Are all pieces that were handed out back?
static inline bool
pack_is_alone(const struct wi_pack *pack)
{
    // ORDER(refs) observe: pairs with wi_block_unref(); without it we could write over a piece that
    // another thread is still reading.
    return wi_load_acquire(&pack->block->refs) == pack->charge;
}

// The pool's thread. An open block with all its room; NULL: memory ran out, and the open one stays.
static struct weir_block *
pack_open(struct wi_pack *pack)
{
    struct weir_block *block = pack->block;

    if (block == NULL || !pack_is_alone(pack)) {
        block = weir_block_lease(WEIR_BLOCK_SIZE);
        if (block == NULL) {
            return NULL;
        }
        wi_pack_close();
        pack->block = block;
    }
    block->end = 0;
    wi_store_relaxed(&block->refs, PACK_CHARGE);
    pack->charge = PACK_CHARGE;
    return block;
}

uint8_t *
wi_pack_reserve(size_t size, struct weir_block **ret_block)
{
    struct wi_pool *pool = wi_pool_get_or_create();

    if (pool == NULL || size == 0 || size > WEIR_BLOCK_SIZE) {
        return NULL;
    }

    struct wi_pack *pack = &pool->pack;
    struct weir_block *block = pack->block;

    if (block == NULL || wi_block_room(block) < size) {
        block = pack_open(pack);
        if (block == NULL) {
            return NULL;
        }
    }

    uint8_t *piece = block->data + block->end;

    wi_assert(pack->charge > 1);
    block->end += (uint32_t)size;
    pack->charge--;
    pack->is_aged = false;
    *ret_block = block;
    return piece;
}

void
wi_pack_close(void)
{
    struct wi_pool *pool = wi_pool_get();

    if (pool == NULL || pool->pack.block == NULL) {
        return;
    }

    struct weir_block *block = pool->pack.block;

    wi_assert(pool->pack.charge > 0);
    pool->pack.block = NULL;
    wi_block_unref(block, pool->pack.charge);
}

bool
wi_pack_decay(struct wi_pool *pool)
{
    struct wi_pack *pack = &pool->pack;

    wi_assert(pool == wi_pool_get());
    if (pack->block == NULL || !pack_is_alone(pack)) {
        return false;
    }
    if (pack->is_aged) {
        wi_pack_close();
        return true; // for the slab that this may have emptied
    }
    pack->is_aged = true;
    return true;
}
