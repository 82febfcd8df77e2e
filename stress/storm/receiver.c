/* SPDX-License-Identifier: MIT */
#include "receiver.h"

#include "receiver_loop.h"
#include "verdict.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 4096

// In memory of both processes.
struct receiver_shared {
    _Atomic uint64_t messages;
    _Atomic uint64_t bytes;
};

// What the receiver's main function needs, on its side of the fork.
struct receiver_job {
    int control;
    unsigned threads;
    struct receiver_plan plan;
};

static int
open_listener(const struct weir_address *address, struct weir_address *ret_bound)
{
    int fd = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    storm_require(fd >= 0, "socket");
    storm_require(bind(fd, &address->as.any, address->size) == 0, "address to listen on");
    storm_require(listen(fd, BACKLOG) == 0, "listener");
    ret_bound->size = sizeof(ret_bound->as.storage);
    storm_require(getsockname(fd, &ret_bound->as.any, &ret_bound->size) == 0, "local address");
    return fd;
}

static void
open_listeners(struct receiver *receiver, struct receiver_plan *plan, const struct options *options)
{
    struct weir_address address;
    char name[64];

    if ((options->transport & TRANSPORT_TCP) != 0) {
        storm_require(weir_address_ip(&address, "127.0.0.1", 0) == 0, "loopback address");
        plan->listeners[plan->listener_count++] =
            open_listener(&address, &receiver->addresses[receiver->address_count++]);
    }
    if ((options->transport & TRANSPORT_UNIX) != 0) {
        snprintf(name, sizeof(name), "@weir-storm-%d-%llx", (int)getpid(),
                 (unsigned long long)options->seed);
        storm_require(weir_address_unix(&address, name) == 0, "Unix address");
        plan->listeners[plan->listener_count++] =
            open_listener(&address, &receiver->addresses[receiver->address_count++]);
    }
}

// Run the threads until the writer's side says stop.
static void *
receive(void *arg)
{
    struct receiver_job *job = arg;
    pthread_t threads[RECEIVER_THREADS_MAX];
    struct receiver_plan *plan = &job->plan;
    ssize_t got;
    char byte;

    plan->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    storm_require(plan->stop_fd >= 0, "eventfd");
    for (unsigned i = 0; i < job->threads; i++) {
        storm_require(pthread_create(&threads[i], NULL, receiver_loop_run, plan) == 0, "thread");
    }
    do {
        got = recv(job->control, &byte, 1, 0);
    } while (got > 0 || (got < 0 && errno == EINTR));

    storm_require(eventfd_write(plan->stop_fd, 1) == 0, "eventfd");
    for (unsigned i = 0; i < job->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < plan->listener_count; i++) {
        close(plan->listeners[i]);
    }
    close(plan->stop_fd);
    close(job->control);
    free(job);
    return NULL;
}

static void
receive_in_child(struct receiver_job *job, int writers_control)
{
    close(writers_control);
    signal(SIGINT, SIG_IGN); // the writer's process takes it, and its end is ours
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    receive(job);
    fflush(NULL);
    _exit(0);
}

void
receiver_start(struct receiver *receiver, const struct options *options, uint32_t sequence_count)
{
    struct receiver_job *job = calloc(1, sizeof(*job));
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int control[2];

    storm_require(job != NULL, "memory");
    storm_require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0,
                  "socketpair");
    receiver->shared = mmap(NULL, sizeof(*receiver->shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    storm_require(receiver->shared != MAP_FAILED, "shared memory");
    receiver->control = control[0];
    job->control = control[1];
    job->threads = options->receivers != 0 ? options->receivers : (unsigned)processors;
    if (job->threads > RECEIVER_THREADS_MAX) {
        job->threads = RECEIVER_THREADS_MAX;
    }
    job->plan.world.control = control[1];
    job->plan.world.sequence_count = sequence_count;
    job->plan.world.verified_messages = &receiver->shared->messages;
    job->plan.world.verified_bytes = &receiver->shared->bytes;
    open_listeners(receiver, &job->plan, options);
    if (options->is_in_process) {
        storm_require(pthread_create(&receiver->thread, NULL, receive, job) == 0, "thread");
        return;
    }
    fflush(NULL);
    receiver->process = fork();
    storm_require(receiver->process >= 0, "process");
    if (receiver->process == 0) {
        receive_in_child(job, control[0]);
    }
    for (unsigned i = 0; i < job->plan.listener_count; i++) {
        close(job->plan.listeners[i]);
    }
    close(control[1]);
    free(job);
}

bool
receiver_next_report(struct receiver *receiver, struct report *ret_report)
{
    ssize_t got;

    do {
        got = recv(receiver->control, ret_report, sizeof(*ret_report), 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*ret_report);
}

uint64_t
receiver_messages(const struct receiver *receiver)
{
    return atomic_load_explicit(&receiver->shared->messages, memory_order_relaxed);
}

uint64_t
receiver_bytes(const struct receiver *receiver)
{
    return atomic_load_explicit(&receiver->shared->bytes, memory_order_relaxed);
}

const _Atomic uint64_t *
receiver_message_counter(const struct receiver *receiver)
{
    return &receiver->shared->messages;
}

const _Atomic uint64_t *
receiver_byte_counter(const struct receiver *receiver)
{
    return &receiver->shared->bytes;
}

void
receiver_ask_to_stop(struct receiver *receiver)
{
    shutdown(receiver->control, SHUT_WR);
}

bool
receiver_join(struct receiver *receiver)
{
    bool is_well = true;

    if (receiver->process == 0) {
        pthread_join(receiver->thread, NULL);
    } else {
        int status = 0;
        pid_t ended;

        do {
            ended = waitpid(receiver->process, &status, 0);
        } while (ended < 0 && errno == EINTR);
        is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    close(receiver->control);
    munmap(receiver->shared, sizeof(*receiver->shared));
    return is_well;
}

void
receiver_kill(struct receiver *receiver)
{
    if (receiver->process > 0) {
        kill(receiver->process, SIGKILL);
    }
}
