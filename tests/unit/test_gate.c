// SPDX-License-Identifier: MIT
// The gate of a stream: its word's transitions, who keeps the slot, who may write, who is asked.

#include "netio/gate.h"

#include "netio/net.h"
#include "netio/stream.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define THREADS 2u
#define ROUNDS  100000u
#define STREAMS 20000u

struct scene {
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    struct wi_gate *gate;
    uint32_t asked; // what wi_gate_ask() brought to the loop
    unsigned asks;  // and how often
};

static struct scene scene;

static void
note_asked(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_stream *stream = wi_container_of(control, struct wi_stream, control);

    FAILED_UNLESS(wi_on_loop(loop));
    scene.asked |= wi_swap_acq_rel(&wi_gate_of(stream)->asked, 0);
    scene.asks++;
}

static int
scene_open(void **state)
{
    (void)state;
    scene = (struct scene){0};
    assert_int_equal(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &scene.runtime),
        0);
    scene.loop = weir_runtime_loop(scene.runtime, 0);
    scene.gate = wi_stream_take_slot(wi_loop_of(scene.loop)); // never opened: only its gate is used
    assert_non_null(scene.gate);
    wi_stream_of(scene.gate)->control.run = note_asked;
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

static uint64_t
word(void)
{
    return wi_load_relaxed(&scene.gate->word);
}

static void
set_word(uint64_t value)
{
    wi_store_relaxed(&scene.gate->word, value);
}

// What was asked until now has come to the loop.
static uint32_t
take_asked(void)
{
    uint32_t asked;

    loop_settle(scene.loop);
    asked = scene.asked;
    scene.asked = 0;
    return asked;
}

// ---- states -------------------------------------------------------------------------------------

static void
a_state_moves_only_onwards(void **state)
{
    uint64_t others = WI_GATE_SECTION | WI_GATE_HIGH | 5 * WI_GATE_INFLIGHT | 9 * WI_GATE_TICKET |
                      wi_gate_right_bits(WI_RIGHT_SUBMITTER);

    (void)state;
    for (unsigned from = WI_GATE_CLOSED; from <= WI_GATE_OVER; from++) {
        for (unsigned to = WI_GATE_CLOSED; to <= WI_GATE_OVER; to++) {
            set_word(others | from);
            assert_int_equal(wi_gate_move(scene.gate, (enum wi_gate_state)to), others | from);
            assert_int_equal(word(), others | (from > to ? from : to));
        }
    }
    set_word(0);
}

static void
only_the_named_state_is_reopened(void **state)
{
    uint64_t others = WI_GATE_BOUND | 3 * WI_GATE_INFLIGHT | 77 * WI_GATE_TICKET;

    (void)state;
    for (unsigned from = WI_GATE_CLOSED; from <= WI_GATE_OVER; from++) {
        for (unsigned named = WI_GATE_ENDED; named <= WI_GATE_TORN; named++) {
            bool is_reopened = from == named;

            set_word(others | from);
            assert_int_equal(wi_gate_reopen(scene.gate, (enum wi_gate_state)named), is_reopened);
            assert_int_equal(word(), others | (is_reopened ? (unsigned)WI_GATE_OPEN : from));
        }
    }
    set_word(0);
}

static void
every_state_refuses_with_its_own_status(void **state)
{
    static const int expected[] = {
        [WI_GATE_CLOSED] = -WEIR_ESTALE,   [WI_GATE_OPEN] = 0,
        [WI_GATE_ENDED] = -WEIR_EENDED,    [WI_GATE_TORN] = -WEIR_ETORN,
        [WI_GATE_DRAINING] = -WEIR_EENDED, [WI_GATE_OVER] = -WEIR_EENDED,
    };

    (void)state;
    for (unsigned at = WI_GATE_CLOSED; at <= WI_GATE_OVER; at++) {
        assert_int_equal(wi_gate_refusal(scene.gate, at | WI_GATE_TICKET), expected[at]);
    }
    // A failure is told as it was; an abort of ours is an end.
    wi_store_relaxed(&scene.gate->status, -ECONNRESET);
    assert_int_equal(wi_gate_refusal(scene.gate, WI_GATE_DRAINING), -ECONNRESET);
    assert_int_equal(wi_gate_refusal(scene.gate, WI_GATE_OPEN), 0);
    wi_store_relaxed(&scene.gate->status, -ECONNABORTED);
    assert_int_equal(wi_gate_refusal(scene.gate, WI_GATE_DRAINING), -WEIR_EENDED);
    wi_store_relaxed(&scene.gate->status, 0);
}

static void
tickets_wrap(void **state)
{
    (void)state;
    assert_true(wi_ticket_before(0, 1));
    assert_false(wi_ticket_before(1, 0));
    assert_false(wi_ticket_before(7, 7));
    assert_true(wi_ticket_before(0xffffff, 0));
    assert_false(wi_ticket_before(0, 0xffffff));
    assert_true(wi_ticket_before(0, 0x7fffff));
    assert_int_equal(wi_ticket_next(0xffffff), 0);
    set_word(WI_GATE_OPEN | UINT64_C(0xffffff) * WI_GATE_TICKET | WI_GATE_INFLIGHT);
    wi_add_acq_rel(&scene.gate->word, WI_GATE_TICKET);
    assert_int_equal(word(), WI_GATE_OPEN | WI_GATE_INFLIGHT); // it carries into nothing
    set_word(0);
}

static void
queued_bytes_are_never_less_than_none(void **state)
{
    (void)state;
    wi_store_relaxed(&scene.gate->queued, 10);
    wi_store_relaxed(&scene.gate->finished, 4);
    assert_int_equal(wi_gate_queued(scene.gate), 6);
    wi_store_relaxed(&scene.gate->finished, 11); // the loop was seen, the submitter not yet
    assert_int_equal(wi_gate_queued(scene.gate), 0);
    wi_store_relaxed(&scene.gate->queued, 2);
    wi_store_relaxed(&scene.gate->finished, UINT64_MAX - 2); // what the loop queued itself
    assert_int_equal(wi_gate_queued(scene.gate), 5);
}

// ---- holding ------------------------------------------------------------------------------------

static weir_stream
open_lazily(void)
{
    struct weir_dial request = {.flags = WEIR_DIAL_LAZY};
    weir_stream stream = {0};

    assert_int_equal(weir_address_ip(&request.address, "127.0.0.1", 1), 0);
    assert_int_equal(weir_dial(scene.loop, &request, &stream), 0);
    loop_settle(scene.loop);
    return stream;
}

static void
a_held_slot_outlives_its_stream(void **state)
{
    weir_stream stream = open_lazily();
    struct wi_gate *gate = wi_gate_hold(stream.bits);
    struct wi_gate *again;

    (void)state;
    assert_non_null(gate);
    assert_ptr_equal(wi_gate_find(stream.bits), gate);
    again = wi_gate_hold(stream.bits); // twice is legal
    assert_ptr_equal(again, gate);
    assert_int_equal(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0), 0);
    loop_settle(scene.loop);
    assert_ptr_equal(wi_gate_find(stream.bits), gate); // `closed` waits for us
    wi_gate_leave(again);
    loop_settle(scene.loop);
    assert_ptr_equal(wi_gate_find(stream.bits), gate);
    assert_true(wi_stream_of(gate)->phase == WI_PHASE_DEAD);
    wi_gate_leave(gate);
    loop_settle(scene.loop);
    assert_null(wi_gate_find(stream.bits));
    assert_null(wi_gate_hold(stream.bits));
    assert_true(wi_stream_of(gate)->phase == WI_PHASE_FREE);
    assert_int_equal(wi_load_relaxed(&gate->word) & (WI_GATE_INFLIGHTS | WI_GATE_AWAITED), 0);
}

static void
what_never_named_a_stream_is_not_held(void **state)
{
    weir_stream stream = open_lazily();

    (void)state;
    assert_null(wi_gate_hold(0));
    assert_null(wi_gate_hold(UINT64_MAX));
    assert_null(wi_gate_hold(stream.bits + 1)); // the next generation
    assert_null(wi_gate_hold(wi_load_relaxed(&scene.gate->handle)));
    assert_int_equal(wi_load_relaxed(&wi_gate_find(stream.bits)->word) & WI_GATE_INFLIGHTS, 0);
}

static void
the_last_one_out_asks_when_it_is_awaited(void **state)
{
    (void)state;
    set_word(WI_GATE_DRAINING | WI_GATE_BOUND | 2 * WI_GATE_INFLIGHT);
    assert_false(wi_gate_is_quiet(scene.gate, WI_GATE_STATE));
    assert_int_equal(word(), WI_GATE_DRAINING | WI_GATE_BOUND | WI_GATE_AWAITED |
                                 2 * WI_GATE_INFLIGHT); // nothing was cleared
    wi_gate_leave(scene.gate);
    assert_int_equal(take_asked(), 0); // one is still in
    wi_gate_leave(scene.gate);
    assert_int_equal(take_asked(), WI_ASK_SETTLE);
    assert_true(wi_gate_is_quiet(scene.gate, WI_GATE_STATE));
    assert_int_equal(word(), WI_GATE_BOUND);
}

static void
it_is_over_in_the_step_that_finds_nobody(void **state)
{
    uint64_t others = WI_GATE_BOUND | WI_GATE_SECTION | 9 * WI_GATE_TICKET;

    (void)state;
    set_word(others | WI_GATE_DRAINING | WI_GATE_INFLIGHT);
    assert_false(wi_gate_finish(scene.gate));
    assert_int_equal(word(), others | WI_GATE_DRAINING | WI_GATE_AWAITED | WI_GATE_INFLIGHT);
    wi_gate_leave(scene.gate);
    assert_int_equal(take_asked(), WI_ASK_SETTLE);
    assert_true(wi_gate_finish(scene.gate));
    assert_int_equal(word(), others | WI_GATE_OVER);
    assert_int_equal(wi_gate_move(scene.gate, WI_GATE_DRAINING), others | WI_GATE_OVER);
    assert_int_equal(word(), others | WI_GATE_OVER); // for ever
    set_word(0);
}

static void
nobody_asks_when_nobody_waits(void **state)
{
    (void)state;
    set_word(WI_GATE_OPEN | WI_GATE_INFLIGHT);
    wi_gate_leave(scene.gate);
    assert_int_equal(take_asked(), 0);
    assert_int_equal(scene.asks, 0);
    assert_true(wi_gate_is_quiet(scene.gate, 0));
    assert_int_equal(word(), WI_GATE_OPEN);
    set_word(0);
}

// ---- asking -------------------------------------------------------------------------------------

static void
many_requests_push_one_node(void **state)
{
    (void)state;
    wi_gate_ask(scene.gate, WI_ASK_PAUSE);
    wi_gate_ask(scene.gate, WI_ASK_ABORT);
    wi_gate_ask(scene.gate, WI_ASK_PAUSE);
    assert_int_equal(take_asked(), WI_ASK_PAUSE | WI_ASK_ABORT);
    assert_int_equal(scene.asks, 1);
    wi_gate_ask(scene.gate, WI_ASK_SETTLE); // the node can be pushed again
    assert_int_equal(take_asked(), WI_ASK_SETTLE);
    assert_int_equal(scene.asks, 2);
}

static wi_atomic_u32 asked_by_threads;
static wi_atomic_u32 done_threads;

static void
count_asked(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_stream *stream = wi_container_of(control, struct wi_stream, control);

    (void)loop;
    scene.asks++;
    scene.asked |= wi_swap_acq_rel(&wi_gate_of(stream)->asked, 0);
}

static void *
ask_often(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        wi_gate_ask(scene.gate, WI_ASK_SETTLE);
    }
    wi_add_relaxed(&asked_by_threads, 1);
    return NULL;
}

static void
requests_of_many_threads_all_reach_the_loop(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    wi_store_relaxed(&asked_by_threads, 0);
    wi_stream_of(scene.gate)->control.run = count_asked;
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], ask_often, NULL);
    }
    while (wi_load_relaxed(&asked_by_threads) != THREADS) {
        assert_true(weir_loop_turn(scene.loop, 0) >= 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    assert_int_equal(take_asked(), WI_ASK_SETTLE);
    assert_true(scene.asks >= 1 && scene.asks <= THREADS * ROUNDS);
    assert_int_equal(wi_load_relaxed(&scene.gate->asked), 0);
}

// ---- the right to write -------------------------------------------------------------------------

static void
the_loop_takes_a_right_that_nobody_has(void **state)
{
    (void)state;
    set_word(WI_GATE_OPEN | 3 * WI_GATE_TICKET);
    assert_int_equal(wi_gate_take_right(scene.gate), WI_TAKE_FREE);
    assert_int_equal(wi_gate_right(word()), WI_RIGHT_LOOP);
    wi_gate_drop_right(scene.gate);
    assert_int_equal(word(), WI_GATE_OPEN | 3 * WI_GATE_TICKET);
    set_word(0);
}

static void
the_loop_finds_a_right_that_was_left_to_it(void **state)
{
    (void)state;
    set_word(WI_GATE_OPEN | wi_gate_right_bits(WI_RIGHT_LOOP));
    assert_int_equal(wi_gate_take_right(scene.gate), WI_TAKE_HANDED);
    assert_int_equal(word(), WI_GATE_OPEN | wi_gate_right_bits(WI_RIGHT_LOOP));
    set_word(0);
}

static void
a_submitter_keeps_the_right_and_is_told_that_it_is_wanted(void **state)
{
    uint64_t held = WI_GATE_OPEN | WI_GATE_INFLIGHT | wi_gate_right_bits(WI_RIGHT_SUBMITTER);

    (void)state;
    set_word(held);
    assert_int_equal(wi_gate_take_right(scene.gate), WI_TAKE_NO);
    assert_int_equal(word(), held | WI_GATE_WANTED);
    assert_int_equal(wi_gate_take_right(scene.gate), WI_TAKE_NO);
    assert_int_equal(word(), held | WI_GATE_WANTED);
    wi_gate_drop_right(scene.gate); // takes the wish away with the right
    assert_int_equal(word(), WI_GATE_OPEN | WI_GATE_INFLIGHT);
    set_word(0);
}

// ---- races --------------------------------------------------------------------------------------

static void *
pass_through(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        wi_add_acq_rel(&scene.gate->word, WI_GATE_INFLIGHT);
        if (i % 1024 == 0) {
            sched_yield(); // let the loop find somebody in
        }
        wi_gate_leave(scene.gate);
    }
    wi_add_relaxed(&done_threads, 1);
    return NULL;
}

// Whenever the loop is told "not quiet" the word comes: no wait is left without an answer.
static void
a_loop_that_waits_is_always_told(void **state)
{
    pthread_t threads[THREADS];
    unsigned waits = 0;
    bool waiting = false;

    (void)state;
    set_word(WI_GATE_DRAINING);
    wi_store_relaxed(&done_threads, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], pass_through, NULL);
    }
    while (wi_load_relaxed(&done_threads) != THREADS || waiting) {
        if (!waiting && !wi_gate_is_quiet(scene.gate, WI_GATE_BOUND)) {
            waiting = true;
            waits++;
        }
        assert_true(weir_loop_turn(scene.loop, 0) >= 0);
        if (scene.asked != 0) {
            assert_int_equal(scene.asked, WI_ASK_SETTLE);
            scene.asked = 0;
            waiting = false;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    loop_settle(scene.loop);
    scene.asked = 0; // whoever empties it while AWAITED stands asks again
    assert_true(wi_gate_is_quiet(scene.gate, UINT64_C(0xffff)));
    assert_int_equal(word(), 0);
    print_message("the loop waited %u times\n", waits);
}

static wi_atomic_u64 handle_now; // of the stream that lives; 0: the test is over
static wi_atomic_u64 times_held;

static void *
hold_and_look(void *arg)
{
    uint64_t held = 0;

    (void)arg;
    for (unsigned i = 0; i < ROUNDS || wi_load_acquire(&handle_now) != 0; i++) {
        uint64_t handle = wi_load_acquire(&handle_now);
        struct wi_gate *gate = handle == 0 ? NULL : wi_gate_hold(handle);

        if (gate == NULL) {
            sched_yield();
            continue;
        }
        held++;
        if (held % 256 == 0) {
            sched_yield();
        }
        // Its stream may die; the slot is not used again while it is held.
        FAILED_UNLESS(wi_handle_generation(wi_load_relaxed(&gate->handle)) ==
                      wi_handle_generation(handle));
        FAILED_UNLESS((wi_load_relaxed(&gate->word) & WI_GATE_INFLIGHTS) != 0);
        wi_gate_leave(gate);
    }
    wi_add_relaxed(&times_held, held);
    wi_add_relaxed(&done_threads, 1);
    return NULL;
}

static void
a_slot_is_freed_only_when_nobody_holds_it(void **state)
{
    pthread_t threads[THREADS];
    struct weir_stats stats;

    (void)state;
    wi_store_relaxed(&done_threads, 0);
    wi_store_relaxed(&times_held, 0);
    wi_store_release(&handle_now, 1); // stale: names nothing
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], hold_and_look, NULL);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        weir_stream stream = open_lazily();

        wi_store_release(&handle_now, stream.bits);
        if (i % 64 == 0) {
            sched_yield();
        }
        assert_int_equal(weir_close(stream, WEIR_CLOSE_ABORT, 0, 0), 0);
        loop_settle(scene.loop);
    }
    wi_store_release(&handle_now, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    loop_settle(scene.loop);
    assert_int_equal(weir_stats(scene.runtime, &stats), 0);
    assert_int_equal(stats.streams_now, 0);
    assert_int_equal(stats.streams_opened, STREAMS);
    assert_int_equal(stats.streams_closed, STREAMS);
    assert_true(wi_load_relaxed(&times_held) != 0);
    print_message("held %llu times\n", (unsigned long long)wi_load_relaxed(&times_held));
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_state_moves_only_onwards),
        SCENE(only_the_named_state_is_reopened),
        SCENE(every_state_refuses_with_its_own_status),
        SCENE(tickets_wrap),
        SCENE(queued_bytes_are_never_less_than_none),
        SCENE(a_held_slot_outlives_its_stream),
        SCENE(what_never_named_a_stream_is_not_held),
        SCENE(the_last_one_out_asks_when_it_is_awaited),
        SCENE(it_is_over_in_the_step_that_finds_nobody),
        SCENE(nobody_asks_when_nobody_waits),
        SCENE(many_requests_push_one_node),
        SCENE(requests_of_many_threads_all_reach_the_loop),
        SCENE(the_loop_takes_a_right_that_nobody_has),
        SCENE(the_loop_finds_a_right_that_was_left_to_it),
        SCENE(a_submitter_keeps_the_right_and_is_told_that_it_is_wanted),
        SCENE(a_loop_that_waits_is_always_told),
        SCENE(a_slot_is_freed_only_when_nobody_holds_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
