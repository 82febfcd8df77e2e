/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_RANGES_H
#define HTTPD_RANGES_H

// Ranges of bytes that a request asks for (RFC 9110, 14.2).

#include <stddef.h>
#include <stdint.h>

#define RANGES_MAX 16u

struct range {
    uint64_t first;
    uint64_t size;
};

enum ranges_answer {
    RANGES_IGNORED, // the whole is sent: another unit, a mistake, too many, or more than the whole
    RANGES_SOME,
    RANGES_UNSATISFIABLE, // 416
};

// Of something @p length bytes long; those that lie in it, in their order.
enum ranges_answer ranges_parse(const char *text, size_t size, uint64_t length,
                                struct range ret_ranges[RANGES_MAX], unsigned *ret_count);

#endif /* HTTPD_RANGES_H */
