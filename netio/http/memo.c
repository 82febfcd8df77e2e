/* SPDX-License-Identifier: MIT */

#include "netio/http/memo.h"

#include <string.h>

size_t
wi_http_memo_find(const struct wi_http_memo *memo, const char *data, size_t size)
{
    const char *line_end;
    size_t line;

    if (memo->size == 0 || size <= memo->size) {
        return 0;
    }
    line_end = memchr(data, '\n', size - memo->size);
    if (line_end == NULL) {
        return 0;
    }
    line = (size_t)(line_end - data) + 1;
    return memcmp(data + line, memo->bytes + WI_HTTP_MEMO_LINE, memo->size) == 0 ? line : 0;
}

void
wi_http_memo_learn(struct wi_http_memo *memo, const char *head, size_t size,
                   const struct weir_http_field *fields, uint32_t count, uint32_t flags)
{
    const char *first = count != 0 ? fields[0].name : NULL;
    size_t fields_size = count != 0 ? size - (size_t)(first - head) : 0;

    if (count == 0 || count > WI_HTTP_MEMO_FIELDS || fields_size > WI_HTTP_MEMO_SIZE ||
        first == head || first[-1] != '\n') {
        return;
    }
    memo->line_size = 0;
    memo->size = (uint32_t)fields_size;
    memo->count = count;
    memo->flags = flags;
    memcpy(memo->bytes + WI_HTTP_MEMO_LINE, first, fields_size);
    for (uint32_t i = 0; i < count; i++) {
        memo->rows[i] = (struct wi_http_row){
            .name = (uint32_t)(fields[i].name - first),
            .name_size = fields[i].name_size,
            .value = (uint32_t)(fields[i].value - first),
            .value_size = fields[i].value_size,
        };
    }
}

void
wi_http_memo_learn_line(struct wi_http_memo *memo, const char *data, size_t size,
                        const struct wi_http_line *line)
{
    memo->line = *line;
    memo->line_size = size <= WI_HTTP_MEMO_LINE ? (uint32_t)size : 0;
    memcpy(memo->bytes + WI_HTTP_MEMO_LINE - memo->line_size, data, memo->line_size);
}
