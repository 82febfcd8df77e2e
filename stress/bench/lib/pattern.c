/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <string.h>

#define PERIOD 65521u

static char pattern[PERIOD + BENCH_PATTERN_PART];

void
bench_pattern_init(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < PERIOD; i++) {
        state = state * 1664525u + 1013904223u;
        pattern[i] = (char)(state >> 24);
    }
    for (size_t i = PERIOD; i < sizeof(pattern); i++) {
        pattern[i] = pattern[i - PERIOD];
    }
}

const char *
bench_pattern(unsigned connection, uint64_t offset)
{
    return pattern + (offset + UINT64_C(257) * connection) % PERIOD;
}

bool
bench_pattern_holds(unsigned connection, uint64_t offset, const char *data, size_t size)
{
    while (size > 0) {
        size_t part = size < BENCH_PATTERN_PART ? size : BENCH_PATTERN_PART;

        if (memcmp(bench_pattern(connection, offset), data, part) != 0) {
            return false;
        }
        offset += part;
        data += part;
        size -= part;
    }
    return true;
}
