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

/** Loop thread. The gate said HIGH, and does no more. Counted only: it begins in a refused submit,
 *  which has no place of the stream's to leave a time in. */
void wi_limited_end(struct wi_loop *loop);

/** Loop thread. It is dead, and waits for nothing any more. */
void wi_blocked_stop(struct wi_loop *loop, struct wi_stream *stream);

#endif /* WI_BLOCKED_H */
