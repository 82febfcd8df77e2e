/* SPDX-License-Identifier: MIT */
#include "sampler.h"

#include "verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POINTS_MAX      1000.0 // of one series: a long run is sampled less often
#define INTERVAL_MIN_S  0.1
#define INTERVAL_LONG_S 1.0 // of a run whose end is not known

// What the sampler remembers from one sample to the next.
struct sampling {
    struct sampler *sampler;
    struct live_sample samples[2];
    unsigned newest; // of the two
    struct histogram latencies[LIVE_LATENCIES_MAX];
    struct histogram sum;
};

static double
interval_of(const struct live *live)
{
    double interval = live->seconds_planned / POINTS_MAX;

    if (live->seconds_planned <= 0) {
        return INTERVAL_LONG_S;
    }
    return interval > INTERVAL_MIN_S ? interval : INTERVAL_MIN_S;
}

// Wait for the next sample. False: it is time to stop.
static bool
wait_for(struct sampler *sampler, double seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    long nanoseconds = until.tv_nsec + (long)(seconds * 1e9);
    until.tv_sec += nanoseconds / 1000000000;
    until.tv_nsec = nanoseconds % 1000000000;
    while (sem_timedwait(&sampler->stop, &until) != 0) {
        if (errno == ETIMEDOUT) {
            return true;
        }
    }
    return false;
}

static void
add_rate(struct sampler *sampler, const char *name, const char *unit, const struct live_sample *now,
         double seconds, double amount)
{
    result_add_point(sampler->run->result, name, unit, now->seconds, amount / seconds);
}

static void
add_counts(struct sampler *sampler, const struct live_sample *before, const struct live_sample *now,
           double seconds)
{
    static const struct {
        const char *name;
        const char *unit;
        double scale;
    } kinds[LIVE_KINDS] = {
        [LIVE_MESSAGES] = {"messages", "/s", 1}, [LIVE_BYTES] = {"throughput", "MB/s", 1e-6},
        [LIVE_CANCELS] = {"cancels", "/s", 1},   [LIVE_REFUSALS] = {"refusals", "/s", 1},
        [LIVE_CLOSES] = {"closes", "/s", 1},     [LIVE_CONNECTIONS] = {"connections", "", 1},
    };

    for (unsigned i = 0; i < LIVE_CONNECTIONS; i++) {
        double amount = (double)(now->count[i] - before->count[i]) * kinds[i].scale;

        if (now->count[i] != 0) {
            add_rate(sampler, kinds[i].name, kinds[i].unit, now, seconds, amount);
        }
    }
    result_add_point(sampler->run->result, kinds[LIVE_CONNECTIONS].name,
                     kinds[LIVE_CONNECTIONS].unit, now->seconds,
                     (double)now->count[LIVE_CONNECTIONS]);
}

// How many streams waited at a time, on average, by what they waited for.
static void
add_waits(struct sampler *sampler, const struct live_sample *before, const struct live_sample *now,
          double seconds)
{
    double blocked = 0, corked = 0, inline_ns = 0, limited = 0;

    for (unsigned i = 0; i < now->loop_count; i++) {
        blocked += (double)(now->loops[i].blocked_ns - before->loops[i].blocked_ns);
        corked += (double)(now->loops[i].corked_ns - before->loops[i].corked_ns);
        inline_ns += (double)(now->loops[i].inline_ns - before->loops[i].inline_ns);
        limited += (double)(now->loops[i].limited - before->loops[i].limited);
    }
    if (now->loop_count > 0) {
        add_rate(sampler, "streams waiting: for the socket", "", now, seconds, blocked / 1e9);
        add_rate(sampler, "streams waiting: for a cork's end", "", now, seconds, corked / 1e9);
        add_rate(sampler, "streams waiting: for an inline writer", "", now, seconds,
                 inline_ns / 1e9);
        add_rate(sampler, "high mark reached", "/s", now, seconds, limited);
    }
}

static void
add_loops(struct sampler *sampler, const struct live_sample *before, const struct live_sample *now,
          double seconds)
{
    double queued = 0;
    char name[64];

    for (unsigned i = 0; i < now->loop_count; i++) {
        const struct live_loop *is = &now->loops[i];
        const struct live_loop *was = &before->loops[i];

        queued += (double)is->queued_now;
        snprintf(name, sizeof(name), "loop %u turns", i);
        add_rate(sampler, name, "/s", now, seconds, (double)(is->turns - was->turns));
        snprintf(name, sizeof(name), "loop %u wakes", i);
        add_rate(sampler, name, "/s", now, seconds, (double)(is->wakes - was->wakes));
        snprintf(name, sizeof(name), "loop %u blocked", i);
        add_rate(sampler, name, "s/s", now, seconds,
                 (double)(is->blocked_ns - was->blocked_ns) * 1e-9);
    }
    if (now->loop_count > 0) {
        result_add_point(sampler->run->result, "queued", "bytes", now->seconds, queued);
    }
}

// What of this process is in memory now. Whether a run leaks, and what a burst costs, shows here.
static void
add_memory(struct sampler *sampler, const struct live_sample *now)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages, resident;

    if (file == NULL) {
        return;
    }
    if (fscanf(file, "%lu %lu", &pages, &resident) == 2) {
        result_add_point(sampler->run->result, "resident memory", "bytes", now->seconds,
                         (double)resident * (double)sysconf(_SC_PAGESIZE));
    }
    fclose(file);
}

// What came since: turns @p last into @p sum without it. The largest stays the largest of all.
static void
keep_difference(struct histogram *last, const struct histogram *sum)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        last->buckets[i] = sum->buckets[i] - last->buckets[i];
    }
    last->max_ns = sum->max_ns;
}

// The percentiles of what came since the last sample.
static void
add_latencies(struct sampling *sampling, const struct live_sample *now)
{
    struct sampler *sampler = sampling->sampler;
    char name[64];

    for (size_t i = 0; i < sampler->live->latency_count; i++) {
        struct histogram *last = &sampling->latencies[i];

        live_read_latency(&sampler->live->latencies[i], &sampling->sum);
        keep_difference(last, &sampling->sum);
        if (histogram_count(last) > 0) {
            snprintf(name, sizeof(name), "%s p50", sampler->live->latencies[i].name);
            result_add_point(sampler->run->result, name, "us", now->seconds,
                             (double)histogram_quantile_ns(last, 0.5) / 1e3);
            snprintf(name, sizeof(name), "%s p99", sampler->live->latencies[i].name);
            result_add_point(sampler->run->result, name, "us", now->seconds,
                             (double)histogram_quantile_ns(last, 0.99) / 1e3);
        }
        memcpy(last, &sampling->sum, sizeof(*last));
    }
}

static void
take_sample(struct sampling *sampling)
{
    struct sampler *sampler = sampling->sampler;
    const struct live_sample *before = &sampling->samples[sampling->newest];
    struct live_sample *now = &sampling->samples[1 - sampling->newest];

    live_read(sampler->live, now);
    sampling->newest = 1 - sampling->newest;
    double seconds = now->seconds - before->seconds;
    if (seconds <= 0) {
        return;
    }
    add_counts(sampler, before, now, seconds);
    add_loops(sampler, before, now, seconds);
    add_waits(sampler, before, now, seconds);
    add_latencies(sampling, now);
    add_memory(sampler, now);
    if (sampler->run->view != NULL) {
        sampler->run->view(sampler->live, before, now, sampler->run->view_arg);
    }
}

static void *
run_sampler(void *arg)
{
    struct sampler *sampler = arg;
    struct sampling *sampling = calloc(1, sizeof(*sampling));

    storm_require(sampling != NULL, "memory");
    sampling->sampler = sampler;
    live_read(sampler->live, &sampling->samples[0]);
    while (wait_for(sampler, interval_of(sampler->live))) {
        take_sample(sampling);
    }
    free(sampling);
    return NULL;
}

void
sampler_start(struct sampler *sampler, struct run *run, const struct live *live)
{
    sampler->run = run;
    sampler->live = live;
    sem_init(&sampler->stop, 0, 0);
    storm_require(pthread_create(&sampler->thread, NULL, run_sampler, sampler) == 0, "thread");
}

// A bucket of the runtime's is a quarter of its value wide, so the fractions are coarse.
static void
add_wire(struct sampler *sampler)
{
    struct histogram *sum = calloc(1, sizeof(*sum));

    storm_require(sum != NULL, "memory");
    if (live_read_wire(sampler->live, sum)) {
        histogram_merge(result_add_latency(sampler->run->result, SAMPLER_WIRE), sum);
    }
    free(sum);
}

void
sampler_stop(struct sampler *sampler)
{
    sem_post(&sampler->stop);
    pthread_join(sampler->thread, NULL);
    sem_destroy(&sampler->stop);
    add_wire(sampler);
}
