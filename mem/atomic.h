/* SPDX-License-Identifier: MIT */
#ifndef WI_ATOMIC_H
#define WI_ATOMIC_H

/**
 * @file
 * Atomics whose order is part of the name. There is no default order, so a search for a name finds
 * every place that uses it. Each acquire, release and fence carries an ORDER(tag) comment where it
 * stands; docs/ordering.md has a row per tag.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WI_CACHE_LINE 64

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define WI_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || \
    __has_feature(memory_sanitizer)
#define WI_SANITIZED 1
#endif
#endif

typedef _Atomic(uint64_t) wi_atomic_u64;
typedef _Atomic(uint32_t) wi_atomic_u32;
typedef _Atomic(bool) wi_atomic_bool;
typedef _Atomic(uintptr_t) wi_atomic_ptr;

#define wi_load_relaxed(object)         atomic_load_explicit(object, memory_order_relaxed)
#define wi_load_acquire(object)         atomic_load_explicit(object, memory_order_acquire)
#define wi_store_relaxed(object, value) atomic_store_explicit(object, value, memory_order_relaxed)
#define wi_store_release(object, value) atomic_store_explicit(object, value, memory_order_release)

#define wi_add_relaxed(object, value) atomic_fetch_add_explicit(object, value, memory_order_relaxed)
#define wi_sub_relaxed(object, value) atomic_fetch_sub_explicit(object, value, memory_order_relaxed)
#define wi_add_acq_rel(object, value) atomic_fetch_add_explicit(object, value, memory_order_acq_rel)
#define wi_sub_acq_rel(object, value) atomic_fetch_sub_explicit(object, value, memory_order_acq_rel)
#define wi_or_relaxed(object, value)  atomic_fetch_or_explicit(object, value, memory_order_relaxed)
#define wi_or_acq_rel(object, value)  atomic_fetch_or_explicit(object, value, memory_order_acq_rel)
#define wi_and_acq_rel(object, value) atomic_fetch_and_explicit(object, value, memory_order_acq_rel)

#define wi_swap_relaxed(object, value) atomic_exchange_explicit(object, value, memory_order_relaxed)
#define wi_swap_acquire(object, value) atomic_exchange_explicit(object, value, memory_order_acquire)
#define wi_swap_acq_rel(object, value) atomic_exchange_explicit(object, value, memory_order_acq_rel)

#define wi_cas_relaxed(object, expected, value)                                            \
    atomic_compare_exchange_strong_explicit(object, expected, value, memory_order_relaxed, \
                                            memory_order_relaxed)
#define wi_cas_acquire(object, expected, value)                                            \
    atomic_compare_exchange_strong_explicit(object, expected, value, memory_order_acquire, \
                                            memory_order_acquire)
#define wi_cas_release(object, expected, value)                                            \
    atomic_compare_exchange_strong_explicit(object, expected, value, memory_order_release, \
                                            memory_order_relaxed)
#define wi_cas_acq_rel(object, expected, value)                                            \
    atomic_compare_exchange_strong_explicit(object, expected, value, memory_order_acq_rel, \
                                            memory_order_acquire)

/** Orders everything before against everything after, stores against later loads included. */
static inline void
wi_fence_full(void)
{
#if defined(__SANITIZE_THREAD__)
    // The sanitizer models no stand-alone fence; the pairs that use one do not rest on it for
    // publication (see docs/ordering.md), so the machine's own fence is all that is needed.
    __asm__ __volatile__("mfence" ::: "memory");
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    __asm__ __volatile__("mfence" ::: "memory");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/** A counter with one writer: other threads read it, nobody else writes it. */
static inline __attribute__((always_inline)) void
wi_count(wi_atomic_u64 *counter, uint64_t more)
{
#if defined(__x86_64__) && !defined(WI_SANITIZED)
    // One instruction where the compiler makes three of a relaxed load and store. Not locked: there
    // is one writer, and an aligned word is never seen half written.
    __asm__("addq %1, %0" : "+m"(*(uint64_t *)(void *)counter) : "er"(more));
#else
    wi_store_relaxed(counter, wi_load_relaxed(counter) + more);
#endif
}

#endif /* WI_ATOMIC_H */
