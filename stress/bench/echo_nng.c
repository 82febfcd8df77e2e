/* SPDX-License-Identifier: MIT */
// Echo server on nng's byte streams: one aio per connection, receiving and sending in turn.

#include "lib/fail.h"
#include "lib/server.h"

#include <errno.h>
#include <nng/nng.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

struct connection {
    nng_stream *stream;
    nng_aio *aio;
    bool is_sending;
    size_t unsent_begin;
    size_t unsent_end;
    char buffer[]; // of bench_server_buffer_size()
};

static nng_stream_listener *listener;
static nng_aio *accept_aio;

static void
require_nng(int status, const char *what)
{
    errno = 0;
    bench_require(status == 0, what);
}

static void
aim(struct connection *connection, char *data, size_t size)
{
    nng_iov iov = {.iov_buf = data, .iov_len = size};

    require_nng(nng_aio_set_iov(connection->aio, 1, &iov), "nng_aio_set_iov");
}

static void
start_receiving(struct connection *connection)
{
    connection->is_sending = false;
    aim(connection, connection->buffer, bench_server_buffer_size());
    nng_stream_recv(connection->stream, connection->aio);
}

static void
send_unsent(struct connection *connection)
{
    connection->is_sending = true;
    aim(connection, connection->buffer + connection->unsent_begin,
        connection->unsent_end - connection->unsent_begin);
    nng_stream_send(connection->stream, connection->aio);
}

static void
connection_free(struct connection *connection)
{
    nng_stream_free(connection->stream);
    nng_aio_reap(connection->aio); // frees it once this callback has returned
    free(connection);
}

static void
on_transfer(void *arg)
{
    struct connection *connection = arg;

    if (nng_aio_result(connection->aio) != 0) {
        connection_free(connection);
        return;
    }
    size_t count = nng_aio_count(connection->aio);
    if (!connection->is_sending) {
        connection->unsent_begin = 0;
        connection->unsent_end = count;
        send_unsent(connection);
        return;
    }
    connection->unsent_begin += count;
    if (connection->unsent_begin < connection->unsent_end) {
        send_unsent(connection);
    } else {
        start_receiving(connection);
    }
}

static void
on_accept(void *arg)
{
    (void)arg;
    int status = nng_aio_result(accept_aio);
    if (status == NNG_ECLOSED || status == NNG_ECANCELED) {
        return;
    }
    require_nng(status, "nng_stream_listener_accept");
    struct connection *connection = calloc(1, sizeof(*connection) + bench_server_buffer_size());
    bench_require(connection != NULL, "calloc");
    connection->stream = nng_aio_get_output(accept_aio, 0);
    require_nng(nng_stream_set_bool(connection->stream, NNG_OPT_TCP_NODELAY, true), "nodelay");
    require_nng(nng_aio_alloc(&connection->aio, on_transfer, connection), "nng_aio_alloc");
    start_receiving(connection);
    nng_stream_listener_accept(listener, accept_aio);
}

static void
wait_for_term(int term_fd)
{
    struct pollfd term = {.fd = term_fd, .events = POLLIN};

    while (poll(&term, 1, -1) < 0) {
        bench_require(errno == EINTR, "poll");
    }
}

int
main(int argc, char **argv)
{
    int port;

    bench_server_begin(argc, argv);
    int term_fd = bench_server_term_fd(); // before nng starts its threads
    require_nng(nng_stream_listener_alloc(&listener, "tcp://127.0.0.1:0"), "listener");
    require_nng(nng_stream_listener_listen(listener), "nng_stream_listener_listen");
    require_nng(nng_stream_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port), "port");
    require_nng(nng_aio_alloc(&accept_aio, on_accept, NULL), "nng_aio_alloc");
    nng_stream_listener_accept(listener, accept_aio);
    bench_server_ready((uint16_t)port);

    wait_for_term(term_fd);
    bench_server_report();
    nng_stream_listener_close(listener);
    return 0;
}
