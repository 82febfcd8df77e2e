/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_RUN_REPORT_H
#define SIGHT_RUN_REPORT_H

// What came of a run, as part of a page: verdict, plots, tables.

#include "machine.h"
#include "result.h"

#include <stdio.h>

struct run_report {
    const char *title; // "chaos"
    const struct result *result;
    const struct machine *machine;
    bool strict_time;
};

// A page with this run alone.
void run_report_page(FILE *to, const struct run_report *report);

// The same into a file. 0 or -errno.
int run_report_save(const char *path, const struct run_report *report);

// The same as one part of a page with several.
void run_report_part(FILE *to, const struct run_report *report);

#endif /* SIGHT_RUN_REPORT_H */
