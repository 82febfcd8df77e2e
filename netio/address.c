/* SPDX-License-Identifier: MIT */

#include "weir/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

int
weir_address_ip(struct weir_address *ret_address, const char *host, uint16_t port)
{
    struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (ret_address == NULL || host == NULL) {
        return -EINVAL;
    }
    if (inet_pton(AF_INET, host, &ip4.sin_addr) == 1) {
        *ret_address = (struct weir_address){.size = sizeof(ip4)};
        memcpy(&ret_address->as, &ip4, sizeof(ip4));
        return 0;
    }
    if (inet_pton(AF_INET6, host, &ip6.sin6_addr) == 1) {
        *ret_address = (struct weir_address){.size = sizeof(ip6)};
        memcpy(&ret_address->as, &ip6, sizeof(ip6));
        return 0;
    }
    return -EINVAL;
}

int
weir_address_unix(struct weir_address *ret_address, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length;

    if (ret_address == NULL || path == NULL || path[0] == '\0' ||
        (path[0] == '@' && path[1] == '\0')) {
        return -EINVAL;
    }
    length = strlen(path) + (path[0] != '@'); // an abstract name has no terminator
    if (length > sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    *ret_address =
        (struct weir_address){.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)};
    memcpy(&ret_address->as, &address, ret_address->size);
    return 0;
}
