/* SPDX-License-Identifier: MIT */

#include "netio/inband.h"

#include "mem/assert.h"
#include "mem/heap.h"
#include "weir/token.h"

#include <errno.h>

#define INPUT_HIGH_DEFAULT (256u * 1024)

/* ---- references ---- */

struct weir_inband *
weir_inband_ref(struct weir_inband *inband)
{
    wi_add_relaxed(&inband->references, 1);
    return inband;
}

void
weir_inband_unref(struct weir_inband *inband)
{
    // ORDER(inband_refs) publish: whatever this holder did comes before its count.
    if (inband != NULL && wi_sub_acq_rel(&inband->references, 1) == 1) {
        wi_heap_free(inband); // ORDER(inband_refs) observe: nobody else uses it any more
    }
}

weir_stream
weir_inband_stream(const struct weir_inband *inband)
{
    return inband->stream;
}

int
weir_inband_status(struct weir_inband *inband)
{
    // ORDER(inband_gate) observe: a broken gate comes with its status.
    uint64_t gate = wi_load_acquire(&inband->gate);
    int status = -(int)wi_load_relaxed(&inband->status);

    if (gate & WI_INBAND_GATE_DEAD) {
        return -WEIR_ESTALE;
    }
    if (status != 0) {
        return status;
    }
    return gate & WI_INBAND_GATE_BITS ? wi_inband_refusal(inband, gate)
                                      : weir_stream_status(inband->stream);
}

/* ---- requests from other threads ---- */

struct post {
    struct weir_inband *inband;
    wi_inband_run_fn *run;
    void *arg;
};

static void
on_post(struct weir_loop *loop, void *arg)
{
    struct post post = *(struct post *)arg;

    (void)loop;
    wi_heap_free(arg);
    post.run(post.inband, post.arg);
    weir_inband_unref(post.inband);
}

int
wi_inband_post(struct weir_inband *inband, wi_inband_run_fn *run, void *arg)
{
    struct post *post;
    int status;

    if (wi_load_acquire(&inband->gate) & WI_INBAND_GATE_DEAD) { // ORDER(inband_gate) observe
        return -WEIR_ESTALE;
    }
    post = wi_heap_alloc(sizeof(*post));
    if (post == NULL) {
        return -ENOMEM;
    }
    *post = (struct post){.inband = weir_inband_ref(inband), .run = run, .arg = arg};
    status = weir_post(inband->loop, on_post, post);
    if (status < 0) {
        weir_inband_unref(inband);
        wi_heap_free(post);
    }
    return status;
}

/* ---- failing, ending ---- */

bool
wi_inband_pushes(const struct weir_inband *inband)
{
    return inband->handlers != NULL && inband->handlers->data != NULL;
}

void
wi_inband_fail(struct weir_inband *inband, int status, enum weir_origin origin)
{
    wi_assert(status < 0);
    if (wi_load_relaxed(&inband->status) == 0) {
        wi_store_relaxed(&inband->status, (uint32_t)-status);
        inband->origin = origin;
    }
    // ORDER(inband_gate) publish: the status before the bit that sends others to it.
    wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_BROKEN);
    if (inband->phase < WI_INBAND_FINISHING) {
        inband->phase = WI_INBAND_FINISHING;
        weir_close(inband->stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

void
wi_inband_tell_send_closed(struct weir_inband *inband, bool graceful)
{
    if (inband->flags & WI_INBAND_SEND_TOLD) {
        return;
    }
    inband->flags |= WI_INBAND_SEND_TOLD;
    if (inband->handlers != NULL && inband->handlers->send_closed != NULL) {
        inband->handlers->send_closed(inband->stream, graceful, inband->user);
    }
}

void
wi_inband_tell_stop(struct weir_inband *inband, uint64_t code)
{
    // ORDER(inband_gate) publish: later writes find the end that the event tells of.
    uint64_t gate = wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_STOPPED);

    if (!(gate & WI_INBAND_GATE_STOPPED) && inband->handlers != NULL &&
        inband->handlers->peer_stop != NULL) {
        inband->handlers->peer_stop(inband->stream, code, inband->user);
    }
}

/* ---- events of the stream below ---- */

static void
on_started(weir_stream stream, int status, void *user)
{
    struct weir_inband *inband = user;

    if (inband->handlers != NULL && inband->handlers->started != NULL) {
        inband->handlers->started(stream, status, inband->user);
    }
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_inband *inband = user;
    struct weir_chain chain = {NULL, NULL};
    size_t size = 0;

    if (inband->phase >= WI_INBAND_FINISHING) {
        weir_iter_length(begin, end, &size);
        return (struct weir_consumed){size, size};
    }
    if (weir_take(stream, SIZE_MAX, &chain) < 0) {
        wi_inband_fail(inband, -ENOMEM, WEIR_ORIGIN_MEMORY);
    } else {
        inband->raw_size += weir_chain_size(&chain);
        weir_chain_splice(&inband->raw, &chain);
        wi_inband_advance(inband);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct weir_inband *inband = user;

    (void)stream;
    (void)ambiguous;
    inband->flags |= WI_INBAND_EOF;
    wi_inband_advance(inband);
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    struct weir_inband *inband = user;

    inband->flags |= WI_INBAND_RESET;
    if (inband->handlers != NULL && inband->handlers->peer_reset != NULL) {
        inband->handlers->peer_reset(stream, code, inband->user);
    }
    wi_inband_advance(inband);
}

static void
on_peer_stop(weir_stream stream, uint64_t code, void *user)
{
    (void)stream;
    wi_inband_tell_stop(user, code);
}

static void
on_writable(weir_stream stream, void *user)
{
    struct weir_inband *inband = user;

    if (inband->handlers != NULL && inband->handlers->writable != NULL) {
        inband->handlers->writable(stream, inband->user);
    }
}

static void
on_ideal_size(weir_stream stream, size_t size, void *user)
{
    struct weir_inband *inband = user;

    if (inband->handlers != NULL && inband->handlers->ideal_size != NULL) {
        inband->handlers->ideal_size(stream, size, inband->user);
    }
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    (void)stream;
    if (!graceful) { // else our own mark has said so
        wi_inband_tell_send_closed(user, false);
    }
}

// Last: completions of all writes came before.
static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct weir_inband *inband = user;
    struct weir_closed own = *closed;
    int status = -(int)wi_load_relaxed(&inband->status);

    own.status = status != 0 ? status : closed->status;
    own.origin = status != 0 ? inband->origin : closed->origin;
    own.bytes_sent = wi_load_relaxed(&inband->sent);
    own.bytes_lost = wi_load_relaxed(&inband->accepted) - own.bytes_sent;
    own.bytes_received = inband->received;
    inband->phase = WI_INBAND_DEAD;
    weir_cancel(inband->deadline);
    wi_inband_end_pulls(inband, own.status != 0 ? own.status : -WEIR_EENDED,
                        own.status != 0 ? own.origin : WEIR_ORIGIN_LOCAL_CLOSE);
    wi_inband_tell_send_closed(inband, false);
    wi_inband_drop_input(inband);
    if (inband->handlers != NULL && inband->handlers->closed != NULL) {
        inband->handlers->closed(stream, &own, inband->user);
    }
    // ORDER(inband_gate) publish: what `closed` did, to who finds the flow gone.
    wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_DEAD);
    weir_inband_unref(inband);
}

static const struct weir_handlers below = {
    .started = on_started,
    .data = on_data,
    .peer_fin = on_peer_fin,
    .peer_reset = on_peer_reset,
    .peer_stop = on_peer_stop,
    .writable = on_writable,
    .ideal_size = on_ideal_size,
    .send_closed = on_send_closed,
    .closed = on_closed,
};

/* ---- opening ---- */

int
weir_inband_open(weir_stream stream, const struct weir_inband_options *options,
                 struct weir_inband **ret_inband)
{
    static const struct weir_inband_options none = {0};
    struct weir_inband *inband;
    int status;

    if (ret_inband == NULL) {
        return -EINVAL;
    }
    options = options != NULL ? options : &none;
    inband = wi_heap_zalloc(sizeof(*inband));
    if (inband == NULL) {
        return -ENOMEM;
    }
    wi_store_relaxed(&inband->references, 2); // the caller's, and the stream's until `closed`
    inband->stream = stream;
    inband->loop = weir_stream_loop(stream);
    inband->handlers = options->handlers;
    inband->user = options->user;
    inband->input_high = options->input_high != 0 ? options->input_high : INPUT_HIGH_DEFAULT;
    status = weir_stream_set_handlers(stream, &below, inband);
    if (status < 0) {
        wi_heap_free(inband);
        return status;
    }
    *ret_inband = inband;
    return 0;
}
