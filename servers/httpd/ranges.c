/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include <stdbool.h>
#include <strings.h>

struct reader {
    const char *at;
    const char *end;
};

static void
skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t')) {
        reader->at++;
    }
}

// Digits as a number, at most INT64_MAX. False: there are none.
static bool
take_number(struct reader *reader, uint64_t *ret_number)
{
    const char *begin = reader->at;
    uint64_t number = 0;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        uint64_t digit = (uint64_t)(*reader->at++ - '0');

        number = number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    *ret_number = number;
    return reader->at != begin;
}

// first-, first-last, or -suffix. False: it is none. A size of 0: it lies behind the end.
static bool
take_range(struct reader *reader, uint64_t length, struct range *ret_range)
{
    uint64_t first = 0;
    uint64_t last = INT64_MAX;
    bool has_first = take_number(reader, &first);

    if (reader->at == reader->end || *reader->at != '-') {
        return false;
    }
    reader->at++;
    if (!take_number(reader, &last)) {
        last = INT64_MAX;
        if (!has_first) {
            return false;
        }
    } else if (!has_first) { // so many at the end
        first = last < length ? length - last : 0;
        last = last != 0 ? INT64_MAX : 0;
        *ret_range = (struct range){first, last != 0 ? length - first : 0};
        return true;
    }
    if (last < first) {
        return false;
    }
    ret_range->first = first;
    ret_range->size = first >= length ? 0 : (last < length ? last + 1 : length) - first;
    return true;
}

static bool
take_unit(struct reader *reader)
{
    if (reader->end - reader->at < 6 || strncasecmp(reader->at, "bytes=", 6) != 0) {
        return false;
    }
    reader->at += 6;
    return true;
}

// What has been read so far.
struct found {
    struct range *ranges;
    unsigned count;
    uint64_t length;
    uint64_t total;
    bool is_wrong;
    bool is_any; // one at least was a range, though perhaps behind the end
};

// One element of the list, which may be empty. False: the list is to be ignored.
static bool
take_element(struct reader *reader, struct found *found)
{
    struct range range;

    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at == ',') {
        return true;
    }
    if (!take_range(reader, found->length, &range)) {
        found->is_wrong = true;
        return false;
    }
    found->is_any = true;
    if (range.size != 0) {
        if (found->count == RANGES_MAX || range.size > found->length - found->total) {
            found->is_wrong = true; // to send all of it once is less
            return false;
        }
        found->total += range.size;
        found->ranges[found->count++] = range;
    }
    skip_blanks(reader);
    return true;
}

enum ranges_answer
ranges_parse(const char *text, size_t size, uint64_t length, struct range ret_ranges[RANGES_MAX],
             unsigned *ret_count)
{
    struct reader reader = {text, text + size};
    struct found found = {.ranges = ret_ranges, .length = length};

    *ret_count = 0;
    if (!take_unit(&reader)) {
        return RANGES_IGNORED;
    }
    while (take_element(&reader, &found) && reader.at < reader.end && *reader.at == ',') {
        reader.at++;
    }
    if (reader.at != reader.end || found.is_wrong) {
        return RANGES_IGNORED;
    }
    *ret_count = found.count;
    return found.count != 0 ? RANGES_SOME : found.is_any ? RANGES_UNSATISFIABLE : RANGES_IGNORED;
}
