// SPDX-License-Identifier: MIT
#include "tests/lib/pattern.h"

#include "tests/lib/fixture.h"

uint8_t
pattern_byte(uint64_t offset, unsigned seed)
{
    uint64_t mixed = offset ^ (offset >> 7) ^ (offset >> 15);

    return (uint8_t)(mixed * 167 + seed * 59 + 7);
}

void
pattern_fill(void *buffer, size_t size, uint64_t offset, unsigned seed)
{
    uint8_t *bytes = buffer;

    for (size_t index = 0; index < size; index++) {
        bytes[index] = pattern_byte(offset + index, seed);
    }
}

size_t
pattern_check(const void *buffer, size_t size, uint64_t offset, unsigned seed)
{
    const uint8_t *bytes = buffer;

    for (size_t index = 0; index < size; index++) {
        if (bytes[index] != pattern_byte(offset + index, seed)) {
            return index;
        }
    }
    return size;
}

void *
pattern_make(struct fixture *fixture, size_t size, unsigned seed)
{
    void *buffer = fixture_memory(fixture, size);

    pattern_fill(buffer, size, 0, seed);
    return buffer;
}

struct iovec *
pattern_iov(struct fixture *fixture, size_t size, unsigned seed)
{
    struct iovec *iov = fixture_memory(fixture, sizeof(*iov));

    iov->iov_base = pattern_make(fixture, size, seed);
    iov->iov_len = size;
    return iov;
}
