/* SPDX-License-Identifier: MIT */
#ifndef WI_OS_VSOCK_H
#define WI_OS_VSOCK_H

/**
 * @file
 * System calls that only vsock needs. os_vsock_linux.c is the only file that makes them. Results as
 * in os.h.
 */

#include <stdint.h>

/* Options of 64 bits. */
int wi_os_set_wide_option(int fd, int level, int name, uint64_t value);
int wi_os_get_wide_option(int fd, int level, int name, uint64_t *ret_value);

/** How long the kernel waits for a connection; without this two seconds. */
int wi_os_set_connect_timeout(int fd, uint64_t timeout_ns);

/** This machine's context id. */
int wi_os_local_cid(uint32_t *ret_cid);

#endif /* WI_OS_VSOCK_H */
