// SPDX-License-Identifier: MIT
//
// What an idle stream costs: no block, no turn.
#include "tests/lib/fixture.h"
#include "tests/lib/reader.h"

#include <poll.h>
#include <sys/resource.h>

enum { MANY = 1000, SPARE_FDS = 200 };

static uint64_t
blocks_out(void)
{
    struct weir_ledger ledger;

    weir_pool_ledger_all(&ledger);
    return ledger.leased - ledger.returned;
}

// K1, 580: nothing is leased before there is something to hold, and nothing kept after.
static void
an_idle_stream_holds_no_block(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    uint64_t before = blocks_out();
    struct reader *reader = reader_make(fixture);
    struct pair *pushed = reader_open(reader, &(struct pair_options){0});
    struct pair *pulled = pair_open(fixture, &(struct pair_options){.pull = true});
    struct pulls *pulls = pulls_make(fixture);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_read request = pulls_request(pulls, 0);

    fixture_settle(fixture);
    assert_int_equal(blocks_out(), before);
    assert_status(pull(pulled, &request, NULL), 0);
    fixture_settle(fixture);
    assert_int_equal(blocks_out(), before);
    peer_write_pattern(fixture, pushed->peer, 100000, 0, 0);
    peer_write_pattern(fixture, pulled->peer, 100, 0, 0);
    assert_status(request_submit(pushed, recorder, 0, 10000, WEIR_COPY), 0);
    reader_wait_consumed(reader, 100000);
    pulls_wait(pulls, 1);
    recorder_wait(recorder, 1);
    peer_read_pattern(fixture, pushed->peer, 10000, 0, 0);
    fixture_settle(fixture);
    // Besides an open block that copies are packed into: the producing thread's, not the stream's.
    assert_in_range(blocks_out(), before, before + 1);
}

// K82: only what the data function left is held, and it goes when that is consumed.
static void
a_stream_holds_what_was_not_consumed_and_no_more(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    uint64_t before = blocks_out();
    struct reader *reader = reader_make(fixture);
    struct pair *pair = reader_open(reader, &(struct pair_options){0});

    reader_answer(reader, 5, READER_ALL);
    peer_write_pattern(fixture, pair->peer, 10, 0, 0);
    reader_wait_calls(reader, 1);
    fixture_settle(fixture);
    assert_int_equal(blocks_out(), before + 1);
    peer_write_pattern(fixture, pair->peer, 10, 10, 0);
    reader_wait_consumed(reader, 20);
    fixture_settle(fixture);
    assert_int_equal(blocks_out(), before);
}

static void
allow_descriptors(rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < count) {
        limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_true(limit.rlim_cur >= count);
    }
}

static void
open_many(struct fixture *fixture)
{
    static const struct weir_handlers none = {0};
    struct weir_address address;
    int listener;

    allow_descriptors(2 * MANY + SPARE_FDS);
    listener = transport_listen(fixture, 0, &address);
    for (unsigned count = 0; count < MANY; count++) {
        weir_stream stream;
        int fd = transport_connect(fixture, &address, 0);
        int ours = transport_accept(fixture, listener);
        struct weir_stream_options options = {
            .handlers = count % 2 == 0 ? events_handlers_pull() : &none,
            .user = count % 2 == 0 ? events_make(fixture) : NULL,
        };

        assert_true(fd >= 0);
        // The fixture's list forgets it: it is the library's now.
        fixture->fd_count--;
        assert_int_equal(fixture->fds[fixture->fd_count], ours);
        assert_status(weir_adopt(fixture->loop, ours, &options, &stream), 0);
        if (count % 100 == 99) {
            fixture_settle(fixture);
        }
    }
    fixture_settle(fixture);
}

// Section 8 of the design: at rest nothing wakes up. A tenth of a second of silence is watched.
static void
a_thousand_idle_connections_cost_no_turn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    uint64_t before = blocks_out();
    struct weir_stats rest;
    struct pollfd loop;

    open_many(fixture);
    assert_int_equal(blocks_out(), before);
    rest = fixture_stats(fixture);
    assert_int_equal(rest.streams_now, MANY);
    loop = (struct pollfd){.fd = weir_loop_fd(fixture->loop), .events = POLLIN};
    assert_true(loop.fd >= 0);
    assert_int_equal(poll(&loop, 1, 100), 0);
    assert_int_equal(weir_loop_turn(fixture->loop, 0), 0);
    assert_int_equal(fixture_stats(fixture).system_polls, rest.system_polls);
}

struct watched {
    struct fixture *fixture;
    uint64_t until;
    struct weir_stats stats;
};

static bool
time_has_passed(void *arg)
{
    struct watched *watched = arg;

    return weir_now_ns() >= watched->until;
}

// The same with a thread: it sleeps.
static void
a_loop_with_a_thread_sleeps_when_its_streams_are_idle(void **state)
{
    enum { WATCHED_MS = 200 };
    struct fixture *fixture = fixture_threads(state, 1);
    struct watched *watched = fixture_memory(fixture, sizeof(*watched));
    struct weir_stats after;

    for (unsigned count = 0; count < 20; count++) {
        struct reader *reader = reader_make(fixture);
        struct pair *pair = reader_open(reader, &(struct pair_options){0});

        peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
        reader_wait_consumed(reader, 1000);
    }
    // What the last bytes started has its end: slabs that empty out give their memory back.
    watched->fixture = fixture;
    watched->until = weir_deadline_after(MS(50));
    fixture_turn_until(fixture, time_has_passed, watched);
    watched->stats = fixture_stats(fixture);
    watched->until = weir_deadline_after(MS(WATCHED_MS));
    fixture_turn_until(fixture, time_has_passed, watched);
    after = fixture_stats(fixture);
    assert_in_range(after.turns - watched->stats.turns, 0, 10);
    assert_int_equal(after.system_reads, watched->stats.system_reads);
    assert_int_equal(after.system_polls, watched->stats.system_polls);
}

// L2 of the idle kind: a paused stream with bytes waiting costs nothing either.
static void
a_paused_stream_with_bytes_waiting_costs_no_turn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct reader *reader = reader_make(fixture);
    struct pair *pair =
        reader_open(reader, &(struct pair_options){.stream.flags = WEIR_STREAM_PAUSED});
    struct pollfd loop = {.fd = weir_loop_fd(fixture->loop), .events = POLLIN};

    peer_write_pattern(fixture, pair->peer, 1000, 0, 0);
    fixture_settle(fixture);
    assert_int_equal(poll(&loop, 1, 50), 0);
    peer_finish(fixture, pair->peer);
    fixture_settle(fixture);
    assert_int_equal(poll(&loop, 1, 50), 0);
    events_expect(pair->events, "started");
    close_anyhow(pair); // else the stop waits for what is not read
}

// A peer that has ended costs nothing while our side stays open.
static void
a_half_closed_stream_costs_no_turn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){0});
    struct pollfd loop = {.fd = weir_loop_fd(fixture->loop), .events = POLLIN};

    peer_finish(fixture, pair->peer);
    events_wait(pair->events, "peer_fin");
    fixture_settle(fixture);
    assert_int_equal(poll(&loop, 1, 50), 0);
    assert_status(weir_end(pair->stream), 0);
    events_wait(pair->events, "send_closed");
    fixture_settle(fixture);
    assert_int_equal(poll(&loop, 1, 50), 0);
}

// 1785: nor does a write that waits for a peer that does not read.
static void
a_blocked_stream_costs_no_turn(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pair *pair = pair_open(fixture, &(struct pair_options){.stuffed = true});
    struct recorder *recorder = recorder_make(fixture);
    struct pollfd loop = {.fd = weir_loop_fd(fixture->loop), .events = POLLIN};

    assert_status(request_submit(pair, recorder, 0, 1 << 20, 0), 0);
    fixture_settle(fixture);
    assert_int_equal(poll(&loop, 1, 50), 0);
    assert_int_equal(recorder_count(recorder), 0);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH(an_idle_stream_holds_no_block),
        EACH(a_stream_holds_what_was_not_consumed_and_no_more),
        EACH(a_thousand_idle_connections_cost_no_turn),
        EACH(a_loop_with_a_thread_sleeps_when_its_streams_are_idle),
        EACH(a_paused_stream_with_bytes_waiting_costs_no_turn),
        EACH(a_half_closed_stream_costs_no_turn),
        EACH(a_blocked_stream_costs_no_turn),
    };

    return RUN_CASES("conformance.idle", cases);
}
