/* SPDX-License-Identifier: MIT */
// What an exchange sends: its head, and the pieces of its body.

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/head.h"
#include "netio/http/home.h"
#include "netio/http/serve.h"
#include "netio/http/text.h"

#include <errno.h>
#include <string.h>

#define HEAD_ON_STACK 2048u
#define COPY_MAX      4096u // so much of a body is copied behind its head, rather than sent apart

/* ---- how a response is framed ---- */

static bool
has_no_body(const struct wi_http_conn *conn, unsigned status)
{
    return (wi_http_flags(conn) & WI_HTTP_IS_HEAD) || status == 204 || status == 304;
}

struct plan {
    enum wi_http_mode mode;
    bool is_complete; // nothing follows
    bool is_last;
    uint64_t size; // of the piece of body that goes with the head
    struct wi_http_framing framing;
};

static int
plan_response(const struct wi_http_conn *conn, const struct weir_http_head *head,
              const struct weir_write *body, struct plan *plan)
{
    uint64_t size = plan->size;
    bool has_length = (head->flags & WEIR_HTTP_HAS_LENGTH) != 0;
    uint64_t length = has_length ? head->length : size;

    plan->is_complete = body == NULL || (body->flags & WEIR_CHUNK_END);
    if (has_no_body(conn, head->status)) {
        plan->mode = WI_HTTP_NONE; // a length is told all the same, but for 204
        plan->framing.has_length =
            head->status != 204 && (has_length || (plan->is_complete && body != NULL));
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
                    (wi_http_flags(conn) & (WI_HTTP_LAST | WI_HTTP_WANTS_100 | WI_HTTP_FIN)) ||
                    wi_http_server_is_draining(conn->side);
    plan->framing.says_close = plan->is_last;
    plan->framing.says_keep = !plan->is_last && (wi_http_flags(conn) & WI_HTTP_IS_OLD);
    return 0;
}

static void
note_plan(struct wi_http_conn *conn, const struct plan *plan, unsigned status, uint64_t size)
{
    conn->mode = (uint8_t)plan->mode;
    conn->is_last = plan->is_last;
    conn->status = (uint16_t)status;
    wi_store_relaxed(&conn->left, plan->mode == WI_HTTP_LENGTH ? plan->framing.length - size : 0);
    wi_store_relaxed(&conn->body_sent, size);
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

static int
append_body(struct weir_chain *out, const struct weir_write *body)
{
    if (body->chain != NULL) {
        weir_chain_splice(out, body->chain);
        return 0;
    }
    for (unsigned i = 0; i < body->iov_count; i++) {
        int result = weir_chain_append(out, body->iov[i].iov_base, body->iov[i].iov_len);

        if (result < 0) {
            return result;
        }
    }
    return 0;
}

// Head and body in one piece of memory if they are small; else one behind the other.
static int
append_response(struct wi_http_conn *conn, char *head, size_t head_size, size_t room,
                const struct weir_write *body, uint64_t size)
{
    struct weir_chain *out = &conn->out;
    int result;

    if (body == NULL || size == 0 || conn->mode == WI_HTTP_NONE) {
        return weir_chain_append(out, head, head_size);
    }
    if (body->chain == NULL && body->iov_count == 1 && size <= room - head_size) {
        memcpy(head + head_size, body->iov[0].iov_base, size);
        return weir_chain_append(out, head, head_size + size);
    }
    result = weir_chain_append(out, head, head_size);
    if (result == 0) {
        result = append_body(out, body);
        if (result < 0) { // a head without its body must not leave
            weir_close(conn->stream, WEIR_CLOSE_ABORT, 0, 0);
        }
    }
    return result;
}

static void
drop_unsent(const struct wi_http_conn *conn, const struct weir_write *body)
{
    if (body != NULL && body->chain != NULL && conn->mode == WI_HTTP_NONE) {
        weir_chain_return(body->chain);
    }
}

static int
respond_short(struct wi_http_conn *conn, const struct weir_http_head *head,
              const struct weir_write *body, struct plan *plan)
{
    uint64_t size = plan->size;
    char stack[HEAD_ON_STACK];
    size_t bound = wi_http_response_bound(head);
    char *text = bound <= sizeof(stack) ? stack : wi_heap_alloc(bound);
    size_t head_size;
    int result;

    if (text == NULL) {
        return -ENOMEM;
    }
    note_plan(conn, plan, head->status, size);
    head_size = wi_http_put_response(text, head, &plan->framing);
    result = append_response(conn, text, head_size, bound <= sizeof(stack) ? sizeof(stack) : bound,
                             body, size);
    if (text != stack) {
        wi_heap_free(text);
    }
    if (result == 0) {
        drop_unsent(conn, body);
        wi_http_set_phase(conn, WI_HTTP_DONE);
    }
    return result;
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

    if (conn->home->loop == weir_loop_current() && conn->out.head != NULL) {
        result = wi_http_flush_out(conn);
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
    conn->status = (uint16_t)head->status;
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
    if (result == 0 && head->status < 200) {
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
    uint64_t word = conn != NULL ? wi_load_relaxed(&conn->word) : 0;

    return (word & (WI_HTTP_HELD | WI_HTTP_INFLIGHTS)) == WI_HTTP_HELD &&
           wi_http_phase(word) == WI_HTTP_OPEN &&
           word >> WI_HTTP_SLOT_BITS == http.bits >> WI_HTTP_SLOT_BITS &&
           conn->home->loop == weir_loop_current();
}

static const char *
date_of(const struct weir_http_head *head, uint64_t now_ns)
{
    return head->flags & WEIR_HTTP_NO_DATE ? NULL : wi_http_date(now_ns);
}

int
weir_http_respond(weir_http http, const struct weir_http_head *head, const struct weir_write *body,
                  weir_op *ret_op)
{
    static const struct weir_write nothing;
    struct plan plan = {0};
    struct wi_http_conn *conn = wi_http_conn_at(http);
    uint64_t entered;
    int result = check_response(head, body, &plan.size);

    if (result < 0) {
        return result;
    }
    if (is_here_and_held(conn, http) && is_short(body, ret_op, plan.size) &&
        (body == NULL || (body->flags & WEIR_CHUNK_END)) &&
        !(wi_http_flags(conn) & WI_HTTP_CLIENT)) {
        plan.framing.date = date_of(head, weir_loop_now_ns(conn->home->loop));
        result = plan_response(conn, head, body, &plan);
        return result < 0 ? result : respond_short(conn, head, body, &plan);
    }
    plan.framing.date = date_of(head, weir_now_ns());
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
    result = plan_response(conn, head, body, &plan);
    if (result == 0) {
        result =
            respond_with_body(conn, entered, head, body != NULL ? body : &nothing, &plan, ret_op);
    } else {
        wi_http_move(conn, entered, WI_HTTP_OPEN);
    }
    wi_http_leave(conn, entered);
    return result;
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

/* ---- produce and commit ---- */

int
weir_http_produce(weir_http http, struct weir_iter *ret_iter)
{
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = wi_http_enter(http, 1u << WI_HTTP_BODY, &conn, &entered);

    if (result < 0) {
        return result == -EALREADY ? -EINVAL : result;
    }
    result = weir_produce(conn->stream, ret_iter);
    wi_http_leave(conn, entered);
    return result;
}

int
weir_http_commit(weir_http http, struct weir_iter end, const struct weir_write *request,
                 weir_op *ret_op)
{
    static const struct weir_write corked = {.flags = WEIR_MORE};
    struct weir_write write = request != NULL ? *request : corked;
    struct wi_http_conn *conn = wi_http_conn_at(http);
    struct weir_chain chain = {NULL, NULL};
    int result = conn == NULL ? -WEIR_ESTALE : weir_produce_take(conn->stream, end, &chain);

    if (result < 0) {
        return result;
    }
    if (write.iov_count != 0 || write.chain != NULL || write.shared != NULL || write.file != NULL) {
        result = -EINVAL;
    } else {
        write.chain = &chain;
        result = weir_http_write(http, &write, ret_op);
    }
    weir_chain_return(&chain);
    return result;
}
