/* SPDX-License-Identifier: MIT */
#ifndef STORM_CROWD_RESULT_H
#define STORM_CROWD_RESULT_H

// What a crowd found, as parts of a result.

#include "crowd.h"
#include "house.h"
#include "result.h"

// What happened between two moments.
struct span {
    uint64_t begin_ns;
    uint64_t messages;
    uint64_t group_messages[CROWD_GROUPS_MAX];
    uint64_t bytes;
    double seconds;
};

void span_begin(struct span *span, const struct crowd *crowd);
void span_end(struct span *span, const struct crowd *crowd);

double span_rate(const struct span *span, uint64_t count);

void crowd_result_rates(struct result *result, const struct crowd *crowd, const struct span *span);

// The latency of one group in one run, under this name.
void crowd_result_latency(struct result *result, const struct crowd *crowd, unsigned group,
                          unsigned run, const char *name);

// What the library counted, per message; nothing when it was not the server.
void crowd_result_stats(struct result *result, const struct house *house,
                        const struct crowd *crowd);

// Every client of a group that echoes got back what it sent, and ended in peace.
void crowd_claim_echoes(struct result *result, const struct crowd *crowd);

#endif /* STORM_CROWD_RESULT_H */
