/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

// The bytes that a load sends and expects back: an endless row of them for each connection, of
// which any part can be had at once. Its period is a prime, so no size of a message or of a buffer
// divides it: bytes that are lost, doubled or moved are other bytes.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PATTERN_PART 262144 // bytes that lie together, from wherever

// Once, before the first use.
void bench_pattern_init(void);

// BENCH_PATTERN_PART bytes of this connection's row, from the one at offset.
const char *bench_pattern(unsigned connection, uint64_t offset);

// Are these the size bytes at offset?
bool bench_pattern_holds(unsigned connection, uint64_t offset, const char *data, size_t size);

#endif /* BENCH_PATTERN_H */
