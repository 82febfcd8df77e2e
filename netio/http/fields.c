/* SPDX-License-Identifier: MIT */

#include "netio/http/fields.h"

#include "netio/http/text.h"

// Between what rows name there is a colon and white space, and between rows one line end: what
// else llhttp lets pass there is a fold.
static bool
is_gap_clean(const char *gap, const char *end)
{
    while (gap < end && (*gap == ' ' || *gap == '\t' || *gap == ':')) {
        gap++;
    }
    return gap == end;
}

static bool
is_line_end(const char *gap, const char *end)
{
    while (gap < end && (*gap == ' ' || *gap == '\t')) {
        gap++;
    }
    return end - gap == 2 && gap[0] == '\r' && gap[1] == '\n';
}

bool
wi_http_make_fields(const struct wi_http_parser *parser, const char *head,
                    struct weir_http_field *fields)
{
    const struct wi_http_table *table = parser->table;
    const char *end = head + parser->in_head - 2; // before the empty line

    for (uint32_t i = table->count; i-- > 0;) {
        const struct wi_http_row *row = &table->rows[i];
        const char *name = head + row->name;
        const char *name_end = name + row->name_size;
        const char *value = row->value_size == 0 ? name_end + 1 : head + row->value;
        const char *value_end = value + row->value_size;

        if (row->name_size == 0 || !is_gap_clean(name_end, value) || !is_line_end(value_end, end)) {
            return false;
        }
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
            value_end--;
        }
        fields[i] = (struct weir_http_field){
            .name = name,
            .value = value,
            .name_size = row->name_size,
            .value_size = (uint32_t)(value_end - value),
        };
        end = name;
    }
    return true;
}

static bool
is_secret(const struct weir_http_field *field)
{
    switch (field->name_size) {
    case 6:
        return wi_http_is_name(field, "cookie");
    case 13:
        return wi_http_is_name(field, "authorization");
    case 19:
        return wi_http_is_name(field, "proxy-authorization");
    default:
        return false;
    }
}

void
wi_http_find_known(const struct weir_http_field *fields, unsigned count,
                   struct wi_http_known *ret_known)
{
    *ret_known = (struct wi_http_known){0};
    for (unsigned i = 0; i < count; i++) {
        const struct weir_http_field *field = &fields[i];

        if (field->name_size == 4 && wi_http_is_name(field, "host")) {
            ret_known->host = field;
            ret_known->hosts++;
        } else if (field->name_size == 6 && wi_http_is_name(field, "expect")) {
            ret_known->expect = field;
        } else if (field->name_size == 17 && wi_http_is_name(field, "transfer-encoding")) {
            ret_known->coding = field;
            ret_known->codings++;
        } else {
            ret_known->has_secret |= is_secret(field);
        }
    }
}
