/* SPDX-License-Identifier: MIT */

#include "netio/gate.h"

#include "netio/stream.h"

#include <errno.h>

struct wi_gate *
wi_gate_hold(uint64_t handle)
{
    struct wi_gate *gate = wi_gate_find(handle);

    if (gate == NULL) {
        return NULL;
    }
    // ORDER(gate) both ways: from here the slot stays; the second look at the handle sees whether
    // it was freed in between. Pairs with wi_stream_free(), which moves the handle before it looks
    // at the count for the last time.
    wi_add_acq_rel(&gate->word, WI_GATE_INFLIGHT);
    if (wi_load_acquire(&gate->handle) != handle) {
        wi_gate_leave(gate);
        return NULL;
    }
    return gate;
}

void
wi_gate_leave(struct wi_gate *gate)
{
    // ORDER(gate) publish: what was done while holding comes before the loop frees the slot.
    uint64_t before = wi_sub_acq_rel(&gate->word, WI_GATE_INFLIGHT);

    if ((before & WI_GATE_INFLIGHTS) == WI_GATE_INFLIGHT && (before & WI_GATE_AWAITED)) {
        wi_gate_ask(gate, WI_ASK_SETTLE); // the loop waits for exactly this
    }
}

void
wi_gate_ask(struct wi_gate *gate, uint32_t what)
{
    // ORDER(ask) publish: what the request carries is seen by wi_stream_asked(). The first bit
    // pushes the node; the loop takes the node off before it clears the bits.
    if (wi_or_acq_rel(&gate->asked, what) == 0) {
        wi_loop_control(gate->loop, &wi_stream_of(gate)->control);
    }
}

void
wi_gate_ask_instead(struct wi_gate *gate, uint32_t what, uint32_t instead_of)
{
    uint32_t asked = wi_load_relaxed(&gate->asked);

    // ORDER(ask) publish: as wi_gate_ask().
    while (!wi_cas_acq_rel(&gate->asked, &asked, (asked & ~instead_of) | what)) {
    }
    if (asked == 0) {
        wi_loop_control(gate->loop, &wi_stream_of(gate)->control);
    }
}

uint64_t
wi_gate_move(struct wi_gate *gate, enum wi_gate_state to)
{
    uint64_t word = wi_load_relaxed(&gate->word);

    do {
        if (wi_gate_state(word) >= to) {
            return word;
        }
        // ORDER(gate) publish: the reason is stored before the first call can be refused with it.
    } while (!wi_cas_acq_rel(&gate->word, &word, (word & ~WI_GATE_STATE) | to));
    return word;
}

bool
wi_gate_note_high(struct wi_gate *gate)
{
    // ORDER(high), submitter half: set the bit, fence, look at the queue; the loop does so in
    // wi_stream_tell_writable().
    // (An ask will not do: a submitter stopped before the push would keep the node from an abort.)
    wi_or_acq_rel(&gate->word, WI_GATE_HIGH);
    wi_fence_full();
    return wi_gate_queued(gate) != 0;
}

bool
wi_gate_reopen(struct wi_gate *gate, enum wi_gate_state from)
{
    uint64_t word = wi_load_relaxed(&gate->word);

    do {
        if (wi_gate_state(word) != from) {
            return false;
        }
    } while (!wi_cas_acq_rel(&gate->word, &word, (word & ~WI_GATE_STATE) | WI_GATE_OPEN));
    return true;
}

int
wi_gate_refusal(const struct wi_gate *gate, uint64_t word)
{
    int status = wi_load_relaxed(&gate->status);

    switch (wi_gate_state(word)) {
    case WI_GATE_OPEN:
        return 0;
    case WI_GATE_TORN:
        return -WEIR_ETORN;
    case WI_GATE_ENDED:
        return -WEIR_EENDED;
    case WI_GATE_DRAINING:
    case WI_GATE_OVER:
        return status != 0 && status != -ECONNABORTED ? status : -WEIR_EENDED;
    case WI_GATE_CLOSED:
    default:
        return -WEIR_ESTALE;
    }
}

static bool
settle_quiet(struct wi_gate *gate, uint64_t clear, uint64_t set)
{
    uint64_t word = wi_load_relaxed(&gate->word);
    uint64_t after;
    bool quiet;

    do {
        quiet = (word & WI_GATE_INFLIGHTS) == 0;
        after = quiet ? (word & ~(clear | WI_GATE_AWAITED)) | set : word | WI_GATE_AWAITED;
        // ORDER(gate) observe: what was done while holding is seen once nobody holds.
    } while (!wi_cas_acq_rel(&gate->word, &word, after));
    return quiet;
}

bool
wi_gate_is_quiet(struct wi_gate *gate, uint64_t clear)
{
    return settle_quiet(gate, clear, 0);
}

bool
wi_gate_finish(struct wi_gate *gate)
{
    return settle_quiet(gate, WI_GATE_STATE, WI_GATE_OVER);
}

enum wi_gate_take
wi_gate_take_right(struct wi_gate *gate)
{
    // ORDER(right) observe: pairs with a submitter that left the right to the loop; its head is in
    // the lane.
    uint64_t word = wi_load_acquire(&gate->word);

    for (;;) {
        uint64_t wanted;

        if (wi_gate_right(word) == WI_RIGHT_LOOP) {
            return WI_TAKE_HANDED;
        }
        wanted = word | (wi_gate_right(word) == WI_RIGHT_NOBODY ? wi_gate_right_bits(WI_RIGHT_LOOP)
                                                                : WI_GATE_WANTED);
        // ORDER(right) observe: what the last holder sent was sent before.
        if (wi_cas_acq_rel(&gate->word, &word, wanted)) {
            return wi_gate_right(wanted) == WI_RIGHT_LOOP ? WI_TAKE_FREE : WI_TAKE_NO;
        }
    }
}

void
wi_gate_drop_right(struct wi_gate *gate)
{
    // ORDER(right) publish: what the loop sent comes before what the next submitter sends.
    wi_and_acq_rel(&gate->word, ~(WI_GATE_RIGHT | WI_GATE_WANTED));
}

bool
wi_gate_queue_below_high(struct wi_gate *gate, uint64_t size)
{
    uint64_t before = wi_load_relaxed(&gate->queued);

    do {
        int64_t queued = (int64_t)(before - wi_load_relaxed(&gate->finished));

        if (wi_gate_is_over(gate, queued > 0 ? (uint64_t)queued : 0, size)) {
            return false;
        }
    } while (!wi_cas_relaxed(&gate->queued, &before, before + size));
    return true;
}

int
wi_gate_queue(struct wi_gate *gate, uint64_t size)
{
    if (wi_likely(wi_load_relaxed(&gate->high) == 0)) {
        wi_add_relaxed(&gate->queued, size);
        return 0;
    }
    while (!wi_gate_queue_below_high(gate, size)) {
        if (wi_gate_note_high(gate)) {
            return -WEIR_ESTREAMFULL;
        }
    }
    return 0;
}

void
wi_gate_unqueue(struct wi_gate *gate, uint64_t size)
{
    wi_sub_relaxed(&gate->queued, size);
    // ORDER(high), loop half: the queue first, then the bit.
    wi_fence_full();
    if ((wi_load_relaxed(&gate->word) & WI_GATE_HIGH) || wi_gate_has(gate, WI_GATE_REST)) {
        wi_gate_ask(gate, WI_ASK_SETTLE);
    }
}
