/* SPDX-License-Identifier: MIT */

#include "runtime/slots.h"

#include "mem/assert.h"
#include "mem/heap.h"

#include <errno.h>
#include <string.h>

int
wi_slots_init(struct wi_slots *slots, unsigned objects, size_t object_size, size_t tail_size,
              size_t next_offset)
{
    wi_require(objects != 0 && (objects & (objects - 1)) == 0);
    *slots = (struct wi_slots){
        .shift = (unsigned)__builtin_ctz(objects),
        .segments_max = WI_SLOTS_MAX / objects,
        .object_size = object_size,
        .segment_size = objects * object_size + tail_size,
        .next_offset = next_offset,
    };
    slots->segment_align = WI_CACHE_LINE;
    while (tail_size != 0 && slots->segment_align < slots->segment_size) {
        slots->segment_align *= 2; // the owner finds the tail from any object by a mask
    }
    slots->directory = wi_heap_zalloc(slots->segments_max * sizeof(slots->directory[0]));
    return slots->directory == NULL ? -ENOMEM : 0;
}

void
wi_slots_fini(struct wi_slots *slots)
{
    uint32_t count = wi_load_relaxed(&slots->segments);

    for (uint32_t i = 0; slots->directory != NULL && i < count && i < slots->segments_max; i++) {
        wi_heap_free((void *)wi_load_relaxed(&slots->directory[i]));
    }
    wi_heap_free((void *)slots->directory);
    slots->directory = NULL;
}

void *
wi_slots_grow(struct wi_slots *slots, uint32_t *ret_first)
{
    void *segment = wi_heap_alloc_aligned(slots->segment_size, slots->segment_align);
    uint32_t index;

    if (segment == NULL) {
        return NULL;
    }
    index = wi_add_relaxed(&slots->segments, 1);
    if (index >= slots->segments_max) {
        wi_sub_relaxed(&slots->segments, 1);
        wi_heap_free(segment);
        return NULL;
    }
    memset(segment, 0, slots->segment_size);
    *ret_first = index << slots->shift;
    return segment;
}

void
wi_slots_publish(struct wi_slots *slots, uint32_t first, void *segment)
{
    // ORDER(slots) publish: pairs with wi_slots_at().
    wi_store_release(&slots->directory[first >> slots->shift], (uintptr_t)segment);
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
