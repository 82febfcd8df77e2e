/* SPDX-License-Identifier: MIT */
// What happens to a connection: its stream's events, and its end.

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/live.h"
#include "netio/http/out.h"
#include "netio/http/pull.h"
#include "netio/http/serve.h"

#include <errno.h>
#include <stdio.h>

static bool
has_exchange(const struct wi_http_conn *conn)
{
    return wi_http_phase(wi_load_relaxed(&conn->seat.word)) != WI_HTTP_IDLE;
}

/* ---- the end ---- */

static void
say_over(struct wi_http_conn *conn, int status, enum weir_origin origin)
{
    wi_http_set(conn, WI_HTTP_OVER);
    if (conn->over_status == 0) {
        conn->over_status = status;
        conn->over_origin = (uint8_t)origin;
    }
}

// What is held back by us would keep the peer's end back, too.
static void
let_input_go(struct wi_http_conn *conn)
{
    if (wi_http_flags(conn) & WI_HTTP_HOLDS_INPUT) {
        wi_http_clear(conn, WI_HTTP_HOLDS_INPUT);
        weir_resume(wi_http_stream(conn));
    }
}

void
wi_http_conn_close(struct wi_http_conn *conn)
{
    wi_http_out_flush(conn);
    say_over(conn, 0, WEIR_ORIGIN_NONE);
    let_input_go(conn);
    weir_close(wi_http_stream(conn), WEIR_CLOSE_DRAIN, 0, 0);
}

void
wi_http_conn_abort(struct wi_http_conn *conn, int status, enum weir_origin origin)
{
    say_over(conn, status, origin);
    weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
}

void
wi_http_conn_abort_behind(struct wi_http_conn *conn)
{
    say_over(conn, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE);
    wi_http_out_abort(conn);
}

static int
status_of(unsigned refusal)
{
    switch (refusal) {
    case 408:
        return -ETIMEDOUT;
    case 413:
        return -EMSGSIZE;
    case 503:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

// Have the exchange for ourselves, if there is one and nothing of its response was sent.
static bool
take_for_refusal(struct wi_http_conn *conn)
{
    struct wi_http_conn *same;
    uint64_t entered;

    if (!has_exchange(conn)) {
        return true;
    }
    if (wi_http_enter(wi_http_handle(conn), 1u << WI_HTTP_OPEN, &same, &entered) < 0 ||
        wi_http_take_alone(conn, entered) < 0) {
        return false;
    }
    wi_http_move(conn, entered, WI_HTTP_DONE);
    wi_http_leave(conn, entered);
    return true;
}

static void
tell_refused(struct wi_http_conn *conn, unsigned status)
{
    const struct wi_http_side *side = conn->side;

    if (side->handlers->refused != NULL) {
        side->handlers->refused(wi_http_stream(conn), status, side->user);
    }
}

void
wi_http_refuse(struct wi_http_conn *conn, unsigned status)
{
    bool was_told = has_exchange(conn); // then `ended` says it
    char text[128];
    int size;

    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        return;
    }
    if (wi_http_flags(conn) & WI_HTTP_CLIENT) { // there is nobody to answer
        wi_http_conn_abort(conn, status_of(status), WEIR_ORIGIN_TRANSPORT);
        return;
    }
    say_over(conn, status_of(status), WEIR_ORIGIN_TRANSPORT);
    if (wi_http_phase(wi_load_relaxed(&conn->seat.word)) == WI_HTTP_DONE) {
        wi_http_conn_close(conn); // answered before the rest of the request was looked at
        return;
    }
    if (!take_for_refusal(conn)) {
        weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    conn->status = (uint16_t)status;
    size = snprintf(text, sizeof(text),
                    "HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
                    weir_http_reason(status));
    wi_http_out_flush(conn);
    if (wi_http_send_own(conn, text, (size_t)size, 0) < 0) {
        weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    if (!was_told) {
        tell_refused(conn, status);
    }
    wi_http_conn_close(conn);
}

void
wi_http_conn_gone(struct wi_http_conn *conn, int status)
{
    struct wi_http_side *side = conn->side;
    bool is_client = (wi_http_flags(conn) & WI_HTTP_CLIENT) != 0;

    wi_home_remove(&conn->home->base, &conn->seat);
    wi_http_out_drop(conn);
    wi_http_live_end(conn);
    if (is_client) {
        wi_http_client_left(conn, status);
    }
    wi_http_conn_put(conn);
    if (!is_client) {
        wi_http_server_left(side);
    }
}

/* ---- going on ---- */

void
wi_http_conn_continue(struct wi_http_conn *conn)
{
    if (wi_http_flags(conn) & (WI_HTTP_IN_DATA | WI_HTTP_OVER)) {
        return;
    }
    wi_http_conn_settle(conn);
    if (!(wi_http_flags(conn) & WI_HTTP_OVER)) {
        let_input_go(conn);
        wi_http_conn_touch(conn);
    }
}

void
wi_http_conn_sent(struct wi_http_conn *conn, weir_http http, weir_stream stream,
                  const struct wi_http_sent *sent)
{
    // ORDER(seatstream) observe: that the slot has another connection, maybe another loop's.
    uint64_t word = wi_load_acquire(&conn->seat.word);

    if (wi_http_phase(word) == WI_HTTP_FREED || wi_http_stream(conn).bits != stream.bits ||
        (wi_http_flags(conn) & WI_HTTP_HIJACKED)) {
        return; // it has gone, or is no connection of ours any more
    }
    if (sent->is_lost) {
        wi_http_conn_abort(conn, sent->status, sent->origin);
        return;
    }
    if (!wi_seat_is_same(word, http.bits)) {
        return; // the exchange was over when its last byte was submitted
    }
    if (sent->give_back != 0) {
        wi_add_relaxed(&conn->left, sent->give_back);
        wi_sub_relaxed(&conn->body_sent, sent->give_back);
    }
    if (sent->is_end) {
        wi_http_set(conn, WI_HTTP_ENDED);
        wi_http_conn_continue(conn);
    }
}

/* ---- events ---- */

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct wi_http_conn *conn = user;
    size_t size = 0;

    (void)stream;
    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        weir_iter_length(begin, end, &size);
        return (struct weir_consumed){size, size};
    }
    if ((wi_http_flags(conn) & WI_HTTP_CLIENT) && !has_exchange(conn)) { // nobody asked
        wi_http_conn_abort(conn, -EPROTO, WEIR_ORIGIN_TRANSPORT);
        return (struct weir_consumed){0, SIZE_MAX};
    }
    return wi_http_conn_data(conn, begin, end);
}

// In the middle of a message: there will be no more of it. A response may end so.
static void
message_cut(struct wi_http_conn *conn)
{
    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        if (wi_http_parser_finish(&conn->live->parser)) {
            conn->live->parser.is_complete = true;
            conn->is_last = true;
            wi_http_conn_settle(conn);
        } else {
            wi_http_conn_abort(conn, -ENODATA, WEIR_ORIGIN_PEER_STOP);
        }
        return;
    }
    say_over(conn, -ENODATA, WEIR_ORIGIN_PEER_STOP);
    wi_http_conn_close(conn);
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct wi_http_conn *conn = user;
    const struct weir_http_handlers *handlers = conn->side->handlers;

    (void)stream;
    (void)ambiguous;
    wi_http_set(conn, WI_HTTP_FIN);
    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        return;
    }
    if (!has_exchange(conn)) {
        wi_http_conn_close(conn);
        return;
    }
    if (handlers->peer_fin != NULL) {
        handlers->peer_fin(wi_http_handle(conn), conn->user);
    }
    if (!(wi_http_flags(conn) & WI_HTTP_OVER) && has_exchange(conn) &&
        ((wi_http_flags(conn) & WI_HTTP_RECEIVING) ||
         (wi_http_flags(conn) & (WI_HTTP_CLIENT | WI_HTTP_FINAL)) == WI_HTTP_CLIENT)) {
        message_cut(conn);
    }
}

static void
on_writable(weir_stream stream, void *user)
{
    struct wi_http_conn *conn = user;
    const struct weir_http_handlers *handlers = conn->side->handlers;

    (void)stream;
    if (has_exchange(conn) && handlers->writable != NULL) {
        handlers->writable(wi_http_handle(conn), conn->user);
    }
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct wi_http_conn *conn = user;
    int status = conn->over_status != 0 ? conn->over_status : closed->status;
    enum weir_origin origin =
        conn->over_status != 0 ? (enum weir_origin)conn->over_origin : closed->origin;

    (void)stream;
    wi_http_set(conn, WI_HTTP_OVER);
    if (has_exchange(conn)) {
        wi_http_exchange_over(conn, status != 0 ? status : -ECONNABORTED, origin);
    }
    wi_http_conn_gone(conn, status);
}

const struct weir_handlers wi_http_conn_handlers = {
    .data = on_data,
    .peer_fin = on_peer_fin,
    .writable = on_writable,
    .closed = on_closed,
};
