/* SPDX-License-Identifier: MIT */
#ifndef WI_ACKS_H
#define WI_ACKS_H

/**
 * @file
 * Level ACKED on TCP: the kernel stamps the last byte of a marked send when the peer's transport
 * has acknowledged it. A stamp for byte n covers everything before it; should a stamp go missing,
 * a slow look at the kernel's own count of unacknowledged bytes stands in.
 */

#include "netio/stream.h"

struct wi_acks {
    struct wi_sendq waiting; // sent, in order, not acknowledged
    uint64_t acked;          // bytes of the stream known to be acknowledged
    struct wi_timer timer;   // the slow look; armed only while something waits
    struct wi_stream *stream;
};

/** Loop thread, before the first byte is sent. 0, or why the kernel cannot. */
int wi_acks_enable(struct wi_stream *stream);

/** Loop thread. All of it was sent: wait for the acknowledgement. */
void wi_acks_wait(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write);

/** Loop thread. A stamp: the peer has this byte and all before it. */
void wi_acks_note(struct wi_stream *stream, uint32_t last_byte);

/** Loop thread. Complete what is acknowledged by now. */
void wi_acks_complete(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. Ask the kernel how much is acknowledged by now; completes nothing. */
void wi_acks_look(struct wi_stream *stream);

/** Loop thread. The write ends: note in it how much of it is known to be acknowledged. */
void wi_acks_settle(const struct wi_stream *stream, struct wi_write *write, int status);

/** Loop thread. Is the write wholly sent, and waits here? Nothing of it can be taken back. */
bool wi_acks_has(const struct wi_stream *stream, const struct wi_write *write);

/** Loop thread. The stream ends: so do those that wait. */
void wi_acks_end(struct wi_loop *loop, struct wi_stream *stream, int status,
                 enum weir_origin origin);

void wi_acks_free(struct wi_stream *stream);

/** Loop thread. The slow look. */
void wi_acks_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

#endif /* WI_ACKS_H */
