/* SPDX-License-Identifier: MIT */

#include "netio/ws/mask.h"

#include <string.h>

// Two words at once, as many as the registers hold that every x86-64 and every AArch64 has: larger
// ones the compiler takes apart by way of the stack.
typedef uint64_t words __attribute__((vector_size(16)));

static inline void
mask_words(unsigned char *ret_to, const unsigned char *from, words mask)
{
    words piece;

    memcpy(&piece, from, sizeof(piece));
    piece ^= mask;
    memcpy(ret_to, &piece, sizeof(piece));
}

void
wi_ws_mask(unsigned char *ret_to, const unsigned char *from, size_t size,
           const unsigned char key[static 4], uint64_t position)
{
    unsigned char turned[8];
    uint64_t word;
    words mask;
    size_t at = 0;

    for (size_t i = 0; i < 4; i++) {
        turned[i] = turned[4 + i] = key[(position + i) % 4];
    }
    memcpy(&word, turned, sizeof(word));
    mask = (words){word, word};
    for (; size - at >= 4 * sizeof(words); at += 4 * sizeof(words)) {
        mask_words(ret_to + at, from + at, mask);
        mask_words(ret_to + at + sizeof(words), from + at + sizeof(words), mask);
        mask_words(ret_to + at + 2 * sizeof(words), from + at + 2 * sizeof(words), mask);
        mask_words(ret_to + at + 3 * sizeof(words), from + at + 3 * sizeof(words), mask);
    }
    // A whole number of keys has gone, so the turn is the same.
    for (; size - at >= sizeof(word); at += sizeof(word)) {
        uint64_t piece;

        memcpy(&piece, from + at, sizeof(piece));
        piece ^= word;
        memcpy(ret_to + at, &piece, sizeof(piece));
    }
    for (; at < size; at++) {
        ret_to[at] = from[at] ^ turned[at % 4];
    }
}
