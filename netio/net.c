/* SPDX-License-Identifier: MIT */

#include "netio/net.h"

#include "mem/heap.h"
#include "netio/acks.h"
#include "netio/blocked.h"
#include "netio/hybrid.h"
#include "netio/listen.h"
#include "netio/page.h"
#include "netio/pipe.h"
#include "netio/pump.h"
#include "netio/zerocopy.h"

#include <errno.h>

/* ---- telling ---- */

static void
tell_started(struct wi_loop *loop, struct wi_stream *stream)
{
    int status = !(stream->events & WI_EVENT_NEVER) ? 0
                 : stream->status != 0              ? stream->status
                                                    : -WEIR_EENDED;

    (void)loop;
    stream->events &= (uint16_t) ~(WI_EVENT_STARTED | WI_EVENT_NEVER);
    wi_dial_finish_waiting(stream);
    if (stream->handlers != NULL && stream->handlers->started != NULL) {
        stream->handlers->started(wi_stream_handle(stream), status, stream->user);
    }
    if (status == 0) {
        stream->events |= WI_EVENT_IDEAL; // told if somebody wants to know
    }
    if (stream->extra != NULL && stream->extra->dialling != NULL &&
        stream->extra->dialling->notifies && stream->phase != WI_PHASE_DEAD) {
        stream->events |= WI_EVENT_ACCEPTED;
    }
    if (status == 0 && stream->extra != NULL) { // it has arrived: the way is of no more use
        wi_heap_free(stream->extra->dialling);
        stream->extra->dialling = NULL;
    }
}

static void
tell_closed(struct wi_loop *loop, struct wi_stream *stream)
{
    struct weir_closed closed = {
        .status = stream->status,
        .origin = (enum weir_origin)stream->origin,
        .code = stream->status != 0 ? wi_load_relaxed(&wi_gate_of(stream)->close_argument) : 0,
        .bytes_lost = stream->extra != NULL ? stream->extra->lost : 0,
        .bytes_sent = wi_load_relaxed(&stream->sent),
        .bytes_received = wi_load_relaxed(&stream->received),
    };

    wi_stream_return_provided(loop, stream);
    wi_stream_drop_section(stream);
    wi_dial_finish_waiting(stream);
    stream->flags |= WI_S_CLOSED_TOLD;
    if (stream->handlers != NULL && stream->handlers->closed != NULL) {
        stream->handlers->closed(wi_stream_handle(stream), &closed, stream->user);
    }
    wi_stream_retire_handle(stream);
    wi_stream_needs_work(loop, stream); // frees the slot
}

// An eighth: a window that grows by a segment at a time is not worth a call for each.
static bool
changes_by_much(size_t from, size_t to)
{
    return to > from ? to - from > from / 8 : from - to > from / 8;
}

static void
tell_ideal(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);
    int send_buffer = 0;
    size_t window = 0;

    (void)loop;
    if (extra == NULL || stream->fd < 0 ||
        wi_os_get_option(stream->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer) < 0) {
        return;
    }
    if (stream->transport == WI_TRANSPORT_TCP && wi_os_window(stream->fd, &window) == 0 &&
        window * 2 < (size_t)send_buffer) {
        send_buffer = (int)(window * 2); // twice what may be under way keeps the pipe full
    }
    if (changes_by_much(extra->ideal_size, (size_t)send_buffer)) {
        extra->ideal_size = (size_t)send_buffer;
        stream->handlers->ideal_size(wi_stream_handle(stream), extra->ideal_size, stream->user);
    }
}

// Events that carry nothing but the stream, in the order they are told.
static void
tell_simple(struct wi_stream *stream, unsigned events)
{
    const struct weir_handlers *handlers = stream->handlers;
    weir_stream handle = wi_stream_handle(stream);

    if (handlers == NULL) {
        return;
    }
    if ((events & WI_EVENT_ACCEPTED) && handlers->peer_accepted != NULL) {
        handlers->peer_accepted(handle, stream->user);
    }
    if ((events & WI_EVENT_PEER_RESET) && handlers->peer_reset != NULL) {
        handlers->peer_reset(handle, 0, stream->user);
    }
    if ((events & WI_EVENT_PEER_STOP) && handlers->peer_stop != NULL) {
        handlers->peer_stop(handle, 0, stream->user);
    }
    if ((events & WI_EVENT_PEER_FIN) && handlers->peer_fin != NULL) {
        handlers->peer_fin(handle, wi_stream_end_is_ambiguous(stream), stream->user);
    }
    if ((events & WI_EVENT_WRITABLE) && handlers->writable != NULL) {
        handlers->writable(handle, stream->user);
    }
    if ((events & WI_EVENT_BUFFER) && handlers->buffer_needed != NULL) {
        handlers->buffer_needed(handle, stream->user);
    }
    if ((events & WI_EVENT_SEND_CLOSED) && handlers->send_closed != NULL) {
        handlers->send_closed(handle, (events & WI_EVENT_GRACEFUL) != 0, stream->user);
    }
}

static void
tell(struct wi_loop *loop, struct wi_stream *stream)
{
    unsigned events = stream->events;

    if (events & WI_EVENT_STARTED) { // it started in a callback just now: that is told first
        wi_stream_event(loop, stream, 0);
        return;
    }
    // Reading is for the next round: what it brings goes before the completions there.
    stream->events &= (uint16_t)(WI_EVENT_AGAIN | WI_EVENT_READ);
    if (wi_zerocopy_waits(stream)) { // completions go before this
        stream->events |= (uint16_t)(events & (WI_EVENT_SEND_CLOSED | WI_EVENT_GRACEFUL));
        events &= ~(unsigned)(WI_EVENT_SEND_CLOSED | WI_EVENT_GRACEFUL);
    }
    if (events & WI_EVENT_READ) {
        wi_stream_event(loop, stream, WI_EVENT_READ);
    }
    if ((events & WI_EVENT_IDEAL) && stream->handlers != NULL &&
        stream->handlers->ideal_size != NULL) {
        tell_ideal(loop, stream);
    }
    tell_simple(stream, events);
    if (events & WI_EVENT_CLOSED) {
        tell_closed(loop, stream);
    } else if (wi_unlikely(stream->flags & WI_S_CLOSED_TOLD)) {
        wi_stream_needs_work(loop, stream); // while it was listed here its slot could not go
    }
}

/* ---- the end of a turn ---- */

// What is told before completions: that a stream has started; the bytes that arrived; and then that
// the peer has gone, which is why writes fail.
static void
tell_first(struct wi_loop *loop)
{
    for (struct wi_stream *stream = wi_net_of(loop)->events; stream != NULL;
         stream = stream->next_event) {
        if (stream->events & WI_EVENT_STARTED) {
            tell_started(loop, stream);
        }
        if (stream->events & WI_EVENT_READ) {
            stream->events &= (uint16_t)~WI_EVENT_READ;
            wi_stream_read(loop, stream);
        }
        if (stream->events & (WI_EVENT_PEER_RESET | WI_EVENT_PEER_STOP)) {
            unsigned events = stream->events & (WI_EVENT_PEER_RESET | WI_EVENT_PEER_STOP);

            stream->events &= (uint16_t)~events;
            tell_simple(stream, events);
        }
    }
}

static void
tell_all(struct wi_loop *loop)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_stream *stream = net->events;

    net->events = NULL;
    while (stream != NULL) {
        struct wi_stream *next = stream->next_event;

        stream->flags &= ~(unsigned)WI_S_EVENT;
        tell(loop, stream);
        stream = next;
    }
}

static void
done_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_task *done;

    (void)task;
    net->done_deferred = false;
    if (net->events != NULL) {
        tell_first(loop);
    }
    done = net->done;
    net->done = NULL;
    while (done != NULL) {
        struct wi_task *next = done->next;

        done->ops->run(loop, done);
        done = next;
    }
    if (net->events != NULL) {
        tell_all(loop);
    }
}

static const struct wi_task_ops done_task_ops = {.run = done_run};

/* ---- timers of streams ---- */

static void
stream_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_stream *stream = wi_container_of(timer, struct wi_stream, timer);

    switch (stream->phase) {
    case WI_PHASE_CONNECTING:
        wi_dial_timer_fired(loop, stream);
        break;
    case WI_PHASE_OPEN: // the cork's life is over
        stream->flags &= ~(unsigned)WI_S_CORKED;
        wi_corked_end(loop, stream);
        wi_stream_needs_work(loop, stream);
        break;
    case WI_PHASE_CLOSING:
        wi_stream_die(loop, stream, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE, 0);
        break;
    default:
        break;
    }
}

/* ---- the service ---- */

static int
net_tables(struct wi_runtime *runtime)
{
    int result = wi_slots_init(&runtime->gates, WI_SLOT_SEGMENT, WI_SLOT_SIZE, WI_SLOT_NEXT_OFFSET);

    if (result == 0) {
        result = wi_pumps_init(runtime);
    }
    return result == 0 ? wi_listeners_init(runtime) : result;
}

static int
net_init(struct wi_loop *loop)
{
    struct wi_net *net = wi_heap_zalloc(sizeof(*net));

    if (net == NULL) {
        return -ENOMEM;
    }
    net->loop = loop;
    net->work_task.ops = &wi_work_ops;
    net->done_task.ops = &done_task_ops;
    net->later_task.ops = &wi_later_ops;
    loop->net = net;
    loop->timer_fns[WI_TIMER_STREAM] = stream_timer_fired;
    loop->timer_fns[WI_TIMER_LISTENER] = wi_listener_timer_fired;
    loop->timer_fns[WI_TIMER_HYBRID] = wi_hybrid_timer_fired;
    loop->timer_fns[WI_TIMER_ACKS] = wi_acks_timer_fired;
    loop->timer_fns[WI_TIMER_ZEROCOPY] = wi_zerocopy_timer_fired;
    loop->timer_fns[WI_TIMER_PUMP] = wi_pump_timer_fired;
    loop->timer_fns[WI_TIMER_PUMP_FLOW] = wi_flow_timer_fired;
    return 0;
}

static void
net_stop(struct wi_loop *loop, uint64_t deadline_ns)
{
    struct wi_slots *gates = &loop->runtime->gates;
    uint32_t segments = wi_load_relaxed(&gates->segments);

    wi_listeners_stop(loop);
    for (uint32_t slot = 0; slot < segments * WI_SLOT_SEGMENT; slot++) {
        struct wi_gate *gate = wi_slots_at(gates, slot);
        weir_stream handle;

        if (gate == NULL || gate->loop != loop) {
            continue;
        }
        handle.bits = wi_load_relaxed(&gate->handle);
        if (wi_handle_kind(handle.bits) == WI_HANDLE_STREAM) {
            weir_close(handle, WEIR_CLOSE_DRAIN, deadline_ns, 0);
        }
    }
}

static void
net_fini(struct wi_loop *loop)
{
    wi_pipes_fini(loop);
    wi_heap_free(loop->net);
    loop->net = NULL;
}

const struct wi_service wi_net_service = {
    .tables = net_tables,
    .init = net_init,
    .share = wi_page_open,
    .unshare = wi_page_close,
    .stop = net_stop,
    .fini = net_fini,
};
