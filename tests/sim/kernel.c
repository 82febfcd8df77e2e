// SPDX-License-Identifier: MIT

// Files, time, polling and bytes. The calls of runtime/os.h that make sockets are in
// kernel_sockets.c.

#include "tests/sim/kernel.h"
#include "tests/sim/model.h"

#include <errno.h>
#include <string.h>

#define TICK_NS UINT64_C(1000000)

struct sim_file sim_files[SIM_FILES];
int sim_files_used;
struct sim_faults sim_faults;
uint64_t sim_now;
bool sim_kind_now;

void
sim_be_kind(void)
{
    sim_faults = (struct sim_faults){0};
    sim_kind_now = true;
    for (int i = 0; i < sim_files_used; i++) {
        if (sim_files[i].kind == SIM_SOCKET && sim_files[i].out != NULL) {
            sim_files[i].out->capacity = SIM_KIND_CAPACITY;
            if (sim_files[i].no_space && sim_files[i].room_at == 0) {
                sim_files[i].room_at = sim_soon();
            }
        }
    }
}

void
sim_kernel_init(void)
{
    sim_now = UINT64_C(1000000000000);
}

// ---- files --------------------------------------------------------------------------------------

struct sim_file *
sim_file(int fd)
{
    struct sim_file *file =
        fd >= SIM_FIRST_FD && fd < SIM_FIRST_FD + SIM_FILES ? &sim_files[fd - SIM_FIRST_FD] : NULL;

    return file != NULL && file->kind != SIM_NONE ? file : NULL;
}

struct sim_file *
sim_socket(int fd)
{
    struct sim_file *file = sim_file(fd);

    if (file == NULL || file->kind != SIM_SOCKET || file->is_peers) {
        sim_fail("a call on descriptor %d, which is not an open socket of weir's", fd);
    }
    return file;
}

int
sim_open(enum sim_kind kind)
{
    for (int i = 0; i < SIM_FILES; i++) {
        if (sim_files[i].kind == SIM_NONE) {
            sim_files_used = i < sim_files_used ? sim_files_used : i + 1;
            sim_files[i] =
                (struct sim_file){.kind = kind, .index = i, .poller = -1, .peer = -1, .port = -1};
            return SIM_FIRST_FD + i;
        }
    }
    return -EMFILE;
}

struct sim_file *
sim_peer(const struct sim_file *file)
{
    return file->peer < 0 ? NULL : &sim_files[file->peer];
}

void
sim_changed(struct sim_file *file)
{
    file->edges_in++;
    file->edges_out++;
}

static void
hang_up_with(struct sim_file *file, int error)
{
    if (!file->reset) {
        file->reset = true;
        file->cut = true;
        file->error = error;
        file->reset_at = 0;
        sim_changed(file);
        sim_wire_reset(file);
        if (file->in != NULL) { // what is on its way never comes
            file->in->visible_at = 0;
        }
        sim_lent_changed(file);
    }
}

void
sim_close_file(struct sim_file *file)
{
    struct sim_file *peer = sim_peer(file);

    if (file->lent != NULL && !file->linger_reset) {
        sim_fail("memory: socket %d is closed while it sends from the program's memory",
                 SIM_FIRST_FD + file->index);
    }
    if (file->kind == SIM_SOCKET && peer != NULL) {
        bool unread = file->in->sent != file->in->taken;

        file->in->closed = true;
        if (unread || file->linger_reset) {
            peer->reset_at = sim_soon();
        } else if (!file->sent_fin) {
            file->out->fin = true;
            file->out->fin_at = sim_soon();
        }
        peer->peer = -1;
    }
    for (int i = 0; i < file->pending_count; i++) {
        sim_close_file(&sim_files[file->pending[i]]);
    }
    file->kind = SIM_NONE;
    file->poller = -1;
    file->peer = -1;
    for (int i = 0; i < sim_files_used && file->state == SIM_NEW; i++) { // it may be a poller
        if (sim_files[i].poller == file->index) {
            sim_files[i].poller = -1;
        }
    }
}

unsigned
sim_open_count(void)
{
    unsigned count = 0;

    for (int i = 0; i < sim_files_used; i++) {
        count += sim_files[i].kind != SIM_NONE && !sim_files[i].is_peers;
    }
    return count;
}

// ---- time ---------------------------------------------------------------------------------------

uint64_t
sim_soon(void)
{
    if (sim_chance(sim_faults.late)) {
        return sim_now + 1000 * (uint64_t)(1 + sim_below(sim_chance(100) ? 2000000 : 5000));
    }
    return sim_now + 1;
}

static void
earlier(uint64_t *next, uint64_t at)
{
    if (at != 0 && at < *next) {
        *next = at;
    }
}

uint64_t
sim_next_event(void)
{
    uint64_t next = UINT64_MAX;

    for (int i = 0; i < sim_files_used; i++) {
        const struct sim_file *file = &sim_files[i];

        if (file->kind == SIM_SOCKET) {
            earlier(&next, file->room_at);
            earlier(&next, file->connect_at);
            earlier(&next, file->reset_at);
            earlier(&next, sim_lent_due(file));
            if (file->in != NULL) {
                earlier(&next, file->in->visible_at);
                earlier(&next, file->in->visible == file->in->sent ? file->in->fin_at : 0);
            }
        }
    }
    return next;
}

static bool
is_due(uint64_t *at)
{
    bool due = *at != 0 && *at <= sim_now;

    if (due) {
        SIM_EVENT(KERNEL);
        *at = 0;
    }
    return due;
}

// With SO_REUSEPORT there are several: any of them.
static struct sim_file *
listener_of(int port, int family)
{
    struct sim_file *found = NULL;
    unsigned count = 0;

    for (int i = 0; i < sim_files_used; i++) {
        if (sim_files[i].kind == SIM_SOCKET && sim_files[i].state == SIM_LISTENING &&
            sim_files[i].port == port && (sim_files[i].is_peers || sim_files[i].family == family) &&
            sim_below(++count) == 0) {
            found = &sim_files[i];
        }
    }
    return found;
}

static void
meet(struct sim_file *file)
{
    struct sim_file *other = listener_of(file->remote_port, file->family);
    int fd;

    file->state = SIM_CONNECTED;
    if (other == NULL || other->pending_count == other->backlog) {
        hang_up_with(file, other == NULL ? ECONNREFUSED : ETIMEDOUT);
        return;
    }
    fd = sim_open(SIM_SOCKET);
    if (fd < 0) {
        hang_up_with(file, ETIMEDOUT);
        return;
    }
    sim_file(fd)->family = file->family;
    sim_file(fd)->port = other->port;
    sim_file(fd)->remote_port = file->port;
    sim_file(fd)->is_peers = other->is_peers;
    sim_join(file, sim_file(fd));
    if (!other->is_peers) {
        other->pending[other->pending_count++] = fd - SIM_FIRST_FD;
        other->edges_in++;
    }
}

static void
happen(struct sim_file *file)
{
    if (is_due(&file->connect_at)) {
        meet(file);
    }
    if (is_due(&file->reset_at)) {
        hang_up_with(file, ECONNRESET);
    }
    if (file->lent != NULL) {
        sim_lent_end(file);
    }
    if (is_due(&file->room_at) && sim_room(file) != 0) { // else it was filled again
        file->no_space = false;
        file->edges_out++;
    }
    if (file->in != NULL && is_due(&file->in->visible_at)) {
        file->in->visible = file->in->sent;
        file->edges_in++;
    }
    if (file->in != NULL && file->in->fin_at != 0 && file->in->fin_at <= sim_now &&
        file->in->visible == file->in->sent) {
        SIM_EVENT(KERNEL);
        file->in->fin_at = 0;
        file->cut = true;
        sim_changed(file);
    }
}

void
sim_advance(uint64_t now_ns)
{
    sim_check_deadlines(sim_now, now_ns);
    sim_now = now_ns > sim_now ? now_ns : sim_now;
    for (int i = 0; i < sim_files_used; i++) {
        if (sim_files[i].kind == SIM_SOCKET) {
            happen(&sim_files[i]);
        }
    }
}

// ---- polling ------------------------------------------------------------------------------------

size_t
sim_room(const struct sim_file *file)
{
    return file->out->capacity - (file->out->sent - file->out->taken);
}

static uint32_t
readiness(const struct sim_file *file)
{
    uint32_t ready = 0;

    if (file->kind == SIM_WAKE) {
        return file->count != 0 ? (uint32_t)EPOLLIN : 0;
    }
    if (file->kind == SIM_PLAIN) {
        return file->ready;
    }
    if (file->kind == SIM_SIGNAL) {
        return file->raised != 0 ? (uint32_t)EPOLLIN : 0;
    }
    if (file->state == SIM_LISTENING) {
        return file->pending_count != 0 ? (uint32_t)EPOLLIN : 0;
    }
    if (file->state == SIM_NEW) {
        return EPOLLOUT | EPOLLHUP;
    }
    if (file->reset) {
        ready = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
        return ready | (file->error != 0 || file->reports != NULL ? (uint32_t)EPOLLERR : 0);
    }
    if (file->state != SIM_CONNECTED) {
        return 0;
    }
    ready |= file->in->visible != file->in->taken || file->cut ? (uint32_t)EPOLLIN : 0;
    ready |= file->cut ? (uint32_t)EPOLLRDHUP : 0;
    ready |= file->cut && file->sent_fin ? (uint32_t)EPOLLHUP : 0;
    ready |= !file->no_space && sim_room(file) != 0 ? (uint32_t)EPOLLOUT : 0;
    return ready | (file->has_report || file->reports != NULL ? (uint32_t)EPOLLERR : 0);
}

// What is to be told; 0: nothing.
static uint32_t
news(const struct sim_file *file)
{
    uint32_t ready = readiness(file) & (file->events | EPOLLERR | EPOLLHUP);
    bool is_new = file->changed;

    is_new |= file->seen_in != file->edges_in && (ready & ~(uint32_t)EPOLLOUT) != 0;
    is_new |= file->seen_out != file->edges_out && (ready & ~(uint32_t)EPOLLIN) != 0;
    return (file->events & EPOLLET) && !is_new ? 0 : ready;
}

static int
collect(int poller, struct epoll_event *events, int capacity, bool with_spurious)
{
    int first = (int)sim_below((unsigned)sim_files_used);
    int count = 0;

    for (int i = 0; i < sim_files_used && count < capacity; i++) {
        struct sim_file *file = &sim_files[(first + i) % sim_files_used];
        uint32_t ready;

        if (file->kind == SIM_NONE || file->poller != poller) {
            continue;
        }
        ready = news(file);
        if (ready == 0 && with_spurious && sim_chance(sim_faults.spurious)) {
            ready = readiness(file) & (file->events | EPOLLERR | EPOLLHUP);
            if (ready != 0) {
                SIM_HIT(spurious);
            }
        }
        if (ready != 0) {
            SIM_EVENT(KERNEL);
            if (file->kind == SIM_SOCKET && file->in != NULL && file->cut &&
                file->in->visible != file->in->taken) {
                SIM_HIT(merged);
            }
            file->changed = false;
            file->seen_in = file->edges_in;
            file->seen_out = file->edges_out;
            sim_say(ready, (uint64_t)file->index, "    ready: %d, %#x", SIM_FIRST_FD + file->index,
                    ready);
            events[count].events = ready;
            events[count++].data.ptr = file->tag;
        }
    }
    return count;
}

bool
sim_poller_is_ready(int fd)
{
    for (int i = 0; i < sim_files_used; i++) {
        if (sim_files[i].kind != SIM_NONE && sim_files[i].poller == fd - SIM_FIRST_FD &&
            news(&sim_files[i]) != 0) {
            return true;
        }
    }
    return false;
}

int
wi_os_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms)
{
    int count;
    uint64_t next;

    SIM_EVENT(SYSTEM);
    if (timeout_ms != 0) {
        sim_preempt(); // asleep, in its own words
    }
    if (sim_chance(sim_faults.interrupted)) {
        SIM_HIT(interrupted);
        return 0;
    }
    capacity = sim_chance(sim_faults.few_events) ? 1 : capacity;
    count = collect(poller - SIM_FIRST_FD, events, capacity, true);
    if (count == 0 && timeout_ms != 0) { // it would sleep: until something happens, or for a while
        next = sim_next_event();
        if (timeout_ms > 0 && sim_now + (uint64_t)timeout_ms * TICK_NS < next) {
            next = sim_now + (uint64_t)timeout_ms * TICK_NS;
        }
        sim_advance(next == UINT64_MAX ? sim_now : next);
        count = collect(poller - SIM_FIRST_FD, events, capacity, false);
    }
    return count;
}

static int
open_or_fail(enum sim_kind kind)
{
    return sim_is_out_of_descriptors() ? -EMFILE : sim_open(kind);
}

bool
sim_is_out_of_descriptors(void)
{
    if (sim_faults.descriptors != 0 && sim_open_count() >= sim_faults.descriptors) {
        SIM_HIT(descriptors);
        return true;
    }
    return sim_chance(sim_faults.no_descriptor);
}

int
wi_os_poller_create(void)
{
    SIM_EVENT(SYSTEM);
    return open_or_fail(SIM_POLLER);
}

int
wi_os_wake_create(void)
{
    SIM_EVENT(SYSTEM);
    return open_or_fail(SIM_WAKE);
}

static int
poll_set(int poller, int fd, uint32_t events, void *tag, bool adds)
{
    struct sim_file *file = sim_file(fd);

    SIM_EVENT(SYSTEM);
    if (file == NULL || sim_file(poller) == NULL || (file->is_peers && file->kind != SIM_PLAIN)) {
        sim_fail("descriptor %d given to poller %d is not open", fd, poller);
    }
    if (adds == (file->poller >= 0)) {
        return adds ? -EEXIST : -ENOENT;
    }
    sim_preempt();
    if ((file->kind == SIM_PLAIN || file->kind == SIM_SIGNAL) &&
        sim_chance(sim_faults.poll_fails)) {
        return -ENOMEM;
    }
    if (file->kind == SIM_SOCKET && sim_chance(sim_faults.poll_fails)) {
        sim_say(1, (uint64_t)fd, "    poll(%d) = out of memory", fd);
        return sim_told(file, ENOMEM);
    }
    sim_say(events, (uint64_t)fd, "    poll(%d, %#x)", fd, events);
    file->poller = poller - SIM_FIRST_FD;
    file->events = events;
    file->tag = tag;
    file->changed = true;
    return 0;
}

int
wi_os_poll_add(int poller, int fd, uint32_t events, void *tag)
{
    return poll_set(poller, fd, events, tag, true);
}

int
wi_os_poll_modify(int poller, int fd, uint32_t events, void *tag)
{
    return poll_set(poller, fd, events, tag, false);
}

int
wi_os_poll_remove(int poller, int fd)
{
    struct sim_file *file = sim_file(fd);

    SIM_EVENT(SYSTEM);
    (void)poller;
    if (file == NULL || file->poller < 0) {
        return -ENOENT;
    }
    file->poller = -1;
    return 0;
}

void
wi_os_wake(int wake_fd)
{
    struct sim_file *file = sim_file(wake_fd);

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file == NULL || file->kind != SIM_WAKE) {
        sim_fail("descriptor %d is woken and is no wake-up", wake_fd);
    }
    file->count++;
    file->edges_in++;
}

void
wi_os_wake_clear(int wake_fd)
{
    SIM_EVENT(SYSTEM);
    sim_file(wake_fd)->count = 0;
}

// ---- bytes --------------------------------------------------------------------------------------

#define PERIOD (SIM_PATTERN / 2)

// The longest piece of the pattern from there on.
static const unsigned char *
piece_of(const struct sim_pipe *pipe, size_t at, size_t *size)
{
    size_t from = (pipe->pattern + at) % PERIOD;

    *size = *size < PERIOD - from ? *size : PERIOD - from;
    return sim_pattern + from;
}

bool
sim_pipe_has(const struct sim_pipe *pipe, size_t at, const unsigned char *bytes, size_t size)
{
    if (pipe->is_logged) {
        return size == 0 || memcmp(bytes, pipe->log + at, size) == 0;
    }
    while (size != 0) {
        size_t part = size;
        const unsigned char *wanted = piece_of(pipe, at, &part);

        if (memcmp(bytes, wanted, part) != 0) {
            return false;
        }
        bytes += part;
        at += part;
        size -= part;
    }
    return true;
}

static void
copy_out(const struct sim_pipe *pipe, size_t at, unsigned char *bytes, size_t size)
{
    if (pipe->is_logged) {
        memcpy(bytes, size == 0 ? bytes : pipe->log + at, size);
        return;
    }
    while (size != 0) {
        size_t part = size;
        const unsigned char *from = piece_of(pipe, at, &part);

        memcpy(bytes, from, part);
        bytes += part;
        at += part;
        size -= part;
    }
}

static void
log_bytes(struct sim_pipe *pipe, const unsigned char *bytes, size_t size)
{
    if (size == 0 || !pipe->is_logged) {
        pipe->sent += size;
        return;
    }
    if (pipe->sent + size > pipe->log_room) {
        unsigned char *log = sim_alloc((pipe->sent + size) * 2);

        memcpy(log, pipe->log != NULL ? pipe->log : log, pipe->sent);
        pipe->log = log;
        pipe->log_room = (pipe->sent + size) * 2;
    }
    memcpy(pipe->log + pipe->sent, bytes, size);
    pipe->sent += size;
}

// What was sent becomes visible: at once, or with whatever else is on its way.
static void
travel(struct sim_file *from)
{
    struct sim_pipe *pipe = from->out;

    if (pipe->visible_at == 0) {
        pipe->visible_at = sim_soon();
    }
}

// At most `limit` bytes; the caller knows that it is connected. What was taken.
ssize_t
sim_send(struct sim_file *file, const struct iovec *iov, size_t count, size_t limit)
{
    size_t wanted = 0;
    size_t sent = 0;

    for (size_t i = 0; i < count; i++) {
        size_t room = sim_room(file);
        size_t size = iov[i].iov_len < limit - sent ? iov[i].iov_len : limit - sent;

        size = size < room ? size : room;
        wanted += iov[i].iov_len;
        if (size != 0 && !file->is_peers) {
            sim_wire(file, iov[i].iov_base, size);
        }
        log_bytes(file->out, iov[i].iov_base, size);
        sent += size;
    }
    if (file->out->closed || file->peer < 0) { // nobody is there any more: it will be told
        file->out->taken = file->out->visible = file->out->sent;
        file->reset_at = file->reset_at == 0 && !file->reset ? sim_soon() : file->reset_at;
    } else if (sent != 0) {
        travel(file);
    }
    if (sent < wanted) {
        file->no_space = true;
        if (sim_room(file) != 0) { // else the peer's next read makes room
            file->room_at = sim_soon();
        }
    }
    return (ssize_t)sent;
}

int
sim_send_refusal(struct sim_file *file)
{
    int error = file->error;

    if (file->kind != SIM_SOCKET) {
        sim_fail("a descriptor was closed inside a send on it");
    }
    file->error = 0;
    if (error != 0) {
        return sim_told(file, error);
    }
    if (file->state != SIM_CONNECTED) {
        return sim_told(file, ENOTCONN);
    }
    if (file->ended && !file->reset) {
        sim_fail("end: a send behind the end, on descriptor %d", SIM_FIRST_FD + file->index);
    }
    if (file->sent_fin || file->reset || (file->family == AF_UNIX && file->peer < 0)) {
        return sim_told(file, EPIPE);
    }
    if (sim_chance(sim_faults.send_fails)) {
        return sim_told(file, sim_chance(500) ? ENOBUFS : ENOMEM);
    }
    return 0;
}

static ssize_t
send_any(int fd, const struct iovec *iov, size_t count)
{
    struct sim_file *file = sim_socket(fd);
    size_t wanted = 0;
    size_t limit;
    ssize_t sent;

    SIM_EVENT(SYSTEM);
    sim_preempt();
    sent = sim_send_refusal(file);
    if (sent < 0) {
        return sent;
    }
    for (size_t i = 0; i < count; i++) {
        wanted += iov[i].iov_len;
    }
    limit = sim_chance(sim_faults.short_send) ? 1 + sim_below((unsigned)wanted) : wanted;
    if (sim_room(file) == 0 || sim_chance(sim_faults.send_again)) {
        limit = 0;
    }
    sent = sim_send(file, iov, count, limit);
    if ((size_t)sent < wanted) {
        if (sent == 0) {
            SIM_HIT(send_again);
        } else {
            SIM_HIT(short_send);
        }
        sim_wire_short(file);
    }
    if (sent > 0 && file->cut) {
        SIM_HIT(half_closed);
    }
    sim_say((uint64_t)sent, wanted, "    send(%d, %zu bytes in %zu) = %zd", fd, wanted, count,
            sent == 0 ? (ssize_t)-EAGAIN : sent);
    return sent == 0 ? -EAGAIN : sent;
}

ssize_t
wi_os_send_marked(int fd, const struct iovec *iov, size_t iov_count, bool stamp, bool zerocopy)
{
    struct sim_file *file = sim_socket(fd);
    ssize_t sent;

    (void)stamp;
    if (zerocopy && !file->lends) {
        sim_fail("memory: a send from it on a socket that was not asked whether it can");
    }
    if (zerocopy && sim_chance(sim_faults.no_zerocopy)) {
        SIM_HIT(zerocopy_refused);
        return -ENOBUFS;
    }
    sent = send_any(fd, iov, iov_count);
    if (zerocopy && sent > 0) {
        SIM_HIT(zerocopy);
        sim_lend(file, iov, (size_t)sent);
    }
    return sent;
}

ssize_t
wi_os_send_vector(int fd, const struct iovec *iov, size_t iov_count)
{
    return send_any(fd, iov, iov_count);
}

ssize_t
wi_os_send_more(int fd, const struct iovec *iov, size_t iov_count)
{
    return send_any(fd, iov, iov_count);
}

void
wi_os_send_rest(int fd)
{
    (void)fd;
}

ssize_t
wi_os_send(int fd, const void *data, size_t size)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

    return send_any(fd, &iov, 1);
}

// Bytes were taken: the other side learns of the room, perhaps later.
static void
make_room(struct sim_file *file)
{
    struct sim_file *peer = sim_peer(file);

    if (peer != NULL && peer->no_space && peer->room_at == 0) {
        peer->room_at = sim_soon();
    }
    if (peer != NULL && peer->lent != NULL) {
        sim_lent_changed(peer);
    }
    if (peer != NULL && peer->stamps) {
        peer->has_report = true;
        peer->edges_in++;
    }
}

static size_t
take(struct sim_file *file, void *buffer, size_t size)
{
    struct sim_pipe *pipe = file->in;
    size_t left = pipe->visible - pipe->taken;

    size = size < left ? size : left;
    if (size > 1 && !file->cut && sim_chance(sim_faults.short_receive)) {
        // A read takes all there is: what is left arrives a moment later.
        SIM_HIT(short_receive);
        size = 1 + sim_below((unsigned)size - 1);
        pipe->visible = pipe->taken + size;
        pipe->visible_at = sim_soon();
    }
    if (buffer != NULL) {
        copy_out(pipe, pipe->taken, buffer, size);
    }
    pipe->taken += size;
    if (size != 0) {
        make_room(file);
    }
    return size;
}

ssize_t
wi_os_receive(int fd, void *buffer, size_t size)
{
    struct sim_file *file = sim_socket(fd);
    ssize_t result;

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file->kind != SIM_SOCKET || file->state != SIM_CONNECTED) {
        sim_fail("a receive on descriptor %d, which is closed or not connected", fd);
    }
    if (file->in != NULL && file->in->visible != file->in->taken) {
        result = (ssize_t)take(file, buffer, size);
    } else if (file->error != 0) {
        result = sim_told(file, file->error);
        file->error = 0;
    } else {
        result = file->cut ? 0 : -EAGAIN;
    }
    sim_say((uint64_t)result, (uint64_t)fd, "    receive(%d) = %zd", fd, result);
    return result;
}

bool
wi_os_is_at_end(int fd)
{
    const struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    return file->in != NULL && file->in->visible == file->in->taken && file->cut &&
           file->error == 0;
}

// ---- a peer's calls -----------------------------------------------------------------------------

size_t
sim_peer_send(struct sim_file *file, size_t size)
{
    struct iovec iov = {.iov_base = sim_pattern, .iov_len = size};

    SIM_EVENT(PEER);
    if (file->reset || file->sent_fin || file->state != SIM_CONNECTED || file->peer < 0) {
        return 0;
    }
    return (size_t)sim_send(file, &iov, 1, iov.iov_len);
}

size_t
sim_peer_receive(struct sim_file *file, size_t size)
{
    size_t taken = file->in == NULL ? 0 : take(file, NULL, size);

    sim_events[SIM_EVENT_PEER] += taken != 0;
    return taken;
}

void
sim_peer_end(struct sim_file *file)
{
    if (!file->sent_fin && !file->reset && file->state == SIM_CONNECTED && file->peer >= 0) {
        SIM_EVENT(PEER);
        file->sent_fin = true;
        file->out->fin = true;
        file->out->fin_at = sim_soon();
    }
}

void
sim_peer_reset(struct sim_file *file)
{
    SIM_EVENT(PEER);
    file->linger_reset = true;
    sim_close_file(file);
}

void
sim_lose(struct sim_file *file)
{
    struct sim_file *other = sim_peer(file);

    SIM_EVENT(KERNEL);
    if (other != NULL && !other->is_peers && !other->reset) {
        SIM_HIT(lost_network);
        hang_up_with(other, sim_chance(500) ? ETIMEDOUT : EHOSTUNREACH);
    }
}

int
sim_told(struct sim_file *file, int error)
{
    sim_wire_error(file, error);
    sim_say((uint64_t)error, (uint64_t)file->index, "    socket %d: %s", SIM_FIRST_FD + file->index,
            strerror(error));
    return -error;
}
