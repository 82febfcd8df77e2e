/* SPDX-License-Identifier: MIT */
#include "private_memory.h"

#include "verdict.h"

#include <stdio.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

uint64_t
private_memory(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    uint64_t kilobytes = 0;
    unsigned long long value;

    storm_require(file != NULL, "/proc/self/smaps_rollup");
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "Private_Clean: %llu", &value) == 1 ||
            sscanf(line, "Private_Dirty: %llu", &value) == 1) {
            kilobytes += value;
        }
    }
    fclose(file);
    return kilobytes * 1024;
}

bool
private_memory_is_telling(void)
{
    return IS_SANITIZED == 0;
}
