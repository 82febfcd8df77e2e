/* SPDX-License-Identifier: MIT */
#ifndef STORM_HOUSE_ECHO_H
#define STORM_HOUSE_ECHO_H

// A house that echoes: the blocks in which bytes came are the blocks that are written.

#include "house.h"

// The process has no room for a write of a stream that is served well. May make room; it is tried
// again a little later.
typedef void house_full_fn(void *arg);

// One house in a process. A stream refuses above @p queue_high, 0: never, and then it needs no
// memory for a limit. @p full may be NULL.
void house_echo_start(struct house *house, enum house_transport transport, size_t queue_high,
                      house_full_fn *full, void *arg);

#define HOUSE_ECHO_QUEUE_HIGH ((size_t)512 * 1024)

#endif /* STORM_HOUSE_ECHO_H */
