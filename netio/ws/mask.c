/* SPDX-License-Identifier: MIT */

#include "netio/ws/mask.h"

#include <string.h>

// Four words at once; where the processor has no such registers the compiler takes smaller ones.
typedef uint64_t words __attribute__((vector_size(32)));

void
wi_ws_mask(unsigned char *ret_to, const unsigned char *from, size_t size,
           const unsigned char key[static 4], uint64_t position)
{
    unsigned char turned[8];
    uint64_t word;
    words mask;

    for (size_t i = 0; i < sizeof(turned); i++) {
        turned[i] = key[(position + i) % 4];
    }
    memcpy(&word, turned, sizeof(word));
    mask = (words){word, word, word, word};
    while (size >= sizeof(words)) {
        words piece;

        memcpy(&piece, from, sizeof(piece));
        piece ^= mask;
        memcpy(ret_to, &piece, sizeof(piece));
        from += sizeof(piece);
        ret_to += sizeof(piece);
        size -= sizeof(piece);
    }
    // A whole number of keys has gone, so the turn is the same.
    while (size >= sizeof(word)) {
        uint64_t piece;

        memcpy(&piece, from, sizeof(piece));
        piece ^= word;
        memcpy(ret_to, &piece, sizeof(piece));
        from += sizeof(piece);
        ret_to += sizeof(piece);
        size -= sizeof(piece);
    }
    for (size_t i = 0; i < size; i++) {
        ret_to[i] = from[i] ^ turned[i % 4];
    }
}
