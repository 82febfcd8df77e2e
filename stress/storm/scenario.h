/* SPDX-License-Identifier: MIT */
#ifndef STORM_SCENARIO_H
#define STORM_SCENARIO_H

// What a scenario is: a name, parameters, and a function that runs it. A scenario is one file that
// defines one `struct scenario`, and a line in scenario.c.

#include "live.h"
#include "result.h"

#include "weir/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum parameter_kind {
    PARAMETER_COUNT,  // a whole number, with k or m behind it if wanted
    PARAMETER_REAL,   // a number with a point
    PARAMETER_CHOICE, // one of the words in `words`
    PARAMETER_FLAG,   // has no value; off unless given
};

// One option of the command line. A row with an empty name ends a table.
struct parameter {
    const char *name; // without dashes
    enum parameter_kind kind;
    const char *fallback; // what it is when not given, as it would be written
    double min, max;      // of a number
    const char *words;    // of a choice: "tcp unix both"
    const char *help;     // one line, without the default
};

#define PARAMETERS_MAX 48u

struct parameter_value {
    const struct parameter *parameter;
    const char *text;
    uint64_t count;
    double real;
    unsigned choice; // index of the word
    bool flag;
};

enum server_place {
    SERVER_PROCESS, // threads of this process
    SERVER_FORK,    // a process of its own
    SERVER_ADDRESS, // somebody else's
};

// One run of a scenario: what was asked for.
struct run {
    const struct scenario *scenario;
    struct parameter_value values[PARAMETERS_MAX];
    size_t value_count;
    uint64_t seed;
    double seconds;
    enum server_place server;
    struct weir_address address; // with SERVER_ADDRESS
    const char *address_text;
    struct result *result; // to be filled
    live_view_fn *view;    // looks on; may be NULL
    void *view_arg;
};

struct scenario {
    const char *name;
    const char *summary;                // one line, begins in lower case, no full stop
    const struct parameter *parameters; // its own; a name that is common as well replaces that one
    bool takes_address;
    // Run it and fill run->result. What broke was also said to storm_broke().
    void (*run)(struct run *run);
};

// All scenarios; ends with NULL.
extern const struct scenario *const storm_scenarios[];

// The scenario of this name; NULL: there is none.
const struct scenario *scenario_find(const char *name);

// A parameter's value. The name must be one of the scenario's or a common one.
uint64_t run_count(const struct run *run, const char *name);
double run_real(const struct run *run, const char *name);
unsigned run_choice(const struct run *run, const char *name);
bool run_flag(const struct run *run, const char *name);

#endif /* STORM_SCENARIO_H */
