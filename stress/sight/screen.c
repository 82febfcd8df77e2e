/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <stdlib.h>
#include <string.h>

static const char *const style_codes[] = {
    [SCREEN_PLAIN] = "",        [SCREEN_STRONG] = "\033[1m", [SCREEN_SOFT] = "\033[2m",
    [SCREEN_GOOD] = "\033[32m", [SCREEN_BAD] = "\033[1;31m", [SCREEN_BAR] = "\033[36m",
};

bool
screen_begin(struct screen *screen)
{
    screen->text = NULL;
    screen->size = 0;
    screen->column = 0;
    screen->row = 0;
    screen->to = open_memstream(&screen->text, &screen->size);
    return screen->to != NULL;
}

unsigned
screen_room(const struct screen *screen)
{
    // The last column is left free: many terminals wrap as soon as it is filled.
    unsigned columns = screen->columns > 1 ? screen->columns - 1 : 0;

    return screen->row >= screen->rows || screen->column >= columns ? 0 : columns - screen->column;
}

// How many bytes the character at @p text has.
static size_t
character_size(const char *text)
{
    size_t size = 1;

    while (((unsigned char)text[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

// Width is counted in characters, so a narrow space takes a column as any other.
static unsigned
width_of(const char *text)
{
    unsigned width = 0;

    for (; *text != '\0'; text += character_size(text)) {
        width++;
    }
    return width;
}

// A space that is not the plain one is drawn in many widths, and the micro sign has a plain form.
static void
put_character(struct screen *screen, const char *text, size_t size)
{
    static const struct {
        const char *from;
        const char *to;
    } plain[] = {{"\xe2\x80\xaf", " "}, {"\xc2\xb5", "u"}, {"\xe2\x80\x93", "-"}};

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if ((i == 0 || !screen->is_utf8) && strncmp(text, plain[i].from, size) == 0) {
            fputs(plain[i].to, screen->to);
            return;
        }
    }
    if ((size > 1 && !screen->is_utf8) || (unsigned char)*text < ' ') {
        fputc('?', screen->to);
    } else {
        fwrite(text, 1, size, screen->to);
    }
}

void
screen_put(struct screen *screen, enum screen_style style, const char *text)
{
    bool is_styled = screen->has_color && style != SCREEN_PLAIN && screen_room(screen) > 0;

    if (is_styled) {
        fputs(style_codes[style], screen->to);
    }
    while (*text != '\0' && screen_room(screen) > 0) {
        size_t size = character_size(text);

        put_character(screen, text, size);
        screen->column++;
        text += size;
    }
    if (is_styled) {
        fputs("\033[0m", screen->to);
    }
}

static void
put_blanks(struct screen *screen, unsigned count)
{
    for (; count > 0; count--) {
        screen_put(screen, SCREEN_PLAIN, " ");
    }
}

void
screen_put_field(struct screen *screen, enum screen_style style, const char *text, int width)
{
    unsigned wanted = (unsigned)abs(width), has = width_of(text);
    unsigned blanks = wanted > has ? wanted - has : 0;

    if (width < 0) {
        put_blanks(screen, blanks);
    }
    screen_put(screen, style, text);
    if (width > 0) {
        put_blanks(screen, blanks);
    }
}

void
screen_put_spark(struct screen *screen, const double *values, size_t count, unsigned width)
{
    static const char *const blocks[] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
                                         "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
                                         "\xe2\x96\x87", "\xe2\x96\x88"};
    static const char *const letters[] = {"_", ".", "-", ":", "=", "+", "*", "#"};
    size_t shown = count < width ? count : width;
    double most = 0;
    char line[4 * 256] = "";
    size_t length = 0;

    shown = shown < 256 ? shown : 255;
    values += count - shown;
    for (size_t i = 0; i < shown; i++) {
        most = values[i] > most ? values[i] : most;
    }
    for (size_t i = 0; i < shown; i++) {
        double height = most > 0 && values[i] > 0 ? values[i] / most * 8 : 0;
        unsigned step = height >= 8 ? 7 : (unsigned)height;
        const char *drawn = screen->is_utf8 ? blocks[step] : letters[step];

        memcpy(line + length, drawn, strlen(drawn));
        length += strlen(drawn);
    }
    line[length] = '\0';
    screen_put(screen, SCREEN_BAR, line);
}

void
screen_put_bar(struct screen *screen, double fraction, unsigned width)
{
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    unsigned full = (unsigned)(fraction * width + 0.5);

    for (unsigned i = 0; i < width; i++) {
        const char *drawn = i < full ? (screen->is_utf8 ? "\xe2\x94\x81" : "=")
                                     : (screen->is_utf8 ? "\xe2\x94\x80" : "-");

        screen_put(screen, i < full ? SCREEN_BAR : SCREEN_SOFT, drawn);
    }
}

void
screen_end_line(struct screen *screen)
{
    if (screen->row < screen->rows) {
        fputs(screen->is_moving ? "\033[K\n" : "\n", screen->to);
        screen->row++;
    }
    screen->column = 0;
}

void
screen_end(struct screen *screen)
{
    fclose(screen->to);
    screen->to = NULL;
}

void
screen_free(struct screen *screen)
{
    free(screen->text);
    screen->text = NULL;
}
