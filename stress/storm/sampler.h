/* SPDX-License-Identifier: MIT */
#ifndef STORM_SAMPLER_H
#define STORM_SAMPLER_H

// A thread that looks at a running scenario, fills the series of its result, and shows each sample
// to whoever looks on.

#include "live.h"
#include "scenario.h"

#include <pthread.h>
#include <semaphore.h>

struct sampler {
    struct run *run;
    const struct live *live;
    pthread_t thread;
    sem_t stop;
};

// After the process has forked. @p live must be complete, and outlive the sampler.
void sampler_start(struct sampler *sampler, struct run *run, const struct live *live);

#define SAMPLER_WIRE "submit to wire" // a latency of every result whose runtime has measured it

// Before anything that it reads is freed.
void sampler_stop(struct sampler *sampler);

#endif /* STORM_SAMPLER_H */
