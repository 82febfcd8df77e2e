/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "fail.h"

#include <errno.h>
#include <stdio.h>

struct bench_memory
bench_memory_of(uint64_t pid)
{
    struct bench_memory memory = {0};
    char line[256];

    snprintf(line, sizeof(line), "/proc/%llu/smaps_rollup", (unsigned long long)pid);
    FILE *file = fopen(line, "r");
    bench_require(file != NULL, line);
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long long kib;

        if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
            memory.resident_bytes = kib * 1024;
        } else if (sscanf(line, "Private_Clean: %llu kB", &kib) == 1 ||
                   sscanf(line, "Private_Dirty: %llu kB", &kib) == 1) {
            memory.private_bytes += kib * 1024;
        }
    }
    fclose(file);
    errno = 0;
    bench_require(memory.resident_bytes > 0, "no Rss in smaps_rollup");
    return memory;
}
