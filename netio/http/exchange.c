/* SPDX-License-Identifier: MIT */
// What a program does with an exchange besides writing and reading its bodies.

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/head.h"
#include "netio/http/home.h"
#include "netio/http/out.h"
#include "netio/http/serve.h"
#include "netio/http/text.h"

#include <errno.h>

int
weir_http_defer(weir_http http, const struct weir_http_request **ret_request)
{
    int result = 0;
    struct wi_http_conn *conn = wi_http_conn_here(http, &result);

    if (conn == NULL) {
        return result;
    }
    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        return -EINVAL;
    }
    if (conn->live == NULL) {
        return -WEIR_ESTALE;
    }
    if (wi_load_relaxed(&conn->seat.word) & WI_HTTP_HELD) {
        if (conn->home->current == NULL) {
            return -WEIR_ESTALE;
        }
        if (wi_http_out_flush(conn) < 0 || (result = wi_http_keep_head(conn)) < 0) {
            return result < 0 ? result : -ECONNABORTED;
        }
    }
    if (ret_request != NULL) {
        *ret_request =
            (const struct weir_http_request *)(void *)conn->live->kept; // its first member
    }
    return 0;
}

int
weir_http_pause(weir_http http)
{
    int result = 0;
    struct wi_http_conn *conn = wi_http_conn_here(http, &result);

    if (conn != NULL) {
        wi_http_set(conn, WI_HTTP_PAUSED);
    }
    return result;
}

int
weir_http_resume(weir_http http)
{
    int result = 0;
    struct wi_http_conn *conn = wi_http_conn_here(http, &result);

    if (conn != NULL && (wi_http_flags(conn) & WI_HTTP_PAUSED)) {
        wi_http_clear(conn, WI_HTTP_PAUSED);
        wi_http_conn_continue(conn);
    }
    return result;
}

// Responses to requests before this one have not left yet: they do, and nobody adds to them.
static bool
has_responses_before(const struct wi_http_conn *conn)
{
    return wi_http_is_here(conn) && wi_http_out_is_of(conn);
}

int
weir_http_abort(weir_http http)
{
    const unsigned all =
        1u << WI_HTTP_OPEN | 1u << WI_HTTP_BODY | 1u << WI_HTTP_BUSY | 1u << WI_HTTP_DONE;
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = wi_http_enter(http, all, &conn, &entered);

    if (result < 0) {
        return result;
    }
    if (!has_responses_before(conn) || wi_http_phase(entered) != WI_HTTP_OPEN) {
        result = weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
    } else if (wi_http_take_alone(conn, entered) == 0) {
        wi_http_conn_abort_behind(conn);
    } else { // and it has left
        return weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
    }
    wi_http_leave(conn, entered);
    return result;
}

int
weir_http_set_user(weir_http http, void *user)
{
    int result = 0;
    struct wi_http_conn *conn = wi_http_conn_here(http, &result);

    if (conn != NULL) {
        conn->user = user;
    }
    return result;
}

weir_stream
weir_http_stream(weir_http http)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);
    weir_stream stream = {0};

    if (conn != NULL) {
        // ORDER(seatstream) observe: with another connection's stream comes its generation.
        stream.bits = wi_load_acquire(&conn->seat.stream);
        if (!wi_seat_is_same(wi_load_relaxed(&conn->seat.word), http.bits)) {
            stream.bits = 0;
        }
    }
    return stream;
}

/* ---- heads without a body ---- */

// A head of 1xx, or of an upgrade, copied into the stream.
static int
send_bare(struct wi_http_conn *conn, const struct weir_http_head *head, bool has_date)
{
    struct wi_http_framing framing = {
        .is_raw = true,
        .date = has_date && !(head->flags & WEIR_HTTP_NO_DATE) ? wi_http_date(weir_now_ns()) : NULL,
    };
    char *text = wi_heap_alloc(wi_http_response_bound(head));
    int result;

    if (text == NULL) {
        return -ENOMEM;
    }
    result = wi_http_send_own(conn, text, wi_http_put_response(text, head, &framing), 0);
    wi_heap_free(text);
    return result;
}

int
weir_http_interim(weir_http http, const struct weir_http_head *head)
{
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = wi_http_check_head(head, false);

    if (result < 0 || wi_http_status_of(head) > 199 || wi_http_status_of(head) == 101) {
        return -EINVAL;
    }
    result = wi_http_enter(http, 1u << WI_HTTP_OPEN, &conn, &entered);
    if (result == 0) {
        result = wi_http_take_alone(conn, entered);
    }
    if (result < 0) {
        return result;
    }
    if (wi_http_flags(conn) & (WI_HTTP_IS_OLD | WI_HTTP_CLIENT)) {
        result = -ENOTSUP;
    } else if (wi_http_is_here(conn)) {
        result = wi_http_out_flush(conn);
    }
    if (result == 0 && !(wi_http_status_of(head) == 100 && conn->has_continued)) {
        result = send_bare(conn, head, false);
        conn->has_continued |= result == 0 && wi_http_status_of(head) == 100;
    }
    wi_http_move(conn, entered, WI_HTTP_OPEN);
    wi_http_leave(conn, entered);
    return result;
}

/* ---- away from HTTP ---- */

static int
may_hijack(const struct wi_http_conn *conn)
{
    if (wi_http_flags(conn) & (WI_HTTP_OVER | WI_HTTP_HIJACKED)) {
        return -WEIR_ESTALE;
    }
    return wi_http_flags(conn) & WI_HTTP_RECEIVING ? -EINVAL : 0;
}

// From here the stream is another's. What is left of the connection goes when its turn ends.
static void
hand_over(struct wi_http_conn *conn, weir_stream stream, const struct weir_handlers *handlers,
          void *user)
{
    wi_http_set(conn, WI_HTTP_HIJACKED);
    weir_stream_set_handlers(stream, handlers, user);
    if (wi_http_flags(conn) & WI_HTTP_HOLDS_INPUT) {
        weir_resume(stream);
    }
    wi_http_exchange_over(conn, 0, WEIR_ORIGIN_NONE);
    if (!(wi_http_flags(conn) & WI_HTTP_IN_DATA)) {
        wi_http_conn_gone(conn, 0);
    }
}

int
weir_http_hijack(weir_http http, const struct weir_http_head *head,
                 const struct weir_handlers *handlers, void *user, weir_stream *ret_stream)
{
    int result = 0;
    struct wi_http_conn *conn = wi_http_conn_here(http, &result);
    uint64_t entered = 0;
    bool is_client;

    if (conn == NULL) {
        return result;
    }
    is_client = (wi_http_flags(conn) & WI_HTTP_CLIENT) != 0;
    result = may_hijack(conn);
    if (result == 0 && head != NULL) {
        result = is_client ? -EINVAL : wi_http_check_head(head, true);
    }
    if (result == 0) {
        result =
            wi_http_enter(http, 1u << (is_client ? WI_HTTP_DONE : WI_HTTP_OPEN), &conn, &entered);
    }
    if (result == 0) {
        result = wi_http_take_alone(conn, entered);
    }
    if (result < 0) {
        return result;
    }
    result = wi_http_out_flush(conn);
    if (result == 0 && head != NULL) {
        result = send_bare(conn, head, true);
    }
    wi_http_leave(conn, entered);
    if (result < 0) {
        wi_http_move(conn, entered, wi_http_phase(entered));
        return result;
    }
    *ret_stream = wi_http_stream(conn);
    conn->status = head != NULL ? (uint16_t)wi_http_status_of(head) : conn->status;
    hand_over(conn, wi_http_stream(conn), handlers, user);
    return 0;
}
