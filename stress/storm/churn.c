/* SPDX-License-Identifier: MIT */
#include "churn.h"

#include "crowd_loop.h"
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONNECTS_MAX 64u // per turn

enum churner_state {
    CHURNER_AWAY, // no connection
    CHURNER_CONNECTING,
    CHURNER_WAITING, // for the echo
    CHURNER_ENDING,  // for the server's end
    CHURNER_DONE,    // for good
};

struct churner {
    int fd;
    enum churner_state state;
    enum churn_mode mode;
    struct record head;
    struct reader reader;
    bool is_echoed;
};

static enum churn_mode
choose_mode(const struct crowd_loop *loop, uint64_t serial)
{
    if (crowd_loop_group(loop, loop->churn.group)->ends_by_itself) {
        return serial % 2 == 0 ? CHURN_CLIENT_FIN : CHURN_CLIENT_RESET;
    }
    return (enum churn_mode)(serial % CHURN_MODES);
}

static void
give_up_connecting(const struct crowd_loop *loop, int error)
{
    errno = error;
    storm_require(!loop->crowd->shared->is_foreign, "server at the address");
    storm_broke("a connection could not be made: %s", weir_strerror(-error));
}

// The next connection. False: not now, or none is left.
static bool
begin(struct crowd_loop *loop, struct churner *churner)
{
    const struct crowd_group *group = crowd_loop_group(loop, loop->churn.group);
    uint64_t serial = atomic_fetch_add(&loop->crowd->shared->serial, 1);

    if (loop->phase == CROWD_ENDS || (group->messages_max != 0 && serial >= group->messages_max)) {
        churner->state = CHURNER_DONE;
        loop->left--;
        return false;
    }
    churner->fd = client_dial(loop->crowd, group, serial);
    if (churner->fd < 0) { // a full backlog of Unix
        if (errno != EAGAIN) {
            give_up_connecting(loop, errno);
        }
        atomic_fetch_sub(&loop->crowd->shared->serial, 1);
        return false;
    }
    churner->mode = choose_mode(loop, serial);
    churner->state = CHURNER_CONNECTING;
    churner->is_echoed = false;
    churner->reader = (struct reader){.got = 0};
    churner->head = (struct record){
        .link = (uint32_t)serial,
        .flags = (uint16_t)(churner->mode << CHURN_MODE_SHIFT),
        .size = (uint32_t)(group->size - sizeof(churner->head)),
        .submit_ns = weir_now_ns(),
    };
    record_seal(&churner->head);
    crowd_loop_watch(loop, churner->fd, 0, EPOLLOUT, churner);
    return true;
}

static void
finish(struct crowd_loop *loop, struct churner *churner)
{
    close(churner->fd);
    churner->state = CHURNER_AWAY;
    crowd_count(&loop->counts->closes, 1);
    crowd_count(&loop->counts->connections, UINT64_MAX); // one less
}

static void
reset(struct crowd_loop *loop, struct churner *churner)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(churner->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    finish(loop, churner);
}

static void
break_off(struct crowd_loop *loop, struct churner *churner, const char *what)
{
    storm_broke("connection %u, to be ended in mode %d: %s", churner->head.link, (int)churner->mode,
                what);
    finish(loop, churner);
}

static void
connected(struct crowd_loop *loop, struct churner *churner)
{
    int error = 0;
    socklen_t size = sizeof(error);

    getsockopt(churner->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        give_up_connecting(loop, error);
        close(churner->fd);
        churner->state = CHURNER_AWAY;
        return;
    }
    crowd_count(&loop->counts->connected, 1);
    crowd_count(&loop->counts->connections, 1);
    struct iovec pieces[2] = {
        {&churner->head, sizeof(churner->head)},
        {(void *)(uintptr_t)pattern_of(&churner->head), churner->head.size},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t sent = sendmsg(churner->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != (ssize_t)(sizeof(churner->head) + churner->head.size)) {
        break_off(loop, churner, "a fresh connection did not take its message");
        return;
    }
    churner->state = CHURNER_WAITING;
    crowd_loop_watch(loop, churner->fd, 1, EPOLLIN, churner);
}

static const char *
take_echo(void *arg, const struct record *record)
{
    struct churner *churner = arg;

    if (churner->is_echoed || record->check != churner->head.check) {
        return "another message came back";
    }
    churner->is_echoed = true;
    return NULL;
}

static void
echoed(struct crowd_loop *loop, struct churner *churner)
{
    unsigned group = loop->churn.group;

    crowd_count(&loop->counts->messages, 1);
    crowd_count(&loop->counts->group_messages[group], 1);
    histogram_add(&loop->counts->latency[group][0], weir_now_ns() - churner->head.submit_ns);
    if (churner->mode == CHURN_CLIENT_RESET) {
        reset(loop, churner);
        return;
    }
    if (churner->mode == CHURN_CLIENT_FIN) {
        shutdown(churner->fd, SHUT_WR);
    }
    churner->state = CHURNER_ENDING;
}

// The server's end, in whatever way.
static void
ended(struct crowd_loop *loop, struct churner *churner, int error)
{
    bool may_reset = churner->mode == CHURN_ABORT;

    if (error != 0) {
        crowd_count(&loop->counts->resets, 1);
    }
    if (error != 0 && !may_reset) {
        break_off(loop, churner, weir_strerror(-error));
    } else if (!churner->is_echoed && !may_reset) {
        break_off(loop, churner, "it ended before the echo");
    } else {
        finish(loop, churner);
    }
}

static void
receive(struct crowd_loop *loop, struct churner *churner)
{
    ssize_t got = recv(churner->fd, loop->buffer, 65536, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        ended(loop, churner, got == 0 ? 0 : errno);
        return;
    }
    crowd_count(&loop->counts->bytes, 2 * (uint64_t)got); // there and back
    const char *wrong =
        reader_feed(&churner->reader, loop->buffer, (size_t)got, take_echo, churner);
    if (wrong != NULL) {
        break_off(loop, churner, wrong);
    } else if (churner->is_echoed && churner->state == CHURNER_WAITING) {
        echoed(loop, churner);
    }
}

void
churn_start(struct crowd_loop *loop, unsigned group, unsigned count)
{
    struct churn *churn = &loop->churn;

    churn->churners = calloc(count, sizeof(*churn->churners));
    storm_require(churn->churners != NULL, "memory");
    churn->count = count;
    churn->group = group;
    loop->left += count;
}

void
churn_stop(struct crowd_loop *loop)
{
    free(loop->churn.churners);
}

void
churn_turn(struct crowd_loop *loop)
{
    struct churn *churn = &loop->churn;
    unsigned connects = 0;

    if (churn->count == 0 || loop->phase < crowd_loop_group(loop, churn->group)->begins) {
        return;
    }
    for (unsigned i = 0; i < churn->count && connects < CONNECTS_MAX; i++) {
        if (churn->churners[i].state == CHURNER_AWAY) {
            connects++;
            if (!begin(loop, &churn->churners[i]) && loop->phase != CROWD_ENDS &&
                churn->churners[i].state != CHURNER_DONE) {
                break;
            }
        }
    }
}

bool
churn_owns(const struct crowd_loop *loop, const void *owner)
{
    const struct churn *churn = &loop->churn;

    return churn->count > 0 && (uintptr_t)owner >= (uintptr_t)churn->churners &&
           (uintptr_t)owner < (uintptr_t)(churn->churners + churn->count);
}

void
churn_event(struct crowd_loop *loop, void *owner)
{
    struct churner *churner = owner;

    switch (churner->state) {
    case CHURNER_CONNECTING:
        connected(loop, churner);
        break;
    case CHURNER_WAITING:
    case CHURNER_ENDING:
        receive(loop, churner);
        break;
    case CHURNER_AWAY:
    case CHURNER_DONE:
        break;
    }
}
