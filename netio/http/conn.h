/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_CONN_H
#define WI_HTTP_CONN_H

/**
 * @file
 * A connection that speaks HTTP, and the exchange that is open on it.
 *
 * Its loop owns it. Other threads come in by a handle: wi_http_enter() counts them in the word, and
 * the seat is not given to another connection while one is inside.
 */

#include "mem/assert.h"
#include "mem/plant.h"
#include "netio/http/parser.h"
#include "netio/seat.h"

#include <assert.h>
#include <stddef.h>

/** Where the exchange's sending side is. */
enum wi_http_phase {
    WI_HTTP_IDLE,  // no exchange
    WI_HTTP_OPEN,  // nothing of the message was sent
    WI_HTTP_BODY,  // its head was, and its body is open
    WI_HTTP_BUSY,  // someone has it for himself: sends a head, a file, the end
    WI_HTTP_DONE,  // its end was submitted
    WI_HTTP_FREED, // no connection; the last one out gives the slot back
};

/* The word: | generation 40 | held 1 | phase 3 | of exchanges before 10 | in flight 10 |
 *
 * Who is inside when the exchange is over is counted among those of exchanges before: the next one
 * is nobody's affair of theirs, and still they keep the slot. So is who left and keeps it. */
#define WI_HTTP_INFLIGHT    UINT64_C(1)
#define WI_HTTP_INFLIGHTS   UINT64_C(0x3ff)
#define WI_HTTP_BEFORE      (UINT64_C(1) << 10)
#define WI_HTTP_BEFORES     (WI_HTTP_INFLIGHTS << 10)
#define WI_HTTP_PHASE_SHIFT 20
#define WI_HTTP_PHASE_MASK  (UINT64_C(7) << WI_HTTP_PHASE_SHIFT)
#define WI_HTTP_HELD        (UINT64_C(1) << 23) // the loop's own, without contest

/** How the sent body ends. */
enum wi_http_mode {
    WI_HTTP_NONE,     // there is none; bytes are counted and not sent
    WI_HTTP_LENGTH,   // with its length
    WI_HTTP_CHUNKS,   // with a chunk of zero bytes
    WI_HTTP_TO_CLOSE, // with the connection
};

enum wi_http_conn_flag {
    WI_HTTP_CLIENT = 1 << 0,
    WI_HTTP_IN_DATA = 1 << 1,      // its data function runs
    WI_HTTP_LAST = 1 << 2,         // the connection ends behind this exchange
    WI_HTTP_OVER = 1 << 3,         // closing: input is dropped, nothing begins any more
    WI_HTTP_HIJACKED = 1 << 4,     // the stream is not ours any more
    WI_HTTP_TOLD = 1 << 5,         // `request` or `response` was called: `ended` is due
    WI_HTTP_WANTS_100 = 1 << 6,    // the client waits before it sends the body
    WI_HTTP_IS_HEAD = 1 << 7,      // the request's method is HEAD
    WI_HTTP_IS_OLD = 1 << 8,       // the request is HTTP/1.0
    WI_HTTP_DISCARDS = 1 << 9,     // what is left of the received body is dropped
    WI_HTTP_PAUSED = 1 << 10,      // by the program
    WI_HTTP_HOLDS_INPUT = 1 << 11, // the stream was paused by us
    WI_HTTP_FIN = 1 << 12,         // the peer sends nothing more
    WI_HTTP_RECEIVING = 1 << 13,   // an exchange's received message is not complete
    WI_HTTP_FINAL = 1 << 14,       // client: the response's final head was told
    WI_HTTP_ENDED = 1 << 15,       // the end of the sent message has left
};

struct wi_http_pull;
struct wi_http_kept;
struct wi_http_home;

/** What servers and clients have in common. */
struct wi_http_side {
    const struct weir_http_handlers *handlers;
    void *user;
    struct weir_http_limits limits;
    uint64_t response_ns; // of a client: from the request's end to the response's head
};

struct wi_http_conn {
    struct wi_seat seat;
    wi_atomic_u64 section; // the exchange in which another thread than the loop's produces; 0: none

    wi_atomic_u64 left; // bytes the sent body still wants, with a length

    // Of the message that is being sent: written by who has the exchange for himself.
    wi_atomic_u64 body_sent;
    uint8_t mode;
    bool is_last : 1;       // it says that the connection ends behind it
    bool has_continued : 1; // a 100 was sent
    uint16_t status;        // of the response

    // The loop's. Others read some of the flags.
    wi_atomic_u32 flags;
    uint32_t requests;
    int over_status; // why it is over, when it was this side that decided
    uint8_t over_origin;
    struct wi_http_live *live; // NULL: a server's that is idle
    struct wi_http_side *side;
    struct wi_http_home *home;
    void *user;
    struct weir_http_client *client;

    uint64_t idle_ns;   // since when it has had no exchange, or has waited for a response
    uint64_t head_ns;   // since when a head has been on its way; 0: none
    uint64_t sent_mark; // bytes sent and when, as of the sweep's last look; 0: nothing waited
    uint64_t sent_mark_ns;
};

/** What a connection has besides while a head is on its way, or an exchange open: the loop's. Idle
 *  ones of a server have none, so that they are small. */
struct wi_http_live {
    struct wi_http_parser parser; // first
    struct wi_http_conn *conn;
    struct wi_http_live *next; // while it is nobody's
    struct wi_http_row *saved; // of a head that is incomplete
    uint32_t saved_count;
    bool keeps; // the message being received does not end the connection
    struct wi_http_kept *kept;
    struct wi_http_pull *pulls;
    struct wi_http_pull *pulls_last;
    struct wi_http_trailers *trailers; // that came behind a body in chunks
    uint64_t received_mark;            // as sent_mark, of the body that arrives
    uint64_t received_mark_ns;
    uint64_t raw; // bytes received in this exchange, framing counted
};

static inline struct wi_http_live *
wi_http_live_of(struct wi_http_parser *parser)
{
    return (struct wi_http_live *)(void *)parser;
}
static_assert(offsetof(struct wi_http_live, parser) == 0, "the parser is what is live");

static inline struct wi_http_conn *
wi_http_conn_of(struct wi_seat *seat)
{
    return (struct wi_http_conn *)(void *)seat;
}
static_assert(offsetof(struct wi_http_conn, seat) == 0, "a connection begins with its seat");

/** Who is inside, or on the loop. */
static inline weir_stream
wi_http_stream(const struct wi_http_conn *conn)
{
    return wi_seat_stream(&conn->seat);
}

/** Any thread. Is this its loop's thread? */
static inline bool
wi_http_is_here(const struct wi_http_conn *conn)
{
    return wi_seat_is_here(&conn->seat);
}

/** Any thread inside reads; the loop's writes. */
static inline uint32_t
wi_http_flags(const struct wi_http_conn *conn)
{
    return wi_load_relaxed(&conn->flags);
}

static inline void
wi_http_set(struct wi_http_conn *conn, uint32_t flags)
{
    wi_store_relaxed(&conn->flags, wi_http_flags(conn) | flags);
}

static inline void
wi_http_clear(struct wi_http_conn *conn, uint32_t flags)
{
    wi_store_relaxed(&conn->flags, wi_http_flags(conn) & ~flags);
}

/** Who has the exchange for himself. Does the client wait still, before it sends the body? */
static inline bool
wi_http_waits_for_100(const struct wi_http_conn *conn)
{
    return (wi_http_flags(conn) & WI_HTTP_WANTS_100) && !conn->has_continued;
}

/** Does the response end with its head, whatever its fields say of a length? */
static inline bool
wi_http_has_no_body(const struct wi_http_conn *conn, unsigned status)
{
    return (wi_http_flags(conn) & WI_HTTP_IS_HEAD) || status == 204 ||
           (status == 304 && !WI_PLANT(105)) || status < 200;
}

static inline weir_http
wi_http_handle_of(const struct wi_http_conn *conn, uint64_t word)
{
    return (weir_http){.bits = wi_seat_handle(&conn->seat, word)};
}

static inline weir_http
wi_http_handle(const struct wi_http_conn *conn)
{
    return wi_http_handle_of(conn, wi_load_relaxed(&conn->seat.word));
}

static inline enum wi_http_phase
wi_http_phase(uint64_t word)
{
    return (enum wi_http_phase)((word & WI_HTTP_PHASE_MASK) >> WI_HTTP_PHASE_SHIFT);
}

static inline uint64_t
wi_http_with_phase(uint64_t word, enum wi_http_phase phase)
{
    return (word & ~WI_HTTP_PHASE_MASK) | (uint64_t)phase << WI_HTTP_PHASE_SHIFT;
}

/** Any thread. A slot for a connection, zero but for its word; NULL: none is left. */
struct wi_http_conn *wi_http_conn_take(void);

/** Loop thread. Give it back: handles are stale from here. */
void wi_http_conn_put(struct wi_http_conn *conn);

/** The slot a handle names, whatever is in it now; NULL when it names none. */
struct wi_http_conn *wi_http_conn_at(weir_http http);

/** Loop thread. The connection, if the handle is not stale and this is its loop. Otherwise NULL and
 *  why: -WEIR_ESTALE or -EXDEV. */
struct wi_http_conn *wi_http_conn_here(weir_http http, int *ret_status);

/** Any thread. Count in, if the exchange is in one of the phases (a set of 1 << phase). Fills in
 *  the word it met. 0, -WEIR_ESTALE, -EBUSY (held by another thread's loop, or BUSY),
 *  -WEIR_EENDED (DONE), -EINVAL or -EALREADY (another phase). */
int wi_http_enter(weir_http http, unsigned phases, struct wi_http_conn **ret_conn,
                  uint64_t *ret_word);

/** Who has entered. Take the exchange for himself: nobody else inside, phase BUSY. 0, or -EBUSY or
 *  -WEIR_ESTALE, and the caller has left. */
int wi_http_take_alone(struct wi_http_conn *conn, uint64_t entered);

/** Who has it for himself. Set the phase, unless the exchange is over (its connection was closed).
 */
void wi_http_move(struct wi_http_conn *conn, uint64_t entered, enum wi_http_phase phase);

/** Who has entered: leave. */
void wi_http_leave(struct wi_http_conn *conn, uint64_t entered);

/** Who has entered: leave, but keep the slot until wi_http_let_go(). */
void wi_http_leave_and_keep(struct wi_http_conn *conn, uint64_t entered);
void wi_http_let_go(struct wi_http_conn *conn);

/** The two below where others are inside. */
void wi_http_set_phase_among(struct wi_http_conn *conn, enum wi_http_phase phase);
void wi_http_next_exchange_among(struct wi_http_conn *conn, enum wi_http_phase phase);

/** Loop thread, the exchange held and nobody inside. Set the phase. */
static inline void
wi_http_set_phase(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    if (wi_likely((word & WI_HTTP_BEFORES) == 0)) {
        wi_store_relaxed(&conn->seat.word, wi_http_with_phase(word, phase));
    } else {
        wi_http_set_phase_among(conn, phase);
    }
}

/** Loop thread. The next exchange, or none: held, in @p phase. Handles of the last are stale.
 *
 *  Held and with nobody counted, the word is the loop's alone: wi_http_enter() changes nothing but
 *  on this thread, and there is nobody to leave. So no swap is needed, and no order: who is let in
 *  later is by wi_http_unhold(), which publishes. */
static inline void
wi_http_next_exchange(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    if (wi_likely((word & (WI_HTTP_HELD | WI_HTTP_INFLIGHTS | WI_HTTP_BEFORES)) == WI_HTTP_HELD)) {
        uint64_t generation = (word & ~(WI_SEAT_GENERATION - 1)) + WI_SEAT_GENERATION;

        wi_store_relaxed(&conn->seat.word,
                         generation | WI_HTTP_HELD | (uint64_t)phase << WI_HTTP_PHASE_SHIFT);
    } else {
        wi_http_next_exchange_among(conn, phase);
    }
}

/** Loop thread. Let other threads in. */
void wi_http_unhold(struct wi_http_conn *conn);

#endif /* WI_HTTP_CONN_H */
