/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H

// A benchmark that cannot do what it was asked says why and ends: no figure is better than a wrong
// one.

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// Prints what, and errno's text unless errno is 0, and ends the process with status 1.
__attribute__((noreturn)) void bench_fail(const char *what);

static inline void
bench_require(bool is_met, const char *what)
{
    if (!is_met) {
        bench_fail(what);
    }
}

// The process is killed by SIGALRM when it is still there after so many seconds.
void bench_end_within(unsigned seconds);

#ifdef __cplusplus
}
#endif

#endif /* BENCH_FAIL_H */
