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

bool
wi_write_chain_plain(struct wi_gate *gate, struct weir_chain *chain, weir_done_fn *done, void *arg)
{
    return submit_chain_plain(gate, chain, done, arg, false);
}

/* ---- from any other thread ---- */

// It was too late to see that the stream had ended: the other way says how.
static WI_COLD int
enter_otherwise(struct wi_gate *gate, weir_stream stream, const struct weir_write *request)
{
    wi_gate_leave(gate);
    return wi_submit(stream, request, NULL);
}

static WI_COLD int
mark_lane(struct wi_lane *lane)
{
    wi_lane_mark(lane);
    return 0;
}

// The lane that takes @p size bytes for the stream with no question; NULL: there is one.
WI_INLINE struct wi_lane *
quick_lane(const struct wi_runtime *runtime, const struct wi_gate *gate, uint64_t size,
           uint64_t size_max)
{
    struct wi_lane *lane;

    if (wi_unlikely(wi_tls.serial != runtime->serial || wi_load_relaxed(&gate->high) != 0 ||
                    size - 1 >= size_max)) {
        return NULL;
    }
    lane = wi_tls.lanes[gate->loop->index];
    return wi_likely(lane != NULL && lane->quick != 0 && lane->cache.free != NULL) ? lane : NULL;
}

// A plain write onto an open stream without limits, over a lane that is there.
WI_INLINE int
write_foreign(weir_stream stream, const struct weir_write *request, bool copies)
{
    const struct wi_runtime *runtime = wi_runtime_by_handle(stream.bits, WI_HANDLE_STREAM);
    const struct iovec *piece = request->iov;
    struct wi_gate *gate;
    struct wi_lane *lane;
    struct wi_write *write;
    uint64_t word;

    if (wi_unlikely(runtime == NULL || request->iov_count != 1 || piece == NULL ||
                    piece->iov_base == NULL || request->chain != NULL || request->shared != NULL)) {
        return wi_submit(stream, request, NULL);
    }
    gate = wi_gate_of_runtime(runtime, stream.bits);
    if (wi_unlikely(gate == NULL || wi_tls.loop == gate->loop)) {
        return wi_submit(stream, request, NULL);
    }
    lane =
        quick_lane(runtime, gate, piece->iov_len, copies ? WI_WRITE_INLINE_SIZE : WI_NET_SEND_MAX);
    if (wi_unlikely(lane == NULL)) {
        return wi_submit(stream, request, NULL);
    }
    write = wi_write_of(lane->cache.free); // taken only when it is certain
    wi_op_open_unnamed(&write->op, &wi_write_ops);
    write->op.owner = 0;
    write->gate = gate;
    write->size = piece->iov_len;
    write->done = request->done;
    write->arg = request->arg;
    write->flags = WI_WRITE_PLAIN | (copies ? (uint32_t)WEIR_COPY : 0);
    write->from.one = *piece;
    if (copies) {
        memcpy(write->copy, piece->iov_base, piece->iov_len);
        write->from.one.iov_base = write->copy;
    }
    // ORDER(gate) both ways: see wi_gate_hold().
    word = wi_add_acq_rel(&gate->word, WI_GATE_INFLIGHT + WI_GATE_TICKET);
    if (wi_unlikely(wi_load_acquire(&gate->handle) != stream.bits ||
                    wi_gate_state(word) != WI_GATE_OPEN)) {
        return enter_otherwise(gate, stream, request);
    }
    lane->cache.free = (struct wi_op *)(void *)write->op.task.next;
    lane->quick--;
    write->ticket = wi_gate_ticket(word);
    wi_add_relaxed(&gate->queued, write->size);
    wi_probe_submit(&write->op, gate, write->size);
    wi_lane_put(lane, &write->op.task);
    return wi_likely(wi_load_relaxed(&lane->marked)) ? 0 : mark_lane(lane);
}

/* ---- public ---- */

static __attribute__((noinline)) int
write_borrowed(weir_stream stream, const struct weir_write *request)
{
    return write_foreign(stream, request, false);
}

static __attribute__((noinline)) int
write_copied(weir_stream stream, const struct weir_write *request)
{
    return write_foreign(stream, request, true);
}

static __attribute__((noinline)) int
write_otherwise(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_tls.at;

    if (request == NULL || ret_op != NULL) {
        return wi_submit(stream, request, ret_op);
    }
    if (gate != NULL && wi_load_relaxed(&gate->handle) == stream.bits &&
        wi_load_relaxed(&gate->high) != 0 && submit_limited(gate, request)) {
        return 0;
    }
    if (wi_request_is_plain(request)) {
        return write_borrowed(stream, request); // another stream than the callback's own
    }
    if (wi_request_is_plain_or_copied(request)) {
        return write_copied(stream, request);
    }
    return wi_submit(stream, request, NULL);
}

int
weir_write(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_tls.at;

    if (wi_unlikely(request == NULL || ret_op != NULL)) {
        return wi_submit(stream, request, ret_op);
    }
    if (gate == NULL && wi_likely(wi_request_is_plain_or_copied(request))) { // no callback runs
        return request->flags == 0 ? write_borrowed(stream, request)
                                   : write_copied(stream, request);
    }
    if (gate == NULL) {
        return wi_submit(stream, request, NULL);
    }
    if (wi_likely(wi_load_relaxed(&gate->handle) == stream.bits &&
                  submit_plain(gate, request, false))) {
        return 0;
    }
    return write_otherwise(stream, request, NULL);
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
