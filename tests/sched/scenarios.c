// SPDX-License-Identifier: MIT
#include "tests/sched/scenarios.h"

#include <stddef.h>

// A line each: CMakeLists.txt makes a test of it.
// clang-format off
const struct sched_scenario *const sched_scenarios[] = {
    &lane_posts,
    &lane_threads,
    &lane_full,
    &lane_grow,
    &lane_farewell,
    &lane_home,
    &lane_quick,
    &op_cancel,
    &op_parked,
    &op_reuse,
    &op_wait,
    &op_wait_own,
    &pool_home,
    &pool_orphan,
    &pool_adopt,
    &pool_registry,
    &pool_refs,
    &pool_shared,
    &token_fire,
    &token_parent,
    &token_free,
    &token_reuse,
    &slots_grow,
    &slots_free,
    &stop_post,
    NULL,
};
// clang-format on
