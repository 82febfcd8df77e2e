/* SPDX-License-Identifier: MIT */
#ifndef WI_ARRIVAL_H
#define WI_ARRIVAL_H

/**
 * @file
 * A new stream on its way to its loop: the message a dial, an adoption or an accept on another loop
 * sends.
 */

#include "netio/stream.h"
#include "runtime/lane.h"

/** In an operation's slot; nobody has a handle to it. */
struct wi_arrival {
    struct wi_op op;
    struct wi_gate *gate; // already open; NULL: opened on the loop
    uint64_t token;       // of a bind; of an accept: the port that was asked for
    int fd;
    socklen_t peer_size;
    void *context; // what `run` needs: a listener part
    struct sockaddr_storage peer;
};
static_assert(sizeof(struct wi_arrival) <= WI_OP_SIZE, "an operation's slot must hold it");

/** The calling thread. Reserve an arrival for the loop; on success the way is open: send or drop
 *  it.
 *  @p ret_lane NULL: this is the loop's own thread. 0, -ENOMEM, -WEIR_ELANEFULL, -WEIR_EENDED. */
int wi_arrival_reserve(struct wi_loop *loop, struct wi_lane **ret_lane,
                       struct wi_arrival **ret_arrival);

/** The calling thread. Hand it over; @p ops->run gets it on the loop and recycles it. */
void wi_arrival_send(struct wi_loop *loop, struct wi_lane *lane, struct wi_arrival *arrival,
                     const struct wi_op_ops *ops);

/** The calling thread. Nothing will be sent. */
void wi_arrival_drop(struct wi_loop *loop, struct wi_lane *lane, struct wi_arrival *arrival);

static inline struct wi_arrival *
wi_arrival_of(struct wi_task *task)
{
    return (struct wi_arrival *)(void *)wi_op_of_task(task);
}

#endif /* WI_ARRIVAL_H */
