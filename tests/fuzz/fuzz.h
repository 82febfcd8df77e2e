/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

// What fuzz targets share. A target is a file fuzz_<target>.c with one LLVMFuzzerTestOneInput();
// libFuzzer drives it, or driver.c does. Whatever the bytes are, a target must return: what is
// wrong is told by fuzz_require(), which ends the process.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_require(condition)                                                            \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

// The input, taken from its front. What is behind the end reads as zero.
struct fuzz_bytes {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t
fuzz_byte(struct fuzz_bytes *bytes)
{
    if (bytes->size == 0) {
        return 0;
    }
    bytes->size--;
    return *bytes->data++;
}

static inline uint32_t
fuzz_word(struct fuzz_bytes *bytes)
{
    uint32_t low = fuzz_byte(bytes);

    return low | (uint32_t)fuzz_byte(bytes) << 8;
}

// 0 … bound - 1.
static inline uint32_t
fuzz_below(struct fuzz_bytes *bytes, uint32_t bound)
{
    return (bound > 256 ? fuzz_word(bytes) : fuzz_byte(bytes)) % bound;
}

static inline int
fuzz_flip(struct fuzz_bytes *bytes)
{
    return fuzz_byte(bytes) & 1;
}

#endif /* TESTS_FUZZ_FUZZ_H */
