/* SPDX-License-Identifier: MIT */

#include "netio/http/conn.h"

#include "mem/heap.h"
#include "netio/http/home.h"

#include <errno.h>
#include <string.h>

static struct wi_seats seats = WI_SEATS(struct wi_http_conn, WI_HTTP_HELD);

struct wi_http_conn *
wi_http_conn_at(weir_http http)
{
    return wi_http_conn_of(wi_seat_at(&seats, http.bits));
}

struct wi_http_conn *
wi_http_conn_take(void)
{
    struct wi_http_conn *conn = wi_http_conn_of(wi_seat_take(&seats));

    if (conn != NULL) {
        memset(&conn->left, 0, sizeof(*conn) - offsetof(struct wi_http_conn, left));
        wi_store_relaxed(&conn->seat.stream, 0);
        // ORDER(seatstream) publish: it is not the stream's any more that was here.
        wi_store_release(&conn->seat.word, wi_seat_word(&conn->seat, WI_HTTP_HELD));
    }
    return conn;
}

// The word with its exchange over: a new generation, held, in this phase.
static uint64_t
word_after(uint64_t word, enum wi_http_phase phase)
{
    uint64_t before = (word & WI_HTTP_BEFORES) + (word & WI_HTTP_INFLIGHTS) * WI_HTTP_BEFORE;
    uint64_t generation = (word & ~(WI_SEAT_GENERATION - 1)) + WI_SEAT_GENERATION;

    return wi_http_with_phase(generation | before | WI_HTTP_HELD, phase);
}

void
wi_http_conn_put(struct wi_http_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);
    uint64_t freed;

    do {
        freed = word_after(word, WI_HTTP_FREED);
        // ORDER(http) observe: what those inside did before they left.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, freed));
    if ((freed & WI_HTTP_BEFORES) == 0) {
        wi_seat_free(&seats, &conn->seat);
    }
}

/* ---- in and out ---- */

static bool
is_named(uint64_t word, weir_http http)
{
    return wi_seat_is_same(word, http.bits) && wi_http_phase(word) != WI_HTTP_FREED;
}

struct wi_http_conn *
wi_http_conn_here(weir_http http, int *ret_status)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);

    // A stale handle's slot may be another loop's by now; one that is not stale cannot become so
    // while this is its loop.
    if (conn == NULL || !is_named(wi_load_relaxed(&conn->seat.word), http)) {
        *ret_status = -WEIR_ESTALE;
        return NULL;
    }
    if (!wi_http_is_here(conn)) {
        *ret_status = -EXDEV;
        return NULL;
    }
    return conn;
}

static int
refusal_of(uint64_t word)
{
    switch (wi_http_phase(word)) {
    case WI_HTTP_BUSY:
        return -EBUSY;
    case WI_HTTP_DONE:
        return -WEIR_EENDED;
    case WI_HTTP_BODY:
        return -EALREADY;
    case WI_HTTP_OPEN:
        return -EINVAL;
    default:
        return -WEIR_ESTALE;
    }
}

int
wi_http_enter(weir_http http, unsigned phases, struct wi_http_conn **ret_conn, uint64_t *ret_word)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);
    uint64_t word;

    if (conn == NULL) {
        return -WEIR_ESTALE;
    }
    // ORDER(http) observe: the stream and the framing, with the phase that says they are there.
    word = wi_load_acquire(&conn->seat.word);
    do {
        if (!is_named(word, http)) {
            return -WEIR_ESTALE;
        }
        // Held by this loop it stays so; held by another it was busy when the word was read.
        if ((word & WI_HTTP_HELD) && !wi_http_is_here(conn)) {
            return -EBUSY;
        }
        if (!(phases & (1u << wi_http_phase(word)))) {
            return refusal_of(word);
        }
        if ((word & WI_HTTP_INFLIGHTS) == WI_HTTP_INFLIGHTS / 2) { // so many threads
            return -EBUSY;
        }
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, word + WI_HTTP_INFLIGHT));
    *ret_conn = conn;
    *ret_word = word;
    return 0;
}

static void
free_if_last(struct wi_http_conn *conn, uint64_t word)
{
    if (wi_http_phase(word) == WI_HTTP_FREED && (word & WI_HTTP_BEFORES) == 0) {
        wi_seat_free(&seats, &conn->seat);
    }
}

void
wi_http_leave(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);
    uint64_t left;

    do {
        left = word - (wi_seat_is_same(word, entered) ? WI_HTTP_INFLIGHT : WI_HTTP_BEFORE);
        // ORDER(http) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, left));
    free_if_last(conn, left);
}

void
wi_http_leave_and_keep(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);
    uint64_t kept;

    do {
        kept = word + (wi_seat_is_same(word, entered) ? WI_HTTP_BEFORE - WI_HTTP_INFLIGHT : 0);
        // ORDER(http) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, kept));
}

void
wi_http_let_go(struct wi_http_conn *conn)
{
    // ORDER(http) publish: the last use of the slot.
    free_if_last(conn, wi_sub_acq_rel(&conn->seat.word, WI_HTTP_BEFORE) - WI_HTTP_BEFORE);
}

int
wi_http_take_alone(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    do {
        if (!wi_seat_is_same(word, entered) || wi_http_phase(word) != wi_http_phase(entered) ||
            (word & WI_HTTP_INFLIGHTS) != WI_HTTP_INFLIGHT) {
            wi_http_leave(conn, entered);
            return wi_seat_is_same(word, entered) ? -EBUSY : -WEIR_ESTALE;
        }
        // ORDER(http) observe: what those did who were inside before.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, wi_http_with_phase(word, WI_HTTP_BUSY)));
    return 0;
}

void
wi_http_move(struct wi_http_conn *conn, uint64_t entered, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    do {
        if (!wi_seat_is_same(word, entered)) {
            return;
        }
        // ORDER(http) publish: the framing.
    } while (!wi_cas_acq_rel(&conn->seat.word, &word, wi_http_with_phase(word, phase)));
}

void
wi_http_set_phase_among(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    while (!wi_cas_relaxed(&conn->seat.word, &word, wi_http_with_phase(word, phase))) {
    }
}

void
wi_http_next_exchange_among(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    // ORDER(http) observe: what those inside did before they left.
    while (!wi_cas_acq_rel(&conn->seat.word, &word, word_after(word, phase))) {
    }
}

void
wi_http_unhold(struct wi_http_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    // ORDER(http) publish: the exchange as the loop left it. Others may be leaving.
    while (!wi_cas_acq_rel(&conn->seat.word, &word, word & ~WI_HTTP_HELD)) {
    }
}
