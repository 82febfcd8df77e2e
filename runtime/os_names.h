/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_NAMES_H
#define WI_OS_NAMES_H

/**
 * @file
 * What the system knows by name: hosts, services and interfaces. os_names_linux.c is the only file
 * that asks for them; tests link another implementation in its place. Results as in os.h.
 */

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/** The address of a host, and room for the port. */
union wi_ip {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/** The addresses of a host, those to prefer first (RFC 6724), at most so many. How many, at least
 *  1; or -WEIR_ENONAME, -WEIR_ENAMEFAIL, -ENOMEM, another errno. Blocks, for as long as name
 *  servers take. */
int wi_os_resolve(const char *host, union wi_ip *ret_addresses, unsigned capacity);

/** The TCP port of a service, by the system's table, which is a file; -ENOENT. */
int wi_os_service_port(const char *name, uint16_t *ret_port);

/** The number of an interface; -ENODEV. */
int wi_os_interface_index(const char *name, uint32_t *ret_index);

#endif /* WI_OS_NAMES_H */
