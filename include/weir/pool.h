/* SPDX-License-Identifier: MIT */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

/**
 * @file
 * Pool blocks, chains of them, and the iterator that walks and grows a chain.
 *
 * Every thread leases blocks from its own slabs without an atomic operation; a block returned on
 * another thread finds its way home over a lock-free list. A chain has one owner at a time: pass it
 * on, and it is no longer yours. An iterator is a value, a block and a place in it; it stays valid
 * while the chain it walks is neither trimmed nor returned.
 */

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Payload of one block. 32 blocks and their 32 packed headers make a slab of 128 KiB. */
#define WEIR_BLOCK_SIZE 4032u

struct weir_block; /* a header of 64 bytes, and 4032 bytes of payload elsewhere in its slab */

/** A list of blocks with one owner. All zero is an empty chain. */
struct weir_chain {
    struct weir_block *head;
    struct weir_block *tail;
};

/**
 * A place in a chain. All zero is the default iterator, which every operation refuses or ignores.
 */
struct weir_iter {
    struct weir_block *block;
    uint32_t index; /* offset in the block's payload */
};

/** One contiguous piece of a chain. */
struct weir_segment {
    const uint8_t *data;
    size_t size;
};

/** Blocks leased and returned by one owner thread; equal when nothing is out. */
struct weir_ledger {
    uint64_t leased;
    uint64_t returned;
    uint64_t slabs;      /* slabs held now */
    uint64_t slabs_peak; /* the most ever held */
    uint64_t oversize;   /* one-off leases above a block's size, still out */
};

/**
 * Lease one empty block for @p size contiguous bytes.
 *
 * Up to WEIR_BLOCK_SIZE the block comes from the calling thread's pool (K61); above that it is a
 * one-off allocation, counted, never pooled (K62). Leased: begin = end = 0, next = NULL.
 *
 * Threads: any; the block belongs to the calling thread's pool.
 * Blocks:  never.
 * Memory:  gives one block; return it with weir_block_return() or inside a chain.
 * @return the block, or NULL when memory ran out.
 */
WEIR_API WEIR_NODISCARD struct weir_block *weir_block_lease(size_t size);

/**
 * Return one block from any thread (K63).
 *
 * Threads: any. On another thread than the owner's: lock-free.
 * Blocks:  never.
 * Memory:  takes the block. A double or foreign return stops a debug build with the lease site.
 */
WEIR_API void weir_block_return(struct weir_block *block);

/**
 * The payload of a block, and how many bytes it holds.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 */
WEIR_API uint8_t *weir_block_data(struct weir_block *block);

/**
 * How many payload bytes a block has room for.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 */
WEIR_API size_t weir_block_capacity(const struct weir_block *block);

/**
 * The chain's first live byte, and the place behind its last one.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  borrows the chain.
 */
WEIR_API struct weir_iter weir_chain_begin(const struct weir_chain *chain);

/**
 * The place behind the chain's last byte.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  borrows the chain.
 */
WEIR_API struct weir_iter weir_chain_end(const struct weir_chain *chain);

/**
 * Bytes in the chain.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 */
WEIR_API size_t weir_chain_size(const struct weir_chain *chain);

/**
 * Append bytes at the chain's tail, leasing blocks as needed; all or nothing.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  copies @p data.
 * @return 0, or -ENOMEM with the chain unchanged, or -EINVAL for a NULL with a size.
 */
WEIR_API WEIR_NODISCARD int weir_chain_append(struct weir_chain *chain, const void *data,
                                              size_t size);

/**
 * Append one leased block that the caller has filled with @p size bytes (K4).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  takes the block on success.
 * @return 0, or -EINVAL: no block, a size above its capacity, or a block already in a chain.
 */
WEIR_API WEIR_NODISCARD int weir_chain_append_block(struct weir_chain *chain,
                                                    struct weir_block *block, size_t size);

/**
 * Move all of @p from behind @p chain.
 *
 * Threads: the owner of both.
 * Blocks:  never.
 * Memory:  takes the blocks of @p from and leaves it empty.
 */
WEIR_API void weir_chain_splice(struct weir_chain *chain, struct weir_chain *from);

/**
 * Return the blocks of a chain and leave it empty. Legal on an empty chain.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  takes every block.
 */
WEIR_API void weir_chain_return(struct weir_chain *chain);

/**
 * Drop the first @p size bytes; blocks emptied are returned.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0, or -EINVAL with nothing dropped: the chain is shorter.
 */
WEIR_API int weir_chain_consume(struct weir_chain *chain, size_t size);

/**
 * Cut the first @p size bytes off into @p ret_front. Whole blocks move; a block cut in the middle
 * costs a copy of its smaller part.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * Memory:  gives @p ret_front, which must be empty.
 * @return 0, or -EINVAL (shorter chain), or -ENOMEM; both leave the chain as it was.
 */
WEIR_API WEIR_NODISCARD int weir_chain_split(struct weir_chain *chain, size_t size,
                                             struct weir_chain *ret_front);

/**
 * Take the next byte and step over it (K70). Crosses empty blocks.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return the byte, 0…255, or -ENODATA at the end with the iterator unchanged, or -EINVAL.
 */
WEIR_API int weir_iter_take(struct weir_iter *iter);

/**
 * The next byte without a step (K71).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return as weir_iter_take().
 */
WEIR_API int weir_iter_peek(const struct weir_iter *iter);

/**
 * The next 8 bytes without a step, little endian, over any fragmentation (K71).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0, or -ENODATA: fewer than 8 bytes follow; or -EINVAL.
 */
WEIR_API int weir_iter_peek_u64(const struct weir_iter *iter, uint64_t *ret_value);

/**
 * Step over @p size bytes (K72). May stop exactly at a block's end.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0, or -ENODATA with the iterator unchanged: fewer bytes follow; or -EINVAL.
 */
WEIR_API int weir_iter_skip(struct weir_iter *iter, size_t size);

/**
 * Go to the first of up to three byte values (K73), by vector instructions. For fewer values repeat
 * one of them.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return the byte found, the iterator on it; or -ENODATA with the iterator at the end.
 */
WEIR_API int weir_iter_seek(struct weir_iter *iter, uint8_t first, uint8_t second, uint8_t third);

/**
 * Overwrite the next byte and step over it (K74).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0, or -ENODATA at the end with nothing written; or -EINVAL.
 */
WEIR_API int weir_iter_put(struct weir_iter *iter, uint8_t byte);

/**
 * Bytes from @p begin to @p end (K75).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0 and the distance, or -EINVAL: a default iterator, or @p end is not ahead of @p begin.
 */
WEIR_API int weir_iter_length(struct weir_iter begin, struct weir_iter end, size_t *ret_size);

/**
 * Copy up to @p size bytes out and step over them (K76). A NULL @p buffer skips and counts.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return bytes copied, fewer than @p size only at the end of data.
 */
WEIR_API size_t weir_iter_copy_out(struct weir_iter *iter, void *buffer, size_t size);

/**
 * Append bytes at the end of the chain the iterator stands in, leasing blocks as needed (K77), and
 * step behind them. All or nothing: room is reserved before the first byte is copied (K29).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return 0, or -EINVAL: a default iterator, or one that is not at the end of its chain's last
 *   block, even if only empty ones follow; or -ENOMEM.
 */
WEIR_API WEIR_NODISCARD int weir_iter_append(struct weir_iter *iter, const void *data, size_t size);

/**
 * weir_iter_append() of a text's bytes, without its terminator (K77).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return as weir_iter_append(); -EILSEQ with nothing appended when a byte is above 127.
 */
WEIR_API WEIR_NODISCARD int weir_iter_append_ascii(struct weir_iter *iter, const char *text);

/**
 * Does nothing follow? Looks through trailing empty blocks (K78). True for a default iterator.
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 */
WEIR_API bool weir_iter_is_end(const struct weir_iter *iter);

/**
 * Is it the default iterator (K78)?
 *
 * Threads: any.
 * Blocks:  never.
 */
static inline bool
weir_iter_is_default(const struct weir_iter *iter)
{
    return iter->block == NULL;
}

/**
 * The contiguous bytes at the iterator, and step behind them; no copy (K79).
 *
 * Threads: the chain's owner.
 * Blocks:  never.
 * @return true and a segment of at least one byte that stops at @p end, or false at @p end.
 */
WEIR_API bool weir_iter_segment(struct weir_iter *iter, struct weir_iter end,
                                struct weir_segment *ret_segment);

/**
 * What the calling thread's pool has leased and got back. Blocks returned on other threads count
 * when they have come home, which this call makes them do.
 *
 * Threads: any; each sees its own.
 * Blocks:  never.
 */
WEIR_API void weir_pool_ledger(struct weir_ledger *ret_ledger);

/**
 * The same, summed over every pool of the process, those of ended threads included.
 *
 * Threads: any. Exact when no other thread leases or returns meanwhile.
 * Blocks:  never.
 */
WEIR_API void weir_pool_ledger_all(struct weir_ledger *ret_ledger);

/** A payload that many writes on many streams share uncopied. */
struct weir_shared;

/**
 * Make a shared payload with one reference, the caller's.
 *
 * Threads: any.
 * Blocks:  never.
 * Memory:  copies @p data. A NULL @p data leaves the bytes for weir_shared_data().
 * @return the payload, or NULL: memory ran out, or size 0.
 */
WEIR_API WEIR_NODISCARD struct weir_shared *weir_shared_create(const void *data, size_t size);

/**
 * The payload's bytes; write them only before the first write that carries it.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API void *weir_shared_data(struct weir_shared *shared);

/**
 * The payload's size.
 *
 * Threads: any.
 * Blocks:  never.
 */
WEIR_API size_t weir_shared_size(const struct weir_shared *shared);

/**
 * Take one more reference.
 *
 * Threads: any. Wait-free.
 * Blocks:  never.
 */
WEIR_API struct weir_shared *weir_shared_ref(struct weir_shared *shared);

/**
 * Give one reference back; the last one frees the payload. NULL is legal.
 *
 * Threads: any. Wait-free but for the allocator's free.
 * Blocks:  never.
 */
WEIR_API void weir_shared_unref(struct weir_shared *shared);

#ifdef __cplusplus
}
#endif

#endif /* WEIR_POOL_H */
