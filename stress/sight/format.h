/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_FORMAT_H
#define SIGHT_FORMAT_H

// Numbers as people read them: three significant digits, a prefix, a unit.

#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 48u // enough for any of these texts with a unit of up to 16 bytes

struct format {
    char text[FORMAT_SIZE];
};

// A value of a unit: durations ("ns", "us", "ms", "s") and sizes ("bytes", "bytes/s", "MB/s") get
// the prefix that fits, other units a k, M or G before them: "1.18 ms", "709 MB", "292 k/s".
// Not a number, or not finite: a dash.
struct format format_value(double value, const char *unit);

// The same of something measured: three digits also when it happens to be whole, "3.00", and below
// a million of no unit all of them, "1 820".
struct format format_measured(double value, const char *unit);

// The same for ticks: only as many digits as the value has, so 0 is "0" and 2000 is "2 k". The
// prefix is the one that fits @p like, so that all ticks of an axis can have the same.
struct format format_tick(double value, const char *unit, double like);

// All digits, thousands apart: "583 488"; with a narrow space that does not break.
struct format format_count(uint64_t count);

// A fraction below 1 as a percentile: "50 %", "99.9 %".
struct format format_percentile(double fraction);

#endif /* SIGHT_FORMAT_H */
