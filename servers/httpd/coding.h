/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_CODING_H
#define HTTPD_CODING_H

// Content codings: what a client accepts (RFC 9110, 12.5.3), and which of what there is it gets.

#include "asked.h"

#include <stdint.h>

// In the order in which they are preferred when a client has no preference.
enum coding {
    CODING_BR,
    CODING_ZSTD,
    CODING_GZIP,
    CODING_IDENTITY,
    CODINGS,
};

// The token, and what it adds to a file's name; of identity "".
const char *coding_name(enum coding coding);
const char *coding_suffix(enum coding coding);

struct accepted {
    uint16_t weights[CODINGS]; // thousandths; 0: not acceptable
};

void coding_accepted(const struct asked *asked, struct accepted *ret_accepted);

// The best of those whose bits are in @p available; CODINGS: none is acceptable.
enum coding coding_choose(const struct accepted *accepted, unsigned available);

#endif /* HTTPD_CODING_H */
