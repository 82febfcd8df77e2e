/* SPDX-License-Identifier: MIT */
// Load for an HTTP responder, from one thread: --connections connections take turns, each with
// --depth requests in one piece, until --messages responses have come. All responses must have the
// size of the first.

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX       256
#define CONNECTIONS_MAX 4096
#define RESPONSE_MAX    4096

static const char request[] = "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n";
static char requests[DEPTH_MAX * sizeof(request)];
static char responses[DEPTH_MAX * RESPONSE_MAX];
static int fds[CONNECTIONS_MAX];

// The first response tells the size of all: its head is as long as that, its body as it says.
static size_t
learn_size(int fd)
{
    char text[RESPONSE_MAX] = {0};
    size_t size = 0;
    const char *length;

    bench_write_all(fd, request, sizeof(request) - 1);
    while (strstr(text, "\r\n\r\n") == NULL) {
        bench_require(size < sizeof(text) - 1, "a head as long as that");
        bench_read_all(fd, text + size, 1);
        size++;
    }
    errno = 0;
    bench_require(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "not 200");
    length = strstr(text, "Content-Length: ");
    bench_require(length != NULL, "no length");
    unsigned long body = strtoul(length + 16, NULL, 10);
    bench_require(body <= sizeof(text) - size, "a body as long as that");
    bench_read_all(fd, text + size, body);
    return size + body;
}

int
main(int argc, char **argv)
{
    uint64_t port = 0;
    uint64_t connections = 1;
    uint64_t depth = 1;
    uint64_t messages = 10000;
    uint64_t timeout_s = 120;
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &port, "the server's (required)"},
        {"connections", BENCH_OPTION_COUNT, &connections, "how many take turns"},
        {"depth", BENCH_OPTION_COUNT, &depth, "requests in one piece"},
        {"messages", BENCH_OPTION_COUNT, &messages, "requests in all"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds"},
    };
    size_t size;
    uint64_t done = 0;

    bench_options_parse(argc, argv, "load for an HTTP responder", options,
                        sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(port != 0 && port <= UINT16_MAX, "--port");
    bench_require(depth > 0 && depth <= DEPTH_MAX && connections > 0 &&
                      connections <= CONNECTIONS_MAX,
                  "--depth or --connections");
    bench_end_within((unsigned)timeout_s);
    for (uint64_t i = 0; i < connections; i++) {
        fds[i] = bench_connect((uint16_t)port);
    }
    for (uint64_t i = 0; i < depth; i++) {
        memcpy(requests + i * (sizeof(request) - 1), request, sizeof(request) - 1);
    }
    size = learn_size(fds[0]);
    bench_require(size <= RESPONSE_MAX, "a response as long as that");
    uint64_t begin_ns = bench_now_ns();
    while (done < messages) {
        for (uint64_t i = 0; i < connections; i++) {
            bench_write_all(fds[i], requests, depth * (sizeof(request) - 1));
        }
        for (uint64_t i = 0; i < connections; i++) {
            bench_read_all(fds[i], responses, depth * size);
            errno = 0;
            bench_require(memcmp(responses + (depth - 1) * size, "HTTP/1.1 200", 12) == 0,
                          "responses are not alike");
        }
        done += depth * connections;
    }
    double seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    printf("{\"messages\": %llu, \"rate\": %.0f, \"size\": %zu}\n", (unsigned long long)done,
           (double)done / seconds, size);
    return 0;
}
