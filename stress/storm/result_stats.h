/* SPDX-License-Identifier: MIT */
#ifndef STORM_RESULT_STATS_H
#define STORM_RESULT_STATS_H

// What the library counts, as figures of a result.

#include "result.h"

#include "weir/stats.h"

// @p stats: of the whole run; @p messages: what they were spent on.
void result_add_stats(struct result *result, const struct weir_stats *stats, uint64_t messages);

#endif /* STORM_RESULT_STATS_H */
