/* SPDX-License-Identifier: MIT */
// Messages that are sent: one write is one frame, and one operation of the stream.

#include "netio/carry.h"
#include "netio/pieces.h"
#include "netio/ws/deflate.h"
#include "netio/ws/mask.h"
#include "netio/ws/random.h"
#include "netio/ws/serve.h"

#include <errno.h>
#include <string.h>

#define KINDS ((unsigned)(WEIR_WS_TEXT | WEIR_WS_BINARY | WEIR_WS_CONTINUE))
#define FLAGS (KINDS | WEIR_WS_PART | WEIR_WS_PLAIN)
#define FLAGS_BARRED                                                                      \
    ((unsigned)(WEIR_FIN | WEIR_START | WEIR_PRIORITY | WEIR_FAIL_BLOCKED | WEIR_NOTIFY | \
                WEIR_CHUNK | WEIR_CHUNK_END))
#define FLAGS_OF_MEMORY ((unsigned)(WEIR_COPY | WEIR_GIVE | WEIR_ZEROCOPY))
#define PIECES_MAX      16u

/* One frame on its way. */
struct outgoing {
    struct wi_ws_conn *conn;
    const struct weir_write *request; // the caller's
    weir_op *ret_op;
    uint64_t size;           // of the caller's bytes
    struct weir_write write; // for the stream
    struct wi_ws_frame frame;
    bool is_needed; // the peer cannot make sense of what follows without it
};

/* ---- is the request sound? ---- */

static int
check_memory(const struct weir_write *request, uint64_t *ret_size)
{
    int forms = (request->iov_count != 0) + (request->chain != NULL) + (request->shared != NULL);
    unsigned memory = request->flags & (WEIR_COPY | WEIR_GIVE);
    int result;

    if (forms > 1 || memory == (WEIR_COPY | WEIR_GIVE) ||
        (memory != 0 && (request->chain != NULL || request->shared != NULL))) {
        return -EINVAL;
    }
    if (request->chain != NULL || request->shared != NULL) {
        *ret_size = request->chain != NULL ? weir_chain_size(request->chain)
                                           : weir_shared_size(request->shared);
        return 0;
    }
    result = wi_pieces_size_of_array(request, ret_size);
    if (result == 0 && *ret_size != 0 &&
        ((memory == 0 && request->level == WEIR_ACCEPTED) ||
         (memory == WEIR_GIVE && request->release == NULL))) {
        return -EINVAL;
    }
    return result;
}

static int
check(unsigned flags, const struct weir_write *request, uint64_t *ret_size)
{
    unsigned kind = flags & KINDS;

    if (request == NULL || (flags & ~FLAGS) != 0 || kind == 0 || (kind & (kind - 1)) != 0 ||
        (request->flags & FLAGS_BARRED) != 0) {
        return -EINVAL;
    }
    if ((request->flags & WEIR_NOWAIT) || request->file != NULL) {
        return -ENOTSUP;
    }
    return check_memory(request, ret_size);
}

// Of a part: as far as it goes; the last one must not end within a character.
static int
check_text(struct wi_utf8 *text, unsigned flags, const struct weir_write *request)
{
    struct wi_pieces pieces = wi_pieces_of(request);
    struct iovec piece;

    while (wi_pieces_next(&pieces, &piece)) {
        if (!wi_utf8_check(text, piece.iov_base, piece.iov_len)) {
            return -EILSEQ;
        }
    }
    return (flags & WEIR_WS_PART) || wi_utf8_is_whole(text) ? 0 : -EILSEQ;
}

/* ---- with the caller's own bytes behind the head ---- */

struct record {
    struct wi_carry carry; // first: see wi_carry
    uint64_t payload;
    uint8_t head_size;
    bool is_all_or_nothing; // the bytes sent are not the caller's, one by one
    bool is_needed;
    unsigned char head[WI_WS_FRAME_MAX];
};

static uint64_t
payload_of(const struct record *record, uint64_t count, bool is_all)
{
    uint64_t behind = count <= record->head_size ? 0 : count - record->head_size;

    if (is_all) {
        return record->payload;
    }
    if (record->is_all_or_nothing) {
        return 0;
    }
    return behind < record->payload ? behind : record->payload;
}

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct record *record = arg;
    struct weir_result told = *result;

    told.accepted = record->payload;
    told.sent = payload_of(record, result->sent, result->sent == result->accepted);
    told.acked = payload_of(record, result->acked, result->acked == result->accepted);
    if (record->is_needed && result->status != 0) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
    if (record->carry.done != NULL) {
        record->carry.done(stream, &told, record->carry.arg);
    }
    wi_carry_drop(&record->carry);
}

static struct record *
record_make(const struct outgoing *out)
{
    struct record *record = wi_heap_alloc(sizeof(*record));

    if (record != NULL) {
        wi_carry_init(&record->carry, out->request);
        record->payload = out->size;
        record->is_needed = out->is_needed;
        record->is_all_or_nothing = out->frame.is_compressed;
        record->head_size = (uint8_t)wi_ws_frame_write(record->head, &out->frame);
    }
    return record;
}

static void
fill(struct iovec *iov, const unsigned char *head, size_t head_size,
     const struct weir_write *request)
{
    struct wi_pieces pieces = wi_pieces_of(request);

    *iov = (struct iovec){(void *)(uintptr_t)head, head_size};
    while (wi_pieces_next(&pieces, ++iov)) {
    }
}

// Copied, and nobody is to be told: the head is copied with the rest.
static int
send_copied(struct outgoing *out, struct iovec *iov)
{
    unsigned char head[WI_WS_FRAME_MAX];

    fill(iov, head, wi_ws_frame_write(head, &out->frame), out->request);
    return weir_write(wi_ws_stream(out->conn), &out->write, out->ret_op);
}

static int
send_recorded(struct outgoing *out, struct iovec *iov)
{
    struct record *record = record_make(out);
    int result;

    if (record == NULL) {
        return -ENOMEM;
    }
    fill(iov, record->head, record->head_size, out->request);
    out->write.done = on_done;
    out->write.arg = record;
    if (!(out->write.flags & WEIR_COPY)) {
        wi_carry_take(&record->carry, out->request, &out->write);
    }
    result = weir_write(wi_ws_stream(out->conn), &out->write, out->ret_op);
    wi_carry_settle(&record->carry, out->request, result);
    return result;
}

static int
send_as_it_is(struct outgoing *out)
{
    unsigned count = wi_pieces_count(out->request) + 1;
    // One more: what the last look at the pieces, which finds none, may write to.
    struct iovec few[PIECES_MAX + 1];
    struct iovec *iov = count <= PIECES_MAX ? few : wi_heap_alloc((count + 1) * sizeof(*iov));
    int result;

    if (iov == NULL) {
        return -ENOMEM;
    }
    out->write.iov = iov;
    out->write.iov_count = count;
    if ((out->write.flags & WEIR_COPY) && out->request->done == NULL && !out->is_needed) {
        result = send_copied(out, iov);
    } else {
        result = send_recorded(out, iov);
    }
    out->write.iov = NULL;
    if (iov != few) {
        wi_heap_free(iov);
    }
    return result;
}

/* ---- with bytes of our own ---- */

// The frame is in the chain. What the caller gave is let go once nothing can fail.
static int
send_chain(struct outgoing *out, struct weir_chain *chain)
{
    const struct weir_write *request = out->request;
    struct record *record = NULL;
    int result;

    if (request->done != NULL || out->is_needed) {
        record = record_make(out);
        if (record == NULL) {
            return -ENOMEM;
        }
        out->write.done = on_done;
        out->write.arg = record;
    }
    out->write.chain = chain;
    out->write.flags &= ~FLAGS_OF_MEMORY;
    result = weir_write(wi_ws_stream(out->conn), &out->write, out->ret_op);
    if (record != NULL && result != 0) {
        wi_heap_free(record);
    }
    if (result >= 0) {
        if (request->chain != NULL) {
            weir_chain_return(request->chain);
        }
        if ((request->flags & WEIR_GIVE) && request->release != NULL) {
            request->release(request->release_arg);
        }
    }
    return result;
}

// What a client sends, masked: block after block, the head in the first.
struct masking {
    struct weir_chain *chain;
    struct weir_block *block; // being filled; NULL: the next byte begins one
    size_t used;
    uint64_t position; // in the payload
    const unsigned char *key;
};

static int
end_block(struct masking *masking)
{
    int result = weir_chain_append_block(masking->chain, masking->block, masking->used);

    masking->block = NULL;
    masking->used = 0;
    return result;
}

static int
mask_piece(struct masking *masking, const struct iovec *piece)
{
    const unsigned char *from = piece->iov_base;
    size_t left = piece->iov_len;

    while (left != 0) {
        size_t room = WEIR_BLOCK_SIZE - masking->used;
        size_t step = left < room ? left : room;

        if (masking->block == NULL) {
            masking->block = weir_block_lease(WEIR_BLOCK_SIZE);
        }
        if (masking->block == NULL) {
            return -ENOMEM;
        }
        wi_ws_mask(weir_block_data(masking->block) + masking->used, from, step, masking->key,
                   masking->position);
        masking->used += step;
        masking->position += step;
        from += step;
        left -= step;
        if (masking->used == WEIR_BLOCK_SIZE && end_block(masking) < 0) {
            return -EINVAL;
        }
    }
    return 0;
}

static int
mask_into(struct outgoing *out, struct weir_chain *chain, const struct weir_write *from)
{
    struct masking masking = {.chain = chain, .key = out->frame.key};
    struct wi_pieces pieces = wi_pieces_of(from);
    struct iovec piece;
    int result = 0;

    masking.block = weir_block_lease(WEIR_BLOCK_SIZE);
    if (masking.block == NULL) {
        return -ENOMEM;
    }
    masking.used = wi_ws_frame_write(weir_block_data(masking.block), &out->frame);
    while (result == 0 && wi_pieces_next(&pieces, &piece)) {
        result = mask_piece(&masking, &piece);
    }
    if (masking.block != NULL) {
        int ended = end_block(&masking);

        result = result < 0 ? result : ended;
    }
    return result;
}

static int
send_masked_blocks(struct outgoing *out, const struct weir_write *from)
{
    struct weir_chain chain = {NULL, NULL};
    int result = mask_into(out, &chain, from);

    result = result < 0 ? result : send_chain(out, &chain);
    weir_chain_return(&chain);
    return result;
}

static int
send_masked(struct outgoing *out, const struct weir_write *from)
{
    int result = wi_ws_random_key(out->frame.key);

    return result < 0 ? result : send_masked_blocks(out, from);
}

/* ---- compressed ---- */

// With a context that is kept a message must not be left out once it has been packed.
static bool
may_pack(const struct outgoing *out, unsigned flags)
{
    const struct wi_ws_packer *packer = out->conn->packer;
    const struct weir_write *request = out->request;

    return packer != NULL && (flags & (WEIR_WS_PART | WEIR_WS_CONTINUE | WEIR_WS_PLAIN)) == 0 &&
           out->size >= out->conn->pack_min &&
           (!wi_ws_packer_keeps(packer) ||
            (out->ret_op == NULL && request->token.bits == 0 &&
             (request->deadline_ns == 0 || request->deadline_ns == WEIR_NEVER)));
}

static int
pack(struct outgoing *out, struct weir_chain *chain)
{
    struct wi_pieces pieces = wi_pieces_of(out->request);
    struct iovec piece;
    int result = 0;

    while (result == 0 && wi_pieces_next(&pieces, &piece)) {
        result = wi_ws_pack(out->conn->packer, piece.iov_base, piece.iov_len, chain);
    }
    return result == 0 ? wi_ws_pack_end(out->conn->packer, chain) : result;
}

static int
send_behind_head(struct outgoing *out, struct weir_chain *packed)
{
    struct weir_chain chain = {NULL, NULL};
    unsigned char head[WI_WS_FRAME_MAX];
    int result = weir_chain_append(&chain, head, wi_ws_frame_write(head, &out->frame));

    if (result == 0) {
        weir_chain_splice(&chain, packed);
        result = send_chain(out, &chain);
    }
    weir_chain_return(&chain);
    return result;
}

// Who has the packer.
static int
send_packed(struct outgoing *out)
{
    struct weir_chain packed = {NULL, NULL};
    const struct weir_write from = {.chain = &packed};
    int result = pack(out, &packed);

    if (result == 0) {
        out->frame.is_compressed = true;
        out->frame.size = weir_chain_size(&packed);
        if (wi_ws_packer_keeps(out->conn->packer)) {
            out->is_needed = true;
            out->write.tear = WEIR_TEAR_NEEDED;
            out->write.deadline_ns = WEIR_NEVER;
        }
        result = out->frame.is_masked ? send_masked(out, &from) : send_behind_head(out, &packed);
    }
    if (result < 0) {
        wi_ws_packer_reset(out->conn->packer);
    }
    weir_chain_return(&packed);
    return result;
}

/* ---- the forms ---- */

static int
send_frame(struct outgoing *out, unsigned flags)
{
    int result;

    if (may_pack(out, flags) && wi_ws_take_packer(out->conn)) {
        result = send_packed(out);
        wi_ws_give_packer(out->conn);
        return result;
    }
    out->frame.size = out->size;
    return out->frame.is_masked ? send_masked(out, out->request) : send_as_it_is(out);
}

static int
send_message(struct wi_ws_conn *conn, unsigned flags, const struct weir_write *request,
             uint64_t size, weir_op *ret_op)
{
    struct outgoing out = {
        .conn = conn,
        .request = request,
        .ret_op = ret_op,
        .size = size,
        .write = *request,
        .is_needed = (flags & (WEIR_WS_PART | WEIR_WS_CONTINUE)) != 0,
        .frame =
            {
                .opcode = flags & WEIR_WS_TEXT     ? WI_WS_TEXT
                          : flags & WEIR_WS_BINARY ? WI_WS_BINARY
                                                   : WI_WS_CONTINUATION,
                .is_final = (flags & WEIR_WS_PART) == 0,
                .is_masked = conn->client != NULL,
            },
    };

    out.write.chain = NULL;
    out.write.shared = NULL;
    out.write.iov = NULL;
    out.write.iov_count = 0;
    out.write.flags &= ~(unsigned)WEIR_SOME;
    if (out.is_needed) {
        out.write.tear = WEIR_TEAR_NEEDED;
    } else if (out.write.tear == WEIR_TEAR_STOP) {
        out.write.tear = WEIR_TEAR_FINISH;
    }
    return send_frame(&out, flags);
}

int
weir_ws_write(weir_ws ws, unsigned flags, const struct weir_write *request, weir_op *ret_op)
{
    struct wi_ws_conn *conn;
    struct wi_utf8 text = {0};
    uint64_t size = 0;
    bool is_part = (flags & (WEIR_WS_PART | WEIR_WS_CONTINUE)) != 0;
    bool is_text = (flags & WEIR_WS_TEXT) != 0;
    int result = check(flags, request, &size);

    if (result == 0) {
        result = wi_ws_enter_message(ws, flags, &conn);
    }
    if (result < 0) {
        return result;
    }
    if (flags & WEIR_WS_CONTINUE) {
        text = conn->part_text;
        is_text = conn->part_is_text;
    }
    result = is_text ? check_text(&text, flags, request) : 0;
    if (result == 0) {
        result = send_message(conn, flags, request, size, ret_op);
    }
    if (result >= 0 && is_part) {
        conn->part_text = text;
        conn->part_is_text = is_text;
    }
    wi_ws_leave_message(conn, flags, result >= 0);
    return result;
}

int
weir_ws_send(weir_ws ws, unsigned flags, const void *data, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct weir_write write = {.iov = &iov, .iov_count = 1, .flags = WEIR_COPY};

    return weir_ws_write(ws, flags, &write, NULL);
}
