/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_PLOT_H
#define SIGHT_PLOT_H

// Curves over an axis. Draws numbers only: it knows nothing of what they measure.

#include "scale.h"

#include <stddef.h>
#include <stdio.h>

#define PLOT_CURVES_MAX 8u

struct plot_point {
    double x, y;
};

struct plot_curve {
    const char *name;
    const struct plot_point *points; // x never falls
    size_t count;
};

struct plot {
    const char *title;
    const char *x_title; // what it is and in what: "seconds since the start"
    enum scale_kind x_kind;
    const char *x_unit; // of ticks, as for format_tick()
    enum scale_kind y_kind;
    const char *y_unit;
    struct plot_curve curves[PLOT_CURVES_MAX];
    size_t curve_count;
};

#define PLOT_WIDTH  640.0
#define PLOT_HEIGHT 330.0

// Another curve; beyond the largest number it is left out, which returns false.
bool plot_add(struct plot *plot, const char *name, const struct plot_point *points, size_t count);

// The kind of scale on which these curves can be read: logarithmic when the values are all above 0
// and far apart.
enum scale_kind plot_choose_y(const struct plot *plot);

// A picture of PLOT_WIDTH x PLOT_HEIGHT, the legend included.
void plot_draw(const struct plot *plot, FILE *to, int is_alone);

#endif /* SIGHT_PLOT_H */
