/* SPDX-License-Identifier: MIT */
#ifndef WI_CHAIN_H
#define WI_CHAIN_H

/**
 * @file
 * What the chain and the iterator share. An iterator does not know the chain it stands in, so an
 * append through it leaves weir_chain.tail behind the last block; whoever uses the tail walks on
 * from there.
 */

#include "mem/block.h"

/** The chain's owner. The last block at or behind @p block. */
static inline struct weir_block *
wi_block_last(struct weir_block *block)
{
    while (block->next != NULL) {
        block = block->next;
    }
    return block;
}

/**
 * The chain's owner. Append bytes behind @p tail, the last block of its chain, or NULL for a new
 * chain. All blocks are leased before the first byte is copied. *ret_first is the first block that
 * has any of the bytes, *ret_last the last one. 0, or -ENOMEM with nothing changed. @p size > 0.
 */
int wi_blocks_append(struct weir_block *tail, const void *data, size_t size,
                     struct weir_block **ret_first, struct weir_block **ret_last);

#endif /* WI_CHAIN_H */
