/* SPDX-License-Identifier: MIT */
// Messages on their way to the program.

#include "netio/ws/serve.h"

#include <errno.h>

#define TAKE_MIN (WEIR_BLOCK_SIZE / 2)

static void
tell_message(struct wi_ws_conn *conn, struct weir_ws_message *message)
{
    conn->side->handlers->message(wi_ws_handle(conn), message, conn->user);
    weir_chain_return(&message->chain);
}

// All of a message is there, in blocks of our own.
static void
tell_chain(struct wi_ws_conn *conn, bool is_text)
{
    struct weir_ws_message message = {.chain = conn->message, .is_text = is_text};
    struct weir_iter at = weir_chain_begin(&message.chain);
    struct weir_segment segment = {0};

    conn->message = (struct weir_chain){NULL, NULL};
    message.size = (size_t)conn->receiver.message_size;
    if (weir_iter_segment(&at, weir_chain_end(&message.chain), &segment) &&
        segment.size == message.size) {
        message.data = segment.data;
    }
    tell_message(conn, &message);
}

// The blocks in which the piece arrived, unmasked there: taken from what the stream shows, with
// what was in front of it, which is dropped.
static int
take_blocks(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    struct wi_ws_shown *shown = conn->shown;
    size_t before = shown->before + (size_t)(event->data - shown->segment);
    struct weir_chain chain = {NULL, NULL};
    int result = weir_take(wi_ws_stream(conn), before + event->size, &chain);

    if (result < 0) {
        return result;
    }
    shown->is_taken = true;
    weir_chain_consume(&chain, before);
    weir_chain_splice(&conn->message, &chain);
    return 0;
}

// A piece of a message that is not there in one: large ones as the blocks they are in, small ones
// packed, so that many of them take little more than their bytes.
static int
keep_piece(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    if (event->size >= TAKE_MIN && !conn->receiver.is_packed && take_blocks(conn, event) == 0) {
        return 0;
    }
    return weir_chain_append(&conn->message, event->data, event->size);
}

void
wi_ws_take_piece(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    const struct weir_ws_handlers *handlers = conn->side->handlers;

    if (handlers->piece != NULL) {
        const struct weir_ws_piece piece = {
            .data = event->data,
            .size = event->size,
            .is_text = event->is_text,
            .is_first = event->is_first,
            .is_last = event->is_last,
        };

        handlers->piece(wi_ws_handle(conn), &piece, conn->user);
    } else if (event->is_first && event->is_last) {
        struct weir_ws_message message = {
            .data = event->data, .size = event->size, .is_text = event->is_text};

        tell_message(conn, &message);
    } else if (keep_piece(conn, event) < 0) {
        wi_ws_fail(conn, WEIR_WS_INTERNAL_ERROR, -ENOMEM, WEIR_ORIGIN_MEMORY);
    } else if (event->is_last) {
        tell_chain(conn, event->is_text);
    }
}

int
weir_ws_take(struct weir_ws_message *message, struct weir_chain *ret_chain)
{
    int result = 0;

    if (message == NULL || ret_chain == NULL || ret_chain->head != NULL ||
        (message->chain.head == NULL && message->data == NULL && message->size != 0)) {
        return -EINVAL;
    }
    if (message->chain.head != NULL) {
        *ret_chain = message->chain;
        message->chain = (struct weir_chain){NULL, NULL};
        message->data = NULL;
    } else if (message->size != 0) {
        result = weir_chain_append(ret_chain, message->data, message->size);
    }
    return result;
}
