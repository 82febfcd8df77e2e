/* SPDX-License-Identifier: MIT */
#ifndef WI_ASSERT_H
#define WI_ASSERT_H

/**
 * @file
 * Three tiers. wi_assert: what our code guarantees (debug and test builds). wi_require: what we
 * cannot survive (always on). static_assert: beside the type it constrains. None of them ever
 * judges what a peer, the kernel or a caller can cause.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

/** Any thread. Prints and stops the process. */
_Noreturn void wi_assert_failed(const char *what, const char *file, int line);

#define wi_require(condition) \
    ((condition) ? (void)0 : wi_assert_failed(#condition, __FILE__, __LINE__))

#if defined(WI_DEBUG) && WI_DEBUG
#define wi_assert(condition) wi_require(condition)
#else
#define wi_assert(condition) ((void)sizeof(!(condition)))
#endif

#define wi_implies(a, b) (!(a) || (b))

#if defined(__GNUC__)
#define wi_likely(condition)   __builtin_expect(!!(condition), 1)
#define wi_unlikely(condition) __builtin_expect(!!(condition), 0)
#define WI_COLD                __attribute__((cold, noinline))
#define WI_INLINE              static inline __attribute__((always_inline))
#else
#define wi_likely(condition)   (condition)
#define wi_unlikely(condition) (condition)
#define WI_COLD
#define WI_INLINE static inline
#endif

/** The struct a member is embedded in. */
#define wi_container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif /* WI_ASSERT_H */
