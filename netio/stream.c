/* SPDX-License-Identifier: MIT */

#include "netio/stream.h"

#include "mem/block.h"
#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/acks.h"
#include "netio/blocked.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/race.h"
#include "netio/reports.h"
#include "netio/zerocopy.h"
#include "runtime/credit.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#define WRITE_BEHIND_DEFAULT (64u * 1024)

/* ---- slots ---- */

struct wi_gate *
wi_stream_take_slot(struct wi_loop *loop)
{
    struct wi_slots *gates = &loop->runtime->gates;
    struct wi_net *net = wi_net_of(loop);
    uint32_t first = wi_free_take(gates, &net->free_slots);
    char *segment;

    if (first != WI_SLOT_NONE) {
        return wi_slots_at(gates, first);
    }
    segment = wi_slots_grow(gates, &first);
    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < WI_SLOT_SEGMENT; i++) {
        struct wi_gate *gate = (struct wi_gate *)(void *)(segment + (size_t)i * WI_SLOT_SIZE);

        gate->loop = loop;
        wi_store_relaxed(&gate->handle,
                         wi_handle(WI_HANDLE_NONE, loop->runtime->index, first + i, 0));
    }
    wi_slots_publish(gates, first, segment);
    for (uint32_t i = 1; i < WI_SLOT_SEGMENT; i++) {
        wi_free_put(gates, &net->free_slots, first + i);
    }
    return (struct wi_gate *)(void *)segment;
}

static void
give_slot(struct wi_gate *gate)
{
    struct wi_stream *stream = wi_stream_of(gate);
    uint64_t last = wi_load_relaxed(&gate->handle);

    stream->phase = WI_PHASE_FREE;
    if (stream->extra != NULL && stream->extra->dialling != NULL) {
        wi_race_free(stream->extra->dialling->race);
        wi_heap_free(stream->extra->dialling);
    }
    wi_heap_free(stream->extra);
    stream->extra = NULL;
    if (wi_handle_generation(last) < WI_GENERATION_MAX) { // else: retired
        wi_free_put(&gate->loop->runtime->gates, &wi_net_of(gate->loop)->free_slots,
                    wi_handle_slot(last));
    }
}

/* ---- opening ---- */

int
wi_stream_check_options(const struct weir_stream_options *options)
{
    unsigned known = WEIR_STREAM_INLINE | WEIR_STREAM_SWALLOW | WEIR_STREAM_FIN_IS_ABORT |
                     WEIR_STREAM_ACKED | WEIR_STREAM_PAUSED | WEIR_STREAM_PAUSE_ON_PARTIAL |
                     WEIR_STREAM_NODELAY | WEIR_STREAM_KEEPALIVE | WEIR_STREAM_REST;

    if ((options->flags & ~known) != 0 || options->queue_high > UINT32_MAX ||
        options->send_buffer < 0 || options->receive_buffer < 0 ||
        options->user_timeout_ms > INT_MAX ||
        (options->queue_high != 0 && options->queue_low > options->queue_high) ||
        (options->input_high != 0 && options->input_low > options->input_high)) {
        return -EINVAL;
    }
    return 0;
}

static bool
needs_extra(const struct weir_stream_options *options)
{
    return options->write_behind != 0 || options->queue_low != 0 || options->input_high != 0 ||
           options->input_low != 0 || options->write_deadline_ns != 0 || options->cork_ns != 0;
}

static struct wi_stream_extra *
make_extra(const struct weir_stream_options *options)
{
    struct wi_stream_extra *extra = wi_heap_zalloc(sizeof(*extra));
    static const struct weir_stream_options defaults;

    if (extra == NULL) {
        return NULL;
    }
    options = options == NULL ? &defaults : options;
    extra->write_behind = options->write_behind != 0 ? options->write_behind : WRITE_BEHIND_DEFAULT;
    extra->low = options->queue_low;
    extra->input_high = options->input_high != 0 ? options->input_high : WI_INPUT_HIGH_DEFAULT;
    extra->input_low = options->input_low != 0 ? options->input_low : extra->input_high / 2;
    extra->write_deadline_ns = options->write_deadline_ns;
    extra->cork_ns = options->cork_ns != 0 ? options->cork_ns : WI_CORK_DEFAULT_NS;
    return extra;
}

void
wi_stream_judge(struct wi_stream *stream)
{
    const struct wi_gate *gate = wi_gate_of(stream);
    bool is_plain = stream->phase == WI_PHASE_OPEN && !(stream->flags & WI_S_INLINE) &&
                    (stream->extra == NULL || stream->extra->write_deadline_ns == 0) &&
                    !wi_zerocopy_waits(stream) && !wi_credit_is_limited(gate->loop->runtime);
    bool pushes = stream->handlers != NULL && stream->handlers->data != NULL;

    stream->flags = (stream->flags & ~(uint32_t)WI_S_PLAIN) | (is_plain ? (uint32_t)WI_S_PLAIN : 0);
    stream->source.ops = is_plain && pushes ? &wi_stream_plain_source_ops : &wi_stream_source_ops;
}

struct wi_stream_extra *
wi_stream_need_extra(struct wi_stream *stream)
{
    if (stream->extra == NULL) {
        stream->extra = make_extra(NULL);
        if (stream->extra != NULL) {
            // Some may have found no memory for it: they wait for the budget before all others.
            stream->extra->behind_next = wi_stream_next_for_budget(stream->queue.head);
        }
    }
    return stream->extra;
}

static uint32_t
marks_of(const struct weir_stream_options *options, enum wi_transport transport)
{
    uint32_t marks = transport == WI_TRANSPORT_TCP ? WI_S_POLL_OUT : 0;

    marks |= options->flags & WEIR_STREAM_PAUSED ? (uint32_t)WI_S_PAUSED : 0;
    marks |= options->flags & WEIR_STREAM_INLINE ? (uint32_t)WI_S_INLINE : 0;
    return marks | WI_S_RIGHT;
}

static void
open_gate(struct wi_gate *gate, const struct weir_stream_options *options, int fd,
          enum wi_transport transport)
{
    struct wi_stream *stream = wi_stream_of(gate);
    uint64_t last = wi_load_relaxed(&gate->handle);
    unsigned bits = 0;

    gate->fd = fd;
    wi_store_relaxed(&gate->high, (uint32_t)options->queue_high);
    bits |= options->flags & WEIR_STREAM_INLINE ? (unsigned)WI_GATE_INLINE : 0;
    bits |= options->flags & WEIR_STREAM_SWALLOW ? (unsigned)WI_GATE_SWALLOW : 0;
    bits |= options->flags & WEIR_STREAM_PAUSE_ON_PARTIAL ? (unsigned)WI_GATE_PARTIAL_PAUSE : 0;
    bits |= options->flags & WEIR_STREAM_FIN_IS_ABORT ? (unsigned)WI_GATE_FIN_IS_ABORT : 0;
    bits |= options->flags & WEIR_STREAM_REST ? (unsigned)WI_GATE_REST : 0;
    if ((options->flags & WEIR_STREAM_ACKED) && transport == WI_TRANSPORT_TCP) {
        bits |= WI_GATE_ACKED;
    }
    if (options->handlers != NULL && options->handlers->data != NULL) {
        bits |= WI_GATE_PUSH;
    }
    wi_store_relaxed(&gate->options, (uint16_t)bits);
    wi_store_relaxed(&gate->status, 0);
    wi_store_relaxed(&gate->close_argument, 0);
    wi_store_relaxed(&gate->finished, wi_load_relaxed(&gate->queued));
    // The count in flight is never overwritten: a stale caller may be passing through.
    stream->next_ticket = wi_gate_ticket(
        wi_or_acq_rel(&gate->word, (uint64_t)WI_GATE_OPEN | wi_gate_right_bits(WI_RIGHT_LOOP)));
    // ORDER(gate) publish: whoever finds the handle finds the slot set up.
    wi_store_release(&gate->handle,
                     wi_handle(WI_HANDLE_STREAM, gate->loop->runtime->index, wi_handle_slot(last),
                               wi_handle_generation(last) + 1));
}

int
wi_stream_reserve(struct wi_gate *gate, const struct weir_stream_options *options,
                  struct wi_dialling *dialling)
{
    struct wi_stream_extra *extra;

    if (needs_extra(options) || dialling != NULL) {
        extra = make_extra(options);
        if (extra == NULL) {
            give_slot(gate);
            return -ENOMEM; // the dialling is still the caller's
        }
        extra->dialling = dialling;
        wi_stream_of(gate)->extra = extra;
    }
    return 0;
}

void
wi_stream_give_back(struct wi_gate *gate)
{
    give_slot(gate);
}

void
wi_stream_open(struct wi_gate *gate, const struct weir_stream_options *options, int fd,
               enum wi_transport transport)
{
    struct wi_stream *stream = wi_stream_of(gate);
    struct wi_stream_extra *extra = stream->extra;

    // The control's node and the stale requests it may still carry outlive the stream.
    memset(stream, 0, offsetof(struct wi_stream, control));
    stream->timer = (struct wi_timer){0};
    stream->control.run = wi_stream_asked;
    stream->source.ops = &wi_stream_source_ops;
    stream->handlers = options->handlers;
    stream->user = options->user;
    stream->flags = marks_of(options, transport);
    stream->fd = fd;
    stream->phase = WI_PHASE_NEW;
    stream->transport = (uint8_t)transport;
    stream->read_blocks = 1;
    stream->extra = extra;
    open_gate(gate, options, fd, transport);
}

void
wi_stream_join(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_add_relaxed(&loop->streams, 1);
    loop->open_things++;
    wi_count(&loop->counters.opened, 1);
    if (loop->stopping) { // it was on its way when the others were told to close
        wi_loop_not_idle(loop);
        weir_close(wi_stream_handle(stream), WEIR_CLOSE_DRAIN,
                   wi_load_relaxed(&loop->runtime->stop_deadline), 0);
    }
}

int
wi_stream_start(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    int result = 0;

    wi_assert_on_loop(loop);
    if (wi_gate_has(gate, WI_GATE_ACKED)) {
        result = wi_acks_enable(stream);
    }
    if (result == 0) {
        result = wi_os_poll_add(loop->poller, stream->fd,
                                events | (stream->flags & WI_S_POLL_OUT ? (uint32_t)EPOLLOUT : 0),
                                &stream->source);
        wi_count(&loop->counters.polls, 1);
    }
    if (result < 0) {
        return result;
    }
    stream->phase = WI_PHASE_OPEN;
    if (wi_unlikely(stream->flags & WI_S_DISCARD)) {
        wi_vsock_stop_reading(loop, stream);
    }
    wi_stream_judge(stream);
    wi_stream_needs_work(loop, stream);
    return 0;
}

/* ---- lists ---- */

void
wi_stream_event(struct wi_loop *loop, struct wi_stream *stream, unsigned event)
{
    struct wi_net *net = wi_net_of(loop);

    stream->events |= (uint16_t)event;
    if (stream->flags & WI_S_EVENT) {
        return;
    }
    stream->flags |= WI_S_EVENT;
    stream->next_event = NULL;
    if (net->events == NULL) {
        net->events = stream;
    } else {
        net->events_last->next_event = stream;
    }
    net->events_last = stream;
    if (!net->done_deferred) {
        net->done_deferred = true;
        wi_loop_defer(loop, &net->done_task);
    }
}

void
wi_stream_arm(struct wi_loop *loop, struct wi_stream *stream, uint64_t deadline_ns)
{
    if (deadline_ns == WEIR_NEVER) {
        wi_wheel_disarm(&loop->wheel, &stream->timer);
    } else {
        wi_wheel_arm(&loop->wheel, &stream->timer, WI_TIMER_STREAM, deadline_ns);
    }
}

/* ---- dying ---- */

bool
wi_is_shortage(int status)
{
    return status == -ENOMEM || status == -ENOBUFS || status == -EMFILE || status == -ENFILE ||
           status == -ENOSPC; // the last: too many watched descriptors
}

void
wi_stream_reason(struct wi_stream *stream, int status, enum weir_origin origin)
{
    struct wi_gate *gate = wi_gate_of(stream);

    if (stream->status == 0 && status != 0) {
        stream->status = (int16_t)status;
        stream->origin = (uint8_t)origin;
        wi_store_relaxed(&gate->status, (int16_t)status); // published by the move of the state
    }
}

void
wi_stream_lose(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write, int status,
               enum weir_origin origin)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra != NULL && !WI_PLANT(18)) {
        extra->lost += wi_write_left(write);
    }
    wi_write_end(loop, stream, write, status, origin);
}

static void
end_writes(struct wi_loop *loop, struct wi_stream *stream, int status, enum weir_origin origin)
{
    wi_acks_end(loop, stream, status, origin); // in the order in which they would have gone
    if (stream->extra != NULL) {
        stream->extra->behind_next = NULL;
    }
    while (!wi_sendq_is_empty(&stream->queue)) {
        struct wi_write *write = stream->queue.head;

        wi_sendq_remove(&stream->queue, write);
        wi_stream_lose(loop, stream, write, status, origin);
    }
    if (stream->extra != NULL) { // made meanwhile, for what was lost
        stream->extra->behind_next = NULL;
    }
    for (struct wi_write *write = wi_order_take(stream); write != NULL;) {
        struct wi_write *next = wi_write_next(write);

        write->op.task.next = NULL;
        wi_op_arrive(loop, &write->op, WEIR_NEVER, 0);
        wi_stream_lose(loop, stream, write, status, origin);
        write = next;
    }
}

// A submitter that holds the right may be inside a send: its descriptor stays until it is back.
static bool
submitter_sends(const struct wi_stream *stream)
{
    return wi_gate_right(wi_load_relaxed(&wi_gate_of(stream)->word)) == WI_RIGHT_SUBMITTER;
}

// `closed` may ask for it, and the socket will be gone, or know it no more.
static void
keep_local_address(struct wi_stream *stream)
{
    struct wi_stream_extra *extra;

    if (stream->handlers == NULL || stream->handlers->closed == NULL) {
        return;
    }
    extra = wi_stream_need_extra(stream);
    if (extra == NULL || extra->local_size != 0) {
        return;
    }
    extra->local_size = sizeof(extra->local);
    if (wi_os_local_address(stream->fd, (struct sockaddr *)&extra->local, &extra->local_size) < 0) {
        extra->local_size = 0;
    }
}

// End the connection without giving the descriptor up. Disconnecting resets a TCP connection, and
// drops what the kernel had not sent: what it read of a program's memory it lets go of at once, or
// as soon as the device has what it was given.
static void
disconnect(struct wi_stream *stream, bool reset)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    if (!reset || wi_os_connect(stream->fd, &nowhere, sizeof(nowhere)) < 0) {
        wi_os_shutdown(stream->fd, SHUT_RDWR);
    }
}

static void
close_socket(struct wi_stream *stream, bool reset)
{
    if (stream->fd < 0) {
        return;
    }
    if (reset) {
        wi_os_set_linger_reset(stream->fd);
    }
    keep_local_address(stream);
    if (wi_zerocopy_waits(stream)) { // only through its descriptor do we learn what it still reads
        disconnect(stream, true);
        wi_reports_take(stream);
        return;
    }
    if (submitter_sends(stream)) {
        disconnect(stream, reset);
        return;
    }
    if (!WI_PLANT(35)) {
        wi_os_close(stream->fd);
    }
    stream->fd = -1;
    wi_gate_of(stream)->fd = -1;
}

void
wi_stream_die(struct wi_loop *loop, struct wi_stream *stream, int status, enum weir_origin origin,
              uint64_t code)
{
    // What this side ended is told as ended; the reason of the stream says more.
    bool here =
        status == 0 || origin == WEIR_ORIGIN_LOCAL_CLOSE || origin == WEIR_ORIGIN_LOCAL_CANCEL;
    int end_status = here ? -WEIR_EENDED : status;
    enum weir_origin end_origin = here ? WEIR_ORIGIN_LOCAL_CLOSE : origin;
    bool was_over = (stream->flags & WI_S_SEND_OVER) != 0;

    if (stream->phase == WI_PHASE_DEAD || stream->phase == WI_PHASE_FREE) {
        return;
    }
    if (stream->phase < WI_PHASE_OPEN) {
        wi_stream_event(loop, stream, WI_EVENT_STARTED | WI_EVENT_NEVER);
    }
    wi_stream_reason(stream, status, origin);
    wi_gate_move(wi_gate_of(stream), WI_GATE_DRAINING);
    wi_store_relaxed(&wi_gate_of(stream)->close_argument, code);
    stream->phase = WI_PHASE_DEAD;
    wi_stream_judge(stream);
    wi_wheel_disarm(&loop->wheel, &stream->timer);
    wi_blocked_stop(loop, stream);
    wi_loop_forget(loop, &stream->source);
    if (stream->extra != NULL && stream->extra->dialling != NULL &&
        stream->extra->dialling->race != NULL) {
        wi_race_end(loop, stream);
    }
    end_writes(loop, stream, end_status, end_origin);
    wi_stream_end_pulls(loop, stream, status, origin);
    close_socket(stream, status != 0 && origin != WEIR_ORIGIN_PEER_RESET);
    if (!was_over) {
        stream->flags |= WI_S_SEND_OVER;
        wi_stream_event(loop, stream,
                        WI_EVENT_SEND_CLOSED | (status == 0 ? (unsigned)WI_EVENT_GRACEFUL : 0));
    }
    wi_stream_needs_work(loop, stream);
}

static void
drop_extra_parts(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = stream->extra;

    wi_stream_forget_later(loop, stream);

    weir_chain_return(&stream->input);
    if (extra == NULL) {
        return;
    }
    wi_token_unbind(&extra->bond);
    wi_acks_free(stream);
    wi_zerocopy_free(stream);
}

void
wi_stream_drop_section(struct wi_stream *stream)
{
    struct wi_stream_extra *extra = stream->extra;
    struct weir_chain section;

    if (extra == NULL || extra->section == NULL) {
        return;
    }
    section = (struct weir_chain){.head = extra->section, .tail = extra->section};
    while (section.tail->next != NULL) {
        section.tail = section.tail->next;
    }
    weir_chain_return(&section);
    extra->section = NULL;
    wi_and_acq_rel(&wi_gate_of(stream)->word, ~WI_GATE_SECTION);
}

// Loop thread. `closed` was told: nobody may find the slot any more; the last one out frees it.
void
wi_stream_retire_handle(struct wi_stream *stream)
{
    wi_atomic_u64 *handle = &wi_gate_of(stream)->handle;

    wi_store_relaxed(handle, wi_load_relaxed(handle) & ~(UINT64_C(7) << 61));
}

static void
free_slot(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);

    // The handle was taken away before: a caller that found it still counts itself and looks again.
    // ORDER(gate), loop half: take the handle away, fence, look at the count; wi_gate_hold() counts
    // itself first and looks at the handle then. One of the two sees the other.
    wi_fence_full();
    wi_stream_forget_later(loop, stream);
    if (wi_load_acquire(&gate->asked) != 0 || (stream->flags & (WI_S_WORK | WI_S_EVENT)) != 0 ||
        !wi_gate_is_quiet(gate, UINT64_C(0xffff))) {
        return; // a request's running, or the last one's leaving, brings us back here
    }
    wi_add_relaxed(&loop->streams, (uint32_t)-1);
    loop->open_things--;
    wi_count(&loop->counters.closed, 1);
    give_slot(gate);
}

void
wi_stream_settle_death(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_assert(stream->phase == WI_PHASE_DEAD);
    if (stream->flags & WI_S_CLOSED_TOLD) {
        free_slot(loop, stream);
        return;
    }
    if (wi_zerocopy_waits(stream)) {
        return; // the kernel reads memory of writes that have ended: it tells when it does not
    }
    if (!wi_gate_finish(wi_gate_of(stream)) && !WI_PLANT(21)) {
        return; // whoever has the right to write is in flight too
    }
    close_socket(stream, stream->status != 0);
    if (!(stream->events & WI_EVENT_CLOSED)) {
        drop_extra_parts(loop, stream);
        wi_stream_event(loop, stream, WI_EVENT_CLOSED);
    }
}
