/* SPDX-License-Identifier: MIT */
#include "report_page.h"

#include "html.h"
#include "run_plots.h"
#include "run_report.h"

#include <stdlib.h>
#include <string.h>

#define SIDE_BY_SIDE_MAX 8u

// --- Comparisons ---------------------------------------------------------------------------------

static void
compare_section(FILE *to, const struct source *source)
{
    struct compare *compare = source->compare;

    html_section_begin(to, source->title, compare->origin);
    html_plots_begin(to);
    for (size_t i = 0; i < compare->count; i++) {
        const struct bars *charts[] = {&compare->charts[i]};

        compare->charts[i].target = i == 0 ? source->target : 0;
        html_figure_begin(to);
        bars_draw(charts, 1, to, 0);
        html_figure_end(to);
    }
    html_plots_end(to);
    html_section_end(to);
}

// --- Targets -------------------------------------------------------------------------------------

// "missed?" and "met?" are verdicts of a disturbed machine.
static enum html_state
state_of_verdict(const char *verdict)
{
    if (strcmp(verdict, "met") == 0) {
        return HTML_GOOD;
    }
    return strcmp(verdict, "missed") == 0 ? HTML_BAD : HTML_WARN;
}

static void
targets_section(FILE *to, const struct source *source)
{
    static const char *const heads[] = {"", "What", ">Target", "Measured"};
    const struct json_node *targets = json_member(source->tree, "targets");

    html_section_begin(to, source->title, "");
    html_table_begin(to, heads, 4);
    for (const struct json_node *row = targets->first; row != NULL; row = row->next) {
        const char *verdict = json_text(row, "verdict", "");

        html_row_begin(to, state_of_verdict(verdict));
        html_cell(to, verdict, false);
        html_cell(to, json_text(row, "what", ""), false);
        html_cell(to, json_text(row, "target", ""), true);
        html_cell(to, json_text(row, "measured", ""), false);
        html_row_end(to);
    }
    html_table_end(to);
    html_section_end(to);
}

// --- Runs ----------------------------------------------------------------------------------------

// The first latency of each run; the name of a run is that of its curve.
static size_t
latencies_of(const struct sources *sources, struct named_histogram *ret_list)
{
    size_t count = 0;

    for (size_t i = 0; i < sources->count && count < SIDE_BY_SIDE_MAX; i++) {
        const struct source *source = &sources->list[i];

        if (source->kind == SOURCE_RUN && source->result.latency_count > 0) {
            ret_list[count++] =
                (struct named_histogram){source->title, source->result.latencies[0].histogram};
        }
    }
    return count;
}

// A figure that all runs have, as bars; false: not all have it.
static bool
read_figure(struct bars *ret_bars, const struct sources *sources,
            const struct result_figure *figure)
{
    *ret_bars = (struct bars){.title = figure->name, .note = "", .unit = figure->unit};
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->list[i];
        const struct result_figure *found =
            source->kind == SOURCE_RUN ? result_find_figure(&source->result, figure->name) : NULL;

        if (source->kind != SOURCE_RUN) {
            continue;
        }
        if (found == NULL) {
            return false;
        }
        struct bar *bar = bars_add(ret_bars, source->title, found->value);
        if (bar != NULL) {
            bar->kind = BAR_OURS;
        }
    }
    return true;
}

static void
side_by_side_section(FILE *to, const struct sources *sources, const struct source *first)
{
    struct named_histogram latencies[SIDE_BY_SIDE_MAX];
    size_t count = latencies_of(sources, latencies);
    struct bars *bars = malloc(sizeof(*bars));

    html_section_begin(to, "Side by side", "");
    html_plots_begin(to);
    if (count > 1) {
        html_figure_begin(to);
        draw_latencies(to, "Latency by percentile", latencies, count, 0);
        html_figure_end(to);
    }
    for (size_t i = 0; bars != NULL && i < first->result.figure_count && i < 6; i++) {
        const struct bars *charts[] = {bars};

        if (read_figure(bars, sources, &first->result.figures[i])) {
            html_figure_begin(to);
            bars_draw(charts, 1, to, 0);
            html_figure_end(to);
        }
    }
    html_plots_end(to);
    html_section_end(to);
    free(bars);
}

static void
run_sections(FILE *to, const struct source *source)
{
    struct run_report report = {
        .title = source->title, .result = &source->result, .machine = &source->machine};

    run_report_part(to, &report);
}

// --- The page ------------------------------------------------------------------------------------

static size_t
count_runs(const struct sources *sources, const struct source **ret_first)
{
    size_t count = 0;

    for (size_t i = sources->count; i-- > 0;) {
        if (sources->list[i].kind == SOURCE_RUN) {
            *ret_first = &sources->list[i];
            count++;
        }
    }
    return count;
}

static void
put_section(FILE *to, const struct source *source)
{
    switch (source->kind) {
    case SOURCE_RUN:
        run_sections(to, source);
        break;
    case SOURCE_COMPARE:
        compare_section(to, source);
        break;
    case SOURCE_TARGETS:
        targets_section(to, source);
        break;
    }
}

void
report_page(FILE *to, const struct sources *sources)
{
    const struct source *first = NULL;
    size_t runs = count_runs(sources, &first);

    if (sources->count == 1 && runs == 1) {
        struct run_report report = {
            .title = first->title, .result = &first->result, .machine = &first->machine};

        run_report_page(to, &report);
        return;
    }
    html_begin(to, "weir: report");
    html_head(to, runs == 0 ? "weir beside its peers" : "weir: report", HTML_PLAIN, NULL,
              runs == 0
                  ? "Blue: weir. Strong grey: epoll and io_uring by hand, the practical limit."
                  : "");
    if (runs > 1) {
        side_by_side_section(to, sources, first);
    }
    for (size_t i = 0; i < sources->count; i++) {
        put_section(to, &sources->list[i]);
    }
    html_end(to);
}

// --- One picture ---------------------------------------------------------------------------------

static const char *
runs_picture(FILE *to, const struct sources *sources)
{
    struct named_histogram latencies[SIDE_BY_SIDE_MAX];
    size_t count = latencies_of(sources, latencies);

    return count > 0 && draw_latencies(to, "Latency by percentile", latencies, count, 1)
               ? NULL
               : "no run has a latency";
}

// In a picture of its own a chart is named by what was run, and its figure stands behind.
static bool
chart_of(const struct source *source, const char *key, struct bars *ret_bars, char *note,
         size_t note_size)
{
    const struct compare *compare = source->compare;

    for (size_t i = 0; i < compare->count; i++) {
        if (key == NULL || strcmp(compare->keys[i], key) == 0) {
            *ret_bars = compare->charts[i];
            snprintf(note, note_size, "%s; %s", ret_bars->title, ret_bars->note);
            ret_bars->title = source->title;
            ret_bars->note = note;
            ret_bars->target = source->target;
            return true;
        }
    }
    return false;
}

const char *
report_picture(FILE *to, const struct sources *sources, const char *key)
{
    const struct source *first = NULL;
    size_t runs = count_runs(sources, &first), count = 0;

    if (runs == sources->count) {
        return runs_picture(to, sources);
    }
    struct bars *bars = calloc(sources->count, sizeof(*bars));
    const struct bars **charts = calloc(sources->count, sizeof(*charts));
    char(*notes)[320] = calloc(sources->count, sizeof(*notes));
    const char *wrong = bars == NULL || charts == NULL || notes == NULL ? "no memory" : NULL;

    for (size_t i = 0; wrong == NULL && i < sources->count; i++) {
        if (sources->list[i].kind == SOURCE_TARGETS) {
            continue; // a table
        }
        if (sources->list[i].kind == SOURCE_RUN) {
            wrong = "runs of weir-storm and comparisons do not go into one picture";
        } else if (!chart_of(&sources->list[i], key, &bars[count], notes[count],
                             sizeof(notes[0]))) {
            wrong = "a comparison has no such figure";
        } else {
            charts[count] = &bars[count];
            count++;
        }
    }
    if (wrong == NULL && count == 0) {
        wrong = "there is nothing to draw";
    }
    if (wrong == NULL) {
        bars_draw(charts, count, to, 1);
    }
    free(bars);
    free(charts);
    free(notes);
    return wrong;
}
