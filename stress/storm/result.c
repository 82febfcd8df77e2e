/* SPDX-License-Identifier: MIT */
#include "result.h"

#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
copy_text(const char *text)
{
    char *copy = strdup(text);

    storm_require(copy != NULL, "memory");
    return copy;
}

// Room for one more behind @p count elements of @p size bytes.
static void *
grow(void *list, size_t count, size_t size)
{
    void *grown = reallocarray(list, count + 1, size);

    storm_require(grown != NULL, "memory");
    return grown;
}

void
result_init(struct result *result, const char *scenario, const char *summary, uint64_t seed)
{
    *result = (struct result){.scenario = scenario, .summary = summary, .seed = seed};
}

void
result_free(struct result *result)
{
    for (size_t i = 0; i < result->param_count; i++) {
        free(result->params[i].name);
        free(result->params[i].value);
    }
    for (size_t i = 0; i < result->figure_count; i++) {
        free(result->figures[i].name);
        free(result->figures[i].unit);
    }
    for (size_t i = 0; i < result->latency_count; i++) {
        free(result->latencies[i].name);
        free(result->latencies[i].histogram);
    }
    for (size_t i = 0; i < result->series_count; i++) {
        free(result->series[i].name);
        free(result->series[i].unit);
        free(result->series[i].points);
    }
    for (size_t i = 0; i < result->claim_count; i++) {
        free(result->claims[i].text);
        free(result->claims[i].detail);
    }
    free(result->params);
    free(result->figures);
    free(result->latencies);
    free(result->series);
    free(result->claims);
    *result = (struct result){0};
}

void
result_add_param(struct result *result, const char *name, const char *value)
{
    result->params = grow(result->params, result->param_count, sizeof(*result->params));
    result->params[result->param_count++] =
        (struct result_param){.name = copy_text(name), .value = copy_text(value)};
}

void
result_add_figure(struct result *result, const char *name, double value, const char *unit)
{
    result->figures = grow(result->figures, result->figure_count, sizeof(*result->figures));
    result->figures[result->figure_count++] =
        (struct result_figure){.name = copy_text(name), .value = value, .unit = copy_text(unit)};
}

struct histogram *
result_add_latency(struct result *result, const char *name)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    storm_require(histogram != NULL, "memory");
    result->latencies = grow(result->latencies, result->latency_count, sizeof(*result->latencies));
    result->latencies[result->latency_count++] =
        (struct result_latency){.name = copy_text(name), .histogram = histogram};
    return histogram;
}

void
result_put_latency_last(struct result *result, const char *name)
{
    for (size_t i = 0; i + 1 < result->latency_count; i++) {
        if (strcmp(result->latencies[i].name, name) == 0) {
            struct result_latency latency = result->latencies[i];

            result->latencies[i] = result->latencies[i + 1];
            result->latencies[i + 1] = latency;
        }
    }
}

static struct result_series *
find_series(struct result *result, const char *name, const char *unit)
{
    for (size_t i = 0; i < result->series_count; i++) {
        if (strcmp(result->series[i].name, name) == 0) {
            return &result->series[i];
        }
    }
    result->series = grow(result->series, result->series_count, sizeof(*result->series));
    result->series[result->series_count] =
        (struct result_series){.name = copy_text(name), .unit = copy_text(unit)};
    return &result->series[result->series_count++];
}

void
result_add_point(struct result *result, const char *name, const char *unit, double seconds,
                 double value)
{
    struct result_series *series = find_series(result, name, unit);

    if (series->point_count == series->point_room) {
        series->point_room = series->point_room == 0 ? 64 : 2 * series->point_room;
        series->points = reallocarray(series->points, series->point_room, sizeof(*series->points));
        storm_require(series->points != NULL, "memory");
    }
    series->points[series->point_count++] =
        (struct result_point){.seconds = seconds, .value = value};
}

void
result_add_claim(struct result *result, enum result_claim_kind kind, bool held, const char *text,
                 const char *detail_format, ...)
{
    char detail[1024];
    va_list arguments;

    va_start(arguments, detail_format);
    vsnprintf(detail, sizeof(detail), detail_format, arguments);
    va_end(arguments);
    result->claims = grow(result->claims, result->claim_count, sizeof(*result->claims));
    result->claims[result->claim_count++] = (struct result_claim){
        .kind = kind, .held = held, .text = copy_text(text), .detail = copy_text(detail)};
}

const struct result_figure *
result_find_figure(const struct result *result, const char *name)
{
    for (size_t i = 0; i < result->figure_count; i++) {
        if (strcmp(result->figures[i].name, name) == 0) {
            return &result->figures[i];
        }
    }
    return NULL;
}

bool
result_held(const struct result *result, bool strict_time)
{
    for (size_t i = 0; i < result->claim_count; i++) {
        const struct result_claim *claim = &result->claims[i];

        if (!claim->held && (strict_time || claim->kind == CLAIM_CORRECTNESS)) {
            return false;
        }
    }
    return true;
}
