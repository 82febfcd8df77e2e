// SPDX-License-Identifier: MIT
#include "tests/lib/torture.h"

#include "tests/lib/scenario.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HANG_SECONDS = 10 };

static const char *now_running = "";
static const char *now_scenario = "";

static void
print_all(struct torture *torture)
{
    for (unsigned i = 0; i < torture->op_count; i++) {
        const struct torture_op *op = &torture->ops[i];

        print_error("  operation %u, line %d%s%s: %u times, status %d, origin %d, %llu of %llu\n",
                    i, op->line, op->accepted ? ", accepted" : "", op->inlined ? ", inline" : "",
                    op->completions, op->status, (int)op->origin, (unsigned long long)op->sent,
                    (unsigned long long)op->size);
    }
    print_error("  listeners: %u, closed %u; watches: %u, closed %u\n", torture->listeners,
                torture->listeners_closed, torture->watches, torture->watches_closed);
    for (unsigned i = 0; i < torture->stream_count; i++) {
        const struct torture_stream *slot = &torture->streams[i];

        print_error(
            "  stream %u: opened %d, started %u (%d), closed %u: %d, origin %d, lost %llu, "
            "sent %llu; the peer has %llu\n",
            i, slot->opened, slot->started, slot->start_status, slot->closed, slot->close.status,
            (int)slot->close.origin, (unsigned long long)slot->close.bytes_lost,
            (unsigned long long)slot->close.bytes_sent, (unsigned long long)slot->peer_size);
    }
}

void
torture_fail_at(struct torture *torture, int line, const char *text, long value)
{
    torture->seam->end(torture->seam->arg);
    print_error("%s\nscenario %s, line %d: %s (%ld: %s)\n", now_running, torture->scenario->name,
                line, text, value, value < 0 ? strerror((int)-value) : "");
    print_all(torture);
    _fail(torture->scenario->name, line);
}

static void
await_at(struct torture *torture, int line, predicate_fn *predicate, void *arg, const char *text)
{
    uint64_t deadline = test_deadline();

    while (!predicate(arg)) {
        if (test_now_ns() > deadline) {
            torture_fail_at(torture, line, text, 0);
        }
        fixture_breathe(torture->fixture);
    }
}

#define torture_await(torture, predicate, arg) \
    await_at(torture, __LINE__, predicate, arg, "did not come: " #predicate)

// ---- operations -------------------------------------------------------------------------------

static void
lock(struct torture *torture)
{
    pthread_mutex_lock(&torture->fixture->lock);
}

static void
unlock(struct torture *torture)
{
    pthread_cond_broadcast(&torture->fixture->changed);
    pthread_mutex_unlock(&torture->fixture->lock);
}

struct torture_op *
torture_op(struct torture *torture)
{
    struct torture_op *op;

    lock(torture);
    if (torture->op_count == TORTURE_OPS) {
        abort();
    }
    op = &torture->ops[torture->op_count++];
    op->torture = torture;
    unlock(torture);
    return op;
}

void
torture_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct torture_op *op = arg;

    (void)stream;
    callback_begin(op->torture->fixture);
    lock(op->torture);
    op->completions++;
    op->place = ++op->torture->completed;
    op->status = result->status;
    op->origin = result->origin;
    op->sent = op->level == WEIR_ACCEPTED && result->status == 0 ? op->size : result->sent;
    unlock(op->torture);
    callback_end();
}

void
torture_read_done(weir_stream stream, struct weir_read_result *result, void *arg)
{
    struct torture_op *op = arg;

    (void)stream;
    callback_begin(op->torture->fixture);
    weir_chain_return(&result->chain);
    lock(op->torture);
    op->completions++;
    op->status = result->status;
    op->origin = result->origin;
    unlock(op->torture);
    callback_end();
}

void
torture_timer_done(struct weir_loop *loop, int status, void *arg)
{
    struct torture_op *op = arg;

    (void)loop;
    callback_begin(op->torture->fixture);
    lock(op->torture);
    op->completions++;
    op->status = status;
    op->origin = status < 0 ? WEIR_ORIGIN_LOCAL_CANCEL : WEIR_ORIGIN_NONE;
    unlock(op->torture);
    callback_end();
}

void
torture_posted(struct weir_loop *loop, void *arg)
{
    torture_timer_done(loop, 0, arg);
}

void
torture_release(void *arg)
{
    struct torture_op *op = arg;

    lock(op->torture);
    op->releases++;
    unlock(op->torture);
}

// A result that a call may have while things fail.
int
torture_result_at(struct torture *torture, int line, int result)
{
    if (result < 0 && result != torture->seam->status && result != torture->seam->status_also &&
        result != -WEIR_ESTALE && result != -WEIR_EENDED && result != -ECONNABORTED &&
        result != -ENOMEM && result != -EPIPE && result != -ECONNRESET && result != -ETIMEDOUT) {
        torture->bad = result; // told by the test's thread
        torture->bad_line = line;
    }
    return result;
}

int
torture_accepted_at(struct torture_op *op, int line, int result)
{
    torture_result_at(op->torture, line, result);
    lock(op->torture);
    op->line = line;
    op->accepted = result == 0;
    op->inlined = result == 1;
    unlock(op->torture);
    return result;
}

// ---- streams ----------------------------------------------------------------------------------

static struct torture_stream *
stream_of(void *user)
{
    return user;
}

static void
on_started(weir_stream stream, int status, void *user)
{
    (void)stream;
    callback_begin(stream_of(user)->torture->fixture);
    lock(stream_of(user)->torture);
    stream_of(user)->started++;
    stream_of(user)->start_status = status;
    unlock(stream_of(user)->torture);
    callback_end();
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    (void)stream;
    (void)graceful;
    stream_of(user)->send_closed++;
}

static void
on_filled(weir_stream stream, void *buffer, size_t size, void *user)
{
    (void)stream;
    (void)buffer;
    (void)size;
    lock(stream_of(user)->torture);
    stream_of(user)->filled++;
    unlock(stream_of(user)->torture);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct torture_stream *slot = user;

    (void)stream;
    callback_begin(slot->torture->fixture);
    lock(slot->torture);
    slot->close = *closed;
    slot->closed++;
    unlock(slot->torture);
    callback_end();
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct torture_stream *slot = user;
    struct weir_consumed answer = {WEIR_CONSUME_PENDING, 0};
    struct weir_chain taken = {0};
    size_t size = 0;

    callback_begin(slot->torture->fixture);
    weir_iter_length(begin, end, &size);
    slot->shows++;
    switch (slot->shows % 4) {
    case 1: // a part of it, out of the middle of a block
        if (size > 3 && torture_result(slot->torture, weir_take(stream, size / 3, &taken)) == 0) {
            weir_chain_return(&taken);
            size -= size / 3;
        }
        answer = (struct weir_consumed){size / 2, size};
        break;
    case 2: // later
        slot->pending = size;
        break;
    case 3:
        answer = (struct weir_consumed){size / 2, size / 2};
        break;
    default:
        answer = (struct weir_consumed){size, size};
        break;
    }
    callback_end();
    return answer;
}

static const struct weir_handlers push_handlers = {
    .started = on_started,
    .data = on_data,
    .send_closed = on_send_closed,
    .closed = on_closed,
};

static const struct weir_handlers pull_handlers = {
    .started = on_started,
    .filled = on_filled,
    .send_closed = on_send_closed,
    .closed = on_closed,
};

struct torture_stream *
torture_stream(struct torture *torture)
{
    struct torture_stream *slot;

    lock(torture);
    if (torture->stream_count == TORTURE_STREAMS) {
        abort();
    }
    slot = &torture->streams[torture->stream_count++];
    *slot = (struct torture_stream){.torture = torture, .peer = -1};
    unlock(torture);
    return slot;
}

struct weir_stream_options
torture_options(struct torture_stream *slot, bool push)
{
    return (struct weir_stream_options){
        .handlers = push ? &push_handlers : &pull_handlers,
        .user = slot,
    };
}

// A connection to fd, made without the library: what weir adopts, and the peer.
int
torture_socket(struct torture *torture, struct torture_stream *slot)
{
    struct fixture *fixture = torture->fixture;
    struct weir_address address;
    int listener = transport_listen(fixture, 0, &address);
    int fd = transport_connect(fixture, &address, 0);
    int accepted = -1;

    while (accepted < 0) {
        struct pollfd ready = {.fd = listener, .events = POLLIN};

        poll(&ready, 1, 1000);
        accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    slot->peer = fixture_own_fd(fixture, accepted);
    fixture_close_fd(fixture, listener);
    return fd;
}

void
torture_disown(struct torture *torture, int fd)
{
    struct fixture *fixture = torture->fixture;

    for (unsigned i = 0; i < fixture->fd_count; i++) {
        if (fixture->fds[i] == fd) {
            fixture->fds[i] = fixture->fds[--fixture->fd_count];
            return;
        }
    }
}

static bool
is_started(void *arg)
{
    struct torture_stream *slot = arg;
    bool started;

    lock(slot->torture);
    started = slot->started != 0;
    unlock(slot->torture);
    return started;
}

struct torture_stream *
torture_adopt(struct torture *torture, bool push, unsigned flags)
{
    struct torture_stream *slot = torture_stream(torture);
    struct weir_stream_options options = torture_options(slot, push);
    int fd = torture_socket(torture, slot);

    options.flags = flags;
    assert_status(weir_adopt(torture->fixture->loop, fd, &options, &slot->stream), 0);
    slot->opened = true;
    torture_disown(torture, fd);
    torture_await(torture, is_started, slot);
    return slot;
}

// ---- one run ----------------------------------------------------------------------------------

static void
run_act(void *arg)
{
    struct torture *torture = arg;

    torture->scenario->act(torture);
}

static void
run_act_on_loop(struct weir_loop *loop, void *arg)
{
    struct torture *torture = arg;

    (void)loop;
    callback_begin(torture->fixture);
    torture->scenario->act(torture);
    callback_end();
    lock(torture);
    torture->acted = true;
    unlock(torture);
}

static bool
has_acted(void *arg)
{
    struct torture *torture = arg;
    bool acted;

    lock(torture);
    acted = torture->acted;
    unlock(torture);
    return acted;
}

static void
act(struct torture *torture)
{
    const struct scenario *scenario = torture->scenario;
    struct fixture *fixture = torture->fixture;

    if (scenario->place == TORTURE_LOOP) {
        assert_status(weir_post(fixture->loop, run_act_on_loop, torture), 0);
        torture->seam->begin(torture->seam->arg);
        torture_await(torture, has_acted, torture);
    } else {
        torture->seam->begin(torture->seam->arg);
        if (scenario->place == TORTURE_FRESH) {
            thread_join(fixture, thread_start(fixture, run_act, torture));
        } else {
            run_act(torture);
        }
    }
}

// The peer reads all that has come. False: there will be no more.
static bool
peer_take(struct torture_stream *slot)
{
    unsigned char block[4096];
    ssize_t size = 0;

    while (slot->peer >= 0 && (size = recv(slot->peer, block, sizeof(block), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (slot->peer_size < TORTURE_PEER_MAX) {
                slot->peer_bytes[slot->peer_size] = block[i];
            }
            slot->peer_size++;
        }
    }
    return slot->peer >= 0 && size < 0 && errno == EAGAIN;
}

// The stream has closed: to the end, which must come.
static void
peer_take_all(struct torture_stream *slot)
{
    uint64_t deadline = test_deadline();

    while (slot->opened && peer_take(slot)) {
        struct pollfd ready = {.fd = slot->peer, .events = POLLIN};

        if (test_now_ns() > deadline) {
            torture_fail(slot->torture, "the peer's end did not come", (long)slot->peer_size);
        }
        poll(&ready, 1, 100);
    }
}

void
torture_settle(struct torture *torture)
{
    struct fixture *fixture = torture->fixture;

    for (unsigned i = 0; i < 2; i++) {
        if (fixture->manual) {
            fixture_settle(fixture);
        }
        for (unsigned s = 0; s < torture->stream_count; s++) {
            peer_take(&torture->streams[s]);
        }
    }
}

// Tell a stream to end, once; its peer ends first.
static void
tell_end(struct torture_stream *slot)
{
    int result;

    if (slot->told) {
        return;
    }
    slot->told = true;
    if (slot->peer >= 0) {
        shutdown(slot->peer, SHUT_WR);
    }
    result = weir_close(slot->stream, WEIR_CLOSE_DRAIN, weir_now_ns() + MS(50), 0);
    if (result != 0 && result != -WEIR_ESTALE) {
        torture_fail(slot->torture, "weir_close()", result);
    }
    if (slot->pending != 0) {
        weir_consume(slot->stream, slot->pending, slot->pending);
    }
}

// A listener that ends may still bring streams.
static bool
all_closed(void *arg)
{
    struct torture *torture = arg;
    bool closed = true;
    bool opened;

    for (unsigned i = 0; i < torture->stream_count; i++) {
        struct torture_stream *slot = &torture->streams[i];

        peer_take(slot);
        lock(torture);
        opened = slot->opened && !slot->gone;
        closed = closed && (!opened || slot->closed != 0);
        unlock(torture);
        if (opened) {
            tell_end(slot);
        } else if (slot->peer >= 0) {
            shutdown(slot->peer, SHUT_WR);
        }
    }
    lock(torture);
    closed = closed && torture->listeners_closed >= torture->listeners &&
             torture->watches_closed >= torture->watches;
    unlock(torture);
    return closed;
}

// Every stream, listener and watch that is there ends.
static void
close_all(struct torture *torture)
{
    for (unsigned i = 0; i < torture->listeners; i++) {
        weir_listener_close(torture->listener[i]);
    }
    for (unsigned i = 0; i < torture->watches; i++) {
        weir_watch_stop(torture->watch[i]);
    }
    torture_await(torture, all_closed, torture);
    for (unsigned i = 0; i < torture->stream_count; i++) {
        peer_take_all(&torture->streams[i]);
    }
}

static bool
all_done(void *arg)
{
    struct torture *torture = arg;
    bool done = true;

    lock(torture);
    for (unsigned i = 0; i < torture->op_count; i++) {
        done = done && (!torture->ops[i].accepted || torture->ops[i].completions != 0);
    }
    unlock(torture);
    return done;
}

// ---- what must hold ---------------------------------------------------------------------------

static void
check_op(struct torture *torture, const struct torture_op *op)
{
    char text[160];

    snprintf(text, sizeof(text),
             "operation %td of line %d: accepted %d, inline %d, completions %u, releases %u, "
             "status %d, origin %d",
             op - torture->ops, op->line, op->accepted, op->inlined, op->completions, op->releases,
             op->status, (int)op->origin);
    if (op->completions != (op->accepted ? 1 : 0) ||
        (op->gives && op->releases != (op->accepted || op->inlined ? 1 : 0)) ||
        (op->status < 0) != (op->origin != WEIR_ORIGIN_NONE)) {
        torture_fail(torture, text, op->status);
    }
}

// The peer has a run of each operation's letter, as long as was reported sent, in their order; of a
// stream that failed perhaps less.
static void
check_bytes(struct torture *torture, const struct torture_stream *slot)
{
    uint64_t total = 0;

    if (torture->seam->deceives || slot->unchecked || slot->peer < 0 ||
        slot->peer_size > TORTURE_PEER_MAX) {
        return;
    }
    for (unsigned i = 0; i < torture->op_count; i++) {
        const struct torture_op *op = &torture->ops[i];
        uint64_t sent = op->inlined ? op->size : op->sent;

        if (op->stream != slot) {
            continue;
        }
        for (uint64_t at = total; at < total + sent && at < slot->peer_size; at++) {
            if (slot->peer_bytes[at] != op->letter) {
                torture_fail(torture, "a wrong byte came to the peer", (long)at);
            }
        }
        total += sent;
    }
    if (slot->peer_size > total || (slot->close.status == 0 && slot->peer_size != total)) {
        torture_fail(torture, "the peer has not what was reported sent",
                     (long)slot->peer_size - (long)total);
    }
}

// Completions of one level that went well came in the order of their bytes.
static void
check_order(struct torture *torture, const struct torture_stream *slot)
{
    unsigned last[3] = {0};

    for (unsigned i = 0; i < torture->op_count; i++) {
        const struct torture_op *op = &torture->ops[i];

        if (op->stream == slot && op->completions != 0 && op->status == 0) {
            if (op->place < last[op->level]) {
                torture_fail(torture, "completions of one level are out of order", (long)i);
            }
            last[op->level] = op->place;
        }
    }
}

static void
check_stream(struct torture *torture, const struct torture_stream *slot)
{
    if (slot->gone && slot->closed <= 1) {
        return;
    }
    if (slot->closed != (slot->opened ? 1 : 0)) {
        torture_fail(torture, "`closed` not exactly once", slot->closed);
    }
    if (slot->started > 1 || (slot->opened && !slot->lazy && slot->started != 1)) {
        torture_fail(torture, "`started` not exactly once", slot->started);
    }
    if (slot->opened && (slot->close.status < 0) != (slot->close.origin != WEIR_ORIGIN_NONE)) {
        torture_fail(torture, "a status without an origin", slot->close.status);
    }
    if (slot->provided != slot->filled) {
        torture_fail(torture, "a provided buffer did not come back once", slot->filled);
    }
    check_bytes(torture, slot);
    check_order(torture, slot);
}

static void
check_all(struct torture *torture)
{
    if (torture->bad != 0) {
        torture_fail_at(torture, torture->bad_line, "an unexpected result", torture->bad);
    }
    for (unsigned i = 0; i < torture->op_count; i++) {
        check_op(torture, &torture->ops[i]);
    }
    for (unsigned i = 0; i < torture->stream_count; i++) {
        check_stream(torture, &torture->streams[i]);
    }
    if (torture->listeners_closed != torture->listeners ||
        torture->watches_closed != torture->watches) {
        torture_fail(torture, "a listener's or watch's end not exactly once",
                     torture->listeners_closed);
    }
}

// The runtime still works: a stream is adopted, a write goes and arrives.
static void
probe(struct torture *torture)
{
    struct fixture *fixture = torture->fixture;
    unsigned streams = torture->stream_count;
    struct torture_stream *slot = torture_adopt(torture, false, 0);
    struct torture_op *op = torture_op(torture);
    static char text[] = "probe";
    struct iovec piece = {text, sizeof(text)};
    struct weir_write request = {.iov = &piece, .iov_count = 1, .done = torture_done, .arg = op};
    char got[sizeof(text)];

    assert_int_equal(torture->stream_count, streams + 1);
    torture_accepted(op, weir_write(slot->stream, &request, NULL));
    torture_await(torture, all_done, torture);
    peer_read_exact(fixture, slot->peer, got, sizeof(got));
    assert_string_equal(got, text);
    assert_status(op->status, 0);
    fixture_close_fd(fixture, slot->peer);
    slot->peer = -1;
    assert_status(weir_close(slot->stream, WEIR_CLOSE_DRAIN, 0, 0), 0);
    torture_await(torture, all_closed, torture);
}

static void
run_in_runtime(struct torture *torture)
{
    const struct scenario *scenario = torture->scenario;
    struct fixture *fixture = torture->fixture;

    if (scenario->prepare != NULL) {
        scenario->prepare(torture);
    }
    act(torture);
    torture_settle(torture);
    if (torture->settled != NULL) {
        torture->settled(torture);
        torture_settle(torture);
    }
    close_all(torture);
    torture_await(torture, all_done, torture);
    if (torture->settled_late != NULL) {
        torture->settled_late(torture);
    }
    if (torture->seam->lasting) {
        int result = weir_runtime_stop(fixture->runtime, weir_now_ns() + MS(100));

        if (result != 0) {
            torture_fail(torture, "weir_runtime_stop()", result);
        }
    }
    torture->seam->end(torture->seam->arg);
    check_all(torture);
    if (!torture->seam->lasting) {
        probe(torture);
    }
    for (unsigned i = 0; i < torture->stream_count; i++) {
        if (torture->streams[i].peer >= 0) {
            fixture_close_fd(fixture, torture->streams[i].peer);
        }
    }
}

static void
say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        _exit(3);
    }
}

static void
on_hang(int signal)
{
    (void)signal;
    say("\nhangs inside a call: ");
    say(now_scenario);
    say(", ");
    say(now_running);
    say("\n");
    abort();
}

void
torture_run(struct fixture *fixture, const struct scenario *scenario, const struct seam *seam,
            const char *what)
{
    static struct torture torture;
    struct weir_runtime_options options = {
        .loops = scenario->loops != 0 ? scenario->loops : 1,
        .flags = scenario->threads ? 0 : WEIR_MANUAL,
    };

    alarm(HANG_SECONDS * test_slow_factor());
    signal(SIGALRM, on_hang);
    now_running = what;
    now_scenario = scenario->name;
    memset(&torture, 0, offsetof(struct torture, streams));
    torture.fixture = fixture;
    torture.scenario = scenario;
    torture.seam = seam;
    if (scenario->bare) {
        seam->begin(seam->arg);
        scenario->act(&torture);
        seam->end(seam->arg);
        check_all(&torture);
    } else {
        fixture_with((void **)&(void *){fixture}, &options);
        run_in_runtime(&torture);
    }
    fixture_end(fixture);
}
