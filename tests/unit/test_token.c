// SPDX-License-Identifier: MIT
// Cancel tokens: firing before, during and after registration; parents; freeing at any time.

#include "runtime/token.h"

#include "mem/heap.h"
#include "runtime/runtime.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <sched.h>

#define DEEP   (WEIR_TOKEN_DEPTH_MAX + 1) // tokens in the longest chain
#define ROUNDS ROUNDS_OF(20000u)

static struct weir_runtime *runtime;
static struct weir_loop *loop;

static int
scene_open(void **state)
{
    (void)state;
    runtime = runtime_make(1, WEIR_MANUAL);
    loop = weir_runtime_loop(runtime, 0);
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    runtime_end(runtime);
    no_failures();
    return 0;
}

static weir_token
token_make(weir_token parent)
{
    weir_token token = {0};

    assert_int_equal(weir_token_create(runtime, parent, &token), 0);
    return token;
}

struct record {
    unsigned calls;
    int status;
};

static void
note(struct weir_loop *on, int status, void *arg)
{
    struct record *record = arg;

    (void)on;
    record->calls++;
    record->status = status;
}

// The record outlives the test: a timer that still waits ends with the stop.
static weir_op
timer_with(weir_token token, struct record *record)
{
    struct weir_timer timer = {
        .deadline_ns = WEIR_NEVER, .fn = note, .arg = record, .token = token};
    weir_op op;

    assert_int_equal(weir_timer_start(loop, &timer, &op), 0);
    return op;
}

// ---- the handle's answers -----------------------------------------------------------------------

static void
arguments_are_checked(void **state)
{
    struct weir_runtime *other = runtime_make(1, WEIR_MANUAL);
    weir_token foreign;
    weir_token token = token_make((weir_token){0});

    (void)state;
    assert_int_equal(weir_token_create(NULL, (weir_token){0}, &token), -EINVAL);
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, NULL), -EINVAL);
    assert_int_equal(weir_token_create(other, (weir_token){0}, &foreign), 0);
    assert_int_equal(weir_token_create(runtime, foreign, &token), -EINVAL);
    assert_int_equal(weir_token_create(runtime, (weir_token){UINT64_C(5)}, &token), -EINVAL);
    assert_int_equal(weir_token_fire(token, 1, 0), -EINVAL);
    assert_int_equal(weir_token_fire(token, -4096, 0), -EINVAL);
    assert_int_equal(weir_token_fire(token, 0, WEIR_CODE_MAX + 1), -EINVAL);
    assert_int_equal(weir_token_status(token), 0);
    assert_int_equal(weir_token_free(token), 0);
    assert_int_equal(weir_token_create(runtime, token, &foreign), -WEIR_ESTALE);
    runtime_end(other);
}

static void
a_token_is_sticky_and_its_first_reason_stays(void **state)
{
    weir_token token = token_make((weir_token){0});

    (void)state;
    assert_int_equal(weir_token_status(token), 0);
    assert_int_equal(weir_token_fire(token, -EPIPE, WEIR_CODE_MAX), 0);
    assert_int_equal(weir_token_status(token), -EPIPE);
    assert_int_equal(weir_token_fire(token, -EIO, 0), -EALREADY);
    assert_int_equal(weir_token_status(token), -EPIPE);
    assert_int_equal(weir_token_free(token), 0);
    assert_int_equal(weir_token_free(token), -WEIR_ESTALE);
    assert_int_equal(weir_token_fire(token, 0, 0), -WEIR_ESTALE);
    assert_int_equal(weir_token_status(token), -WEIR_ESTALE);
}

static void
a_chain_is_at_most_eight_parents_deep(void **state)
{
    weir_token chain[DEEP];
    weir_token beyond;

    (void)state;
    for (unsigned i = 0; i < DEEP; i++) {
        chain[i] = token_make(i == 0 ? (weir_token){0} : chain[i - 1]);
    }
    assert_int_equal(weir_token_create(runtime, chain[DEEP - 1], &beyond), -ELOOP);
    assert_int_equal(weir_token_fire(chain[0], -EIO, 0), 0);
    for (unsigned i = 0; i < DEEP; i++) {
        assert_int_equal(weir_token_status(chain[i]), -EIO);
    }
}

static void
a_slot_is_used_again_and_old_handles_stay_stale(void **state)
{
    weir_token first = token_make((weir_token){0});
    weir_token again = {0};
    static struct record record;

    (void)state;
    assert_int_equal(weir_token_fire(first, 0, 0), 0);
    assert_int_equal(weir_token_free(first), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < 2 * WI_TOKEN_SEGMENT; i++) {
        again = token_make((weir_token){0});
        if (wi_handle_slot(again.bits) == wi_handle_slot(first.bits)) {
            break;
        }
    }
    assert_int_equal(wi_handle_slot(again.bits), wi_handle_slot(first.bits));
    assert_int_equal(weir_token_status(again), 0); // what the slot had been is forgotten
    timer_with(again, &record);
    assert_int_equal(weir_token_fire(first, 0, 0), -WEIR_ESTALE);
    loop_settle(loop);
    assert_int_equal(record.calls, 0);
}

static void
a_slot_whose_generation_would_wrap_is_retired(void **state)
{
    weir_token token = token_make((weir_token){0});
    uint32_t slot = wi_handle_slot(token.bits);
    struct wi_token *object = wi_slots_at(&wi_runtime_of(runtime)->tokens, slot);
    uint64_t word = wi_load_relaxed(&object->word);

    (void)state;
    wi_store_relaxed(&object->word, (word & 0xffffffff) | (uint64_t)(WI_GENERATION_MAX - 1) << 32);
    token.bits |= WI_GENERATION_MAX - 1;
    token.bits &= ~UINT64_C(1);
    assert_int_equal(weir_token_free(token), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < 3 * WI_TOKEN_SEGMENT; i++) {
        assert_true(wi_handle_slot(token_make((weir_token){0}).bits) != slot);
    }
}

// ---- registration -------------------------------------------------------------------------------

static void
a_fire_is_seen_on_the_way_and_while_waiting(void **state)
{
    static struct record on_the_way;
    static struct record waiting;
    static struct record untouched;
    weir_token token = token_make((weir_token){0});

    (void)state;
    timer_with(token, &waiting);
    loop_settle(loop);
    timer_with(token, &on_the_way);
    timer_with((weir_token){0}, &untouched);
    assert_int_equal(weir_token_fire(token, 0, 0), 0);
    assert_int_equal(on_the_way.calls + waiting.calls, 0);
    loop_settle(loop);
    assert_int_equal(on_the_way.calls, 1);
    assert_int_equal(on_the_way.status, -ECANCELED);
    assert_int_equal(waiting.calls, 1);
    assert_int_equal(waiting.status, -ECANCELED);
    assert_int_equal(untouched.calls, 0);
}

static void
an_ancestors_fire_reaches_all_below_and_nothing_beside(void **state)
{
    static struct record records[DEEP];
    static struct record beside;
    weir_token chain[DEEP];

    (void)state;
    for (unsigned i = 0; i < DEEP; i++) {
        chain[i] = token_make(i == 0 ? (weir_token){0} : chain[i - 1]);
    }
    for (unsigned i = DEEP; i-- > 0;) {
        timer_with(chain[i], &records[i]);
    }
    timer_with(token_make(chain[1]), &beside);
    loop_settle(loop);
    assert_int_equal(weir_token_fire(chain[4], -EIO, 0), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < DEEP; i++) {
        assert_int_equal(records[i].calls, i >= 4);
    }
    assert_int_equal(beside.calls, 0);
    assert_int_equal(weir_token_fire(chain[0], -EPIPE, 0), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < DEEP; i++) {
        assert_int_equal(records[i].calls, 1);
        assert_int_equal(records[i].status, i >= 4 ? -EIO : -EPIPE);
    }
    assert_int_equal(beside.calls, 1);
}

static void
a_finished_operation_is_no_longer_mapped(void **state)
{
    static struct record records[3];
    weir_token token = token_make((weir_token){0});
    weir_op ops[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ops[i] = timer_with(token, &records[i]);
    }
    loop_settle(loop);
    assert_int_equal(weir_cancel(ops[1]), WEIR_CANCEL_WON); // in the middle of the list
    loop_settle(loop);
    assert_int_equal(weir_token_fire(token, 0, 0), 0);
    loop_settle(loop);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(records[i].calls, 1);
    }
}

// ---- freeing ------------------------------------------------------------------------------------

static void
operations_of_a_freed_token_go_on_without_it(void **state)
{
    static struct record arrived;
    static struct record on_the_way;
    weir_token token = token_make((weir_token){0});
    weir_op op = timer_with(token, &arrived);

    (void)state;
    loop_settle(loop);
    timer_with(token, &on_the_way);
    assert_int_equal(weir_token_free(token), 0);
    loop_settle(loop);
    assert_int_equal(arrived.calls + on_the_way.calls, 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    loop_settle(loop);
    assert_int_equal(arrived.calls, 1);
}

// Whatever order the tokens of a chain are freed in, those that live go on leading to each other.
static void
a_chain_may_be_freed_in_any_order(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        static struct record record;
        weir_token top = token_make((weir_token){0});
        weir_token chain[3] = {token_make(top)};

        chain[1] = token_make(chain[0]);
        chain[2] = token_make(chain[1]);
        timer_with(chain[2], &record);
        loop_settle(loop);
        for (unsigned j = 0; j < 3; j++) {
            assert_int_equal(weir_token_free(chain[orders[i][j]]), 0);
            loop_settle(loop);
            if (j == 0 && orders[i][0] != 2) { // the last one lives: its way up must too
                static struct record second;

                timer_with(chain[2], &second);
                loop_settle(loop);
                assert_int_equal(weir_token_status(chain[2]), 0);
                assert_int_equal(second.calls, 0);
            }
        }
        // Nothing leads from the top to memory of the others.
        assert_int_equal(weir_token_fire(top, 0, 0), 0);
        loop_settle(loop);
        assert_int_equal(record.calls, 0);
        assert_int_equal(weir_token_free(top), 0);
        loop_settle(loop);
    }
}

static void
a_fire_passes_through_a_freed_parent(void **state)
{
    static struct record record;
    weir_token top = token_make((weir_token){0});
    weir_token middle = token_make(top);
    weir_token leaf = token_make(middle);

    (void)state;
    assert_int_equal(weir_token_free(middle), 0);
    loop_settle(loop);
    timer_with(leaf, &record); // linked through the one that was freed
    loop_settle(loop);
    assert_int_equal(weir_token_fire(top, -EIO, 0), 0);
    loop_settle(loop);
    assert_int_equal(record.calls, 1);
    assert_int_equal(record.status, -EIO);
    assert_int_equal(weir_token_free(leaf), 0);
    loop_settle(loop);
    assert_int_equal(weir_token_free(top), 0);
}

static void
children_keep_what_a_freed_parent_had_been(void **state)
{
    weir_token parent = token_make((weir_token){0});
    weir_token child = token_make(parent);

    (void)state;
    assert_int_equal(weir_token_fire(parent, -EIO, 0), 0);
    assert_int_equal(weir_token_free(parent), 0);
    loop_settle(loop);
    assert_int_equal(weir_token_status(child), -EIO);
}

static void
a_fire_and_a_free_in_one_turn_fire(void **state)
{
    static struct record record;
    weir_token token = token_make((weir_token){0});

    (void)state;
    timer_with(token, &record);
    loop_settle(loop);
    assert_int_equal(weir_token_fire(token, 0, 0), 0);
    assert_int_equal(weir_token_free(token), 0);
    loop_settle(loop);
    assert_int_equal(record.calls, 1);
}

// ---- bonds --------------------------------------------------------------------------------------

struct bond {
    struct wi_token_bond bond;
    unsigned calls;
    int reason;
    uint64_t code;
};

static void
bond_fired(struct wi_loop *on, struct wi_token_bond *bond, int reason, uint64_t code)
{
    struct bond *own = wi_container_of(bond, struct bond, bond);

    FAILED_UNLESS(wi_on_loop(on));
    own->calls++;
    own->reason = reason;
    own->code = code;
}

static void
a_bond_is_told_the_code_of_whoever_fired(void **state)
{
    struct bond bonds[4];
    weir_token parent = token_make((weir_token){0});
    weir_token child = token_make(parent);

    (void)state;
    loop_enter(wi_loop_of(loop));
    for (unsigned i = 0; i < 3; i++) {
        bonds[i] = (struct bond){.bond.fired = bond_fired};
        wi_token_bind(wi_loop_of(loop), &bonds[i].bond, child.bits);
    }
    bonds[3] = bonds[0];
    bonds[3].bond = (struct wi_token_bond){.fired = bond_fired};
    wi_token_unbind(&bonds[1].bond);
    wi_token_unbind(&bonds[1].bond); // legal when not bound
    loop_leave();
    assert_int_equal(weir_token_fire(parent, -EIO, 42), 0);
    loop_settle(loop);
    loop_enter(wi_loop_of(loop));
    wi_token_bind(wi_loop_of(loop), &bonds[3].bond, child.bits); // fired long ago: at once
    loop_leave();
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(bonds[i].calls, i != 1);
        assert_int_equal(bonds[i].code, i != 1 ? 42 : 0);
        assert_int_equal(bonds[i].reason, i != 1 ? -EIO : 0);
        assert_null(bonds[i].bond.link);
    }
}

// ---- many threads -------------------------------------------------------------------------------

struct duel {
    wi_atomic_u64 token; // of this round; 0: not made yet
    wi_atomic_u32 ready; // threads at the start
    wi_atomic_u32 done;
    bool frees;
};

static struct duel duel;

static void *
fire_or_free(void *arg)
{
    bool frees = *(bool *)arg;
    uint64_t last = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t bits;
        int result;

        while ((bits = wi_load_acquire(&duel.token)) == last) {
            sched_yield();
        }
        last = bits;
        result =
            frees ? weir_token_free((weir_token){bits}) : weir_token_fire((weir_token){bits}, 0, 0);
        FAILED_UNLESS(frees ? result == 0 : result == 0 || result == -WEIR_ESTALE);
        wi_add_acq_rel(&duel.done, 1);
    }
    return NULL;
}

static void
count_status(struct weir_loop *on, int status, void *arg)
{
    (void)on;
    FAILED_UNLESS(status == -ECANCELED);
    goal_add(arg);
}

// One thread fires, one frees, two loops register operations: each ends once, memory stays sound.
static void
a_token_may_be_freed_while_it_fires_and_is_used(void **state)
{
    struct weir_runtime *threaded = runtime_make(2, 0);
    bool frees[2] = {false, true};
    pthread_t threads[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        thread_go(&threads[i], fire_or_free, &frees[i]);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct goal goal = {.wanted = 0};
        weir_token token;
        weir_op ops[2] = {{0}};

        assert_int_equal(weir_token_create(threaded, (weir_token){0}, &token), 0);
        for (unsigned i = 0; i < 2; i++) {
            struct weir_timer timer = {
                .deadline_ns = WEIR_NEVER, .fn = count_status, .arg = &goal, .token = token};

            if (weir_timer_start(weir_runtime_loop(threaded, i), &timer, &ops[i]) == 0) {
                goal.wanted++;
            }
            if (i == 0) {
                wi_store_release(&duel.token, token.bits); // in the middle of it
            }
        }
        while (wi_load_acquire(&duel.done) < 2 * (round + 1)) {
            sched_yield();
        }
        for (unsigned i = 0; i < 2; i++) {
            weir_cancel(ops[i]); // those that went on without it
        }
        await(reached, &goal);
        assert_int_equal(wi_load_relaxed(&goal.count), goal.wanted);
    }
    for (unsigned i = 0; i < 2; i++) {
        thread_end_of(threads[i]);
    }
    runtime_end(threaded);
}

static void
memory_that_runs_out_makes_no_token(void **state)
{
    weir_token parent = token_make((weir_token){0});
    weir_token token;

    (void)state;
    wi_heap_fail(1, 0);
    assert_int_equal(weir_token_create(runtime, parent, &token), -ENOMEM);
    wi_heap_fail(0, 0);
    for (unsigned i = 0; i < 3 * WI_TOKEN_SEGMENT; i++) { // also where a segment is needed
        wi_heap_fail(1, 1);
        assert_int_equal(weir_token_create(runtime, parent, &token), -ENOMEM);
        wi_heap_fail(0, 0);
        token_make(parent);
    }
    assert_int_equal(weir_token_free(parent), 0);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(arguments_are_checked),
        SCENE(a_token_is_sticky_and_its_first_reason_stays),
        SCENE(a_chain_is_at_most_eight_parents_deep),
        SCENE(a_slot_is_used_again_and_old_handles_stay_stale),
        SCENE(a_slot_whose_generation_would_wrap_is_retired),
        SCENE(a_fire_is_seen_on_the_way_and_while_waiting),
        SCENE(an_ancestors_fire_reaches_all_below_and_nothing_beside),
        SCENE(a_finished_operation_is_no_longer_mapped),
        SCENE(operations_of_a_freed_token_go_on_without_it),
        SCENE(a_chain_may_be_freed_in_any_order),
        SCENE(a_fire_passes_through_a_freed_parent),
        SCENE(children_keep_what_a_freed_parent_had_been),
        SCENE(a_fire_and_a_free_in_one_turn_fire),
        SCENE(a_bond_is_told_the_code_of_whoever_fired),
        SCENE(a_token_may_be_freed_while_it_fires_and_is_used),
        SCENE(memory_that_runs_out_makes_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
