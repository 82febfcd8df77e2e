/* SPDX-License-Identifier: MIT */
#include "watchdog.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)
#define STALL_NS  (20 * SECOND_NS)
#define NAP_NS    4000000
#define DUMP_S    2 // how long a loop may take to answer

void
watchdog_init(struct watchdog *watchdog, struct weir_runtime *runtime)
{
    uint64_t now_ns = weir_now_ns();

    *watchdog = (struct watchdog){runtime, now_ns, now_ns, 0};
}

bool
watchdog_is_stalled(struct watchdog *watchdog, uint64_t progress)
{
    uint64_t now_ns = weir_now_ns();

    if (progress != watchdog->progress) {
        watchdog->progress = progress;
        watchdog->moved_ns = now_ns;
    }
    return now_ns - watchdog->moved_ns > STALL_NS;
}

double
watchdog_seconds(const struct watchdog *watchdog)
{
    return (double)(weir_now_ns() - watchdog->begin_ns) / 1e9;
}

static sem_t dump_is_done; // for good: a loop may answer after we have stopped waiting

static void
print_line(const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "  %s\n", line);
}

static void
dump_here(struct weir_loop *loop, void *arg)
{
    (void)arg;
    weir_dump(loop, print_line, NULL);
    sem_post(&dump_is_done);
}

void
watchdog_dump(struct weir_runtime *runtime)
{
    sem_init(&dump_is_done, 0, 0);
    for (unsigned i = 0; i < weir_runtime_loop_count(runtime); i++) {
        struct timespec until;
        int status = weir_post(weir_runtime_loop(runtime, i), dump_here, NULL);

        fprintf(stderr, "loop %u:\n", i);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += DUMP_S;
        while (status == 0 && sem_timedwait(&dump_is_done, &until) != 0) {
            status = -errno == -EINTR ? 0 : -errno;
        }
        if (status != 0) {
            fprintf(stderr, "  does not answer: %s\n", weir_strerror(status));
        }
    }
}

void
watchdog_nap(void)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};

    nanosleep(&nap, NULL);
}
