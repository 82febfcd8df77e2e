/* SPDX-License-Identifier: MIT */

/*
 * What is sent. A write is one operation of the stream below: an array of pieces in which headers
 * stand between the caller's bytes. All headers but the last frame's are the same four bytes.
 *
 * The gate keeps the order of writes and marks without a lock: whoever is inside a write is
 * counted, a mark is submitted when nobody is, and nobody comes in once its bit is set.
 */

#include "netio/inband.h"

#include "mem/assert.h"
#include "netio/carry.h"
#include "netio/pieces.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const uint8_t full_header[WI_INBAND_HEADER] = {0x00, 0x10, 0, 0};
static const uint8_t stop_mark[WI_INBAND_HEADER] = {0xef, 0xbe, 0xad, 0xde};
static const uint8_t end_mark[WI_INBAND_HEADER] = {0xad, 0xde, 0xef, 0xbe};
static const uint8_t close_mark[WI_INBAND_HEADER] = {0xad, 0xde, 0xad, 0xde};

enum { PIECES_INSIDE = 8, RETRY_NS = 1000 * 1000 };

/* ---- the gate ---- */

int
wi_inband_refusal(struct weir_inband *inband, uint64_t gate)
{
    if (gate & WI_INBAND_GATE_DEAD) {
        return -WEIR_ESTALE;
    }
    if (gate & WI_INBAND_GATE_BROKEN) {
        return -(int)wi_load_relaxed(&inband->status);
    }
    if (gate & (WI_INBAND_GATE_ENDED | WI_INBAND_GATE_CLOSED)) {
        return -WEIR_EENDED;
    }
    return gate & WI_INBAND_GATE_STOPPED ? -EPIPE : 0;
}

static void
leave(struct weir_inband *inband)
{
    // ORDER(inband_gate) publish: the submit comes before any mark that finds nobody inside.
    wi_sub_acq_rel(&inband->gate, WI_INBAND_GATE_ONE);
}

// 0, and inside; or why not.
static int
enter(struct weir_inband *inband)
{
    // ORDER(inband_gate) observe: the status of a broken gate.
    uint64_t gate = wi_add_acq_rel(&inband->gate, WI_INBAND_GATE_ONE);

    if ((gate & WI_INBAND_GATE_BITS) == 0) {
        return 0;
    }
    leave(inband);
    return wi_inband_refusal(inband, gate);
}

// The same for what ends the write side: nobody else may be inside. 0, -EBUSY, or why not.
static int
enter_last(struct weir_inband *inband)
{
    uint64_t gate = wi_load_acquire(&inband->gate); // ORDER(inband_gate) observe

    for (;;) {
        if (gate & WI_INBAND_GATE_BITS) {
            return wi_inband_refusal(inband, gate);
        }
        if (gate != 0) {
            return -EBUSY;
        }
        // ORDER(inband_gate) both ways: behind every submit before, in front of none.
        if (wi_cas_acq_rel(&inband->gate, &gate, WI_INBAND_GATE_ENDED | WI_INBAND_GATE_ONE)) {
            return 0;
        }
    }
}

static void
take_end_back(struct weir_inband *inband)
{
    wi_and_acq_rel(&inband->gate, ~WI_INBAND_GATE_ENDED); // ORDER(inband_gate) publish
}

/* ---- one write ---- */

struct record {
    struct wi_carry carry; // first: see wi_carry
    struct weir_inband *inband;
    uint64_t size;
    bool ends; // the mark for the end is behind it
    uint8_t last_header[WI_INBAND_HEADER];
};

// The write that ends the write side is over.
static void
after_end(struct weir_inband *inband, const struct weir_result *result)
{
    if (result->status == 0) {
        wi_inband_tell_send_closed(inband, true);
        wi_inband_settle(inband);
    } else if (result->status == -ECANCELED && result->sent == 0) {
        take_end_back(inband);
    }
}

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct record *record = arg;
    struct weir_inband *inband = record->inband;
    struct weir_result own = *result;

    own.accepted = wi_inband_payload(result->accepted, record->size);
    own.sent = wi_inband_payload(result->sent, record->size);
    own.acked = wi_inband_payload(result->acked, record->size);
    wi_add_relaxed(&inband->sent, own.sent);
    if (record->carry.done != NULL) {
        record->carry.done(stream, &own, record->carry.arg);
    }
    if (record->ends) {
        after_end(inband, result);
    }
    wi_carry_drop(&record->carry);
}

/* ---- laying a write out ---- */

// The caller's bytes, piece by piece.
struct source {
    struct wi_pieces pieces;
    struct iovec rest; // of the piece under way
};

static struct iovec
take_piece(struct source *source, size_t most)
{
    struct iovec piece;

    if (source->rest.iov_len == 0 && !wi_pieces_next(&source->pieces, &source->rest)) {
        wi_assert(false); // the sizes were added up from the same pieces
        return (struct iovec){NULL, most};
    }
    piece.iov_base = source->rest.iov_base;
    piece.iov_len = source->rest.iov_len < most ? source->rest.iov_len : most;
    source->rest.iov_base = (uint8_t *)source->rest.iov_base + piece.iov_len;
    source->rest.iov_len -= piece.iov_len;
    return piece;
}

static struct iovec
header_piece(const uint8_t *header)
{
    return (struct iovec){(void *)(uintptr_t)header, WI_INBAND_HEADER};
}

static unsigned
lay_out(struct record *record, struct source source, struct iovec *ret_iov)
{
    unsigned count = 0;

    for (uint64_t left = record->size; left > 0;) {
        size_t frame = left < WEIR_INBAND_FRAME_MAX ? (size_t)left : WEIR_INBAND_FRAME_MAX;

        if (frame < WEIR_INBAND_FRAME_MAX) {
            wi_inband_put(record->last_header, (uint32_t)frame);
        }
        ret_iov[count++] =
            header_piece(frame < WEIR_INBAND_FRAME_MAX ? record->last_header : full_header);
        for (size_t rest = frame; rest > 0;) {
            ret_iov[count] = take_piece(&source, rest);
            rest -= ret_iov[count++].iov_len;
        }
        left -= frame;
    }
    if (record->ends) {
        ret_iov[count++] = header_piece(end_mark);
    }
    return count;
}

/* ---- asking ---- */

static int
check(const struct weir_write *request)
{
    const unsigned known = WEIR_COPY | WEIR_GIVE | WEIR_SOME | WEIR_MORE | WEIR_FIN | WEIR_START |
                           WEIR_NOWAIT | WEIR_INLINE_OK | WEIR_ZEROCOPY | WEIR_PRIORITY |
                           WEIR_CHUNK | WEIR_CHUNK_END | WEIR_FAIL_BLOCKED | WEIR_NOTIFY |
                           WEIR_ALLOW_0RTT | WEIR_CANCEL_ON_LOSS | WEIR_BEST_EFFORT | WEIR_TIMED;

    if (request == NULL || (request->flags & ~known) != 0 ||
        (request->iov == NULL && request->iov_count > 0) ||
        (request->iov_count > 0) + (request->chain != NULL) + (request->shared != NULL) > 1 ||
        ((request->chain != NULL || request->shared != NULL) &&
         (request->flags & (WEIR_COPY | WEIR_GIVE)) != 0)) {
        return -EINVAL;
    }
    if ((request->flags & WEIR_FIN) &&
        ((request->flags & (WEIR_MORE | WEIR_PRIORITY)) != 0 || request->level == WEIR_ACCEPTED)) {
        return -EINVAL;
    }
    if ((request->flags & (WEIR_SOME | WEIR_NOWAIT)) || request->file != NULL) {
        return -ENOTSUP;
    }
    return 0;
}

// Adds the pieces up. 0, or -EINVAL.
static int
measure(const struct weir_write *request, uint64_t *ret_size, uint64_t *ret_pieces)
{
    int result = wi_pieces_size_of_array(request, ret_size);

    if (result < 0) {
        return result;
    }
    if (request->chain != NULL) {
        *ret_size = weir_chain_size(request->chain);
    } else if (request->shared != NULL) {
        *ret_size = weir_shared_size(request->shared);
    }
    *ret_pieces = wi_pieces_count(request);
    return *ret_pieces + 2 * wi_inband_frames(*ret_size) + 1 > UINT_MAX ? -EINVAL : 0;
}

// What the stream below is asked for. What is given goes with the record; what is lent stays the
// caller's, and complete when it is.
static struct weir_write
translate(struct record *record, const struct weir_write *request)
{
    struct weir_write own = *request;

    own.flags &= ~(unsigned)WEIR_FIN;
    own.chain = NULL;
    own.shared = NULL;
    own.done = on_done;
    own.arg = record;
    if (own.tear == WEIR_TEAR_STOP) {
        own.tear = WEIR_TEAR_FINISH; // a frame is never cut
    }
    if (request->chain != NULL || request->shared != NULL || (request->flags & WEIR_GIVE)) {
        wi_carry_take(&record->carry, request, &own);
    }
    return own;
}

// Inside the gate. The result is weir_write()'s; the record goes with it.
static int
submit(struct record *record, const struct weir_write *request, uint64_t pieces, weir_op *ret_op)
{
    struct iovec inside[PIECES_INSIDE];
    struct weir_inband *inband = record->inband;
    uint64_t room = pieces + 2 * wi_inband_frames(record->size) + 1;
    struct iovec *iov = room <= PIECES_INSIDE ? inside : wi_heap_alloc(room * sizeof(*iov));
    struct source source = {.pieces = wi_pieces_of(request)};
    uint64_t size = record->size;
    struct weir_write own;
    int result;

    if (iov == NULL) {
        wi_heap_free(record);
        return -ENOMEM;
    }
    own = translate(record, request);
    own.iov = iov;
    own.iov_count = lay_out(record, source, iov);
    wi_add_relaxed(&inband->accepted, size);
    result = weir_write(inband->stream, &own, ret_op); // 0: the record may be gone already
    if (result < 0) {
        wi_sub_relaxed(&inband->accepted, size);
    } else if (result == 1) {
        wi_add_relaxed(&inband->sent, size);
    }
    wi_carry_settle(&record->carry, request, result);
    if (iov != inside) {
        wi_heap_free(iov);
    }
    return result;
}

// Inside the gate.
static int
write_inside(struct weir_inband *inband, const struct weir_write *request, weir_op *ret_op)
{
    bool ends = (request->flags & WEIR_FIN) != 0;
    struct record *record;
    uint64_t size, pieces;
    int result = measure(request, &size, &pieces);

    if (result < 0) {
        return result;
    }
    record = wi_heap_zalloc(sizeof(*record));
    if (record == NULL) {
        return -ENOMEM;
    }
    record->inband = inband;
    record->size = size;
    record->ends = ends;
    wi_carry_init(&record->carry, request);
    return submit(record, request, pieces, ret_op);
}

int
weir_inband_write(struct weir_inband *inband, const struct weir_write *request, weir_op *ret_op)
{
    struct weir_write own;
    int result = check(request);
    bool ends;

    if (result < 0) {
        return result;
    }
    own = *request;
    ends = (own.flags & WEIR_FIN) != 0;
    if (ends) {
        own.flags &= ~(unsigned)WEIR_INLINE_OK; // its end is told on the loop
    }
    result = ends ? enter_last(inband) : enter(inband);
    if (result < 0) {
        return result;
    }
    result = write_inside(inband, &own, ret_op);
    if (result < 0 && ends) {
        take_end_back(inband);
    }
    leave(inband);
    return result;
}

/* ---- marks ---- */

static void
on_close_mark_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    if (result->status == 0) {
        wi_inband_tell_send_closed(arg, true);
    }
}

static int
send_mark(struct weir_inband *inband, const uint8_t *mark, weir_done_fn *done)
{
    struct iovec piece = header_piece(mark);
    struct weir_write request = {
        .iov = &piece,
        .iov_count = 1,
        .tear = WEIR_TEAR_FINISH,
        .deadline_ns = WEIR_NEVER,
        .done = done,
        .arg = inband,
    };

    return weir_write(inband->stream, &request, NULL);
}

static int
send_end(struct weir_inband *inband)
{
    struct weir_write request = {.flags = WEIR_FIN, .deadline_ns = WEIR_NEVER};

    return write_inside(inband, &request, NULL);
}

static void
on_retry(struct weir_loop *loop, int status, void *arg)
{
    struct weir_inband *inband = arg;

    (void)loop;
    inband->flags &= ~(unsigned)WI_INBAND_RETRIES;
    if (status == 0 && inband->phase < WI_INBAND_FINISHING) {
        wi_inband_send_due(inband);
        wi_inband_settle(inband);
    }
    weir_inband_unref(inband);
}

// Somebody is inside a write, or there is no room: look again in a moment.
static void
retry(struct weir_inband *inband)
{
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(RETRY_NS), .fn = on_retry, .arg = inband};
    int status;

    if (inband->flags & WI_INBAND_RETRIES) {
        return;
    }
    inband->flags |= WI_INBAND_RETRIES;
    weir_inband_ref(inband);
    status = weir_timer_start(inband->loop, &timer, NULL);
    if (status < 0) {
        inband->flags &= ~(unsigned)WI_INBAND_RETRIES;
        wi_inband_fail(inband, status, WEIR_ORIGIN_MEMORY);
        weir_inband_unref(inband);
    }
}

// A mark was submitted, or refused. True: it is not due any more.
static bool
is_settled(struct weir_inband *inband, int result)
{
    switch (result) {
    case 0:
        return true;
    case -ENOMEM:
    case -WEIR_ESTREAMFULL:
    case -WEIR_ELANEFULL:
    case -WEIR_ELOOPFULL:
    case -WEIR_EPROCFULL:
        retry(inband);
        return false;
    default: // the stream below has ended or failed: its own events say the rest
        if (inband->phase == WI_INBAND_CLOSING) {
            inband->phase = WI_INBAND_FINISHING;
            weir_close(inband->stream, WEIR_CLOSE_DRAIN, 0, 0);
        }
        return true;
    }
}

void
wi_inband_send_due(struct weir_inband *inband)
{
    uint64_t gate = wi_load_acquire(&inband->gate); // ORDER(inband_gate) observe

    if ((inband->flags & WI_INBAND_STOP_DUE) &&
        is_settled(inband, send_mark(inband, stop_mark, NULL))) {
        inband->flags &= ~(unsigned)WI_INBAND_STOP_DUE;
    }
    if (inband->phase >= WI_INBAND_MARKED ||
        !((inband->flags & WI_INBAND_END_DUE) || inband->phase == WI_INBAND_CLOSING)) {
        return;
    }
    if (gate >= WI_INBAND_GATE_ONE) {
        retry(inband);
        return;
    }
    if (inband->phase == WI_INBAND_CLOSING) { // it is the end as well
        if (is_settled(inband, send_mark(inband, close_mark, on_close_mark_done))) {
            wi_inband_marked(inband);
        }
    } else if (is_settled(inband, send_end(inband))) {
        inband->flags &= ~(unsigned)WI_INBAND_END_DUE;
    }
}

static void
run_end(struct weir_inband *inband, void *arg)
{
    (void)arg;
    if (inband->phase == WI_INBAND_OPEN) {
        inband->flags |= WI_INBAND_END_DUE;
        wi_inband_send_due(inband);
    }
}

// Others are inside a write: nobody comes in any more, and the loop sends the mark behind them.
static int
end_behind_others(struct weir_inband *inband)
{
    uint64_t gate = wi_or_acq_rel(&inband->gate, WI_INBAND_GATE_ENDED); // ORDER(inband_gate)
    int result;

    if (gate & WI_INBAND_GATE_BITS) {
        if (!(gate & WI_INBAND_GATE_ENDED)) {
            take_end_back(inband);
        }
        return wi_inband_refusal(inband, gate);
    }
    result = wi_inband_post(inband, run_end, NULL);
    if (result < 0) {
        take_end_back(inband);
    }
    return result;
}

int
weir_inband_end(struct weir_inband *inband)
{
    int result = enter_last(inband);

    if (result == -EBUSY) {
        return end_behind_others(inband);
    }
    if (result < 0) {
        return result;
    }
    result = send_end(inband);
    if (result < 0) {
        take_end_back(inband);
    }
    leave(inband);
    return result;
}
