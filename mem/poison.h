/* SPDX-License-Identifier: MIT */
#ifndef WI_POISON_H
#define WI_POISON_H

/**
 * @file
 * Tells the address sanitizer which pool memory nobody may touch. Without it our own free lists
 * would hide every use after a return. Nothing without the sanitizer.
 */

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define WI_HAS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WI_HAS_POISON 1
#endif
#endif

#ifdef WI_HAS_POISON
#include <sanitizer/asan_interface.h>
#endif

/** Any thread. Touching @p memory is an error from here on. */
static inline void
wi_poison(const void *memory, size_t size)
{
#ifdef WI_HAS_POISON
    __asan_poison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

/** Any thread. Touching @p memory is legal again. */
static inline void
wi_unpoison(const void *memory, size_t size)
{
#ifdef WI_HAS_POISON
    __asan_unpoison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

#endif /* WI_POISON_H */
