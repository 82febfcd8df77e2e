/* SPDX-License-Identifier: MIT */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

// How many connections there may be: at once, at once from one address, and new ones per second.

#include "peer.h"

#include <stdint.h>

struct limits_options {
    unsigned connections; // 0: no limit, as with the others
    unsigned per_source;
    unsigned rate;  // new ones per second
    unsigned burst; // above the rate for a moment; 0: as many as the rate
};

enum limits_answer {
    LIMITS_ADMITTED,
    LIMITS_CONNECTIONS, // which one it would pass
    LIMITS_PER_SOURCE,
    LIMITS_RATE,
    LIMITS_ANSWERS,
};

struct limits;

// NULL: memory ran out.
struct limits *limits_create(const struct limits_options *options);
void limits_free(struct limits *limits);

// Any thread. Admitted ones are to be given back by limits_leave() with the same peer.
enum limits_answer limits_enter(struct limits *limits, const struct peer *peer, uint64_t now_ns);
void limits_leave(struct limits *limits, const struct peer *peer);

// Any thread. How many are admitted now.
unsigned limits_count(const struct limits *limits);

// The name of the limit, for logs and metrics.
const char *limits_name(enum limits_answer answer);

#endif /* RELAY_LIMITS_H */
