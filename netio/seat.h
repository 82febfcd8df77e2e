/* SPDX-License-Identifier: MIT */
#ifndef WI_SEAT_H
#define WI_SEAT_H

/**
 * @file
 * Where a connection of a layer above streams has its place: in a table of seats that are never
 * freed, so that a stale handle always finds a word, which tells that it is stale.
 *
 * A handle's bits are the word's generation and the seat's index. What else is in the word is the
 * layer's: as a rule who is inside, for a seat is not given to another connection before they have
 * left. What sits there begins with its seat.
 */

#include "mem/heap.h"
#include "runtime/slots.h"
#include "weir/runtime.h"
#include "weir/stream.h"

#define WI_SEAT_INDEX_BITS 24
// Of the word. What is below is the layer's.
#define WI_SEAT_GENERATION (UINT64_C(1) << WI_SEAT_INDEX_BITS)

#define WI_SEAT_SEGMENT_SHIFT 7
#define WI_SEAT_SEGMENTS_MAX  (WI_SLOTS_MAX >> WI_SEAT_SEGMENT_SHIFT)
#define WI_SEAT_PAGES         (WI_SEAT_SEGMENTS_MAX / WI_SLOTS_PAGE + 1)
static_assert(WI_SLOTS_MAX - 1 < 1u << WI_SEAT_INDEX_BITS, "an index fits into a handle");

struct wi_seat {
    wi_atomic_u64 word;
    wi_atomic_u64 stream; // its handle's bits, 0: none yet
    wi_atomic_ptr loop;   // whose it is, or was last
    wi_atomic_u32 free_next;
    uint32_t index;

    // The loop's: see home.h.
    uint64_t look_ns;
    struct wi_seat *previous;
    struct wi_seat *next;
};

/** All seats of one kind. */
struct wi_seats {
    struct wi_slots slots;
    struct wi_free_list free;
    uint64_t fresh; // the layer's part of the word of a seat that nobody has
};

/** In static memory: seats for what is of @p type, fresh with @p bits in the word. */
#define WI_SEATS(type, bits)                                           \
    {                                                                  \
        .slots =                                                       \
            {                                                          \
                .directory = (wi_atomic_ptr[WI_SEAT_PAGES]){0},        \
                .shift = WI_SEAT_SEGMENT_SHIFT,                        \
                .segments_max = WI_SEAT_SEGMENTS_MAX,                  \
                .object_size = sizeof(type),                           \
                .segment_size = sizeof(type) << WI_SEAT_SEGMENT_SHIFT, \
                .next_offset = offsetof(struct wi_seat, free_next),    \
            },                                                         \
        .fresh = (bits),                                               \
    }

/** Any thread. A free seat; NULL: memory ran out. What is behind it is as the last one left it. */
WI_SHARED struct wi_seat *wi_seat_take(struct wi_seats *seats);

/** Any thread, the last that has to do with it: somebody else may have it. */
WI_SHARED void wi_seat_free(struct wi_seats *seats, struct wi_seat *seat);

/** Any thread. Wait-free. The seat that a handle names, whoever sits there now; NULL: it names
 *  none. */
static inline struct wi_seat *
wi_seat_at(const struct wi_seats *seats, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle & (WI_SEAT_GENERATION - 1));

    return handle == 0 ? NULL : wi_slots_at(&seats->slots, index);
}

/** The word of one who takes the seat anew: of the generation it has, with the layer's @p bits. */
static inline uint64_t
wi_seat_word(const struct wi_seat *seat, uint64_t bits)
{
    return (wi_load_relaxed(&seat->word) & ~(WI_SEAT_GENERATION - 1)) | bits;
}

static inline uint64_t
wi_seat_handle(const struct wi_seat *seat, uint64_t word)
{
    return (word >> WI_SEAT_INDEX_BITS << WI_SEAT_INDEX_BITS) | seat->index;
}

/** Are both of one generation? @p other may be a handle. */
static inline bool
wi_seat_is_same(uint64_t word, uint64_t other)
{
    return word >> WI_SEAT_INDEX_BITS == other >> WI_SEAT_INDEX_BITS;
}

/** Who is inside, or on the loop. */
static inline weir_stream
wi_seat_stream(const struct wi_seat *seat)
{
    return (weir_stream){.bits = wi_load_relaxed(&seat->stream)};
}

/** Loop thread. From now on it is this one's. */
static inline void
wi_seat_set_stream(struct wi_seat *seat, weir_stream stream)
{
    // ORDER(seatstream) publish: the seat has another generation than before.
    wi_store_release(&seat->stream, stream.bits);
}

/** Any thread. Is this the thread of the seat's loop? */
static inline bool
wi_seat_is_here(const struct wi_seat *seat)
{
    const struct weir_loop *current = weir_loop_current();

    return current != NULL && wi_load_relaxed(&seat->loop) == (uintptr_t)current;
}

#endif /* WI_SEAT_H */
