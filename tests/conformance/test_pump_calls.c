// os: count
// SPDX-License-Identifier: MIT
//
// How a pump moves bytes: what goes through a pipe, what does not, and that it goes all the same
// when the kernel has no pipe, or does not splice.
#include "tests/lib/os_count.h"
#include "tests/lib/pumping.h"
#include "tests/lib/reader.h"

#include <sys/socket.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

// Where there is something to gain from splicing.
#define EACH_SPLICED(f)                       \
    {                                         \
#f, f, TRANSPORT_TCP | TRANSPORT_UNIX \
    }

static void
cross(struct pumping *pumping, size_t size, bool ends)
{
    struct crossing crossing = {
        .from = pumping->a->peer, .to = pumping->b->peer, .seed = 1, .size = size, .ends = ends};

    pumping_cross(pumping, &crossing, 1);
}

static void
bulk_goes_through_a_pipe(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    unsigned long pipes = os_count_of(COUNT_PIPE);
    unsigned long splices = os_count_of(COUNT_SPLICE_OUT);

    cross(pumping, 2 * MIB, true);
    assert_int_equal(os_count_of(COUNT_PIPE), pipes + 1); // the same one again and again
    assert_true(os_count_of(COUNT_SPLICE_OUT) - splices >= 4);
}

static void
small_messages_do_not(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    unsigned long splices = os_count_of(COUNT_SPLICE_IN);

    for (unsigned i = 0; i < 100; i++) {
        peer_write_pattern(fixture, pumping->a->peer, 2000, 0, i);
        peer_read_pattern(fixture, pumping->b->peer, 2000, 0, i);
    }
    assert_int_equal(os_count_of(COUNT_SPLICE_IN), splices);
}

// After bulk, small messages are copied again; and bulk after that is spliced again.
static void
it_goes_back_and_forth(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    unsigned long splices;

    cross(pumping, 2 * MIB, false);
    for (unsigned i = 0; i < 40; i++) {
        peer_write_pattern(fixture, pumping->a->peer, 100, 0, i);
        peer_read_pattern(fixture, pumping->b->peer, 100, 0, i);
    }
    splices = os_count_of(COUNT_SPLICE_IN);
    for (unsigned i = 0; i < 40; i++) {
        peer_write_pattern(fixture, pumping->a->peer, 100, 0, i);
        peer_read_pattern(fixture, pumping->b->peer, 100, 0, i);
    }
    assert_int_equal(os_count_of(COUNT_SPLICE_IN), splices);
    cross(pumping, 2 * MIB, true);
    assert_true(os_count_of(COUNT_SPLICE_IN) > splices);
}

static void
nothing_is_spliced_that_was_not_to_be(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping =
        pumping_open(fixture, &(struct weir_pump){.flags = WEIR_PUMP_NO_SPLICE});
    unsigned long splices = os_count_of(COUNT_SPLICE_IN);

    cross(pumping, 2 * MIB, true);
    assert_int_equal(os_count_of(COUNT_SPLICE_IN), splices);
}

static void
without_pipes_it_goes_by_blocks(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);

    os_count_fail(COUNT_PIPE, 1, EMFILE);
    os_count_fail_forever();
    cross(pumping, 2 * MIB, true);
    os_count_off();
    assert_int_equal(os_count_of(COUNT_SPLICE_IN), 0);
}

static void
what_cannot_be_spliced_goes_by_blocks(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);

    os_count_fail(COUNT_SPLICE_IN, 1, EINVAL);
    os_count_fail_forever();
    cross(pumping, 2 * MIB, true);
    os_count_off();
    assert_int_equal(os_count_of(COUNT_SPLICE_IN), 1); // it does not ask again
    assert_int_equal(os_count_of(COUNT_SPLICE_OUT), 0);
}

// The sink dies with bytes in the pipe: they are lost, and the next pump's pipe is empty.
static void
a_pipe_with_bytes_in_it_is_not_used_again(void **state)
{
    struct fixture *fixture = fixture_manual(state);
    struct pumping *pumping = pumping_open(fixture, NULL);
    struct crossing doomed = {
        .from = pumping->a->peer, .to = pumping->b->peer, .seed = 1, .size = 64 * KIB};

    for (unsigned i = 0; i < 6; i++) { // until it splices
        doomed.written = doomed.read = 0;
        pumping_cross(pumping, &doomed, 1);
    }
    os_count_fail(COUNT_SPLICE_OUT, 1, ECONNRESET);
    peer_write_pattern(fixture, pumping->a->peer, 64 * KIB, 0, 1);
    for (unsigned i = 0; i < 4 && pumping->done == 0; i++) {
        peer_write_pattern(fixture, pumping->a->peer, 64 * KIB, 0, 1);
        fixture_settle(fixture);
    }
    os_count_off();
    peer_finish(fixture, pumping->b->peer); // the other direction has not ended with it
    pumping_wait(pumping);
    assert_status(pumping->stats.status_b, -ECONNRESET);
    assert_true(pumping->stats.a_to_b.bytes > pumping->stats.a_to_b.sent);
    cross(pumping_open(fixture, NULL), 2 * MIB, true);
}

int
main(void)
{
    static const struct test_case cases[] = {
        EACH_SPLICED(bulk_goes_through_a_pipe),
        EACH(small_messages_do_not),
        EACH_SPLICED(it_goes_back_and_forth),
        EACH(nothing_is_spliced_that_was_not_to_be),
        EACH(without_pipes_it_goes_by_blocks),
        EACH_SPLICED(what_cannot_be_spliced_goes_by_blocks),
        EACH_SPLICED(a_pipe_with_bytes_in_it_is_not_used_again),
    };

    return RUN_CASES("pump_calls", cases);
}
