/* SPDX-License-Identifier: MIT */
#ifndef STORM_HOUSE_ECHO_H
#define STORM_HOUSE_ECHO_H

// A house that echoes: the blocks in which bytes came are the blocks that are written.

#include "house.h"

// The process has no room for a write of a stream that is served well. May make room; it is tried
// again a little later.
typedef void house_full_fn(void *arg);

// One house in a process. @p full may be NULL.
void house_echo_start(struct house *house, enum house_transport transport, house_full_fn *full,
                      void *arg);

#endif /* STORM_HOUSE_ECHO_H */
