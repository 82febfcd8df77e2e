// SPDX-License-Identifier: MIT
// The order of other threads' submits: sorting what lanes brought, and holes.

#include "netio/order.h"

#include "tests/lib/runtime_fixture.h"

#include <string.h>

#define WRITES    4096u
#define WRAP_NEAR (WI_TICKET_MASK - WRITES / 2) // tickets that wrap midway

static struct wi_write writes[WRITES];
static struct wi_stream stream;

static int
scene_open(void **state)
{
    (void)state;
    memset(writes, 0, sizeof(writes));
    memset(&stream, 0, sizeof(stream));
    return 0;
}

static uint32_t
next_of(void)
{
    return stream.next_ticket & WI_TICKET_MASK;
}

static bool
waits(void)
{
    return (stream.next_ticket & WI_ORDER_WAITS) != 0;
}

static void
keep(unsigned index, uint32_t ticket)
{
    writes[index].ticket = ticket & WI_TICKET_MASK;
    wi_order_keep(&stream, &writes[index]);
}

// All that were kept come back, by their tickets from @p first on.
static void
expect_sorted(uint32_t first, unsigned count)
{
    struct wi_write *write = wi_order_take(&stream);

    for (unsigned i = 0; i < count; i++) {
        assert_non_null(write);
        assert_int_equal(write->ticket, (first + i) & WI_TICKET_MASK);
        write = wi_write_next(write);
    }
    assert_null(write);
    assert_null(stream.arrivals);
}

static void
what_lanes_bring_is_sorted_also_where_tickets_wrap(void **state)
{
    static const unsigned lanes[] = {1, 2, 3, 16, 63, 64, 65, 1000, WRITES};
    static const uint32_t firsts[] = {0, 77, WRAP_NEAR};

    (void)state;
    for (size_t i = 0; i < sizeof(lanes) / sizeof(lanes[0]); i++) {
        for (size_t j = 0; j < sizeof(firsts) / sizeof(firsts[0]); j++) {
            unsigned index = 0;

            for (unsigned lane = 0; lane < lanes[i]; lane++) { // each brings every n-th, in order
                for (uint32_t ticket = lane; ticket < WRITES; ticket += lanes[i]) {
                    keep(index++, firsts[j] + ticket);
                }
            }
            expect_sorted(firsts[j], WRITES);
        }
    }
}

static void
one_that_comes_backwards_is_sorted_too(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WRITES; i++) {
        keep(i, WRITES - 1 - i);
    }
    expect_sorted(0, WRITES);
}

static void
nothing_kept_is_nothing_taken(void **state)
{
    (void)state;
    assert_null(wi_order_take(&stream));
}

static void
while_some_are_kept_nobodys_turn_comes_on_sight(void **state)
{
    (void)state;
    assert_false(waits());
    keep(0, 5);
    assert_true(waits());
    assert_int_equal(next_of(), 0);
}

static void
in_turn_the_next_moves_on_and_wraps(void **state)
{
    (void)state;
    stream.next_ticket = WI_TICKET_MASK;
    wi_order_pass(&stream, WI_TICKET_MASK);
    assert_int_equal(stream.next_ticket, 0);
    wi_order_pass(&stream, 0);
    assert_int_equal(stream.next_ticket, 1);
}

// A submit that filled a hole may have returned before the next one began: that one must not pass.
static void
while_a_ticket_is_missing_nobodys_turn_comes_on_sight(void **state)
{
    (void)state;
    wi_order_pass(&stream, 2); // 0 and 1 are missing
    assert_int_equal(next_of(), 3);
    assert_true(waits());
    wi_order_pass(&stream, 0);
    assert_true(waits());
    wi_order_pass(&stream, 1);
    assert_false(waits());
    assert_int_equal(stream.next_ticket, 3);
}

static void
more_holes_than_are_counted_stay(void **state)
{
    (void)state;
    wi_order_pass(&stream, 1000);
    for (uint32_t ticket = 0; ticket < 1000; ticket++) {
        wi_order_pass(&stream, ticket);
    }
    assert_true(waits()); // until nothing is in flight: see wi_stream_settle()
    assert_int_equal(next_of(), 1001);
}

#define SCENE(name) cmocka_unit_test_setup(name, scene_open)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(what_lanes_bring_is_sorted_also_where_tickets_wrap),
        SCENE(one_that_comes_backwards_is_sorted_too),
        SCENE(nothing_kept_is_nothing_taken),
        SCENE(while_some_are_kept_nobodys_turn_comes_on_sight),
        SCENE(in_turn_the_next_moves_on_and_wraps),
        SCENE(while_a_ticket_is_missing_nobodys_turn_comes_on_sight),
        SCENE(more_holes_than_are_counted_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
