/* SPDX-License-Identifier: MIT */
#include "conditional.h"

#include "date.h"

#include <string.h>

/* ---- entity tags ---- */

struct tag {
    const char *text; // with its quotes
    size_t size;
    bool is_weak;
};

// The tag at the front, and the place behind it; NULL: there is none.
static const char *
take_tag(const char *at, const char *end, struct tag *ret_tag)
{
    ret_tag->is_weak = end - at >= 2 && at[0] == 'W' && at[1] == '/';
    at += ret_tag->is_weak ? 2 : 0;
    if (at == end || *at != '"') {
        return NULL;
    }
    ret_tag->text = at++;
    while (at < end && *at != '"') {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            return NULL;
        }
        at++;
    }
    if (at == end) {
        return NULL;
    }
    at++;
    ret_tag->size = (size_t)(at - ret_tag->text);
    return at;
}

static bool
is_same(const struct tag *tag, const struct validators *validators, bool is_strong)
{
    return !(is_strong && (tag->is_weak || validators->is_weak)) &&
           tag->size == validators->etag_size &&
           memcmp(tag->text, validators->etag, tag->size) == 0;
}

static const char *
skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    return at;
}

// Is ours in the list, or the list a star? Behind what is no tag nothing is looked at.
static bool
lists_us(const struct weir_http_field *field, const struct validators *validators, bool is_strong)
{
    const char *at = field->value;
    const char *end = at + field->value_size;

    if (field->value_size == 1 && *at == '*') {
        return true;
    }
    for (;;) {
        struct tag tag;

        at = skip_blanks(at, end);
        if (at < end && *at == ',') {
            at++;
            continue;
        }
        at = take_tag(at, end, &tag);
        if (at == NULL) {
            return false;
        }
        if (is_same(&tag, validators, is_strong)) {
            return true;
        }
        at = skip_blanks(at, end);
        if (at == end || *at != ',') {
            return false;
        }
    }
}

static bool
matches(const struct asked *asked, enum asked_name name, const struct validators *validators,
        bool is_strong)
{
    const struct weir_http_field *field = asked->first[name];

    while (field != NULL && !lists_us(field, validators, is_strong)) {
        field = asked_next(asked, name, field);
    }
    return field != NULL;
}

/* ---- dates ---- */

// False also: there is no such field, or no date in it.
static bool
date_of(const struct asked *asked, enum asked_name name, int64_t *ret_seconds)
{
    const struct weir_http_field *field = asked_one(asked, name);

    return field != NULL && date_parse(field->value, field->value_size, ret_seconds);
}

/* ---- all ---- */

enum conditional_answer
conditional_judge(const struct asked *asked, const struct validators *validators)
{
    int64_t date;

    if (asked->first[ASKED_IF_MATCH] != NULL) {
        if (!matches(asked, ASKED_IF_MATCH, validators, true)) {
            return CONDITIONAL_FAILED;
        }
    } else if (date_of(asked, ASKED_IF_UNMODIFIED_SINCE, &date) && validators->modified_s > date) {
        return CONDITIONAL_FAILED;
    }
    if (asked->first[ASKED_IF_NONE_MATCH] != NULL) {
        if (matches(asked, ASKED_IF_NONE_MATCH, validators, false)) {
            return CONDITIONAL_NOT_MODIFIED;
        }
    } else if (date_of(asked, ASKED_IF_MODIFIED_SINCE, &date) && validators->modified_s <= date) {
        return CONDITIONAL_NOT_MODIFIED;
    }
    return CONDITIONAL_GO_ON;
}

bool
conditional_range_holds(const struct asked *asked, const struct validators *validators,
                        int64_t now_s)
{
    const struct weir_http_field *field = asked->first[ASKED_IF_RANGE];
    struct tag tag;
    int64_t date;

    if (field == NULL) {
        return true;
    }
    if (asked_one(asked, ASKED_IF_RANGE) == NULL) {
        return false;
    }
    if (take_tag(field->value, field->value + field->value_size, &tag) ==
        field->value + field->value_size) {
        return is_same(&tag, validators, true);
    }
    return date_parse(field->value, field->value_size, &date) && date == validators->modified_s &&
           date + 1 <= now_s;
}
