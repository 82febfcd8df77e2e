// SPDX-License-Identifier: MIT
//
// Tokens: sticky, with parents, a reason and a code; fired at any time, freed at any time.
#include "tests/lib/fixture.h"

enum { MIB = 1024 * 1024, CODE = 4711 };

static weir_token
token_make(struct fixture *fixture, weir_token parent)
{
    weir_token token = {0};

    assert_status(weir_token_create(fixture->runtime, parent, &token), 0);
    assert_true(token.bits != 0);
    assert_status(weir_token_status(token), 0);
    return token;
}

static int
write_with(struct pair *pair, struct recorder *recorder, unsigned tag, size_t size,
           weir_token token)
{
    struct weir_write request = request_make(recorder, tag, size);

    request.token = token;
    return submit(pair->fixture, pair->stream, &request, NULL);
}

// K28, C5: refused without a trace.
static void
a_token_fired_before_the_submit_refuses_it(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});

    assert_status(weir_token_fire(token, 0, 0), 0);
    assert_status(weir_token_status(token), -ECANCELED);
    assert_status(write_with(pair, recorder, 0, 10, token), -ECANCELED);
    assert_status(weir_stream_status(pair->stream), 0);
    assert_int_equal(weir_queued(pair->stream), 0);
    peer_expect_silence(fixture, pair->peer);
    assert_int_equal(recorder_count(recorder), 0);
    assert_int_equal(fixture_stats(fixture).refused[WEIR_REFUSED_TOKEN], 1);
    // Nobody else is touched.
    assert_status(request_submit(pair, recorder, 1, 10, 0), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 1);
    recorder_wait(recorder, 1);
    assert_status(weir_token_free(token), 0);
}

static void
a_stale_token_refuses_the_submit(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});

    assert_status(weir_token_free(token), 0);
    assert_status(write_with(pair, recorder, 0, 10, token), -WEIR_ESTALE);
    assert_status(weir_token_fire(token, 0, 0), -WEIR_ESTALE);
    assert_status(weir_token_status(token), -WEIR_ESTALE);
    assert_status(weir_token_free(token), -WEIR_ESTALE);
    assert_status(weir_token_bind(token, pair->stream), -WEIR_ESTALE);
    peer_expect_silence(fixture, pair->peer);
}

// 5.4: one call, many operations, many streams.
static void
one_fire_takes_back_operations_on_many_streams(void **state)
{
    enum { STREAMS = 5, EACH_COUNT = 20 };
    struct fixture *fixture = fixture_manual(state);
    struct recorder *carried = recorder_make(fixture);
    struct recorder *others = recorder_make(fixture);
    struct pair *pairs[STREAMS];
    weir_token token = token_make(fixture, (weir_token){0});

    for (unsigned index = 0; index < STREAMS; index++) {
        pairs[index] = pair_open(fixture, &(struct pair_options){.stuffed = true});
        for (unsigned tag = 0; tag < EACH_COUNT; tag++) {
            assert_status(write_with(pairs[index], carried, index * EACH_COUNT + tag, 10, token),
                          0);
        }
        assert_status(request_submit(pairs[index], others, index, 10, 0), 0);
    }
    fixture_settle(fixture);
    assert_int_equal(recorder_count(carried), 0);
    assert_status(weir_token_fire(token, 0, 0), 0);
    assert_int_equal(recorder_count(carried), 0);
    recorder_wait(carried, STREAMS * EACH_COUNT);
    for (unsigned tag = 0; tag < STREAMS * EACH_COUNT; tag++) {
        expect_result(recorder_of(carried, tag), -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    }
    for (unsigned index = 0; index < STREAMS; index++) {
        pair_unstuff(pairs[index]);
        peer_read_pattern(fixture, pairs[index]->peer, 10, 0, index);
    }
    recorder_wait(others, STREAMS);
    assert_status(weir_token_free(token), 0);
}

// The reason is the status of what it ends, the first one for ever.
static void
the_first_reason_stays(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});

    assert_status(write_with(pair, recorder, 0, 10, token), 0);
    fixture_settle(fixture);
    assert_status(weir_token_fire(token, 5, 0), -EINVAL);
    assert_status(weir_token_fire(token, 0, WEIR_CODE_MAX + 1), -EINVAL);
    assert_status(weir_token_status(token), 0);
    assert_status(weir_token_fire(token, -EPROTO, CODE), 0);
    assert_status(weir_token_fire(token, -EIO, CODE + 1), -EALREADY);
    assert_status(weir_token_status(token), -EPROTO);
    recorder_wait(recorder, 1);
    expect_result(recorder_of(recorder, 0), -EPROTO, WEIR_ORIGIN_LOCAL_CANCEL, 0);
    assert_status(write_with(pair, recorder, 1, 10, token), -EPROTO);
    assert_status(weir_token_free(token), 0);
}

// ---- parents ----------------------------------------------------------------------------------

static void
a_chain_of_eight_parents_is_the_longest(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_token chain[WEIR_TOKEN_DEPTH_MAX + 1];
    weir_token tenth = {.bits = 42};

    chain[0] = token_make(fixture, (weir_token){0});
    for (unsigned depth = 1; depth <= WEIR_TOKEN_DEPTH_MAX; depth++) {
        chain[depth] = token_make(fixture, chain[depth - 1]);
    }
    assert_status(weir_token_create(fixture->runtime, chain[WEIR_TOKEN_DEPTH_MAX], &tenth), -ELOOP);
    assert_int_equal(tenth.bits, 42);
    for (unsigned depth = 0; depth <= WEIR_TOKEN_DEPTH_MAX; depth++) {
        assert_status(write_with(pair, recorder, depth, 10, chain[depth]), 0);
    }
    fixture_settle(fixture);
    // From the middle: descendants only.
    assert_status(weir_token_fire(chain[4], -EPROTO, 0), 0);
    recorder_wait(recorder, WEIR_TOKEN_DEPTH_MAX - 3);
    for (unsigned depth = 0; depth <= WEIR_TOKEN_DEPTH_MAX; depth++) {
        assert_status(weir_token_status(chain[depth]), depth < 4 ? 0 : -EPROTO);
        assert_int_equal(recorder_has(recorder, depth), depth >= 4);
    }
    assert_status(weir_token_fire(chain[0], 0, 0), 0);
    recorder_wait(recorder, WEIR_TOKEN_DEPTH_MAX + 1);
    assert_status(recorder_of(recorder, 0).status, -ECANCELED);
    for (unsigned depth = 0; depth <= WEIR_TOKEN_DEPTH_MAX; depth++) {
        assert_status(weir_token_free(chain[depth]), 0);
    }
}

static void
a_child_of_a_fired_parent_is_fired(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_token parent = token_make(fixture, (weir_token){0});
    weir_token child;

    assert_status(weir_token_fire(parent, -EPROTO, 0), 0);
    assert_status(weir_token_create(fixture->runtime, parent, &child), 0);
    assert_status(weir_token_status(child), -EPROTO);
    assert_status(write_with(pair, recorder, 0, 10, child), -EPROTO);
    assert_status(weir_token_free(child), 0);
    assert_status(weir_token_free(parent), 0);
}

// Children keep what the parent had been.
static void
freeing_a_parent_leaves_its_children_as_they_were(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    weir_token parents[2] = {token_make(fixture, (weir_token){0}),
                             token_make(fixture, (weir_token){0})};
    weir_token children[2] = {token_make(fixture, parents[0]), token_make(fixture, parents[1])};
    weir_token orphan;

    assert_status(weir_token_fire(parents[0], -EPROTO, 0), 0);
    assert_status(weir_token_free(parents[0]), 0);
    assert_status(weir_token_free(parents[1]), 0);
    assert_status(weir_token_status(children[0]), -EPROTO);
    assert_status(weir_token_status(children[1]), 0);
    assert_status(weir_token_create(fixture->runtime, parents[1], &orphan), -WEIR_ESTALE);
    assert_status(weir_token_fire(children[1], 0, 0), 0);
    for (unsigned index = 0; index < 2; index++) {
        assert_status(weir_token_free(children[index]), 0);
    }
}

// ---- freeing ----------------------------------------------------------------------------------

// Section 5: freeing detaches.
static void
operations_go_on_without_a_freed_token(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});

    // One that the loop has registered, one that still waits in the lane.
    assert_status(write_with(pair, recorder, 0, 10, token), 0);
    fixture_settle(fixture);
    assert_status(write_with(pair, recorder, 1, 10, token), 0);
    assert_status(weir_token_free(token), 0);
    pair_unstuff(pair);
    recorder_wait(recorder, 2);
    for (unsigned tag = 0; tag < 2; tag++) {
        expect_result(recorder_of(recorder, tag), 0, WEIR_ORIGIN_NONE, 10);
        peer_read_pattern(fixture, pair->peer, 10, 0, tag);
    }
}

// 5.9-3, 1278: in the completion that the fire brought.
struct freeing {
    struct recorder *recorder;
    weir_token token;
    unsigned tag;
    int result;
};

static void
free_in_completion(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct freeing *freeing = arg;

    freeing->result = weir_token_free(freeing->token);
    recorder_done(stream, result, recorder_tag(freeing->recorder, freeing->tag));
}

static void
a_token_may_be_freed_in_the_completion_it_brought(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});
    struct freeing *freeing = fixture_memory(fixture, sizeof(*freeing) * 3);

    for (unsigned tag = 0; tag < 3; tag++) {
        struct weir_write request = request_make(recorder, tag, 10);

        freeing[tag] = (struct freeing){.recorder = recorder, .token = token, .tag = tag};
        request.token = token;
        request.done = free_in_completion;
        request.arg = &freeing[tag];
        assert_status(submit(fixture, pair->stream, &request, NULL), 0);
    }
    fixture_settle(fixture);
    assert_status(weir_token_fire(token, 0, 0), 0);
    recorder_wait(recorder, 3);
    assert_int_equal((freeing[0].result == 0) + (freeing[1].result == 0) + (freeing[2].result == 0),
                     1);
}

// A slot that is used again answers only to its newest handle.
static void
a_stale_token_never_fires_the_next_in_its_slot(void **state)
{
    enum { COUNT = 5000 };
    struct fixture *fixture = fixture_manual(state);
    weir_token old = {0};

    for (unsigned round = 0; round < COUNT; round++) {
        weir_token token = token_make(fixture, (weir_token){0});

        assert_true(token.bits != old.bits);
        assert_status(weir_token_fire(old, 0, 0), -WEIR_ESTALE);
        assert_status(weir_token_status(token), 0);
        assert_status(weir_token_free(token), 0);
        old = token;
    }
}

// ---- bound streams ----------------------------------------------------------------------------

// Q31, K20: the stream goes when the token fires.
static void
a_bound_stream_is_aborted_with_the_tokens_code(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.small = true});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});
    weir_token other = token_make(fixture, (weir_token){0});

    assert_status(weir_token_bind(token, pair->stream), 0);
    assert_status(weir_token_bind(other, pair->stream), -EBUSY);
    assert_status(request_submit(pair, recorder, 0, MIB, 0), 0);
    pair_block(pair);
    assert_status(weir_token_fire(token, 0, CODE), 0);
    pair_wait_closed(pair);
    recorder_wait(recorder, 1);
    assert_true(recorder_of(recorder, 0).status < 0);
    assert_int_equal(pair->events->closed.code, CODE);
    peer_expect_reset(fixture, pair->peer);
    assert_status(weir_token_bind(token, pair->stream), -WEIR_ESTALE);
    assert_status(weir_token_free(token), 0);
    assert_status(weir_token_free(other), 0);
}

static void
binding_to_a_fired_token_aborts_at_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    weir_token parent = token_make(fixture, (weir_token){0});
    weir_token token = token_make(fixture, parent);

    assert_status(weir_token_fire(parent, 0, CODE), 0);
    assert_status(weir_token_bind(token, pair->stream), 0);
    pair_wait_closed(pair);
    assert_int_equal(pair->events->closed.code, CODE);
    peer_expect_reset(fixture, pair->peer);
    assert_status(weir_token_free(token), 0);
    assert_status(weir_token_free(parent), 0);
}

static void
a_stream_outlives_a_token_freed_unfired(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    weir_token token = token_make(fixture, (weir_token){0});

    assert_status(weir_token_bind(token, pair->stream), 0);
    fixture_settle(fixture);
    assert_status(weir_token_free(token), 0);
    assert_status(request_submit(pair, recorder, 0, 10, 0), 0);
    peer_read_pattern(fixture, pair->peer, 10, 0, 0);
    recorder_wait(recorder, 1);
}

static void
tokens_do_not_cross_runtimes(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct recorder *recorder = recorder_make(fixture);
    struct weir_runtime *other;
    weir_token token;
    weir_token child;

    assert_status(weir_runtime_create(
                      &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL}, &other),
                  0);
    assert_status(weir_token_create(other, (weir_token){0}, &token), 0);
    assert_status(weir_token_create(fixture->runtime, token, &child), -EINVAL);
    assert_status(weir_token_bind(token, pair->stream), -EINVAL);
    assert_true(write_with(pair, recorder, 0, 10, token) < 0);
    assert_status(weir_token_free(token), 0);
    assert_status(weir_runtime_stop(other, weir_now_ns()), 0);
    assert_status(weir_runtime_free(other), 0);
}

// ---- against other threads --------------------------------------------------------------------

enum { RACE_WRITES = 24 };

struct race {
    struct pair *pair;
    struct recorder *recorder;
    weir_token token;
    unsigned accepted;
    unsigned refused;
    int fire_result;
    int free_result;
};

static void
race_submit(void *arg)
{
    struct race *race = arg;

    for (unsigned tag = 0; tag < RACE_WRITES; tag++) {
        int result = write_with(race->pair, race->recorder, tag, 10, race->token);

        race->accepted += result == 0;
        race->refused += result == -ECANCELED;
    }
}

static void
race_fire(void *arg)
{
    struct race *race = arg;

    race->fire_result = weir_token_fire(race->token, 0, 0);
}

static void
race_free(void *arg)
{
    struct race *race = arg;

    race->free_result = weir_token_free(race->token);
}

// 5.9-3, 2208: fired before, during or after the submits: none is lost. The socket has no room, so
// that only the token can end them.
static void
a_fire_during_submits_loses_none(void **state)
{
    enum { ROUNDS = 100 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct race *race = fixture_memory(fixture, sizeof(*race));
        struct thread *submitter;

        race->pair = pair;
        race->recorder = recorder_make(fixture);
        race->token = token_make(fixture, (weir_token){0});
        submitter = thread_start(fixture, race_submit, race);
        race_fire(race);
        // What is submitted after the fire has returned is refused.
        assert_status(write_with(pair, race->recorder, RACE_WRITES, 10, race->token), -ECANCELED);
        thread_join(fixture, submitter);
        assert_int_equal(race->accepted + race->refused, RACE_WRITES);
        recorder_wait(race->recorder, race->accepted);
        for (unsigned index = 0; index < race->accepted; index++) {
            struct weir_result result = recorder_at(race->recorder, index).result;

            expect_result(result, -ECANCELED, WEIR_ORIGIN_LOCAL_CANCEL, 0);
        }
        assert_status(weir_token_free(race->token), 0);
    }
}

// 5.9-3: freed while it fires. Each write ends once, cancelled or delivered.
static void
a_free_during_the_fire_is_safe(void **state)
{
    enum { ROUNDS = 100, WRITES = 5 };
    struct fixture *fixture = fixture_threads(state, 2);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct race *race = fixture_memory(fixture, sizeof(*race));
        struct thread *threads[2];
        uint64_t sent = 0;
        uint8_t bytes[WRITES * 10];

        race->pair = pair;
        race->recorder = recorder_make(fixture);
        race->token = token_make(fixture, (weir_token){0});
        for (unsigned tag = 0; tag < WRITES; tag++) {
            assert_status(write_with(pair, race->recorder, tag, 10, race->token), 0);
        }
        threads[0] = thread_start(fixture, race_fire, race);
        threads[1] = thread_start(fixture, race_free, race);
        thread_join(fixture, threads[0]);
        thread_join(fixture, threads[1]);
        assert_true(race->fire_result == 0 || race->fire_result == -WEIR_ESTALE);
        assert_status(race->free_result, 0);
        recorder_wait(race->recorder, WRITES);
        for (unsigned tag = 0; tag < WRITES; tag++) {
            struct weir_result result = recorder_of(race->recorder, tag);

            assert_true(result.status == 0 || result.status == -ECANCELED);
            assert_int_equal(result.sent, result.status == 0 ? 10 : 0);
            sent += result.sent;
        }
        peer_read_exact(fixture, pair->peer, bytes, sent);
        assert_status(weir_token_status(race->token), -WEIR_ESTALE);
    }
}

// ---- timers -----------------------------------------------------------------------------------

struct timed {
    struct fixture *fixture;
    unsigned count;
    int status;
};

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct timed *timed = arg;

    (void)loop;
    callback_begin(timed->fixture);
    timed->count++;
    timed->status = status;
    callback_end();
}

static bool
timer_is_done(void *arg)
{
    const struct timed *timed = arg;

    return timed->count > 0;
}

// N22: a timer is an operation with the same rules.
static void
a_token_takes_back_a_timer(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct timed *timed = fixture_memory(fixture, sizeof(*timed));
    struct weir_timer timer = {.deadline_ns = WEIR_NEVER - 1, .fn = on_timer, .arg = timed};

    timed->fixture = fixture;
    timer.token = token_make(fixture, (weir_token){0});
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), 0);
    fixture_settle(fixture);
    assert_int_equal(timed->count, 0);
    assert_status(weir_token_fire(timer.token, 0, 0), 0);
    fixture_turn_until(fixture, timer_is_done, timed);
    fixture_settle(fixture);
    assert_int_equal(timed->count, 1);
    assert_status(timed->status, -ECANCELED);
    assert_status(weir_timer_start(fixture->loop, &timer, NULL), -ECANCELED);
    assert_status(weir_token_free(timer.token), 0);
}

// A freed token leaves its stream unbound, and no other takes its place.
static void
a_stream_is_bound_once(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    weir_token first;
    weir_token second;

    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &first), 0);
    assert_status(weir_token_create(fixture->runtime, (weir_token){0}, &second), 0);
    assert_status(weir_token_bind(first, pair->stream), 0);
    fixture_settle(fixture);
    assert_status(weir_token_free(first), 0);
    fixture_settle(fixture);
    assert_status(weir_token_bind(second, pair->stream), -EBUSY);
    assert_status(weir_token_fire(second, 0, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(events_count(pair->events, "closed"), 0);
    assert_status(weir_token_free(second), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(a_token_fired_before_the_submit_refuses_it),
        ONCE(a_stream_is_bound_once),
        ONCE(a_stale_token_refuses_the_submit),
        EACH(one_fire_takes_back_operations_on_many_streams),
        ONCE(the_first_reason_stays),
        ONCE(a_chain_of_eight_parents_is_the_longest),
        ONCE(a_child_of_a_fired_parent_is_fired),
        ONCE(freeing_a_parent_leaves_its_children_as_they_were),
        EACH(operations_go_on_without_a_freed_token),
        ONCE(a_token_may_be_freed_in_the_completion_it_brought),
        ONCE(a_stale_token_never_fires_the_next_in_its_slot),
        EACH(a_bound_stream_is_aborted_with_the_tokens_code),
        EACH(binding_to_a_fired_token_aborts_at_once),
        ONCE(a_stream_outlives_a_token_freed_unfired),
        ONCE(tokens_do_not_cross_runtimes),
        ONCE(a_fire_during_submits_loses_none),
        ONCE(a_free_during_the_fire_is_safe),
        ONCE(a_token_takes_back_a_timer),
    };

    return RUN_CASES("conformance.tokens", cases);
}
