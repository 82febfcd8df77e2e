/* SPDX-License-Identifier: MIT */
// A setting's words as values.

#include "common/given.h"

#include "common/program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS   UINT64_C(1000000)
#define NS_PER_S    (1000 * NS_PER_MS)
#define SECONDS_MAX UINT64_C(31536000) // a year

/* ---- what is wrong ---- */

static void
show_line(FILE *errors, const struct given *given, unsigned column)
{
    size_t length = strcspn(given->text, "\r\n");

    fprintf(errors, "  %.*s\n  ", (int)length, given->text);
    for (unsigned i = 0; i < column && i < length; i++) {
        fputc(given->text[i] == '\t' ? '\t' : ' ', errors);
    }
    fputs("^\n", errors);
}

static unsigned
column_of(const struct given *given, unsigned word)
{
    return word < given->count ? given->columns[word] : given->name_column;
}

static void
refuse_at(const struct given *given, unsigned column, const char *format, va_list arguments)
{
    FILE *errors = given->errors != NULL ? given->errors : stderr;

    fprintf(errors, "%s: ", program_name);
    if (given->file != NULL) {
        fprintf(errors, "%s:%u: ", given->file, given->line);
    }
    vfprintf(errors, format, arguments);
    fputc('\n', errors);
    if (given->text != NULL) {
        show_line(errors, given, column);
    } else if (given->file == NULL) {
        fprintf(errors, "Try: %s --help\n", program_name);
    }
}

bool
given_refuse(const struct given *given, unsigned word, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    refuse_at(given, column_of(given, word), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- values ---- */

bool
given_number(const struct given *given, unsigned word, uint64_t min, uint64_t max,
             uint64_t *ret_number)
{
    const char *text = given->words[word];
    char *end;

    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *ret_number >= min &&
        *ret_number <= max) {
        return true;
    }
    return given_refuse(given, word,
                        "%s wants a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"",
                        given->name, min, max, text);
}

static bool
store_time(const struct given *given, uint64_t *place)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS},
                 {"m", 60 * NS_PER_S},
                 {"h", 3600 * NS_PER_S}};
    const char *text = given->words[0];
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && errno == 0) {
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strcmp(end, units[i].name) == 0 && number <= SECONDS_MAX * NS_PER_S / units[i].ns) {
                *place = number * units[i].ns;
                return true;
            }
        }
    }
    return given_refuse(given, 0,
                        "%s wants a time as 10, 500ms, 2m or 1h, of a year at most, not \"%s\"",
                        given->name, text);
}

static bool
store_bytes(const struct given *given, const struct setting *setting, uint64_t *place)
{
    static const char units[] = "kmg";
    const char *text = given->words[0];
    const char *unit;
    char *end;
    unsigned shift = 0;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    unit = *end != '\0' ? strchr(units, *end) : NULL;
    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        number > setting->max >> shift || number << shift < setting->min) {
        return given_refuse(given, 0,
                            "%s wants bytes, as 4096, 64k, 10m or 2g, from %" PRIu64 " to %" PRIu64
                            ", not \"%s\"",
                            given->name, setting->min, setting->max, text);
    }
    *place = number << shift;
    return true;
}

static bool
store_text(const struct given *given, char **place)
{
    char *kept = strdup(given->words[0]);

    if (kept == NULL) {
        return given_refuse(given, 0, "out of memory");
    }
    free(*place);
    *place = kept;
    return true;
}

static bool refuse_endpoint(const struct given *given, unsigned column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool
refuse_endpoint(const struct given *given, unsigned column, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    refuse_at(given, column, format, arguments);
    va_end(arguments);
    return false;
}

bool
given_endpoint(const struct given *given, unsigned word, struct weir_endpoint *ret_endpoint)
{
    struct weir_parse_error error;
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];

    if (weir_endpoint_parse(ret_endpoint, given->words[word], &error) == 0) {
        return true;
    }
    if (given->text != NULL) {
        return refuse_endpoint(given, column_of(given, word) + (unsigned)error.offset,
                               "not an address: %s", error.message);
    }
    weir_parse_error_format(&error, given->words[word], lines, sizeof(lines));
    return given_refuse(given, word, "not an address:\n%s", lines);
}

bool
given_store(const struct given *given, const struct setting *setting, void *place)
{
    uint64_t number;

    switch (setting->kind) {
    case SETTING_NUMBER:
        if (!given_number(given, 0, setting->min, setting->max, &number)) {
            return false;
        }
        *(unsigned *)place = (unsigned)number;
        return true;
    case SETTING_TIME:
        return store_time(given, place);
    case SETTING_BYTES:
        return store_bytes(given, setting, place);
    case SETTING_TEXT:
        return store_text(given, place);
    case SETTING_SWITCH:
        *(bool *)place = true;
        return true;
    default:
        return true;
    }
}
