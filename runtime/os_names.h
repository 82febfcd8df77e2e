/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_NAMES_H
#define WI_OS_NAMES_H

/**
 * @file
 * What the system knows by name: services and interfaces. os_names_linux.c is the only file that
 * asks for them; tests link another implementation in its place. Results as in os.h.
 */

#include <stdint.h>

/** The TCP port of a service, by the system's table, which is a file; -ENOENT. */
int wi_os_service_port(const char *name, uint16_t *ret_port);

/** The number of an interface; -ENODEV. */
int wi_os_interface_index(const char *name, uint32_t *ret_index);

#endif /* WI_OS_NAMES_H */
