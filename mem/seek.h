/* SPDX-License-Identifier: MIT */
#ifndef WI_SEEK_H
#define WI_SEEK_H

/**
 * @file
 * The first of up to three byte values in contiguous memory. No byte outside it is ever read:
 * behind the live bytes there may be another block's, or nothing.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/** Any thread. One value in each of the eight bytes. */
static inline uint64_t
wi_seek_spread(uint8_t byte)
{
    return byte * UINT64_C(0x0101010101010101);
}

/** Any thread. Not zero if any byte of @p word is zero. */
static inline uint64_t
wi_seek_zeroes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/** Any thread. Offset of the first match, or @p size; one byte after the other. */
static inline size_t
wi_seek_bytes(const uint8_t *data, size_t size, const uint8_t values[3])
{
    size_t at = 0;

    while (at < size && data[at] != values[0] && data[at] != values[1] && data[at] != values[2]) {
        at++;
    }
    return at;
}

/** Any thread. The same, eight bytes at a time, on any machine. */
static inline size_t
wi_seek_words(const uint8_t *data, size_t size, const uint8_t values[3])
{
    const uint64_t first = wi_seek_spread(values[0]);
    const uint64_t second = wi_seek_spread(values[1]);
    const uint64_t third = wi_seek_spread(values[2]);
    size_t at = 0;

    for (; size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, data + at, sizeof(word));
        if ((wi_seek_zeroes(word ^ first) | wi_seek_zeroes(word ^ second) |
             wi_seek_zeroes(word ^ third)) != 0) {
            break; // which byte it is depends on the byte order; eight steps find it on all
        }
    }
    return at + wi_seek_bytes(data + at, size - at, values);
}

#ifdef __SSE2__
/** Any thread. A bit for each of 16 bytes that matches. */
static inline unsigned
wi_seek_match16(const uint8_t *data, __m128i first, __m128i second, __m128i third)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
    const __m128i match =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, first), _mm_cmpeq_epi8(bytes, second)),
                     _mm_cmpeq_epi8(bytes, third));

    return (unsigned)_mm_movemask_epi8(match);
}
#endif

/** Any thread. The same, as fast as the machine can. */
static inline size_t
wi_seek(const uint8_t *data, size_t size, const uint8_t values[3])
{
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8((char)values[0]);
    const __m128i second = _mm_set1_epi8((char)values[1]);
    const __m128i third = _mm_set1_epi8((char)values[2]);
    size_t at = 0;

    if (size < 16) {
        return wi_seek_words(data, size, values);
    }
    while (at < size) {
        // The last load reaches back over bytes that did not match, rather than beyond the end.
        size_t from = size - at >= 16 ? at : size - 16;
        unsigned match = wi_seek_match16(data + from, first, second, third);

        if (match != 0) {
            return from + (size_t)__builtin_ctz(match);
        }
        at = from + 16;
    }
    return size;
#else
    return wi_seek_words(data, size, values);
#endif
}

#endif /* WI_SEEK_H */
