/* SPDX-License-Identifier: MIT */
#include "result_read.h"

#include <math.h>
#include <string.h>

bool
result_is_known(const struct json_node *tree)
{
    const struct json_node *scenario = json_member(tree, "scenario");

    return scenario != NULL && scenario->kind == JSON_TEXT && json_member(tree, "figures") != NULL;
}

static const struct json_node *
first_of(const struct json_node *tree, const char *name)
{
    const struct json_node *list = json_member(tree, name);

    return list != NULL ? list->first : NULL;
}

static void
read_params(struct result *result, const struct json_node *tree)
{
    for (const struct json_node *param = first_of(tree, "params"); param != NULL;
         param = param->next) {
        if (param->key != NULL && param->text != NULL) {
            result_add_param(result, param->key, param->text);
        }
    }
}

static void
read_figures(struct result *result, const struct json_node *tree)
{
    for (const struct json_node *figure = first_of(tree, "figures"); figure != NULL;
         figure = figure->next) {
        if (figure->key != NULL) {
            result_add_figure(result, figure->key, json_number(figure, "value", NAN),
                              json_text(figure, "unit", ""));
        }
    }
}

static const char *
read_latencies(struct result *result, const struct json_node *tree)
{
    for (const struct json_node *latency = first_of(tree, "latencies_ns"); latency != NULL;
         latency = latency->next) {
        const char *text = json_text(latency, "histogram", NULL);

        if (text == NULL || latency->key == NULL) {
            return "a latency has no histogram: it cannot be drawn";
        }
        if (histogram_parse(result_add_latency(result, latency->key), text) != 0) {
            return "a histogram cannot be read";
        }
    }
    return NULL;
}

static const char *
read_points(struct result *result, const struct json_node *series)
{
    const char *unit = json_text(series, "unit", "");

    for (const struct json_node *point = first_of(series, "points"); point != NULL;
         point = point->next) {
        const struct json_node *seconds = point->first;
        const struct json_node *value = seconds != NULL ? seconds->next : NULL;

        if (value == NULL || seconds->kind != JSON_NUMBER) {
            return "a point of a series is not a pair of numbers";
        }
        if (value->kind == JSON_NUMBER) { // null: nothing to tell at that moment
            result_add_point(result, series->key, unit, seconds->number, value->number);
        }
    }
    return NULL;
}

static const char *
read_series(struct result *result, const struct json_node *tree)
{
    const char *wrong = NULL;

    for (const struct json_node *series = first_of(tree, "series"); series != NULL && wrong == NULL;
         series = series->next) {
        wrong = series->key == NULL ? "a series has no name" : read_points(result, series);
    }
    return wrong;
}

static const char *
read_claims(struct result *result, const struct json_node *tree)
{
    for (const struct json_node *claim = first_of(tree, "claims"); claim != NULL;
         claim = claim->next) {
        const struct json_node *held = json_member(claim, "held");
        const char *text = json_text(claim, "claim", NULL);

        if (held == NULL || (held->kind != JSON_TRUE && held->kind != JSON_FALSE) || text == NULL) {
            return "a claim does not say whether it held";
        }
        result_add_claim(result,
                         strcmp(json_text(claim, "kind", ""), "time") == 0 ? CLAIM_TIME
                                                                           : CLAIM_CORRECTNESS,
                         held->kind == JSON_TRUE, text, "%s", json_text(claim, "found", ""));
    }
    return NULL;
}

const char *
result_read(struct result *ret_result, const struct json_node *tree)
{
    const char *wrong;

    result_init(ret_result, json_text(tree, "scenario", ""), json_text(tree, "summary", ""),
                json_count(tree, "seed"));
    ret_result->seconds = json_number(tree, "seconds", 0);
    read_params(ret_result, tree);
    read_figures(ret_result, tree);
    wrong = read_latencies(ret_result, tree);
    if (wrong == NULL) {
        wrong = read_series(ret_result, tree);
    }
    if (wrong == NULL) {
        wrong = read_claims(ret_result, tree);
    }
    if (wrong != NULL) {
        result_free(ret_result);
    }
    return wrong;
}

void
result_read_machine(struct machine *ret_machine, const struct json_node *tree)
{
    const struct json_node *machine = json_member(tree, "machine");

    memset(ret_machine, 0, sizeof(*ret_machine));
    snprintf(ret_machine->cpu, sizeof(ret_machine->cpu), "%s", json_text(machine, "cpu", ""));
    snprintf(ret_machine->kernel, sizeof(ret_machine->kernel), "%s",
             json_text(machine, "kernel", ""));
    snprintf(ret_machine->date, sizeof(ret_machine->date), "%s", json_text(machine, "date", ""));
    ret_machine->cores = (long)json_count(machine, "cores");
    ret_machine->load = json_number(machine, "load", -1);
}
