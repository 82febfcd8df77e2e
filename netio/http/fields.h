/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_FIELDS_H
#define WI_HTTP_FIELDS_H

/**
 * @file
 * The fields of a complete head: views of them, and those that the library looks at itself.
 */

#include "netio/http/parser.h"

/** Views of the parser's rows, in the head at @p head. False: something lies between them that does
 *  not belong there (a fold). */
bool wi_http_make_fields(const struct wi_http_parser *parser, const char *head,
                         struct weir_http_field *fields);

/** What is looked at in every head, found in one pass. */
struct wi_http_known {
    const struct weir_http_field *host;
    const struct weir_http_field *expect;
    const struct weir_http_field *coding;
    unsigned hosts;
    unsigned codings;
    bool has_secret; // which only its sender should know
};

void wi_http_find_known(const struct weir_http_field *fields, unsigned count,
                        struct wi_http_known *ret_known);

#endif /* WI_HTTP_FIELDS_H */
