/* SPDX-License-Identifier: MIT */
#include "mem/slab.h"

#include "mem/heap.h"
#include "mem/os.h"
#include "mem/poison.h"

#define REGION_FULL     ((1u << WI_REGION_SLABS) - 1u)
#define SLAB_HEAD_SIZE  (WI_SLAB_BLOCKS * sizeof(struct weir_block))
#define SLAB_BYTES_SIZE (WI_SLAB_BLOCKS * (size_t)WEIR_BLOCK_SIZE)

// Cut in the whole process. Slabs come and go rarely, so that all threads may share the counts.
static wi_atomic_u64 slabs_now;
static wi_atomic_u64 slabs_peak;

// Any thread.
static void
slab_count_one(void)
{
    uint64_t now = wi_add_relaxed(&slabs_now, 1) + 1;
    uint64_t peak = wi_load_relaxed(&slabs_peak);

    while (now > peak && !wi_cas_relaxed(&slabs_peak, &peak, now)) {
    }
}

void
wi_slab_counts(uint64_t *ret_slabs, uint64_t *ret_peak)
{
    *ret_slabs = wi_load_relaxed(&slabs_now);
    *ret_peak = wi_load_relaxed(&slabs_peak);
}

// --- The list of regions: those with room in front ----------------------------------------------

// The pool's thread.
static void
region_unlink(struct wi_region_list *regions, struct wi_region *region)
{
    if (region->previous != NULL) {
        region->previous->next = region->next;
    } else {
        wi_assert(regions->first == region);
        regions->first = region->next;
    }
    if (region->next != NULL) {
        region->next->previous = region->previous;
    } else {
        wi_assert(regions->last == region);
        regions->last = region->previous;
    }
    region->next = NULL;
    region->previous = NULL;
}

// The pool's thread.
static void
region_link_first(struct wi_region_list *regions, struct wi_region *region)
{
    wi_assert(region->used != REGION_FULL);
    region->previous = NULL;
    region->next = regions->first;
    if (regions->first != NULL) {
        regions->first->previous = region;
    } else {
        regions->last = region;
    }
    regions->first = region;
}

// The pool's thread.
static void
region_link_last(struct wi_region_list *regions, struct wi_region *region)
{
    wi_assert(region->used == REGION_FULL);
    region->next = NULL;
    region->previous = regions->last;
    if (regions->last != NULL) {
        regions->last->next = region;
    } else {
        regions->first = region;
    }
    regions->last = region;
}

// Any thread. NULL: memory ran out.
static struct wi_region *
region_create(void)
{
    struct wi_region *region = wi_heap_alloc_aligned(sizeof(*region), alignof(struct wi_region));

    if (region == NULL) {
        return NULL;
    }
    *region = (struct wi_region){.memory = wi_heap_alloc_aligned(WI_REGION_SIZE, WI_SLAB_SIZE)};
    if (region->memory == NULL) {
        wi_heap_free(region);
        return NULL;
    }
    wi_assert((uintptr_t)region->memory % WI_SLAB_SIZE == 0);
    wi_store_relaxed(&region->holds, 1);
    return region;
}

void
wi_region_drop(struct wi_region *region)
{
    // ORDER(region) publish: what this thread did to the region is done before the last holder, in
    // whichever thread, frees it.
    if (wi_sub_acq_rel(&region->holds, 1) != 1) {
        return;
    }
    // ORDER(region) observe: the last subtraction has seen all others; nobody is left.
    wi_unpoison(region->memory, WI_REGION_SIZE);
    wi_heap_free(region->memory);
    wi_heap_free(region);
}

// --- Slabs -----------------------------------------------------------------------------------

// The pool's thread. Headers as those of free blocks, payloads out of bounds.
static void
slab_init(struct wi_slab *slab, struct wi_region *region, struct wi_pool *pool, uint8_t *memory)
{
    slab->headers = (struct weir_block *)(void *)memory;
    slab->pool = pool;
    slab->region = region;
    wi_store_relaxed(&slab->balance, 0);
    slab->free = WI_SLAB_EMPTY;
    slab->is_listed = false;
    slab->is_aged = false;
    slab->next = NULL;
    slab->previous = NULL;
    for (uint32_t i = 0; i < WI_SLAB_BLOCKS; i++) {
        slab->headers[i] = (struct weir_block){
            .data = memory + SLAB_HEAD_SIZE + (size_t)i * WEIR_BLOCK_SIZE,
            .capacity = WEIR_BLOCK_SIZE,
            .slab = slab,
        };
        wi_store_relaxed(&slab->headers[i].refs, 1);
    }
    wi_poison(memory + SLAB_HEAD_SIZE, SLAB_BYTES_SIZE);
}

struct wi_slab *
wi_slab_cut(struct wi_region_list *regions, struct wi_pool *pool)
{
    struct wi_region *region = regions->first;

    if (region == NULL || region->used == REGION_FULL) {
        region = region_create();
        if (region == NULL) {
            return NULL;
        }
        region_link_first(regions, region);
    }

    uint32_t index = (uint32_t)__builtin_ctz(~region->used);

    region->used |= 1u << index;
    if (region->used == REGION_FULL) {
        region_unlink(regions, region);
        region_link_last(regions, region);
    }
    // Relaxed: the thread that cuts holds the region already.
    wi_add_relaxed(&region->holds, 1);
    slab_count_one();
    slab_init(&region->slabs[index], region, pool, region->memory + (size_t)index * WI_SLAB_SIZE);
    return &region->slabs[index];
}

void
wi_slab_release(struct wi_region_list *regions, struct wi_slab *slab)
{
    struct wi_region *region = slab->region;
    uint32_t bit = 1u << (slab - region->slabs);

    wi_assert(slab->free == WI_SLAB_EMPTY);
    wi_assert(region->used & bit);
    region->used &= ~bit;
    region_unlink(regions, region);
    if (region->used == 0) {
        // The pool's own hold goes first, the slab's below frees the region.
        wi_region_drop(region);
    } else {
        region_link_first(regions, region);
    }
    wi_slab_release_orphan(slab);
}

void
wi_slab_release_orphan(struct wi_slab *slab)
{
    struct wi_region *region = slab->region;

    wi_sub_relaxed(&slabs_now, 1);
    // Only a hint: with no other holder the region is about to be freed as a whole.
    if (wi_load_relaxed(&region->holds) > 1) {
        (void)wi_os_memory_give_back(slab->headers, WI_SLAB_SIZE);
    }
    wi_region_drop(region);
}
