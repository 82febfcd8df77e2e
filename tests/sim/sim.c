// SPDX-License-Identifier: MIT

#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct sim_verdict *sim_verdict;
bool sim_tracing;
static uint64_t random_state;
unsigned char sim_pattern[SIM_PATTERN];
uint64_t sim_events[SIM_EVENTS];

#define ARENA_SIZE ((size_t)1 << 28)
static unsigned char *arena;
static size_t arena_used = ARENA_SIZE;

void
sim_pattern_make(void)
{
    for (size_t i = 0; i < SIM_PATTERN; i++) {
        sim_pattern[i] = (unsigned char)(sim_hash(i, 7) & 0x7f);
    }
}

uint64_t
sim_hash(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b + UINT64_C(0x632be59bd9b4e019);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void
sim_begin_step(uint64_t seed, unsigned step)
{
    random_state = sim_hash(seed, step);
}

uint64_t
sim_random(void)
{
    return random_state = sim_hash(random_state, 1);
}

unsigned
sim_below(unsigned bound)
{
    return (unsigned)((sim_random() >> 32) * bound >> 32);
}

bool
sim_chance(unsigned per_thousand)
{
    return per_thousand != 0 && sim_below(1000) < per_thousand;
}

void
sim_say(uint64_t a, uint64_t b, const char *format, ...)
{
    va_list args;

    sim_verdict->digest = sim_hash(sim_verdict->digest ^ a, b);
    if (sim_tracing) {
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        putchar('\n');
    }
}

void
sim_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(sim_verdict->reason, sizeof(sim_verdict->reason), format, args);
    va_end(args);
    sim_verdict->failed = true;
    if (sim_tracing) {
        printf("BROKEN: %s\n", sim_verdict->reason);
        fflush(stdout);
    }
    _exit(2);
}

void *
sim_alloc(size_t size)
{
    void *memory;

    size = (size + 15) & ~(size_t)15;
    if (ARENA_SIZE - arena_used < size) {
        arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        arena_used = 0;
        if (arena == MAP_FAILED || size > ARENA_SIZE) {
            sim_fail("the simulation itself is out of memory");
        }
    }
    memory = arena + arena_used;
    arena_used += size;
    return memory;
}
