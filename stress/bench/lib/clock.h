/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

// Wall clock and CPU time of this process.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_cpu {
    double user_s;
    double sys_s;
};

uint64_t bench_now_ns(void);

// All threads of this process together, children not.
struct bench_cpu bench_cpu_used(void);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_CLOCK_H */
