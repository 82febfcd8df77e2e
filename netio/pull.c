/* SPDX-License-Identifier: MIT */

#include "netio/pull.h"

#include "mem/block.h"
#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/net.h"
#include "runtime/thread.h"

#include <errno.h>

static struct wi_read_op *
pull_of(struct wi_op *op)
{
    return (struct wi_read_op *)(void *)op;
}

static struct wi_read_op *
next_pull(const struct wi_read_op *pull)
{
    return pull->op.task.next == NULL ? NULL : pull_of(wi_op_of_task(pull->op.task.next));
}

/* ---- the queue of pulls ---- */

static void
append(struct wi_stream_extra *extra, struct wi_read_op *pull)
{
    pull->op.task.next = NULL;
    pull->op.prev = extra->pulls_last == NULL ? NULL : &extra->pulls_last->op;
    if (extra->pulls_last == NULL) {
        extra->pulls = pull;
    } else {
        extra->pulls_last->op.task.next = &pull->op.task;
    }
    extra->pulls_last = pull;
}

static void
remove_pull(struct wi_stream_extra *extra, struct wi_read_op *pull)
{
    struct wi_read_op *next = next_pull(pull);

    if (pull->op.prev == NULL) {
        extra->pulls = next;
    } else {
        pull->op.prev->task.next = pull->op.task.next;
    }
    if (next == NULL) {
        extra->pulls_last = pull->op.prev == NULL ? NULL : pull_of(pull->op.prev);
    } else {
        next->op.prev = pull->op.prev;
    }
}

/* ---- ending ---- */

// Closing, and the last one who took input did not ask for more: a drain goes on without.
static void
discard_unless_read(struct wi_loop *loop, struct wi_stream *stream)
{
    if (wi_unlikely(stream->phase == WI_PHASE_CLOSING) && !wi_stream_has_reader(stream)) {
        stream->flags |= WI_S_DISCARD | WI_S_READABLE;
        stream->flags &= ~(unsigned)(WI_S_PAUSED | WI_S_FULL);
        wi_stream_event(loop, stream, WI_EVENT_READ | WI_EVENT_AGAIN);
    }
}

static void
pull_complete(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_read_op *pull = pull_of(wi_op_of_task(task));
    struct wi_stream *stream = wi_stream_of(pull->gate);
    struct weir_read_result result = {
        .op = {wi_op_handle(&pull->op)},
        .status = pull->status,
        .origin = (enum weir_origin)pull->origin,
        .eof = pull->eof,
        .size = pull->filled,
        .buffer = pull->buffer,
        .chain = pull->chain,
    };

    if (pull->status < 0 &&
        (result.origin == WEIR_ORIGIN_LOCAL_CANCEL || result.origin == WEIR_ORIGIN_DEADLINE)) {
        wi_count(&loop->counters.cancelled, 1);
    }
    pull->done(wi_stream_handle(stream), &result, pull->arg);
    discard_unless_read(loop, stream);
    wi_op_recycle(loop, &pull->op);
}

static const struct wi_task_ops complete_ops = {.run = pull_complete};

static void
end_pull(struct wi_loop *loop, struct wi_read_op *pull, int status, enum weir_origin origin)
{
    // Claiming decides: from here a canceller is told PENDING.
    bool won = !wi_op_is_claimed(&pull->op) && !wi_op_claim(&pull->op);

    pull->status = (int16_t)(won ? -ECANCELED : status);
    pull->origin = (uint8_t)(won ? WEIR_ORIGIN_LOCAL_CANCEL : origin);
    wi_op_finish_named(&pull->op);
    pull->op.task.ops = &complete_ops;
    wi_net_done(loop, &pull->op.task);
}

// Bytes that a cancelled pull had collected go back in front of the input: none is dropped (N38).
static void
pull_cancel(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    struct wi_read_op *pull = pull_of(op);
    struct wi_stream *stream = wi_stream_of(pull->gate);

    remove_pull(stream->extra, pull);
    if (pull->filled != 0) {
        struct weir_chain front = pull->chain; // blocks go back as they are

        pull->chain = (struct weir_chain){0};
        if (pull->buffer != NULL && weir_chain_append(&front, pull->buffer, pull->filled) < 0) {
            end_pull(loop, pull, 0, WEIR_ORIGIN_NONE); // no memory to keep them: hand them over
            return;
        }
        weir_chain_splice(&front, &stream->input);
        stream->input = front;
        stream->input_size += (uint32_t)pull->filled;
        pull->filled = 0;
    }
    end_pull(loop, pull, status, origin);
    wi_stream_event(loop, stream, WI_EVENT_READ | WI_EVENT_AGAIN);
}

void
wi_stream_end_pulls(struct wi_loop *loop, struct wi_stream *stream, int status,
                    enum weir_origin origin)
{
    while (stream->extra != NULL && stream->extra->pulls != NULL) {
        struct wi_read_op *pull = stream->extra->pulls;

        remove_pull(stream->extra, pull);
        if (status == 0 || pull->filled != 0) { // an end in good order, or some bytes first
            pull->eof = status == 0;
            end_pull(loop, pull, 0, WEIR_ORIGIN_NONE);
        } else {
            end_pull(loop, pull, status, origin);
        }
    }
}

/* ---- feeding ---- */

// Move input into the pull. True: it has what it wanted.
static bool
feed(struct wi_stream *stream, struct wi_read_op *pull)
{
    size_t size = stream->input_size;
    struct weir_iter from = weir_chain_begin(&stream->input);

    if (pull->buffer != NULL) {
        size = size < pull->size - pull->filled ? size : pull->size - pull->filled;
        weir_iter_copy_out(&from, pull->buffer + pull->filled, size);
        weir_chain_consume(&stream->input, size);
    } else if (pull->size != 0 && pull->size - pull->filled < size) {
        struct weir_chain part = {0};

        size = pull->size - pull->filled;
        if (weir_chain_split(&stream->input, size, &part) < 0) {
            pull->status = -ENOMEM;
            return true;
        }
        weir_chain_splice(&pull->chain, &part);
    } else {
        weir_chain_splice(&pull->chain, &stream->input);
    }
    pull->filled += size;
    stream->input_size -= (uint32_t)size;
    return pull->filled >= pull->size_min;
}

static void
feed_provided(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = stream->extra;

    while (stream->input_size != 0 && extra->provided != NULL) {
        struct wi_provided *provided = extra->provided;
        struct weir_iter from = weir_chain_begin(&stream->input);
        size_t size = weir_iter_copy_out(&from, provided->buffer, provided->size);
        void *buffer = provided->buffer;

        weir_chain_consume(&stream->input, WI_PLANT(29) && size > 1 ? size - 1 : size);
        stream->input_size -= (uint32_t)size;
        extra->provided = provided->next;
        if (extra->provided == NULL) {
            extra->provided_last = NULL;
        }
        wi_heap_free(provided);
        if (stream->handlers != NULL && stream->handlers->filled != NULL) {
            stream->handlers->filled(wi_stream_handle(stream), buffer, size, stream->user);
        }
    }
    if (stream->input_size == 0) {
        weir_chain_return(&stream->input);
    } else {
        wi_stream_event(loop, stream, WI_EVENT_BUFFER);
    }
    if (stream->extra->provided == NULL && stream->extra->pulls == NULL) {
        discard_unless_read(loop, stream);
    }
}

void
wi_stream_feed_pulls(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = stream->extra;

    while (extra != NULL && extra->pulls != NULL) {
        struct wi_read_op *pull = extra->pulls;

        if (stream->input_size == 0 && !(stream->flags & WI_S_EOF_TOLD)) {
            break;
        }
        if (!wi_op_is_claimed(&pull->op) && !wi_op_claim(&pull->op)) {
            remove_pull(extra, pull); // a canceller won
            end_pull(loop, pull, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
            continue;
        }
        if (stream->input_size != 0 && !feed(stream, pull)) {
            continue; // it wants more, and there is none: the loop's condition ends it
        }
        if (pull->filled == 0 || pull->filled < pull->size_min) {
            pull->eof = (stream->flags & WI_S_EOF_TOLD) != 0;
        }
        remove_pull(extra, pull);
        end_pull(loop, pull, pull->status,
                 pull->status < 0 ? WEIR_ORIGIN_MEMORY : WEIR_ORIGIN_NONE);
    }
    if (extra != NULL && (extra->provided != NULL || stream->input_size != 0) && extra->provides) {
        feed_provided(loop, stream);
    } else if (stream->input_size == 0) {
        weir_chain_return(&stream->input);
    }
}

/* ---- arriving ---- */

static void
pull_accept(struct wi_loop *loop, struct wi_stream *stream, struct wi_read_op *pull)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);
    int status = wi_op_arrive(loop, &pull->op, pull->deadline_ns, pull->token);

    if (status < 0) {
        end_pull(loop, pull, status, WEIR_ORIGIN_LOCAL_CANCEL);
    } else if (extra == NULL) {
        end_pull(loop, pull, -ENOMEM, WEIR_ORIGIN_MEMORY);
    } else if (stream->phase == WI_PHASE_DEAD) {
        pull->eof = stream->status == 0;
        end_pull(loop, pull, stream->status, (enum weir_origin)stream->origin);
    } else if (pull->buffer != NULL && pull->size == 0 && extra->pulls == NULL) {
        end_pull(loop, pull, 0, WEIR_ORIGIN_NONE); // nothing was asked for: not an end (C9)
    } else if ((stream->flags & WI_S_DISCARD) && stream->phase != WI_PHASE_CLOSING) {
        pull->eof = true;
        end_pull(loop, pull, 0, WEIR_ORIGIN_NONE);
    } else {
        append(extra, pull);
        stream->flags |= WI_S_READABLE;
        wi_stream_event(loop, stream, WI_EVENT_READ | WI_EVENT_AGAIN);
    }
}

static void
pull_arrive(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_read_op *pull = pull_of(wi_op_of_task(task));
    struct wi_stream *stream = wi_stream_of(pull->gate);

    pull_accept(loop, stream, pull);
    stream->drained++; // it held the gate until here
    stream->flags |= WI_S_FOREIGN;
    wi_stream_needs_work(loop, stream);
}

static const struct wi_op_ops pull_ops = {.task.run = pull_arrive, .cancel = pull_cancel};

/* ---- any thread ---- */

static int
check_read(const struct wi_gate *gate, const struct weir_read *request)
{
    if (request == NULL || request->done == NULL ||
        ((request->buffer != NULL || request->size != 0) && request->size_min > request->size)) {
        return -EINVAL;
    }
    // ORDER(gate) observe: held before, so either the loop waits for us or it was over by then.
    if (wi_gate_state(wi_load_acquire(&gate->word)) == WI_GATE_OVER) {
        return -WEIR_ESTALE; // its completion would come behind `closed`
    }
    if (wi_gate_has(gate, WI_GATE_PUSH)) {
        return -EBUSY;
    }
    if (request->token.bits == 0) {
        return 0;
    }
    if (wi_handle_runtime(request->token.bits) != gate->loop->runtime->index) {
        return -WEIR_ESTALE;
    }
    return wi_token_status(gate->loop->runtime, request->token.bits);
}

static void
fill_pull(struct wi_read_op *pull, struct wi_gate *gate, const struct weir_read *request)
{
    pull->gate = gate;
    pull->done = request->done;
    pull->arg = request->arg;
    pull->buffer = request->buffer;
    pull->size = request->size;
    pull->size_min = request->size_min != 0 ? request->size_min : 1;
    if (request->buffer != NULL && request->size == 0) {
        pull->size_min = 0;
    }
    pull->filled = 0;
    pull->eof = false;
    pull->status = 0;
    pull->deadline_ns = request->deadline_ns != 0 ? request->deadline_ns : WEIR_NEVER;
    pull->token = request->token.bits;
    pull->chain = (struct weir_chain){0};
    wi_op_open(&pull->op, &pull_ops, true);
}

static int
read_local(struct wi_gate *gate, const struct weir_read *request, weir_op *ret_op)
{
    struct wi_op *op;

    op = wi_op_take(&gate->loop->cache);
    if (op == NULL) {
        return -ENOMEM;
    }
    fill_pull(pull_of(op), gate, request);
    if (ret_op != NULL) {
        ret_op->bits = wi_op_handle(op);
    }
    pull_accept(gate->loop, wi_stream_of(gate), pull_of(op));
    return 0;
}

static int
read_foreign(struct wi_gate *gate, const struct weir_read *request, weir_op *ret_op)
{
    struct wi_lane *lane = wi_thread_lane(gate->loop);
    struct wi_op *op;

    if (lane == NULL) {
        return -ENOMEM;
    }
    if (!wi_lane_reserve(lane)) {
        return -WEIR_ELANEFULL;
    }
    op = wi_op_take(&lane->cache);
    if (op == NULL) {
        return -ENOMEM;
    }
    fill_pull(pull_of(op), gate, request);
    if (ret_op != NULL) {
        ret_op->bits = wi_op_handle(op);
    }
    wi_lane_send(lane, &op->task);
    return 0;
}

int
weir_read(weir_stream stream, const struct weir_read *request, weir_op *ret_op)
{
    struct wi_gate *gate = wi_gate_hold(stream.bits);
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    result = check_read(gate, request);
    if (result == 0) {
        if (wi_on_loop(gate->loop)) {
            result = read_local(gate, request, ret_op);
        } else {
            result = read_foreign(gate, request, ret_op);
            if (result == 0) {
                return 0; // the hold travels with it
            }
        }
    }
    wi_gate_leave(gate);
    return result;
}

// Where weir_take() may not, or not all of it.
static __attribute__((noinline)) int
take_part(weir_stream handle, size_t size, struct weir_chain *ret_chain)
{
    struct wi_gate *gate = wi_gate_here(handle.bits);
    struct wi_stream *stream;
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    stream = wi_stream_of(gate);
    if (!wi_on_loop(gate->loop) || !(stream->flags & WI_S_IN_DATA) || ret_chain == NULL ||
        ret_chain->head != NULL || size > stream->input_size) {
        return -EINVAL;
    }
    result = weir_chain_split(&stream->input, size, ret_chain);
    if (result == 0) {
        stream->input_size -= (uint32_t)size;
    }
    return result;
}

int
weir_take(weir_stream handle, size_t size, struct weir_chain *ret_chain)
{
    struct wi_gate *gate = wi_tls.at;
    struct wi_stream *stream;

    if (wi_likely(gate != NULL && wi_load_relaxed(&gate->handle) == handle.bits &&
                  ret_chain != NULL && ret_chain->head == NULL)) {
        stream = wi_stream_of(gate);
        if (wi_likely((stream->flags & WI_S_IN_DATA) &&
                      (size == SIZE_MAX || size == stream->input_size))) {
            *ret_chain = stream->input;
            stream->input = (struct weir_chain){0};
            stream->input_size = 0;
            return 0;
        }
    }
    return take_part(handle, size, ret_chain);
}

/* ---- provided buffers ---- */

int
weir_provide(weir_stream handle, void *buffer, size_t size)
{
    struct wi_gate *gate = wi_gate_find(handle.bits);
    struct wi_stream_extra *extra;
    struct wi_provided *provided;

    if (gate == NULL) {
        return wi_stale();
    }
    if (buffer == NULL || size == 0) {
        return -EINVAL;
    }
    if (!wi_on_loop(gate->loop)) {
        return -EXDEV;
    }
    if (wi_gate_has(gate, WI_GATE_PUSH)) {
        return -EBUSY;
    }
    if (wi_stream_of(gate)->phase == WI_PHASE_DEAD) {
        return -WEIR_ESTALE; // nothing will fill it; and `filled` may be what provides again
    }
    extra = wi_stream_need_extra(wi_stream_of(gate));
    provided = extra == NULL ? NULL : wi_heap_alloc(sizeof(*provided));
    if (provided == NULL) {
        return -ENOMEM;
    }
    *provided = (struct wi_provided){.buffer = buffer, .size = size};
    if (extra->provided_last == NULL) {
        extra->provided = provided;
    } else {
        extra->provided_last->next = provided;
    }
    extra->provided_last = provided;
    extra->provides = true;
    wi_stream_of(gate)->flags |= WI_S_READABLE;
    wi_stream_event(gate->loop, wi_stream_of(gate), WI_EVENT_READ | WI_EVENT_AGAIN);
    return 0;
}

void
wi_stream_return_provided(struct wi_loop *loop, struct wi_stream *stream)
{
    (void)loop;
    while (stream->extra != NULL && stream->extra->provided != NULL) {
        struct wi_provided *provided = stream->extra->provided;

        stream->extra->provided = provided->next;
        if (stream->handlers != NULL && stream->handlers->filled != NULL) {
            stream->handlers->filled(wi_stream_handle(stream), provided->buffer, 0, stream->user);
        }
        wi_heap_free(provided);
    }
}
