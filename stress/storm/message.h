/* SPDX-License-Identifier: MIT */
#ifndef STORM_MESSAGE_H
#define STORM_MESSAGE_H

// One message on its way: a record, where its bytes are, and what was asked of the write.

#include "link.h"
#include "record.h"

#include <errno.h>

// Whose memory carries the record.
enum message_memory {
    MEMORY_TABLE,   // borrowed: the header here, the payload in the pattern's own pages
    MEMORY_OWN,     // borrowed: a buffer of its own, spoiled as soon as it may be
    MEMORY_COPY,    // copied, and spoiled when the call returns
    MEMORY_GIVE,    // given
    MEMORY_CHAIN,   // pool blocks
    MEMORY_SHARED,  // a reference-counted payload
    MEMORY_PRODUCE, // written into a section of the stream
    MEMORIES,
};

#define MESSAGE_PENDING 1 // a status that no completion has

struct message {
    struct message *next; // free, returned, or unfinished
    struct producer *producer;
    struct link *link;
    struct record head;
    enum message_memory memory;
    unsigned flags; // of the write, without those that say whose memory
    enum weir_tear tear;
    enum weir_level level;
    uint64_t deadline_ns;
    weir_token token;
    bool may_be_cancelled;
    bool is_in_flight;          // the producer's own view
    size_t offset;              // bytes of the record that went before
    size_t part_size;           // bytes of this write
    uint8_t *own;               // MEMORY_OWN's payload
    struct weir_shared *shared; // MEMORY_SHARED: made elsewhere; NULL: make one
    weir_op op;
    int answer; // of the producer's own cancel; -1: none

    // Written by the loop at the completion.
    int status;
    uint64_t sent;
    bool is_torn; // stopped midway on a link of the producer's own
};

static inline size_t
message_size(const struct message *message)
{
    return sizeof(message->head) + message->head.size;
}

// Was this write taken back, and not all of its link? What ends because a cancel or a token aborted
// the connection may name that as its origin.
static inline bool
message_is_cancelled(const struct message *message, const struct weir_result *result)
{
    return (result->origin == WEIR_ORIGIN_LOCAL_CANCEL || result->origin == WEIR_ORIGIN_DEADLINE) &&
           result->status != -ECONNABORTED && result->status != -WEIR_ETORN &&
           !atomic_load_explicit(&message->link->is_bound, memory_order_relaxed);
}

// Write what is left of the message; as weir_write().
int message_submit(struct message *message, weir_stream stream, weir_done_fn *done);

// Loop thread. Does the completion keep the contract? Says so if not.
void message_check(const struct message *message, const struct weir_result *result);

// Loop thread. The write is done: nobody may look at the bytes any more, so spoil them.
void message_spoil(struct message *message);

// A payload for several messages with this header.
struct weir_shared *message_share(const struct record *head);

// Memory given and released; equal at the end.
uint64_t message_given(void);
uint64_t message_released(void);

#endif /* STORM_MESSAGE_H */
