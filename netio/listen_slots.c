/* SPDX-License-Identifier: MIT */

#include "mem/heap.h"
#include "netio/listen.h"

// Where listeners live: in slots that are never given back, so that a stale handle can be told.

void
wi_listener_free(struct wi_listener *listener)
{
    wi_heap_free(listener->parts);
    listener->parts = NULL;
    if (wi_load_relaxed(&listener->generation) < WI_GENERATION_MAX - 1) {
        wi_free_put(&listener->runtime->listeners, &listener->runtime->free_listeners,
                    listener->slot);
    }
}

struct wi_listener *
wi_listener_take(struct wi_runtime *runtime)
{
    uint32_t first = wi_free_take(&runtime->listeners, &runtime->free_listeners);
    struct wi_listener *segment;

    if (first != WI_SLOT_NONE) {
        return wi_slots_at(&runtime->listeners, first);
    }
    segment = wi_slots_grow(&runtime->listeners, &first);
    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < WI_LISTENER_SEGMENT; i++) {
        segment[i].slot = first + i;
        segment[i].runtime = runtime;
    }
    wi_slots_publish(&runtime->listeners, first, segment);
    for (uint32_t i = 1; i < WI_LISTENER_SEGMENT; i++) {
        wi_free_put(&runtime->listeners, &runtime->free_listeners, first + i);
    }
    return segment;
}

int
wi_listeners_init(struct wi_runtime *runtime)
{
    return wi_slots_init(&runtime->listeners, WI_LISTENER_SEGMENT, sizeof(struct wi_listener),
                         offsetof(struct wi_listener, next_free));
}
