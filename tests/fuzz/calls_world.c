// SPDX-License-Identifier: MIT
#include "tests/fuzz/calls_world.h"

#include "tests/lib/os_fake.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

struct calls_world world;

int
calls_leave(int result)
{
    world.inside--;
    fuzz_require(result >= -4095 && result <= 2);
    fuzz_require(result > 0 || strcmp(weir_strerror(result), "unknown status") != 0);
    return result;
}

// No callback runs in another one, or inside a call.
static void
begin_callback(void)
{
    fuzz_require(world.inside == 0 && !world.is_in_callback);
    fuzz_require(weir_loop_current() != NULL);
    world.is_in_callback = true;
}

static void
end_callback(void)
{
    calls_step_inside();
    world.is_in_callback = false;
}

// ---- operations -------------------------------------------------------------------------------

struct calls_op *
calls_op(enum calls_kind kind, unsigned stream)
{
    struct calls_op *op = &world.ops[world.op_count];

    if (world.op_count == CALLS_OPS) {
        return NULL;
    }
    world.op_count++;
    *op = (struct calls_op){.kind = kind, .stream = stream};
    return op;
}

uint8_t
calls_letter(const struct calls_op *op)
{
    return (uint8_t)(CALLS_FLOW + (unsigned)(op - world.ops));
}

static void
close_disk(struct calls_op *op)
{
    if (op->has_disk) {
        os_fake_aside(true);
        fuzz_require(wi_os_close(op->disk) == 0);
        os_fake_aside(false);
        op->has_disk = false;
    }
}

void
calls_submitted(struct calls_op *op, int result)
{
    fuzz_require(result <= 1);
    fuzz_require(result != 1 || (op->kind == CALLS_WRITE && (op->flags & WEIR_INLINE_OK) != 0));
    op->is_accepted = result == 0;
    op->is_inlined = result == 1;
    if (result < 0) {
        fuzz_require(op->releases == 0 && op->completions == 0);
    }
    if (result != 0 || (op->flags & WEIR_COPY) != 0) {
        free(op->memory);
        op->memory = NULL;
    }
    if (result < 0) {
        close_disk(op);
    }
}

static void
complete(struct calls_op *op, int status, enum weir_origin origin)
{
    fuzz_require(op->is_accepted && op->completions == 0);
    fuzz_require(status <= 0 && (status == 0) == (origin == WEIR_ORIGIN_NONE));
    fuzz_require(strcmp(weir_strerror(status), "unknown status") != 0);
    fuzz_require(!op->is_won || status == -ECANCELED);
    op->completions++;
    op->status = status;
}

// Writes that ended well did so in the order of their submits.
static void
check_order(const struct calls_op *op, struct calls_stream *stream)
{
    unsigned number = (unsigned)(op - world.ops) + 1;

    if (op->status == 0 && op->level == WEIR_SENT && !stream->is_swallowing &&
        (op->flags & WEIR_PRIORITY) == 0) {
        fuzz_require(number > stream->ordered);
        stream->ordered = number;
    }
}

void
calls_done(weir_stream handle, const struct weir_result *result, void *arg)
{
    struct calls_op *op = arg;
    struct calls_stream *stream = &world.streams[op->stream];
    unsigned some = WEIR_SOME | WEIR_NOWAIT;

    begin_callback();
    fuzz_require(handle.bits == stream->handle.bits && stream->closed == 0);
    complete(op, result->status, result->origin);
    fuzz_require(result->op.bits == op->handle.bits);
    fuzz_require(result->accepted == op->size && result->sent <= op->size);
    fuzz_require(!op->is_won || result->sent == 0);
    op->sent = result->sent;
    if (result->status == 0 && op->level != WEIR_ACCEPTED && !stream->is_swallowing) {
        fuzz_require(result->sent == op->size || ((op->flags & some) != 0 && result->sent != 0));
    }
    check_order(op, stream);
    if ((op->flags & (WEIR_COPY | WEIR_GIVE)) == 0) {
        free(op->memory);
        op->memory = NULL;
        close_disk(op);
    }
    end_callback();
}

void
calls_release(void *arg)
{
    struct calls_op *op = arg;

    fuzz_require(op->releases++ == 0);
    close_disk(op);
    free(op->memory);
    op->memory = NULL;
}

void
calls_read_done(weir_stream handle, struct weir_read_result *result, void *arg)
{
    struct calls_op *op = arg;
    struct calls_stream *stream = &world.streams[op->stream];

    begin_callback();
    fuzz_require(handle.bits == stream->handle.bits && stream->closed == 0);
    complete(op, result->status, result->origin);
    fuzz_require(result->op.bits == op->handle.bits);
    fuzz_require(result->buffer == op->memory);
    fuzz_require(op->size == 0 || result->size <= op->size);
    fuzz_require(op->memory != NULL || weir_chain_size(&result->chain) == result->size);
    fuzz_require(result->status == 0 || result->size == 0);
    weir_chain_return(&result->chain);
    free(op->memory);
    op->memory = NULL;
    end_callback();
}

void
calls_timer_done(struct weir_loop *loop, int status, void *arg)
{
    struct calls_op *op = arg;

    begin_callback();
    fuzz_require(loop == weir_loop_current());
    complete(op, status, status == 0 ? WEIR_ORIGIN_NONE : WEIR_ORIGIN_LOCAL_CANCEL);
    fuzz_require(status != 0 || weir_now_ns() >= op->deadline_ns);
    end_callback();
}

void
calls_posted(struct weir_loop *loop, void *arg)
{
    begin_callback();
    fuzz_require(loop == weir_loop_current());
    complete(arg, 0, WEIR_ORIGIN_NONE);
    end_callback();
}

// ---- streams ----------------------------------------------------------------------------------

static struct calls_stream *
begin_event(weir_stream handle, void *user)
{
    struct calls_stream *stream = user;

    begin_callback();
    fuzz_require(stream->is_open && handle.bits == stream->handle.bits && stream->closed == 0);
    fuzz_require(weir_stream_loop(handle) == weir_loop_current());
    return stream;
}

static void
on_started(weir_stream handle, int status, void *user)
{
    struct calls_stream *stream = begin_event(handle, user);

    fuzz_require(stream->started++ == 0 && status <= 0);
    end_callback();
}

// All of it, a part, a chain out of it, or later.
static struct weir_consumed
on_data(weir_stream handle, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct calls_stream *stream = begin_event(handle, user);
    struct weir_consumed answer = {WEIR_CONSUME_PENDING, 0};
    struct weir_chain taken = {NULL, NULL};
    size_t size = 0;
    size_t part;
    int result;

    fuzz_require(stream->started == 1 && stream->is_push);
    fuzz_require(weir_iter_length(begin, end, &size) == 0 && size != 0);
    part = size - fuzz_below(&world.input, 1u << 16) % (size + 1);
    stream->presented = size;
    if (fuzz_below(&world.input, 4) == 0) {
        result = calls_call(weir_take(handle, part, &taken));
        fuzz_require(result == 0 || result == -ENOMEM);
        fuzz_require(weir_chain_size(&taken) == (result == 0 ? part : 0));
        weir_chain_return(&taken);
        size -= result == 0 ? part : 0;
        part = size;
    }
    end_callback();
    if (fuzz_below(&world.input, 4) != 0) {
        answer = (struct weir_consumed){part, fuzz_flip(&world.input) ? part : size};
    }
    return answer;
}

static void
on_peer_fin(weir_stream handle, bool ambiguous, void *user)
{
    (void)ambiguous;
    fuzz_require(begin_event(handle, user)->started == 1);
    end_callback();
}

static void
on_peer_code(weir_stream handle, uint64_t code, void *user)
{
    (void)code;
    (void)begin_event(handle, user);
    end_callback();
}

static void
on_writable(weir_stream handle, void *user)
{
    (void)begin_event(handle, user);
    end_callback();
}

static void
on_ideal_size(weir_stream handle, size_t size, void *user)
{
    (void)size;
    (void)begin_event(handle, user);
    end_callback();
}

static void
on_filled(weir_stream handle, void *buffer, size_t size, void *user)
{
    struct calls_stream *stream = begin_event(handle, user);

    (void)size;
    fuzz_require(stream->filled < stream->provided);
    fuzz_require(buffer == stream->buffers[stream->filled % CALLS_BUFFERS]);
    stream->filled++;
    free(buffer);
    end_callback();
}

static void
on_send_closed(weir_stream handle, bool graceful, void *user)
{
    (void)graceful;
    fuzz_require(begin_event(handle, user)->send_closed++ == 0);
    end_callback();
}

static void
on_closed(weir_stream handle, const struct weir_closed *closed, void *user)
{
    struct calls_stream *stream = begin_event(handle, user);

    fuzz_require(stream->started == 1 && stream->send_closed == 1);
    fuzz_require(closed->status <= 0);
    fuzz_require(stream->filled == stream->provided);
    stream->end = *closed;
    stream->closed++;
    for (unsigned i = 0; i < world.op_count; i++) { // completions come before
        const struct calls_op *op = &world.ops[i];
        bool is_of_stream = op->kind == CALLS_WRITE || op->kind == CALLS_PULL;

        fuzz_require(!is_of_stream || &world.streams[op->stream] != stream || !op->is_accepted ||
                     op->completions == 1);
    }
    if (stream->producing != NULL) { // the section has been returned
        stream->is_producing = false;
    }
    end_callback();
}

const struct weir_handlers calls_push_handlers = {
    .started = on_started,
    .data = on_data,
    .peer_fin = on_peer_fin,
    .peer_reset = on_peer_code,
    .peer_stop = on_peer_code,
    .writable = on_writable,
    .ideal_size = on_ideal_size,
    .send_closed = on_send_closed,
    .closed = on_closed,
};

const struct weir_handlers calls_pull_handlers = {
    .started = on_started,
    .peer_fin = on_peer_fin,
    .peer_reset = on_peer_code,
    .peer_stop = on_peer_code,
    .writable = on_writable,
    .filled = on_filled,
    .buffer_needed = on_writable,
    .send_closed = on_send_closed,
    .closed = on_closed,
};

struct calls_stream *
calls_stream(bool is_push)
{
    struct calls_stream *stream = &world.streams[world.stream_count];

    if (world.stream_count == CALLS_STREAMS) {
        return NULL;
    }
    world.stream_count++;
    *stream = (struct calls_stream){.is_push = is_push, .peer = -1};
    return stream;
}

// ---- listeners and watches --------------------------------------------------------------------

void
calls_accepted(weir_listener listener, weir_stream handle, void *arg)
{
    struct calls_stream *stream = calls_stream(fuzz_flip(&world.input));

    (void)listener;
    begin_callback();
    fuzz_require(((struct calls_end *)arg)->closed == 0);
    if (stream == NULL) {
        fuzz_require(calls_call(weir_close(handle, WEIR_CLOSE_ABORT, 0, 0)) == 0);
    } else {
        stream->handle = handle;
        stream->is_open = true;
        fuzz_require(calls_call(weir_stream_set_handlers(
                         handle, stream->is_push ? &calls_push_handlers : &calls_pull_handlers,
                         stream)) == 0);
    }
    end_callback();
}

void
calls_listener_closed(weir_listener listener, int status, void *arg)
{
    struct calls_end *end = arg;

    (void)listener;
    begin_callback();
    fuzz_require(end->is_open && end->closed++ == 0 && status <= 0);
    end_callback();
}

void
calls_watched(weir_watch watch, unsigned events, void *arg)
{
    struct calls_end *end = arg;
    uint8_t bytes[64];

    (void)watch;
    begin_callback();
    fuzz_require(end->is_open && end->closed == 0);
    end->closed += events == 0;
    os_fake_aside(true);
    (void)wi_os_receive(end->fds[0], bytes, sizeof(bytes));
    os_fake_aside(false);
    end_callback();
}

void
calls_signalled(weir_watch watch, int signal, void *arg)
{
    struct calls_end *end = arg;

    (void)watch;
    begin_callback();
    fuzz_require(end->is_open && end->closed == 0);
    fuzz_require(signal == 0 || signal == SIGUSR1 || signal == SIGHUP);
    end->closed += signal == 0;
    end_callback();
}

// ---- peers ------------------------------------------------------------------------------------

void
calls_peer_take(struct calls_stream *stream, size_t size)
{
    static uint8_t bytes[4096];
    ssize_t taken = 1;

    os_fake_aside(true);
    while (stream->peer >= 0 && size != 0 && taken > 0) {
        taken = wi_os_receive(stream->peer, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
        for (ssize_t i = 0; i < taken; i++) {
            stream->got[bytes[i]]++;
        }
        stream->got_all += taken > 0 ? (uint64_t)taken : 0;
        size -= taken > 0 ? (size_t)taken : 0;
    }
    os_fake_aside(false);
}

void
calls_peer_give(struct calls_stream *stream, size_t size)
{
    static const uint8_t bytes[4096];
    ssize_t given = 1;

    os_fake_aside(true);
    while (stream->peer >= 0 && size != 0 && given > 0) {
        given = wi_os_send(stream->peer, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
        stream->gave += given > 0 ? (uint64_t)given : 0;
        size -= given > 0 ? (size_t)given : 0;
    }
    os_fake_aside(false);
}

void
calls_peer_close(struct calls_stream *stream)
{
    os_fake_aside(true);
    if (stream->peer >= 0) {
        wi_os_close(stream->peer);
    }
    os_fake_aside(false);
    stream->peer = -1;
    stream->peer_is_over = true;
}

// ---- the end ----------------------------------------------------------------------------------

// What the peer has of a write is what its completion said.
static void
check_bytes(const struct calls_op *op)
{
    const struct calls_stream *stream = &world.streams[op->stream];
    uint64_t got = stream->got[calls_letter(op)];
    bool is_told = op->is_accepted && (op->level != WEIR_ACCEPTED || op->status < 0);

    if (stream->peer < 0 || stream->peer_is_over || stream->is_swallowing) {
        return;
    }
    fuzz_require(got <= op->size);
    if (is_told) {
        fuzz_require(got == op->sent);
    } else if (!op->is_accepted && !op->is_inlined) {
        fuzz_require(got == 0);
    } else if (op->is_inlined && (op->flags & (WEIR_SOME | WEIR_NOWAIT)) == 0 &&
               op->level == WEIR_SENT) {
        fuzz_require(got == op->size);
    }
}

static void
check_op(const struct calls_op *op)
{
    fuzz_require(op->completions == (op->is_accepted ? 1 : 0));
    fuzz_require(op->releases == ((op->flags & WEIR_GIVE) && (op->is_accepted || op->is_inlined)));
    fuzz_require(op->memory == NULL && !op->has_disk);
    fuzz_require(!weir_op_is_busy(op->handle));
    if (op->kind == CALLS_WRITE) {
        check_bytes(op);
    }
}

static void
check_stream(struct calls_stream *stream)
{
    fuzz_require(stream->closed == (stream->is_open ? 1 : 0));
    fuzz_require(stream->started == stream->closed);
    fuzz_require(!stream->is_producing);
    if (stream->peer >= 0 && !stream->peer_is_over && stream->is_open) {
        calls_peer_take(stream, SIZE_MAX);
        fuzz_require(stream->got_all == stream->end.bytes_sent);
        fuzz_require(stream->end.bytes_received <= stream->gave);
    }
}

void
calls_check_all(void)
{
    for (unsigned i = 0; i < world.stream_count; i++) {
        check_stream(&world.streams[i]);
    }
    for (unsigned i = 0; i < world.op_count; i++) {
        check_op(&world.ops[i]);
    }
    for (unsigned i = 0; i < world.listener_count; i++) {
        fuzz_require(world.listeners[i].closed == (world.listeners[i].is_open ? 1 : 0));
    }
    for (unsigned i = 0; i < world.watch_count; i++) {
        fuzz_require(world.watches[i].closed == (world.watches[i].is_open ? 1 : 0));
    }
}
