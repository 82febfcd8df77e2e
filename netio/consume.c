/* SPDX-License-Identifier: MIT */

#include "netio/consume.h"

#include "netio/net.h"

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

// Data said PENDING, and an answer was there before it returned.
static void
take_early(struct wi_loop *loop, struct wi_stream *stream, uint64_t word, size_t shown)
{
    struct wi_show *show = &wi_net_of(loop)->show;
    size_t consumed = (size_t)(word >> 2 & CONSUME_SIZE);
    size_t examined = (size_t)(wi_load_relaxed(&show->examined) & CONSUME_SIZE);

    if (consumed > shown) { // weir_take() came between
        wi_log(loop->runtime, WEIR_LOG_ERROR, "data consumed %zu of %zu bytes", consumed, shown);
        consumed = shown;
    }
    wi_store_relaxed(&stream->extra->consume,
                     pack(CONSUME_ANSWERED, examined < shown ? examined : shown, consumed));
    wi_store_relaxed(&show->word, WI_SHOW_CLOSED);
    wi_gate_ask(wi_gate_of(stream), WI_ASK_CONSUME);
}

bool
wi_consume_open(struct wi_loop *loop, struct wi_stream *stream, size_t shown)
{
    struct wi_show *show = &wi_net_of(loop)->show;
    struct wi_stream_extra *extra = wi_stream_need_extra(stream);
    uint64_t word = wi_load_relaxed(&show->word);

    if (extra == NULL) {
        wi_show_end(show);
        return false;
    }
    wi_store_relaxed(&extra->consume, pack(CONSUME_OPEN, 0, shown));
    // ORDER(consume) publish: the extra part is set up before another thread can find it.
    wi_or_acq_rel(&wi_gate_of(stream)->word, WI_GATE_EXTRA);
    // ORDER(show) both ways: who finds the loop's word closed finds the stream's open; and who has
    // answered the loop's is seen with his sizes.
    if ((word & WI_SHOW_STATE) == WI_SHOW_ANSWERED ||
        ((word & WI_SHOW_STATE) == WI_SHOW_OPEN &&
         !wi_cas_acq_rel(&show->word, &word, WI_SHOW_CLOSED))) {
        take_early(loop, stream, wi_load_acquire(&show->word), shown);
    }
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

#define NOT_SHOWN 1

// While its data function runs, the loop's word decides. 0, -EALREADY, -EINVAL; or NOT_SHOWN: it
// does not run, or has returned.
static int
answer_shown(struct wi_gate *gate, size_t consumed, size_t examined)
{
    struct wi_show *show = &wi_net_of(gate->loop)->show;

    for (;;) {
        uint64_t word = wi_load_acquire(&show->word); // ORDER(show) observe: whose, and how much
        uint64_t serial = word & ~(WI_SHOW_SERIAL - 1);
        uint64_t other = wi_load_relaxed(&show->examined);

        if ((word & WI_SHOW_STATE) == WI_SHOW_CLOSED ||
            wi_load_acquire(&show->gate) != (uintptr_t)gate) { // ORDER(show) observe
            return NOT_SHOWN;
        }
        if ((word & WI_SHOW_STATE) == WI_SHOW_ANSWERED ||
            (other & ~(WI_SHOW_SERIAL - 1)) == serial) { // somebody is about to
            return -EALREADY;
        }
        if (examined > wi_load_acquire(&show->size)) { // ORDER(show) observe
            if (wi_load_relaxed(&show->word) == word) {
                return -EINVAL;
            }
        } else if (wi_cas_relaxed(&show->examined, &other, serial | examined) &&
                   // ORDER(show) publish: `examined` before the word says that it is there.
                   wi_cas_acq_rel(&show->word, &word,
                                  serial | (uint64_t)consumed << 2 | WI_SHOW_ANSWERED)) {
            return 0;
        }
    }
}

static uint64_t
consume_word(const struct wi_gate *gate)
{
    if (!(wi_load_acquire(&gate->word) & WI_GATE_EXTRA)) { // ORDER(consume) observe
        return pack(CONSUME_IDLE, 0, 0);
    }
    return wi_load_acquire(&wi_stream_of((struct wi_gate *)(uintptr_t)gate)->extra->consume);
}

// An answer that pauses takes the place of a resume before it; one that comes behind it holds.
static void
ask_for_answer(struct wi_gate *gate, bool is_partial)
{
    bool pauses = is_partial && wi_gate_has(gate, WI_GATE_PARTIAL_PAUSE);

    wi_gate_ask_instead(gate, WI_ASK_CONSUME, pauses ? (uint32_t)WI_ASK_RESUME : 0);
}

// Holding the gate. The loop's word first, for as long as it is open the stream's does not count.
static int
answer(struct wi_gate *gate, size_t consumed, size_t examined)
{
    for (;;) {
        uint64_t word = consume_word(gate);
        int result = answer_shown(gate, consumed, examined);
        bool is_partial;

        if (result != NOT_SHOWN) {
            return result;
        }
        if (consume_word(gate) != word) {
            continue; // data said PENDING just now
        }
        if (word >> 62 != CONSUME_OPEN) {
            return -EALREADY;
        }
        if (consumed > (word & CONSUME_SIZE) || examined > (word & CONSUME_SIZE)) {
            return -EINVAL;
        }
        is_partial = consumed < (word & CONSUME_SIZE);
        if (wi_cas_relaxed(&wi_stream_of(gate)->extra->consume, &word,
                           pack(CONSUME_ANSWERED, examined, consumed))) {
            ask_for_answer(gate, is_partial);
            return 0;
        }
    }
}

int
weir_consume(weir_stream handle, size_t consumed, size_t examined)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    result = examined < consumed ? -EINVAL : answer(gate, consumed, examined);
    wi_gate_leave(gate);
    return result;
}
