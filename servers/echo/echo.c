/* SPDX-License-Identifier: MIT */
// The echo. The blocks in which bytes arrived are the blocks that are written: nothing is copied.
//
// Back-pressure: the stream refuses a write that would take its queue above the high mark. What it
// refuses waits here, reading rests, and both go on when the queue has fallen to the low mark. So
// a stream holds at most its queue and one presentation of input, however slow its peer reads.
//
// Only a stream that was refused has state of its own; an idle one costs nothing here.

#include "echo.h"

#include "weir/pool.h"
#include "weir/stream.h"
#include "weir/write.h"

#include <stdlib.h>

#define QUEUE_HIGH ((size_t)256 * 1024)
#define QUEUE_LOW  ((size_t)64 * 1024)

struct held {
    struct weir_chain chain; // refused, to be written when there is room
    bool has_fin;            // the peer ended behind it
};

static unsigned write_flags; // set once, before any stream is accepted

static void
give_up(weir_stream stream, struct weir_chain *chain)
{
    weir_chain_return(chain);
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

// Keep what was refused. The chain is empty afterwards, whatever happens.
static void
hold(weir_stream stream, struct weir_chain *chain)
{
    struct held *held = weir_stream_user(stream);

    if (held == NULL) {
        held = calloc(1, sizeof(*held));
        if (held == NULL || weir_stream_set_user(stream, held) != 0) {
            free(held);
            give_up(stream, chain);
            return;
        }
    }
    weir_chain_splice(&held->chain, chain);
    weir_pause(stream);
}

static bool
is_holding(const struct held *held)
{
    return held != NULL && held->chain.head != NULL;
}

static void
write_back(weir_stream stream, struct weir_chain *chain)
{
    struct weir_write request = {.chain = chain, .flags = write_flags};
    int status = weir_write(stream, &request, NULL);

    if (status >= 0) {
        return;
    }
    if (status == -WEIR_ESTREAMFULL) {
        hold(stream, chain);
    } else {
        give_up(stream, chain);
    }
}

// The peer has ended: our end goes behind what we still owe it.
static void
finish(weir_stream stream)
{
    if (weir_end(stream) < 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {NULL, NULL};

    (void)begin;
    (void)end;
    if (weir_take(stream, SIZE_MAX, &chain) != 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else if (is_holding(user)) {
        hold(stream, &chain); // keeps its place behind what was refused before
    } else {
        write_back(stream, &chain);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_writable(weir_stream stream, void *user)
{
    struct held *held = user;

    if (!is_holding(held)) {
        return;
    }
    struct weir_chain chain = held->chain;
    held->chain = (struct weir_chain){NULL, NULL};
    write_back(stream, &chain);
    if (is_holding(held)) {
        return;
    }
    if (held->has_fin) {
        finish(stream);
    } else {
        weir_resume(stream);
    }
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct held *held = user;

    (void)ambiguous;
    if (is_holding(held)) {
        held->has_fin = true;
    } else {
        finish(stream);
    }
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct held *held = user;

    (void)stream;
    (void)closed;
    if (held != NULL) {
        weir_chain_return(&held->chain);
        free(held);
    }
}

void
echo_prepare(struct weir_listen *listen, bool is_inline)
{
    static const struct weir_handlers handlers = {
        .data = on_data,
        .peer_fin = on_peer_fin,
        .writable = on_writable,
        .closed = on_closed,
    };

    write_flags = is_inline ? WEIR_INLINE_OK : 0;
    listen->stream.handlers = &handlers;
    listen->stream.flags = WEIR_STREAM_NODELAY | (is_inline ? WEIR_STREAM_INLINE : 0u);
    listen->stream.queue_high = QUEUE_HIGH;
    listen->stream.queue_low = QUEUE_LOW;
}
