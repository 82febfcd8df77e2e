/* SPDX-License-Identifier: MIT */
// On loopback each thousand of connections comes from an address of its own: ports are 28,000 to an
// address, and each one that has been closed rests for a minute.

#include "client.h"

#include "verdict.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_USED 8192u // of each address
#define HOSTS      250u
#define LOOPBACK   0x7f000000u

static void
choose_source(int fd, uint64_t serial)
{
    uint32_t block = (uint32_t)(serial / PORTS_USED) + 1;
    uint32_t host = LOOPBACK | (1 + block / HOSTS % HOSTS) << 8 | (1 + block % HOSTS);
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    int on = 1;

    // Where this is not possible the kernel's choice will do for small numbers.
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0) {
        (void)!bind(fd, (const struct sockaddr *)&source, sizeof(source));
    }
}

int
client_dial(const struct crowd *crowd, const struct crowd_group *group, uint64_t serial)
{
    const struct weir_address *address = &crowd->shared->addresses[group->address];
    const struct sockaddr_in *in = (const void *)&address->as.storage;
    int fd = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    storm_require(fd >= 0, "socket");
    if (in->sin_family == AF_INET && (ntohl(in->sin_addr.s_addr) & 0xff000000u) == LOOPBACK &&
        serial >= PORTS_USED) {
        choose_source(fd, serial);
    }
    if (group->receive_buffer != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &group->receive_buffer, sizeof(int));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // fails on Unix sockets
    if (connect(fd, &address->as.any, address->size) == 0 || errno == EINPROGRESS) {
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}
