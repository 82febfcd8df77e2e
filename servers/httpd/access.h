/* SPDX-License-Identifier: MIT */
#ifndef HTTPD_ACCESS_H
#define HTTPD_ACCESS_H

// Lines of the access log: the combined format, then the time it took and how it ended.

#include "asked.h"

#include "weir/http.h"

#include <stddef.h>

#define ACCESS_TEXT_MAX 1024u
#define ACCESS_PEER_MAX 80u

struct httpd;
struct visit;

// What of a request is in the line, already in the form it has there.
struct access {
    char peer[ACCESS_PEER_MAX];
    size_t request_size;
    size_t behind_size;
    char request[ACCESS_TEXT_MAX]; // "GET / HTTP/1.1"
    char behind[ACCESS_TEXT_MAX];  // "referer" "agent"
};

void access_note(struct access *access, weir_stream stream, const struct weir_http_request *request,
                 const struct asked *asked);

void access_log(struct visit *visit, const struct weir_http_ended *ended);

// A line of what was refused and was no request.
void access_log_refused(struct httpd *httpd, weir_stream stream, unsigned status);

// Put bytes of a stranger into a line, so that they can neither end it nor a quoted part of it nor
// move a terminal: what is not plain becomes \xHH. What has no room is cut off. The new size.
size_t access_escape(char *out, size_t size, size_t room, const char *text, size_t text_size);

#endif /* HTTPD_ACCESS_H */
