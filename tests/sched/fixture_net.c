// SPDX-License-Identifier: MIT
#include "tests/sched/fixture_net.h"

#include "runtime/thread.h"

#define LANE_ENTRIES 8u
#define QUICK        4u

void
net_start(void)
{
    struct weir_runtime_options options = {.loops = 1, .lane_entries = LANE_ENTRIES};

    sched_check(wi_runtime_create(&options, &wi_net_service, &fixture_runtime) == 0);
}

// Before the loop's own fiber runs.
static void
turn_until_quiet(struct wi_loop *loop)
{
    while (wi_loop_turn(loop, 0) != 0) {
    }
    wi_store_relaxed(&loop->parked, 0);
    wi_os_wake_clear(loop->wake_fd);
}

weir_stream
net_stream(const struct weir_stream_options *options, size_t room, int *ret_fd)
{
    struct wi_loop *loop = fixture_loop();
    weir_stream stream;
    int result;

    *ret_fd = sockets_open(room);
    wi_tls.loop = loop;
    result = weir_adopt(wi_loop_public(loop), *ret_fd, options, &stream);
    wi_tls.loop = NULL;
    sched_check(result == 0);
    turn_until_quiet(loop);
    return stream;
}

void
net_join(void)
{
    struct wi_lane *lane = fixture_join();

    sched_hold();
    lane->quick = QUICK; // as after an earlier write
    sched_release();
}

struct wi_gate *
net_gate(weir_stream stream)
{
    struct wi_gate *gate = wi_gate_find(stream.bits);

    sched_check(gate != NULL);
    return gate;
}

void
net_verify(weir_stream stream)
{
    const struct wi_gate *gate = wi_gate_find(stream.bits);

    if (gate != NULL) {
        sched_check(wi_gate_queued(gate) == 0);
        sched_check((wi_load_relaxed(&gate->word) & WI_GATE_INFLIGHTS) == 0);
    }
    fixture_verify();
}

void
net_add(struct net_counter *counter, uint64_t more)
{
    sched_tally(&counter->count, more);
}

uint64_t
net_count(const struct net_counter *counter)
{
    return sched_tally((uint64_t *)(uintptr_t)&counter->count, 0);
}

struct wanted {
    struct net_counter *counter;
    uint64_t seen;
};

static bool
is_above(void *arg)
{
    const struct wanted *wanted = arg;

    return net_count(wanted->counter) > wanted->seen;
}

void
net_await(struct net_counter *counter, uint64_t seen)
{
    struct wanted *wanted = &(struct wanted){counter, seen};

    sched_wait(is_above, wanted);
}

struct net_counter net_closed;

void
net_told_closed(weir_stream stream, const struct weir_closed *how, void *user)
{
    (void)stream;
    (void)how;
    (void)user;
    net_add(&net_closed, 1);
}
