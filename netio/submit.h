/* SPDX-License-Identifier: MIT */
#ifndef WI_SUBMIT_H
#define WI_SUBMIT_H

/**
 * @file
 * Sending inside a foreign submit (contract 3.4): where nothing is queued and the right to write is
 * free, the submitter takes it, sends, and gives it back; what the kernel does not take goes to the
 * loop as the head of the queue, together with the right.
 */

#include "netio/write.h"

struct wi_lane;
struct wi_gate;

/** Any thread. weir_write(), whatever is asked for. */
int wi_submit(weir_stream stream, const struct weir_write *request, weir_op *ret_op);

/** Loop thread of a stream that is there. Write @p size bytes that @p pipe holds, level SENT; the
 *  pipe is lent until @p done. As weir_write(). */
int wi_submit_pipe(struct wi_gate *gate, int pipe, uint64_t size, weir_done_fn *done, void *arg);

/** wi_submit_inline(): began, not finished. The operation is open and goes down the lane; its
 *  arrival gives the right to the loop. */
#define WI_SUBMIT_HEAD 2

/**
 * The submitter. 0: not possible now, queue it; 1: all done; WI_SUBMIT_HEAD; or a refusal, with the
 * stream as it was.
 */
int wi_submit_inline(struct wi_lane *lane, struct wi_gate *gate, const struct weir_write *request,
                     uint64_t handle, struct wi_write *write, bool named);

/** The submitter, in place of wi_op_put_back(): the operation goes back, or first tells the loop
 *  that the right is its own now, or that a send failed. The lane entry is reserved. */
void wi_submit_put_back(struct wi_lane *lane, struct wi_write *write);

#endif /* WI_SUBMIT_H */
