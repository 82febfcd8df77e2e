/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_MASK_H
#define WI_WS_MASK_H

/**
 * @file
 * The mask of a client's payload (RFC 6455, section 5.3): byte i xor key[i mod 4].
 */

#include <stddef.h>
#include <stdint.h>

/**
 * Mask or unmask: it is its own inverse. 64 bytes a step, at any alignment.
 *
 * @param ret_to   may be @p from itself; must not overlap it otherwise.
 * @param position of the first byte in its frame's payload.
 */
void wi_ws_mask(unsigned char *ret_to, const unsigned char *from, size_t size,
                const unsigned char key[static 4], uint64_t position);

#endif /* WI_WS_MASK_H */
