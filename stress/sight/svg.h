/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_SVG_H
#define SIGHT_SVG_H

// Writing SVG and the text of HTML. Colours and fonts are classes, which svg_style says once.

#include <stdio.h>

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

#define SVG_FONT_SIZE 13.0
#define SVG_COLORS    8u // classes c0 to c7

// Text that cannot be taken for markup.
void svg_escape(FILE *to, const char *text);

// The rules of all classes that a picture uses, for a page's or a picture's <style>.
extern const char svg_style[];

// A picture of its own size. @p label says what it shows, to those who do not see it. With @p
// is_alone it is a file of its own, with its style and a background.
void svg_begin(FILE *to, double width, double height, const char *label, int is_alone);
void svg_end(FILE *to);

void svg_text(FILE *to, double x, double y, enum svg_anchor anchor, const char *class,
              const char *text);
void svg_line(FILE *to, double x1, double y1, double x2, double y2, const char *class);

// A filled box; @p hint is shown under the pointer, NULL: none.
void svg_box(FILE *to, double x, double y, double width, double height, const char *class,
             const char *hint);

// How wide a text is at most, in the widest of the fonts that are asked for.
double svg_text_width(const char *text, double font_size);

#endif /* SIGHT_SVG_H */
