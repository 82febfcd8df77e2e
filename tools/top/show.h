/* SPDX-License-Identifier: MIT */
#ifndef TOP_SHOW_H
#define TOP_SHOW_H

// What changed between two answers, as a table.

#include "weir/page.h"

#include <stdbool.h>

struct view {
    const char *name;
    unsigned long process;
    unsigned loop_count;
    const struct weir_page_loop *before, *after;
    double seconds; // between the two
    bool plain;     // else: over the last one, on a terminal
};

void show(const struct view *view);

// The terminal as it was.
void show_end(bool plain);

#endif /* TOP_SHOW_H */
