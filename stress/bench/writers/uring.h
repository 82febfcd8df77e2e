/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_URING_H
#define BENCH_WRITERS_URING_H

// Writes from foreign threads, by hand on io_uring: the queue and the gathering of the epoll form;
// the sends of all connections go to the kernel in one call. An eventfd, which the ring reads,
// wakes the loop when it sleeps.

#include "lib/net.h"
#include "lib/uring.h"
#include "writers/gather.h"
#include "writers/inbox.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAKE_MAX 1024 // writes from the inbox in one turn

struct connection {
    int fd;
    struct pending pending;
    bool is_dirty;   // in loop.dirty
    bool is_sending; // a send is the kernel's: message, pieces and flat too
    struct msghdr message;
    struct iovec pieces[PIECES_MAX];
    char flat[FLAT_SIZE];
};

static struct {
    // Set before the threads start.
    pthread_t thread;
    int wake_fd;
    unsigned connection_count;
    struct connection *connections;

    struct inbox inbox;
    _Alignas(CACHE_LINE) uint32_t is_parked; // the loop and producers
    uint32_t is_stopping;
    struct bench_counts counts; // wakes: atomic, the producers'

    // The loop only.
    _Alignas(CACHE_LINE) struct io_uring ring;
    struct connection **dirty;
    unsigned dirty_count;
    struct finished finished;
    uint64_t wake_value;
} loop;

static void
wake_loop(void)
{
    uint64_t one = 1;

    bench_write_all(loop.wake_fd, &one, sizeof(one));
}

// Any producer. As in the epoll form: the two fences, and one producer of many pays.
static void
uring_submit(struct bench_write *write)
{
    inbox_put(&loop.inbox, (struct queued *)write);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&loop.is_parked, __ATOMIC_RELAXED) != 0 &&
        __atomic_exchange_n(&loop.is_parked, 0, __ATOMIC_RELAXED) != 0) {
        __atomic_fetch_add(&loop.counts.wakes, 1, __ATOMIC_RELAXED);
        wake_loop();
    }
}

static void
mark_dirty(struct connection *connection)
{
    if (!connection->is_dirty && !connection->is_sending) {
        connection->is_dirty = true;
        loop.dirty[loop.dirty_count++] = connection;
    }
}

static void
loop_take_writes(void)
{
    struct queued *queued;

    for (unsigned i = 0; i < TAKE_MAX && (queued = inbox_next(&loop.inbox)) != NULL; i++) {
        struct connection *connection = &loop.connections[queued->write.connection];

        pending_append(&connection->pending, queued);
        mark_dirty(connection);
    }
}

static void
connection_send(struct connection *connection)
{
    struct io_uring_sqe *submission = bench_uring_submission(&loop.ring);
    size_t size;
    int count = pending_gather(&connection->pending, connection->flat, connection->pieces, &size);

    if (count == 1) {
        io_uring_prep_send(submission, connection->fd, connection->pieces[0].iov_base, size,
                           MSG_NOSIGNAL | MSG_WAITALL);
    } else {
        connection->message = (struct msghdr){
            .msg_iov = connection->pieces,
            .msg_iovlen = (size_t)count,
        };
        io_uring_prep_sendmsg(submission, connection->fd, &connection->message,
                              MSG_NOSIGNAL | MSG_WAITALL);
    }
    io_uring_sqe_set_data(submission, connection);
    connection->is_sending = true;
    loop.counts.sends++;
}

static void
loop_send_dirty(void)
{
    for (unsigned i = 0; i < loop.dirty_count; i++) {
        loop.dirty[i]->is_dirty = false;
        connection_send(loop.dirty[i]);
    }
    loop.dirty_count = 0;
}

static void
read_wakes(void)
{
    struct io_uring_sqe *submission = bench_uring_submission(&loop.ring);

    io_uring_prep_read(submission, loop.wake_fd, &loop.wake_value, sizeof(loop.wake_value), 0);
    io_uring_sqe_set_data(submission, &loop.wake_value);
}

static void
loop_reap(void)
{
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&loop.ring, head, completion)
    {
        void *owner = io_uring_cqe_get_data(completion);

        count++;
        errno = -completion->res;
        bench_require(completion->res >= 0, "an io_uring operation");
        if (owner == &loop.wake_value) {
            read_wakes();
        } else {
            struct connection *connection = owner;

            connection->is_sending = false;
            pending_finish(&connection->pending, (size_t)completion->res, &loop.finished);
            if (connection->pending.oldest != NULL) {
                mark_dirty(connection);
            }
        }
    }
    io_uring_cq_advance(&loop.ring, count);
}

// Hands the submissions to the kernel, and waits if there was nothing to do.
static void
loop_enter(bool is_idle)
{
    int status;

    if (!is_idle) {
        status = io_uring_submit_and_get_events(&loop.ring);
        bench_require(status >= 0 || status == -EINTR, "io_uring_submit_and_get_events");
        return;
    }
    __atomic_store_n(&loop.is_parked, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (inbox_is_empty(&loop.inbox) && !__atomic_load_n(&loop.is_stopping, __ATOMIC_RELAXED)) {
        loop.counts.sleeps++;
        status = io_uring_submit_and_wait(&loop.ring, 1);
        bench_require(status >= 0 || status == -EINTR, "io_uring_submit_and_wait");
    }
    __atomic_store_n(&loop.is_parked, 0, __ATOMIC_RELAXED);
}

static void *
loop_run(void *arg)
{
    bench_uring_open(&loop.ring);
    read_wakes();
    while (!__atomic_load_n(&loop.is_stopping, __ATOMIC_RELAXED)) {
        loop_take_writes();
        bool is_idle = loop.dirty_count == 0 && inbox_is_empty(&loop.inbox);
        loop_send_dirty();
        loop_enter(is_idle);
        loop_reap();
        finished_hand_back(&loop.finished);
    }
    io_uring_queue_exit(&loop.ring);
    return arg;
}

static void
uring_open(const struct bench_target *target)
{
    loop.connection_count = target->connections;
    loop.connections = calloc(loop.connection_count, sizeof(*loop.connections));
    loop.dirty = calloc(loop.connection_count, sizeof(*loop.dirty));
    bench_require(loop.connections != NULL && loop.dirty != NULL, "calloc");
    for (unsigned i = 0; i < loop.connection_count; i++) {
        loop.connections[i].fd = bench_connect(target->port);
    }
    inbox_init(&loop.inbox, INBOX_STACK, target->producers, target->window);
    loop.wake_fd = eventfd(0, EFD_CLOEXEC); // blocking: else the ring's read would not wait
    bench_require(loop.wake_fd >= 0, "eventfd");
    finished_init(&loop.finished);
    errno = pthread_create(&loop.thread, NULL, loop_run, NULL);
    bench_require(errno == 0, "pthread_create");
}

static void
uring_close(void)
{
    __atomic_store_n(&loop.is_stopping, 1, __ATOMIC_RELAXED);
    wake_loop();
    pthread_join(loop.thread, NULL);
    for (unsigned i = 0; i < loop.connection_count; i++) {
        close(loop.connections[i].fd);
    }
    close(loop.wake_fd);
    free(loop.connections);
    free(loop.dirty);
    inbox_fini(&loop.inbox);
}

static struct bench_counts
uring_counts(void)
{
    return loop.counts;
}

static const struct bench_backend uring_backend = {
    .name = "uring",
    .write_size = sizeof(struct queued),
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .counts = uring_counts,
};

#endif /* BENCH_WRITERS_URING_H */
