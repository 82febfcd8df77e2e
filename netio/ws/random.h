/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_RANDOM_H
#define WI_WS_RANDOM_H

/**
 * @file
 * Bytes that nobody can guess, from the kernel: masks (RFC 6455, section 5.3) and keys.
 */

#include <stddef.h>

/** Any thread. 0, or -EIO: the kernel has none, which no kernel of ours does. */
int wi_ws_random(void *ret_bytes, size_t size);

/** Any thread. Four of them, from a store that the kernel fills for many frames at a time. */
int wi_ws_random_key(unsigned char ret_key[4]);

#endif /* WI_WS_RANDOM_H */
