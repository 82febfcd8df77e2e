/* SPDX-License-Identifier: MIT */
#ifndef WI_NET_H
#define WI_NET_H

/**
 * @file
 * netio's part of a loop: the streams that have work, the operations that have ended, the scratch
 * memory of a send; and the two tasks that serve them at the end of a turn.
 */

#include "netio/consume.h"
#include "netio/stream.h"
#include "runtime/loop.h"

#define WI_NET_IOV       256u           // pieces in one send
#define WI_NET_SEND_MAX  (256u * 1024)  // bytes in one send, and of one stream in one turn
#define WI_NET_FILE_MAX  (2048u * 1024) // likewise from a file, of which no byte is copied
#define WI_NET_READ_MAX  (256u * 1024)  // bytes read from one stream in one turn
#define WI_NET_FLAT_SIZE (64u * 1024)

struct wi_net {
    struct wi_loop *loop;
    struct wi_show show;
    struct wi_stream *work;   // streams with something to do
    struct wi_stream *events; // streams with something to tell
    struct wi_stream *events_last;
    struct wi_task *done; // ended writes and pulls, in order
    struct wi_task *done_last;
    struct wi_task work_task;
    struct wi_task done_task;
    bool done_deferred;
    struct wi_free_list free_slots; // also taken by foreign dials
    uint64_t sent_behind; // of the send being accounted: bytes behind the operation looked at
    struct wi_listener_part *listeners;
    struct wi_stream *later; // streams whose budget of this turn is used up
    struct wi_task later_task;
    bool later_posted;
    uint64_t later_turn;   // when it was posted
    struct wi_pipe *pipes; // empty ones at rest; see pipe.h
    unsigned pipe_count;
    struct weir_result sent_whole; // what completions of plain writes share; the rest stays 0
    struct wi_write *whole_first;  // plain writes of the stream being flushed that went as a
    struct wi_write *whole_last;   // whole, still linked; completed when the flush is over
    struct iovec iov[WI_NET_IOV];
    unsigned char flat[WI_NET_FLAT_SIZE];
};

static inline struct wi_net *
wi_net_of(struct wi_loop *loop)
{
    return loop->net;
}

extern const struct wi_service wi_net_service;

/** The loop's list of work, and what waits for the next turn (work.c). */
extern const struct wi_task_ops wi_work_ops;
extern const struct wi_task_ops wi_later_ops;

/** Loop thread. Its turn for work will come before this turn ends. */
WI_INLINE void
wi_stream_needs_work(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_net *net = wi_net_of(loop);

    if (stream->flags & WI_S_WORK) {
        return;
    }
    if (net->work == NULL) {
        wi_loop_defer(loop, &net->work_task);
    }
    stream->flags |= WI_S_WORK;
    stream->next_work = net->work;
    net->work = stream;
}

/** Loop thread. An ended operation: its completion runs at the end of the turn. */
WI_INLINE void
wi_net_done(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_net *net = wi_net_of(loop);

    task->next = NULL;
    if (net->done == NULL) {
        net->done = task;
    } else {
        net->done_last->next = task;
    }
    net->done_last = task;
    if (!net->done_deferred) {
        net->done_deferred = true;
        wi_loop_defer(loop, &net->done_task);
    }
}

#endif /* WI_NET_H */
