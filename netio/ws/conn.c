/* SPDX-License-Identifier: MIT */

#include "netio/ws/conn.h"

#include "mem/heap.h"
#include "netio/ws/control.h"
#include "netio/ws/deflate.h"

#include <errno.h>
#include <string.h>

static struct wi_seats seats = WI_SEATS(struct wi_ws_conn, WI_WS_FREED);

struct wi_ws_conn *
wi_ws_conn_at(weir_ws ws)
{
    return wi_ws_conn_of(wi_seat_at(&seats, ws.bits));
}

struct wi_ws_conn *
wi_ws_conn_take(void)
{
    struct wi_ws_conn *conn = wi_ws_conn_of(wi_seat_take(&seats));

    if (conn != NULL) {
        // All but what stale handles look at.
        memset((char *)conn + sizeof(conn->seat), 0, sizeof(*conn) - sizeof(conn->seat));
        wi_store_relaxed(&conn->seat.stream, 0);
        wi_store_relaxed(&conn->seat.word, wi_seat_word(&conn->seat, 0));
    }
    return conn;
}

// Nobody is inside any more, and nobody can come in.
static void
recycle(struct wi_ws_conn *conn)
{
    wi_ws_packer_free(conn->packer);
    conn->packer = NULL;
    wi_seat_free(&seats, &conn->seat);
}

void
wi_ws_conn_put(struct wi_ws_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);
    uint64_t freed;

    do {
        freed = ((word & ~(WI_SEAT_GENERATION - 1)) + WI_SEAT_GENERATION) | (word & WI_WS_INSIDES) |
                WI_WS_FREED;
        // ORDER(ws) observe: what those inside did before they left.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, freed));
    if ((freed & WI_WS_INSIDES) == 0) {
        recycle(conn);
    }
}

void
wi_ws_conn_open(struct wi_ws_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    // ORDER(ws) publish: the stream and what was agreed on.
    while (!wi_cas_acq_rel(&conn->seat.word, &word, word | WI_WS_OPEN)) {
    }
}

/* ---- in ---- */

static bool
is_named(uint64_t word, weir_ws ws)
{
    return wi_seat_is_same(word, ws.bits) && !(word & WI_WS_FREED);
}

struct wi_ws_conn *
wi_ws_conn_here(weir_ws ws, int *ret_status)
{
    struct wi_ws_conn *conn = wi_ws_conn_at(ws);

    // ORDER(ws) observe: the home. A stale handle's slot may be another loop's by now; one that is
    // not stale cannot become so while this is its loop.
    if (conn == NULL || !is_named(wi_load_acquire(&conn->seat.word), ws)) {
        *ret_status = -WEIR_ESTALE;
        return NULL;
    }
    if (!wi_seat_is_here(&conn->seat)) {
        *ret_status = -EXDEV;
        return NULL;
    }
    return conn;
}

// May one come in who adds this to the word? 0 or why not.
static int
refusal_of(uint64_t word, weir_ws ws)
{
    if (!is_named(word, ws)) {
        return -WEIR_ESTALE;
    }
    if (!(word & WI_WS_OPEN)) {
        return -ENOTCONN;
    }
    if (word & WI_WS_CLOSING) {
        return -WEIR_EENDED;
    }
    return (word & WI_WS_INSIDES) > WI_WS_INSIDES / 2 ? -EBUSY : 0; // so many threads
}

static int
enter(weir_ws ws, uint64_t set, struct wi_ws_conn **ret_conn)
{
    struct wi_ws_conn *conn = wi_ws_conn_at(ws);
    uint64_t word;
    int refusal;

    if (conn == NULL) {
        return -WEIR_ESTALE;
    }
    word = wi_load_relaxed(&conn->seat.word);
    do {
        refusal = refusal_of(word, ws);
        if (refusal < 0 && (refusal != -EBUSY || set == 0)) { // for Close there is always room
            return refusal;
        }
        // ORDER(ws) observe: the stream and what was agreed on.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, (word + WI_WS_INSIDE) | set));
    *ret_conn = conn;
    return 0;
}

int
wi_ws_enter(weir_ws ws, struct wi_ws_conn **ret_conn)
{
    return enter(ws, 0, ret_conn);
}

int
wi_ws_enter_to_close(weir_ws ws, struct wi_ws_conn **ret_conn)
{
    return enter(ws, WI_WS_CLOSING, ret_conn);
}

bool
wi_ws_enter_to_look(weir_ws ws, struct wi_ws_conn **ret_conn)
{
    struct wi_ws_conn *conn = wi_ws_conn_at(ws);
    uint64_t word;

    if (conn == NULL) {
        return false;
    }
    word = wi_load_relaxed(&conn->seat.word);
    do {
        if (!is_named(word, ws) || !(word & WI_WS_OPEN) ||
            (word & WI_WS_INSIDES) == WI_WS_INSIDES) {
            return false;
        }
        // ORDER(ws) observe: the stream.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, word + WI_WS_INSIDE));
    *ret_conn = conn;
    return true;
}

// A message in parts is nobody else's while one of them is sent, and begins when nobody sends.
static int
message_refusal(uint64_t word, unsigned flags)
{
    if (word & WI_WS_PARTING) {
        return -EBUSY;
    }
    if (flags & WEIR_WS_CONTINUE) {
        return word & WI_WS_PART ? 0 : -EALREADY;
    }
    if ((word & WI_WS_PART) || ((flags & WEIR_WS_PART) && (word & WI_WS_WRITERS) != 0)) {
        return -EBUSY;
    }
    return 0;
}

static bool
is_part(unsigned flags)
{
    return (flags & (WEIR_WS_CONTINUE | WEIR_WS_PART)) != 0;
}

int
wi_ws_enter_message(weir_ws ws, unsigned flags, struct wi_ws_conn **ret_conn)
{
    struct wi_ws_conn *conn = wi_ws_conn_at(ws);
    uint64_t set = is_part(flags) ? WI_WS_PARTING : 0;
    uint64_t word;
    int refusal;

    if (conn == NULL) {
        return -WEIR_ESTALE;
    }
    word = wi_load_relaxed(&conn->seat.word);
    do {
        refusal = refusal_of(word, ws);
        refusal = refusal < 0 ? refusal : message_refusal(word, flags);
        if (refusal < 0) {
            return refusal;
        }
        // ORDER(ws) observe: the stream and what was agreed on; what the last part left.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, (word + WI_WS_INSIDE + WI_WS_WRITER) | set));
    *ret_conn = conn;
    return 0;
}

/* ---- out ---- */

static void
leave(struct wi_ws_conn *conn, uint64_t subtract, uint64_t clear, uint64_t set)
{
    uint64_t word = wi_load_acquire(&conn->seat.word); // ORDER(ws) observe: what Close says
    uint64_t left;

    do {
        if ((word & WI_WS_INSIDES) == WI_WS_INSIDE && (word & WI_WS_CLOSING) &&
            !(word & WI_WS_FREED) && conn->has_closing) {
            wi_ws_submit_close(conn); // alone, and nobody comes in: Close is behind everything
            word = wi_load_relaxed(&conn->seat.word);
        }
        // Of a connection that has gone only those inside are still counted.
        left = word & WI_WS_FREED ? word - WI_WS_INSIDE : ((word - subtract) & ~clear) | set;
        // ORDER(ws) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, left));
    if ((left & WI_WS_FREED) && (left & WI_WS_INSIDES) == 0) {
        recycle(conn);
    }
}

void
wi_ws_leave(struct wi_ws_conn *conn)
{
    leave(conn, WI_WS_INSIDE, 0, 0);
}

void
wi_ws_leave_message(struct wi_ws_conn *conn, unsigned flags, bool is_sent)
{
    uint64_t clear = is_part(flags) ? WI_WS_PARTING : 0;
    uint64_t set = 0;

    if (is_sent && is_part(flags)) {
        clear |= WI_WS_PART;
        set = flags & WEIR_WS_PART ? WI_WS_PART : 0;
    }
    leave(conn, WI_WS_INSIDE + WI_WS_WRITER, clear, set);
}

/* ---- the compressing context ---- */

bool
wi_ws_take_packer(struct wi_ws_conn *conn)
{
    // ORDER(wspacker) observe: what the last message left in the context.
    return (wi_or_acq_rel(&conn->seat.word, WI_WS_PACKING) & WI_WS_PACKING) == 0;
}

void
wi_ws_give_packer(struct wi_ws_conn *conn)
{
    // ORDER(wspacker) publish: what this message left in it.
    wi_and_acq_rel(&conn->seat.word, ~WI_WS_PACKING);
}
