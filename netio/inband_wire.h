/* SPDX-License-Identifier: MIT */
#ifndef WI_INBAND_WIRE_H
#define WI_INBAND_WIRE_H

/**
 * @file
 * The bytes of the in-band half-close: headers, and what a count of bytes on the wire is in
 * payload. No stream, no memory.
 *
 *     0        4                 4 + n           n = 1 … 4096
 *     ┌────────┬───────────────────┐
 *     │ n      │ payload           │             0 is an empty frame, which nobody sends
 *     └────────┴───────────────────┘
 *     │ mark   │                                 stop reading, end, close: above any n
 *     └────────┘
 */

#include "weir/inband.h"

#include <stdint.h>

#define WI_INBAND_HEADER 4u

// The marks of hvsock's flows and of those it speaks to (H50).
#define WI_INBAND_MARK_STOP  UINT32_C(0xdeadbeef) /* the sender does not read any more */
#define WI_INBAND_MARK_END   UINT32_C(0xbeefdead) /* the sender writes no more */
#define WI_INBAND_MARK_CLOSE UINT32_C(0xdeaddead) /* both, and an answer is waited for */

enum wi_inband_kind {
    WI_INBAND_DATA,
    WI_INBAND_STOP,
    WI_INBAND_END,
    WI_INBAND_CLOSE,
    WI_INBAND_BAD, // neither a length nor a mark
};

static inline void
wi_inband_put(uint8_t header[WI_INBAND_HEADER], uint32_t value)
{
    for (unsigned index = 0; index < WI_INBAND_HEADER; index++) {
        header[index] = (uint8_t)(value >> 8 * index);
    }
}

static inline uint32_t
wi_inband_get(const uint8_t header[WI_INBAND_HEADER])
{
    uint32_t value = 0;

    for (unsigned index = 0; index < WI_INBAND_HEADER; index++) {
        value |= (uint32_t)header[index] << 8 * index;
    }
    return value;
}

static inline enum wi_inband_kind
wi_inband_kind(uint32_t value)
{
    switch (value) {
    case WI_INBAND_MARK_STOP:
        return WI_INBAND_STOP;
    case WI_INBAND_MARK_END:
        return WI_INBAND_END;
    case WI_INBAND_MARK_CLOSE:
        return WI_INBAND_CLOSE;
    default:
        return value <= WEIR_INBAND_FRAME_MAX ? WI_INBAND_DATA : WI_INBAND_BAD;
    }
}

/** Frames that @p size bytes of payload take. */
static inline uint64_t
wi_inband_frames(uint64_t size)
{
    return size / WEIR_INBAND_FRAME_MAX + (size % WEIR_INBAND_FRAME_MAX != 0);
}

/** Of a write of @p size bytes: how many are in its first @p wire bytes. */
static inline uint64_t
wi_inband_payload(uint64_t wire, uint64_t size)
{
    uint64_t frame = WI_INBAND_HEADER + WEIR_INBAND_FRAME_MAX;
    uint64_t rest = wire % frame;
    uint64_t payload = wire / frame * WEIR_INBAND_FRAME_MAX;

    payload += rest > WI_INBAND_HEADER ? rest - WI_INBAND_HEADER : 0;
    return payload < size ? payload : size; // a mark may follow
}

#endif /* WI_INBAND_WIRE_H */
