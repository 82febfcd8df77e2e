// SPDX-License-Identifier: MIT

// The calls of runtime/os.h that make sockets, connect them and set them up; see os_fake.c.

#include "tests/lib/fake_kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

// ---- sockets ------------------------------------------------------------------------------------

int
wi_os_socket(int family)
{
    int result;

    fake_enter();
    result = fake_script(OS_SOCKET);
    if (result == 0 && family != AF_UNIX && family != AF_INET && family != AF_INET6) {
        result = -EAFNOSUPPORT;
    }
    return (int)fake_leave(result < 0 ? result : fake_open_socket(family));
}

static void
address_set(struct fake_address *to, const struct sockaddr *address, socklen_t size)
{
    to->size = size < sizeof(to->any) ? size : sizeof(to->any);
    memcpy(&to->any, address, to->size);
}

static void
address_give(const struct fake_address *from, int family, struct sockaddr *ret_address,
             socklen_t *size)
{
    struct fake_address unnamed = {.any.ss_family = (sa_family_t)family,
                                   .size = sizeof(sa_family_t)};

    from = from->size == 0 ? &unnamed : from;
    memcpy(ret_address, &from->any, from->size < *size ? from->size : *size);
    *size = from->size;
}

static in_port_t *
port_of(struct fake_address *address)
{
    switch (address->any.ss_family) {
    case AF_INET:
        return &((struct sockaddr_in *)(void *)&address->any)->sin_port;
    case AF_INET6:
        return &((struct sockaddr_in6 *)(void *)&address->any)->sin6_port;
    default:
        return NULL;
    }
}

static struct fake_file *
listener_at(const struct sockaddr *address, socklen_t size)
{
    for (int i = 0; i < FAKE_FILES; i++) {
        struct fake_file *file = &fake.files[i];

        if (file->kind == FAKE_FILE_SOCKET && file->state == FAKE_SOCKET_LISTENING &&
            file->local.size == size && memcmp(&file->local.any, address, size) == 0) {
            return file;
        }
    }
    return NULL;
}

// The call's verdict on the descriptor: the scripted one, -EBADF, or 0 with the lock held.
static int
begin(enum os_call call, int fd, struct fake_file **ret_file)
{
    int result;

    fake_enter();
    result = fake_script(call);
    *ret_file = fake_socket(fd);
    return result == 0 && *ret_file == NULL ? -EBADF : result;
}

int
wi_os_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct fake_file *file;
    in_port_t *port;
    int result = begin(OS_BIND, fd, &file);

    if (result < 0 || listener_at(address, size) != NULL) {
        return (int)fake_leave(result < 0 ? result : -EADDRINUSE);
    }
    address_set(&file->local, address, size);
    port = port_of(&file->local);
    if (port != NULL && *port == 0) {
        *port = htons(fake.port++);
    }
    return (int)fake_leave(0);
}

int
wi_os_listen(int fd, int backlog)
{
    struct fake_file *file;
    int result = begin(OS_LISTEN, fd, &file);

    if (result == 0) {
        file->state = FAKE_SOCKET_LISTENING;
        file->backlog = backlog < FAKE_PENDING ? backlog : FAKE_PENDING;
    }
    return (int)fake_leave(result);
}

int
wi_os_accept(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    struct fake_file *file;
    int result = begin(OS_ACCEPT, fd, &file);
    int index;

    if (result < 0 || file->pending_count == 0) {
        return (int)fake_leave(result < 0 ? result : -EAGAIN);
    }
    index = file->pending[0];
    memmove(file->pending, file->pending + 1,
            (size_t)--file->pending_count * sizeof(file->pending[0]));
    address_give(&fake.files[index].remote, file->family, ret_address, size);
    return (int)fake_leave(OS_FAKE_FIRST_FD + index);
}

// The other half of a connection: a socket in the listener's backlog.
static int
meet(struct fake_file *file, struct fake_file *listener, const struct sockaddr *address,
     socklen_t size)
{
    struct fake_file *other;
    int fd;

    if (listener == NULL) {
        return -ECONNREFUSED;
    }
    if (listener->pending_count >= listener->backlog) {
        return -EAGAIN;
    }
    fd = fake_open_socket(file->family);
    other = fake_socket(fd);
    if (other == NULL) {
        return fd;
    }
    address_set(&file->remote, address, size);
    other->local = listener->local;
    if (file->local.size == 0 && file->family != AF_UNIX) {
        file->local = file->remote;
        *port_of(&file->local) = htons(fake.port++);
    }
    other->remote = file->local;
    fake_join(file, other);
    listener->pending[listener->pending_count++] = fd - OS_FAKE_FIRST_FD;
    listener->edges_in++;
    return 0;
}

// What it had to send is dropped: the peer is reset.
static void
disconnect(struct fake_file *file)
{
    if (fake_peer(file) != NULL) {
        fake_hang_up(fake_peer(file), true);
    }
    file->sent_fin = true;
    file->eof = true;
    fake_let_go(file, fake.zerocopy);
    fake_changed(file);
}

enum network { NETWORK_PLAIN, NETWORK_SILENT, NETWORK_UNREACHABLE };

static enum network
network_of(const struct sockaddr *address)
{
    static const unsigned char documentation[] = {0x20, 0x01, 0x0d, 0xb8};
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET6) {
        return memcmp(&in6->sin6_addr, documentation, sizeof(documentation)) == 0 ? NETWORK_SILENT
                                                                                  : NETWORK_PLAIN;
    }
    if (address->sa_family != AF_INET) {
        return NETWORK_PLAIN;
    }
    switch (ntohl(in->sin_addr.s_addr) >> 8) {
    case 0xc00002: // 192.0.2.0
        return NETWORK_SILENT;
    case 0xc63364: // 198.51.100.0
        return NETWORK_UNREACHABLE;
    default:
        return NETWORK_PLAIN;
    }
}

unsigned
os_fake_end_connects(const struct sockaddr *address, socklen_t size, int error)
{
    unsigned count = 0;

    fake_enter();
    for (int i = 0; i < FAKE_FILES; i++) {
        struct fake_file *file = &fake.files[i];

        if (file->kind == FAKE_FILE_SOCKET && file->state == FAKE_SOCKET_CONNECTING &&
            file->remote.size == size && memcmp(&file->remote.any, address, size) == 0) {
            file->state = FAKE_SOCKET_CONNECTED;
            file->error =
                error != 0 ? error : -meet(file, listener_at(address, size), address, size);
            fake_changed(file);
            count++;
        }
    }
    return (unsigned)fake_leave(count);
}

int
wi_os_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct fake_file *file;
    int result = begin(OS_CONNECT, fd, &file);

    if (result < 0) {
        return (int)fake_leave(result);
    }
    if (address->sa_family == AF_UNSPEC && file->family != AF_UNIX) {
        disconnect(file);
        return (int)fake_leave(0);
    }
    if (file->state != FAKE_SOCKET_NEW) {
        return (int)fake_leave(-EISCONN);
    }
    result = meet(file, listener_at(address, size), address, size);
    if (result == -ECONNREFUSED && network_of(address) == NETWORK_UNREACHABLE) {
        return (int)fake_leave(-ENETUNREACH);
    }
    if (result == -ECONNREFUSED && network_of(address) == NETWORK_SILENT) {
        file->state = FAKE_SOCKET_CONNECTING;
        address_set(&file->remote, address, size);
        return (int)fake_leave(-EINPROGRESS);
    }
    if (file->family != AF_UNIX && !fake.at_once) {
        // The outcome is there; the caller learns of it by an event.
        file->state = FAKE_SOCKET_CONNECTED;
        file->error = result == -EAGAIN ? ETIMEDOUT : -result;
        fake_changed(file);
        result = -EINPROGRESS;
    }
    return (int)fake_leave(result);
}

int
wi_os_shutdown(int fd, int how)
{
    struct fake_file *file;
    int result = begin(OS_SHUTDOWN, fd, &file);

    if (result < 0 || file->state != FAKE_SOCKET_CONNECTED) {
        return (int)fake_leave(result < 0 ? result : -ENOTCONN);
    }
    if (how != SHUT_RD && !file->sent_fin) {
        file->sent_fin = true;
        if (fake_peer(file) != NULL) {
            fake_hang_up(fake_peer(file), false);
        }
    }
    if (how != SHUT_WR) {
        file->eof = true;
    }
    fake_changed(file);
    return (int)fake_leave(0);
}

// ---- options ------------------------------------------------------------------------------------

int
wi_os_set_option(int fd, int level, int name, int value)
{
    struct fake_file *file;

    int result = begin(OS_SET_OPTION, fd, &file);

    if (result == 0 && level == SOL_SOCKET && name == SO_ZEROCOPY) {
        result = file->family == AF_UNIX ? -EOPNOTSUPP : 0;
        file->zerocopy = result == 0 && value != 0;
    }
    return (int)fake_leave(result);
}

int
wi_os_get_option(int fd, int level, int name, int *ret_value)
{
    struct fake_file *file;
    int result = begin(OS_GET_OPTION, fd, &file);

    if (result < 0) {
        return (int)fake_leave(result);
    }
    *ret_value = 0;
    if (level == SOL_SOCKET && name == SO_ERROR) {
        *ret_value = file->error;
        file->error = 0;
    } else if (level == SOL_SOCKET && name == SO_TYPE) {
        *ret_value = SOCK_STREAM;
    } else if (level == SOL_SOCKET && name == SO_DOMAIN) {
        *ret_value = file->family;
    } else if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
        *ret_value = file->state == FAKE_SOCKET_LISTENING;
    } else if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) {
        *ret_value = (int)file->capacity;
    }
    return (int)fake_leave(0);
}

int
wi_os_set_linger_reset(int fd)
{
    struct fake_file *file;
    int result = begin(OS_LINGER, fd, &file);

    if (result == 0) {
        file->linger_reset = true;
    }
    return (int)fake_leave(result);
}

int
wi_os_local_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    struct fake_file *file;
    int result = begin(OS_ADDRESS, fd, &file);

    if (result == 0) {
        address_give(&file->local, file->family, ret_address, size);
    }
    return (int)fake_leave(result);
}

int
wi_os_peer_address(int fd, struct sockaddr *ret_address, socklen_t *size)
{
    struct fake_file *file;
    int result = begin(OS_ADDRESS, fd, &file);

    if (result == 0 && file->state != FAKE_SOCKET_CONNECTED) {
        result = -ENOTCONN;
    }
    if (result == 0) {
        address_give(&file->remote, file->family, ret_address, size);
    }
    return (int)fake_leave(result);
}

int
wi_os_set_nonblocking(int fd)
{
    struct fake_file *file;

    return (int)fake_leave(begin(OS_NONBLOCKING, fd, &file));
}

int
wi_os_stamp_acks(int fd)
{
    struct fake_file *file;
    int result = begin(OS_SET_OPTION, fd, &file);

    if (result == 0) {
        file->stamps = true;
    }
    return (int)fake_leave(result);
}

int
wi_os_unsent(int fd, int *ret_size)
{
    struct fake_file *file;
    int result = begin(OS_UNSENT, fd, &file);

    if (result == 0) {
        *ret_size = 0; // what was sent is in the peer's pipe
    }
    return (int)fake_leave(result);
}

int
wi_os_window(int fd, size_t *ret_size)
{
    struct fake_file *file;
    int result = begin(OS_WINDOW, fd, &file);

    if (result == 0) {
        *ret_size = 14480;
    }
    return (int)fake_leave(result);
}
