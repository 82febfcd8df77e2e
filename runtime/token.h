/* SPDX-License-Identifier: MIT */
#ifndef WI_TOKEN_H
#define WI_TOKEN_H

/**
 * @file
 * Cancel tokens: a sticky word, a chain of parents, and a record per loop, reserved at creation, of
 * the operations and streams there that carry the token. Registration is the loop's own business
 * and costs no atomic operation; firing pushes each loop's record onto its control stack.
 *
 *      word: generation << 32 | references << 8 | bits
 *
 *      LIVE ──fire──► LIVE|CLAIMED ──reason stored──► LIVE|CLAIMED|FIRED     (sticky)
 *        └──free──► the generation moves on, every loop's record is detached; the slot is used
 *                   again when the last reference is gone: loops, children, calls in progress,
 *                   records that are on a control stack
 */

#include "mem/atomic.h"
#include "runtime/control.h"
#include "runtime/op.h"
#include "weir/token.h"

struct wi_token;
struct wi_loop;

/** What a stream embeds to be aborted by a token. */
struct wi_token_bond {
    struct wi_token_bond *next;
    struct wi_token_bond **link; // NULL: not bound
    /** Loop thread. The token fired. */
    void (*fired)(struct wi_loop *loop, struct wi_token_bond *bond, int reason, uint64_t code);
};

struct wi_token_record {
    struct wi_control control;
    wi_atomic_u32 pending; // why the control was pushed
    struct wi_token *token;
    // Loop thread.
    struct wi_op_extra *ops;
    struct wi_token_bond *bonds;
    struct wi_token_record *children; // of child tokens with something on this loop
    struct wi_token_record *next;
    struct wi_token_record **link; // NULL: not among the parent's children
    bool detached;                 // its token was freed; here only for its children
};

struct wi_token {
    wi_atomic_u64 word;
    wi_atomic_u32 reason; // negated errno, valid once FIRED
    uint32_t slot;
    wi_atomic_u64 code;
    wi_atomic_ptr parent; // struct wi_token, which a reference keeps; atomic for stale readers
    struct wi_runtime *runtime;
    wi_atomic_u32 next_free;
    struct wi_token_record *records; // by loop index
    unsigned depth;
};

#define WI_TOKEN_SEGMENT 64u

/** Any thread. Wait-free. 0, the reason it or an ancestor fired with, or -WEIR_ESTALE. */
int wi_token_status(struct wi_runtime *runtime, uint64_t handle);

/** Any thread. The code of whoever fired in the chain; 0: none. */
uint64_t wi_token_code(struct wi_runtime *runtime, uint64_t handle);

/** Loop thread. 0; the reason, if it has fired by now; a token freed meanwhile counts as none. */
int wi_token_register(struct wi_loop *loop, struct wi_op *op, uint64_t handle);

/** Loop thread. */
void wi_token_unregister(struct wi_op *op);

/** Loop thread. Bind; a fired token calls bond->fired at once. A stale one binds nothing. */
void wi_token_bind(struct wi_loop *loop, struct wi_token_bond *bond, uint64_t handle);

/** Loop thread. Legal when not bound. */
void wi_token_unbind(struct wi_token_bond *bond);

/** Stop only. Free what tokens that live still hold. */
void wi_tokens_fini(struct wi_runtime *runtime);

#endif /* WI_TOKEN_H */
