/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WRITERS_MUTEX_SEND_H
#define BENCH_WRITERS_MUTEX_SEND_H

// No loop: every producer calls send() itself, under the connection's mutex.

#include "lib/fail.h"
#include "lib/net.h"
#include "lib/writers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct locked_connection {
    _Alignas(64) pthread_mutex_t mutex;
    int fd;
    uint64_t send_calls;
};

static struct {
    unsigned count;
    struct locked_connection *connections;
} locked;

static void
mutex_send_open(const struct bench_target *target)
{
    locked.count = target->connections;
    locked.connections = aligned_alloc(64, locked.count * sizeof(*locked.connections));
    bench_require(locked.connections != NULL, "aligned_alloc");
    for (unsigned i = 0; i < locked.count; i++) {
        locked.connections[i] = (struct locked_connection){.fd = bench_connect(target->port)};
        pthread_mutex_init(&locked.connections[i].mutex, NULL);
    }
}

static void
mutex_send_close(void)
{
    for (unsigned i = 0; i < locked.count; i++) {
        close(locked.connections[i].fd);
        pthread_mutex_destroy(&locked.connections[i].mutex);
    }
    free(locked.connections);
}

static void
mutex_send_submit(struct bench_write *write)
{
    struct locked_connection *connection = &locked.connections[write->connection];
    size_t sent = 0;

    pthread_mutex_lock(&connection->mutex);
    while (sent < write->size) {
        ssize_t taken = send(connection->fd, write->data + sent, write->size - sent, MSG_NOSIGNAL);

        bench_require(taken > 0 || errno == EINTR, "send");
        sent += taken > 0 ? (size_t)taken : 0;
        connection->send_calls++;
    }
    pthread_mutex_unlock(&connection->mutex);
    bench_write_done(write);
}

static struct bench_counts
mutex_send_counts(void)
{
    struct bench_counts counts = {0};

    for (unsigned i = 0; i < locked.count; i++) {
        counts.sends += locked.connections[i].send_calls;
    }
    return counts;
}

#endif /* BENCH_WRITERS_MUTEX_SEND_H */
