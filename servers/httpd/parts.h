/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_PARTS_H
#define HTTPD_PARTS_H

// Several ranges in one answer: multipart/byteranges (RFC 9110, 14.6).

#include "reply.h"

#define PARTS_HEAD_MAX 400u

struct parts {
    struct document *document;
    const struct variant *variant;
    const struct range *ranges;
    unsigned count;
    uint64_t size; // of the whole body
    char boundary[24];
    char type[64];
};

// Borrows the ranges.
void parts_plan(struct parts *parts, struct document *document, const struct variant *variant,
                const struct range *ranges, unsigned count);

// Head and all parts. What cannot be sent resets the connection.
void parts_send(const struct parts *parts, struct visit *visit, const struct weir_http_head *head);

#endif /* HTTPD_PARTS_H */
