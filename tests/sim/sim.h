/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

// What every part of the simulation shares: the seed's random numbers, the trace, failing.
//
// A run is a list of steps. The random numbers of a step are made of the seed and the step's number
// only, so that a step means the same when others are left out: that is what lets a failing run be
// shortened.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_STEPS 480 // of one run

struct sim_run {
    uint64_t seed;
    bool tracing;
    bool skipped[SIM_STEPS];
};

// What a run's process tells whoever started it; in memory they share.
struct sim_verdict {
    bool failed, over;
    unsigned steps; // begun
    uint64_t digest;
    char reason[400];
};

extern struct sim_verdict *sim_verdict;
extern bool sim_tracing;

void sim_begin_step(uint64_t seed, unsigned step);
uint64_t sim_random(void);
unsigned sim_below(unsigned bound); // 0 … bound - 1
bool sim_chance(unsigned per_thousand);
uint64_t sim_hash(uint64_t a, uint64_t b);

// What messages and peers' bytes are made of; the high bits are clear. Made once, before any run.
#define SIM_PATTERN (1u << 18)
#define SIM_LARGEST (1u << 17) // what begins in the first half may go on for so many bytes
extern unsigned char sim_pattern[SIM_PATTERN];
void sim_pattern_make(void);

// What happens in a run; a step is made of several.
enum sim_event {
    SIM_EVENT_CALL,     // of the library's interface
    SIM_EVENT_CALLBACK, // completions and events, as told
    SIM_EVENT_SYSTEM,   // system calls of the library's
    SIM_EVENT_KERNEL,   // what happens in the kernel, and each readiness that it tells
    SIM_EVENT_PEER,     // what peers do
    SIM_EVENTS,
};
extern uint64_t sim_events[SIM_EVENTS];
#define SIM_EVENT(kind) (sim_events[SIM_EVENT_##kind]++)

// One line of the trace. The digest of a run is made of all a and b: the same seed, the same one.
void sim_say(uint64_t a, uint64_t b, const char *format, ...) __attribute__((format(printf, 3, 4)));

// A promise is broken: say so, and end the run's process.
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Never fails, zeroed, never freed: a run ends with its process.
void *sim_alloc(size_t size);

// One run, in a process of its own; does not return.
_Noreturn void sim_run(const struct sim_run *run);

#endif /* TESTS_SIM_SIM_H */
