/* SPDX-License-Identifier: MIT */

#include "netio/consume.h"

#include <errno.h>

#define CONSUME_SIZE     UINT64_C(0x7fffffff)
#define CONSUME_IDLE     UINT64_C(0)
#define CONSUME_OPEN     UINT64_C(1)
#define CONSUME_ANSWERED UINT64_C(2)

static uint64_t
pack(uint64_t state, size_t examined, size_t consumed)
{
    return state << 62 | (uint64_t)examined << 31 | consumed;
}

bool
wi_consume_open(struct wi_stream *stream, size_t shown)
{
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);

    if (extra == NULL) {
        return false;
    }
    wi_store_relaxed(&extra->consume, pack(CONSUME_OPEN, 0, shown));
    // ORDER(consume) publish: the extra part is set up before another thread can find it.
    wi_or_acq_rel(&wi_gate_of(stream)->word, WI_GATE_EXTRA);
    return true;
}

bool
wi_consume_take(struct wi_stream *stream, size_t *ret_consumed, size_t *ret_examined)
{
    uint64_t word = stream->extra == NULL ? 0 : wi_load_relaxed(&stream->extra->consume);

    if (word >> 62 != CONSUME_ANSWERED) {
        return false;
    }
    wi_store_relaxed(&stream->extra->consume, pack(CONSUME_IDLE, 0, 0));
    *ret_consumed = (size_t)(word & CONSUME_SIZE);
    *ret_examined = (size_t)(word >> 31 & CONSUME_SIZE);
    return true;
}

static int
answer(struct wi_stream *stream, size_t consumed, size_t examined)
{
    wi_atomic_u64 *consume = &stream->extra->consume;
    uint64_t word = wi_load_relaxed(consume);

    do {
        if (word >> 62 != CONSUME_OPEN) {
            return -EALREADY;
        }
        if (consumed > (word & CONSUME_SIZE) || examined > (word & CONSUME_SIZE)) {
            return -EINVAL;
        }
    } while (!wi_cas_relaxed(consume, &word, pack(CONSUME_ANSWERED, examined, consumed)));
    return 0;
}

int
weir_consume(weir_stream handle, size_t consumed, size_t examined)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    if (examined < consumed) {
        result = -EINVAL;
    } else if (!(wi_load_acquire(&gate->word) & WI_GATE_EXTRA)) { // ORDER(consume) observe
        result = -EALREADY;
    } else {
        result = answer(wi_stream_of(gate), consumed, examined);
    }
    if (result == 0) {
        wi_gate_ask(gate, WI_ASK_CONSUME);
    }
    wi_gate_leave(gate);
    return result;
}
