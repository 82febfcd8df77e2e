/* SPDX-License-Identifier: MIT */
#ifndef STORM_RANDOM_H
#define STORM_RANDOM_H

// Random numbers from a seed: fast, and the same in every run.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

// Spreads every bit of the input over the whole word.
static inline uint64_t
random_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

static inline void
random_init(struct random *random, uint64_t seed, uint64_t stream)
{
    random->state = random_mix(seed + UINT64_C(0x9e3779b97f4a7c15) * (stream + 1));
}

static inline uint64_t
random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

// 0 … bound - 1; bound must not be 0.
static inline uint32_t
random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(((random_next(random) >> 32) * bound) >> 32);
}

static inline bool
random_chance(struct random *random, double probability)
{
    return (double)(random_next(random) >> 11) * 0x1p-53 < probability;
}

// 0 … size_max, every order of magnitude as likely as the next: mostly small. Of 64 sizes one
// may reach size_max, seven 16 KiB, and all others 512 bytes.
static inline size_t
random_size(struct random *random, size_t size_max)
{
    uint32_t class = random_below(random, 64);
    size_t limit = class == 0 ? size_max : class < 8 ? 16384 : 512;

    if (limit > size_max) {
        limit = size_max;
    }
    if (limit == 0) {
        return 0;
    }
    unsigned bits = 64 - (unsigned)__builtin_clzll(limit);
    uint64_t size = random_next(random) & ((UINT64_C(1) << random_below(random, bits + 1)) - 1);
    return size > limit ? limit : (size_t)size;
}

#endif /* STORM_RANDOM_H */
