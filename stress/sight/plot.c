/* SPDX-License-Identifier: MIT */
#include "plot.h"

#include "format.h"
#include "svg.h"

#include <math.h>

#define TOP      56.0 // below title and legend
#define BOTTOM   48.0 // ticks and title of the x axis
#define RIGHT    22.0
#define COLUMNS  300u // points that differ by less are one column
#define DOTS_MAX 4u   // so many points of a curve are drawn as dots, too
#define FAR      30.0 // times as large: too far apart for a linear scale
#define Y_TICKS  5u
#define X_TICKS  7u
#define LEAST_NS 0.5 // a log scale ends where nothing is measured

struct frame {
    struct scale x, y;
    double left, right, top, bottom; // of the field of the curves
};

bool
plot_add(struct plot *plot, const char *name, const struct plot_point *points, size_t count)
{
    if (plot->curve_count == PLOT_CURVES_MAX) {
        return false;
    }
    plot->curves[plot->curve_count++] =
        (struct plot_curve){.name = name, .points = points, .count = count};
    return true;
}

// The extent of all curves; low > high when there are no points.
static void
extent_of(const struct plot *plot, struct plot_point *ret_low, struct plot_point *ret_high)
{
    *ret_low = (struct plot_point){INFINITY, INFINITY};
    *ret_high = (struct plot_point){-INFINITY, -INFINITY};
    for (size_t i = 0; i < plot->curve_count; i++) {
        for (size_t j = 0; j < plot->curves[i].count; j++) {
            const struct plot_point *point = &plot->curves[i].points[j];

            ret_low->x = fmin(ret_low->x, point->x);
            ret_low->y = fmin(ret_low->y, point->y);
            ret_high->x = fmax(ret_high->x, point->x);
            ret_high->y = fmax(ret_high->y, point->y);
        }
    }
}

enum scale_kind
plot_choose_y(const struct plot *plot)
{
    struct plot_point low, high;

    extent_of(plot, &low, &high);
    return low.y > 0 && high.y / low.y > FAR ? SCALE_LOG : SCALE_LINEAR;
}

// Ticks of a logarithmic axis are too far apart for one prefix.
static struct format
tick_text(const struct scale *scale, double value, const char *unit)
{
    return scale->kind == SCALE_PERCENTILE
               ? format_percentile(value)
               : format_tick(value, unit, scale->kind == SCALE_LOG ? value : scale->high);
}

static struct frame
frame_of(const struct plot *plot)
{
    struct frame frame = {.right = PLOT_WIDTH - RIGHT, .top = TOP, .bottom = PLOT_HEIGHT - BOTTOM};
    struct plot_point low, high;

    extent_of(plot, &low, &high);
    if (low.x > high.x) {
        low = high = (struct plot_point){0, 0};
    }
    if (plot->x_kind == SCALE_PERCENTILE) {
        // The last point is that of 1, which has no place: room for one nine more than the counts
        // can tell apart is enough.
        high.x = 0;
        for (size_t i = 0; i < plot->curve_count; i++) {
            for (size_t j = 0; j < plot->curves[i].count; j++) {
                double x = plot->curves[i].points[j].x;

                high.x = x < 1 && x > high.x ? x : high.x;
            }
        }
        high.x = 1 - fmin((1 - high.x) / 2, 0.05);
    }
    frame.x = scale_make(plot->x_kind, low.x, high.x, X_TICKS);
    if (plot->x_kind == SCALE_LINEAR) { // time ends where it ended
        frame.x.high = high.x > low.x ? high.x : frame.x.high;
    }
    if (plot->y_kind == SCALE_LOG) {
        frame.y = scale_make(SCALE_LOG, fmax(low.y, LEAST_NS), fmax(high.y, 2 * LEAST_NS), 8);
    } else {
        frame.y = scale_make(SCALE_LINEAR, fmin(low.y, 0), fmax(high.y, 0), Y_TICKS);
    }
    double widest = 0;
    for (size_t i = 0; i < frame.y.tick_count; i++) {
        struct format tick = tick_text(&frame.y, frame.y.ticks[i].value, plot->y_unit);

        widest = fmax(widest, svg_text_width(tick.text, SVG_FONT_SIZE));
    }
    frame.left = 14 + widest;
    scale_lay(&frame.x, frame.left, frame.right);
    scale_lay(&frame.y, frame.bottom, frame.top);
    return frame;
}

static void
draw_x_axis(const struct plot *plot, const struct frame *frame, FILE *to)
{
    double free_from = 0; // texts must not touch

    for (size_t i = 0; i < frame->x.tick_count; i++) {
        double value = frame->x.ticks[i].value;
        double place = scale_place(&frame->x, value);
        struct format tick = tick_text(&frame->x, value, plot->x_unit);
        double width = svg_text_width(tick.text, SVG_FONT_SIZE);

        if (value > frame->x.high) {
            continue;
        }
        svg_line(to, place, frame->top, place, frame->bottom, "grid");
        double middle = fmin(place, PLOT_WIDTH - 2 - width / 2);
        if (!frame->x.ticks[i].is_minor && middle - width / 2 >= free_from) {
            svg_text(to, middle, frame->bottom + 20, SVG_MIDDLE, "soft", tick.text);
            free_from = middle + width / 2 + 6;
        }
    }
    if (plot->x_kind == SCALE_PERCENTILE && frame->right - 30 >= free_from) {
        svg_text(to, frame->right, frame->bottom + 20, SVG_MIDDLE, "soft", "max");
    }
    svg_line(to, frame->left, frame->bottom, frame->right, frame->bottom, "axis");
    svg_text(to, (frame->left + frame->right) / 2, PLOT_HEIGHT - 8, SVG_MIDDLE, "soft",
             plot->x_title);
}

static void
draw_y_axis(const struct plot *plot, const struct frame *frame, FILE *to)
{
    for (size_t i = 0; i < frame->y.tick_count; i++) {
        double place = scale_place(&frame->y, frame->y.ticks[i].value);
        struct format tick = tick_text(&frame->y, frame->y.ticks[i].value, plot->y_unit);

        svg_line(to, frame->left, place, frame->right, place, "grid");
        if (!frame->y.ticks[i].is_minor) {
            svg_text(to, frame->left - 7, place + 4.5, SVG_END, "soft", tick.text);
        }
    }
}

static void
draw_legend(const struct plot *plot, const struct frame *frame, FILE *to)
{
    double x = frame->left;

    if (plot->curve_count < 2) {
        return;
    }
    for (size_t i = 0; i < plot->curve_count; i++) {
        char class[8];
        double width = svg_text_width(plot->curves[i].name, SVG_FONT_SIZE);

        if (x + 18 + width > PLOT_WIDTH - 4) {
            break; // its hint still names the curve
        }
        snprintf(class, sizeof(class), "c%u", (unsigned)(i % SVG_COLORS));
        svg_box(to, x, 34, 12, 4, class, NULL);
        svg_text(to, x + 18, 41, SVG_START, "soft", plot->curves[i].name);
        x += 18 + width + 14;
    }
}

// One line of what a curve is made of. Points of one column are drawn as first, lowest, highest and
// last: no peak is lost, however many there are.
struct column {
    struct plot_point first, low, high, last;
};

static void
put_point(const struct frame *frame, FILE *to, struct plot_point point, bool is_first)
{
    fprintf(to, "%c%.1f %.1f", is_first ? 'M' : 'L', scale_place(&frame->x, point.x),
            scale_place(&frame->y, point.y));
}

static void
put_column(const struct frame *frame, FILE *to, const struct column *column, bool is_first)
{
    bool is_low_first = column->low.x <= column->high.x;

    put_point(frame, to, column->first, is_first);
    if (column->first.x < column->last.x) {
        put_point(frame, to, is_low_first ? column->low : column->high, false);
        put_point(frame, to, is_low_first ? column->high : column->low, false);
        put_point(frame, to, column->last, false);
    }
}

static void
put_path(const struct frame *frame, FILE *to, const struct plot_curve *curve)
{
    double width = curve->count > COLUMNS ? (frame->right - frame->left) / COLUMNS : 0;
    struct column column;
    double ends = -INFINITY;
    bool is_first = true;

    for (size_t i = 0; i < curve->count; i++) {
        struct plot_point point = curve->points[i];
        double place = scale_place(&frame->x, point.x);

        if (i == 0 || place >= ends) {
            if (i != 0) {
                put_column(frame, to, &column, is_first);
                is_first = false;
            }
            column = (struct column){point, point, point, point};
            ends = place + width;
            continue;
        }
        column.low = point.y < column.low.y ? point : column.low;
        column.high = point.y > column.high.y ? point : column.high;
        column.last = point;
    }
    put_column(frame, to, &column, is_first);
}

static void
draw_curve(const struct plot *plot, const struct frame *frame, FILE *to, size_t index)
{
    const struct plot_curve *curve = &plot->curves[index];
    unsigned color = (unsigned)(index % SVG_COLORS);

    if (curve->count == 0) {
        return;
    }
    if (plot->curve_count == 1 && plot->y_kind == SCALE_LINEAR && curve->count > 1) {
        fprintf(to, "<path class=\"area c%u\" d=\"", color);
        put_path(frame, to, curve);
        fprintf(to, "L%.1f %.1fL%.1f %.1fZ\"/>\n",
                scale_place(&frame->x, curve->points[curve->count - 1].x),
                scale_place(&frame->y, 0), scale_place(&frame->x, curve->points[0].x),
                scale_place(&frame->y, 0));
    }
    fprintf(to, "<path class=\"curve s%u\" d=\"", color);
    put_path(frame, to, curve);
    fputs("\"><title>", to);
    svg_escape(to, curve->name);
    fputs("</title></path>\n", to);
    // So few that the line may be too short to be seen.
    for (size_t i = 0; curve->count <= DOTS_MAX && i < curve->count; i++) {
        fprintf(to, "<circle class=\"c%u\" r=\"4\" cx=\"%.1f\" cy=\"%.1f\"/>\n", color,
                scale_place(&frame->x, curve->points[i].x),
                scale_place(&frame->y, curve->points[i].y));
    }
}

void
plot_draw(const struct plot *plot, FILE *to, int is_alone)
{
    struct frame frame = frame_of(plot);

    svg_begin(to, PLOT_WIDTH, PLOT_HEIGHT, plot->title, is_alone);
    svg_text(to, 8, 20, SVG_START, "title", plot->title);
    draw_y_axis(plot, &frame, to);
    draw_x_axis(plot, &frame, to);
    for (size_t i = plot->curve_count; i-- > 0;) { // the first one on top
        draw_curve(plot, &frame, to, i);
    }
    draw_legend(plot, &frame, to);
    svg_end(to);
}
