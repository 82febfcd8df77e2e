/* SPDX-License-Identifier: MIT */

#include "mem/plant.h"
#include "netio/blocked.h"
#include "netio/consume.h"
#include "netio/net.h"
#include "netio/order.h"
#include "netio/zerocopy.h"

#include <errno.h>

// How streams end, and the other requests that may come from any thread, cannot fail, and use no
// lane: each sets a bit in the gate, the first one pushes the stream onto its loop's control stack.

#define CLOSE_DEFAULT_NS UINT64_C(5000000000)

/* ---- the loop's side ---- */

// A close goes behind every submit that returned before it: those are in marked lanes.
static void
take_earlier(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_loop_look(loop);
    wi_stream_settle(loop, stream);
}

// The deadline that was asked for. An abort on its way has put its code there instead.
static uint64_t
close_deadline(struct wi_loop *loop, const struct wi_stream *stream)
{
    const struct wi_gate *gate = wi_gate_of(stream);
    uint64_t deadline = wi_load_acquire(&gate->close_argument); // ORDER(abort): before the bit

    if (deadline == 0 || (wi_load_acquire(&gate->word) & WI_GATE_ABORTED)) {
        return loop->now_ns + CLOSE_DEFAULT_NS;
    }
    return deadline;
}

static void
begin_close(struct wi_loop *loop, struct wi_stream *stream, bool waits_for_peer)
{
    uint64_t deadline = close_deadline(loop, stream);

    if (stream->phase == WI_PHASE_CLOSING) { // asked again: perhaps harder, perhaps sooner
        stream->flags |= waits_for_peer ? 0 : (uint32_t)WI_S_FLUSH;
        wi_stream_arm(loop, stream, deadline);
        wi_stream_needs_work(loop, stream);
        return;
    }
    if (!WI_PLANT(14)) {
        take_earlier(loop, stream);
    }
    if (stream->phase == WI_PHASE_DEAD) {
        return;
    }
    if (stream->flags & WI_S_TORN) { // nothing whole can follow what is on the wire
        wi_stream_die(loop, stream, -WEIR_ETORN, WEIR_ORIGIN_LOCAL_CLOSE, 0);
        return;
    }
    if (stream->phase == WI_PHASE_NEW && wi_sendq_is_empty(&stream->queue)) {
        wi_stream_die(loop, stream, 0, WEIR_ORIGIN_NONE, 0); // never started: nothing to flush
        return;
    }
    if (stream->phase == WI_PHASE_NEW || stream->phase == WI_PHASE_CONNECTING) {
        stream->extra->dialling->closes = true;
        stream->flags |= waits_for_peer ? 0 : (uint32_t)WI_S_FLUSH;
        if (stream->phase == WI_PHASE_NEW) {
            wi_stream_connect(loop, stream);
        }
        if (stream->phase == WI_PHASE_CONNECTING) {
            wi_dial_bound(loop, stream, deadline);
        }
        return; // wi_stream_close_on_start() goes on
    }
    stream->phase = WI_PHASE_CLOSING;
    wi_stream_judge(stream);
    stream->flags |= waits_for_peer ? 0 : (uint32_t)WI_S_FLUSH;
    if (!wi_stream_has_reader(stream)) {
        stream->flags |= WI_S_DISCARD;
        stream->flags &= ~(unsigned)(WI_S_PAUSED | WI_S_FULL | WI_S_RESTING);
    }
    wi_corked_end(loop, stream);
    wi_stream_arm(loop, stream, deadline);
    wi_stream_event(loop, stream, WI_EVENT_READ);
    wi_stream_needs_work(loop, stream);
}

void
wi_stream_close_on_start(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->extra != NULL && stream->extra->dialling != NULL &&
        stream->extra->dialling->closes) {
        stream->extra->dialling->closes = false;
        begin_close(loop, stream, !(stream->flags & WI_S_FLUSH));
    }
}

// FLUSH, and everything is with the kernel. What is there to be read is read, for a socket that is
// closed with unread input resets the connection and drops what it has not sent yet. False: there
// is more than one turn may read.
static bool
discard_unread(struct wi_loop *loop, struct wi_stream *stream)
{
    size_t budget = WI_NET_READ_MAX;

    while (!(stream->flags & WI_S_EOF) && budget != 0) {
        ssize_t size = wi_os_receive(stream->fd, wi_net_of(loop)->flat, WI_NET_FLAT_SIZE);

        wi_count(&loop->counters.reads, 1);
        if (size <= 0) {
            return true;
        }
        wi_count(&stream->received, (uint64_t)size);
        wi_count(&loop->counters.bytes_received, (uint64_t)size);
        budget -= (size_t)size < budget ? (size_t)size : budget;
    }
    return budget != 0;
}

// CLOSING, everything sent and the FIN out: is it over?
void
wi_stream_finish_close(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->phase != WI_PHASE_CLOSING || !(stream->flags & WI_S_SEND_OVER) ||
        !wi_sendq_is_empty(&stream->queue) || wi_stream_waits_for_acks(stream) ||
        wi_zerocopy_waits(stream)) { // else what is told late would never be
        return;
    }
    if (!(stream->flags & (WI_S_FLUSH | WI_S_EOF_TOLD | WI_S_FIN_SENT | WI_S_DISCARD)) &&
        (stream->flags & WI_S_READABLE) && wi_stream_may_read(stream)) {
        return; // sending failed; what had arrived is read first, and that ends it
    }
    if ((stream->flags & (WI_S_FLUSH | WI_S_FIN_SENT)) == (WI_S_FLUSH | WI_S_FIN_SENT) &&
        !discard_unread(loop, stream)) {
        wi_stream_needs_later(loop, stream); // until the deadline
        return;
    }
    if ((stream->flags & (WI_S_FLUSH | WI_S_EOF_TOLD)) || !(stream->flags & WI_S_FIN_SENT)) {
        wi_stream_die(loop, stream, stream->status, (enum weir_origin)stream->origin, 0);
    }
}

static void
abort_stream(struct wi_loop *loop, struct wi_stream *stream)
{
    take_earlier(loop, stream);
    wi_stream_die(loop, stream, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE,
                  wi_load_relaxed(&wi_gate_of(stream)->close_argument));
}

static void
stop_reading(struct wi_loop *loop, struct wi_stream *stream)
{
    stream->flags |= WI_S_DISCARD;
    stream->flags &= ~(unsigned)(WI_S_PAUSED | WI_S_FULL | WI_S_RESTING);
    if (!(stream->flags & WI_S_DATA_PENDING)) { // else somebody looks at it until weir_consume()
        weir_chain_return(&stream->input);
        stream->input_size = 0;
    }
    wi_stream_end_pulls(loop, stream, 0, WEIR_ORIGIN_NONE);
    wi_vsock_stop_reading(loop, stream);
    stream->flags |= WI_S_READABLE;
    wi_stream_event(loop, stream, WI_EVENT_READ);
}

static void
asked_about_reading(struct wi_loop *loop, struct wi_stream *stream, uint32_t asked)
{
    size_t consumed;
    size_t examined;

    if (WI_PLANT(32) && (asked & WI_ASK_RESUME)) {
        stream->flags &= ~(unsigned)WI_S_PAUSED;
        asked &= ~(uint32_t)WI_ASK_RESUME;
    }
    // First: an answer that pauses (PAUSE_ON_PARTIAL) may have been resumed from since.
    if ((asked & WI_ASK_CONSUME) && wi_consume_take(stream, &consumed, &examined)) {
        wi_stream_consumed(loop, stream, consumed, examined);
    }
    if (asked & WI_ASK_PAUSE) {
        stream->flags |= WI_S_PAUSED;
    }
    if (asked & WI_ASK_RESUME) {
        stream->flags &= ~(unsigned)WI_S_PAUSED;
        stream->flags |= WI_S_READABLE;
        wi_stream_event(loop, stream,
                        WI_EVENT_READ | (stream->input_size != 0 ? (unsigned)WI_EVENT_AGAIN : 0));
    }
    if (asked & WI_ASK_STOP_READING) {
        stop_reading(loop, stream);
    }
}

void
wi_stream_asked(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_stream *stream = wi_container_of(control, struct wi_stream, control);
    struct wi_gate *gate = wi_gate_of(stream);
    // ORDER(ask) observe: pairs with wi_gate_ask().
    uint32_t asked = wi_swap_acq_rel(&gate->asked, 0);

    if (stream->phase == WI_PHASE_FREE) {
        return; // a late SETTLE of the stream before
    }
    if (stream->phase != WI_PHASE_DEAD) {
        asked_about_reading(loop, stream, asked);
        if ((asked & WI_ASK_UNTEAR) &&
            wi_gate_state(wi_load_relaxed(&gate->word)) != WI_GATE_TORN) { // torn again meanwhile
            stream->flags &= ~(unsigned)WI_S_TORN;
        }
        if (asked & WI_ASK_ABORT) {
            abort_stream(loop, stream);
        } else if (asked & (WI_ASK_DRAIN | WI_ASK_FLUSH)) {
            begin_close(loop, stream, !(asked & WI_ASK_FLUSH));
        }
    }
    wi_stream_needs_work(loop, stream);
}

/* ---- any thread ---- */

// Of several deadlines the earliest holds: a stop must not wait for what a close before it allowed.
// 0: none yet.
static void
note_deadline(struct wi_gate *gate, uint64_t deadline_ns)
{
    uint64_t seen = wi_load_acquire(&gate->close_argument); // ORDER(abort): before the bit

    // Once an abort is asked for, what is there is its code.
    while (!(wi_load_acquire(&gate->word) & WI_GATE_ABORTED) && (seen == 0 || deadline_ns < seen) &&
           !wi_cas_acq_rel(&gate->close_argument, &seen, deadline_ns)) {
    }
}

int
weir_close(weir_stream handle, enum weir_close_mode mode, uint64_t deadline_ns, uint64_t code)
{
    static const uint32_t asks[] = {
        [WEIR_CLOSE_DRAIN] = WI_ASK_DRAIN,
        [WEIR_CLOSE_FLUSH] = WI_ASK_FLUSH,
        [WEIR_CLOSE_ABORT] = WI_ASK_ABORT,
    };
    struct wi_gate *gate;

    if ((unsigned)mode >= sizeof(asks) / sizeof(asks[0]) || code > WEIR_CODE_MAX) {
        return wi_is_forked() ? -ECHILD : -EINVAL;
    }
    gate = wi_gate_hold(handle.bits);
    if (gate == NULL) {
        return wi_stale();
    }
    // From here every later submit is refused; what was accepted goes first.
    wi_gate_move(gate, WI_GATE_DRAINING);
    if (mode == WEIR_CLOSE_ABORT) {
        if (!(wi_or_acq_rel(&gate->word, WI_GATE_ABORTED) & WI_GATE_ABORTED)) {
            wi_store_release(&gate->close_argument, code); // ORDER(abort): behind the bit
        }
    } else {
        note_deadline(gate, deadline_ns != 0 ? deadline_ns : weir_deadline_after(CLOSE_DEFAULT_NS));
    }
    wi_gate_ask(gate, asks[mode]);
    wi_gate_leave(gate);
    return 0;
}

static int
ask_stream(weir_stream handle, uint32_t what)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);

    if (gate == NULL) {
        return wi_stale();
    }
    wi_gate_ask(gate, what);
    wi_gate_leave(gate);
    return 0;
}

// Pause and resume replace each other, so that the last one asked for holds.
static int
ask_reading(weir_stream handle, uint32_t what, uint32_t instead_of)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);

    if (gate == NULL) {
        return wi_stale();
    }
    if (wi_on_loop(gate->loop) && what == WI_ASK_PAUSE) {
        wi_stream_of(gate)->flags |= WI_S_PAUSED; // holds from this moment, inside `data` too
    }
    wi_gate_ask_instead(gate, what, instead_of);
    wi_gate_leave(gate);
    return 0;
}

int
weir_pause(weir_stream stream)
{
    return ask_reading(stream, WI_ASK_PAUSE, WI_ASK_RESUME);
}

int
weir_resume(weir_stream stream)
{
    return ask_reading(stream, WI_ASK_RESUME, WI_ASK_PAUSE);
}

int
weir_stop_reading(weir_stream stream, uint64_t code)
{
    if (code > WEIR_CODE_MAX) {
        return wi_is_forked() ? -ECHILD : -EINVAL;
    }
    return ask_stream(stream, WI_ASK_STOP_READING);
}

int
weir_resume_torn(weir_stream handle)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    int result = 0;

    if (gate == NULL) {
        return wi_stale();
    }
    if (wi_gate_reopen(gate, WI_GATE_TORN)) {
        wi_gate_ask(gate, WI_ASK_UNTEAR);
    } else {
        result = -EINVAL;
    }
    wi_gate_leave(gate);
    return result;
}

static bool
is_closed(const void *arg)
{
    struct wi_gate *gate = wi_gate_find(((const weir_stream *)arg)->bits);

    return gate == NULL;
}

int
weir_closed_wait(weir_stream stream, uint64_t deadline_ns)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(stream.bits, WI_HANDLE_STREAM);

    if (wi_tls.loop != NULL) {
        return -EDEADLK;
    }
    if (runtime == NULL) {
        return wi_is_forked() ? -ECHILD : 0;
    }
    return wi_wait_until(runtime, is_closed, &stream, deadline_ns);
}
