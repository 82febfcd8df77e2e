/* SPDX-License-Identifier: MIT */
#include "common/ending.h"

#include "common/program.h"

#include "weir/stats.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define LOOK_NS  (NS_PER_S / 10)

static sem_t something_happened;
static atomic_uint times_asked;
static void (*reopen_log)(void *arg);
static void *reopen_arg;

static void
on_signal(weir_watch watch, int signal, void *arg)
{
    (void)watch;
    (void)arg;
    if (signal == SIGHUP && reopen_log != NULL) {
        reopen_log(reopen_arg);
    } else if (signal == SIGTERM || signal == SIGINT) {
        atomic_fetch_add(&times_asked, 1);
        sem_post(&something_happened);
    }
}

int
ending_begin(struct weir_runtime *runtime, void (*reopen)(void *arg), void *arg)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    weir_watch watch;
    int status;

    sem_init(&something_happened, 0, 0);
    reopen_log = reopen;
    reopen_arg = arg;
    status = weir_signal_start(weir_runtime_loop(runtime, 0), signals, 3, on_signal, NULL, &watch);
    if (status == 0) {
        status = weir_dump_on_signal(runtime, SIGUSR1, program_print, NULL, &watch);
    }
    return status;
}

void
ending_wake(void)
{
    sem_post(&something_happened);
}

void
ending_wait(void)
{
    while (atomic_load(&times_asked) == 0) {
        sem_wait(&something_happened);
    }
}

static void
wait_until(uint64_t deadline_ns)
{
    struct timespec until;
    uint64_t now = weir_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;

    clock_gettime(CLOCK_REALTIME, &until);
    left += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(left / NS_PER_S);
    until.tv_nsec = (long)(left % NS_PER_S);
    while (sem_timedwait(&something_happened, &until) != 0 && errno == EINTR) {
    }
}

bool
ending_drain(uint64_t deadline_ns, bool (*is_over)(void *arg), void *arg)
{
    while (!is_over(arg)) {
        uint64_t look = weir_deadline_after(LOOK_NS);

        if (weir_now_ns() >= deadline_ns || atomic_load(&times_asked) >= 2) {
            return false;
        }
        wait_until(look < deadline_ns ? look : deadline_ns);
    }
    return true;
}
