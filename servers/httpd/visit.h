/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_VISIT_H
#define HTTPD_VISIT_H

// One request and what becomes of it, from its head to the line in the log.

#include "access.h"
#include "asked.h"
#include "httpd.h"

struct visit {
    struct httpd *httpd;
    struct here *here;
    weir_http http;
    const struct host *host; // NULL: none was found yet
    unsigned holders;        // the exchange, and who works for it elsewhere
    bool is_over;            // the exchange is
    bool is_public;          // else the admin's, which is neither counted nor logged
    bool is_head;
    bool is_get;    // or HEAD
    bool has_begun; // to answer, in pieces
    uint64_t begun_ns;
    struct asked asked; // valid inside `request`, and behind visit_defer() until the end
    struct visit *next_free;
    struct access access;
};

// On a loop, inside `request`; NULL: memory ran out.
struct visit *visit_begin(struct httpd *httpd, weir_http http,
                          const struct weir_http_request *request, bool is_public);

// The exchange is over: count, log, let go.
void visit_ended(struct visit *visit, const struct weir_http_ended *ended);

// What was no request was refused: count, log.
void visit_refused(struct httpd *httpd, weir_stream stream, unsigned status);

// Go on later. What was collected from the head is collected anew, from its copy. 0 or -errno.
int visit_defer(struct visit *visit);

void visit_hold(struct visit *visit);
void visit_drop(struct visit *visit);

// Free those that wait to be used again.
void visit_free_all(struct here *here);

#endif /* HTTPD_VISIT_H */
