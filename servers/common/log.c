/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include "common/program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_SIZE  (256u * 1024) // a power of two
#define PATIENCE_S 2

// Single producer, single consumer. Places grow for ever; their low bits are an index.
struct ring {
    alignas(64) _Atomic uint64_t put; // the loop's
    _Atomic uint64_t lost;
    alignas(64) _Atomic uint64_t taken; // the writer's
    uint64_t lost_told;
    char *bytes;
};

struct log {
    char *path; // NULL: standard output
    int fd;
    unsigned ring_count;
    pthread_t writer;
    sem_t work;
    atomic_bool is_asleep; // the next line has to wake the writer
    atomic_bool is_ending;
    atomic_bool reopens;
    struct ring *rings;
};

/* ---- the writer's side ---- */

static void
write_all(int fd, const char *bytes, size_t size)
{
    while (size != 0) {
        ssize_t written = write(fd, bytes, size);

        if (written < 0 && errno != EINTR) {
            return; // a full disk, a reader that has gone: there is nobody to tell
        }
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
}

static void
tell_lost(struct log *log, struct ring *ring)
{
    uint64_t lost = atomic_load_explicit(&ring->lost, memory_order_relaxed);
    char line[64];

    if (lost != ring->lost_told) {
        int size = snprintf(line, sizeof(line), "lost %" PRIu64 " lines: no room\n",
                            lost - ring->lost_told);

        write_all(log->fd, line, (size_t)size);
        ring->lost_told = lost;
    }
}

// True: there was something.
static bool
empty_ring(struct log *log, struct ring *ring)
{
    uint64_t put = atomic_load_explicit(&ring->put, memory_order_acquire);
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    size_t begin = (size_t)(taken & (RING_SIZE - 1));
    size_t size = (size_t)(put - taken);

    if (size == 0) {
        tell_lost(log, ring);
        return false;
    }
    if (begin + size > RING_SIZE) { // around the end
        write_all(log->fd, ring->bytes + begin, RING_SIZE - begin);
        write_all(log->fd, ring->bytes, size - (RING_SIZE - begin));
    } else {
        write_all(log->fd, ring->bytes + begin, size);
    }
    atomic_store_explicit(&ring->taken, put, memory_order_release);
    return true;
}

static bool
empty_rings(struct log *log)
{
    bool any = false;

    for (unsigned i = 0; i < log->ring_count; i++) {
        any |= empty_ring(log, &log->rings[i]);
    }
    return any;
}

static int
open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    return fd < 0 ? -errno : fd;
}

static void
reopen(struct log *log)
{
    int fd = log->path == NULL ? -1 : open_file(log->path);

    if (fd >= 0) {
        close(log->fd);
        log->fd = fd;
    } else if (log->path != NULL) {
        complain("cannot open %s again: %s", log->path, strerror(-fd));
    }
}

static void *
write_lines(void *arg)
{
    struct log *log = arg;
    bool is_ending;

    do {
        is_ending = atomic_load(&log->is_ending);
        if (atomic_exchange(&log->reopens, false)) {
            reopen(log);
        }
        if (empty_rings(log) || is_ending) {
            continue;
        }
        // Announce the sleep, then look once more: a line put before that is found here, one put
        // after it finds us asleep.
        atomic_store(&log->is_asleep, true);
        if (!empty_rings(log)) {
            while (sem_wait(&log->work) != 0) {
            }
        }
        atomic_store(&log->is_asleep, false);
    } while (!is_ending);
    while (empty_rings(log)) { // what is lost is told by a ring that has nothing more
    }
    return NULL;
}

static void
wake(struct log *log)
{
    if (atomic_load(&log->is_asleep) && atomic_exchange(&log->is_asleep, false)) {
        sem_post(&log->work);
    }
}

/* ---- the loops' side ---- */

void
log_line(struct log *log, unsigned index, const char *line, size_t size)
{
    struct ring *ring = &log->rings[index % log->ring_count];
    uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    size_t begin = (size_t)(put & (RING_SIZE - 1));
    size_t front = RING_SIZE - begin < size ? RING_SIZE - begin : size;

    if (RING_SIZE - (put - taken) < size + 1) {
        atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
        return;
    }
    memcpy(ring->bytes + begin, line, front);
    memcpy(ring->bytes, line + front, size - front);
    ring->bytes[(put + size) & (RING_SIZE - 1)] = '\n';
    atomic_store(&ring->put, put + size + 1); // before the look at is_asleep
    wake(log);
}

void
log_reopen(struct log *log)
{
    atomic_store(&log->reopens, true);
    wake(log);
}

uint64_t
log_lost(const struct log *log)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < log->ring_count; i++) {
        lost += atomic_load_explicit(&log->rings[i].lost, memory_order_relaxed);
    }
    return lost;
}

/* ---- life ---- */

static void
release(struct log *log)
{
    for (unsigned i = 0; log->rings != NULL && i < log->ring_count; i++) {
        free(log->rings[i].bytes);
    }
    if (log->path != NULL && log->fd >= 0) {
        close(log->fd);
    }
    free(log->rings);
    free(log->path);
    free(log);
}

static int
make_rings(struct log *log)
{
    log->rings = aligned_alloc(alignof(struct ring), log->ring_count * sizeof(struct ring));
    if (log->rings == NULL) {
        return -ENOMEM;
    }
    memset(log->rings, 0, log->ring_count * sizeof(struct ring));
    for (unsigned i = 0; i < log->ring_count; i++) {
        log->rings[i].bytes = malloc(RING_SIZE);
        if (log->rings[i].bytes == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

// The program's signals are for its loops.
static int
start_writer(struct log *log)
{
    sigset_t all;
    sigset_t before;
    int result;

    sem_init(&log->work, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    result = -pthread_create(&log->writer, NULL, write_lines, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

int
log_create(const char *path, unsigned ring_count, struct log **ret_log)
{
    struct log *log = calloc(1, sizeof(*log));
    int result = 0;

    if (log == NULL) {
        return -ENOMEM;
    }
    log->ring_count = ring_count;
    log->fd = STDOUT_FILENO;
    if (strcmp(path, "-") != 0) {
        log->path = strdup(path);
        log->fd = log->path == NULL ? -ENOMEM : open_file(path);
        result = log->fd < 0 ? log->fd : 0;
    }
    if (result == 0) {
        result = make_rings(log);
    }
    if (result == 0) {
        result = start_writer(log);
    }
    if (result < 0) {
        release(log);
        return result;
    }
    *ret_log = log;
    return 0;
}

// Whoever takes the lines may have stopped: an end waits for him so long and no longer.
static bool
has_written_all(struct log *log)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return pthread_timedjoin_np(log->writer, NULL, &until) == 0;
}

void
log_free(struct log *log)
{
    if (log == NULL) {
        return;
    }
    atomic_store(&log->is_ending, true);
    sem_post(&log->work);
    if (!has_written_all(log)) {
        complain("the log is not taken: what is left of it is lost");
        pthread_detach(log->writer); // it has the memory for as long as the program lives
        return;
    }
    sem_destroy(&log->work);
    release(log);
}
