/* SPDX-License-Identifier: MIT */
#include "bars.h"

#include "format.h"
#include "scale.h"
#include "svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAR         17.0
#define STEP        23.0 // from one bar to the next
#define TITLE       34.0
#define NOTE        18.0
#define LEGEND      20.0
#define FOOT        38.0 // ticks
#define BETWEEN     18.0 // charts
#define VALUE_ROOM  84.0 // behind the longest bar
#define TICKS       6u
#define LOG_TICKS   4u
#define NAME_MAX_PX 190.0

// Where the bars of a picture are.
struct field {
    double left, right;
    double top; // of the chart that is drawn
    struct scale scale;
};

struct bar *
bars_add(struct bars *bars, const char *name, double value)
{
    if (bars->count == BARS_MAX) {
        return NULL;
    }
    struct bar *bar = &bars->bars[bars->count++];
    *bar = (struct bar){.value = value, .low = value, .high = value};
    snprintf(bar->name, sizeof(bar->name), "%s", name);
    return bar;
}

static int
compare_values(const void *one, const void *other)
{
    double a = ((const struct bar *)one)->value, b = ((const struct bar *)other)->value;

    if (isnan(a) || isnan(b)) {
        return isnan(a) - isnan(b); // those that cannot tell come last
    }
    return a < b ? -1 : a > b;
}

static int
compare_backwards(const void *one, const void *other)
{
    double a = ((const struct bar *)one)->value, b = ((const struct bar *)other)->value;

    return isnan(a) || isnan(b) ? compare_values(one, other) : compare_values(other, one);
}

void
bars_sort(struct bars *bars, bool is_large_first)
{
    qsort(bars->bars, bars->count, sizeof(bars->bars[0]),
          is_large_first ? compare_backwards : compare_values);
}

static unsigned draw_part_names(const struct bars *bars, double y, FILE *to);

static double
head_height(const struct bars *bars)
{
    return TITLE + (bars->note[0] != '\0' ? NOTE : 0) +
           (bars->part_count > 0 ? LEGEND * draw_part_names(bars, 0, NULL) : 0) +
           (bars->target > 0 ? LEGEND : 0);
}

double
bars_height(const struct bars *bars)
{
    return head_height(bars) + (double)bars->count * STEP + FOOT;
}

static struct scale
scale_of(const struct bars *bars)
{
    double low = INFINITY, high = bars->target;

    for (size_t i = 0; i < bars->count; i++) {
        const struct bar *bar = &bars->bars[i];

        if (bar->low > 0) {
            low = fmin(low, bar->low);
        }
        high = fmax(high, fmax(bar->value, bar->high));
    }
    if (bars->target > 0) {
        low = fmin(low, bars->target);
    }
    // Where a log scale begins is arbitrary; below the smallest, so that it has a bar as well.
    return bars->is_log && isfinite(low) ? scale_make(SCALE_LOG, low / 1.5, high, LOG_TICKS)
                                         : scale_make(SCALE_LINEAR, 0, high, TICKS);
}

static void
draw_ticks(const struct bars *bars, const struct field *field, FILE *to)
{
    double top = field->top + head_height(bars) - 4;
    double bottom = field->top + head_height(bars) + (double)bars->count * STEP;
    double free_from = 0;

    for (size_t i = 0; i < field->scale.tick_count; i++) {
        const struct scale_tick *tick = &field->scale.ticks[i];
        double place = scale_place(&field->scale, tick->value);
        struct format text =
            format_tick(tick->value, bars->unit, bars->is_log ? tick->value : field->scale.high);
        double width = svg_text_width(text.text, SVG_FONT_SIZE);

        svg_line(to, place, top, place, bottom, "grid");
        if (!tick->is_minor && place - width / 2 >= free_from) {
            svg_text(to, place, bottom + 17, SVG_MIDDLE, "soft", text.text);
            free_from = place + width / 2 + 6;
        }
    }
    svg_line(to, field->left, top, field->left, bottom, "axis");
}

static void
draw_whisker(const struct field *field, const struct bar *bar, double y, FILE *to)
{
    double low = scale_place(&field->scale, bar->low), high = scale_place(&field->scale, bar->high);

    svg_line(to, low, y, high, y, "whisker");
    svg_line(to, low, y - 4, low, y + 4, "whisker");
    svg_line(to, high, y - 4, high, y + 4, "whisker");
}

static void
draw_parts(const struct bars *bars, const struct field *field, const struct bar *bar, double y,
           FILE *to)
{
    double sum = 0;

    for (size_t i = 0; i < bars->part_count; i++) {
        double from = scale_place(&field->scale, sum);
        double until = scale_place(&field->scale, sum + bar->parts[i]);
        char class[8], hint[128];

        sum += bar->parts[i];
        if (until - from < 0.05) {
            continue;
        }
        snprintf(class, sizeof(class), "c%u", (unsigned)(i % SVG_COLORS));
        snprintf(hint, sizeof(hint), "%s: %s %s", bar->name, bars->part_names[i],
                 format_measured(bar->parts[i], bars->unit).text);
        svg_box(to, from, y, until - from, BAR, class, hint);
    }
}

// A name that has no room ends with an ellipsis.
static void
draw_name(const struct bar *bar, double x, double y, FILE *to)
{
    char shown[sizeof(bar->name) + 4];

    snprintf(shown, sizeof(shown), "%s", bar->name);
    for (size_t length = strlen(shown);
         length > 1 && svg_text_width(shown, SVG_FONT_SIZE) > NAME_MAX_PX; length--) {
        // A character of UTF-8 goes as a whole.
        while (length > 1 && ((unsigned char)bar->name[length - 1] & 0xc0) == 0x80) {
            length--;
        }
        snprintf(shown, sizeof(shown), "%.*s\xe2\x80\xa6", (int)length - 1, bar->name);
    }
    svg_text(to, x, y, SVG_END, bar->kind == BAR_OURS ? "strong" : "", shown);
}

static double
top_of(const struct bars *bars, const struct field *field, size_t index)
{
    return field->top + head_height(bars) + (double)index * STEP;
}

static void
draw_bar(const struct bars *bars, const struct field *field, size_t index, FILE *to)
{
    static const char *const colors[] = {
        [BAR_OTHER] = "other", [BAR_OURS] = "ours", [BAR_LIMIT] = "limit"};
    const struct bar *bar = &bars->bars[index];
    double y = top_of(bars, field, index);

    if (bars->part_count > 0) {
        draw_parts(bars, field, bar, y, to);
    } else if (isfinite(bar->value)) {
        char hint[128];

        snprintf(hint, sizeof(hint), "%s: %s", bar->name,
                 format_measured(bar->value, bars->unit).text);
        svg_box(to, field->left, y, scale_place(&field->scale, bar->value) - field->left, BAR,
                colors[bar->kind], hint);
    }
    if (bar->high > bar->low) {
        draw_whisker(field, bar, y + BAR / 2, to);
    }
}

// Names before the bars, values behind them: over everything else, so that they can be read.
static void
draw_words(const struct bars *bars, const struct field *field, size_t index, FILE *to)
{
    const struct bar *bar = &bars->bars[index];
    double y = top_of(bars, field, index) + 13;
    double end = fmax(bar->value, bar->high > bar->low ? bar->high : bar->value);

    draw_name(bar, field->left - 8, y, to);
    svg_text(to, (isfinite(end) ? scale_place(&field->scale, end) : field->left) + 7, y, SVG_START,
             bar->kind == BAR_OURS ? "strong" : "", format_measured(bar->value, bars->unit).text);
}

// The names of the parts, in as many lines as they need; how many those are. Without a file they
// are only counted.
static unsigned
draw_part_names(const struct bars *bars, double y, FILE *to)
{
    double x = 8;
    unsigned lines = 1;

    for (size_t i = 0; i < bars->part_count; i++) {
        char class[8];
        double width = svg_text_width(bars->part_names[i], SVG_FONT_SIZE);

        if (x + 17 + width > BARS_WIDTH - 4 && x > 8) {
            x = 8;
            y += LEGEND;
            lines++;
        }
        if (to != NULL) {
            snprintf(class, sizeof(class), "c%u", (unsigned)(i % SVG_COLORS));
            svg_box(to, x, y - 8, 12, 8, class, NULL);
            svg_text(to, x + 17, y, SVG_START, "soft", bars->part_names[i]);
        }
        x += 17 + width + 12;
    }
    return lines;
}

static void
draw_target(const struct bars *bars, const struct field *field, FILE *to)
{
    char text[80];
    double place = scale_place(&field->scale, bars->target);
    double top = field->top + head_height(bars) - 6;

    snprintf(text, sizeof(text), "target %s",
             format_tick(bars->target, bars->unit, bars->target).text);
    double width = svg_text_width(text, SVG_FONT_SIZE);
    double middle = fmin(fmax(place, width / 2 + 4), BARS_WIDTH - width / 2 - 4);
    svg_line(to, place, top, place, top + 4 + (double)bars->count * STEP, "target");
    svg_text(to, middle, top - 5, SVG_MIDDLE, "marked", text);
}

static void
draw_chart(const struct bars *bars, struct field *field, FILE *to)
{
    field->scale = scale_of(bars);
    scale_lay(&field->scale, field->left, field->right);
    svg_text(to, 8, field->top + 20, SVG_START, "title", bars->title);
    svg_text(to, 8, field->top + 37, SVG_START, "soft", bars->note);
    if (bars->part_count > 0) {
        draw_part_names(bars, field->top + TITLE + (bars->note[0] != '\0' ? NOTE : 0) + LEGEND - 9,
                        to);
    }
    draw_ticks(bars, field, to);
    for (size_t i = 0; i < bars->count; i++) {
        draw_bar(bars, field, i, to);
    }
    if (bars->target > 0) {
        draw_target(bars, field, to);
    }
    for (size_t i = 0; i < bars->count; i++) {
        draw_words(bars, field, i, to);
    }
}

void
bars_draw(const struct bars *const *charts, size_t count, FILE *to, int is_alone)
{
    struct field field = {.right = BARS_WIDTH - VALUE_ROOM};
    double height = 0;

    for (size_t i = 0; i < count; i++) {
        height += bars_height(charts[i]) + (i > 0 ? BETWEEN : 0);
        for (size_t j = 0; j < charts[i]->count; j++) {
            double width = svg_text_width(charts[i]->bars[j].name, SVG_FONT_SIZE * 1.05);

            field.left = fmax(field.left, fmin(width, NAME_MAX_PX));
        }
    }
    field.left += 16;
    svg_begin(to, BARS_WIDTH, height, charts[0]->title, is_alone);
    for (size_t i = 0; i < count; i++) {
        draw_chart(charts[i], &field, to);
        field.top += bars_height(charts[i]) + BETWEEN;
    }
    svg_end(to);
}
