/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_CONN_H
#define WI_WS_CONN_H

/**
 * @file
 * A WebSocket connection.
 *
 * Its loop owns it. Other threads come in by a handle: wi_ws_enter() counts them in the word, and
 * the seat is not given to another connection while one is inside.
 *
 * The word also keeps frames in an order that the protocol allows: a message in parts begins when
 * no other message is on its way, and Close is submitted by the last of those who were inside when
 * it was said, for nobody comes in after that.
 */

#include "netio/seat.h"
#include "netio/ws/receiver.h"
#include "weir/ws.h"

/* The word: | generation 40 | flags 8 | of them with a message 8 | inside 8 | */
#define WI_WS_INSIDE  UINT64_C(1)
#define WI_WS_INSIDES UINT64_C(0xff)
#define WI_WS_WRITER  (UINT64_C(1) << 8)
#define WI_WS_WRITERS (UINT64_C(0xff) << 8)
#define WI_WS_OPEN    (UINT64_C(1) << 16) // the handshake is over
#define WI_WS_CLOSING (UINT64_C(1) << 17) // Close was said: nobody comes in
#define WI_WS_PART    (UINT64_C(1) << 18) // a message in parts is open
#define WI_WS_PARTING (UINT64_C(1) << 19) // someone sends a part
#define WI_WS_PACKING (UINT64_C(1) << 20) // someone has the compressing context
#define WI_WS_FREED   (UINT64_C(1) << 21) // no connection; the last one out gives the slot back

/** The loop's. */
enum wi_ws_conn_flag {
    WI_WS_PAUSED = 1 << 0,      // by the program
    WI_WS_DEAF = 1 << 1,        // what arrives is dropped
    WI_WS_CLOSE_CAME = 1 << 2,  // the peer's Close
    WI_WS_CLOSE_LEFT = 1 << 3,  // ours, for the kernel
    WI_WS_FAILED = 1 << 4,      // this side gives the connection up: nothing is waited for
    WI_WS_PONGING = 1 << 5,     // a pong is in the stream's queue
    WI_WS_PONG_WAITS = 1 << 6,  // and another has to follow it
    WI_WS_STREAM_ENDS = 1 << 7, // the stream was told to close
};

struct wi_home;
struct wi_ws_client;
struct wi_ws_packer;
struct wi_ws_shown;

/** What servers and clients have in common. */
struct wi_ws_side {
    const struct weir_ws_handlers *handlers;
    void *user;
    struct weir_ws_limits limits;
    struct weir_ws_deflate deflate;
    char **protocols; // with their texts behind them, one allocation
    unsigned protocol_count;
    bool is_client;
};

/** A control frame's payload. */
struct wi_ws_control {
    unsigned char data[WI_WS_CONTROL_MAX];
    uint8_t size;
};

struct wi_ws_conn {
    struct wi_seat seat; // with its stream from OPEN on

    // Written before OPEN.
    struct wi_ws_side *side;
    struct wi_home *home;
    struct wi_ws_client *client; // NULL: a server's
    const char *protocol;
    // Of the side, which other threads must not look at: a client's goes with its connection.
    uint64_t close_ns;
    size_t pack_min;

    // Of who has PARTING.
    struct wi_utf8 part_text;
    bool part_is_text;

    // Of who has PACKING; NULL: nothing was agreed on.
    struct wi_ws_packer *packer;

    // Of who said Close, until it was submitted.
    struct wi_ws_control closing;
    bool has_closing; // it was said, and not submitted
    wi_atomic_u32 sent_code;

    // The loop's.
    uint32_t flags;
    int status; // why it ends, when it was this side that decided
    uint8_t origin;
    uint16_t code;     // of the peer's Close
    uint32_t controls; // that came in this second
    uint64_t controls_ns;
    void *user;
    struct wi_ws_control *pong; // that waits
    uint64_t heard_ns;          // when something came
    uint64_t asked_ns;          // when a ping was sent that nothing has answered; 0: none
    size_t queued;              // what waited to be sent at the last look
    uint64_t ending_ns;         // since when the peer's Close or end is waited for; 0: it is not
    struct weir_chain message;  // that is not complete
    struct wi_ws_shown *shown;  // while the data function runs
    struct wi_ws_receiver receiver;
};

static inline struct wi_ws_conn *
wi_ws_conn_of(struct wi_seat *seat)
{
    return (struct wi_ws_conn *)(void *)seat;
}
static_assert(offsetof(struct wi_ws_conn, seat) == 0, "a connection begins with its seat");

/** Who is inside, or on the loop. */
static inline weir_stream
wi_ws_stream(const struct wi_ws_conn *conn)
{
    return wi_seat_stream(&conn->seat);
}

static inline weir_ws
wi_ws_handle(const struct wi_ws_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->seat.word);

    return (weir_ws){.bits = wi_seat_handle(&conn->seat, word)};
}

/** Any thread. A slot for a connection, zero but for its word; NULL: memory ran out. */
struct wi_ws_conn *wi_ws_conn_take(void);

/** Loop thread. Give it back: handles are stale from here. */
void wi_ws_conn_put(struct wi_ws_conn *conn);

/** Loop thread. Others may come in. */
void wi_ws_conn_open(struct wi_ws_conn *conn);

/** The slot a handle names, whatever is in it now; NULL when it names none. */
struct wi_ws_conn *wi_ws_conn_at(weir_ws ws);

/** Loop thread. The connection, if the handle is not stale and this is its loop. Otherwise NULL and
 *  why: -WEIR_ESTALE or -EXDEV. */
struct wi_ws_conn *wi_ws_conn_here(weir_ws ws, int *ret_status);

/** Any thread. Come in to send a control frame. 0, -WEIR_ESTALE, -ENOTCONN, -WEIR_EENDED (Close was
 *  said), -EBUSY (too many are inside). */
int wi_ws_enter(weir_ws ws, struct wi_ws_conn **ret_conn);

/** Any thread. Come in to send a frame of a message, as @p flags (enum weir_ws_flag) say. As
 *  wi_ws_enter(), and -EBUSY, -EALREADY as weir_ws_write(). */
int wi_ws_enter_message(weir_ws ws, unsigned flags, struct wi_ws_conn **ret_conn);

/** Who has entered: leave. */
void wi_ws_leave(struct wi_ws_conn *conn);
void wi_ws_leave_message(struct wi_ws_conn *conn, unsigned flags, bool is_sent);

/** Any thread. Come in as the last one: from here nobody else does. As wi_ws_enter(). */
int wi_ws_enter_to_close(weir_ws ws, struct wi_ws_conn **ret_conn);

/** Any thread. Come in to look at the stream, Close or not. False: it is not open. */
bool wi_ws_enter_to_look(weir_ws ws, struct wi_ws_conn **ret_conn);

/** Who has entered: have the compressing context for himself; false: somebody else has it. */
bool wi_ws_take_packer(struct wi_ws_conn *conn);
void wi_ws_give_packer(struct wi_ws_conn *conn);

#endif /* WI_WS_CONN_H */
