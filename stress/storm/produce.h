/* SPDX-License-Identifier: MIT */
#ifndef STORM_PRODUCE_H
#define STORM_PRODUCE_H

// What a producer does once: make one message and write it.

#include "producer.h"

// What a producer knows of one connection.
struct producer_place {
    uint32_t link;        // the sequences are of this link
    uint32_t sequence[2]; // next: of plain messages, of those with priority
    struct link *busy;    // a link of its own on which a message is on its way
};

// The producer's thread. Write one message, or go on with one that was sent in part.
void produce_one(struct producer *producer);

// The producer's thread. Take back the messages that have completed.
void produce_reap(struct producer *producer);

// Loop thread. The completion of every message.
void produce_done(weir_stream stream, const struct weir_result *result, void *arg);

// The producer's thread. Its slot is free again; the same, and its link too; or keep it, because
// the rest of it must go.
void produce_free(struct producer *producer, struct message *message);
void produce_finish(struct producer *producer, struct message *message);
void produce_keep(struct producer *producer, struct message *message);

struct producer_place *produce_place(struct producer *producer, const struct link *link);

#endif /* STORM_PRODUCE_H */
