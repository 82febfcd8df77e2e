/* SPDX-License-Identifier: MIT */
#ifndef WI_BLOCKED_H
#define WI_BLOCKED_H

/**
 * @file
 * How long streams wait, and for what: room in the socket, a cork, a submitter that is sending, the
 * low mark. Each begins and ends on its own; a stream that dies ends all of them.
 */

#include "netio/stream.h"

/** Loop thread. The socket is full; has room. */
void wi_blocked_begin(struct wi_loop *loop, struct wi_stream *stream);
void wi_blocked_end(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The stream's timer is a cork's; is so no more. */
void wi_corked_begin(struct wi_loop *loop, struct wi_stream *stream);
void wi_corked_end(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. A submitter has the right to write, and the loop wants it; it is here. */
void wi_right_wait_begin(struct wi_loop *loop, struct wi_stream *stream);
void wi_right_wait_end(struct wi_loop *loop, struct wi_stream *stream);

/** Holding the slot, or on its loop; before the gate says HIGH. Somebody is to be refused. */
void wi_limited_begin(struct wi_gate *gate);
/** Loop thread. The gate said HIGH, and does no more. */
void wi_limited_end(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. It is dead, and waits for nothing any more. */
void wi_blocked_stop(struct wi_loop *loop, struct wi_stream *stream);

#endif /* WI_BLOCKED_H */
