/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_ATOMICS_H
#define TESTS_SCHED_ATOMICS_H

/**
 * @file
 * Forced in ahead of every source of the library (-include) where it is built for the scheduler:
 * each atomic access and each fence of mem/atomic.h and of ConcurrencyKit becomes a call of it.
 *
 * Each place that orders something is a *site*: file, function, and what it asks for. A site can be
 * weakened for a run, to see whether any schedule then breaks a promise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- what an access asks for ---- */

#define SCHED_RELAXED   0u
#define SCHED_ACQUIRE   1u
#define SCHED_RELEASE   2u
#define SCHED_FULL      4u // stores before it are seen by all before loads behind it
#define SCHED_DEPENDENT 8u // stores behind this load depend on what it found

struct sched_site {
    const char *file;
    const char *function;
    unsigned line;
    unsigned order;
    unsigned weakened; // bits of order that are left out
    unsigned was_hit;  // in the run now
};

enum sched_update { SCHED_ADD, SCHED_SUB, SCHED_OR, SCHED_AND, SCHED_SWAP };

uint64_t sched_load(struct sched_site *site, const volatile void *at, size_t size);
void sched_store(struct sched_site *site, volatile void *at, uint64_t value, size_t size);
uint64_t sched_update(struct sched_site *site, enum sched_update how, volatile void *at,
                      uint64_t operand, size_t size);
bool sched_cas(struct sched_site *site, volatile void *at, void *expected, uint64_t value,
               size_t size);
void sched_fence(struct sched_site *site);

void sched_count(struct sched_site *site, volatile void *counter, uint64_t more);

void sched_copy(void *to, const void *from, size_t size);
void sched_fill(void *to, int byte, size_t size);
int sched_thread_atexit(void (*hook)(void *), void *arg, void *dso);

/* ---- what is a thread's own ---- */

// Fibers share the system's thread. What the library keeps per thread stands in a section of its
// own, which the scheduler exchanges with each switch.
#define SCHED_TLS __attribute__((section("sched_tls")))
#define __thread SCHED_TLS
#define _Thread_local SCHED_TLS
#define tls_model(x) unused

#define __cxa_thread_atexit_impl sched_thread_atexit

/* ---- mem/atomic.h ---- */

#include "mem/atomic.h"

#define SCHED_SITE(name, wanted)                                                    \
    static struct sched_site name __attribute__((section("sched_sites"), used)) = { \
        .file = __FILE__, .function = __func__, .line = __LINE__, .order = (wanted)}

// What it holds, without the qualifiers.
#define SCHED_VALUE(object) __typeof__(((void)0, *(object)))

#define SCHED_LOAD(object, wanted)                                             \
    __extension__({                                                            \
        SCHED_SITE(site_, wanted);                                             \
        (SCHED_VALUE(object)) sched_load(&site_, (object), sizeof(*(object))); \
    })
#define SCHED_STORE(object, value, wanted)                                   \
    __extension__({                                                          \
        SCHED_SITE(site_, wanted);                                           \
        sched_store(&site_, (object), (uint64_t)(value), sizeof(*(object))); \
    })
#define SCHED_UPDATE(how, object, value, wanted)                                       \
    __extension__({                                                                    \
        SCHED_SITE(site_, wanted);                                                     \
        (SCHED_VALUE(object))                                                          \
            sched_update(&site_, how, (object), (uint64_t)(value), sizeof(*(object))); \
    })
#define SCHED_CAS(object, expected, value, wanted)                                     \
    __extension__({                                                                    \
        SCHED_SITE(site_, wanted);                                                     \
        sched_cas(&site_, (object), (expected), (uint64_t)(value), sizeof(*(object))); \
    })

#undef wi_load_relaxed
#undef wi_load_acquire
#undef wi_store_relaxed
#undef wi_store_release
#undef wi_add_relaxed
#undef wi_sub_relaxed
#undef wi_add_acq_rel
#undef wi_sub_acq_rel
#undef wi_or_relaxed
#undef wi_or_acq_rel
#undef wi_and_acq_rel
#undef wi_swap_relaxed
#undef wi_swap_acquire
#undef wi_swap_acq_rel
#undef wi_cas_relaxed
#undef wi_cas_acquire
#undef wi_cas_release
#undef wi_cas_acq_rel

#define SCHED_ACQ_REL (SCHED_ACQUIRE | SCHED_RELEASE)

#define wi_load_relaxed(object)         SCHED_LOAD(object, SCHED_RELAXED)
#define wi_load_acquire(object)         SCHED_LOAD(object, SCHED_ACQUIRE)
#define wi_store_relaxed(object, value) SCHED_STORE(object, value, SCHED_RELAXED)
#define wi_store_release(object, value) SCHED_STORE(object, value, SCHED_RELEASE)
#define wi_add_relaxed(object, value)   SCHED_UPDATE(SCHED_ADD, object, value, SCHED_RELAXED)
#define wi_sub_relaxed(object, value)   SCHED_UPDATE(SCHED_SUB, object, value, SCHED_RELAXED)
#define wi_add_acq_rel(object, value)   SCHED_UPDATE(SCHED_ADD, object, value, SCHED_ACQ_REL)
#define wi_sub_acq_rel(object, value)   SCHED_UPDATE(SCHED_SUB, object, value, SCHED_ACQ_REL)
#define wi_or_relaxed(object, value)    SCHED_UPDATE(SCHED_OR, object, value, SCHED_RELAXED)
#define wi_or_acq_rel(object, value)    SCHED_UPDATE(SCHED_OR, object, value, SCHED_ACQ_REL)
#define wi_and_acq_rel(object, value)   SCHED_UPDATE(SCHED_AND, object, value, SCHED_ACQ_REL)
#define wi_swap_relaxed(object, value)  SCHED_UPDATE(SCHED_SWAP, object, value, SCHED_RELAXED)
#define wi_swap_acquire(object, value)  SCHED_UPDATE(SCHED_SWAP, object, value, SCHED_ACQUIRE)
#define wi_swap_acq_rel(object, value)  SCHED_UPDATE(SCHED_SWAP, object, value, SCHED_ACQ_REL)
#define wi_cas_relaxed(at, was, value)  SCHED_CAS(at, was, value, SCHED_RELAXED)
#define wi_cas_acquire(at, was, value)  SCHED_CAS(at, was, value, SCHED_ACQUIRE)
#define wi_cas_release(at, was, value)  SCHED_CAS(at, was, value, SCHED_RELEASE)
#define wi_cas_acq_rel(at, was, value)  SCHED_CAS(at, was, value, SCHED_ACQ_REL)

#define SCHED_FENCE(wanted)        \
    __extension__({                \
        SCHED_SITE(site_, wanted); \
        sched_fence(&site_);       \
    })
#define wi_fence_full() SCHED_FENCE(SCHED_FULL | SCHED_ACQ_REL)

// One writer. Where nobody else reads it in the scenario it is no place to step in at.
#define wi_count(counter, more)                 \
    __extension__({                             \
        SCHED_SITE(site_, SCHED_RELAXED);       \
        sched_count(&site_, (counter), (more)); \
    })

/* ---- ConcurrencyKit: in place of <ck_pr.h>, what its ring and its stack use ---- */

// Loads and stores are relaxed, as CK defines them; its fences say what is ordered. A store behind
// a load that decides whether it happens is not made before it by any machine: the ring's producer
// rests on that when it writes a slot that the consumer has left.

#define CK_PR_H
#define ck_pr_load_uint(object)         SCHED_LOAD(object, SCHED_DEPENDENT)
#define ck_pr_store_uint(object, value) SCHED_STORE(object, value, SCHED_RELAXED)
#define ck_pr_cas_uint(object, expected, value) \
    SCHED_CAS(object, &(unsigned){expected}, value, SCHED_RELAXED)
#define ck_pr_cas_uint_value(object, expected, value, ret_seen)           \
    __extension__({                                                       \
        unsigned expected_ = (expected);                                  \
        bool done_ = SCHED_CAS(object, &expected_, value, SCHED_RELAXED); \
        *(ret_seen) = expected_;                                          \
        done_;                                                            \
    })
#define ck_pr_faa_uint(object, value) SCHED_UPDATE(SCHED_ADD, object, value, SCHED_RELAXED)
#define ck_pr_load_ptr(object)                                                          \
    __extension__({                                                                     \
        SCHED_SITE(site_, SCHED_RELAXED);                                               \
        (__typeof__(*(object)))(uintptr_t)sched_load(&site_, (object), sizeof(void *)); \
    })
#define ck_pr_store_ptr(object, value)                                               \
    __extension__({                                                                  \
        SCHED_SITE(site_, SCHED_RELAXED);                                            \
        sched_store(&site_, (object), (uint64_t)(uintptr_t)(value), sizeof(void *)); \
    })
#define ck_pr_cas_ptr(object, expected, value)                                                     \
    __extension__({                                                                                \
        SCHED_SITE(site_, SCHED_RELAXED);                                                          \
        void *seen_ = (expected);                                                                  \
        sched_cas(&site_, (object), (void *)&seen_, (uint64_t)(uintptr_t)(value), sizeof(void *)); \
    })
#define ck_pr_cas_ptr_value(object, expected, value, ret_seen)                                 \
    __extension__({                                                                            \
        SCHED_SITE(site_, SCHED_RELAXED);                                                      \
        void *seen_ = (expected);                                                              \
        bool done_ = sched_cas(&site_, (object), (void *)&seen_, (uint64_t)(uintptr_t)(value), \
                               sizeof(void *));                                                \
        *(ret_seen) = seen_;                                                                   \
        done_;                                                                                 \
    })
#define ck_pr_fas_ptr(object, value)                                                   \
    __extension__({                                                                    \
        SCHED_SITE(site_, SCHED_RELAXED);                                              \
        (void *)(uintptr_t)sched_update(&site_, SCHED_SWAP, (object),                  \
                                        (uint64_t)(uintptr_t)(value), sizeof(void *)); \
    })
#define ck_pr_fence_store()        SCHED_FENCE(SCHED_RELEASE)
#define ck_pr_fence_load_store()   SCHED_FENCE(SCHED_RELEASE)
#define ck_pr_fence_store_atomic() SCHED_FENCE(SCHED_RELEASE)
#define ck_pr_fence_release()      SCHED_FENCE(SCHED_RELEASE)
#define ck_pr_fence_load()         SCHED_FENCE(SCHED_ACQUIRE)
#define ck_pr_fence_acquire()      SCHED_FENCE(SCHED_ACQUIRE)
#define ck_pr_fence_acqrel()       SCHED_FENCE(SCHED_ACQ_REL)
#define ck_pr_fence_memory()       SCHED_FENCE(SCHED_FULL | SCHED_ACQ_REL)
#define ck_pr_stall()              ((void)0)

/* ---- bytes ---- */

#define memcpy(to, from, size) sched_copy(to, from, size)
#define memset(to, byte, size) sched_fill(to, byte, size)

#endif /* TESTS_SCHED_ATOMICS_H */
