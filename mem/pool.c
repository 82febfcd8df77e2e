/* SPDX-License-Identifier: MIT */
#include "mem/pool.h"

#include "mem/check.h"
#include "mem/heap.h"
#include "mem/lease.h"
#include "mem/thread.h"

// A one-off block: the header where block.h expects it, right in front of the payload.
struct pool_oversize {
    alignas(WI_CACHE_LINE) struct wi_pool *pool;
    alignas(WI_CACHE_LINE) struct weir_block block;
};
static_assert(sizeof(struct pool_oversize) == 2 * WI_CACHE_LINE, "the payload follows the header");

// --- Lists of slabs ---------------------------------------------------------------------------

// The pool's thread.
static void
slab_link(struct wi_slab **list, struct wi_slab *slab)
{
    wi_assert(!slab->is_listed);
    slab->is_listed = true;
    slab->is_aged = false;
    slab->previous = NULL;
    slab->next = *list;
    if (slab->next != NULL) {
        slab->next->previous = slab;
    }
    *list = slab;
}

// The pool's thread.
static void
slab_unlink(struct wi_slab **list, struct wi_slab *slab)
{
    wi_assert(slab->is_listed);
    slab->is_listed = false;
    if (slab->previous != NULL) {
        slab->previous->next = slab->next;
    } else {
        wi_assert(*list == slab);
        *list = slab->next;
    }
    if (slab->next != NULL) {
        slab->next->previous = slab->previous;
    }
}

// The pool's thread. The list a slab that is not open belongs to by its mask; NULL: none, it is
// full.
static inline struct wi_slab **
slab_list(struct wi_pool *pool, uint32_t free)
{
    if (free == 0) {
        return NULL;
    }
    return free == WI_SLAB_EMPTY ? &pool->empty : &pool->partial;
}

// The pool's thread. A block came back to a slab that is not open and stood in its list as @p
// before.
static WI_COLD void
slab_relist(struct wi_pool *pool, struct wi_slab *slab, uint32_t before)
{
    wi_assert(slab != pool->open);
    if (before != 0) {
        slab_unlink(slab_list(pool, before), slab);
    }
    slab_link(slab_list(pool, slab->free), slab);
}

// --- Coming home ------------------------------------------------------------------------------

// The pool's thread. Mark a block free in its slab.
static inline void
slab_put(struct wi_pool *pool, struct weir_block *block)
{
    struct wi_slab *slab = block->slab;
    uint32_t before = slab->free;
    uint32_t after = before | 1u << wi_block_index(block);

    wi_assert(before != after);
    slab->free = after;
    if (wi_unlikely(before == 0 || after == WI_SLAB_EMPTY) && slab != pool->open) {
        slab_relist(pool, slab, before);
    }
}

void
wi_pool_put_spare(struct wi_pool *pool)
{
    struct weir_block *block = pool->spare;

    pool->spare = NULL;
    pool->spare_count = 0;
    while (block != NULL) {
        struct weir_block *next = block->next;

        slab_put(pool, block);
        block = next;
    }
}

void
wi_pool_put_list(struct wi_pool *pool, struct weir_block *block)
{
    while (block != NULL) {
        struct weir_block *next = block->next;

        slab_put(pool, block);
        wi_count(&pool->returned, 1);
        block = next;
    }
}

void
wi_pool_take_home(struct wi_pool *pool)
{
    wi_assert(wi_load_relaxed(&pool->home) != WI_POOL_ORPHANED);
    if (wi_load_relaxed(&pool->home) != 0) {
        // ORDER(home) observe: pairs with wi_pool_send_home(); without it the links of the list,
        // and what the other threads last did with the blocks, could still be on their way.
        wi_pool_put_list(pool, (struct weir_block *)wi_swap_acquire(&pool->home, 0));
    }
}

bool
wi_pool_send_home(struct wi_pool *pool, struct weir_block *first, struct weir_block *last)
{
    uintptr_t head = wi_load_relaxed(&pool->home);

    do {
        if (head == WI_POOL_ORPHANED) {
            return false;
        }
        last->next = (struct weir_block *)head;
        // ORDER(home) publish: pairs with wi_pool_take_home() and the others that take the list.
    } while (!wi_cas_release(&pool->home, &head, (uintptr_t)first));
    return true;
}

void
wi_pool_return_away(struct wi_pool *pool, struct weir_block *first, struct weir_block *last)
{
    struct weir_block *next;

    last->next = NULL;
    if (wi_likely(wi_pool_send_home(pool, first, last))) {
        return;
    }
    // A failed push may have linked the last one to blocks that have gone home meanwhile.
    last->next = NULL;
    for (; first != NULL; first = next) {
        next = first->next;
        wi_pool_return_orphan(first);
    }
}

// --- Lease --------------------------------------------------------------------------------------

// The pool's thread. Take a block out of its slab.
static inline struct weir_block *
slab_take(struct wi_pool *pool, struct wi_slab *slab, uint32_t index, const void *site)
{
    wi_assert(slab->free & 1u << index);
    slab->free &= ~(1u << index);
    return wi_pool_lease_out(pool, &slab->headers[index], site);
}

// The pool's thread. Make @p slab the one to lease from, and list the one that was.
static void
pool_open_slab(struct wi_pool *pool, struct wi_slab *slab)
{
    struct wi_slab *was = pool->open;

    wi_assert(!slab->is_listed);
    pool->open = slab;
    slab->is_aged = false;
    if (was->free != 0) {
        slab_link(slab_list(pool, was->free), was);
    }
}

// The pool's thread. See that the open slab has a free block: among those that came home, in
// another slab, or in a new one. False: memory ran out.
static bool
pool_find_room(struct wi_pool *pool)
{
    struct wi_slab *slab;

    if (wi_likely(pool->open->free != 0)) {
        return true;
    }
    wi_pool_take_home(pool);
    if (pool->open->free != 0) {
        return true;
    }
    slab = pool->partial != NULL ? pool->partial : pool->empty;
    if (slab != NULL) {
        slab_unlink(slab_list(pool, slab->free), slab);
        pool_open_slab(pool, slab);
        return true;
    }
    slab = wi_slab_cut(&pool->regions, pool);
    if (slab == NULL) {
        return false;
    }
    // Relaxed: this thread holds the pool already.
    wi_add_relaxed(&pool->holds, 1);
    pool->slabs++;
    if (pool->slabs > pool->slabs_peak) {
        pool->slabs_peak = pool->slabs;
    }
    pool_open_slab(pool, slab);
    return true;
}

// The pool's thread.
static struct weir_block *
pool_lease_oversize(struct wi_pool *pool, size_t size, const void *site)
{
    struct pool_oversize *oversize;

    if (size > UINT32_MAX - sizeof(*oversize)) {
        return NULL;
    }
    oversize = wi_heap_alloc_aligned(sizeof(*oversize) + size, alignof(struct pool_oversize));
    if (oversize == NULL) {
        return NULL;
    }
    oversize->pool = pool;
    oversize->block = (struct weir_block){
        .data = (uint8_t *)(oversize + 1),
        .capacity = (uint32_t)size,
        .magic = WI_BLOCK_LEASED,
        .site = site,
    };
    wi_store_relaxed(&oversize->block.refs, 1);
    wi_count(&pool->leased, 1);
    // Relaxed: this thread holds the pool already.
    wi_add_relaxed(&pool->holds, 1);
    wi_add_relaxed(&pool->oversize, 1);
    return &oversize->block;
}

// Any thread that holds the block. It was counted where it was leased.
static void
pool_return_oversize(struct weir_block *block)
{
    struct pool_oversize *oversize = wi_container_of(block, struct pool_oversize, block);
    struct wi_pool *pool = oversize->pool;

    wi_heap_free(oversize);
    wi_add_relaxed(&pool->returned_away, 1);
    wi_sub_relaxed(&pool->oversize, 1);
    wi_pool_drop(pool);
}

// Any thread.
static WI_COLD struct weir_block *
pool_lease_slowly(size_t size, const void *site)
{
    struct wi_pool *pool = wi_pool_get_or_create();

    if (pool == NULL) {
        return NULL;
    }
    if (size > WEIR_BLOCK_SIZE) {
        return pool_lease_oversize(pool, size, site);
    }
    if (!pool_find_room(pool)) {
        return NULL;
    }
    return slab_take(pool, pool->open, (uint32_t)__builtin_ctz(pool->open->free), site);
}

struct weir_block *
weir_block_lease(size_t size)
{
    struct weir_block *block =
        wi_likely(size <= WEIR_BLOCK_SIZE) ? wi_block_lease_spare(WI_CALLER) : NULL;

    return wi_likely(block != NULL) ? block : pool_lease_slowly(size, WI_CALLER);
}

// Any thread. The first block of the longest run of free ones, cut at @p count.
static uint32_t
mask_find_run(uint32_t mask, unsigned count, unsigned *ret_count)
{
    uint32_t starts = mask; // bit i: a run of length blocks begins at i
    unsigned length = 1;

    wi_assert(mask != 0);
    while (length < count && (starts & mask >> length) != 0) {
        starts &= mask >> length;
        length++;
    }
    *ret_count = length;
    return (uint32_t)__builtin_ctz(starts);
}

struct weir_block *
wi_block_lease_run(unsigned count, unsigned *ret_count)
{
    struct wi_pool *pool = wi_pool_get_or_create();
    struct weir_block *first = NULL;
    unsigned length;

    if (pool == NULL) {
        return NULL;
    }
    wi_pool_put_spare(pool); // neighbours are found in the slabs
    if (!pool_find_room(pool)) {
        return NULL;
    }
    count = count < WI_SLAB_BLOCKS ? count : WI_SLAB_BLOCKS;

    uint32_t index = mask_find_run(pool->open->free, count, &length);

    if (length < count && pool->empty != NULL) {
        struct wi_slab *slab = pool->empty;

        slab_unlink(&pool->empty, slab);
        pool_open_slab(pool, slab);
        index = 0;
        length = count;
    }
    for (unsigned i = length; i > 0; i--) {
        struct weir_block *block = slab_take(pool, pool->open, index + i - 1, WI_CALLER);

        block->next = first;
        first = block;
    }
    *ret_count = length;
    return first;
}

// --- Decay -----------------------------------------------------------------------------------

// The pool's thread.
static void
pool_release_slab(struct wi_pool *pool, struct wi_slab *slab)
{
    wi_assert(!slab->is_listed);
    pool->slabs--;
    wi_slab_release(&pool->regions, slab);
    wi_pool_drop(pool);
}

// The pool's thread. The open slab is in no list; it was not used if nothing was leased at all.
static void
pool_decay_open(struct wi_pool *pool)
{
    struct wi_slab *slab = pool->open;
    uint64_t leased = wi_load_relaxed(&pool->leased);

    if (slab->free != WI_SLAB_EMPTY) {
        if (slab != wi_pool_none.open) {
            slab->is_aged = false;
        }
    } else if (slab->is_aged && pool->leased_at_decay == leased) {
        pool->open = wi_pool_none.open;
        pool_release_slab(pool, slab);
    } else {
        slab->is_aged = true;
    }
    pool->leased_at_decay = leased;
}

bool
wi_pool_decay(void)
{
    struct wi_pool *pool = wi_pool_get();
    struct wi_slab *next;

    if (pool == NULL) {
        return false;
    }
    wi_pool_take_home(pool);
    wi_pool_put_spare(pool);
    for (struct wi_slab *slab = pool->empty; slab != NULL; slab = next) {
        next = slab->next;
        if (slab->is_aged) {
            slab_unlink(&pool->empty, slab);
            pool_release_slab(pool, slab);
        } else {
            slab->is_aged = true;
        }
    }
    pool_decay_open(pool);

    bool pack_waits = wi_pack_decay(pool);

    return pack_waits || pool->empty != NULL || pool->open->free == WI_SLAB_EMPTY;
}

// --- Return -------------------------------------------------------------------------------------

// Any thread that held the last reference.
static WI_COLD void
block_return_away(struct weir_block *block)
{
    if (block->slab == NULL) {
        pool_return_oversize(block);
    } else {
        wi_pool_return_away(block->slab->pool, block, block);
    }
}

void
weir_block_return(struct weir_block *block)
{
    wi_check_return(block);
    if (wi_likely(wi_block_return_spare(block))) {
        return;
    }
    // ORDER(refs) observe: as in wi_block_return_spare().
    if (wi_load_acquire(&block->refs) != 1) {
        wi_block_unref(block, 1);
        return;
    }
    wi_block_retire(block);
    if (block->slab != NULL && block->slab->pool == wi_pool_self) {
        slab_put(wi_pool_self, block);
        wi_count(&wi_pool_self->returned, 1);
    } else {
        block_return_away(block);
    }
}

// Any thread. Is it a pool block that only we hold and that goes home to another thread?
static inline bool
block_goes_away(const struct weir_block *block)
{
    // ORDER(refs) observe: as in weir_block_return().
    return wi_load_acquire(&block->refs) == 1 && block->slab != NULL &&
           block->slab->pool != wi_pool_self;
}

void
wi_block_return_list(struct weir_block *first)
{
    while (first != NULL) {
        struct weir_block *last = first;
        struct weir_block *next = first->next;

        if (!block_goes_away(first)) {
            weir_block_return(first);
            first = next;
            continue;
        }
        wi_check_return(first);
        wi_block_retire(first);
        while (next != NULL && block_goes_away(next) && next->slab->pool == first->slab->pool) {
            wi_check_return(next);
            wi_block_retire(next);
            last = next;
            next = next->next;
        }
        wi_pool_return_away(first->slab->pool, first, last);
        first = next;
    }
}

void
wi_block_ref(struct weir_block *block, uint32_t count)
{
    wi_assert(wi_block_is_ours(block));
    wi_add_relaxed(&block->refs, count);
}

void
wi_block_unref(struct weir_block *block, uint32_t count)
{
    wi_check_return(block);
    // ORDER(refs) observe: as in weir_block_return(). If all that is left is ours, nobody else can
    // take or give a reference, and no atomic step is needed.
    if (wi_load_acquire(&block->refs) != count) {
        // ORDER(refs) publish: this holder's reads are done before the last one returns the block;
        // and observe, if the last one is this.
        uint32_t before = wi_sub_acq_rel(&block->refs, count);

        wi_assert(before >= count);
        if (before != count) {
            return;
        }
    }
    wi_store_relaxed(&block->refs, 1);
    weir_block_return(block);
}
