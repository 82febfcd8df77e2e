/* SPDX-License-Identifier: MIT */

#include "netio/http/frame.h"

#include "mem/heap.h"
#include "netio/http/serve.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FLAGS_OURS ((unsigned)(WEIR_CHUNK | WEIR_CHUNK_END))
#define FLAGS_BARRED \
    ((unsigned)(WEIR_FIN | WEIR_START | WEIR_PRIORITY | WEIR_FAIL_BLOCKED | WEIR_NOTIFY))
#define PIECES_MAX 32u

/* One operation's memory above the stream's: what its framing and its completion need. */
struct piece {
    weir_http http;
    struct wi_http_conn *conn;
    weir_done_fn *done;
    void *arg;
    weir_release_fn *release;
    void *release_arg;
    struct weir_chain chain;
    struct weir_shared *shared;
    uint64_t payload;
    size_t prefix_size;
    unsigned refs; // by the completion, and by the release where there is one: both on one thread
    bool is_end;
    bool is_needed;
    bool is_counted;
    bool is_dropped;
    char bytes[]; // prefix, suffix
};

/* ---- is the request sound? ---- */

static int
size_of_pieces(const struct weir_write *request, uint64_t *ret_size)
{
    uint64_t size = 0;

    if (request->iov == NULL && request->iov_count != 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        if (request->iov[i].iov_len > (uint64_t)SSIZE_MAX - size ||
            (request->iov[i].iov_base == NULL && request->iov[i].iov_len != 0)) {
            return -EINVAL;
        }
        size += request->iov[i].iov_len;
    }
    *ret_size = size;
    return 0;
}

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
    return size_of_pieces(request, ret_size);
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
        .done = request->done,
        .arg = request->arg,
        .release = request->flags & WEIR_GIVE ? request->release : NULL,
        .release_arg = request->release_arg,
        .payload = frame->payload,
        .prefix_size = frame->prefix_size,
        .refs = 1,
        .is_end = frame->is_end,
        .is_needed = frame->is_needed,
        .is_counted = frame->is_counted,
        .is_dropped = frame->is_dropped,
    };
    if (frame->prefix_size != 0) {
        memcpy(piece->bytes, frame->prefix, frame->prefix_size);
    }
    if (frame->suffix_size != 0) {
        memcpy(piece->bytes + frame->prefix_size, frame->suffix, frame->suffix_size);
    }
    return piece;
}

static void
piece_drop(struct piece *piece)
{
    if (--piece->refs == 0) {
        wi_heap_free(piece);
    }
}

static void
piece_release(void *arg)
{
    struct piece *piece = arg;

    weir_chain_return(&piece->chain);
    weir_shared_unref(piece->shared);
    if (piece->release != NULL) {
        piece->release(piece->release_arg);
    }
    piece_drop(piece);
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
    if (piece->done != NULL) {
        piece->done(stream, &told, piece->arg);
    }
    wi_http_conn_sent(piece->conn, piece->http, stream, &sent);
    piece_drop(piece);
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

static unsigned
chain_pieces(const struct weir_chain *chain, struct iovec *iov, unsigned room)
{
    struct weir_iter at = weir_chain_begin(chain);
    struct weir_iter end = weir_chain_end(chain);
    struct weir_segment segment;
    unsigned count = 0;

    while (chain->head != NULL && weir_iter_segment(&at, end, &segment)) {
        if (count < room) {
            iov[count] = (struct iovec){(void *)(uintptr_t)segment.data, segment.size};
        }
        count++;
    }
    return count;
}

static unsigned
count_pieces(const struct wi_http_frame *frame, const struct weir_write *request)
{
    if (frame->is_dropped) {
        return 0;
    }
    return request->chain != NULL    ? chain_pieces(request->chain, NULL, 0)
           : request->shared != NULL ? 1
                                     : request->iov_count;
}

static void
fill_pieces(struct iovec *iov, unsigned count, const struct piece *piece,
            const struct wi_http_frame *frame, const struct weir_write *request)
{
    iov[0] = (struct iovec){(void *)(uintptr_t)piece->bytes, frame->prefix_size};
    if (count != 0 && request->chain != NULL) {
        chain_pieces(request->chain, iov + 1, count);
    } else if (count != 0 && request->shared != NULL) {
        iov[1] =
            (struct iovec){weir_shared_data(request->shared), weir_shared_size(request->shared)};
    } else if (count != 0) {
        memcpy(iov + 1, request->iov, count * sizeof(iov[0]));
    }
    iov[count + 1] =
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
        write->flags |= WEIR_GIVE;
        write->release = piece_release;
        write->release_arg = piece;
        piece->refs = 2;
        if (request->chain != NULL) {
            piece->chain = *request->chain;
        } else if (request->shared != NULL) {
            piece->shared = weir_shared_ref(request->shared);
        }
    }
    result = weir_write(wi_http_stream(conn), write, ret_op);
    if (result < 0) {
        if (request->shared != NULL && piece->refs == 2) {
            weir_shared_unref(piece->shared);
        }
        wi_heap_free(piece);
        return result;
    }
    if (request->chain != NULL) {
        *request->chain = (struct weir_chain){NULL, NULL};
    }
    if (result == 1) { // done inside: no completion; the release has been
        piece_drop(piece);
    }
    return result;
}

static int
send_memory(struct wi_http_conn *conn, uint64_t entered, const struct wi_http_frame *frame,
            const struct weir_write *request, weir_op *ret_op)
{
    struct weir_write write = stream_request(frame, request);
    unsigned count = count_pieces(frame, request);
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
    fill_pieces(iov, count, piece, frame, request);
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
    piece->release = NULL; // the stream's operation carries the caller's own
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
