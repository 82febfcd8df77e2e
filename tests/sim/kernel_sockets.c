// SPDX-License-Identifier: MIT

// The calls of runtime/os.h that make sockets, connect them and set them up, and the small rest.

#include "tests/sim/kernel.h"
#include "tests/sim/model.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

// ---- making -------------------------------------------------------------------------------------

static struct sim_pipe *
make_pipe(bool is_logged)
{
    static const unsigned capacities[] = {1, 7, 64, 512, 4096, 20000, 65536, 300000};
    struct sim_pipe *pipe = sim_alloc(sizeof(*pipe));

    pipe->is_logged = is_logged;
    pipe->pattern = sim_below(SIM_PATTERN / 2);
    if (sim_kind_now) {
        pipe->capacity = SIM_KIND_CAPACITY;
        return pipe;
    }
    pipe->capacity = capacities[sim_below(sizeof(capacities) / sizeof(capacities[0]))];
    return pipe;
}

void
sim_join(struct sim_file *a, struct sim_file *b)
{
    bool is_logged = !a->is_peers && !b->is_peers;

    a->out = b->in = make_pipe(is_logged);
    b->out = a->in = make_pipe(is_logged);
    a->peer = b->index;
    b->peer = a->index;
    a->state = b->state = SIM_CONNECTED;
    sim_changed(a);
    sim_changed(b);
}

void
sim_pair(int family, struct sim_file **ret_weirs, struct sim_file **ret_peers)
{
    int weirs = sim_open(SIM_SOCKET);
    int peers = sim_open(SIM_SOCKET);

    if (peers < 0) {
        if (weirs >= 0) {
            sim_close_file(sim_file(weirs));
        }
        *ret_weirs = NULL;
        return;
    }
    *ret_weirs = sim_file(weirs);
    *ret_peers = sim_file(peers);
    (*ret_weirs)->family = (*ret_peers)->family = family;
    (*ret_peers)->is_peers = true;
    sim_join(*ret_weirs, *ret_peers);
}

void
sim_peer_connect(struct sim_file *file, int port)
{
    SIM_EVENT(PEER);
    file->remote_port = port;
    file->state = SIM_CONNECTING;
    file->connect_at = sim_soon();
}

int
wi_os_socket(int family)
{
    int fd;

    SIM_EVENT(SYSTEM);
    sim_preempt();
    fd = sim_is_out_of_descriptors() ? -EMFILE : sim_open(SIM_SOCKET);
    if (fd >= 0) {
        sim_file(fd)->family = family;
    }
    return fd;
}

int
wi_os_close(int fd)
{
    struct sim_file *file = sim_file(fd);

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file == NULL || file->kind == SIM_NONE || file->is_peers) {
        sim_fail("descriptor %d is closed, and is not open", fd);
    }
    sim_say((uint64_t)fd, 0, "    close(%d)%s", fd, file->linger_reset ? " with a reset" : "");
    sim_close_file(file);
    return 0;
}

// ---- addresses: a port is all there is to one ---------------------------------------------------

static int
port_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    }
    return atoi(((const struct sockaddr_un *)(const void *)address)->sun_path + 1);
}

static void
give_address(int family, int port, struct sockaddr *ret_address, socklen_t *size)
{
    struct sockaddr_in address = {.sin_family = (sa_family_t)family,
                                  .sin_port = htons((uint16_t)(port < 0 ? 0 : port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    memcpy(ret_address, &address, *size < sizeof(address) ? *size : sizeof(address));
    *size = sizeof(address);
}

int
wi_os_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    (void)size;
    if (sim_chance(sim_faults.option_fails)) {
        return sim_told(file, EADDRINUSE);
    }
    file->port = port_of(address);
    sim_wire_bound(file);
    return 0;
}

int
wi_os_listen(int fd, int backlog)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    file->state = SIM_LISTENING;
    file->backlog = backlog < SIM_BACKLOG ? backlog : SIM_BACKLOG;
    return 0;
}

// What waits to be accepted is open here already.
static bool
is_at_its_limit(void)
{
    unsigned waiting = 0;

    for (int i = 0; i < sim_files_used; i++) {
        waiting += sim_files[i].kind == SIM_SOCKET ? (unsigned)sim_files[i].pending_count : 0;
    }
    return sim_faults.descriptors != 0 && sim_open_count() - waiting >= sim_faults.descriptors;
}

int
wi_os_accept(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    struct sim_file *file = sim_socket(fd);
    int index;

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file->pending_count == 0) {
        return -EAGAIN;
    }
    if (sim_chance(sim_faults.no_descriptor * 5) || is_at_its_limit()) {
        static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
        int error = errors[sim_below(4)];

        SIM_HIT(accept_rests);
        sim_say((uint64_t)error, 0, "    accept(%d) = %s", fd, strerror(error));
        return -error;
    }
    index = file->pending[0];
    memmove(file->pending, file->pending + 1,
            (size_t)--file->pending_count * sizeof(file->pending[0]));
    if (sim_chance(sim_faults.connection_lost)) {
        sim_close_file(&sim_files[index]);
        return -ECONNABORTED;
    }
    give_address(file->family, sim_files[index].remote_port, ret_address, size);
    return SIM_FIRST_FD + index;
}

int
wi_os_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    (void)size;
    sim_preempt();
    if (address->sa_family == AF_UNSPEC) { // disconnect: a reset that keeps the descriptor
        struct sim_file *peer = sim_peer(file);

        if (file->family == AF_UNIX) {
            return -EOPNOTSUPP;
        }
        if (peer != NULL) {
            peer->reset_at = sim_soon();
        }
        file->reset = file->cut = true;
        file->error = 0;
        sim_lent_changed(file);
        return 0;
    }
    if (file->state != SIM_NEW) {
        return sim_told(file, EISCONN);
    }
    file->remote_port = port_of(address);
    if (file->family == AF_INET && sim_chance(sim_faults.unreachable)) {
        static const int errors[] = {ENETUNREACH, EADDRNOTAVAIL, EHOSTUNREACH, ENOBUFS};

        SIM_HIT(unreachable);
        return sim_told(file, errors[sim_below(4)]);
    }
    if (file->family == AF_UNIX && sim_chance(sim_faults.late)) {
        sim_say(5, 0, "    connect(%d) = the backlog is full", fd);
        return -EAGAIN;
    }
    file->state = SIM_CONNECTING;
    if (file->remote_port == SIM_PORT_SILENT) {
        file->connect_at = 0;
    } else {
        file->connect_at = sim_soon();
    }
    if (file->family == AF_UNIX || (sim_faults.late != 0 && sim_chance(100))) { // at once
        file->connect_at = sim_now;
        sim_advance(sim_now);
        if (file->error != 0) {
            int error = file->error;

            file->error = 0;
            return sim_told(file, error);
        }
        return 0;
    }
    return -EINPROGRESS;
}

int
wi_os_shutdown(int fd, int how)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file->state != SIM_CONNECTED || file->reset) {
        return -ENOTCONN;
    }
    sim_say((uint64_t)fd, (uint64_t)how, "    shutdown(%d, %d)", fd, how);
    if (how != SHUT_RD && !file->sent_fin) {
        // A Unix socket has no reset: one that dies while another thread sends is shut down both
        // ways in place of being closed, which the peer cannot tell apart, nor has to.
        if (how != SHUT_RDWR || file->family != AF_UNIX) {
            sim_wire_fin(file);
        }
        file->sent_fin = true;
        file->ended = how == SHUT_WR;
        file->out->fin = true;
        file->out->fin_at = sim_soon();
    }
    if (how != SHUT_WR) {
        file->cut = true;
    }
    sim_changed(file);
    return 0;
}

// ---- options ------------------------------------------------------------------------------------

static int
option_result(struct sim_file *file)
{
    return sim_chance(sim_faults.option_fails) ? sim_told(file, ENOMEM) : 0;
}

int
wi_os_set_option(int fd, int level, int name, int value)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    if (level == SOL_SOCKET && name == SO_ZEROCOPY) {
        file->lends = value != 0 && !sim_chance(sim_faults.no_zerocopy);
        file->copies = sim_chance(200);
        return file->lends ? 0 : -ENOTSUP;
    }
    return option_result(file);
}

int
wi_os_get_option(int fd, int level, int name, int *ret_value)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    *ret_value = 0;
    if (level == SOL_SOCKET && name == SO_ERROR) {
        *ret_value = file->error;
        if (file->error != 0) {
            sim_told(file, file->error);
            file->error = 0;
        }
        return 0;
    }
    if (level == SOL_SOCKET && name == SO_TYPE) {
        *ret_value = SOCK_STREAM;
    } else if (level == SOL_SOCKET && name == SO_DOMAIN) {
        *ret_value = file->family;
    } else if (level == SOL_SOCKET && file->out != NULL) {
        *ret_value = (int)file->out->capacity;
    }
    return 0;
}

int
wi_os_set_linger_reset(int fd)
{
    SIM_EVENT(SYSTEM);
    sim_socket(fd)->linger_reset = true;
    return 0;
}

int
wi_os_local_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    const struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    give_address(file->family, file->port, ret_address, size);
    return 0;
}

int
wi_os_peer_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    const struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    if (file->state != SIM_CONNECTED) {
        return -ENOTCONN;
    }
    give_address(file->family, file->remote_port, ret_address, size);
    return 0;
}

int
wi_os_set_nonblocking(int fd)
{
    SIM_EVENT(SYSTEM);
    return option_result(sim_socket(fd));
}

int
wi_os_stamp_acks(int fd)
{
    struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    file->stamps = true;
    return option_result(file);
}

int
wi_os_unsent(int fd, int *ret_size)
{
    const struct sim_file *file = sim_socket(fd);

    SIM_EVENT(SYSTEM);
    *ret_size = file->out == NULL ? 0 : (int)(file->out->sent - file->out->taken);
    if (file->sent_fin && (*ret_size != 0 || file->out->fin_at != 0)) {
        *ret_size += 1; // the end counts as a byte
    }
    return 0;
}

int
wi_os_window(int fd, size_t *ret_size)
{
    SIM_EVENT(SYSTEM);
    *ret_size = sim_socket(fd)->out == NULL ? 0 : 14480;
    return 0;
}

// ---- the rest -----------------------------------------------------------------------------------

int
wi_os_unlink(const char *path)
{
    SIM_EVENT(SYSTEM);
    (void)path;
    return 0;
}

bool
wi_os_is_socket(const char *path)
{
    SIM_EVENT(SYSTEM);
    (void)path;
    return false;
}

int
wi_os_signal_create(const int *signals, unsigned count)
{
    int fd = sim_is_out_of_descriptors() ? -EMFILE : sim_open(SIM_SIGNAL);

    SIM_EVENT(SYSTEM);
    for (unsigned i = 0; i < count && fd >= 0; i++) {
        sim_file(fd)->signals |= UINT64_C(1) << signals[i];
    }
    return fd;
}

int
wi_os_signal_take(int fd)
{
    struct sim_file *file = sim_file(fd);
    int number;

    SIM_EVENT(SYSTEM);
    sim_preempt();
    if (file == NULL || file->kind != SIM_SIGNAL) {
        sim_fail("descriptor %d is none that signals arrive at", fd);
    }
    if (file->raised == 0) {
        return -EAGAIN;
    }
    number = __builtin_ctzll(file->raised);
    file->raised &= file->raised - 1;
    return number;
}

// It is pending once, and whoever takes it has it.
void
sim_raise(int signal)
{
    for (int i = 0; i < sim_files_used; i++) {
        struct sim_file *file = &sim_files[i];

        if (file->kind == SIM_SIGNAL && (file->signals >> signal & 1) != 0) {
            file->raised |= UINT64_C(1) << signal;
            file->edges_in++;
            return;
        }
    }
}

int
wi_os_thread_start(void **ret_thread, void *(*body)(void *), void *arg)
{
    (void)ret_thread;
    (void)body;
    (void)arg;
    return -EAGAIN; // every loop is turned by hand
}

void
wi_os_thread_detach(void *thread)
{
    (void)thread; // no thread that could be left behind is ever started here
}

void
wi_os_thread_join(void *thread)
{
    (void)thread;
}

int
wi_os_pin(unsigned index)
{
    (void)index;
    return 0;
}

unsigned
wi_os_processors(void)
{
    return 2;
}

void
wi_os_yield(void)
{
    sim_fail("a thread waits for another one that cannot run");
}

int
wi_os_at_fork_child(void (*hook)(void))
{
    (void)hook;
    return 0;
}

uint64_t
wi_os_now_ns(void)
{
    return sim_now;
}

void
wi_os_sleep(const void *word, uint32_t value, uint64_t deadline_ns)
{
    (void)word;
    (void)value;
    (void)deadline_ns;
    sim_fail("a plain thread waits, and none does here");
}

void
wi_os_wake_sleepers(const void *word)
{
    (void)word;
}
