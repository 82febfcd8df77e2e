/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_ANSWER_H
#define HTTPD_ANSWER_H

// Answers that are no files.

#include "visit.h"

#define FIELDS_MAX 12u

// The fields of a head, as they come together.
struct fields {
    struct weir_http_field all[FIELDS_MAX];
    unsigned count;
};

void fields_add(struct fields *fields, const char *name, const char *value, size_t value_size);

// A head and what goes with it, which may be NULL: there is no body. It cannot be sent: the
// connection is reset, and 'false'. Then the body's memory is the caller's still.
bool answer_send(struct visit *visit, const struct weir_http_head *head,
                 const struct weir_write *body);

// A status and a line that says it.
void answer_status(struct visit *visit, unsigned status);

// 405, and what would be right.
void answer_not_allowed(struct visit *visit, const char *allow);

// 301 to a path of a target, which is escaped, and a query, which may be NULL.
void answer_moved(struct visit *visit, const char *path, const char *query, size_t query_size);

// Text in memory that is given: it is freed.
void answer_text(struct visit *visit, const char *type, char *text, size_t size);

#endif /* HTTPD_ANSWER_H */
