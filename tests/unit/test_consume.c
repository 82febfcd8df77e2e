// SPDX-License-Identifier: MIT
// A data function that answered PENDING, and the one answer that counts.

#include "netio/consume.h"

#include "mem/heap.h"
#include "netio/net.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define THREADS 4u
#define ROUNDS  ROUNDS_OF(20000u)

struct scene {
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    weir_stream handle;
    struct wi_stream *stream;
};

static struct scene scene;

static int
scene_open(void **state)
{
    struct weir_dial request = {.flags = WEIR_DIAL_LAZY};

    (void)state;
    scene = (struct scene){0};
    assert_int_equal(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &scene.runtime),
        0);
    scene.loop = weir_runtime_loop(scene.runtime, 0);
    assert_int_equal(weir_address_ip(&request.address, "127.0.0.1", 1), 0);
    assert_int_equal(weir_dial(scene.loop, &request, &scene.handle), 0); // never connects
    loop_settle(scene.loop);
    scene.stream = wi_stream_of(wi_gate_find(scene.handle.bits));
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    runtime_end(scene.runtime);
    no_failures();
    return 0;
}

static void
show(size_t size)
{
    loop_enter(wi_loop_of(scene.loop));
    assert_true(wi_consume_open(wi_loop_of(scene.loop), scene.stream, size));
    loop_leave();
}

// As if its data function ran.
static void
data_begins(size_t size)
{
    loop_enter(wi_loop_of(scene.loop));
    wi_show_begin(&wi_net_of(wi_loop_of(scene.loop))->show, wi_gate_of(scene.stream),
                  (uint32_t)size);
    loop_leave();
}

// As if it returned, and did not say PENDING. Was there an answer?
static bool
data_ends(void)
{
    return wi_show_end(&wi_net_of(wi_loop_of(scene.loop))->show);
}

static bool
take(size_t *ret_consumed, size_t *ret_examined)
{
    bool taken;

    loop_enter(wi_loop_of(scene.loop));
    taken = wi_consume_take(scene.stream, ret_consumed, ret_examined);
    loop_leave();
    loop_settle(scene.loop); // the request that came with the answer finds nothing left
    return taken;
}

static void
nothing_pending_has_no_answer(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    assert_int_equal(weir_consume(scene.handle, 0, 0), -EALREADY);
    assert_int_equal(weir_consume(scene.handle, 1, 0), -EINVAL); // wrong whenever it comes
    assert_false(take(&consumed, &examined));
    assert_int_equal(weir_consume((weir_stream){0}, 0, 0), -WEIR_ESTALE);
}

static void
an_answer_is_taken_once(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    show(100);
    assert_false(take(&consumed, &examined)); // not answered yet
    assert_int_equal(weir_consume(scene.handle, 40, 70), 0);
    assert_int_equal(weir_consume(scene.handle, 40, 70), -EALREADY);
    assert_true(take(&consumed, &examined));
    assert_int_equal(consumed, 40);
    assert_int_equal(examined, 70);
    assert_false(take(&consumed, &examined));
    assert_int_equal(weir_consume(scene.handle, 0, 0), -EALREADY);
}

static void
a_wrong_answer_leaves_the_question_open(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    show(100);
    assert_int_equal(weir_consume(scene.handle, 101, 101), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 0, 101), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 50, 49), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, SIZE_MAX, SIZE_MAX), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 0, (size_t)1 << 31), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 100, 100), 0);
    assert_true(take(&consumed, &examined));
    assert_int_equal(consumed, 100);
    assert_int_equal(examined, 100);
}

static void
the_largest_sizes_fit_the_word(void **state)
{
    static const size_t sizes[] = {0, 1, 4032, (1u << 20), 0x7fffffff};
    size_t consumed;
    size_t examined;

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        show(sizes[i]);
        assert_int_equal(weir_consume(scene.handle, sizes[i], sizes[i]), 0);
        assert_true(take(&consumed, &examined));
        assert_int_equal(consumed, sizes[i]);
        assert_int_equal(examined, sizes[i]);
        show(sizes[i]);
        assert_int_equal(weir_consume(scene.handle, 0, sizes[i]), 0);
        assert_true(take(&consumed, &examined));
        assert_int_equal(consumed, 0);
        assert_int_equal(examined, sizes[i]);
    }
}

static void
without_memory_nothing_is_opened(void **state)
{
    struct wi_stream_extra *extra = scene.stream->extra;
    size_t consumed;
    size_t examined;

    (void)state;
    loop_enter(wi_loop_of(scene.loop));
    scene.stream->extra = NULL;
    wi_heap_fail(1, true);
    assert_false(wi_consume_open(wi_loop_of(scene.loop), scene.stream, 5));
    wi_heap_fail(0, false);
    assert_false(wi_consume_take(scene.stream, &consumed, &examined));
    scene.stream->extra = extra;
    loop_leave();
    assert_int_equal(weir_consume(scene.handle, 0, 0), -EALREADY);
}

// The worker that data starts is faster than data.
static void
an_answer_while_data_runs_counts(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    data_begins(100);
    assert_int_equal(weir_consume(scene.handle, 101, 101), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 40, 101), -EINVAL);
    assert_int_equal(weir_consume(scene.handle, 40, 70), 0);
    assert_int_equal(weir_consume(scene.handle, 40, 70), -EALREADY);
    show(100);
    assert_int_equal(weir_consume(scene.handle, 40, 70), -EALREADY);
    assert_true(take(&consumed, &examined));
    assert_int_equal(consumed, 40);
    assert_int_equal(examined, 70);
    assert_false(take(&consumed, &examined));
    assert_int_equal(weir_consume(scene.handle, 0, 0), -EALREADY);
}

static void
an_answer_while_data_runs_is_cut_to_what_was_not_taken(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    data_begins(100);
    assert_int_equal(weir_consume(scene.handle, 40, 70), 0);
    show(30); // the other 70 went by weir_take()
    assert_true(take(&consumed, &examined));
    assert_int_equal(consumed, 30);
    assert_int_equal(examined, 30);
}

static void
an_answer_is_void_when_data_does_not_say_pending(void **state)
{
    size_t consumed;
    size_t examined;

    (void)state;
    data_begins(100);
    assert_int_equal(weir_consume(scene.handle, 40, 70), 0);
    assert_true(data_ends());
    assert_int_equal(weir_consume(scene.handle, 40, 70), -EALREADY);
    data_begins(100);
    show(100); // the next one asks anew
    assert_false(take(&consumed, &examined));
    assert_int_equal(weir_consume(scene.handle, 1, 2), 0);
    assert_true(take(&consumed, &examined));
    assert_int_equal(consumed, 1);
    data_begins(100);
    assert_false(data_ends());
}

static void
another_streams_data_is_not_answered(void **state)
{
    struct weir_dial request = {.flags = WEIR_DIAL_LAZY};
    weir_stream other;

    (void)state;
    assert_int_equal(weir_address_ip(&request.address, "127.0.0.1", 1), 0);
    assert_int_equal(weir_dial(scene.loop, &request, &other), 0);
    loop_settle(scene.loop);
    data_begins(100);
    assert_int_equal(weir_consume(other, 1, 1), -EALREADY);
    assert_int_equal(weir_consume(other, 200, 200), -EALREADY);
    assert_false(data_ends());
}

static void
a_stale_stream_has_no_answer(void **state)
{
    (void)state;
    show(10);
    assert_int_equal(weir_close(scene.handle, WEIR_CLOSE_ABORT, 0, 0), 0);
    loop_settle(scene.loop);
    assert_int_equal(weir_consume(scene.handle, 1, 1), -WEIR_ESTALE);
}

// ---- threads ------------------------------------------------------------------------------------

static wi_atomic_u32 round_now;
static wi_atomic_u32 accepted;
static wi_atomic_u32 finished;

static void *
answer_always(void *arg)
{
    size_t mine = (size_t)(uintptr_t)arg;

    for (unsigned round = 0; round < ROUNDS; round++) {
        int result;

        while (wi_load_acquire(&round_now) < round + 1) {
            sched_yield();
        }
        result = weir_consume(scene.handle, mine, mine * 3);
        FAILED_UNLESS(result == 0 || result == -EALREADY);
        if (result == 0) {
            wi_add_relaxed(&accepted, 1);
        }
        wi_add_acq_rel(&finished, 1);
    }
    return NULL;
}

static void
of_many_answers_exactly_one_counts(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    wi_store_relaxed(&round_now, 0);
    wi_store_relaxed(&accepted, 0);
    wi_store_relaxed(&finished, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], answer_always, (void *)(uintptr_t)(i + 1));
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t consumed = 0;
        size_t examined = 0;

        show(THREADS * 3);
        wi_store_release(&round_now, round + 1);
        while (wi_load_acquire(&finished) != (round + 1) * THREADS) {
            sched_yield();
        }
        assert_int_equal(wi_load_relaxed(&accepted), round + 1);
        assert_true(take(&consumed, &examined));
        assert_true(consumed >= 1 && consumed <= THREADS);
        assert_int_equal(examined, consumed * 3); // never halves of two answers
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
}

// Data returns somewhere among the answers; what they find open is now one word, now the other.
static void
of_answers_around_the_return_of_data_exactly_one_counts(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    wi_store_relaxed(&round_now, 0);
    wi_store_relaxed(&accepted, 0);
    wi_store_relaxed(&finished, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], answer_always, (void *)(uintptr_t)(i + 1));
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = round * THREADS + round % (THREADS + 1);
        size_t consumed = 0;
        size_t examined = 0;

        data_begins(THREADS * 3);
        wi_store_release(&round_now, round + 1);
        while (wi_load_acquire(&finished) < before) {
            sched_yield();
        }
        show(THREADS * 3);
        while (wi_load_acquire(&finished) != (round + 1) * THREADS) {
            sched_yield();
        }
        assert_int_equal(wi_load_relaxed(&accepted), round + 1);
        assert_true(take(&consumed, &examined));
        assert_true(consumed >= 1 && consumed <= THREADS);
        assert_int_equal(examined, consumed * 3); // never halves of two answers
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(nothing_pending_has_no_answer),
        SCENE(an_answer_is_taken_once),
        SCENE(a_wrong_answer_leaves_the_question_open),
        SCENE(the_largest_sizes_fit_the_word),
        SCENE(without_memory_nothing_is_opened),
        SCENE(a_stale_stream_has_no_answer),
        SCENE(an_answer_while_data_runs_counts),
        SCENE(an_answer_while_data_runs_is_cut_to_what_was_not_taken),
        SCENE(an_answer_is_void_when_data_does_not_say_pending),
        SCENE(another_streams_data_is_not_answered),
        SCENE(of_many_answers_exactly_one_counts),
        SCENE(of_answers_around_the_return_of_data_exactly_one_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
