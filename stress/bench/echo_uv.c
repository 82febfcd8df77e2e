/* SPDX-License-Identifier: MIT */
// Echo server on libuv: one read buffer for all, uv_try_write first, uv_write for the rest.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BUFFER_SIZE 65536

struct remainder {
    uv_write_t request;
    char data[];
};

static char buffer[BUFFER_SIZE];

static void
stream_free(uv_handle_t *handle)
{
    free(handle);
}

static void
lend_buffer(uv_handle_t *handle, size_t suggested_size, uv_buf_t *ret_buf)
{
    (void)handle;
    (void)suggested_size;
    *ret_buf = uv_buf_init(buffer, sizeof(buffer));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void
on_remainder_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;

    free(request); // the first member of struct remainder
    if (status == 0) {
        uv_read_start(stream, lend_buffer, on_read);
    } else if (!uv_is_closing((uv_handle_t *)stream)) {
        uv_close((uv_handle_t *)stream, stream_free);
    }
}

static void
write_remainder(uv_stream_t *stream, const char *data, size_t size)
{
    struct remainder *remainder = malloc(sizeof(*remainder) + size);

    bench_require(remainder != NULL, "malloc");
    memcpy(remainder->data, data, size);
    uv_buf_t buf = uv_buf_init(remainder->data, (unsigned)size);
    uv_read_stop(stream);
    bench_require(uv_write(&remainder->request, stream, &buf, 1, on_remainder_written) == 0,
                  "uv_write");
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    if (got == 0) {
        return;
    }
    if (got < 0) {
        uv_close((uv_handle_t *)stream, stream_free);
        return;
    }
    uv_buf_t answer = uv_buf_init(buf->base, (unsigned)got);
    int sent = uv_try_write(stream, &answer, 1);
    if (sent == got) {
        return;
    }
    if (sent < 0 && sent != UV_EAGAIN) {
        uv_close((uv_handle_t *)stream, stream_free);
        return;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    write_remainder(stream, buf->base + taken, (size_t)got - taken);
}

static void
on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *stream = malloc(sizeof(*stream));

    bench_require(status == 0, "uv_listen");
    bench_require(stream != NULL, "malloc");
    bench_require(uv_tcp_init(listener->loop, stream) == 0, "uv_tcp_init");
    bench_require(uv_accept(listener, (uv_stream_t *)stream) == 0, "uv_accept");
    uv_tcp_nodelay(stream, 1);
    uv_read_start((uv_stream_t *)stream, lend_buffer, on_read);
}

static void
on_term(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int
main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_signal_t term;
    uv_tcp_t listener;

    bench_server_begin(argc, argv);
    bench_require(uv_signal_init(loop, &term) == 0, "uv_signal_init");
    bench_require(uv_signal_start(&term, on_term, SIGTERM) == 0, "uv_signal_start");
    int listener_fd = bench_listen();
    bench_require(uv_tcp_init(loop, &listener) == 0, "uv_tcp_init");
    bench_require(uv_tcp_open(&listener, listener_fd) == 0, "uv_tcp_open");
    bench_require(uv_listen((uv_stream_t *)&listener, BENCH_BACKLOG, on_connection) == 0,
                  "uv_listen");
    bench_server_ready(bench_local_port(listener_fd));

    uv_run(loop, UV_RUN_DEFAULT);
    bench_server_report();
    return 0;
}
