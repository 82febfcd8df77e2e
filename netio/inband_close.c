/* SPDX-License-Identifier: MIT */

/*
 * The closing handshake (H52):
 *
 *     who closes                                    the peer
 *       Close ─────────────────────────────────────►
 *       input is shown or discarded                   its queue, then
 *       ◄───────────────────────────────────── Close
 *       closes the stream below ───────────────────►  an end; closes its own
 *
 * Whoever spoke first closes the stream below first: then nothing is on its way in either direction
 * when a transport ends that cannot half-close. The one timer of it all is the deadline.
 */

#include "netio/inband.h"

#include "mem/heap.h"
#include "weir/token.h"

#include <errno.h>

#define DEADLINE_DEFAULT_NS UINT64_C(5000000000)

static void
finish(struct weir_inband *inband, enum weir_close_mode mode)
{
    inband->phase = WI_INBAND_FINISHING;
    weir_resume(inband->stream); // its end has to be seen
    weir_close(inband->stream, mode, WEIR_NEVER, 0);
}

static void
on_deadline(struct weir_loop *loop, int status, void *arg)
{
    struct weir_inband *inband = arg;

    (void)loop;
    if (status == 0 && inband->phase < WI_INBAND_DEAD) {
        inband->phase = WI_INBAND_CLOSING; // also a stream below that does not end is reset
        wi_inband_fail(inband, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    }
    weir_inband_unref(inband);
}

static void
start_deadline(struct weir_inband *inband, uint64_t deadline_ns)
{
    struct weir_timer timer = {.deadline_ns = deadline_ns, .fn = on_deadline, .arg = inband};
    int status;

    if (timer.deadline_ns == 0) {
        timer.deadline_ns = weir_deadline_after(DEADLINE_DEFAULT_NS);
    }
    if (timer.deadline_ns == WEIR_NEVER) {
        return;
    }
    weir_inband_ref(inband);
    status = weir_timer_start(inband->loop, &timer, &inband->deadline);
    if (status < 0) {
        wi_inband_fail(inband, status, WEIR_ORIGIN_MEMORY);
        weir_inband_unref(inband);
    }
}

void
wi_inband_begin_close(struct weir_inband *inband, enum weir_close_mode mode, uint64_t deadline_ns)
{
    if (inband->phase >= WI_INBAND_FINISHING) {
        return;
    }
    if (inband->phase > WI_INBAND_OPEN) {
        if (mode > inband->mode) {
            inband->mode = mode;
            wi_inband_settle(inband);
        }
        return;
    }
    inband->phase = WI_INBAND_CLOSING;
    inband->mode = mode;
    wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_CLOSED); // ORDER(inband_gate): the last way in
    if (!wi_inband_pushes(inband)) {
        inband->flags |= WI_INBAND_DISCARD;
        wi_inband_end_pulls(inband, inband->flags & WI_INBAND_FIN ? 0 : -WEIR_EENDED,
                            inband->flags & WI_INBAND_FIN ? WEIR_ORIGIN_NONE
                                                          : WEIR_ORIGIN_LOCAL_CLOSE);
    }
    start_deadline(inband, deadline_ns);
    wi_inband_send_due(inband);
    wi_inband_advance(inband); // what was held is discarded now
    wi_inband_settle(inband);
}

void
wi_inband_marked(struct weir_inband *inband)
{
    if (inband->phase == WI_INBAND_CLOSING) {
        inband->phase = WI_INBAND_MARKED;
    }
}

// Is the peer's side of the handshake over?
static bool
is_answered(const struct weir_inband *inband)
{
    unsigned closed = inband->flags & (WI_INBAND_PEER_CLOSED | WI_INBAND_ANSWERS);

    return closed == WI_INBAND_PEER_CLOSED ||
           (inband->flags & (WI_INBAND_RELEASED | WI_INBAND_AT_EOF)) != 0;
}

void
wi_inband_settle(struct weir_inband *inband)
{
    if (inband->flags & WI_INBAND_PARSES) {
        return; // which ends by asking this
    }
    if (inband->phase == WI_INBAND_MARKED && inband->mode == WEIR_CLOSE_FLUSH) {
        finish(inband, WEIR_CLOSE_FLUSH);
    } else if (inband->phase == WI_INBAND_MARKED && is_answered(inband)) {
        finish(inband, WEIR_CLOSE_DRAIN);
    }
}

/* ---- asking ---- */

struct ask {
    enum weir_close_mode mode;
    uint64_t deadline_ns;
};

static void
run_close(struct weir_inband *inband, void *arg)
{
    struct ask ask = *(struct ask *)arg;

    wi_heap_free(arg);
    wi_inband_begin_close(inband, ask.mode, ask.deadline_ns);
}

int
weir_inband_close(struct weir_inband *inband, enum weir_close_mode mode, uint64_t deadline_ns,
                  uint64_t code)
{
    struct ask *ask;
    uint64_t gate;
    int status;

    if ((unsigned)mode > WEIR_CLOSE_ABORT || code > WEIR_CODE_MAX) {
        return -EINVAL;
    }
    if (mode == WEIR_CLOSE_ABORT) {
        gate = wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_CLOSED); // ORDER(inband_gate) both ways
        if (gate & WI_INBAND_GATE_DEAD) {
            return -WEIR_ESTALE; // also behind the runtime's end
        }
        return weir_close(inband->stream, WEIR_CLOSE_ABORT, 0, code);
    }
    ask = wi_heap_alloc(sizeof(*ask));
    if (ask == NULL) {
        return -ENOMEM;
    }
    *ask = (struct ask){.mode = mode, .deadline_ns = deadline_ns};
    // ORDER(inband_gate) both ways: no write that begins behind this call comes in.
    gate = wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_CLOSED);
    status = wi_inband_post(inband, run_close, ask);
    if (status < 0) {
        if (!(gate & WI_INBAND_GATE_CLOSED)) {
            wi_and_acq_rel(&inband->gate, ~WI_INBAND_GATE_CLOSED); // ORDER(inband_gate) publish
        }
        wi_heap_free(ask);
    }
    return status;
}
