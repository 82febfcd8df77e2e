// SPDX-License-Identifier: MIT
//
// The stall detector: a callback that holds its loop is reported with its stack, a loop that works
// or rests is not, and a detector with nothing to look at does not run.
#include "mem/heap.h"
#include "tests/lib/runtime_fixture.h"
#include "weir/page.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STALL_MS = 20 };

struct told {
    pthread_mutex_t lock;
    char text[20000];
    size_t size;
    wi_atomic_u32 stalls, frames, ends;
};

static void
keep_line(enum weir_log_level level, const char *line, void *arg)
{
    struct told *told = arg;

    (void)level;
    pthread_mutex_lock(&told->lock);
    told->size +=
        (size_t)snprintf(told->text + told->size, sizeof(told->text) - told->size, "%s\n", line);
    told->size = told->size < sizeof(told->text) ? told->size : sizeof(told->text) - 1;
    pthread_mutex_unlock(&told->lock);
    wi_add_acq_rel(&told->stalls, strstr(line, "stalled") != NULL);
    wi_add_acq_rel(&told->frames, strstr(line, ": #") != NULL);
    wi_add_acq_rel(&told->ends, strstr(line, "goes on") != NULL);
}

static struct weir_runtime *
watched(struct told *told, unsigned loops)
{
    struct weir_runtime_options options = {
        .loops = loops,
        .log = keep_line,
        .log_arg = told,
        .stall_ns = STALL_MS * UINT64_C(1000000),
    };

    *told = (struct told){.lock = PTHREAD_MUTEX_INITIALIZER};
    return runtime_make_with(&options);
}

struct hold {
    struct told *told;
    wi_atomic_u32 *until; // moves
    wi_atomic_bool timed_out;
    unsigned loop;
};

// Holds its loop until the report has come. Its own frame must be in the stack.
static void
hold_until_reported(struct weir_loop *loop, void *arg)
{
    struct hold *hold = arg;
    uint64_t deadline = weir_deadline_after(UINT64_C(30000000000));

    (void)loop;
    while (wi_load_acquire(&hold->told->frames) == 0) {
        sched_yield();
        if (weir_now_ns() > deadline) {
            wi_store_relaxed(&hold->timed_out, true);
            return;
        }
    }
}

static bool
has_ended(void *arg)
{
    return wi_load_acquire(&((struct told *)arg)->ends) != 0;
}

static void
a_callback_that_holds_its_loop_is_reported_with_its_stack(void **state)
{
    static struct told told;
    struct weir_runtime *runtime = watched(&told, 2);
    struct hold hold = {.told = &told};

    (void)state;
    assert_int_equal(weir_post(weir_runtime_loop(runtime, 1), hold_until_reported, &hold), 0);
    await(has_ended, &told);
    assert_false(wi_load_relaxed(&hold.timed_out));
    pthread_mutex_lock(&told.lock);
    assert_non_null(strstr(told.text, "loop 1: stalled"));
    assert_non_null(strstr(told.text, "its stack:"));
    assert_non_null(strstr(told.text, "loop 1: #0 "));
    assert_non_null(strstr(told.text, "integration_stall")); // the program's own frames
    assert_null(strstr(told.text, "loop 0"));
    pthread_mutex_unlock(&told.lock);
    assert_int_equal(wi_load_relaxed(&told.stalls), 1); // once
    assert_true(wi_load_relaxed(&told.frames) >= 2);
    runtime_end(runtime);
}

// Many short turns, longer in all than what is allowed for one.
static void
a_busy_loop_is_not_reported(void **state)
{
    static struct told told;
    struct weir_runtime *runtime = watched(&told, 1);
    uint64_t begun = weir_now_ns();
    struct goal goal = {.wanted = 0};

    (void)state;
    while (weir_now_ns() - begun < STALL_MS * UINT64_C(5000000)) {
        goal.wanted++;
        assert_int_equal(weir_post(weir_runtime_loop(runtime, 0), post_goal, &goal), 0);
        await(reached, &goal);
    }
    runtime_end(runtime);
    // On a crowded machine a thread may be off its core for so long: that is a stall, and told.
    assert_true(wi_load_relaxed(&told.stalls) < goal.wanted / 10 + 2);
}

struct rest {
    const struct wi_stall *stall;
    struct weir_loop *loop;
    uint64_t looks, turns; // when it last had rested for several ticks
    uint64_t until;
};

static void
begin_rest(struct rest *rest)
{
    rest->looks = wi_stall_looks(rest->stall);
    rest->turns = loop_turns(rest->loop);
    rest->until = weir_deadline_after(STALL_MS * UINT64_C(5000000));
}

// Five times what is allowed, twenty ticks, without a turn of the loop.
static bool
has_rested(void *arg)
{
    struct rest *rest = arg;

    if (loop_turns(rest->loop) != rest->turns || wi_stall_looks(rest->stall) > rest->looks + 2) {
        begin_rest(rest);
    }
    return weir_now_ns() > rest->until;
}

// Behind the last turn it looks twice at most: once that it was the last, once on its way to sleep.
static void
a_detector_with_nothing_to_look_at_does_not_run(void **state)
{
    static struct told told;
    struct weir_runtime *runtime = watched(&told, 1);
    struct rest rest = {.stall = wi_runtime_of(runtime)->stall,
                        .loop = weir_runtime_loop(runtime, 0)};
    struct goal goal = {.wanted = 1};

    (void)state;
    assert_int_equal(weir_post(rest.loop, post_goal, &goal), 0);
    await(reached, &goal);
    begin_rest(&rest);
    await(has_rested, &rest);
    runtime_end(runtime);
}

static void
handler_of_the_program(int signal)
{
    (void)signal;
}

static void
options_that_cannot_be_are_refused(void **state)
{
    static struct told told;
    struct weir_runtime_options options = {.loops = 1, .stall_ns = 1000000};
    struct weir_runtime *runtime;

    (void)state;
    assert_int_equal(weir_runtime_create(&options, &runtime), -EINVAL); // nobody to tell
    options.log = keep_line;
    options.log_arg = &told;
    options.flags = WEIR_MANUAL;
    assert_int_equal(weir_runtime_create(&options, &runtime), -EINVAL);
    options.flags = 0;
    options.stall_signal = 1000;
    assert_int_equal(weir_runtime_create(&options, &runtime), -EINVAL);
    options.stall_signal = SIGKILL;
    assert_int_equal(weir_runtime_create(&options, &runtime), -EINVAL);
    options.stall_signal = SIGRTMIN + 3;
    signal(SIGRTMIN + 3, handler_of_the_program);
    assert_int_equal(weir_runtime_create(&options, &runtime), -EBUSY);
    signal(SIGRTMIN + 3, SIG_DFL);
    runtime = runtime_make_with(&options);
    runtime_end(runtime);
    assert_true(signal(SIGRTMIN + 3, SIG_DFL) == SIG_DFL); // given back
}

static unsigned
pages_of_this_process(void)
{
    DIR *directory = opendir(WEIR_PAGE_DIRECTORY);
    const struct dirent *entry;
    unsigned count = 0;
    char prefix[40];

    assert_non_null(directory);
    snprintf(prefix, sizeof(prefix), "weir.%d.", (int)getpid());
    while ((entry = readdir(directory)) != NULL) {
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(directory);
    return count;
}

// Whichever allocation fails: no page stays, no handler, and the next try works.
static void
a_runtime_that_cannot_be_made_leaves_nothing(void **state)
{
    static struct told told;
    struct weir_runtime_options options = {.loops = 2,
                                           .log = keep_line,
                                           .log_arg = &told,
                                           .stall_ns = 1000000,
                                           .stall_signal = SIGRTMIN + 4,
                                           .stats_name = "fails"};
    struct weir_runtime *runtime = NULL;
    unsigned failures = 0;
    int result;

    (void)state;
    do {
        wi_heap_fail(failures + 1, 0);
        result = weir_runtime_create(&options, &runtime);
        wi_heap_fail(0, 0);
        if (result != 0) {
            failures++;
            assert_int_equal(result, -ENOMEM);
            assert_int_equal(pages_of_this_process(), 0);
            assert_true(signal(SIGRTMIN + 4, SIG_DFL) == SIG_DFL);
        }
    } while (result != 0);
    assert_true(failures > 3);
    assert_int_equal(pages_of_this_process(), 1);
    runtime_end(runtime);
    assert_int_equal(pages_of_this_process(), 0);
    assert_true(signal(SIGRTMIN + 4, SIG_DFL) == SIG_DFL);
}

// Two runtimes share the signal, and the handler stays until the last has gone.
static void
runtimes_share_the_signal(void **state)
{
    static struct told first_told, second_told;
    struct weir_runtime *first = watched(&first_told, 1);
    struct weir_runtime *second = watched(&second_told, 1);
    struct hold hold = {.told = &second_told};

    (void)state;
    runtime_end(first);
    assert_int_equal(weir_post(weir_runtime_loop(second, 0), hold_until_reported, &hold), 0);
    await(has_ended, &second_told);
    assert_false(wi_load_relaxed(&hold.timed_out));
    runtime_end(second);
    assert_int_equal(wi_load_relaxed(&first_told.stalls), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_that_holds_its_loop_is_reported_with_its_stack),
        cmocka_unit_test(a_busy_loop_is_not_reported),
        cmocka_unit_test(a_detector_with_nothing_to_look_at_does_not_run),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(a_runtime_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(runtimes_share_the_signal),
    };

    return cmocka_run_group_tests_name("integration.stall", tests, NULL, NULL);
}
