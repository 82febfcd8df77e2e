/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_NNG_H
#define BENCH_WRITERS_NNG_H

// Writes from foreign threads on nng: nng_stream_send() with an aio for each write.
//
// nng completes a send after some of its bytes. The rest is sent again here, and then stands behind
// what others have queued meanwhile: all bytes arrive, but messages may be torn apart. A program
// that needs them whole must send one at a time.

#include "lib/fail.h"
#include "lib/writers.h"

#include <errno.h>
#include <nng/nng.h>
#include <stdio.h>
#include <stdlib.h>

struct nng_write {
    struct bench_write write;
    nng_aio *aio;
    size_t sent;
};

static struct {
    unsigned connection_count;
    nng_stream **connections;
} writer;

static void
require_nng(int status, const char *what)
{
    errno = 0;
    bench_require(status == 0, what);
}

static void
send_rest(struct nng_write *own)
{
    nng_iov iov = {
        .iov_buf = (char *)(uintptr_t)own->write.data + own->sent,
        .iov_len = own->write.size - own->sent,
    };

    require_nng(nng_aio_set_iov(own->aio, 1, &iov), "nng_aio_set_iov");
    nng_stream_send(writer.connections[own->write.connection], own->aio);
}

static void
on_sent(void *arg)
{
    struct nng_write *own = arg;

    require_nng(nng_aio_result(own->aio), "nng_stream_send");
    own->sent += nng_aio_count(own->aio);
    if (own->sent < own->write.size) {
        send_rest(own);
    } else {
        bench_write_done(&own->write);
    }
}

static void
nng_submit(struct bench_write *write)
{
    struct nng_write *own = (struct nng_write *)write;

    own->sent = 0;
    send_rest(own);
}

static void
nng_write_init(struct bench_write *write)
{
    struct nng_write *own = (struct nng_write *)write;

    require_nng(nng_aio_alloc(&own->aio, on_sent, own), "nng_aio_alloc");
}

static void
nng_write_fini(struct bench_write *write)
{
    nng_aio_free(((struct nng_write *)write)->aio);
}

static nng_stream *
dial(const char *url)
{
    nng_stream_dialer *dialer;
    nng_aio *aio;

    require_nng(nng_stream_dialer_alloc(&dialer, url), "nng_stream_dialer_alloc");
    require_nng(nng_aio_alloc(&aio, NULL, NULL), "nng_aio_alloc");
    nng_stream_dialer_dial(dialer, aio);
    nng_aio_wait(aio);
    require_nng(nng_aio_result(aio), "nng_stream_dialer_dial");
    nng_stream *stream = nng_aio_get_output(aio, 0);
    nng_aio_free(aio);
    nng_stream_dialer_free(dialer);
    return stream;
}

static void
nng_open_all(const struct bench_target *target)
{
    char url[64];

    snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", target->port);
    writer.connection_count = target->connections;
    writer.connections = calloc(writer.connection_count, sizeof(nng_stream *));
    bench_require(writer.connections != NULL, "calloc");
    for (unsigned i = 0; i < writer.connection_count; i++) {
        writer.connections[i] = dial(url);
        require_nng(nng_stream_set_bool(writer.connections[i], NNG_OPT_TCP_NODELAY, true),
                    "NNG_OPT_TCP_NODELAY");
    }
}

static void
nng_close_all(void)
{
    for (unsigned i = 0; i < writer.connection_count; i++) {
        nng_stream_free(writer.connections[i]);
    }
    free(writer.connections);
}

static const struct bench_backend nng_backend = {
    .name = "nng",
    .write_size = sizeof(struct nng_write),
    .open = nng_open_all,
    .close = nng_close_all,
    .submit = nng_submit,
    .write_init = nng_write_init,
    .write_fini = nng_write_fini,
};

#endif /* BENCH_WRITERS_NNG_H */
