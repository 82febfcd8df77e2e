/* SPDX-License-Identifier: MIT */
#ifndef STORM_LINK_H
#define STORM_LINK_H

// One stream of a connection, from its dial to the comparison of what was sent with what was
// received. Links are numbered. One is freed when both its ends have been compared and nobody holds
// it: its two ends do, until they have ended, and so does each message that is written to it.

#include "order_log.h"
#include "record.h"
#include "storm.h"

enum link_trait {
    LINK_SOLO = 1 << 0,   // one producer only, so that it can go on after a partial write
    LINK_INLINE = 1 << 1, // foreign threads may send at once
    LINK_BEHIND = 1 << 2, // every write at level ACCEPTED
    LINK_QUIET = 1 << 3,  // the receiver does not acknowledge
    LINK_PACED = 1 << 4,  // the receiver reads slowly
    LINK_LAZY = 1 << 5,   // connects with its first write
    LINK_NARROW = 1 << 6, // a small send buffer
};

enum link_arrival {
    LINK_CLOSED = 1 << 0,
    LINK_REPORTED = 1 << 1,
    LINK_SETTLED = 1 << 2,
};

struct link {
    // Written before the link is published.
    struct storm *storm;
    struct connection *connection;
    struct storm_loop *loop;
    uint32_t id;
    unsigned traits; // enum link_trait
    unsigned owner;  // of a solo link: the producer's index

    _Atomic uint64_t stream; // its bits; 0: not to be written to, yet or any more
    atomic_uint asked;       // close modes asked for, 1 << enum weir_close_mode
    atomic_bool is_bound;    // to a token that cancels all there is

    // The loop's thread only.
    struct record hello;
    uint64_t bytes;       // the kernel took
    struct digest digest; // of whole messages that completed with success
    struct order_log log;
    struct ack ack; // being read
    size_t ack_got;
    struct ack seen; // the newest one
    bool is_torn;    // wait until the receiver has exactly what was sent, then close

    // Writers whose write was done inside the call.
    _Atomic uint64_t inline_bytes;
    _Atomic uint64_t inline_count;
    _Atomic uint64_t inline_set;

    atomic_uint arrived; // enum link_arrival
    atomic_uint holders; // whoever leaves last compares the ends
    struct link *next;   // while it is buried
    struct weir_closed closed;
    struct report report;
};

// Any thread. Give a connection its next link. False: not now.
bool link_dial(struct storm *storm, struct connection *connection);

// The link with this number; NULL: there is none, or none any more. It stays while it has not been
// reported, for the thread that takes reports, and while link_each() runs.
struct link *link_find(uint32_t id);

// Any thread. The connection's present link, to be released; NULL: none that can be written to.
struct link *link_hold(struct connection *connection);

// Whoever holds it: once more.
void link_keep(struct link *link);

// Any thread. After the last one the link is compared and freed.
void link_release(struct link *link);

// How many have been dialled; how many of them are not closed yet.
uint32_t link_count(void);
uint32_t link_open_count(void);
const _Atomic uint64_t *link_open_counter(void);

// Any thread. Its stream; all zero bits: none.
weir_stream link_stream(const struct link *link);

// Any thread. Close in a mode, remembering that it was asked for.
void link_close(struct link *link, weir_stream stream, enum weir_close_mode mode);

// Loop thread. A write on this link completed; @p whole is the check of the message that it
// finished, 0 if none.
void link_completed(struct link *link, const struct weir_result *result, uint64_t whole);

// Loop thread. A cancel stopped a write midway on a link that several producers write to.
void link_torn(struct link *link, weir_stream stream);

// Loop thread. The receiver's acknowledgement has been read.
void link_acknowledged(struct link *link, weir_stream stream, const struct ack *ack);

// Any thread. The receiver's process has reported.
void link_reported(struct link *link, const struct report *report);

// Loop thread. `closed` came.
void link_closed(struct link *link, const struct weir_closed *closed);

// At the end, when all writers are done: compare what has not been compared, free what is kept.
void link_settle_all(void);

// At the end: has every link that must have a report got it?
bool link_are_all_reported(void);

// At the end.
void link_free_all(struct storm *storm);

// The last holder: compare the two ends.
void link_settle(struct link *link);

// For each link that is not freed; none is while this runs. Ends with the first that answers false.
bool link_each(bool (*look)(struct link *link));

#endif /* STORM_LINK_H */
