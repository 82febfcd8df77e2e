/* SPDX-License-Identifier: MIT */
#ifndef STORM_STORM_SUMMARY_H
#define STORM_STORM_SUMMARY_H

// What a storm found, turned into a result.

#include "counters.h"
#include "histogram.h"
#include "result.h"
#include "storm_options.h"

#include "weir/weir.h"

struct storm_summary {
    const struct options *options;
    double seconds;    // of writing
    uint64_t messages; // delivered while writing
    uint64_t bytes;
    struct counters counters;
    struct weir_stats stats; // of the whole runtime
    struct histogram *acknowledged;
    struct histogram *completed;
    uint64_t verified_messages;
    uint64_t verified_bytes;
    uint64_t closes;
    uint64_t links;
    uint64_t settled;
    uint64_t overdue;
    struct weir_ledger ledger;
};

void storm_summarise(const struct storm_summary *summary, struct result *result);

// Cancels that were made: by handle, by token, by deadline.
uint64_t storm_count_cancels(const struct counters *counters);

#endif /* STORM_STORM_SUMMARY_H */
