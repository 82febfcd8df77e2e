/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_FIXTURE_H
#define TESTS_SCHED_FIXTURE_H

/**
 * @file
 * A runtime for scenarios: its loops are fibers that run wi_loop_run().
 */

#include "runtime/runtime.h"
#include "tests/sched/sched.h"

/** In set_up(). It is never stopped: a run ends when nobody can move. */
extern struct wi_runtime *fixture_runtime;
void fixture_start(unsigned loops, unsigned lane_entries);
struct wi_loop *fixture_loop(void);

/** In a fiber, at its begin: it has a lane and an operation, so that its first post makes neither.
 *  Nobody steps in. */
struct wi_lane *fixture_join(void);

/** In verify(). No loop was asked to wake more often than it slept; nothing is left anywhere. */
void fixture_verify(void);

#endif /* TESTS_SCHED_FIXTURE_H */
