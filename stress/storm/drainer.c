/* SPDX-License-Identifier: MIT */
#include "drainer.h"

#include "crowd_loop.h"
#include "house_drain.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTS_MAX 64u // per turn

enum drainer_state {
    DRAINER_AWAY, // no connection
    DRAINER_CONNECTING,
    DRAINER_SENDING, // the first half of what is never read
    DRAINER_WAITING, // for the server's end, behind bytes that are not read
    DRAINER_LATE,    // sends the other half: the server has ended, and has to bear it
    DRAINER_READING,
    DRAINER_DONE, // for good
};

struct drainer {
    int fd;
    enum drainer_state state;
    uint64_t serial;
    size_t sent;
    size_t got;
};

static bool
is_strict(const struct crowd_loop *loop)
{
    return !crowd_loop_group(loop, loop->drain.group)->may_reset;
}

// --- The end of one connection -------------------------------------------------------------------

static void
finish(struct crowd_loop *loop, struct drainer *drainer)
{
    close(drainer->fd);
    drainer->state = DRAINER_AWAY;
    crowd_count(&loop->counts->closes, 1);
    crowd_count(&loop->counts->connections, UINT64_MAX); // one less
}

static void
failed(struct crowd_loop *loop, struct drainer *drainer, int error)
{
    crowd_count(&loop->counts->resets, 1);
    if (is_strict(loop)) {
        storm_broke("connection %llu, %zu bytes sent, %zu read: %s",
                    (unsigned long long)drainer->serial, drainer->sent, drainer->got,
                    weir_strerror(-error));
    }
    finish(loop, drainer);
}

// A reset behind the FIN is not read: recv() goes on saying that this is the end.
static int
hidden_error(const struct drainer *drainer)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (shutdown(drainer->fd, SHUT_WR) != 0) {
        return errno;
    }
    getsockopt(drainer->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static void
ended(struct crowd_loop *loop, struct drainer *drainer)
{
    size_t size = crowd_loop_group(loop, loop->drain.group)->size;
    int error = hidden_error(drainer);

    if (error != 0) {
        failed(loop, drainer, error);
        return;
    }
    if (drainer->got == size) {
        crowd_count(&loop->counts->messages, 1);
        crowd_count(&loop->counts->group_messages[loop->drain.group], 1);
    } else if (is_strict(loop)) {
        storm_broke("connection %llu ended after %zu of %zu bytes",
                    (unsigned long long)drainer->serial, drainer->got, size);
    }
    finish(loop, drainer);
}

// --- Its life ------------------------------------------------------------------------------------

static void
give_up_connecting(int error)
{
    storm_broke("a connection could not be made: %s", weir_strerror(-error));
}

// The next connection. False: not now, or none is left.
static bool
begin(struct crowd_loop *loop, struct drainer *drainer)
{
    const struct crowd_group *group = crowd_loop_group(loop, loop->drain.group);
    uint64_t serial = atomic_fetch_add(&loop->crowd->shared->serial, 1);

    if (loop->phase == CROWD_ENDS || (group->messages_max != 0 && serial >= group->messages_max)) {
        drainer->state = DRAINER_DONE;
        loop->left--;
        return false;
    }
    *drainer = (struct drainer){.fd = client_dial(loop->crowd, group, serial), .serial = serial};
    if (drainer->fd < 0) { // a full backlog of Unix
        if (errno != EAGAIN) {
            give_up_connecting(errno);
        }
        atomic_fetch_sub(&loop->crowd->shared->serial, 1);
        return false;
    }
    drainer->state = DRAINER_CONNECTING;
    crowd_loop_watch(loop, drainer->fd, 0, EPOLLOUT, drainer);
    return true;
}

// Up to @p most bytes in all, as the socket takes them. False: it failed, and has been finished.
static bool
send_up_to(struct crowd_loop *loop, struct drainer *drainer, size_t most)
{
    while (drainer->sent < most) {
        ssize_t sent = send(drainer->fd, house_drain_input(), most - drainer->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (sent < 0) {
            failed(loop, drainer, errno);
            return false;
        }
        drainer->sent += (size_t)sent;
        crowd_count(&loop->counts->bytes, (uint64_t)sent);
    }
    return true;
}

static void
receive(struct crowd_loop *loop, struct drainer *drainer)
{
    size_t size = crowd_loop_group(loop, loop->drain.group)->size;
    ssize_t got;

    while ((got = recv(drainer->fd, loop->buffer, 65536, MSG_DONTWAIT)) > 0) {
        if (drainer->got + (size_t)got > size ||
            !house_drain_is_output(loop->buffer, (size_t)got, drainer->got)) {
            storm_broke("connection %llu got other bytes than were sent",
                        (unsigned long long)drainer->serial);
        }
        drainer->got += (size_t)got;
        crowd_count(&loop->counts->bytes, (uint64_t)got);
    }
    if (got == 0) {
        ended(loop, drainer);
    } else if (errno != EAGAIN && errno != EINTR) {
        failed(loop, drainer, errno);
    }
}

static void
connected(struct crowd_loop *loop, struct drainer *drainer)
{
    int error = 0;
    socklen_t size = sizeof(error);

    getsockopt(drainer->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        give_up_connecting(error);
        close(drainer->fd);
        drainer->state = DRAINER_AWAY;
        return;
    }
    crowd_count(&loop->counts->connected, 1);
    crowd_count(&loop->counts->connections, 1);
    drainer->state = DRAINER_SENDING;
}

// Goes as far as it can.
static void
advance(struct crowd_loop *loop, struct drainer *drainer, unsigned events)
{
    size_t unread = crowd_loop_group(loop, loop->drain.group)->unread;
    bool has_end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (drainer->state == DRAINER_SENDING) {
        if (!send_up_to(loop, drainer, (unread + 1) / 2)) {
            return;
        }
        if (drainer->sent == (unread + 1) / 2 || has_end) {
            drainer->state = DRAINER_WAITING;
        }
    }
    if (drainer->state == DRAINER_WAITING && has_end) {
        drainer->state = DRAINER_LATE;
    }
    if (drainer->state == DRAINER_LATE) {
        if (!send_up_to(loop, drainer, unread)) {
            return;
        }
        if (drainer->sent == unread) {
            drainer->state = DRAINER_READING;
        }
    }
    if (drainer->state == DRAINER_READING) {
        receive(loop, drainer);
    }
}

static uint32_t
awaited(const struct drainer *drainer)
{
    switch (drainer->state) {
    case DRAINER_SENDING:
        return EPOLLOUT | EPOLLRDHUP;
    case DRAINER_LATE:
        return EPOLLOUT;
    case DRAINER_READING:
        return EPOLLIN;
    default:
        return EPOLLRDHUP;
    }
}

// --- All of them ---------------------------------------------------------------------------------

void
drain_start(struct crowd_loop *loop, unsigned group, unsigned count)
{
    struct drain *drain = &loop->drain;

    drain->drainers = calloc(count, sizeof(*drain->drainers));
    storm_require(drain->drainers != NULL, "memory");
    drain->count = count;
    drain->group = group;
    loop->left += count;
}

void
drain_stop(struct crowd_loop *loop)
{
    free(loop->drain.drainers);
}

void
drain_turn(struct crowd_loop *loop)
{
    struct drain *drain = &loop->drain;
    unsigned connects = 0;

    if (drain->count == 0 || loop->phase < crowd_loop_group(loop, drain->group)->begins) {
        return;
    }
    for (unsigned i = 0; i < drain->count && connects < CONNECTS_MAX; i++) {
        if (drain->drainers[i].state == DRAINER_AWAY) {
            connects++;
            if (!begin(loop, &drain->drainers[i]) && loop->phase != CROWD_ENDS &&
                drain->drainers[i].state != DRAINER_DONE) {
                break;
            }
        }
    }
}

bool
drain_owns(const struct crowd_loop *loop, const void *owner)
{
    const struct drain *drain = &loop->drain;

    return drain->count > 0 && (uintptr_t)owner >= (uintptr_t)drain->drainers &&
           (uintptr_t)owner < (uintptr_t)(drain->drainers + drain->count);
}

void
drain_event(struct crowd_loop *loop, void *owner, unsigned events)
{
    struct drainer *drainer = owner;

    if (drainer->state == DRAINER_CONNECTING) {
        connected(loop, drainer);
    }
    if (drainer->state == DRAINER_AWAY || drainer->state == DRAINER_DONE) {
        return;
    }
    advance(loop, drainer, events);
    if (drainer->state != DRAINER_AWAY) {
        crowd_loop_watch(loop, drainer->fd, EPOLLIN, awaited(drainer), drainer);
    }
}
