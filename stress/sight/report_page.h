/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_REPORT_PAGE_H
#define SIGHT_REPORT_PAGE_H

// A page, or one picture, of several sources.

#include "report_source.h"

#include <stdio.h>

// At least one source.
void report_page(FILE *to, const struct sources *sources);

// One picture for a text elsewhere: of each comparison the chart of this figure (NULL: its first),
// one under the other; or, when all are runs, a first latency of each in one plot. NULL, or why
// there is nothing to draw.
const char *report_picture(FILE *to, const struct sources *sources, const char *key);

#endif /* SIGHT_REPORT_PAGE_H */
