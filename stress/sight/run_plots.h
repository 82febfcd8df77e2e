/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_RUN_PLOTS_H
#define SIGHT_RUN_PLOTS_H

// The pictures that a run's result makes.

#include "result.h"

#include <stdio.h>

// How many nines a histogram with so many samples can tell is found out by the walk.
struct named_histogram {
    const char *name;
    const struct histogram *histogram;
};

// Durations by percentile, a curve for each of those that are not empty. False: all are, and
// nothing was drawn.
bool draw_latencies(FILE *to, const char *title, const struct named_histogram *of, size_t count,
                    int is_alone);

// Everything that was sampled over time: series that belong together ("waiting: here", "waiting:
// there"; "loop 0 turns", "loop 1 turns"; "round trip p50", "round trip p99") in one picture, each
// a figure of the page. Those that were 0 all the time make no picture.
void draw_series(FILE *to, const struct result *result);

// Their names, as a sentence; empty when there are none.
void name_zero_series(const struct result *result, char *ret_text, size_t size);

// Figures named "… per message" as bars. False: there are none, and nothing was drawn.
bool draw_per_message(FILE *to, const struct result *result);

#endif /* SIGHT_RUN_PLOTS_H */
