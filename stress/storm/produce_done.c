/* SPDX-License-Identifier: MIT */
// A message's way back: from the loop that completed it to its producer.

#include "produce.h"

#include "verdict.h"

#include <stdlib.h>

// What the end of this write means for its link.
static void
react(struct message *message, weir_stream stream, const struct weir_result *result)
{
    struct link *link = message->link;
    bool is_cancelled = message_is_cancelled(message, result);

    if (is_cancelled && result->sent > 0) {
        if (message->tear != WEIR_TEAR_STOP) {
            counter_add(&link->loop->counters, COUNT_CUT, 1);
            link_close(link, stream, WEIR_CLOSE_ABORT);
        } else if ((link->traits & LINK_SOLO) != 0) {
            counter_add(&link->loop->counters, COUNT_TORN, 1);
            message->is_torn = true;
        } else {
            link_torn(link, stream);
        }
    } else if (result->origin == WEIR_ORIGIN_PEER_RESET ||
               result->origin == WEIR_ORIGIN_PEER_STOP || result->origin == WEIR_ORIGIN_TRANSPORT) {
        link_close(link, stream, WEIR_CLOSE_ABORT); // nothing more can be sent
    }
}

// The producer may have it again; nothing of it may be touched afterwards.
static void
give_back(struct message *message)
{
    struct producer *producer = message->producer;
    size_t size = message->part_size;
    struct message *head = atomic_load_explicit(&producer->returned, memory_order_relaxed);

    do {
        message->next = head;
    } while (!atomic_compare_exchange_weak(&producer->returned, &head, message));
    atomic_fetch_sub(&producer->outstanding_bytes, size);
    unsigned left = atomic_fetch_sub(&producer->outstanding, 1) - 1;
    if (left <= producer->depth / 2) {
        producer_wake(producer);
    }
}

void
produce_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    struct message *message = arg;
    struct link *link = message->link;
    bool is_success = result->status == 0;

    message_check(message, result);
    message_spoil(message);
    message->status = result->status;
    message->sent = result->sent;
    message->is_torn = false;
    if (is_success && message->level == WEIR_ACCEPTED) {
        message->offset += message->part_size;
    } else {
        message->offset += result->sent;
    }
    bool is_whole = is_success && message->offset == message_size(message);
    if (is_success && message->head.submit_ns != 0) {
        histogram_add(&link->loop->completed, weir_now_ns() - message->head.submit_ns);
    }
    link_completed(link, result, is_whole ? message->head.check : 0);
    react(message, stream, result);
    give_back(message);
}

void
produce_free(struct producer *producer, struct message *message)
{
    link_release(message->link);
    message->link = NULL;
    free(message->own);
    message->own = NULL;
    message->next = producer->free;
    producer->free = message;
}

void
produce_keep(struct producer *producer, struct message *message)
{
    struct message **place = &producer->unfinished;

    while (*place != NULL) {
        place = &(*place)->next;
    }
    message->next = NULL;
    *place = message;
}

struct producer_place *
produce_place(struct producer *producer, const struct link *link)
{
    return &producer->places[link->connection - producer->storm->connections];
}

void
produce_finish(struct producer *producer, struct message *message)
{
    struct producer_place *place = produce_place(producer, message->link);

    if (place->busy == message->link) {
        place->busy = NULL;
    }
    produce_free(producer, message);
}

static void
check_answer(const struct message *message)
{
    if (message->answer == WEIR_CANCEL_WON && (message->status >= 0 || message->sent != 0)) {
        storm_broke("link %u: a cancel won, but the write completed with %s and %llu bytes sent",
                    message->link->id, weir_strerror(message->status),
                    (unsigned long long)message->sent);
    }
}

void
produce_reap(struct producer *producer)
{
    if (atomic_load_explicit(&producer->returned, memory_order_relaxed) == NULL) {
        return;
    }
    struct message *message = atomic_exchange(&producer->returned, NULL);
    while (message != NULL) {
        struct message *next = message->next;

        check_answer(message);
        message->is_in_flight = false;
        if ((message->link->traits & LINK_SOLO) != 0 && message->offset > 0 &&
            message->offset < message_size(message)) {
            produce_keep(producer, message);
        } else {
            produce_finish(producer, message);
        }
        message = next;
    }
}
