/* SPDX-License-Identifier: MIT */
// Echo server, written by hand on epoll: the practical limit.
//
// One buffer for all connections. What the kernel does not take is copied into a block of the
// connection's own, and the connection is not read again until that is gone.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX  256
#define BUFFER_SIZE 262144
#define ACCEPTS_MAX 64

struct connection {
    int fd;
    char *unsent; // NULL: everything was sent
    size_t unsent_begin;
    size_t unsent_end;
};

static int poller;
static int listener;
static int term_fd;
static bool is_stopping;
static char buffer[BUFFER_SIZE];

static void
watch(int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    bench_require(epoll_ctl(poller, operation, fd, &event) == 0, "epoll_ctl");
}

static void
connection_close(struct connection *connection)
{
    close(connection->fd);
    free(connection->unsent);
    free(connection);
}

static void
accept_some(void)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            bench_require(errno == EAGAIN || errno == ECONNABORTED, "accept");
            return;
        }
        struct connection *connection = calloc(1, sizeof(*connection));
        bench_require(connection != NULL, "calloc");
        connection->fd = fd;
        bench_set_nodelay(fd);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

static void
keep_unsent(struct connection *connection, const char *data, size_t size)
{
    connection->unsent = malloc(size);
    bench_require(connection->unsent != NULL, "malloc");
    memcpy(connection->unsent, data, size);
    connection->unsent_begin = 0;
    connection->unsent_end = size;
    watch(EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
}

static void
connection_readable(struct connection *connection)
{
    ssize_t got = recv(connection->fd, buffer, sizeof(buffer), 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        connection_close(connection);
        return;
    }
    ssize_t sent = send(connection->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent == got) {
        return;
    }
    if (sent < 0 && errno != EAGAIN) {
        connection_close(connection);
        return;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    keep_unsent(connection, buffer + taken, (size_t)got - taken);
}

static void
connection_writable(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->unsent + connection->unsent_begin,
                        connection->unsent_end - connection->unsent_begin, MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN) {
            connection_close(connection);
        }
        return;
    }
    connection->unsent_begin += (size_t)sent;
    if (connection->unsent_begin == connection->unsent_end) {
        free(connection->unsent);
        connection->unsent = NULL;
        watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
    }
}

static void
dispatch(const struct epoll_event *event)
{
    if (event->data.ptr == &listener) {
        accept_some();
    } else if (event->data.ptr == &term_fd) {
        is_stopping = true;
    } else {
        struct connection *connection = event->data.ptr;

        if (connection->unsent != NULL) {
            connection_writable(connection);
        } else {
            connection_readable(connection);
        }
    }
}

int
main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];

    bench_server_begin(argc, argv);
    poller = epoll_create1(EPOLL_CLOEXEC);
    bench_require(poller >= 0, "epoll_create1");
    term_fd = bench_server_term_fd();
    watch(EPOLL_CTL_ADD, term_fd, EPOLLIN, &term_fd);
    listener = bench_listen();
    bench_set_nonblocking(listener);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener);
    bench_server_ready(bench_local_port(listener));

    while (!is_stopping) {
        int ready = epoll_wait(poller, events, EVENTS_MAX, -1);

        bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            dispatch(&events[i]);
        }
    }
    bench_server_report();
    return 0;
}
