/* SPDX-License-Identifier: MIT */
#include "crowd_loop.h"

#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX     256
#define BUFFER_SIZE    ((size_t)256 * 1024)
#define SLOW_SIZE      4096u // a slow client reads so much, so seldom
#define SLOW_NS        UINT64_C(5000000)
#define LOOK_NS        UINT64_C(20000000) // how long a change of phase may go unseen
#define CONNECTING_MAX 256u
#define DUE_MAX        1024u // messages sent in a row when they are late: what comes is read too
#define RANDOM_STREAM  UINT64_C(0x55550000)

const struct crowd_group *
crowd_loop_group(const struct crowd_loop *loop, unsigned group)
{
    return &loop->crowd->plan.groups[group];
}

void
crowd_loop_watch(const struct crowd_loop *loop, int fd, uint32_t before, uint32_t events,
                 const void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)owner};
    int operation = before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    storm_require(epoll_ctl(loop->poller, operation, fd, &event) == 0, "epoll_ctl");
}

// --- Open loops ----------------------------------------------------------------------------------

uint64_t
schedule_due_ns(const struct schedule *schedule, uint64_t number, unsigned position)
{
    double index = (double)number * schedule->client_count + position;

    return schedule->begin_ns + (uint64_t)(index * schedule->interval_ns);
}

static void
start_schedule(struct crowd_loop *loop, unsigned index)
{
    const struct crowd_group *group = crowd_loop_group(loop, index);
    struct schedule *schedule = &loop->schedules[index];

    if (group->rate <= 0 || group->clients == 0) {
        return;
    }
    schedule->clients = calloc(loop->client_count + 1, sizeof(struct client *));
    storm_require(schedule->clients != NULL, "memory");
    for (unsigned i = 0; i < loop->client_count; i++) {
        if (loop->clients[i].group == index) {
            loop->clients[i].position = schedule->client_count;
            schedule->clients[schedule->client_count++] = &loop->clients[i];
        }
    }
    if (schedule->client_count > 0) {
        schedule->interval_ns = 1e9 * group->clients / (group->rate * schedule->client_count);
    }
}

// Send what is due; how long until the next is.
static uint64_t
turn_schedule(struct crowd_loop *loop, unsigned index)
{
    struct schedule *schedule = &loop->schedules[index];

    if (schedule->client_count == 0 || loop->phase < crowd_loop_group(loop, index)->begins ||
        loop->phase >= CROWD_ENDS) {
        return UINT64_MAX;
    }
    if (schedule->begin_ns == 0) {
        schedule->begin_ns =
            atomic_load(&loop->crowd->shared->begin_ns[crowd_loop_group(loop, index)->begins]);
    }
    for (unsigned i = 0; i < DUE_MAX; i++) {
        uint64_t due_ns =
            schedule->begin_ns + (uint64_t)((double)schedule->next * schedule->interval_ns);

        loop->now_ns = weir_now_ns();
        if (due_ns > loop->now_ns) {
            return due_ns - loop->now_ns;
        }
        struct client *client = schedule->clients[schedule->next++ % schedule->client_count];
        client->due++;
        if (client->state == CLIENT_OPEN && client->outbox->count == 0) {
            client_send(loop, client);
        }
    }
    return 0;
}

// The run has ended: what was due by then and not looked at any more was not sent either.
static void
end_schedule(struct crowd_loop *loop, unsigned index)
{
    const struct schedule *schedule = &loop->schedules[index];
    uint64_t end_ns = atomic_load(&loop->crowd->shared->begin_ns[CROWD_ENDS]);

    if (schedule->begin_ns == 0 || schedule->interval_ns <= 0) {
        return;
    }
    uint64_t due = (uint64_t)((double)(end_ns - schedule->begin_ns) / schedule->interval_ns);
    if (due > schedule->next) {
        crowd_count(&loop->counts->unsent, due - schedule->next);
    }
}

// --- Phases --------------------------------------------------------------------------------------

static void
connect_some(struct crowd_loop *loop)
{
    while (loop->begun < loop->client_count && loop->connecting < CONNECTING_MAX) {
        struct client *client = &loop->clients[loop->begun];

        client_connect(loop, client);
        if (client->state == CLIENT_IDLE) {
            break; // again next turn
        }
        loop->begun++;
    }
}

static void
enter_phase(struct crowd_loop *loop)
{
    unsigned phase = atomic_load(&loop->crowd->shared->phase);

    if (phase == loop->phase) {
        return;
    }
    loop->phase = (enum crowd_phase)phase;
    for (unsigned i = 0; phase == CROWD_ENDS && i < loop->crowd->plan.group_count; i++) {
        end_schedule(loop, i);
    }
    for (unsigned i = 0; i < loop->client_count; i++) {
        struct client *client = &loop->clients[i];

        if (client->state == CLIENT_OPEN && phase >= CROWD_FIRST_RUN) {
            client_send(loop, client);
        }
    }
}

// --- Slow clients --------------------------------------------------------------------------------

static void
collect_slow(struct crowd_loop *loop)
{
    for (unsigned i = 0; i < loop->client_count; i++) {
        struct client *client = &loop->clients[i];

        if (crowd_loop_group(loop, client->group)->is_slow) {
            client->next = loop->resting;
            loop->resting = client;
        }
    }
}

// When the crowd ends they hurry.
static void
read_slowly(struct crowd_loop *loop)
{
    size_t size = loop->phase == CROWD_ENDS ? BUFFER_SIZE : SLOW_SIZE;

    if (loop->resting == NULL || loop->now_ns - loop->rested_ns < SLOW_NS) {
        return;
    }
    loop->rested_ns = loop->now_ns;
    for (struct client *client = loop->resting; client != NULL; client = client->next) {
        if (client->state == CLIENT_OPEN || client->state == CLIENT_ENDING) {
            client_receive(loop, client, size);
        }
    }
}

// --- The loop ------------------------------------------------------------------------------------

static void
dispatch(struct crowd_loop *loop, const struct epoll_event *event)
{
    struct client *client = event->data.ptr;

    if (churn_owns(loop, client)) {
        churn_event(loop, client);
        return;
    }
    if (drain_owns(loop, client)) {
        drain_event(loop, client, event->events);
        return;
    }
    if (client->state == CLIENT_CONNECTING) {
        client_connected(loop, client);
        return;
    }
    if ((event->events & EPOLLOUT) != 0 && client->state == CLIENT_OPEN) {
        client_send(loop, client);
    }
    if ((event->events & ~(uint32_t)EPOLLOUT) != 0 &&
        (client->state == CLIENT_OPEN || client->state == CLIENT_ENDING)) {
        client_receive(loop, client, BUFFER_SIZE);
    }
}

static int
wait_for_events(const struct crowd_loop *loop, struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ns / 1000000000),
        .tv_nsec = (long)(timeout_ns % 1000000000),
    };
    int ready = epoll_pwait2(loop->poller, events, EVENTS_MAX, &timeout, NULL);

    if (ready < 0 && errno == ENOSYS) { // an old kernel: to the millisecond
        ready = epoll_wait(loop->poller, events, EVENTS_MAX, (int)(timeout_ns / 1000000));
    }
    storm_require(ready >= 0 || errno == EINTR, "epoll_wait");
    return ready;
}

static void
turn(struct crowd_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t timeout_ns = loop->resting != NULL ? SLOW_NS : LOOK_NS;

    enter_phase(loop);
    if (loop->phase >= CROWD_CONNECTS) {
        connect_some(loop);
        churn_turn(loop);
        drain_turn(loop);
    }
    for (unsigned i = 0; i < loop->crowd->plan.group_count; i++) {
        uint64_t due_ns = turn_schedule(loop, i);

        timeout_ns = due_ns < timeout_ns ? due_ns : timeout_ns;
    }
    int ready = wait_for_events(loop, events, timeout_ns);
    loop->now_ns = weir_now_ns();
    for (int i = 0; i < ready; i++) {
        dispatch(loop, &events[i]);
    }
    read_slowly(loop);
}

static void *
run(void *arg)
{
    struct crowd_loop *loop = arg;
    struct crowd_shared *shared = loop->crowd->shared;

    prctl(PR_SET_TIMERSLACK, 1UL); // what is due is due now
    loop->poller = epoll_create1(EPOLL_CLOEXEC);
    loop->buffer = malloc(BUFFER_SIZE);
    storm_require(loop->poller >= 0 && loop->buffer != NULL, "epoll");
    while (loop->left > 0 || loop->phase < CROWD_ENDS) {
        turn(loop);
    }
    close(loop->poller);
    free(loop->buffer);
    atomic_fetch_add(&shared->threads_done, 1);
    return NULL;
}

// This thread's part of each group: every n-th client.
static void
take_clients(struct crowd_loop *loop)
{
    const struct crowd_plan *plan = &loop->crowd->plan;
    uint32_t id = 0;

    loop->clients = calloc(loop->crowd->client_count + 1, sizeof(*loop->clients));
    storm_require(loop->clients != NULL, "memory");
    for (unsigned group = 0; group < plan->group_count; group++) {
        unsigned churners = 0;
        unsigned drainers = 0;

        for (unsigned i = 0; i < plan->groups[group].clients; i++, id++) {
            if (id % plan->threads != loop->index) {
                continue;
            }
            if (plan->groups[group].churns) {
                churners++;
                continue;
            }
            if (plan->groups[group].drains) {
                drainers++;
                continue;
            }
            struct client *client = &loop->clients[loop->client_count++];
            client->id = id;
            client->group = group;
            loop->left++;
        }
        if (churners > 0) {
            churn_start(loop, group, churners);
        }
        if (drainers > 0) {
            drain_start(loop, group, drainers);
        }
    }
}

void
crowd_loop_start(struct crowd_loop *loop, struct crowd *crowd, unsigned index)
{
    *loop = (struct crowd_loop){
        .crowd = crowd, .counts = &crowd->shared->counts[index], .index = index};
    random_init(&loop->random, crowd->plan.seed, RANDOM_STREAM + index);
    take_clients(loop);
    collect_slow(loop);
    for (unsigned i = 0; i < crowd->plan.group_count; i++) {
        start_schedule(loop, i);
    }
    storm_require(pthread_create(&loop->thread, NULL, run, loop) == 0, "thread");
}

void
crowd_loop_join(struct crowd_loop *loop)
{
    pthread_join(loop->thread, NULL);
    for (unsigned i = 0; i < loop->client_count; i++) {
        free(loop->clients[i].outbox);
    }
    for (unsigned i = 0; i < CROWD_GROUPS_MAX; i++) {
        free(loop->schedules[i].clients);
    }
    churn_stop(loop);
    drain_stop(loop);
    free(loop->clients);
}
