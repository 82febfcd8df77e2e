// SPDX-License-Identifier: MIT

// What threads call, and what they are told of it.

#include "tests/sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PULLS_MAX  600
#define TIMERS_MAX 400
#define POSTS_MAX  600
#define PIECES_MAX 12

struct pull {
    struct sim_stream *stream;
    weir_op handle;
    unsigned char *buffer;
    size_t size, size_min;
    bool accepted, done, cancelled;
};

struct timer {
    weir_op handle;
    uint64_t deadline_ns;
    int loop;
    bool accepted, done, cancelled, won;
};

struct post {
    int loop;
    bool accepted, done;
};

struct token {
    weir_token handle;
    int reason;
    bool freed;
    int parent;
};

static struct pull pulls[PULLS_MAX];
static struct timer timers[TIMERS_MAX];
static struct post posts[POSTS_MAX];
static struct token tokens[SIM_TOKENS];
static int pull_count, timer_count, post_count;
// Who asked to be told of room in a lane; a thread that ends leaves its requests behind.
struct room_request {
    unsigned asked[SIM_LOOPS];
};
static struct room_request *room_requests[SIM_THREADS];

static struct sim_stream *
any_stream(void)
{
    // Rather the latest ones: the others are closed.
    unsigned back = sim_below(sim_chance(800) ? 6 : SIM_STREAMS);
    int number = sim_stream_count - 1 - (int)back;

    return number < 0 || !sim_streams[number].exists ? NULL : &sim_streams[number];
}

// ---- tokens -------------------------------------------------------------------------------------

void
sim_tokens_create(void)
{
    for (int i = 0; i < SIM_TOKENS; i++) {
        int parent = i >= 3 ? i - 3 : -1;
        weir_token above = {parent < 0 ? 0 : tokens[parent].handle.bits};

        tokens[i].parent = parent;
        if (weir_token_create(sim_world.runtime, above, &tokens[i].handle) != 0) {
            tokens[i].freed = true;
        }
    }
}

// It, or one above it, was fired with that.
bool
sim_token_says(int token, int status)
{
    for (; token >= 0; token = tokens[token].parent) {
        if (tokens[token].reason == status) {
            return status != 0;
        }
    }
    return false;
}

static void
fire(void)
{
    int number = (int)sim_below(SIM_TOKENS);
    int reason = sim_chance(500) ? 0 : -EINTR;
    int result;

    if (!sim_chance(300)) {
        return; // a token fires once: not too soon
    }
    sim_say((uint64_t)number, (uint64_t)reason, "  token %d fires", number);
    for (int i = 0; i < sim_op_count; i++) {
        if (sim_ops[i].token == number && sim_op_is_open(&sim_ops[i])) {
            sim_coverage->cells[sim_op_place(&sim_ops[i])][SIM_BY_TOKEN]++;
        }
    }
    if (tokens[number].reason == 0 && !tokens[number].freed) {
        tokens[number].reason = reason == 0 ? -ECANCELED : reason;
    }
    sim_call_begins();
    result = weir_token_fire(tokens[number].handle, reason, 7);
    sim_call_ends();
    if (result != 0 && result != -EALREADY && !(tokens[number].freed && result == -WEIR_ESTALE)) {
        sim_fail("token: firing answers %d", result);
    }
}

static void
bind_token(struct sim_stream *stream)
{
    int number = (int)sim_below(SIM_TOKENS);
    bool was_bound = stream->bound;
    int result;

    stream->bound = true; // from here on the token may end it
    sim_call_begins();
    result = weir_token_bind(tokens[number].handle, stream->handle);
    sim_call_ends();
    if (result < 0) {
        stream->bound = was_bound;
    }
    sim_say((uint64_t)result, (uint64_t)number, "  stream %d is bound to token %d = %d",
            stream->number, number, result);
}

// ---- writing ------------------------------------------------------------------------------------

// The first end that is asked for and holds: a FIN that was refused or cancelled does not, and the
// side is open again.
static void
find_end(struct sim_stream *stream)
{
    if (stream->drained || stream->flushed || stream->aborted) {
        return;
    }
    stream->fin_called = 0;
    for (const struct sim_op *op = stream->ops; op != NULL; op = op->next) {
        bool holds = op->in_call || (op->accepted && (!op->done || op->status == 0));

        if ((op->flags & WEIR_FIN) && holds &&
            (stream->fin_called == 0 || op->called < stream->fin_called)) {
            stream->fin_called = op->called;
        }
    }
}

static void
done(weir_stream handle, const struct weir_result *result, void *arg)
{
    struct sim_op *op = arg;

    (void)handle;
    sim_callback_begins(op->stream, "a completion");
    sim_say((uint64_t)op->number, (uint64_t)result->status,
            "    write %d of stream %d is done: %s, %llu sent%s", op->number, op->stream->number,
            weir_strerror(result->status), (unsigned long long)result->sent,
            result->late_cancel ? ", late cancel" : "");
    sim_check_done(op, result);
    if ((op->flags & WEIR_FIN) && result->status != 0 && op->wire == 0 && op->cancelled) {
        SIM_HIT(fin_taken_back);
        find_end(op->stream);
    }
    if (op->level != WEIR_ACCEPTED && op->size != 0 && !(op->flags & WEIR_COPY)) {
        memset(op->bytes, 0xee, op->wire < op->size ? 0 : op->size); // it is the caller's again
    }
    if (sim_world.calls_from_callbacks && !sim_world.quiet && sim_chance(200)) {
        sim_any_call();
    }
    sim_callback_ends();
}

static void
release(void *arg)
{
    struct sim_op *op = arg;

    if (op->released) {
        sim_fail("memory: what write %d was given is released twice", op->number);
    }
    op->released = true;
    if (op->size != 0) {
        memset(op->bytes, 0xcc, op->size); // nobody may look at it any more
    }
}

static size_t
any_size(void)
{
    if (sim_world.theme == SIM_THEME_LARGE && sim_chance(150)) {
        return 20000 + sim_below(60000);
    }
    switch (sim_below(10)) {
    case 0:
        return 0;
    case 1:
    case 2:
    case 3:
        return 1 + sim_below(8);
    case 4:
    case 5:
    case 6:
        return 1 + sim_below(300);
    case 7:
        return 1 + sim_below(2000);
    case 8:
        return 1 + sim_below(6000);
    default:
        return 1 + sim_below(sim_chance(100) ? 60000 : 600);
    }
}

static unsigned
cut_in_pieces(struct sim_op *op, struct iovec *pieces)
{
    unsigned count = sim_chance(500) ? 1 : 1 + sim_below(PIECES_MAX);
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t size = i + 1 == count ? op->size - at : sim_below((unsigned)(op->size - at) + 1);

        pieces[i] = (struct iovec){.iov_base = op->bytes + at, .iov_len = size};
        at += size;
    }
    return count;
}

static void
choose_flags(struct sim_op *op)
{
    const struct sim_stream *stream = op->stream;
    unsigned flags = sim_chance(400) ? (unsigned)WEIR_INLINE_OK : 0;

    op->level = sim_chance(150) ? WEIR_ACCEPTED : WEIR_SENT;
    if ((stream->options.flags & WEIR_STREAM_ACKED) && sim_chance(300)) {
        op->level = WEIR_ACKED;
    }
    op->tear = (enum weir_tear)(sim_chance(600) ? 0 : sim_below(3));
    switch (sim_below(20)) {
    case 0:
        flags |= WEIR_SOME;
        break;
    case 1:
    case 2:
        flags |= WEIR_MORE;
        break;
    case 3:
        flags |= sim_chance(300) ? WEIR_FIN : 0;
        break;
    case 4:
        flags |= WEIR_NOWAIT;
        break;
    case 5:
    case 6:
        flags |= op->size != 0 ? WEIR_PRIORITY : 0;
        break;
    case 7:
        flags |= WEIR_TIMED;
        break;
    case 8:
        flags |= WEIR_START;
        break;
    default:
        break;
    }
    if (sim_chance(sim_world.theme == SIM_THEME_LARGE ? 800 : 50)) {
        flags |= WEIR_ZEROCOPY;
    }
    if (op->level == WEIR_ACCEPTED) {
        flags &= ~(unsigned)(WEIR_SOME | WEIR_NOWAIT);
    }
    if (op->level == WEIR_ACKED) {
        flags &= ~(unsigned)(WEIR_SOME | WEIR_NOWAIT);
    }
    op->flags = flags;
}

static void
give(struct sim_op *op, struct weir_write *request)
{
    op->flags |= WEIR_GIVE;
    op->gives = true;
    request->release = release;
    request->release_arg = op;
}

// The bytes are a file's, which may have fewer than it should, or be none that can be read.
static void
choose_file(struct sim_op *op, struct weir_write *request, struct weir_file *file)
{
    static const int errors[] = {EIO, EBADF, EISDIR, ESPIPE};

    op->is_file = true;
    op->file_offset = sim_chance(500) ? 0 : sim_below(1000000);
    op->file_size = op->size == 0 || sim_chance(850) ? op->size : sim_below((unsigned)op->size);
    op->file_error = sim_chance(40) ? errors[sim_below(4)] : 0;
    if (sim_chance(300)) {
        give(op, request);
    }
    *file = (struct weir_file){
        .fd = SIM_FILE_FD + op->number, .offset = op->file_offset, .size = op->size};
    request->file = file;
}

// Whose memory: fills the request. False: there is none.
static bool
choose_memory(struct sim_op *op, struct weir_write *request, struct iovec *pieces,
              struct weir_chain *chain, struct weir_file *file)
{
    if (op->level != WEIR_ACCEPTED && sim_chance(sim_world.theme == SIM_THEME_FILES ? 400 : 30)) {
        choose_file(op, request, file);
        return true;
    }
    request->iov = pieces;
    request->iov_count = cut_in_pieces(op, pieces);
    switch (sim_below(6)) {
    case 0:
    case 1:
        op->flags |= WEIR_COPY;
        break;
    case 2:
        give(op, request);
        break;
    case 3:
        request->iov = NULL;
        request->iov_count = 0;
        request->chain = chain;
        return weir_chain_append(chain, op->bytes, op->size) == 0;
    case 4:
        op->shared = op->size == 0 ? NULL : weir_shared_create(op->bytes, op->size);
        if (op->shared == NULL) {
            op->flags |= WEIR_COPY;
        } else {
            request->iov = NULL;
            request->iov_count = 0;
            request->shared = op->shared;
        }
        break;
    default:
        if (op->level == WEIR_ACCEPTED) {
            op->flags |= WEIR_COPY;
        }
        break;
    }
    return true;
}

// A lane has room again: told once, unless somebody asked once more between the loop's look and
// this.
static void
lane_has_room(struct weir_loop *loop, void *arg)
{
    unsigned *asked = arg;

    (void)loop;
    sim_callback_begins(NULL, "a lane's room");
    if (*asked == 0) {
        sim_fail("lane: told of room that nobody asked for");
    }
    --*asked;
    SIM_HIT(lane_notified);
    sim_callback_ends();
}

static void
ask_for_room(int loop)
{
    int thread = sim_thread_running();

    unsigned *asked;
    int result;

    if (thread < 0 || thread == loop || !sim_chance(500)) {
        return;
    }
    if (room_requests[thread] == NULL) {
        room_requests[thread] = sim_alloc(sizeof(*room_requests[thread]));
    }
    asked = &room_requests[thread]->asked[loop];
    ++*asked;
    sim_call_begins();
    result = weir_lane_notify(sim_world.loops[loop], lane_has_room, asked);
    sim_call_ends();
    if (result < 0) {
        --*asked;
    }
}

void
sim_forget_room(unsigned thread)
{
    room_requests[thread] = NULL;
}

static void
count_refusal(struct sim_op *op, int result)
{
    struct sim_stream *stream = op->stream;

    switch (-result) {
    case WEIR_ESTREAMFULL:
        SIM_HIT(stream_full);
        stream->was_refused_full = true;
        if (stream->options.queue_high == 0) {
            sim_fail("limit: stream %d has none and refuses", stream->number);
        }
        break;
    case WEIR_ELOOPFULL:
        SIM_HIT(loop_full);
        break;
    case WEIR_EPROCFULL:
        SIM_HIT(process_full);
        break;
    case WEIR_ELANEFULL:
        SIM_HIT(lane_full);
        ask_for_room(stream->loop);
        break;
    case ENOMEM:
        SIM_HIT(no_memory);
        if (!sim_out_of_memory && !sim_was_told(stream, -ENOMEM)) {
            sim_fail("refusal: out of memory, and there was some");
        }
        break;
    case WEIR_EENDED:
        SIM_HIT(ended);
        break;
    case WEIR_ESTALE:
        SIM_HIT(stale);
        if (!stream->closed && (op->token < 0 || !tokens[op->token].freed) && stream->started &&
            !stream->send_closed) {
            sim_fail("refusal: stream %d is open and its handle stale", stream->number);
        }
        break;
    case EAGAIN:
        SIM_HIT(inline_refused);
        break;
    default:
        break;
    }
}

static void
submitted(struct sim_op *op, int result)
{
    struct sim_stream *stream = op->stream;

    op->in_call = false;
    op->returned = sim_calls;
    op->accepted = result == 0;
    op->done_inline = result == 1;
    sim_check_accepted(op, result);
    if (result < 0) {
        count_refusal(op, result);
        op->done = true;
        op->status = result;
    } else {
        sim_coverage->operations++;
    }
    if (result == 1) {
        SIM_HIT(inline_whole);
    } else if (result == 0 && op->wire != 0 && !op->by_loop) {
        SIM_HIT(inline_head);
    }
    if (result == 0 && !stream->started && stream->dialled) {
        SIM_HIT(slow_connect);
    }
    if (result == 0 && (op->flags & WEIR_MORE)) {
        SIM_HIT(corked);
    }
    if (result == 0 && (op->flags & WEIR_PRIORITY)) {
        SIM_HIT(priority);
    }
    if (result < 0 && (op->flags & WEIR_FIN)) {
        find_end(stream);
    }
    if ((op->flags & WEIR_COPY) && result >= 0) { // the caller's memory is free
        memset(op->bytes, 0xdd, op->size);
    }
    if (op->shared != NULL) {
        weir_shared_unref(op->shared);
    }
}

static void
begin_submit(struct sim_op *op)
{
    struct sim_stream *stream = op->stream;

    op->in_call = true;
    op->called = sim_calls;
    op->thread = sim_thread_running();
    if ((op->flags & WEIR_FIN) && stream->fin_called == 0) {
        stream->fin_called = op->called;
    }
}

static struct sim_op *
new_op(struct sim_stream *stream, size_t size)
{
    struct sim_op *op = sim_op_new(stream, size);

    if (op == NULL) {
        return NULL;
    }
    op->by_loop = sim_loop_running() == stream->loop;
    op->turns = sim_turns_of(stream->loop);
    choose_flags(op);
    if (sim_chance(100)) {
        op->token = (int)sim_below(SIM_TOKENS);
    }
    if (sim_chance(sim_world.theme == SIM_THEME_DEADLINES ? 500 : 100)) {
        op->deadline_ns = sim_now + 1000000 * (uint64_t)sim_below(300);
    } else if (stream->options.write_deadline_ns != 0) {
        op->deadline_ns = sim_now + stream->options.write_deadline_ns;
    }
    sim_op_expires(op);
    return op;
}

static void
describe(const struct sim_op *op, int result)
{
    sim_say((uint64_t)op->number, (uint64_t)result,
            "  write %d on stream %d: %zu bytes, flags %#x, level %d, tear %d, token %d%s%s = %d",
            op->number, op->stream->number, op->size, op->flags, (int)op->level, (int)op->tear,
            op->token, op->deadline_ns != 0 ? ", deadline" : "",
            op->handle.bits != 0 ? ", named" : "", result);
}

void
sim_call_write(struct sim_stream *stream)
{
    struct sim_op *op = new_op(stream, any_size());
    struct weir_write request = {0};
    struct iovec pieces[PIECES_MAX];
    struct weir_chain chain = {0};
    struct weir_file file;
    bool named = sim_chance(800);
    int result;

    if (op == NULL) {
        return;
    }
    if (!choose_memory(op, &request, pieces, &chain, &file)) {
        weir_chain_return(&chain);
        op->done = true;
        return;
    }
    request.flags = op->flags;
    request.level = op->level;
    request.tear = op->tear;
    request.abort_code = 9;
    request.deadline_ns = op->deadline_ns;
    request.token.bits = op->token < 0 ? 0 : tokens[op->token].handle.bits;
    request.done = done;
    request.arg = op;
    stream->ended |= (op->flags & WEIR_FIN) != 0;
    sim_call_begins();
    begin_submit(op);
    sim_world.writing = stream;
    result = weir_write(stream->handle, &request, named ? &op->handle : NULL);
    sim_world.writing = NULL;
    sim_call_ends();
    submitted(op, result);
    describe(op, result);
    weir_chain_return(&chain);
}

// The short form.
static void
write_chain(struct sim_stream *stream)
{
    struct sim_op *op = sim_op_new(stream, any_size());
    struct weir_chain chain = {0};
    int result;

    if (op == NULL) {
        return;
    }
    op->by_loop = sim_loop_running() == stream->loop;
    op->turns = sim_turns_of(stream->loop);
    op->deadline_ns =
        stream->options.write_deadline_ns == 0 ? 0 : sim_now + stream->options.write_deadline_ns;
    sim_op_expires(op);
    if (weir_chain_append(&chain, op->bytes, op->size) != 0) {
        weir_chain_return(&chain);
        op->done = true;
        return;
    }
    sim_call_begins();
    begin_submit(op);
    result = weir_write_chain(stream->handle, &chain, done, op);
    sim_call_ends();
    submitted(op, result);
    describe(op, result);
    if (result == 0) {
        SIM_HIT(write_chain);
    }
    weir_chain_return(&chain);
}

// A section: opened, filled, committed.
static void
produce(struct sim_stream *stream)
{
    struct sim_op *op = sim_op_new(stream, any_size());
    struct weir_write request = {0};
    struct weir_iter iter;
    int result;

    if (op == NULL) {
        return;
    }
    op->by_loop = sim_loop_running() == stream->loop;
    op->turns = sim_turns_of(stream->loop);
    op->deadline_ns =
        stream->options.write_deadline_ns == 0 ? 0 : sim_now + stream->options.write_deadline_ns;
    op->flags = sim_chance(500) ? WEIR_MORE : 0;
    sim_call_begins();
    result = weir_produce(stream->handle, &iter);
    if (result == 0) {
        result = weir_iter_append(&iter, op->bytes, op->size);
        if (result < 0) { // the section is committed as it is: empty
            op->size = 0;
        }
        request.flags = op->flags;
        request.done = done;
        request.arg = op;
        begin_submit(op);
        result = weir_commit(stream->handle, iter, &request, &op->handle);
        if (result >= 0) {
            SIM_HIT(section);
        } else {
            SIM_HIT(section_dropped);
        }
        sim_call_ends();
        submitted(op, result);
    } else {
        sim_call_ends();
        op->done = true;
    }
    describe(op, result);
}

void
sim_call_start(struct sim_stream *stream)
{
    struct sim_op *op = sim_op_new(stream, 0);
    struct weir_write request = {.flags = WEIR_START, .done = done, .arg = op};
    int result;

    if (op == NULL) {
        return;
    }
    op->flags = WEIR_START;
    sim_call_begins();
    begin_submit(op);
    result = weir_write(stream->handle, &request, NULL);
    sim_call_ends();
    submitted(op, result);
    describe(op, result);
}

static void
cancel(void)
{
    int back = (int)sim_below(sim_chance(700) ? 8 : 60);
    struct sim_op *op = sim_op_count - 1 - back < 0 ? NULL : &sim_ops[sim_op_count - 1 - back];
    struct sim_op before;
    int answer;

    if (op == NULL || op->handle.bits == 0 || op->in_call) {
        return;
    }
    sim_coverage->cells[sim_op_place(op)][SIM_BY_CANCEL]++;
    before = *op;
    op->cancelled |= sim_op_is_open(op);
    sim_call_begins();
    answer = weir_cancel(op->handle);
    sim_call_ends();
    sim_say((uint64_t)op->number, (uint64_t)answer, "  write %d is cancelled = %s", op->number,
            answer == WEIR_CANCEL_WON       ? "WON"
            : answer == WEIR_CANCEL_PENDING ? "PENDING"
                                            : "LATE");
    sim_check_cancel(op, answer, before);
    if (answer != WEIR_CANCEL_LATE && !before.cancelled && sim_op_is_open(op) &&
        !sim_thread_is_busy((unsigned)op->stream->loop) &&
        !sim_wants_turn((unsigned)op->stream->loop)) {
        sim_fail("cancel: the loop of write %d is not woken", op->number);
    }
}

// ---- reading ------------------------------------------------------------------------------------

static void
pulled(weir_stream handle, struct weir_read_result *result, void *arg)
{
    struct pull *pull = arg;
    struct sim_stream *stream = pull->stream;
    struct weir_iter iter = weir_chain_begin(&result->chain);
    unsigned char *bytes = sim_alloc(result->size + 1);

    (void)handle;
    sim_callback_begins(stream, "a pull's completion");
    sim_say(result->size, (uint64_t)result->status, "    stream %d: a pull is done: %d, %zu%s",
            stream->number, result->status, result->size, result->eof ? ", the end" : "");
    if (pull->done || stream->closed) {
        sim_fail("completion: a pull of stream %d completes %s", stream->number,
                 pull->done ? "twice" : "behind `closed`");
    }
    pull->done = true;
    stream->pulls--;
    if (pull->buffer != NULL) {
        memcpy(bytes, pull->buffer, result->size);
    } else if (weir_iter_copy_out(&iter, bytes, result->size + 1) != result->size) {
        sim_fail("reading: a pull of stream %d tells %zu bytes", stream->number, result->size);
    }
    if (result->size != 0 &&
        (stream->in == NULL || stream->delivered + result->size > stream->in->taken ||
         !sim_pipe_has(stream->in, stream->delivered, bytes, result->size))) {
        sim_fail("reading: a pull of stream %d brings other bytes than were sent", stream->number);
    }
    stream->delivered += result->size;
    // A stream that is over, and waits for the kernel to let go of memory, says so to each pull.
    stream->pulled_end |=
        result->eof || (sim_world.quiet && result->status < 0 && result->status != -ECANCELED);
    if (result->eof && result->size == 0) {
        SIM_HIT(pull_eof);
    } else if (result->status == -ECANCELED) {
        SIM_HIT(pull_cancelled);
        if (!pull->cancelled && !stream->bound) {
            sim_fail("cancel: a pull of stream %d was not cancelled", stream->number);
        }
    } else if (result->size != 0) {
        SIM_HIT(pull);
    }
    weir_chain_return(&result->chain);
    sim_callback_ends();
}

void
sim_call_read(struct sim_stream *stream)
{
    struct pull *pull = &pulls[pull_count];
    struct weir_read request = {.done = pulled, .arg = pull};
    int result;

    if (pull_count == PULLS_MAX || !stream->is_pull || stream->is_provided || stream->pulls >= 4) {
        return;
    }
    pull_count++;
    *pull = (struct pull){.stream = stream};
    if (sim_chance(500)) {
        pull->size = 1 + sim_below(2000);
        pull->buffer = sim_alloc(pull->size);
        request.buffer = pull->buffer;
        request.size = pull->size;
        request.size_min = sim_world.quiet ? 0 : sim_below((unsigned)pull->size + 1);
    } else {
        request.size = sim_chance(500) ? 0 : 1 + sim_below(5000);
    }
    stream->pulls++;
    sim_call_begins();
    result = weir_read(stream->handle, &request, &pull->handle);
    sim_call_ends();
    pull->accepted = result == 0;
    if (result < 0) {
        pull->done = true;
        stream->pulls--;
    }
    sim_say((uint64_t)stream->number, (uint64_t)result, "  stream %d: a pull = %d", stream->number,
            result);
}

static void
cancel_pull(void)
{
    struct pull *pull = &pulls[pull_count == 0 ? 0 : pull_count - 1];

    if (pull->accepted && !pull->done) {
        pull->cancelled = true;
        sim_call_begins();
        weir_cancel(pull->handle);
        sim_call_ends();
    }
}

void
sim_call_consume(struct sim_stream *stream)
{
    size_t shown = stream->pending_shown;
    size_t consumed = sim_world.quiet ? shown : sim_below((unsigned)shown + 1);
    int result;

    if (!stream->consume_pending) {
        return;
    }
    // Before the call, for what it does may be seen inside it.
    stream->consume_pending = false;
    stream->delivered += consumed;
    sim_call_begins();
    result = weir_consume(stream->handle, consumed, shown);
    sim_call_ends();
    sim_say(consumed, (uint64_t)result, "  stream %d: %zu of %zu bytes consumed = %d",
            stream->number, consumed, shown, result);
    if (result == 0) {
        SIM_HIT(consume_pending);
    } else if (result != -WEIR_ESTALE && !(result == -EALREADY && sim_out_of_memory)) {
        // Without memory to wait for it the stream dies, and nothing is pending.
        sim_fail("reading: the answer for stream %d is refused with %d", stream->number, result);
    }
}

static void
pause_or_resume(struct sim_stream *stream)
{
    bool pauses = sim_chance(400);

    sim_call_begins();
    if (pauses) {
        weir_pause(stream->handle);
    } else {
        weir_resume(stream->handle);
    }
    sim_call_ends();
    sim_say((uint64_t)stream->number, pauses, "  stream %d: reading %s", stream->number,
            pauses ? "pauses" : "goes on");
}

void
sim_call_resume(struct sim_stream *stream)
{
    sim_call_begins();
    weir_resume(stream->handle);
    sim_call_ends();
}

// ---- ending -------------------------------------------------------------------------------------

void
sim_call_close(struct sim_stream *stream, enum weir_close_mode mode, uint64_t deadline_ns)
{
    static const enum sim_disturbance by[] = {SIM_BY_DRAIN, SIM_BY_FLUSH, SIM_BY_ABORT};
    uint64_t deadline = deadline_ns == 0 ? sim_now + UINT64_C(5000000000) : deadline_ns;

    sim_disturb(stream, by[mode]);
    stream->drained |= mode == WEIR_CLOSE_DRAIN;
    stream->flushed |= mode == WEIR_CLOSE_FLUSH;
    stream->aborted |= mode == WEIR_CLOSE_ABORT;
    if (mode != WEIR_CLOSE_ABORT &&
        (stream->close_deadline_ns == 0 || deadline < stream->close_deadline_ns)) {
        stream->close_deadline_ns = deadline;
    }
    sim_call_begins();
    stream->fin_called = stream->fin_called == 0 ? sim_calls : stream->fin_called;
    weir_close(stream->handle, mode, deadline_ns, 5);
    sim_call_ends();
    sim_say((uint64_t)stream->number, (uint64_t)mode, "  stream %d is closed: %s", stream->number,
            mode == WEIR_CLOSE_DRAIN   ? "DRAIN"
            : mode == WEIR_CLOSE_FLUSH ? "FLUSH"
                                       : "ABORT");
}

static void
resume_torn(struct sim_stream *stream)
{
    int result;

    if (!stream->was_torn && !sim_chance(100)) {
        return;
    }
    stream->resumed = true; // before the call: what follows may go at once
    sim_call_begins();
    result = weir_resume_torn(stream->handle);
    sim_call_ends();
    if (result == 0) {
        SIM_HIT(resumed);
        stream->resumed_at = sim_calls;
    }
    sim_say((uint64_t)stream->number, (uint64_t)result, "  stream %d: opened again = %d",
            stream->number, result);
}

static void
end_stream(struct sim_stream *stream)
{
    struct sim_op *op = sim_op_new(stream, 0);
    struct weir_write request = {.flags = WEIR_FIN, .done = done, .arg = op};
    int result;

    if (op == NULL) {
        return;
    }
    op->flags = WEIR_FIN;
    op->by_loop = sim_loop_running() == stream->loop;
    op->deadline_ns =
        stream->options.write_deadline_ns == 0 ? 0 : sim_now + stream->options.write_deadline_ns;
    stream->ended = true;
    sim_call_begins();
    begin_submit(op);
    result = weir_write(stream->handle, &request, sim_chance(500) ? &op->handle : NULL);
    sim_call_ends();
    submitted(op, result);
    describe(op, result);
}

// ---- timers and posts ---------------------------------------------------------------------------

static void
timer_fired(struct weir_loop *loop, int status, void *arg)
{
    struct timer *timer = arg;

    (void)loop;
    sim_callback_begins(NULL, "a timer");
    sim_say(9, (uint64_t)status, "    a timer: %d", status);
    if (timer->done || (status == 0 && sim_now < timer->deadline_ns) ||
        (status == 0 && timer->won) || (status != 0 && !timer->cancelled && !sim_stopping)) {
        sim_fail("timer: it ends with %d (twice %d, early %d, cancelled %d)", status, timer->done,
                 sim_now < timer->deadline_ns, timer->cancelled);
    }
    timer->done = true;
    if (status == 0) {
        SIM_HIT(timer_fired);
    } else {
        SIM_HIT(timer_cancelled);
    }
    sim_callback_ends();
}

static void
start_timer(void)
{
    struct timer *timer = &timers[timer_count];
    struct weir_timer request = {.fn = timer_fired, .arg = timer};
    int loop = (int)sim_below(sim_world.loop_count);
    int result;

    if (timer_count == TIMERS_MAX) {
        return;
    }
    timer_count++;
    timer->loop = loop;
    timer->deadline_ns = request.deadline_ns = sim_now + 100000 * (uint64_t)sim_below(20000);
    sim_call_begins();
    result = weir_timer_start(sim_world.loops[loop], &request, &timer->handle);
    sim_call_ends();
    timer->accepted = result == 0;
    timer->done |= result < 0;
    sim_say((uint64_t)loop, (uint64_t)result, "  a timer on loop %d = %d", loop, result);
}

static void
cancel_timer(void)
{
    struct timer *timer = &timers[timer_count == 0 ? 0 : sim_below((unsigned)timer_count)];

    if (timer->accepted && !timer->done) {
        timer->cancelled = true;
        sim_call_begins();
        timer->won = weir_cancel(timer->handle) == WEIR_CANCEL_WON;
        sim_call_ends();
    }
}

static void
posted(struct weir_loop *loop, void *arg)
{
    struct post *post = arg;

    (void)loop;
    sim_callback_begins(NULL, "a posted function");
    if (post->done) {
        sim_fail("post: a function runs twice");
    }
    post->done = true;
    SIM_HIT(posted);
    if (sim_world.calls_from_callbacks && !sim_world.quiet && sim_chance(500)) {
        sim_any_call();
    }
    sim_callback_ends();
}

static void
post(void)
{
    struct post *one = &posts[post_count];
    int loop = (int)sim_below(sim_world.loop_count);
    int result;

    if (post_count == POSTS_MAX) {
        return;
    }
    post_count++;
    one->loop = loop;
    sim_call_begins();
    result = weir_post(sim_world.loops[loop], posted, one);
    sim_call_ends();
    one->accepted = result == 0;
    sim_say((uint64_t)loop, (uint64_t)result, "  a post to loop %d = %d", loop, result);
}

// ---- any of them --------------------------------------------------------------------------------

// And then, where it was torn, what must not be sent any more.
static void
close_some(struct sim_stream *stream)
{
    static const enum weir_close_mode modes[] = {WEIR_CLOSE_DRAIN, WEIR_CLOSE_FLUSH,
                                                 WEIR_CLOSE_ABORT};

    sim_call_close(stream, modes[sim_below(3)],
                   sim_chance(500) ? 0 : sim_now + 1000000 * (uint64_t)sim_below(500));
    for (int i = 0; i < 4 && sim_world.theme == SIM_THEME_TEARS && stream->was_torn; i++) {
        sim_call_write(stream);
    }
}

static void
rare_call(struct sim_stream *stream)
{

    switch (sim_below(9)) {
    case 0:
    case 1:
        close_some(stream);
        break;
    case 2:
        end_stream(stream);
        break;
    case 3:
        fire();
        break;
    case 4:
        bind_token(stream);
        break;
    case 5:
        if (sim_chance(300)) {
            stream->stopped_reading = true;
            sim_call_begins();
            weir_stop_reading(stream->handle, 0);
            sim_call_ends();
        }
        break;
    default:
        resume_torn(stream);
        break;
    }
}

void
sim_any_call(void)
{
    struct sim_stream *stream = any_stream();
    unsigned what = sim_below(100);

    if (stream != NULL && sim_world.theme == SIM_THEME_CONNECTS && sim_chance(60)) {
        end_stream(stream);
    } else if (stream == NULL || what >= 94) {
        if (what % 6 == 0) {
            post();
        } else if (what % 6 == 3) {
            sim_call_watch();
        } else if (what % 3 == 1) {
            start_timer();
        } else {
            cancel_timer();
        }
    } else if (what < 45) {
        sim_call_write(stream);
    } else if (what < 50) {
        write_chain(stream);
    } else if (what < 62) {
        cancel();
    } else if (what < 66) {
        produce(stream);
    } else if (what < 74) {
        sim_call_read(stream);
    } else if (what < 76) {
        cancel_pull();
    } else if (what < 80) {
        sim_call_consume(stream);
    } else if (what < 84) {
        pause_or_resume(stream);
    } else if (what < 94) {
        rare_call(stream);
    }
}

void
sim_check_calls_over(void)
{
    for (int i = 0; i < pull_count; i++) {
        if (pulls[i].accepted && !pulls[i].done) {
            sim_fail("stuck: a pull of stream %d never completes", pulls[i].stream->number);
        }
    }
    for (int i = 0; i < timer_count; i++) {
        if (timers[i].accepted && !timers[i].done) {
            sim_fail("stuck: a timer never ends");
        }
    }
    for (int i = 0; i < post_count; i++) {
        if (posts[i].accepted != posts[i].done) {
            sim_fail("post: accepted %d, ran %d", posts[i].accepted, posts[i].done);
        }
    }
}
