/* SPDX-License-Identifier: MIT */
#ifndef WI_WS_UTF8_H
#define WI_WS_UTF8_H

/**
 * @file
 * Is this text UTF-8 (RFC 3629)? Piece by piece, as it arrives: no surrogates, nothing above
 * U+10FFFF, no longer form than needed. What is wrong is known at the first byte that makes it so,
 * as RFC 6455 section 8.1 lets an endpoint fail at once.
 */

#include <stdbool.h>
#include <stddef.h>

/** All zero: between two characters. */
struct wi_utf8 {
    unsigned char missing; // bytes of the character that have not come
    unsigned char lowest;  // what the next of them may be; 0 missing: of no meaning
    unsigned char highest;
};

/** @return false: no text goes on so; what follows is not looked at. */
bool wi_utf8_check(struct wi_utf8 *utf8, const unsigned char *bytes, size_t size);

/** May the text end here? */
static inline bool
wi_utf8_is_whole(const struct wi_utf8 *utf8)
{
    return utf8->missing == 0;
}

#endif /* WI_WS_UTF8_H */
