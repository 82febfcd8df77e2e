/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int
parse_port(const char *text, uint16_t *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || port > UINT16_MAX) {
        return -EINVAL;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

static int
parse_tcp(struct weir_address *ret_address, const char *text)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    uint16_t port;

    if (colon == NULL || parse_port(colon + 1, &port) != 0) {
        return -EINVAL;
    }
    const char *begin = text;
    const char *end = colon;
    if (*begin == '[' && end > begin && end[-1] == ']') {
        begin++;
        end--;
    }
    size_t size = (size_t)(end - begin);
    if (size == 0 || size >= sizeof(host)) {
        return -EINVAL;
    }
    memcpy(host, begin, size);
    host[size] = '\0';
    return weir_address_ip(ret_address, host, port);
}

int
address_parse(struct weir_address *ret_address, const char *text)
{
    if (strncmp(text, "tcp:", 4) == 0) {
        return parse_tcp(ret_address, text + 4);
    }
    if (strncmp(text, "unix:", 5) == 0) {
        return weir_address_unix(ret_address, text + 5);
    }
    return -EINVAL;
}

static void
format_unix(const struct weir_address *address, char *text, size_t text_size)
{
    const struct sockaddr_un *un = (const void *)&address->as.storage;
    size_t size = address->size - offsetof(struct sockaddr_un, sun_path);

    if (address->size <= offsetof(struct sockaddr_un, sun_path)) {
        snprintf(text, text_size, "unix:");
    } else if (un->sun_path[0] == '\0') {
        snprintf(text, text_size, "unix:@%.*s", (int)(size - 1), un->sun_path + 1);
    } else {
        snprintf(text, text_size, "unix:%.*s", (int)size, un->sun_path);
    }
}

void
address_format(const struct weir_address *address, char *text, size_t text_size)
{
    char host[INET6_ADDRSTRLEN];

    switch (address->as.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&address->as.storage)->sin_addr, host,
                  sizeof(host));
        snprintf(text, text_size, "tcp:%s:%u", host, address_port(address));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&address->as.storage)->sin6_addr, host,
                  sizeof(host));
        snprintf(text, text_size, "tcp:[%s]:%u", host, address_port(address));
        break;
    default:
        format_unix(address, text, text_size);
        break;
    }
}

unsigned
address_port(const struct weir_address *address)
{
    switch (address->as.any.sa_family) {
    case AF_INET:
        return ntohs(((const struct sockaddr_in *)&address->as.storage)->sin_port);
    case AF_INET6:
        return ntohs(((const struct sockaddr_in6 *)&address->as.storage)->sin6_port);
    default:
        return 0;
    }
}
