/* SPDX-License-Identifier: MIT */

#include "netio/http/conn.h"

#include "mem/heap.h"
#include "netio/http/home.h"

#include <errno.h>
#include <string.h>

#define SEGMENT_SIZE 128u
#define SEGMENTS_MAX ((1u << WI_HTTP_SLOT_BITS) / SEGMENT_SIZE)

typedef _Atomic(struct wi_http_conn *) segment_pointer;

// Slots are in segments that are never freed, so a stale handle reads a word of the right type.
static segment_pointer segments[SEGMENTS_MAX];
static wi_atomic_u32 segment_count;
// | tag 32 | index of the first free slot + 1, 32 |
static wi_atomic_u64 free_slots;

struct wi_http_conn *
wi_http_conn_at(weir_http http)
{
    uint32_t index = (uint32_t)(http.bits & ((1u << WI_HTTP_SLOT_BITS) - 1));
    // ORDER(httpslots) observe: the slots of the segment are set up.
    struct wi_http_conn *segment = wi_load_acquire(&segments[index / SEGMENT_SIZE]);

    return segment == NULL || http.bits == 0 ? NULL : &segment[index % SEGMENT_SIZE];
}

static void
push_free(struct wi_http_conn *conn)
{
    uint64_t head = wi_load_relaxed(&free_slots);
    uint64_t next;

    do {
        wi_store_relaxed(&conn->free_next, (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | (conn->index + 1u);
        // ORDER(httpfree) publish: the last user's writes to the slot.
    } while (!wi_cas_acq_rel(&free_slots, &head, next));
}

static struct wi_http_conn *
pop_free(void)
{
    // ORDER(httpfree) observe: what the last user wrote, and the link of a pushed slot.
    uint64_t head = wi_load_acquire(&free_slots);

    while ((uint32_t)head != 0) {
        weir_http handle = {.bits = ((uint32_t)head - 1u) | WI_HTTP_GENERATION};
        struct wi_http_conn *conn = wi_http_conn_at(handle);
        uint64_t next = ((head >> 32) + 1) << 32 | wi_load_relaxed(&conn->free_next);

        if (wi_cas_acq_rel(&free_slots, &head, next)) {
            return conn;
        }
    }
    return NULL;
}

// One more segment: its first slot for the caller, the others free. Two threads may make one each.
static struct wi_http_conn *
grow(void)
{
    struct wi_http_conn *segment = wi_heap_zalloc(SEGMENT_SIZE * sizeof(*segment));
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
        wi_store_relaxed(&segment[i].word, WI_HTTP_GENERATION | WI_HTTP_HELD);
    }
    // ORDER(httpslots) publish: the slots.
    wi_store_release(&segments[number], segment);
    for (uint32_t i = SEGMENT_SIZE - 1; i > 0; i--) {
        push_free(&segment[i]);
    }
    return &segment[0];
}

struct wi_http_conn *
wi_http_conn_take(void)
{
    struct wi_http_conn *conn = pop_free();

    if (conn == NULL) {
        conn = grow();
    }
    if (conn != NULL) {
        // All but what stale handles look at, which is zero or stays.
        memset(&conn->left, 0, sizeof(*conn) - offsetof(struct wi_http_conn, left));
        wi_store_relaxed(&conn->stream, 0);
        // ORDER(httpstream) publish: it is not the stream's any more that was here.
        wi_store_release(&conn->word,
                         (wi_load_relaxed(&conn->word) & ~(WI_HTTP_GENERATION - 1)) | WI_HTTP_HELD);
    }
    return conn;
}

// The word with its exchange over: a new generation, held, in this phase.
static uint64_t
word_after(uint64_t word, enum wi_http_phase phase)
{
    uint64_t before = (word & WI_HTTP_BEFORES) + (word & WI_HTTP_INFLIGHTS) * WI_HTTP_BEFORE;
    uint64_t generation = (word & ~(WI_HTTP_GENERATION - 1)) + WI_HTTP_GENERATION;

    return wi_http_with_phase(generation | before | WI_HTTP_HELD, phase);
}

void
wi_http_conn_put(struct wi_http_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->word);
    uint64_t freed;

    do {
        freed = word_after(word, WI_HTTP_FREED);
        // ORDER(http) observe: what those inside did before they left.
    } while (!wi_cas_acq_rel(&conn->word, &word, freed));
    if ((freed & WI_HTTP_BEFORES) == 0) {
        push_free(conn);
    }
}

/* ---- in and out ---- */

static bool
is_named(uint64_t word, weir_http http)
{
    return word >> WI_HTTP_SLOT_BITS == http.bits >> WI_HTTP_SLOT_BITS &&
           wi_http_phase(word) != WI_HTTP_FREED;
}

struct wi_http_conn *
wi_http_conn_here(weir_http http, int *ret_status)
{
    struct wi_http_conn *conn = wi_http_conn_at(http);

    // A stale handle's slot may be another loop's by now; one that is not stale cannot become so
    // while this is its loop.
    if (conn == NULL || !is_named(wi_load_relaxed(&conn->word), http)) {
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
    word = wi_load_acquire(&conn->word);
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
    } while (!wi_cas_acq_rel(&conn->word, &word, word + WI_HTTP_INFLIGHT));
    *ret_conn = conn;
    *ret_word = word;
    return 0;
}

static bool
is_same_exchange(uint64_t word, uint64_t entered)
{
    return word >> WI_HTTP_SLOT_BITS == entered >> WI_HTTP_SLOT_BITS;
}

static void
free_if_last(struct wi_http_conn *conn, uint64_t word)
{
    if (wi_http_phase(word) == WI_HTTP_FREED && (word & WI_HTTP_BEFORES) == 0) {
        push_free(conn);
    }
}

void
wi_http_leave(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->word);
    uint64_t left;

    do {
        left = word - (is_same_exchange(word, entered) ? WI_HTTP_INFLIGHT : WI_HTTP_BEFORE);
        // ORDER(http) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->word, &word, left));
    free_if_last(conn, left);
}

void
wi_http_leave_and_keep(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->word);
    uint64_t kept;

    do {
        kept = word + (is_same_exchange(word, entered) ? WI_HTTP_BEFORE - WI_HTTP_INFLIGHT : 0);
        // ORDER(http) publish: what was done inside.
    } while (!wi_cas_acq_rel(&conn->word, &word, kept));
}

void
wi_http_let_go(struct wi_http_conn *conn)
{
    // ORDER(http) publish: the last use of the slot.
    free_if_last(conn, wi_sub_acq_rel(&conn->word, WI_HTTP_BEFORE) - WI_HTTP_BEFORE);
}

int
wi_http_take_alone(struct wi_http_conn *conn, uint64_t entered)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    do {
        if (!is_same_exchange(word, entered) || wi_http_phase(word) != wi_http_phase(entered) ||
            (word & WI_HTTP_INFLIGHTS) != WI_HTTP_INFLIGHT) {
            wi_http_leave(conn, entered);
            return is_same_exchange(word, entered) ? -EBUSY : -WEIR_ESTALE;
        }
        // ORDER(http) observe: what those did who were inside before.
    } while (!wi_cas_acq_rel(&conn->word, &word, wi_http_with_phase(word, WI_HTTP_BUSY)));
    return 0;
}

void
wi_http_move(struct wi_http_conn *conn, uint64_t entered, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    do {
        if (!is_same_exchange(word, entered)) {
            return;
        }
        // ORDER(http) publish: the framing.
    } while (!wi_cas_acq_rel(&conn->word, &word, wi_http_with_phase(word, phase)));
}

void
wi_http_set_phase_among(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    while (!wi_cas_relaxed(&conn->word, &word, wi_http_with_phase(word, phase))) {
    }
}

void
wi_http_next_exchange_among(struct wi_http_conn *conn, enum wi_http_phase phase)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    // ORDER(http) observe: what those inside did before they left.
    while (!wi_cas_acq_rel(&conn->word, &word, word_after(word, phase))) {
    }
}

void
wi_http_unhold(struct wi_http_conn *conn)
{
    uint64_t word = wi_load_relaxed(&conn->word);

    // ORDER(http) publish: the exchange as the loop left it. Others may be leaving.
    while (!wi_cas_acq_rel(&conn->word, &word, word & ~WI_HTTP_HELD)) {
    }
}
