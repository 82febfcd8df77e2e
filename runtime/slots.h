/* SPDX-License-Identifier: MIT */
#ifndef WI_SLOTS_H
#define WI_SLOTS_H

/**
 * @file
 * A table of type-stable objects named by a number: segments that are made when needed and never
 * moved or freed while the runtime lives.
 */

#include "mem/assert.h"
#include "mem/atomic.h"
#include "runtime/handle.h"

#include <stddef.h>

/** Segments on one page of the directory. */
#define WI_SLOTS_PAGE 512u

struct wi_slots {
    wi_atomic_ptr *directory; // pages of segments; NULL: not made yet
    unsigned shift;           // log2 of the objects in a segment
    unsigned segments_max;
    size_t object_size;
    size_t segment_size; // bytes
    wi_atomic_u32 segments;
    size_t next_offset; // of a wi_atomic_u32 in every object, for free lists
};

/** Free objects of a table, by their slots. The head carries a tag that moves with every take, so a
 *  slot that went and came back meanwhile is not mistaken for itself (no ABA). */
struct wi_free_list {
    wi_atomic_u64 head; // tag << 32 | slot + 1; 0 in the low half: empty
};

/** Start only. @p objects per segment is a power of two; @p next_offset is where an object has room
 *  for a free list's link. 0 or -ENOMEM. */
int wi_slots_init(struct wi_slots *slots, unsigned objects, size_t object_size, size_t next_offset);

/** Stop only. */
void wi_slots_fini(struct wi_slots *slots);

/** Any thread. A fresh zeroed segment's first slot number in @p ret_first; its memory is published
 *  by wi_slots_publish(). NULL: memory or numbers ran out. */
void *wi_slots_grow(struct wi_slots *slots, uint32_t *ret_first);

/** Any thread. From now on wi_slots_at() finds the segment. */
void wi_slots_publish(struct wi_slots *slots, uint32_t first, void *segment);

/** Any thread. Wait-free. As wi_slots_at(), where the caller knows the table's shape. */
static inline __attribute__((always_inline)) void *
wi_slots_at_fixed(const struct wi_slots *slots, uint32_t slot, unsigned shift, size_t object_size)
{
    uint32_t index = slot >> shift;
    wi_atomic_ptr *page;
    char *segment;

    // ORDER(slots) observe: pairs with wi_slots_publish(); a page and a segment are seen
    // initialised or not at all. Without it a garbage handle could read a segment before its
    // objects were set up.
    page = (wi_atomic_ptr *)wi_load_acquire(&slots->directory[index / WI_SLOTS_PAGE]);
    if (wi_unlikely(page == NULL)) {
        return NULL;
    }
    segment = (char *)wi_load_acquire(&page[index % WI_SLOTS_PAGE]);
    if (wi_unlikely(segment == NULL)) {
        return NULL;
    }
    return segment + (size_t)(slot & ((1u << shift) - 1)) * object_size;
}

/** Any thread. Wait-free. NULL: no such object was ever made. */
static inline void *
wi_slots_at(const struct wi_slots *slots, uint32_t slot)
{
    if (wi_unlikely(slot >= WI_SLOTS_MAX)) {
        return NULL;
    }
    return wi_slots_at_fixed(slots, slot, slots->shift, slots->object_size);
}

/** Any thread. Lock-free. */
void wi_free_put(const struct wi_slots *slots, struct wi_free_list *list, uint32_t slot);

#define WI_SLOT_NONE UINT32_MAX
/** Any thread. Lock-free. WI_SLOT_NONE: empty. */
uint32_t wi_free_take(const struct wi_slots *slots, struct wi_free_list *list);

#endif /* WI_SLOTS_H */
