/* SPDX-License-Identifier: MIT */

#include "netio/ws/utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

// How many bytes from the first on are ASCII, in whole words.
static size_t
ascii_words(const unsigned char *bytes, size_t size)
{
    size_t count = 0;
    uint64_t word;

    while (size - count >= sizeof(word)) {
        memcpy(&word, bytes + count, sizeof(word));
        if ((word & HIGH_BITS) != 0) {
            break;
        }
        count += sizeof(word);
    }
    return count;
}

// The first byte of a character says how many follow, and some say more about the second: what
// would be a longer form than needed (E0, F0), a surrogate (ED), or too large (F4).
static bool
begin(struct wi_utf8 *utf8, unsigned char first)
{
    utf8->missing = 0;
    if (first < 0x80) {
        return true;
    }
    if (first < 0xC2 || first > 0xF4) {
        return false;
    }
    utf8->missing = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    utf8->lowest = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    utf8->highest = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return true;
}

static bool
go_on(struct wi_utf8 *utf8, unsigned char byte)
{
    if (byte < utf8->lowest || byte > utf8->highest) {
        return false;
    }
    utf8->missing--;
    utf8->lowest = 0x80;
    utf8->highest = 0xBF;
    return true;
}

bool
wi_utf8_check(struct wi_utf8 *utf8, const unsigned char *bytes, size_t size)
{
    size_t at = 0;

    while (at < size) {
        if (utf8->missing == 0) {
            at += ascii_words(bytes + at, size - at);
            if (at == size) {
                break;
            }
        }
        if (!(utf8->missing == 0 ? begin(utf8, bytes[at]) : go_on(utf8, bytes[at]))) {
            return false;
        }
        at++;
    }
    return true;
}
