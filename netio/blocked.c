/* SPDX-License-Identifier: MIT */

#include "netio/blocked.h"

#include "netio/net.h"

static void
begin(struct wi_loop *loop, uint64_t *since_ns)
{
    if (*since_ns == 0) {
        *since_ns = loop->now_ns;
    }
}

static void
end(struct wi_loop *loop, uint64_t *since_ns, wi_atomic_u64 *sum_ns)
{
    if (*since_ns != 0) {
        wi_count(sum_ns, loop->now_ns > *since_ns ? loop->now_ns - *since_ns : 0);
        *since_ns = 0;
    }
}

void
wi_blocked_begin(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    stream->flags |= WI_S_BLOCKED;
    wi_count(&loop->counters.blocked, 1);
    if (extra != NULL) {
        begin(loop, &extra->blocked_since_ns);
    }
}

void
wi_blocked_end(struct wi_loop *loop, struct wi_stream *stream)
{
    stream->flags &= ~(unsigned)WI_S_BLOCKED;
    if (stream->extra != NULL) {
        end(loop, &stream->extra->blocked_since_ns, &loop->counters.blocked_ns);
    }
}

// A cork needs no extra part: the timer says when it was put in.
static uint64_t
cork_of(const struct wi_stream *stream)
{
    return stream->extra != NULL ? stream->extra->cork_ns : WI_CORK_DEFAULT_NS;
}

void
wi_corked_begin(struct wi_loop *loop, struct wi_stream *stream)
{
    uint64_t cork = cork_of(stream);

    wi_stream_arm(loop, stream,
                  cork < WEIR_NEVER - loop->now_ns ? loop->now_ns + cork : WEIR_NEVER - 1);
    stream->flags |= WI_S_CORK_TIMED;
    wi_count(&loop->counters.corked, 1);
}

void
wi_corked_end(struct wi_loop *loop, struct wi_stream *stream)
{
    uint64_t due = wi_timer_deadline_ns(&stream->timer);
    uint64_t cork = cork_of(stream);
    uint64_t since = due > cork ? due - cork : 0;

    if (stream->flags & WI_S_CORK_TIMED) {
        stream->flags &= ~(unsigned)WI_S_CORK_TIMED;
        wi_count(&loop->counters.corked_ns, loop->now_ns > since ? loop->now_ns - since : 0);
    }
}

void
wi_right_wait_begin(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra != NULL && extra->right_since_ns == 0) {
        wi_count(&loop->counters.right_waits, 1);
        begin(loop, &extra->right_since_ns);
    }
}

void
wi_right_wait_end(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->extra != NULL) {
        end(loop, &stream->extra->right_since_ns, &loop->counters.right_wait_ns);
    }
}

void
wi_limited_end(struct wi_loop *loop)
{
    wi_count(&loop->counters.limited, 1);
}

void
wi_blocked_stop(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_blocked_end(loop, stream);
    wi_corked_end(loop, stream);
    wi_right_wait_end(loop, stream);
    if (wi_and_acq_rel(&wi_gate_of(stream)->word, ~WI_GATE_HIGH) & WI_GATE_HIGH) {
        wi_limited_end(loop);
    }
}
