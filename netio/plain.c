/* SPDX-License-Identifier: MIT */

// The public write, and the short ways to it: what most writes ask for, by the fewest steps. They
// end in the same queues and lanes as wi_submit(), which has all the others.

#include "netio/plain.h"

#include "netio/request.h"
#include "netio/submit.h"
#include "runtime/credit.h"
#include "runtime/thread.h"

#include <errno.h>
#include <string.h>

/* ---- from a callback of the stream's own ---- */

// An operation for a plain write of @p size, and the bytes count. NULL: not for here, nothing has
// been done. A stream with a high mark asks once more.
WI_INLINE struct wi_write *
take_plain(struct wi_gate *gate, uint64_t size, bool is_limited)
{
    struct wi_op *op = gate->loop->cache.free;

    if (wi_unlikely(
            (wi_stream_of(gate)->flags & (WI_S_PLAIN | WI_S_RIGHT | WI_S_FOREIGN | WI_S_CORKED)) !=
                (WI_S_PLAIN | WI_S_RIGHT) ||
            (wi_load_acquire(&gate->word) & (WI_GATE_STATE | WI_GATE_INFLIGHTS)) != WI_GATE_OPEN ||
            size - 1 >= WI_NET_SEND_MAX || op == NULL ||
            wi_write_is_sampled(gate->loop, wi_load_relaxed(&gate->loop->counters.accepted)))) {
        return NULL;
    }
    if (!is_limited) {
        if (wi_unlikely(wi_load_relaxed(&gate->high) != 0)) {
            return NULL;
        }
        wi_stream_count_queued(wi_stream_of(gate), size);
    } else if (!wi_gate_queue_below_high(gate, size)) {
        return NULL;
    }
    gate->loop->cache.free = (struct wi_op *)(void *)op->task.next;
    return wi_write_of(op);
}

// It ends in the same queue as any other write, by fewer steps. It never was in a lane, so it needs
// no ops until it has ended.
WI_INLINE void
queue_plain(struct wi_gate *gate, struct wi_write *write, uint32_t marks, uint64_t size,
            weir_done_fn *done, void *arg)
{
    struct wi_stream *stream = wi_stream_of(gate);

    write->flags = WI_WRITE_PLAIN | marks;
    write->ticket = 0;
    write->op.owner = 0;
    write->gate = gate;
    write->size = size;
    write->done = done;
    write->arg = arg;
    wi_probe_submit(&write->op, gate, size);
    wi_count(&gate->loop->counters.accepted, 1);
    wi_sendq_append(&stream->queue, write);
    wi_stream_needs_work(gate->loop, stream);
}

WI_INLINE bool
submit_chain_plain(struct wi_gate *gate, struct weir_chain *chain, weir_done_fn *done, void *arg,
                   bool is_limited)
{
    struct weir_block *block = chain->head;
    struct wi_write *write;
    uint64_t size;

    if (wi_unlikely(block == NULL || block != chain->tail || block->magic != WI_BLOCK_LEASED)) {
        return false;
    }
    size = wi_block_size(block);
    write = take_plain(gate, size, is_limited);
    if (wi_unlikely(write == NULL)) {
        return false;
    }
    write->from.chain = (struct weir_chain){.head = block, .tail = block};
    *chain = (struct weir_chain){0};
    queue_plain(gate, write, WI_WRITE_CHAIN, size, done, arg);
    return true;
}

WI_INLINE bool
submit_bytes_plain(struct wi_gate *gate, const struct iovec *bytes, weir_done_fn *done, void *arg,
                   bool is_limited)
{
    struct wi_write *write;

    if (wi_unlikely(bytes == NULL || bytes->iov_base == NULL)) {
        return false;
    }
    write = take_plain(gate, bytes->iov_len, is_limited);
    if (wi_unlikely(write == NULL)) {
        return false;
    }
    write->from.one = *bytes;
    queue_plain(gate, write, 0, bytes->iov_len, done, arg);
    return true;
}

WI_INLINE bool
submit_plain(struct wi_gate *gate, const struct weir_write *request, bool is_limited)
{
    if (wi_unlikely(!wi_request_is_plain(request) || request->shared != NULL)) {
        return false;
    }
    if (request->chain != NULL) {
        return request->iov_count == 0 &&
               submit_chain_plain(gate, request->chain, request->done, request->arg, is_limited);
    }
    return request->iov_count == 1 &&
           submit_bytes_plain(gate, request->iov, request->done, request->arg, is_limited);
}

static __attribute__((noinline)) bool
submit_limited(struct wi_gate *gate, const struct weir_write *request)
{
    return submit_plain(gate, request, true);
}

/* ---- from any other thread ---- */

// Plain bytes in one piece onto an open stream without limits, over a lane that is there. 0; 1: not
// for here, nothing has been done.
WI_INLINE int
submit_foreign_plain(struct wi_gate *gate, uint64_t handle, const struct weir_write *request)
{
    struct wi_loop *loop = gate->loop;
    struct wi_lane *lane;
    struct wi_write *write;
    uint64_t word;
    size_t size;

    if (wi_tls.serial != loop->runtime->serial || request->chain != NULL ||
        request->shared != NULL || request->iov_count != 1 || request->iov == NULL ||
        gate->high != 0 || wi_credit_is_limited(loop->runtime)) {
        return 1;
    }
    lane = wi_tls.lanes[loop->index];
    size = request->iov->iov_len;
    if (lane == NULL || lane->cache.free == NULL || request->iov->iov_base == NULL || size == 0 ||
        size > WI_NET_SEND_MAX || wi_ring_room(lane->put) == 0 ||
        wi_write_is_sampled(loop, wi_ring_number(lane->put)) ||
        wi_gate_state(wi_load_relaxed(&gate->word)) != WI_GATE_OPEN) {
        return 1;
    }
    write = wi_write_of(lane->cache.free); // taken only when it is certain
    wi_op_open_unnamed(&write->op, &wi_write_ops);
    write->op.owner = 0;
    write->gate = gate;
    write->size = size;
    write->done = request->done;
    write->arg = request->arg;
    write->flags = request->flags | WI_WRITE_PLAIN;
    write->from.one = *request->iov;
    if (request->flags != 0) { // COPY
        if (size > WI_WRITE_INLINE_SIZE) {
            return 1;
        }
        memcpy(write->copy, request->iov->iov_base, size);
        write->from.one.iov_base = write->copy;
    }
    // ORDER(gate) both ways: see wi_gate_hold().
    word = wi_add_acq_rel(&gate->word, WI_GATE_INFLIGHT + WI_GATE_TICKET);
    if (wi_unlikely(wi_load_acquire(&gate->handle) != handle ||
                    wi_gate_state(word) != WI_GATE_OPEN)) {
        wi_gate_leave(gate); // the other way says why
        return 1;
    }
    wi_op_take(&lane->cache);
    write->ticket = wi_gate_ticket(word);
    wi_add_relaxed(&gate->queued, size);
    wi_probe_submit(&write->op, gate, size);
    wi_lane_send(lane, &write->op.task);
    return 0;
}

/* ---- public ---- */

static __attribute__((noinline)) int
write_otherwise(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_tls.at;

    if (gate != NULL && wi_load_relaxed(&gate->handle) == stream.bits && request != NULL &&
        ret_op == NULL && wi_load_relaxed(&gate->high) != 0 && submit_limited(gate, request)) {
        return 0;
    }
    if (wi_tls.loop == NULL && request != NULL && ret_op == NULL &&
        wi_request_is_plain_or_copied(request)) {
        gate = wi_gate_find(stream.bits);
        if (wi_likely(gate != NULL) && submit_foreign_plain(gate, stream.bits, request) == 0) {
            return 0;
        }
    }
    return wi_submit(stream, request, ret_op);
}

int
weir_write(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_tls.at;

    // From a callback of the same stream.
    if (wi_likely(gate != NULL && wi_load_relaxed(&gate->handle) == stream.bits &&
                  request != NULL && ret_op == NULL && submit_plain(gate, request, false))) {
        return 0;
    }
    return write_otherwise(stream, request, ret_op);
}

static __attribute__((noinline)) int
write_chain_otherwise(weir_stream stream, struct weir_chain *chain, weir_done_fn *done, void *arg)
{
    struct weir_write request = {.chain = chain, .done = done, .arg = arg};

    if (chain == NULL) {
        return wi_is_forked() ? -ECHILD : -EINVAL;
    }
    return write_otherwise(stream, &request, NULL);
}

int
weir_write_chain(weir_stream stream, struct weir_chain *chain, weir_done_fn *done, void *arg)
{
    struct wi_gate *gate = wi_tls.at;

    if (wi_likely(gate != NULL && wi_load_relaxed(&gate->handle) == stream.bits && chain != NULL &&
                  submit_chain_plain(gate, chain, done, arg, false))) {
        return 0;
    }
    return write_chain_otherwise(stream, chain, done, arg);
}

int
weir_end(weir_stream stream)
{
    static const struct weir_write request = {.flags = WEIR_FIN};

    return weir_write(stream, &request, NULL);
}
