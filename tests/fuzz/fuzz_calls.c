// os: fake
// SPDX-License-Identifier: MIT
// Calls of the public interface in any order, read from bytes, on loops turned by hand over the
// scripted kernel: from outside, and from inside callbacks; while system calls and allocations
// fail. Whatever they are, nothing may crash or leak, no callback may nest, and at the end all that
// was accepted has completed once, with the counts that the peers confirm (calls_world.h).

#include "mem/block.h"
#include "mem/heap.h"
#include "tests/fuzz/calls_world.h"
#include "tests/lib/os_fake.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#define STEPS_MAX       300u
#define TURNS_MAX       60u
#define STEPS_IN_A_CALL 2u
#define MS              UINT64_C(1000000)
#define FIRST_PORT      9000u

static uint32_t
below(uint32_t bound)
{
    return fuzz_below(&world.input, bound);
}

static bool
one_in(uint32_t count)
{
    return below(count) == count - 1; // not when the input is over
}

static struct weir_loop *
some_loop(void)
{
    return world.loops[below(world.loop_count)];
}

// NULL: there is none.
static struct calls_stream *
some_stream(void)
{
    return world.stream_count == 0 ? NULL : &world.streams[below(world.stream_count)];
}

static weir_token
some_token(void)
{
    weir_token none = {0};

    return world.token_count == 0 || below(4) < 3 ? none : world.tokens[below(world.token_count)];
}

static uint64_t
some_deadline(void)
{
    switch (below(6)) {
    case 1:
        return weir_now_ns() + below(40) * MS;
    case 2:
        return 1;
    case 3:
        return WEIR_NEVER;
    default:
        return 0;
    }
}

static size_t
some_size(void)
{
    switch (below(5)) {
    case 0:
        return below(3);
    case 1:
        return below(1u << 16);
    case 2:
        return WEIR_BLOCK_SIZE - 1 + below(3);
    default:
        return below(200);
    }
}

// ---- streams come -----------------------------------------------------------------------------

static struct weir_stream_options
some_options(struct calls_stream *stream)
{
    static const size_t highs[] = {0, 1, 500, 20000};
    struct weir_stream_options options = {
        .handlers = stream->is_push ? &calls_push_handlers : &calls_pull_handlers,
        .user = stream,
    };

    if (one_in(3)) {
        options.flags = below(1u << 9);
        options.queue_high = highs[below(4)];
        options.input_high = highs[below(4)];
        options.write_behind = below(3) * 1000;
        options.write_deadline_ns = below(3) * 20 * MS;
        options.cork_ns = below(3) * MS;
    }
    stream->is_swallowing = (options.flags & WEIR_STREAM_SWALLOW) != 0;
    return options;
}

static void
step_adopt(void)
{
    struct calls_stream *stream = calls_stream(fuzz_flip(&world.input));
    struct weir_stream_options options;
    int fds[2];
    int result;

    if (stream == NULL || os_fake_pair(fds) != 0) {
        return;
    }
    options = some_options(stream);
    result = calls_call(weir_adopt(some_loop(), fds[0], &options, &stream->handle));
    fuzz_require(result <= 0);
    stream->is_open = result == 0;
    stream->peer = fds[1];
    if (result != 0) {
        os_fake_aside(true);
        fuzz_require(wi_os_close(fds[0]) == 0); // it is the caller's still
        os_fake_aside(false);
    }
}

static struct weir_address
some_address(bool is_new)
{
    struct weir_address address;
    uint16_t port = (uint16_t)(FIRST_PORT + below(CALLS_LISTENERS));

    if (fuzz_flip(&world.input)) {
        fuzz_require(weir_address_ip(&address, "127.0.0.1", port) == 0);
    } else {
        fuzz_require(weir_address_unix(&address, is_new ? "@here" : "@there") == 0);
    }
    if (!is_new && world.listener_count != 0) {
        address = world.listeners[below(world.listener_count)].address;
    }
    return address;
}

static void
step_listen(void)
{
    struct calls_end *end = &world.listeners[world.listener_count];
    struct weir_listen request = {
        .flags = below(1u << 4),
        .backlog = (int)below(3),
        .accepted = calls_accepted,
        .closed = calls_listener_closed,
        .arg = end,
    };

    if (world.listener_count == CALLS_LISTENERS) {
        return;
    }
    world.listener_count++;
    *end = (struct calls_end){.address = some_address(true)};
    request.address = end->address;
    end->is_open = calls_call(weir_listen(world.runtime, &request, &end->listener)) == 0;
}

static void
step_listener_close(void)
{
    struct calls_end *end;
    int result;

    if (world.listener_count != 0) {
        end = &world.listeners[below(world.listener_count)];
        result = calls_call(weir_listener_close(end->listener));
        fuzz_require(result == 0 || result == -WEIR_ESTALE);
    }
}

static void
step_dial(void)
{
    struct calls_stream *stream = calls_stream(fuzz_flip(&world.input));
    struct weir_dial request = {.flags = below(1u << 2), .timeout_ns = below(3) * 10 * MS};

    if (stream == NULL) {
        return;
    }
    request.address = some_address(false);
    request.stream = some_options(stream);
    stream->is_open = calls_call(weir_dial(some_loop(), &request, &stream->handle)) == 0;
}

// ---- writing ----------------------------------------------------------------------------------

// A file with the bytes, or with some of them, or a descriptor that is none.
static bool
fill_file(struct calls_op *op, struct weir_write *request, struct weir_file *file)
{
    size_t has = one_in(6) ? below(200) : op->size;
    void *bytes = calloc(1, op->size + 1);

    if (bytes == NULL) {
        return false;
    }
    memset(bytes, calls_letter(op), op->size);
    op->disk = os_fake_disk(bytes, has < op->size ? has : op->size);
    op->has_disk = op->disk >= 0;
    free(bytes);
    *file = (struct weir_file){.fd = one_in(20) ? 1 : op->disk, .size = op->size};
    request->file = file;
    if (op->has_disk && fuzz_flip(&world.input)) {
        request->flags |= WEIR_GIVE;
        request->release = calls_release;
        request->release_arg = op;
    }
    return true;
}

// Memory of the operation in one of the forms; false: there is none.
static bool
fill_memory(struct calls_op *op, struct weir_write *request, struct iovec *iov,
            struct weir_chain *chain, struct weir_file *file)
{
    if (one_in(8)) {
        return true; // a barrier
    }
    op->size = some_size();
    op->memory = malloc(op->size == 0 ? 1 : op->size);
    if (op->memory == NULL) {
        return false;
    }
    memset(op->memory, calls_letter(op), op->size);
    switch (below(5)) {
    case 0:
        request->flags |= WEIR_COPY;
        break;
    case 1:
        request->flags |= WEIR_GIVE;
        request->release = calls_release;
        request->release_arg = op;
        break;
    case 2:
        if (weir_chain_append(chain, op->memory, op->size) != 0) {
            op->size = 0;
        }
        request->chain = chain;
        break;
    case 3:
        request->shared = weir_shared_create(op->memory, op->size);
        if (request->shared == NULL) {
            op->size = 0;
        }
        break;
    default: // of some sizes a file: what inputs from before there were any say stays the same
        if (op->size % 4 == 3) {
            free(op->memory);
            op->memory = NULL;
            return fill_file(op, request, file);
        }
        break;
    }
    if (request->chain != NULL || request->shared != NULL || op->size == 0) {
        request->flags &= ~(unsigned)WEIR_GIVE;
        free(op->memory);
        op->memory = NULL;
        return true;
    }
    *iov = (struct iovec){op->memory, op->size};
    request->iov = iov;
    request->iov_count = 1;
    return true;
}

static void
write_now(struct calls_stream *stream, struct calls_op *op, struct weir_write *request,
          struct weir_chain *chain)
{
    weir_op untouched = {.bits = UINT64_MAX};
    weir_op handle = untouched;
    size_t size = weir_chain_size(chain);
    int result;

    op->flags = request->flags;
    op->level = request->level;
    op->is_accepted = true; // given memory may be released inside
    result = calls_call(weir_write(stream->handle, request, &handle));
    fuzz_require((handle.bits == untouched.bits) == (result < 0));
    fuzz_require(weir_chain_size(chain) == (result < 0 ? size : 0));
    fuzz_require(result != 1 || handle.bits == 0);
    op->handle = result < 0 ? (weir_op){0} : handle;
    calls_submitted(op, result);
    weir_chain_return(chain);
    weir_shared_unref(request->shared);
}

static void
some_request(struct weir_write *request)
{
    static const unsigned flags[] = {WEIR_SOME,   WEIR_MORE,      WEIR_FIN,      WEIR_START,
                                     WEIR_NOWAIT, WEIR_INLINE_OK, WEIR_ZEROCOPY, WEIR_PRIORITY,
                                     WEIR_TIMED,  WEIR_INLINE_OK, WEIR_MORE,     WEIR_BEST_EFFORT};

    for (unsigned more = below(4); more > 1; more--) {
        request->flags |= flags[below(sizeof(flags) / sizeof(flags[0]))];
    }
    request->flags |= one_in(64) ? 1u << below(20) : 0;
    request->flags &= ~(unsigned)(WEIR_COPY | WEIR_GIVE);
    request->level = one_in(4) ? (enum weir_level)below(3) : WEIR_SENT;
    request->tear = (enum weir_tear)below(3);
    request->deadline_ns = some_deadline();
    request->token = some_token();
}

static void
step_write(void)
{
    struct calls_stream *stream = some_stream();
    struct calls_op *op =
        stream == NULL ? NULL : calls_op(CALLS_WRITE, (unsigned)(stream - world.streams));
    struct weir_write request = {.done = calls_done, .arg = op};
    struct weir_chain chain = {NULL, NULL};
    struct weir_file file;
    struct iovec iov;

    if (op == NULL) {
        return;
    }
    some_request(&request);
    if (fill_memory(op, &request, &iov, &chain, &file)) {
        write_now(stream, op, &request, &chain);
    }
}

static void
step_write_chain(void)
{
    struct calls_stream *stream = some_stream();
    struct calls_op *op =
        stream == NULL ? NULL : calls_op(CALLS_WRITE, (unsigned)(stream - world.streams));
    struct weir_chain chain = {NULL, NULL};
    uint8_t bytes[64];
    size_t size = 1 + below(sizeof(bytes));
    int result;

    if (op == NULL) {
        return;
    }
    memset(bytes, calls_letter(op), size);
    op->size = weir_chain_append(&chain, bytes, size) == 0 ? size : 0;
    result = calls_call(weir_write_chain(stream->handle, &chain, calls_done, op));
    fuzz_require(result <= 0);
    calls_submitted(op, result);
    fuzz_require((chain.head == NULL) == (result == 0 || op->size == 0));
    weir_chain_return(&chain);
}

static void
step_produce(void)
{
    struct calls_stream *stream = some_stream();
    struct weir_loop *here = weir_loop_current();
    int result;

    // What another loop's callback opens, only that can commit.
    if (stream == NULL || (here != NULL && here != weir_stream_loop(stream->handle))) {
        return;
    }
    result = calls_call(weir_produce(stream->handle, &stream->section));
    fuzz_require(result == 0 || !stream->is_producing || result < 0);
    if (result == 0) {
        fuzz_require(!stream->is_producing);
        stream->is_producing = true;
        stream->producing = here;
    }
}

static void
commit(struct calls_stream *stream, size_t size, bool is_plain)
{
    struct calls_op *op = calls_op(CALLS_WRITE, (unsigned)(stream - world.streams));
    struct weir_write request = {.done = calls_done, .arg = op};
    weir_op handle = {0};
    uint8_t byte;
    int result;

    if (op != NULL) {
        byte = calls_letter(op);
        for (; op->size < size && weir_iter_append(&stream->section, &byte, 1) == 0; op->size++) {
        }
    }
    if (!is_plain) {
        some_request(&request);
    }
    op = is_plain ? NULL : op;
    stream->is_producing = false;
    result = calls_call(weir_commit(stream->handle, stream->section, op == NULL ? NULL : &request,
                                    op == NULL ? NULL : &handle));
    if (op != NULL) {
        op->flags = request.flags;
        op->level = request.level;
        op->handle = handle;
        calls_submitted(op, result);
    }
}

static void
step_commit(void)
{
    struct calls_stream *stream = some_stream();

    if (stream != NULL && stream->is_producing && stream->producing == weir_loop_current()) {
        commit(stream, below(200), false);
    }
}

static void
step_end_write(void)
{
    struct calls_stream *stream = some_stream();

    if (stream != NULL) {
        (void)calls_call(one_in(2) ? weir_resume_torn(stream->handle) : weir_end(stream->handle));
    }
}

// ---- reading ----------------------------------------------------------------------------------

static void
step_read(void)
{
    struct calls_stream *stream = some_stream();
    struct calls_op *op =
        stream == NULL ? NULL : calls_op(CALLS_PULL, (unsigned)(stream - world.streams));
    struct weir_read request = {.done = calls_read_done, .arg = op};

    if (op == NULL) {
        return;
    }
    op->size = below(3) * 700;
    request.size = op->size;
    if (fuzz_flip(&world.input)) {
        request.buffer = op->memory = malloc(op->size + 1);
    }
    request.size_min = below(4) < 2 ? 0 : below(900);
    request.deadline_ns = some_deadline();
    request.token = some_token();
    calls_submitted(op, calls_call(weir_read(stream->handle, &request, &op->handle)));
}

static void
step_provide(void)
{
    struct calls_stream *stream = some_stream();
    size_t size = 1 + below(600);
    void *buffer;

    if (stream == NULL || stream->provided - stream->filled == CALLS_BUFFERS) {
        return;
    }
    buffer = malloc(size);
    stream->buffers[stream->provided % CALLS_BUFFERS] = buffer;
    if (buffer != NULL && calls_call(weir_provide(stream->handle, buffer, size)) == 0) {
        stream->provided++;
    } else {
        free(buffer);
    }
}

static void
step_flow(void)
{
    struct calls_stream *stream = some_stream();
    size_t consumed;

    if (stream == NULL) {
        return;
    }
    switch (below(5)) {
    case 0:
        (void)calls_call(weir_pause(stream->handle));
        break;
    case 1:
        (void)calls_call(weir_resume(stream->handle));
        break;
    case 2:
        (void)calls_call(weir_stop_reading(stream->handle, 0));
        break;
    default:
        consumed = stream->presented - below(3) * stream->presented / 2;
        (void)calls_call(weir_consume(stream->handle, consumed, stream->presented));
        break;
    }
}

// ---- taking back ------------------------------------------------------------------------------

static void
step_cancel(void)
{
    struct calls_op *op;
    bool was_done;
    int answer;

    if (world.op_count == 0) {
        return;
    }
    op = &world.ops[below(world.op_count)];
    was_done = op->completions != 0;
    answer = calls_call(weir_cancel(op->handle));
    fuzz_require(answer >= 0);
    fuzz_require(answer == WEIR_CANCEL_LATE || (op->is_accepted && !was_done));
    op->is_won = op->is_won || answer == WEIR_CANCEL_WON;
}

static void
step_close(void)
{
    struct calls_stream *stream = some_stream();
    int result;

    if (stream == NULL) {
        return;
    }
    result = calls_call(
        weir_close(stream->handle, (enum weir_close_mode)below(3), some_deadline(), below(9)));
    fuzz_require(result == 0 || result == -WEIR_ESTALE);
    fuzz_require(result == 0 || !stream->is_open || stream->closed != 0);
}

static void
step_token(void)
{
    struct calls_stream *stream = some_stream();
    weir_token *token = &world.tokens[world.token_count == 0 ? 0 : below(world.token_count)];

    switch (below(5)) {
    case 0:
    case 1:
        if (world.token_count < CALLS_TOKENS &&
            calls_call(weir_token_create(world.runtime, some_token(),
                                         &world.tokens[world.token_count])) == 0) {
            world.token_count++;
        }
        break;
    case 2:
        (void)calls_call(weir_token_fire(*token, 0, below(9)));
        fuzz_require(weir_token_status(*token) < 0);
        break;
    case 3:
        (void)calls_call(weir_token_free(*token));
        break;
    default:
        if (stream != NULL) {
            (void)calls_call(weir_token_bind(*token, stream->handle));
        }
        break;
    }
}

// ---- loops ------------------------------------------------------------------------------------

static void
step_post(void)
{
    struct calls_op *op = calls_op(one_in(2) ? CALLS_TIMER : CALLS_POST, 0);
    struct weir_timer timer = {.fn = calls_timer_done, .arg = op};

    if (op == NULL) {
        return;
    }
    if (op->kind == CALLS_POST) {
        calls_submitted(op, calls_call(weir_post(some_loop(), calls_posted, op)));
        return;
    }
    timer.deadline_ns = op->deadline_ns = weir_now_ns() + below(30) * MS;
    timer.token = some_token();
    calls_submitted(op, calls_call(weir_timer_start(some_loop(), &timer, &op->handle)));
}

static void
step_signal(void)
{
    static const int signals[] = {SIGUSR1, SIGHUP};
    struct calls_end *end = &world.watches[world.watch_count];

    if (fuzz_flip(&world.input)) {
        os_fake_raise(signals[below(2)]);
    } else if (world.watch_count != CALLS_WATCHES) {
        world.watch_count++;
        *end = (struct calls_end){.is_signals = true};
        end->is_open = calls_call(weir_signal_start(some_loop(), signals, 1 + below(2),
                                                    calls_signalled, end, &end->watch)) == 0;
    }
}

static void
step_watch(void)
{
    struct calls_end *end = &world.watches[world.watch_count];

    if (one_in(3) && world.watch_count != 0) {
        (void)calls_call(weir_watch_stop(world.watches[below(world.watch_count)].watch));
        return;
    }
    if (world.watch_count == CALLS_WATCHES || os_fake_pair(end->fds) != 0) {
        return;
    }
    world.watch_count++;
    end->is_signals = false;
    end->closed = 0;
    end->is_open = calls_call(weir_watch_start(some_loop(), end->fds[0], 1 + below(3),
                                               calls_watched, end, &end->watch)) == 0;
}

static void
step_turn(void)
{
    int64_t timeout = one_in(3) ? (int64_t)(below(20) * MS) : 0;

    for (unsigned i = 0; i < world.loop_count; i++) {
        int result = weir_loop_turn(world.loops[i], timeout);

        fuzz_require(world.is_in_callback ? result == -EDEADLK : result >= 0);
    }
}

static void
count_line(const char *line, void *arg)
{
    *(size_t *)arg += strlen(line);
}

static void
step_look(void)
{
    struct calls_stream *stream = some_stream();
    struct weir_stats stats;
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    size_t length = 0;

    fuzz_require(weir_stats(world.runtime, &stats) == 0);
    (void)calls_call(weir_dump(some_loop(), count_line, &length));
    if (world.op_count != 0) {
        (void)calls_call(weir_op_wait(world.ops[below(world.op_count)].handle, weir_now_ns()));
    }
    if (stream != NULL) {
        (void)weir_queued(stream->handle);
        (void)calls_call(weir_stream_status(stream->handle));
        (void)calls_call(weir_closed_wait(stream->handle, weir_now_ns()));
        (void)calls_call(
            weir_stream_peer_address(stream->handle, (struct sockaddr *)&address, &size));
    }
}

// ---- the world --------------------------------------------------------------------------------

static void
step_peer(void)
{
    struct calls_stream *stream = some_stream();

    if (stream == NULL || stream->peer < 0) {
        return;
    }
    switch (below(8)) {
    case 0:
    case 1:
        calls_peer_give(stream, some_size());
        break;
    case 2:
    case 3:
    case 4:
        calls_peer_take(stream, some_size() * 8);
        break;
    case 5:
        os_fake_aside(true);
        (void)wi_os_shutdown(stream->peer, SHUT_WR);
        os_fake_aside(false);
        break;
    case 6:
        calls_peer_close(stream);
        break;
    default:
        calls_peer_take(stream, SIZE_MAX);
        stream->peer_is_over = true;
        calls_peer_close(stream);
        break;
    }
}

static void
step_kernel(void)
{
    static const struct {
        enum os_call call;
        int error;
    } failures[] = {
        {OS_SEND, EAGAIN},        {OS_SEND, ECONNRESET},    {OS_SEND, EPIPE},
        {OS_RECEIVE, EAGAIN},     {OS_RECEIVE, ECONNRESET}, {OS_POLL_ADD, ENOMEM},
        {OS_POLL_MODIFY, ENOMEM}, {OS_ACCEPT, EMFILE},      {OS_ACCEPT, ECONNABORTED},
        {OS_CONNECT, ENETDOWN},   {OS_SOCKET, EMFILE},      {OS_SET_OPTION, ENOMEM},
        {OS_SHUTDOWN, ENOTCONN},  {OS_BIND, EADDRINUSE},    {OS_WAKE_CREATE, EMFILE},
        {OS_ADDRESS, ENOBUFS},    {OS_GET_OPTION, ENOBUFS}, {OS_NONBLOCKING, EBADF},
        {OS_WAIT, EINTR},         {OS_SEND_FILE, EINVAL},
    };
    unsigned which = below(sizeof(failures) / sizeof(failures[0]));

    switch (below(5)) {
    case 0:
        os_fake_advance(below(50) * MS);
        break;
    case 1:
        os_fake_set_limits(below(3) * 5, below(3) * 5);
        break;
    case 2:
        os_fake_set_capacity(one_in(2) ? 65536 : 1 + below(3000));
        break;
    case 3:
        os_fake_fail_call(failures[which].call, 1 + below(5), failures[which].error, false);
        break;
    default:
        wi_heap_fail(below(12), one_in(4));
        break;
    }
}

static void
step(void)
{
    static void (*const steps[])(void) = {
        step_turn, step_adopt,   step_write,  step_write,  step_read,        step_peer,
        step_peer, step_cancel,  step_close,  step_write,  step_write_chain, step_token,
        step_flow, step_produce, step_commit, step_post,   step_watch,       step_listen,
        step_dial, step_provide, step_look,   step_kernel, step_end_write,   step_listener_close,
        step_turn, step_signal,
    };

    steps[below(sizeof(steps) / sizeof(steps[0]))]();
}

void
calls_step_inside(void)
{
    while (!world.is_ending && world.steps != 0 && world.input.size != 0 && one_in(3)) {
        world.steps--;
        step();
    }
}

static void
turn_until_quiet(void)
{
    unsigned handled = 1;

    for (unsigned turns = 0; handled != 0 && turns < TURNS_MAX; turns++) {
        handled = 0;
        for (unsigned i = 0; i < world.loop_count; i++) {
            handled += (unsigned)weir_loop_turn(world.loops[i], 0);
        }
        for (unsigned i = 0; i < world.stream_count; i++) {
            calls_peer_take(&world.streams[i], SIZE_MAX);
        }
    }
}

static bool
open_world(const uint8_t *data, size_t size)
{
    struct weir_runtime_options options = {.flags = WEIR_MANUAL};

    memset(&world, 0, sizeof(world));
    world.input = (struct fuzz_bytes){data, size};
    os_fake_reset();
    world.loop_count = options.loops = 1 + below(CALLS_LOOPS);
    options.lane_entries = one_in(3) ? 2u << below(3) : 0;
    options.loop_bytes_max = one_in(4) ? below(20000) : 0;
    options.total_bytes_max = one_in(4) ? below(20000) : 0;
    options.latency_every = one_in(2);
    if (calls_call(weir_runtime_create(&options, &world.runtime)) != 0) {
        return false;
    }
    for (unsigned i = 0; i < world.loop_count; i++) {
        world.loops[i] = weir_runtime_loop(world.runtime, i);
    }
    return true;
}

static void
heal_kernel(void)
{
    wi_heap_fail(0, 0);
    os_fake_set_limits(0, 0);
    for (unsigned call = 0; call < OS_CALLS; call++) {
        os_fake_fail_call((enum os_call)call, 0, 0, false);
    }
}

static void
close_world(void)
{
    struct weir_ledger ledger;

    heal_kernel();
    world.is_ending = true;
    if (one_in(2)) {
        turn_until_quiet();
    }
    for (unsigned i = 0; i < world.stream_count; i++) {
        if (world.streams[i].is_producing && world.streams[i].producing == NULL) {
            commit(&world.streams[i], 0, true);
        }
    }
    fuzz_require(weir_runtime_stop(world.runtime, weir_deadline_after(1000 * MS)) == 0);
    calls_check_all();
    fuzz_require(weir_runtime_free(world.runtime) == 0);
    for (unsigned i = 0; i < world.stream_count; i++) {
        calls_peer_close(&world.streams[i]);
    }
    for (unsigned i = 0; i < world.watch_count; i++) {
        if (!world.watches[i].is_signals) {
            wi_os_close(world.watches[i].fds[0]);
            wi_os_close(world.watches[i].fds[1]);
        }
    }
    fuzz_require(os_fake_open_count() == 0);
    wi_pack_close(); // the block that small copies share
    weir_pool_ledger_all(&ledger);
    fuzz_require(ledger.leased == ledger.returned && ledger.oversize == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!open_world(data, size)) {
        return 0;
    }
    for (unsigned steps = 0; world.input.size != 0 && steps < STEPS_MAX; steps++) {
        world.steps = STEPS_IN_A_CALL * world.loop_count;
        step();
    }
    close_world();
    return 0;
}
