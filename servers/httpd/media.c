/* SPDX-License-Identifier: MIT */
#include "media.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct medium {
    const char *extension;
    const char *type;
};

// Sorted.
static const struct medium known[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"br", "application/x-brotli"},
    {"bz2", "application/x-bzip2"},
    {"c", "text/plain; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"eot", "application/vnd.ms-fontobject"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", "text/plain; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"html", "text/html; charset=utf-8"},
    {"ico", "image/x-icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"jxl", "image/jxl"},
    {"log", "text/plain; charset=utf-8"},
    {"m4a", "audio/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"rss", "application/rss+xml"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

struct media {
    struct medium *added;
    size_t count;
};

struct media *
media_create(void)
{
    return calloc(1, sizeof(struct media));
}

void
media_free(struct media *media)
{
    for (size_t i = 0; media != NULL && i < media->count; i++) {
        free((char *)(uintptr_t)media->added[i].extension);
        free((char *)(uintptr_t)media->added[i].type);
    }
    if (media != NULL) {
        free(media->added);
    }
    free(media);
}

// It goes into a head: visible bytes and blanks, with a slash.
static int
check(const char *extension, const char *type)
{
    const char *slash = strchr(type, '/');

    if (*extension == '\0' || strpbrk(extension, "./") != NULL || slash == NULL || slash == type) {
        return -EINVAL;
    }
    for (; *type != '\0'; type++) {
        if ((unsigned char)*type < ' ' || (unsigned char)*type >= 0x7f) {
            return -EINVAL;
        }
    }
    return 0;
}

int
media_add(struct media *media, const char *extension, const char *type)
{
    struct medium *added;
    struct medium one;

    if (check(extension, type) < 0) {
        return -EINVAL;
    }
    added = realloc(media->added, (media->count + 1) * sizeof(added[0]));
    if (added == NULL) {
        return -ENOMEM;
    }
    media->added = added;
    one.extension = strdup(extension);
    one.type = strdup(type);
    if (one.extension == NULL || one.type == NULL) {
        free((char *)(uintptr_t)one.extension);
        free((char *)(uintptr_t)one.type);
        return -ENOMEM;
    }
    added[media->count++] = one;
    return 0;
}

static int
compare(const void *a, const void *b)
{
    return strcasecmp(((const struct medium *)a)->extension, ((const struct medium *)b)->extension);
}

const char *
media_type(const struct media *media, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    struct medium wanted = {.extension = dot != NULL ? dot + 1 : ""};
    const struct medium *found;

    for (size_t i = media->count; i-- > 0;) { // the last word counts
        if (compare(&wanted, &media->added[i]) == 0) {
            return media->added[i].type;
        }
    }
    found = bsearch(&wanted, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]), compare);
    return found != NULL ? found->type : "application/octet-stream";
}
