/* SPDX-License-Identifier: MIT */

#include "runtime/os_names.h"

#include "weir/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>

#define ENTRY_SIZE 4096 // a service with all its aliases

static int
status_of(int error)
{
    switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -WEIR_ENONAME;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : -WEIR_ENAMEFAIL;
    default: // the servers do not answer, or refuse to
        return -WEIR_ENAMEFAIL;
    }
}

int
wi_os_resolve(const char *host, union wi_ip *ret_addresses, unsigned capacity)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    unsigned count = 0;
    int error = getaddrinfo(host, NULL, &wanted, &found);

    if (error != 0) {
        return status_of(error);
    }
    for (struct addrinfo *one = found; one != NULL && count < capacity; one = one->ai_next) {
        if ((one->ai_family == AF_INET || one->ai_family == AF_INET6) &&
            one->ai_addrlen <= sizeof(ret_addresses[0])) {
            memcpy(&ret_addresses[count++], one->ai_addr, one->ai_addrlen);
        }
    }
    freeaddrinfo(found);
    return count != 0 ? (int)count : -WEIR_ENONAME;
}

int
wi_os_service_port(const char *name, uint16_t *ret_port)
{
    struct servent entry;
    struct servent *found = NULL;
    char room[ENTRY_SIZE];

    if (getservbyname_r(name, "tcp", &entry, room, sizeof(room), &found) != 0 || found == NULL) {
        return -ENOENT;
    }
    *ret_port = ntohs((uint16_t)found->s_port);
    return 0;
}

int
wi_os_interface_index(const char *name, uint32_t *ret_index)
{
    unsigned index = if_nametoindex(name);

    if (index == 0) {
        return -ENODEV;
    }
    *ret_index = index;
    return 0;
}
