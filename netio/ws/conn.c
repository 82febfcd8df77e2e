/* SPDX-License-Identifier: MIT */

#include "netio/ws/conn.h"

#include "mem/heap.h"
#include "netio/ws/control.h"
#include "netio/ws/deflate.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_SIZE 128u
#define SEGMENTS_MAX ((1u << WI_WS_SLOT_BITS) / SEGMENT_SIZE)

typedef _Atomic(struct wi_ws_conn *) segment_pointer;

// Slots are in segments that are never freed, so a stale handle reads a word of the right type.
static segment_pointer segments[SEGMENTS_MAX];
static wi_atomic_u32 segment_count;
// | tag 32 | index of the first free slot + 1, 32 |
static wi_atomic_u64 free_slots;

/* ---- slots ---- */

struct wi_ws_conn *
wi_ws_conn_at(weir_ws ws)
{
    uint32_t index = (uint32_t)(ws.bits & ((1u << WI_WS_SLOT_BITS) - 1));
    // ORDER(wsslots) observe: the slots of the segment are set up.
    struct wi_ws_conn *segment = wi_load_acquire(&segments[index / SEGMENT_SIZE]);

    return segment == NULL || ws.bits == 0 ? NULL : &segment[index % SEGMENT_SIZE];
}

static void
push_free(struct wi_ws_conn *conn)
{
    uint64_t head = wi_load_relaxed(&free_slots);
    uint64_t next;

    do {
        wi_store_relaxed(&conn->free_next, (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | (conn->index + 1u);
        // ORDER(wsfree) publish: the last user's writes to the slot.
    } while (!wi_cas_acq_rel(&free_slots, &head, next));
}

static struct wi_ws_conn *
pop_free(void)
{
    // ORDER(wsfree) observe: what the last user wrote, and the link of a pushed slot.
    uint64_t head = wi_load_acquire(&free_slots);

    while ((uint32_t)head != 0) {
        weir_ws handle = {.bits = ((uint32_t)head - 1u) | WI_WS_GENERATION};
        struct wi_ws_conn *conn = wi_ws_conn_at(handle);
        uint64_t next = ((head >> 32) + 1) << 32 | wi_load_relaxed(&conn->free_next);

        if (wi_cas_acq_rel(&free_slots, &head, next)) {
            return conn;
        }
    }
    return NULL;
}

// One more segment: its first slot for the caller, the others free. Two threads may make one each.
static struct wi_ws_conn *
grow(void)
{
    struct wi_ws_conn *segment = wi_heap_zalloc(SEGMENT_SIZE * sizeof(*segment));
    uint32_t number;

    if (segment == NULL) {
        return NULL;
    }
    number = wi_add_relaxed(&segment_count, 1);
    if (number >= SEGMENTS_MAX) {
        wi_sub_relaxed(&segment_count, 1);
        wi_heap_free(segment);
        return NULL;
    }
    for (uint32_t i = 0; i < SEGMENT_SIZE; i++) {
        segment[i].index = number * SEGMENT_SIZE + i;
        wi_store_relaxed(&segment[i].word, WI_WS_GENERATION | WI_WS_FREED);
    }
    // ORDER(wsslots) publish: the slots.
    wi_store_release(&segments[number], segment);
    for (uint32_t i = SEGMENT_SIZE - 1; i > 0; i--) {
        push_free(&segment[i]);
    }
    return &segment[0];
}

struct wi_ws_conn *
wi_ws_conn_take(void)
{
    struct wi_ws_conn *conn = pop_free();

    if (conn == NULL) {
        conn = grow();
    }
    if (conn != NULL) {
        // All but what stale handles look at.
        memset(&conn->stream, 0, sizeof(*conn) - offsetof(struct wi_ws_conn, stream));
        wi_store_relaxed(&conn->word, wi_load_relaxed(&conn->word) & ~(WI_WS_GENERATION - 1));
    }
    return conn;
}

// Nobody is inside any more, and nobody can come in.
static void
recycle(struct wi_ws_conn *conn)
{
    wi_ws_packer_free(conn->packer);
    conn->packer = NULL;
    push_free(conn);
}

void
wi_ws_conn_put(struct wi_ws_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->word);
    uint64_t freed;

    do {
        freed = ((word & ~(WI_WS_GENERATION - 1)) + WI_WS_GENERATION) | (word & WI_WS_INSIDES) |
                WI_WS_FREED;
        // ORDER(ws) observe: what those inside did before they left.
    } while (!wi_cas_acq_rel(&conn->word, &word, freed));
    if ((freed & WI_WS_INSIDES) == 0) {
        recycle(conn);
    }
}

void
wi_ws_conn_open(struct wi_ws_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    // ORDER(ws) publish: the stream and what was agreed on.
    while (!wi_cas_acq_rel(&conn->word, &word, word | WI_WS_OPEN)) {
    }
}

/* ---- in ---- */

static bool
is_named(uint64_t word, weir_ws ws)
{
    return word >> WI_WS_SLOT_BITS == ws.bits >> WI_WS_SLOT_BITS && !(word & WI_WS_FREED);
}

struct wi_ws_conn *
wi_ws_conn_here(weir_ws ws, int *ret_status)
{
    struct wi_ws_conn *conn = wi_ws_conn_at(ws);
    const struct weir_loop *loop = weir_loop_current();

    // ORDER(ws) observe: the home. A stale handle's slot may be another loop's by now; one that is
    // not stale cannot become so while this is its loop.
    if (conn == NULL || !is_named(wi_load_acquire(&conn->word), ws)) {
        *ret_status = -WEIR_ESTALE;
        return NULL;
    }
    if (loop == NULL || wi_load_relaxed(&conn->loop) != (uintptr_t)loop) {
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
    word = wi_load_relaxed(&conn->word);
    do {
        refusal = refusal_of(word, ws);
        if (refusal < 0 && (refusal != -EBUSY || set == 0)) { // for Close there is always room
            return refusal;
        }
        // ORDER(ws) observe: the stream and what was agreed on.
    } while (!wi_cas_acq_rel(&conn->word, &word, (word + WI_WS_INSIDE) | set));
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
    word = wi_load_relaxed(&conn->word);
    do {
        if (!is_named(word, ws) || !(word & WI_WS_OPEN) ||
            (word & WI_WS_INSIDES) == WI_WS_INSIDES) {
            return false;
        }
        // ORDER(ws) observe: the stream.
    } while (!wi_cas_acq_rel(&conn->word, &word, word + WI_WS_INSIDE));
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
    word = wi_load_relaxed(&conn->word);
    do {
        refusal = refusal_of(word, ws);
        refusal = refusal < 0 ? refusal : message_refusal(word, flags);
        if (refusal < 0) {
            return refusal;
        }
        // ORDER(ws) observe: the stream and what was agreed on; what the last part left.
    } while (!wi_cas_acq_rel(&conn->word, &word, (word + WI_WS_INSIDE + WI_WS_WRITER) | set));
    *ret_conn = conn;
    return 0;
}

/* ---- out ---- */

static void
leave(struct wi_ws_conn *conn, uint64_t subtract, uint64_t clear, uint64_t set)
{
    uint64_t word = wi_load_acquire(&conn->word); // ORDER(ws) observe: what Close says
    uint64_t left;

    do {
        if ((word & WI_WS_INSIDES) == WI_WS_INSIDE && (word & WI_WS_CLOSING) &&
            !(word & WI_WS_FREED) && conn->has_closing) {
            wi_ws_submit_close(conn); // alone, and nobody comes in: Close is behind everything
            word = wi_load_relaxed(&conn->word);
        }
        // Of a connection that has gone only those inside are still counted.
        left = word & WI_WS_FREED ? word - WI_WS_INSIDE : ((word - subtract) & ~clear) | set;
        // ORDER(ws) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->word, &word, left));
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
    return (wi_or_acq_rel(&conn->word, WI_WS_PACKING) & WI_WS_PACKING) == 0;
}

void
wi_ws_give_packer(struct wi_ws_conn *conn)
{
    // ORDER(wspacker) publish: what this message left in it.
    wi_and_acq_rel(&conn->word, ~WI_WS_PACKING);
}
