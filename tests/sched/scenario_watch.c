// SPDX-License-Identifier: MIT
// A watch that one thread starts and others stop.

#include "runtime/watch.h"

#include "tests/sched/fixture_net.h"
#include "tests/sched/scenarios.h"

static weir_watch watch;
static wi_atomic_bool is_there;
static int fd;
static struct net_counter told, ends;
static int answers[2];
static unsigned context; // the watch's own: written by who starts it

static void
on_ready(weir_watch which, unsigned events, void *arg)
{
    sched_check(which.bits == watch.bits);
    sched_check(*(unsigned *)arg == 3);
    sched_check(net_count(&ends) == 0);
    net_add(events == 0 ? &ends : &told, 1);
}

static void
start(void *arg)
{
    (void)arg;
    net_join();
    context = 3;
    sched_check(weir_watch_start(wi_loop_public(fixture_loop()), fd, WEIR_WATCH_IN, on_ready,
                                 &context, &watch) == 0);
    wi_store_release(&is_there, true);
}

static bool
has_started(void *arg)
{
    return sched_peek(arg, sizeof(is_there)) != 0;
}

static void
stop(void *arg)
{
    unsigned number = *(const unsigned *)arg;

    sched_wait(has_started, &is_there);
    sched_check(wi_load_acquire(&is_there));
    answers[number] = weir_watch_stop(watch);
}

static void
set_up(void)
{
    static unsigned numbers[] = {0, 1};

    net_start();
    fd = sockets_open(0);
    sockets_give(fd, "a", 1);
    sched_start(start, NULL);
    sched_start(stop, &numbers[0]);
    sched_start(stop, &numbers[1]);
}

static void
verify(void)
{
    sched_check((answers[0] == 0) != (answers[1] == 0));
    sched_check(answers[0] + answers[1] == -WEIR_ESTALE);
    sched_check(net_count(&ends) == 1 && net_count(&told) <= 1);
    sched_check(fixture_loop()->watches == NULL);
    fixture_verify();
}

const struct sched_scenario watch_stop = {
    .name = "watch-stop",
    .promise = "a watch that two threads stop while it starts ends once, and is not told behind it",
    .set_up = set_up,
    .verify = verify,
    .pre_emptions = 1,
};
