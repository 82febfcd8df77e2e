/* SPDX-License-Identifier: MIT */
#ifndef STORM_CHURN_H
#define STORM_CHURN_H

// Clients that come and go: connect, one message and its echo, close; and again. How a connection
// is to end stands in its message, for the server does its part.

#include "record.h"

#include <stdbool.h>

enum churn_mode {
    CHURN_DRAIN, // the server closes, in each of its modes
    CHURN_FLUSH,
    CHURN_ABORT,
    CHURN_CLIENT_FIN, // the client ends, and the server answers
    CHURN_CLIENT_RESET,
    CHURN_MODES,
};
#define CHURN_MODE_SHIFT 8 // in a record's flags

struct crowd_loop;
struct churner;

struct churn {
    struct churner *churners; // NULL: none on this thread
    unsigned count;
    unsigned group;
};

void churn_start(struct crowd_loop *loop, unsigned group, unsigned count);
void churn_stop(struct crowd_loop *loop);

// Each turn: connect those that have no connection.
void churn_turn(struct crowd_loop *loop);

// Is @p owner of an event a churner, and not a client?
bool churn_owns(const struct crowd_loop *loop, const void *owner);
void churn_event(struct crowd_loop *loop, void *owner);

#endif /* STORM_CHURN_H */
