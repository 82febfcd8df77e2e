/* SPDX-License-Identifier: MIT */
#include "receiver_loop.h"

#include "verdict.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX  256
#define ACCEPTS_MAX 64
#define BUFFER_SIZE ((size_t)256 * 1024)
#define REST_MS     2
#define LEAVE_MS    1000 // how long open connections may delay the end

struct receiver_loop {
    const struct receiver_plan *plan;
    struct peer_world world;
    int poller;
    unsigned open;
    bool is_stopping;
    struct peer *resting; // not watched, read again after a rest
};

static void
watch(const struct receiver_loop *loop, int operation, int fd, uint32_t events, const void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)owner};

    storm_require(epoll_ctl(loop->poller, operation, fd, &event) == 0, "epoll_ctl");
}

static uint32_t
events_of(const struct peer *peer)
{
    return peer_is_blocked(peer) ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

static void
accept_some(struct receiver_loop *loop, int listener)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int on = 1;

        if (fd < 0) {
            storm_require(errno == EAGAIN || errno == ECONNABORTED || errno == EINTR, "accept");
            return;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // fails on Unix sockets
        struct peer *peer = peer_create(&loop->world, fd);
        storm_require(peer != NULL, "memory");
        watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN, peer);
        loop->open++;
    }
}

static void
rest(struct receiver_loop *loop, struct peer *peer)
{
    peer_set_next(peer, loop->resting);
    loop->resting = peer;
}

static void
peer_event(struct receiver_loop *loop, struct peer *peer, uint32_t events)
{
    uint32_t wanted = events_of(peer);
    enum peer_state state = PEER_OPEN;

    if ((events & EPOLLOUT) != 0) {
        peer_acknowledge(peer);
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0) {
        state = peer_read(peer, &loop->world);
    }
    if (state == PEER_GONE) {
        loop->open--;
    } else if (state == PEER_RESTING) {
        watch(loop, EPOLL_CTL_DEL, peer_fd(peer), 0, NULL);
        rest(loop, peer);
    } else if (events_of(peer) != wanted) {
        watch(loop, EPOLL_CTL_MOD, peer_fd(peer), events_of(peer), peer);
    }
}

static void
wake_resting(struct receiver_loop *loop)
{
    struct peer *peer = loop->resting;

    loop->resting = NULL;
    while (peer != NULL) {
        struct peer *next = peer_next(peer);
        enum peer_state state = peer_read(peer, &loop->world);

        if (state == PEER_GONE) {
            loop->open--;
        } else if (state == PEER_RESTING) {
            rest(loop, peer);
        } else {
            watch(loop, EPOLL_CTL_ADD, peer_fd(peer), events_of(peer), peer);
        }
        peer = next;
    }
}

static void
dispatch(struct receiver_loop *loop, const struct epoll_event *event)
{
    const struct receiver_plan *plan = loop->plan;

    for (unsigned i = 0; i < plan->listener_count; i++) {
        if (event->data.ptr == &plan->listeners[i]) {
            accept_some(loop, plan->listeners[i]);
            return;
        }
    }
    if (event->data.ptr == &plan->stop_fd) {
        loop->is_stopping = true;
        watch(loop, EPOLL_CTL_DEL, plan->stop_fd, 0, NULL);
        return;
    }
    peer_event(loop, event->data.ptr, event->events);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
run(struct receiver_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t rested_ms = 0;
    int64_t leave_ms = INT64_MAX;

    while (!loop->is_stopping || (loop->open > 0 && now_ms() < leave_ms)) {
        int timeout_ms = loop->resting != NULL ? REST_MS : loop->is_stopping ? 10 : -1;
        int ready = epoll_wait(loop->poller, events, EVENTS_MAX, timeout_ms);

        storm_require(ready >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            dispatch(loop, &events[i]);
        }
        if (loop->resting != NULL && now_ms() >= rested_ms + REST_MS) {
            wake_resting(loop);
            rested_ms = now_ms();
        }
        if (loop->is_stopping && leave_ms == INT64_MAX) {
            leave_ms = now_ms() + LEAVE_MS;
        }
    }
}

void *
receiver_loop_run(void *arg)
{
    struct receiver_loop loop = {.plan = arg};

    loop.world = loop.plan->world;
    loop.world.buffer = malloc(BUFFER_SIZE);
    loop.world.buffer_size = BUFFER_SIZE;
    loop.poller = epoll_create1(EPOLL_CLOEXEC);
    storm_require(loop.world.buffer != NULL && loop.poller >= 0, "epoll");
    for (unsigned i = 0; i < loop.plan->listener_count; i++) {
        watch(&loop, EPOLL_CTL_ADD, loop.plan->listeners[i], EPOLLIN | EPOLLEXCLUSIVE,
              &loop.plan->listeners[i]);
    }
    watch(&loop, EPOLL_CTL_ADD, loop.plan->stop_fd, EPOLLIN, &loop.plan->stop_fd);
    run(&loop);
    close(loop.poller);
    free(loop.world.buffer);
    return NULL;
}
