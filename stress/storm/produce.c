/* SPDX-License-Identifier: MIT */
#include "produce.h"

#include "verdict.h"

#include <errno.h>

#define CLOCK_EVERY    8u // messages per look at the clock; those in between are not timed
#define BROADCAST_MAX  3u
#define BROADCAST_SIZE 65536u

static void
count_refusal(struct producer *producer, const struct message *message, int status)
{
    static const struct {
        int status;
        enum counter counter;
    } names[] = {
        {WEIR_ESTALE, COUNT_REFUSED_STALE},      {WEIR_EENDED, COUNT_REFUSED_ENDED},
        {WEIR_ETORN, COUNT_REFUSED_TORN},        {EPIPE, COUNT_REFUSED_FAILED},
        {ECONNRESET, COUNT_REFUSED_FAILED},      {ECONNABORTED, COUNT_REFUSED_FAILED},
        {ETIMEDOUT, COUNT_REFUSED_FAILED},       {WEIR_ESTREAMFULL, COUNT_REFUSED_STREAM},
        {WEIR_ELANEFULL, COUNT_REFUSED_LANE},    {WEIR_ELOOPFULL, COUNT_REFUSED_LOOP},
        {WEIR_EPROCFULL, COUNT_REFUSED_PROCESS}, {EAGAIN, COUNT_REFUSED_NOWAIT},
        {EBUSY, COUNT_REFUSED_SECTION},          {ENOMEM, COUNT_REFUSED_MEMORY},
        {ECANCELED, COUNT_REFUSED_TOKEN},        {EINTR, COUNT_REFUSED_TOKEN},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (status == -names[i].status) {
            counter_add(&producer->counters, names[i].counter, 1);
            return;
        }
    }
    storm_broke("a write of %zu bytes was refused with %s (memory %d, flags 0x%x, level %d)",
                message->part_size, weir_strerror(status), (int)message->memory, message->flags,
                (int)message->level);
}

static void
on_room(struct weir_loop *loop, void *arg)
{
    (void)loop;
    producer_wake(arg);
}

// Write it inside the books: what completes may complete before the call returns.
static int
submit(struct producer *producer, struct message *message, weir_stream stream)
{
    size_t size = message_size(message) - message->offset;
    size_t offset = message->offset;

    message->answer = -1;
    message->status = MESSAGE_PENDING;
    message->is_in_flight = true;
    atomic_fetch_add(&producer->outstanding, 1);
    atomic_fetch_add(&producer->outstanding_bytes, size);
    int answer = message_submit(message, stream, produce_done);
    if (answer == 0) {
        counter_add(&producer->counters, COUNT_ACCEPTED, 1);
        return 0;
    }
    atomic_fetch_sub(&producer->outstanding_bytes, size);
    atomic_fetch_sub(&producer->outstanding, 1);
    message->is_in_flight = false;
    if (answer < 0) {
        count_refusal(producer, message, answer);
        if (answer == -WEIR_ELANEFULL) {
            (void)!weir_lane_notify(message->link->loop->loop, on_room, producer);
        }
        return answer;
    }
    counter_add(&producer->counters, COUNT_INLINE, 1);
    counter_add(&producer->counters, COUNT_BYTES, size);
    counter_add(&producer->counters, COUNT_DELIVERED, 1);
    atomic_fetch_add(&message->link->inline_bytes, size);
    atomic_fetch_add(&message->link->inline_count, 1);
    atomic_fetch_add(&message->link->inline_set, message->head.check);
    message->offset = offset + size;
    return answer;
}

// Go on with a message that was sent in part. Only this producer writes to its link.
static void
go_on(struct producer *producer)
{
    struct message *message = producer->unfinished;
    weir_stream stream = link_stream(message->link);

    producer->unfinished = message->next;
    if (stream.bits == 0) {
        produce_finish(producer, message);
        return;
    }
    if (message->is_torn) {
        message->is_torn = weir_resume_torn(stream) != 0;
    }
    message->flags = 0;
    message->deadline_ns = WEIR_NEVER;
    message->token = (weir_token){0};
    message->may_be_cancelled = false;
    int answer = submit(producer, message, stream);
    if (answer >= 0) {
        counter_add(&producer->counters, COUNT_MENDED, 1);
    }
    if (answer == -WEIR_ESTREAMFULL || answer == -WEIR_ELANEFULL) {
        producer->failures++;
        produce_keep(producer, message);
    } else if (answer != 0) {
        produce_finish(producer, message);
    }
}

static void
choose_flags(struct producer *producer, struct message *message)
{
    unsigned traits = message->link->traits;
    uint32_t dice = random_below(&producer->random, 1000);
    bool is_solo = (traits & LINK_SOLO) != 0;
    bool is_behind = (traits & LINK_BEHIND) != 0;

    message->flags = 0;
    if (dice < 100) {
        message->flags |= WEIR_MORE;
    } else if (dice < 120) {
        message->flags |= WEIR_ZEROCOPY;
    } else if (dice < 220 && producer->storm->options->priority && !is_behind) {
        message->flags |= WEIR_PRIORITY;
        message->head.flags |= RECORD_PRIORITY;
    } else if (dice < 400 && is_solo && !is_behind) {
        message->flags |= dice < 300 ? WEIR_SOME : WEIR_NOWAIT;
    } else if ((traits & LINK_INLINE) != 0 && dice < 700) {
        message->flags |= WEIR_INLINE_OK;
    }
    if (message->head.submit_ns != 0) {
        message->flags |= WEIR_TIMED;
    }
    message->level = is_behind ? WEIR_ACCEPTED : WEIR_SENT;
    message->tear = dice % 10 < 5   ? WEIR_TEAR_STOP
                    : dice % 10 < 9 ? WEIR_TEAR_FINISH
                                    : WEIR_TEAR_ABORT;
}

// No flags, memory that is copied: what most programs do.
static void
choose_plainly(struct message *message)
{
    message->flags = message->head.submit_ns != 0 ? WEIR_TIMED : 0;
    message->level = WEIR_SENT;
    message->tear = WEIR_TEAR_STOP;
    message->memory = MEMORY_COPY;
}

// Everything that a write of this link may ask for.
static void
choose_freely(struct producer *producer, struct message *message)
{
    choose_flags(producer, message);
    message->memory = (enum message_memory)random_below(&producer->random, MEMORIES);
}

static struct message *
take_message(struct producer *producer, struct link *link)
{
    struct message *message = producer->free;

    producer->free = message->next;
    link_keep(link);
    message->link = link;
    message->offset = 0;
    message->deadline_ns = 0;
    message->token = (weir_token){0};
    message->shared = NULL;
    message->is_torn = false;
    memset(&message->head, 0, sizeof(message->head));
    message->head.producer = (uint16_t)producer->index;
    message->head.attempt = producer->attempt++;
    if (message->head.attempt % CLOCK_EVERY == 0) {
        message->head.submit_ns = weir_now_ns();
    }
    return message;
}

// A link to write to, to be released; NULL: this time there is none.
static struct link *
pick_link(struct producer *producer, bool may_be_solo)
{
    struct storm *storm = producer->storm;
    uint32_t index = random_below(&producer->random, storm->options->connections);
    struct link *link = link_hold(&storm->connections[index]);

    if (link == NULL || (link->traits & LINK_SOLO) == 0) {
        return link;
    }
    bool is_mine = may_be_solo && link->owner == producer->index;
    if (!is_mine || producer->places[index].busy == link) {
        link_release(link);
        return NULL;
    }
    return link;
}

// The same bytes to several connections, from one payload.
static void
produce_broadcast(struct producer *producer)
{
    struct weir_shared *shared = NULL;
    struct record head = {0};

    for (unsigned i = 0; i < BROADCAST_MAX && producer->free != NULL; i++) {
        struct link *link = pick_link(producer, false);

        if (link == NULL) {
            continue;
        }
        struct message *message = take_message(producer, link);
        if (shared == NULL) {
            message->head.flags = RECORD_BROADCAST;
            message->head.size = (uint32_t)random_size(&producer->random, BROADCAST_SIZE);
            if (message->head.size > pattern_size_max()) {
                message->head.size = (uint32_t)pattern_size_max();
            }
            record_seal(&message->head);
            head = message->head;
            shared = message_share(&head);
        }
        message->head = head;
        message->flags = 0;
        message->level = (link->traits & LINK_BEHIND) != 0 ? WEIR_ACCEPTED : WEIR_SENT;
        message->may_be_cancelled = false;
        message->memory = MEMORY_SHARED;
        message->shared = weir_shared_ref(shared);
        if (submit(producer, message, link_stream(link)) != 0) {
            produce_free(producer, message);
        }
        link_release(link);
    }
    weir_shared_unref(shared);
}

static void
produce_message(struct producer *producer, struct link *link)
{
    const struct options *options = producer->storm->options;
    struct connection *connection = link->connection;
    struct producer_place *place = produce_place(producer, link);
    struct message *message = take_message(producer, link);

    if (place->link != link->id) {
        *place = (struct producer_place){.link = link->id, .busy = place->busy};
    }
    if (options->is_plain) {
        choose_plainly(message);
    } else {
        choose_freely(producer, message);
    }
    uint32_t *sequence = &place->sequence[(message->flags & WEIR_PRIORITY) != 0];
    message->head.link = link->id;
    message->head.sequence = *sequence;
    message->head.size =
        (uint32_t)(options->is_plain ? options->size_max
                                     : random_size(&producer->random, options->size_max));
    bool is_reset = atomic_load_explicit(&connection->wants_reset, memory_order_relaxed) &&
                    atomic_exchange(&connection->wants_reset, false);
    message->head.flags |= is_reset ? RECORD_RESET : 0;
    message->head.flags |= (uint16_t)(message->memory << RECORD_MEMORY_SHIFT);
    record_seal(&message->head);
    enum cancel_plan plan = cancel_choose(&producer->canceller, message);

    if ((link->traits & LINK_SOLO) != 0) {
        place->busy = link;
    }
    int answer = submit(producer, message, link_stream(link));
    if (answer == 0) {
        cancel_begin(&producer->canceller, message, plan);
    } else {
        produce_finish(producer, message);
    }
    if (answer >= 0) {
        ++*sequence;
        producer->failures = 0;
    } else {
        producer->failures++;
    }
}

// A write of nothing, which nobody hears of: it flushes what is corked.
static void
produce_barrier(struct producer *producer, const struct link *link)
{
    struct weir_write nothing = {0};

    if (weir_write(link_stream(link), &nothing, NULL) < 0) {
        producer->failures++;
    }
}

void
produce_one(struct producer *producer)
{
    cancel_due(&producer->canceller);
    bool may_begin = producer->free != NULL;
    if (producer->unfinished != NULL && (!may_begin || random_below(&producer->random, 2) == 0)) {
        go_on(producer);
        return;
    }
    bool is_plain = producer->storm->options->is_plain;
    if (!is_plain && random_below(&producer->random, 256) == 0) {
        produce_broadcast(producer);
        return;
    }
    struct link *link = pick_link(producer, true);
    if (link == NULL) {
        producer->failures++;
    } else if (!is_plain && random_below(&producer->random, 256) == 0) {
        produce_barrier(producer, link);
    } else {
        produce_message(producer, link);
    }
    if (link != NULL) {
        link_release(link);
    }
}
