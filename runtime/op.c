/* SPDX-License-Identifier: MIT */

#include "runtime/op.h"

#include "mem/plant.h"
#include "runtime/loop.h"
#include "runtime/probe.h"
#include "runtime/runtime.h"
#include "runtime/token.h"

#include <errno.h>

// Owner thread. Make a segment of operations; the first one is the result, the rest are free.
static struct wi_op *
make_segment(struct wi_cache *cache)
{
    struct wi_slots *slots = &cache->loop->runtime->ops;
    uint32_t first;
    char *segment = wi_slots_grow(slots, &first);

    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = WI_OP_SEGMENT; i-- > 0;) {
        struct wi_op *op = (struct wi_op *)(void *)(segment + (size_t)i * WI_OP_SIZE);

        op->slot = first + i;
        op->home = cache;
        wi_store_relaxed(&op->word, UINT64_C(1) << 32);
        wi_op_put_back(cache, op);
    }
    wi_slots_publish(slots, first, segment);
    if (cache->is_lane) {
        wi_container_of(cache, struct wi_lane, cache)->made += WI_OP_SEGMENT;
    }
    return wi_op_take(cache);
}

struct wi_op *
wi_op_take_slow(struct wi_cache *cache)
{
    if (cache->is_lane) {
        struct wi_lane *lane = wi_container_of(cache, struct wi_lane, cache);

        // ORDER(homing) observe: pairs with give_back() in lane.c; the loop's last writes to an
        // operation come before the producer's first ones.
        cache->free = (struct wi_op *)wi_swap_acquire(&lane->returned, (uintptr_t)0);
    }
    return cache->free != NULL ? wi_op_take(cache) : make_segment(cache);
}

uint64_t
wi_op_handle(const struct wi_op *op)
{
    return wi_handle(WI_HANDLE_OP, op->home->loop->runtime->index, op->slot,
                     wi_op_generation(wi_load_relaxed(&op->word)));
}

struct wi_op *
wi_op_by_handle(uint64_t handle, struct wi_runtime **ret_runtime)
{
    *ret_runtime = wi_runtime_by_handle(handle, WI_HANDLE_OP);
    if (*ret_runtime == NULL) {
        return NULL;
    }
    return wi_slots_at(&(*ret_runtime)->ops, wi_handle_slot(handle));
}

// Any thread. Set bits in the word of a living operation, and link its node unless it is linked.
// The word as it was; its state says FREE when the handle is stale.
static uint64_t
mark_and_link(struct wi_op *op, uint64_t handle, uint64_t bits)
{
    uint64_t seen = wi_load_relaxed(&op->word);

    do {
        enum wi_op_state state = wi_op_state(seen);

        if (wi_op_generation(seen) != wi_handle_generation(handle) || state == WI_OP_DONE) {
            return 0;
        }
        if (state == WI_OP_FREE || (seen & bits) == bits) {
            return seen;
        }
        // ORDER(cancel) publish: pairs with the acquire in wi_op_claim() and wi_op_finish_named().
        // Observe: pairs with wi_op_popped(); the loop is done with a node that it took off.
    } while (!wi_cas_acq_rel(&op->word, &seen, seen | bits | WI_OP_LINKED));
    if (!(seen & WI_OP_LINKED)) {
        // The LINKED bit keeps the slot, and so its lane, until the loop has taken the node off:
        // from the push on neither is ours to look at.
        struct wi_loop *loop = op->home->loop;

        wi_stack_push(&loop->cancels, &op->node);
        if (!WI_PLANT(11)) {
            wi_loop_wake(loop);
        }
    }
    return seen;
}

int
wi_op_cancel(uint64_t handle)
{
    struct wi_runtime *runtime;
    struct wi_op *op = wi_op_by_handle(handle, &runtime);
    int answer = WEIR_CANCEL_PENDING; // also when another canceller was first
    uint64_t seen;

    if (op == NULL) {
        return wi_stale() == -ECHILD ? -ECHILD : WEIR_CANCEL_LATE;
    }
    seen = mark_and_link(op, handle, WI_OP_CANCEL);
    if (wi_op_state(seen) == WI_OP_FREE) {
        answer = WEIR_CANCEL_LATE;
    } else if ((wi_op_state(seen) == WI_OP_QUEUED || WI_PLANT(12)) && !(seen & WI_OP_CANCEL)) {
        answer = WEIR_CANCEL_WON;
    }
    wi_probe_cancel(handle, op, answer);
    return answer;
}

void
wi_op_popped(struct wi_loop *loop, struct wi_op *op)
{
    const struct wi_op_ops *ops;
    uint64_t word;

    if (op->flags & WI_OP_RELEASED) {
        op->flags &= ~(unsigned)WI_OP_WAITING;
        if (op->flags & WI_OP_GONE) {
            wi_op_recycle(loop, op);
        }
        return;
    }
    // ORDER(cancel) both ways: from here the node may be linked again; what was asked until now is
    // in the word.
    word = wi_and_acq_rel(&op->word, ~WI_OP_LINKED);
    if (!(op->flags & WI_OP_ARRIVED) || wi_op_state(word) == WI_OP_DONE) {
        return;
    }
    ops = wi_container_of(op->task.ops, const struct wi_op_ops, task);
    if (word & WI_OP_CANCEL) {
        ops->cancel(loop, op, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
    } else if (ops->awaited != NULL) {
        ops->awaited(loop, op);
    }
}

void
wi_op_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_op *op = wi_op_of_extra(wi_container_of(timer, struct wi_op_extra, timer));

    wi_op_cancel_local(loop, op, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
}

int
wi_op_arrive(struct wi_loop *loop, struct wi_op *op, uint64_t deadline_ns, uint64_t token)
{
    wi_assert_on_loop(loop);
    wi_count(&loop->counters.accepted, 1);
    op->flags |= WI_OP_ARRIVED;
    if (token != 0) {
        int status = wi_token_register(loop, op, token);

        if (status < 0) {
            return status;
        }
    }
    if (deadline_ns != WEIR_NEVER) {
        struct wi_op_extra *extra = wi_op_extra(op);

        extra->timer = (struct wi_timer){0};
        wi_wheel_arm(&loop->wheel, &extra->timer, WI_TIMER_OP,
                     WI_PLANT(6) ? deadline_ns - 5000000 : deadline_ns);
        op->flags |= WI_OP_TIMED;
    }
    // A cancel that came while it was in the lane: its node may have been taken off already.
    return wi_load_relaxed(&op->word) & WI_OP_CANCEL ? -ECANCELED : 0;
}

void
wi_op_unbind(struct wi_loop *loop, struct wi_op *op)
{
    if (op->flags & WI_OP_TIMED) {
        wi_wheel_disarm(&loop->wheel, &wi_op_extra(op)->timer);
    }
    if (op->flags & WI_OP_TOKENED) {
        wi_token_unregister(op);
    }
    op->flags &= ~(unsigned)(WI_OP_TIMED | WI_OP_TOKENED);
}

bool
wi_op_finish_named(struct wi_op *op)
{
    struct wi_loop *loop = wi_tls.loop;
    uint64_t word;

    wi_op_unbind(loop, op);
    // ORDER(cancel) observe: see wi_op_claim(); a cancel that was PENDING is seen here.
    word = wi_or_acq_rel(&op->word, WI_OP_DONE);
    if (!(word & WI_OP_CANCEL)) {
        return false;
    }
    if (wi_op_state(word) == WI_OP_QUEUED) { // never claimed: the canceller was answered WON
        wi_count(&loop->counters.cancels_won, 1);
    }
    return true;
}

void
wi_op_release(struct wi_loop *loop, struct wi_op *op)
{
    uint64_t word = wi_load_relaxed(&op->word);

    if (!(op->flags & WI_OP_QUIET)) {
        wi_count(&loop->counters.completed, 1);
    }
    op->flags |= WI_OP_RELEASED;
    if (word & WI_OP_LINKED) {
        op->flags |= WI_OP_WAITING; // the slot must not be used again before the node is off
    }
    // ORDER(done) publish: pairs with weir_op_is_busy(); whoever sees the operation gone sees what
    // its callback did.
    wi_store_release(&op->word, (uint64_t)(wi_op_generation(word) + 1) << 32);
}

void
wi_op_recycle(struct wi_loop *loop, struct wi_op *op)
{
    uint64_t word = wi_load_relaxed(&op->word);

    // Most operations: nobody had a handle, nobody can have linked the node.
    if (wi_likely(!(op->flags & (WI_OP_NAMED | WI_OP_RELEASED | WI_OP_QUIET)) &&
                  wi_op_generation(word) < WI_GENERATION_MAX - 1)) {
        wi_count(&loop->counters.completed, 1);
        wi_store_relaxed(&op->word, (uint64_t)(wi_op_generation(word) + 1) << 32);
        op->flags = 0;
        wi_op_send_home(loop, op);
        return;
    }
    if (!(op->flags & WI_OP_RELEASED)) {
        wi_op_release(loop, op);
    }
    op->flags |= WI_OP_GONE;
    if (op->flags & WI_OP_WAITING) {
        return; // wi_op_popped() sends it home
    }
    op->flags = 0;
    if (wi_likely(wi_op_generation(wi_load_relaxed(&op->word)) != WI_GENERATION_MAX)) {
        wi_op_send_home(loop, op);
    } // else: retired, for its next generation would be one that a stale handle may carry
}

int
weir_cancel(weir_op op)
{
    return wi_op_cancel(op.bits);
}

bool
weir_op_is_busy(weir_op handle)
{
    struct wi_runtime *runtime;
    struct wi_op *op = wi_op_by_handle(handle.bits, &runtime);
    uint64_t word;

    if (op == NULL) {
        return false;
    }
    // ORDER(done) observe: pairs with wi_op_recycle().
    word = wi_load_acquire(&op->word);
    return wi_op_generation(word) == wi_handle_generation(handle.bits) &&
           wi_op_state(word) != WI_OP_FREE;
}

static bool
op_is_over(const void *arg)
{
    return !weir_op_is_busy(*(const weir_op *)arg);
}

int
weir_op_wait(weir_op op, uint64_t deadline_ns)
{
    struct wi_runtime *runtime;
    struct wi_op *waited = wi_op_by_handle(op.bits, &runtime);

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    if (waited == NULL) {
        return 0;
    }
    mark_and_link(waited, op.bits, WI_OP_AWAITED);
    return wi_wait_until(runtime, op_is_over, &op, deadline_ns);
}
