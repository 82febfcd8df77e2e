/* SPDX-License-Identifier: MIT */
// Memory of idle connections: opens them to a server, one after the other, and reads from /proc how
// much the server's private memory grew.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct memory {
    uint64_t private_kib;
    uint64_t resident_kib;
};

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

static struct memory
server_memory(void)
{
    struct memory memory = {0};
    char line[256];

    snprintf(line, sizeof(line), "/proc/%llu/smaps_rollup", (unsigned long long)server_pid);
    FILE *file = fopen(line, "r");
    bench_require(file != NULL, line);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long long kib;

        if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
            memory.resident_kib = kib;
        } else if (sscanf(line, "Private_Clean: %llu kB", &kib) == 1 ||
                   sscanf(line, "Private_Dirty: %llu kB", &kib) == 1) {
            memory.private_kib += kib;
        }
    }
    fclose(file);
    errno = 0;
    bench_require(memory.resident_kib > 0, "no Rss in smaps_rollup");
    return memory;
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
per_connection(uint64_t before_kib, uint64_t after_kib)
{
    return ((double)after_kib - (double)before_kib) * 1024 / (double)connection_count;
}

int
main(int argc, char **argv)
{
    parse(argc, argv);
    bench_end_within((unsigned)timeout_s);
    bench_allow_files(connection_count + 16);
    exchange_a_byte(open_connection()); // what the server allocates once is no connection's share

    struct memory before = server_memory();
    int last = -1;
    for (uint64_t i = 0; i < connection_count; i++) {
        last = open_connection();
    }
    exchange_a_byte(last);
    struct memory after = server_memory();

    printf("{\"connections\": %llu, \"private_bytes\": %.1f, \"resident_bytes\": %.1f}\n",
           (unsigned long long)connection_count,
           per_connection(before.private_kib, after.private_kib),
           per_connection(before.resident_kib, after.resident_kib));
    return 0;
}
