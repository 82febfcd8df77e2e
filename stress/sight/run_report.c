/* SPDX-License-Identifier: MIT */
#include "run_report.h"

#include "format.h"
#include "html.h"
#include "run_plots.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TILES_MAX     8u
#define LATENCIES_MAX 8u

// --- Verdict -------------------------------------------------------------------------------------

static enum html_state
state_of(const struct result_claim *claim)
{
    if (claim->held) {
        return HTML_GOOD;
    }
    return claim->kind == CLAIM_TIME ? HTML_WARN : HTML_BAD;
}

static void
claim_rows(FILE *to, const struct result *result, enum html_state which)
{
    static const char *const words[] = {
        [HTML_GOOD] = "held", [HTML_WARN] = "missed", [HTML_BAD] = "BROKE"};

    for (size_t i = 0; i < result->claim_count; i++) {
        const struct result_claim *claim = &result->claims[i];

        if (state_of(claim) == which) {
            html_row_begin(to, which);
            html_cell(to, words[which], false);
            html_cell(to, claim->text, false);
            html_cell(to, claim->detail, false);
            html_cell(to, claim->kind == CLAIM_TIME ? "time" : "correctness", false);
            html_row_end(to);
        }
    }
}

static void
claims_section(FILE *to, const struct result *result)
{
    static const char *const heads[] = {"", "What is claimed", "What was found", "About"};

    if (result->claim_count == 0) {
        return;
    }
    html_section_begin(to, "Claims", "");
    html_table_begin(to, heads, 4);
    claim_rows(to, result, HTML_BAD);
    claim_rows(to, result, HTML_WARN);
    claim_rows(to, result, HTML_GOOD);
    html_table_end(to);
    html_section_end(to);
}

static struct format
claims_word(const struct result *result, bool strict_time, enum html_state *ret_state)
{
    struct format format;
    size_t held = 0;

    for (size_t i = 0; i < result->claim_count; i++) {
        held += result->claims[i].held;
    }
    *ret_state = !result_held(result, strict_time) ? HTML_BAD
                 : held < result->claim_count      ? HTML_WARN
                                                   : HTML_GOOD;
    snprintf(format.text, sizeof(format.text), "%s: %zu of %zu claims",
             *ret_state == HTML_BAD ? "broke" : "held", held, result->claim_count);
    return format;
}

// --- Numbers -------------------------------------------------------------------------------------

static void
tiles(FILE *to, const struct result *result)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
    const size_t of_latency = result->latency_count > 0 ? 4 : 0;

    html_tiles_begin(to);
    for (size_t i = 0; i < result->figure_count && i < TILES_MAX - of_latency; i++) {
        const struct result_figure *figure = &result->figures[i];

        html_tile(to, figure->name, format_value(figure->value, figure->unit).text, HTML_PLAIN);
    }
    for (size_t i = 0; i < of_latency; i++) {
        const struct result_latency *latency = &result->latencies[0];
        uint64_t value = histogram_quantile_ns(latency->histogram, quantiles[i].fraction);
        char label[96];

        snprintf(label, sizeof(label), "%s %s", latency->name, quantiles[i].name);
        html_tile(to, label, format_value((double)value, "ns").text, HTML_PLAIN);
    }
    html_tiles_end(to);
}

static void
percentile_row(FILE *to, const char *name, const struct histogram *histogram)
{
    static const double fractions[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

    html_row_begin(to, HTML_PLAIN);
    html_cell(to, name, false);
    html_cell(to, format_count(histogram_count(histogram)).text, true);
    html_cell(to, format_value(histogram_mean_ns(histogram), "ns").text, true);
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        uint64_t value = histogram_quantile_ns(histogram, fractions[i]);

        html_cell(to, format_value((double)value, "ns").text, true);
    }
    html_row_end(to);
}

static void
percentiles(FILE *to, const struct result *result)
{
    static const char *const heads[] = {"",     ">samples", ">mean",   ">p50", ">p90",
                                        ">p99", ">p99.9",   ">p99.99", ">max"};

    if (result->latency_count == 0) {
        return;
    }
    html_section_begin(to, "Percentiles", "");
    html_table_begin(to, heads, 9);
    for (size_t i = 0; i < result->latency_count; i++) {
        percentile_row(to, result->latencies[i].name, result->latencies[i].histogram);
    }
    html_table_end(to);
    html_section_end(to);
}

static void
figures_table(FILE *to, const struct result *result)
{
    static const char *const heads[] = {"Figure", ">"};

    html_table_begin(to, heads, 2);
    for (size_t i = 0; i < result->figure_count; i++) {
        const struct result_figure *figure = &result->figures[i];
        bool is_count = figure->unit[0] == '\0' && figure->value >= 1000 && figure->value < 1e15 &&
                        figure->value == (double)(uint64_t)figure->value;

        html_row_begin(to, HTML_PLAIN);
        html_cell(to, figure->name, false);
        html_cell(to,
                  is_count ? format_count((uint64_t)figure->value).text
                           : format_value(figure->value, figure->unit).text,
                  true);
        html_row_end(to);
    }
    html_table_end(to);
}

static void
setting_row(FILE *to, const char *name, const char *value)
{
    html_row_begin(to, HTML_PLAIN);
    html_cell(to, name, false);
    html_cell(to, value, true);
    html_row_end(to);
}

static void
settings_table(FILE *to, const struct run_report *report)
{
    static const char *const heads[] = {"Parameter", ">"};
    const struct result *result = report->result;
    const struct machine *machine = report->machine;
    char text[64];

    html_table_begin(to, heads, 2);
    for (size_t i = 0; i < result->param_count; i++) {
        setting_row(to, result->params[i].name, result->params[i].value);
    }
    snprintf(text, sizeof(text), "%" PRIu64, result->seed);
    setting_row(to, "seed of this run", text);
    setting_row(to, "ran for", format_value(result->seconds, "s").text);
    setting_row(to, "processor", machine->cpu);
    snprintf(text, sizeof(text), "%ld", machine->cores);
    setting_row(to, "cores", machine->cores > 0 ? text : "\xe2\x80\x93");
    setting_row(to, "kernel", machine->kernel);
    setting_row(to, "date", machine->date);
    snprintf(text, sizeof(text), "%.2f", machine->load);
    setting_row(to, "load of the last minute", machine->load >= 0 ? text : "\xe2\x80\x93");
    html_table_end(to);
}

// --- Pictures ------------------------------------------------------------------------------------

static void
latency_figure(FILE *to, const struct result *result)
{
    struct named_histogram of[LATENCIES_MAX];
    size_t count = result->latency_count < LATENCIES_MAX ? result->latency_count : LATENCIES_MAX;
    bool is_any = false;

    for (size_t i = 0; i < count; i++) {
        of[i] = (struct named_histogram){result->latencies[i].name, result->latencies[i].histogram};
        is_any = is_any || histogram_count(of[i].histogram) > 0;
    }
    if (is_any) {
        html_figure_begin(to);
        draw_latencies(to, "Latency by percentile", of, count, 0);
        html_figure_end(to);
    }
}

static bool
has_per_message(const struct result *result)
{
    for (size_t i = 0; i < result->figure_count; i++) {
        if (strstr(result->figures[i].name, " per message") != NULL) {
            return true;
        }
    }
    return false;
}

static void
plots_section(FILE *to, const struct result *result)
{
    char zero[512];

    if (result->latency_count == 0 && result->series_count == 0 && !has_per_message(result)) {
        return;
    }
    name_zero_series(result, zero, sizeof(zero));
    html_section_begin(to, "Plots", zero);
    html_plots_begin(to);
    latency_figure(to, result);
    if (has_per_message(result)) {
        html_figure_begin(to);
        draw_per_message(to, result);
        html_figure_end(to);
    }
    draw_series(to, result);
    html_plots_end(to);
    html_section_end(to);
}

// --- The whole -----------------------------------------------------------------------------------

static void
sections(FILE *to, const struct run_report *report)
{
    tiles(to, report->result);
    claims_section(to, report->result);
    plots_section(to, report->result);
    percentiles(to, report->result);
    html_section_begin(to, "Details", "");
    html_columns_begin(to);
    figures_table(to, report->result);
    settings_table(to, report);
    html_columns_end(to);
    html_section_end(to);
}

typedef void head_fn(FILE *to, const char *title, enum html_state state, const char *word,
                     const char *line);

static void
put_head(FILE *to, const struct run_report *report, const char *title, head_fn *head)
{
    enum html_state state;
    const struct result *result = report->result;
    const struct machine *machine = report->machine;
    struct format word = claims_word(result, report->strict_time, &state);
    char line[512];

    snprintf(line, sizeof(line), "%s. %s, %ld cores, Linux %s, %s; seed %" PRIu64 ".",
             result->summary, machine->cpu, machine->cores, machine->kernel, machine->date,
             result->seed);
    line[0] = (char)(line[0] >= 'a' && line[0] <= 'z' ? line[0] - 'a' + 'A' : line[0]);
    head(to, title, state, result->claim_count > 0 ? word.text : NULL, line);
}

void
run_report_part(FILE *to, const struct run_report *report)
{
    put_head(to, report, report->title, html_part);
    sections(to, report);
}

void
run_report_page(FILE *to, const struct run_report *report)
{
    char title[128];

    snprintf(title, sizeof(title), "weir-storm: %s", report->title);
    html_begin(to, title);
    put_head(to, report, title, html_head);
    sections(to, report);
    html_end(to);
}

int
run_report_save(const char *path, const struct run_report *report)
{
    FILE *to = fopen(path, "we");
    int status = 0;

    if (to == NULL) {
        return -errno;
    }
    run_report_page(to, report);
    if (fflush(to) != 0 || ferror(to)) {
        status = errno != 0 ? -errno : -EIO;
    }
    if (fclose(to) != 0 && status == 0) {
        status = -errno;
    }
    return status;
}
