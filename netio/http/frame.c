/* SPDX-License-Identifier: MIT */

#include "netio/http/frame.h"

#include "netio/carry.h"
#include "netio/http/serve.h"
#include "netio/pieces.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FLAGS_OURS ((unsigned)(WEIR_CHUNK | WEIR_CHUNK_END))
#define FLAGS_BARRED \
    ((unsigned)(WEIR_FIN | WEIR_START | WEIR_PRIORITY | WEIR_FAIL_BLOCKED | WEIR_NOTIFY))
#define PIECES_MAX 32u

/* One operation's memory above the stream's: what its framing and its completion need. */
struct piece {
    struct wi_carry carry; // first: see wi_carry
    weir_http http;
    struct wi_http_conn *conn;
    uint64_t payload;
    size_t prefix_size;
    bool is_end;
    bool is_needed;
    bool is_counted;
    bool is_dropped;
    char bytes[]; // prefix, suffix
};

/* ---- is the request sound? ---- */

int
wi_http_check_body(const struct weir_write *request, uint64_t *ret_size)
{
    int forms = (request->iov_count != 0) + (request->chain != NULL) + (request->shared != NULL) +
                (request->file != NULL);
    unsigned memory = request->flags & (WEIR_COPY | WEIR_GIVE);

    if (forms > 1 || (request->flags & FLAGS_BARRED) || memory == (WEIR_COPY | WEIR_GIVE) ||
        ((request->flags & WEIR_SOME) && (request->flags & WEIR_CHUNK_END)) ||
        (memory != 0 && (request->chain != NULL || request->shared != NULL))) {
        return -EINVAL;
    }
    if (request->file != NULL) {
        *ret_size = request->file->size;
        return request->file->size > SSIZE_MAX || (request->flags & WEIR_COPY) ? -EINVAL : 0;
    }
    if (request->chain != NULL || request->shared != NULL) {
        *ret_size = request->chain != NULL ? weir_chain_size(request->chain)
                                           : weir_shared_size(request->shared);
        return 0;
    }
    if (request->level == WEIR_ACCEPTED && memory == 0 && request->iov_count != 0) {
        return -EINVAL; // borrowed bytes cannot be done before they are sent
    }
    if ((request->flags & WEIR_GIVE) && request->release == NULL) {
        return -EINVAL;
    }
    return wi_pieces_size_of_array(request, ret_size);
}

/* ---- a piece's life ---- */

static struct piece *
piece_make(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
           const struct weir_write *request)
{
    struct piece *piece = wi_heap_alloc(sizeof(*piece) + frame->prefix_size + frame->suffix_size);

    if (piece == NULL) {
        return NULL;
    }
    *piece = (struct piece){
        .http = wi_http_handle_of(conn, entered),
        .conn = conn,
        .payload = frame->payload,
        .prefix_size = frame->prefix_size,
        .is_end = frame->is_end,
        .is_needed = frame->is_needed,
        .is_counted = frame->is_counted,
        .is_dropped = frame->is_dropped,
    };
    wi_carry_init(&piece->carry, request);
    if (frame->prefix_size != 0) {
        memcpy(piece->bytes, frame->prefix, frame->prefix_size);
    }
    if (frame->suffix_size != 0) {
        memcpy(piece->bytes + frame->prefix_size, frame->suffix, frame->suffix_size);
    }
    return piece;
}

// Of a count of the stream's, the caller's bytes.
static uint64_t
without_framing(const struct piece *piece, uint64_t count)
{
    uint64_t behind = count <= piece->prefix_size ? 0 : count - piece->prefix_size;

    return piece->is_dropped ? 0 : behind < piece->payload ? behind : piece->payload;
}

static void
piece_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct piece *piece = arg;
    struct weir_result told = *result;
    struct wi_http_sent sent = {
        .is_end = piece->is_end,
        // A chunk that never began is left out, and no one will miss it.
        .is_lost = result->status != 0 && (piece->is_needed || result->sent != 0),
        .status = result->status,
        .origin = result->origin,
    };

    told.accepted = piece->payload;
    told.sent = without_framing(piece, result->sent);
    told.acked = without_framing(piece, result->acked);
    if (piece->is_counted && told.sent < piece->payload) {
        sent.give_back = piece->payload - told.sent;
    }
    if (piece->carry.done != NULL) {
        piece->carry.done(stream, &told, piece->carry.arg);
    }
    wi_http_conn_sent(piece->conn, piece->http, stream, &sent);
    wi_carry_drop(&piece->carry);
}

/* ---- sending ---- */

static struct weir_write
stream_request(const struct wi_http_frame *frame, const struct weir_write *request)
{
    struct weir_write write = *request;

    write.iov = NULL;
    write.iov_count = 0;
    write.chain = NULL;
    write.shared = NULL;
    write.file = NULL;
    write.flags &= ~FLAGS_OURS;
    if (frame->is_needed) {
        write.tear = WEIR_TEAR_NEEDED;
    } else if (write.tear == WEIR_TEAR_STOP) {
        write.tear = WEIR_TEAR_FINISH;
    }
    if (frame->prefix_size + frame->suffix_size != 0) {
        write.flags &= ~(unsigned)WEIR_SOME;
    }
    if (frame->is_end) {
        write.flags &= ~(unsigned)WEIR_INLINE_OK; // its completion moves the connection on
    }
    return write;
}

static void
fill_pieces(struct iovec *iov, const struct piece *piece, const struct wi_http_frame *frame,
            const struct weir_write *request)
{
    struct wi_pieces pieces = wi_pieces_of(request);
    struct iovec bytes;

    *iov++ = (struct iovec){(void *)(uintptr_t)piece->bytes, frame->prefix_size};
    while (!frame->is_dropped && wi_pieces_next(&pieces, &bytes)) {
        *iov++ = bytes;
    }
    *iov =
        (struct iovec){(void *)(uintptr_t)(piece->bytes + frame->prefix_size), frame->suffix_size};
}

// All in one operation. What was taken with it is the piece's before the loop can see it.
static int
submit(struct wi_http_conn *conn, struct piece *piece, const struct weir_write *request,
       struct weir_write *write, weir_op *ret_op)
{
    int result;

    write->done = piece_done;
    write->arg = piece;
    if (!(write->flags & WEIR_COPY)) {
        wi_carry_take(&piece->carry, request, write);
    }
    result = weir_write(wi_http_stream(conn), write, ret_op);
    wi_carry_settle(&piece->carry, request, result);
    return result;
}

static int
send_memory(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
            const struct weir_write *request, weir_op *ret_op)
{
    struct weir_write write = stream_request(frame, request);
    unsigned count = frame->is_dropped ? 0 : wi_pieces_count(request);
    struct piece *piece = piece_make(conn, entered, frame, request);
    struct iovec few[PIECES_MAX];
    struct iovec *iov = few;
    int result = -ENOMEM;

    if (piece == NULL) {
        return -ENOMEM;
    }
    if (count + 2 > PIECES_MAX) {
        iov = wi_heap_alloc((count + 2) * sizeof(iov[0]));
    }
    if (iov == NULL) {
        wi_heap_free(piece);
        return -ENOMEM;
    }
    fill_pieces(iov, piece, frame, request);
    write.iov = iov;
    write.iov_count = count + 2;
    if (count == 0 && frame->prefix_size + frame->suffix_size == 0) {
        write.iov_count = 0; // a barrier
    }
    result = submit(conn, piece, request, &write, ret_op);
    if (iov != few) {
        wi_heap_free(iov);
    }
    return result;
}

int
wi_http_send_own(struct wi_http_conn *conn, const char *data, size_t size, unsigned flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct weir_write write = {
        .iov = &iov,
        .iov_count = 1,
        .flags = WEIR_COPY | flags,
        .tear = WEIR_TEAR_NEEDED,
        .deadline_ns = WEIR_NEVER,
    };

    return weir_write(wi_http_stream(conn), &write, NULL);
}

// The bytes are in a file: an operation of their own, between those of the framing.
static int
send_middle(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
            const struct weir_write *request, weir_op *ret_op)
{
    struct weir_write write = stream_request(frame, request);
    struct piece *piece;
    struct wi_http_frame bare = *frame;
    int result;

    bare.prefix_size = 0;
    bare.suffix_size = 0;
    bare.is_needed = frame->is_needed || frame->prefix_size != 0;
    piece = piece_make(conn, entered, &bare, request);
    if (piece == NULL) {
        return -ENOMEM;
    }
    piece->carry.release = NULL; // the stream's operation carries the caller's own
    write.tear = bare.is_needed ? WEIR_TEAR_NEEDED : write.tear;
    write.flags &= ~(unsigned)WEIR_INLINE_OK;
    write.flags |= frame->suffix_size != 0 ? (unsigned)WEIR_MORE : 0;
    write.file = request->file;
    write.done = piece_done;
    write.arg = piece;
    result = weir_write(wi_http_stream(conn), &write, ret_op);
    if (result < 0) {
        wi_heap_free(piece);
    }
    return result;
}

static int
send_apart(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
           const struct weir_write *request, weir_op *ret_op)
{
    int result = 0;

    if (frame->prefix_size != 0) {
        result = wi_http_send_own(conn, frame->prefix, frame->prefix_size, WEIR_MORE);
        if (result < 0) {
            return result;
        }
    }
    result = send_middle(conn, entered, frame, request, ret_op);
    if (result < 0) {
        if (frame->prefix_size != 0) { // half of it is on its way
            weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        }
        return result;
    }
    if (frame->suffix_size != 0 &&
        wi_http_send_own(conn, frame->suffix, frame->suffix_size, request->flags & WEIR_MORE) < 0) {
        weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0); // its completion will say so
    }
    return 0;
}

int
wi_http_send(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
             const struct weir_write *request, weir_op *ret_op)
{
    bool is_apart = request->file != NULL && !frame->is_dropped;

    return is_apart ? send_apart(conn, entered, frame, request, ret_op)
                    : send_memory(conn, entered, frame, request, ret_op);
}
