// os: fake
// SPDX-License-Identifier: MIT
// Writes whose memory the kernel refers to for as long as the test wants: what waits, in which
// order it is told, and what happens when there is no stream to wait for any more.

#include "netio/zerocopy.h"

#include "netio/net.h"
#include "tests/lib/os_fake.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <string.h>

enum { LARGE = 40000, WRITES_MAX = 16 };

struct told {
    unsigned tag;
    int status;
    uint64_t sent;
};

static struct world {
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    weir_stream stream;
    int fd, peer;
    struct told told[WRITES_MAX];
    unsigned count, released, closed, send_closed;
    unsigned told_at_send_closed;
    unsigned next; // written by the next completion; 0: none
    struct weir_closed end;
} world;

static unsigned char memory[WRITES_MAX][LARGE];
static unsigned char seen[WRITES_MAX * LARGE];

// ---- the world ----------------------------------------------------------------------------------

static int submit(unsigned tag, size_t size, unsigned flags, weir_op *ret_op);

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    unsigned next = world.next;

    (void)stream;
    world.told[world.count++] =
        (struct told){(unsigned)(uintptr_t)arg, result->status, result->sent};
    world.next = 0;
    if (next != 0 && submit(next, 100, 0, NULL) != 0) {
        world.next = next; // the test sees it
    }
}

static void
on_release(void *arg)
{
    (void)arg;
    world.released++;
}

static void
on_send_closed(weir_stream stream, bool graceful, void *user)
{
    (void)stream;
    (void)graceful;
    (void)user;
    world.send_closed++;
    world.told_at_send_closed = world.count;
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    (void)stream;
    (void)user;
    world.closed++;
    world.end = *closed;
}

static const struct weir_handlers handlers = {.send_closed = on_send_closed, .closed = on_closed};

// Two connected sockets of a family that can send from memory.
static void
connect_pair(int *ret_fd, int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int listener = wi_os_socket(AF_INET);

    os_fake_connect_at_once(true);
    assert_int_equal(wi_os_bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(wi_os_listen(listener, 1), 0);
    assert_int_equal(wi_os_local_address(listener, (struct sockaddr *)&address, &size), 0);
    *ret_fd = wi_os_socket(AF_INET);
    assert_int_equal(wi_os_connect(*ret_fd, (struct sockaddr *)&address, size), 0);
    *ret_peer = wi_os_accept(listener, (struct sockaddr *)&address, &size);
    assert_true(*ret_peer >= 0);
    assert_int_equal(wi_os_close(listener), 0);
}

static int
begin(void **state)
{
    struct weir_runtime_options options = {.loops = 1, .flags = WEIR_MANUAL};
    struct weir_stream_options stream = {.handlers = &handlers};

    (void)state;
    os_fake_reset();
    os_fake_set_capacity(1 << 20);
    os_fake_set_zerocopy(OS_FAKE_HOLDS);
    world = (struct world){.fd = -1};
    for (unsigned i = 0; i < WRITES_MAX; i++) {
        memset(memory[i], 'a' + (int)i, LARGE);
    }
    connect_pair(&world.fd, &world.peer);
    assert_int_equal(weir_runtime_create(&options, &world.runtime), 0);
    world.loop = weir_runtime_loop(world.runtime, 0);
    assert_int_equal(weir_adopt(world.loop, world.fd, &stream, &world.stream), 0);
    loop_settle(world.loop);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    os_fake_set_zerocopy(OS_FAKE_LETS_GO);
    assert_int_equal(weir_runtime_stop(world.runtime, 0), 0);
    assert_int_equal(weir_runtime_free(world.runtime), 0);
    assert_int_equal(os_fake_unheard(), 0); // no descriptor went before its last notification
    return 0;
}

static int
submit(unsigned tag, size_t size, unsigned flags, weir_op *ret_op)
{
    struct iovec piece = {memory[tag], size};
    struct weir_write request = {.iov = &piece,
                                 .iov_count = size != 0,
                                 .flags = flags,
                                 .done = on_done,
                                 .arg = (void *)(uintptr_t)tag,
                                 .release = flags & WEIR_GIVE ? on_release : NULL};

    return weir_write(world.stream, &request, ret_op);
}

static void
write_now(unsigned tag, size_t size, unsigned flags)
{
    assert_int_equal(submit(tag, size, flags, NULL), 0);
    loop_settle(world.loop);
}

static void
let_go(uint32_t low, uint32_t high)
{
    os_fake_let_go(world.fd, low, high);
    loop_settle(world.loop);
}

static void
close_now(enum weir_close_mode mode)
{
    assert_int_equal(weir_close(world.stream, mode, 0, 0), 0);
    loop_settle(world.loop);
}

// Tags in the order they were told, as letters.
static void
expect_told(const char *tags)
{
    assert_int_equal(world.count, strlen(tags));
    for (unsigned i = 0; i < world.count; i++) {
        assert_int_equal(world.told[i].tag, tags[i] - 'a');
    }
}

static size_t
take_all(void)
{
    size_t size = 0;
    ssize_t got;

    while ((got = wi_os_receive(world.peer, seen + size, sizeof(seen) - size)) > 0) {
        size += (size_t)got;
        loop_settle(world.loop);
    }
    return size;
}

static struct weir_stats
stats(void)
{
    struct weir_stats now;

    assert_int_equal(weir_stats(world.runtime, &now), 0);
    return now;
}

// ---- waiting ------------------------------------------------------------------------------------

static void
done_comes_when_the_kernel_lets_go(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY | WEIR_GIVE);
    assert_int_equal(take_all(), LARGE); // it has all arrived, and still
    expect_told("");
    assert_int_equal(world.released, 0);
    assert_int_equal(weir_queued(world.stream), 0);
    let_go(0, 0);
    expect_told("a");
    assert_int_equal(world.told[0].status, 0);
    assert_int_equal(world.told[0].sent, LARGE);
    assert_int_equal(world.released, 1);
}

static void
a_small_write_is_copied(void **state)
{
    (void)state;
    write_now(0, WI_ZEROCOPY_MIN - 1, WEIR_ZEROCOPY);
    expect_told("a");
    assert_int_equal(os_fake_zerocopies(world.fd), 0);
    write_now(1, WI_ZEROCOPY_MIN, WEIR_ZEROCOPY);
    expect_told("a");
    assert_int_equal(os_fake_zerocopies(world.fd), 1);
    let_go(0, 0);
    expect_told("ab");
}

// What is behind on the wire is told behind, plain or a barrier.
static void
completions_stay_in_the_order_of_the_wire(void **state)
{
    (void)state;
    write_now(0, 100, 0);
    write_now(1, LARGE, WEIR_ZEROCOPY);
    write_now(2, 100, 0);
    assert_int_equal(submit(3, 50, WEIR_COPY, NULL), 0);
    assert_int_equal(submit(4, 0, 0, NULL), 0);
    write_now(5, LARGE, WEIR_ZEROCOPY);
    write_now(6, 100, 0);
    expect_told("a");
    let_go(0, 0);
    expect_told("abcde");
    let_go(1, 1);
    expect_told("abcdefg");
    write_now(7, 100, 0);
    expect_told("abcdefgh");
}

// From a callback of the stream's own a plain write takes the shortest way there is.
static void
the_shortest_way_waits_too(void **state)
{
    weir_op op;

    (void)state;
    world.next = 4; // the loop has operations of its own from here
    write_now(3, 100, 0);
    write_now(0, LARGE, WEIR_ZEROCOPY);
    assert_int_equal(submit(1, LARGE, 0, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    world.next = 2;
    loop_settle(world.loop);
    assert_int_equal(world.next, 0);
    assert_int_equal(os_fake_buffered(world.peer), LARGE + 300);
    expect_told("deb"); // the last had not begun
    let_go(0, 0);
    expect_told("debac");
}

static int
submit_accepted(unsigned tag, size_t size)
{
    struct iovec piece = {memory[tag], size};
    struct weir_write request = {.iov = &piece,
                                 .iov_count = 1,
                                 .flags = WEIR_ZEROCOPY | WEIR_GIVE,
                                 .level = WEIR_ACCEPTED,
                                 .done = on_done,
                                 .arg = (void *)(uintptr_t)tag,
                                 .release = on_release};

    return weir_write(world.stream, &request, NULL);
}

// Level ACCEPTED says nothing of memory: only the release waits.
static void
accepted_completions_do_not_wait(void **state)
{
    struct weir_stream_options options = {.handlers = &handlers,
                                          .write_behind = WEIR_WRITE_BEHIND_NONE};
    int peer = world.peer;
    weir_stream first = world.stream;

    (void)state;
    connect_pair(&world.fd, &world.peer);
    assert_int_equal(weir_adopt(world.loop, world.fd, &options, &world.stream), 0);
    loop_settle(world.loop);
    assert_int_equal(submit_accepted(0, LARGE), 0); // told when it is sent
    assert_int_equal(submit_accepted(1, 100), 0);
    assert_int_equal(submit_accepted(2, LARGE), 0);
    loop_settle(world.loop);
    expect_told("abc");
    assert_int_equal(world.told[0].sent, LARGE);
    assert_int_equal(world.released, 1);
    let_go(0, 0);
    assert_int_equal(world.released, 2);
    let_go(1, 1);
    assert_int_equal(world.released, 3);
    expect_told("abc");
    assert_int_equal(weir_close(first, WEIR_CLOSE_ABORT, 0, 0), 0);
    assert_int_equal(wi_os_close(peer), 0);
}

static void
ranges_may_come_in_any_order(void **state)
{
    (void)state;
    for (unsigned tag = 0; tag < 6; tag++) {
        write_now(tag, LARGE, WEIR_ZEROCOPY);
    }
    assert_int_equal(os_fake_zerocopies(world.fd), 6);
    let_go(3, 4);
    expect_told("");
    let_go(0, 1);
    expect_told("ab");
    let_go(5, 5);
    expect_told("ab");
    let_go(2, 2);
    expect_told("abcdef");
}

static void
a_report_of_no_send_is_nothing(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    os_fake_let_go(world.fd, 1, 1);
    os_fake_let_go(world.fd, UINT32_MAX, 0);
    os_fake_let_go(world.fd, 0, 700);
    loop_settle(world.loop);
    expect_told("");
    let_go(0, 0);
    expect_told("a");
    let_go(0, 0); // told twice
    expect_told("a");
}

// A write that needs several sends waits for all of them.
static void
every_send_of_a_write_is_waited_for(void **state)
{
    (void)state;
    os_fake_set_limits(10000, 0);
    write_now(0, LARGE, WEIR_ZEROCOPY | WEIR_GIVE);
    os_fake_set_limits(0, 0);
    loop_settle(world.loop);
    assert_int_equal(os_fake_buffered(world.peer), LARGE);
    assert_in_range(os_fake_zerocopies(world.fd), 1, 3); // the last bytes are few: copied
    expect_told("");
    let_go(0, os_fake_zerocopies(world.fd) - 1);
    expect_told("a");
    assert_int_equal(world.released, 1);
}

// Blocks that have left stay with the write until the kernel has them no more.
static void
blocks_of_a_chain_come_home_when_the_kernel_lets_go(void **state)
{
    struct weir_chain chain = {0};
    struct weir_write request = {.chain = &chain, .flags = WEIR_ZEROCOPY, .done = on_done};
    struct weir_ledger before;
    struct weir_ledger now;

    (void)state;
    weir_pool_ledger(&before);
    assert_int_equal(weir_chain_append(&chain, memory[0], LARGE), 0);
    assert_int_equal(weir_chain_append(&chain, memory[1], LARGE), 0);
    os_fake_set_limits(35000, 0);
    assert_int_equal(weir_write(world.stream, &request, NULL), 0);
    loop_settle(world.loop);
    os_fake_set_limits(0, 0);
    loop_settle(world.loop);
    assert_int_equal(take_all(), 2 * LARGE);
    assert_memory_equal(seen, memory[0], LARGE);
    assert_memory_equal(seen + LARGE, memory[1], LARGE);
    weir_pool_ledger(&now);
    assert_int_equal(now.returned, before.returned);
    assert_true(now.leased > before.leased);
    let_go(0, os_fake_zerocopies(world.fd) - 1);
    expect_told("a");
    weir_pool_ledger(&now);
    assert_int_equal(now.leased - now.returned, before.leased - before.returned);
}

static void
more_than_the_window_is_copied(void **state)
{
    unsigned sends = 0;

    (void)state;
    os_fake_set_capacity(LARGE);
    for (unsigned i = 0; i < WI_ZEROCOPY_WINDOW + 10; i++) {
        struct iovec piece = {memory[0], LARGE};
        struct weir_write request = {.iov = &piece, .iov_count = 1, .flags = WEIR_ZEROCOPY};

        assert_int_equal(weir_write(world.stream, &request, NULL), 0);
        loop_settle(world.loop);
        assert_int_equal(take_all(), LARGE);
        sends++;
    }
    assert_int_equal(sends, WI_ZEROCOPY_WINDOW + 10);
    assert_int_equal(os_fake_zerocopies(world.fd), WI_ZEROCOPY_WINDOW);
    let_go(0, WI_ZEROCOPY_WINDOW - 1);
    write_now(1, LARGE, WEIR_ZEROCOPY);
    assert_int_equal(os_fake_zerocopies(world.fd), WI_ZEROCOPY_WINDOW + 1);
    let_go(WI_ZEROCOPY_WINDOW, WI_ZEROCOPY_WINDOW);
    expect_told("b");
}

// Its read of the error queue failed: the next look is not far.
static void
a_report_that_was_missed_is_found(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    os_fake_fail_call(OS_REPORT, 1, ENOMEM, false);
    let_go(0, 0);
    expect_told("");
    os_fake_advance(200 * UINT64_C(1000000));
    loop_settle(world.loop);
    expect_told("a");
}

// ---- going without ------------------------------------------------------------------------------

static void
no_room_for_notifications_means_copied(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    os_fake_fail_call(OS_SEND, 1, ENOBUFS, false);
    write_now(1, LARGE, WEIR_ZEROCOPY);
    assert_int_equal(os_fake_zerocopies(world.fd), 1);
    assert_int_equal(take_all(), 2 * LARGE);
    expect_told(""); // the second was copied, and has its place all the same
    let_go(0, 0);
    expect_told("ab");
    write_now(2, LARGE, WEIR_ZEROCOPY); // and the next one tries again
    assert_int_equal(os_fake_zerocopies(world.fd), 2);
    let_go(1, 1);
    expect_told("abc");
}

static void
a_kernel_that_copies_all_the_same_is_not_asked_again(void **state)
{
    (void)state;
    os_fake_set_zerocopy(OS_FAKE_COPIES);
    for (unsigned tag = 0; tag < WI_ZEROCOPY_COPIED_MAX + 3; tag++) {
        write_now(tag, LARGE, WEIR_ZEROCOPY);
    }
    expect_told("abcdefg");
    assert_int_equal(os_fake_zerocopies(world.fd), WI_ZEROCOPY_COPIED_MAX);
    assert_int_equal(stats().zerocopy_sends, WI_ZEROCOPY_COPIED_MAX);
    assert_int_equal(stats().zerocopy_copied, WI_ZEROCOPY_COPIED_MAX);
    assert_int_equal(stats().zerocopy_off, 1);
}

static void
one_send_from_memory_starts_the_count_anew(void **state)
{
    (void)state;
    os_fake_set_zerocopy(OS_FAKE_COPIES);
    for (unsigned tag = 0; tag < 8; tag++) {
        os_fake_set_zerocopy(tag % 3 == 2 ? OS_FAKE_LETS_GO : OS_FAKE_COPIES);
        write_now(tag, LARGE, WEIR_ZEROCOPY);
    }
    assert_int_equal(os_fake_zerocopies(world.fd), 8);
    assert_int_equal(stats().zerocopy_off, 0);
}

static void
a_socket_that_cannot_is_not_asked(void **state)
{
    (void)state;
    os_fake_fail_call(OS_SET_OPTION, 1, ENOPROTOOPT, false);
    write_now(0, LARGE, WEIR_ZEROCOPY);
    write_now(1, LARGE, WEIR_ZEROCOPY);
    expect_told("ab");
    assert_int_equal(os_fake_zerocopies(world.fd), 0);
}

// ---- cancelling, tearing, closing ---------------------------------------------------------------

static void
a_cancelled_part_is_told_when_the_kernel_lets_go(void **state)
{
    weir_op op;

    (void)state;
    os_fake_set_limits(10000, 0);
    assert_int_equal(submit(0, LARGE, WEIR_ZEROCOPY | WEIR_GIVE, &op), 0);
    assert_int_equal(submit(1, 100, 0, NULL), 0);
    weir_loop_turn(world.loop, 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_PENDING);
    loop_settle(world.loop);
    assert_int_equal(submit(2, 100, 0, NULL), -WEIR_ETORN);
    expect_told(""); // what it tore is told behind it
    assert_int_equal(world.released, 0);
    assert_true(weir_op_is_busy(op));
    let_go(0, os_fake_zerocopies(world.fd) - 1);
    expect_told("ab");
    assert_int_equal(world.released, 1);
    assert_false(weir_op_is_busy(op));
    assert_int_equal(world.told[0].status, -ECANCELED);
    assert_int_equal(world.told[0].sent, os_fake_buffered(world.peer));
    assert_int_equal(world.told[1].status, -WEIR_ETORN);
}

// Cancelled before it began: told as soon as it is known, whatever waits.
static void
what_never_began_waits_for_nobody(void **state)
{
    weir_op op;

    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    assert_int_equal(submit(1, LARGE, WEIR_ZEROCOPY, &op), 0);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_WON);
    loop_settle(world.loop);
    expect_told("b");
    assert_int_equal(world.told[0].status, -ECANCELED);
    let_go(0, 0);
    expect_told("ba");
}

static void
a_wholly_sent_write_cannot_be_cancelled(void **state)
{
    weir_op op;

    (void)state;
    assert_int_equal(submit(0, LARGE, WEIR_ZEROCOPY, &op), 0);
    loop_settle(world.loop);
    assert_int_equal(weir_cancel(op), WEIR_CANCEL_LATE);
    let_go(0, 0);
    expect_told("a");
    assert_int_equal(world.told[0].status, 0);
}

// The connection is reset at once; who owns the memory waits for the kernel, whatever it takes.
static void
an_abort_waits_for_the_kernel(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY | WEIR_GIVE);
    os_fake_set_capacity(10);
    assert_int_equal(submit(1, LARGE, 0, NULL), 0);
    close_now(WEIR_CLOSE_ABORT);
    take_all();
    assert_int_equal(world.closed, 0);
    assert_int_equal(world.released, 0);
    os_fake_advance(UINT64_C(60000000000));
    loop_settle(world.loop);
    expect_told("");
    assert_int_equal(world.send_closed, 0);
    let_go(0, 0);
    expect_told("ab");
    assert_int_equal(world.released, 1);
    assert_int_equal(world.send_closed, 1);
    assert_int_equal(world.told_at_send_closed, 2); // completions first
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.end.status, -ECONNABORTED);
}

// What the kernel lets go of when it is disconnected is told in the same turn.
static void
an_abort_frees_what_it_can_at_once(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    os_fake_set_zerocopy(OS_FAKE_LETS_GO);
    close_now(WEIR_CLOSE_ABORT);
    expect_told("a");
    assert_int_equal(world.told[0].status, 0); // the kernel had taken it all
    assert_int_equal(world.closed, 1);
}

static void
a_flush_waits_until_its_deadline_and_aborts(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY);
    close_now(WEIR_CLOSE_FLUSH);
    expect_told("");
    assert_int_equal(world.closed, 0);
    os_fake_set_zerocopy(OS_FAKE_LETS_GO);
    os_fake_advance(UINT64_C(6000000000));
    loop_settle(world.loop);
    expect_told("a");
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.end.status, -ETIMEDOUT);
}

static void
send_closed_comes_behind_the_completions(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY | WEIR_FIN);
    assert_int_equal(world.send_closed, 0);
    let_go(0, 0);
    expect_told("a");
    assert_int_equal(world.send_closed, 1);
    assert_int_equal(world.told_at_send_closed, 1);
}

static void
a_reset_by_the_peer_waits_too(void **state)
{
    (void)state;
    write_now(0, LARGE, WEIR_ZEROCOPY | WEIR_GIVE);
    os_fake_reset_peer(world.fd);
    write_now(1, 100, 0);
    loop_settle(world.loop);
    assert_int_equal(world.released, 0);
    assert_int_equal(world.closed, 0);
    let_go(0, 0);
    assert_int_equal(world.released, 1);
    assert_int_equal(world.told[0].tag, 0);
    close_now(WEIR_CLOSE_ABORT);
    assert_int_equal(world.closed, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(done_comes_when_the_kernel_lets_go),
        CASE(a_small_write_is_copied),
        CASE(completions_stay_in_the_order_of_the_wire),
        CASE(the_shortest_way_waits_too),
        CASE(accepted_completions_do_not_wait),
        CASE(ranges_may_come_in_any_order),
        CASE(a_report_of_no_send_is_nothing),
        CASE(every_send_of_a_write_is_waited_for),
        CASE(blocks_of_a_chain_come_home_when_the_kernel_lets_go),
        CASE(more_than_the_window_is_copied),
        CASE(a_report_that_was_missed_is_found),
        CASE(no_room_for_notifications_means_copied),
        CASE(a_kernel_that_copies_all_the_same_is_not_asked_again),
        CASE(one_send_from_memory_starts_the_count_anew),
        CASE(a_socket_that_cannot_is_not_asked),
        CASE(a_cancelled_part_is_told_when_the_kernel_lets_go),
        CASE(what_never_began_waits_for_nobody),
        CASE(a_wholly_sent_write_cannot_be_cancelled),
        CASE(an_abort_waits_for_the_kernel),
        CASE(an_abort_frees_what_it_can_at_once),
        CASE(a_flush_waits_until_its_deadline_and_aborts),
        CASE(send_closed_comes_behind_the_completions),
        CASE(a_reset_by_the_peer_waits_too),
    };

    return cmocka_run_group_tests_name("zerocopy", cases, NULL, NULL);
}
