/* SPDX-License-Identifier: MIT */

#include "netio/net.h"
#include "netio/pump.h"

#include <errno.h>

// Making a runtime, and looking at a stream: the small public calls of netio.

int
weir_runtime_create(const struct weir_runtime_options *options, struct weir_runtime **ret_runtime)
{
    struct wi_runtime *runtime;
    int result;

    if (ret_runtime == NULL) {
        return -EINVAL;
    }
    result = wi_runtime_create(options, &wi_net_service, &runtime);
    if (result == 0) {
        *ret_runtime = (struct weir_runtime *)(void *)runtime;
    }
    return result;
}

size_t
weir_queued(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_here(stream.bits);

    return gate == NULL ? 0 : wi_gate_queued(gate);
}

uint64_t
weir_sent(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_here(stream.bits);

    return gate == NULL ? 0 : wi_load_relaxed(&wi_stream_of(gate)->sent);
}

uint64_t
weir_received(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_here(stream.bits);

    return gate == NULL ? 0 : wi_load_relaxed(&wi_stream_of(gate)->received);
}

void *
weir_stream_user(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_here(stream.bits);
    const struct wi_pump_side *side;

    if (gate == NULL || !wi_on_loop(gate->loop)) {
        return NULL;
    }
    side = wi_pump_side_of(wi_stream_of(gate));
    return side != NULL ? side->user : wi_stream_of(gate)->user;
}

int
weir_stream_set_user(weir_stream stream, void *user)
{
    struct wi_gate *gate = wi_gate_find(stream.bits);
    struct wi_pump_side *side;

    if (gate == NULL) {
        return wi_stale();
    }
    if (!wi_on_loop(gate->loop)) {
        return -EXDEV;
    }
    side = wi_pump_side_of(wi_stream_of(gate));
    if (side != NULL) {
        side->user = user;
    } else {
        wi_stream_of(gate)->user = user;
    }
    return 0;
}

struct weir_loop *
weir_stream_loop(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_find(stream.bits);

    return gate == NULL ? NULL : wi_loop_public(gate->loop);
}

int
weir_stream_set_handlers(weir_stream handle, const struct weir_handlers *handlers, void *user)
{
    struct wi_gate *gate = wi_gate_find(handle.bits);
    struct wi_pump_side *side;
    struct wi_stream *stream;

    if (gate == NULL) {
        return wi_stale();
    }
    if (!wi_on_loop(gate->loop)) {
        return -EXDEV;
    }
    stream = wi_stream_of(gate);
    side = wi_pump_side_of(stream);
    if (side != NULL) { // from the end of the pump on
        side->handlers = handlers;
        side->user = user;
        return 0;
    }
    stream->handlers = handlers;
    stream->user = user;
    wi_stream_judge(stream);
    if (handlers != NULL && handlers->ideal_size != NULL && stream->phase >= WI_PHASE_OPEN) {
        if (stream->extra != NULL) {
            stream->extra->ideal_size = 0; // these have not been told yet
        }
        wi_stream_event(gate->loop, stream, WI_EVENT_IDEAL);
    }
    if (handlers != NULL && handlers->data != NULL) {
        wi_or_relaxed(&gate->options, (uint16_t)WI_GATE_PUSH);
        wi_stream_event(gate->loop, stream,
                        WI_EVENT_READ | (stream->input_size != 0 ? (unsigned)WI_EVENT_AGAIN : 0));
    } else {
        wi_and_acq_rel(&gate->options, (uint16_t)~WI_GATE_PUSH);
    }
    return 0;
}

int
weir_stream_status(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_find(stream.bits);
    int refusal;

    if (gate == NULL) {
        return wi_stale();
    }
    refusal = wi_gate_refusal(gate, wi_load_acquire(&gate->word));
    return refusal != 0 ? refusal : wi_load_relaxed(&gate->status);
}
