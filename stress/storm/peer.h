/* SPDX-License-Identifier: MIT */
#ifndef STORM_PEER_H
#define STORM_PEER_H

// The receiver's end of one connection: reads, verifies, acknowledges, reports. Plain sockets: the
// judge does not use what it judges. One thread owns a peer.

#include "reader.h"

#include <stdatomic.h>

struct peer;

// What all peers of a receiver share.
struct peer_world {
    int control;             // reports go here, each as one packet
    uint32_t sequence_count; // producers, times two for priority
    _Atomic uint64_t *verified_messages;
    _Atomic uint64_t *verified_bytes;
    uint8_t *buffer; // of this thread
    size_t buffer_size;
};

enum peer_state {
    PEER_OPEN,
    PEER_RESTING, // does not want to read for a moment
    PEER_GONE,    // reported, closed and freed
};

// NULL: memory ran out, and the descriptor is closed.
struct peer *peer_create(const struct peer_world *world, int fd);

// The descriptor is readable, or a rest is over.
enum peer_state peer_read(struct peer *peer, const struct peer_world *world);

// Send the acknowledgement that is due; call when writable.
void peer_acknowledge(struct peer *peer);

// Does it wait for room to send?
bool peer_is_blocked(const struct peer *peer);

int peer_fd(const struct peer *peer);

// For the thread's list of those that rest.
struct peer *peer_next(const struct peer *peer);
void peer_set_next(struct peer *peer, struct peer *next);

#endif /* STORM_PEER_H */
