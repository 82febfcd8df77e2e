/* SPDX-License-Identifier: MIT */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

// One connection: accepted from a client, perhaps with a PROXY header, dialled on to a target, and
// pumped until both directions have ended.

#include "relay.h"

#include "weir/stream.h"

// A stream was accepted on this loop.
void session_accept(struct relay *relay, const struct route *route, weir_stream client);

#endif /* RELAY_SESSION_H */
