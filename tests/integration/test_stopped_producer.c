// SPDX-License-Identifier: MIT
//
// Contract 3.9: a producer that is stopped at any instruction inside weir_write() stops no loop and
// no other stream. On its own stream, while it holds the right to write, later writes queue, can be
// cancelled and time out, and an abort resets; only freeing the slot waits.
//
// The proof: a child program has a runtime, a victim thread and others. This process traces the
// victim alone and single-steps it through one weir_write(). At a stop nothing but the victim
// stands still, so everything else can be asked to show that it goes on. Each stop is a call of its
// own: the stream is at rest, the victim is stepped k instructions into the call, the others are
// checked, the victim goes on, its result and the bytes on the wire are checked.
//
// WEIR_STEPS=all stops at every instruction. The default is every 8th, and each one next to an
// atomic operation, a fence or a system call, for only there does anybody else notice a step.
#include "tests/lib/fixture.h"

#include "netio/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(WI_ALLOC_SYSTEM)

enum {
    PRODUCERS = 2,
    BURST = 100,
    PIECE = 8,
    LARGE = 256 * 1024,
    SMALL_BUFFER = 16 * 1024,
    LANE = 256,
    HIGH = 1000,
    STEPS_MAX = 20000,
    STRIDE = 8,
    ABORT_STRIDE = 4, // of the stops, in the default mode
    FAILURES_MAX = 3, // per case: each may have cost a deadline
    TEXT = 240,
};

// ---- the cases --------------------------------------------------------------------------------

struct call_case {
    const char *name;
    unsigned size;
    unsigned flags;
    bool is_inline;   // the stream allows it
    bool contended;   // a second write waits for the right when the victim is about to send
    bool peer_resets; // when the victim is about to send
    bool lane_is_full;
    bool stream_is_full;
    int result; // what the call answers when nobody is in its way
};

static const struct call_case cases[] = {
    {.name = "queued", .size = PIECE, .flags = WEIR_COPY},
    {.name = "queued, packed copy", .size = 1000, .flags = WEIR_COPY},
    {.name = "queued, inline stream", .size = PIECE, .flags = WEIR_COPY, .is_inline = true},
    {.name = "inline whole",
     .size = PIECE,
     .flags = WEIR_COPY | WEIR_INLINE_OK,
     .is_inline = true,
     .result = 1},
    {.name = "inline whole, contended",
     .size = PIECE,
     .flags = WEIR_COPY | WEIR_INLINE_OK,
     .is_inline = true,
     .contended = true,
     .result = 1},
    {.name = "inline short", .size = LARGE, .flags = WEIR_INLINE_OK, .is_inline = true},
    {.name = "inline short, contended",
     .size = LARGE,
     .flags = WEIR_INLINE_OK,
     .is_inline = true,
     .contended = true},
    {.name = "inline error",
     .size = PIECE,
     .flags = WEIR_COPY | WEIR_INLINE_OK,
     .is_inline = true,
     .peer_resets = true,
     .result = -EPIPE},
    {.name = "full lane",
     .size = PIECE,
     .flags = WEIR_COPY,
     .lane_is_full = true,
     .result = -WEIR_ELANEFULL},
    {.name = "full stream",
     .size = PIECE,
     .flags = WEIR_COPY,
     .stream_is_full = true,
     .result = -WEIR_ESTREAMFULL},
};

// ---- what tracer and child say to each other ---------------------------------------------------

enum order {
    ORDER_PREPARE, // the stream at rest, the victim on its way into the call
    ORDER_SENDING, // the victim is about to send: do what the case says
    ORDER_CHECK,   // the victim is stopped
    ORDER_FINISH,  // the victim is out of the call
    ORDER_QUIT,
};

struct message {
    enum order order;
    unsigned which; // case
    bool aborts;
};

struct answer {
    bool failed;
    bool held;     // the victim had the right to write
    bool inflight; // the victim kept the slot
    int result;    // the victim's
    unsigned checks;
    unsigned writes;
    char text[TEXT];
};

static struct shared {
    atomic_int victim; // thread id
    atomic_bool broken;
} * shared;

static uint64_t
limit_ns(void)
{
    return MS(2000) * test_slow_factor();
}

/* ======================================== the child ========================================== */

struct outcome { // of one write
    atomic_bool done;
    bool accepted; // the submit answered 0
    weir_op op;
    struct weir_result result;
};

struct producer {
    pthread_t thread;
    sem_t go, all_done, finished;
    bool quit;
    bool ok;
    weir_stream stream;
    int peer;
    atomic_uint completed;
};

static struct child {
    int link;
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    struct producer producers[PRODUCERS];

    pthread_t victim;
    sem_t victim_go, victim_done;
    bool quit;
    const struct call_case *what;
    int victim_result;

    weir_stream stream; // the one the victim writes to
    struct wi_gate *gate;
    const struct call_case *stream_case; // it was made for; NULL: none
    int peer;                            // -1: gone
    bool reset;                          // by the peer
    atomic_bool started, closed, writable;

    sem_t blocked, unblock; // the loop, for a full lane or stream
    bool is_blocked;

    // One call.
    bool held, inflight, aborted;
    struct outcome by_victim, first, timed, last, contender, filler;
    struct answer *answer;
} child;

static char large[LARGE];

static bool
wrong(const char *format, ...)
{
    va_list args;

    if (!child.answer->failed) {
        child.answer->failed = true;
        va_start(args, format);
        vsnprintf(child.answer->text, sizeof(child.answer->text), format, args);
        va_end(args);
    }
    return false;
}

static bool
check(bool holds, const char *text)
{
    child.answer->checks++;
    return holds || wrong("%s", text);
}

static bool
wait_sem(sem_t *sem)
{
    uint64_t deadline = weir_now_ns() + limit_ns();
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000000u),
                             .tv_nsec = (long)(deadline % 1000000000u)};
    int result;

    do {
        result = sem_clockwait(sem, CLOCK_MONOTONIC, &until);
    } while (result < 0 && errno == EINTR);
    return result == 0;
}

// What the peer has read of the victim's stream: one run per write.
static struct {
    char letter[8];
    size_t size[8];
    unsigned count;
    size_t total;
    int error; // of the last read: 0 nothing yet, else errno or -1 at the end
} input;

static void
read_peer(void)
{
    static char buffer[128 * 1024];

    while (child.peer >= 0 && input.error == 0) {
        ssize_t size = recv(child.peer, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (size <= 0) {
            input.error = size == 0 ? -1 : errno == EAGAIN || errno == EINTR ? 0 : errno;
            return;
        }
        for (ssize_t i = 0; i < size; i++) {
            unsigned last = input.count - 1;

            if (input.count == 0 || input.letter[last] != buffer[i]) {
                if (input.count == 8) {
                    input.error = EPROTO;
                    return;
                }
                last = input.count++;
                input.letter[last] = buffer[i];
                input.size[last] = 0;
            }
            input.size[last]++;
        }
        input.total += (size_t)size;
    }
}

typedef bool condition_fn(void);

static bool
wait_for(condition_fn *condition, const atomic_bool *flag, bool reads)
{
    uint64_t deadline = weir_now_ns() + limit_ns();

    for (;;) {
        if (flag != NULL ? atomic_load(flag) : condition()) {
            return true;
        }
        if (weir_now_ns() > deadline) {
            return false;
        }
        if (reads) {
            read_peer();
        }
        sched_yield();
    }
}

// ---- producers on other streams ---------------------------------------------------------------

static void
count_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct producer *producer = arg;

    (void)stream;
    if (result->status == 0 && atomic_fetch_add(&producer->completed, 1) + 1 == BURST) {
        sem_post(&producer->all_done);
    }
}

static bool
read_burst(int fd)
{
    size_t left = BURST * PIECE;
    char buffer[BURST * PIECE];
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    while (left > 0) {
        ssize_t size;

        if (poll(&polled, 1, (int)(limit_ns() / MS(1))) <= 0) {
            return false;
        }
        size = recv(fd, buffer, left, MSG_DONTWAIT);
        if (size <= 0) {
            return false;
        }
        left -= (size_t)size;
    }
    return true;
}

static bool
burst(struct producer *producer)
{
    char bytes[PIECE] = "others";
    struct iovec iov = {bytes, sizeof(bytes)};
    struct weir_write request = {
        .iov = &iov, .iov_count = 1, .flags = WEIR_COPY, .done = count_done, .arg = producer};

    atomic_store(&producer->completed, 0);
    for (unsigned i = 0; i < BURST; i++) {
        if (weir_write(producer->stream, &request, NULL) != 0) {
            return false;
        }
    }
    return wait_sem(&producer->all_done) && read_burst(producer->peer);
}

static void *
producer_run(void *arg)
{
    struct producer *producer = arg;

    for (;;) {
        while (sem_wait(&producer->go) < 0) {
        }
        if (producer->quit) {
            return NULL;
        }
        producer->ok = burst(producer);
        sem_post(&producer->finished);
    }
}

// ---- the victim -------------------------------------------------------------------------------

static void
note_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct outcome *outcome = arg;

    (void)stream;
    outcome->result = *result;
    atomic_store(&outcome->done, true);
}

static struct weir_write
make_request(struct iovec *iov, struct outcome *outcome, unsigned flags)
{
    return (struct weir_write){
        .iov = iov, .iov_count = 1, .flags = flags, .done = note_done, .arg = outcome};
}

// The tracer sees the two breakpoints; between them is the call.
static __attribute__((noinline)) int
traced_write(weir_stream stream, const struct weir_write *request, weir_op *ret_op)
{
    int result;

    __asm__ volatile("int3" ::: "memory");
    result = weir_write(stream, request, ret_op);
    __asm__ volatile("int3" ::: "memory");
    return result;
}

static void
fill_lane(weir_stream stream)
{
    static const struct weir_write barrier;

    for (unsigned i = 0; i < 2 * LANE && weir_write(stream, &barrier, NULL) == 0; i++) {
    }
}

static void *
victim_run(void *arg)
{
    (void)arg;
    atomic_store(&shared->victim, (int)syscall(SYS_gettid));
    for (;;) {
        struct outcome *outcome = &child.by_victim;
        struct weir_write request;
        struct iovec iov;

        while (sem_wait(&child.victim_go) < 0) {
        }
        if (child.quit) {
            __asm__ volatile("int3" ::: "memory"); // here the tracer lets go
            return NULL;
        }
        iov = (struct iovec){large, child.what->size};
        request = make_request(&iov, outcome, child.what->flags);
        if (child.what->lane_is_full) {
            fill_lane(child.stream);
        }
        child.victim_result = traced_write(child.stream, &request, &outcome->op);
        sem_post(&child.victim_done);
    }
}

// ---- the stream -------------------------------------------------------------------------------

static void
on_started(weir_stream stream, int status, void *user)
{
    (void)stream;
    (void)user;
    atomic_store(&child.started, status == 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)closed;
    (void)user;
    atomic_store(&child.closed, true);
}

static void
on_writable(weir_stream stream, void *user)
{
    (void)stream;
    (void)user;
    atomic_store(&child.writable, true);
}

static const struct weir_handlers handlers = {
    .started = on_started, .closed = on_closed, .writable = on_writable};

static bool
tcp_pair(int fds[2])
{
    static int listener = -1;
    static struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int segment = 1400; // of the loopback's 64 KiB few fit a buffer, and the window opens slowly

    if (listener < 0) {
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 8) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
            return wrong("no listener: %s", strerror(errno));
        }
    }
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fds[0], IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment));
    if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&address, sizeof(address)) < 0) {
        return wrong("no connection: %s", strerror(errno));
    }
    fds[1] = accept(listener, NULL, NULL);
    return fds[1] >= 0 || wrong("no peer: %s", strerror(errno));
}

static bool
open_stream(const struct call_case *what)
{
    struct weir_stream_options options = {
        .handlers = &handlers,
        .flags = WEIR_STREAM_NODELAY | (what->is_inline ? (unsigned)WEIR_STREAM_INLINE : 0),
        .send_buffer = what->size == LARGE ? SMALL_BUFFER : 0,
        .queue_high = what->stream_is_full ? HIGH : 0,
    };
    int fds[2] = {-1, -1};
    int status;

    if (child.peer >= 0) {
        close(child.peer);
        child.peer = -1;
    }
    if (!tcp_pair(fds)) {
        return false;
    }
    atomic_store(&child.started, false);
    atomic_store(&child.closed, false);
    status = weir_adopt(child.loop, fds[0], &options, &child.stream);
    if (status != 0) {
        return wrong("weir_adopt() answers %d", status);
    }
    child.peer = fds[1];
    child.gate = wi_gate_find(child.stream.bits);
    child.stream_case = what;
    child.reset = false;
    return wait_for(NULL, &child.started, false) || wrong("the stream does not start");
}

static bool
at_rest(void)
{
    uint64_t word = wi_load_acquire(&child.gate->word);

    return wi_gate_state(word) == WI_GATE_OPEN && (word & WI_GATE_INFLIGHTS) == 0 &&
           wi_gate_queued(child.gate) == 0 &&
           (!child.what->is_inline || wi_gate_right(word) == WI_RIGHT_NOBODY);
}

static void
block_loop(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    sem_post(&child.blocked);
    wait_sem(&child.unblock);
}

static bool
fill_stream(void)
{
    static char bytes[HIGH];
    struct iovec iov = {bytes, sizeof(bytes)};
    struct weir_write request = make_request(&iov, &child.filler, WEIR_COPY);

    memset(bytes, 'f', sizeof(bytes));
    child.filler.accepted = weir_write(child.stream, &request, &child.filler.op) == 0;
    return child.filler.accepted;
}

static bool
prepare(const struct call_case *what)
{
    child.what = what;
    child.held = child.inflight = child.aborted = false;
    memset(&child.by_victim, 0, sizeof(child.by_victim));
    memset(&child.first, 0, sizeof(child.first));
    memset(&child.timed, 0, sizeof(child.timed));
    memset(&child.last, 0, sizeof(child.last));
    memset(&child.contender, 0, sizeof(child.contender));
    memset(&child.filler, 0, sizeof(child.filler));
    atomic_store(&child.writable, false);
    memset(&input, 0, sizeof(input));
    if (child.stream_case != what) {
        if (child.stream_case != NULL) {
            weir_close(child.stream, WEIR_CLOSE_ABORT, 0, 0);
        }
        if (!open_stream(what)) {
            return false;
        }
    }
    if (!wait_for(at_rest, NULL, true)) {
        return wrong("the stream does not come to rest");
    }
    if (what->lane_is_full || what->stream_is_full) {
        if (weir_post(child.loop, block_loop, NULL) != 0 || !wait_sem(&child.blocked)) {
            return wrong("the loop cannot be blocked");
        }
        child.is_blocked = true;
    }
    if (what->stream_is_full && !fill_stream()) {
        return wrong("the stream cannot be filled");
    }
    sem_post(&child.victim_go);
    return true;
}

// ---- while the victim stands still ------------------------------------------------------------

static int
write_letters(struct outcome *outcome, char letter, uint64_t deadline_ns)
{
    char bytes[PIECE];
    struct iovec iov = {bytes, sizeof(bytes)};
    struct weir_write request = make_request(&iov, outcome, WEIR_COPY);
    int result;

    memset(bytes, letter, sizeof(bytes));
    request.deadline_ns = deadline_ns;
    result = weir_write(child.stream, &request, &outcome->op);
    outcome->accepted = result == 0;
    return result;
}

static void
others_begin(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++) {
        sem_post(&child.producers[i].go);
    }
}

static bool
others_end(void)
{
    bool ok = true;

    for (unsigned i = 0; i < PRODUCERS; i++) {
        // A burst is bounded by two limits of its own.
        while (sem_wait(&child.producers[i].finished) < 0) {
        }
        ok = ok && child.producers[i].ok;
        child.answer->writes += BURST;
    }
    return check(ok, "other streams stand still");
}

// The first write: it goes, or it waits and can be taken back.
static bool
check_cancel(bool must_wait, bool may_wait)
{
    struct outcome *first = &child.first;
    int cancelled;

    if (!must_wait && !may_wait) {
        return check(wait_for(NULL, &first->done, false), "a write on the stream does not go") &&
               check(first->result.status == 0, "a write on the stream fails");
    }
    if (must_wait && !check(!atomic_load(&first->done), "a write passed who holds the right")) {
        return false;
    }
    cancelled = weir_cancel(first->op);
    if (must_wait && !check(cancelled == WEIR_CANCEL_WON, "a waiting write is not cancelled")) {
        return false;
    }
    return check(wait_for(NULL, &first->done, false), "a cancelled write does not complete") &&
           check(cancelled != WEIR_CANCEL_WON || first->result.status == -ECANCELED,
                 "a cancel that won is not told") &&
           check(first->result.status == 0 ||
                     (first->result.status == -ECANCELED && first->result.sent == 0),
                 "a cancelled write ends strangely");
}

static bool
check_deadline(bool must_wait)
{
    struct outcome *timed = &child.timed;
    int status;

    if (!check(wait_for(NULL, &timed->done, false), "a write with a deadline does not end")) {
        return false;
    }
    status = timed->result.status;
    if (must_wait) {
        return check(status == -ETIMEDOUT && timed->result.sent == 0 &&
                         timed->result.origin == WEIR_ORIGIN_DEADLINE,
                     "a deadline is not kept");
    }
    return check(status == 0 || status == -ETIMEDOUT, "a write with a deadline ends strangely");
}

// The peer has reset the connection: who writes hears of it.
static bool
check_failed_stream(void)
{
    others_begin();
    if (!others_end()) {
        return false;
    }
    return check(write_letters(&child.first, 'a', 0) < 0, "a failed stream takes a write");
}

static void
look_at_gate(void)
{
    uint64_t word = wi_load_acquire(&child.gate->word);

    child.held = wi_gate_right(word) == WI_RIGHT_SUBMITTER;
    child.inflight = (word & WI_GATE_INFLIGHTS) != 0;
}

static bool
check_stream(void)
{
    bool may_wait = child.what->size == LARGE; // behind what the peer does not read

    if (child.reset) {
        return check_failed_stream();
    }
    if (child.filler.accepted &&
        !check(wait_for(NULL, &child.filler.done, false), "what fills the stream does not go")) {
        return false;
    }
    if (!check(write_letters(&child.first, 'a', 0) == 0, "a write is refused") ||
        !check(write_letters(&child.timed, 'b', weir_deadline_after(MS(1))) == 0,
               "a write with a deadline is refused")) {
        return false;
    }
    others_begin();
    if (!others_end()) {
        return false;
    }
    look_at_gate(); // what the victim had left in its lane has arrived
    return check_cancel(child.held, may_wait) && check_deadline(child.held) &&
           check(write_letters(&child.last, 'c', 0) == 0, "a last write is refused");
}

static bool
peer_sees_reset(void)
{
    return input.error == ECONNRESET;
}

// The abort gets through; `closed` waits for the victim if it keeps the slot.
static bool
check_abort(void)
{
    bool closed;

    child.aborted = true;
    if (!check(weir_close(child.stream, WEIR_CLOSE_ABORT, 0, 7) == 0 || child.reset,
               "an abort is refused")) {
        return false;
    }
    others_begin();
    if (!others_end() || (!child.reset && !check(wait_for(peer_sees_reset, NULL, true),
                                                 "the peer sees no reset after an abort"))) {
        return false;
    }
    closed = atomic_load(&child.closed);
    look_at_gate();
    if (child.inflight) {
        return check(!closed, "closed is told while the victim is inside");
    }
    return check(wait_for(NULL, &child.closed, false), "closed waits for nobody");
}

static bool
unblock_loop(void)
{
    if (child.is_blocked) {
        child.is_blocked = false;
        sem_post(&child.unblock);
    }
    return true;
}

// ---- afterwards -------------------------------------------------------------------------------

static bool
has_ended(struct outcome *outcome)
{
    return !outcome->accepted || wait_for(NULL, &outcome->done, true);
}

static size_t
sent_by(const struct outcome *outcome)
{
    return outcome->accepted ? (size_t)outcome->result.sent : 0;
}

static size_t victim_size;

static size_t
size_expected(void)
{
    return victim_size + sent_by(&child.first) + sent_by(&child.timed) + sent_by(&child.last) +
           sent_by(&child.contender) + sent_by(&child.filler);
}

static bool
all_arrived(void)
{
    read_peer();
    return input.total >= size_expected();
}

// Each write is one run of bytes; what was written while the victim had the right comes after it.
static bool
check_wire(void)
{
    if (!check(wait_for(all_arrived, NULL, false), "bytes are missing") ||
        !check(input.total == size_expected(), "there are too many bytes")) {
        return false;
    }
    for (unsigned i = 0; i < input.count; i++) {
        size_t size = input.letter[i] == large[0] ? victim_size
                      : input.letter[i] == 'f'    ? HIGH
                                                  : PIECE;

        if (!check(input.size[i] == size, "a write is not contiguous")) {
            return false;
        }
        if (child.held && victim_size != 0 && i == 0 &&
            !check(input.letter[0] == large[0], "a later write went first")) {
            return false;
        }
    }
    return true;
}

// A loop that wanted the right while the victim had it says how long.
static bool
check_right_waits(void)
{
    struct weir_stats stats = {0};

    return !child.held || !child.contender.accepted ||
           (check(weir_stats(child.runtime, &stats) == 0, "no statistics") &&
            check(stats.right_waits > 0 && stats.right_wait_ns > 0, "a wait was not counted"));
}

static bool
finish_failed(void)
{
    // The loop, or the victim's own send, has found the stream gone.
    child.stream_case = NULL;
    weir_close(child.stream, WEIR_CLOSE_ABORT, 0, 0);
    return check(!child.reset || child.victim_result == -EPIPE ||
                     child.victim_result == -ECONNRESET,
                 "a send to a peer that is gone answers strangely") &&
           check(has_ended(&child.by_victim), "the victim's write does not complete") &&
           check(has_ended(&child.first) && has_ended(&child.timed) && has_ended(&child.last) &&
                     has_ended(&child.filler),
                 "a write does not complete") &&
           check(wait_for(NULL, &child.closed, true), "closed is not told");
}

static bool
finish(void)
{
    struct outcome *victim = &child.by_victim;
    int result;

    unblock_loop();
    if (!wait_sem(&child.victim_done)) {
        return wrong("the victim does not come back");
    }
    result = child.victim_result;
    child.answer->result = result;
    victim->accepted = result == 0;
    if (child.aborted || child.reset) {
        return finish_failed();
    }
    if (!check(result == 0 || result == child.what->result ||
                   (result == 1 && (child.what->flags & WEIR_INLINE_OK)),
               "the call answers strangely") ||
        !check(result == 0 || victim->op.bits == 0, "a handle names a write that is over") ||
        !check(has_ended(victim), "the victim's write does not complete") ||
        !check(result != 0 || victim->result.status == 0, "the victim's write fails") ||
        !check(has_ended(&child.first) && has_ended(&child.timed) && has_ended(&child.last) &&
                   has_ended(&child.contender) && has_ended(&child.filler),
               "a write does not complete") ||
        !check(result != -WEIR_ESTREAMFULL || wait_for(NULL, &child.writable, false),
               "writable is not told to who was refused") ||
        !check(!child.last.accepted || child.last.result.status == 0, "the last write fails")) {
        return false;
    }
    victim_size = result < 0 ? 0 : child.what->size;
    return check_right_waits() && check_wire();
}

// The victim is about to make a system call: to send, if it has the right.
static bool
sending(void)
{
    if (child.aborted || wi_gate_right(wi_load_acquire(&child.gate->word)) != WI_RIGHT_SUBMITTER) {
        return true;
    }
    if (child.what->contended) {
        return check(write_letters(&child.contender, 'd', 0) == 0, "a write is refused");
    }
    if (child.what->peer_resets) {
        struct linger linger = {.l_onoff = 1};

        child.reset = true;
        setsockopt(child.peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(child.peer);
        child.peer = -1;
    }
    return true;
}

static bool
gate_is_wanted(void)
{
    return (wi_load_acquire(&child.gate->word) & WI_GATE_WANTED) != 0;
}

static bool
loop_has_failed(void)
{
    return wi_gate_state(wi_load_acquire(&child.gate->word)) >= WI_GATE_DRAINING;
}

static void
obey(const struct message *message, struct answer *answer)
{
    child.answer = answer;
    switch (message->order) {
    case ORDER_PREPARE:
        prepare(&cases[message->which]);
        break;
    case ORDER_SENDING:
        if (sending()) {
            check(!child.contender.accepted || wait_for(gate_is_wanted, NULL, false),
                  "the loop does not ask for the right");
            check(!child.reset || wait_for(loop_has_failed, NULL, false),
                  "the loop does not see the reset");
        }
        break;
    case ORDER_CHECK:
        unblock_loop();
        if (message->aborts) {
            check_abort();
        } else {
            check_stream();
        }
        break;
    case ORDER_FINISH:
        finish();
        break;
    case ORDER_QUIT:
        child.quit = true;
        sem_post(&child.victim_go);
        break;
    }
    answer->held = child.held;
    answer->inflight = child.inflight;
}

// ---- life of the child ------------------------------------------------------------------------

static bool
start_producer(struct producer *producer)
{
    int fds[2];

    sem_init(&producer->go, 0, 0);
    sem_init(&producer->all_done, 0, 0);
    sem_init(&producer->finished, 0, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
        weir_adopt(child.loop, fds[0], &(struct weir_stream_options){0}, &producer->stream) != 0) {
        return false;
    }
    producer->peer = fds[1];
    return pthread_create(&producer->thread, NULL, producer_run, producer) == 0;
}

static bool
start_child(void)
{
    struct weir_runtime_options options = {.loops = 1, .lane_entries = LANE};

    memset(large, 'v', sizeof(large));
    child.peer = -1;
    sem_init(&child.victim_go, 0, 0);
    sem_init(&child.victim_done, 0, 0);
    sem_init(&child.blocked, 0, 0);
    sem_init(&child.unblock, 0, 0);
    if (weir_runtime_create(&options, &child.runtime) != 0) {
        return false;
    }
    child.loop = weir_runtime_loop(child.runtime, 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        if (!start_producer(&child.producers[i])) {
            return false;
        }
    }
    return pthread_create(&child.victim, NULL, victim_run, NULL) == 0;
}

static bool
end_child(void)
{
    pthread_join(child.victim, NULL);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        child.producers[i].quit = true;
        sem_post(&child.producers[i].go);
        pthread_join(child.producers[i].thread, NULL);
        close(child.producers[i].peer);
    }
    close(child.peer);
    return weir_runtime_stop(child.runtime, weir_deadline_after(limit_ns())) == 0 &&
           weir_runtime_free(child.runtime) == 0;
}

static _Noreturn void
child_run(int link)
{
    struct message message = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child.link = link;
    if (!start_child()) {
        _exit(2);
    }
    while (message.order != ORDER_QUIT) {
        struct answer answer = {0};

        if (recv(link, &message, sizeof(message), 0) != sizeof(message)) {
            _exit(3);
        }
        obey(&message, &answer);
        if (send(link, &answer, sizeof(answer), 0) != sizeof(answer)) {
            _exit(4);
        }
    }
    _exit(end_child() ? 0 : 5);
}

/* ======================================== the tracer ========================================= */

static struct tracer {
    pid_t child, victim;
    int link;
    bool all;
    unsigned which;
    bool aborts;
    bool sending_told;
    size_t steps;     // of this call
    uintptr_t at;     // where the victim is
    uint64_t stepped; // of this case
    uint64_t checks, writes, stops, aborted, held, inflight;
    uint64_t results[4]; // done, queued, refused, refused in another way
    unsigned failures;
    char text[TEXT + 80];
} tracer;

static atomic_int child_to_kill;

extern const char __executable_start[], etext[]; // the linker's

static void
on_alarm(int signal)
{
    static const char text[] = "\nthe traced program hangs; killing it\n";

    (void)signal;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0 && atomic_load(&child_to_kill) > 0) {
        kill(atomic_load(&child_to_kill), SIGKILL);
    }
}

static void
end_by_force(void)
{
    kill(tracer.child, SIGKILL);
    waitpid(tracer.victim, NULL, __WALL); // the program has not ended before its traced thread
    waitpid(tracer.child, NULL, 0);
}

static void
give_up(const char *what)
{
    end_by_force();
    fail_msg("%s (case %s, %zu instructions in)", what, cases[tracer.which].name, tracer.steps);
}

static void
tell(enum order order, struct answer *answer)
{
    struct message message = {.order = order, .which = tracer.which, .aborts = tracer.aborts};

    if (send(tracer.link, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message) ||
        recv(tracer.link, answer, sizeof(*answer), 0) != sizeof(*answer)) {
        give_up("the traced program has died");
    }
    tracer.checks += answer->checks;
    tracer.writes += answer->writes;
}

static bool
tell_and_judge(enum order order, struct answer *answer)
{
    tell(order, answer);
    if (answer->failed && tracer.text[0] == '\0') {
        snprintf(tracer.text, sizeof(tracer.text), "%s, %s", answer->text,
                 order == ORDER_CHECK    ? "while it is stopped"
                 : order == ORDER_FINISH ? "after it went on"
                                         : "before");
    }
    return !answer->failed;
}

// The victim's next stop. Nothing but the two breakpoints and steps may stop it.
static void
await_stop(void)
{
    struct user_regs_struct registers;
    int status;

    if (waitpid(tracer.victim, &status, __WALL) != tracer.victim || !WIFSTOPPED(status)) {
        give_up("the victim has died");
    }
    if (WSTOPSIG(status) != SIGTRAP || ptrace(PTRACE_GETREGS, tracer.victim, 0, &registers) < 0) {
        give_up("the victim stopped for another reason");
    }
    tracer.at = (uintptr_t)registers.rip;
}

static void
go_on(enum __ptrace_request request)
{
    if (ptrace(request, tracer.victim, 0, 0) < 0) {
        give_up("the victim cannot be moved");
    }
}

// The code is this program's too: the child was forked from it.
static const unsigned char *
code_at(uintptr_t at)
{
    return (const unsigned char *)at;
}

static bool
is_system_call(const unsigned char *code)
{
    return code[0] == 0x0f && code[1] == 0x05;
}

// Does a step here mean anything to other threads? Fences, locked and exchanging instructions,
// system calls; also what stands next to a plain store is covered, by the stops around these.
static bool
is_noticed(const unsigned char *code)
{
    while (code[0] == 0x66 || (code[0] & 0xf0) == 0x40) { // prefixes of size
        code++;
    }
    return code[0] == 0xf0 || code[0] == 0x86 || code[0] == 0x87 || is_system_call(code) ||
           (code[0] == 0x0f && code[1] == 0xae);
}

// At the call's first system call, which is the one that sends if the victim sends at all.
static void
note_sending(void)
{
    const struct call_case *what = &cases[tracer.which];
    struct answer answer;

    if ((what->contended || what->peer_resets) && !tracer.sending_told &&
        is_system_call(code_at(tracer.at))) {
        tracer.sending_told = true;
        tell_and_judge(ORDER_SENDING, &answer);
    }
}

static bool
is_breakpoint(void)
{
    return *code_at(tracer.at) == 0xcc;
}

// One instruction on. False: the call is over.
static bool
step(void)
{
    note_sending();
    if (is_breakpoint()) {
        return false;
    }
    go_on(PTRACE_SINGLESTEP);
    await_stop();
    tracer.steps++;
    tracer.stepped++;
    return true;
}

// To the end of the call, and out of it.
static void
leave_call(void)
{
    const struct call_case *what = &cases[tracer.which];

    // A contended or failing send is met on the way by stepping; nothing else is of interest.
    while ((what->contended || what->peer_resets) && !tracer.sending_told && step()) {
    }
    go_on(PTRACE_CONT); // runs onto the breakpoint
    await_stop();
    go_on(PTRACE_CONT);
}

static void
report(uintptr_t at, size_t stop)
{
    tracer.failures++;
    print_error("%s%s, stopped %zu instructions in, ", cases[tracer.which].name,
                tracer.aborts ? ", aborted" : "", stop);
    if (at >= (uintptr_t)__executable_start && at < (uintptr_t)etext) {
        print_error("at %#zx of the program: ", (size_t)(at - (uintptr_t)__executable_start));
    } else {
        print_error("in a function of the C library: ");
    }
    print_error("%s\n", tracer.text);
    tracer.text[0] = '\0';
}

static void
count_result(int result)
{
    tracer.results[result == 1                            ? 0
                   : result == 0                          ? 1
                   : result == cases[tracer.which].result ? 2
                                                          : 3]++;
}

// A call of its own, stopped @p stop instructions in. False: it is over before that.
static bool
stop_at(size_t stop)
{
    struct answer answer;
    uintptr_t at;
    bool inside = true;

    tracer.steps = 0;
    tracer.sending_told = false;
    if (!tell_and_judge(ORDER_PREPARE, &answer)) {
        give_up(answer.text);
    }
    await_stop(); // at the breakpoint before the call
    while (inside && tracer.steps < stop) {
        inside = step();
    }
    at = tracer.at;
    if (inside) {
        note_sending();
        tell_and_judge(ORDER_CHECK, &answer);
        tracer.stops++;
        tracer.aborted += tracer.aborts;
        tracer.held += answer.held;
        tracer.inflight += answer.inflight;
    }
    leave_call();
    tell_and_judge(ORDER_FINISH, &answer);
    count_result(answer.result);
    if (tracer.text[0] != '\0') {
        report(at, stop);
    }
    return inside;
}

// First use is excluded: lanes, operations, blocks are made here.
static void
warm_up(void)
{
    struct answer answer;

    for (unsigned i = 0; i < 2 * BURST; i++) {
        tracer.steps = 0;
        tracer.sending_told = true;
        if (!tell_and_judge(ORDER_PREPARE, &answer)) {
            give_up(answer.text);
        }
        await_stop();
        leave_call();
        if (!tell_and_judge(ORDER_FINISH, &answer)) {
            give_up(answer.text);
        }
    }
}

// Which stops are of interest: seen in one call that is not checked.
static size_t
look_through(bool *wanted)
{
    struct answer answer;
    size_t size;

    memset(wanted, tracer.all, STEPS_MAX);
    tracer.steps = 0;
    tracer.sending_told = false;
    if (!tell_and_judge(ORDER_PREPARE, &answer)) {
        give_up(answer.text);
    }
    await_stop();
    do {
        size = tracer.steps;
        if (size + 2 >= STEPS_MAX) {
            give_up("the call does not end");
        }
        wanted[size] |= size % STRIDE == 0;
        if (is_noticed(code_at(tracer.at))) {
            wanted[size] = wanted[size + 1] = wanted[size + 2] = true;
            wanted[size == 0 ? 0 : size - 1] = true;
        }
    } while (step());
    leave_call();
    tell_and_judge(ORDER_FINISH, &answer);
    if (tracer.text[0] != '\0') {
        report(tracer.at, size);
    }
    return size;
}

static void
step_through_case(unsigned which)
{
    static bool wanted[STEPS_MAX];
    uint64_t start = weir_now_ns();
    size_t last_abort = 0;
    size_t size;
    bool inside = true;

    tracer.which = which;
    tracer.stepped = tracer.checks = tracer.writes = tracer.stops = tracer.aborted = 0;
    tracer.held = tracer.inflight = tracer.failures = 0;
    memset(tracer.results, 0, sizeof(tracer.results));
    tracer.aborts = false;
    warm_up();
    size = look_through(wanted);
    for (size_t stop = 0, count = 0; inside && tracer.failures < FAILURES_MAX; stop++) {
        if (stop >= STEPS_MAX || (stop < size && !wanted[stop])) {
            continue; // beyond what the first look saw, everything is wanted
        }
        inside = stop_at(stop);
        if (inside && (tracer.all || count++ % ABORT_STRIDE == 0 || stop - last_abort > 40)) {
            last_abort = stop;
            tracer.aborts = true;
            stop_at(stop);
            tracer.aborts = false;
        }
    }
    printf("%-24s %5zu instructions a call, %7llu stepped, %4llu stops (%llu with the right, "
           "%llu in flight, %llu aborted), %llu checks, %llu writes of others; "
           "%llu done, %llu queued, %llu refused, %llu otherwise; %.1f s\n",
           cases[which].name, size, (unsigned long long)tracer.stepped,
           (unsigned long long)tracer.stops, (unsigned long long)tracer.held,
           (unsigned long long)tracer.inflight, (unsigned long long)tracer.aborted,
           (unsigned long long)tracer.checks, (unsigned long long)tracer.writes,
           (unsigned long long)tracer.results[0], (unsigned long long)tracer.results[1],
           (unsigned long long)tracer.results[2], (unsigned long long)tracer.results[3],
           (double)(weir_now_ns() - start) / 1e9);
    fflush(stdout);
}

// ---- life of the tracer -----------------------------------------------------------------------

static void
start_tracing(void)
{
    int links[2];
    uint64_t deadline = weir_now_ns() + limit_ns();

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, links), 0);
    tracer.child = fork();
    assert_true(tracer.child >= 0);
    if (tracer.child == 0) {
        alarm(0);
        close(links[0]);
        child_run(links[1]);
    }
    close(links[1]);
    tracer.link = links[0];
    atomic_store(&child_to_kill, tracer.child);
    while (atomic_load(&shared->victim) == 0) {
        if (weir_now_ns() > deadline) {
            give_up("the program to be traced does not start");
        }
        sched_yield();
    }
    tracer.victim = atomic_load(&shared->victim);
}

static int
end_tracing(void)
{
    struct answer answer;
    int status;

    tell(ORDER_QUIT, &answer);
    await_stop();
    go_on(PTRACE_DETACH);
    assert_int_equal(waitpid(tracer.child, &status, 0), tracer.child);
    close(tracer.link);
    return status;
}

static void
a_stopped_producer_stops_nobody_else(void **state)
{
    const char *steps = getenv("WEIR_STEPS");
    const char *only = getenv("WEIR_STEPS_CASE");
    unsigned failures = 0;

    (void)state;
    tracer.all = steps != NULL && strcmp(steps, "all") == 0;
    signal(SIGALRM, on_alarm);
    alarm(tracer.all ? 1800 : 55 * test_slow_factor());
    start_tracing();
    if (ptrace(PTRACE_SEIZE, tracer.victim, 0, PTRACE_O_EXITKILL) < 0) {
        print_message("a thread cannot be traced here: %s\n", strerror(errno));
        end_by_force();
        skip();
    }
    for (unsigned which = 0; which < sizeof(cases) / sizeof(cases[0]); which++) {
        if (only == NULL || strcmp(only, cases[which].name) == 0) {
            step_through_case(which);
            failures += tracer.failures;
        }
    }
    assert_int_equal(end_tracing(), 0);
    alarm(0);
    assert_int_equal(failures, 0);
}

#else

static void
a_stopped_producer_stops_nobody_else(void **state)
{
    (void)state;
    print_message("only uninstrumented x86-64 programs are single-stepped: other instructions than "
                  "the library's would be\n");
    skip();
}

#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_producer_stops_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
