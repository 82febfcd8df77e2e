/* SPDX-License-Identifier: MIT */

#include "weir/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// A wrong text, as people are shown it. Only the neighbourhood of the mistake, if it is long.

#define BEFORE_MAX 48 // bytes shown in front of the wrong one
#define BEHIND_MAX 24 // from it on

// Only the first byte of a character counts as a column.
static bool
is_inside_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t
count_columns(const char *text, size_t size)
{
    size_t columns = 0;

    for (size_t i = 0; i < size; i++) {
        columns += !is_inside_character(text[i]);
    }
    return columns;
}

// The part of the text to show; whole characters of it.
static void
choose_part(const char *text, size_t length, size_t offset, size_t *ret_begin, size_t *ret_end)
{
    size_t begin = offset > BEFORE_MAX ? offset - BEFORE_MAX : 0;
    size_t end = length - offset > BEHIND_MAX ? offset + BEHIND_MAX : length;

    while (begin < offset && is_inside_character(text[begin])) {
        begin++;
    }
    while (end > offset && end < length && is_inside_character(text[end])) {
        end--;
    }
    *ret_begin = begin;
    *ret_end = end;
}

int
weir_parse_error_format(const struct weir_parse_error *error, const char *text, char *lines,
                        size_t lines_size)
{
    char shown[BEFORE_MAX + BEHIND_MAX + 1];
    size_t begin, end;
    int indent;

    if (error == NULL || error->message == NULL || text == NULL ||
        (lines == NULL && lines_size != 0) || error->offset > strlen(text)) {
        return -EINVAL;
    }
    choose_part(text, strlen(text), error->offset, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        unsigned char byte = (unsigned char)text[i];

        shown[i - begin] = (char)(byte < ' ' || byte == 0x7f ? '?' : text[i]);
    }
    shown[end - begin] = '\0';
    indent = (int)(count_columns(text + begin, error->offset - begin) + (begin > 0 ? 3 : 0));
    return snprintf(lines, lines_size, "%s%s%s\n%*s^ %s", begin > 0 ? "..." : "", shown,
                    text[end] != '\0' ? "..." : "", indent, "", error->message);
}
