/* SPDX-License-Identifier: MIT */

#include "mem/block.h"
#include "mem/plant.h"
#include "netio/net.h"
#include "netio/submit.h"
#include "runtime/credit.h"

#include <errno.h>

#define INLINE_PIECES 64u
#define NOT_INLINE    (WEIR_MORE | WEIR_FIN | WEIR_START | WEIR_PRIORITY | WEIR_ZEROCOPY)

static bool
may_be_inline(const struct wi_gate *gate, const struct weir_write *request, uint64_t size)
{
    return (request->flags & WEIR_INLINE_OK) && !(request->flags & NOT_INLINE) &&
           (wi_load_relaxed(&gate->options) & (WI_GATE_INLINE | WI_GATE_ACKED)) == WI_GATE_INLINE &&
           request->level == WEIR_SENT && size != 0 && request->file == NULL;
}

// Take the right: only from a stream at rest, where nothing is queued, in flight or corked (the
// loop holds the right while anything is).
static bool
take_right(struct wi_gate *gate, struct wi_write *write)
{
    uint64_t word = wi_load_relaxed(&gate->word);

    if (wi_gate_state(word) != WI_GATE_OPEN || wi_gate_right(word) != WI_RIGHT_NOBODY ||
        ((word & WI_GATE_INFLIGHTS) != 0 && !WI_PLANT(25))) {
        return false;
    }
    // ORDER(right) observe: what the last holder sent was sent before.
    if (!wi_cas_acq_rel(&gate->word, &word,
                        (word | wi_gate_right_bits(WI_RIGHT_SUBMITTER)) + WI_GATE_INFLIGHT +
                            WI_GATE_TICKET)) {
        return false; // somebody was faster: queue behind them
    }
    write->ticket |= wi_gate_ticket(word);
    return true;
}

// Give the right back. A loop that waits for it gets it at once, so that no later submitter passes
// what the loop holds. Then the operation, which carries nothing any more, goes down the lane to
// tell it, and so does the reason of a failure; it holds the slot until then. (The stream's control
// will not do: a submitter stopped before the push would keep the node from an abort.)
static void
give_right(struct wi_gate *gate, struct wi_write *write, int failure)
{
    uint64_t word = wi_load_relaxed(&gate->word);
    uint64_t after;

    do {
        after = (word & ~(WI_GATE_RIGHT | WI_GATE_WANTED)) |
                wi_gate_right_bits(word & WI_GATE_WANTED ? WI_RIGHT_LOOP : WI_RIGHT_NOBODY);
        // ORDER(right) publish: what we sent comes before what the next holder sends.
    } while (!wi_cas_acq_rel(&gate->word, &word, after));
    if ((word & WI_GATE_WANTED) || failure != 0) {
        write->flags |= WI_WRITE_HEAD;
        write->end = (uint64_t)-failure;
    } else {
        wi_gate_leave(gate);
    }
}

void
wi_submit_put_back(struct wi_lane *lane, struct wi_write *write)
{
    if (wi_unlikely(write->flags & WI_WRITE_HEAD)) {
        wi_op_open(&write->op, &wi_write_right_ops, false);
        wi_lane_send(lane, &write->op.task);
    } else {
        wi_op_put_back(&lane->cache, &write->op);
    }
}

static ssize_t
send_pieces(const struct wi_gate *gate, const struct wi_write *write)
{
    struct iovec iov[INLINE_PIECES];
    size_t count = 0;

    if (!(write->flags & (WI_WRITE_CHAIN | WI_WRITE_MANY))) {
        return wi_os_send(gate->fd, write->from.one.iov_base, write->from.one.iov_len);
    }
    if (write->flags & WI_WRITE_MANY) {
        return wi_os_send_vector(gate->fd, write->from.many.next,
                                 write->from.many.left < INLINE_PIECES ? write->from.many.left
                                                                       : INLINE_PIECES);
    }
    for (const struct weir_block *block = write->from.chain.head;
         block != NULL && count < INLINE_PIECES; block = block->next) {
        if (wi_block_size(block) != 0) {
            iov[count++] = (struct iovec){.iov_base = block->data + block->begin,
                                          .iov_len = wi_block_size(block)};
        }
    }
    return wi_os_send_vector(gate->fd, iov, count);
}

static int
spend(struct wi_lane *lane, struct wi_gate *gate, uint64_t size)
{
    return wi_credit_spend(gate->loop, &lane->credit, size);
}

static void
unspend(struct wi_lane *lane, const struct wi_gate *gate, uint64_t size)
{
    wi_credit_unspend(gate->loop, &lane->credit, size);
}

// Under a high mark the bytes count from before the send: what the kernel leaves of them is in the
// queue then, and another submit must not have filled it meanwhile.
static bool
counts_before(const struct wi_gate *gate)
{
    return wi_load_relaxed(&gate->high) != 0 && !WI_PLANT(26);
}

static int
count_queued(struct wi_gate *gate, uint64_t size)
{
    return counts_before(gate) ? wi_gate_queue(gate, size) : 0;
}

static void
uncount_queued(struct wi_gate *gate, uint64_t size)
{
    if (counts_before(gate)) {
        wi_gate_unqueue(gate, size);
    }
}

// What the kernel left goes down the lane as the head, and with it the right and our hold.
static int
leave_head(struct wi_gate *gate, struct wi_write *write, uint64_t sent, bool named)
{
    if (!counts_before(gate)) {
        wi_add_relaxed(&gate->queued, write->size);
    }
    if (wi_credit_is_limited(gate->loop->runtime)) {
        write->flags |= WI_WRITE_SPENT;
    }
    write->flags |= WI_WRITE_HEAD;
    if (sent == 0) {
        wi_op_open(&write->op, &wi_write_ops, named);
    } else {
        wi_write_advance(write, sent);
        wi_op_open_claimed(&write->op, &wi_write_ops, named);
    }
    return WI_SUBMIT_HEAD;
}

static int
finish_inline(struct wi_lane *lane, struct wi_gate *gate, struct wi_write *write, ssize_t sent,
              int failure)
{
    uint64_t size = write->size;

    if (sent > 0) {
        wi_count(&lane->inline_done, 1);
    }
    unspend(lane, gate, size);
    give_right(gate, write, failure);
    return sent > 0 ? 1 : (int)sent;
}

// The send took the socket's error away, so that nothing else will tell the loop of it.
static int
fail_inline(struct wi_lane *lane, struct wi_gate *gate, struct wi_write *write, int status)
{
    bool swallows = wi_gate_has(gate, WI_GATE_SWALLOW);
    int16_t good = 0;

    wi_cas_relaxed(&gate->status, &good, (int16_t)status);
    status = finish_inline(lane, gate, write, status, status);
    return swallows ? 1 : status;
}

int
wi_submit_inline(struct wi_lane *lane, struct wi_gate *gate, const struct weir_write *request,
                 uint64_t handle, struct wi_write *write, bool named)
{
    ssize_t sent;
    int result;

    if (wi_likely(!may_be_inline(gate, request, write->size))) {
        return 0;
    }
    result = spend(lane, gate, write->size);
    if (result < 0) {
        return result;
    }
    if (!take_right(gate, write)) {
        unspend(lane, gate, write->size);
        return 0;
    }
    if (wi_load_acquire(&gate->handle) != handle) {
        return finish_inline(lane, gate, write, -WEIR_ESTALE, 0);
    }
    result = count_queued(gate, write->size);
    if (result < 0) {
        return finish_inline(lane, gate, write, result, 0);
    }
    sent = send_pieces(gate, write);
    wi_probe_send(gate->fd, write->size, sent);
    wi_count(&lane->inline_sends, 1);
    if (sent > 0) {
        wi_count(&lane->inline_bytes, (uint64_t)sent);
        wi_count(&wi_stream_of(gate)->sent, (uint64_t)sent);
    }
    if (sent < 0 && sent != -EAGAIN) {
        uncount_queued(gate, write->size);
        return fail_inline(lane, gate, write, (int)sent);
    }
    // A part, even where it is enough, goes to the loop: only a completion can say how much it was.
    if (sent == (ssize_t)write->size || (sent < 0 && (request->flags & WEIR_NOWAIT))) {
        uncount_queued(gate, write->size);
        return finish_inline(lane, gate, write, sent, 0);
    }
    return leave_head(gate, write, sent > 0 ? (uint64_t)sent : 0, named);
}
