/* SPDX-License-Identifier: MIT */

// What lives on a loop, in lines for people.

#include "netio/acks.h"
#include "netio/listen.h"
#include "netio/net.h"
#include "netio/pull.h"
#include "netio/zerocopy.h"
#include "runtime/thread.h"
#include "runtime/timer.h"
#include "runtime/watch.h"
#include "weir/stats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define NS_PER_MS 1e6

typedef unsigned long long number;

struct dump {
    struct wi_loop *loop;
    weir_dump_fn *fn;
    void *arg;
    uint64_t now_ns;
    uint64_t stamped_ns; // of the last timed operation of the queue that is described; 0: none yet
};

static void __attribute__((format(printf, 2, 3)))
line(const struct dump *dump, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    dump->fn(text, dump->arg);
}

static double
ms_since(const struct dump *dump, uint64_t ns)
{
    return dump->now_ns > ns ? (double)(dump->now_ns - ns) / NS_PER_MS : 0;
}

#define NAME_OF(names, index) ((index) < sizeof(names) / sizeof((names)[0]) ? (names)[index] : "?")

/* ---- operations ---- */

struct label {
    char text[48];
};

static struct label
owner_of(const struct wi_op *op)
{
    struct label label;

    if (op->home->is_lane) {
        const struct wi_lane *lane = wi_container_of(op->home, struct wi_lane, cache);

        snprintf(label.text, sizeof(label.text), "thread %u%s", lane->thread_number,
                 lane->orphaned ? " (has ended)" : "");
    } else {
        snprintf(label.text, sizeof(label.text), "the loop");
    }
    return label;
}

// A queue keeps its order, so what is behind a timed one is younger.
static struct label
age_of(struct dump *dump, const struct wi_write *write)
{
    struct label label;

    if (write->flags & ((unsigned)WI_WRITE_STAMPED | WEIR_TIMED)) {
        dump->stamped_ns = write->submit_ns;
        snprintf(label.text, sizeof(label.text), "%.3f ms", ms_since(dump, write->submit_ns));
    } else if (dump->stamped_ns != 0) {
        snprintf(label.text, sizeof(label.text), "at most %.3f ms",
                 ms_since(dump, dump->stamped_ns));
    } else {
        snprintf(label.text, sizeof(label.text), "not timed");
    }
    return label;
}

// Without a handle its word says nothing, and its generation may be another's next time.
static bool
has_handle(const struct wi_op *op)
{
    return (op->flags & (WI_OP_NAMED | WI_OP_RELEASED)) == WI_OP_NAMED;
}

static number
name_of(const struct wi_op *op)
{
    return has_handle(op) ? wi_op_handle(op) : 0;
}

static const char *
op_state(const struct wi_op *op, bool has_begun)
{
    static const char *const names[] = {
        [WI_OP_QUEUED] = "waiting",
        [WI_OP_TX] = "sending",
        [WI_OP_DONE] = "done",
    };
    uint64_t word = wi_load_relaxed(&op->word);
    const char *name = names[word & WI_OP_STATE_MASK];

    if (!has_handle(op)) {
        return op->flags & WI_OP_RELEASED ? "accepted" : has_begun ? "sending" : "waiting";
    }
    return word & WI_OP_CANCEL ? "cancelled" : name != NULL ? name : "?";
}

static void
dump_writes(struct dump *dump, const char *where, const struct wi_write *write)
{
    dump->stamped_ns = 0;
    for (; write != NULL; write = wi_write_next(write)) {
        line(dump, "  write %016llx %s %s size %llu sent %llu flags %08x age %s from %s",
             name_of(&write->op), where, op_state(&write->op, write->op.owner != 0),
             (number)write->size, (number)write->op.owner, write->flags, age_of(dump, write).text,
             owner_of(&write->op).text);
    }
}

static void
dump_pulls(struct dump *dump, const struct wi_read_op *pull)
{
    while (pull != NULL) {
        line(dump, "  read %016llx %s size %zu filled %zu from %s", name_of(&pull->op),
             op_state(&pull->op, pull->filled != 0), pull->size, pull->filled,
             owner_of(&pull->op).text);
        pull = pull->op.task.next == NULL
                   ? NULL
                   : (const struct wi_read_op *)(void *)wi_op_of_task(pull->op.task.next);
    }
}

/* ---- streams ---- */

static const char *
phase_name(unsigned phase)
{
    static const char *const names[] = {
        [WI_PHASE_FREE] = "free",
        [WI_PHASE_NEW] = "new",
        [WI_PHASE_CONNECTING] = "connecting",
        [WI_PHASE_OPEN] = "open",
        [WI_PHASE_CLOSING] = "closing",
        [WI_PHASE_DEAD] = "dead",
    };

    return NAME_OF(names, phase);
}

static const char *
gate_name(unsigned state)
{
    static const char *const names[] = {
        [WI_GATE_CLOSED] = "closed", [WI_GATE_OPEN] = "open",         [WI_GATE_ENDED] = "ended",
        [WI_GATE_TORN] = "torn",     [WI_GATE_DRAINING] = "draining", [WI_GATE_OVER] = "over",
    };

    return NAME_OF(names, state);
}

static const char *
right_name(unsigned right)
{
    static const char *const names[] = {
        [WI_RIGHT_NOBODY] = "nobody",
        [WI_RIGHT_LOOP] = "loop",
        [WI_RIGHT_SUBMITTER] = "submitter",
    };

    return NAME_OF(names, right);
}

static struct label
waiting_of(const struct dump *dump, const struct wi_stream *stream)
{
    struct label label = {""};

    if (stream->flags & WI_S_BLOCKED) {
        const struct wi_stream_extra *extra = stream->extra;

        snprintf(label.text, sizeof(label.text), " blocked %.3f ms",
                 extra != NULL ? ms_since(dump, extra->blocked_since_ns) : 0);
    } else if (stream->flags & WI_S_CORKED) {
        snprintf(label.text, sizeof(label.text), " corked");
    }
    return label;
}

static void
dump_stream(struct dump *dump, struct wi_gate *gate)
{
    const struct wi_stream *stream = wi_stream_of(gate);
    const struct wi_stream_extra *extra = stream->extra;
    uint64_t word = wi_load_relaxed(&gate->word);

    line(dump,
         "stream %016llx fd %d %s gate %s right %s in-flight %u queued %llu input %u sent %llu "
         "received %llu marks %08x status %d%s%s%s",
         (number)wi_load_relaxed(&gate->handle), stream->fd, phase_name(stream->phase),
         gate_name(wi_gate_state(word)), right_name(wi_gate_right(word)),
         (unsigned)((word & WI_GATE_INFLIGHTS) / WI_GATE_INFLIGHT), (number)wi_gate_queued(gate),
         stream->input_size, (number)wi_load_relaxed(&stream->sent),
         (number)wi_load_relaxed(&stream->received), stream->flags, stream->status,
         waiting_of(dump, stream).text, stream->flags & WI_S_PAUSED ? " paused" : "",
         stream->flags & WI_S_FULL ? " full" : "");
    dump_writes(dump, "queued:", stream->queue.head);
    dump_writes(dump, "out of order:", stream->arrivals);
    if (extra != NULL && extra->acks != NULL) {
        dump_writes(dump, "to be acknowledged:", extra->acks->waiting.head);
    }
    if (extra != NULL && extra->zerocopy != NULL) {
        dump_writes(dump, "ended, and still read by the kernel:", extra->zerocopy->waiting.head);
    }
    if (extra != NULL) {
        dump_pulls(dump, extra->pulls);
    }
}

/* ---- the rest ---- */

#define LANES_MAX 256u

// Lanes are looked at under a lock, and told outside it.
struct lanes {
    unsigned count;
    struct {
        uint32_t thread_number;
        unsigned waiting, entries_max;
        uint64_t refused;
    } seen[LANES_MAX];
};

static void
see_lane(struct wi_lane *lane, void *arg)
{
    struct lanes *lanes = arg;
    unsigned index = lanes->count++;
    uint64_t refused = 0;

    if (index >= LANES_MAX) {
        return;
    }
    for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
        refused += wi_load_relaxed(&lane->refused[i]);
    }
    lanes->seen[index].thread_number = lane->thread_number;
    lanes->seen[index].waiting = wi_lane_size(lane);
    lanes->seen[index].entries_max = lane->entries_max;
    lanes->seen[index].refused = refused;
}

static void
dump_lanes(const struct dump *dump)
{
    struct lanes lanes;

    lanes.count = 0;
    wi_threads_each_lane(dump->loop, see_lane, &lanes);
    for (unsigned i = 0; i < lanes.count && i < LANES_MAX; i++) {
        line(dump, "lane of thread %u: waiting %u of %u refused %llu", lanes.seen[i].thread_number,
             lanes.seen[i].waiting, lanes.seen[i].entries_max, (number)lanes.seen[i].refused);
    }
    if (lanes.count > LANES_MAX) {
        line(dump, "and %u lanes more", lanes.count - LANES_MAX);
    }
    for (const struct wi_lane *lane = dump->loop->orphans; lane != NULL; lane = lane->next_orphan) {
        line(dump, "lane of thread %u, which has ended: operations %llu", lane->thread_number,
             (number)lane->operations);
    }
}

static void
dump_timer(uint64_t handle, uint64_t deadline_ns, void *arg)
{
    const struct dump *dump = arg;

    line(dump, "timer %016llx due in %.3f ms", (number)handle,
         deadline_ns > dump->now_ns ? (double)(deadline_ns - dump->now_ns) / NS_PER_MS : 0);
}

static void
dump_things(struct dump *dump)
{
    struct wi_loop *loop = dump->loop;

    dump_lanes(dump);
    for (const struct wi_listener_part *part = wi_net_of(loop)->listeners; part != NULL;
         part = part->next) {
        line(dump, "listener fd %d sockets %u%s%s", part->fd, part->listener->part_count,
             part->closing ? " closing" : "",
             wi_timer_is_armed(&part->timer) ? " resting: no descriptors" : "");
    }
    for (const struct wi_watch *watch = loop->watches; watch != NULL; watch = watch->next) {
        line(dump, "watch fd %d%s", watch->fd, watch->signal_fn != NULL ? " of signals" : "");
    }
    wi_timers_each(loop, dump_timer, dump);
}

static void
dump_loop(struct dump *dump)
{
    struct wi_loop *loop = dump->loop;
    struct weir_ledger ledger;

    line(dump, "loop %u: streams %u open things %llu timers %llu accepted %llu completed %llu%s",
         loop->index, wi_load_relaxed(&loop->streams), (number)loop->open_things,
         (number)loop->wheel.armed, (number)wi_load_relaxed(&loop->counters.accepted),
         (number)wi_load_relaxed(&loop->counters.completed), loop->stopping ? " stopping" : "");
    weir_pool_ledger(&ledger);
    line(dump, "pool: leased %llu returned %llu slabs %llu oversize %llu", (number)ledger.leased,
         (number)ledger.returned, (number)ledger.slabs, (number)ledger.oversize);
    dump_things(dump);
}

int
weir_dump(struct weir_loop *public, weir_dump_fn *fn, void *arg)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct dump dump = {.loop = loop, .fn = fn, .arg = arg};
    uint32_t slots;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || fn == NULL) {
        return -EINVAL;
    }
    if (!wi_on_loop(loop)) {
        return -EXDEV;
    }
    dump.now_ns = wi_os_now_ns();
    wi_loop_drain(loop, WI_LANE_ALL);
    dump_loop(&dump);
    slots = wi_load_relaxed(&loop->runtime->gates.segments) * WI_SLOT_SEGMENT;
    for (uint32_t slot = 0; slot < slots; slot++) {
        struct wi_gate *gate = wi_slots_at(&loop->runtime->gates, slot);

        if (gate != NULL && gate->loop == loop &&
            wi_handle_kind(wi_load_relaxed(&gate->handle)) == WI_HANDLE_STREAM) {
            dump_stream(&dump, gate);
        }
    }
    return 0;
}
