/* SPDX-License-Identifier: MIT */

#include "mem/block.h"
#include "mem/plant.h"
#include "netio/acks.h"
#include "netio/blocked.h"
#include "netio/file.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/plain.h"
#include "netio/zerocopy.h"

#include <errno.h>

/* ---- level ACCEPTED ---- */

// The first one from here on that waits for the budget. The account never goes on from any other:
// plain writes leave the queue without a look at it.
struct wi_write *
wi_stream_next_for_budget(struct wi_write *write)
{
    while (write != NULL &&
           (wi_write_level(write) != WEIR_ACCEPTED || (write->flags & WI_WRITE_EARLY))) {
        write = wi_write_next(write);
    }
    return write;
}

// A write above the whole budget completes when it is written (K8).
static bool
fits_budget(const struct wi_stream_extra *extra, const struct wi_write *write)
{
    return extra->write_behind == WEIR_WRITE_BEHIND_UNLIMITED ||
           (extra->write_behind != WEIR_WRITE_BEHIND_NONE && write->size <= extra->write_behind &&
            extra->behind + wi_write_left(write) <= extra->write_behind * (WI_PLANT(19) ? 2 : 1));
}

void
wi_stream_admit(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = stream->extra;
    struct wi_write *write = extra != NULL ? extra->behind_next : NULL;

    if (write == NULL) {
        return;
    }
    while (write != NULL) {
        if (wi_write_level(write) == WEIR_ACCEPTED && !(write->flags & WI_WRITE_EARLY)) {
            if (!fits_budget(extra, write)) {
                break; // FIFO: smaller ones behind it wait too
            }
            if (wi_op_is_claimed(&write->op) || wi_op_claim(&write->op)) {
                extra->behind += wi_write_left(write);
                wi_write_end_early(loop, stream, write);
            } // else a canceller won it; the gather or its node will end it
        }
        write = wi_write_next(write);
    }
    extra->behind_next = write;
    if (write != NULL) {
        stream->flags &= ~(unsigned)WI_S_CORKED; // a writer waits: the cork must not hold it
    }
}

void
wi_stream_unqueue(struct wi_stream *stream, struct wi_write *write)
{
    if (wi_unlikely(stream->extra != NULL && stream->extra->behind_next == write)) {
        stream->extra->behind_next = wi_stream_next_for_budget(wi_write_next(write));
    }
    wi_sendq_remove(&stream->queue, write);
}

/* ---- what the kernel answered ---- */

static void
send_over(struct wi_loop *loop, struct wi_stream *stream, bool graceful)
{
    if (!(stream->flags & WI_S_SEND_OVER)) {
        stream->flags |= WI_S_SEND_OVER;
        wi_stream_event(loop, stream,
                        WI_EVENT_SEND_CLOSED | (graceful ? (unsigned)WI_EVENT_GRACEFUL : 0));
    }
}

static void
end_queue(struct wi_loop *loop, struct wi_stream *stream, int status, enum weir_origin origin)
{
    wi_acks_look(stream);
    if (stream->extra != NULL) {
        stream->extra->behind_next = NULL;
        stream->extra->behind = 0; // after a tear the budget is whole again
    }
    while (!wi_sendq_is_empty(&stream->queue)) {
        struct wi_write *write = stream->queue.head;

        wi_sendq_remove(&stream->queue, write);
        wi_stream_lose(loop, stream, write, status, origin);
    }
    if (stream->extra != NULL) { // made meanwhile, for what was lost
        stream->extra->behind_next = NULL;
    }
}

// The write side failed. Reading goes on: bytes that arrived are delivered before the end.
void
wi_stream_fail_sending(struct wi_loop *loop, struct wi_stream *stream, int status)
{
    enum weir_origin origin = status == -ECONNRESET ? WEIR_ORIGIN_PEER_RESET
                              : status == -EPIPE    ? WEIR_ORIGIN_PEER_STOP
                                                    : wi_origin_of(status);

    wi_stream_reason(stream, status, origin);
    wi_gate_move(wi_gate_of(stream), WI_GATE_DRAINING);
    wi_acks_end(loop, stream, status, origin); // nothing would be acknowledged any more
    end_queue(loop, stream, status, origin);
    send_over(loop, stream, false);
    if (origin == WEIR_ORIGIN_PEER_STOP && !(stream->flags & WI_S_STOP_TOLD)) {
        stream->flags |= WI_S_STOP_TOLD;
        wi_stream_event(loop, stream, WI_EVENT_PEER_STOP);
    }
    // Whatever is to be read says how it ends; without a reader, or while paused, we say it.
    stream->flags &= ~(unsigned)WI_S_RESTING;
    stream->flags |= WI_S_READABLE | WI_S_RDHUP;
    wi_stream_event(loop, stream, WI_EVENT_READ);
}

static void
watch_for_room(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_blocked_begin(loop, stream);
    if (!(stream->flags & WI_S_POLL_OUT) && !WI_PLANT(15)) {
        int result = wi_os_poll_modify(loop->poller, stream->fd,
                                       EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &stream->source);

        stream->flags |= WI_S_POLL_OUT;
        wi_count(&loop->counters.polls, 1);
        if (wi_unlikely(result < 0)) { // nothing would ever say that there is room
            wi_log(loop->runtime, WEIR_LOG_ERROR, "a stream's room cannot be watched: %s",
                   weir_strerror(result));
            wi_stream_die(loop, stream, result, wi_origin_of(result), 0);
        }
    }
}

// On Unix sockets every read of the peer's would signal room, on vsock every packet: ask only while
// something waits.
static void
stop_watching_room(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->transport != WI_TRANSPORT_TCP && (stream->flags & WI_S_POLL_OUT)) {
        int result = wi_os_poll_modify(loop->poller, stream->fd, EPOLLIN | EPOLLRDHUP | EPOLLET,
                                       &stream->source);

        wi_blocked_end(loop, stream); // the next write just tries
        if (wi_likely(result == 0)) {
            stream->flags &= ~(unsigned)WI_S_POLL_OUT;
        } // else it says more than is asked, and we try again when the queue is empty again
        wi_count(&loop->counters.polls, 1);
    }
}

static void
send_fin(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->flags & WI_S_FIN_SENT) {
        return;
    }
    stream->flags |= WI_S_FIN_SENT;
    // Fails only if the peer is gone, which reading will tell.
    send_over(loop, stream, wi_os_shutdown(stream->fd, SHUT_WR) == 0 || WI_PLANT(3));
}

// The head has got what it wanted.
static void
finish_head(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_write *write = stream->queue.head;

    wi_stream_unqueue(stream, write);
    wi_write_written(loop, write);
    if (write->flags & WEIR_FIN) {
        send_fin(loop, stream);
    }
    if (wi_unlikely(wi_write_level(write) == WEIR_ACKED)) {
        wi_acks_wait(loop, stream, write);
    } else {
        wi_write_end(loop, stream, write, 0, WEIR_ORIGIN_NONE);
    }
}

static void
complete_after_flush(struct wi_net *net, struct wi_write *first, struct wi_write *last)
{
    if (net->whole_last == NULL) {
        net->whole_first = first;
    } else {
        net->whole_last->op.task.next = &first->op.task;
    }
    net->whole_last = last;
}

static void
complete_later(struct wi_loop *loop, struct wi_write *write)
{
    while (write != NULL) {
        struct wi_write *next = wi_write_next(write);

        wi_write_complete_later(loop, write);
        write = next;
    }
}

static WI_COLD void
end_stamps(struct wi_loop *loop, const struct wi_write *write)
{
    for (; write != NULL; write = wi_write_next(write)) {
        if (write->flags & WI_WRITE_STAMPED) {
            wi_write_stamp_end(loop, write);
        }
    }
}

// Plain writes at the head that went as a whole, by fewer steps: they stay linked, and are
// completed when the flush is over, unless something of the stream's waits to be told before. What
// is left of the size.
static uint64_t
finish_plain_heads(struct wi_loop *loop, struct wi_stream *stream, uint64_t size)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_write *first = stream->queue.head;
    struct wi_write *last = NULL;
    struct wi_write *write = first;
    uint64_t before = size;
    uint32_t flags = 0;

    while (
        write != NULL && write->size <= size &&
        (wi_write_is_marked_plain(write) || (wi_write_is_plain(write) && write->op.owner == 0))) {
        wi_probe_written(&write->op, write->size);
        flags |= write->flags;
        size -= write->size;
        last = write;
        write = wi_write_next(write);
    }
    if (last == NULL) {
        return size;
    }
    wi_stream_count_finished(stream, before - size);
    stream->queue.head = write;
    if (write == NULL) {
        stream->queue.tail = NULL;
    } else {
        write->op.prev = NULL;
    }
    last->op.task.next = NULL;
    if (wi_unlikely(flags & WI_WRITE_STAMPED)) {
        end_stamps(loop, first);
    }
    if (wi_likely((stream->flags & (WI_S_EVENT | WI_S_UNTOLD)) == 0)) {
        complete_after_flush(net, first, last);
    } else {
        complete_later(loop, first);
    }
    return size;
}

// Callbacks run here.
static void
complete_whole(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_write *write = net->whole_first;
    uint64_t handle = wi_stream_handle(stream).bits;
    uint64_t count = 0;

    net->whole_first = NULL;
    net->whole_last = NULL;
    wi_tls.at = wi_gate_of(stream);
    net->sent_whole.turn_ns = loop->now_ns;
    while (write != NULL) {
        struct wi_write *next = wi_write_next(write);

        wi_write_complete_plain(loop, net, handle, write);
        write = next;
        count++;
    }
    wi_count(&loop->counters.completed, count);
}

static void
take_sent(struct wi_loop *loop, struct wi_stream *stream, uint64_t size)
{
    bool more = true;

    wi_count(&stream->sent, size);
    if (wi_likely(!wi_zerocopy_waits(stream))) { // else even plain ones have their turn to wait for
        size = finish_plain_heads(loop, stream, size);
    }
    while (more) {
        struct wi_write *head = stream->queue.head;
        uint64_t before = size;

        more = wi_sendq_advance(&stream->queue, &size);
        if (head != NULL && (head->flags & WI_WRITE_EARLY)) {
            stream->extra->behind -= before - size;
        }
        if (more) {
            wi_net_of(loop)->sent_behind = size;
            finish_head(loop, stream);
        }
    }
    if (wi_unlikely(stream->extra != NULL && stream->extra->behind_next != NULL)) {
        wi_stream_admit(loop, stream);
    }
}

/* ---- sending ---- */

static bool
may_send(struct wi_loop *loop, struct wi_stream *stream)
{
    if ((stream->phase != WI_PHASE_OPEN && stream->phase != WI_PHASE_CLOSING) ||
        (stream->flags & WI_S_BLOCKED) || wi_sendq_is_empty(&stream->queue)) {
        return false;
    }
    if ((stream->flags & WI_S_CORKED) && stream->phase == WI_PHASE_OPEN) {
        if (!wi_timer_is_armed(&stream->timer)) {
            wi_corked_begin(loop, stream);
        }
        return false;
    }
    if (wi_timer_is_armed(&stream->timer) && stream->phase == WI_PHASE_OPEN) {
        wi_wheel_disarm(&loop->wheel, &stream->timer); // the cork's
        wi_corked_end(loop, stream);
    }
    return wi_stream_take_right(loop, stream);
}

static ssize_t
send_gathered(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather)
{
    wi_count(&loop->counters.sends, 1);
    if (wi_unlikely(gather->kind == WI_GATHER_OWN)) {
        return wi_zerocopy_send(loop, stream, gather);
    }
    if (gather->wants_ack) {
        return wi_os_send_marked(stream->fd, gather->iov, gather->iov_count, true, false);
    }
    if (wi_unlikely(gather->goes_on)) { // a head, and its file: they share packets
        return wi_os_send_more(stream->fd, gather->iov, gather->iov_count);
    }
    if (gather->iov_count == 1) {
        return wi_os_send(stream->fd, gather->iov[0].iov_base, gather->iov[0].iov_len);
    }
    return wi_os_send_vector(stream->fd, gather->iov, gather->iov_count);
}

// The next bytes of a file, behind barriers perhaps. Bytes that went; 0: the write has ended, or
// nothing more can go now. A short send says nothing of room: the next one will.
static uint64_t
send_from_file(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather)
{
    int failure = 0;
    ssize_t sent = wi_file_send(loop, stream, gather, &failure);

    wi_count(&loop->counters.sends, 1);
    wi_probe_send(stream->fd, gather->size, sent);
    if (sent < 0 && sent != -EAGAIN) {
        wi_stream_fail_sending(loop, stream, (int)sent);
        return 0;
    }
    wi_count(&loop->counters.bytes_sent, sent > 0 ? (uint64_t)sent : 0);
    take_sent(loop, stream, sent > 0 ? (uint64_t)sent : 0);
    if (failure != 0 && !(WI_PLANT(34) && failure == -ENODATA)) {
        wi_write_fail(loop, stream, gather->file, failure, wi_origin_of(failure));
    } else if (sent == -EAGAIN) {
        watch_for_room(loop, stream);
    }
    return sent > 0 ? (uint64_t)sent : 0;
}

// One send. Bytes that went; 0: nothing more can go now.
static uint64_t
send_once(struct wi_loop *loop, struct wi_stream *stream, uint64_t size_max, bool *ret_goes_on)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_gather gather = {
        .iov = net->iov,
        .iov_max = WI_NET_IOV,
        .size_max = size_max,
        .flat = net->flat,
        .flat_left = sizeof(net->flat),
    };
    ssize_t sent = 0;

    wi_probe_flush(wi_gate_of(stream), stream->fd);
    wi_sendq_gather(&stream->queue, &gather);
    if (wi_unlikely(gather.file != NULL)) {
        uint64_t size = send_from_file(loop, stream, &gather);

        *ret_goes_on &= size == 0;
        return size;
    }
    *ret_goes_on = gather.goes_on || (*ret_goes_on && gather.size == 0);
    if (gather.size != 0) {
        sent = send_gathered(loop, stream, &gather);
        wi_probe_send(stream->fd, gather.size, sent);
        if (sent < 0 && sent != -EAGAIN) {
            wi_stream_fail_sending(loop, stream, (int)sent);
            return 0;
        }
        sent = sent < 0 ? 0 : sent;
        wi_count(&loop->counters.bytes_sent, (uint64_t)sent);
    }
    take_sent(loop, stream, (uint64_t)sent);
    if (gather.lost != NULL) {
        wi_write_take_back(loop, stream, gather.lost);
        wi_write_end_cancelled(loop, stream, gather.lost, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL);
        wi_stream_admit(loop, stream); // smaller ones may have waited behind it
    }
    if ((uint64_t)sent < gather.size) {
        watch_for_room(loop, stream);
        return 0;
    }
    return gather.size;
}

// With WEIR_STREAM_REST a peer that does not read is not read from.
static void
settle_rest(struct wi_loop *loop, struct wi_stream *stream)
{
    if (wi_stream_is_to_rest(stream)) {
        stream->flags |= WI_S_RESTING;
    } else if (stream->flags & WI_S_RESTING) {
        stream->flags &= ~(unsigned)WI_S_RESTING;
        wi_stream_event(loop, stream, WI_EVENT_READ);
    }
}

WI_COLD void
wi_stream_sent_short(struct wi_loop *loop, struct wi_stream *stream, ssize_t sent)
{
    wi_op_claim(&stream->queue.head->op);
    if (sent < 0 && sent != -EAGAIN) {
        wi_stream_fail_sending(loop, stream, (int)sent);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    wi_count(&loop->counters.bytes_sent, (uint64_t)sent);
    take_sent(loop, stream, (uint64_t)sent);
    watch_for_room(loop, stream);
    settle_rest(loop, stream);
}

// NOWAIT is one try: what is left of such writes ends now.
static void
end_nowaits(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_write *write = stream->queue.head;

    stream->flags &= ~(unsigned)WI_S_NOWAITS;
    while (write != NULL) {
        struct wi_write *next = wi_write_next(write);

        if ((write->flags & WEIR_NOWAIT) && write->op.owner == 0) {
            wi_stream_unqueue(stream, write);
            wi_write_end_unsent(loop, stream, write, -EAGAIN, WEIR_ORIGIN_TRANSPORT);
        }
        write = next;
    }
}

void
wi_stream_tell_writable(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);

    if (wi_gate_queued(gate) > wi_stream_low(stream) || WI_PLANT(16)) {
        return;
    }
    // ORDER(high), loop half: count what was finished, fence, look at the bit. A submitter sets it,
    // fences, and is refused only if it still finds something queued: so either it sees that all is
    // finished, or we see the bit, now or at the flush that finishes the rest.
    wi_fence_full();
    if (wi_load_relaxed(&gate->word) & WI_GATE_HIGH) {
        wi_and_acq_rel(&gate->word, ~WI_GATE_HIGH);
        wi_limited_end(loop);
        wi_stream_event(loop, stream, WI_EVENT_WRITABLE);
    }
}

// Everything has gone: what follows from that.
static void
rest_sending(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->phase == WI_PHASE_CLOSING && !(stream->flags & WI_S_SEND_OVER)) {
        if (!wi_stream_take_right(loop, stream) || !wi_sendq_is_empty(&stream->queue)) {
            return; // a submitter is sending, or left a part to be sent first
        }
        send_fin(loop, stream);
    }
    stop_watching_room(loop, stream);
    if ((stream->flags & (WI_S_INLINE | WI_S_RIGHT)) == (WI_S_INLINE | WI_S_RIGHT) &&
        stream->phase == WI_PHASE_OPEN && !(stream->flags & WI_S_FIN_QUEUED)) {
        stream->flags &= ~(unsigned)WI_S_RIGHT;
        wi_gate_drop_right(wi_gate_of(stream));
    }
}

static uint64_t
budget_of(const struct wi_stream *stream)
{
    const struct wi_write *head = stream->queue.head;

    return head != NULL && (head->flags & WI_WRITE_FILE) ? WI_NET_FILE_MAX : WI_NET_SEND_MAX;
}

static void
flush(struct wi_loop *loop, struct wi_stream *stream)
{
    uint64_t budget = budget_of(stream);
    bool goes_on = false; // the kernel may keep the last bytes for what is next

    if (may_send(loop, stream)) {
        while (!wi_sendq_is_empty(&stream->queue) && budget != 0) {
            uint64_t sent = send_once(loop, stream, budget, &goes_on);

            budget -= sent;
            if (sent == 0 && (stream->flags & (WI_S_BLOCKED | WI_S_SEND_OVER))) {
                break;
            }
        }
    }
    if (stream->phase != WI_PHASE_OPEN && stream->phase != WI_PHASE_CLOSING) {
        return;
    }
    if (wi_unlikely(goes_on)) { // the file was cancelled, or there is no room for it
        wi_os_send_rest(stream->fd);
    }
    if (wi_sendq_is_empty(&stream->queue)) {
        rest_sending(loop, stream);
    } else if (!(stream->flags & (WI_S_BLOCKED | WI_S_CORKED)) && budget == 0) {
        wi_stream_needs_later(loop, stream);
    }
    if ((stream->flags & (WI_S_NOWAITS | WI_S_BLOCKED)) == (WI_S_NOWAITS | WI_S_BLOCKED)) {
        end_nowaits(loop, stream);
    }
    if (wi_load_relaxed(&wi_gate_of(stream)->high) != 0) {
        wi_stream_tell_writable(loop, stream);
    }
    if (wi_gate_has(wi_gate_of(stream), WI_GATE_REST)) {
        settle_rest(loop, stream);
    }
}

void
wi_stream_flush(struct wi_loop *loop, struct wi_stream *stream)
{
    flush(loop, stream);
    if (wi_net_of(loop)->whole_first != NULL) {
        complete_whole(loop, stream);
    }
}

void
wi_stream_tear(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);
    uint64_t before = wi_gate_move(gate, WI_GATE_TORN);

    stream->torn_ticket = wi_gate_ticket(before);
    stream->flags |= WI_S_TORN | WI_S_TEARS;
    stream->flags &= ~(unsigned)(WI_S_FIN_QUEUED | WI_S_CORKED);
    end_queue(loop, stream, -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE);
    if (stream->phase == WI_PHASE_CLOSING) { // DRAIN or FLUSH of a torn stream acts as ABORT
        wi_stream_die(loop, stream, -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
    }
    wi_stream_needs_work(loop, stream);
}
