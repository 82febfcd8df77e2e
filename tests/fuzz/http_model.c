/* SPDX-License-Identifier: MIT */
// Messages, read by hand. What is odd and may be taken one way or another is MODEL_UNKNOWN.

#include "tests/fuzz/http_model.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

// Well below what the fuzzed server is told to take.
#define LINE_MAX_  200u
#define HEAD_MAX_  800u
#define FIELD_MAX_ 12u
#define BODY_MAX_  900u

struct cursor {
    const char *at;
    const char *end;
};

struct seen {
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
    size_t length;
};

uint64_t
model_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *byte = data;

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static bool
is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

// A line without its end: CR LF. Other ends are for the caller to see.
static enum model_verdict
take_line(struct cursor *cursor, const char **ret_line, size_t *ret_size)
{
    const char *feed = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
    const char *stop;

    if (feed == NULL) {
        return MODEL_MORE;
    }
    stop = feed > cursor->at && feed[-1] == '\r' ? feed - 1 : feed;
    *ret_line = cursor->at;
    *ret_size = (size_t)(stop - cursor->at);
    cursor->at = feed + 1;
    if (stop == feed || memchr(*ret_line, '\r', *ret_size) != NULL) {
        return MODEL_REFUSE; // a line feed alone, or a carriage return alone
    }
    return *ret_size > LINE_MAX_ ? MODEL_UNKNOWN : MODEL_ACCEPT;
}

/* ---- the first line ---- */

static enum model_verdict
read_method(struct model_message *message, const char *line, size_t size)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i]) == size && memcmp(known[i], line, size) == 0) {
            snprintf(message->method, sizeof(message->method), "%s", known[i]);
            return MODEL_ACCEPT;
        }
    }
    return MODEL_UNKNOWN;
}

static enum model_verdict
read_request_line(struct model_message *message, const char *line, size_t size)
{
    const char *space = memchr(line, ' ', size);
    size_t method_size = space == NULL ? 0 : (size_t)(space - line);
    const char *target;
    size_t target_size;

    if (space == NULL || size < method_size + 1 + 1 + 9) {
        return MODEL_UNKNOWN;
    }
    target = space + 1;
    target_size = size - method_size - 1 - 9;
    if (memcmp(target + target_size, " HTTP/1.", 8) != 0 ||
        (line[size - 1] != '0' && line[size - 1] != '1') || target[0] != '/') {
        return MODEL_UNKNOWN;
    }
    for (size_t i = 0; i < target_size; i++) {
        if (!is_alnum(target[i]) && !is_one_of(target[i], "/._~-=&%")) {
            return MODEL_UNKNOWN;
        }
    }
    message->minor = line[size - 1] == '1';
    message->closes = message->minor == 0;
    memcpy(message->target, target, target_size);
    message->target[target_size] = '\0';
    return read_method(message, line, method_size);
}

/* ---- fields ---- */

static bool
is_text(const char *value, size_t size, const char *text)
{
    return size == strlen(text) && strncasecmp(value, text, size) == 0;
}

static enum model_verdict
read_length(struct seen *seen, const char *value, size_t size)
{
    seen->length = 0;
    seen->lengths++;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return MODEL_REFUSE;
        }
        seen->length = seen->length * 10 + (size_t)(value[i] - '0');
        if (seen->length > BODY_MAX_) {
            return MODEL_UNKNOWN;
        }
    }
    return size == 0 ? MODEL_UNKNOWN : MODEL_ACCEPT;
}

static enum model_verdict
read_host(struct seen *seen, const char *value, size_t size)
{
    seen->hosts++;
    for (size_t i = 0; i < size; i++) {
        if (!is_alnum(value[i]) && value[i] != '.') {
            return MODEL_UNKNOWN;
        }
    }
    return size == 0 ? MODEL_UNKNOWN : MODEL_ACCEPT;
}

// A field that means something to who reads the head.
static enum model_verdict
read_known(struct model_message *message, struct seen *seen, const char *name, size_t name_size,
           const char *value, size_t size)
{
    if (is_text(name, name_size, "host")) {
        return read_host(seen, value, size);
    }
    if (is_text(name, name_size, "content-length")) {
        return read_length(seen, value, size);
    }
    if (is_text(name, name_size, "transfer-encoding")) {
        seen->codings++;
        return is_text(value, size, "chunked") ? MODEL_ACCEPT : MODEL_UNKNOWN;
    }
    if (is_text(name, name_size, "connection")) {
        message->closes = true;
        return is_text(value, size, "close") ? MODEL_ACCEPT : MODEL_UNKNOWN;
    }
    if (is_text(name, name_size, "expect")) {
        message->expects = true;
        return is_text(value, size, "100-continue") ? MODEL_ACCEPT : MODEL_UNKNOWN;
    }
    return is_text(name, name_size, "upgrade") || is_text(name, name_size, "proxy-connection")
               ? MODEL_UNKNOWN
               : MODEL_ACCEPT;
}

static enum model_verdict
read_field(struct model_message *message, struct seen *seen, const char *line, size_t size)
{
    size_t name_size = 0;
    const char *value;

    if (line[0] == ' ' || line[0] == '\t') {
        return MODEL_REFUSE; // a folded line
    }
    while (name_size < size &&
           (is_alnum(line[name_size]) || is_one_of(line[name_size], "!#$%&'*+-.^_`|~"))) {
        name_size++;
    }
    if (name_size == size || line[name_size] != ':' || name_size == 0) {
        return MODEL_REFUSE; // no colon, a space before it, no name, or a byte that none has
    }
    value = line + name_size + 1;
    size -= name_size + 1;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)value[i] < ' ' && value[i] != '\t') {
            return MODEL_REFUSE;
        }
        if ((unsigned char)value[i] >= 0x7f) {
            return MODEL_UNKNOWN;
        }
    }
    for (; size != 0 && is_one_of(value[0], " \t"); size--) {
        value++;
    }
    while (size != 0 && is_one_of(value[size - 1], " \t")) {
        size--;
    }
    message->fields++;
    message->fields_hash = model_hash(message->fields_hash, line, name_size);
    message->fields_hash = model_hash(message->fields_hash, value, size);
    return read_known(message, seen, line, name_size, value, size);
}

// All of a head, so that what is unknown in it is so whatever comes before.
static enum model_verdict
read_fields(struct model_message *message, struct cursor *cursor, struct seen *seen)
{
    enum model_verdict found = MODEL_ACCEPT;
    const char *line;
    size_t size;

    for (;;) {
        enum model_verdict verdict = take_line(cursor, &line, &size);

        if (verdict == MODEL_MORE) {
            return found == MODEL_UNKNOWN ? MODEL_UNKNOWN : MODEL_MORE;
        }
        if (verdict == MODEL_ACCEPT && size == 0) {
            return message->fields > FIELD_MAX_ ? MODEL_UNKNOWN : found;
        }
        if (verdict == MODEL_ACCEPT) {
            verdict = read_field(message, seen, line, size);
        }
        if (verdict == MODEL_UNKNOWN || found == MODEL_ACCEPT) {
            found = verdict;
        }
        if (found == MODEL_REFUSE && size == 0) { // an empty line that does not end as it must
            return MODEL_UNKNOWN;
        }
    }
}

static enum model_verdict
judge_head(const struct model_message *message, const struct seen *seen)
{
    if ((message->minor == 1 && seen->hosts == 0) || seen->hosts > 1 || seen->lengths > 1 ||
        seen->codings > 1 || (seen->codings != 0 && seen->lengths != 0) ||
        (seen->codings != 0 && message->minor == 0)) {
        return MODEL_REFUSE;
    }
    return MODEL_ACCEPT;
}

/* ---- bodies ---- */

static void
add_body(struct model_message *message, const char *data, size_t size)
{
    message->body_hash = model_hash(message->body_hash, data, size);
    message->body_size += size;
}

static enum model_verdict
read_chunk_size(struct cursor *cursor, size_t *ret_size)
{
    const char *line;
    size_t size;
    enum model_verdict verdict = take_line(cursor, &line, &size);

    *ret_size = 0;
    if (verdict != MODEL_ACCEPT) {
        return verdict == MODEL_REFUSE ? MODEL_UNKNOWN : verdict;
    }
    if (size == 0 || size > 3) {
        return size == 0 ? MODEL_REFUSE : MODEL_UNKNOWN;
    }
    for (size_t i = 0; i < size; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = line[i] == '\0' ? NULL : strchr(digits, line[i]);

        if (digit == NULL) {
            return line[i] == ';' || line[i] == ' ' || line[i] == '\t' ? MODEL_UNKNOWN
                                                                       : MODEL_REFUSE;
        }
        *ret_size = *ret_size * 16 + (size_t)(digit - digits) % 16;
    }
    return MODEL_ACCEPT;
}

static enum model_verdict
read_chunks(struct model_message *message, struct cursor *cursor)
{
    for (;;) {
        size_t size;
        enum model_verdict verdict = read_chunk_size(cursor, &size);

        if (verdict != MODEL_ACCEPT) {
            return verdict;
        }
        if (message->body_size + size > BODY_MAX_) {
            return MODEL_UNKNOWN;
        }
        if ((size_t)(cursor->end - cursor->at) < size + 2) {
            return MODEL_MORE;
        }
        if (cursor->at[size] != '\r' || cursor->at[size + 1] != '\n') {
            return size == 0 ? MODEL_UNKNOWN : MODEL_REFUSE; // trailers, else no end of a chunk
        }
        add_body(message, cursor->at, size);
        cursor->at += size + 2;
        if (size == 0) {
            return MODEL_ACCEPT;
        }
    }
}

static enum model_verdict
read_body(struct model_message *message, struct cursor *cursor, const struct seen *seen)
{
    if (seen->codings != 0) {
        return read_chunks(message, cursor);
    }
    if ((size_t)(cursor->end - cursor->at) < seen->length) {
        return MODEL_MORE;
    }
    add_body(message, cursor->at, seen->length);
    cursor->at += seen->length;
    return MODEL_ACCEPT;
}

static void
finish(struct model_message *message, const struct cursor *cursor, const char *data,
       const struct seen *seen)
{
    message->end = (size_t)(cursor->at - data);
    message->is_chunked = seen->codings != 0;
    if (message->end > HEAD_MAX_) {
        message->head = MODEL_UNKNOWN;
    }
}

struct model_message
model_request(const char *data, size_t size)
{
    struct model_message message = {.body_hash = MODEL_HASH, .fields_hash = MODEL_HASH};
    struct cursor cursor = {data, data + size};
    struct seen seen = {0};
    const char *line;
    size_t line_size;

    message.head = take_line(&cursor, &line, &line_size);
    if (message.head == MODEL_REFUSE) {
        message.head = MODEL_UNKNOWN;
    }
    if (message.head == MODEL_ACCEPT) {
        message.head = read_request_line(&message, line, line_size);
    }
    if (message.head == MODEL_ACCEPT) {
        message.head = read_fields(&message, &cursor, &seen);
    }
    if (message.head == MODEL_ACCEPT) {
        message.head = judge_head(&message, &seen);
    }
    finish(&message, &cursor, data, &seen);
    if (message.head == MODEL_ACCEPT) {
        message.body = read_body(&message, &cursor, &seen);
        message.end = (size_t)(cursor.at - data);
    }
    return message;
}

/* ---- responses ---- */

static enum model_verdict
read_status_line(struct model_message *message, const char *line, size_t size)
{
    if (size < 14 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
        line[8] != ' ' || line[12] != ' ') {
        return MODEL_UNKNOWN;
    }
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') {
            return MODEL_UNKNOWN;
        }
        message->status = message->status * 10 + (unsigned)(line[i] - '0');
    }
    for (size_t i = 13; i < size; i++) {
        if (!is_alnum(line[i]) && line[i] != ' ') {
            return MODEL_UNKNOWN;
        }
    }
    message->minor = line[7] == '1';
    message->closes = message->minor == 0;
    // A switch of protocols is out of the question, and no status begins otherwise.
    return message->status < 100 || message->status > 599 || message->status == 101 ? MODEL_UNKNOWN
                                                                                    : MODEL_ACCEPT;
}

static enum model_verdict
read_response_body(struct model_message *message, struct cursor *cursor, const struct seen *seen,
                   bool is_head)
{
    if (is_head || message->status < 200 || message->status == 204 || message->status == 304) {
        return MODEL_ACCEPT;
    }
    if (seen->codings != 0 || seen->lengths != 0) {
        return read_body(message, cursor, seen);
    }
    message->is_to_close = true;
    message->closes = true;
    if ((size_t)(cursor->end - cursor->at) > BODY_MAX_) {
        return MODEL_UNKNOWN;
    }
    add_body(message, cursor->at, (size_t)(cursor->end - cursor->at));
    cursor->at = cursor->end;
    return MODEL_ACCEPT;
}

struct model_message
model_response(const char *data, size_t size, bool is_head)
{
    struct model_message message = {.body_hash = MODEL_HASH, .fields_hash = MODEL_HASH};
    struct cursor cursor = {data, data + size};
    struct seen seen = {0};
    const char *line;
    size_t line_size;

    message.head = take_line(&cursor, &line, &line_size);
    if (message.head == MODEL_REFUSE) {
        message.head = MODEL_UNKNOWN;
    }
    if (message.head == MODEL_ACCEPT) {
        message.head = read_status_line(&message, line, line_size);
    }
    if (message.head == MODEL_ACCEPT) {
        message.head = read_fields(&message, &cursor, &seen);
    }
    if (message.head == MODEL_ACCEPT && message.minor == 0 && seen.codings != 0) {
        message.head = MODEL_UNKNOWN;
    }
    if (message.head == MODEL_ACCEPT) {
        seen.hosts = 1;
        message.head = judge_head(&message, &seen);
    }
    finish(&message, &cursor, data, &seen);
    if (message.head == MODEL_ACCEPT) {
        message.body = read_response_body(&message, &cursor, &seen, is_head);
        message.end = (size_t)(cursor.at - data);
    }
    return message;
}
