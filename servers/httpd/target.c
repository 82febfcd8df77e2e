/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* ---- bytes ---- */

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The byte at @p at, decoded, and the step behind it. Negative: it cannot be in a path.
static int
take_byte(const char *at, const char *end, size_t *ret_step)
{
    unsigned char c = (unsigned char)*at;
    int high;
    int low;

    *ret_step = 1;
    if (c != '%') {
        return c <= ' ' || c == 0x7f || c == '#' ? -1 : c;
    }
    if (end - at < 3) {
        return -1;
    }
    *ret_step = 3;
    high = hex_value(at[1]);
    low = hex_value(at[2]);
    if (high < 0 || low < 0) {
        return -1;
    }
    c = (unsigned char)(high << 4 | low);
    return c == '\0' || c == '/' ? -1 : c;
}

/* ---- segments ---- */

// Does a part of a path without dot segments begin with a dot, other than the first /.well-known?
static bool
has_hidden(const char *path)
{
    static const char well_known[] = "/.well-known";
    size_t size = sizeof(well_known) - 1;

    if (strncmp(path, well_known, size) == 0 && (path[size] == '/' || path[size] == '\0')) {
        path += size;
    }
    return strstr(path, "/.") != NULL;
}

// A segment has ended that began at @p begin: what it means for the path. False: it leaves the
// root.
static bool
end_segment(struct target *target, size_t begin, bool has_slash)
{
    size_t size = target->path_size - begin;
    const char *segment = target->path + begin;

    if (size == 1 && segment[0] == '.') {
        target->path_size = begin;
        return true;
    }
    if (size == 2 && segment[0] == '.' && segment[1] == '.') {
        if (begin == 1) {
            return false;
        }
        target->path_size = begin - 1; // the slash before it
        while (target->path[target->path_size - 1] != '/') {
            target->path_size--;
        }
        return true;
    }
    if (size != 0 && has_slash) {
        target->path[target->path_size++] = '/';
    }
    return true;
}

static unsigned
take_path(struct target *target, const char *at, const char *end)
{
    size_t begin = 1;

    target->path[0] = '/';
    target->path_size = 1;
    while (at < end) {
        size_t step = 1;
        int byte = *at == '/' ? '/' : take_byte(at, end, &step);

        if (byte < 0) {
            return 400;
        }
        if (target->path_size + 2 >= sizeof(target->path)) {
            return 414;
        }
        if (byte == '/' && *at == '/') {
            if (!end_segment(target, begin, true)) {
                return 400;
            }
            begin = target->path_size;
            at++;
        } else {
            target->path[target->path_size++] = (char)byte;
            at += step;
        }
    }
    if (!end_segment(target, begin, false)) {
        return 400;
    }
    target->path[target->path_size] = '\0';
    target->is_hidden = has_hidden(target->path);
    return 0;
}

/* ---- the whole ---- */

// What is behind the scheme; NULL: it is none. Only http, for that is what is spoken here, and
// https for a proxy that has taken it off.
static const char *
skip_scheme(const char *text, const char *end)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);

        if ((size_t)(end - text) > size && strncasecmp(text, schemes[i], size) == 0) {
            return text + size;
        }
    }
    return NULL;
}

// scheme://authority. What is behind it; NULL: it is not the absolute form.
static const char *
take_authority(struct target *target, const char *text, const char *end)
{
    const char *at = skip_scheme(text, end);

    target->authority = at;
    while (at != NULL && at < end && *at != '/' && *at != '?') {
        if (*at == '@') {
            return NULL;
        }
        at++;
    }
    target->authority_size = at != NULL ? (size_t)(at - target->authority) : 0;
    return target->authority_size != 0 ? at : NULL;
}

static bool
is_sound_query(const struct target *target)
{
    for (size_t i = 0; i < target->query_size; i++) {
        unsigned char c = (unsigned char)target->query[i];

        if (c <= ' ' || c == 0x7f || c == '#') {
            return false;
        }
    }
    return true;
}

unsigned
target_parse(struct target *target, const char *text, size_t size)
{
    const char *end = text + size;
    const char *query;

    target->authority = NULL;
    target->authority_size = 0;
    target->query = NULL;
    target->query_size = 0;
    target->is_hidden = false;
    target->is_asterisk = size == 1 && *text == '*';
    if (target->is_asterisk) {
        return 0;
    }
    if (size == 0 || *text != '/') {
        text = size != 0 ? take_authority(target, text, end) : NULL;
        if (text == NULL) {
            return 400;
        }
    }
    query = memchr(text, '?', (size_t)(end - text));
    if (query != NULL) {
        target->query = query;
        target->query_size = (size_t)(end - query);
        end = query;
        if (!is_sound_query(target)) {
            return 400;
        }
    }
    return take_path(target, text, end);
}

/* ---- and back ---- */

static bool
is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("/-._~!$&'()*+,;=:@", c) != NULL);
}

size_t
target_escape(const char *path, char *out, size_t room)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;

    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        size_t step = is_plain(c) ? 1 : 3;

        if (size + step < room) {
            memcpy(out + size, step == 1 ? path : escaped, step);
        }
        size += step;
    }
    if (room != 0) {
        out[size < room ? size : room - 1] = '\0';
    }
    return size;
}
