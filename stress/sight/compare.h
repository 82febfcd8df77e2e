/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_COMPARE_H
#define SIGHT_COMPARE_H

// Bars of weir beside its peers, from what stress/bench/run and stress/bench/count write with
// --json.

#include "bars.h"
#include "json_tree.h"

#define COMPARE_CHARTS_MAX 16u

struct compare {
    struct bars charts[COMPARE_CHARTS_MAX];
    const char *keys[COMPARE_CHARTS_MAX]; // the figure that a chart shows, as in the file
    size_t count;
    char subject[160]; // what was run: "echo --connections 1"
    char origin[320];  // how often, on which machine, when
    // Texts of the charts.
    char titles[COMPARE_CHARTS_MAX][96];
    char notes[COMPARE_CHARTS_MAX][200];
};

// Does this come from one of the two?
bool compare_is_known(const struct json_node *tree);

// One chart per figure, in the order of the file. Figures that nobody has are left out. The tree
// must outlive what is made of it.
void compare_read(struct compare *ret_compare, const struct json_node *tree);

#endif /* SIGHT_COMPARE_H */
