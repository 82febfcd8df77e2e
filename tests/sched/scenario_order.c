// SPDX-License-Identifier: MIT
// Foreign submits and the loop: the order of the wire is that in which the calls returned.

#include "tests/sched/letters.h"
#include "tests/sched/scenarios.h"

static weir_stream stream;
static int fd;

static void
write_letters(void *arg)
{
    net_join();
    for (const char *letter = arg; *letter != '\0'; letter++) {
        sched_check(letters_write(stream, *letter, 2, 0) == 0);
    }
}

static void
set_up(size_t room)
{
    net_start();
    stream = net_stream(&(struct weir_stream_options){0}, room, &fd);
}

static void
verify(void)
{
    letters_verify(fd);
    net_verify(stream);
}

static void
set_up_two(void)
{
    static char abc[] = "ab", klm[] = "kl";

    set_up(SOCKETS_WIRE_MAX);
    sched_start(write_letters, abc);
    sched_start(write_letters, klm);
}

const struct sched_scenario net_order = {
    .name = "net-order",
    .promise = "writes of two threads leave in the order in which the calls returned",
    .set_up = set_up_two,
    .verify = verify,
    .quick = 1,
};

/* ---- the loop writes too ---- */

static void
write_on_loop(struct weir_loop *loop, void *arg)
{
    (void)loop;
    for (const char *letter = arg; *letter != '\0'; letter++) {
        sched_check(letters_write(stream, *letter, 2, 0) == 0);
    }
}

static void
set_up_local(void)
{
    static char abc[] = "a", klm[] = "k", xy[] = "xy";

    set_up(SOCKETS_WIRE_MAX);
    wi_tls.loop = fixture_loop();
    sched_check(weir_post(wi_loop_public(fixture_loop()), write_on_loop, xy) == 0);
    wi_tls.loop = NULL;
    sched_start(write_letters, abc);
    sched_start(write_letters, klm);
}

const struct sched_scenario net_order_local = {
    .name = "net-order-local",
    .promise = "a write of the loop goes behind those of others that had returned",
    .set_up = set_up_local,
    .verify = verify,
    .quick = 1,
};

/* ---- a submit that is refused leaves a hole in the order ---- */

static void
write_refused(void *arg)
{
    (void)arg;
    net_join();
    sched_check(letters_write(stream, 'k', 60, 0) == 0);
    sched_check(letters_write(stream, 'l', 60, 0) != 1);
}

static void
set_up_holes(void)
{
    static char abc[] = "ab";

    net_start();
    stream = net_stream(&(struct weir_stream_options){.queue_high = 64}, SOCKETS_WIRE_MAX, &fd);
    sched_start(write_letters, abc);
    sched_start(write_refused, NULL);
}

static void
verify_holes(void)
{
    verify();
    sched_check(letters_status('l') == 0 || letters_status('l') == -WEIR_ESTREAMFULL);
}

const struct sched_scenario net_holes = {
    .name = "net-holes",
    .promise = "a write that is refused when it has its place in the order holds up nobody",
    .set_up = set_up_holes,
    .verify = verify_holes,
    .quick = 1,
};
