/* SPDX-License-Identifier: MIT */
// Memory of idle connections: opens them to a server, one after the other, and reads from /proc how
// much the server's private memory grew.

#include "lib/fail.h"
#include "lib/memory.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t port;
static uint64_t server_pid;
static uint64_t connection_count = 10000;
static uint64_t timeout_s = 60;

static void
parse(int argc, char **argv)
{
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &port, "of the server on 127.0.0.1 (required)"},
        {"pid", BENCH_OPTION_COUNT, &server_pid, "of the server (required)"},
        {"connections", BENCH_OPTION_COUNT, &connection_count, "to open"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv,
                        "idle connections to an echo server; prints the server's growth per "
                        "connection as a JSON line",
                        options, sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(port > 0 && port <= UINT16_MAX, "--port is required");
    bench_require(server_pid > 0, "--pid is required");
    bench_require(connection_count > 0, "--connections must not be 0");
}

// The answer means that the server has accepted this connection and every one before it.
static void
exchange_a_byte(int fd)
{
    char byte = 'w';

    bench_write_all(fd, &byte, 1);
    bench_read_all(fd, &byte, 1);
}

// Closed with a reset, so that no port stays behind in TIME_WAIT.
static int
open_connection(void)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = bench_connect((uint16_t)port);

    bench_require(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0, "SO_LINGER");
    return fd;
}

static double
per_connection(uint64_t before, uint64_t after)
{
    return ((double)after - (double)before) / (double)connection_count;
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)timeout_s);
    bench_allow_files(connection_count + 16);
    exchange_a_byte(open_connection()); // what the server allocates once is no connection's share

    struct bench_memory before = bench_memory_of(server_pid);
    int last = -1;
    for (uint64_t i = 0; i < connection_count; i++) {
        last = open_connection();
    }
    exchange_a_byte(last);
    struct bench_memory after = bench_memory_of(server_pid);

    printf("{\"connections\": %llu, \"private_bytes\": %.1f, \"resident_bytes\": %.1f}\n",
           (unsigned long long)connection_count,
           per_connection(before.private_bytes, after.private_bytes),
           per_connection(before.resident_bytes, after.resident_bytes));
    return 0;
}
