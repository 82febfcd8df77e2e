/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_TEXT_H
#define WI_HTTP_TEXT_H

/**
 * @file
 * The letters of HTTP: names without case, tokens, numbers, dates.
 */

#include "weir/http.h"

/** Is it @p text, which is in lower case, in any case? */
bool wi_http_is_text(const char *data, size_t size, const char *text);

/** Is that the field's name? @p name in lower case and of the same size. */
bool wi_http_is_name(const struct weir_http_field *field, const char *name);

/** What a byte may be in. */
enum wi_http_byte {
    WI_HTTP_BYTE_TOKEN = 1 << 0,
    WI_HTTP_BYTE_HOST = 1 << 1,
    WI_HTTP_BYTE_VALUE = 1 << 2,
    WI_HTTP_BYTE_TARGET = 1 << 3,
};
extern const unsigned char wi_http_bytes[256];

/** May it be a Host field's value: a name, an address or nothing, and a port perhaps? */
bool wi_http_is_host(const char *data, size_t size);

/** Is it a token (a method, a field's name), of at least one byte? */
bool wi_http_is_token(const char *data, size_t size);

/** May it be a field's value: no control but the tab, no white space around? */
bool wi_http_is_value(const char *data, size_t size);

/** May it be a request's target: visible bytes, at least one? */
bool wi_http_is_target(const char *data, size_t size);

/** Copy bytes, without a terminator; how many. */
static inline size_t
wi_http_put(char *out, const char *text, size_t size)
{
    __builtin_memcpy(out, text, size);
    return size;
}

#define WI_HTTP_DECIMAL_MAX 20u
#define WI_HTTP_HEX_MAX     16u

/** Write a number, without leading zeros (K50); how many bytes. */
size_t wi_http_put_decimal(char *out, uint64_t number);
size_t wi_http_put_hex(char *out, uint64_t number);

#define WI_HTTP_DATE_SIZE 37u // "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

/** The Date field of this second, with its line end; formatted once a second and thread. */
const char *wi_http_date(uint64_t now_ns);

/** "HTTP/1.1 200 OK\r\n" and its size; the reason NULL: the standard one. */
size_t wi_http_put_status(char *out, unsigned status, const char *reason, size_t reason_size);

#endif /* WI_HTTP_TEXT_H */
