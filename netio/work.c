/* SPDX-License-Identifier: MIT */

// At the end of a turn: the streams that have something to send or to settle, each once.

#include "mem/block.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/plain.h"

/* ---- the short way ---- */

// What a plain stream must be, and must not, for its one plain write to go without more questions.
#define PLAIN_WORK (WI_S_PLAIN | WI_S_RIGHT)
#define OTHER_WORK                                                                                \
    (WI_S_BLOCKED | WI_S_CORKED | WI_S_CORK_TIMED | WI_S_FIN_QUEUED | WI_S_FOREIGN | WI_S_EVENT | \
     WI_S_UNTOLD | WI_S_RESTING)

// The commonest work of all: one plain write in one piece on a plain stream. The same steps as
// wi_stream_flush(), without asking what cannot be. False: not for here.
WI_INLINE bool
flush_plain(struct wi_loop *loop, struct wi_net *net, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);
    struct wi_write *write = stream->queue.head;
    struct iovec piece;
    ssize_t sent;

    if ((stream->flags & (PLAIN_WORK | OTHER_WORK)) != PLAIN_WORK || write == NULL ||
        write != stream->queue.tail || !wi_write_is_marked_plain(write)) {
        return false;
    }
    piece = wi_write_piece(write);
    sent = wi_os_send(stream->fd, piece.iov_base, piece.iov_len);
    wi_probe_send(stream->fd, piece.iov_len, sent);
    wi_count(&loop->counters.sends, 1);
    if (wi_unlikely(sent != (ssize_t)piece.iov_len)) {
        wi_stream_sent_short(loop, stream, sent);
        return true;
    }
    wi_count(&loop->counters.bytes_sent, piece.iov_len);
    wi_count(&stream->sent, piece.iov_len);
    stream->queue = (struct wi_sendq){0};
    wi_stream_count_finished(stream, piece.iov_len);
    wi_probe_written(&write->op, piece.iov_len); // it is plain: not stamped
    if (wi_unlikely(wi_load_relaxed(&gate->high) != 0)) {
        wi_stream_tell_writable(loop, stream);
    }
    wi_tls.at = gate;
    net->sent_whole.turn_ns = loop->now_ns;
    wi_write_complete_plain(loop, net, wi_load_relaxed(&gate->handle), write);
    wi_count(&loop->counters.completed, 1);
    return true;
}

/* ---- any work ---- */

static __attribute__((noinline)) void
work_on(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->phase == WI_PHASE_FREE) {
        return;
    }
    wi_stream_settle(loop, stream);
    if (wi_likely(stream->phase == WI_PHASE_OPEN || stream->phase == WI_PHASE_CLOSING)) {
        wi_stream_flush(loop, stream);
    }
    if (wi_unlikely(stream->phase == WI_PHASE_CLOSING)) {
        wi_stream_finish_close(loop, stream);
    }
    if (wi_unlikely(stream->phase == WI_PHASE_DEAD)) {
        wi_stream_settle_death(loop, stream);
    }
}

// Callbacks may run in here. They can put streams on the list, but nothing takes one off it, and no
// slot is freed while its stream is on it.
static void
work_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_stream *stream = net->work;

    (void)task;
    net->work = NULL;
    while (stream != NULL) {
        struct wi_stream *next = stream->next_work;

        stream->flags &= ~(unsigned)WI_S_WORK;
        if (wi_unlikely(!flush_plain(loop, net, stream))) {
            work_on(loop, stream);
        }
        stream = next;
    }
}

const struct wi_task_ops wi_work_ops = {.run = work_run};

/* ---- what had to wait for the next turn ---- */

static void
later_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_net *net = wi_net_of(loop);

    if (net->later_turn == wi_load_relaxed(&loop->counters.turns)) {
        wi_loop_post(loop, task); // the turn that used the budget up goes on still
        return;
    }
    while (net->later != NULL) {
        struct wi_stream *stream = net->later;

        net->later = stream->extra->next_later;
        stream->extra->is_later = false;
        stream->extra->is_read_later = false;
        wi_stream_needs_work(loop, stream);
        wi_stream_event(loop, stream, WI_EVENT_READ);
    }
    net->later_posted = false;
}

const struct wi_task_ops wi_later_ops = {.run = later_run};

void
wi_stream_needs_later(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_net *net = wi_net_of(loop);
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra == NULL) { // no memory to be fair with: go on at once
        wi_stream_needs_work(loop, stream);
        wi_stream_event(loop, stream, WI_EVENT_READ);
        return;
    }
    if (extra->is_later) {
        return;
    }
    extra->is_later = true;
    extra->next_later = net->later;
    net->later = stream;
    if (!net->later_posted) {
        net->later_posted = true;
        net->later_turn = wi_load_relaxed(&loop->counters.turns);
        wi_loop_post(loop, &net->later_task);
    }
}

void
wi_stream_reads_later(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_stream_needs_later(loop, stream);
    if (stream->extra != NULL) {
        stream->extra->is_read_later = true;
    }
}

void
wi_stream_forget_later(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream **link = &wi_net_of(loop)->later;

    if (stream->extra == NULL || !stream->extra->is_later) {
        return;
    }
    while (*link != stream) {
        link = &(*link)->extra->next_later;
    }
    *link = stream->extra->next_later;
    stream->extra->is_later = false;
    stream->extra->is_read_later = false;
}
