/* SPDX-License-Identifier: MIT */
// Load for an echo server: every connection sends a message, waits for all of it to come back,
// compares it, and sends the next. One thread.

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/histogram.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define SIZE_MAX_B (UINT64_C(1) << 24)

struct connection {
    int fd;
    size_t sent; // of the message under way
    size_t received;
    bool is_output_watched;
    uint64_t begun_ns;
    uint64_t number; // of the message under way: makes its bytes differ from the one before
};

struct load {
    uint64_t port;
    uint64_t connections;
    uint64_t size;
    double seconds;
    uint64_t messages; // 0: as many as fit into seconds
    uint64_t timeout_s;

    int poller;
    char *pattern; // twice the message: message n is the part that begins at n % size
    char *received;
    uint64_t begun;
    uint64_t finished;
    uint64_t end_ns;
    struct bench_histogram latency;
};

static struct load load = {
    .connections = 64,
    .size = 64,
    .seconds = 2,
    .timeout_s = 120,
};

static void
parse(int argc, char **argv)
{
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &load.port, "of the server on 127.0.0.1 (required)"},
        {"connections", BENCH_OPTION_COUNT, &load.connections, "each with one message under way"},
        {"size", BENCH_OPTION_COUNT, &load.size, "bytes of a message"},
        {"seconds", BENCH_OPTION_SECONDS, &load.seconds, "how long to send"},
        {"messages", BENCH_OPTION_COUNT, &load.messages, "send so many instead, 0: --seconds"},
        {"timeout", BENCH_OPTION_COUNT, &load.timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv, "echo load in a closed loop; prints one JSON line", options,
                        sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(load.port > 0 && load.port <= UINT16_MAX, "--port is required");
    bench_require(load.connections > 0, "--connections must not be 0");
    bench_require(load.size > 0 && load.size <= SIZE_MAX_B, "--size is 1 byte to 16 MiB");
}

static const char *
message(const struct connection *connection)
{
    return load.pattern + connection->number % load.size;
}

static void
make_pattern(void)
{
    load.pattern = malloc(2 * load.size);
    load.received = malloc(load.size);
    bench_require(load.pattern != NULL && load.received != NULL, "malloc");
    for (size_t i = 0; i < 2 * load.size; i++) {
        load.pattern[i] = (char)(i % load.size * 31 + i % load.size / 256);
    }
}

static void
watch(int operation, struct connection *connection, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    bench_require(epoll_ctl(load.poller, operation, connection->fd, &event) == 0, "epoll_ctl");
}

static void
send_rest(struct connection *connection)
{
    ssize_t sent = send(connection->fd, message(connection) + connection->sent,
                        load.size - connection->sent, MSG_NOSIGNAL);

    if (sent < 0) {
        bench_require(errno == EAGAIN, "send");
        sent = 0;
    }
    connection->sent += (size_t)sent;
    bool is_waiting = connection->sent < load.size;
    if (is_waiting != connection->is_output_watched) {
        connection->is_output_watched = is_waiting;
        watch(EPOLL_CTL_MOD, connection, is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static bool
may_begin(uint64_t now_ns)
{
    return load.messages > 0 ? load.begun < load.messages : now_ns < load.end_ns;
}

static void
begin_message(struct connection *connection, uint64_t now_ns)
{
    connection->number = load.begun++;
    connection->sent = 0;
    connection->received = 0;
    connection->begun_ns = now_ns;
    send_rest(connection);
}

static void
finish_message(struct connection *connection)
{
    uint64_t now_ns = bench_now_ns();

    load.finished++;
    bench_histogram_add(&load.latency, now_ns - connection->begun_ns);
    if (may_begin(now_ns)) {
        begin_message(connection, now_ns);
    }
}

static void
receive(struct connection *connection)
{
    ssize_t got = recv(connection->fd, load.received, load.size - connection->received, 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    bench_require(got >= 0, "recv");
    errno = 0;
    bench_require(got > 0, "the server sent more than it got, or closed");
    bench_require(memcmp(load.received, message(connection) + connection->received, (size_t)got) ==
                      0,
                  "the server sent other bytes than it got");
    connection->received += (size_t)got;
    if (connection->received == load.size) {
        finish_message(connection);
    }
}

static void
run(struct connection *connections)
{
    struct epoll_event events[EVENTS_MAX];

    load.end_ns = bench_now_ns() + (uint64_t)(load.seconds * 1e9);
    for (uint64_t i = 0; i < load.connections && may_begin(bench_now_ns()); i++) {
        begin_message(&connections[i], bench_now_ns());
    }
    while (load.finished < load.begun) {
        int ready = epoll_wait(load.poller, events, EVENTS_MAX, -1);

        bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection->sent < load.size) {
                send_rest(connection);
            }
            receive(connection);
        }
    }
}

static struct connection *
open_connections(void)
{
    struct connection *connections = calloc(load.connections, sizeof(*connections));

    bench_require(connections != NULL, "calloc");
    bench_allow_files(load.connections + 16);
    load.poller = epoll_create1(EPOLL_CLOEXEC);
    bench_require(load.poller >= 0, "epoll_create1");
    for (uint64_t i = 0; i < load.connections; i++) {
        connections[i].fd = bench_connect((uint16_t)load.port);
        bench_set_nonblocking(connections[i].fd);
        watch(EPOLL_CTL_ADD, &connections[i], EPOLLIN);
    }
    return connections;
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)load.timeout_s);
    make_pattern();
    struct connection *connections = open_connections();

    uint64_t begin_ns = bench_now_ns();
    run(connections);
    double seconds = (double)(bench_now_ns() - begin_ns) / 1e9;

    printf("{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.2f, "
           "\"p99_us\": %.2f, \"p999_us\": %.2f}\n",
           (unsigned long long)load.finished, seconds, (double)load.finished / seconds,
           bench_histogram_quantile_us(&load.latency, 0.5),
           bench_histogram_quantile_us(&load.latency, 0.99),
           bench_histogram_quantile_us(&load.latency, 0.999));
    free(connections);
    free(load.pattern);
    free(load.received);
    return 0;
}
