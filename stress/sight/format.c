/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NARROW_SPACE "\xe2\x80\xaf"

struct prefix {
    double factor;
    const char *text;
};

// The largest first; the last one is for everything smaller.
static const struct prefix plain[] = {
    {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""},
};
static const struct prefix times[] = {
    {60, "min"}, {1, "s"}, {1e-3, "ms"}, {1e-6, "\xc2\xb5s"}, {1e-9, "ns"},
};
static const struct prefix sizes[] = {
    {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"},
};

// What a unit's name stands for: a value of it times factor is one of the table's last row's kind.
static const struct unit {
    const char *name;
    double factor;
    const struct prefix *prefixes;
    const char *tail;
} units[] = {
    {"ns", 1e-9, times, ""},
    {"us", 1e-6, times, ""},
    {"\xc2\xb5s", 1e-6, times, ""},
    {"ms", 1e-3, times, ""},
    {"s", 1, times, ""},
    {"bytes", 1, sizes, ""},
    {"B", 1, sizes, ""},
    {"kB", 1e3, sizes, ""},
    {"KiB", 1024, sizes, ""},
    {"MB", 1e6, sizes, ""},
    {"MiB", 1024 * 1024, sizes, ""},
    {"bytes/s", 1, sizes, "/s"},
    {"B/s", 1, sizes, "/s"},
    {"MB/s", 1e6, sizes, "/s"},
};

#define PREFIXES 5u

static struct unit
unit_of(const char *name)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].name, name) == 0) {
            return units[i];
        }
    }
    return (struct unit){name, 1, plain, name};
}

static const struct prefix *
prefix_of(const struct unit *unit, double value)
{
    const struct prefix *prefix = unit->prefixes;

    // Minutes read well from two on. A value that rounds up to a prefix gets it: 1 ms, not 1000 us.
    double size = fabs(value) * (1 + 5e-4);
    while (prefix < unit->prefixes + PREFIXES - 1 &&
           size < (prefix->factor > 59 && unit->prefixes == times ? 120 : prefix->factor)) {
        prefix++;
    }
    return prefix;
}

static struct format
put_together(const char *digits, const struct unit *unit, const struct prefix *prefix)
{
    struct format format;
    bool has_unit = prefix->text[0] != '\0' || unit->tail[0] != '\0';
    // "/s" and "%" stand as they are: "292 k/s", "50 %"
    bool is_apart = has_unit && !(prefix->text[0] == '\0' && unit->tail[0] == '/');

    snprintf(format.text, sizeof(format.text), "%s%s%s%s%s", digits, is_apart ? NARROW_SPACE : "",
             prefix->text,
             unit->prefixes == plain && unit->tail[0] != '\0' && unit->tail[0] != '/' &&
                     prefix->text[0] != '\0'
                 ? NARROW_SPACE
                 : "",
             unit->tail);
    return format;
}

// Zero has no prefix worth the name but its unit's plain one.
static const struct prefix *
prefix_of_zero(const struct unit *unit)
{
    return unit->prefixes == times ? &times[1] : &unit->prefixes[PREFIXES - 1];
}

static struct format
dash(void)
{
    return (struct format){"\xe2\x80\x93"};
}

static struct format
format_digits(double value, const char *name, bool may_be_count)
{
    struct unit unit = unit_of(name);
    char digits[32];

    if (!isfinite(value)) {
        return dash();
    }
    double base = value * unit.factor;
    const struct prefix *prefix = value == 0 ? prefix_of_zero(&unit) : prefix_of(&unit, base);
    double shown = base / prefix->factor;
    double size = fabs(shown);
    int decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
    if (may_be_count && shown == floor(shown) && unit.prefixes == plain && prefix->factor < 2) {
        decimals = 0;
    }
    snprintf(digits, sizeof(digits), "%.*f", decimals, shown);
    return put_together(digits, &unit, prefix);
}

struct format
format_value(double value, const char *unit)
{
    return format_digits(value, unit, true);
}

struct format
format_measured(double value, const char *unit)
{
    // Thousands of something without a unit are read more easily with all their digits.
    if (unit[0] == '\0' && value >= 999.5 && value < 999999.5) {
        return format_count((uint64_t)(value + 0.5));
    }
    return format_digits(value, unit, false);
}

struct format
format_tick(double value, const char *name, double like)
{
    struct unit unit = unit_of(name);
    char digits[32];

    if (!isfinite(value)) {
        return dash();
    }
    if (value == 0) {
        return (struct format){"0"};
    }
    const struct prefix *prefix = prefix_of(&unit, like * unit.factor);
    snprintf(digits, sizeof(digits), "%.4g", value * unit.factor / prefix->factor);
    return put_together(digits, &unit, prefix);
}

struct format
format_count(uint64_t count)
{
    struct format format = {""};
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *end = format.text;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            memcpy(end, NARROW_SPACE, sizeof(NARROW_SPACE) - 1);
            end += sizeof(NARROW_SPACE) - 1;
        }
        *end++ = digits[i];
    }
    return format;
}

struct format
format_percentile(double fraction)
{
    struct format format;

    snprintf(format.text, sizeof(format.text), "%.10g" NARROW_SPACE "%%", fraction * 100);
    return format;
}
