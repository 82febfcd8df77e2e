// SPDX-License-Identifier: MIT
// Names: an answer that nobody wants any more, and threads that a stop leaves behind.

#include "runtime/resolver.h"

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "tests/sched/fixture.h"
#include "tests/sched/scenarios.h"

static struct wi_query *query;
static struct wi_resolver *resolver;
static unsigned answered, abandoned, asked;

// As a name server's: it takes its time.
int
wi_os_resolve(const char *host, union wi_ip *ret_addresses, unsigned capacity)
{
    sched_check(host[0] == 'a' && capacity == WI_QUERY_ADDRESSES);
    sched_point();
    ret_addresses[0].any.sa_family = AF_INET;
    return 1;
}

static void
take_answer(struct wi_loop *loop, struct wi_query *home)
{
    (void)loop;
    sched_check(home == query && home->count == 1);
    sched_check(home->addresses[0].any.sa_family == AF_INET);
    answered++;
    wi_heap_free(home);
}

static void
ask(struct weir_loop *loop, void *arg)
{
    (void)arg;
    query = wi_heap_zalloc(sizeof(*query));
    query->host[0] = 'a';
    asked++;
    sched_check(wi_query_start(wi_loop_of(loop), query, take_answer) == 0);
    resolver = (struct wi_resolver *)wi_load_relaxed(&wi_loop_of(loop)->runtime->resolver);
}

static void
forget(struct weir_loop *loop, void *arg)
{
    (void)arg;
    if (asked != answered) {
        abandoned++;
        wi_query_abandon(wi_loop_of(loop), query);
    }
}

static void
ask_and_forget(void *arg)
{
    (void)arg;
    sched_check(weir_post(wi_loop_public(fixture_loop()), ask, NULL) == 0);
    sched_check(weir_post(wi_loop_public(fixture_loop()), forget, NULL) == 0);
}

static void
verify_once(void)
{
    sched_check(asked == 1 && answered + abandoned == 1);
    sched_check(sched_is_freed(query));
}

static void
set_up_answer(void)
{
    fixture_start(1, 8);
    sched_start(ask_and_forget, NULL);
}

static void
verify_answer(void)
{
    verify_once();
    sched_check(fixture_loop()->open_things == 0);
    fixture_verify();
}

const struct sched_scenario resolver_answer = {
    .name = "resolver-answer",
    .promise = "an answer comes home or is dropped, and is freed once",
    .set_up = set_up_answer,
    .verify = verify_answer,
    .pre_emptions = 1,
};

static void
stop_and_free(void *arg)
{
    (void)arg;
    sched_hold();
    sched_check(weir_post(wi_loop_public(fixture_loop()), forget, NULL) == 0);
    sched_release();
    sched_check(wi_runtime_stop(fixture_runtime, 0) == 0);
    sched_check(wi_runtime_free(fixture_runtime) == 0);
}

static void
set_up_stop(void)
{
    fixture_start(1, 8);
    wi_tls.loop = fixture_loop(); // what the loop does first
    ask(wi_loop_public(fixture_loop()), NULL);
    wi_tls.loop = NULL;
    sched_start(stop_and_free, NULL);
}

static void
verify_stop(void)
{
    verify_once();
    sched_check(sched_is_freed(fixture_runtime));
    sched_check(sched_is_freed(resolver)); // by the stop, or by the thread that it left behind
}

const struct sched_scenario resolver_stop = {
    .name = "resolver-stop",
    .promise = "a stop waits for threads but those in a look-up, which touch nothing that is freed",
    .set_up = set_up_stop,
    .verify = verify_stop,
    .pre_emptions = 1,
};

static unsigned came[2]; // each loop's own

static void
take_any(struct wi_loop *loop, struct wi_query *home)
{
    sched_check(home->count == 1);
    came[loop->index]++;
    wi_heap_free(home);
}

static void
ask_any(struct weir_loop *loop, void *arg)
{
    struct wi_query *any = wi_heap_zalloc(sizeof(*any));

    (void)arg;
    any->host[0] = 'a';
    sched_check(wi_query_start(wi_loop_of(loop), any, take_any) == 0);
}

static void
set_up_make(void)
{
    fixture_start(2, 8);
    for (unsigned i = 0; i < 2; i++) {
        sched_check(weir_post(wi_loop_public(&fixture_runtime->loops[i]), ask_any, NULL) == 0);
    }
}

static void
verify_make(void)
{
    sched_check(came[0] == 1 && came[1] == 1);
    fixture_verify();
}

const struct sched_scenario resolver_make = {
    .name = "resolver-make",
    .promise = "two loops with their first name at once share one resolver",
    .set_up = set_up_make,
    .verify = verify_make,
    .pre_emptions = 1,
};
