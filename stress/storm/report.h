/* SPDX-License-Identifier: MIT */
#ifndef STORM_REPORT_H
#define STORM_REPORT_H

// What is said at the end, to people or to programs.

#include "counters.h"
#include "histogram.h"
#include "options.h"

#include "weir/weir.h"

struct summary {
    const char *scenario;
    const struct options *options;
    double seconds;    // of writing
    uint64_t messages; // delivered while writing
    uint64_t bytes;
    struct counters counters;
    struct weir_stats stats; // of the whole runtime
    struct histogram *acknowledged;
    struct histogram *completed; // NULL: not measured
    uint64_t verified_messages;
    uint64_t verified_bytes;
    uint64_t closes;
    uint64_t links;
    uint64_t settled;
    uint64_t overdue;
    struct weir_ledger ledger;
};

// Print it and the verdict; the exit status.
int report_summary(const struct summary *summary);

// One line while it runs. @p before and @p after are sums of counters, @p seconds apart.
void report_progress(const struct counters *before, const struct counters *after, double seconds,
                     double now_seconds, uint64_t closes);

#endif /* STORM_REPORT_H */
