/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_MACHINE_H
#define TESTS_SCHED_MACHINE_H

/**
 * @file
 * The machine that scenarios run on: fibers, memory, and one run of a schedule.
 */

#include "tests/sched/atomics.h"
#include "tests/sched/sched.h"

#define SCHED_FIBERS_MAX 8u // the first is who sets up and verifies

/** How a run goes on at a point. @p free_count of the @p count ways cost nothing, the others are
 *  pre-emptions; they come behind. @p is_quiet: what happens here nobody else can tell, so that a
 *  change of fibers at the next point is the same. */
typedef unsigned sched_decide_fn(unsigned free_count, unsigned count, bool is_quiet);

/** Once, before anything else. */
void sched_machine_start(sched_decide_fn *decide);
/** Change what every run starts with: put it back, change the program's data, keep them. */
void sched_machine_restore(void);
void sched_machine_keep(void);
/** One run, from the state that the program started with. NULL, or why it failed. */
const char *sched_machine_run(const struct sched_scenario *scenario);

/** All sites; several are one place, where a header was included more than once. */
extern struct sched_site __start_sched_sites[], __stop_sched_sites[];

/* ---- machine.c, to memory.c ---- */

/** Who runs: 0 outside the run. */
unsigned sched_current(void);
/** Others may run beside it: not outside the run, and not while it holds them. */
bool sched_is_watched(void);

void sched_point_quiet(bool is_quiet);

/* ---- memory.c ---- */

/** @p stacks: of the fibers, watched as all memory is. */
void sched_memory_start(const char *stacks, size_t stacks_size);

/** The scenario that the next runs are of: which of its places touch words that several fibers use,
 *  and one of them writes, is found out as they run, and kept. */
void sched_memory_begin(const void *scenario);
/** Has that been found of another place since the last call? */
bool sched_memory_has_learned(void);

/** A new run. */
void sched_memory_reset(void);
/** The child begins after what its parent did until now. */
void sched_memory_fork(unsigned parent, unsigned child);
void sched_memory_join(unsigned parent, unsigned child);
/** Stores of the fiber that others do not see yet. */
unsigned sched_memory_buffered(unsigned fiber);
/** Let the oldest of them out. */
void sched_memory_drain_one(unsigned fiber);

/** Memory of the run: what is allocated, and stacks. */
void *sched_arena_take(size_t size, size_t alignment);
void sched_arena_free(void *memory, size_t size);

#endif /* TESTS_SCHED_MACHINE_H */
