/* SPDX-License-Identifier: MIT */
#include "writers.h"

#include "clock.h"
#include "fail.h"
#include "histogram.h"
#include "net.h"
#include "reader.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64

// The life of a write. The producer moves it from DONE to FLIGHT at submit, and from FLIGHT to
// AWAITED when it goes to sleep on it; the completion moves either to DONE, and wakes if AWAITED.
enum write_state {
    WRITE_DONE,
    WRITE_FLIGHT,
    WRITE_AWAITED,
};

struct producer {
    _Alignas(CACHE_LINE) pthread_t thread;
    const struct bench_backend *backend;
    const struct bench_job *job;
    unsigned index;
    const bool *is_stopping;
    char *writes; // job->window of them, write_stride apart
    size_t write_stride;
    char *data;
    uint64_t quota; // UINT64_MAX: until stopped
    uint64_t submitted;
    struct bench_histogram *latency; // NULL: not kept
};

void
bench_write_done(struct bench_write *write)
{
    uint32_t before = __atomic_exchange_n(&write->state, WRITE_DONE, __ATOMIC_SEQ_CST);

    if (before == WRITE_AWAITED) {
        syscall(SYS_futex, &write->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static bool
is_done(const struct bench_write *write)
{
    return __atomic_load_n(&write->state, __ATOMIC_ACQUIRE) == WRITE_DONE;
}

static void
await_done(struct bench_write *write)
{
    uint32_t seen = WRITE_FLIGHT;

    __atomic_compare_exchange_n(&write->state, &seen, WRITE_AWAITED, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    while (!is_done(write)) {
        syscall(SYS_futex, &write->state, FUTEX_WAIT_PRIVATE, WRITE_AWAITED, NULL, NULL, 0);
    }
}

static struct bench_write *
producer_write(const struct producer *producer, uint64_t turn)
{
    return (void *)(producer->writes + turn % producer->job->window * producer->write_stride);
}

// Sleeps until half of the window is free, not for each write anew: completions come in bursts.
static struct bench_write *
producer_take(struct producer *producer)
{
    uint64_t turn = producer->submitted;
    struct bench_write *write = producer_write(producer, turn);

    if (!is_done(write)) {
        await_done(producer_write(producer, turn + producer->job->window / 2));
        await_done(write);
    }
    return write;
}

static void
producer_submit(struct producer *producer, struct bench_write *write)
{
    uint64_t turn = producer->submitted++;

    write->connection = (unsigned)((producer->index + turn) % producer->job->connections);
    __atomic_store_n(&write->state, WRITE_FLIGHT, __ATOMIC_RELAXED);
    producer->backend->submit(write);
}

// At least one, also when the time was over before this thread ran: of nothing there is no figure.
static bool
producer_may_submit(const struct producer *producer)
{
    return producer->submitted < producer->quota &&
           (producer->submitted == 0 || !__atomic_load_n(producer->is_stopping, __ATOMIC_RELAXED));
}

static void
producer_submit_measured(struct producer *producer)
{
    struct bench_write *write = producer_take(producer);
    uint64_t begin_ns = bench_now_ns();

    producer_submit(producer, write);
    await_done(write);
    bench_histogram_add(producer->latency, bench_now_ns() - begin_ns);
}

static void *
producer_run(void *arg)
{
    struct producer *producer = arg;

    while (producer_may_submit(producer)) {
        if (producer->latency != NULL) {
            producer_submit_measured(producer);
        } else {
            producer_submit(producer, producer_take(producer));
        }
    }
    for (unsigned i = 0; i < producer->job->window; i++) {
        await_done(producer_write(producer, i));
    }
    return NULL;
}

static void *
allocate(size_t count, size_t size)
{
    void *memory = NULL;

    errno = posix_memalign(&memory, CACHE_LINE, count * size);
    bench_require(errno == 0, "posix_memalign");
    memset(memory, 0, count * size);
    return memory;
}

static void
producer_init(struct producer *producer)
{
    const struct bench_job *job = producer->job;
    size_t write_size = producer->backend->write_size;

    producer->write_stride = (write_size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    producer->writes = allocate(job->window, producer->write_stride);
    unsigned share = job->is_shared ? (unsigned)job->connections : 1;
    producer->data = allocate(job->window / share, job->size);
    producer->quota = UINT64_MAX;
    if (job->messages > 0) {
        producer->quota = job->messages / job->producers;
        producer->quota += producer->index < job->messages % job->producers;
    }
    if (job->is_latency_kept) {
        producer->latency = allocate(1, sizeof(*producer->latency));
    }
    for (unsigned i = 0; i < job->window; i++) {
        struct bench_write *write = producer_write(producer, i);

        write->data = producer->data + i / share * job->size;
        write->share = share;
        write->size = job->size;
        write->producer = producer->index;
        if (producer->backend->write_init != NULL) {
            producer->backend->write_init(write);
        }
    }
}

static void
producer_fini(struct producer *producer)
{
    if (producer->backend->write_fini != NULL) {
        for (unsigned i = 0; i < producer->job->window; i++) {
            producer->backend->write_fini(producer_write(producer, i));
        }
    }
    free(producer->writes);
    free(producer->data);
    free(producer->latency);
}

static void
sleep_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};

    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0) {
        bench_require(errno == EINTR, "nanosleep");
    }
}

static void
stay_on_one_core(void)
{
    int core = sched_getcpu();
    cpu_set_t cores;

    bench_require(core >= 0, "sched_getcpu");
    CPU_ZERO(&cores);
    CPU_SET((size_t)core, &cores);
    bench_require(sched_setaffinity(0, sizeof(cores), &cores) == 0, "sched_setaffinity");
}

static double
cpu_seconds(void)
{
    struct bench_cpu cpu = bench_cpu_used();

    return cpu.user_s + cpu.sys_s;
}

// From the first submit to the last completion.
static struct bench_outcome
measure(struct producer *producers, const struct bench_job *job, bool *is_stopping)
{
    struct bench_outcome outcome = {0};
    uint64_t begin_ns = bench_now_ns();
    double begin_cpu_s = cpu_seconds();

    for (uint64_t i = 0; i < job->producers; i++) {
        errno = pthread_create(&producers[i].thread, NULL, producer_run, &producers[i]);
        bench_require(errno == 0, "pthread_create");
    }
    if (job->messages == 0) {
        sleep_for(job->seconds);
        __atomic_store_n(is_stopping, true, __ATOMIC_RELAXED);
    }
    for (uint64_t i = 0; i < job->producers; i++) {
        pthread_join(producers[i].thread, NULL);
        outcome.writes += producers[i].submitted;
    }
    outcome.cpu_s = cpu_seconds() - begin_cpu_s;
    outcome.seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    if (producers[0].latency != NULL) {
        outcome.latency_p50_us = bench_histogram_quantile_us(producers[0].latency, 0.5);
        outcome.latency_p99_us = bench_histogram_quantile_us(producers[0].latency, 0.99);
        outcome.latency_mean_us = bench_histogram_mean_us(producers[0].latency);
    }
    return outcome;
}

static void
check_job(const struct bench_job *job)
{
    errno = 0;
    bench_require(job->producers > 0 && job->connections > 0, "nothing to write or to write to");
    bench_require(job->window > 0 && job->size > 0, "--window and --size must not be 0");
    bench_require(job->producers <= 64 && job->connections <= 1024 && job->window <= 16384,
                  "at most 64 producers, 1024 connections, a window of 16384");
    bench_require(job->size <= (UINT64_C(1) << 30) / (job->producers * job->window),
                  "at most 1 GiB in flight");
    bench_require(!job->is_latency_kept || job->producers == 1, "latency is one producer's");
    bench_require(!job->is_shared || (job->producers == 1 && job->window % job->connections == 0),
                  "a shared payload is one producer's, and goes to every connection");
}

struct bench_outcome
bench_writers_run(const struct bench_backend *backend, const struct bench_job *job)
{
    check_job(job);
    bench_end_within((unsigned)job->timeout_s);
    struct bench_reader reader = bench_reader_open(job->connections, job->timeout_s);
    if (job->is_on_one_core) {
        stay_on_one_core();
    }
    backend->open(&(struct bench_target){
        .port = reader.port,
        .connections = (unsigned)job->connections,
        .producers = (unsigned)job->producers,
        .window = (unsigned)job->window,
        .variant = job->variant,
    });
    struct producer *producers = allocate(job->producers, sizeof(*producers));
    bool is_stopping = false;
    for (unsigned i = 0; i < job->producers; i++) {
        producers[i].backend = backend;
        producers[i].job = job;
        producers[i].index = i;
        producers[i].is_stopping = &is_stopping;
        producer_init(&producers[i]);
    }
    struct bench_outcome outcome = measure(producers, job, &is_stopping);
    if (backend->counts != NULL) {
        outcome.counts = backend->counts();
    }

    for (unsigned i = 0; i < job->producers; i++) {
        producer_fini(&producers[i]);
    }
    free(producers);
    backend->close();
    uint64_t read_bytes = bench_reader_close(&reader);
    errno = 0;
    bench_require(read_bytes == outcome.writes * job->size, "the reader got other bytes than sent");
    return outcome;
}
