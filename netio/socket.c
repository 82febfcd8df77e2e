/* SPDX-License-Identifier: MIT */

#include "netio/socket.h"

#include "netio/net.h"
#include "runtime/os_vsock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

// The kernel's bound of a vsock's memory, before anybody moves it.
#define VSOCK_BUFFER_MAX (256u * 1024)

bool
wi_transport_of(int family, enum wi_transport *ret_transport)
{
    *ret_transport = family == AF_UNIX    ? WI_TRANSPORT_UNIX
                     : family == AF_VSOCK ? WI_TRANSPORT_VSOCK
                                          : WI_TRANSPORT_TCP;
    return family == AF_UNIX || family == AF_VSOCK || family == AF_INET || family == AF_INET6;
}

// A vsock's memory is what it lets the peer send ahead. What is sent needs none: it is bounded by
// the peer's. Above the upper bound the kernel would cut the size, so that is moved first; below
// the lower one, of 128 bytes, it takes that one, as with SO_RCVBUF.
static unsigned
list_vsock_settings(const struct weir_stream_options *options,
                    struct wi_socket_setting *ret_settings)
{
    uint64_t size = (uint64_t)options->receive_buffer;
    unsigned count = 0;

    if (size == 0) {
        return 0;
    }
    if (size > VSOCK_BUFFER_MAX) {
        ret_settings[count++] =
            (struct wi_socket_setting){AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, size};
    }
    ret_settings[count++] = (struct wi_socket_setting){AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, size};
    return count;
}

// What a stream may ask of its socket; how many of them.
static unsigned
list_settings(const struct weir_stream_options *options, enum wi_transport transport,
              struct wi_socket_setting *ret_settings)
{
    bool tcp = transport == WI_TRANSPORT_TCP;
    unsigned count = 0;

    if (transport == WI_TRANSPORT_VSOCK) {
        return list_vsock_settings(options, ret_settings);
    }
    if (options->send_buffer != 0) {
        ret_settings[count++] =
            (struct wi_socket_setting){SOL_SOCKET, SO_SNDBUF, (uint64_t)options->send_buffer};
    }
    if (options->receive_buffer != 0) {
        ret_settings[count++] =
            (struct wi_socket_setting){SOL_SOCKET, SO_RCVBUF, (uint64_t)options->receive_buffer};
    }
    if (options->flags & WEIR_STREAM_KEEPALIVE) {
        ret_settings[count++] = (struct wi_socket_setting){SOL_SOCKET, SO_KEEPALIVE, 1};
    }
    if (tcp && (options->flags & WEIR_STREAM_NODELAY)) {
        ret_settings[count++] = (struct wi_socket_setting){IPPROTO_TCP, TCP_NODELAY, 1};
    }
    if (tcp && options->user_timeout_ms != 0) {
        ret_settings[count++] =
            (struct wi_socket_setting){IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms};
    }
    return count;
}

static int
set_one(int fd, const struct wi_socket_setting *one)
{
    return one->level == AF_VSOCK ? wi_os_set_wide_option(fd, one->level, one->name, one->value)
                                  : wi_os_set_option(fd, one->level, one->name, (int)one->value);
}

static int
get_one(int fd, struct wi_socket_setting *one)
{
    int value = 0;
    int result;

    if (one->level == AF_VSOCK) {
        return wi_os_get_wide_option(fd, one->level, one->name, &one->value);
    }
    result = wi_os_get_option(fd, one->level, one->name, &value);
    one->value = (uint64_t)value;
    if (one->level == SOL_SOCKET && (one->name == SO_SNDBUF || one->name == SO_RCVBUF)) {
        one->value /= 2; // the kernel doubles what it is told
    }
    return result;
}

int
wi_socket_configure(int fd, const struct weir_stream_options *options, enum wi_transport transport)
{
    struct wi_socket_setting settings[WI_SOCKET_SETTINGS];
    unsigned count = list_settings(options, transport, settings);
    int result = 0;

    for (unsigned i = 0; result == 0 && i < count; i++) {
        result = set_one(fd, &settings[i]);
    }
    return result;
}

int
wi_socket_remember(int fd, const struct weir_stream_options *options, enum wi_transport transport,
                   struct wi_socket_settings *ret_before)
{
    int result = 0;

    ret_before->count = list_settings(options, transport, ret_before->list);
    for (unsigned i = 0; result == 0 && i < ret_before->count; i++) {
        result = get_one(fd, &ret_before->list[i]);
    }
    return result;
}

void
wi_socket_restore(int fd, const struct wi_socket_settings *before)
{
    for (unsigned i = 0; i < before->count; i++) {
        set_one(fd, &before->list[i]);
    }
}

void
wi_stream_set_peer(struct wi_stream *stream, const struct sockaddr *address, socklen_t size)
{
    struct wi_stream_extra *extra;
    struct sockaddr_in ip4;

    if (size >= sizeof(ip4) && address->sa_family == AF_INET) {
        memcpy(&ip4, address, sizeof(ip4));
        wi_store_relaxed(&stream->peer_ip, ip4.sin_addr.s_addr);
        stream->peer_port = ip4.sin_port;
        stream->peer_family = AF_INET;
        return;
    }
    stream->peer_family = (uint8_t)address->sa_family;
    if (size <= sizeof(address->sa_family)) {
        return; // an unnamed Unix peer: nothing more to remember
    }
    extra = wi_stream_need_extra(stream);
    if (extra != NULL && size <= sizeof(extra->peer)) {
        memcpy(&extra->peer, address, size);
        extra->peer_size = size;
    }
}

static int
give_address(const void *address, socklen_t length, struct sockaddr *ret_address, socklen_t *size)
{
    memcpy(ret_address, address, length < *size ? length : *size);
    *size = length;
    return 0;
}

// 0 and the stream, if the caller may look at it here.
static int
look(weir_stream handle, const void *address, const socklen_t *size, struct wi_stream **ret_stream)
{
    struct wi_gate *gate = wi_gate_find(handle.bits);

    if (gate == NULL) {
        return wi_stale();
    }
    if (address == NULL || size == NULL) {
        return -EINVAL;
    }
    if (!wi_on_loop(gate->loop)) {
        return -EXDEV;
    }
    *ret_stream = wi_stream_of(gate);
    return 0;
}

int
weir_stream_peer_address(weir_stream handle, struct sockaddr *address, socklen_t *size)
{
    struct wi_stream *stream = NULL;
    int result = look(handle, address, size, &stream);

    if (stream == NULL) {
        return result;
    }
    if (stream->peer_family == AF_INET) {
        struct sockaddr_in ip4 = {.sin_family = AF_INET,
                                  .sin_port = stream->peer_port,
                                  .sin_addr.s_addr = wi_load_relaxed(&stream->peer_ip)};

        return give_address(&ip4, sizeof(ip4), address, size);
    }
    if (stream->extra != NULL && stream->extra->peer_size != 0) {
        return give_address(&stream->extra->peer, stream->extra->peer_size, address, size);
    }
    if (stream->peer_family == AF_UNIX) {
        sa_family_t family = AF_UNIX;

        return give_address(&family, sizeof(family), address, size);
    }
    return -ENOTCONN;
}

int
weir_stream_local_address(weir_stream handle, struct sockaddr *address, socklen_t *size)
{
    struct wi_stream *stream = NULL;
    int result = look(handle, address, size, &stream);

    if (stream == NULL) {
        return result;
    }
    if (stream->fd >= 0) {
        return wi_os_local_address(stream->fd, address, size);
    }
    if (stream->extra != NULL && stream->extra->local_size != 0) {
        return give_address(&stream->extra->local, stream->extra->local_size, address, size);
    }
    return -ENOTCONN;
}

bool
wi_socket_is_dead(int status)
{
    switch (status) {
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -EHOSTDOWN:
    case -ENETUNREACH:
    case -ENETDOWN:
    case -ENETRESET:
        return true;
    default:
        return false;
    }
}
