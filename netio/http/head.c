/* SPDX-License-Identifier: MIT */

#include "netio/http/head.h"

#include "mem/heap.h"
#include "netio/http/text.h"

#include <errno.h>
#include <string.h>

/* ---- may it be sent? ---- */

// The library's own: a second one would contradict how the message is framed.
static bool
is_reserved(const struct weir_http_field *field, bool is_raw, bool is_request)
{
    switch (field->name_size) {
    case 4:
        return wi_http_is_name(field, is_request ? "host" : "date");
    case 10:
        return !is_raw && wi_http_is_name(field, "connection");
    case 14:
        return wi_http_is_name(field, "content-length");
    case 17:
        return wi_http_is_name(field, "transfer-encoding");
    default:
        return false;
    }
}

static int
check_fields(const struct weir_http_field *fields, unsigned count, bool is_raw, bool is_request)
{
    if (fields == NULL && count != 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fields[i].name == NULL || !wi_http_is_token(fields[i].name, fields[i].name_size) ||
            (fields[i].value == NULL && fields[i].value_size != 0) ||
            !wi_http_is_value(fields[i].value, fields[i].value_size) ||
            is_reserved(&fields[i], is_raw, is_request)) {
            return -EINVAL;
        }
    }
    return 0;
}

int
wi_http_check_head(const struct weir_http_head *head, bool is_raw)
{
    if (head != NULL && head->prepared != NULL) {
        return head->status != 0 || head->reason != NULL || head->field_count != 0 ? -EINVAL : 0;
    }
    if (head == NULL || head->status < 100 || head->status > 599 ||
        (head->reason != NULL && !wi_http_is_value(head->reason, strlen(head->reason)))) {
        return -EINVAL;
    }
    return check_fields(head->fields, head->field_count, is_raw, false);
}

int
wi_http_check_ask(const struct weir_http_ask *ask)
{
    if (ask == NULL || ask->target == NULL ||
        !wi_http_is_target(ask->target, strlen(ask->target)) ||
        (ask->method != NULL && !wi_http_is_token(ask->method, strlen(ask->method))) ||
        (ask->host != NULL && !wi_http_is_value(ask->host, strlen(ask->host)))) {
        return -EINVAL;
    }
    return check_fields(ask->fields, ask->field_count, true, true);
}

int
wi_http_check_trailers(const struct weir_http_field *trailers, unsigned count)
{
    return check_fields(trailers, count, false, false);
}

/* ---- how long ---- */

size_t
wi_http_fields_bound(const struct weir_http_field *fields, unsigned count)
{
    size_t size = 0;

    for (unsigned i = 0; i < count; i++) {
        size += (size_t)fields[i].name_size + fields[i].value_size + 4;
    }
    return size;
}

// Status line and reason, date, length or coding, connection, empty line.
#define LIBRARY_LINES_MAX 256u

size_t
wi_http_response_bound(const struct weir_http_head *head)
{
    if (head->prepared != NULL) {
        return LIBRARY_LINES_MAX + head->prepared->size;
    }
    return LIBRARY_LINES_MAX + (head->reason != NULL ? strlen(head->reason) : 0) +
           wi_http_fields_bound(head->fields, head->field_count);
}

size_t
wi_http_request_bound(const struct weir_http_ask *ask, const char *host)
{
    return LIBRARY_LINES_MAX + (ask->method != NULL ? strlen(ask->method) : 0) +
           strlen(ask->target) + strlen(host) + wi_http_fields_bound(ask->fields, ask->field_count);
}

/* ---- the bytes ---- */

static char *
put(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

size_t
wi_http_put_fields(char *out, const struct weir_http_field *fields, unsigned count)
{
    char *at = out;

    for (unsigned i = 0; i < count; i++) {
        at = put(at, fields[i].name, fields[i].name_size);
        at = PUT(at, ": ");
        if (fields[i].value_size != 0) {
            at = put(at, fields[i].value, fields[i].value_size);
        }
        at = PUT(at, "\r\n");
    }
    return (size_t)(at - out);
}

static char *
put_framing(char *at, const struct wi_http_framing *framing)
{
    if (framing->is_chunked) {
        at = PUT(at, "Transfer-Encoding: chunked\r\n");
    } else if (framing->has_length) {
        at = PUT(at, "Content-Length: ");
        at += wi_http_put_decimal(at, framing->length);
        at = PUT(at, "\r\n");
    }
    if (framing->says_close) {
        at = PUT(at, "Connection: close\r\n");
    } else if (framing->says_keep) {
        at = PUT(at, "Connection: keep-alive\r\n");
    }
    return at;
}

static char *
put_line(char *at, const struct weir_http_head *head)
{
    return at + wi_http_put_status(at, head->status, head->reason,
                                   head->reason != NULL ? strlen(head->reason) : 0);
}

static char *
put_rest(char *at, const struct weir_http_head *head)
{
    at += wi_http_put_fields(at, head->fields, head->field_count);
    return PUT(at, "\r\n");
}

size_t
wi_http_put_response(char *out, const struct weir_http_head *head,
                     const struct wi_http_framing *framing)
{
    const struct weir_http_prepared *prepared = head->prepared;
    char *at =
        prepared != NULL ? put(out, prepared->text, prepared->line_size) : put_line(out, head);

    if (framing->date != NULL) {
        at = put(at, framing->date, WI_HTTP_DATE_SIZE);
    }
    at = put_framing(at, framing);
    at = prepared != NULL
             ? put(at, prepared->text + prepared->line_size, prepared->size - prepared->line_size)
             : put_rest(at, head);
    return (size_t)(at - out);
}

/* ---- once, for many ---- */

int
weir_http_prepare(const struct weir_http_head *head, struct weir_http_prepared **ret_prepared)
{
    struct weir_http_prepared *prepared;
    size_t bound;
    char *fields;

    if (ret_prepared == NULL || head == NULL || head->prepared != NULL || head->flags != 0 ||
        head->length != 0 || wi_http_check_head(head, false) < 0) {
        return -EINVAL;
    }
    bound = wi_http_response_bound(head);
    prepared = bound > UINT32_MAX ? NULL : wi_heap_alloc(sizeof(*prepared) + bound);
    if (prepared == NULL) {
        return -ENOMEM;
    }
    prepared->status = (uint16_t)head->status;
    prepared->has_body = head->status >= 200 && head->status != 204 && head->status != 304;
    fields = put_line(prepared->text, head);
    prepared->line_size = (uint32_t)(fields - prepared->text);
    prepared->size = (uint32_t)(put_rest(fields, head) - prepared->text);
    *ret_prepared = prepared;
    return 0;
}

void
weir_http_prepared_free(struct weir_http_prepared *prepared)
{
    wi_heap_free(prepared);
}

size_t
wi_http_put_request(char *out, const struct weir_http_ask *ask, const char *host,
                    const struct wi_http_framing *framing)
{
    const char *method = ask->method != NULL ? ask->method : "GET";
    char *at = put(out, method, strlen(method));

    at = PUT(at, " ");
    at = put(at, ask->target, strlen(ask->target));
    at = PUT(at, " HTTP/1.1\r\nHost: ");
    at = put(at, host, strlen(host));
    at = PUT(at, "\r\n");
    at = put_framing(at, framing);
    at += wi_http_put_fields(at, ask->fields, ask->field_count);
    if (ask->flags & WEIR_HTTP_CONTINUE) {
        at = PUT(at, "Expect: 100-continue\r\n");
    }
    at = PUT(at, "\r\n");
    return (size_t)(at - out);
}
