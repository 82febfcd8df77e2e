/* SPDX-License-Identifier: MIT */
#include "net.h"

#include "fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in
loopback_address(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

int
bench_listen(void)
{
    struct sockaddr_in address = loopback_address(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bench_require(fd >= 0, "socket");
    bench_require(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    bench_require(listen(fd, BENCH_BACKLOG) == 0, "listen");
    return fd;
}

uint16_t
bench_local_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    bench_require(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    return ntohs(address.sin_port);
}

int
bench_connect(uint16_t port)
{
    struct sockaddr_in address = loopback_address(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bench_require(fd >= 0, "socket");
    bench_require(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    bench_set_nodelay(fd);
    return fd;
}

void
bench_set_nonblocking(int fd)
{
    bench_require(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
}

void
bench_set_nodelay(int fd)
{
    int on = 1;

    bench_require(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
}

void
bench_allow_files(uint64_t count)
{
    struct rlimit limit;

    bench_require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    if (limit.rlim_cur >= count) {
        return;
    }
    limit.rlim_cur = count;
    limit.rlim_max = count > limit.rlim_max ? count : limit.rlim_max;
    bench_require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit RLIMIT_NOFILE");
}

void
bench_write_all(int fd, const void *data, size_t size)
{
    const char *next = data;

    while (size > 0) {
        ssize_t written = write(fd, next, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        bench_require(written > 0, "write");
        next += written;
        size -= (size_t)written;
    }
}

void
bench_read_all(int fd, void *data, size_t size)
{
    char *next = data;

    while (size > 0) {
        ssize_t got = read(fd, next, size);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        bench_require(got > 0, got == 0 ? "the other side ended early" : "read");
        next += got;
        size -= (size_t)got;
    }
}
