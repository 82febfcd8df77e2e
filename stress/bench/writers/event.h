/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_EVENT_H
#define BENCH_WRITERS_EVENT_H

// Writes from foreign threads on libevent: thread-safe bufferevents, which lock for themselves. A
// write is a reference in the output buffer; libevent gives it back when its bytes were sent.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/writers.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdlib.h>

static struct {
    struct event_base *base;
    pthread_t thread;
    unsigned connection_count;
    struct bufferevent **connections;
} writer;

static void
on_written(const void *data, size_t size, void *write)
{
    (void)data;
    (void)size;
    bench_write_done(write);
}

static void
event_submit(struct bench_write *write)
{
    struct evbuffer *output = bufferevent_get_output(writer.connections[write->connection]);

    bench_require(evbuffer_add_reference(output, write->data, write->size, on_written, write) == 0,
                  "evbuffer_add_reference");
}

static void
on_end(struct bufferevent *connection, short what, void *arg)
{
    (void)connection;
    (void)what;
    (void)arg;
    bench_fail("a connection failed");
}

static void *
run_loop(void *arg)
{
    bench_require(event_base_loop(writer.base, EVLOOP_NO_EXIT_ON_EMPTY) >= 0, "event_base_loop");
    return arg;
}

static void
event_open(const struct bench_target *target)
{
    bench_require(evthread_use_pthreads() == 0, "evthread_use_pthreads");
    writer.base = event_base_new();
    bench_require(writer.base != NULL, "event_base_new");
    writer.connection_count = target->connections;
    writer.connections = calloc(writer.connection_count, sizeof(struct bufferevent *));
    bench_require(writer.connections != NULL, "calloc");
    for (unsigned i = 0; i < writer.connection_count; i++) {
        int fd = bench_connect(target->port);

        bench_set_nonblocking(fd);
        writer.connections[i] =
            bufferevent_socket_new(writer.base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
        bench_require(writer.connections[i] != NULL, "bufferevent_socket_new");
        bufferevent_setcb(writer.connections[i], NULL, NULL, on_end, NULL);
        bufferevent_enable(writer.connections[i], EV_WRITE);
    }
    errno = pthread_create(&writer.thread, NULL, run_loop, NULL);
    bench_require(errno == 0, "pthread_create");
}

static void
event_close(void)
{
    event_base_loopbreak(writer.base);
    pthread_join(writer.thread, NULL);
    for (unsigned i = 0; i < writer.connection_count; i++) {
        bufferevent_free(writer.connections[i]);
    }
    event_base_free(writer.base);
    free(writer.connections);
}

static const struct bench_backend event_backend = {
    .name = "event",
    .write_size = sizeof(struct bench_write),
    .open = event_open,
    .close = event_close,
    .submit = event_submit,
};

#endif /* BENCH_WRITERS_EVENT_H */
