/* SPDX-License-Identifier: MIT */
#include "coding.h"

#include <string.h>
#include <strings.h>

#define UNSAID 0xffffu
#define WHOLE  1000u

const char *
coding_name(enum coding coding)
{
    static const char *const names[CODINGS] = {
        [CODING_BR] = "br",
        [CODING_ZSTD] = "zstd",
        [CODING_GZIP] = "gzip",
        [CODING_IDENTITY] = "",
    };

    return names[coding];
}

const char *
coding_suffix(enum coding coding)
{
    static const char *const suffixes[CODINGS] = {
        [CODING_BR] = ".br",
        [CODING_ZSTD] = ".zst",
        [CODING_GZIP] = ".gz",
        [CODING_IDENTITY] = "",
    };

    return suffixes[coding];
}

/* ---- what is accepted ---- */

// 0, 0.5, 1.000 and the like, in thousandths; what is none counts as 1.
static uint16_t
weight_of(const char *at, const char *end)
{
    unsigned weight = 0;
    unsigned unit = WHOLE;

    if (at == end || *at < '0' || *at > '1') {
        return WHOLE;
    }
    weight = (unsigned)(*at++ - '0') * WHOLE;
    if (at < end && *at == '.') {
        for (at++; at < end && *at >= '0' && *at <= '9' && unit > 1; at++) {
            unit /= 10;
            weight += (unsigned)(*at - '0') * unit;
        }
    }
    return (uint16_t)(weight > WHOLE ? WHOLE : weight);
}

static bool
is_token(const char *text, size_t size, const char *token)
{
    return size == strlen(token) && strncasecmp(text, token, size) == 0;
}

struct element {
    const char *name;
    size_t name_size;
    uint16_t weight;
};

static struct element
element_of(const char *at, const char *end)
{
    struct element element = {.weight = WHOLE};
    const char *parameter = memchr(at, ';', (size_t)(end - at));

    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    element.name = at;
    while (at < end && *at != ';' && *at != ' ' && *at != '\t') {
        at++;
    }
    element.name_size = (size_t)(at - element.name);
    if (parameter == NULL) {
        return element;
    }
    do {
        parameter++;
    } while (parameter < end && (*parameter == ' ' || *parameter == '\t'));
    if (end - parameter >= 2 && (*parameter == 'q' || *parameter == 'Q') && parameter[1] == '=') {
        element.weight = weight_of(parameter + 2, end);
    }
    return element;
}

static void
take_element(const struct element *element, struct accepted *accepted, uint16_t *others)
{
    if (is_token(element->name, element->name_size, "*")) {
        *others = element->weight;
    } else if (is_token(element->name, element->name_size, "identity")) {
        accepted->weights[CODING_IDENTITY] = element->weight;
    } else if (is_token(element->name, element->name_size, "x-gzip")) {
        accepted->weights[CODING_GZIP] = element->weight;
    } else {
        for (unsigned i = 0; i < CODING_IDENTITY; i++) {
            if (is_token(element->name, element->name_size, coding_name((enum coding)i))) {
                accepted->weights[i] = element->weight;
            }
        }
    }
}

static void
take_list(const struct weir_http_field *field, struct accepted *accepted, uint16_t *others)
{
    const char *at = field->value;
    const char *end = at + field->value_size;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct element element = element_of(at, comma != NULL ? comma : end);

        take_element(&element, accepted, others);
        at = comma != NULL ? comma + 1 : end;
    }
}

void
coding_accepted(const struct asked *asked, struct accepted *accepted)
{
    const struct weir_http_field *field = asked->first[ASKED_ACCEPT_ENCODING];
    uint16_t others = UNSAID;

    for (unsigned i = 0; i < CODINGS; i++) {
        accepted->weights[i] = UNSAID;
    }
    for (; field != NULL; field = asked_next(asked, ASKED_ACCEPT_ENCODING, field)) {
        take_list(field, accepted, &others);
    }
    for (unsigned i = 0; i < CODINGS; i++) {
        if (accepted->weights[i] == UNSAID) {
            // Who says nothing of identity has it, but has named what is dearer.
            accepted->weights[i] = others != UNSAID ? others : i == CODING_IDENTITY ? 1 : 0;
        }
    }
}

enum coding
coding_choose(const struct accepted *accepted, unsigned available)
{
    enum coding best = CODINGS;

    for (unsigned i = 0; i < CODINGS; i++) {
        if ((available & 1u << i) && accepted->weights[i] != 0 &&
            (best == CODINGS || accepted->weights[i] > accepted->weights[best])) {
            best = (enum coding)i;
        }
    }
    return best;
}
