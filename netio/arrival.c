/* SPDX-License-Identifier: MIT */

#include "netio/arrival.h"

#include "netio/net.h"
#include "runtime/thread.h"

#include <errno.h>

int
wi_arrival_reserve(struct wi_loop *loop, struct wi_lane **ret_lane, struct wi_arrival **ret_arrival)
{
    struct wi_lane *lane = NULL;
    struct wi_op *op;

    if (!wi_on_loop(loop)) {
        lane = wi_thread_lane(loop);
        if (lane == NULL) {
            return -ENOMEM;
        }
        if (!wi_lane_enter(lane)) {
            return -WEIR_EENDED;
        }
        if (!wi_lane_reserve(lane)) {
            wi_lane_leave(lane);
            return -WEIR_ELANEFULL;
        }
    } else if (wi_runtime_is_stopping(loop->runtime)) {
        return -WEIR_EENDED;
    }
    op = wi_op_take(lane != NULL ? &lane->cache : &loop->cache);
    if (op == NULL) {
        if (lane != NULL) {
            wi_lane_leave(lane);
        }
        return -ENOMEM;
    }
    *ret_lane = lane;
    *ret_arrival = (struct wi_arrival *)(void *)op;
    return 0;
}

void
wi_arrival_send(struct wi_loop *loop, struct wi_lane *lane, struct wi_arrival *arrival,
                const struct wi_op_ops *ops)
{
    wi_op_open(&arrival->op, ops, false);
    if (lane == NULL) {
        ops->task.run(loop, &arrival->op.task);
    } else {
        wi_lane_send(lane, &arrival->op.task);
        wi_lane_leave(lane);
    }
}

void
wi_arrival_drop(struct wi_loop *loop, struct wi_lane *lane, struct wi_arrival *arrival)
{
    wi_op_put_back(lane != NULL ? &lane->cache : &loop->cache, &arrival->op);
    if (lane != NULL) {
        wi_lane_leave(lane);
    }
}
