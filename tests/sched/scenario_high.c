// SPDX-License-Identifier: MIT
// The high mark: who is refused is told when there is room, and the queue stays below the mark.

#include "tests/sched/fixture_net.h"
#include "tests/sched/scenarios.h"

#include <errno.h>

#define HIGH   100u
#define LOW    50u
#define RECORD 60u
#define LOCAL  2u // records that the loop writes itself

static weir_stream stream;
static int fd;
static struct net_counter writables, completed, accepted, bytes;
static unsigned local_left;
static const char record[RECORD + 1];

static void write_local(void);

static void
done(weir_stream told, const struct weir_result *result, void *arg)
{
    (void)arg;
    sched_check(told.bits == stream.bits && result->status == 0);
    sched_check(wi_gate_queued(net_gate(stream)) <= HIGH);
    net_add(&completed, 1);
}

static int
write_once(size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)record, size};
    struct weir_write request = {.iov = &piece, .iov_count = 1, .done = done};
    int result = weir_write(stream, &request, NULL);

    if (result == 0) {
        net_add(&accepted, 1);
        net_add(&bytes, size);
    }
    return result;
}

static void
writable(weir_stream told, void *user)
{
    (void)told;
    (void)user;
    net_add(&writables, 1);
    write_local();
}

// On the loop: as much as goes; what is refused waits for the next `writable`.
static void
write_local(void)
{
    while (local_left != 0) {
        int result = write_once(RECORD);

        if (result == -WEIR_ESTREAMFULL) {
            return;
        }
        sched_check(result == 0);
        local_left--;
    }
}

// From another thread: each record until it is taken; after a refusal `writable` must come.
static void
write_foreign(void *arg)
{
    unsigned records = *(const unsigned *)arg;

    net_join();
    while (records != 0) {
        uint64_t seen = net_count(&writables);
        int result = write_once(RECORD);

        if (result == 0) {
            records--;
        } else {
            sched_check(result == -WEIR_ESTREAMFULL);
            net_await(&writables, seen);
        }
    }
}

static void
set_up(size_t room)
{
    static const struct weir_handlers handlers = {.writable = writable};

    net_start();
    stream = net_stream(
        &(struct weir_stream_options){.handlers = &handlers, .queue_high = HIGH, .queue_low = LOW},
        room, &fd);
}

static void
verify_high(void)
{
    const char *wire;

    sched_check(net_count(&completed) == net_count(&accepted) && local_left == 0);
    sched_check(sockets_wire(fd, &wire) == net_count(&bytes));
    net_verify(stream);
}

/* ---- two writers, and a peer that takes all ---- */

static void
set_up_high(void)
{
    static unsigned one = 1, two = 2;

    set_up(SOCKETS_WIRE_MAX);
    sched_start(write_foreign, &two);
    sched_start(write_foreign, &one);
}

const struct sched_scenario net_high = {
    .name = "net-high",
    .promise = "who is refused for the high mark is told when there is room",
    .set_up = set_up_high,
    .verify = verify_high,
    .pre_emptions = 1,
};

/* ---- the loop writes too, and the peer reads late ---- */

static void
read_late(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        sockets_make_room(fd, 2 * RECORD);
    }
}

static void
set_up_local(void)
{
    static unsigned one = 1;

    set_up(RECORD / 2);
    local_left = LOCAL;
    wi_tls.loop = fixture_loop();
    write_local(); // the second is refused
    wi_tls.loop = NULL;
    sched_start(write_foreign, &one);
    sched_start(read_late, NULL);
}

const struct sched_scenario net_high_local = {
    .name = "net-high-local",
    .promise = "a loop and a thread that share a high mark are both told when there is room",
    .set_up = set_up_local,
    .verify = verify_high,
    .quick = 1,
};
