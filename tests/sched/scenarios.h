/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_SCENARIOS_H
#define TESTS_SCHED_SCENARIOS_H

#include "tests/sched/sched.h"

extern const struct sched_scenario lane_posts, lane_threads, lane_full, lane_grow, lane_farewell,
    lane_home, lane_quick;
extern const struct sched_scenario stop_post;
extern const struct sched_scenario token_fire, token_parent, token_free, token_reuse;
extern const struct sched_scenario slots_grow, slots_free;
extern const struct sched_scenario op_cancel, op_parked, op_reuse, op_wait, op_wait_own;
extern const struct sched_scenario pool_home, pool_orphan, pool_adopt, pool_registry, pool_refs,
    pool_shared;

#endif /* TESTS_SCHED_SCENARIOS_H */
