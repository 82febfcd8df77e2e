/* SPDX-License-Identifier: MIT */
#include "asked.h"

#include <string.h>
#include <strings.h>

#define LENGTH_MAX 19u

static const char *const names[ASKED_NAMES] = {
    [ASKED_HOST] = "host",
    [ASKED_RANGE] = "range",
    [ASKED_REFERER] = "referer",
    [ASKED_IF_MATCH] = "if-match",
    [ASKED_IF_RANGE] = "if-range",
    [ASKED_USER_AGENT] = "user-agent",
    [ASKED_IF_NONE_MATCH] = "if-none-match",
    [ASKED_ACCEPT_ENCODING] = "accept-encoding",
    [ASKED_IF_MODIFIED_SINCE] = "if-modified-since",
    [ASKED_IF_UNMODIFIED_SINCE] = "if-unmodified-since",
};

// By its length a name is one of these alone, plus one; but for eight, where it is one of two.
static const unsigned char by_length[LENGTH_MAX + 1] = {
    [4] = ASKED_HOST + 1,
    [5] = ASKED_RANGE + 1,
    [7] = ASKED_REFERER + 1,
    [8] = ASKED_IF_MATCH + 1,
    [10] = ASKED_USER_AGENT + 1,
    [13] = ASKED_IF_NONE_MATCH + 1,
    [15] = ASKED_ACCEPT_ENCODING + 1,
    [17] = ASKED_IF_MODIFIED_SINCE + 1,
    [19] = ASKED_IF_UNMODIFIED_SINCE + 1,
};

// One of the names, or ASKED_NAMES.
static enum asked_name
name_of(const struct weir_http_field *field)
{
    unsigned found = field->name_size <= LENGTH_MAX ? by_length[field->name_size] : 0;

    if (found == 0) {
        return ASKED_NAMES;
    }
    found--;
    if (found == ASKED_IF_MATCH && (field->name[3] | 0x20) == 'r') {
        found = ASKED_IF_RANGE;
    }
    return strncasecmp(field->name, names[found], field->name_size) == 0 ? (enum asked_name)found
                                                                         : ASKED_NAMES;
}

void
asked_collect(struct asked *asked, const struct weir_http_field *fields, unsigned count)
{
    memset(asked, 0, sizeof(*asked));
    asked->fields = fields;
    asked->count = count;
    for (unsigned i = 0; i < count; i++) {
        enum asked_name name = name_of(&fields[i]);

        if (name == ASKED_NAMES) {
            continue;
        }
        if (asked->first[name] != NULL) {
            asked->repeated |= 1u << name;
        } else {
            asked->first[name] = &fields[i];
        }
    }
}

const struct weir_http_field *
asked_one(const struct asked *asked, enum asked_name name)
{
    return asked->repeated & 1u << name ? NULL : asked->first[name];
}

const struct weir_http_field *
asked_next(const struct asked *asked, enum asked_name name, const struct weir_http_field *field)
{
    if (!(asked->repeated & 1u << name)) {
        return NULL;
    }
    for (field++; field < asked->fields + asked->count; field++) {
        if (name_of(field) == name) {
            return field;
        }
    }
    return NULL;
}
