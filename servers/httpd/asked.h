/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_ASKED_H
#define HTTPD_ASKED_H

// The fields of a request that a server of files looks at, found in one pass.

#include "weir/http.h"

#include <stdbool.h>

enum asked_name {
    ASKED_HOST,
    ASKED_RANGE,
    ASKED_REFERER,
    ASKED_IF_MATCH,
    ASKED_IF_RANGE,
    ASKED_USER_AGENT,
    ASKED_IF_NONE_MATCH,
    ASKED_ACCEPT_ENCODING,
    ASKED_IF_MODIFIED_SINCE,
    ASKED_IF_UNMODIFIED_SINCE,
    ASKED_NAMES,
};

struct asked {
    const struct weir_http_field *fields;
    unsigned count;
    unsigned repeated; // a bit for each name that is there more than once
    const struct weir_http_field *first[ASKED_NAMES]; // NULL: not there
};

void asked_collect(struct asked *ret_asked, const struct weir_http_field *fields, unsigned count);

// The field, if it is there once. One that has a single value and is there twice says nothing.
const struct weir_http_field *asked_one(const struct asked *asked, enum asked_name name);

// The field behind @p field with the same name; NULL: none.
const struct weir_http_field *asked_next(const struct asked *asked, enum asked_name name,
                                         const struct weir_http_field *field);

#endif /* HTTPD_ASKED_H */
