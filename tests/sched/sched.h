/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_SCHED_H
#define TESTS_SCHED_SCHED_H

/**
 * @file
 * A scenario: a few threads that use the library's real code, and what must be true at the end.
 *
 * Threads are fibers on one thread of the system. They change places only at atomic accesses,
 * fences and calls of the kernel, as the schedule says, so a schedule replays exactly. Plain
 * stores of atomics wait in a buffer of the fiber, as they do on x86-64, until a fence, a
 * read-modify-write or the schedule lets them out. Every other access to memory is watched: two
 * that no acquire and release order, one of them a write, are a race and fail the run; so do
 * accesses to freed memory, a second free, and a failed assertion.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_scenario {
    const char *name;
    const char *promise;
    void (*set_up)(void);  // before the fibers run; starts them
    void (*verify)(void);  // when nobody can move any more
    unsigned pre_emptions; // all schedules with so many; 0: two
    unsigned quick;        // with --quick only so many; 0: as many
};

/** A fiber that must end. In set_up(), or in a fiber. */
void sched_start(void (*body)(void *arg), void *arg);
/** The loops of a runtime: they may be asleep at the end. Returns its number. */
unsigned sched_start_loop(void *(*body)(void *arg), void *arg);
/** Has the fiber ended? What it did is ordered before what the caller does from here. */
bool sched_join(unsigned fiber);

/** Between these two nobody else runs: what a scenario does not ask about. */
void sched_hold(void);
void sched_release(void);

/** A place where others may run. */
void sched_point(void);
/** Wait until @p is_ready says so. Orders nothing. */
void sched_wait(bool (*is_ready)(void *arg), void *arg);
/** The caller spins: what others stored comes out, and they run. */
void sched_yield_to_others(void);
/** All stores of the caller are seen by all from here on, as after a lock in the kernel. */
void sched_drain(void);
/** What others see of a word. */
uint64_t sched_peek(const void *at, size_t size);
/** A plain read and a plain write by the caller, as its kernel makes them. */
void sched_read(const void *at, size_t size);
void sched_write(void *at, size_t size);
/** A number of the scenario's own: no access that is watched, and seen by all. What it is now. */
uint64_t sched_tally(uint64_t *number, uint64_t more);
/** The memory is somebody else's from here on: a plain write to all of it. */
void sched_lose(const void *at, size_t size);

/** Was it freed in this run? */
bool sched_is_freed(const void *memory);

/** Ends the run. */
_Noreturn void sched_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define sched_check(condition) \
    ((condition) ? (void)0 : sched_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition))

/** Every scenario; scenarios.c. */
extern const struct sched_scenario *const sched_scenarios[];

#endif /* TESTS_SCHED_SCHED_H */
