// SPDX-License-Identifier: MIT
// Every public entry point in scenarios that end by themselves, whatever in them fails.

#include "tests/lib/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE 12000u
#define BULK_PIECES 64u

static unsigned char memory[TORTURE_OPS][MEMORY_SIZE];
static struct iovec pieces[TORTURE_OPS][BULK_PIECES];
static unsigned char buffers[4][4096];

// ---- life -------------------------------------------------------------------------------------

static void
live(struct torture *torture, struct weir_runtime_options options)
{
    unsigned flags = options.flags;
    struct weir_runtime *runtime = NULL;
    struct torture_op *op = torture_op(torture);
    weir_token token;

    if (torture_result(torture, weir_runtime_create(&options, &runtime)) < 0) {
        if (runtime != NULL) {
            torture_fail(torture, "a runtime in spite of a refusal", 0);
        }
        return;
    }
    torture_accepted(op, weir_post(weir_runtime_loop(runtime, 1), torture_posted, op));
    if (torture_result(torture, weir_token_create(runtime, (weir_token){0}, &token)) == 0 &&
        weir_token_free(token) != 0) {
        torture_fail(torture, "weir_token_free()", 0);
    }
    for (unsigned i = 0; i < 4 && (flags & WEIR_MANUAL); i++) {
        torture_result(torture, weir_loop_turn(weir_runtime_loop(runtime, i % 2), 0));
    }
    if (weir_runtime_stop(runtime, 0) != 0 || weir_runtime_free(runtime) != 0) {
        torture_fail(torture, "the runtime does not end", 0);
    }
}

static void
live_by_hand(struct torture *torture)
{
    live(torture, (struct weir_runtime_options){.loops = 2, .flags = WEIR_MANUAL});
}

static void
live_with_threads(struct torture *torture)
{
    live(torture, (struct weir_runtime_options){.loops = 2, .flags = WEIR_PIN});
}

static void
ignore_log(enum weir_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

// A page for others, a look-out for stalls, a limit of everything.
static void
live_watched(struct torture *torture)
{
    live(torture, (struct weir_runtime_options){.loops = 2,
                                                .spin_ns = 1000,
                                                .lane_entries = 64,
                                                .loop_bytes_max = 1 << 20,
                                                .total_bytes_max = 1 << 20,
                                                .log = ignore_log,
                                                .latency_every = 1,
                                                .stall_ns = MS(10000),
                                                .stats_name = "torture"});
}

// ---- listening --------------------------------------------------------------------------------

static void
on_accepted(weir_listener listener, weir_stream stream, void *arg)
{
    struct torture *torture = arg;
    struct torture_stream *slot = torture_stream(torture);
    struct weir_stream_options options = torture_options(slot, false);
    struct torture_op *op = torture_op(torture);
    struct iovec piece = {memory[op - torture->ops], 200};
    struct weir_write request = {
        .iov = &piece, .iov_count = 1, .flags = WEIR_COPY, .done = torture_done, .arg = op};

    (void)listener;
    slot->stream = stream;
    slot->opened = true;
    slot->peer = torture->fds[0];
    slot->unchecked = torture->answers; // a line comes first
    torture->fds[0] = -1;
    op->stream = slot;
    op->size = 200;
    op->letter = (unsigned char)('0' + (op - torture->ops));
    memset(memory[op - torture->ops], op->letter, 200);
    torture_result(torture, weir_stream_set_handlers(stream, options.handlers, slot));
    torture_accepted(op, weir_write(stream, &request, NULL));
}

static void
on_listener_closed(weir_listener listener, int status, void *arg)
{
    struct torture *torture = arg;

    (void)listener;
    torture_result(torture, status);
    torture->listeners_closed++;
}

static void
prepare_listen(struct torture *torture)
{
    torture->address = transport_address(torture->fixture);
    torture->fds[0] = -1;
}

// A plain connection; -1 when the listener is gone.
static int
connect_to(struct torture *torture, const struct weir_address *address)
{
    int fd = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture_own_fd(torture->fixture, fd);
    if (connect(fd, &address->as.any, address->size) != 0) {
        fixture_close_fd(torture->fixture, fd);
        return -1;
    }
    return fd;
}

static void
listen_and_take(struct torture *torture, unsigned flags, unsigned connections)
{
    struct weir_listen request = {
        .address = torture->address,
        .flags = flags,
        .accepted = on_accepted,
        .closed = on_listener_closed,
        .arg = torture,
        .stream = {.flags = WEIR_STREAM_NODELAY, .queue_high = 100000, .send_buffer = 20000},
    };
    struct weir_address address;

    if (flags & WEIR_LISTEN_ADOPT) {
        request.address.size = 0;
        request.fd = torture->fds[1];
    }
    if (torture_result(torture, weir_listen(torture->fixture->runtime, &request,
                                            &torture->listener[torture->listeners])) < 0) {
        return; // an adopted socket is still the fixture's
    }
    if (flags & WEIR_LISTEN_ADOPT) {
        torture_disown(torture, request.fd);
    }
    torture->listeners++;
    assert_status(weir_listener_address(torture->listener[0], &address), 0); // it is not turned yet
    for (unsigned i = 0; i < connections; i++) {
        int fd = connect_to(torture, &address);

        if (fd >= 0 && torture->answers) {
            send(fd, "CONNECT 5\n", 10, MSG_NOSIGNAL);
        }
        torture->fds[0] = fd;
        torture_settle(torture);
        if (fd >= 0 &&
            torture->fds[0] == fd) { // refused, and perhaps to come later: then without us
            torture->fds[0] = -1;
            fixture_close_fd(torture->fixture, fd);
        }
    }
}

static void
listen_once(struct torture *torture)
{
    listen_and_take(torture, WEIR_LISTEN_UNLINK, 1);
}

static void
prepare_listening(struct torture *torture)
{
    torture->fds[1] = transport_listen(torture->fixture, 8, &torture->address);
    torture->fds[0] = -1;
}

static void
listen_by_adoption(struct torture *torture)
{
    listen_and_take(torture, WEIR_LISTEN_ADOPT, 2);
}

static void
listen_for_two_loops(struct torture *torture)
{
    listen_and_take(torture, 0, 3);
}

// Clients that ask for a port first; one that does not is dropped with the listener.
static void
listen_for_questions(struct torture *torture)
{
    if (torture->fixture->transport->family == AF_UNIX) {
        torture->answers = true;
        listen_and_take(torture, WEIR_LISTEN_HYBRID, 2);
        torture->answers = false;
        if (torture->listeners != 0) {
            connect_to(torture, &torture->address);
        }
    }
}

static void
listen_on_every_loop(struct torture *torture)
{
    if (transport_is_tcp(torture->fixture->transport)) {
        listen_and_take(torture, WEIR_LISTEN_REUSEPORT | WEIR_LISTEN_FAST_OPEN, 2);
    }
}

// ---- writing: the request ---------------------------------------------------------------------

// A write of size bytes of the operation's letter, in so many pieces; 0: none.
static struct torture_op *
make_write(struct torture *torture, struct torture_stream *slot, size_t size, unsigned count,
           struct weir_write *ret_request)
{
    struct torture_op *op = torture_op(torture);
    unsigned index = (unsigned)(op - torture->ops);

    op->letter = (unsigned char)('0' + index);
    op->stream = slot;
    op->size = size;
    memset(memory[index], op->letter, MEMORY_SIZE);
    *ret_request = (struct weir_write){.done = torture_done, .arg = op};
    for (unsigned i = 0; i < count; i++) {
        size_t piece = size / count + (i == 0 ? size % count : 0);

        pieces[index][i] = (struct iovec){memory[index], piece};
    }
    if (count != 0) {
        ret_request->iov = pieces[index];
        ret_request->iov_count = count;
    }
    return op;
}

static void
write_form(struct torture *torture, struct torture_stream *slot, size_t size, unsigned count,
           unsigned flags, enum weir_level level)
{
    struct weir_write request;
    struct torture_op *op = make_write(torture, slot, size, count, &request);

    request.flags = flags;
    request.level = level;
    op->level = level;
    if (flags & WEIR_GIVE) {
        op->gives = true;
        request.release = torture_release;
        request.release_arg = op;
    }
    torture_accepted(op, weir_write(slot->stream, &request, NULL));
}

static void
write_bulk(struct torture *torture, struct torture_stream *slot, enum weir_tear tear,
           weir_op *ret_op)
{
    struct weir_write request;
    struct torture_op *op =
        make_write(torture, slot, (size_t)BULK_PIECES * MEMORY_SIZE, BULK_PIECES, &request);

    request.tear = tear;
    torture_accepted(op, weir_write(slot->stream, &request, ret_op));
}

// ---- dialling ---------------------------------------------------------------------------------

static void
take_dialled(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    int fd = accept4(torture->fds[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        fixture_own_fd(torture->fixture, fd);
        slot->peer = fd;
        if (torture->answers) {
            send(fd, "OK 5\n", 5, MSG_NOSIGNAL);
        }
    }
    fixture_close_fd(torture->fixture, torture->fds[0]);
}

static void
prepare_dial(struct torture *torture)
{
    torture->fds[0] = transport_listen(torture->fixture, 0, &torture->address);
    torture->settled = take_dialled;
}

static void
dial(struct torture *torture)
{
    struct torture_stream *slot = torture_stream(torture);
    struct weir_dial request = {.address = torture->address, .stream = torture_options(slot, true)};

    request.stream.flags |= WEIR_STREAM_KEEPALIVE;
    slot->opened =
        torture_result(torture, weir_dial(torture->fixture->loop, &request, &slot->stream)) == 0;
    if (slot->opened) {
        write_form(torture, slot, 1000, 1, 0, WEIR_SENT);
        write_form(torture, slot, 500, 1, WEIR_COPY | WEIR_MORE, WEIR_SENT);
        torture_result(torture, weir_end(slot->stream));
    }
}

static void
dial_and_ask(struct torture *torture)
{
    struct torture_stream *slot = torture_stream(torture);
    struct weir_endpoint endpoint = {
        .kind = WEIR_ENDPOINT_HYBRID, .port = 5, .address = torture->address};
    struct weir_dial request = {.endpoint = &endpoint, .stream = torture_options(slot, true)};

    if (torture->fixture->transport->family != AF_UNIX) {
        return; // there is no such thing
    }
    torture->answers = true;
    slot->unchecked = true; // a line comes first
    slot->opened =
        torture_result(torture, weir_dial(torture->fixture->loop, &request, &slot->stream)) == 0;
    if (slot->opened) {
        write_form(torture, slot, 1000, 1, 0, WEIR_SENT);
        torture_result(torture, weir_end(slot->stream));
    }
}

static void
dial_lazily(struct torture *torture)
{
    struct torture_stream *slot = torture_stream(torture);
    struct weir_dial request = {.address = torture->address,
                                .flags = WEIR_DIAL_LAZY | WEIR_DIAL_FAST_OPEN,
                                .stream = torture_options(slot, false)};

    slot->lazy = true;
    if (transport_is_tcp(torture->fixture->transport)) {
        request.bind = torture->address;
        if (request.bind.as.any.sa_family == AF_INET) {
            ((struct sockaddr_in *)(void *)&request.bind.as)->sin_port = 0;
        } else {
            ((struct sockaddr_in6 *)(void *)&request.bind.as)->sin6_port = 0;
        }
    }
    slot->opened =
        torture_result(torture, weir_dial(torture->fixture->loop, &request, &slot->stream)) == 0;
    if (slot->opened) {
        write_form(torture, slot, 300, 1, 0, WEIR_SENT);
        write_form(torture, slot, 1000, 10, WEIR_START | WEIR_FIN | WEIR_NOTIFY, WEIR_SENT);
    }
}

// ---- adopting ---------------------------------------------------------------------------------

static void
prepare_adopt(struct torture *torture)
{
    struct torture_stream *slot = torture_stream(torture);

    torture->fds[0] = torture_socket(torture, slot);
}

static void
finish_adopt(struct torture *torture)
{
    if (torture->streams[0].opened) {
        torture_disown(torture, torture->fds[0]);
    }
}

static void
adopt(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct weir_stream_options options = torture_options(slot, false);
    struct weir_read request = {.done = torture_read_done};
    struct torture_op *op;

    torture->settled = finish_adopt;
    options.flags = WEIR_STREAM_NODELAY | WEIR_STREAM_ACKED | WEIR_STREAM_INLINE;
    options.queue_high = torture->scenario->place == TORTURE_LOOP ? 0 : 1 << 20;
    options.receive_buffer = 30000;
    options.user_timeout_ms = 10000;
    slot->opened = torture_result(torture, weir_adopt(torture->fixture->loop, torture->fds[0],
                                                      &options, &slot->stream)) == 0;
    if (!slot->opened) {
        return;
    }
    op = torture_op(torture);
    request.arg = op;
    torture_accepted(op, weir_read(slot->stream, &request, NULL));
    if (transport_is_tcp(torture->fixture->transport)) {
        write_form(torture, slot, 700, 1, 0, WEIR_ACKED);
        write_form(torture, slot, 0, 0, 0, WEIR_ACKED);
    }
    write_form(torture, slot, 700, 1, WEIR_INLINE_OK, WEIR_SENT);
}

// ---- writing ----------------------------------------------------------------------------------

static void
prepare_write(struct torture *torture)
{
    static unsigned char bytes[6000];

    torture_adopt(torture, true, WEIR_STREAM_INLINE);
    assert_status(weir_token_create(torture->fixture->runtime, (weir_token){0}, &torture->token),
                  0);
    memset(bytes, 1, sizeof(bytes));
    assert_status(weir_chain_append(&torture->chain[0], bytes, sizeof(bytes)), 0);
    memset(bytes, 2, sizeof(bytes));
    torture->shared = weir_shared_create(bytes, sizeof(bytes));
    assert_non_null(torture->shared);
}

static void
finish_write(struct torture *torture)
{
    weir_chain_return(&torture->chain[0]);
    weir_shared_unref(torture->shared);
    assert_status(weir_token_free(torture->token), 0);
}

static void
write_blocks(struct torture *torture, struct torture_stream *slot)
{
    struct weir_write request;
    struct torture_op *op = make_write(torture, slot, 6000, 0, &request);

    op->letter = 1;
    request.chain = &torture->chain[0];
    if ((torture_accepted(op, weir_write(slot->stream, &request, NULL)) < 0) !=
        (torture->chain[0].head != NULL)) {
        torture->bad = 1; // a chain is taken on success and on success only
    }
    op = make_write(torture, slot, 6000, 0, &request);
    op->letter = 2;
    request.shared = torture->shared;
    torture_accepted(op, weir_write(slot->stream, &request, NULL));
}

static void
write_forms(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct weir_write request;
    struct torture_op *op;

    torture->settled = finish_write;
    write_form(torture, slot, 900, 1, WEIR_INLINE_OK, WEIR_SENT);
    write_form(torture, slot, 900, 20, WEIR_INLINE_OK | WEIR_GIVE, WEIR_SENT);
    write_form(torture, slot, 100, 1, 0, WEIR_SENT);
    write_form(torture, slot, 1000, 20, 0, WEIR_SENT);
    write_form(torture, slot, 100, 2, WEIR_COPY, WEIR_SENT);
    write_form(torture, slot, 1000, 2, WEIR_COPY, WEIR_SENT);
    write_form(torture, slot, 9000, 1, WEIR_COPY | WEIR_MORE, WEIR_SENT);
    write_form(torture, slot, 500, 1, WEIR_GIVE | WEIR_SOME, WEIR_SENT);
    write_form(torture, slot, 1000, 20, WEIR_GIVE, WEIR_SENT);
    write_blocks(torture, slot);
    write_form(torture, slot, 300, 1, WEIR_COPY, WEIR_ACCEPTED);
    write_form(torture, slot, 9000, 1, WEIR_COPY, WEIR_ACCEPTED);
    write_form(torture, slot, 300, 1, WEIR_GIVE, WEIR_ACCEPTED);
    write_form(torture, slot, 0, 0, 0, WEIR_SENT);
    op = make_write(torture, slot, 400, 4, &request);
    request.flags = WEIR_TIMED;
    request.token = torture->token;
    request.deadline_ns = weir_deadline_after(MS(60000));
    torture_accepted(op, weir_write(slot->stream, &request, NULL));
    write_form(torture, slot, 50, 1, WEIR_FIN, WEIR_SENT);
}

static void
write_large(struct torture *torture, unsigned flags, enum weir_level level, enum weir_tear tear,
            weir_op *ret_op)
{
    struct weir_write request;
    struct torture_op *op =
        make_write(torture, &torture->streams[0], (size_t)4 * MEMORY_SIZE, 4, &request);

    request.flags = flags;
    request.level = level;
    request.tear = tear;
    op->level = level;
    if (flags & WEIR_GIVE) {
        op->gives = true;
        request.release = torture_release;
        request.release_arg = op;
    }
    torture_accepted(op, weir_write(torture->streams[0].stream, &request, ret_op));
}

static void
prepare_large(struct torture *torture)
{
    torture_adopt(torture, true, WEIR_STREAM_ACKED);
}

// From the program's own memory, where the transport has that.
static void
write_from_memory(struct torture *torture)
{
    bool is_tcp = transport_is_tcp(torture->fixture->transport);
    weir_op op = {0};

    write_large(torture, WEIR_ZEROCOPY, WEIR_SENT, WEIR_TEAR_STOP, NULL);
    write_form(torture, &torture->streams[0], 100, 1, 0, WEIR_SENT);
    write_large(torture, WEIR_ZEROCOPY | WEIR_GIVE, WEIR_SENT, WEIR_TEAR_STOP, NULL);
    write_large(torture, WEIR_ZEROCOPY | WEIR_COPY, WEIR_ACCEPTED, WEIR_TEAR_STOP, NULL);
    write_large(torture, WEIR_ZEROCOPY | WEIR_GIVE, is_tcp ? WEIR_ACKED : WEIR_SENT, WEIR_TEAR_STOP,
                NULL);
    write_large(torture, WEIR_ZEROCOPY, WEIR_SENT, WEIR_TEAR_FINISH, &op);
    if (op.bits != 0) {
        weir_cancel(op);
    }
    write_large(torture, WEIR_ZEROCOPY | WEIR_FIN, WEIR_SENT, WEIR_TEAR_STOP, NULL);
}

static void
write_file(struct torture *torture, uint64_t size, unsigned flags, enum weir_level level)
{
    struct weir_write request;
    struct torture_op *op = make_write(torture, &torture->streams[0], (size_t)size, 0, &request);
    const struct weir_file file = {.fd = torture->fds[1], .offset = 3, .size = size};

    op->letter = 'f';
    op->level = level;
    request.file = &file;
    request.flags = flags;
    request.level = level;
    if (flags & WEIR_GIVE) {
        op->gives = true;
        request.release = torture_release;
        request.release_arg = op;
    }
    torture_accepted(op, weir_write(torture->streams[0].stream, &request, NULL));
}

static void
prepare_file(struct torture *torture)
{
    static unsigned char bytes[100000];

    memset(bytes, 'f', sizeof(bytes));
    torture_adopt(torture, true, WEIR_STREAM_ACKED);
    torture->fds[1] = memfd_create("file", MFD_CLOEXEC);
    fixture_own_fd(torture->fixture, torture->fds[1]);
    assert_int_equal(write(torture->fds[1], bytes, sizeof(bytes)), sizeof(bytes));
}

static void
finish_file(struct torture *torture)
{
    fixture_close_fd(torture->fixture, torture->fds[1]);
}

static void
write_files(struct torture *torture)
{
    bool is_tcp = transport_is_tcp(torture->fixture->transport);

    torture->settled_late = finish_file;
    write_file(torture, 20000, 0, WEIR_SENT);
    write_form(torture, &torture->streams[0], 100, 1, 0, WEIR_SENT);
    write_file(torture, 9000, WEIR_GIVE | WEIR_MORE, is_tcp ? WEIR_ACKED : WEIR_SENT);
    write_file(torture, 0, 0, WEIR_SENT);
    write_file(torture, 70000, WEIR_SOME, WEIR_SENT);
    write_file(torture, 100, WEIR_FIN, WEIR_SENT);
}

// ---- pool memory ------------------------------------------------------------------------------

// What could be made of a block, of copied bytes, and of an iterator at their end.
static void
fill_chain(struct torture *torture, struct weir_chain *chain, const void *bytes)
{
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);
    struct weir_iter end;

    if (block != NULL) {
        memcpy(weir_block_data(block), bytes, 3000);
        if (torture_result(torture, weir_chain_append_block(chain, block, 3000)) < 0) {
            weir_block_return(block);
        }
    }
    torture_result(torture, weir_chain_append(chain, bytes, MEMORY_SIZE));
    if (weir_chain_size(chain) != 0) {
        end = weir_chain_end(chain);
        torture_result(torture, weir_iter_append(&end, bytes, 5000));
    }
}

// All of one letter, so that any order is right. What is refused goes back.
static void
write_chains(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct torture_op *op = torture_op(torture);
    unsigned char *bytes = memory[op - torture->ops];
    struct weir_chain front = {0};
    struct weir_chain chain = {0};

    op->letter = (unsigned char)('0' + (op - torture->ops));
    op->stream = slot;
    memset(bytes, op->letter, MEMORY_SIZE);
    fill_chain(torture, &chain, bytes);
    if (weir_chain_size(&chain) > 3) {
        if (torture_result(torture,
                           weir_chain_split(&chain, weir_chain_size(&chain) / 3, &front)) == 0) {
            weir_chain_splice(&chain, &front);
        }
        torture_result(torture, weir_chain_consume(&chain, weir_chain_size(&chain) / 5));
    }
    op->size = weir_chain_size(&chain);
    torture_accepted(op, weir_write_chain(slot->stream, &chain, torture_done, op));
    weir_chain_return(&chain);
    write_form(torture, slot, 100, 1, WEIR_FIN, WEIR_SENT);
}

static void
write_shared(struct torture *torture)
{
    struct weir_shared *shared = weir_shared_create(NULL, 9000);
    struct torture_stream *slot = &torture->streams[0];

    for (unsigned i = 0; i < 3 && shared != NULL; i++) {
        struct weir_write request;
        struct torture_op *op = make_write(torture, slot, 9000, 0, &request);

        if (i == 0) {
            memset(weir_shared_data(shared), op->letter, 9000);
        }
        op->letter = *(const unsigned char *)weir_shared_data(shared);
        request.shared = i == 1 ? weir_shared_ref(shared) : shared;
        torture_accepted(op, weir_write(slot->stream, &request, NULL));
        weir_shared_unref(i == 1 ? shared : NULL);
    }
    weir_shared_unref(shared);
}

static void
produce_one(struct torture *torture, size_t size, unsigned flags)
{
    struct torture_stream *slot = &torture->streams[0];
    struct weir_write request;
    struct torture_op *op = make_write(torture, slot, size, 0, &request);
    struct weir_iter end;
    int result = torture_result(torture, weir_produce(slot->stream, &end));

    if (result < 0) {
        return;
    }
    request.flags = flags;
    torture_result(
        torture, weir_iter_append(&end, memory[op - torture->ops], size < MEMORY_SIZE ? size : 0));
    torture_accepted(op, weir_commit(slot->stream, end, &request, NULL));
}

static void
prepare_produce(struct torture *torture)
{
    torture_adopt(torture, true, 0);
}

static void
produce(struct torture *torture)
{
    produce_one(torture, 100, 0);
    produce_one(torture, 11000, 0);
    produce_one(torture, 5000, WEIR_MORE);
    produce_one(torture, 0, 0);
    produce_one(torture, 5000, WEIR_FIN);
}

// ---- cancelling, tearing, closing ---------------------------------------------------------------

static void
prepare_three(struct torture *torture)
{
    for (unsigned i = 0; i < 3; i++) {
        torture_adopt(torture, true, 0);
    }
}

static void
cancel_in_each_way(struct torture *torture)
{
    static const enum weir_tear tears[] = {WEIR_TEAR_STOP, WEIR_TEAR_FINISH, WEIR_TEAR_ABORT};
    weir_op ops[3] = {{0}};
    weir_op behind[3] = {{0}};

    for (unsigned i = 0; i < 3; i++) {
        struct torture_stream *slot = &torture->streams[i];
        struct weir_write request;
        struct torture_op *op;

        write_bulk(torture, slot, tears[i], &ops[i]);
        write_bulk(torture, slot, WEIR_TEAR_STOP, NULL);
        op = make_write(torture, slot, 1000, 1, &request);
        torture_accepted(op, weir_write(slot->stream, &request, &behind[i]));
    }
    fixture_settle(torture->fixture); // the peers do not read
    for (unsigned i = 0; i < 3; i++) {
        if (behind[i].bits != 0) {
            weir_cancel(behind[i]);
        }
        if (ops[i].bits != 0) {
            weir_cancel(ops[i]);
        }
    }
    fixture_settle(torture->fixture);
    weir_resume_torn(torture->streams[0].stream);
    write_form(torture, &torture->streams[0], 100, 1, WEIR_COPY, WEIR_SENT);
}

static void
close_in_each_mode(struct torture *torture)
{
    for (unsigned i = 0; i < 3; i++) {
        struct torture_stream *slot = &torture->streams[i];

        write_bulk(torture, slot, WEIR_TEAR_STOP, NULL);
        write_bulk(torture, slot, WEIR_TEAR_STOP, NULL);
        torture_result(torture, weir_close(slot->stream, (enum weir_close_mode)i,
                                           weir_deadline_after(MS(2000)), 7));
    }
}

// ---- reading ----------------------------------------------------------------------------------

static void
send_to(const struct torture_stream *slot, size_t size)
{
    while (size != 0) {
        size_t piece = size < sizeof(memory[0]) ? size : sizeof(memory[0]);
        ssize_t sent = send(slot->peer, memory[0], piece, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent <= 0) {
            return;
        }
        size -= (size_t)sent;
    }
}

static void
prepare_push(struct torture *torture)
{
    torture_adopt(torture, true, 0);
}

static void
read_by_push(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];

    for (unsigned i = 0; i < 6; i++) {
        send_to(slot, i % 2 == 0 ? 600 : 30000);
        torture_settle(torture);
        if (slot->pending != 0) {
            size_t size = slot->pending;

            slot->pending = 0;
            torture_result(torture, weir_consume(slot->stream, size / 2, size));
        }
        if (i == 3) {
            torture_result(torture, weir_pause(slot->stream));
            torture_result(torture, weir_resume(slot->stream));
        }
    }
    torture_result(torture, weir_stop_reading(slot->stream, 0));
    send_to(slot, 5000);
}

static void
prepare_pull(struct torture *torture)
{
    torture_adopt(torture, false, 0);
    send_to(&torture->streams[0], 5000);
}

static void
pull_one(struct torture *torture, struct weir_read request, weir_op *ret_op)
{
    struct torture_op *op = torture_op(torture);

    request.done = torture_read_done;
    request.arg = op;
    torture_accepted(op, weir_read(torture->streams[0].stream, &request, ret_op));
}

static void
pull(struct torture *torture)
{
    weir_op cancelled = {0};

    pull_one(torture, (struct weir_read){.size = 100}, NULL); // cuts a block
    pull_one(torture, (struct weir_read){.buffer = buffers[0], .size = 4000, .size_min = 4000},
             NULL);
    pull_one(torture, (struct weir_read){.buffer = buffers[1], .size = 0}, NULL);
    pull_one(torture, (struct weir_read){.size = 0}, NULL);
    pull_one(torture, (struct weir_read){.deadline_ns = weir_deadline_after(MS(60000))}, NULL);
    pull_one(torture, (struct weir_read){.buffer = buffers[2], .size = 4096, .size_min = 4096},
             &cancelled);
    pull_one(torture, (struct weir_read){.buffer = buffers[3], .size = 10}, NULL);
    if (torture->fixture->manual && torture->scenario->place == TORTURE_MAIN) {
        fixture_settle(torture->fixture);
        send_to(&torture->streams[0], 9000);
        fixture_settle(torture->fixture);
        send_to(&torture->streams[0], 1000); // some of it waits in the last but one
        fixture_settle(torture->fixture);
    }
    if (cancelled.bits != 0) {
        weir_cancel(cancelled);
    }
}

static void
provide(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];

    for (unsigned i = 0; i < 3; i++) {
        slot->provided +=
            torture_result(torture, weir_provide(slot->stream, buffers[i], 2000)) == 0;
    }
}

// A stream that rests while much waits to be sent on it, and reads on when that has left.
static void
prepare_rest(struct torture *torture)
{
    torture_adopt(torture, true, WEIR_STREAM_REST);
    send_to(&torture->streams[0], 30000);
}

static void
rest(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];

    write_bulk(torture, slot, WEIR_TEAR_STOP, NULL);
    send_to(slot, 30000);
    if (torture->scenario->place == TORTURE_LOOP) {
        torture_result(torture, weir_stream_set_user(slot->stream, slot));
    } else {
        fixture_settle(torture->fixture);
    }
    write_form(torture, slot, 700, 1, WEIR_COPY, WEIR_SENT);
    torture_result(torture, weir_stop_reading(slot->stream, 0));
}

// ---- sight ------------------------------------------------------------------------------------

static void
ignore_line(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

static void
tell_addresses(struct torture *torture, weir_stream stream)
{
    struct weir_address address;
    socklen_t size = sizeof(address.as);

    torture_result(torture, weir_stream_peer_address(stream, &address.as.any, &size));
    size = sizeof(address.as);
    torture_result(torture, weir_stream_local_address(stream, &address.as.any, &size));
}

// Looking at what lives must be possible whatever has failed, and changes nothing.
static void
look_at_all(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct fixture *fixture = torture->fixture;
    struct weir_stats stats;
    struct weir_latency latency;
    char text[300];

    write_bulk(torture, slot, WEIR_TEAR_STOP, NULL);
    write_form(torture, slot, 700, 1, WEIR_TIMED, WEIR_SENT);
    torture_result(torture, (int)weir_stats_prometheus(fixture->runtime, text, sizeof(text)));
    torture_result(torture, weir_stats(fixture->runtime, &stats));
    torture_result(torture, weir_loop_stats(fixture->loop, &stats));
    torture_result(torture, weir_latency(fixture->runtime, &latency));
    torture_result(torture, weir_loop_latency(fixture->loop, &latency));
    torture_result(torture, weir_stream_status(slot->stream));
    if (torture->scenario->place == TORTURE_LOOP) {
        tell_addresses(torture, slot->stream);
        torture_result(torture, weir_dump(fixture->loop, ignore_line, NULL));
    }
}

static void
end_dumps(struct torture *torture)
{
    if (torture->watch[0].bits != 0) {
        weir_watch_stop(torture->watch[0]);
    }
}

// Its end is told to nobody.
static void
dump_by_signal(struct torture *torture)
{
    torture->settled = end_dumps;
    if (torture_result(torture, weir_dump_on_signal(torture->fixture->runtime, SIGUSR1, ignore_line,
                                                    NULL, &torture->watch[0])) == 0) {
        kill(getpid(), SIGUSR1);
    }
}

// ---- waiting ----------------------------------------------------------------------------------

static void
prepare_wait(struct torture *torture)
{
    torture_adopt(torture, false, 0);
    send_to(&torture->streams[0], 3000);
    torture->fds[0] = transport_listen(torture->fixture, 0, &torture->address);
}

// Of an operation, and of a stream.
static void
wait_for_ends(struct torture *torture)
{
    weir_stream stream = torture->streams[0].stream;
    struct torture_op *op = torture_op(torture);
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(MS(1)), .fn = torture_timer_done, .arg = op};
    weir_op handle = {0};

    torture_accepted(op, weir_timer_start(torture->fixture->loop, &timer, &handle));
    torture_result(torture, weir_op_wait(handle, weir_deadline_after(MS(100))));
    torture_result(torture, weir_close(stream, WEIR_CLOSE_ABORT, 0, 0));
    torture_result(torture, weir_closed_wait(stream, weir_deadline_after(MS(100))));
}

static void
wait_for_each(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct torture_stream *dialled = torture_stream(torture);
    struct iovec piece = {memory[0], 3000};
    struct weir_write write = {.iov = &piece,
                               .iov_count = 1,
                               .flags = WEIR_COPY,
                               .deadline_ns = weir_deadline_after(MS(100))};
    struct weir_dial request = {.address = torture->address,
                                .stream = torture_options(dialled, false)};
    struct weir_read read = {.size = 500, .deadline_ns = weir_deadline_after(MS(100))};
    struct weir_read_result got;
    struct weir_result result = {0};
    weir_stream stream = {0};

    slot->unchecked = true; // its bytes carry no letter
    torture_result(torture, weir_write_wait(slot->stream, &write, &result));
    if (torture_result(torture, weir_read_wait(slot->stream, &read, &got)) == 0) {
        weir_chain_return(&got.chain);
    }
    dialled->unchecked = true;
    if (torture_result(torture, weir_dial_wait(torture->fixture->loop, &request, &stream)) == 0) {
        dialled->stream = stream;
        dialled->opened = true;
    } else { // it may have opened and closed meanwhile: no stream is left
        dialled->lazy = true;
        dialled->gone = true;
    }
    wait_for_ends(torture);
}

// ---- tokens, timers, posts ----------------------------------------------------------------------

static void
fire_tokens(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct weir_runtime *runtime = torture->fixture->runtime;
    weir_token parent = {0};
    weir_token child = {0};
    struct weir_write request;
    struct torture_op *op;

    if (torture_result(torture, weir_token_create(runtime, parent, &parent)) < 0) {
        return;
    }
    if (torture_result(torture, weir_token_create(runtime, parent, &child)) == 0) {
        torture_result(torture, weir_token_bind(child, torture->streams[1].stream));
        op = make_write(torture, slot, 1000, 1, &request);
        request.token = child;
        torture_accepted(op, weir_write(slot->stream, &request, NULL));
        op = torture_op(torture);
        torture_accepted(
            op, weir_timer_start(torture->fixture->loop,
                                 &(struct weir_timer){.deadline_ns = weir_deadline_after(MS(60000)),
                                                      .fn = torture_timer_done,
                                                      .arg = op,
                                                      .token = child},
                                 NULL));
        if (torture->scenario->place == TORTURE_MAIN) {
            fixture_settle(torture->fixture);
        }
    }
    if (weir_token_fire(parent, 0, 3) != 0 || weir_token_free(parent) != 0 ||
        (child.bits != 0 && weir_token_free(child) != 0)) {
        torture->bad = 2; // firing and freeing cannot fail
    }
}

static void
post_and_time(struct torture *torture)
{
    struct weir_loop *loop = torture->fixture->loop;
    weir_op never = {0};

    for (unsigned i = 0; i < 6; i++) {
        struct torture_op *op = torture_op(torture);
        struct weir_timer timer = {.deadline_ns = i == 5 ? WEIR_NEVER : weir_now_ns() + MS(i),
                                   .fn = torture_timer_done,
                                   .arg = op};

        if (i % 2 == 0) {
            torture_accepted(op, weir_post(loop, torture_posted, op));
        } else {
            torture_accepted(op, weir_timer_start(loop, &timer, i == 5 ? &never : NULL));
        }
    }
    if (never.bits != 0) {
        weir_cancel(never);
    }
    if (torture->scenario->place != TORTURE_LOOP) {
        struct torture_op *op = torture_op(torture);
        int result = weir_lane_notify(loop, torture_posted, op);

        torture_accepted(op, result == -EINVAL ? -ENOMEM : result); // no lane was to be had
    }
}

// ---- watching ---------------------------------------------------------------------------------

static void
on_watch(weir_watch watch, unsigned events, void *arg)
{
    struct torture *torture = arg;
    char byte;

    (void)watch;
    if (events == 0) {
        torture->watches_closed++;
    } else if (read(torture->fds[0], &byte, 1) < 0) {
        torture->bad = 3;
    }
}

static void
on_signal(weir_watch watch, int number, void *arg)
{
    struct torture *torture = arg;

    (void)watch;
    torture->watches_closed += number == 0;
}

static void
prepare_watch(struct torture *torture)
{
    assert_int_equal(pipe2(torture->fds, O_CLOEXEC | O_NONBLOCK), 0);
    fixture_own_fd(torture->fixture, torture->fds[0]);
    fixture_own_fd(torture->fixture, torture->fds[1]);
}

static void
finish_watch(struct torture *torture)
{
    fixture_close_fd(torture->fixture, torture->fds[0]);
    fixture_close_fd(torture->fixture, torture->fds[1]);
}

static void
watch(struct torture *torture)
{
    static const int signals[] = {SIGUSR2};
    struct weir_loop *loop = torture->fixture->loop;

    torture->settled_late = finish_watch;
    if (torture_result(torture, weir_watch_start(loop, torture->fds[0], WEIR_WATCH_IN, on_watch,
                                                 torture, &torture->watch[0])) == 0) {
        torture->watches++;
        if (write(torture->fds[1], "x", 1) != 1) {
            torture->bad = 4;
        }
    }
    if (torture_result(torture, weir_signal_start(loop, signals, 1, on_signal, torture,
                                                  &torture->watch[torture->watches])) == 0) {
        torture->watches++;
        kill(getpid(), SIGUSR2);
    }
}

// ---- half-close in band -----------------------------------------------------------------------

// The peer has said a frame, its end and its close.
static void
prepare_inband(struct torture *torture)
{
    static const unsigned char said[] = {5,    0,    0,    0,    'h',  'e',  'l',  'l', 'o',
                                         0xad, 0xde, 0xef, 0xbe, 0xad, 0xde, 0xad, 0xde};
    struct torture_stream *slot = torture_adopt(torture, false, 0);

    slot->unchecked = true; // its bytes are frames
    assert_true(send(slot->peer, said, sizeof(said), MSG_NOSIGNAL) == sizeof(said));
}

static void
say_inband(struct torture *torture, struct weir_inband *flow, unsigned flags, size_t size)
{
    struct weir_write request;
    struct torture_op *op = make_write(torture, &torture->streams[0], size, 3, &request);

    request.flags = flags;
    if (flags & WEIR_GIVE) {
        op->gives = true;
        request.release = torture_release;
        request.release_arg = op;
    }
    torture_accepted(op, weir_inband_write(flow, &request, NULL));
}

static void
half_close_in_band(struct torture *torture)
{
    struct torture_stream *slot = &torture->streams[0];
    struct weir_stream_options options = torture_options(slot, false);
    struct weir_inband_options layer = {.handlers = options.handlers, .user = slot};
    struct weir_read request = {.done = torture_read_done};
    struct weir_inband *flow;

    if (torture_result(torture, weir_inband_open(slot->stream, &layer, &flow)) < 0) {
        return;
    }
    say_inband(torture, flow, WEIR_COPY, 300);
    say_inband(torture, flow, WEIR_GIVE, 9000);
    for (unsigned i = 0; i < 2; i++) {
        struct torture_op *op = torture_op(torture);

        request.arg = op;
        request.deadline_ns = weir_deadline_after(MS(60000));
        torture_accepted(op, weir_inband_read(flow, &request));
    }
    torture_result(torture, weir_inband_pause(flow));
    torture_result(torture, weir_inband_resume(flow));
    say_inband(torture, flow, WEIR_FIN, 5000);
    torture_result(torture,
                   weir_inband_close(flow, WEIR_CLOSE_DRAIN, weir_deadline_after(MS(2000)), 0));
    weir_inband_unref(flow);
}

// ---- pumping ----------------------------------------------------------------------------------

#define PUMPED_SIZE 250000u

static void
prepare_pump(struct torture *torture)
{
    static unsigned char bytes[PUMPED_SIZE];

    memset(bytes, 'p', sizeof(bytes));
    for (unsigned i = 0; i < 2; i++) {
        torture_adopt(torture, false, 0)->unchecked = true; // what crosses is not ours
    }
    // Enough at once that it is worth a pipe.
    assert_true(send(torture->streams[0].peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
    assert_true(send(torture->streams[1].peer, bytes, 100, MSG_NOSIGNAL) == 100);
}

static void
on_pumped(const struct weir_pump_stats *stats, void *arg)
{
    struct torture_op *op = arg;

    if (stats->a_to_b.sent > stats->a_to_b.bytes || stats->b_to_a.sent > stats->b_to_a.bytes) {
        op->torture->bad = 5;
    }
    torture_timer_done(NULL, stats->status, arg);
}

// Nothing but the bytes that came in goes out.
static void
check_pumped(struct torture *torture)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct torture_stream *slot = &torture->streams[i];

        for (uint64_t at = 0; at < slot->peer_size; at++) {
            if (slot->peer_bytes[at] != 'p') {
                torture_fail(torture, "not a byte that was pumped, at", (long)at);
            }
        }
        if (slot->peer_size > PUMPED_SIZE) {
            torture_fail(torture, "more bytes than there were", (long)slot->peer_size);
        }
    }
}

static void
pump(struct torture *torture)
{
    struct torture_op *op = torture_op(torture);
    struct weir_pump request = {
        .a = torture->streams[0].stream,
        .b = torture->streams[1].stream,
        .idle_ns = MS(20000),
        .done = on_pumped,
        .arg = op,
    };

    torture->settled_late = check_pumped;
    torture_accepted(op, weir_pump_start(&request, NULL));
}

// ---- all of them ------------------------------------------------------------------------------

const struct scenario scenarios[] = {
    {.name = "live by hand", .bare = true, .act = live_by_hand},
    {.name = "live with threads", .bare = true, .act = live_with_threads},
    {.name = "live, watched", .bare = true, .act = live_watched},
    {.name = "listen", .prepare = prepare_listen, .act = listen_once},
    {.name = "listen by adoption", .prepare = prepare_listening, .act = listen_by_adoption},
    {.name = "listen for questions", .prepare = prepare_listen, .act = listen_for_questions},
    {.name = "listen, two loops",
     .loops = 2,
     .prepare = prepare_listen,
     .act = listen_for_two_loops},
    {.name = "listen, every loop",
     .loops = 2,
     .prepare = prepare_listen,
     .act = listen_on_every_loop},
    {.name = "dial", .prepare = prepare_dial, .act = dial},
    {.name = "dial on the loop", .place = TORTURE_LOOP, .prepare = prepare_dial, .act = dial},
    {.name = "dial and ask", .prepare = prepare_dial, .act = dial_and_ask},
    {.name = "dial lazily", .prepare = prepare_dial, .act = dial_lazily},
    {.name = "adopt", .prepare = prepare_adopt, .act = adopt},
    {.name = "adopt on the loop", .place = TORTURE_LOOP, .prepare = prepare_adopt, .act = adopt},
    {.name = "write", .prepare = prepare_write, .act = write_forms},
    {.name = "write, fresh thread",
     .place = TORTURE_FRESH,
     .prepare = prepare_write,
     .act = write_forms},
    {.name = "write on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_write,
     .act = write_forms},
    {.name = "write from memory", .prepare = prepare_large, .act = write_from_memory},
    {.name = "write from memory on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_large,
     .act = write_from_memory},
    {.name = "write files", .prepare = prepare_file, .act = write_files},
    {.name = "write files on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_file,
     .act = write_files},
    {.name = "write chains", .prepare = prepare_produce, .act = write_chains},
    {.name = "write chains, fresh thread",
     .place = TORTURE_FRESH,
     .prepare = prepare_produce,
     .act = write_chains},
    {.name = "write chains on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_produce,
     .act = write_chains},
    {.name = "share", .prepare = prepare_produce, .act = write_shared},
    {.name = "produce", .place = TORTURE_FRESH, .prepare = prepare_produce, .act = produce},
    {.name = "produce on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_produce,
     .act = produce},
    {.name = "cancel", .prepare = prepare_three, .act = cancel_in_each_way},
    {.name = "close", .prepare = prepare_three, .act = close_in_each_mode},
    {.name = "close on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_three,
     .act = close_in_each_mode},
    {.name = "push", .prepare = prepare_push, .act = read_by_push},
    {.name = "pull", .prepare = prepare_pull, .act = pull},
    {.name = "pull, fresh thread", .place = TORTURE_FRESH, .prepare = prepare_pull, .act = pull},
    {.name = "pull on the loop", .place = TORTURE_LOOP, .prepare = prepare_pull, .act = pull},
    {.name = "half-close in band",
     .place = TORTURE_LOOP,
     .prepare = prepare_inband,
     .act = half_close_in_band},
    {.name = "provide", .place = TORTURE_LOOP, .prepare = prepare_pull, .act = provide},
    {.name = "rest", .prepare = prepare_rest, .act = rest},
    {.name = "rest on the loop", .place = TORTURE_LOOP, .prepare = prepare_rest, .act = rest},
    {.name = "pump", .place = TORTURE_LOOP, .prepare = prepare_pump, .act = pump},
    {.name = "look", .prepare = prepare_produce, .act = look_at_all},
    {.name = "look on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_produce,
     .act = look_at_all},
    {.name = "dump by signal", .loops = 2, .act = dump_by_signal},
    {.name = "wait", .threads = true, .prepare = prepare_wait, .act = wait_for_each},
    {.name = "tokens", .prepare = prepare_three, .act = fire_tokens},
    {.name = "tokens on the loop",
     .place = TORTURE_LOOP,
     .prepare = prepare_three,
     .act = fire_tokens},
    {.name = "posts and timers", .act = post_and_time},
    {.name = "posts and timers, fresh thread", .place = TORTURE_FRESH, .act = post_and_time},
    {.name = "posts and timers on the loop", .place = TORTURE_LOOP, .act = post_and_time},
    {.name = "watch", .prepare = prepare_watch, .act = watch},
    {.name = "watch on the loop", .place = TORTURE_LOOP, .prepare = prepare_watch, .act = watch},
};
const unsigned scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
