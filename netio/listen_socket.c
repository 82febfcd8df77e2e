/* SPDX-License-Identifier: MIT */

#include "netio/listen.h"

#include "netio/endpoint.h"
#include "netio/hybrid.h"
#include "netio/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

// A listener's sockets, before anybody listens to them.

#define BACKLOG_DEFAULT 1024
#define FAST_OPEN_QUEUE 256

int
wi_listen_choose(struct weir_listen *request, bool *ret_any)
{
    const struct weir_endpoint *endpoint = request->endpoint;
    const struct weir_address *address;
    int result = wi_endpoint_address(&request->address, endpoint, &address);

    *ret_any = result == 0 && address == NULL && endpoint->kind == WEIR_ENDPOINT_ANY;
    if (result < 0 || (address == NULL && !*ret_any)) {
        return result < 0 ? result : -EINVAL; // a name
    }
    if (*ret_any) {
        return weir_address_ip(&request->address, "::", (uint16_t)endpoint->port);
    }
    request->address = *address;
    return endpoint != NULL && endpoint->kind == WEIR_ENDPOINT_HYBRID
               ? wi_hybrid_guest_address(&request->address, endpoint->port)
               : 0;
}

int
wi_listen_adopt(struct weir_listen *request)
{
    const unsigned fitting = WEIR_LISTEN_ADOPT | WEIR_LISTEN_HYBRID;
    int type = 0;
    int listens = 0;
    int result;

    if ((request->flags & ~fitting) != 0 || request->endpoint != NULL ||
        request->address.size != 0) {
        return -EINVAL;
    }
    result = wi_os_get_option(request->fd, SOL_SOCKET, SO_TYPE, &type);
    if (result == 0) {
        result = wi_os_get_option(request->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens);
    }
    if (result < 0) {
        return result;
    }
    if (type != SOCK_STREAM || !listens) {
        return -EINVAL;
    }
    request->address.size = sizeof(request->address.as);
    result = wi_os_local_address(request->fd, &request->address.as.any, &request->address.size);
    return result < 0 ? result : wi_os_set_nonblocking(request->fd);
}

void
wi_listen_remove_dead(const struct weir_address *address)
{
    const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)&address->as;
    int fd;

    if (address->as.any.sa_family != AF_UNIX || path->sun_path[0] == '\0' ||
        !wi_os_is_socket(path->sun_path)) {
        return;
    }
    fd = wi_os_socket(AF_UNIX);
    if (fd < 0) {
        return;
    }
    if (wi_os_connect(fd, &address->as.any, address->size) == -ECONNREFUSED) {
        wi_os_unlink(path->sun_path);
    }
    wi_os_close(fd);
}

static int
set_options(int fd, const struct weir_listen *request)
{
    int family = request->address.as.any.sa_family;
    bool is_tcp = family == AF_INET || family == AF_INET6;
    int result = 0;

    if (is_tcp) {
        result = wi_os_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (result == 0 && (request->flags & WEIR_LISTEN_REUSEPORT)) {
        result = wi_os_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (result == 0 && family == AF_VSOCK) { // connections begin with the listener's memory
        result = wi_socket_configure(fd, &request->stream, WI_TRANSPORT_VSOCK);
    }
    if (result == 0 && family == AF_INET6) {
        result = wi_os_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                                  (request->flags & WEIR_LISTEN_V6ONLY) != 0);
    }
    if (result == 0 && (request->flags & WEIR_LISTEN_FAST_OPEN) && is_tcp) {
        wi_os_set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, FAST_OPEN_QUEUE); // where it is allowed
    }
    return result;
}

unsigned
wi_listen_backlog(const struct weir_listen *request)
{
    return (unsigned)(request->backlog != 0 ? request->backlog : BACKLOG_DEFAULT);
}

void
wi_listen_remove_ours(const struct weir_address *address)
{
    const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)&address->as;

    if (address->as.any.sa_family == AF_UNIX && path->sun_path[0] != '\0') {
        wi_os_unlink(path->sun_path);
    }
}

int
wi_listen_socket(const struct weir_listen *request, const struct weir_address *address)
{
    int fd = wi_os_socket(address->as.any.sa_family);
    int result = fd;

    if (fd >= 0) {
        result = set_options(fd, request);
        if (result == 0) {
            result = wi_os_bind(fd, &address->as.any, address->size);
        }
        if (result == 0) {
            result = wi_os_listen(fd, (int)wi_listen_backlog(request));
            if (result < 0) {
                wi_listen_remove_ours(address);
            }
        }
        if (result < 0) {
            wi_os_close(fd);
        }
    }
    return result < 0 ? result : fd;
}
