/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_BARS_H
#define SIGHT_BARS_H

// Lying bars side by side, one chart under the other in a picture. Draws numbers only.

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BARS_MAX       24u
#define BARS_PARTS_MAX 8u

enum bar_kind {
    BAR_OTHER,
    BAR_OURS,  // the one that the picture is about
    BAR_LIMIT, // what nobody can be better than
};

struct bar {
    char name[40];
    enum bar_kind kind;
    double value;
    double low, high;             // a whisker from one to the other; equal: none
    double parts[BARS_PARTS_MAX]; // of the value, drawn one behind the other
};

struct bars {
    const char *title;
    const char *note; // smaller, behind the title: what is better, what was asked for; may be ""
    const char *unit;
    bool is_log;
    double target; // a line across all bars; 0: none
    struct bar bars[BARS_MAX];
    size_t count;
    const char *part_names[BARS_PARTS_MAX];
    size_t part_count; // 0: bars are of one piece
};

#define BARS_WIDTH 640.0

// Another bar, zeroed but for its name and value; NULL: there are enough.
struct bar *bars_add(struct bars *bars, const char *name, double value);

// By value; those whose value is not a number come last.
void bars_sort(struct bars *bars, bool is_large_first);

double bars_height(const struct bars *bars);

// @p count charts in one picture, their bars beginning at the same place.
void bars_draw(const struct bars *const *charts, size_t count, FILE *to, int is_alone);

#endif /* SIGHT_BARS_H */
