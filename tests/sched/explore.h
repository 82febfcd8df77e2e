/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_EXPLORE_H
#define TESTS_SCHED_EXPLORE_H

/**
 * @file
 * Which schedules are run: all with a bounded number of pre-emptions, random ones, or a given one.
 */

#include "tests/sched/machine.h"

struct sched_verdict {
    unsigned long runs;
    unsigned long enumerated; // of the last enumeration, each another one
    bool is_complete;         // there was no schedule left
    bool has_failed;
    char failure[256];
    char schedule[1024]; // that failed: "place:way,…"; for sched_replay()
};

/** Once. */
void sched_explore_start(void);

/** All schedules with at most @p pre_emptions, until one fails or @p runs_max were run. Two that
 *  differ only in where, among accesses that no other fiber can tell, fibers change are one. */
void sched_enumerate(const struct sched_scenario *scenario, unsigned pre_emptions,
                     unsigned long runs_max, struct sched_verdict *ret_verdict);

/** The random schedule that belongs to the seed. */
void sched_random(const struct sched_scenario *scenario, uint64_t seed,
                  struct sched_verdict *ret_verdict);

/** One schedule, as a verdict names it. */
void sched_replay(const struct sched_scenario *scenario, const char *schedule,
                  struct sched_verdict *ret_verdict);

#endif /* TESTS_SCHED_EXPLORE_H */
