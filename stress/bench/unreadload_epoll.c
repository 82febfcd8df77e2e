/* SPDX-License-Identifier: MIT */
// Peers that never read: connections that send to an echo server and leave the echo where it is.
// A server that bounds what it keeps stops reading from them; another keeps all. They send until
// none could send for a while, or until each has sent --bytes. Then the server's memory is read
// from /proc, and a connection that does read is timed, to see that it is still served.

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/histogram.h"
#include "lib/memory.h"
#include "lib/net.h"
#include "lib/options.h"
#include "lib/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX    64
#define STALL_MS      500
#define PINGS         1000
#define PING_SIZE     64
#define KERNEL_BUFFER 65536 // of our sockets: so that memory is the server's choice, not ours

struct connection {
    int fd;
    unsigned index;
    uint64_t sent;
};

static uint64_t port;
static uint64_t server_pid;
static uint64_t connection_count = 16;
static uint64_t bytes_max = UINT64_C(16) << 20;
static uint64_t timeout_s = 60;
static int poller;

static void
parse(int argc, char **argv)
{
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &port, "of the server on 127.0.0.1 (required)"},
        {"pid", BENCH_OPTION_COUNT, &server_pid, "of the server (required)"},
        {"connections", BENCH_OPTION_COUNT, &connection_count, "that never read"},
        {"bytes", BENCH_OPTION_COUNT, &bytes_max, "the most that each sends"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv,
                        "connections that never read from an echo server; prints the server's "
                        "growth per connection as a JSON line",
                        options, sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(port > 0 && port <= UINT16_MAX, "--port is required");
    bench_require(server_pid > 0, "--pid is required");
    bench_require(connection_count > 0 && bytes_max > 0, "--connections and --bytes, not 0");
}

// The 50th percentile of so many exchanges of a small message.
static double
ping_us(int fd)
{
    struct bench_histogram latency = {0};
    char message[PING_SIZE] = {0};

    for (int i = 0; i < PINGS; i++) {
        uint64_t begin_ns = bench_now_ns();

        bench_write_all(fd, message, sizeof(message));
        bench_read_all(fd, message, sizeof(message));
        bench_histogram_add(&latency, bench_now_ns() - begin_ns);
    }
    return bench_histogram_quantile_us(&latency, 0.5);
}

static void
open_connection(struct connection *connection, unsigned index)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int buffer_size = KERNEL_BUFFER;

    connection->index = index;
    connection->fd = bench_connect((uint16_t)port);
    bench_require(setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0,
                  "SO_LINGER");
    bench_require(
        setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size)) == 0,
        "SO_RCVBUF");
    bench_set_nonblocking(connection->fd);
    bench_require(epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) == 0, "epoll_ctl");
}

// Sends what the connection takes; true when it may send no more.
static bool
fill(struct connection *connection)
{
    while (connection->sent < bytes_max) {
        uint64_t left = bytes_max - connection->sent;
        size_t part = left < BENCH_PATTERN_PART ? left : BENCH_PATTERN_PART;
        ssize_t sent = send(connection->fd, bench_pattern(connection->index, connection->sent),
                            part, MSG_NOSIGNAL);

        bench_require(sent >= 0 || errno == EAGAIN, "send");
        if (sent < 0) {
            return false;
        }
        connection->sent += (size_t)sent;
    }
    bench_require(epoll_ctl(poller, EPOLL_CTL_DEL, connection->fd, NULL) == 0, "epoll_ctl");
    return true;
}

// Returns how many have sent all they may.
static uint64_t
fill_all(void)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t full = 0;

    while (full < connection_count) {
        int ready = epoll_wait(poller, events, EVENTS_MAX, STALL_MS);

        bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
        if (ready == 0) {
            break; // none could send for a while: the server has stopped reading
        }
        for (int i = 0; i < ready; i++) {
            full += fill(events[i].data.ptr);
        }
    }
    return full;
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)timeout_s);
    bench_allow_files(connection_count + 16);
    bench_pattern_init();
    struct connection *connections = calloc(connection_count, sizeof(*connections));
    bench_require(connections != NULL, "calloc");
    poller = epoll_create1(EPOLL_CLOEXEC);
    bench_require(poller >= 0, "epoll_create1");
    int reader = bench_connect((uint16_t)port);
    double before_us = ping_us(reader);

    struct bench_memory before = bench_memory_of(server_pid);
    for (uint64_t i = 0; i < connection_count; i++) {
        open_connection(&connections[i], (unsigned)i);
    }
    uint64_t full = fill_all();
    double beside_us = ping_us(reader);
    struct bench_memory after = bench_memory_of(server_pid);

    uint64_t sent = 0;
    for (uint64_t i = 0; i < connection_count; i++) {
        sent += connections[i].sent;
    }
    printf("{\"connections\": %llu, \"unbounded\": %llu, \"sent_bytes\": %.0f, "
           "\"private_bytes\": %.1f, \"ping_before_us\": %.2f, \"ping_us\": %.2f}\n",
           (unsigned long long)connection_count, (unsigned long long)full,
           (double)sent / (double)connection_count,
           ((double)after.private_bytes - (double)before.private_bytes) / (double)connection_count,
           before_us, beside_us);
    free(connections);
    return 0;
}
