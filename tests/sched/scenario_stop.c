// SPDX-License-Identifier: MIT
// The end of a runtime: what was accepted runs, and nothing is touched once it is freed.

#include "runtime/runtime.h"
#include "tests/sched/fixture.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

static unsigned ran;
static int posted;
static wi_atomic_bool has_posted;

static void
count(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    ran++;
}

static void
post(void *arg)
{
    (void)arg;
    posted = weir_post(wi_loop_public(fixture_loop()), count, NULL);
    wi_store_release(&has_posted, true);
}

static bool
is_posted(void *arg)
{
    return sched_peek(arg, sizeof(has_posted)) != 0;
}

static void
stop_and_free(void *arg)
{
    struct wi_runtime *runtime = fixture_runtime;

    (void)arg;
    sched_check(wi_runtime_stop(runtime, 0) == 0);
    // To free it no thread may be inside a call; that of the other may end before or after.
    sched_wait(is_posted, &has_posted);
    sched_check(wi_load_acquire(&has_posted));
    sched_check(ran == (posted == 0));
    sched_check(wi_runtime_free(runtime) == 0);
}

static void
set_up_stop(void)
{
    fixture_start(1, 8);
    sched_start(post, NULL);
    sched_start(stop_and_free, NULL);
}

static void
verify_stop(void)
{
    sched_check(posted == 0 || posted == -WEIR_EENDED);
    sched_check(ran == (posted == 0));
    sched_check(sched_is_freed(fixture_runtime));
}

const struct sched_scenario stop_post = {
    .name = "stop-post",
    .promise = "a post that meets the stop is refused or runs; the runtime is freed under nobody",
    .set_up = set_up_stop,
    .verify = verify_stop,
    .pre_emptions = 1,
};
