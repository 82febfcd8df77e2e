/* SPDX-License-Identifier: MIT */

// Statistics as text, in Prometheus's exposition format: one family after the other, each with a
// line per loop.

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "weir/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define NS_PER_S    UINT64_C(1000000000)
#define POWER_FIRST 10u // the histogram's first bound: 2^10 ns, about a microsecond
#define POWER_LAST  34u // its last: about 17 seconds

struct text {
    char *buffer;
    size_t size;
    size_t length; // of the whole text, also where the buffer has ended
};

struct family {
    const char *name;
    const char *help;
    size_t offset; // in weir_stats
    bool is_gauge;
};

#define COUNTER(field, name, help)                            \
    {                                                         \
        name, help, offsetof(struct weir_stats, field), false \
    }
#define GAUGE(field, name, help)                             \
    {                                                        \
        name, help, offsetof(struct weir_stats, field), true \
    }

static const struct family families[] = {
    COUNTER(turns, "weir_turns_total", "Rounds of the loop."),
    COUNTER(sleeps, "weir_sleeps_total", "Waits of the loop that were allowed to block."),
    COUNTER(wakes, "weir_wakes_total", "Sleeps that other threads ended."),
    COUNTER(system_waits, "weir_system_waits_total", "Calls of epoll_wait."),
    COUNTER(system_reads, "weir_system_reads_total", "Calls that read from sockets."),
    COUNTER(system_sends, "weir_system_sends_total", "Calls that wrote to sockets."),
    COUNTER(system_accepts, "weir_system_accepts_total", "Calls of accept."),
    COUNTER(system_polls, "weir_system_polls_total", "Calls of epoll_ctl."),
    COUNTER(bytes_received, "weir_received_bytes_total", "Bytes read from sockets."),
    COUNTER(bytes_sent, "weir_sent_bytes_total", "Bytes taken by the kernel."),
    COUNTER(operations_accepted, "weir_operations_accepted_total", "Operations accepted."),
    COUNTER(operations_completed, "weir_operations_completed_total", "Operations completed."),
    COUNTER(operations_cancelled, "weir_operations_cancelled_total",
            "Operations completed as cancelled, or by their deadline."),
    COUNTER(operations_inline, "weir_operations_inline_total", "Writes done inside their submit."),
    COUNTER(cancels_won, "weir_cancels_won_total", "Cancels that decided the outcome."),
    COUNTER(cancels_late, "weir_cancels_late_total", "Cancels that came too late."),
    COUNTER(streams_opened, "weir_streams_opened_total", "Streams opened."),
    COUNTER(streams_closed, "weir_streams_closed_total", "Streams closed."),
    GAUGE(streams_now, "weir_streams", "Streams open now."),
    GAUGE(queued_now, "weir_queued_bytes", "Bytes accepted and not finished."),
    COUNTER(order_looks, "weir_order_looks_total", "Looks through all lanes for a gap's sake."),
    COUNTER(zerocopy_sends, "weir_zerocopy_sends_total", "Sends from the writer's own memory."),
    COUNTER(zerocopy_copied, "weir_zerocopy_copied_total",
            "Sends from the writer's memory that the kernel copied all the same."),
    COUNTER(zerocopy_off, "weir_zerocopy_off_total", "Streams that gave zero copy up for that."),
    COUNTER(names, "weir_names_total", "Hosts that were looked up for dials."),
    COUNTER(names_failed, "weir_names_failed_total", "Look-ups without an answer to dial."),
    COUNTER(dial_attempts, "weir_dial_attempts_total", "Connects of dials that race addresses."),
};

static const char *const refusals[] = {
    [WEIR_REFUSED_STALE] = "stale",     [WEIR_REFUSED_ENDED] = "ended",
    [WEIR_REFUSED_TOKEN] = "token",     [WEIR_REFUSED_STREAM] = "stream",
    [WEIR_REFUSED_LANE] = "lane",       [WEIR_REFUSED_LOOP] = "loop",
    [WEIR_REFUSED_PROCESS] = "process", [WEIR_REFUSED_MEMORY] = "memory",
    [WEIR_REFUSED_NOWAIT] = "nowait",
};
static_assert(sizeof(refusals) / sizeof(refusals[0]) == WEIR_REFUSALS, "each has a name");

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
    bool has_room = text->length < text->size;
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(has_room ? text->buffer + text->length : NULL,
                       has_room ? text->size - text->length : 0, format, args);
    va_end(args);
    text->length += length > 0 ? (size_t)length : 0;
}

static void
say_head(struct text *text, const char *name, const char *help, const char *type)
{
    say(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t
number_at(const struct weir_stats *stats, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)stats + offset);
}

static void
say_family(struct text *text, const struct family *family, const struct weir_stats *loops,
           unsigned count)
{
    say_head(text, family->name, family->help, family->is_gauge ? "gauge" : "counter");
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = number_at(&loops[i], family->offset);

        say(text, "%s{loop=\"%u\"} %" PRIu64 "\n", family->name, i, value);
    }
}

static void
say_refusals(struct text *text, const struct weir_stats *loops, unsigned count)
{
    static const char name[] = "weir_refused_total";

    say_head(text, name, "Submits that were refused.", "counter");
    for (unsigned i = 0; i < count; i++) {
        for (unsigned reason = 0; reason < WEIR_REFUSALS; reason++) {
            say(text, "%s{loop=\"%u\",reason=\"%s\"} %" PRIu64 "\n", name, i, refusals[reason],
                loops[i].refused[reason]);
        }
    }
}

// What streams waited for with something to send.
struct wait {
    const char *reason;
    size_t times, ns; // offsets in weir_stats
};

#define WAIT(reason, times, ns)                                                     \
    {                                                                               \
        reason, offsetof(struct weir_stats, times), offsetof(struct weir_stats, ns) \
    }

static const struct wait waits[] = {
    WAIT("socket", blocked, blocked_ns),
    WAIT("cork", corked, corked_ns),
    WAIT("right", right_waits, right_wait_ns),
    {"mark", offsetof(struct weir_stats, limited), 0}, // the last: counted only
};

#define WAITS       (sizeof(waits) / sizeof(waits[0]))
#define WAITS_TIMED (WAITS - 1)

static void
say_waits(struct text *text, const struct weir_stats *loops, unsigned count)
{
    static const char times[] = "weir_blocked_total";
    static const char seconds[] = "weir_blocked_seconds_total";

    say_head(text, times, "Times a stream had something to send and could not.", "counter");
    for (unsigned i = 0; i < count * WAITS; i++) {
        const struct wait *wait = &waits[i % WAITS];

        say(text, "%s{loop=\"%zu\",reason=\"%s\"} %" PRIu64 "\n", times, i / WAITS, wait->reason,
            number_at(&loops[i / WAITS], wait->times));
    }
    say_head(text, seconds, "How long, summed over streams, of waits that have ended.", "counter");
    for (unsigned i = 0; i < count * WAITS_TIMED; i++) {
        const struct wait *wait = &waits[i % WAITS_TIMED];
        uint64_t ns = number_at(&loops[i / WAITS_TIMED], wait->ns);

        say(text, "%s{loop=\"%zu\",reason=\"%s\"} %" PRIu64 ".%09" PRIu64 "\n", seconds,
            i / WAITS_TIMED, wait->reason, ns / NS_PER_S, ns % NS_PER_S);
    }
}

// Bounds are powers of two, which buckets end at, so the numbers are exact.
static void
say_histogram(struct text *text, const char *name, unsigned loop,
              const struct weir_latency *latency)
{
    uint64_t seen = 0;
    unsigned bucket = 0;

    for (unsigned power = POWER_FIRST; power <= POWER_LAST; power++) {
        uint64_t bound = UINT64_C(1) << power;

        while (weir_latency_bound_ns(bucket) <= bound) {
            seen += latency->buckets[bucket++];
        }
        say(text, "%s_bucket{loop=\"%u\",le=\"%" PRIu64 ".%09" PRIu64 "\"} %" PRIu64 "\n", name,
            loop, bound / NS_PER_S, bound % NS_PER_S, seen);
    }
    while (bucket < WEIR_LATENCY_BUCKETS) {
        seen += latency->buckets[bucket++];
    }
    say(text, "%s_bucket{loop=\"%u\",le=\"+Inf\"} %" PRIu64 "\n", name, loop, seen);
    say(text, "%s_sum{loop=\"%u\"} %" PRIu64 ".%09" PRIu64 "\n", name, loop,
        latency->sum_ns / NS_PER_S, latency->sum_ns % NS_PER_S);
    say(text, "%s_count{loop=\"%u\"} %" PRIu64 "\n", name, loop, seen); // of the same moment
}

static void
say_latency(struct text *text, struct weir_runtime *runtime, unsigned count)
{
    static const char name[] = "weir_write_latency_seconds";
    struct weir_latency latency;

    if (weir_latency(runtime, &latency) < 0) {
        return; // built without
    }
    say_head(text, name, "From submit to wire, of one write in many.", "histogram");
    for (unsigned i = 0; i < count; i++) {
        weir_loop_latency(weir_runtime_loop(runtime, i), &latency);
        say_histogram(text, name, i, &latency);
    }
}

int64_t
// Written by say(): NOLINTNEXTLINE(readability-non-const-parameter)
weir_stats_prometheus(struct weir_runtime *runtime, char *buffer, size_t size)
{
    struct text text = {.buffer = buffer, .size = size};
    unsigned count = weir_runtime_loop_count(runtime);
    struct weir_stats *loops;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || (buffer == NULL && size != 0)) {
        return -EINVAL;
    }
    loops = wi_heap_zalloc(count * sizeof(*loops));
    if (loops == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        weir_loop_stats(weir_runtime_loop(runtime, i), &loops[i]);
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        say_family(&text, &families[i], loops, count);
    }
    say_refusals(&text, loops, count);
    say_waits(&text, loops, count);
    say_latency(&text, runtime, count);
    wi_heap_free(loops);
    return (int64_t)text.length;
}
