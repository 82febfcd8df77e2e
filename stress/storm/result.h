/* SPDX-License-Identifier: MIT */
#ifndef STORM_RESULT_H
#define STORM_RESULT_H

// What a scenario hands over when it has ended. All that is printed or drawn is made from this and
// nothing else. One thread at a time fills it; texts are copied.

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A parameter as it would be written on the command line; "yes" or "no" for a flag.
struct result_param {
    char *name;
    char *value;
};

// One number. Names are in lower case with blanks; units are "", "/s", "MB/s", "bytes", "us", …
struct result_figure {
    char *name;
    double value;
    char *unit;
};

// How long something took, in nanoseconds.
struct result_latency {
    char *name;
    struct histogram *histogram;
};

struct result_point {
    double seconds; // since the scenario began
    double value;
};

// A value over time, sampled while the scenario ran; points in the order of time.
struct result_series {
    char *name;
    char *unit;
    struct result_point *points;
    size_t point_count;
    size_t point_room;
};

enum result_claim_kind {
    CLAIM_CORRECTNESS, // one that does not hold fails the run
    CLAIM_TIME,        // about speed: fails the run with --strict-time only
};

struct result_claim {
    enum result_claim_kind kind;
    bool held;
    char *text;   // what is claimed
    char *detail; // what was found
};

struct result {
    const char *scenario; // its name
    const char *summary;  // what it does, in a line
    uint64_t seed;
    double seconds; // how long it ran
    struct result_param *params;
    size_t param_count;
    struct result_figure *figures; // the most telling ones first
    size_t figure_count;
    struct result_latency *latencies;
    size_t latency_count;
    struct result_series *series;
    size_t series_count;
    struct result_claim *claims;
    size_t claim_count;
};

void result_init(struct result *result, const char *scenario, const char *summary, uint64_t seed);
void result_free(struct result *result);

void result_add_param(struct result *result, const char *name, const char *value);
void result_add_figure(struct result *result, const char *name, double value, const char *unit);

// An empty histogram of this name, to merge into; the result's.
struct histogram *result_add_latency(struct result *result, const char *name);

// The latency of this name, if there is one, stands behind all others.
void result_put_latency_last(struct result *result, const char *name);

// Another point of the series with this name, which is made with the first.
void result_add_point(struct result *result, const char *name, const char *unit, double seconds,
                      double value);

// What was claimed, and what was found.
void result_add_claim(struct result *result, enum result_claim_kind kind, bool held,
                      const char *text, const char *detail_format, ...)
    __attribute__((format(printf, 5, 6)));

// The figure of this name; NULL: there is none.
const struct result_figure *result_find_figure(const struct result *result, const char *name);

// Did every claim of correctness hold, and with @p strict_time those about time?
bool result_held(const struct result *result, bool strict_time);

#endif /* STORM_RESULT_H */
