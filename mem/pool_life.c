/* SPDX-License-Identifier: MIT */
// How a thread gets its pool and leaves it: the drawing stands in pool.h.

#include "mem/pool.h"

#include "mem/heap.h"
#include "mem/thread.h"

// Stand-ins for "no slab is open" and "this thread has no pool", so that the first lease fails the
// one test that every lease makes. Nobody writes them.
static struct wi_slab slab_none;
struct wi_pool wi_pool_none = {.open = &slab_none};

_Thread_local struct wi_pool *wi_pool_self = &wi_pool_none;

// Every pool there ever was. Pushed to, never popped.
static wi_atomic_ptr pools;

// --- Holds and the registry ------------------------------------------------------------------

struct wi_pool *
wi_pool_first(void)
{
    // ORDER(registry) observe: pairs with the push in pool_create(); without it the walk could read
    // a pool before its first words were written.
    return (struct wi_pool *)wi_load_acquire(&pools);
}

void
wi_pool_drop(struct wi_pool *pool)
{
    // ORDER(pool) publish: what this holder did to the pool is done before its next thread has it.
    if (wi_sub_acq_rel(&pool->holds, 1) == 1) {
        wi_assert(wi_load_relaxed(&pool->oversize) == 0);
        // ORDER(pool) publish: the same, for the swap in pool_reuse().
        wi_store_release(&pool->is_used, false);
    }
}

// Any thread. A pool that its thread and all its blocks have left, or NULL.
static struct wi_pool *
pool_reuse(void)
{
    for (struct wi_pool *pool = wi_pool_first(); pool != NULL; pool = pool->registered_next) {
        // ORDER(pool) observe: pairs with wi_pool_drop(); without it the last thread's counters and
        // lists could overwrite ours.
        if (!wi_load_relaxed(&pool->is_used) && !wi_swap_acquire(&pool->is_used, true)) {
            return pool;
        }
    }
    return NULL;
}

// Any thread. A new pool, in the registry and used; NULL: memory ran out.
static struct wi_pool *
pool_create(void)
{
    struct wi_pool *pool = wi_heap_alloc_aligned(sizeof(*pool), alignof(struct wi_pool));

    if (pool == NULL) {
        return NULL;
    }
    *pool = (struct wi_pool){.open = &slab_none};
    wi_store_relaxed(&pool->is_used, true);

    uintptr_t first = wi_load_relaxed(&pools);

    do {
        pool->registered_next = (struct wi_pool *)first;
        // ORDER(registry) publish: pairs with wi_pool_first().
    } while (!wi_cas_release(&pools, &first, (uintptr_t)pool));
    return pool;
}

// --- The thread's end ------------------------------------------------------------------------

WI_COLD void
wi_pool_return_orphan(struct weir_block *block)
{
    struct wi_slab *slab = block->slab;
    struct wi_pool *pool = slab->pool;

    wi_add_relaxed(&pool->returned_away, 1);
    // ORDER(orphan) publish and observe: each returner is done with its block, and the owner with
    // the slab, before the one who reaches zero frees them.
    if (wi_sub_acq_rel(&slab->balance, 1) == 1) {
        wi_slab_release_orphan(slab);
        wi_pool_drop(pool);
    }
}

// The ending thread. Slabs with no block out go at once. Of each other one we add what is out to
// its balance, from which those who came before us have subtracted already; whoever brings it to
// zero, we or the last returner, frees the slab.
static void
pool_orphan_slab(struct wi_pool *pool, struct wi_slab *slab)
{
    uint32_t out = WI_SLAB_BLOCKS - (uint32_t)__builtin_popcount(slab->free);

    // ORDER(orphan) publish and observe: see wi_pool_return_orphan().
    if (out == 0 || wi_add_acq_rel(&slab->balance, out) + out == 0) {
        wi_slab_release_orphan(slab);
        wi_pool_drop(pool);
    }
}

// The ending thread.
static void
pool_thread_end(void)
{
    struct wi_pool *pool = wi_pool_get();

    if (pool == NULL) {
        return;
    }
    wi_pack_close();
    wi_pool_put_spare(pool);
    wi_pool_self = &wi_pool_none;
    // ORDER(home) observe: see wi_pool_take_home(). From here on nothing comes home.
    wi_pool_put_list(pool, (struct weir_block *)wi_swap_acquire(&pool->home, WI_POOL_ORPHANED));

    struct wi_region *next;

    for (struct wi_region *region = pool->regions.first; region != NULL; region = next) {
        next = region->next;
        for (uint32_t used = region->used; used != 0; used &= used - 1) {
            pool_orphan_slab(pool, &region->slabs[__builtin_ctz(used)]);
        }
        wi_region_drop(region);
    }
    wi_pool_drop(pool);
}

// --- The thread's first lease ----------------------------------------------------------------

WI_COLD struct wi_pool *
wi_pool_begin(void)
{
    struct wi_pool *pool;

    if (wi_thread_at_exit(WI_THREAD_POOL, pool_thread_end) != 0) {
        return NULL;
    }
    pool = pool_reuse();
    if (pool == NULL) {
        pool = pool_create();
    }
    if (pool == NULL) {
        return NULL;
    }
    wi_assert(wi_load_relaxed(&pool->holds) == 0 && pool->spare == NULL);
    pool->open = &slab_none;
    pool->partial = NULL;
    pool->empty = NULL;
    pool->regions = (struct wi_region_list){NULL, NULL};
    pool->pack = (struct wi_pack){.block = NULL};
    pool->leased_before = wi_load_relaxed(&pool->leased);
    pool->leased_at_decay = pool->leased_before;
    pool->slabs = 0;
    pool->slabs_peak = 0;
    wi_store_relaxed(&pool->home, 0);
    wi_store_relaxed(&pool->holds, 1);
    wi_pool_self = pool;
    return pool;
}
