/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_HEAD_H
#define WI_HTTP_HEAD_H

/**
 * @file
 * Heads as bytes. No stream: text in, text out.
 */

#include "weir/http.h"

/** What a head says besides what its sender gave. */
struct wi_http_framing {
    bool has_length;
    bool is_chunked;
    bool says_close;
    bool says_keep; // to HTTP/1.0, which would not know
    bool is_raw;    // an upgrade: no framing, and the connection's fields are the sender's
    uint64_t length;
    const char *date; // with its line end, or NULL
};

/** A status line; fields and the empty line: what is of each response goes between.
 */
struct weir_http_prepared {
    uint32_t line_size;
    uint32_t size; // of all
    uint16_t status;
    bool has_body; // as far as the status says
    char text[];
};

/** The status that a head asks for. */
static inline unsigned
wi_http_status_of(const struct weir_http_head *head)
{
    return head->prepared != NULL ? head->prepared->status : head->status;
}

/** Bytes that a head has at most. */
size_t wi_http_response_bound(const struct weir_http_head *head);
size_t wi_http_request_bound(const struct weir_http_ask *ask, const char *host);

/** May it be sent? 0 or -EINVAL. */
int wi_http_check_head(const struct weir_http_head *head, bool is_raw);
int wi_http_check_ask(const struct weir_http_ask *ask);
int wi_http_check_trailers(const struct weir_http_field *trailers, unsigned count);

/** Write it, with the empty line; how many bytes. */
size_t wi_http_put_response(char *out, const struct weir_http_head *head,
                            const struct wi_http_framing *framing);
size_t wi_http_put_request(char *out, const struct weir_http_ask *ask, const char *host,
                           const struct wi_http_framing *framing);

/** Fields without the empty line. */
size_t wi_http_put_fields(char *out, const struct weir_http_field *fields, unsigned count);
size_t wi_http_fields_bound(const struct weir_http_field *fields, unsigned count);

#endif /* WI_HTTP_HEAD_H */
