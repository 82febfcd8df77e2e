/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_EPOLL_H
#define BENCH_WRITERS_EPOLL_H

// Writes from foreign threads, by hand on epoll: the practical limit. A queue to the loop, an
// eventfd written only when the loop sleeps, one writev() for what a connection has waiting, with
// small pieces copied flat, and completions last. --queue chooses the queue; mutex-send does
// without a loop.

#include "lib/fail.h"
#include "lib/net.h"
#include "writers/gather.h"
#include "writers/inbox.h"
#include "writers/mutex_send.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define TAKE_MAX   1024 // writes from the inbox in one turn

struct connection {
    int fd;
    struct pending pending;
    bool is_dirty;   // in loop.dirty
    bool is_blocked; // the kernel took not everything: waits for EPOLLOUT
};

static struct {
    // Set before the threads start.
    bool is_mutex_send;
    pthread_t thread;
    int poller;
    int wake_fd;
    unsigned connection_count;
    struct connection *connections;

    struct inbox inbox;
    _Alignas(CACHE_LINE) uint32_t is_parked; // the loop and producers
    uint32_t is_stopping;

    // The loop only.
    _Alignas(CACHE_LINE) struct connection **dirty;
    unsigned dirty_count;
    unsigned blocked_count;
    struct finished finished;   // sent in this turn
    struct bench_counts counts; // wakes: atomic, the producers'
    char flat[FLAT_SIZE];
} loop;

static const char *const queue_names[] = {"stack", "vyukov",     "spsc", "mpsc-ring",
                                          "mutex", "mutex-send", NULL};

static void
wake_loop(void)
{
    uint64_t one = 1;

    bench_write_all(loop.wake_fd, &one, sizeof(one));
}

// Any producer. The fence here and the one in loop_park() make sure that the producer sees the loop
// parked, or the loop sees the write. The exchange makes one producer of many pay for the wake.
static void
wake_loop_if_parked(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&loop.is_parked, __ATOMIC_RELAXED) != 0 &&
        __atomic_exchange_n(&loop.is_parked, 0, __ATOMIC_RELAXED) != 0) {
        __atomic_fetch_add(&loop.counts.wakes, 1, __ATOMIC_RELAXED);
        wake_loop();
    }
}

static void
epoll_submit(struct bench_write *write)
{
    if (loop.is_mutex_send) {
        mutex_send_submit(write);
        return;
    }
    inbox_put(&loop.inbox, (struct queued *)write);
    wake_loop_if_parked();
}

static void
mark_dirty(struct connection *connection)
{
    if (!connection->is_dirty && !connection->is_blocked) {
        connection->is_dirty = true;
        loop.dirty[loop.dirty_count++] = connection;
    }
}

static void
loop_take_writes(void)
{
    for (unsigned i = 0; i < TAKE_MAX; i++) {
        struct queued *queued = inbox_next(&loop.inbox);

        if (queued == NULL) {
            return;
        }
        struct connection *connection = &loop.connections[queued->write.connection];
        pending_append(&connection->pending, queued);
        mark_dirty(connection);
    }
}

static void
connection_flush(struct connection *connection)
{
    struct iovec pieces[PIECES_MAX];
    size_t offered;
    int count = pending_gather(&connection->pending, loop.flat, pieces, &offered);

    ssize_t taken = writev(connection->fd, pieces, count);
    loop.counts.sends++;
    bench_require(taken >= 0 || errno == EAGAIN, "writev");
    if (taken > 0) {
        pending_finish(&connection->pending, (size_t)taken, &loop.finished);
    }
    if (taken < 0 || (size_t)taken < offered) {
        connection->is_blocked = true;
        loop.blocked_count++;
    }
}

static void
loop_flush_dirty(void)
{
    unsigned count = loop.dirty_count;

    loop.dirty_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct connection *connection = loop.dirty[i];

        connection->is_dirty = false;
        connection_flush(connection);
        if (connection->pending.oldest != NULL) {
            mark_dirty(connection); // never overtakes i: each puts back one at most
        }
    }
}

static void
loop_poll(int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(loop.poller, events, EVENTS_MAX, timeout_ms);

    bench_require(ready >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;

        if (connection != NULL && connection->is_blocked) {
            connection->is_blocked = false;
            loop.blocked_count--;
            mark_dirty(connection);
        }
    }
}

static void
loop_park(void)
{
    __atomic_store_n(&loop.is_parked, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (inbox_is_empty(&loop.inbox) && !__atomic_load_n(&loop.is_stopping, __ATOMIC_RELAXED)) {
        loop.counts.sleeps++;
        loop_poll(-1);
    }
    __atomic_store_n(&loop.is_parked, 0, __ATOMIC_RELAXED);
}

static void *
loop_run(void *arg)
{
    while (!__atomic_load_n(&loop.is_stopping, __ATOMIC_RELAXED)) {
        if (loop.dirty_count == 0 && inbox_is_empty(&loop.inbox)) {
            loop_park();
        } else if (loop.blocked_count > 0) {
            loop_poll(0);
        }
        loop_take_writes();
        loop_flush_dirty();
        finished_hand_back(&loop.finished);
    }
    return arg;
}

static void
watch(int fd, uint32_t events, struct connection *connection)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    bench_require(epoll_ctl(loop.poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void
open_connections(const struct bench_target *target)
{
    loop.connection_count = target->connections;
    loop.connections = calloc(loop.connection_count, sizeof(*loop.connections));
    loop.dirty = calloc(loop.connection_count, sizeof(*loop.dirty));
    bench_require(loop.connections != NULL && loop.dirty != NULL, "calloc");
    for (unsigned i = 0; i < loop.connection_count; i++) {
        loop.connections[i].fd = bench_connect(target->port);
        bench_set_nonblocking(loop.connections[i].fd);
        watch(loop.connections[i].fd, EPOLLOUT | EPOLLET, &loop.connections[i]);
    }
}

static enum inbox_kind
inbox_kind_named(const char *name)
{
    unsigned kind = 0;

    while (strcmp(queue_names[kind], name) != 0) {
        kind++;
    }
    return (enum inbox_kind)kind;
}

static void
epoll_open(const struct bench_target *target)
{
    loop.is_mutex_send = strcmp(target->variant, "mutex-send") == 0;
    if (loop.is_mutex_send) {
        mutex_send_open(target);
        return;
    }
    inbox_init(&loop.inbox, inbox_kind_named(target->variant), target->producers, target->window);
    loop.poller = epoll_create1(EPOLL_CLOEXEC);
    loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bench_require(loop.poller >= 0 && loop.wake_fd >= 0, "epoll_create1 or eventfd");
    watch(loop.wake_fd, EPOLLIN | EPOLLET, NULL); // edges: nobody needs to read it
    open_connections(target);
    finished_init(&loop.finished);
    errno = pthread_create(&loop.thread, NULL, loop_run, NULL);
    bench_require(errno == 0, "pthread_create");
}

static void
epoll_close(void)
{
    if (loop.is_mutex_send) {
        mutex_send_close();
        return;
    }
    __atomic_store_n(&loop.is_stopping, 1, __ATOMIC_RELAXED);
    wake_loop();
    pthread_join(loop.thread, NULL);
    for (unsigned i = 0; i < loop.connection_count; i++) {
        close(loop.connections[i].fd);
    }
    close(loop.poller);
    close(loop.wake_fd);
    free(loop.connections);
    free(loop.dirty);
    inbox_fini(&loop.inbox);
}

static struct bench_counts
epoll_counts(void)
{
    return loop.is_mutex_send ? mutex_send_counts() : loop.counts;
}

static const struct bench_backend epoll_backend = {
    .name = "epoll",
    .variant_option = "queue",
    .variants = queue_names,
    .write_size = sizeof(struct queued),
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .counts = epoll_counts,
};

#endif /* BENCH_WRITERS_EPOLL_H */
