/* SPDX-License-Identifier: MIT */

#include "netio/arrival.h"
#include "netio/net.h"
#include "runtime/token.h"

#include <errno.h>

// Binding a stream to a token: the bond lies in the stream's extra part and is the loop's; the
// message that asks for it travels like a new stream does.

static void
bond_fired(struct wi_loop *loop, struct wi_token_bond *bond, int reason, uint64_t code)
{
    struct wi_stream_extra *extra = wi_container_of(bond, struct wi_stream_extra, bond);

    wi_stream_die(loop, extra->stream, reason, WEIR_ORIGIN_LOCAL_CANCEL, code);
}

static void
bind_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_arrival *arrival = wi_arrival_of(task);
    struct wi_stream *stream = wi_stream_of(arrival->gate);
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    wi_op_arrive_quietly(&arrival->op);
    if (stream->phase != WI_PHASE_DEAD && extra != NULL) {
        extra->stream = stream;
        extra->bond.fired = bond_fired;
        wi_token_bind(loop, &extra->bond, arrival->token);
    } else if (extra == NULL) { // without its bond the stream must not go on
        wi_stream_die(loop, stream, -ENOMEM, WEIR_ORIGIN_MEMORY, 0);
    }
    wi_gate_leave(arrival->gate); // held since the call
    wi_stream_needs_work(loop, stream);
    wi_op_recycle(loop, &arrival->op);
}

static const struct wi_op_ops bind_ops = {.task.run = bind_run};

int
weir_token_bind(weir_token token, weir_stream stream)
{
    struct wi_gate *gate = wi_gate_hold(stream.bits);
    struct wi_arrival *arrival;
    struct wi_lane *lane;
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    result = weir_token_status(token);
    if (result == 0 && wi_handle_runtime(token.bits) != gate->loop->runtime->index) {
        result = -EINVAL;
    }
    if (result < 0 && result != -WEIR_ESTALE && result != -EINVAL && result != -ECHILD) {
        result = weir_close(stream, WEIR_CLOSE_ABORT, 0, // it has fired already
                            wi_token_code(gate->loop->runtime, token.bits));
    } else if (result == 0) {
        result = wi_arrival_reserve(gate->loop, &lane, &arrival);
        if (result == 0) {
            if (wi_or_acq_rel(&gate->word, WI_GATE_BOUND) & WI_GATE_BOUND) {
                wi_arrival_drop(gate->loop, lane, arrival);
                result = -EBUSY;
            } else {
                arrival->gate = gate;
                arrival->token = token.bits;
                wi_arrival_send(gate->loop, lane, arrival, &bind_ops);
                return 0; // the hold travels with it
            }
        }
    }
    wi_gate_leave(gate);
    return result;
}
