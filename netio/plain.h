/* SPDX-License-Identifier: MIT */
#ifndef WI_PLAIN_H
#define WI_PLAIN_H

/**
 * @file
 * Plain writes (WI_WRITE_PLAIN): one piece, and nothing else asked for. What most writes are, by
 * the fewest steps.
 */

#include "mem/lease.h"
#include "netio/net.h"

/** The one piece of a write marked WI_WRITE_PLAIN. */
WI_INLINE struct iovec
wi_write_piece(const struct wi_write *write)
{
    const struct weir_block *block = write->from.chain.head;

    if (write->flags & WI_WRITE_CHAIN) {
        return (struct iovec){.iov_base = block->data + block->begin, .iov_len = write->size};
    }
    return write->from.one;
}

/** Loop thread. weir_write_chain() to a stream of this loop that is there, if that asks nothing
 *  more than a plain write of one block does. False: nothing has been done. */
bool wi_write_chain_plain(struct wi_gate *gate, struct weir_chain *chain, weir_done_fn *done,
                          void *arg);

/** Loop thread, no callback running. The write went as a whole. Nobody has a handle to it, so its
 *  word was never touched, and there is nothing to say but how much it was. Give its memory
 *  back, tell `done`, let the operation go. The caller counts it, and has set what all completions
 *  of this moment have in common: wi_tls.at and net->sent_whole.turn_ns. */
WI_INLINE void
wi_write_complete_plain(struct wi_loop *loop, struct wi_net *net, uint64_t handle,
                        struct wi_write *write)
{
    if (write->flags & WI_WRITE_CHAIN) {
        if (wi_likely(write->flags & WI_WRITE_PLAIN)) {
            wi_block_return_one(write->from.chain.head);
        } else {
            weir_chain_return(&write->from.chain);
        }
    }
    wi_probe_completion(&write->op, write->size, write->size);
    if (wi_likely(write->done != NULL)) {
        net->sent_whole.accepted = write->size;
        net->sent_whole.sent = write->size;
        write->done((weir_stream){handle}, &net->sent_whole, write->arg);
    }
    write->op.flags = 0;
    wi_op_send_home(loop, &write->op);
}

/** Loop thread. The same write, behind the completions that wait already. */
static inline void
wi_write_complete_later(struct wi_loop *loop, struct wi_write *write)
{
    write->op.owner = write->size;
    write->op.task.ops = &wi_write_done_ops;
    wi_stream_of(write->gate)->flags |= WI_S_UNTOLD;
    wi_net_done(loop, &write->op.task);
}

#endif /* WI_PLAIN_H */
