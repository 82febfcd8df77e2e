/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_PARSER_H
#define WI_HTTP_PARSER_H

/**
 * @file
 * One message after another out of bytes: llhttp's grammar, and the bounds and rules that it leaves
 * to its user. No stream, no clock, and no memory but the caller's.
 *
 * Feed it, look at what it stopped for, feed the rest. A head's names and values are kept as places
 * in the head, so that it does not matter in which pieces it came.
 */

#include "netio/http/memo.h"

#include <llhttp.h>

#define WI_HTTP_FIELDS_MAX 240u

/** What a feed stopped for. */
enum wi_http_stop {
    WI_HTTP_MORE, // all was taken, and the message wants more
    WI_HTTP_HEAD, // a head is complete; its message may be, too: see wi_http_parser.is_complete
    WI_HTTP_END,  // the message is complete
    WI_HTTP_BAD,  // refused, see `refusal`; no more can be fed
};

/** The rows of the head that is being fed. */
struct wi_http_table {
    uint32_t count;
    struct wi_http_row rows[WI_HTTP_FIELDS_MAX];
};

struct wi_http_parser;

/** A piece of body; or of a trailer's name (@p is_value false) or value: 0, or what to refuse it
 *  with. */
typedef void wi_http_body_fn(struct wi_http_parser *parser, const char *data, size_t size);
typedef unsigned wi_http_trailer_fn(struct wi_http_parser *parser, bool is_value, const char *data,
                                    size_t size);

/** A parser. Fields below the line are for its users to read. */
struct wi_http_parser {
    llhttp_t machine;
    struct wi_http_table *table; // where rows go; only needed while a head is fed
    const char *origin;          // where the head's first byte would be, in the piece being fed
    struct wi_http_memo *memo;   // fields of heads before, under the same limits; or NULL
    const struct weir_http_limits *limits;
    wi_http_body_fn *body;
    wi_http_trailer_fn *trailer;
    uint32_t in_head; // bytes of this head, or of the trailers and chunk lines since the last data
    uint32_t target;  // place and size of a request's target, or a response's reason
    uint32_t target_size;
    uint16_t refusal; // the status to refuse with
    bool is_response;
    bool is_row_open;  // the last row's value has not ended
    bool has_value;    // of that row
    bool is_past_head; // what comes is body
    bool is_complete;
    bool is_known;     // the head is the memo's
    bool is_fresh;     // the machine is as it is before a message
    uint64_t received; // bytes of body
};

/** Begin the first message, or the next one. */
void wi_http_parser_begin(struct wi_http_parser *parser, bool is_response);

/** Feed @p size bytes; @p ret_taken says how many belonged to what it stopped for. */
enum wi_http_stop wi_http_parser_feed(struct wi_http_parser *parser, const char *data, size_t size,
                                      size_t *ret_taken);

/** The peer has ended: is that an end of the message (a response without a length)? */
bool wi_http_parser_finish(struct wi_http_parser *parser);

/** A response: nothing of a body follows, whatever the head says (the answer to HEAD). Between
 *  WI_HTTP_HEAD and the next feed. */
void wi_http_parser_skip_body(struct wi_http_parser *parser);

/** The head lies at @p head in one piece: check what llhttp does not, and make views of the rows.
 *  0, or the status to refuse with. */
unsigned wi_http_parser_request(struct wi_http_parser *parser, const char *head,
                                struct weir_http_field *fields,
                                struct weir_http_request *ret_request);

/** The same of a response. 0, or -EPROTO. */
int wi_http_parser_response(const struct wi_http_parser *parser, const char *head,
                            struct weir_http_field *fields,
                            struct weir_http_response *ret_response);

/** Does the connection live on behind this message, as far as it says? While its head is known. */
bool wi_http_parser_keeps(const struct wi_http_parser *parser);

/** The same bounds with the defaults filled in; -EINVAL when one is out of range. */
int wi_http_limits_set(struct weir_http_limits *ret_limits, const struct weir_http_limits *limits);

#endif /* WI_HTTP_PARSER_H */
