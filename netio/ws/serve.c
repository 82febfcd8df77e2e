/* SPDX-License-Identifier: MIT */
// What arrives on a connection, and its stream's events.

#include "netio/ws/serve.h"

#include "mem/heap.h"
#include "netio/ws/control.h"
#include "netio/ws/deflate.h"

#include <errno.h>
#include <string.h>

/* ---- bytes ---- */

static bool
is_listening(const struct wi_ws_conn *conn)
{
    return (conn->flags & (WI_WS_PAUSED | WI_WS_DEAF)) == 0;
}

static void
take_event(struct wi_ws_conn *conn, const struct wi_ws_event *event)
{
    switch (event->kind) {
    case WI_WS_PIECE:
        wi_ws_take_piece(conn, event);
        if (event->is_last && conn->receiver.unpacker != NULL) {
            wi_ws_unpacker_rest(conn->receiver.unpacker);
        }
        break;
    case WI_WS_CONTROL:
        wi_ws_take_control(conn, event);
        break;
    case WI_WS_FAIL:
        wi_ws_fail(conn, (enum weir_ws_code)event->code, event->status, WEIR_ORIGIN_TRANSPORT);
        break;
    case WI_WS_NOTHING:
        break;
    }
}

// One segment, as far as the program listens, and as long as it is the stream's.
static size_t
take_segment(struct wi_ws_conn *conn, const struct weir_segment *segment)
{
    const struct wi_ws_shown *shown = conn->shown;
    // The blocks are the stream's, and nobody reads these bytes again: they are unmasked in place.
    unsigned char *bytes = (unsigned char *)(uintptr_t)segment->data;
    struct wi_ws_event event;
    size_t taken = 0;

    while (is_listening(conn) && taken < segment->size && !shown->is_taken) {
        taken += wi_ws_receive(&conn->receiver, bytes + taken, segment->size - taken, &event);
        take_event(conn, &event);
        while (wi_ws_receiver_has_more(&conn->receiver) && !(conn->flags & WI_WS_DEAF)) {
            wi_ws_receive(&conn->receiver, NULL, 0, &event);
            take_event(conn, &event);
        }
    }
    return taken;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct wi_ws_conn *conn = user;
    struct wi_ws_shown shown = {.before = 0};
    struct weir_iter at = begin;
    struct weir_segment segment;

    (void)stream;
    conn->heard_ns = weir_loop_now_ns(conn->home->loop);
    conn->shown = &shown;
    while (is_listening(conn) && !shown.is_taken && weir_iter_segment(&at, end, &segment)) {
        shown.segment = segment.data;
        shown.before += take_segment(conn, &segment);
    }
    conn->shown = NULL;
    if (shown.is_taken) { // blocks have gone: what is left is shown once more
        return (struct weir_consumed){0, 0};
    }
    if (conn->flags & WI_WS_DEAF) {
        weir_iter_length(begin, end, &shown.before);
    }
    return (struct weir_consumed){shown.before, shown.before};
}

/* ---- the stream's other events ---- */

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct wi_ws_conn *conn = user;

    (void)stream;
    (void)ambiguous;
    if (!(conn->flags & WI_WS_CLOSE_CAME)) {
        wi_ws_note(conn, -ENODATA, WEIR_ORIGIN_PEER_STOP);
        conn->flags |= WI_WS_FAILED;
    }
    if (!(conn->flags & WI_WS_CLOSE_CAME) || (conn->flags & WI_WS_CLOSE_LEFT)) {
        wi_ws_end_stream(conn);
    }
}

static void
on_writable(weir_stream stream, void *user)
{
    struct wi_ws_conn *conn = user;

    (void)stream;
    wi_ws_send_kept(conn);
    wi_ws_retry_close(wi_ws_handle(conn));
    if (conn->side->handlers->writable != NULL) {
        conn->side->handlers->writable(wi_ws_handle(conn), conn->user);
    }
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct wi_ws_conn *conn = user;
    const unsigned both = WI_WS_CLOSE_CAME | WI_WS_CLOSE_LEFT;
    struct weir_ws_closed told = {
        .bytes_sent = closed->bytes_sent,
        .bytes_received = closed->bytes_received,
    };

    (void)stream;
    if ((conn->flags & both) != both) {
        wi_ws_note(conn, closed->status, closed->origin);
        wi_ws_note(conn, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE);
    }
    wi_ws_conn_gone(conn, &told);
}

const struct weir_handlers wi_ws_stream_handlers = {
    .data = on_data,
    .peer_fin = on_peer_fin,
    .writable = on_writable,
    .closed = on_closed,
};

/* ---- its life ---- */

void
wi_ws_note(struct wi_ws_conn *conn, int status, enum weir_origin origin)
{
    if (conn->status == 0) {
        conn->status = status;
        conn->origin = (uint8_t)(status == 0 ? WEIR_ORIGIN_NONE : origin);
    }
}

int
wi_ws_conn_agree(struct wi_ws_conn *conn, const struct wi_ws_agreed *agreed)
{
    struct wi_ws_unpacker *unpacker = NULL;

    conn->close_ns = conn->side->limits.close_ns;
    conn->pack_min = conn->side->deflate.size_min;
    if (agreed->is_on) {
        unpacker = wi_ws_unpacker_make(agreed->window_received, agreed->is_context_received);
        if (unpacker == NULL) {
            return -ENOMEM;
        }
        // zlib packs with no window as small as 8 bits: then nothing is packed.
        if (agreed->window_sent > 8) {
            conn->packer = wi_ws_packer_make(agreed->window_sent, agreed->is_context_sent,
                                             conn->side->deflate.level);
            if (conn->packer == NULL) {
                wi_ws_unpacker_free(unpacker);
                return -ENOMEM;
            }
        }
    }
    wi_ws_receiver_init(&conn->receiver, conn->client == NULL, &conn->side->limits, unpacker);
    return 0;
}

void
wi_ws_conn_begin(struct wi_ws_conn *conn, struct wi_home *home, weir_stream stream)
{
    uint64_t now = weir_loop_now_ns(home->loop);
    uint64_t ping_ns = conn->side->limits.ping_ns;

    wi_seat_set_stream(&conn->seat, stream);
    conn->heard_ns = now;
    wi_ws_conn_open(conn);
    wi_home_look_at(home, &conn->seat, ping_ns == WEIR_NEVER ? WEIR_NEVER : now + ping_ns);
}

void
wi_ws_conn_gone(struct wi_ws_conn *conn, struct weir_ws_closed *closed)
{
    struct wi_ws_side *side = conn->side;
    struct wi_ws_client *client = conn->client;
    bool is_told = (conn->flags & WI_WS_CLOSE_CAME) != 0;

    closed->status = conn->status;
    closed->origin = (enum weir_origin)conn->origin;
    closed->code = is_told ? conn->code : WEIR_WS_ABNORMAL;
    closed->sent_code = wi_load_relaxed(&conn->sent_code);
    if (is_told && conn->receiver.control_size > 2) {
        closed->reason = (const char *)conn->receiver.control + 2;
        closed->reason_size = conn->receiver.control_size - 2u;
    }
    if (side->handlers->closed != NULL) {
        side->handlers->closed(wi_ws_handle(conn), closed, conn->user);
    }
    wi_home_remove(conn->home, &conn->seat);
    weir_chain_return(&conn->message);
    wi_heap_free(conn->pong);
    wi_ws_unpacker_free(conn->receiver.unpacker);
    conn->receiver.unpacker = NULL;
    wi_ws_conn_put(conn);
    if (client != NULL) {
        wi_ws_client_left(client);
    } else {
        wi_ws_server_left(side);
    }
}

/* ---- what takes too long ---- */

static uint64_t
look_at_end(struct wi_ws_conn *conn, uint64_t now)
{
    uint64_t due = conn->ending_ns + conn->side->limits.close_ns;

    if (conn->flags & WI_WS_STREAM_ENDS) {
        return WEIR_NEVER; // its close has a deadline
    }
    if (now < due) {
        return due;
    }
    if (!(conn->flags & WI_WS_CLOSE_CAME)) {
        wi_ws_note(conn, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
    }
    wi_ws_end_stream(conn);
    return WEIR_NEVER;
}

// The ping may wait behind much that the peer takes slowly.
static bool
is_taking(struct wi_ws_conn *conn)
{
    size_t before = conn->queued;

    conn->queued = weir_queued(wi_ws_stream(conn));
    return conn->queued != 0 && conn->queued != before;
}

uint64_t
wi_ws_conn_due(struct wi_seat *seat, uint64_t now)
{
    struct wi_ws_conn *conn = wi_ws_conn_of(seat);
    const struct weir_ws_limits *limits = &conn->side->limits;

    if (conn->ending_ns != 0 || (conn->flags & WI_WS_STREAM_ENDS)) {
        return look_at_end(conn, now);
    }
    if (limits->ping_ns == WEIR_NEVER) {
        return WEIR_NEVER;
    }
    if (conn->flags & WI_WS_PAUSED) { // its answer would not be heard
        conn->asked_ns = 0;
        return now + limits->ping_ns;
    }
    if (conn->asked_ns > conn->heard_ns) {
        if (now < conn->asked_ns + limits->pong_ns) {
            return conn->asked_ns + limits->pong_ns;
        }
        if (is_taking(conn)) {
            conn->asked_ns = now;
            return now + limits->pong_ns;
        }
        wi_ws_note(conn, -ETIMEDOUT, WEIR_ORIGIN_DEADLINE);
        conn->flags |= WI_WS_STREAM_ENDS | WI_WS_DEAF;
        weir_close(wi_ws_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        return WEIR_NEVER;
    }
    if (now < conn->heard_ns + limits->ping_ns) {
        return conn->heard_ns + limits->ping_ns;
    }
    wi_ws_ask(conn, now);
    return now + limits->pong_ns;
}
