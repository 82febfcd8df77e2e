/* SPDX-License-Identifier: MIT */
#include "json_tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64u // arrays and objects in one another

// Nothing of <string.h> is asked about the rest of the text: some of it looks at all that follows,
// for one, when it is watched by a sanitizer, and a long text would take that time at each value.
struct reader {
    const char *begin;
    const char *at;
    const char *message; // of the first thing that was wrong
    const char *wrong;   // where
    unsigned depth;
};

static bool
fail(struct reader *reader, const char *message)
{
    if (reader->message == NULL) {
        reader->message = message;
        reader->wrong = reader->at;
    }
    return false;
}

static void
skip_blanks(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r' ||
           *reader->at == '\n') {
        reader->at++;
    }
}

static bool
take(struct reader *reader, char wanted)
{
    skip_blanks(reader);
    if (*reader->at != wanted) {
        return false;
    }
    reader->at++;
    return true;
}

// --- Texts ---------------------------------------------------------------------------------------

static bool
read_hex(struct reader *reader, unsigned *ret_unit)
{
    *ret_unit = 0;
    for (unsigned i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *reader->at == '\0' ? NULL : strchr(digits, *reader->at);

        if (digit == NULL) {
            return fail(reader, "not four hexadecimal digits");
        }
        *ret_unit = *ret_unit * 16 + (unsigned)((digit - digits) % 16);
        reader->at++;
    }
    return true;
}

static char *
put_utf8(char *end, unsigned point)
{
    if (point < 0x80) {
        *end++ = (char)point;
    } else if (point < 0x800) {
        *end++ = (char)(0xc0 | point >> 6);
        *end++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *end++ = (char)(0xe0 | point >> 12);
        *end++ = (char)(0x80 | (point >> 6 & 0x3f));
        *end++ = (char)(0x80 | (point & 0x3f));
    } else {
        *end++ = (char)(0xf0 | point >> 18);
        *end++ = (char)(0x80 | (point >> 12 & 0x3f));
        *end++ = (char)(0x80 | (point >> 6 & 0x3f));
        *end++ = (char)(0x80 | (point & 0x3f));
    }
    return end;
}

// Behind \u. Two halves of a surrogate pair are one character; half of one is none.
static bool
read_point(struct reader *reader, char **end)
{
    unsigned unit, low;

    if (!read_hex(reader, &unit)) {
        return false;
    }
    if (unit >= 0xdc00 && unit < 0xe000) {
        return fail(reader, "half a surrogate pair");
    }
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (reader->at[0] != '\\' || reader->at[1] != 'u') {
            return fail(reader, "half a surrogate pair");
        }
        reader->at += 2;
        if (!read_hex(reader, &low)) {
            return false;
        }
        if (low < 0xdc00 || low >= 0xe000) {
            return fail(reader, "half a surrogate pair");
        }
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    if (unit == 0) {
        return fail(reader, "a zero in a text");
    }
    *end = put_utf8(*end, unit);
    return true;
}

static bool
read_escape(struct reader *reader, char **end)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    char name = *reader->at;
    const char *found = name == '\0' ? NULL : strchr(names, name);

    if (name == 'u') {
        reader->at++;
        return read_point(reader, end);
    }
    if (found == NULL) {
        return fail(reader, "no such escape");
    }
    *(*end)++ = meant[found - names];
    reader->at++;
    return true;
}

// How many bytes there are before the closing quote.
static size_t
text_size(const char *at)
{
    const char *begin = at;

    while (*at != '\0' && *at != '"') {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return (size_t)(at - begin);
}

// Behind the opening quote. NULL: it failed.
static char *
read_text(struct reader *reader)
{
    // A text never gets longer by being read.
    char *text = malloc(text_size(reader->at) + 1), *end = text;

    if (text == NULL) {
        fail(reader, "no memory");
        return NULL;
    }
    while (*reader->at != '"') {
        bool is_good = true;

        if ((unsigned char)*reader->at < ' ') {
            is_good = fail(reader, *reader->at == '\0' ? "a text does not end"
                                                       : "a control character in a text");
        } else if (*reader->at == '\\') {
            reader->at++;
            is_good = read_escape(reader, &end);
        } else {
            *end++ = *reader->at++;
        }
        if (!is_good) {
            free(text);
            return NULL;
        }
    }
    reader->at++;
    *end = '\0';
    return text;
}

// --- Values --------------------------------------------------------------------------------------

static bool read_value(struct reader *reader, struct json_node *node);

static const char *
behind_digits(const char *at)
{
    while (*at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static bool
read_number(struct reader *reader, struct json_node *node)
{
    const char *begin = reader->at;
    const char *digits = begin + (*begin == '-');
    const char *end = behind_digits(digits);

    if (end == digits || (*digits == '0' && end > digits + 1)) {
        return fail(reader, "no value");
    }
    if (*end == '.') {
        const char *part = end + 1;

        end = behind_digits(part);
        if (end == part) {
            return fail(reader, "no digit behind the point");
        }
    }
    if (*end == 'e' || *end == 'E') {
        const char *power = end + 1 + (end[1] == '+' || end[1] == '-');

        end = behind_digits(power);
        if (end == power) {
            return fail(reader, "no digit in the exponent");
        }
    }
    node->text = calloc((size_t)(end - begin) + 1, 1);
    if (node->text == NULL) {
        return fail(reader, "no memory");
    }
    memcpy(node->text, begin, (size_t)(end - begin));
    node->kind = JSON_NUMBER;
    node->number = strtod(node->text, NULL);
    reader->at = end;
    return true;
}

static bool
read_word(struct reader *reader, struct json_node *node)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } words[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = 0;

        while (words[i].word[length] != '\0' && reader->at[length] == words[i].word[length]) {
            length++;
        }
        if (words[i].word[length] == '\0') {
            reader->at += length;
            node->kind = words[i].kind;
            return true;
        }
    }
    return read_number(reader, node);
}

static bool
read_key(struct reader *reader, struct json_node *member)
{
    if (!take(reader, '"')) {
        return fail(reader, "no name of a member");
    }
    member->key = read_text(reader);
    if (member->key == NULL) {
        return false;
    }
    return take(reader, ':') || fail(reader, "no colon behind a name");
}

// Behind the opening bracket.
static bool
read_elements(struct reader *reader, struct json_node *node, char closing)
{
    struct json_node **place = &node->first;

    node->kind = closing == '}' ? JSON_OBJECT : JSON_ARRAY;
    if (take(reader, closing)) {
        return true;
    }
    if (++reader->depth > DEPTH_MAX) {
        return fail(reader, "nested too deeply");
    }
    do {
        struct json_node *element = calloc(1, sizeof(*element));

        if (element == NULL) {
            return fail(reader, "no memory");
        }
        *place = element;
        place = &element->next;
        if (closing == '}' && !read_key(reader, element)) {
            return false;
        }
        if (!read_value(reader, element)) {
            return false;
        }
    } while (take(reader, ','));
    reader->depth--;
    return take(reader, closing) || fail(reader, "neither a comma nor the end of a list");
}

static bool
read_value(struct reader *reader, struct json_node *node)
{
    if (take(reader, '{')) {
        return read_elements(reader, node, '}');
    }
    if (take(reader, '[')) {
        return read_elements(reader, node, ']');
    }
    if (take(reader, '"')) {
        node->kind = JSON_TEXT;
        node->text = read_text(reader);
        return node->text != NULL;
    }
    return read_word(reader, node);
}

// --- The outside ---------------------------------------------------------------------------------

static void
tell(const struct reader *reader, struct json_error *ret_error)
{
    *ret_error = (struct json_error){.message = reader->message, .line = 1};
    for (const char *at = reader->begin; at < reader->wrong; at++) {
        ret_error->line += *at == '\n';
    }
}

struct json_node *
json_tree_parse_first(const char *text, const char **ret_end, struct json_error *ret_error)
{
    struct reader reader = {.begin = text, .at = text};
    struct json_node *node = calloc(1, sizeof(*node));

    if (node == NULL) {
        *ret_error = (struct json_error){.message = "no memory", .line = 1};
        return NULL;
    }
    if (!read_value(&reader, node)) {
        tell(&reader, ret_error);
        json_tree_free(node);
        return NULL;
    }
    skip_blanks(&reader);
    *ret_end = reader.at;
    return node;
}

struct json_node *
json_tree_parse(const char *text, struct json_error *ret_error)
{
    const char *end;
    struct json_node *node = json_tree_parse_first(text, &end, ret_error);

    if (node != NULL && *end != '\0') {
        struct reader reader = {.begin = text, .at = end};

        fail(&reader, "something behind the value");
        tell(&reader, ret_error);
        json_tree_free(node);
        return NULL;
    }
    return node;
}

void
json_tree_free(struct json_node *node)
{
    while (node != NULL) {
        struct json_node *next = node->next;

        json_tree_free(node->first);
        free(node->key);
        free(node->text);
        free(node);
        node = next;
    }
}

const struct json_node *
json_member(const struct json_node *node, const char *name)
{
    if (node == NULL || node->kind != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_node *member = node->first; member != NULL; member = member->next) {
        if (strcmp(member->key, name) == 0) {
            return member;
        }
    }
    return NULL;
}

double
json_number(const struct json_node *node, const char *name, double fallback)
{
    const struct json_node *member = json_member(node, name);

    return member != NULL && member->kind == JSON_NUMBER ? member->number : fallback;
}

const char *
json_text(const struct json_node *node, const char *name, const char *fallback)
{
    const struct json_node *member = json_member(node, name);

    return member != NULL && member->kind == JSON_TEXT ? member->text : fallback;
}

uint64_t
json_count(const struct json_node *node, const char *name)
{
    const struct json_node *member = json_member(node, name);

    if (member == NULL || member->kind != JSON_NUMBER || member->text[0] == '-') {
        return 0;
    }
    // A number with a point or an exponent is as exact as a double.
    return strpbrk(member->text, ".eE") == NULL ? strtoull(member->text, NULL, 10)
           : member->number < 1.8e19            ? (uint64_t)member->number
                                                : UINT64_MAX;
}
