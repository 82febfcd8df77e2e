// SPDX-License-Identifier: MIT
#include "tests/sched/sockets.h"

#include "runtime/os.h"
#include "tests/sched/sched.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#undef memcpy
#undef memset

#define SOCKETS_MAX 4u
#define INPUT_MAX   64u
#define ALWAYS      ((uint32_t)(EPOLLERR | EPOLLHUP))

struct socket {
    bool is_open;
    bool is_inside; // somebody is sending
    bool is_full;   // a send found too little room
    bool has_fin;
    bool is_ended; // the peer's side
    bool is_reset;
    int failure; // of sends
    int poller;
    uint32_t watched;
    uint32_t edges; // that the poller has not told
    void *tag;
    size_t room;
    size_t sent;
    size_t received, given;
    char wire[SOCKETS_WIRE_MAX];
    char input[INPUT_MAX];
};

static struct socket sockets[SOCKETS_MAX];
static unsigned count;

bool
sockets_owns(int fd)
{
    return fd >= SOCKETS_FIRST_FD;
}

static struct socket *
socket_of(int fd)
{
    struct socket *found = &sockets[fd - SOCKETS_FIRST_FD];

    sched_check(sockets_owns(fd) && fd < SOCKETS_FIRST_FD + (int)count);
    if (!found->is_open) {
        sched_fail("a closed descriptor is used");
    }
    return found;
}

// A call of the kernel begins.
static struct socket *
enter(int fd)
{
    sched_point();
    sched_drain();
    return socket_of(fd);
}

/* ---- the scenario's side ---- */

int
sockets_open(size_t room)
{
    sched_check(count < SOCKETS_MAX);
    sockets[count] = (struct socket){.is_open = true, .room = room, .poller = -1};
    return SOCKETS_FIRST_FD + (int)count++;
}

static struct socket *
peer_of(int fd)
{
    sched_point();
    sched_drain();
    return &sockets[fd - SOCKETS_FIRST_FD];
}

void
sockets_make_room(int fd, size_t size)
{
    struct socket *self = peer_of(fd);

    self->room += size;
    if (self->is_full) {
        self->is_full = false;
        self->edges |= EPOLLOUT;
    }
}

void
sockets_give(int fd, const char *bytes, size_t size)
{
    struct socket *self = peer_of(fd);

    sched_check(self->given + size <= INPUT_MAX);
    memcpy(self->input + self->given, bytes, size);
    self->given += size;
    self->edges |= EPOLLIN;
}

void
sockets_end(int fd)
{
    struct socket *self = peer_of(fd);

    self->is_ended = true;
    self->edges |= EPOLLIN | EPOLLRDHUP;
}

void
sockets_fail_sends(int fd, int error)
{
    peer_of(fd)->failure = error;
}

size_t
sockets_wire(int fd, const char **ret_bytes)
{
    *ret_bytes = sockets[fd - SOCKETS_FIRST_FD].wire;
    return sockets[fd - SOCKETS_FIRST_FD].sent;
}

bool
sockets_is_open(int fd)
{
    return sockets[fd - SOCKETS_FIRST_FD].is_open;
}

bool
sockets_has_fin(int fd)
{
    return sockets[fd - SOCKETS_FIRST_FD].has_fin;
}

/* ---- the poller ---- */

static uint32_t
readiness(const struct socket *self)
{
    uint32_t ready = self->room != 0 ? (uint32_t)EPOLLOUT : 0;

    ready |= self->given != self->received || self->is_ended ? (uint32_t)EPOLLIN : 0;
    return ready | (self->is_ended ? (uint32_t)EPOLLRDHUP : 0);
}

int
sockets_watch(int poller, int fd, uint32_t events, void *tag)
{
    struct socket *self = enter(fd);

    self->poller = poller;
    self->watched = events | ALWAYS;
    self->tag = tag;
    self->edges = readiness(self);
    return 0;
}

int
sockets_rewatch(int poller, int fd, uint32_t events, void *tag)
{
    return sockets_watch(poller, fd, events, tag);
}

int
sockets_forget(int fd)
{
    enter(fd)->poller = -1;
    return 0;
}

bool
sockets_are_ready(int poller)
{
    for (unsigned i = 0; i < count; i++) {
        if (sockets[i].is_open && sockets[i].poller == poller &&
            (sockets[i].edges & sockets[i].watched) != 0) {
            return true;
        }
    }
    return false;
}

int
sockets_take_ready(int poller, struct epoll_event *ret_events, int capacity)
{
    int taken = 0;

    for (unsigned i = 0; i < count && taken < capacity; i++) {
        struct socket *self = &sockets[i];
        uint32_t told = self->is_open && self->poller == poller ? self->edges & self->watched : 0;

        if (told != 0) {
            // All that is so now is told, as the kernel does, and not only what has changed.
            ret_events[taken++] = (struct epoll_event){
                .events = (told | readiness(self)) & self->watched, .data.ptr = self->tag};
            self->edges = 0;
        }
    }
    return taken;
}

void
sockets_close(int fd)
{
    struct socket *self = enter(fd);

    if (self->is_inside) {
        sched_fail("a descriptor is closed under a send");
    }
    self->is_open = false;
}

/* ---- sending ---- */

static void
copy_out(struct socket *self, const struct iovec *iov, size_t iov_count, size_t size)
{
    for (size_t i = 0; i < iov_count && size != 0; i++) {
        size_t part = iov[i].iov_len < size ? iov[i].iov_len : size;

        sched_check(self->sent + part <= SOCKETS_WIRE_MAX);
        sched_read(iov[i].iov_base, part); // the sender's memory
        memcpy(self->wire + self->sent, iov[i].iov_base, part);
        self->sent += part;
        size -= part;
    }
}

static ssize_t
send_pieces(int fd, const struct iovec *iov, size_t iov_count)
{
    struct socket *self = socket_of(fd);
    size_t size = 0;
    size_t going;

    sched_drain();
    if (self->is_inside) {
        sched_fail("two threads send at once");
    }
    self->is_inside = true;
    sched_point();
    self->is_inside = false;
    if (self->failure != 0 || self->has_fin || self->is_reset) {
        return self->failure != 0 ? -self->failure : -EPIPE;
    }
    for (size_t i = 0; i < iov_count; i++) {
        size += iov[i].iov_len;
    }
    going = size < self->room ? size : self->room;
    copy_out(self, iov, iov_count, going);
    self->room -= going;
    self->is_full = going < size;
    return going == 0 && size != 0 ? -EAGAIN : (ssize_t)going;
}

ssize_t
wi_os_send(int fd, const void *data, size_t size)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

    return send_pieces(fd, &piece, 1);
}

ssize_t
wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count)
{
    return send_pieces(fd, iov, iov_count);
}

ssize_t
wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count)
{
    return send_pieces(fd, iov, iov_count);
}

void
wi_os_send_rest(int fd)
{
    (void)fd;
}

ssize_t
wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp, bool zerocopy)
{
    (void)stamp, (void)zerocopy;
    return send_pieces(fd, iov, iov_count);
}

int
wi_os_shutdown(int fd, int how)
{
    struct socket *self = enter(fd);

    self->has_fin = true;
    if (how == SHUT_RDWR) {
        self->is_ended = true;
        self->edges |= EPOLLIN | EPOLLRDHUP;
    }
    return 0;
}

// Connects at once, or disconnects.
int
wi_os_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)size;
    enter(fd)->is_reset = address->sa_family == AF_UNSPEC;
    return 0;
}

/* ---- receiving ---- */

ssize_t
wi_os_receive(int fd, void *buffer, size_t size)
{
    struct socket *self = enter(fd);
    size_t there = self->given - self->received;

    if (there == 0) {
        return self->is_ended ? 0 : -EAGAIN;
    }
    size = size < there ? size : there;
    sched_write(buffer, size);
    memcpy(buffer, self->input + self->received, size);
    self->received += size;
    return (ssize_t)size;
}

bool
wi_os_is_at_end(int fd)
{
    const struct socket *self = enter(fd);

    return self->is_ended && self->given == self->received;
}

/* ---- what a socket is ---- */

int
wi_os_socket(int family)
{
    (void)family;
    return sockets_open(SOCKETS_WIRE_MAX);
}

int
wi_os_get_option(int fd, int level, int name, int *ret_value)
{
    (void)socket_of(fd);
    if (level != SOL_SOCKET) {
        return -ENOTSUP;
    }
    switch (name) {
    case SO_TYPE:
        *ret_value = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *ret_value = AF_INET;
        return 0;
    default:
        *ret_value = 4096;
        return 0;
    }
}

int
wi_os_peer_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(7)};

    (void)socket_of(fd);
    memcpy(ret_address, &peer, sizeof(peer));
    *size = sizeof(peer);
    return 0;
}

int
wi_os_local_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    return wi_os_peer_address(fd, ret_address, size);
}

int
wi_os_set_option(int fd, int level, int name, int value)
{
    (void)socket_of(fd), (void)level, (void)name, (void)value;
    return 0;
}

int
wi_os_set_nonblocking(int fd)
{
    (void)socket_of(fd);
    return 0;
}

int
wi_os_set_linger_reset(int fd)
{
    (void)socket_of(fd);
    return 0;
}

int
wi_os_window(int fd, size_t *ret_size)
{
    (void)socket_of(fd), (void)ret_size;
    return -ENOTSUP;
}

/* ---- what no scenario does ---- */

int
wi_os_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    (void)fd, (void)address, (void)size;
    return -ENOTSUP;
}

int
wi_os_listen(int fd, int backlog)
{
    (void)fd, (void)backlog;
    return -ENOTSUP;
}

int
wi_os_accept(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    (void)fd, (void)ret_address, (void)size;
    return -ENOTSUP;
}

int
wi_os_receive_report(int fd, struct wi_os_report *ret_report)
{
    (void)fd, (void)ret_report;
    return -EAGAIN;
}

int
wi_os_stamp_acks(int fd)
{
    (void)fd;
    return -ENOTSUP;
}

int
wi_os_unsent(int fd, int *ret_size)
{
    (void)fd;
    *ret_size = 0;
    return 0;
}

ssize_t
wi_os_send_file(int fd, int file, uint64_t offset, size_t size, bool blocks_signals)
{
    (void)fd, (void)file, (void)offset, (void)size, (void)blocks_signals;
    return -ENOTSUP;
}

ssize_t
wi_os_read_file(int file, void *buffer, size_t size, uint64_t offset)
{
    (void)file, (void)buffer, (void)size, (void)offset;
    return -ENOTSUP;
}

int
wi_os_unlink(const char *path)
{
    (void)path;
    return -ENOTSUP;
}

bool
wi_os_is_socket(const char *path)
{
    (void)path;
    return false;
}
