/* SPDX-License-Identifier: MIT */

#include "runtime/token.h"

#include "mem/heap.h"
#include "runtime/loop.h"
#include "runtime/runtime.h"

#include <errno.h>

#define TOKEN_LIVE             UINT64_C(1)
#define TOKEN_CLAIMED          UINT64_C(2) // somebody is firing it
#define TOKEN_FIRED            UINT64_C(4) // reason and code are there
#define TOKEN_REFERENCE        UINT64_C(256)
#define TOKEN_REFERENCES(word) (((word) >> 8) & UINT64_C(0xffffff))

#define PENDING_FIRE   1u
#define PENDING_DETACH 2u

static uint32_t
generation_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static bool
names(uint64_t word, uint64_t handle)
{
    return generation_of(word) == wi_handle_generation(handle) && (word & TOKEN_LIVE);
}

static struct wi_token *
token_at(struct wi_runtime *runtime, uint64_t handle)
{
    return wi_slots_at(&runtime->tokens, wi_handle_slot(handle));
}

// Any thread. Hold the token while using it; NULL: the handle is stale. Lock-free.
static struct wi_token *
acquire(struct wi_runtime *runtime, uint64_t handle)
{
    struct wi_token *token = token_at(runtime, handle);
    uint64_t word;

    if (token == NULL) {
        return NULL;
    }
    word = wi_load_relaxed(&token->word);
    do {
        if (!names(word, handle)) {
            return NULL;
        }
        // ORDER(token) observe: pairs with the release in weir_token_create(); the fields are set.
    } while (!wi_cas_acquire(&token->word, &word, word + TOKEN_REFERENCE));
    return token;
}

// Any thread. The last reference of a freed token gives its slot back, and its parent's reference.
static void
release(struct wi_token *token)
{
    while (token != NULL) {
        struct wi_token *parent = (struct wi_token *)wi_load_relaxed(&token->parent);
        // ORDER(token) both ways: the last holder sees everything the others did before.
        uint64_t word = wi_sub_acq_rel(&token->word, TOKEN_REFERENCE);

        if (TOKEN_REFERENCES(word) != 1) {
            return;
        }
        wi_heap_free(token->records);
        token->records = NULL;
        if (generation_of(word) != WI_GENERATION_MAX) {
            wi_free_put(&token->runtime->tokens, &token->runtime->free_tokens, token->slot);
        }
        token = parent;
    }
}

static int
fired_reason(const struct wi_token *token)
{
    // ORDER(fire) observe: pairs with weir_token_fire(); reason and code are there.
    if (!(wi_load_acquire(&token->word) & TOKEN_FIRED)) {
        return 0;
    }
    // ORDER(token) observe: no later look at the handle may come before this; see
    // wi_token_status().
    return -(int)wi_load_acquire(&token->reason);
}

// The nearest of the token and its ancestors that has fired; NULL: none.
static const struct wi_token *
chain_fired(const struct wi_token *token)
{
    for (int depth = 0; token != NULL && depth <= WEIR_TOKEN_DEPTH_MAX; depth++) {
        if (fired_reason(token) != 0) {
            return token;
        }
        // ORDER(token) observe: as in fired_reason().
        token = (const struct wi_token *)wi_load_acquire(&token->parent);
    }
    return NULL;
}

static int
chain_reason(const struct wi_token *token)
{
    const struct wi_token *fired = chain_fired(token);

    return fired == NULL ? 0 : fired_reason(fired);
}

uint64_t
wi_token_code(struct wi_runtime *runtime, uint64_t handle)
{
    const struct wi_token *fired = chain_fired(token_at(runtime, handle));

    return fired == NULL ? 0 : wi_load_relaxed(&fired->code);
}

int
wi_token_status(struct wi_runtime *runtime, uint64_t handle)
{
    struct wi_token *token = token_at(runtime, handle);
    int reason;

    if (wi_handle_kind(handle) != WI_HANDLE_TOKEN || token == NULL ||
        !names(wi_load_acquire(&token->word), handle)) {
        return -WEIR_ESTALE;
    }
    reason = chain_reason(token);
    // The slot may have been freed and used again while its chain was read: then the answer is not
    // about this handle. Slots are type-stable, so nothing worse can have happened.
    return names(wi_load_acquire(&token->word), handle) ? reason : -WEIR_ESTALE;
}

/* ---- the loop's side ---- */

static void
list_op(struct wi_token_record *record, struct wi_op *op)
{
    struct wi_op_extra *extra = wi_op_extra(op);

    extra->record = record;
    extra->token_next = record->ops != NULL ? wi_op_of_extra(record->ops) : NULL;
    extra->token_link = NULL;
    if (record->ops != NULL) {
        record->ops->token_link = &extra->token_next;
    }
    record->ops = extra;
    op->flags |= WI_OP_TOKENED;
}

void
wi_token_unregister(struct wi_op *op)
{
    struct wi_op_extra *extra = wi_op_extra(op);

    if (extra->token_next != NULL) {
        wi_op_extra(extra->token_next)->token_link = extra->token_link;
    }
    if (extra->token_link != NULL) {
        *extra->token_link = extra->token_next;
    } else {
        extra->record->ops = extra->token_next != NULL ? wi_op_extra(extra->token_next) : NULL;
    }
    op->flags &= ~(unsigned)WI_OP_TOKENED;
}

// Loop thread. Let the ancestors' records on this loop lead to this one.
static void
link_to_parents(struct wi_loop *loop, struct wi_token_record *record)
{
    struct wi_token *parent = (struct wi_token *)wi_load_relaxed(&record->token->parent);

    while (parent != NULL && record->link == NULL) {
        struct wi_token_record *above = &parent->records[loop->index];

        record->next = above->children;
        record->link = &above->children;
        if (record->next != NULL) {
            record->next->link = &record->next;
        }
        above->children = record;
        record = above;
        parent = (struct wi_token *)wi_load_relaxed(&parent->parent);
    }
}

static void
unlink_from_parent(struct wi_token_record *record)
{
    if (record->link != NULL) {
        *record->link = record->next;
        if (record->next != NULL) {
            record->next->link = record->link;
        }
        record->link = NULL;
    }
}

// Loop thread. The token's record here, if the handle is not stale. It stays valid until this loop
// has run the control that detaches it, so during this turn at least.
static struct wi_token_record *
record_of(struct wi_loop *loop, uint64_t handle)
{
    struct wi_token *token = token_at(loop->runtime, handle);

    // ORDER(token) observe: as in acquire().
    if (token == NULL || !names(wi_load_acquire(&token->word), handle)) {
        return NULL;
    }
    return &token->records[loop->index];
}

int
wi_token_register(struct wi_loop *loop, struct wi_op *op, uint64_t handle)
{
    struct wi_token_record *record = record_of(loop, handle);

    if (record == NULL) {
        return 0;
    }
    link_to_parents(loop, record);
    list_op(record, op);
    // Look again: a fire whose control ran here before the operation was listed has not seen it.
    return chain_reason(record->token);
}

void
wi_token_bind(struct wi_loop *loop, struct wi_token_bond *bond, uint64_t handle)
{
    struct wi_token_record *record = record_of(loop, handle);
    const struct wi_token *fired;

    if (record == NULL) {
        return;
    }
    link_to_parents(loop, record);
    bond->next = record->bonds;
    bond->link = &record->bonds;
    if (bond->next != NULL) {
        bond->next->link = &bond->next;
    }
    record->bonds = bond;
    fired = chain_fired(record->token);
    if (fired != NULL) {
        wi_token_unbind(bond);
        bond->fired(loop, bond, fired_reason(fired), wi_load_relaxed(&fired->code));
    }
}

void
wi_token_unbind(struct wi_token_bond *bond)
{
    if (bond->link != NULL) {
        *bond->link = bond->next;
        if (bond->next != NULL) {
            bond->next->link = bond->link;
        }
        bond->link = NULL;
    }
}

// Loop thread. Everything that carries this token or a descendant. Each is taken off its list
// before it is told, so that what goes on in spite of it is told once.
static void
fire_record(struct wi_loop *loop, struct wi_token_record *record, int reason, uint64_t code)
{
    while (record->ops != NULL) {
        struct wi_op *op = wi_op_of_extra(record->ops);

        wi_token_unregister(op);
        wi_op_cancel_local(loop, op, reason, WEIR_ORIGIN_LOCAL_CANCEL);
    }
    while (record->bonds != NULL) {
        struct wi_token_bond *bond = record->bonds;

        wi_token_unbind(bond);
        bond->fired(loop, bond, reason, code);
    }
}

// Depth first, without recursion: at most WEIR_TOKEN_DEPTH_MAX deep, any number wide.
static void
fire_tree(struct wi_loop *loop, struct wi_token_record *top, int reason, uint64_t code)
{
    struct wi_token_record *record = top;

    for (;;) {
        fire_record(loop, record, reason, code);
        if (record->children != NULL) {
            record = record->children;
            continue;
        }
        while (record != top && record->next == NULL) {
            record =
                &((struct wi_token *)wi_load_relaxed(&record->token->parent))->records[loop->index];
        }
        if (record == top) {
            return;
        }
        record = record->next;
    }
}

// Loop thread. The token was freed. Its record stays linked while it leads to a child's, and goes
// with the last of them: memory of a record outlives every link to it, for a child's reference ends
// later.
static void
detach(struct wi_loop *loop, struct wi_token_record *record)
{
    while (record->ops != NULL) {
        wi_token_unregister(wi_op_of_extra(record->ops));
    }
    while (record->bonds != NULL) {
        wi_token_unbind(record->bonds);
    }
    record->detached = true;
    while (record->detached && record->children == NULL && record->link != NULL) {
        unlink_from_parent(record);
        record =
            &((struct wi_token *)wi_load_relaxed(&record->token->parent))->records[loop->index];
    }
}

static void
record_run(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_token_record *record = wi_container_of(control, struct wi_token_record, control);
    struct wi_token *token = record->token;
    uint32_t pending = wi_swap_acq_rel(&record->pending, 0); // ORDER(pending): see tell_loops()

    if (pending & PENDING_FIRE) {
        fire_tree(loop, record, fired_reason(token), wi_load_relaxed(&token->code));
    }
    if (pending & PENDING_DETACH) {
        detach(loop, record);
        release(token);
    }
    release(token); // the push's
}

// Any thread that holds the token. Every loop looks at its record. A record on a control stack
// holds the token too: a free that overtakes this fire may take every other reference away.
static void
tell_loops(struct wi_token *token, uint32_t what)
{
    for (unsigned i = 0; i < token->runtime->loop_count; i++) {
        struct wi_token_record *record = &token->records[i];

        // ORDER(pending) both ways: who sets the first bit pushes the node; record_run() takes the
        // bits after the node came off the stack, and sees what was done before each was set.
        if (wi_or_acq_rel(&record->pending, what) == 0) {
            wi_add_relaxed(&token->word, TOKEN_REFERENCE);
            wi_loop_control(&token->runtime->loops[i], &record->control);
        }
    }
}

/* ---- making one ---- */

// Any thread. A free slot, or one of a fresh segment.
static struct wi_token *
take_slot(struct wi_runtime *runtime)
{
    uint32_t first = wi_free_take(&runtime->tokens, &runtime->free_tokens);
    struct wi_token *segment;

    if (first != WI_SLOT_NONE) {
        return wi_slots_at(&runtime->tokens, first);
    }
    segment = wi_slots_grow(&runtime->tokens, &first);
    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < WI_TOKEN_SEGMENT; i++) {
        segment[i].slot = first + i;
        segment[i].runtime = runtime;
        wi_store_relaxed(&segment[i].word, UINT64_C(1) << 32);
    }
    wi_slots_publish(&runtime->tokens, first, segment);
    for (uint32_t i = 1; i < WI_TOKEN_SEGMENT; i++) {
        wi_free_put(&runtime->tokens, &runtime->free_tokens, first + i);
    }
    return segment;
}

static int
set_up(struct wi_token *token, struct wi_token *parent)
{
    unsigned loops = token->runtime->loop_count;
    uint64_t generation = wi_load_relaxed(&token->word) >> 32;

    token->records = wi_heap_zalloc(loops * sizeof(token->records[0]));
    if (token->records == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < loops; i++) {
        token->records[i].token = token;
        token->records[i].control.run = record_run;
    }
    token->depth = parent == NULL ? 0 : parent->depth + 1;
    wi_store_relaxed(&token->parent, (uintptr_t)parent);
    wi_store_relaxed(&token->reason, 0);
    wi_store_relaxed(&token->code, 0);
    // ORDER(token) publish: pairs with acquire(). One reference per loop, given back as each of
    // them detaches its record.
    wi_store_release(&token->word, generation << 32 | loops * TOKEN_REFERENCE | TOKEN_LIVE);
    return 0;
}

static int
take_parent(struct wi_runtime *runtime, weir_token handle, struct wi_token **ret_parent)
{
    *ret_parent = NULL;
    if (handle.bits == 0) {
        return 0;
    }
    if (wi_handle_kind(handle.bits) != WI_HANDLE_TOKEN ||
        wi_handle_runtime(handle.bits) != runtime->index) {
        return -EINVAL;
    }
    *ret_parent = acquire(runtime, handle.bits);
    if (*ret_parent == NULL) {
        return -WEIR_ESTALE;
    }
    if ((*ret_parent)->depth == WEIR_TOKEN_DEPTH_MAX) {
        release(*ret_parent);
        return -ELOOP;
    }
    return 0;
}

int
weir_token_create(struct weir_runtime *public, weir_token parent_handle, weir_token *ret_token)
{
    struct wi_runtime *runtime = wi_runtime_of(public);
    struct wi_token *parent;
    struct wi_token *token;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || ret_token == NULL) {
        return -EINVAL;
    }
    if (wi_runtime_is_stopping(runtime)) {
        return -WEIR_EENDED;
    }
    result = take_parent(runtime, parent_handle, &parent);
    if (result < 0) {
        return result;
    }
    token = take_slot(runtime);
    if (token == NULL || set_up(token, parent) < 0) {
        if (token != NULL) {
            wi_free_put(&runtime->tokens, &runtime->free_tokens, token->slot);
        }
        release(parent);
        return -ENOMEM;
    }
    ret_token->bits = wi_handle(WI_HANDLE_TOKEN, runtime->index, token->slot,
                                generation_of(wi_load_relaxed(&token->word)));
    return 0;
}

int
weir_token_fire(weir_token handle, int reason, uint64_t code)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_TOKEN);
    struct wi_token *token = runtime == NULL ? NULL : acquire(runtime, handle.bits);
    int result = 0;

    if (token == NULL) {
        return wi_stale();
    }
    if (reason > 0 || reason < -4095 || code > WEIR_CODE_MAX) {
        result = -EINVAL;
    } else if (wi_or_acq_rel(&token->word, TOKEN_CLAIMED) & TOKEN_CLAIMED) {
        result = -EALREADY;
    } else {
        wi_store_relaxed(&token->reason, reason == 0 ? ECANCELED : (uint32_t)-reason);
        wi_store_relaxed(&token->code, code);
        // ORDER(fire) publish: pairs with fired_reason().
        wi_or_acq_rel(&token->word, TOKEN_FIRED);
        tell_loops(token, PENDING_FIRE);
    }
    release(token);
    return result;
}

int
weir_token_status(weir_token handle)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_TOKEN);

    return runtime == NULL ? wi_stale() : wi_token_status(runtime, handle.bits);
}

int
weir_token_free(weir_token handle)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_TOKEN);
    struct wi_token *token = runtime == NULL ? NULL : acquire(runtime, handle.bits);
    uint64_t word;

    if (token == NULL) {
        return wi_stale();
    }
    word = wi_load_relaxed(&token->word);
    do {
        if (!names(word, handle.bits)) { // two frees at once: one wins
            release(token);
            return -WEIR_ESTALE;
        }
        // The generation moves on, the references and whether it had fired stay: children ask.
    } while (
        !wi_cas_acq_rel(&token->word, &word,
                        (word & ~TOKEN_LIVE & UINT64_C(0xffffffff)) | ((word >> 32) + 1) << 32));
    tell_loops(token, PENDING_DETACH);
    release(token);
    return 0;
}

void
wi_tokens_fini(struct wi_runtime *runtime)
{
    struct wi_token *token;

    if (runtime->tokens.directory == NULL) {
        return;
    }
    for (uint32_t slot = 0; (token = wi_slots_at(&runtime->tokens, slot)) != NULL; slot++) {
        wi_heap_free(token->records);
        token->records = NULL;
    }
}
