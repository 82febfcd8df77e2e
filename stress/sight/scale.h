/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_SCALE_H
#define SIGHT_SCALE_H

// From values to places on an axis, and where its ticks are.

#include <stdbool.h>
#include <stddef.h>

#define SCALE_TICKS_MAX 24u

enum scale_kind {
    SCALE_LINEAR,
    SCALE_LOG,
    SCALE_PERCENTILE, // fractions: logarithmic in 1 / (1 - fraction), so each nine has equal room
};

struct scale_tick {
    double value;
    bool is_minor; // has a line and no text
};

struct scale {
    enum scale_kind kind;
    double low, high; // of values; an axis goes from one to the other
    double from, to;  // of places
    struct scale_tick ticks[SCALE_TICKS_MAX];
    size_t tick_count;
};

// An axis over low to high, moved outwards to ticks where that reads better, with about @p
// wanted ticks. A log scale needs low > 0; a percentile scale goes from 0 to @p high < 1.
struct scale scale_make(enum scale_kind kind, double low, double high, unsigned wanted);

// Lay it between two places.
void scale_lay(struct scale *scale, double from, double to);

// The place of a value; one outside is moved to the nearer end.
double scale_place(const struct scale *scale, double value);

#endif /* SIGHT_SCALE_H */
