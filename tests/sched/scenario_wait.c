// SPDX-License-Identifier: MIT
// Threads that wait: for a write, for an operation, for the end of a stream, for bytes.

#include "tests/sched/letters.h"
#include "tests/sched/scenarios.h"
#include "weir/net.h"

#include <errno.h>

static weir_stream stream;
static int fd;
static int answer;
static void
set_up(size_t room, unsigned flags)
{
    static const struct weir_handlers handlers = {.closed = net_told_closed};

    net_start();
    stream =
        net_stream(&(struct weir_stream_options){.handlers = &handlers, .flags = flags}, room, &fd);
}

static void
make_room(void *arg)
{
    (void)arg;
    sockets_make_room(fd, 2);
}

static void
verify(void)
{
    letters_verify(fd);
    net_verify(stream);
}

/* ---- weir_write_wait() ---- */

static void
write_and_wait(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write_wait(stream, 'a', 4, 0) == 0);
    sched_check(letters_status('a') == 0);
}

static void
set_up_write(void)
{
    set_up(2, 0);
    sched_start(write_and_wait, NULL);
    sched_start(make_room, NULL);
}

const struct sched_scenario net_write_wait = {
    .name = "net-write-wait",
    .promise = "who waits for a write is woken when it has been sent, and sees its result",
    .set_up = set_up_write,
    .verify = verify,
    .quick = 1,
};

/* ---- weir_op_wait(), beside a cancel ---- */

static weir_op op;
static wi_atomic_bool has_op;

static bool
is_there(void *arg)
{
    return sched_peek(arg, sizeof(has_op)) != 0;
}

static void
write_and_wait_op(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write_op(stream, 'a', 4, 0, &op) == 0);
    wi_store_release(&has_op, true);
    sched_check(weir_op_wait(op, WEIR_NEVER) == 0);
    sched_check(net_count(&letters_completed) == 1);
}

static void
cancel_op(void *arg)
{
    (void)arg;
    sched_wait(is_there, &has_op);
    sched_check(wi_load_acquire(&has_op));
    answer = weir_cancel(op);
}

static void
set_up_op(void)
{
    set_up(0, 0); // it never goes: the cancel ends it
    sched_start(write_and_wait_op, NULL);
    sched_start(cancel_op, NULL);
}

static void
verify_op(void)
{
    verify();
    sched_check(letters_status('a') == -ECANCELED);
    sched_check(answer == WEIR_CANCEL_WON || answer == WEIR_CANCEL_PENDING);
}

const struct sched_scenario net_op_wait = {
    .name = "net-op-wait",
    .promise = "who waits for a write that is blocked is woken by its cancel",
    .set_up = set_up_op,
    .verify = verify_op,
    .quick = 1,
};

/* ---- a cancel meets the send ---- */

static void
write_op(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write_op(stream, 'a', 4, 0, &op) == 0);
    wi_store_release(&has_op, true);
    sched_check(letters_write(stream, 'b', 2, 0) == 0);
}

static void
set_up_cancel(void)
{
    set_up(SOCKETS_WIRE_MAX, 0);
    sched_start(write_op, NULL);
    sched_start(cancel_op, NULL);
}

static void
verify_cancel(void)
{
    int status = letters_status('a');

    verify();
    sched_check(letters_status('b') == 0);
    sched_check(status == 0 || status == -ECANCELED);
    sched_check(answer != WEIR_CANCEL_WON || status == -ECANCELED);
    sched_check(answer != WEIR_CANCEL_LATE || status == 0);
}

const struct sched_scenario net_cancel = {
    .name = "net-cancel",
    .promise =
        "a cancel that meets the send: the answer is true, and nothing is sent of what it won",
    .set_up = set_up_cancel,
    .verify = verify_cancel,
    .quick = 1,
};

/* ---- weir_closed_wait() ---- */

static void
close_and_wait(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write(stream, 'a', 2, 0) == 0);
    sched_check(weir_close(stream, WEIR_CLOSE_FLUSH, WEIR_NEVER, 0) == 0);
    sched_check(weir_closed_wait(stream, WEIR_NEVER) == 0);
    sched_check(net_count(&net_closed) == 1);
}

static void
set_up_closed(void)
{
    set_up(SOCKETS_WIRE_MAX, 0);
    sched_start(close_and_wait, NULL);
}

static void
verify_closed(void)
{
    letters_verify(fd);
    sched_check(letters_status('a') == 0);
    sched_check(!sockets_is_open(fd) && net_count(&net_closed) == 1);
    fixture_verify();
}

const struct sched_scenario net_closed_wait = {
    .name = "net-closed-wait",
    .promise = "who waits for the end of a stream is woken",
    .set_up = set_up_closed,
    .verify = verify_closed,
    .quick = 1,
};

/* ---- weir_read_wait() ---- */

static void
read_and_wait(void *arg)
{
    char buffer[4] = {0};
    struct weir_read request = {.buffer = buffer, .size = sizeof(buffer), .size_min = 4};
    struct weir_read_result result;

    (void)arg;
    net_join();
    sched_check(weir_read_wait(stream, &request, &result) == 0);
    sched_check(result.size == 4 && buffer[0] == 'a' && buffer[3] == 'd');
}

static void
give(void *arg)
{
    (void)arg;
    sockets_give(fd, "ab", 2);
    sockets_give(fd, "cd", 2);
}

static void
set_up_read(void)
{
    set_up(SOCKETS_WIRE_MAX, 0);
    sched_start(read_and_wait, NULL);
    sched_start(give, NULL);
}

static void
verify_read(void)
{
    net_verify(stream);
}

const struct sched_scenario net_read_wait = {
    .name = "net-read-wait",
    .promise = "who waits for bytes is woken when they have come, and finds them",
    .set_up = set_up_read,
    .verify = verify_read,
    .quick = 1,
};

/* ---- weir_dial_wait() ---- */

static void
dial_and_wait(void *arg)
{
    struct weir_dial request = {0};

    (void)arg;
    sched_hold();
    sched_check(weir_address_ip(&request.address, "127.0.0.1", 7) == 0);
    sched_release();
    net_join();
    sched_check(weir_dial_wait(wi_loop_public(fixture_loop()), &request, &stream) == 0);
    sched_check(letters_write(stream, 'a', 2, 0) == 0);
}

static void
set_up_dial(void)
{
    net_start();
    fd = SOCKETS_FIRST_FD; // the first that the kernel gives
    sched_start(dial_and_wait, NULL);
}

const struct sched_scenario net_dial_wait = {
    .name = "net-dial-wait",
    .promise = "who waits for a dial is woken, and can write",
    .set_up = set_up_dial,
    .verify = verify,
    .quick = 1,
};

/* ---- the end of a stream is taken back ---- */

static void
end_op(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write_op(stream, 'z', 2, WEIR_FIN, &op) == 0);
    wi_store_release(&has_op, true);
}

static void
write_beside(void *arg)
{
    int result;

    (void)arg;
    net_join();
    result = letters_write(stream, 'b', 2, 0);
    sched_check(result == 0 || result == -WEIR_EENDED);
}

static void
set_up_end(void)
{
    set_up(SOCKETS_WIRE_MAX, 0);
    sched_start(end_op, NULL);
    sched_start(cancel_op, NULL);
    sched_start(write_beside, NULL);
}

static void
verify_end(void)
{
    int status = letters_status('z');

    letters_verify(fd);
    sched_check(status == 0 || status == -ECANCELED);
    sched_check(sockets_has_fin(fd) == (status == 0));
    sched_check(wi_gate_state(wi_load_relaxed(&net_gate(stream)->word)) ==
                (status == 0 ? WI_GATE_ENDED : WI_GATE_OPEN));
    net_verify(stream);
}

const struct sched_scenario net_cancel_end = {
    .name = "net-cancel-end",
    .promise = "an end that is cancelled in time opens the stream again",
    .set_up = set_up_end,
    .verify = verify_end,
    .pre_emptions = 1,
};
