/* SPDX-License-Identifier: MIT */
// What an exchange sends: its head, and the pieces of its body.

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/head.h"
#include "netio/http/home.h"
#include "netio/http/out.h"
#include "netio/http/serve.h"
#include "netio/http/text.h"

#include <errno.h>
#include <string.h>

#define HEAD_ON_STACK 2048u
#define COPY_MAX      4096u // so much of a body is copied behind its head, rather than sent apart

/* ---- how a response is framed ---- */

struct plan {
    enum wi_http_mode mode;
    bool is_complete; // nothing follows
    bool is_last;
    uint16_t status;
    uint64_t size; // of the piece of body that goes with the head
    struct wi_http_framing framing;
};

static int
plan_response(const struct wi_http_conn *conn, const struct weir_http_head *head,
              const struct weir_write *body, struct plan *plan)
{
    uint64_t size = plan->size;
    unsigned status = wi_http_status_of(head);
    bool has_length = (head->flags & WEIR_HTTP_HAS_LENGTH) != 0;
    uint64_t length = has_length ? head->length : size;

    plan->status = (uint16_t)status;
    plan->is_complete = body == NULL || (body->flags & WEIR_CHUNK_END);
    if (wi_http_has_no_body(conn, status)) {
        plan->mode = WI_HTTP_NONE; // a length is told all the same, but for 204
        plan->framing.has_length =
            status != 204 && (has_length || (plan->is_complete && body != NULL));
    } else if (has_length || plan->is_complete) {
        if (size > length || (plan->is_complete && size != length)) {
            return -EMSGSIZE;
        }
        plan->mode = WI_HTTP_LENGTH;
        plan->framing.has_length = true;
    } else {
        plan->mode = wi_http_flags(conn) & WI_HTTP_IS_OLD ? WI_HTTP_TO_CLOSE : WI_HTTP_CHUNKS;
        plan->framing.is_chunked = plan->mode == WI_HTTP_CHUNKS;
    }
    plan->framing.length = length;
    plan->is_last = plan->mode == WI_HTTP_TO_CLOSE || (head->flags & WEIR_HTTP_CLOSE) ||
                    (wi_http_flags(conn) & (WI_HTTP_LAST | WI_HTTP_FIN)) ||
                    wi_http_waits_for_100(conn) || wi_http_server_is_draining(conn->side);
    plan->framing.says_close = plan->is_last;
    plan->framing.says_keep = !plan->is_last && (wi_http_flags(conn) & WI_HTTP_IS_OLD);
    return 0;
}

static void
note_plan(struct wi_http_conn *conn, const struct plan *plan)
{
    conn->mode = (uint8_t)plan->mode;
    conn->is_last = plan->is_last;
    conn->status = plan->status;
    wi_store_relaxed(&conn->left,
                     plan->mode == WI_HTTP_LENGTH ? plan->framing.length - plan->size : 0);
    wi_store_relaxed(&conn->body_sent, plan->size);
}

/* ---- the short way: complete, small, and nobody asked to be told ---- */

static bool
is_short(const struct weir_write *body, const weir_op *ret_op, uint64_t size)
{
    return body == NULL ||
           (ret_op == NULL && body->done == NULL && body->file == NULL && body->shared == NULL &&
            body->level == WEIR_SENT && body->token.bits == 0 && body->deadline_ns == 0 &&
            (body->flags &
             ~(unsigned)(WEIR_COPY | WEIR_CHUNK_END | WEIR_INLINE_OK | WEIR_BEST_EFFORT)) == 0 &&
            (size <= COPY_MAX || body->chain != NULL));
}

// What is not sent of a body that is given is let go all the same.
static void
drop_unsent(const struct wi_http_conn *conn, const struct weir_write *body)
{
    if (body != NULL && body->chain != NULL && conn->mode == WI_HTTP_NONE) {
        weir_chain_return(body->chain);
    }
}

static size_t
put_body(char *out, const struct weir_write *body)
{
    size_t size = 0;

    for (unsigned i = 0; i < body->iov_count; i++) {
        if (body->iov[i].iov_len != 0) {
            memcpy(out + size, body->iov[i].iov_base, body->iov[i].iov_len);
        }
        size += body->iov[i].iov_len;
    }
    return size;
}

// More than a block has room for: by way of memory of its own.
static __attribute__((noinline)) int
respond_long(struct wi_http_conn *conn, const struct weir_http_head *head,
             const struct weir_write *body, size_t bound, const struct plan *plan)
{
    char *text = wi_heap_alloc(bound);
    size_t size;
    int result;

    if (text == NULL) {
        return -ENOMEM;
    }
    size = wi_http_put_response(text, head, &plan->framing);
    if (body != NULL) {
        size += put_body(text + size, body);
    }
    result = wi_http_out_append(conn, text, size);
    wi_heap_free(text);
    return result;
}

// Head, and body if it is to be copied, in one piece; a chain behind it.
static int
respond_short(struct wi_http_conn *conn, const struct weir_http_head *head,
              const struct weir_write *body, struct plan *plan)
{
    const struct weir_write *sent = plan->mode == WI_HTTP_NONE ? NULL : body;
    const struct weir_write *copied = sent != NULL && sent->chain == NULL ? sent : NULL;
    size_t bound = wi_http_response_bound(head) + (copied != NULL ? plan->size : 0);
    char *text = wi_http_out_room(conn, bound);
    size_t size;

    if (wi_likely(text != NULL)) {
        size = wi_http_put_response(text, head, &plan->framing);
        wi_http_out_put(conn, copied != NULL ? size + put_body(text + size, copied) : size);
    } else {
        int result = respond_long(conn, head, copied, bound, plan);

        if (result < 0) {
            return result;
        }
    }
    note_plan(conn, plan);
    if (sent != copied) {
        wi_http_out_splice(conn, sent->chain);
    }
    drop_unsent(conn, body);
    wi_http_set_phase(conn, WI_HTTP_DONE);
    return 0;
}

/* ---- pieces ---- */

static size_t
put_chunk_head(char *out, uint64_t size)
{
    size_t hex = wi_http_put_hex(out, size);

    return hex + wi_http_put(out + hex, "\r\n", 2);
}

// What a piece of a body has around it. The prefix goes behind what is in it.
static void
frame_piece(enum wi_http_mode mode, struct wi_http_frame *frame, char *prefix, const char *trailer,
            size_t trailer_size)
{
    frame->prefix = prefix;
    frame->is_dropped = mode == WI_HTTP_NONE;
    frame->is_counted = mode == WI_HTTP_LENGTH;
    frame->is_needed |= frame->is_end || mode == WI_HTTP_LENGTH || mode == WI_HTTP_TO_CLOSE;
    if (mode != WI_HTTP_CHUNKS) {
        return;
    }
    if (frame->payload != 0) {
        frame->prefix_size += put_chunk_head(prefix + frame->prefix_size, frame->payload);
    }
    frame->suffix = frame->payload != 0 ? "\r\n" : "";
    frame->suffix_size = frame->payload != 0 ? 2 : 0;
    if (frame->is_end && trailer_size != 0) {
        frame->suffix = frame->payload != 0 ? trailer : trailer + 2;
        frame->suffix_size = frame->payload != 0 ? trailer_size : trailer_size - 2;
    } else if (frame->is_end) {
        frame->suffix = frame->payload != 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n";
        frame->suffix_size = frame->payload != 0 ? 7 : 5;
    }
}

// The exchange is the caller's alone, or it is a piece in chunks among others. Sends and moves on.
static int
send_piece(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
           const struct weir_write *request, weir_op *ret_op)
{
    enum wi_http_phase from = wi_http_phase(entered);
    int result;

    if (wi_http_is_here(conn)) {
        result = wi_http_out_flush(conn);
        if (result < 0) {
            return result;
        }
    }
    // DONE only when the end is in the stream's order: from there the next response may follow. If
    // its completion is faster, that says so (WI_HTTP_ENDED), and the move comes too late.
    result = wi_http_send(conn, entered, frame, request, ret_op);
    wi_http_move(conn, entered, result < 0 ? from : frame->is_end ? WI_HTTP_DONE : WI_HTTP_BODY);
    return result;
}

int
wi_http_begin_message(struct wi_http_conn *conn, uint64_t entered, struct wi_http_begin *begin,
                      const struct weir_write *body, weir_op *ret_op)
{
    struct wi_http_frame frame = {
        .payload = begin->size,
        .is_end = begin->is_complete,
        .is_needed = true,
        .prefix_size = begin->text_size,
    };

    conn->mode = (uint8_t)begin->mode;
    wi_store_relaxed(&conn->left, begin->mode == WI_HTTP_LENGTH ? begin->length - begin->size : 0);
    wi_store_relaxed(&conn->body_sent, begin->size);
    frame_piece(begin->mode, &frame, begin->text, NULL, 0);
    return send_piece(conn, entered, &frame, body, ret_op);
}

/* ---- respond ---- */

static int
respond_with_body(struct wi_http_conn *conn, uint64_t entered, const struct weir_http_head *head,
                  const struct weir_write *body, struct plan *plan, weir_op *ret_op)
{
    char stack[HEAD_ON_STACK];
    size_t bound = wi_http_response_bound(head) + WI_HTTP_CHUNK_HEAD_MAX;
    char *text = bound <= sizeof(stack) ? stack : wi_heap_alloc(bound);
    struct wi_http_begin begin = {
        .text = text,
        .mode = plan->mode,
        .is_complete = plan->is_complete,
        .size = plan->size,
        .length = plan->framing.length,
    };
    int result;

    if (text == NULL) {
        wi_http_move(conn, entered, WI_HTTP_OPEN);
        return -ENOMEM;
    }
    conn->is_last = plan->is_last;
    conn->status = plan->status;
    begin.text_size = wi_http_put_response(text, head, &plan->framing);
    result = wi_http_begin_message(conn, entered, &begin, body, ret_op);
    if (text != stack) {
        wi_heap_free(text);
    }
    return result;
}

static int
check_response(const struct weir_http_head *head, const struct weir_write *body, uint64_t *ret_size)
{
    int result = wi_http_check_head(head, false);

    *ret_size = 0;
    if (result == 0 && wi_http_status_of(head) < 200) {
        result = -EINVAL;
    }
    if (result == 0 && body != NULL) {
        result = wi_http_check_body(body, ret_size);
        if (result == 0 && (body->flags & WEIR_NOWAIT)) {
            result = -ENOTSUP;
        }
    }
    return result;
}

// On the connection's loop, inside `request`: nobody else can be at the exchange.
static bool
is_here_and_held(const struct wi_http_conn *conn, weir_http http)
{
    uint64_t word = conn != NULL ? wi_load_relaxed(&conn->seat.word) : 0;

    return (word & (WI_HTTP_HELD | WI_HTTP_INFLIGHTS)) == WI_HTTP_HELD &&
           wi_http_phase(word) == WI_HTTP_OPEN && wi_seat_is_same(word, http.bits) &&
           wi_http_is_here(conn);
}

static const char *
date_of(const struct weir_http_head *head, uint64_t now_ns)
{
    return head->flags & WEIR_HTTP_NO_DATE ? NULL : wi_http_date(now_ns);
}

/* ---- the commonest of all: prepared, one piece of bytes, and the connection goes on ---- */

// A body in one piece that is_short() would take, without a branch for each thing it is not.
static inline bool
is_one_piece(const struct weir_write *body)
{
    return body != NULL && (body->flags & ~(unsigned)WEIR_COPY) == WEIR_CHUNK_END &&
           body->iov_count == 1 && body->iov != NULL &&
           ((uintptr_t)body->chain | (uintptr_t)body->shared | (uintptr_t)body->file |
            (uintptr_t)body->done | body->token.bits | body->deadline_ns | (uint64_t)body->level) ==
               0 &&
           body->iov[0].iov_len - 1 < COPY_MAX && body->iov[0].iov_base != NULL;
}
static_assert(WEIR_SENT == 0, "a body that says nothing is done when it is sent");

static inline bool
is_usual(const struct wi_http_conn *conn, const struct weir_http_head *head, size_t size)
{
    const unsigned unusual = WI_HTTP_CLIENT | WI_HTTP_LAST | WI_HTTP_WANTS_100 | WI_HTTP_IS_HEAD |
                             WI_HTTP_IS_OLD | WI_HTTP_FIN;

    return head != NULL && head->prepared != NULL &&
           (head->status | head->field_count | (uintptr_t)head->reason) == 0 &&
           (head->flags == 0 || (head->flags == WEIR_HTTP_HAS_LENGTH && head->length == size)) &&
           head->prepared->has_body && !(wi_http_flags(conn) & unusual) &&
           !wi_http_server_is_draining(conn->side);
}

// True: it is done. False: not for here, nothing has been.
static bool
respond_usually(struct wi_http_conn *conn, const struct weir_http_head *head,
                const struct weir_write *body)
{
    const struct weir_http_prepared *prepared = head->prepared;
    size_t size = body->iov[0].iov_len;
    char *text = wi_http_out_room(conn, wi_http_response_bound(head) + size);
    char *at = text;

    if (wi_unlikely(text == NULL)) {
        return false;
    }
    at += wi_http_put(at, prepared->text, prepared->line_size);
    at += wi_http_put(at, wi_http_date(weir_loop_now_ns(conn->home->base.loop)), WI_HTTP_DATE_SIZE);
    at += wi_http_put(at, "Content-Length: ", 16);
    at += wi_http_put_decimal(at, size);
    at += wi_http_put(at, "\r\n", 2);
    at +=
        wi_http_put(at, prepared->text + prepared->line_size, prepared->size - prepared->line_size);
    at += wi_http_put(at, body->iov[0].iov_base, size);
    wi_http_out_put(conn, (size_t)(at - text));
    conn->mode = WI_HTTP_LENGTH;
    conn->is_last = false;
    conn->status = prepared->status;
    wi_store_relaxed(&conn->left, 0);
    wi_store_relaxed(&conn->body_sent, size);
    wi_http_set_phase(conn, WI_HTTP_DONE);
    return true;
}

// On the connection's loop, inside `request`.
static int
respond_in_call(struct wi_http_conn *conn, const struct weir_http_head *head,
                const struct weir_write *body, struct plan *plan)
{
    int result;

    plan->framing.date = date_of(head, weir_loop_now_ns(conn->home->base.loop));
    result = plan_response(conn, head, body, plan);
    return result < 0 ? result : respond_short(conn, head, body, plan);
}

static int
respond_alone(weir_http http, const struct weir_http_head *head, const struct weir_write *body,
              struct plan *plan, weir_op *ret_op)
{
    static const struct weir_write nothing;
    struct wi_http_conn *conn;
    uint64_t entered;
    int result;

    plan->framing.date = date_of(head, weir_now_ns());
    result = wi_http_enter(http, 1u << WI_HTTP_OPEN, &conn, &entered);
    if (result < 0) {
        return result;
    }
    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        wi_http_leave(conn, entered);
        return -EINVAL;
    }
    result = wi_http_take_alone(conn, entered);
    if (result < 0) {
        return result;
    }
    result = plan_response(conn, head, body, plan);
    if (result == 0) {
        result =
            respond_with_body(conn, entered, head, body != NULL ? body : &nothing, plan, ret_op);
    } else {
        wi_http_move(conn, entered, WI_HTTP_OPEN);
    }
    wi_http_leave(conn, entered);
    return result;
}

static __attribute__((noinline)) int
respond_otherwise(weir_http http, const struct weir_http_head *head, const struct weir_write *body,
                  weir_op *ret_op)
{
    struct plan plan = {0};
    struct wi_http_conn *conn = wi_http_conn_at(http);
    int result = check_response(head, body, &plan.size);

    if (result < 0) {
        return result;
    }
    if (is_here_and_held(conn, http) && is_short(body, ret_op, plan.size) &&
        (body == NULL || (body->flags & WEIR_CHUNK_END)) &&
        !(wi_http_flags(conn) & WI_HTTP_CLIENT)) {
        return respond_in_call(conn, head, body, &plan);
    }
    return respond_alone(http, head, body, &plan, ret_op);
}

int
weir_http_respond(weir_http http, const struct weir_http_head *head, const struct weir_write *body,
                  weir_op *ret_op)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);

    if (ret_op == NULL && is_one_piece(body) && is_here_and_held(conn, http) &&
        is_usual(conn, head, body->iov[0].iov_len) && respond_usually(conn, head, body)) {
        return 0;
    }
    return respond_otherwise(http, head, body, ret_op);
}

/* ---- write ---- */

// Take so many bytes off what the body still wants. 0 or -EMSGSIZE.
static int
reserve_length(struct wi_http_conn *conn, uint64_t size, bool is_end)
{
    uint64_t left = wi_load_relaxed(&conn->left);

    if (conn->mode != WI_HTTP_LENGTH) {
        return 0;
    }
    do {
        if (size > left || (is_end && size != left)) {
            return -EMSGSIZE;
        }
    } while (!wi_cas_relaxed(&conn->left, &left, left - size));
    return 0;
}

static int
check_mode(const struct wi_http_conn *conn, const struct weir_write *request,
           unsigned trailer_count)
{
    if (conn->mode != WI_HTTP_CHUNKS) {
        return trailer_count != 0 || (request->flags & WEIR_CHUNK) ? -EINVAL : 0;
    }
    return request->flags & WEIR_NOWAIT ? -ENOTSUP : 0;
}

struct write_plan {
    const struct weir_write *request;
    struct wi_http_frame frame;
    const char *trailer; // CR LF 0 CR LF, the fields, an empty line
    size_t trailer_size;
};

// Inside, and alone if need be.
static int
write_inside(struct wi_http_conn *conn, uint64_t entered, struct write_plan *plan, weir_op *ret_op)
{
    char prefix[WI_HTTP_CHUNK_HEAD_MAX];
    struct wi_http_frame *frame = &plan->frame;
    int result = reserve_length(conn, frame->payload, frame->is_end);

    if (result < 0) {
        wi_http_move(conn, entered, WI_HTTP_BODY);
        return result;
    }
    frame_piece((enum wi_http_mode)conn->mode, frame, prefix, plan->trailer, plan->trailer_size);
    result = send_piece(conn, entered, frame, plan->request, ret_op);
    if (result < 0 && frame->is_counted) {
        wi_add_relaxed(&conn->left, frame->payload);
    } else if (result >= 0) {
        wi_add_relaxed(&conn->body_sent, frame->payload);
    }
    frame->prefix = NULL; // it ends here
    return result;
}

static int
write_planned(weir_http http, struct write_plan *plan, unsigned trailer_count, weir_op *ret_op)
{
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = wi_http_enter(http, 1u << WI_HTTP_BODY, &conn, &entered);
    bool is_alone = plan->frame.is_end || plan->request->file != NULL;

    if (result == -EALREADY) {
        result = -EINVAL;
    }
    if (result < 0) {
        return result;
    }
    result = check_mode(conn, plan->request, trailer_count);
    if (result == 0 && is_alone) {
        result = wi_http_take_alone(conn, entered);
        if (result < 0) {
            return result; // and it has left
        }
    }
    if (result == 0) {
        result = write_inside(conn, entered, plan, ret_op);
    }
    wi_http_leave(conn, entered);
    return result;
}

int
weir_http_write(weir_http http, const struct weir_write *request, weir_op *ret_op)
{
    struct write_plan plan = {.request = request};
    int result = request == NULL ? -EINVAL : wi_http_check_body(request, &plan.frame.payload);

    if (result < 0) {
        return result;
    }
    plan.frame.is_end = (request->flags & WEIR_CHUNK_END) != 0;
    return write_planned(http, &plan, 0, ret_op);
}

int
weir_http_end(weir_http http, const struct weir_http_field *trailers, unsigned trailer_count,
              const struct weir_write *request, weir_op *ret_op)
{
    static const struct weir_write nothing;
    struct write_plan plan = {.request = request != NULL ? request : &nothing};
    char *text = NULL;
    int result = wi_http_check_body(plan.request, &plan.frame.payload);

    if (result == 0) {
        result = wi_http_check_trailers(trailers, trailer_count);
    }
    if (result == 0 && trailer_count != 0) {
        text = wi_heap_alloc(wi_http_fields_bound(trailers, trailer_count) + 7);
        if (text == NULL) {
            return -ENOMEM;
        }
        plan.trailer_size = wi_http_put(text, "\r\n0\r\n", 5);
        plan.trailer_size += wi_http_put_fields(text + 5, trailers, trailer_count);
        plan.trailer_size += wi_http_put(text + plan.trailer_size, "\r\n", 2);
        plan.trailer = text;
    }
    if (result == 0) {
        plan.frame.is_end = true;
        result = write_planned(http, &plan, trailer_count, ret_op);
    }
    wi_heap_free(text);
    return result;
}
