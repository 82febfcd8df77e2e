/* SPDX-License-Identifier: MIT */
#include "crowd.h"

#include "crowd_loop.h"
#include "descriptors.h"
#include "verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_SPARE 128u

static unsigned
count_clients(const struct crowd_plan *plan)
{
    unsigned count = 0;

    for (unsigned i = 0; i < plan->group_count; i++) {
        count += plan->groups[i].clients;
    }
    return count;
}

// Run the threads until every client has gone.
static void *
run_crowd(void *arg)
{
    struct crowd *crowd = arg;
    struct crowd_loop *loops = calloc(crowd->plan.threads, sizeof(*loops));

    storm_require(loops != NULL, "memory");
    for (unsigned i = 0; i < crowd->plan.threads; i++) {
        crowd_loop_start(&loops[i], crowd, i);
    }
    for (unsigned i = 0; i < crowd->plan.threads; i++) {
        crowd_loop_join(&loops[i]);
    }
    free(loops);
    return NULL;
}

static _Noreturn void
run_child(struct crowd *crowd)
{
    signal(SIGINT, SIG_IGN); // the other process takes it, and its end is ours
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_crowd(crowd);
    fflush(NULL);
    _exit(0);
}

void
crowd_start(struct crowd *crowd, const struct crowd_plan *plan, enum server_place place)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned ends = place == SERVER_PROCESS ? 2 : 1; // of each connection, in one process

    *crowd = (struct crowd){.plan = *plan, .client_count = count_clients(plan)};
    if (crowd->plan.threads == 0) {
        crowd->plan.threads = (unsigned)processors;
    }
    if (crowd->plan.threads > CROWD_THREADS_MAX) {
        crowd->plan.threads = CROWD_THREADS_MAX;
    }
    descriptors_want(ends * crowd->client_count + DESCRIPTORS_SPARE);
    crowd->shared_size =
        sizeof(*crowd->shared) + crowd->client_count * sizeof(crowd->shared->accounts[0]);
    crowd->shared = mmap(NULL, crowd->shared_size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    storm_require(crowd->shared != MAP_FAILED, "shared memory");
    crowd->shared->is_foreign = place == SERVER_ADDRESS;
    fflush(NULL);
    if (place == SERVER_FORK) {
        crowd->process = fork();
        storm_require(crowd->process >= 0, "process");
        if (crowd->process == 0) {
            run_child(crowd);
        }
        return;
    }
    storm_require(pthread_create(&crowd->thread, NULL, run_crowd, crowd) == 0, "thread");
}

void
crowd_set_address(struct crowd *crowd, const struct weir_address *address)
{
    storm_require(crowd->shared->address_count < CROWD_ADDRESSES_MAX, "room for an address");
    crowd->shared->addresses[crowd->shared->address_count++] = *address;
}

void
crowd_enter(struct crowd *crowd, enum crowd_phase phase)
{
    atomic_store(&crowd->shared->begin_ns[phase], weir_now_ns());
    atomic_store(&crowd->shared->phase, phase);
}

// --- Sums ----------------------------------------------------------------------------------------

#define SUM(field)                                                                          \
    uint64_t sum = 0;                                                                       \
                                                                                            \
    for (unsigned i = 0; i < crowd->plan.threads; i++) {                                    \
        sum += atomic_load_explicit(&crowd->shared->counts[i].field, memory_order_relaxed); \
    }                                                                                       \
    return sum

uint64_t
crowd_messages(const struct crowd *crowd)
{
    SUM(messages);
}

uint64_t
crowd_group_messages(const struct crowd *crowd, unsigned group)
{
    SUM(group_messages[group]);
}

uint64_t
crowd_bytes(const struct crowd *crowd)
{
    SUM(bytes);
}

uint64_t
crowd_connections(const struct crowd *crowd)
{
    SUM(connections);
}

uint64_t
crowd_connected(const struct crowd *crowd)
{
    SUM(connected);
}

uint64_t
crowd_closes(const struct crowd *crowd)
{
    SUM(closes);
}

uint64_t
crowd_resets(const struct crowd *crowd)
{
    SUM(resets);
}

uint64_t
crowd_unsent(const struct crowd *crowd)
{
    SUM(unsent);
}

void
crowd_latency(const struct crowd *crowd, unsigned group, unsigned run, struct histogram *ret_sum)
{
    for (unsigned i = 0; i < crowd->plan.threads; i++) {
        histogram_merge(ret_sum, &crowd->shared->counts[i].latency[group][run]);
    }
}

void
crowd_show(const struct crowd *crowd, struct live *live)
{
    for (unsigned i = 0; i < crowd->plan.threads; i++) {
        const struct crowd_counts *counts = &crowd->shared->counts[i];

        live_add_count(live, LIVE_MESSAGES, &counts->messages);
        live_add_count(live, LIVE_BYTES, &counts->bytes);
        live_add_count(live, LIVE_CONNECTIONS, &counts->connections);
        live_add_count(live, LIVE_CLOSES, &counts->closes);
        for (unsigned run = 0; run < CROWD_RUNS; run++) {
            live_add_latency(live, "latency", &counts->latency[0][run]);
        }
    }
}

// --- The end -------------------------------------------------------------------------------------

// Its process ended: well, because it had no room to test, or as nobody wished.
static void
look_at_end(struct crowd *crowd, int status)
{
    crowd->process = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        exit(2); // it has said why
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        storm_broke("the clients' process did not end well");
        atomic_store(&crowd->shared->threads_done, crowd->plan.threads);
    }
}

bool
crowd_is_done(struct crowd *crowd)
{
    int status;

    if (crowd->process > 0 && waitpid(crowd->process, &status, WNOHANG) == crowd->process) {
        look_at_end(crowd, status);
    }
    return atomic_load(&crowd->shared->threads_done) == crowd->plan.threads;
}

void
crowd_kill(const struct crowd *crowd)
{
    if (crowd->process > 0) {
        kill(crowd->process, SIGKILL);
    }
}

void
crowd_join(struct crowd *crowd)
{
    int status = 0;

    if (crowd->process == 0) {
        pthread_join(crowd->thread, NULL);
    } else if (crowd->process > 0) { // else it has been waited for
        while (waitpid(crowd->process, &status, 0) < 0 && errno == EINTR) {
        }
        look_at_end(crowd, status);
    }
}

void
crowd_free(struct crowd *crowd)
{
    munmap(crowd->shared, crowd->shared_size);
}
