/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include "fail.h"

#include <sys/resource.h>
#include <time.h>

uint64_t
bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static double
seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct bench_cpu
bench_cpu_used(void)
{
    struct rusage usage;

    bench_require(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    return (struct bench_cpu){
        .user_s = seconds_of(usage.ru_utime),
        .sys_s = seconds_of(usage.ru_stime),
    };
}
