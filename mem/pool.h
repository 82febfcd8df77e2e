/* SPDX-License-Identifier: MIT */
#ifndef WI_POOL_H
#define WI_POOL_H

/**
 * @file
 * One pool of blocks per thread, for the whole process: whatever loop or runtime a thread serves,
 * its blocks come from here.
 *
 * The thread leases and returns with plain loads and stores on the free mask of a slab. Another
 * thread pushes what it returns on the pool's home stack, which the owner empties as a whole when
 * it needs blocks. When the thread ends the pool is orphaned: its empty slabs go at once, each
 * other one with its last block.
 *
 *     NONE ──(first lease)──► USED ──(thread ends)──► ORPHANED ──(last block back)──► UNUSED ─┐
 *                              ▲                                                              │
 *                              └──────────────(another thread's first lease)──────────────────┘
 *
 * Pools are never freed: a block may name its pool at any time, and the ledger sums them all. There
 * are as many as ever ran, or left blocks behind, at once.
 */

#include "mem/slab.h"

/** What wi_pool.home holds when the thread has ended: blocks do not go home any more. */
#define WI_POOL_ORPHANED ((uintptr_t)1)

/** Blocks that go from return to lease without a look at their slab. A decay puts them back. */
#define WI_POOL_SPARE_MAX 64u

/** The thread's open block, see pack.c. */
struct wi_pack {
    struct weir_block *block; // NULL: none is open
    uint32_t charge;          // references taken in advance and not yet handed out
    bool is_aged;             // nothing was reserved since the last decay
};

struct wi_pool {
    // The pool's thread.
    struct weir_block *spare; // returned last, leased first; their slabs hold them to be out
    uint32_t spare_count;     // at most WI_POOL_SPARE_MAX
    struct wi_slab *open;     // leases come from here; the empty stand-in, never NULL
    struct wi_slab *partial;  // slabs with some blocks out and some free, but the open one
    struct wi_slab *empty;    // slabs with no block out, but the open one
    // The pool's thread; other threads read.
    wi_atomic_u64 leased;
    wi_atomic_u64 returned;
    // The pool's thread.
    struct wi_region_list regions;
    struct wi_pack pack;
    uint64_t leased_at_decay;
    uint64_t leased_before; // by threads that had this pool before
    uint64_t slabs;
    uint64_t slabs_peak;

    // Any thread. Blocks on their way home, linked by next, or WI_POOL_ORPHANED.
    alignas(WI_CACHE_LINE) wi_atomic_ptr home;
    // Any thread: 1 for the pool's thread, 1 for each slab and each one-off block.
    wi_atomic_u64 holds;
    wi_atomic_u64 oversize;      // one-off blocks out
    wi_atomic_u64 returned_away; // one-off blocks, and blocks that came too late to go home
    wi_atomic_bool is_used;      // a thread has it, or blocks of it are out
    // Written once.
    struct wi_pool *registered_next;
};

/** The calling thread's pool, or wi_pool_none: it has none. Initial-exec: a lease must not call for
 *  its address. */
extern _Thread_local struct wi_pool *wi_pool_self __attribute__((tls_model("initial-exec")));

/**
 * Nobody's pool, with an open slab that has no free block: the first lease of a thread fails the
 * one test that every lease makes. Nobody writes it.
 */
extern struct wi_pool wi_pool_none;

/** Any thread that has no pool. NULL: memory ran out. */
struct wi_pool *wi_pool_begin(void);

/** Any thread. The calling thread's pool, or NULL: it has none yet. */
static inline struct wi_pool *
wi_pool_get(void)
{
    return wi_pool_self == &wi_pool_none ? NULL : wi_pool_self;
}

/** Any thread. The calling thread's pool, made when there is none. NULL: memory ran out. */
static inline struct wi_pool *
wi_pool_get_or_create(void)
{
    return wi_likely(wi_pool_self != &wi_pool_none) ? wi_pool_self : wi_pool_begin();
}

/** Any thread. The newest of all pools; the others follow by registered_next. */
struct wi_pool *wi_pool_first(void);

/** Any thread that holds the pool. Give the hold back; after the last one another thread may have
 *  the pool. Wait-free. */
void wi_pool_drop(struct wi_pool *pool);

/** The pool's thread. Mark blocks linked by next free, and count them returned. */
void wi_pool_put_list(struct wi_pool *pool, struct weir_block *block);

/** The pool's thread. Give the spare blocks to their slabs. */
void wi_pool_put_spare(struct wi_pool *pool);

/** The pool's thread. Take in what other threads returned. Waits for nobody; the work is the length
 *  of the list. */
void wi_pool_take_home(struct wi_pool *pool);

/**
 * Any thread that holds the blocks. Push those from @p first to @p last on the pool's home stack.
 * Lock-free: a push that has to be tried again means that another one succeeded. The stack is only
 * emptied as a whole, so a head that went and came back is still right to link to. False: the pool
 * is orphaned and the blocks are still ours; the next of @p last is undefined.
 */
bool wi_pool_send_home(struct wi_pool *pool, struct weir_block *first, struct weir_block *last);

/** Any thread that holds the blocks. Return them, whether the pool is orphaned or not. Lock-free
 *  until it is orphaned; then whoever returns the last block of a slab frees memory. */
void wi_pool_return_away(struct wi_pool *pool, struct weir_block *first, struct weir_block *last);

/** Any thread that holds the block, when its pool is orphaned. */
void wi_pool_return_orphan(struct weir_block *block);

/**
 * The pool's thread. Let go of an open block that was not used since the last call and whose pieces
 * are all back. True: the open block waits for its second call.
 */
bool wi_pack_decay(struct wi_pool *pool);

#endif /* WI_POOL_H */
