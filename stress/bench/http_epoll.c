/* SPDX-License-Identifier: MIT */
// HTTP responder, written by hand on epoll and llhttp: the practical limit.
//
// It parses as strictly as llhttp does by itself, looks at no field, keeps no time limits, and
// gives every request the same 13 bytes. What the kernel does not take ends the connection.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <errno.h>
#include <llhttp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX  256
#define BUFFER_SIZE 65536
#define OUTPUT_SIZE 262144
#define ACCEPTS_MAX 64

struct connection {
    llhttp_t parser; // first
    int fd;
};

static int poller;
static int listener;
static int term_fd;
static bool is_stopping;
static char input[BUFFER_SIZE];
static char output[OUTPUT_SIZE];
static size_t output_size;
static char response[256];
static size_t response_size;
static time_t response_second;
static llhttp_settings_t settings;

static void
watch(int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    bench_require(epoll_ctl(poller, operation, fd, &event) == 0, "epoll_ctl");
}

static void
make_response(void)
{
    struct timespec now;
    struct tm parts;
    char date[64];

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec == response_second) {
        return;
    }
    response_second = now.tv_sec;
    gmtime_r(&now.tv_sec, &parts);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    response_size = (size_t)snprintf(response, sizeof(response),
                                     "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 13\r\n"
                                     "Content-Type: text/plain\r\n\r\nHello, World!",
                                     date);
}

static int
on_url(llhttp_t *parser, const char *at, size_t size)
{
    (void)parser;
    (void)at;
    (void)size;
    return 0;
}

static int
on_complete(llhttp_t *parser)
{
    (void)parser;
    if (output_size + response_size > sizeof(output)) {
        return -1;
    }
    memcpy(output + output_size, response, response_size);
    output_size += response_size;
    return 0;
}

static void
connection_close(struct connection *connection)
{
    close(connection->fd);
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
        llhttp_init(&connection->parser, HTTP_REQUEST, &settings);
        bench_set_nodelay(fd);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

static void
connection_readable(struct connection *connection)
{
    ssize_t got = recv(connection->fd, input, sizeof(input), 0);

    if (got < 0 && errno == EAGAIN) {
        return;
    }
    output_size = 0;
    make_response();
    if (got <= 0 || llhttp_execute(&connection->parser, input, (size_t)got) != HPE_OK ||
        (output_size != 0 &&
         send(connection->fd, output, output_size, MSG_NOSIGNAL) != (ssize_t)output_size)) {
        connection_close(connection);
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
        connection_readable(event->data.ptr);
    }
}

int
main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];

    bench_server_begin(argc, argv);
    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_message_complete = on_complete;
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
