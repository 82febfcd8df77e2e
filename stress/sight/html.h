/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_HTML_H
#define SIGHT_HTML_H

// A page that needs nothing but itself: no script, no font, no picture from elsewhere. Each
// function writes the next piece; those with _begin and _end enclose others.

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum html_state { HTML_PLAIN, HTML_GOOD, HTML_BAD, HTML_WARN };

void html_begin(FILE *to, const char *title);
void html_end(FILE *to);

// The top: a title, a word on a coloured ground behind it (NULL: none), and a line of text.
void html_head(FILE *to, const char *title, enum html_state state, const char *word,
               const char *line);

// A large part of a page, with a title like its head's.
void html_part(FILE *to, const char *title, enum html_state state, const char *word,
               const char *line);

void html_section_begin(FILE *to, const char *title, const char *note);
void html_section_end(FILE *to);

// Large numbers side by side.
void html_tiles_begin(FILE *to);
void html_tile(FILE *to, const char *label, const char *value, enum html_state state);
void html_tiles_end(FILE *to);

// Pictures side by side; what is drawn between figure_begin and figure_end is one.
void html_plots_begin(FILE *to);
void html_plots_end(FILE *to);
void html_figure_begin(FILE *to);
void html_figure_end(FILE *to);

// A table: @p heads are its columns. A head that begins with '>' is a column of numbers.
void html_table_begin(FILE *to, const char *const *heads, size_t count);
void html_row_begin(FILE *to, enum html_state state);
void html_cell(FILE *to, const char *text, bool is_number);
void html_row_end(FILE *to);
void html_table_end(FILE *to);

// Tables side by side where there is room.
void html_columns_begin(FILE *to);
void html_columns_end(FILE *to);

#endif /* SIGHT_HTML_H */
