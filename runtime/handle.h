/* SPDX-License-Identifier: MIT */
#ifndef WI_HANDLE_H
#define WI_HANDLE_H

/**
 * @file
 * What the 64 bits of a handle say.
 *
 *      63..61   60..56     55..32   31..0
 *      kind     runtime    slot     generation (never 0)
 *
 * Slots are type-stable while the runtime lives, so a stale handle reads a live word and the
 * generation tells. A slot whose generation would wrap is retired.
 */

#include <stdint.h>

enum wi_handle_kind {
    WI_HANDLE_NONE,
    WI_HANDLE_STREAM,
    WI_HANDLE_OP,
    WI_HANDLE_TOKEN,
    WI_HANDLE_LISTENER,
    WI_HANDLE_WATCH,
    WI_HANDLE_PUMP,
};

#define WI_RUNTIMES_MAX   32u
#define WI_SLOTS_MAX      (1u << 24)
#define WI_GENERATION_MAX UINT32_MAX

static inline uint64_t
wi_handle(enum wi_handle_kind kind, unsigned runtime, uint32_t slot, uint32_t generation)
{
    return (uint64_t)kind << 61 | (uint64_t)runtime << 56 | (uint64_t)slot << 32 | generation;
}

static inline enum wi_handle_kind
wi_handle_kind(uint64_t bits)
{
    return (enum wi_handle_kind)(bits >> 61);
}

static inline unsigned
wi_handle_runtime(uint64_t bits)
{
    return (unsigned)(bits >> 56) & (WI_RUNTIMES_MAX - 1);
}

static inline uint32_t
wi_handle_slot(uint64_t bits)
{
    return (uint32_t)(bits >> 32) & (WI_SLOTS_MAX - 1);
}

static inline uint32_t
wi_handle_generation(uint64_t bits)
{
    return (uint32_t)bits;
}

#endif /* WI_HANDLE_H */
