/* SPDX-License-Identifier: MIT */

#include "netio/acks.h"

#include "mem/heap.h"
#include "mem/plant.h"
#include "netio/net.h"
#include "netio/reports.h"

#include <errno.h>

#define SLOW_LOOK_NS UINT64_C(100000000)

int
wi_acks_enable(struct wi_stream *stream)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);
    int result = wi_os_stamp_acks(stream->fd);

    if (result < 0 || extra == NULL) {
        return result < 0 ? result : -ENOMEM;
    }
    extra->acks = wi_heap_zalloc(sizeof(*extra->acks));
    if (extra->acks == NULL) {
        return -ENOMEM;
    }
    extra->acks->stream = stream;
    return 0;
}

bool
wi_stream_waits_for_acks(const struct wi_stream *stream)
{
    return stream->extra != NULL && stream->extra->acks != NULL &&
           !wi_sendq_is_empty(&stream->extra->acks->waiting);
}

void
wi_acks_wait(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write)
{
    struct wi_acks *acks = stream->extra->acks;

    write->end = wi_load_relaxed(&stream->sent) - wi_net_of(loop)->sent_behind;
    if (write->end <= acks->acked) { // a barrier, and everything before it is there
        wi_write_end(loop, stream, write, 0, WEIR_ORIGIN_NONE);
        return;
    }
    wi_sendq_append(&acks->waiting, write);
    if (!wi_timer_is_armed(&acks->timer)) {
        wi_wheel_arm(&loop->wheel, &acks->timer, WI_TIMER_ACKS, loop->now_ns + SLOW_LOOK_NS);
    }
}

void
wi_acks_complete(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_acks *acks = stream->extra->acks;

    while (!wi_sendq_is_empty(&acks->waiting) && acks->waiting.head->end <= acks->acked) {
        struct wi_write *write = acks->waiting.head;

        wi_sendq_remove(&acks->waiting, write);
        wi_write_end(loop, stream, write, 0, WEIR_ORIGIN_NONE);
        wi_stream_needs_work(loop, stream); // a close or a low mark may wait for this
    }
    if (wi_sendq_is_empty(&acks->waiting)) {
        wi_wheel_disarm(&loop->wheel, &acks->timer);
    }
}

// The kernel counts bytes in 32 bits: the nearest offset at or before what was sent.
static uint64_t
offset_of(const struct wi_stream *stream, uint32_t last_byte)
{
    uint64_t sent = wi_load_relaxed(&stream->sent);

    return sent - (uint32_t)((uint32_t)sent - (last_byte + 1));
}

void
wi_acks_note(struct wi_stream *stream, uint32_t last_byte)
{
    struct wi_acks *acks = stream->extra->acks;
    uint64_t acked = offset_of(stream, last_byte);

    acks->acked = acked > acks->acked ? acked : acks->acked;
}

// The kernel's own count; a FIN counts as a byte there.
static void
count_unacked(struct wi_stream *stream)
{
    struct wi_acks *acks = stream->extra->acks;
    uint64_t sent = wi_load_relaxed(&stream->sent);
    int unacked = 0;

    if (wi_os_unsent(stream->fd, &unacked) < 0) {
        return;
    }
    unacked -= (stream->flags & WI_S_FIN_SENT) && unacked > 0;
    if ((uint64_t)unacked <= sent) {
        uint64_t acked = sent - (uint64_t)unacked;

        acks->acked = acked > acks->acked ? acked : acks->acked;
    }
}

void
wi_acks_look(struct wi_stream *stream)
{
    if (stream->extra != NULL && stream->extra->acks != NULL && stream->fd >= 0) {
        wi_reports_take(stream);
        count_unacked(stream);
    }
}

void
wi_acks_settle(const struct wi_stream *stream, struct wi_write *write, int status)
{
    const struct wi_acks *acks = stream->extra == NULL ? NULL : stream->extra->acks;
    uint64_t sent = write->op.owner;
    // What waits knows where it ends; else it was being sent, and nothing has gone behind it.
    uint64_t begin = (write->end != 0 ? write->end : wi_load_relaxed(&stream->sent)) - sent;

    if (status == 0 || sent == 0 || acks == NULL) {
        write->end = status == 0 ? sent : 0;
    } else if (acks->acked <= begin) {
        write->end = 0;
    } else {
        write->end = acks->acked - begin < sent ? acks->acked - begin : sent;
    }
}

void
wi_acks_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_acks *acks = wi_container_of(timer, struct wi_acks, timer);
    struct wi_stream *stream = acks->stream;

    wi_reports_collect(loop, stream);
    if (!wi_sendq_is_empty(&acks->waiting)) {
        count_unacked(stream);
        wi_wheel_arm(&loop->wheel, timer, WI_TIMER_ACKS, loop->now_ns + SLOW_LOOK_NS);
        wi_acks_complete(loop, stream);
    }
}

bool
wi_acks_has(const struct wi_stream *stream, const struct wi_write *write)
{
    // A barrier waits too, for what was sent before it.
    return wi_write_level(write) == WEIR_ACKED &&
           (WI_PLANT(1) ? write->size != 0 : write->end != 0) && write->op.owner == write->size &&
           wi_stream_waits_for_acks(stream);
}

void
wi_acks_end(struct wi_loop *loop, struct wi_stream *stream, int status, enum weir_origin origin)
{
    struct wi_acks *acks = stream->extra == NULL ? NULL : stream->extra->acks;

    if (acks == NULL) {
        return;
    }
    wi_wheel_disarm(&loop->wheel, &acks->timer);
    wi_acks_look(stream);
    while (!wi_sendq_is_empty(&acks->waiting)) {
        struct wi_write *write = acks->waiting.head;

        wi_sendq_remove(&acks->waiting, write);
        wi_write_end(loop, stream, write, status, origin);
    }
}

void
wi_acks_free(struct wi_stream *stream)
{
    if (stream->extra != NULL) {
        wi_heap_free(stream->extra->acks);
        stream->extra->acks = NULL;
    }
}
