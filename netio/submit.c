/* SPDX-License-Identifier: MIT */

#include "netio/submit.h"
#include "mem/block.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/request.h"
#include "runtime/credit.h"
#include "runtime/thread.h"

#include <errno.h>
#include <string.h>

// The order of a submit: look at the request; reserve everything that can fail; then one
// read-modify- write of the stream's word decides, and nothing after it can fail.

static int
check_token(const struct wi_gate *gate, weir_token token)
{
    struct wi_runtime *runtime = gate->loop->runtime;

    if (token.bits == 0) {
        return 0;
    }
    if (wi_handle_runtime(token.bits) != runtime->index) {
        return -WEIR_ESTALE;
    }
    return wi_token_status(runtime, token.bits);
}

/* ---- from the stream's own loop ---- */

static int
refuse_local(struct wi_loop *loop, enum weir_refusal reason, int status)
{
    wi_count(&loop->counters.refused[reason], 1);
    return status;
}

// A write behind the end ends with success (SWALLOW); not when it would end behind `closed`.
static bool
may_swallow(const struct wi_gate *gate, uint64_t word, int status)
{
    return wi_gate_has(gate, WI_GATE_SWALLOW) && status != -WEIR_ETORN && status != -WEIR_ESTALE &&
           wi_gate_state(word) != WI_GATE_OVER;
}

static int
may_submit_local(struct wi_loop *loop, struct wi_gate *gate, const struct weir_write *request,
                 uint64_t size)
{
    int status = wi_gate_refusal(gate, wi_load_relaxed(&gate->word));

    if (wi_unlikely(wi_stream_of(gate)->flags & WI_S_CLOSED_TOLD)) {
        return refuse_local(loop, WEIR_REFUSED_STALE, -WEIR_ESTALE);
    }
    if (wi_unlikely(status != 0) && !may_swallow(gate, wi_load_relaxed(&gate->word), status)) {
        return refuse_local(loop, WEIR_REFUSED_ENDED, status);
    }
    if (wi_unlikely(request->token.bits != 0)) {
        status = check_token(gate, request->token);
        if (status != 0) {
            return refuse_local(loop, WEIR_REFUSED_TOKEN, status);
        }
    }
    if (wi_unlikely(request->level == WEIR_ACKED && !wi_gate_has(gate, WI_GATE_ACKED))) {
        return -ENOTSUP;
    }
    if (wi_unlikely(wi_gate_is_over(gate, wi_gate_queued(gate), size)) && wi_gate_note_high(gate)) {
        return refuse_local(loop, WEIR_REFUSED_STREAM, -WEIR_ESTREAMFULL);
    }
    return 0;
}

static enum weir_refusal
reason_of(int status)
{
    switch (status) {
    case -WEIR_ESTALE:
        return WEIR_REFUSED_STALE;
    case -WEIR_ESTREAMFULL:
        return WEIR_REFUSED_STREAM;
    case -WEIR_ELOOPFULL:
        return WEIR_REFUSED_LOOP;
    case -WEIR_EPROCFULL:
        return WEIR_REFUSED_PROCESS;
    case -ENOMEM:
        return WEIR_REFUSED_MEMORY;
    default:
        return WEIR_REFUSED_ENDED;
    }
}

// Take the bytes, spend the credit, count what is queued: all of it or nothing.
static int
reserve_local(struct wi_loop *loop, struct wi_gate *gate, struct wi_write *write,
              const struct weir_write *request, uint64_t size)
{
    uint64_t credit = 0;
    int result = wi_request_fill(write, gate, request, size);

    if (result < 0) {
        return result;
    }
    result = wi_credit_spend(loop, &credit, size);
    if (result == 0) {
        wi_credit_give_back(loop, credit); // a loop holds no chunk: it leases exactly
        if (wi_likely(wi_load_relaxed(&gate->high) == 0)) {
            wi_stream_count_queued(wi_stream_of(gate), size);
        } else {
            result = wi_gate_queue(gate, size); // others count at this moment too
            wi_credit_give_back(loop, result < 0 ? size : 0);
        }
    }
    if (result < 0) {
        wi_request_drop(write);
    } else if (wi_credit_is_limited(loop->runtime)) {
        write->flags |= WI_WRITE_SPENT;
    }
    return result;
}

static int
submit_local(struct wi_loop *loop, struct wi_gate *gate, const struct weir_write *request,
             uint64_t size, weir_op *ret_op)
{
    struct wi_stream *stream = wi_stream_of(gate);
    struct wi_write *write;
    int result = may_submit_local(loop, gate, request, size);

    if (result < 0) {
        return result;
    }
    if ((request->flags & WEIR_NOWAIT) &&
        (!wi_sendq_is_empty(&stream->queue) || (stream->flags & WI_S_BLOCKED))) {
        return refuse_local(loop, WEIR_REFUSED_NOWAIT, -EAGAIN);
    }
    write = wi_write_of(wi_op_take(&loop->cache));
    if (write == NULL) {
        return refuse_local(loop, WEIR_REFUSED_MEMORY, -ENOMEM);
    }
    result = reserve_local(loop, gate, write, request, size);
    if (wi_unlikely(result < 0)) {
        wi_op_put_back(&loop->cache, &write->op);
        return refuse_local(loop, reason_of(result), result);
    }
    wi_request_keep(request);
    wi_op_open(&write->op, &wi_write_ops, ret_op != NULL);
    if (ret_op != NULL) {
        ret_op->bits = wi_op_handle(&write->op);
    }
    // What other threads submitted before goes first.
    if (wi_unlikely((wi_load_acquire(&gate->word) & WI_GATE_INFLIGHTS) != 0 ||
                    stream->arrivals != NULL)) {
        wi_loop_look(loop);
        wi_stream_settle(loop, stream);
    }
    wi_write_submitted(loop, write, wi_load_relaxed(&loop->counters.accepted));
    wi_stream_take_right(loop, stream); // no inline submit may pass this one
    if (wi_unlikely(wi_gate_state(wi_load_relaxed(&gate->word)) == WI_GATE_TORN)) {
        wi_op_arrive(loop, &write->op, WEIR_NEVER, 0); // what the look brought tore the stream
        wi_stream_lose(loop, stream, write, -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE);
        wi_stream_needs_work(loop, stream);
        return 0;
    }
    if (request->flags & WEIR_FIN) {
        wi_gate_move(gate, WI_GATE_ENDED); // first: what ends it at once takes this back
    }
    wi_write_accept(loop, stream, write);
    return 0;
}

int
wi_submit_pipe(struct wi_gate *gate, int pipe, uint64_t size, weir_done_fn *done, void *arg)
{
    const struct weir_file file = {.fd = pipe, .offset = WI_FILE_IS_PIPE, .size = size};
    const struct weir_write request = {.file = &file, .done = done, .arg = arg};

    return submit_local(gate->loop, gate, &request, size, NULL);
}

/* ---- from any other thread ---- */

static int
refuse(struct wi_lane *lane, enum weir_refusal reason, int status)
{
    wi_count(&lane->refused[reason], 1);
    return status;
}

// Everything that can be refused before anything is taken, in the documented order. Under a high
// mark this is a first look; the exact one comes when the bytes are counted.
static int
may_submit(struct wi_lane *lane, struct wi_gate *gate, const struct weir_write *request,
           uint64_t handle, uint64_t size)
{
    uint64_t word = wi_load_relaxed(&gate->word);
    int status = wi_gate_refusal(gate, word);

    if (wi_unlikely(status != 0) && !may_swallow(gate, word, status)) {
        return refuse(lane, status == -WEIR_ESTALE ? WEIR_REFUSED_STALE : WEIR_REFUSED_ENDED,
                      status);
    }
    if (wi_unlikely(request->token.bits != 0)) {
        status = check_token(gate, request->token);
        if (status != 0) {
            return refuse(lane, WEIR_REFUSED_TOKEN, status);
        }
    }
    if (wi_unlikely(request->level == WEIR_ACKED && !wi_gate_has(gate, WI_GATE_ACKED))) {
        return -ENOTSUP;
    }
    if (wi_unlikely(wi_load_relaxed(&gate->high) != 0) &&
        wi_gate_is_over(gate, wi_gate_queued(gate), size)) {
        bool refused;

        gate = wi_gate_hold(handle);
        if (gate == NULL) {
            return refuse(lane, WEIR_REFUSED_STALE, -WEIR_ESTALE);
        }
        refused = wi_gate_note_high(gate);
        wi_gate_leave(gate);
        if (refused) {
            return refuse(lane, WEIR_REFUSED_STREAM, -WEIR_ESTREAMFULL);
        }
    }
    return 0;
}

static int
refusal_of(const struct wi_gate *gate, uint64_t word, uint64_t handle)
{
    int status;

    if (wi_unlikely(wi_load_acquire(&gate->handle) != handle)) {
        return -WEIR_ESTALE;
    }
    status = wi_gate_refusal(gate, word);
    if (wi_unlikely(status != 0) && may_swallow(gate, word, status)) {
        return 0; // it goes to the loop, and ends there with success
    }
    return status;
}

// The point at which it is decided: the stream takes the submit, or says why not.
static int
enter_gate(struct wi_gate *gate, uint64_t handle, struct wi_write *write)
{
    // ORDER(gate) both ways: see wi_gate_hold().
    uint64_t word = wi_add_acq_rel(&gate->word, WI_GATE_INFLIGHT + WI_GATE_TICKET);
    int status = refusal_of(gate, word, handle);

    write->ticket |= wi_gate_ticket(word);
    if (wi_likely(status == 0)) {
        status = wi_gate_queue(gate, write->size);
    }
    if (wi_unlikely(status != 0)) {
        wi_gate_leave(gate);
    }
    return status;
}

// With a FIN the state moves in the same step, so no later submit passes; the bytes are counted
// before, for the step cannot be taken back.
static int
enter_gate_last(struct wi_gate *gate, uint64_t handle, struct wi_write *write)
{
    uint64_t word;
    uint64_t ended;
    int status;

    if (wi_gate_hold(handle) == NULL) {
        return -WEIR_ESTALE;
    }
    status = wi_gate_queue(gate, write->size);
    if (status != 0) {
        wi_gate_leave(gate);
        return status;
    }
    word = wi_load_relaxed(&gate->word);
    do {
        status = refusal_of(gate, word, handle);
        ended = word + WI_GATE_TICKET; // the hold becomes the operation's
        if (wi_gate_state(word) == WI_GATE_OPEN) {
            ended = (ended & ~WI_GATE_STATE) | WI_GATE_ENDED;
        }
        // ORDER(gate) both ways: see wi_gate_hold().
    } while (status == 0 && !wi_cas_acq_rel(&gate->word, &word, ended));
    if (status != 0) {
        wi_gate_unqueue(gate, write->size);
        wi_gate_leave(gate);
        return status;
    }
    write->ticket |= wi_gate_ticket(word);
    return 0;
}

// Reserve bytes and credit, then enter. On failure everything is as before.
static int
commit_foreign(struct wi_lane *lane, struct wi_gate *gate, const struct weir_write *request,
               uint64_t handle, struct wi_write *write)
{
    struct wi_loop *loop = gate->loop;
    int result = wi_credit_spend(loop, &lane->credit, write->size);

    if (wi_unlikely(result < 0)) {
        return result;
    }
    if (wi_credit_is_limited(loop->runtime)) {
        write->flags |= WI_WRITE_SPENT;
    }
    result = wi_unlikely(request->flags & WEIR_FIN) ? enter_gate_last(gate, handle, write)
                                                    : enter_gate(gate, handle, write);
    if (wi_unlikely(result < 0) && (write->flags & WI_WRITE_SPENT)) {
        wi_credit_unspend(loop, &lane->credit, write->size);
    }
    return result;
}

// What was given is released inside the call, and the caller may submit more from there. An
// operation that still tells the loop something goes first, for the place in the lane that was
// reserved for it would be taken; and then it is the loop's.
static void
release_inside(struct wi_lane *lane, struct wi_write *write)
{
    struct wi_write released = {
        .flags = write->flags,
        .from = write->from,
        .owner = write->owner,
        .pieces = write->pieces,
    };

    wi_submit_put_back(lane, write);
    wi_write_release(&released);
}

// Done inside the call (1), or NOWAIT found nothing to do (-EAGAIN): no operation is left.
static int
finish_unqueued(struct wi_lane *lane, const struct weir_write *request, struct wi_write *write,
                int result, weir_op *ret_op)
{
    if (result == 1) {
        if (ret_op != NULL) {
            ret_op->bits = 0; // it is over, and the slot is for this thread's next write
        }
        wi_request_keep(request);
        if (wi_unlikely(write->flags & WI_WRITE_HEAD)) {
            release_inside(lane, write);
            return result;
        }
        wi_write_release(write);
    } else {
        wi_request_drop(write);
        refuse(lane, WEIR_REFUSED_NOWAIT, result);
    }
    wi_submit_put_back(lane, write);
    return result;
}

static void
send_down(struct wi_lane *lane, struct wi_write *write, bool is_head, weir_op *ret_op)
{
    if (wi_likely(!is_head)) {
        wi_op_open(&write->op, &wi_write_ops, ret_op != NULL);
        wi_write_submitted(lane->cache.loop, write, wi_ring_number(lane->put));
    }
    if (ret_op != NULL) {
        ret_op->bits = wi_op_handle(&write->op);
    }
    wi_lane_send(lane, &write->op.task);
    wi_lane_look(lane);
}

// An operation and a place in the lane are reserved: fill it, enter, send.
static int
submit_reserved(struct wi_lane *lane, struct wi_gate *gate, uint64_t handle,
                const struct weir_write *request, struct wi_write *write, weir_op *ret_op)
{
    int result = wi_request_fill(write, gate, request, write->size);

    if (wi_likely(result == 0)) {
        result = wi_submit_inline(lane, gate, request, handle, write, ret_op != NULL);
        if (wi_unlikely(result == 1 || result == -EAGAIN)) {
            return finish_unqueued(lane, request, write, result, ret_op);
        }
        if (result == 0) {
            result = commit_foreign(lane, gate, request, handle, write);
        }
        if (wi_unlikely(result < 0)) {
            wi_request_drop(write);
        }
    }
    if (wi_unlikely(result < 0)) {
        wi_submit_put_back(lane, write);
        return refuse(lane, reason_of(result), result);
    }
    wi_request_keep(request);
    send_down(lane, write, result == WI_SUBMIT_HEAD, ret_op);
    return 0;
}

static int
submit_foreign(struct wi_gate *gate, uint64_t handle, const struct weir_write *request,
               uint64_t size, weir_op *ret_op)
{
    struct wi_lane *lane = wi_thread_lane(gate->loop);
    struct wi_write *write;
    int result;

    if (wi_unlikely(lane == NULL)) {
        return -ENOMEM;
    }
    result = may_submit(lane, gate, request, handle, size);
    if (wi_unlikely(result < 0)) {
        return result;
    }
    if (wi_unlikely(!wi_lane_reserve(lane))) {
        return refuse(lane, WEIR_REFUSED_LANE, -WEIR_ELANEFULL);
    }
    write = wi_write_of(wi_op_take(&lane->cache));
    if (wi_unlikely(write == NULL)) {
        return refuse(lane, WEIR_REFUSED_MEMORY, -ENOMEM);
    }
    write->size = size;
    return submit_reserved(lane, gate, handle, request, write, ret_op);
}

int
wi_submit(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_gate_here(stream.bits);
    uint64_t size;
    int result = wi_request_check(request, &size);

    if (wi_unlikely(result < 0)) {
        return wi_is_forked() ? -ECHILD : result;
    }
    if (wi_unlikely(gate == NULL)) {
        return wi_stale();
    }
    if (wi_on_loop(gate->loop)) {
        return submit_local(gate->loop, gate, request, size, ret_op);
    }
    return submit_foreign(gate, stream.bits, request, size, ret_op);
}
