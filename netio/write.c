/* SPDX-License-Identifier: MIT */

#include "netio/write.h"

#include "mem/block.h"
#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/acks.h"
#include "netio/blocked.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/zerocopy.h"

#include <errno.h>

// How an operation ended, packed above the runtime's marks in op.flags: only the loop's own line is
// written when it ends.
#define OUTCOME_LATE_SHIFT   8
#define OUTCOME_LATE         (1u << OUTCOME_LATE_SHIFT)
#define OUTCOME_STATUS_SHIFT 12
#define OUTCOME_ORIGIN_SHIFT 24
#define OUTCOME_STATUS_MASK  0xfffu

static struct wi_stream *
stream_of(const struct wi_write *write)
{
    return wi_stream_of(write->gate);
}

/* ---- ending ---- */

// The others of its list will be told before the stream is flushed again. If something has ended
// since that list was taken, it may be this stream's: then the mark stays, and that one clears it,
// or the stream's next one, which goes the longer way for nothing.
static void
note_told(struct wi_loop *loop, struct wi_stream *stream)
{
    if (wi_likely(wi_net_of(loop)->done == NULL)) {
        stream->flags &= ~(uint32_t)WI_S_UNTOLD;
    }
}

static void
done_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_write *write = wi_write_of_task(task);

    note_told(loop, stream_of(write));
    wi_write_complete(loop, write);
}

const struct wi_task_ops wi_write_done_ops = {.run = done_run};

void
wi_write_release(struct wi_write *write)
{
    if (write->flags & WI_WRITE_CHAIN) {
        weir_chain_return(&write->from.chain);
        if (write->flags & WEIR_ZEROCOPY) {
            weir_chain_return(&write->owner.kept);
        }
    } else if (write->flags & WI_WRITE_PACKED) {
        wi_block_unref(write->owner.block, 1);
    } else if (write->flags & WI_WRITE_SHARED) {
        weir_shared_unref(write->owner.shared);
    } else if ((write->flags & WEIR_GIVE) && write->owner.release.fn != NULL) {
        write->owner.release.fn(write->owner.release.arg);
    }
    if (write->flags & WI_WRITE_HEAP) {
        wi_heap_free(write->pieces);
    }
}

static void
tell_done(struct wi_loop *loop, struct wi_write *write)
{
    unsigned outcome = write->op.flags;
    struct weir_result result = {
        .op = {write->op.flags & WI_OP_NAMED ? wi_op_handle(&write->op) : 0},
        .status = -(int)(outcome >> OUTCOME_STATUS_SHIFT & OUTCOME_STATUS_MASK),
        .origin = (enum weir_origin)(outcome >> OUTCOME_ORIGIN_SHIFT & 0xf),
        .late_cancel = (outcome & OUTCOME_LATE) != 0,
        .accepted = write->size,
        .sent = write->op.owner,
        .acked = wi_write_level(write) == WEIR_ACKED ? write->end : 0,
        .turn_ns = loop->now_ns,
    };
    struct wi_stream *stream = stream_of(write);

    if (wi_unlikely(outcome >> OUTCOME_STATUS_SHIFT != 0)) {
        if (result.origin == WEIR_ORIGIN_LOCAL_CANCEL || result.origin == WEIR_ORIGIN_DEADLINE) {
            wi_count(&loop->counters.cancelled, 1);
        } else if (wi_gate_has(write->gate, WI_GATE_SWALLOW)) {
            result.status = 0;
            result.origin = WEIR_ORIGIN_NONE;
        }
    }
    if (result.late_cancel) {
        wi_count(&loop->counters.cancels_late, 1);
    }
    if (write->flags & WEIR_TIMED) {
        result.submit_ns = write->submit_ns;
    }
    write->done(wi_stream_handle(stream), &result, write->arg);
}

void
wi_write_complete(struct wi_loop *loop, struct wi_write *write)
{
    bool told = (write->flags & WI_WRITE_EARLY) != 0;

    if (!WI_PLANT(23) || write->op.owner != 0) {
        wi_write_release(write);
    }
    if (!told) {
        wi_probe_completion(&write->op, write->size, write->op.owner);
    }
    if (write->done != NULL && !told) {
        wi_tls.at = write->gate;
        tell_done(loop, write);
    }
    wi_op_recycle(loop, &write->op);
}

// The early completion travels in its own small task, for the write stays in the queue. It is the
// token's and deadline's node that is free by then: neither can matter any more.
struct early_task {
    struct wi_task task;
};
static_assert(sizeof(struct early_task) <= sizeof(struct wi_op_extra), "it lies in there");

static struct wi_write *
write_of_early(struct wi_task *task)
{
    return (struct wi_write *)(void *)((char *)task - WI_OP_EXTRA_OFFSET);
}

static void
early_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_write *write = write_of_early(task);

    note_told(loop, stream_of(write));
    wi_probe_completion(&write->op, write->size, write->op.owner);
    if (write->done != NULL) {
        tell_done(loop, write);
    }
    wi_op_release(loop, &write->op);
}

static const struct wi_task_ops early_ops = {.run = early_run};

static void
tell_early(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    struct early_task *early = (struct early_task *)(void *)&write->extra;

    write->flags |= WI_WRITE_EARLY;
    early->task.ops = &early_ops;
    stream->flags |= WI_S_UNTOLD;
    wi_net_done(loop, &early->task);
}

// A canceller that was told WON: whatever else happened meanwhile, this is how it ends.
static bool
was_won(struct wi_write *write)
{
    // Claiming decides: from here a canceller is told PENDING.
    return !wi_op_is_claimed(&write->op) && !wi_op_claim(&write->op);
}

// Its outcome is fixed. @p in_order: it has its place in the order of completions.
static void
tell_later(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write, bool in_order)
{
    write->op.task.ops = &wi_write_done_ops;
    if (wi_unlikely(stream->extra != NULL && stream->extra->zerocopy != NULL)) {
        bool is_for_memory = wi_write_level(write) == WEIR_ACCEPTED; // the completion waits not

        if (wi_zerocopy_reads(stream, write) && is_for_memory && !(write->flags & WI_WRITE_EARLY)) {
            tell_early(loop, stream, write);
        }
        if (wi_zerocopy_keep(loop, stream, write, in_order && !is_for_memory)) {
            return;
        }
    }
    stream->flags |= WI_S_UNTOLD;
    wi_net_done(loop, &write->op.task);
}

static void
end_write(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write, int status,
          enum weir_origin origin, bool in_order)
{
    wi_stream_count_finished(stream, WI_PLANT(13) && status != 0 ? 0 : write->size);
    if (write->flags & WI_WRITE_SPENT) {
        loop->credit_back += write->size;
    }
    if (!(write->flags & WI_WRITE_EARLY)) {
        if (wi_unlikely(was_won(write)) && !WI_PLANT(10)) {
            status = -ECANCELED;
            origin = WEIR_ORIGIN_LOCAL_CANCEL;
        }
        if (wi_op_finish(&write->op) && status == 0) {
            write->op.flags |= OUTCOME_LATE;
        }
        if (wi_unlikely(wi_write_level(write) == WEIR_ACKED)) {
            wi_acks_settle(stream, write, status);
        }
        write->op.flags |= (unsigned)-status << OUTCOME_STATUS_SHIFT | (unsigned)origin
                                                                           << OUTCOME_ORIGIN_SHIFT;
    }
    tell_later(loop, stream, write, in_order);
}

void
wi_write_end(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write, int status,
             enum weir_origin origin)
{
    end_write(loop, stream, write, status, origin, true);
}

void
wi_write_end_unsent(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                    int status, enum weir_origin origin)
{
    end_write(loop, stream, write, status, origin, false);
}

void
wi_write_end_cancelled(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                       int status, enum weir_origin origin)
{
    bool is_needed = wi_write_tear(write) == WEIR_TEAR_NEEDED;

    wi_write_end_unsent(loop, stream, write, status, origin);
    if (wi_unlikely(is_needed)) {
        wi_stream_tear(loop, stream);
    }
}

void
wi_write_end_early(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    wi_op_unbind(loop, &write->op);
    if (wi_op_finish(&write->op)) {
        write->op.flags |= OUTCOME_LATE; // claimed before, so no canceller was told that it won
    }
    tell_early(loop, stream, write);
}

/* ---- cancelling ---- */

void
wi_write_take_back(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    wi_stream_unqueue(stream, write);
    if (write->flags & WEIR_FIN) { // the end is taken back with it
        stream->flags &= ~(unsigned)WI_S_FIN_QUEUED;
        wi_gate_reopen(write->gate, WI_GATE_ENDED);
    }
    if (wi_sendq_is_empty(&stream->queue) || !(stream->queue.tail->flags & WEIR_MORE)) {
        stream->flags &= ~(unsigned)WI_S_CORKED;
    }
    wi_stream_needs_work(loop, stream);
}

static void
cancel_partly_sent(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                   int status, enum weir_origin origin)
{
    uint64_t code = write->abort_code;
    bool aborts = wi_write_tear(write) == WEIR_TEAR_ABORT;

    wi_acks_look(stream);
    wi_stream_unqueue(stream, write);
    wi_stream_lose(loop, stream, write, status, origin);
    if (aborts) {
        wi_stream_die(loop, stream, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CANCEL, code);
    } else {
        wi_stream_tear(loop, stream);
    }
}

void
wi_write_fail(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write, int status,
              enum weir_origin origin)
{
    if (write->op.owner != 0) {
        cancel_partly_sent(loop, stream, write, status, origin);
    } else {
        wi_write_take_back(loop, stream, write);
        wi_write_end_cancelled(loop, stream, write, status, origin);
    }
}

static void
write_cancel(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    struct wi_write *write = wi_write_of(op);
    struct wi_stream *stream = stream_of(write);

    if (write->flags & WI_WRITE_EARLY) {
        return; // its completion has been told, or is on its way
    }
    if (wi_acks_has(stream, write)) {
        op->flags |= OUTCOME_LATE; // it has all left: the acknowledgement ends it
        return;
    }
    if (op->owner == 0) {
        if (!wi_op_is_claimed(op)) {
            wi_op_claim(op); // a canceller that won keeps it from us, and wi_write_end() knows
        }
        wi_write_take_back(loop, stream, write);
        wi_write_end_cancelled(loop, stream, write, status, origin);
        wi_stream_admit(loop, stream); // smaller ones may have waited behind it
    } else if ((wi_write_tear(write) & WEIR_TEAR_FINISH) != 0 && !WI_PLANT(9)) {
        op->flags |= OUTCOME_LATE;
    } else {
        cancel_partly_sent(loop, stream, write, status, origin);
    }
}

/* ---- arriving ---- */

static void
note_level_accepted(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    // Made here, it begins at the first that waits: an earlier one may have found no memory.
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra == NULL) {
        return; // without memory for the account it completes when it is sent: later, not wrongly
    }
    if (write->flags & WEIR_PRIORITY) { // it has passed some that wait
        extra->behind_next = wi_stream_next_for_budget(stream->queue.head);
    } else if (extra->behind_next == NULL) {
        extra->behind_next = write;
    }
    wi_stream_admit(loop, stream);
}

// Torn, not opened again, and closed since: with SWALLOW a submit gets here all the same, and must
// not follow on the wire what was torn.
static bool
is_torn_and_closed(const struct wi_stream *stream)
{
    const struct wi_gate *gate = wi_gate_of(stream);

    return (stream->flags & WI_S_TORN) &&
           wi_gate_state(wi_load_relaxed(&gate->word)) >= WI_GATE_DRAINING &&
           !(wi_load_relaxed(&gate->asked) & WI_ASK_UNTEAR);
}

// Behind a FIN, a close, a failure: the status a submit would be refused with now.
static int
refusal_now(const struct wi_stream *stream)
{
    if (stream->phase >= WI_PHASE_CLOSING || (stream->flags & WI_S_SEND_OVER)) {
        return stream->status != 0 ? stream->status : -WEIR_EENDED;
    }
    if ((stream->flags & WI_S_FIN_QUEUED) || wi_unlikely(is_torn_and_closed(stream))) {
        return -WEIR_EENDED;
    }
    return 0;
}

static uint64_t
deadline_of(struct wi_loop *loop, const struct wi_stream *stream, const struct wi_write *write)
{
    if (write->flags & WI_WRITE_DEADLINE) {
        return write->deadline_ns;
    }
    if (stream->extra == NULL || stream->extra->write_deadline_ns == 0) {
        return WEIR_NEVER;
    }
    return loop->now_ns + stream->extra->write_deadline_ns;
}

static void
start_by_write(struct wi_loop *loop, struct wi_stream *stream, unsigned flags)
{
    if (stream->phase == WI_PHASE_NEW && stream->extra != NULL &&
        stream->extra->dialling != NULL) { // else adopted, and not quite here: it will start
        stream->extra->dialling->notifies |= (flags & WEIR_NOTIFY) != 0;
        wi_stream_connect(loop, stream);
    }
}

static void
enqueue(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    unsigned flags = write->flags;

    if (wi_likely(!(flags & (WEIR_PRIORITY | WI_WRITE_HEAD)))) {
        wi_sendq_append(&stream->queue, write);
    } else if (flags & WI_WRITE_HEAD) {
        wi_sendq_prepend(&stream->queue, write);
    } else {
        wi_sendq_insert_priority(&stream->queue, write);
    }
    if (flags & (WEIR_FIN | WEIR_NOWAIT)) {
        stream->flags |= flags & WEIR_FIN ? (unsigned)WI_S_FIN_QUEUED : 0;
        stream->flags |= flags & WEIR_NOWAIT ? (unsigned)WI_S_NOWAITS : 0;
    }
    if ((flags & WEIR_MORE) && !(wi_load_relaxed(&write->op.word) & WI_OP_AWAITED)) {
        stream->flags |= WI_S_CORKED;
    } else {
        stream->flags &= ~(unsigned)WI_S_CORKED;
    }
    if (wi_unlikely(wi_write_level(write) == WEIR_ACCEPTED)) {
        note_level_accepted(loop, stream, write);
    }
    if (wi_unlikely(flags & WEIR_START)) {
        start_by_write(loop, stream, flags); // last: a connect that fails at once ends the write
    }
}

void
wi_write_accept(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    bool has_begun = write->op.owner != 0; // inline: what is on the wire must be followed
    int refusal = has_begun && stream->phase < WI_PHASE_DEAD && !(stream->flags & WI_S_SEND_OVER)
                      ? 0
                      : refusal_now(stream);
    int status =
        wi_op_arrive(loop, &write->op, refusal == 0 ? deadline_of(loop, stream, write) : WEIR_NEVER,
                     refusal == 0 && (write->flags & WI_WRITE_TOKEN) ? write->token : 0);

    if (wi_unlikely(has_begun && (write->flags & (WEIR_SOME | WEIR_NOWAIT)))) {
        wi_write_end(loop, stream, write, 0, WEIR_ORIGIN_NONE); // some bytes were enough
    } else if (wi_unlikely(status < 0 && has_begun && refusal == 0)) {
        wi_op_unbind(loop, &write->op); // the token has listed it
        wi_sendq_prepend(&stream->queue, write);
        write_cancel(loop, &write->op, status, WEIR_ORIGIN_LOCAL_CANCEL);
    } else if (wi_unlikely(refusal != 0)) {
        wi_write_end_unsent(loop, stream, write, refusal,
                            stream->origin != 0 ? (enum weir_origin)stream->origin
                                                : WEIR_ORIGIN_LOCAL_CLOSE);
    } else if (wi_unlikely(status < 0)) {
        if (write->flags & WEIR_FIN) { // the gate was closed when it was submitted
            wi_gate_reopen(write->gate, WI_GATE_ENDED);
        }
        wi_write_end_cancelled(loop, stream, write, status, WEIR_ORIGIN_LOCAL_CANCEL);
    } else {
        enqueue(loop, stream, write);
    }
    wi_stream_needs_work(loop, stream);
}

// Is there nothing to refuse a plain write for, or to note?
WI_INLINE bool
takes_plain(const struct wi_stream *stream)
{
    return (stream->flags & (WI_S_PLAIN | WI_S_FIN_QUEUED | WI_S_SEND_OVER | WI_S_CORKED |
                             WI_S_TEARS)) == WI_S_PLAIN;
}

WI_INLINE void
accept_plain(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    wi_count(&loop->counters.accepted, 1);
    wi_sendq_append(&stream->queue, write);
    wi_stream_needs_work(loop, stream);
}

void
wi_write_place(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    uint32_t ticket = write->ticket & WI_TICKET_MASK;

    wi_order_pass(stream, ticket);
    if (wi_unlikely(stream->flags & WI_S_TEARS)) {
        if (wi_ticket_before(ticket, stream->torn_ticket)) {
            wi_op_arrive(loop, &write->op, WEIR_NEVER, 0);
            wi_stream_lose(loop, stream, write, -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE);
            wi_stream_needs_work(loop, stream);
            return;
        }
        if (((ticket - stream->torn_ticket) & WI_TICKET_MASK) > WI_TICKET_MASK / 4) {
            // No lane holds so many: they have all come. Before the numbers meet again, forget it.
            stream->flags &= ~WI_S_TEARS;
        }
    }
    if (wi_likely(takes_plain(stream) && wi_write_is_plain(write))) {
        accept_plain(loop, stream, write);
    } else {
        wi_write_accept(loop, stream, write);
    }
}

// A submitter had the right, and the head brings it.
static void
take_right_over(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);
    uint64_t word = wi_load_relaxed(&gate->word);

    // ORDER(right) observe: what the submitter sent was sent before.
    while (!wi_cas_acq_rel(&gate->word, &word,
                           (word & ~(WI_GATE_RIGHT | WI_GATE_WANTED)) |
                               wi_gate_right_bits(WI_RIGHT_LOOP))) {
    }
    stream->flags |= WI_S_RIGHT;
    wi_right_wait_end(loop, stream);
}

static __attribute__((noinline)) void
arrive(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    stream->drained++;
    if (wi_unlikely(write->flags & WI_WRITE_HEAD)) {
        take_right_over(loop, stream);
    }
    stream->flags |= WI_S_FOREIGN;
    if (wi_likely((write->ticket & WI_TICKET_MASK) == stream->next_ticket)) {
        wi_write_place(loop, stream, write);
    } else {
        wi_order_keep(stream, write);
        wi_stream_needs_work(loop, stream);
    }
}

static void
write_arrive(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_write *write = wi_write_of_task(task);
    struct wi_stream *stream = stream_of(write);

    // The commonest: a plain write, and its turn in the order has come. (Above the ticket would be
    // its level and its policy, which plain writes have not.)
    if (wi_likely(write->ticket == stream->next_ticket && wi_write_is_marked_plain(write) &&
                  takes_plain(stream))) {
        stream->drained++;
        stream->next_ticket = wi_ticket_next(write->ticket);
        stream->flags |= WI_S_FOREIGN;
        accept_plain(loop, stream, write);
    } else {
        arrive(loop, stream, write);
    }
}

// A submitter is done; the loop wanted the right, or the send failed.
static void
right_arrive(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_write *write = wi_write_of_task(task);
    struct wi_stream *stream = stream_of(write);

    stream->drained++;
    stream->flags |= WI_S_FOREIGN;
    if (write->end != 0 && stream->phase != WI_PHASE_DEAD && !(stream->flags & WI_S_SEND_OVER)) {
        wi_stream_fail_sending(loop, stream, -(int)write->end);
    }
    wi_stream_needs_work(loop, stream);
    wi_op_arrive_quietly(&write->op);
    wi_op_recycle(loop, &write->op);
}

const struct wi_op_ops wi_write_right_ops = {.task.run = right_arrive};

// A writer waits: no cork may hold it.
static void
write_awaited(struct wi_loop *loop, struct wi_op *op)
{
    struct wi_stream *stream = stream_of(wi_write_of(op));

    stream->flags &= ~(unsigned)WI_S_CORKED;
    wi_stream_needs_work(loop, stream);
}

const struct wi_op_ops wi_write_ops = {
    .task.run = write_arrive,
    .cancel = write_cancel,
    .awaited = write_awaited,
};
