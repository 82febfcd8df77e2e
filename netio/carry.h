/* SPDX-License-Identifier: MIT */
#ifndef WI_CARRY_H
#define WI_CARRY_H

/**
 * @file
 * What an operation of a stream carries for one of a layer above, which has put framing around the
 * caller's bytes: whose they are, and whom to tell. The layer embeds it as the first member of a
 * record from mem/heap.h, sends the pieces as given memory, and the record goes when both the
 * completion and the release have been.
 */

#include "mem/heap.h"
#include "weir/write.h"

struct wi_carry {
    weir_done_fn *done;
    void *arg;
    weir_release_fn *release;
    void *release_arg;
    struct weir_chain chain;
    struct weir_shared *shared;
    unsigned refs; // by the completion, and by the release if there is one: both on one thread
};

static inline void
wi_carry_init(struct wi_carry *carry, const struct weir_write *request)
{
    *carry = (struct wi_carry){
        .done = request->done,
        .arg = request->arg,
        .release = request->flags & WEIR_GIVE ? request->release : NULL,
        .release_arg = request->release_arg,
        .refs = 1,
    };
}

/** One holder less; the last frees the record. */
static inline void
wi_carry_drop(struct wi_carry *carry)
{
    if (--carry->refs == 0) {
        wi_heap_free(carry);
    }
}

/** A release function: nothing refers to the bytes any more. */
static inline void
wi_carry_release(void *arg)
{
    struct wi_carry *carry = arg;

    weir_chain_return(&carry->chain);
    weir_shared_unref(carry->shared);
    if (carry->release != NULL) {
        carry->release(carry->release_arg);
    }
    wi_carry_drop(carry);
}

/** Make @p write one of given memory that @p carry holds; the caller's is only looked at. */
static inline void
wi_carry_take(struct wi_carry *carry, const struct weir_write *request, struct weir_write *write)
{
    write->flags |= WEIR_GIVE;
    write->release = wi_carry_release;
    write->release_arg = carry;
    carry->refs = 2;
    if (request->chain != NULL) {
        carry->chain = *request->chain;
    } else if (request->shared != NULL) {
        carry->shared = weir_shared_ref(request->shared);
    }
}

/** Behind a weir_write() of it: what was the caller's is gone, or is his again. @p carry may be
 *  gone unless the result is negative or 1, and then it goes here. */
static inline void
wi_carry_settle(struct wi_carry *carry, const struct weir_write *request, int result)
{
    if (result < 0) {
        weir_shared_unref(carry->shared);
        wi_heap_free(carry);
        return;
    }
    if (request->chain != NULL) {
        *request->chain = (struct weir_chain){NULL, NULL};
    }
    if (result == 1) { // done inside: no completion; the release, if any, has been
        wi_carry_drop(carry);
    }
}

#endif /* WI_CARRY_H */
