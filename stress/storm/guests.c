/* SPDX-License-Identifier: MIT */
#include "guests.h"

#include "verdict.h"

#include <stdlib.h>

#define DRAIN_NS UINT64_C(30000000000)

typedef unsigned long long ull;

static struct guests *guests; // the one set

weir_stream
guest_stream(const struct guest *guest)
{
    return (weir_stream){atomic_load_explicit(&guest->stream, memory_order_acquire)};
}

int
guest_write(struct guest *guest, const struct weir_write *write, uint64_t check)
{
    struct house_counts *counts = house_counts_here(guests->house);
    int status = weir_write(guest_stream(guest), write, NULL);

    if (status == 0) {
        atomic_fetch_add_explicit(&guest->accepted, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&guest->accepted_set, check, memory_order_relaxed);
        atomic_fetch_add_explicit(&counts->accepted, 1, memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&guest->refused, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&counts->refused, 1, memory_order_relaxed);
    }
    return status;
}

void
guest_done(struct guest *guest, const struct weir_result *result)
{
    house_count_done(guests->house, result);
    if (result->status == 0) {
        guest->completed++;
    } else {
        guest->failed++;
    }
}

void
guest_close(struct guest *guest)
{
    weir_stream stream = guest_stream(guest);

    if (stream.bits != 0) {
        weir_close(stream, WEIR_CLOSE_DRAIN, weir_deadline_after(DRAIN_NS), 0);
    }
}

void
guests_await(struct guests *the_guests)
{
    while (atomic_load(&the_guests->arrived) < the_guests->count && !storm_is_broken() &&
           house_moves(the_guests->house)) {
    }
}

// --- Events --------------------------------------------------------------------------------------

static const char *
take_record(void *arg, const struct record *record)
{
    struct guest *guest = arg;

    if (record->link != guest->id || (record->flags & RECORD_HELLO) != 0) {
        return "a record of another connection";
    }
    if (record->sequence != guest->sequence_in) {
        return "a record twice, or in another's place";
    }
    guest->sequence_in++;
    guest->got++;
    return NULL;
}

static void
refuse(weir_stream stream, const char *why)
{
    storm_broke("the server received %s", why);
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

// The first record says who it is. NULL: not all of it is there, or it is wrong.
static struct guest *
greet(weir_stream stream, struct weir_iter *at)
{
    struct record hello;

    if (weir_iter_copy_out(at, &hello, sizeof(hello)) < sizeof(hello)) {
        return NULL;
    }
    if (!record_is_sealed(&hello) || (hello.flags & RECORD_HELLO) == 0 ||
        hello.link < guests->first_id || hello.link - guests->first_id >= guests->count) {
        refuse(stream, "no first record");
        return NULL;
    }
    struct guest *guest = &guests->list[hello.link - guests->first_id];
    if (atomic_load(&guest->stream) != 0 || weir_stream_set_user(stream, guest) != 0) {
        refuse(stream, "the same client twice");
        return NULL;
    }
    atomic_store_explicit(&guest->stream, stream.bits, memory_order_release);
    return guest;
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct guest *guest = user;
    struct weir_segment segment;
    const char *wrong = NULL;
    size_t size = 0;

    (void)weir_iter_length(begin, end, &size);
    if (guest == NULL) {
        guest = greet(stream, &begin);
        if (guest == NULL) {
            return (struct weir_consumed){0, size};
        }
        atomic_fetch_add(&guests->arrived, 1);
        if (guests->on_arrived != NULL) {
            guests->on_arrived(guest);
        }
    }
    while (wrong == NULL && weir_iter_segment(&begin, end, &segment)) {
        wrong = reader_feed(&guest->reader, segment.data, segment.size, take_record, guest);
    }
    if (wrong != NULL) {
        refuse(stream, wrong);
    }
    return (struct weir_consumed){size, size};
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct guest *guest = user;

    (void)ambiguous;
    if (guest == NULL) {
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    } else {
        guest->is_closing = true;
        guest_close(guest);
    }
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    (void)code;
    (void)user;
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct guest *guest = user;

    (void)stream;
    if (guest != NULL) {
        guest->closed = *closed;
        atomic_store(&guest->stream, 0);
    }
}

void
guests_start(struct guests *the_guests, struct house *house, enum house_transport transport,
             const struct weir_stream_options *stream)
{
    static const struct weir_handlers handlers = {
        .data = on_data,
        .peer_fin = on_peer_fin,
        .peer_reset = on_peer_reset,
        .peer_stop = on_peer_reset,
        .closed = on_closed,
    };
    struct weir_stream_options mine = *stream;

    guests = the_guests;
    guests->house = house;
    guests->list = calloc(guests->count, sizeof(*guests->list));
    storm_require(guests->list != NULL, "memory");
    for (unsigned i = 0; i < guests->count; i++) {
        guests->list[i].id = guests->first_id + i;
    }
    mine.handlers = &handlers;
    house_listen(house, transport, &mine);
}

void
guests_free(struct guests *the_guests)
{
    free(the_guests->list);
}

// --- The comparison ------------------------------------------------------------------------------

static bool
is_right(const struct guest *guest, const struct crowd_account *account)
{
    if (account->end == CROWD_END_EOF && guest->closed.status == 0) {
        return account->messages_got == atomic_load(&guest->accepted) &&
               account->set_got == atomic_load(&guest->accepted_set) &&
               guest->completed == account->messages_got && guest->failed == 0 &&
               guest->got == account->messages_sent;
    }
    return account->messages_got <= atomic_load(&guest->accepted) &&
           guest->got <= account->messages_sent;
}

void
guests_claim(const struct guests *the_guests, const struct crowd *crowd, struct result *result)
{
    uint64_t accepted = 0;
    uint64_t received = 0;
    unsigned wrong = 0;
    unsigned unpeaceful = 0;

    for (unsigned i = 0; i < the_guests->count; i++) {
        const struct guest *guest = &the_guests->list[i];
        const struct crowd_account *account = &crowd->shared->accounts[guest->id];

        accepted += atomic_load(&guest->accepted) + account->messages_sent;
        received += account->messages_got + guest->got;
        unpeaceful += account->end != CROWD_END_EOF || guest->closed.status != 0;
        if (!is_right(guest, account) && wrong++ == 0) {
            storm_broke("client %u (end %u, closed with %s): %llu messages accepted, %llu "
                        "completed, %llu failed, %llu received; %llu sent, %llu received by the "
                        "server",
                        guest->id, account->end, weir_strerror(guest->closed.status),
                        (ull)atomic_load(&guest->accepted), (ull)guest->completed,
                        (ull)guest->failed, (ull)account->messages_got, (ull)account->messages_sent,
                        (ull)guest->got);
        }
    }
    result_add_claim(result, CLAIM_CORRECTNESS, wrong == 0,
                     "each side received what the other's completions say",
                     "%llu messages accepted, %llu received; %u streams, %u of them cut off",
                     (ull)accepted, (ull)received, the_guests->count, unpeaceful);
}
