// SPDX-License-Identifier: MIT
//
// A conversation with its half-close in band, again for each of its allocations: that one fails, or
// that one and all after it. What was refused has no completion and is the caller's still; what was
// accepted completes once; both ends close once; nothing stays leased.
#include "mem/heap.h"
#include "tests/lib/fixture.h"
#include "tests/lib/flow.h"

#include <errno.h>

enum { ALLOCATIONS_MAX = 600, WRITES_MAX = 16 };

struct run {
    struct flow *flow;
    struct released *released;
    struct pulls *pulls;
    unsigned accepted[2];
    unsigned given;
    unsigned reads;
};

static bool
may_be(int result)
{
    return result == 0 || result == -ENOMEM || result == -WEIR_EENDED || result == -WEIR_ESTALE ||
           result == -ECONNRESET || result == -EPIPE || result == -WEIR_ETORN;
}

static void
allow(struct run *run, int result)
{
    if (!may_be(result)) {
        wi_heap_fail(0, 0);
        fixture_fail(run->flow->fixture, "a call answered %d", result);
    }
}

static void
say(struct run *run, unsigned side, struct weir_write *request)
{
    struct flow_end *end = &run->flow->ends[side];
    int result;

    request->done = recorder_done;
    request->arg = recorder_tag(end->recorder, run->accepted[side]);
    result = flow_inband.write(end, request, NULL);
    allow(run, result);
    run->accepted[side] += result == 0;
    run->given += result == 0 && (request->flags & WEIR_GIVE) != 0;
}

static void
say_bytes(struct run *run, unsigned side, size_t size, unsigned flags)
{
    struct weir_write request = {
        .iov = pattern_iov(run->flow->fixture, size, 0), .iov_count = 1, .flags = flags};

    if (flags & WEIR_GIVE) {
        request.release = request_release;
        request.release_arg = run->released;
    }
    say(run, side, &request);
}

static void
ask(struct run *run, unsigned side)
{
    struct weir_read request = pulls_request(run->pulls, run->reads);
    int result;

    request.deadline_ns = weir_deadline_after(MS(60000));
    result = flow_inband.read(&run->flow->ends[side], &request);
    allow(run, result);
    run->reads += result == 0;
}

// Everything that allocates, in an order that goes wrong at many places.
static void
converse(struct run *run, struct weir_chain *chain, struct weir_shared *shared)
{
    struct flow *flow = run->flow;
    struct weir_write request = {.chain = chain};
    const struct flow_layer *layer = &flow_inband;

    say_bytes(run, 0, 100, WEIR_COPY);
    say_bytes(run, 0, 50000, 0);
    say(run, 0, &request);
    request = (struct weir_write){.shared = shared};
    say(run, 1, &request);
    say_bytes(run, 1, 9000, WEIR_GIVE);
    ask(run, 0);
    fixture_settle(flow->fixture);
    ask(run, 0);
    allow(run, layer->pause(&flow->ends[1]));
    say_bytes(run, 0, 5000, WEIR_FIN);
    fixture_settle(flow->fixture);
    allow(run, layer->resume(&flow->ends[1]));
    fixture_settle(flow->fixture);
    allow(run, layer->stop_reading(&flow->ends[0]));
    allow(run, layer->end(&flow->ends[1]));
    fixture_settle(flow->fixture);
    allow(run, flow_close(flow, 0, WEIR_CLOSE_DRAIN, 0));
    fixture_settle(flow->fixture);
}

// How many allocations there were.
static unsigned long
run_once(struct fixture *fixture, unsigned long nth, bool forever)
{
    struct run *run = fixture_memory(fixture, sizeof(*run));
    struct weir_chain chain = request_chain(10000, 0);
    struct weir_shared *shared = weir_shared_create(pattern_make(fixture, 20000, 0), 20000);
    unsigned long count;

    run->flow = flow_make(fixture, &flow_inband, (struct flow_options){0});
    run->flow->ends[0].handlers = *events_handlers_pull();
    flow_open_ends(run->flow);
    run->released = released_make(fixture);
    run->pulls = pulls_make(fixture);
    wi_heap_fail(nth, forever);
    converse(run, &chain, shared);
    count = wi_heap_fail_count();
    wi_heap_fail(0, 0);
    weir_chain_return(&chain); // if it was refused
    weir_shared_unref(shared);
    flow_close_anyhow(run->flow);
    for (unsigned side = 0; side < 2; side++) {
        struct flow_end *end = &run->flow->ends[side];

        recorder_wait(end->recorder, run->accepted[side]);
        for (unsigned tag = 0; tag < run->accepted[side]; tag++) {
            struct weir_result result = recorder_of(end->recorder, tag);

            assert_true(may_be(result.status) || result.status == -ECONNABORTED);
            assert_true(result.status != 0 || result.sent == result.accepted);
        }
        events_expect_ending(end->events, "send_closed closed");
        assert_int_equal(end->events->closed.bytes_lost != 0 && end->events->closed.status == 0, 0);
    }
    pulls_wait(run->pulls, run->reads);
    assert_int_equal(released_count(run->released), run->given);
    return count;
}

static void
run_all(void **state, bool forever)
{
    struct fixture *fixture = fixture_manual(state);
    unsigned long nth = 1;

    while (nth < ALLOCATIONS_MAX && run_once(fixture, nth, forever) >= nth) {
        nth++;
    }
    assert_in_range(nth, 20, ALLOCATIONS_MAX - 1); // it did fail, and came to an end
    run_once(fixture, 0, false);
}

static void
any_one_allocation_may_fail(void **state)
{
    run_all(state, false);
}

static void
from_any_allocation_on_all_may_fail(void **state)
{
    run_all(state, true);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(any_one_allocation_may_fail),
        EACH_UNIX(from_any_allocation_on_all_may_fail),
    };

    return RUN_CASES("conformance.inband_memory", cases);
}
