/* SPDX-License-Identifier: MIT */

#include "runtime/os_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stddef.h>

#define ENTRY_SIZE 4096 // a service with all its aliases

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
