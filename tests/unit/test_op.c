// SPDX-License-Identifier: MIT
// The life of an operation: claims, cancels in each state, generations, homes.

#include "runtime/op.h"

#include "runtime/runtime.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>

struct scene {
    struct weir_runtime *runtime;
    struct wi_loop *loop;
    unsigned cancels;
    int status;
    enum weir_origin origin;
};

static struct scene scene;

static void
op_cancelled(struct wi_loop *loop, struct wi_op *op, int status, enum weir_origin origin)
{
    FAILED_UNLESS(loop == scene.loop && op != NULL);
    scene.cancels++;
    scene.status = status;
    scene.origin = origin;
}

static const struct wi_op_ops test_ops = {.cancel = op_cancelled};

static int
scene_open(void **state)
{
    (void)state;
    scene = (struct scene){.runtime = runtime_make(1, WEIR_MANUAL)};
    scene.loop = runtime_loop(scene.runtime, 0);
    loop_enter(scene.loop);
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    loop_leave();
    runtime_end(scene.runtime);
    no_failures();
    return 0;
}

static struct wi_op *
op_make(bool named, uint64_t *ret_handle)
{
    struct wi_op *op = wi_op_take(&scene.loop->cache);

    assert_non_null(op);
    wi_op_open(op, &test_ops, named);
    *ret_handle = wi_op_handle(op);
    assert_int_equal(wi_op_arrive(scene.loop, op, WEIR_NEVER, 0), 0);
    return op;
}

// A turn's part that takes the cancel stack, without the rest of the turn.
static void
pop_cancels(void)
{
    loop_leave();
    assert_true(weir_loop_turn(wi_loop_public(scene.loop), 0) >= 0);
    loop_enter(scene.loop);
}

static uint64_t
won(void)
{
    return wi_load_relaxed(&scene.loop->counters.cancels_won);
}

// ---- answers ------------------------------------------------------------------------------------

static void
a_cancel_before_the_claim_wins(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_WON);
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING); // another was first
    assert_false(wi_op_claim(op));
    pop_cancels();
    assert_int_equal(scene.cancels, 1);
    assert_int_equal(scene.status, -ECANCELED);
    assert_int_equal(scene.origin, WEIR_ORIGIN_LOCAL_CANCEL);
    assert_true(wi_op_finish(op));
    assert_int_equal(won(), 1);
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
    wi_op_recycle(scene.loop, op);
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
}

static void
a_cancel_after_the_claim_is_pending(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_true(wi_op_claim(op));
    assert_true(wi_op_is_claimed(op));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING);
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING);
    assert_true(wi_op_finish(op)); // tells: late_cancel
    assert_int_equal(won(), 0);
    wi_op_recycle(scene.loop, op);
    pop_cancels();
    assert_int_equal(scene.cancels, 0);
}

static void
a_cancel_after_the_end_is_late(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_true(weir_op_is_busy((weir_op){handle}));
    assert_true(wi_op_claim(op));
    assert_false(wi_op_finish(op));
    assert_true(weir_op_is_busy((weir_op){handle})); // its callback runs now
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
    wi_op_recycle(scene.loop, op);
    assert_false(weir_op_is_busy((weir_op){handle}));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
    assert_true(wi_stack_is_empty(&scene.loop->cancels));
}

static void
a_stale_handle_cannot_touch_the_next_one_in_its_slot(void **state)
{
    uint64_t first;
    uint64_t second;
    struct wi_op *op = op_make(true, &first);

    (void)state;
    assert_true(wi_op_claim(op));
    wi_op_finish(op);
    wi_op_recycle(scene.loop, op);
    assert_ptr_equal(op_make(true, &second), op);
    assert_true(first != second);
    assert_int_equal(wi_op_cancel(first), WEIR_CANCEL_LATE);
    assert_false(weir_op_is_busy((weir_op){first}));
    assert_true(weir_op_is_busy((weir_op){second}));
    assert_true(wi_op_claim(op));
    assert_false(wi_op_finish(op));
    wi_op_recycle(scene.loop, op);
}

// ---- the node on the cancel stack ---------------------------------------------------------------

static bool
is_free(const struct wi_op *wanted)
{
    for (struct wi_op *op = scene.loop->cache.free; op != NULL;
         op = (struct wi_op *)(void *)op->task.next) {
        if (op == wanted) {
            return true;
        }
    }
    return false;
}

static void
a_slot_waits_for_its_node(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_true(wi_op_claim(op));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING);
    wi_op_finish(op);
    wi_op_recycle(scene.loop, op);
    assert_false(weir_op_is_busy((weir_op){handle})); // over at once
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
    assert_false(is_free(op)); // but not used again
    pop_cancels();
    assert_true(is_free(op));
    assert_int_equal(op->flags, 0);
}

static void
a_node_that_came_off_in_time_delays_nothing(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_true(wi_op_claim(op));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING);
    pop_cancels();
    assert_int_equal(scene.cancels, 1); // the upper layer decides; this one goes on
    wi_op_finish(op);
    wi_op_recycle(scene.loop, op);
    assert_true(is_free(op));
}

static void
a_released_handle_is_stale_while_the_slot_stays(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(true, &handle);

    (void)state;
    assert_true(wi_op_claim(op));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING);
    wi_op_release(scene.loop, op);
    assert_false(weir_op_is_busy((weir_op){handle}));
    pop_cancels();
    assert_int_equal(scene.cancels, 0); // it has been told already
    assert_false(is_free(op));
    wi_op_recycle(scene.loop, op);
    assert_true(is_free(op));
}

static void
a_cancel_in_the_lane_is_seen_at_arrival(void **state)
{
    struct wi_op *op = wi_op_take(&scene.loop->cache);
    uint64_t handle;

    (void)state;
    wi_op_open(op, &test_ops, true);
    handle = wi_op_handle(op);
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_WON);
    pop_cancels(); // the node comes off first
    assert_int_equal(scene.cancels, 0);
    assert_int_equal(wi_op_arrive(scene.loop, op, WEIR_NEVER, 0), -ECANCELED);
    assert_false(wi_op_claim(op));
    assert_true(wi_op_finish(op));
    assert_int_equal(won(), 1);
    wi_op_recycle(scene.loop, op);
    assert_true(is_free(op));
}

static void
nameless_operations_have_no_contest(void **state)
{
    uint64_t handle;
    struct wi_op *op = op_make(false, &handle);

    (void)state;
    assert_true(wi_op_claim(op));
    assert_false(wi_op_finish(op));
    wi_op_recycle(scene.loop, op);
    assert_true(is_free(op));
}

// ---- generations and deadlines ------------------------------------------------------------------

static void
a_slot_whose_generation_would_wrap_is_retired(void **state)
{
    uint64_t handle;
    struct wi_op *op = wi_op_take(&scene.loop->cache);

    (void)state;
    wi_store_relaxed(&op->word, (uint64_t)(WI_GENERATION_MAX - 2) << 32);
    for (uint32_t generation = WI_GENERATION_MAX - 2; generation < WI_GENERATION_MAX;
         generation++) {
        wi_op_open(op, &test_ops, true);
        handle = wi_op_handle(op);
        assert_int_equal(wi_handle_generation(handle), generation);
        wi_op_arrive(scene.loop, op, WEIR_NEVER, 0);
        assert_true(wi_op_claim(op));
        if (generation == WI_GENERATION_MAX - 1) {
            assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_PENDING); // also with a late node
        }
        wi_op_finish(op);
        wi_op_recycle(scene.loop, op);
        assert_int_equal(is_free(op), generation == WI_GENERATION_MAX - 2);
        if (is_free(op)) {
            assert_ptr_equal(wi_op_take(&scene.loop->cache), op);
        }
    }
    pop_cancels();
    assert_false(is_free(op));
    assert_int_equal(wi_op_cancel(handle), WEIR_CANCEL_LATE);
}

static void
a_deadline_is_a_cancel_with_another_name(void **state)
{
    struct wi_op *op = wi_op_take(&scene.loop->cache);

    (void)state;
    wi_op_open(op, &test_ops, false);
    assert_int_equal(wi_op_arrive(scene.loop, op, 1, 0), 0); // long ago
    pop_cancels();
    assert_int_equal(scene.cancels, 1);
    assert_int_equal(scene.status, -ETIMEDOUT);
    assert_int_equal(scene.origin, WEIR_ORIGIN_DEADLINE);
    assert_false(wi_op_finish(op));
    wi_op_recycle(scene.loop, op);
    assert_false(wi_timer_is_armed(&wi_op_extra(op)->timer));
}

static void
an_end_disarms_the_deadline(void **state)
{
    struct wi_op *op = wi_op_take(&scene.loop->cache);

    (void)state;
    wi_op_open(op, &test_ops, false);
    wi_op_arrive(scene.loop, op, weir_deadline_after(UINT64_C(3600) * 1000000000), 0);
    assert_int_equal(scene.loop->wheel.armed, 1);
    wi_op_finish(op);
    assert_int_equal(scene.loop->wheel.armed, 0);
    wi_op_recycle(scene.loop, op);
}

static void
put_back_is_taken_next(void **state)
{
    struct wi_op *op = wi_op_take(&scene.loop->cache);

    (void)state;
    wi_op_put_back(&scene.loop->cache, op);
    assert_ptr_equal(wi_op_take(&scene.loop->cache), op);
    wi_op_put_back(&scene.loop->cache, op);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_cancel_before_the_claim_wins),
        SCENE(a_cancel_after_the_claim_is_pending),
        SCENE(a_cancel_after_the_end_is_late),
        SCENE(a_stale_handle_cannot_touch_the_next_one_in_its_slot),
        SCENE(a_slot_waits_for_its_node),
        SCENE(a_node_that_came_off_in_time_delays_nothing),
        SCENE(a_released_handle_is_stale_while_the_slot_stays),
        SCENE(a_cancel_in_the_lane_is_seen_at_arrival),
        SCENE(nameless_operations_have_no_contest),
        SCENE(a_slot_whose_generation_would_wrap_is_retired),
        SCENE(a_deadline_is_a_cancel_with_another_name),
        SCENE(an_end_disarms_the_deadline),
        SCENE(put_back_is_taken_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
