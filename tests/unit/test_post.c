// SPDX-License-Identifier: MIT
// Posted functions.

#include "mem/heap.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define THREADS 4u
#define PING_NS UINT64_C(10000000000)
#define POSTS   ROUNDS_OF(20000u)

static void
nothing(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void
arguments_are_checked(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);

    (void)state;
    assert_int_equal(weir_post(NULL, nothing, NULL), -EINVAL);
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), NULL, NULL), -EINVAL);
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 1), nothing, NULL), -EINVAL);
    runtime_end(runtime);
    assert_null(weir_loop_current());
}

// ---- order --------------------------------------------------------------------------------------

struct poster {
    pthread_t thread;
    struct weir_loop *loop;
    unsigned next; // the loop's: what must come now
    wi_atomic_u32 refused;
};

struct letter {
    struct poster *from;
    unsigned number;
};

static struct letter letters[THREADS][POSTS];

static void
letter_arrive(struct weir_loop *loop, void *arg)
{
    struct letter *letter = arg;

    FAILED_UNLESS(weir_loop_current() == loop);
    FAILED_UNLESS(letter->number == letter->from->next);
    letter->from->next++;
}

static void *
post_letters(void *arg)
{
    struct letter *own = arg;
    struct poster *poster = own[0].from;

    for (unsigned i = 0; i < POSTS;) {
        int result = weir_post(poster->loop, letter_arrive, &own[i]);

        if (result == 0) {
            i++;
        } else {
            FAILED_UNLESS(result == -WEIR_ELANEFULL);
            wi_add_relaxed(&poster->refused, 1);
            sched_yield();
        }
    }
    return NULL;
}

static void
post_from_threads(unsigned lane_entries)
{
    struct weir_runtime_options options = {.loops = 1, .lane_entries = lane_entries};
    struct weir_runtime *runtime = runtime_make_with(&options);
    struct poster posters[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.loop = weir_runtime_loop(runtime, 0)};
        for (unsigned j = 0; j < POSTS; j++) {
            letters[i][j] = (struct letter){.from = &posters[i], .number = j};
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&posters[i].thread, post_letters, letters[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(posters[i].thread);
    }
    runtime_end(runtime); // runs what was posted
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(posters[i].next, POSTS);
    }
    no_failures();
}

static void
each_post_arrives_once_and_in_order_per_thread(void **state)
{
    (void)state;
    post_from_threads(0);
}

static void
small_lanes_refuse_and_lose_nothing(void **state)
{
    (void)state;
    post_from_threads(8);
}

// One post at a time, so that each is the last one: an entry whose mark or wake-up was lost would
// wait for ever. With a loop that spins the two sides meet in the middle of a drain; without, in
// the middle of falling asleep.
static void
ping(uint64_t spin_ns, uint32_t rounds)
{
    struct weir_runtime_options options = {.loops = 1, .spin_ns = spin_ns};
    struct weir_runtime *runtime = runtime_make_with(&options);
    struct goal goal = {.wanted = 0};
    uint64_t random = rounds;
    uint64_t until =
        weir_deadline_after(PING_NS); // each round costs a time slice of a busy machine

    while (goal.wanted < rounds && (goal.wanted < rounds / 100 || weir_now_ns() < until)) {
        goal.wanted++;
        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_goal, &goal), 0);
        for (uint64_t spins = random_upto(&random, 400); spins > 0 && !reached(&goal); spins--) {
        }
        if (!reached(&goal)) {
            await(reached, &goal);
        }
        for (uint64_t spins = random_upto(&random, 400); spins > 0; spins--) {
            atomic_signal_fence(memory_order_seq_cst); // time passes
        }
    }
    runtime_end(runtime);
}

static void
the_last_post_is_never_left_behind(void **state)
{
    (void)state;
    ping(UINT64_C(1000000000), ROUNDS_OF(40000u));
    ping(0, ROUNDS_OF(30000u));
}

// ---- on the loop --------------------------------------------------------------------------------

struct chain {
    unsigned left;
    unsigned runs;
    uint64_t turn; // of the last run
    struct weir_loop *loop;
    int result;
};

static void
post_again(struct weir_loop *loop, void *arg)
{
    struct chain *chain = arg;

    chain->runs++;
    chain->turn = loop_turns(loop);
    if (chain->left > 0) {
        chain->left--;
        FAILED_UNLESS(weir_post(loop, post_again, chain) == 0);
    }
}

static void
posts_from_the_loop_use_no_lane_and_end_the_turn_in_time(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct chain chain = {.left = 10000};
    unsigned turns = 0;

    (void)state;
    assert_int_equal(weir_post(loop, post_again, &chain), 0);
    while (chain.left > 0) { // bounded per turn, and what is left keeps the loop awake
        assert_true(weir_loop_turn(loop, -1) > 0);
        turns++;
    }
    loop_settle(loop);
    assert_int_equal(chain.runs, 10001);
    assert_true(turns >= 2);
    runtime_end(runtime);
    no_failures();
}

static void
post_and_note(struct weir_loop *loop, void *arg)
{
    struct chain *chain = arg;

    (void)loop;
    chain->runs++;
    chain->result = weir_post(loop, nothing, NULL);
}

static void
what_was_posted_runs_while_stopping_and_may_post_on(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct chain chain = {0};

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(weir_post(loop, post_and_note, &chain), 0);
    }
    assert_int_equal(weir_runtime_stop(runtime, WEIR_NEVER), 0);
    assert_int_equal(chain.runs, 5000);
    assert_int_equal(chain.result, 0);
    assert_int_equal(weir_post(loop, post_and_note, &chain), -WEIR_EENDED);
    assert_int_equal(weir_runtime_free(runtime), 0);
    assert_int_equal(chain.runs, 5000);
}

static void
post_itself(struct weir_loop *loop, void *arg)
{
    struct chain *chain = arg;

    chain->runs++;
    chain->result = weir_post(loop, post_itself, chain);
}

// What was posted runs; what posts itself for ever is refused from the stop's deadline on.
static void
a_post_that_never_ends_does_not_keep_a_stop(void **state)
{
    static const unsigned flags[] = {WEIR_MANUAL, 0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct weir_runtime *runtime = runtime_make(1, flags[i]);
        struct chain chain = {0};
        uint64_t deadline;

        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_itself, &chain), 0);
        deadline = weir_deadline_after(UINT64_C(20000000));
        assert_int_equal(weir_runtime_stop(runtime, deadline), 0);
        assert_true(weir_now_ns() >= deadline);
        // Only once where the loop's thread had no processor before the deadline.
        assert_true(chain.runs > (flags[i] == WEIR_MANUAL ? 1 : 0));
        assert_int_equal(chain.result, -WEIR_EENDED);
        assert_int_equal(weir_runtime_free(runtime), 0);
    }
}

// A stop without time: what had been posted runs, and nothing more.
static void
a_stop_without_time_runs_what_was_posted(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct chain chain = {0};

    (void)state;
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_itself, &chain), 0);
    assert_int_equal(weir_runtime_stop(runtime, 0), 0);
    assert_int_equal(chain.runs, 1);
    assert_int_equal(chain.result, -WEIR_EENDED);
    assert_int_equal(weir_runtime_free(runtime), 0);
}

// A function that goes from loop to loop while the runtime stops: also a loop that has closed
// everything runs what is posted to it.
struct walker {
    struct weir_loop *loops[3];
    unsigned left;
    unsigned runs;
    wi_atomic_u32 begun;
};

static void
walk(struct weir_loop *loop, void *arg)
{
    struct walker *walker = arg;

    FAILED_UNLESS(weir_loop_current() == loop);
    wi_store_release(&walker->begun, 1);
    walker->runs++;
    if (walker->left > 0) {
        walker->left--;
        FAILED_UNLESS(weir_post(walker->loops[walker->left % 3], walk, walker) == 0);
    }
}

static bool
has_begun(void *arg)
{
    return wi_load_acquire(&((struct walker *)arg)->begun) != 0;
}

static void
a_stop_waits_for_posts_between_loops(void **state)
{
    static const unsigned flags[] = {0, WEIR_MANUAL};

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct weir_runtime *runtime = runtime_make(3, flags[round % 2]);
        struct walker walker = {.left = 300};

        for (unsigned i = 0; i < 3; i++) {
            walker.loops[i] = weir_runtime_loop(runtime, i);
        }
        assert_int_equal(weir_post(walker.loops[0], walk, &walker), 0);
        if (flags[round % 2] == 0) {
            await(has_begun, &walker);
        }
        assert_int_equal(weir_runtime_stop(runtime, WEIR_NEVER), 0); // as long as it takes
        assert_int_equal(weir_runtime_free(runtime), 0);
        assert_int_equal(walker.runs, 301);
    }
    no_failures();
}

static void
memory_that_runs_out_refuses_and_calls_nothing(void **state)
{
    unsigned long allocations = 1;
    unsigned long nth = 0;
    struct goal goal = {.wanted = 1};

    (void)state;
    // A thread's first post makes its record, its lane, its ring and a segment: fail each in turn.
    do {
        struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
        int result;

        wi_heap_fail(++nth, 0);
        result = weir_post(weir_runtime_loop(runtime, 0), post_goal, &goal);
        allocations = wi_heap_fail_count();
        wi_heap_fail(0, 0);
        assert_int_equal(result, allocations >= nth ? -ENOMEM : 0);
        if (result < 0) { // and the next try works
            assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_goal, &goal), 0);
        }
        runtime_end(runtime);
        assert_int_equal(wi_load_relaxed(&goal.count), nth);
    } while (allocations >= nth);
    assert_true(nth > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(each_post_arrives_once_and_in_order_per_thread),
        cmocka_unit_test(small_lanes_refuse_and_lose_nothing),
        cmocka_unit_test(the_last_post_is_never_left_behind),
        cmocka_unit_test(posts_from_the_loop_use_no_lane_and_end_the_turn_in_time),
        cmocka_unit_test(what_was_posted_runs_while_stopping_and_may_post_on),
        cmocka_unit_test(a_post_that_never_ends_does_not_keep_a_stop),
        cmocka_unit_test(a_stop_without_time_runs_what_was_posted),
        cmocka_unit_test(a_stop_waits_for_posts_between_loops),
        cmocka_unit_test(memory_that_runs_out_refuses_and_calls_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
