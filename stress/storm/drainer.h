/* SPDX-License-Identifier: MIT */
#ifndef STORM_DRAINER_H
#define STORM_DRAINER_H

// Clients of a server that closes while there is unread input on both sides: they send what it will
// never read, leave what it sends unread until its end has come as well, send on, and read then. A
// reset in the place of any of it is counted.

#include <stdbool.h>

struct crowd_loop;
struct drainer;

struct drain {
    struct drainer *drainers; // NULL: none on this thread
    unsigned count;
    unsigned group;
};

void drain_start(struct crowd_loop *loop, unsigned group, unsigned count);
void drain_stop(struct crowd_loop *loop);

// Each turn: connect those that have no connection.
void drain_turn(struct crowd_loop *loop);

// Is @p owner of an event a drainer?
bool drain_owns(const struct crowd_loop *loop, const void *owner);
void drain_event(struct crowd_loop *loop, void *owner, unsigned events);

#endif /* STORM_DRAINER_H */
