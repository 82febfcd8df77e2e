/* SPDX-License-Identifier: MIT */
// A producer's life: its loop or timer, its slots, waiting and waking.

#include "producer.h"

#include "produce.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BYTES_MAX    ((size_t)8 * 1024 * 1024) // in flight, of one producer
#define FAILURES_MAX 32u                       // in a row, before it rests
#define REST_NS      1000000
#define WAIT_NS      20000000
#define BURST        48u // messages of a loop's timer
#define BURST_NS     1000000
#define DUMPED_MAX   16u // writes described of each

void
producer_init(struct producer *producer, struct storm *storm, unsigned index,
              struct weir_loop *loop)
{
    unsigned depth = storm->options->depth;

    producer->storm = storm;
    producer->index = index;
    producer->loop = loop;
    producer->depth = depth;
    producer->slots = calloc(depth, sizeof(*producer->slots));
    producer->places = calloc(storm->options->connections, sizeof(*producer->places));
    storm_require(producer->slots != NULL && producer->places != NULL, "memory");
    for (unsigned i = 0; i < depth; i++) {
        producer->slots[i].producer = producer;
        producer->slots[i].next = producer->free;
        producer->free = &producer->slots[i];
    }
    random_init(&producer->random, storm->options->seed, UINT64_C(0x22220000) + index);
    canceller_init(&producer->canceller, storm, &producer->counters, UINT64_C(0x33330000) + index);
    sem_init(&producer->may_go_on, 0, 0);
}

void
producer_fini(struct producer *producer)
{
    produce_reap(producer);
    canceller_fini(&producer->canceller);
    sem_destroy(&producer->may_go_on);
    free(producer->slots);
    free(producer->places);
}

void
producer_wake(struct producer *producer)
{
    if (atomic_load(&producer->is_waiting) && atomic_exchange(&producer->is_waiting, false)) {
        sem_post(&producer->may_go_on);
    }
}

void
producer_wake_all(struct storm *storm)
{
    for (unsigned i = 0; i < storm->producer_count; i++) {
        producer_wake(&storm->producers[i]);
    }
}

bool
producer_is_done(const struct producer *producer)
{
    return atomic_load(&producer->has_ended) && atomic_load(&producer->outstanding) == 0;
}

void
producer_dump(const struct producer *producer)
{
    unsigned left = DUMPED_MAX;

    fprintf(stderr, "producer %u: %u outstanding, %zu bytes\n", producer->index,
            atomic_load(&producer->outstanding), atomic_load(&producer->outstanding_bytes));
    for (unsigned i = 0; i < producer->depth && left > 0; i++) {
        const struct message *message = &producer->slots[i];
        const struct link *link = message->link;

        if (!message->is_in_flight || message->status != MESSAGE_PENDING) {
            continue;
        }
        fprintf(
            stderr,
            "  write %016llx of %zu bytes on link %u (traits 0x%x, stream %016llx, modes asked "
            "0x%x, arrived 0x%x): memory %d, flags 0x%x, level %d, tear %d, cancel answered %d\n",
            (unsigned long long)message->op.bits, message->part_size, link->id, link->traits,
            (unsigned long long)link_stream(link).bits, atomic_load(&link->asked),
            atomic_load(&link->arrived), (int)message->memory, message->flags, (int)message->level,
            (int)message->tear, message->answer);
        left--;
    }
}

// Sleep until woken; the bound is for wakes that nobody owes, as when a refusal was not ours.
static void
wait_ns(struct producer *producer, long delay_ns)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += delay_ns;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    atomic_store(&producer->is_waiting, true);
    if (atomic_load(&producer->returned) == NULL) {
        (void)sem_timedwait(&producer->may_go_on, &until); // early is no harm
    }
    if (!atomic_exchange(&producer->is_waiting, false)) {
        (void)sem_trywait(&producer->may_go_on); // the post that comes with the wake
    }
}

static bool
is_full(const struct producer *producer)
{
    if (producer->unfinished != NULL) {
        return false;
    }
    return producer->free == NULL || atomic_load(&producer->outstanding_bytes) > BYTES_MAX;
}

static void *
run(void *arg)
{
    struct producer *producer = arg;
    struct storm *storm = producer->storm;

    while (!atomic_load_explicit(&storm->is_ending, memory_order_relaxed)) {
        produce_reap(producer);
        if (is_full(producer)) {
            wait_ns(producer, WAIT_NS);
            continue;
        }
        produce_one(producer);
        if (producer->failures >= FAILURES_MAX) {
            producer->failures = 0;
            wait_ns(producer, REST_NS);
        }
    }
    atomic_store(&producer->has_ended, true);
    while (!producer_is_done(producer)) { // reads what completes, so that nothing waits for room
        produce_reap(producer);
        wait_ns(producer, REST_NS);
    }
    return NULL;
}

static void start_timer(struct producer *producer);

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct producer *producer = arg;

    (void)loop;
    if (atomic_load(&producer->storm->is_ending) || status != 0) {
        atomic_store(&producer->has_ended, true);
        return;
    }
    for (unsigned i = 0; i < BURST; i++) {
        produce_reap(producer);
        if (is_full(producer)) {
            break;
        }
        produce_one(producer);
    }
    start_timer(producer);
}

static void
start_timer(struct producer *producer)
{
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(BURST_NS),
        .fn = on_timer,
        .arg = producer,
    };
    int status = weir_timer_start(producer->loop, &timer, NULL);

    if (status != 0) {
        storm_broke("a timer could not be started: %s", weir_strerror(status));
        atomic_store(&producer->has_ended, true);
    }
}

void
producer_start(struct producer *producer)
{
    if (producer->loop != NULL) {
        start_timer(producer);
        return;
    }
    storm_require(pthread_create(&producer->thread, NULL, run, producer) == 0, "thread");
}
