// SPDX-License-Identifier: MIT

#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_SECONDS 60

struct service_log service_log;
wi_atomic_u32 failure_count;
const char *failure_first;

// ---- the service ------------------------------------------------------------------------------

static int
service_tables(struct wi_runtime *runtime)
{
    (void)runtime;
    wi_add_relaxed(&service_log.tables, 1);
    return -(int)service_log.tables_fail;
}

static int
service_init(struct wi_loop *loop)
{
    uint32_t call = wi_add_relaxed(&service_log.inits, 1) + 1;

    if (call == service_log.init_fail_at) {
        loop->net = service_log.init_leaves_net ? loop : NULL;
        return -ENOBUFS;
    }
    loop->net = loop;
    return 0;
}

static void
service_stop(struct wi_loop *loop, uint64_t deadline_ns)
{
    (void)loop;
    (void)deadline_ns;
    wi_add_relaxed(&service_log.stops, 1);
}

static void
service_fini(struct wi_loop *loop)
{
    FAILED_UNLESS(loop->net == loop);
    wi_add_relaxed(&service_log.finis, 1);
}

const struct wi_service idle_service = {
    .tables = service_tables,
    .init = service_init,
    .stop = service_stop,
    .fini = service_fini,
};

// ---- runtimes ---------------------------------------------------------------------------------

struct weir_runtime *
runtime_make_with(const struct weir_runtime_options *options)
{
    struct wi_runtime *runtime = NULL;

    assert_int_equal(wi_runtime_create(options, &idle_service, &runtime), 0);
    assert_non_null(runtime);
    return (struct weir_runtime *)(void *)runtime;
}

struct weir_runtime *
runtime_make(unsigned loops, unsigned flags)
{
    return runtime_make_with(&(struct weir_runtime_options){.loops = loops, .flags = flags});
}

void
runtime_end(struct weir_runtime *runtime)
{
    assert_int_equal(weir_runtime_stop(runtime, 0), 0);
    assert_int_equal(weir_runtime_free(runtime), 0);
}

struct wi_loop *
runtime_loop(struct weir_runtime *runtime, unsigned index)
{
    return wi_loop_of(weir_runtime_loop(runtime, index));
}

// ---- loops turned by hand ---------------------------------------------------------------------

void
loop_settle(struct weir_loop *loop)
{
    int handled;

    do {
        handled = weir_loop_turn(loop, 0);
        assert_true(handled >= 0);
    } while (handled > 0);
}

void
loop_enter(struct wi_loop *loop)
{
    assert_null(wi_tls.loop);
    wi_tls.loop = loop;
}

void
loop_leave(void)
{
    wi_tls.loop = NULL;
}

uint64_t
loop_turns(struct weir_loop *loop)
{
    return wi_load_relaxed(&wi_loop_of(loop)->counters.turns);
}

// ---- conditions, threads ----------------------------------------------------------------------

static uint64_t
clock_seconds(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec;
}

void
await(condition_fn *condition, void *arg)
{
    uint64_t until = clock_seconds() + WAIT_SECONDS;

    while (!condition(arg)) {
        if (clock_seconds() > until) {
            fail_msg("the condition did not come to hold");
        }
        sched_yield();
    }
}

bool
reached(void *arg)
{
    struct goal *goal = arg;

    return wi_load_acquire(&goal->count) >= goal->wanted;
}

void
goal_add(struct goal *goal)
{
    wi_add_acq_rel(&goal->count, 1);
}

void
post_goal(struct weir_loop *loop, void *goal)
{
    (void)loop;
    goal_add(goal);
}

void
thread_go(pthread_t *thread, void *(*body)(void *), void *arg)
{
    assert_int_equal(pthread_create(thread, NULL, body, arg), 0);
}

void *
thread_end_of(pthread_t thread)
{
    void *result = NULL;

    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

void *
thread_run_joined(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    thread_go(&thread, body, arg);
    return thread_end_of(thread);
}

void
failure(const char *what)
{
    if (wi_add_relaxed(&failure_count, 1) == 0) {
        failure_first = what;
        fprintf(stderr, "failed: %s\n", what);
    }
}

void
no_failures(void)
{
    assert_int_equal(wi_load_relaxed(&failure_count), 0);
}

// ---- random numbers ---------------------------------------------------------------------------

uint64_t
seed_take(void)
{
    const char *given = getenv("WEIR_SEED");
    struct timespec now;
    uint64_t seed;

    timespec_get(&now, TIME_UTC);
    seed = given != NULL ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_sec * UINT64_C(1000003) + (uint64_t)now.tv_nsec;
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t
random_next(uint64_t *state)
{
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15)); // splitmix64

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

uint64_t
random_upto(uint64_t *state, uint64_t bound)
{
    return bound == 0 ? 0 : random_next(state) % bound;
}
