/* SPDX-License-Identifier: MIT */
#ifndef STORM_TEXT_H
#define STORM_TEXT_H

// A result for people, and a line each second while they wait for it.

#include "live.h"
#include "result.h"

void text_write(const struct result *result, bool strict_time);

// A live_view_fn: prints a line each second. @p arg is a struct text_progress, all zero at first.
struct text_progress {
    struct live_sample last;
};
void text_progress(const struct live *live, const struct live_sample *before,
                   const struct live_sample *now, void *arg);

#endif /* STORM_TEXT_H */
