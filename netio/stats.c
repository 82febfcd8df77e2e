/* SPDX-License-Identifier: MIT */

#include "weir/stats.h"

#include "netio/net.h"
#include "runtime/thread.h"

#include <errno.h>

static uint64_t
queued_on(struct wi_loop *loop)
{
    struct wi_slots *gates = &loop->runtime->gates;
    uint32_t slots = wi_load_relaxed(&gates->segments) * WI_SLOT_SEGMENT;
    uint64_t queued = 0;

    for (uint32_t slot = 0; slot < slots; slot++) {
        struct wi_gate *gate = wi_slots_at(gates, slot);

        if (gate != NULL && gate->loop == loop &&
            wi_handle_kind(wi_load_relaxed(&gate->handle)) == WI_HANDLE_STREAM) {
            queued += wi_gate_queued(gate);
        }
    }
    return queued;
}

int
weir_loop_stats(struct weir_loop *public, struct weir_stats *ret_stats)
{
    struct wi_loop *loop = wi_loop_of(public);
    struct wi_counters *counters;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (loop == NULL || ret_stats == NULL) {
        return -EINVAL;
    }
    counters = &loop->counters;
    *ret_stats = (struct weir_stats){
        .turns = wi_load_relaxed(&counters->turns),
        .sleeps = wi_load_relaxed(&counters->sleeps),
        .wakes = wi_load_relaxed(&loop->wakes),
        .system_waits = wi_load_relaxed(&counters->waits),
        .system_reads = wi_load_relaxed(&counters->reads),
        .system_sends = wi_load_relaxed(&counters->sends),
        .system_accepts = wi_load_relaxed(&counters->accepts),
        .system_polls = wi_load_relaxed(&counters->polls),
        .bytes_received = wi_load_relaxed(&counters->bytes_received),
        .bytes_sent = wi_load_relaxed(&counters->bytes_sent),
        .operations_accepted = wi_load_relaxed(&counters->accepted),
        .operations_completed = wi_load_relaxed(&counters->completed),
        .operations_cancelled = wi_load_relaxed(&counters->cancelled),
        .operations_inline = wi_load_relaxed(&counters->inline_done),
        .cancels_won = wi_load_relaxed(&counters->cancels_won),
        .cancels_late = wi_load_relaxed(&counters->cancels_late),
        .blocked = wi_load_relaxed(&counters->blocked),
        .blocked_ns = wi_load_relaxed(&counters->blocked_ns),
        .corked = wi_load_relaxed(&counters->corked),
        .corked_ns = wi_load_relaxed(&counters->corked_ns),
        .right_waits = wi_load_relaxed(&counters->right_waits),
        .right_wait_ns = wi_load_relaxed(&counters->right_wait_ns),
        .limited = wi_load_relaxed(&counters->limited),
        .streams_opened = wi_load_relaxed(&counters->opened),
        .streams_closed = wi_load_relaxed(&counters->closed),
        .streams_now = wi_load_relaxed(&loop->streams),
        .queued_now = queued_on(loop),
        .order_looks = wi_load_relaxed(&counters->order_looks),
        .zerocopy_sends = wi_load_relaxed(&counters->zerocopy_sends),
        .zerocopy_copied = wi_load_relaxed(&counters->zerocopy_copied),
        .zerocopy_off = wi_load_relaxed(&counters->zerocopy_off),
        .names = wi_load_relaxed(&counters->names),
        .names_failed = wi_load_relaxed(&counters->names_failed),
        .dial_attempts = wi_load_relaxed(&counters->attempts),
    };
    for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
        ret_stats->refused[i] = wi_load_relaxed(&counters->refused[i]);
    }
    wi_threads_count(loop, ret_stats);
    return 0;
}

// Both structs are nothing but 64-bit numbers.
static void
add(struct weir_stats *sum, const struct weir_stats *more)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)more;

    static_assert(sizeof(*sum) % sizeof(*to) == 0, "numbers only");
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) {
        to[i] += from[i];
    }
}

int
weir_stats(struct weir_runtime *runtime, struct weir_stats *ret_stats)
{
    struct weir_stats sum = {0};

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (runtime == NULL || ret_stats == NULL) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < weir_runtime_loop_count(runtime); i++) {
        struct weir_stats one = {0};

        weir_loop_stats(weir_runtime_loop(runtime, i), &one);
        add(&sum, &one);
    }
    *ret_stats = sum;
    return 0;
}
