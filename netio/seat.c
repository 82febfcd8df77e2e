/* SPDX-License-Identifier: MIT */

#include "netio/seat.h"

void
wi_seat_free(struct wi_seats *seats, struct wi_seat *seat)
{
    wi_free_put(&seats->slots, &seats->free, seat->index);
}

// One more segment: its first seat for the caller, the others free. Two threads may make one each.
static struct wi_seat *
grow(struct wi_seats *seats)
{
    uint32_t first;
    char *segment = wi_slots_grow(&seats->slots, &first);

    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < 1u << WI_SEAT_SEGMENT_SHIFT; i++) {
        struct wi_seat *seat = (struct wi_seat *)(void *)(segment + i * seats->slots.object_size);

        seat->index = first + i;
        wi_store_relaxed(&seat->word, WI_SEAT_GENERATION | seats->fresh);
    }
    wi_slots_publish(&seats->slots, first, segment);
    for (uint32_t i = (1u << WI_SEAT_SEGMENT_SHIFT) - 1; i > 0; i--) {
        wi_free_put(&seats->slots, &seats->free, first + i);
    }
    return (struct wi_seat *)(void *)segment;
}

struct wi_seat *
wi_seat_take(struct wi_seats *seats)
{
    uint32_t slot = wi_free_take(&seats->slots, &seats->free);

    return slot != WI_SLOT_NONE ? wi_slots_at(&seats->slots, slot) : grow(seats);
}
