/* SPDX-License-Identifier: MIT */

#include "runtime/slots.h"

#include "mem/assert.h"
#include "mem/heap.h"

#include <errno.h>
#include <string.h>

int
wi_slots_init(struct wi_slots *slots, unsigned objects, size_t object_size, size_t next_offset)
{
    wi_require(objects != 0 && (objects & (objects - 1)) == 0);
    *slots = (struct wi_slots){
        .shift = (unsigned)__builtin_ctz(objects),
        .segments_max = WI_SLOTS_MAX / objects,
        .object_size = object_size,
        .segment_size = objects * object_size,
        .next_offset = next_offset,
    };
    slots->directory =
        wi_heap_zalloc((slots->segments_max / WI_SLOTS_PAGE + 1) * sizeof(slots->directory[0]));
    return slots->directory == NULL ? -ENOMEM : 0;
}

void
wi_slots_fini(struct wi_slots *slots)
{
    for (uint32_t i = 0; slots->directory != NULL && i <= slots->segments_max / WI_SLOTS_PAGE;
         i++) {
        wi_atomic_ptr *page = (wi_atomic_ptr *)wi_load_relaxed(&slots->directory[i]);

        for (uint32_t j = 0; page != NULL && j < WI_SLOTS_PAGE; j++) {
            wi_heap_free((void *)wi_load_relaxed(&page[j]));
        }
        wi_heap_free((void *)page);
    }
    wi_heap_free((void *)slots->directory);
    slots->directory = NULL;
}

// Any thread. The directory's page for a segment; of two that make it one is kept. NULL: no memory.
static wi_atomic_ptr *
page_of(struct wi_slots *slots, uint32_t index)
{
    wi_atomic_ptr *place = &slots->directory[index / WI_SLOTS_PAGE];
    uintptr_t found = wi_load_acquire(place); // ORDER(slots) observe: as wi_slots_at()
    wi_atomic_ptr *page;

    if (found != 0) {
        return (wi_atomic_ptr *)found;
    }
    page = wi_heap_zalloc(WI_SLOTS_PAGE * sizeof(page[0]));
    // ORDER(slots) publish: pairs with wi_slots_at().
    if (page != NULL && !wi_cas_acq_rel(place, &found, (uintptr_t)page)) {
        wi_heap_free((void *)page);
        page = (wi_atomic_ptr *)found;
    }
    return page;
}

void *
wi_slots_grow(struct wi_slots *slots, uint32_t *ret_first)
{
    void *segment = wi_heap_alloc_aligned(slots->segment_size, WI_CACHE_LINE);
    uint32_t index = wi_load_relaxed(&slots->segments);

    if (segment == NULL) {
        return NULL;
    }
    // The page comes before the number: a number lost would be a hole, and who looks at all slots
    // ends where there is none.
    do {
        if (index >= slots->segments_max || page_of(slots, index) == NULL) {
            wi_heap_free(segment);
            return NULL;
        }
    } while (!wi_cas_relaxed(&slots->segments, &index, index + 1));
    memset(segment, 0, slots->segment_size);
    *ret_first = index << slots->shift;
    return segment;
}

void
wi_slots_publish(struct wi_slots *slots, uint32_t first, void *segment)
{
    // ORDER(slots) publish: pairs with wi_slots_at().
    wi_store_release(
        &page_of(slots, first >> slots->shift)[(first >> slots->shift) % WI_SLOTS_PAGE],
        (uintptr_t)segment);
}

static wi_atomic_u32 *
next_of(const struct wi_slots *slots, uint32_t slot)
{
    return (wi_atomic_u32 *)(void *)((char *)wi_slots_at(slots, slot) + slots->next_offset);
}

void
wi_free_put(const struct wi_slots *slots, struct wi_free_list *list, uint32_t slot)
{
    uint64_t head = wi_load_relaxed(&list->head);
    uint64_t mine;

    do {
        wi_store_relaxed(next_of(slots, slot), (uint32_t)head);
        mine = (head & ~UINT64_C(0xffffffff)) | (slot + 1);
        // ORDER(free) publish: pairs with wi_free_take(); the next user sees the last one's writes.
    } while (!wi_cas_release(&list->head, &head, mine));
}

uint32_t
wi_free_take(const struct wi_slots *slots, struct wi_free_list *list)
{
    uint64_t head = wi_load_acquire(&list->head); // ORDER(free) observe
    uint64_t rest;

    do {
        if ((uint32_t)head == 0) {
            return WI_SLOT_NONE;
        }
        // The slot may be taken and used by another thread right now; its memory stays, and the tag
        // makes the exchange fail then.
        rest = wi_load_relaxed(next_of(slots, (uint32_t)head - 1));
        rest |= ((head >> 32) + 1) << 32;
        // ORDER(free) observe: pairs with wi_free_put().
    } while (!wi_cas_acquire(&list->head, &head, rest));
    return (uint32_t)head - 1;
}
