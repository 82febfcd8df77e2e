/* SPDX-License-Identifier: MIT */
#include "run_plots.h"

#include "bars.h"
#include "html.h"
#include "plot.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_PER_HALF 12u
#define POINTS_MAX     1024u // of a walk: 64 halvings and their steps

// --- Latencies -----------------------------------------------------------------------------------

static size_t
walk_into(const struct histogram *histogram, struct plot_point *points)
{
    struct histogram_walk walk = histogram_walk_begin(histogram, STEPS_PER_HALF);
    struct histogram_point point;
    size_t count = 0;

    // A curve that begins at 0 shows the smallest.
    if (histogram_count(histogram) > 0) {
        points[count++] = (struct plot_point){0, (double)histogram_min_ns(histogram)};
    }
    while (count < POINTS_MAX && histogram_walk_next(&walk, &point)) {
        points[count++] = (struct plot_point){point.fraction, (double)point.value_ns};
    }
    return count;
}

bool
draw_latencies(FILE *to, const char *title, const struct named_histogram *of, size_t count,
               int is_alone)
{
    struct plot plot = {.title = title,
                        .x_title = "percentile",
                        .x_kind = SCALE_PERCENTILE,
                        .x_unit = "",
                        .y_unit = "ns"};
    struct plot_point *points = calloc(count * POINTS_MAX + 1, sizeof(*points));

    if (points == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t found = walk_into(of[i].histogram, points + i * POINTS_MAX);

        if (found > 0) {
            plot_add(&plot, of[i].name, points + i * POINTS_MAX, found);
        }
    }
    if (plot.curve_count > 0) {
        plot.y_kind = plot_choose_y(&plot);
        plot_draw(&plot, to, is_alone);
    }
    free(points);
    return plot.curve_count > 0;
}

// --- Over time -----------------------------------------------------------------------------------

// Which picture a series belongs to, and what it is called there.
struct place {
    char picture[64];
    char curve[64];
};

static struct place
place_of(const struct result_series *series)
{
    struct place place;
    const char *name = series->name;
    const char *space = strrchr(name, ' ');
    int loop = -1, used = 0;

    snprintf(place.picture, sizeof(place.picture), "%s", name);
    snprintf(place.curve, sizeof(place.curve), "%s", name);
    const char *colon = strstr(name, ": ");
    if (colon != NULL) {
        snprintf(place.picture, sizeof(place.picture), "%.*s", (int)(colon - name), name);
        snprintf(place.curve, sizeof(place.curve), "%s", colon + 2);
    } else if (sscanf(name, "loop %d %n", &loop, &used) == 1 && used > 0 && name[used] != '\0') {
        snprintf(place.picture, sizeof(place.picture), "%s, per loop", name + used);
        snprintf(place.curve, sizeof(place.curve), "loop %d", loop);
    } else if (space != NULL && space[1] == 'p' && strspn(space + 2, "0123456789.") > 0) {
        snprintf(place.picture, sizeof(place.picture), "%.*s over time", (int)(space - name), name);
        snprintf(place.curve, sizeof(place.curve), "%s", space + 1);
    }
    return place;
}

static struct plot_point *
points_of(const struct result_series *series)
{
    struct plot_point *points = calloc(series->point_count + 1, sizeof(*points));

    for (size_t i = 0; points != NULL && i < series->point_count; i++) {
        points[i] = (struct plot_point){series->points[i].seconds, series->points[i].value};
    }
    return points;
}

// The picture of the series at @p first and of those behind it that belong to it.
static void
draw_together(FILE *to, const struct result *result, size_t first)
{
    struct place place = place_of(&result->series[first]);
    struct place names[PLOT_CURVES_MAX];
    struct plot_point *points[PLOT_CURVES_MAX];
    char title[96];
    struct plot plot = {.title = title,
                        .x_title = "time since the start",
                        .x_unit = "s",
                        .y_unit = result->series[first].unit};

    snprintf(title, sizeof(title), "%s", place.picture);
    for (size_t i = first; i < result->series_count && plot.curve_count < PLOT_CURVES_MAX; i++) {
        struct place *name = &names[plot.curve_count];

        *name = place_of(&result->series[i]);
        if (strcmp(name->picture, place.picture) == 0) {
            points[plot.curve_count] = points_of(&result->series[i]);
            if (points[plot.curve_count] != NULL) {
                plot_add(&plot, name->curve, points[plot.curve_count],
                         result->series[i].point_count);
            }
        }
    }
    title[0] = (char)(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    plot.y_kind = strcmp(plot.y_unit, "us") == 0 ? plot_choose_y(&plot) : SCALE_LINEAR;
    html_figure_begin(to);
    plot_draw(&plot, to, 0);
    html_figure_end(to);
    for (size_t i = 0; i < plot.curve_count; i++) {
        free(points[i]);
    }
}

// How many series before this one belong to the same picture.
static size_t
count_before(const struct result *result, size_t index)
{
    struct place place = place_of(&result->series[index]);
    size_t count = 0;

    for (size_t i = 0; i < index; i++) {
        struct place other = place_of(&result->series[i]);

        count += strcmp(other.picture, place.picture) == 0;
    }
    return count;
}

// Was everything in the picture of this series 0 all the time?
static bool
is_zero(const struct result *result, size_t index)
{
    struct place place = place_of(&result->series[index]);

    for (size_t i = 0; i < result->series_count; i++) {
        const struct result_series *series = &result->series[i];
        struct place other = place_of(series);

        for (size_t p = 0; strcmp(other.picture, place.picture) == 0 && p < series->point_count;
             p++) {
            if (series->points[p].value != 0) {
                return false;
            }
        }
    }
    return true;
}

void
draw_series(FILE *to, const struct result *result)
{
    for (size_t i = 0; i < result->series_count; i++) {
        // A picture takes so many curves; the next ones begin another.
        if (count_before(result, i) % PLOT_CURVES_MAX == 0 && !is_zero(result, i)) {
            draw_together(to, result, i);
        }
    }
}

void
name_zero_series(const struct result *result, char *ret_text, size_t size)
{
    size_t length = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < result->series_count && length < size; i++) {
        if (count_before(result, i) == 0 && is_zero(result, i)) {
            length += (size_t)snprintf(ret_text + length, size - length, "%s%s",
                                       length == 0 ? "Zero all the time: " : "; ",
                                       place_of(&result->series[i]).picture);
        }
    }
    if (length > 0 && length + 1 < size) {
        ret_text[length] = '.';
        ret_text[length + 1] = '\0';
    }
}

// --- Per message ---------------------------------------------------------------------------------

bool
draw_per_message(FILE *to, const struct result *result)
{
    static const char tail[] = " per message";
    static struct bars bars;
    const struct bars *charts[] = {&bars};

    bars = (struct bars){.title = "Calls per message", .note = "fewer is better", .unit = ""};
    for (size_t i = 0; i < result->figure_count; i++) {
        const char *name = result->figures[i].name;
        size_t length = strlen(name);
        char shown[40];

        if (length > sizeof(tail) - 1 && strcmp(name + length - (sizeof(tail) - 1), tail) == 0) {
            snprintf(shown, sizeof(shown), "%.*s", (int)(length - (sizeof(tail) - 1)), name);
            struct bar *bar = bars_add(&bars, shown, result->figures[i].value);
            if (bar != NULL) {
                bar->kind = bars.count == 1 ? BAR_OURS : BAR_OTHER;
            }
        }
    }
    if (bars.count == 0) {
        return false;
    }
    bars_draw(charts, 1, to, 0);
    return true;
}
