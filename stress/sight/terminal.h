/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_TERMINAL_H
#define SIGHT_TERMINAL_H

// What a terminal can do, and that it is left as it was found, however the program ends. At most
// one is taken at a time.

#include <stdbool.h>
#include <stdio.h>

struct terminal {
    int fd;
    bool is_live;   // can be drawn on; else write plain lines
    bool has_color; // and NO_COLOR is not set (no-color.org)
    bool is_utf8;
};

// Look at what @p to is connected with, and at TERM, NO_COLOR and the locale's variables.
struct terminal terminal_find(FILE *to);

// Hide the cursor of a live one, until terminal_release(), or until the process exits or is killed
// by a signal that can be caught and that nobody has a handler for. It is there, too, while the
// process is stopped.
void terminal_take(const struct terminal *terminal);

// Any thread, also in a signal handler, also when nothing is taken. Before _exit(), which runs no
// function of exit().
void terminal_release(void);

// How large it is now; 80 x 24 when it does not say.
void terminal_size(const struct terminal *terminal, unsigned *ret_columns, unsigned *ret_rows);

#endif /* SIGHT_TERMINAL_H */
