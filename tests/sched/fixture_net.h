/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_FIXTURE_NET_H
#define TESTS_SCHED_FIXTURE_NET_H

/**
 * @file
 * Streams for scenarios, on the sockets of the scheduler's kernel.
 */

#include "netio/net.h"
#include "tests/sched/fixture.h"
#include "tests/sched/sockets.h"
#include "weir/stream.h"

/** In set_up(). One loop that has streams. */
void net_start(void);

/** In set_up(). A stream that has started, and its socket with so much room. */
weir_stream net_stream(const struct weir_stream_options *options, size_t room, int *ret_fd);

/** In a fiber, at its begin: it has a lane and an operation, which it does not ask about; and it
 *  may take the short way. */
void net_join(void);

/** The gate of a stream that is open. */
struct wi_gate *net_gate(weir_stream stream);

/** In verify(). Nothing is queued, nobody counts, nothing is left anywhere. */
void net_verify(weir_stream stream);

/** What a scenario counts for itself: nobody steps in, it is no access of the library's, and it
 *  orders nothing. */
struct net_counter {
    uint64_t count;
};
void net_add(struct net_counter *counter, uint64_t more);
uint64_t net_count(const struct net_counter *counter);
/** Wait until it is above @p seen. */
void net_await(struct net_counter *counter, uint64_t seen);

/** A `closed` handler that counts. */
extern struct net_counter net_closed;
void net_told_closed(weir_stream stream, const struct weir_closed *how, void *user);

#endif /* TESTS_SCHED_FIXTURE_NET_H */
