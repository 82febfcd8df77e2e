/* SPDX-License-Identifier: MIT */
#include "mem/pool.h"

// Any thread. Both ways in which blocks come back.
static uint64_t
pool_returned(struct wi_pool *pool)
{
    return wi_load_relaxed(&pool->returned) + wi_load_relaxed(&pool->returned_away);
}

void
weir_pool_ledger(struct weir_ledger *ret_ledger)
{
    struct wi_pool *pool = wi_pool_get();

    *ret_ledger = (struct weir_ledger){.leased = 0};
    if (pool == NULL) {
        return;
    }
    wi_pool_take_home(pool);
    // Whoever had the pool before left it with as many returns as leases.
    ret_ledger->leased = wi_load_relaxed(&pool->leased) - pool->leased_before;
    ret_ledger->returned = pool_returned(pool) - pool->leased_before;
    ret_ledger->slabs = pool->slabs;
    ret_ledger->slabs_peak = pool->slabs_peak;
    ret_ledger->oversize = wi_load_relaxed(&pool->oversize);
}

// Any thread. How many blocks wait on the home stack of a pool that may be another thread's: take
// the list, count it and push it back. If the owner ends meanwhile the blocks are returned to an
// orphan, which counts them.
static uint64_t
pool_count_home(struct wi_pool *pool)
{
    uintptr_t head = wi_load_relaxed(&pool->home);

    do {
        if (head == 0 || head == WI_POOL_ORPHANED) {
            return 0;
        }
        // ORDER(home) observe: pairs with wi_pool_send_home(), as the owner's swap does.
    } while (!wi_cas_acquire(&pool->home, &head, 0));

    struct weir_block *first = (struct weir_block *)head;
    struct weir_block *last = first;
    uint64_t count = 1;

    while (last->next != NULL) {
        last = last->next;
        count++;
    }
    wi_pool_return_away(pool, first, last);
    return count;
}

void
weir_pool_ledger_all(struct weir_ledger *ret_ledger)
{
    struct weir_ledger sum = {.leased = 0};

    wi_pack_close();

    for (struct wi_pool *pool = wi_pool_first(); pool != NULL; pool = pool->registered_next) {
        sum.returned += pool_count_home(pool);
        sum.returned += pool_returned(pool);
        sum.leased += wi_load_relaxed(&pool->leased);
        sum.oversize += wi_load_relaxed(&pool->oversize);
    }
    wi_slab_counts(&sum.slabs, &sum.slabs_peak);
    *ret_ledger = sum;
}

// The pool's thread.
static size_t
slab_visit_leased(const struct wi_slab *slab, wi_block_visit_fn *visit, void *arg)
{
    uint32_t leased = ~slab->free;

    for (uint32_t left = leased; left != 0 && visit != NULL; left &= left - 1) {
        const struct weir_block *block = &slab->headers[__builtin_ctz(left)];

        visit(block, block->site, arg);
    }
    return (size_t)__builtin_popcount(leased);
}

size_t
wi_pool_visit_leased(wi_block_visit_fn *visit, void *arg)
{
    struct wi_pool *pool = wi_pool_get();
    size_t count = 0;

    if (pool == NULL) {
        return 0;
    }
    wi_pool_take_home(pool);
    wi_pool_put_spare(pool);
    for (struct wi_region *region = pool->regions.first; region != NULL; region = region->next) {
        for (uint32_t used = region->used; used != 0; used &= used - 1) {
            count += slab_visit_leased(&region->slabs[__builtin_ctz(used)], visit, arg);
        }
    }
    return count;
}
