/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_SCREEN_H
#define SIGHT_SCREEN_H

// Lines that never get wider than the terminal, and not more of them than it has: what has no room
// is cut off. One frame is one text, so that it is drawn at once.

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum screen_style { SCREEN_PLAIN, SCREEN_STRONG, SCREEN_SOFT, SCREEN_GOOD, SCREEN_BAD, SCREEN_BAR };

struct screen {
    unsigned columns, rows; // how many there are
    bool has_color;
    bool is_utf8;
    bool is_moving; // lines are ended as something was drawn there before
    FILE *to;
    char *text; // of the frame, once it has ended
    size_t size;
    unsigned column, row; // how much is used
};

// Begin a frame. False: no memory.
bool screen_begin(struct screen *screen);

// Text of UTF-8, each character one column wide; without UTF-8 all but ASCII are question marks.
void screen_put(struct screen *screen, enum screen_style style, const char *text);

// The same, filled up with blanks to this width: in front of it if @p width is negative.
void screen_put_field(struct screen *screen, enum screen_style style, const char *text, int width);

// One column per value, the newest at the right, as high as it is beside the largest.
void screen_put_spark(struct screen *screen, const double *values, size_t count, unsigned width);

// A bar of this width, filled to this fraction.
void screen_put_bar(struct screen *screen, double fraction, unsigned width);

unsigned screen_room(const struct screen *screen); // columns left in this line
void screen_end_line(struct screen *screen);

// The frame is in text and size until screen_free().
void screen_end(struct screen *screen);
void screen_free(struct screen *screen);

#endif /* SIGHT_SCREEN_H */
