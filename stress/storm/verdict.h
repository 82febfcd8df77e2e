/* SPDX-License-Identifier: MIT */
#ifndef STORM_VERDICT_H
#define STORM_VERDICT_H

// Did it hold? Shared by the writer's and the receiver's process.

#include <stdbool.h>

// Before the processes part.
void verdict_create(void);

// Any thread, either process. A claim of the library broke: say which. The first one is kept.
void storm_broke(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Any thread, either process.
bool storm_is_broken(void);

// The first thing that broke; empty when nothing has.
const char *storm_first_broken(void);

// Any thread. Ends the process with status 2 and says what it could not get: not the library's
// fault, and nothing that can be tested without it.
_Noreturn void storm_give_up(const char *what);

static inline void
storm_require(bool is_true, const char *what)
{
    if (!is_true) {
        storm_give_up(what);
    }
}

#endif /* STORM_VERDICT_H */
