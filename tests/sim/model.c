// SPDX-License-Identifier: MIT

#include "tests/sim/model.h"

#include "runtime/op.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sim_stream sim_streams[SIM_STREAMS];
int sim_stream_count;
struct sim_op sim_ops[SIM_OPS];
int sim_op_count;
uint64_t sim_calls;
bool sim_out_of_memory;
bool sim_stopping;
struct sim_coverage *sim_coverage;

static struct sim_op *deadlines[SIM_OPS]; // those still to pass
static int deadline_count;
static uint64_t unowned_errors; // of sockets that are no stream's yet

// ---- streams ------------------------------------------------------------------------------------

struct sim_stream *
sim_stream_new(int loop)
{
    struct sim_stream *stream;

    if (sim_stream_count == SIM_STREAMS) {
        return NULL;
    }
    stream = &sim_streams[sim_stream_count];
    *stream = (struct sim_stream){
        .number = sim_stream_count, .loop = loop, .port = SIM_PORT_OWN + sim_stream_count};
    sim_stream_count++;
    return stream;
}

struct sim_stream *
sim_stream_by_port(int port)
{
    int number = port - SIM_PORT_OWN;

    return number >= 0 && number < sim_stream_count ? &sim_streams[number] : NULL;
}

void
sim_stream_attach(struct sim_stream *stream, struct sim_file *file)
{
    stream->file = file;
    file->owner = stream;
}

// The pipes are made when the connection is.
static struct sim_stream *
owner_of(const struct sim_file *file)
{
    struct sim_stream *stream = file->owner;

    if (stream != NULL && file->out != NULL) {
        stream->out = file->out;
        stream->in = file->in;
    }
    return stream;
}

void
sim_wire_bound(struct sim_file *file)
{
    struct sim_stream *stream = sim_stream_by_port(file->port);

    if (stream != NULL && stream->dialled) {
        sim_stream_attach(stream, file);
    }
}

void
sim_wire_error(struct sim_file *file, int error)
{
    struct sim_stream *stream = owner_of(file);
    uint64_t *errors = stream == NULL ? &unowned_errors : &stream->errors;

    *errors |= UINT64_C(1) << (error & 63); // those used here differ in these bits
    if (error == ENOBUFS) {
        SIM_HIT(send_failed);
    } else if (error == ENOMEM) {
        SIM_HIT(poll_failed);
    }
}

bool
sim_was_told(const struct sim_stream *stream, int status)
{
    // A send that met a reset is told as EPIPE or as ECONNRESET, whichever came first.
    return stream->unknown_errors || ((stream->errors | unowned_errors) >> (-status & 63) & 1) != 0;
}

// ---- operations ---------------------------------------------------------------------------------

struct sim_op *
sim_op_new(struct sim_stream *stream, size_t size)
{
    struct sim_op *op;
    unsigned open = 0;

    for (op = stream->ops; op != NULL && open < SIM_IDS - 10; op = op->next) {
        open += !op->done || op->wire < op->size;
        if (op->number < sim_op_count - 1500) {
            break;
        }
    }
    if (sim_op_count == SIM_OPS || open >= SIM_IDS - 10) {
        return NULL;
    }
    op = &sim_ops[sim_op_count];
    *op = (struct sim_op){.stream = stream, .number = sim_op_count, .size = size, .token = -1};
    sim_op_count++;
    op->id = stream->next_id++ % SIM_IDS;
    op->bytes = sim_alloc(size + 1);
    op->pattern = (unsigned)(op->number * 40503) % (SIM_PATTERN - SIM_LARGEST);
    memcpy(op->bytes, sim_pattern + op->pattern, size);
    op->bytes[0] = (unsigned char)(0x80 | op->id);
    op->next = stream->ops;
    stream->ops = op;
    return op;
}

// Are these its bytes from there on?
bool
sim_op_has(const struct sim_op *op, size_t at, const unsigned char *bytes, size_t size)
{
    if (at == 0 && size != 0) {
        if (bytes[0] != (0x80 | op->id)) {
            return false;
        }
        at++;
        bytes++;
        size--;
    }
    return memcmp(bytes, sim_pattern + op->pattern + at, size) == 0;
}

bool
sim_op_is_open(const struct sim_op *op)
{
    return op->accepted && !op->done && !op->done_inline;
}

// It stays so when it ends.
static bool
was_tried(struct sim_op *op)
{
    struct wi_runtime *runtime;
    struct wi_op *real = op->handle.bits == 0 ? NULL : wi_op_by_handle(op->handle.bits, &runtime);

    op->tried |= real != NULL && wi_op_state(wi_load_relaxed(&real->word)) == WI_OP_TX;
    return op->tried;
}

bool
sim_op_may_break(const struct sim_op *op)
{
    return op->is_file && (op->file_error != 0 || op->file_size < op->size);
}

enum sim_place
sim_op_place(struct sim_op *op)
{
    if (op->done || op->done_inline) {
        return SIM_DONE;
    }
    if (op->wire != 0) {
        return op->wire == op->size ? SIM_WIRED : SIM_PARTLY;
    }
    if (!op->by_loop && op->turns == sim_turns_of(op->stream->loop)) {
        return SIM_IN_LANE;
    }
    if (!op->stream->started) {
        return SIM_STARTING;
    }
    return was_tried(op) ? SIM_TRIED : SIM_QUEUED;
}

void
sim_count_places(struct sim_stream *stream, uint64_t counts[SIM_PLACES])
{
    unsigned looked = 0;

    for (struct sim_op *op = stream->ops; op != NULL && looked < 40; op = op->next, looked++) {
        if (sim_op_is_open(op)) {
            counts[sim_op_place(op)]++;
        }
    }
}

void
sim_disturb(struct sim_stream *stream, enum sim_disturbance by)
{
    uint64_t counts[SIM_PLACES] = {0};

    sim_count_places(stream, counts);
    for (int place = 0; place < SIM_PLACES; place++) {
        sim_coverage->cells[place][by] += counts[place];
    }
}

// ---- the wire -----------------------------------------------------------------------------------

static const char *
name_of(const struct sim_op *op)
{
    static char names[4][40];
    static unsigned turn;
    char *name = names[turn++ % 4];

    snprintf(name, sizeof(names[0]), "write %d of stream %d", op->number, op->stream->number);
    return name;
}

// May what is on the wire of a message be all of it, although it is more?
static bool
may_be_cut(const struct sim_op *op)
{
    if (op->flags & (WEIR_SOME | WEIR_NOWAIT)) {
        return op->level != WEIR_ACCEPTED;
    }
    return (op->tear == WEIR_TEAR_STOP || sim_op_may_break(op)) && op->stream->resumed &&
           (op->cancelled || op->token >= 0 || op->deadline_ns != 0 || sim_op_may_break(op));
}

static struct sim_op *
message_named(struct sim_stream *stream, unsigned id)
{
    for (struct sim_op *op = stream->ops; op != NULL; op = op->next) {
        if (op->id == id && op->wire == 0 && op->size != 0 && (op->accepted || op->in_call)) {
            // What completed early goes out later; what completed otherwise never does.
            return op->done && op->status != 0 ? NULL : op;
        }
    }
    return NULL;
}

static void
check_order(struct sim_stream *stream, struct sim_op *op)
{
    uint64_t returned = op->in_call ? UINT64_MAX : op->returned;

    if (op->flags & WEIR_PRIORITY) {
        if (returned < stream->last_called_priority) {
            sim_fail("order: %s is sent behind a later one of its priority", name_of(op));
        }
        stream->last_called_priority =
            op->called > stream->last_called_priority ? op->called : stream->last_called_priority;
        return;
    }
    if (returned < stream->last_called) {
        sim_fail("order: %s is sent behind a later one", name_of(op));
    }
    if (stream->last_called != 0 && stream->last_thread != op->thread) {
        SIM_HIT(other_thread_order);
    }
    stream->last_thread = op->thread;
    stream->last_called = op->called > stream->last_called ? op->called : stream->last_called;
}

static void
begin_message(struct sim_stream *stream, unsigned char first)
{
    struct sim_op *op;

    if (stream->current != NULL && stream->current->wire < stream->current->size) {
        if (!may_be_cut(stream->current)) {
            sim_fail("contiguity: something is sent in the middle of %s", name_of(stream->current));
        }
        stream->current->cut = true;
    }
    op = first & 0x80 ? message_named(stream, first & 0x7f) : NULL;
    if (op == NULL) {
        sim_fail("wire: stream %d sends a byte that no message begins with (%#x)", stream->number,
                 first);
    }
    if (op->won) {
        sim_fail("cancel: %s was WON and is sent", name_of(op));
    }
    check_order(stream, op);
    stream->current = op;
}

// How many of these bytes are the message's next ones: at least one.
static size_t
part_of(const struct sim_op *op, const unsigned char *bytes, size_t size)
{
    size_t part = op->size - op->wire < size ? op->size - op->wire : size;
    size_t good = 1;

    if (sim_op_has(op, op->wire, bytes, part)) {
        return part;
    }
    if (!sim_op_has(op, op->wire, bytes, 1)) {
        sim_fail("wire: byte %zu of %s is wrong", op->wire, name_of(op));
    }
    while (good < part && sim_op_has(op, op->wire + good, bytes + good, 1)) {
        good++;
    }
    return good; // what follows begins another message, or fails
}

void
sim_wire(struct sim_file *file, const unsigned char *bytes, size_t size)
{
    struct sim_stream *stream = owner_of(file);

    if (stream == NULL) {
        sim_fail("wire: bytes on a socket that is no stream's");
    }
    sim_coverage->bytes += size;
    while (size != 0) {
        struct sim_op *op = stream->current;
        size_t part;

        if ((bytes[0] & 0x80) || op == NULL || op->wire == op->size) {
            begin_message(stream, bytes[0]);
            op = stream->current;
        } else if (op->done && op->status != 0) {
            sim_fail("wire: %s has ended (%d) and goes on", name_of(op), op->status);
        }
        part = part_of(op, bytes, size);
        op->wire += part;
        stream->wire += part;
        op->wire_end = stream->wire;
        bytes += part;
        size -= part;
    }
}

// Everything that returned before the end was asked for must have gone.
void
sim_wire_fin(struct sim_file *file)
{
    struct sim_stream *stream = owner_of(file);

    if (stream == NULL) {
        return;
    }
    stream->fin_sent = true;
    if (stream->fin_called == 0 && !sim_stopping && !stream->bound && stream->errors == 0) {
        sim_fail("end: stream %d sends an end that nobody asked for", stream->number);
    }
    for (struct sim_op *op = stream->ops; op != NULL; op = op->next) {
        if (sim_op_is_open(op) && op->wire < op->size && op->returned < stream->fin_called &&
            op->returned > stream->resumed_at && // told later, if memory is waited for
            !(op->flags & (WEIR_SOME | WEIR_NOWAIT)) && !op->cancelled && op->token < 0 &&
            op->deadline_ns == 0 && stream->errors == 0 && !stream->aborted && !stream->bound &&
            !sim_op_may_break(op)) {
            sim_fail("end: it is sent before %s", name_of(op));
        }
    }
}

void
sim_wire_short(struct sim_file *file)
{
    struct sim_stream *stream = owner_of(file);

    if (stream != NULL) {
        sim_disturb(stream, SIM_BY_SHORT);
    }
}

void
sim_wire_reset(struct sim_file *file)
{
    struct sim_stream *stream = owner_of(file);

    if (stream != NULL) {
        sim_disturb(stream, SIM_BY_RESET);
    }
}

// ---- completions --------------------------------------------------------------------------------

// A stream whose own side ended it, or will have.
static bool
is_ended_here(const struct sim_stream *stream)
{
    return stream->ended || stream->drained || stream->flushed || stream->aborted ||
           stream->bound || stream->was_torn || sim_stopping ||
           (stream->options.flags & WEIR_STREAM_FIN_IS_ABORT);
}

// One that has partly left, and does with the stream what its policy says. It may be told later
// than those behind it, for the kernel may still read its memory.
static bool
has_cancel(const struct sim_stream *stream, bool aborts)
{
    for (const struct sim_op *op = stream->ops; op != NULL; op = op->next) {
        if ((op->tear == WEIR_TEAR_ABORT) == aborts && op->wire != 0 && op->wire < op->size &&
            (op->cancelled || op->token >= 0 || op->deadline_ns != 0 || sim_op_may_break(op))) {
            return true;
        }
    }
    return false;
}

static void
check_refused_status(const struct sim_stream *stream, const char *what, int status)
{
    bool may = false;

    switch (-status) {
    case WEIR_EENDED:
        may = is_ended_here(stream) || has_cancel(stream, true);
        break;
    case WEIR_ETORN:
        may = stream->was_torn || has_cancel(stream, false);
        break;
    case ETIMEDOUT:
        may = stream->close_deadline_ns != 0 || stream->dialled || sim_stopping ||
              sim_was_told(stream, status);
        break;
    case ECONNABORTED:
        may = is_ended_here(stream) || has_cancel(stream, true) || sim_was_told(stream, status);
        break;
    case ENOMEM:
        may = sim_out_of_memory || sim_was_told(stream, status);
        break;
    case ECANCELED: // a token's reasons
    case EINTR:
        may = stream->bound;
        break;
    case EMFILE:
        may = stream->dialled;
        break;
    case ECONNRESET:
        may = sim_was_told(stream, status) || sim_was_told(stream, -EPIPE);
        break;
    default:
        may = sim_was_told(stream, status);
        break;
    }
    if (!may) {
        sim_fail("status: %s on stream %d ends with %d (%s), for which there is no reason", what,
                 stream->number, status, weir_strerror(status));
    }
}

// Its connect did, or its close.
static bool
timed_out(const struct sim_stream *stream)
{
    return stream->started_status == -ETIMEDOUT || sim_stopping ||
           (stream->close_deadline_ns != 0 && sim_now >= stream->close_deadline_ns);
}

// Otherwise than by an end or a close that keeps what was accepted.
static bool
is_ended_hard(const struct sim_stream *stream)
{
    return stream->aborted || stream->bound || stream->was_torn || sim_stopping ||
           stream->errors != 0 || stream->started_status != 0 || !stream->started ||
           has_cancel(stream, true) || has_cancel(stream, false) ||
           (stream->options.flags & WEIR_STREAM_FIN_IS_ABORT) || timed_out(stream) ||
           sim_out_of_memory;
}

// Its file ended it: after a part that tears.
static void
note_break(const struct sim_op *op)
{
    if (op->wire != 0 && op->tear == WEIR_TEAR_ABORT) {
        op->stream->aborted = true;
    } else if (op->wire != 0) {
        op->stream->was_torn = true;
    }
}

// The file ended too soon, or cannot be read.
static bool
is_broken(struct sim_op *op, const struct weir_result *result)
{
    bool ended = result->status == -ENODATA && op->wire == op->file_size;
    bool failed = op->file_error != 0 && result->status == -op->file_error;

    if (!sim_op_may_break(op) || (!ended && !failed)) {
        return false;
    }
    if (ended) {
        SIM_HIT(file_short);
    } else {
        SIM_HIT(file_broken);
    }
    note_break(op);
    return true;
}

static void
check_failed(struct sim_op *op, const struct weir_result *result)
{
    struct sim_stream *stream = op->stream;
    bool by_token = sim_token_says(op->token, result->status);

    if (is_broken(op, result)) {
        return;
    }
    if (result->origin == WEIR_ORIGIN_LOCAL_CANCEL && result->status != -ECONNABORTED) {
        if (!(op->cancelled && result->status == -ECANCELED) && !by_token &&
            !(op->tear == WEIR_TEAR_ABORT && result->status == -ECANCELED) &&
            !(stream->bound && result->status != 0)) {
            sim_fail("cancel: %s ends with %d, and nobody cancelled it", name_of(op),
                     result->status);
        }
        if (by_token && !op->cancelled) {
            SIM_HIT(token);
        }
    } else if (result->origin == WEIR_ORIGIN_DEADLINE && result->status == -ETIMEDOUT &&
               op->deadline_ns != 0) {
        if (sim_now < op->deadline_ns && !timed_out(stream)) {
            sim_fail("deadline: %s ends %llu ns early", name_of(op),
                     (unsigned long long)(op->deadline_ns - sim_now));
        }
        SIM_HIT(deadline);
    } else if (result->status == -EAGAIN) {
        if (!(op->flags & WEIR_NOWAIT) || op->wire != 0) {
            sim_fail("status: %s ends with EAGAIN", name_of(op));
        }
        SIM_HIT(nowait_nothing);
    } else {
        check_refused_status(stream, "a write", result->status);
    }
    if (result->status == -WEIR_EENDED && op->returned < stream->fin_called && !op->in_call &&
        !is_ended_hard(stream)) {
        sim_fail("end: %s was accepted before an end was asked for, and is refused for it",
                 name_of(op));
    }
    if (result->status == -WEIR_ETORN) {
        SIM_HIT(etorn);
        if (op->wire != 0 && result->origin != WEIR_ORIGIN_LOCAL_CLOSE) {
            sim_fail("tear: %s was torn with it and is partly sent", name_of(op));
        }
    }
    if (op->wire != 0 && op->wire < op->size &&
        (result->origin == WEIR_ORIGIN_LOCAL_CANCEL || result->origin == WEIR_ORIGIN_DEADLINE)) {
        if (op->tear == WEIR_TEAR_FINISH && !is_ended_here(stream)) {
            sim_fail("tear: %s may not be cut, and is", name_of(op));
        }
        if (op->tear == WEIR_TEAR_STOP && !stream->was_torn) {
            stream->was_torn = true;
            SIM_HIT(torn);
        }
        stream->aborted |= op->tear == WEIR_TEAR_ABORT;
    }
}

static void
check_succeeded(struct sim_op *op, const struct weir_result *result)
{
    struct sim_stream *stream = op->stream;
    bool whole = op->wire == op->size;

    if (op->level == WEIR_ACCEPTED) {
        if (!whole) {
            size_t early = 0;

            SIM_HIT(early);
            for (struct sim_op *one = stream->ops; one != NULL; one = one->next) {
                early += one == op || (one->done && one->level == WEIR_ACCEPTED &&
                                       one->status == 0 && one->accepted)
                             ? one->size - one->wire
                             : 0;
            }
            if (early > stream->early_max && !stream->was_torn && !stream->aborted &&
                !(stream->options.flags & WEIR_STREAM_SWALLOW)) {
                sim_fail("write-behind: %zu bytes are told as accepted and not sent, of %zu on "
                         "stream %d",
                         early, stream->early_max, stream->number);
            }
        }
    } else if (!whole) {
        if (!(op->flags & (WEIR_SOME | WEIR_NOWAIT)) || op->wire == 0) {
            if ((stream->options.flags & WEIR_STREAM_SWALLOW) == 0) {
                sim_fail("count: %s succeeds with %zu of %zu bytes on the wire", name_of(op),
                         op->wire, op->size);
            }
            SIM_HIT(swallowed);
            if (sim_op_may_break(op)) {
                note_break(op);
            }
            return;
        }
        if (op->flags & WEIR_SOME) {
            SIM_HIT(some);
        } else {
            SIM_HIT(nowait_part);
        }
    }
    if (op->level == WEIR_ACKED && op->size != 0 &&
        !(stream->options.flags & WEIR_STREAM_SWALLOW)) {
        SIM_HIT(acked);
        if (stream->out == NULL || result->acked != op->size || stream->out->taken < op->wire_end) {
            sim_fail("acked: %s is told as acknowledged, and is not", name_of(op));
        }
    }
    if (op->level == WEIR_SENT && op->size != 0 && whole) {
        if (op->wire_end < stream->sent_told) {
            sim_fail("order: %s completes behind a later one", name_of(op));
        }
        stream->sent_told = op->wire_end;
    }
    if (op->size == 0) {
        SIM_HIT(barrier);
    }
}

void
sim_check_done(struct sim_op *op, const struct weir_result *result)
{
    if (!op->accepted && !op->in_call) {
        sim_fail("completion: %s was refused, and completes", name_of(op));
    }
    if (op->done || op->done_inline) {
        sim_fail("completion: %s completes twice", name_of(op));
    }
    op->done = true;
    op->status = result->status;
    if (op->stream->closed) {
        sim_fail("events: %s completes behind `closed`", name_of(op));
    }
    if (op->won && (result->status != -ECANCELED || result->sent != 0)) {
        sim_fail("cancel: %s was answered WON and ends with %d, %llu sent", name_of(op),
                 result->status, (unsigned long long)result->sent);
    }
    if (result->accepted != op->size) {
        sim_fail("count: %s has %zu bytes and is told as %llu", name_of(op), op->size,
                 (unsigned long long)result->accepted);
    }
    if (op->level == WEIR_ACCEPTED ? result->sent > op->wire : result->sent != op->wire) {
        sim_fail("count: %s has %zu bytes on the wire and is told %llu", name_of(op), op->wire,
                 (unsigned long long)result->sent);
    }
    if (op->gives && !op->released && op->level != WEIR_ACCEPTED) {
        sim_fail("memory: %s completes before what it was given is released", name_of(op));
    }
    if (result->late_cancel) {
        SIM_HIT(late_cancel);
        if (!(op->cancelled || op->deadline_ns != 0 || op->token >= 0)) {
            sim_fail("cancel: %s says late_cancel (%d)", name_of(op), result->status);
        }
    }
    if (result->status == 0) {
        check_succeeded(op, result);
    } else {
        check_failed(op, result);
    }
}

void
sim_check_cancel(struct sim_op *op, int answer, struct sim_op before)
{
    if (answer == WEIR_CANCEL_WON) {
        SIM_HIT(won);
        if (before.done || before.won || before.pending || op->wire != 0 ||
            (op->done && op->status != -ECANCELED)) {
            sim_fail("cancel: %s is answered WON (done %d, %zu on the wire)", name_of(op), op->done,
                     op->wire);
        }
        op->won = op->cancelled = true;
    } else if (answer == WEIR_CANCEL_PENDING) {
        SIM_HIT(pending);
        if (before.done && op->level != WEIR_ACCEPTED) {
            sim_fail("cancel: %s is over and answered PENDING", name_of(op));
        }
        op->pending = op->cancelled = true;
    } else if (answer == WEIR_CANCEL_LATE) {
        SIM_HIT(late);
    } else {
        sim_fail("cancel: it answers %d", answer);
    }
}

// ---- closing ------------------------------------------------------------------------------------

void
sim_check_closed(struct sim_stream *stream, const struct weir_closed *closed)
{
    uint64_t early_lost = 0;
    uint64_t unsent = 0;

    for (struct sim_op *op = stream->ops; op != NULL; op = op->next) {
        if (sim_op_is_open(op) && !op->in_call) {
            sim_fail("events: `closed` comes before the completion of %s", name_of(op));
        }
        if ((op->accepted || op->in_call) && !op->done_inline) {
            unsent += op->size - op->wire;
            early_lost +=
                op->level == WEIR_ACCEPTED && op->done && op->status == 0 ? op->size - op->wire : 0;
        }
    }
    if (!stream->started) {
        sim_fail("events: stream %d closes and never said `started`", stream->number);
    }
    if (!stream->send_closed) {
        sim_fail("events: stream %d closes before `send_closed`", stream->number);
    }
    if (closed->bytes_sent != stream->wire) {
        sim_fail("closed: stream %d sent %llu bytes and tells %llu", stream->number,
                 (unsigned long long)stream->wire, (unsigned long long)closed->bytes_sent);
    }
    if (closed->bytes_received > (stream->in == NULL ? 0 : stream->in->taken)) {
        sim_fail("closed: stream %d tells %llu bytes received", stream->number,
                 (unsigned long long)closed->bytes_received);
    }
    if (early_lost != 0) {
        SIM_HIT(early_lost);
    }
    if (closed->bytes_lost > unsent ||
        (closed->bytes_lost < early_lost && !(stream->options.flags & WEIR_STREAM_SWALLOW))) {
        sim_fail("closed: stream %d lost %llu to %llu bytes and tells %llu", stream->number,
                 (unsigned long long)early_lost, (unsigned long long)unsent,
                 (unsigned long long)closed->bytes_lost);
    }
    if (closed->status != 0) {
        check_refused_status(stream, "`closed`", closed->status);
    }
}

void
sim_check_accepted(struct sim_op *op, int result)
{
    struct sim_stream *stream = op->stream;
    size_t high = stream->options.queue_high;

    if (result == 0 && high != 0 && op->size != 0 && !op->done) {
        size_t queued = weir_queued(stream->handle);

        if (queued > high && queued > op->size) {
            sim_fail("limit: stream %d has %zu bytes queued, of %zu at most", stream->number,
                     queued, high);
        }
    }
    if (result == 1 && op->wire != op->size && !(stream->options.flags & WEIR_STREAM_SWALLOW)) {
        sim_fail("inline: %s is done with %zu of %zu bytes", name_of(op), op->wire, op->size);
    }
    if (result < 0 && op->wire != 0) {
        sim_fail("refusal: %s is refused (%d) with %zu bytes on the wire", name_of(op), result,
                 op->wire);
    }
    if (result < 0 && op->released) {
        sim_fail("refusal: %s is refused, and its memory released", name_of(op));
    }
}

// What arrived must have been shown, where somebody looks.
static void
check_read(const struct sim_stream *stream)
{
    if (stream->exists && stream->started && stream->started_status == 0 && !stream->closed &&
        (!stream->is_pull || stream->is_provided) && !stream->stopped_reading &&
        !stream->reset_told && !stream->is_asked_to_close && stream->in != NULL &&
        stream->in->visible != stream->shown) {
        sim_fail("reading: stream %d was shown %zu of %zu bytes", stream->number, stream->shown,
                 stream->in->visible);
    }
}

// An open operation's deadline passes now.
void
sim_check_deadlines(uint64_t from_ns, uint64_t to_ns)
{
    int kept = 0;

    for (int i = 0; i < deadline_count; i++) {
        struct sim_op *op = deadlines[i];

        if (sim_op_is_open(op) && op->deadline_ns > from_ns && op->deadline_ns <= to_ns) {
            sim_coverage->cells[sim_op_place(op)][SIM_BY_DEADLINE]++;
        } else if (op->in_call || (sim_op_is_open(op) && op->deadline_ns > to_ns)) {
            deadlines[kept++] = op;
        }
    }
    deadline_count = kept;
}

void
sim_op_expires(struct sim_op *op)
{
    if (op->deadline_ns > sim_now && deadline_count < SIM_OPS) {
        deadlines[deadline_count++] = op;
    }
}

// Nothing is under way and no timer runs: what is still open now stays so for ever.
void
sim_check_quiet(void)
{
    for (int i = 0; i < sim_stream_count; i++) {
        check_read(&sim_streams[i]);
    }
    for (int i = 0; i < sim_op_count; i++) {
        const struct sim_op *op = &sim_ops[i];

        if (op->stream->is_lazy && !op->stream->started) {
            continue; // its end is queued, so nothing can start it any more but a close
        }
        if (sim_op_is_open(op)) {
            sim_fail("stuck: %s never completes (%zu of %zu bytes)", name_of(op), op->wire,
                     op->size);
        }
        if (op->gives && op->accepted && !op->released) {
            sim_fail("memory: what %s was given is never released", name_of(op));
        }
    }
}
