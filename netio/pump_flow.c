/* SPDX-License-Identifier: MIT */

#include "netio/pump.h"

#include "netio/pipe.h"
#include "netio/plain.h"
#include "netio/submit.h"

#include <errno.h>

// How a pump moves bytes.
//
// Block by block: what a receive brought is written as it is, a chain that changes hands.
//
// By splice: reads that keep filling what they were given say that there is much to move; then the
// source is read into a pipe, and what is in the pipe is written to the sink, uncopied. It is an
// ordinary write in the sink's queue, whose bytes lie in a pipe. Short reads in a row say that the
// copy is cheaper: a small message costs two calls more by splice than it saves.

#define SPLICE_FROM   (32u * 1024) // a receive of so much speaks for splicing
#define SPLICE_STREAK 2u
#define BLOCKS_BELOW  (16u * 1024) // a splice of less speaks against it
#define BLOCKS_STREAK 16u
#define RETRY_NS      UINT64_C(5000000) // what is full has no other way to say that there is room

static struct wi_pump_flow *
flow_from(struct wi_pump_side *side)
{
    return &wi_pump_of_side(side)->flows[side->index];
}

static struct wi_pump_flow *
flow_to(struct wi_pump_side *side)
{
    return &wi_pump_of_side(side)->flows[1 - side->index];
}

// The loop's own. The side's stream; NULL: it is gone.
static struct wi_stream *
stream_of(const struct wi_pump_side *side)
{
    return wi_load_relaxed(&side->gate->handle) == side->stream.bits ? wi_stream_of(side->gate)
                                                                     : NULL;
}

/* ---- resting ---- */

static uint64_t
in_flight(const struct wi_pump_flow *flow)
{
    return wi_load_relaxed(&flow->taken) - wi_load_relaxed(&flow->finished);
}

static void
pause_source(struct wi_pump_flow *flow)
{
    struct wi_pump_side *side = wi_flow_source(flow);

    if (wi_pump_of_flow(flow)->has_one_loop) {
        wi_stream_of(side->gate)->flags |= WI_S_PAUSED;
    } else {
        weir_pause(side->stream);
    }
}

// Of a pump with one loop, or from the source's: no request is on its way that could come later.
static void
unpause(struct wi_pump_flow *flow)
{
    struct wi_pump_side *side = wi_flow_source(flow);
    struct wi_stream *source = stream_of(side);

    if (source == NULL) {
        return;
    }
    source->flags &= ~(unsigned)WI_S_PAUSED;
    source->flags |= WI_S_READABLE;
    wi_stream_event(side->loop, source,
                    WI_EVENT_READ | (source->input_size != 0 ? (unsigned)WI_EVENT_AGAIN : 0));
}

static void write_pipe(struct wi_pump_flow *flow);

// From either loop.
static void
resume_source(struct wi_pump_flow *flow)
{
    if (wi_flow_has(flow, WI_FLOW_OVER)) {
        return;
    }
    if (!wi_pump_of_flow(flow)->has_one_loop) {
        weir_resume(wi_flow_source(flow)->stream);
    } else if (flow->pipe_size != 0) {
        write_pipe(flow);
    } else {
        unpause(flow);
    }
}

static bool
takes_mark(struct wi_pump_flow *flow, enum wi_flow_mark mark)
{
    return wi_flow_has(flow, mark) &&
           (wi_and_acq_rel(&flow->marks, ~(uint32_t)mark) & (uint32_t)mark) != 0;
}

// Source's loop. The sink has enough for now.
static void
rest(struct wi_pump_flow *flow)
{
    struct wi_pump *pump = wi_pump_of_flow(flow);

    pause_source(flow);
    // ORDER(rest), source half: set the mark, fence, look at what has finished; the sink's half
    // counts, fences, and looks at the mark. One of the two sees the other, so a rest always ends.
    wi_or_acq_rel(&flow->marks, WI_FLOW_RESTING);
    wi_fence_full();
    if (in_flight(flow) <= pump->buffer / 2 && takes_mark(flow, WI_FLOW_RESTING)) {
        resume_source(flow);
    }
}

// Sink's loop. Some has gone.
static void
end_rest(struct wi_pump_flow *flow)
{
    struct wi_pump *pump = wi_pump_of_flow(flow);

    if (!pump->has_one_loop) {
        wi_fence_full(); // ORDER(rest), sink half: see rest()
    }
    if (wi_unlikely(wi_flow_has(flow, WI_FLOW_RESTING)) && in_flight(flow) <= pump->buffer / 2 &&
        takes_mark(flow, WI_FLOW_RESTING)) {
        resume_source(flow);
    }
}

/* ---- failing ---- */

static bool
is_full(int status)
{
    return status == -WEIR_ESTREAMFULL || status == -WEIR_ELANEFULL || status == -WEIR_ELOOPFULL ||
           status == -WEIR_EPROCFULL || status == -ENOMEM;
}

static enum weir_origin
origin_of_refusal(int status)
{
    switch (status) {
    case -WEIR_EENDED:
    case -WEIR_ETORN:
    case -WEIR_ESTALE:
        return WEIR_ORIGIN_LOCAL_CLOSE;
    case -ECONNRESET:
        return WEIR_ORIGIN_PEER_RESET;
    case -EPIPE:
        return WEIR_ORIGIN_PEER_STOP;
    default:
        return wi_origin_of(status);
    }
}

// Nothing more can be written to the sink: there is no use in reading the source.
static void
sink_failed(struct wi_pump_flow *flow, int status, enum weir_origin origin)
{
    if (wi_flow_has(flow, WI_FLOW_OVER)) {
        return;
    }
    wi_side_failed(wi_flow_sink(flow), status, origin);
    weir_stop_reading(wi_flow_source(flow)->stream, 0);
    wi_flow_end(flow);
}

// Source's loop. The sink did not take it. If something is full the source rests; a stream says
// when it has room again, nothing else does.
static void
refused(struct wi_pump_flow *flow, int status)
{
    struct wi_loop *loop = wi_flow_source(flow)->loop;

    wi_pump_unref(wi_pump_of_flow(flow));
    if (!is_full(status)) {
        sink_failed(flow, status, origin_of_refusal(status));
        return;
    }
    pause_source(flow);
    wi_or_acq_rel(&flow->marks, WI_FLOW_REFUSED);
    wi_wheel_arm(&loop->wheel, &flow->timer, WI_TIMER_PUMP_FLOW, loop->now_ns + RETRY_NS);
}

/* ---- block by block ---- */

static void
count_finished(struct wi_pump_flow *flow, const struct weir_result *result)
{
    wi_count(&flow->finished, result->accepted);
    wi_count(&flow->sent, result->sent);
    wi_store_relaxed(&wi_pump_of_flow(flow)->moved_ns, result->turn_ns);
}

static void
count_taken(struct wi_pump_flow *flow, uint64_t size, uint64_t now_ns)
{
    wi_count(&flow->taken, size);
    wi_count(&flow->operations, 1);
    wi_store_relaxed(&wi_pump_of_flow(flow)->moved_ns, now_ns);
}

static void
on_written(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct wi_pump_flow *flow = arg;

    (void)stream;
    count_finished(flow, result);
    if (wi_unlikely(result->status != 0)) {
        sink_failed(flow, result->status, result->origin);
    } else {
        end_rest(flow);
    }
    wi_pump_unref(wi_pump_of_flow(flow));
}

// 0, or the refusal, with the chain still the caller's.
static int
write_blocks(struct wi_pump_flow *flow, struct weir_chain *chain)
{
    struct wi_pump_side *sink = wi_flow_sink(flow);

    wi_pump_ref(wi_pump_of_flow(flow));
    if (wi_likely(wi_pump_of_flow(flow)->has_one_loop && stream_of(sink) != NULL) &&
        wi_write_chain_plain(sink->gate, chain, on_written, flow)) {
        return 0;
    }
    return weir_write_chain(sink->stream, chain, on_written, flow);
}

static bool
is_socket(const struct wi_stream *stream)
{
    return stream != NULL &&
           (stream->transport == WI_TRANSPORT_TCP || stream->transport == WI_TRANSPORT_UNIX);
}

static void
consider_splicing(struct wi_pump_flow *flow, struct wi_stream *source, size_t size)
{
    if (wi_likely(size < SPLICE_FROM)) {
        flow->streak = 0;
    } else if (wi_pump_of_flow(flow)->may_splice && ++flow->streak >= SPLICE_STREAK &&
               is_socket(source) && is_socket(stream_of(wi_flow_sink(flow)))) {
        flow->streak = 0;
        source->read_blocks = WI_READ_SPLICES;
    }
}

static struct weir_consumed
on_data(weir_stream handle, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct wi_pump_flow *flow = flow_from(user);
    struct wi_stream *source = wi_stream_of(wi_tls.at);
    struct weir_chain chain = source->input;
    uint32_t size = source->input_size;
    int status;

    (void)handle;
    (void)begin;
    (void)end;
    // Over: whoever has the stream next is shown it. Bytes in the pipe that the sink has not been
    // given, and somebody resumed the stream: they go first.
    if (wi_unlikely(wi_flow_has(flow, WI_FLOW_OVER) || flow->pipe_size != 0)) {
        return (struct weir_consumed){0, size};
    }
    count_taken(flow, size, wi_flow_source(flow)->loop->now_ns);
    status = write_blocks(flow, &chain);
    if (wi_unlikely(status < 0)) {
        wi_count(&flow->taken, -(uint64_t)size);
        wi_count(&flow->operations, -UINT64_C(1));
        refused(flow, status);
        return (struct weir_consumed){0, size};
    }
    source->input = (struct weir_chain){0};
    source->input_size = 0;
    consider_splicing(flow, source, size);
    if (wi_unlikely(in_flight(flow) > wi_pump_of_flow(flow)->buffer)) {
        rest(flow);
    }
    return (struct weir_consumed){0, 0};
}

/* ---- by splice ---- */

static void
on_moved(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct wi_pump_flow *flow = arg;
    struct wi_pipe *pipe = flow->pipe;

    (void)stream;
    flow->pipe = NULL;
    count_finished(flow, result);
    if (wi_likely(result->status == 0)) {
        wi_pipe_give_back(wi_flow_source(flow)->loop, pipe);
        resume_source(flow);
    } else {
        wi_pipe_drop(pipe);
        sink_failed(flow, result->status, result->origin);
    }
    wi_pump_unref(wi_pump_of_flow(flow));
}

// Give the sink what is in the pipe.
static void
write_pipe(struct wi_pump_flow *flow)
{
    struct wi_pump_side *sink = wi_flow_sink(flow);
    uint32_t size = flow->pipe_size;
    int status = -WEIR_ESTALE;

    wi_pump_ref(wi_pump_of_flow(flow));
    flow->pipe_size = 0;
    if (stream_of(sink) != NULL) {
        status = wi_submit_pipe(sink->gate, flow->pipe->ends[0], size, on_moved, flow);
    }
    if (wi_unlikely(status < 0)) {
        flow->pipe_size = size; // the sink's again when there is room, or dropped at the end
        refused(flow, status);
    }
}

static ssize_t
stop_splicing(struct wi_pump_flow *flow, struct wi_stream *source)
{
    flow->streak = 0;
    source->read_blocks = 1;
    return -ENOSYS;
}

ssize_t
wi_pump_splice(struct wi_loop *loop, struct wi_stream *source)
{
    struct wi_pump_flow *flow = flow_from(source->user);
    ssize_t size;

    if (wi_flow_has(flow, WI_FLOW_OVER) || flow->pipe != NULL) { // the last one's bytes still wait
        return stop_splicing(flow, source);
    }
    flow->pipe = wi_pipe_take(loop);
    if (flow->pipe == NULL) {
        return stop_splicing(flow, source);
    }
    size = wi_os_splice_in(source->fd, flow->pipe->ends[1], WI_PIPE_SIZE);
    wi_count(&loop->counters.reads, 1);
    if (size <= 0) {
        wi_pipe_give_back(loop, flow->pipe);
        flow->pipe = NULL;
        if (size == -EINVAL || size == -ENOSYS) { // not with these sockets
            wi_pump_of_flow(flow)->may_splice = false;
            return stop_splicing(flow, source);
        }
        return size;
    }
    wi_count(&source->received, (uint64_t)size);
    wi_count(&loop->counters.bytes_received, (uint64_t)size);
    count_taken(flow, (uint64_t)size, loop->now_ns);
    flow->streak = size < (ssize_t)BLOCKS_BELOW ? (uint8_t)(flow->streak + 1) : 0;
    if (flow->streak == BLOCKS_STREAK) {
        stop_splicing(flow, source);
    }
    source->flags |= WI_S_PAUSED; // until the pipe is empty
    flow->pipe_size = (uint32_t)size;
    write_pipe(flow);
    return size;
}

/* ---- ends ---- */

static void
on_ended(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct wi_pump_flow *flow = arg;

    (void)stream;
    if (result->status == 0) {
        wi_or_acq_rel(&flow->marks, WI_FLOW_ENDED);
        wi_flow_end(flow);
    } else {
        sink_failed(flow, result->status, result->origin);
    }
    wi_pump_unref(wi_pump_of_flow(flow));
}

// Source's loop. The end of the sink's write side goes behind all that was written to it.
static void
end_sink(struct wi_pump_flow *flow)
{
    struct weir_write request = {.flags = WEIR_FIN, .done = on_ended, .arg = flow};
    int status;

    if (wi_flow_has(flow, WI_FLOW_OVER)) {
        return;
    }
    wi_pump_ref(wi_pump_of_flow(flow));
    status = weir_write(wi_flow_sink(flow)->stream, &request, NULL);
    if (status < 0) {
        refused(flow, status);
    }
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct wi_pump_flow *flow = flow_from(user);

    (void)stream;
    if (ambiguous) {
        wi_or_acq_rel(&flow->marks, WI_FLOW_AMBIGUOUS);
    }
    flow->wants_end = true;
    end_sink(flow);
}

void
wi_flow_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_pump_flow *flow = wi_container_of(timer, struct wi_pump_flow, timer);

    (void)loop;
    if (!takes_mark(flow, WI_FLOW_REFUSED)) {
        return; // `writable` came first
    }
    if (flow->wants_end) {
        end_sink(flow);
    } else {
        resume_source(flow);
    }
}

static void
on_writable(weir_stream stream, void *user)
{
    struct wi_pump_flow *flow = flow_to(user);

    (void)stream;
    if (takes_mark(flow, WI_FLOW_REFUSED)) {
        resume_source(flow);
    }
}

/* ---- what goes on to the streams' own handlers ---- */

static void
on_started(weir_stream stream, int status, void *user)
{
    struct wi_pump_side *side = user;

    if (side->handlers != NULL && side->handlers->started != NULL) {
        side->handlers->started(stream, status, side->user);
    }
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    struct wi_pump_side *side = user;

    if (side->handlers != NULL && side->handlers->peer_reset != NULL) {
        side->handlers->peer_reset(stream, code, side->user);
    }
}

static void
on_peer_stop(weir_stream stream, uint64_t code, void *user)
{
    struct wi_pump_side *side = user;

    if (side->handlers != NULL && side->handlers->peer_stop != NULL) {
        side->handlers->peer_stop(stream, code, side->user);
    }
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    struct wi_pump_side *side = user;

    if (side->handlers != NULL && side->handlers->send_closed != NULL) {
        side->handlers->send_closed(stream, graceful, side->user);
    }
}

static void
on_peer_accepted(weir_stream stream, void *user)
{
    struct wi_pump_side *side = user;

    if (side->handlers != NULL && side->handlers->peer_accepted != NULL) {
        side->handlers->peer_accepted(stream, side->user);
    }
}

// The stream is gone, and both directions with it.
static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct wi_pump_side *side = user;
    const struct weir_handlers *handlers = side->handlers;
    void *own_user = side->user;

    if (!wi_flow_has(flow_from(side), WI_FLOW_OVER) || !wi_flow_has(flow_to(side), WI_FLOW_OVER)) {
        bool has_reason = closed->status != 0;

        wi_side_failed(side, has_reason ? closed->status : -WEIR_EENDED,
                       has_reason ? closed->origin : WEIR_ORIGIN_LOCAL_CLOSE);
        wi_flow_end(flow_from(side));
        wi_flow_end(flow_to(side));
    }
    if (handlers != NULL && handlers->closed != NULL) {
        handlers->closed(stream, closed, own_user);
    }
}

const struct weir_handlers wi_pump_handlers = {
    .started = on_started,
    .data = on_data,
    .peer_fin = on_peer_fin,
    .peer_reset = on_peer_reset,
    .peer_stop = on_peer_stop,
    .writable = on_writable,
    .send_closed = on_send_closed,
    .peer_accepted = on_peer_accepted,
    .closed = on_closed,
};
