/* SPDX-License-Identifier: MIT */
#ifndef WI_HTTP_MEMO_H
#define WI_HTTP_MEMO_H

/**
 * @file
 * Heads, remembered. Behind the request line a client sends the same bytes again and again, and who
 * polls sends the same line, too. Bytes that are the same mean the same: fields that equal those
 * remembered, empty line and all, are not parsed again, and neither is a whole head.
 *
 * Remembered is only what was parsed and accepted whole, of a request without a body, with one
 * sound Host and nothing that asks for more than an answer: no Expect, no coding, no upgrade.
 * Connections share memos: what only its sender should know (cookies, credentials) is not in them.
 */

#include "mem/plant.h"
#include "weir/http.h"

#define WI_HTTP_MEMO_LINE   256u
#define WI_HTTP_MEMO_SIZE   1024u
#define WI_HTTP_MEMO_FIELDS 24u

/** Places of a field in its head. */
struct wi_http_row {
    uint32_t name;
    uint32_t name_size;
    uint32_t value;
    uint32_t value_size;
};

/** What a request line says. */
struct wi_http_line {
    const char *method;
    uint32_t method_size;
    uint32_t target; // its place, and size
    uint32_t target_size;
    uint16_t minor;
    bool keeps; // the connection, with the fields that follow
};

struct wi_http_memo {
    uint32_t line_size; // of the last line before these fields; 0: it is too long
    uint32_t size;      // of the fields, the empty line counted; 0: nothing is remembered
    uint32_t count;     // of fields
    uint32_t flags;     // the parser's, of such a head
    struct wi_http_line line;
    struct wi_http_row rows[WI_HTTP_MEMO_FIELDS]; // from the first field on, without white space
    char bytes[WI_HTTP_MEMO_LINE + WI_HTTP_MEMO_SIZE]; // the line ends where the fields begin
};

/** Does the data begin with the head remembered? */
static inline bool
wi_http_memo_is_head(const struct wi_http_memo *memo, const char *data, size_t size)
{
    return memo->line_size != 0 && size >= memo->line_size + memo->size &&
           __builtin_memcmp(data, memo->bytes + WI_HTTP_MEMO_LINE - memo->line_size,
                            memo->line_size + memo->size - (WI_PLANT(106) ? 5 : 0)) == 0;
}

/** The size of the line at @p data, with its end, if the fields behind it are those remembered;
 *  else 0. */
size_t wi_http_memo_find(const struct wi_http_memo *memo, const char *data, size_t size);

/** Remember the fields of the head at @p head, if there is room for them, and no line. */
void wi_http_memo_learn(struct wi_http_memo *memo, const char *head, size_t size,
                        const struct weir_http_field *fields, uint32_t count, uint32_t flags);

/** Remember the line at @p data before the fields remembered. */
void wi_http_memo_learn_line(struct wi_http_memo *memo, const char *data, size_t size,
                             const struct wi_http_line *line);

/** Views of the fields remembered, in a head whose fields begin at @p data. */
static inline void
wi_http_memo_views(const struct wi_http_memo *memo, const char *data,
                   struct weir_http_field *ret_fields)
{
    for (uint32_t i = 0; i < memo->count; i++) {
        const struct wi_http_row *row = &memo->rows[i];

        ret_fields[i] = (struct weir_http_field){
            .name = data + row->name,
            .value = data + row->value,
            .name_size = row->name_size,
            .value_size = row->value_size,
        };
    }
}

#endif /* WI_HTTP_MEMO_H */
