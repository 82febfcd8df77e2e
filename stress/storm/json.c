/* SPDX-License-Identifier: MIT */
// Keys are never renamed; new ones may come. "schema" grows when one goes or changes its meaning.

#include "json.h"

#include <inttypes.h>
#include <math.h>

#define SCHEMA 1

static void
write_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte == '"' || byte == '\\') {
            fprintf(file, "\\%c", byte);
        } else if (byte < 0x20) {
            fprintf(file, "\\u%04x", byte);
        } else {
            fputc(byte, file);
        }
    }
    fputc('"', file);
}

// JSON has no infinity and no not-a-number.
static void
write_number(FILE *file, double value)
{
    if (isfinite(value)) {
        fprintf(file, "%.15g", value);
    } else {
        fputs("null", file);
    }
}

static const char *
separator(size_t index)
{
    return index == 0 ? "" : ",";
}

static void
write_params(FILE *file, const struct result *result)
{
    fputs(",\"params\":{", file);
    for (size_t i = 0; i < result->param_count; i++) {
        fputs(separator(i), file);
        write_text(file, result->params[i].name);
        fputc(':', file);
        write_text(file, result->params[i].value);
    }
    fputc('}', file);
}

static void
write_figures(FILE *file, const struct result *result)
{
    fputs(",\"figures\":{", file);
    for (size_t i = 0; i < result->figure_count; i++) {
        fputs(separator(i), file);
        write_text(file, result->figures[i].name);
        fputs(":{\"value\":", file);
        write_number(file, result->figures[i].value);
        fputs(",\"unit\":", file);
        write_text(file, result->figures[i].unit);
        fputc('}', file);
    }
    fputc('}', file);
}

static void
write_latencies(FILE *file, const struct result *result)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};

    fputs(",\"latencies_ns\":{", file);
    for (size_t i = 0; i < result->latency_count; i++) {
        const struct histogram *histogram = result->latencies[i].histogram;

        fputs(separator(i), file);
        write_text(file, result->latencies[i].name);
        fprintf(file, ":{\"count\":%" PRIu64, histogram_count(histogram));
        for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
            fprintf(file, ",\"%s\":%" PRIu64, quantiles[q].name,
                    histogram_quantile_ns(histogram, quantiles[q].fraction));
        }
        fprintf(file, ",\"max\":%" PRIu64 ",\"histogram\":\"", histogram_quantile_ns(histogram, 1));
        histogram_print(histogram, file);
        fputs("\"}", file);
    }
    fputc('}', file);
}

static void
write_series(FILE *file, const struct result *result)
{
    fputs(",\"series\":{", file);
    for (size_t i = 0; i < result->series_count; i++) {
        const struct result_series *series = &result->series[i];

        fputs(separator(i), file);
        write_text(file, series->name);
        fputs(":{\"unit\":", file);
        write_text(file, series->unit);
        fputs(",\"points\":[", file);
        for (size_t p = 0; p < series->point_count; p++) {
            fprintf(file, "%s[%.3f,", separator(p), series->points[p].seconds);
            write_number(file, series->points[p].value);
            fputc(']', file);
        }
        fputs("]}", file);
    }
    fputc('}', file);
}

static void
write_claims(FILE *file, const struct result *result)
{
    fputs(",\"claims\":[", file);
    for (size_t i = 0; i < result->claim_count; i++) {
        const struct result_claim *claim = &result->claims[i];

        fprintf(file, "%s{\"kind\":\"%s\",\"held\":%s,\"claim\":", separator(i),
                claim->kind == CLAIM_TIME ? "time" : "correctness", claim->held ? "true" : "false");
        write_text(file, claim->text);
        fputs(",\"found\":", file);
        write_text(file, claim->detail);
        fputc('}', file);
    }
    fputc(']', file);
}

void
json_write(FILE *file, const struct result *result, const struct machine *machine, bool strict_time)
{
    fprintf(file, "{\"schema\":%d,\"scenario\":", SCHEMA);
    write_text(file, result->scenario);
    fputs(",\"summary\":", file);
    write_text(file, result->summary);
    fprintf(file, ",\"held\":%s,\"seed\":%" PRIu64 ",\"seconds\":",
            result_held(result, strict_time) ? "true" : "false", result->seed);
    write_number(file, result->seconds);
    fputs(",\"machine\":", file);
    machine_write(file, machine);
    write_params(file, result);
    write_figures(file, result);
    write_latencies(file, result);
    write_claims(file, result);
    write_series(file, result);
    fputs("}\n", file);
}
