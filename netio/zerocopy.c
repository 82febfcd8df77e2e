/* SPDX-License-Identifier: MIT */

#include "netio/zerocopy.h"

#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/net.h"
#include "netio/reports.h"

#include <errno.h>

// A notification is an edge of the poller's; should one be missed (a read of the error queue that
// failed), the next look is not far.
#define SLOW_LOOK_NS UINT64_C(100000000)

/* ---- sending ---- */

// The kernel's numbers begin at 0 with the first such send of a socket, so this is made once.
static struct wi_zerocopy *
make(struct wi_stream *stream)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);
    struct wi_zerocopy *zerocopy = extra == NULL ? NULL : wi_heap_zalloc(sizeof(*zerocopy));

    if (zerocopy != NULL) {
        zerocopy->stream = stream;
        zerocopy->is_off = wi_os_set_option(stream->fd, SOL_SOCKET, SO_ZEROCOPY, 1) < 0;
        extra->zerocopy = zerocopy;
    }
    return zerocopy;
}

// NULL: copy this one.
static struct wi_zerocopy *
ready(struct wi_stream *stream)
{
    struct wi_zerocopy *zerocopy = stream->extra == NULL ? NULL : stream->extra->zerocopy;

    if (stream->transport != WI_TRANSPORT_TCP) {
        return NULL;
    }
    zerocopy = zerocopy == NULL ? make(stream) : zerocopy;
    return zerocopy == NULL || zerocopy->is_off ||
                   zerocopy->next - zerocopy->released == WI_ZEROCOPY_WINDOW
               ? NULL
               : zerocopy;
}

// The send has a number now: whatever it took bytes of ends behind it.
static void
number_writes(struct wi_zerocopy *zerocopy, uint64_t size)
{
    struct wi_write *write = zerocopy->stream->queue.head;

    zerocopy->next++;
    while (size != 0) {
        uint64_t left = wi_write_left(write);
        uint64_t taken = left < size ? left : size;

        if (taken != 0) {
            write->kernel_end = zerocopy->next;
        }
        size -= taken;
        write = wi_write_next(write);
    }
}

// What says that this send cannot go so, and nothing of the connection: the kernel's bound on what
// is untold (net.core.optmem_max, RLIMIT_MEMLOCK), memory that it cannot pin.
static bool
is_refusal(ssize_t result)
{
    return result == -ENOBUFS || result == -ENOMEM || result == -EFAULT || result == -EOPNOTSUPP ||
           result == -EINVAL;
}

ssize_t
wi_zerocopy_send(struct wi_loop *loop, struct wi_stream *stream, const struct wi_gather *gather)
{
    struct wi_zerocopy *zerocopy = ready(stream);
    ssize_t sent = -ENOBUFS;

    if (zerocopy != NULL) {
        sent =
            wi_os_send_marked(stream->fd, gather->iov, gather->iov_count, gather->wants_ack, true);
        wi_count(&loop->counters.zerocopy_sends, sent > 0);
        if (sent > 0) {
            number_writes(zerocopy, (uint64_t)sent);
        }
    }
    return is_refusal(sent) ? wi_os_send_marked(stream->fd, gather->iov, gather->iov_count,
                                                gather->wants_ack, false)
                            : sent;
}

/* ---- what has ended ---- */

static uint64_t
end_of(const struct wi_write *write)
{
    return write->flags & WEIR_ZEROCOPY ? write->kernel_end : 0;
}

bool
wi_zerocopy_reads(const struct wi_stream *stream, const struct wi_write *write)
{
    return end_of(write) > stream->extra->zerocopy->released && !WI_PLANT(27);
}

// One of level ACCEPTED has been told by now: it is here for its memory, and in nobody's way.
bool
wi_zerocopy_keep(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                 bool in_order)
{
    struct wi_zerocopy *zerocopy = stream->extra->zerocopy;
    bool is_first = wi_sendq_is_empty(&zerocopy->waiting);

    if (!wi_zerocopy_reads(stream, write) && (is_first || !in_order)) {
        return false;
    }
    wi_sendq_append(&zerocopy->waiting, write);
    if (is_first) {
        wi_stream_judge(stream); // the short ways do not ask who waits
        wi_wheel_arm(&loop->wheel, &zerocopy->timer, WI_TIMER_ZEROCOPY,
                     loop->now_ns + SLOW_LOOK_NS);
    }
    return true;
}

static void
tell_released(struct wi_loop *loop, struct wi_stream *stream, struct wi_zerocopy *zerocopy)
{
    while (!wi_sendq_is_empty(&zerocopy->waiting) &&
           end_of(zerocopy->waiting.head) <= zerocopy->released) {
        struct wi_write *write = zerocopy->waiting.head;

        wi_sendq_remove(&zerocopy->waiting, write);
        stream->flags |= WI_S_UNTOLD;
        wi_net_done(loop, &write->op.task);
    }
    if (wi_sendq_is_empty(&zerocopy->waiting)) {
        wi_wheel_disarm(&loop->wheel, &zerocopy->timer);
        wi_stream_judge(stream);
        wi_stream_event(loop, stream, 0);   // `send_closed` may have waited for this,
        wi_stream_needs_work(loop, stream); // and so may a close
    }
}

/* ---- the kernel's word ---- */

static uint64_t *
told_word(struct wi_zerocopy *zerocopy, uint64_t number)
{
    return &zerocopy->told[number % WI_ZEROCOPY_WINDOW / 64];
}

// Ranges may come in any order: what is behind a gap is remembered.
static void
note_range(struct wi_zerocopy *zerocopy, uint64_t first, uint64_t end)
{
    for (uint64_t number = first; number < end; number++) {
        *told_word(zerocopy, number) |= UINT64_C(1) << number % 64;
    }
    while (zerocopy->released < zerocopy->next &&
           (*told_word(zerocopy, zerocopy->released) & UINT64_C(1) << zerocopy->released % 64)) {
        *told_word(zerocopy, zerocopy->released) &= ~(UINT64_C(1) << zerocopy->released % 64);
        zerocopy->released++;
    }
}

void
wi_zerocopy_note(struct wi_stream *stream, const struct wi_os_report *report)
{
    struct wi_zerocopy *zerocopy = stream->extra->zerocopy;
    struct wi_loop *loop = wi_gate_of(stream)->loop;
    uint64_t count = (uint64_t)(report->high - report->low) + 1; // 32 bits, as the kernel counts
    // Behind what is released by less than the window: the nearest number with these low bits.
    uint64_t first = zerocopy->released + (uint32_t)(report->low - (uint32_t)zerocopy->released);

    if (first >= zerocopy->next || count > zerocopy->next - first) {
        return; // none of ours
    }
    if (report->copied) {
        wi_count(&loop->counters.zerocopy_copied, count);
        zerocopy->copied += (unsigned)count;
    } else {
        zerocopy->copied = 0;
    }
    if (zerocopy->copied >= WI_ZEROCOPY_COPIED_MAX && !zerocopy->is_off) {
        zerocopy->is_off = true;
        wi_count(&loop->counters.zerocopy_off, 1);
    }
    note_range(zerocopy, first, first + count);
    if (wi_zerocopy_waits(stream)) {
        tell_released(loop, stream, zerocopy);
    }
}

void
wi_zerocopy_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_zerocopy *zerocopy = wi_container_of(timer, struct wi_zerocopy, timer);
    struct wi_stream *stream = zerocopy->stream;

    wi_wheel_arm(&loop->wheel, timer, WI_TIMER_ZEROCOPY, loop->now_ns + SLOW_LOOK_NS);
    wi_reports_collect(loop, stream);
}

void
wi_zerocopy_free(struct wi_stream *stream)
{
    if (stream->extra != NULL) {
        wi_heap_free(stream->extra->zerocopy);
        stream->extra->zerocopy = NULL;
    }
}
