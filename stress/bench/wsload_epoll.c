/* SPDX-License-Identifier: MIT */
// Load for a WebSocket responder, from one thread: --connections connections take turns, each with
// --depth messages of --size bytes in one piece, until --messages echoes have come, each as it was
// sent.

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 1024
#define ROUND_MAX       (1 << 20) // bytes of all messages of one turn of a connection
#define HEAD_MAX        14

static const char request[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static unsigned char *out;
static unsigned char *wanted;
static unsigned char *in;
static int fds[CONNECTIONS_MAX];

// A binary message of bytes 0, 1, 2 …; its size.
static size_t
put_message(unsigned char *to, size_t size, bool is_masked)
{
    static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t width = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
    size_t at = 2;

    to[0] = 0x82;
    to[1] = (unsigned char)((is_masked ? 0x80 : 0) |
                            (width == 0 ? size : (size_t)(width == 2 ? 126 : 127)));
    for (size_t i = 0; i < width; i++) {
        to[at++] = (unsigned char)(size >> (8 * (width - 1 - i)));
    }
    if (is_masked) {
        memcpy(to + at, key, sizeof(key));
        at += sizeof(key);
    }
    for (size_t i = 0; i < size; i++) {
        to[at + i] = (unsigned char)(i ^ (is_masked ? key[i % 4] : 0u));
    }
    return at + size;
}

static void
shake_hands(int fd)
{
    char text[1024] = {0};
    size_t size = 0;

    bench_write_all(fd, request, sizeof(request) - 1);
    while (strstr(text, "\r\n\r\n") == NULL) {
        bench_require(size < sizeof(text) - 1, "a head as long as that");
        bench_read_all(fd, text + size, 1);
        size++;
    }
    errno = 0;
    bench_require(strncmp(text, "HTTP/1.1 101 ", 13) == 0, "not 101");
}

int
main(int argc, char **argv)
{
    uint64_t port = 0;
    uint64_t connections = 1;
    uint64_t depth = 1;
    uint64_t size = 64;
    uint64_t messages = 10000;
    uint64_t timeout_s = 120;
    const struct bench_option options[] = {
        {"port", BENCH_OPTION_COUNT, &port, "the server's (required)"},
        {"connections", BENCH_OPTION_COUNT, &connections, "how many take turns"},
        {"depth", BENCH_OPTION_COUNT, &depth, "messages in one piece"},
        {"size", BENCH_OPTION_COUNT, &size, "bytes of a message"},
        {"messages", BENCH_OPTION_COUNT, &messages, "messages in all"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds"},
    };
    size_t out_size = 0;
    size_t in_size = 0;
    uint64_t done = 0;

    bench_options_parse(argc, argv, "load for a WebSocket responder", options,
                        sizeof(options) / sizeof(options[0]));
    errno = 0;
    bench_require(port != 0 && port <= UINT16_MAX, "--port");
    bench_require(connections > 0 && connections <= CONNECTIONS_MAX && depth > 0 &&
                      depth * (size + HEAD_MAX) <= ROUND_MAX,
                  "--connections, --depth or --size");
    bench_end_within((unsigned)timeout_s);
    out = malloc(ROUND_MAX);
    wanted = malloc(ROUND_MAX);
    in = malloc(ROUND_MAX);
    bench_require(out != NULL && wanted != NULL && in != NULL, "memory");
    for (uint64_t i = 0; i < depth; i++) {
        out_size += put_message(out + out_size, size, true);
        in_size += put_message(wanted + in_size, size, false);
    }
    for (uint64_t i = 0; i < connections; i++) {
        fds[i] = bench_connect((uint16_t)port);
        shake_hands(fds[i]);
    }
    uint64_t begin_ns = bench_now_ns();
    while (done < messages) {
        for (uint64_t i = 0; i < connections; i++) {
            bench_write_all(fds[i], out, out_size);
        }
        for (uint64_t i = 0; i < connections; i++) {
            bench_read_all(fds[i], in, in_size);
            errno = 0;
            bench_require(memcmp(in, wanted, in_size) == 0, "not what was sent");
        }
        done += depth * connections;
    }
    double seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    printf("{\"messages\": %llu, \"rate\": %.0f}\n", (unsigned long long)done,
           (double)done / seconds);
    return 0;
}
