// SPDX-License-Identifier: MIT
// Lanes: order over growing rings, marks, bounds, homes, farewells.

#include "runtime/lane.h"

#include "runtime/thread.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <stdlib.h>

#define MANY 40000u

// What travels: a task with a number. Taken ones are checked to come in order.
struct parcel {
    struct wi_task task;
    unsigned number;
};

static unsigned parcels_taken;

static void
parcel_run(struct wi_loop *loop, struct wi_task *task)
{
    struct parcel *parcel = wi_container_of(task, struct parcel, task);

    (void)loop;
    FAILED_UNLESS(parcel->number == parcels_taken);
    parcels_taken++;
}

static const struct wi_task_ops parcel_ops = {.run = parcel_run};

struct scene {
    struct weir_runtime *runtime;
    struct wi_loop *loop;
    struct wi_lane *lane; // the test thread's
    struct parcel *parcels;
};

static void
scene_open(struct scene *scene, unsigned entries)
{
    struct weir_runtime_options options = {
        .loops = 1, .flags = WEIR_MANUAL, .lane_entries = entries};

    scene->runtime = runtime_make_with(&options);
    scene->loop = runtime_loop(scene->runtime, 0);
    scene->lane = wi_thread_lane(scene->loop);
    assert_non_null(scene->lane);
    scene->parcels = calloc(MANY, sizeof(struct parcel));
    assert_non_null(scene->parcels);
    for (unsigned i = 0; i < MANY; i++) {
        scene->parcels[i] = (struct parcel){.task.ops = &parcel_ops, .number = i};
    }
    parcels_taken = 0;
}

static void
scene_close(struct scene *scene)
{
    runtime_end(scene->runtime);
    free(scene->parcels);
    no_failures();
}

// Send from number `from` until `to` or the lane is full; the first number not sent.
static unsigned
send_some(struct scene *scene, unsigned from, unsigned to)
{
    while (from < to && wi_lane_reserve(scene->lane)) {
        wi_lane_send(scene->lane, &scene->parcels[from].task);
        from++;
    }
    return from;
}

static void
a_ring_that_grows_keeps_the_order(void **state)
{
    struct scene scene;
    unsigned sent = 0;

    (void)state;
    scene_open(&scene, 16384);
    sent = send_some(&scene, sent, 1000); // beyond 512: a second ring
    assert_int_equal(sent, 1000);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, 1000);
    sent = send_some(&scene, sent, 20000); // beyond 16384
    assert_int_equal(sent, 20000);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, 20000);
    sent = send_some(&scene, sent, MANY);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, sent);
    scene_close(&scene);
}

static void
draining_while_the_ring_grows_keeps_the_order(void **state)
{
    struct scene scene;
    unsigned sent = 0;
    unsigned turn = 0;

    (void)state;
    scene_open(&scene, 16384);
    while (sent < MANY) {
        sent = send_some(&scene, sent, sent + 700 < MANY ? sent + 700 : MANY);
        if (++turn % 3 == 0) {
            loop_enter(scene.loop);
            wi_loop_drain(scene.loop, 100); // in pieces: entries stay behind in older rings
            loop_leave();
        }
        if (turn % 40 == 0) {
            loop_settle(wi_loop_public(scene.loop));
        }
    }
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, MANY);
    scene_close(&scene);
}

static void
a_full_lane_refuses_and_takes_again_when_drained(void **state)
{
    struct scene scene;
    unsigned sent;

    (void)state;
    scene_open(&scene, 512);
    sent = send_some(&scene, 0, MANY);
    assert_int_equal(sent, 511); // one place stays empty
    assert_false(wi_lane_reserve(scene.lane));
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(send_some(&scene, sent, MANY), 2 * 511);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, 2 * 511);
    scene_close(&scene);
}

static void
the_smallest_lane_carries_one_at_a_time(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene, 2);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(send_some(&scene, i, MANY), i + 1);
        loop_settle(wi_loop_public(scene.loop));
        assert_int_equal(parcels_taken, i + 1);
    }
    scene_close(&scene);
}

static void
a_turn_takes_a_bounded_number_and_the_next_goes_on(void **state)
{
    struct scene scene;
    unsigned sent;

    (void)state;
    scene_open(&scene, 16384);
    sent = send_some(&scene, 0, 10000);
    assert_int_equal(sent, 10000);
    assert_true(weir_loop_turn(wi_loop_public(scene.loop), -1) > 0);
    assert_true(parcels_taken >= WI_LANE_TURN_MAX && parcels_taken < WI_LANE_TURN_MAX + 64);
    // What stays keeps the loop from sleeping, though nobody marks or wakes.
    while (parcels_taken < sent) {
        unsigned before = parcels_taken;

        assert_true(weir_loop_turn(wi_loop_public(scene.loop), -1) > 0);
        assert_true(parcels_taken > before);
    }
    scene_close(&scene);
}

static void
a_lane_is_marked_once_however_much_is_sent(void **state)
{
    struct scene scene;
    struct wi_stack_node *node;

    (void)state;
    scene_open(&scene, 512);
    send_some(&scene, 0, 100);
    node = wi_stack_take_all(&scene.loop->marked);
    assert_ptr_equal(node, &scene.lane->mark_node);
    assert_null(wi_stack_next(node));
    assert_true(wi_load_relaxed(&scene.lane->marked));
    wi_stack_push(&scene.loop->marked, node);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(parcels_taken, 100);
    assert_false(wi_load_relaxed(&scene.lane->marked));
    scene_close(&scene);
}

// ---- looks --------------------------------------------------------------------------------------

static struct scene *look_scene;

// A producer that keeps up with the loop, as far as a single thread can be one.
static void
parcel_run_and_send(struct wi_loop *loop, struct wi_task *task)
{
    parcel_run(loop, task);
    if (parcels_taken + 10 < MANY) {
        send_some(look_scene, parcels_taken + 9, parcels_taken + 10);
    }
}

static const struct wi_task_ops chasing_ops = {.run = parcel_run_and_send};

static void
a_look_takes_what_is_there_and_ends(void **state)
{
    struct scene scene;

    (void)state;
    scene_open(&scene, 512);
    look_scene = &scene;
    for (unsigned i = 0; i < MANY; i++) {
        scene.parcels[i].task.ops = &chasing_ops;
    }
    send_some(&scene, 0, 10);
    loop_enter(scene.loop);
    wi_loop_look(scene.loop);
    loop_leave();
    assert_true(parcels_taken >= 10 && parcels_taken < 10 + 64);
    assert_int_equal(wi_load_relaxed(&scene.loop->counters.order_looks), 1);
    assert_false(wi_stack_is_empty(&scene.loop->marked)); // the rest is for the next turn
    scene_close(&scene);
}

// ---- being told of room -------------------------------------------------------------------------

struct told {
    unsigned count;
    bool on_loop;
};

static void
tell(struct weir_loop *loop, void *arg)
{
    struct told *told = arg;

    told->count++;
    told->on_loop = weir_loop_current() == loop;
}

static void
who_asks_is_told_once_when_half_is_free(void **state)
{
    struct told told = {0};
    struct scene scene;

    (void)state;
    scene_open(&scene, 512);
    send_some(&scene, 0, MANY);
    assert_int_equal(weir_lane_notify(wi_loop_public(scene.loop), tell, &told), 0);
    loop_enter(scene.loop);
    wi_loop_drain(scene.loop, 128);
    assert_null(scene.loop->posts); // three quarters are full still
    wi_loop_drain(scene.loop, 128);
    assert_non_null(scene.loop->posts);
    loop_leave();
    assert_int_equal(told.count, 0);
    loop_settle(wi_loop_public(scene.loop));
    assert_int_equal(told.count, 1);
    assert_true(told.on_loop);
    scene_close(&scene);
    assert_int_equal(told.count, 1);
}

static void
a_second_request_replaces_the_first(void **state)
{
    struct told first = {0};
    struct told second = {0};
    struct scene scene;

    (void)state;
    scene_open(&scene, 512);
    assert_int_equal(weir_lane_notify(wi_loop_public(scene.loop), tell, &first), 0);
    assert_int_equal(weir_lane_notify(wi_loop_public(scene.loop), tell, &second), 0);
    loop_settle(wi_loop_public(scene.loop)); // an empty lane has room: told at once
    assert_int_equal(first.count, 0);
    assert_int_equal(second.count, 1);
    scene_close(&scene);
}

static void
who_stops_has_told_who_asked(void **state)
{
    struct told told = {0};
    struct scene scene;

    (void)state;
    scene_open(&scene, 512);
    send_some(&scene, 0, MANY);
    assert_int_equal(weir_lane_notify(wi_loop_public(scene.loop), tell, &told), 0);
    assert_int_equal(weir_runtime_stop(scene.runtime, 0), 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(weir_lane_notify(wi_loop_public(scene.loop), tell, &told), -WEIR_EENDED);
    assert_int_equal(weir_runtime_free(scene.runtime), 0);
    free(scene.parcels);
}

static void
asking_without_a_lane_is_an_error(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    struct weir_loop *loop = weir_runtime_loop(runtime, 0);
    struct told told = {0};

    (void)state;
    assert_int_equal(weir_lane_notify(loop, tell, &told), -EINVAL);
    assert_int_equal(weir_lane_notify(loop, NULL, NULL), -EINVAL);
    assert_int_equal(weir_lane_notify(NULL, tell, &told), -EINVAL);
    loop_enter(wi_loop_of(loop));
    assert_int_equal(weir_lane_notify(loop, tell, &told), -EDEADLK);
    loop_leave();
    runtime_end(runtime);
}

static void
a_thread_of_two_runtimes_may_ask_in_both(void **state)
{
    struct weir_runtime *runtimes[2] = {runtime_make(1, WEIR_MANUAL), runtime_make(1, WEIR_MANUAL)};
    struct told told = {0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(weir_post(weir_runtime_loop(runtimes[i], 0), tell, &told), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(weir_lane_notify(weir_runtime_loop(runtimes[i], 0), tell, &told), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        runtime_end(runtimes[i]);
    }
    assert_int_equal(told.count, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_that_grows_keeps_the_order),
        cmocka_unit_test(draining_while_the_ring_grows_keeps_the_order),
        cmocka_unit_test(a_full_lane_refuses_and_takes_again_when_drained),
        cmocka_unit_test(the_smallest_lane_carries_one_at_a_time),
        cmocka_unit_test(a_turn_takes_a_bounded_number_and_the_next_goes_on),
        cmocka_unit_test(a_lane_is_marked_once_however_much_is_sent),
        cmocka_unit_test(a_look_takes_what_is_there_and_ends),
        cmocka_unit_test(who_asks_is_told_once_when_half_is_free),
        cmocka_unit_test(a_second_request_replaces_the_first),
        cmocka_unit_test(who_stops_has_told_who_asked),
        cmocka_unit_test(asking_without_a_lane_is_an_error),
        cmocka_unit_test(a_thread_of_two_runtimes_may_ask_in_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
