/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include "verdict.h"

#include <string.h>

extern const struct scenario scenario_echo;
extern const struct scenario scenario_xthread;
extern const struct scenario scenario_bulk;
extern const struct scenario scenario_fanout;
extern const struct scenario scenario_cancel;
extern const struct scenario scenario_churn;
extern const struct scenario scenario_drain;
extern const struct scenario scenario_idle;
extern const struct scenario scenario_hog;
extern const struct scenario scenario_ceiling;
extern const struct scenario scenario_chaos;

const struct scenario *const storm_scenarios[] = {
    &scenario_echo,   &scenario_xthread, &scenario_bulk,  &scenario_fanout,
    &scenario_cancel, &scenario_churn,   &scenario_drain, &scenario_idle,
    &scenario_hog,    &scenario_ceiling, &scenario_chaos, NULL,
};

const struct scenario *
scenario_find(const char *name)
{
    for (size_t i = 0; storm_scenarios[i] != NULL; i++) {
        if (strcmp(storm_scenarios[i]->name, name) == 0) {
            return storm_scenarios[i];
        }
    }
    return NULL;
}

static const struct parameter_value *
find_value(const struct run *run, const char *name)
{
    for (size_t i = 0; i < run->value_count; i++) {
        if (strcmp(run->values[i].parameter->name, name) == 0) {
            return &run->values[i];
        }
    }
    storm_give_up(name); // a scenario asks for a parameter that it has not
}

uint64_t
run_count(const struct run *run, const char *name)
{
    return find_value(run, name)->count;
}

double
run_real(const struct run *run, const char *name)
{
    return find_value(run, name)->real;
}

unsigned
run_choice(const struct run *run, const char *name)
{
    return find_value(run, name)->choice;
}

bool
run_flag(const struct run *run, const char *name)
{
    return find_value(run, name)->flag;
}
