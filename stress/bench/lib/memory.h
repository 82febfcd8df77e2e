/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

// How much memory another process has, from /proc.

#include <stdint.h>

struct bench_memory {
    uint64_t private_bytes;
    uint64_t resident_bytes;
};

// Ends this process when that one is not there.
struct bench_memory bench_memory_of(uint64_t pid);

#endif /* BENCH_MEMORY_H */
