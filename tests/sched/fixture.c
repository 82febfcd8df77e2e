// SPDX-License-Identifier: MIT
#include "tests/sched/fixture.h"

#include "runtime/thread.h"

struct wi_runtime *fixture_runtime;

static int
no_tables(struct wi_runtime *runtime)
{
    (void)runtime;
    return 0;
}

static int
no_init(struct wi_loop *loop)
{
    (void)loop;
    return 0;
}

static void
no_stop(struct wi_loop *loop, uint64_t deadline_ns)
{
    (void)loop;
    (void)deadline_ns;
}

static const struct wi_service nothing = {.tables = no_tables, .init = no_init, .stop = no_stop};

void
fixture_start(unsigned loops, unsigned lane_entries)
{
    struct weir_runtime_options options = {.loops = loops, .lane_entries = lane_entries};

    sched_check(wi_runtime_create(&options, &nothing, &fixture_runtime) == 0);
}

struct wi_loop *
fixture_loop(void)
{
    return &fixture_runtime->loops[0];
}

struct wi_lane *
fixture_join(void)
{
    struct wi_lane *lane;
    struct wi_op *op;

    sched_hold();
    lane = wi_thread_lane(fixture_loop());
    sched_check(lane != NULL);
    op = wi_op_take(&lane->cache);
    sched_check(op != NULL);
    wi_op_put_back(&lane->cache, op);
    sched_release();
    return lane;
}

void
fixture_verify(void)
{
    for (unsigned i = 0; i < fixture_runtime->loop_count; i++) {
        struct wi_loop *loop = &fixture_runtime->loops[i];

        sched_check(wi_load_relaxed(&loop->wakes) <= wi_load_relaxed(&loop->counters.sleeps));
        sched_check(wi_stack_is_empty(&loop->marked));
        sched_check(wi_stack_is_empty(&loop->cancels));
        sched_check(wi_stack_is_empty(&loop->controls));
        sched_check(wi_load_relaxed(&loop->counters.accepted) ==
                    wi_load_relaxed(&loop->counters.completed));
    }
}
