/* SPDX-License-Identifier: MIT */
// Dialling, and a stream's events.

#include "link.h"

#include "producer.h"
#include "verdict.h"

#include <stdlib.h>

#define CHUNK_LINKS   1024u
#define CHUNKS_MAX    4096u
#define QUEUE_HIGH    ((size_t)1024 * 1024)
#define NARROW_SIZE   (32 * 1024)
#define CORK_NS       (UINT64_C(5) * 1000 * 1000)
#define DIAL_NS       (UINT64_C(20) * 1000 * 1000 * 1000)
#define DRAIN_NS      (UINT64_C(15) * 1000 * 1000 * 1000)
#define TRAIT_CHANCES 7u

enum { ENDS = 2 }; // what holds a link from its dial on: `closed` and the receiver's report

typedef _Atomic(struct link *) link_place;

static _Atomic(link_place *) chunks[CHUNKS_MAX];
static atomic_uint walkers; // who looks at all links
static _Atomic uint32_t dialled;
static _Atomic uint64_t open_count;

uint32_t
link_count(void)
{
    uint32_t count = atomic_load(&dialled);

    return count < CHUNKS_MAX * CHUNK_LINKS ? count : CHUNKS_MAX * CHUNK_LINKS;
}

uint32_t
link_open_count(void)
{
    return (uint32_t)atomic_load(&open_count);
}

const _Atomic uint64_t *
link_open_counter(void)
{
    return &open_count;
}

static link_place *
place_of(uint32_t id)
{
    link_place *chunk = id < link_count() ? atomic_load(&chunks[id / CHUNK_LINKS]) : NULL;

    return chunk == NULL ? NULL : &chunk[id % CHUNK_LINKS];
}

struct link *
link_find(uint32_t id)
{
    link_place *place = place_of(id);

    return place == NULL ? NULL : atomic_load(place);
}

// ---- holding ----------------------------------------------------------------------------------

struct link *
link_hold(struct connection *connection)
{
    struct link *link;
    unsigned holders = 0;

    // Counted before the link is looked at: see link_bury().
    atomic_fetch_add(&connection->lookers, 1);
    link = atomic_load(&connection->link);
    if (link != NULL && link_stream(link).bits != 0) {
        holders = atomic_load(&link->holders);
        while (holders != 0 &&
               !atomic_compare_exchange_weak(&link->holders, &holders, holders + 1)) {
        }
    }
    atomic_fetch_sub(&connection->lookers, 1);
    return holders != 0 ? link : NULL;
}

void
link_keep(struct link *link)
{
    atomic_fetch_add(&link->holders, 1);
}

static void
bury(struct connection *connection, struct link *link)
{
    link->next = atomic_load(&connection->buried);
    while (!atomic_compare_exchange_weak(&connection->buried, &link->next, link)) {
    }
}

// What was buried can be found by nobody; so if nobody is looking now, nobody has found it.
static void
sweep(struct connection *connection)
{
    struct link *link = atomic_exchange(&connection->buried, NULL);
    bool is_alone = atomic_load(&connection->lookers) == 0 && atomic_load(&walkers) == 0;

    while (link != NULL) {
        struct link *next = link->next;

        if (is_alone) {
            free(link);
        } else {
            bury(connection, link);
        }
        link = next;
    }
}

void
link_release(struct link *link)
{
    struct connection *connection = link->connection;
    struct link *present = link;

    if (atomic_fetch_sub(&link->holders, 1) != 1) {
        return;
    }
    link_settle(link);
    atomic_compare_exchange_strong(&connection->link, &present, NULL);
    atomic_store(place_of(link->id), NULL);
    bury(connection, link);
    sweep(connection);
}

bool
link_each(bool (*look)(struct link *link))
{
    bool goes_on = true;

    atomic_fetch_add(&walkers, 1);
    for (uint32_t id = 0; goes_on && id < link_count(); id++) {
        struct link *link = link_find(id);

        goes_on = link == NULL || look(link);
    }
    atomic_fetch_sub(&walkers, 1);
    return goes_on;
}

static bool
free_one(struct link *link)
{
    free(link);
    return true;
}

void
link_free_all(struct storm *storm)
{
    for (unsigned i = 0; i < storm->options->connections; i++) {
        sweep(&storm->connections[i]);
    }
    link_each(free_one);
    for (unsigned i = 0; i < CHUNKS_MAX; i++) {
        free((void *)atomic_load(&chunks[i]));
    }
}

// ---- dialling ---------------------------------------------------------------------------------

static link_place *
chunk_of(uint32_t id)
{
    _Atomic(link_place *) *place = &chunks[id / CHUNK_LINKS];
    link_place *chunk = atomic_load(place);

    if (chunk == NULL) {
        link_place *fresh = calloc(CHUNK_LINKS, sizeof(*fresh));

        storm_require(fresh != NULL, "memory");
        if (atomic_compare_exchange_strong(place, &chunk, fresh)) {
            chunk = fresh;
        } else {
            free((void *)fresh);
        }
    }
    return chunk;
}

// A fresh link, held by its ends and by the caller; NULL when so many were made that there are no
// more.
static struct link *
take_link(struct storm *storm, struct connection *connection)
{
    uint32_t id = atomic_fetch_add(&dialled, 1);
    struct link *link;

    if (id >= CHUNKS_MAX * CHUNK_LINKS) {
        atomic_fetch_sub(&dialled, 1);
        return NULL;
    }
    link = calloc(1, sizeof(*link));
    storm_require(link != NULL, "memory");
    link->id = id;
    link->storm = storm;
    link->connection = connection;
    atomic_store(&link->holders, ENDS + 1);
    atomic_store(&chunk_of(id)[id % CHUNK_LINKS], link);
    return link;
}

// It never was: nobody will close or report it.
static void
give_up(struct link *link)
{
    atomic_fetch_sub(&open_count, 1);
    atomic_store(&link->arrived, LINK_SETTLED);
    for (unsigned i = 0; i < ENDS + 1; i++) {
        link_release(link);
    }
}

weir_stream
link_stream(const struct link *link)
{
    return (weir_stream){atomic_load_explicit(&link->stream, memory_order_acquire)};
}

void
link_close(struct link *link, weir_stream stream, enum weir_close_mode mode)
{
    atomic_fetch_or(&link->asked, 1u << mode);
    weir_close(stream, mode, weir_deadline_after(DRAIN_NS), link->id);
}

static void
on_started(weir_stream stream, int status, void *user)
{
    struct link *link = user;

    (void)stream;
    if (status != 0 && !atomic_load(&link->storm->is_ending) && atomic_load(&link->asked) == 0) {
        storm_broke("link %u could not be dialled: %s", link->id, weir_strerror(status));
    }
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct link *link = user;
    size_t left = 0;

    if (weir_iter_length(begin, end, &left) != 0) {
        storm_broke("link %u: data was called with an empty range", link->id);
    }
    struct weir_consumed consumed = {left, left};
    while (left > 0) {
        size_t want = sizeof(link->ack) - link->ack_got;
        size_t got = weir_iter_copy_out(&begin, (uint8_t *)&link->ack + link->ack_got,
                                        want < left ? want : left);

        if (got == 0) {
            storm_broke("link %u: data promised %zu bytes more than it held", link->id, left);
            break;
        }
        left -= got;
        link->ack_got += got;
        if (link->ack_got == sizeof(link->ack)) {
            link->ack_got = 0;
            link_acknowledged(link, stream, &link->ack);
        }
    }
    return consumed;
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    (void)ambiguous;
    link_close(user, stream, WEIR_CLOSE_DRAIN);
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    (void)code;
    link_close(user, stream, WEIR_CLOSE_ABORT);
}

static void
on_writable(weir_stream stream, void *user)
{
    struct link *link = user;

    (void)stream;
    producer_wake_all(link->storm);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct link *link = user;
    struct storm *storm = link->storm;
    struct connection *connection = link->connection;

    (void)stream;
    link_closed(link, closed);
    if (!atomic_load(&storm->is_ending) && !link_dial(storm, connection)) {
        atomic_store(&connection->is_down, true);
    }
    atomic_fetch_sub(&open_count, 1);
}

static void
on_hello_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct link *link = arg;

    (void)stream;
    counter_add(&link->loop->counters, COUNT_ACCEPTED, 1);
    link_completed(link, result, result->status == 0 ? link->hello.check : 0);
}

static const struct weir_handlers handlers = {
    .started = on_started,
    .data = on_data,
    .peer_fin = on_peer_fin,
    .peer_reset = on_peer_reset,
    .peer_stop = on_peer_reset,
    .writable = on_writable,
    .closed = on_closed,
};

static unsigned
choose_traits(struct random *random)
{
    unsigned traits = 0;

    for (unsigned i = 0; i < TRAIT_CHANCES; i++) {
        traits |= random_below(random, 5) == 0 ? 1u << i : 0;
    }
    return traits;
}

static void
prepare_dial(const struct link *link, struct weir_dial *dial, struct random *random)
{
    const struct storm *storm = link->storm;
    const struct receiver *receiver = &storm->receiver;

    dial->address = receiver->addresses[random_below(random, receiver->address_count)];
    dial->timeout_ns = DIAL_NS;
    dial->stream.handlers = &handlers;
    dial->stream.user = (void *)(uintptr_t)link;
    dial->stream.queue_high = QUEUE_HIGH;
    dial->stream.cork_ns = CORK_NS;
    if ((link->traits & LINK_LAZY) != 0) {
        dial->flags |= WEIR_DIAL_LAZY;
    }
    if (random_below(random, 2) == 0) {
        dial->stream.flags |= WEIR_STREAM_NODELAY;
    }
    if ((link->traits & LINK_INLINE) != 0) {
        dial->stream.flags |= WEIR_STREAM_INLINE;
    }
    if ((link->traits & LINK_NARROW) != 0) {
        dial->stream.send_buffer = NARROW_SIZE;
    }
}

// The first record, which tells the receiver who this is. It is written before anybody else knows
// the stream, so it goes first; and behind it a barrier, which nothing passes.
static int
say_hello(struct link *link, weir_stream stream)
{
    struct record *hello = &link->hello;
    struct iovec iov = {hello, sizeof(*hello)};
    struct weir_write request = {
        .iov = &iov,
        .iov_count = 1,
        .flags = WEIR_COPY,
        .done = on_hello_done,
        .arg = link,
    };

    hello->link = link->id;
    hello->flags = RECORD_HELLO;
    hello->attempt = link->traits; // for the receiver to name, should something be wrong
    hello->flags |= (link->traits & LINK_QUIET) != 0 ? RECORD_QUIET : 0;
    hello->flags |= (link->traits & LINK_PACED) != 0 ? RECORD_PACED : 0;
    record_seal(hello);
    if ((link->traits & LINK_LAZY) != 0) {
        request.flags |= WEIR_START;
    }
    if ((link->traits & LINK_BEHIND) != 0) {
        request.level = WEIR_ACCEPTED;
    }
    int status = weir_write(stream, &request, NULL);
    request = (struct weir_write){.level = request.level};
    return status < 0 ? status : weir_write(stream, &request, NULL);
}

bool
link_dial(struct storm *storm, struct connection *connection)
{
    struct link *link = take_link(storm, connection);
    struct weir_dial dial = {0};
    struct random random;
    weir_stream stream;

    if (link == NULL) {
        return false;
    }
    random_init(&random, storm->options->seed, UINT64_C(0x11110000) + link->id);
    link->loop = &storm->loops[random_below(&random, storm->loop_count)];
    link->traits = storm->options->is_plain ? 0 : choose_traits(&random);
    link->owner = random_below(&random, storm->options->producers);
    prepare_dial(link, &dial, &random);

    // Published before it is dialled: should it close at once, its successor replaces it.
    atomic_store(&connection->link, link);
    atomic_fetch_add(&open_count, 1);
    if (weir_dial(link->loop->loop, &dial, &stream) != 0) {
        give_up(link);
        return false;
    }
    if (say_hello(link, stream) < 0) {
        link_close(link, stream, WEIR_CLOSE_ABORT);
    } else {
        atomic_store_explicit(&link->stream, stream.bits, memory_order_release);
    }
    link_release(link);
    return true;
}
