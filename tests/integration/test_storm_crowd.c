// with: stormlib
// SPDX-License-Identifier: MIT
//
// The clients of weir-storm judge a server that does everything right, and one for each thing that
// can be wrong: they must say so every time, and only then.
#include "tests/lib/fixture.h"

#include "crowd.h"
#include "crowd_result.h"
#include "verdict.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, MESSAGES = 40, VICTIM = 17, WITHHELD = 25, RATE = 2000 };

enum fault {
    FAULT_NONE,
    FAULT_FLIP,   // a bit of a payload
    FAULT_HEAD,   // a bit of a header
    FAULT_DROP,   // a message never comes back
    FAULT_REPEAT, // one comes twice
    FAULT_SWAP,   // two come in the other's place
    FAULT_CUT,    // the server ends in the middle of a message
    FAULT_END,    // the server ends between two
    FAULT_RESET,
    FAULT_WITHHOLD, // nothing comes back before so many have come
};

struct server {
    enum fault fault;
    int listener;
    pthread_t thread;
};

static bool
receive_message(int fd, uint8_t *message)
{
    return recv(fd, message, SIZE, MSG_WAITALL) == SIZE;
}

static void
answer(int fd, const void *bytes, size_t size)
{
    (void)!send(fd, bytes, size, MSG_NOSIGNAL);
}

// False: the connection is over.
static bool
answer_victim(enum fault fault, int fd, uint8_t *message)
{
    static const struct linger now = {.l_onoff = 1, .l_linger = 0};
    uint8_t next[SIZE];

    switch (fault) {
    case FAULT_FLIP:
    case FAULT_HEAD:
        message[fault == FAULT_FLIP ? SIZE - 1 : 9] ^= 0x10;
        answer(fd, message, SIZE);
        return true;
    case FAULT_DROP:
        return true;
    case FAULT_REPEAT:
        answer(fd, message, SIZE);
        answer(fd, message, SIZE);
        return true;
    case FAULT_SWAP:
        if (receive_message(fd, next)) {
            answer(fd, next, SIZE);
        }
        answer(fd, message, SIZE);
        return true;
    case FAULT_CUT:
        answer(fd, message, SIZE / 2);
        return false;
    case FAULT_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return false;
    case FAULT_END:
        return false;
    case FAULT_NONE:
    case FAULT_WITHHOLD:
    default:
        answer(fd, message, SIZE);
        return true;
    }
}

static void
withhold(int fd)
{
    uint8_t messages[WITHHELD][SIZE];
    unsigned count = 0;

    while (count < WITHHELD && receive_message(fd, messages[count])) {
        count++;
    }
    answer(fd, messages, (size_t)count * SIZE);
}

static void *
serve(void *arg)
{
    struct server *server = arg;
    int fd = accept(server->listener, NULL, NULL);
    uint8_t message[SIZE];
    bool is_open = fd >= 0;

    if (server->fault == FAULT_WITHHOLD) {
        withhold(fd);
    }
    for (unsigned i = 0; is_open && receive_message(fd, message); i++) {
        if (i == VICTIM) {
            is_open = answer_victim(server->fault, fd, message);
        } else {
            answer(fd, message, SIZE);
        }
    }
    close(fd);
    return NULL;
}

static void
server_start(struct server *server, enum fault fault, struct weir_address *ret_address)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    server->fault = fault;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    ret_address->size = sizeof(ret_address->as.storage);
    assert_int_equal(getsockname(server->listener, &ret_address->as.any, &ret_address->size), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static bool
reaches(uint64_t (*sum)(const struct crowd *), const struct crowd *crowd, uint64_t count)
{
    uint64_t until = test_deadline();

    while (sum(crowd) < count && !storm_is_broken() && weir_now_ns() < until) {
        sched_yield();
    }
    return sum(crowd) >= count;
}

// One client sends its messages to such a server. Did it say that something is wrong?
static bool
is_found_wrong(enum fault fault, double rate, struct histogram *ret_latency)
{
    const struct crowd_plan plan = {
        .groups[0] = {.clients = 1,
                      .begins = CROWD_FIRST_RUN,
                      .sends = true,
                      .is_echo = true,
                      .depth = 4,
                      .rate = rate,
                      .messages_max = MESSAGES,
                      .size = SIZE},
        .group_count = 1,
        .threads = 1,
        .seed = 7,
    };
    struct server server;
    struct weir_address address;
    struct result result;
    struct crowd crowd;

    verdict_create();
    result_init(&result, "test", "test", 7);
    server_start(&server, fault, &address);
    crowd_start(&crowd, &plan, SERVER_ADDRESS);
    crowd_set_address(&crowd, &address);
    crowd_enter(&crowd, CROWD_CONNECTS);
    assert_true(reaches(crowd_connected, &crowd, 1));
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    reaches(crowd_messages, &crowd, MESSAGES);
    crowd_enter(&crowd, CROWD_ENDS);
    crowd_join(&crowd);
    pthread_join(server.thread, NULL);
    close(server.listener);
    crowd_claim_echoes(&result, &crowd);
    assert_int_equal(result.claims[0].held, !storm_is_broken());
    if (ret_latency != NULL) {
        crowd_latency(&crowd, 0, 0, ret_latency);
    }
    result_free(&result);
    crowd_free(&crowd);
    return storm_is_broken();
}

static void
a_server_that_echoes_is_not_found_wrong(void **state)
{
    (void)state;
    assert_false(is_found_wrong(FAULT_NONE, 0, NULL));
}

static void
every_fault_of_a_server_is_found(void **state)
{
    (void)state;
    for (enum fault fault = FAULT_FLIP; fault < FAULT_WITHHOLD; fault++) {
        if (!is_found_wrong(fault, 0, NULL)) {
            fail_msg("fault %d was not found", (int)fault);
        }
    }
}

// The server answers nothing before it has so many: a closed loop would never send them. And what
// came back first was due so many intervals before: a clock that starts at the send, of a loop that
// waits, would not say so.
static void
an_open_loop_sends_on_and_counts_from_when_it_was_due(void **state)
{
    struct histogram *latency = calloc(1, sizeof(*latency));
    const uint64_t interval_ns = UINT64_C(1000000000) / RATE;

    (void)state;
    assert_non_null(latency);
    assert_false(is_found_wrong(FAULT_WITHHOLD, RATE, latency));
    assert_true(histogram_count(latency) >= WITHHELD);
    assert_true(histogram_quantile_ns(latency, 1) >= (WITHHELD - 1) * interval_ns);
    free(latency);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_echoes_is_not_found_wrong),
        cmocka_unit_test(every_fault_of_a_server_is_found),
        cmocka_unit_test(an_open_loop_sends_on_and_counts_from_when_it_was_due),
    };

    pattern_create(7, SIZE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
