/* SPDX-License-Identifier: MIT */

#include "netio/http/serve.h"

#include "mem/heap.h"
#include "netio/http/frame.h"
#include "netio/http/live.h"
#include "netio/http/out.h"
#include "netio/http/pull.h"

#include <errno.h>
#include <string.h>

/* Where a data function is in what it was shown: in a piece that lies in one. */
struct feed {
    const char *data; // the first byte that is not consumed
    size_t size;      // from there to the piece's end
    size_t done;      // of the piece, before it
    size_t consumed;  // in all
    struct weir_iter piece;
    struct weir_iter next; // behind the piece
    struct weir_iter end;
};

// The next piece. False: nothing is left.
static bool
feed_fill(struct feed *feed)
{
    struct weir_segment segment;

    feed->piece = feed->next;
    feed->done = 0;
    feed->size = 0;
    if (!weir_iter_segment(&feed->next, feed->end, &segment)) {
        return false;
    }
    feed->data = (const char *)segment.data;
    feed->size = segment.size;
    return true;
}

static inline bool
feed_has_more(struct feed *feed)
{
    return feed->size != 0 ||
           ((feed->next.block != feed->end.block || feed->next.index != feed->end.index) &&
            feed_fill(feed));
}

static void
feed_skip(struct feed *feed, size_t size)
{
    feed->consumed += size;
    while (wi_unlikely(size > feed->size)) {
        size -= feed->size;
        if (!feed_fill(feed)) {
            return;
        }
    }
    feed->data += size;
    feed->size -= size;
    feed->done += size;
}

// So many bytes behind the first that is not consumed.
static struct weir_iter
feed_place(const struct feed *feed, size_t behind)
{
    struct weir_iter place = feed->piece;

    weir_iter_skip(&place, feed->done + behind);
    return place;
}

/* ---- an exchange begins and ends ---- */

static const struct weir_http_handlers *
handlers_of(const struct wi_http_conn *conn)
{
    return conn->side->handlers;
}

static void
tell_ended(struct wi_http_conn *conn, int status, enum weir_origin origin)
{
    struct weir_http_ended ended;

    if (!(wi_http_flags(conn) & WI_HTTP_TOLD) || handlers_of(conn)->ended == NULL) {
        return;
    }
    ended = (struct weir_http_ended){
        .status = status,
        .origin = origin,
        .code = conn->status,
        .sent = wi_load_relaxed(&conn->body_sent),
        .received = conn->live->parser.received,
    };
    handlers_of(conn)->ended(wi_http_handle(conn), &ended, conn->user);
}

static void
drop_kept(struct wi_http_conn *conn)
{
    if (wi_unlikely(conn->live->kept != NULL)) {
        wi_http_drop_head(conn);
    }
    if (wi_unlikely(conn->live->trailers != NULL)) {
        wi_http_drop_trailers(conn);
    }
}

// What of the flags an exchange leaves behind.
#define FLAGS_OF_CONNECTION                                                      \
    ((unsigned)(WI_HTTP_CLIENT | WI_HTTP_IN_DATA | WI_HTTP_LAST | WI_HTTP_OVER | \
                WI_HTTP_HOLDS_INPUT | WI_HTTP_FIN))

void
wi_http_exchange_over(struct wi_http_conn *conn, int status, enum weir_origin origin)
{
    bool was_last = conn->is_last;

    if (conn->live->pulls != NULL) {
        wi_http_pull_end(conn, status != 0 ? status : -ECONNABORTED);
    }
    tell_ended(conn, status, origin);
    if (wi_http_flags(conn) & WI_HTTP_HIJACKED) {
        wi_http_next_exchange(conn, WI_HTTP_IDLE); // its handle is stale
        return;
    }
    drop_kept(conn);
    wi_store_relaxed(&conn->flags, (wi_http_flags(conn) & FLAGS_OF_CONNECTION) |
                                       (was_last || status != 0 ? (unsigned)WI_HTTP_LAST : 0));
    conn->is_last = false;
    conn->status = 0;
    conn->live->raw = 0;
    conn->live->received_mark_ns = 0;
    conn->user = conn->side->user;
    wi_http_next_exchange(conn, WI_HTTP_IDLE);
    wi_http_live_next(conn);
    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        wi_http_client_exchange_over(conn, status);
    }
}

static void
begin_exchange(struct wi_http_conn *conn, const struct weir_http_request *request)
{
    unsigned flags = wi_http_flags(conn) | WI_HTTP_TOLD;

    wi_http_next_exchange(conn, WI_HTTP_OPEN);
    conn->has_continued = false;
    conn->requests++;
    wi_store_relaxed(&conn->body_sent, 0);
    if (!conn->live->parser.is_complete) {
        flags |= WI_HTTP_RECEIVING;
        flags |= request->flags & WEIR_HTTP_CONTINUE ? (unsigned)WI_HTTP_WANTS_100 : 0;
    }
    if (request->minor == 0) {
        flags |= WI_HTTP_IS_OLD;
    }
    if (request->method_size == 4 && memcmp(request->method, "HEAD", 4) == 0) {
        flags |= WI_HTTP_IS_HEAD;
    }
    if (!conn->live->keeps || conn->requests >= conn->side->limits.requests_max) {
        flags |= WI_HTTP_LAST;
    }
    wi_store_relaxed(&conn->flags, flags);
}

/* ---- heads ---- */

// The head's bytes in one piece: where they lie if they do, else joined.
static const char *
head_in_one(struct wi_http_conn *conn, const struct feed *feed)
{
    struct wi_http_home *home = conn->home;
    uint32_t size = conn->live->parser.in_head;
    struct weir_iter at;

    if (wi_likely(feed->size >= size)) {
        return feed->data;
    }
    if (home->joint_size < size) {
        wi_heap_free(home->joint);
        home->joint = wi_heap_alloc(conn->side->limits.head_max + 1u);
        home->joint_size = home->joint == NULL ? 0 : conn->side->limits.head_max + 1u;
    }
    if (home->joint_size < size) {
        return NULL;
    }
    at = feed_place(feed, 0);
    weir_iter_copy_out(&at, home->joint, size);
    return home->joint;
}

static void
call_request(struct wi_http_conn *conn, const struct weir_http_request *request)
{
    uint64_t word;

    conn->home->current = request;
    handlers_of(conn)->request(wi_http_handle(conn), request, conn->user);
    if (wi_http_flags(conn) & (WI_HTTP_HIJACKED | WI_HTTP_OVER)) {
        return;
    }
    word = wi_load_relaxed(&conn->seat.word);
    if (wi_http_phase(word) != WI_HTTP_DONE && (word & WI_HTTP_HELD)) {
        if (wi_http_keep_head(conn) < 0) {
            wi_http_conn_abort(conn, -ENOMEM, WEIR_ORIGIN_MEMORY);
        }
    }
    conn->home->current = NULL;
}

static void
take_request(struct wi_http_conn *conn, struct feed *feed)
{
    struct weir_http_request request;
    const char *head = head_in_one(conn, feed);
    uint32_t size = conn->live->parser.in_head;
    unsigned refusal = head == NULL ? 503
                                    : wi_http_parser_request(&conn->live->parser, head,
                                                             conn->home->fields, &request);

    if (refusal != 0) {
        wi_http_refuse(conn, refusal);
        return;
    }
    conn->live->keeps = wi_http_parser_keeps(&conn->live->parser);
    conn->live->parser.in_head = 0; // from here chunk lines and trailers are counted
    begin_exchange(conn, &request);
    call_request(conn, &request);
    feed_skip(feed, size);
}

static void body_complete(struct wi_http_conn *conn);

// Behind a response's head: the next head, nothing, or a body.
static void
begin_body(struct wi_http_conn *conn, unsigned status, const char *at)
{
    size_t taken;

    wi_http_set(conn, status >= 200 ? (unsigned)WI_HTTP_RECEIVING : 0);
    if (wi_http_parser_feed(&conn->live->parser, at, 0, &taken) == WI_HTTP_END) {
        if (status >= 200) {
            body_complete(conn);
        } else {
            wi_http_live_next(conn);
        }
    }
}

static void
take_response(struct wi_http_conn *conn, struct feed *feed)
{
    struct weir_http_response response;
    const char *head = head_in_one(conn, feed);
    uint32_t size = conn->live->parser.in_head;
    int status = head == NULL ? -ENOMEM
                              : wi_http_parser_response(&conn->live->parser, head,
                                                        conn->home->fields, &response);

    if (status < 0) {
        wi_http_conn_abort(conn, status, WEIR_ORIGIN_TRANSPORT);
        return;
    }
    if ((response.flags & WEIR_HTTP_HAS_LENGTH) && !wi_http_has_no_body(conn, response.status) &&
        response.length > conn->side->limits.body_max) { // before any of it is waited for
        wi_http_conn_abort(conn, -EMSGSIZE, WEIR_ORIGIN_TRANSPORT);
        return;
    }
    conn->live->parser.in_head = 0;
    conn->status = (uint16_t)response.status;
    if (response.status >= 200) {
        wi_http_set(conn, WI_HTTP_FINAL);
        conn->is_last |= !wi_http_parser_keeps(&conn->live->parser);
    }
    if (wi_http_has_no_body(conn, response.status)) {
        wi_http_parser_skip_body(&conn->live->parser);
    }
    handlers_of(conn)->response(wi_http_handle(conn), &response, conn->user);
    feed_skip(feed, size);
    if (!(wi_http_flags(conn) & (WI_HTTP_HIJACKED | WI_HTTP_OVER))) {
        begin_body(conn, response.status, head + size);
    }
}

static void
save_rows(struct wi_http_conn *conn)
{
    uint32_t count = conn->home->table.count;

    conn->live->saved_count = count;
    if (count == 0) {
        return;
    }
    conn->live->saved = wi_heap_alloc(count * sizeof(conn->live->saved[0]));
    if (conn->live->saved == NULL) {
        wi_http_refuse(conn, 503);
        return;
    }
    memcpy(conn->live->saved, conn->home->table.rows, count * sizeof(conn->live->saved[0]));
}

static void
restore_rows(struct wi_http_conn *conn)
{
    conn->home->table.count = conn->live->saved_count;
    if (conn->live->saved != NULL) {
        memcpy(conn->home->table.rows, conn->live->saved,
               conn->live->saved_count * sizeof(conn->live->saved[0]));
        wi_heap_free(conn->live->saved);
        conn->live->saved = NULL;
    }
    conn->live->saved_count = 0;
}

// Feed the head what was shown and not fed before. True: go on, an exchange has begun.
static bool
feed_head(struct wi_http_conn *conn, struct feed *feed)
{
    struct weir_iter at = feed->next;
    struct weir_segment segment = {(const uint8_t *)feed->data, feed->size};
    enum wi_http_stop stop = WI_HTTP_MORE;
    bool has_more = true;
    size_t taken;

    if (conn->live == NULL && wi_http_live_begin_at(conn) < 0) {
        wi_http_refuse(conn, 503);
        return false;
    }
    restore_rows(conn);
    if (wi_unlikely(conn->live->parser.in_head != 0)) {
        at = feed_place(feed, conn->live->parser.in_head);
        has_more = weir_iter_segment(&at, feed->end, &segment);
    }
    while (stop == WI_HTTP_MORE && has_more) {
        stop = wi_http_parser_feed(&conn->live->parser, (const char *)segment.data, segment.size,
                                   &taken);
        has_more = stop == WI_HTTP_MORE && weir_iter_segment(&at, feed->end, &segment);
    }
    switch (stop) {
    case WI_HTTP_MORE:
        save_rows(conn);
        return false;
    case WI_HTTP_BAD:
        wi_http_refuse(conn, conn->live->parser.refusal);
        return false;
    default:
        if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
            take_response(conn, feed);
        } else {
            take_request(conn, feed);
        }
        return true;
    }
}

/* ---- bodies ---- */

void
wi_http_take_body(struct wi_http_parser *parser, const char *data, size_t size)
{
    struct wi_http_conn *conn = wi_http_live_of(parser)->conn;

    if (wi_http_flags(conn) & (WI_HTTP_DISCARDS | WI_HTTP_OVER)) {
        return;
    }
    if (conn->live->pulls != NULL) {
        wi_http_pull_put(conn, data, size);
    } else if (handlers_of(conn)->body != NULL) {
        handlers_of(conn)->body(wi_http_handle(conn), data, size, conn->user);
    }
}

// Bytes that may be fed: never more than someone takes.
static size_t
body_room(const struct wi_http_conn *conn)
{
    if (wi_http_flags(conn) & (WI_HTTP_DISCARDS | WI_HTTP_OVER)) {
        return SIZE_MAX;
    }
    if (conn->live->pulls != NULL) {
        return wi_http_pull_room(conn);
    }
    return handlers_of(conn)->body != NULL && !(wi_http_flags(conn) & WI_HTTP_PAUSED) ? SIZE_MAX
                                                                                      : 0;
}

static void
body_complete(struct wi_http_conn *conn)
{
    wi_http_clear(conn, WI_HTTP_RECEIVING);
    if (wi_http_flags(conn) & (WI_HTTP_DISCARDS | WI_HTTP_OVER)) {
        return;
    }
    wi_http_pull_end(conn, 0);
    if (handlers_of(conn)->body_end != NULL) {
        wi_http_tell_body_end(conn);
    }
}

// True: something was taken and more may be.
static bool
feed_body(struct wi_http_conn *conn, struct feed *feed)
{
    size_t room = body_room(conn);
    size_t taken;
    enum wi_http_stop stop;

    if (conn->live->parser.is_complete) {
        body_complete(conn);
        return true;
    }
    if (room == 0 || !feed_has_more(feed)) {
        return false;
    }
    stop = wi_http_parser_feed(&conn->live->parser, feed->data,
                               feed->size < room ? feed->size : room, &taken);
    conn->live->raw += taken;
    feed_skip(feed, taken);
    if (stop == WI_HTTP_BAD) {
        wi_http_refuse(conn, conn->live->parser.refusal);
        return false;
    }
    if (stop == WI_HTTP_END) {
        body_complete(conn);
    } else if ((wi_http_flags(conn) & WI_HTTP_DISCARDS) &&
               conn->live->raw > conn->side->limits.discard_max) {
        wi_http_conn_close(conn);
        return false;
    }
    return true;
}

/* ---- one step after another ---- */

bool
wi_http_conn_has_room(const struct wi_http_conn *conn)
{
    return body_room(conn) != 0;
}

static void
hold_input(struct wi_http_conn *conn)
{
    if (!(wi_http_flags(conn) & WI_HTTP_HOLDS_INPUT)) {
        wi_http_set(conn, WI_HTTP_HOLDS_INPUT);
        weir_pause(wi_http_stream(conn));
    }
}

// Client: the response is complete. One that comes before the request's end is the last.
static bool
settle_response(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    if (!(wi_http_flags(conn) & WI_HTTP_FINAL) || (wi_http_flags(conn) & WI_HTTP_RECEIVING)) {
        return false;
    }
    conn->is_last |= phase != WI_HTTP_DONE;
    wi_http_exchange_over(conn, 0, WEIR_ORIGIN_NONE);
    return true;
}

// Server: the response was ended. What remains of the request is dropped, and the exchange is over
// when nothing remains. True: it is.
static bool
settle_exchange(struct wi_http_conn *conn)
{
    // ORDER(http) observe: the framing of the response that someone has ended.
    enum wi_http_phase phase = wi_http_flags(conn) & WI_HTTP_ENDED
                                   ? WI_HTTP_DONE
                                   : wi_http_phase(wi_load_acquire(&conn->seat.word));

    if (wi_http_flags(conn) & WI_HTTP_CLIENT) {
        return settle_response(conn, phase);
    }
    if (phase != WI_HTTP_DONE) {
        return false;
    }
    if ((wi_http_flags(conn) & WI_HTTP_RECEIVING) && conn->live->pulls == NULL) {
        wi_http_set(conn, WI_HTTP_DISCARDS);
        if (conn->is_last) { // it is not worth waiting for
            wi_http_clear(conn, WI_HTTP_RECEIVING);
        }
    }
    if (wi_http_flags(conn) & WI_HTTP_RECEIVING) {
        return false;
    }
    wi_http_exchange_over(conn, 0, WEIR_ORIGIN_NONE);
    return true;
}

static bool
has_exchange(const struct wi_http_conn *conn)
{
    return wi_http_phase(wi_load_relaxed(&conn->seat.word)) != WI_HTTP_IDLE;
}

// Client: the head of the response is still to come.
static bool
wants_head(const struct wi_http_conn *conn)
{
    return wi_http_flags(conn) & WI_HTTP_CLIENT
               ? has_exchange(conn) && !(wi_http_flags(conn) & WI_HTTP_FINAL)
               : !has_exchange(conn);
}

static bool
step(struct wi_http_conn *conn, struct feed *feed)
{
    unsigned flags = wi_http_flags(conn);

    if (wi_unlikely(flags & (WI_HTTP_OVER | WI_HTTP_HIJACKED))) {
        return false;
    }
    if (!has_exchange(conn)) {
        return !(flags & WI_HTTP_CLIENT) && feed_has_more(feed) && feed_head(conn, feed);
    }
    if (settle_exchange(conn)) {
        flags = wi_http_flags(conn);
        if (wi_unlikely((flags & (WI_HTTP_LAST | WI_HTTP_FIN)) && !(flags & WI_HTTP_CLIENT))) {
            wi_http_conn_close(conn);
        }
        return true;
    }
    if ((wi_http_flags(conn) & (WI_HTTP_CLIENT | WI_HTTP_FINAL)) == WI_HTTP_CLIENT) {
        return feed_has_more(feed) && feed_head(conn, feed);
    }
    return (wi_http_flags(conn) & WI_HTTP_RECEIVING) && feed_body(conn, feed);
}

struct weir_consumed
wi_http_conn_data(struct wi_http_conn *conn, struct weir_iter begin, struct weir_iter end)
{
    struct feed feed = {.piece = begin, .next = begin, .end = end};

    wi_http_set(conn, WI_HTTP_IN_DATA);
    while (step(conn, &feed)) {
    }
    if (conn->live != NULL) {
        wi_http_pull_settle(conn);
    }
    wi_http_clear(conn, WI_HTTP_IN_DATA);
    if (wi_http_flags(conn) & WI_HTTP_HIJACKED) {
        wi_http_conn_gone(conn, 0);
        return (struct weir_consumed){feed.consumed, feed.consumed}; // the rest to its new reader
    }
    wi_http_out_flush(conn);
    if (wi_http_flags(conn) & WI_HTTP_OVER) {
        size_t rest = 0;

        weir_iter_length(feed_place(&feed, 0), end, &rest);
        return (struct weir_consumed){feed.consumed + rest, feed.consumed + rest};
    }
    if (!wants_head(conn) && feed_has_more(&feed)) {
        hold_input(conn);
    }
    wi_http_conn_touch(conn);
    wi_http_live_rest(conn);
    return (struct weir_consumed){feed.consumed, SIZE_MAX};
}

void
wi_http_conn_settle(struct wi_http_conn *conn)
{
    struct feed feed = {.consumed = 0};

    wi_http_set(conn, WI_HTTP_IN_DATA);
    while (step(conn, &feed)) {
    }
    wi_http_clear(conn, WI_HTTP_IN_DATA);
    wi_http_live_rest(conn);
}

void
wi_http_conn_open(struct wi_http_conn *conn, struct wi_http_side *side, struct wi_http_home *home,
                  weir_stream stream)
{
    conn->side = side;
    conn->home = home;
    wi_home_add(&home->base, &conn->seat, stream);
    conn->user = side->user;
    wi_http_conn_touch(conn);
}
