/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_REPLY_H
#define HTTPD_REPLY_H

#include "document.h"
#include "ranges.h"
#include "visit.h"

// Answer a GET or HEAD with a document: preconditions, coding, ranges, and the bytes. Who sends of
// it has references of its own.
void reply(struct visit *visit, struct document *document, const char *query, size_t query_size);

// The next piece of a body, from so much of a variant: out of memory, or the file. Flags as of a
// write. What weir_http_write() answers.
int reply_piece(struct visit *visit, struct document *document, const struct variant *variant,
                const struct range *range, unsigned flags);

#endif /* HTTPD_REPLY_H */
