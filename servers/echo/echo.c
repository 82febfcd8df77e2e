/* SPDX-License-Identifier: MIT */
// The echo. The blocks in which bytes arrived are the blocks that are written: nothing is copied.
//
// Back-pressure: reading rests while much is queued, so a stream holds at most its low mark and
// what one turn reads, however slow its peer reads.

#include "echo.h"

#include "weir/pool.h"
#include "weir/stream.h"
#include "weir/write.h"

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {NULL, NULL};

    (void)begin;
    (void)end;
    (void)user;
    if (weir_take(stream, SIZE_MAX, &chain) < 0 ||
        weir_write_chain(stream, &chain, NULL, NULL) < 0) {
        weir_chain_return(&chain);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
    return (struct weir_consumed){0, 0};
}

// The peer has ended: our end goes behind what we still owe it.
static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    (void)user;
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

void
echo_prepare(struct weir_listen *listen)
{
    static const struct weir_handlers handlers = {
        .data = on_data,
        .peer_fin = on_peer_fin,
    };

    listen->stream.handlers = &handlers;
    listen->stream.flags = WEIR_STREAM_NODELAY | WEIR_STREAM_REST;
}
