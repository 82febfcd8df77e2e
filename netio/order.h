/* SPDX-License-Identifier: MIT */
#ifndef WI_ORDER_H
#define WI_ORDER_H

/**
 * @file
 * The order of other threads' submits (contract 3.3). Each took a ticket in the submit word; the
 * lanes bring them in any order. One whose turn it is goes to the queue; the others are kept until
 * the stream is settled, at the end of the turn at the latest, and sorted then.
 *
 * A ticket that is missing when later ones go is a *hole*: its submitter was stopped in the midst,
 * so it was concurrent with those; or it was refused, and the ticket will never come. While there
 * are holes nothing passes on sight, for what fills one may lie in another lane, and what was
 * submitted behind it must stay behind it.
 */

#include "netio/stream.h"

/** In wi_stream.next_ticket: nobody's turn comes on sight; some are kept, or there are holes. */
#define WI_ORDER_WAITS (WI_TICKET_MASK + 1)

/** Loop thread. Keep an arrival until the stream is settled. */
void wi_order_keep(struct wi_stream *stream, struct wi_write *write);

/** Loop thread. Take all that were kept, in their order, linked. */
struct wi_write *wi_order_take(struct wi_stream *stream);

/** Loop thread. The submit with this ticket goes to the queue now. */
void wi_order_pass(struct wi_stream *stream, uint32_t ticket);

/** Loop thread. What was kept takes its places; the gate's count is put right. */
void wi_stream_settle(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. Have the right to write; what a submitter began inline is in the queue then. False:
 *  a submitter is sending, and its lane will bring the right. */
bool wi_stream_take_right(struct wi_loop *loop, struct wi_stream *stream);

#endif /* WI_ORDER_H */
