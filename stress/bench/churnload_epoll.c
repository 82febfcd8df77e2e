/* SPDX-License-Identifier: MIT */
// Short connections: each is opened, sends one message, compares the echo, ends its side, waits for
// the server to end its own, and is gone; another takes its place. One thread.

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/histogram.h"
#include "lib/options.h"
#include "lib/pattern.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define SIZE_MAX_B 65536

// Whoever ends first keeps the pair of addresses for a minute. So that pairs do not run out, the
// connections come from this many addresses, 127.1.0.1 and up, in turn.
#define SOURCES 250

enum phase {
    PHASE_CONNECTING,
    PHASE_ECHOING,
    PHASE_ENDING, // our side has ended
};

struct connection {
    int fd; // -1: none
    enum phase phase;
    unsigned number; // which of all that were opened: says the bytes
    size_t received;
    uint64_t begun_ns;
};

static uint64_t port;
static uint64_t at_once = 16;
static uint64_t size = 64;
static double seconds = 2;
static uint64_t messages; // connections; 0: as many as fit into seconds
static uint64_t timeout_s = 120;

static int poller;
static uint64_t begun;
static uint64_t finished;
static uint64_t end_ns;
static struct bench_histogram latency;
static char buffer[SIZE_MAX_B];

static void
parse(int argc, char **argv)
{
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &port, "of the server on 127.0.0.1 (required)"},
        {"connections", BENCH_OPTION_COUNT, &at_once, "open at a time"},
        {"size", BENCH_OPTION_COUNT, &size, "bytes of the one message"},
        {"seconds", BENCH_OPTION_SECONDS, &seconds, "how long to open connections"},
        {"messages", BENCH_OPTION_COUNT, &messages, "open so many instead, 0: --seconds"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv, "connections of one message each; prints one JSON line",
                        options, sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(port > 0 && port <= UINT16_MAX, "--port is required");
    bench_require(at_once > 0, "--connections must not be 0");
    bench_require(size > 0 && size <= SIZE_MAX_B, "--size is 1 byte to 64 KiB");
}

static void
watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    bench_require(epoll_ctl(poller, operation, connection->fd, &event) == 0, "epoll_ctl");
}

static int
open_socket(unsigned number)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(UINT32_C(0x7f010001) + number % SOURCES),
    };

    bench_require(fd >= 0, "socket");
    bench_require(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0,
                  "IP_BIND_ADDRESS_NO_PORT");
    bench_require(bind(fd, (struct sockaddr *)&source, sizeof(source)) == 0, "bind");
    return fd;
}

// At least one, however short the time.
static bool
may_begin(uint64_t now_ns)
{
    if (messages > 0) {
        return begun < messages;
    }
    return begun == 0 || now_ns < end_ns;
}

static void
begin(struct connection *connection)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    connection->number = (unsigned)begun++;
    connection->begun_ns = bench_now_ns();
    connection->phase = PHASE_CONNECTING;
    connection->received = 0;
    connection->fd = open_socket(connection->number);
    bench_require(connect(connection->fd, (struct sockaddr *)&server, sizeof(server)) == 0 ||
                      errno == EINPROGRESS,
                  "connect");
    watch(EPOLL_CTL_ADD, connection, EPOLLOUT);
}

static void
on_connected(struct connection *connection)
{
    int error = 0;
    socklen_t error_size = sizeof(error);

    bench_require(getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0,
                  "SO_ERROR");
    errno = error;
    bench_require(error == 0, "connect");
    ssize_t sent = send(connection->fd, bench_pattern(connection->number, 0), size, MSG_NOSIGNAL);
    bench_require(sent >= 0, "send");
    errno = 0;
    bench_require((size_t)sent == size, "a new connection did not take the message whole");
    connection->phase = PHASE_ECHOING;
    watch(EPOLL_CTL_MOD, connection, EPOLLIN);
}

static void
finish(struct connection *connection)
{
    errno = 0;
    bench_require(connection->phase == PHASE_ENDING, "the server ended before the echo was whole");
    bench_histogram_add(&latency, bench_now_ns() - connection->begun_ns);
    close(connection->fd);
    connection->fd = -1;
    finished++;
    if (may_begin(bench_now_ns())) {
        begin(connection);
    }
}

static void
on_readable(struct connection *connection)
{
    ssize_t got = recv(connection->fd, buffer, sizeof(buffer), 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    bench_require(got >= 0, "recv");
    if (got == 0) {
        finish(connection);
        return;
    }
    errno = 0;
    bench_require(
        connection->received + (size_t)got <= size &&
            bench_pattern_holds(connection->number, connection->received, buffer, (size_t)got),
        "the server sent other bytes than it got");
    connection->received += (size_t)got;
    if (connection->received == size) {
        connection->phase = PHASE_ENDING;
        bench_require(shutdown(connection->fd, SHUT_WR) == 0, "shutdown");
    }
}

static void
run(struct connection *connections)
{
    struct epoll_event events[EVENTS_MAX];

    for (uint64_t i = 0; i < at_once && may_begin(bench_now_ns()); i++) {
        begin(&connections[i]);
    }
    while (finished < begun) {
        int ready = epoll_wait(poller, events, EVENTS_MAX, -1);

        bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection->phase == PHASE_CONNECTING) {
                on_connected(connection);
            } else {
                on_readable(connection);
            }
        }
    }
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)timeout_s);
    bench_pattern_init();
    poller = epoll_create1(EPOLL_CLOEXEC);
    bench_require(poller >= 0, "epoll_create1");
    struct connection *connections = calloc(at_once, sizeof(*connections));
    bench_require(connections != NULL, "calloc");

    uint64_t begin_ns = bench_now_ns();
    end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    run(connections);
    double passed_s = (double)(bench_now_ns() - begin_ns) / 1e9;

    printf("{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.2f, "
           "\"p99_us\": %.2f}\n",
           (unsigned long long)finished, passed_s, (double)finished / passed_s,
           bench_histogram_quantile_us(&latency, 0.5), bench_histogram_quantile_us(&latency, 0.99));
    free(connections);
    return 0;
}
