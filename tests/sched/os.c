// SPDX-License-Identifier: MIT
// The kernel under the scenarios: what loops wait on, threads that are fibers, and a clock that
// stands still, so that no timer ever makes up for a wake-up that was lost.

#include "runtime/os.h"
#include "runtime/os_names.h"

#include "mem/os.h"
#include "tests/sched/sched.h"
#include "tests/sched/sockets.h"

#include <errno.h>

#define LOOPS_MAX 2
#define FIRST_FD  100

// A loop's poller and its wake descriptor have the same place, whose number is in both.
static struct {
    void *tag;        // of the wake descriptor
    unsigned written; // by wakers
    unsigned seen;    // edge-triggered
} places[LOOPS_MAX];
static int pollers, wakes;
static unsigned sleepers_woken;

int
wi_os_poller_create(void)
{
    sched_check(pollers < LOOPS_MAX);
    return FIRST_FD + pollers++;
}

int
wi_os_wake_create(void)
{
    sched_check(wakes < LOOPS_MAX);
    return FIRST_FD + wakes++;
}

int
wi_os_poll_add(int poller, int fd, uint32_t events, void *tag)
{
    if (sockets_owns(fd)) {
        return sockets_watch(poller, fd, events, tag);
    }
    sched_check((events & EPOLLET) && poller == fd);
    places[poller - FIRST_FD].tag = tag;
    return 0;
}

static bool
is_written(int poller)
{
    return places[poller - FIRST_FD].written != places[poller - FIRST_FD].seen;
}

static bool
is_ready(void *arg)
{
    const int *poller = arg;

    return is_written(*poller) || sockets_are_ready(*poller);
}

int
wi_os_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms)
{
    int ready = 0;

    sched_check(capacity > 1);
    sched_point();
    if (!is_ready(&poller)) {
        if (timeout_ms == 0) {
            return 0;
        }
        sched_drain(); // the kernel takes a lock before it sleeps
        sched_wait(is_ready, &poller);
    }
    if (is_written(poller)) {
        places[poller - FIRST_FD].seen = places[poller - FIRST_FD].written;
        events[ready++] =
            (struct epoll_event){.events = EPOLLIN, .data.ptr = places[poller - FIRST_FD].tag};
    }
    return ready + sockets_take_ready(poller, events + ready, capacity - ready);
}

void
wi_os_wake(int wake_fd)
{
    sched_point();
    sched_drain();
    places[wake_fd - FIRST_FD].written++;
}

void
wi_os_wake_clear(int wake_fd)
{
    places[wake_fd - FIRST_FD].seen = places[wake_fd - FIRST_FD].written;
}

uint64_t
wi_os_now_ns(void)
{
    return UINT64_C(1000000000);
}

void
wi_os_yield(void)
{
    sched_yield_to_others();
}

/* ---- the futex ---- */

static bool
sleepers_moved(void *arg)
{
    const unsigned *before = arg;

    return sleepers_woken != *before;
}

void
wi_os_sleep(const void *word, uint32_t value, uint64_t deadline_ns)
{
    unsigned before;

    (void)deadline_ns;
    sched_point();
    sched_drain();
    before = sleepers_woken;
    if (sched_peek(word, sizeof(value)) == value) {
        sched_wait(sleepers_moved, &before);
    }
}

void
wi_os_wake_sleepers(const void *word)
{
    (void)word;
    sched_point();
    sched_drain();
    sleepers_woken++;
}

/* ---- threads ---- */

int
wi_os_thread_start(void **ret_thread, void *(*body)(void *), void *arg)
{
    *ret_thread = (void *)(uintptr_t)sched_start_loop(body, arg);
    return 0;
}

static bool
has_ended(void *arg)
{
    return sched_join((unsigned)(uintptr_t)arg);
}

void
wi_os_thread_detach(void *thread)
{
    (void)thread; // no thread that could be left behind is ever started here
}

void
wi_os_thread_join(void *thread)
{
    sched_wait(has_ended, thread);
}

int
wi_os_at_fork_child(void (*hook)(void))
{
    (void)hook;
    return 0;
}

int
wi_os_pin(unsigned index)
{
    (void)index;
    return 0;
}

unsigned
wi_os_processors(void)
{
    return 1;
}

int
wi_os_close(int fd)
{
    if (sockets_owns(fd)) {
        sockets_close(fd);
    }
    return 0;
}

int
wi_os_poll_modify(int poller, int fd, uint32_t events, void *tag)
{
    return sockets_rewatch(poller, fd, events, tag);
}

int
wi_os_poll_remove(int poller, int fd)
{
    (void)poller;
    return sockets_forget(fd);
}

/* ---- what no scenario does ---- */

int
wi_os_service_port(const char *name, uint16_t *ret_port)
{
    (void)name, (void)ret_port;
    return -ENOENT;
}

int
wi_os_interface_index(const char *name, uint32_t *ret_index)
{
    (void)name, (void)ret_index;
    return -ENODEV;
}

int
wi_os_signal_create(const int *signals, unsigned count)
{
    (void)signals, (void)count;
    return -ENOTSUP;
}

int
wi_os_signal_take(int fd)
{
    (void)fd;
    return -ENOTSUP;
}

/* ---- memory ---- */

int
wi_os_memory_give_back(void *memory, size_t size)
{
    sched_lose(memory, size);
    return 0;
}
