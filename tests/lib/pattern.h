/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_PATTERN_H
#define TESTS_LIB_PATTERN_H

// Bytes whose place can be told from their value.

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fixture;

// Byte i of the pattern of a seed: any piece can be made and checked on its own.
uint8_t pattern_byte(uint64_t offset, unsigned seed);
void pattern_fill(void *buffer, size_t size, uint64_t offset, unsigned seed);
// The index of the first byte that differs, or size.
size_t pattern_check(const void *buffer, size_t size, uint64_t offset, unsigned seed);
// A pattern in memory of the fixture.
void *pattern_make(struct fixture *fixture, size_t size, unsigned seed);
// An iovec over a pattern, in memory of the fixture.
struct iovec *pattern_iov(struct fixture *fixture, size_t size, unsigned seed);

#endif /* TESTS_LIB_PATTERN_H */
