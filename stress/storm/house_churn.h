/* SPDX-License-Identifier: MIT */
#ifndef STORM_HOUSE_CHURN_H
#define STORM_HOUSE_CHURN_H

// A house that echoes one message of each connection, and then ends it as the message says.

#include "churn.h"
#include "house.h"

// One house in a process. @p size: of every message.
void house_churn_start(struct house *house, enum house_transport transport, size_t size);

// How many streams closed, by the mode they were to end in.
uint64_t house_churn_closed(enum churn_mode mode);

#endif /* STORM_HOUSE_CHURN_H */
