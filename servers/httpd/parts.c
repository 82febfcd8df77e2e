/* SPDX-License-Identifier: MIT */
#include "parts.h"

#include "answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

// What goes before a part; behind the last one, what ends them all.
static size_t
write_head(const struct parts *parts, unsigned number, char text[PARTS_HEAD_MAX])
{
    const struct range *range = &parts->ranges[number];
    const char *before = number == 0 ? "" : "\r\n";

    if (number == parts->count) {
        return (size_t)snprintf(text, PARTS_HEAD_MAX, "\r\n--%s--\r\n", parts->boundary);
    }
    return (size_t)snprintf(text, PARTS_HEAD_MAX,
                            "%s--%s\r\nContent-Type: %.200s\r\n"
                            "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                            before, parts->boundary, parts->document->type, range->first,
                            range->first + range->size - 1, parts->variant->size);
}

// A boundary that nobody could have written into the file before.
static void
choose_boundary(char boundary[24])
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
        random ^= weir_now_ns();
    }
    snprintf(boundary, 24, "weir-%016" PRIx64, random);
}

void
parts_plan(struct parts *parts, struct document *document, const struct variant *variant,
           const struct range *ranges, unsigned count)
{
    char text[PARTS_HEAD_MAX];

    *parts =
        (struct parts){.document = document, .variant = variant, .ranges = ranges, .count = count};
    choose_boundary(parts->boundary);
    snprintf(parts->type, sizeof(parts->type), "multipart/byteranges; boundary=%s",
             parts->boundary);
    for (unsigned i = 0; i < count; i++) {
        parts->size += write_head(parts, i, text) + ranges[i].size;
    }
    parts->size += write_head(parts, count, text);
}

static struct weir_write
copied(struct iovec *piece, unsigned flags)
{
    return (struct weir_write){.iov = piece, .iov_count = 1, .flags = WEIR_COPY | flags};
}

void
parts_send(const struct parts *parts, struct visit *visit, const struct weir_http_head *head)
{
    char text[PARTS_HEAD_MAX];
    struct iovec piece = {text, write_head(parts, 0, text)};
    struct weir_write write = copied(&piece, WEIR_MORE);
    int result = weir_http_respond(visit->http, head, &write, NULL);

    for (unsigned i = 0; result >= 0 && i < parts->count; i++) {
        result = reply_piece(visit, parts->document, parts->variant, &parts->ranges[i], WEIR_MORE);
        if (result >= 0) {
            piece.iov_len = write_head(parts, i + 1, text);
            write = copied(&piece, i + 1 == parts->count ? WEIR_CHUNK_END : WEIR_MORE);
            result = weir_http_write(visit->http, &write, NULL);
        }
    }
    if (result < 0) {
        weir_http_abort(visit->http);
    }
}
