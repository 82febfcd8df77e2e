/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_UV_H
#define BENCH_WRITERS_UV_H

// Writes from foreign threads on libuv, in two styles.
//
//   usual    a list under a mutex, uv_async_send(), one uv_write() for each write
//   gather   CK's stack, uv_async_send(), one uv_write() for all that a connection has waiting

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/writers.h"
#include "writers/inbox.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#define GATHER_MAX 1024

struct uv_queued {
    struct queued queued;
    uv_write_t request; // usual
};

struct uv_connection {
    uv_tcp_t stream;
    // gather: the first in_flight of the list belong to request
    struct queued *oldest;
    struct queued *newest;
    unsigned in_flight;
    uv_write_t request;
};

static struct {
    bool is_gathering;
    bool is_stopping;
    struct inbox inbox;
    uv_loop_t loop;
    uv_async_t wake;
    uv_thread_t thread;
    unsigned connection_count;
    struct uv_connection *connections;
} writer;

static const char *const style_names[] = {"usual", "gather", NULL};

static void
require_uv(int status, const char *what)
{
    errno = -status; // libuv's errors are negative errnos on Linux
    bench_require(status == 0, what);
}

static void
uv_submit(struct bench_write *write)
{
    inbox_put(&writer.inbox, (struct queued *)write);
    uv_async_send(&writer.wake);
}

static void
on_usual_written(uv_write_t *request, int status)
{
    require_uv(status, "uv_write");
    bench_write_done(request->data);
}

static void
write_usual(struct uv_queued *queued)
{
    struct bench_write *write = &queued->queued.write;
    uv_stream_t *stream = (uv_stream_t *)&writer.connections[write->connection].stream;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)write->data, (unsigned)write->size);

    queued->request.data = write;
    require_uv(uv_write(&queued->request, stream, &buf, 1, on_usual_written), "uv_write");
}

static void connection_flush(struct uv_connection *connection);

static void
on_gathered_written(uv_write_t *request, int status)
{
    struct uv_connection *connection = request->data;

    require_uv(status, "uv_write");
    for (; connection->in_flight > 0; connection->in_flight--) {
        struct queued *done = connection->oldest;

        connection->oldest = done->next;
        bench_write_done(&done->write); // from here on the producer may use it again
    }
    connection_flush(connection);
}

// Starts one uv_write() for what is queued, unless one is under way or nothing is queued.
static void
connection_flush(struct uv_connection *connection)
{
    uv_buf_t bufs[GATHER_MAX];
    unsigned count = 0;

    if (connection->in_flight > 0 || connection->oldest == NULL) {
        return;
    }
    for (struct queued *queued = connection->oldest; queued != NULL && count < GATHER_MAX;
         queued = queued->next) {
        bufs[count++] =
            uv_buf_init((char *)(uintptr_t)queued->write.data, (unsigned)queued->write.size);
    }
    connection->in_flight = count;
    connection->request.data = connection;
    require_uv(uv_write(&connection->request, (uv_stream_t *)&connection->stream, bufs, count,
                        on_gathered_written),
               "uv_write");
}

static void
connection_append(struct uv_connection *connection, struct queued *queued)
{
    queued->next = NULL;
    if (connection->oldest == NULL) {
        connection->oldest = queued;
    } else {
        connection->newest->next = queued;
    }
    connection->newest = queued;
}

static void
close_connections(void)
{
    for (unsigned i = 0; i < writer.connection_count; i++) {
        uv_close((uv_handle_t *)&writer.connections[i].stream, NULL);
    }
    uv_close((uv_handle_t *)&writer.wake, NULL);
}

static void
on_wake(uv_async_t *wake)
{
    struct queued *queued;

    (void)wake;
    while ((queued = inbox_next(&writer.inbox)) != NULL) {
        if (writer.is_gathering) {
            connection_append(&writer.connections[queued->write.connection], queued);
        } else {
            write_usual((struct uv_queued *)queued);
        }
    }
    if (writer.is_gathering) {
        for (unsigned i = 0; i < writer.connection_count; i++) {
            connection_flush(&writer.connections[i]);
        }
    }
    if (__atomic_load_n(&writer.is_stopping, __ATOMIC_ACQUIRE)) {
        close_connections();
    }
}

static void
run_loop(void *arg)
{
    (void)arg;
    uv_run(&writer.loop, UV_RUN_DEFAULT);
}

static void
uv_open(const struct bench_target *target)
{
    writer.is_gathering = strcmp(target->variant, "gather") == 0;
    inbox_init(&writer.inbox, writer.is_gathering ? INBOX_STACK : INBOX_MUTEX, target->producers,
               target->window);
    require_uv(uv_loop_init(&writer.loop), "uv_loop_init");
    require_uv(uv_async_init(&writer.loop, &writer.wake, on_wake), "uv_async_init");
    writer.connection_count = target->connections;
    writer.connections = calloc(writer.connection_count, sizeof(*writer.connections));
    bench_require(writer.connections != NULL, "calloc");
    for (unsigned i = 0; i < writer.connection_count; i++) {
        uv_tcp_t *stream = &writer.connections[i].stream;

        require_uv(uv_tcp_init(&writer.loop, stream), "uv_tcp_init");
        require_uv(uv_tcp_open(stream, bench_connect(target->port)), "uv_tcp_open");
    }
    require_uv(uv_thread_create(&writer.thread, run_loop, NULL), "uv_thread_create");
}

static void
uv_close_all(void)
{
    __atomic_store_n(&writer.is_stopping, true, __ATOMIC_RELEASE);
    uv_async_send(&writer.wake);
    uv_thread_join(&writer.thread);
    require_uv(uv_loop_close(&writer.loop), "uv_loop_close");
    free(writer.connections);
    inbox_fini(&writer.inbox);
}

static const struct bench_backend uv_backend = {
    .name = "uv",
    .variant_option = "style",
    .variants = style_names,
    .write_size = sizeof(struct uv_queued),
    .open = uv_open,
    .close = uv_close_all,
    .submit = uv_submit,
};

#endif /* BENCH_WRITERS_UV_H */
