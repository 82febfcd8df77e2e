/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CK_TSAN_H
#define WEIR_CK_TSAN_H

/*
 * ConcurrencyKit's ck_pr layer written with compiler atomics, for ThreadSanitizer builds only.
 *
 * ThreadSanitizer instruments what the compiler emits. CK's own ports are inline assembly, which
 * it does not see, or plain volatile accesses, which it reports; either way it misses that a ring
 * or a stack hands an object from one thread to another, and calls every later use of the object
 * a race. Suppressions cannot add the missing edge. So the build forces this file in ahead of
 * every source, and it takes the place of the port:
 *
 *   loads             acquire      x86-64 gives that much to every plain access, and CK's fences
 *   stores            release      on x86-64 are written in the knowledge that it does
 *   read-modify-write seq_cst
 *
 * What such a build cannot find: a fence that only weaker processors need, and a missing fence
 * between a store and a later load. Those two are the business of the models.
 *
 * Not here: the double-word operations (ck_pr_cas_ptr_2 and the CK structures that need it).
 */

#if defined(CK_PR_H)
#error "cmake/ck_tsan.h must be forced in (-include), ahead of every header of CK"
#endif

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* CK asks CK_USE_CC_BUILTINS before it takes a port of assembly, and CK_F_PR before it brings its
 * generic one: set both, and only this file is left. gcc/ck_f_pr.h lists what a port offers. */
#define CK_USE_CC_BUILTINS 1
#define CK_F_PR

#include <ck_cc.h>
#include <ck_md.h>
#include <gcc/ck_f_pr.h>

#define WI_CK static inline __attribute__((unused, always_inline))

/* With more threads than processors a spinning thread has to let the one it waits for run; under
 * the sanitizer's slowness it would otherwise use up its whole time slice. */
WI_CK void
ck_pr_stall(void)
{
    sched_yield();
}

#define WI_CK_FENCE(name)                      \
    WI_CK void ck_pr_fence_strict_##name(void) \
    {                                          \
        __sync_synchronize();                  \
    }

WI_CK_FENCE(atomic)
WI_CK_FENCE(atomic_load)
WI_CK_FENCE(atomic_store)
WI_CK_FENCE(store_atomic)
WI_CK_FENCE(load_atomic)
WI_CK_FENCE(load)
WI_CK_FENCE(load_store)
WI_CK_FENCE(store)
WI_CK_FENCE(store_load)
WI_CK_FENCE(memory)
WI_CK_FENCE(acquire)
WI_CK_FENCE(release)
WI_CK_FENCE(acqrel)
WI_CK_FENCE(lock)
WI_CK_FENCE(unlock)

/* Add, sub, and, or, xor: read-modify-writes whose old value CK does not ask for. */
#define WI_CK_UPDATE(verb, name, type)                           \
    WI_CK void ck_pr_##verb##_##name(type *at, type with)        \
    {                                                            \
        (void)__atomic_fetch_##verb(at, with, __ATOMIC_SEQ_CST); \
    }

#define WI_CK_NUMBER(name, type)                                                                \
    WI_CK type ck_pr_md_load_##name(const type *at)                                             \
    {                                                                                           \
        return __atomic_load_n(at, __ATOMIC_ACQUIRE);                                           \
    }                                                                                           \
    WI_CK void ck_pr_md_store_##name(type *at, type value)                                      \
    {                                                                                           \
        __atomic_store_n(at, value, __ATOMIC_RELEASE);                                          \
    }                                                                                           \
    WI_CK bool ck_pr_cas_##name##_value(type *at, type expected, type wanted, type *ret_seen)   \
    {                                                                                           \
        bool done = __atomic_compare_exchange_n(at, &expected, wanted, false, __ATOMIC_SEQ_CST, \
                                                __ATOMIC_SEQ_CST);                              \
        *ret_seen = expected;                                                                   \
        return done;                                                                            \
    }                                                                                           \
    WI_CK bool ck_pr_cas_##name(type *at, type expected, type wanted)                           \
    {                                                                                           \
        return __atomic_compare_exchange_n(at, &expected, wanted, false, __ATOMIC_SEQ_CST,      \
                                           __ATOMIC_SEQ_CST);                                   \
    }                                                                                           \
    WI_CK type ck_pr_faa_##name(type *at, type with)                                            \
    {                                                                                           \
        return __atomic_fetch_add(at, with, __ATOMIC_SEQ_CST);                                  \
    }                                                                                           \
    WI_CK_UPDATE(add, name, type)                                                               \
    WI_CK_UPDATE(sub, name, type)                                                               \
    WI_CK_UPDATE(and, name, type)                                                               \
    WI_CK_UPDATE(or, name, type)                                                                \
    WI_CK_UPDATE(xor, name, type)                                                               \
    WI_CK void ck_pr_inc_##name(type *at)                                                       \
    {                                                                                           \
        ck_pr_add_##name(at, (type)1);                                                          \
    }                                                                                           \
    WI_CK void ck_pr_dec_##name(type *at)                                                       \
    {                                                                                           \
        ck_pr_sub_##name(at, (type)1);                                                          \
    }

WI_CK_NUMBER(char, char)
WI_CK_NUMBER(int, int)
WI_CK_NUMBER(uint, unsigned int)
WI_CK_NUMBER(64, uint64_t)
WI_CK_NUMBER(32, uint32_t)
WI_CK_NUMBER(16, uint16_t)
WI_CK_NUMBER(8, uint8_t)

/* Pointers: CK passes the address of any object pointer as void *. */

WI_CK void *
ck_pr_md_load_ptr(const void *at)
{
    return __atomic_load_n((void *const *)at, __ATOMIC_ACQUIRE);
}

WI_CK void
ck_pr_md_store_ptr(void *at, const void *value)
{
    __atomic_store_n((uintptr_t *)at, (uintptr_t)value, __ATOMIC_RELEASE);
}

WI_CK bool
ck_pr_cas_ptr_value(void *at, void *expected, void *wanted, void *ret_seen)
{
    bool done = __atomic_compare_exchange_n((void **)at, &expected, wanted, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST);
    *(void **)ret_seen = expected;
    return done;
}

WI_CK bool
ck_pr_cas_ptr(void *at, void *expected, void *wanted)
{
    return ck_pr_cas_ptr_value(at, expected, wanted, &(void *){NULL});
}

WI_CK uintptr_t
ck_pr_faa_ptr(void *at, uintptr_t with)
{
    return __atomic_fetch_add((uintptr_t *)at, with, __ATOMIC_SEQ_CST);
}

#define WI_CK_UPDATE_PTR(verb)                                                \
    WI_CK void ck_pr_##verb##_ptr(void *at, uintptr_t with)                   \
    {                                                                         \
        (void)__atomic_fetch_##verb((uintptr_t *)at, with, __ATOMIC_SEQ_CST); \
    }

WI_CK_UPDATE_PTR(add)
WI_CK_UPDATE_PTR(sub)
WI_CK_UPDATE_PTR(and)
WI_CK_UPDATE_PTR(or)
WI_CK_UPDATE_PTR(xor)

WI_CK void
ck_pr_inc_ptr(void *at)
{
    ck_pr_add_ptr(at, 1);
}

WI_CK void
ck_pr_dec_ptr(void *at)
{
    ck_pr_sub_ptr(at, 1);
}

#undef WI_CK_UPDATE_PTR
#undef WI_CK_NUMBER
#undef WI_CK_UPDATE
#undef WI_CK_FENCE

#endif /* WEIR_CK_TSAN_H */
