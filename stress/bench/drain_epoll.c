/* SPDX-License-Identifier: MIT */
// The reading process of the writing benchmarks, started by them: accepts connections on the
// listener that is its standard input, reads them to their ends, and writes the number of bytes,
// a uint64_t, to its standard output. A process of its own, so that its CPU time, system calls and
// instructions are not the writer's.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/options.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX  64
#define BUFFER_SIZE 262144

static char buffer[BUFFER_SIZE];

static int
accept_all(uint64_t connections)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);

    bench_require(poller >= 0, "epoll_create1");
    for (uint64_t i = 0; i < connections; i++) {
        int fd = accept4(STDIN_FILENO, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        bench_require(fd >= 0, "accept");
        bench_require(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
    return poller;
}

static uint64_t
drain_all(int poller, uint64_t connections)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t bytes = 0;

    while (connections > 0) {
        int ready = epoll_wait(poller, events, EVENTS_MAX, -1);

        bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            ssize_t got = recv(events[i].data.fd, buffer, sizeof(buffer), 0);

            bench_require(got >= 0 || errno == EAGAIN, "recv");
            if (got > 0) {
                bytes += (uint64_t)got;
            } else if (got == 0) {
                close(events[i].data.fd);
                connections--;
            }
        }
    }
    return bytes;
}

int
main(int argc, char **argv)
{
    uint64_t connections = 1;
    uint64_t timeout_s = 120;
    const struct bench_option options[] = {
        {"connections", BENCH_OPTION_COUNT, &connections, "to accept"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv, "reads connections to their ends; started by the writers",
                        options, sizeof(options) / sizeof(options[0]));
    bench_end_within((unsigned)timeout_s);
    uint64_t bytes = drain_all(accept_all(connections), connections);
    bench_write_all(STDOUT_FILENO, &bytes, sizeof(bytes));
    return 0;
}
