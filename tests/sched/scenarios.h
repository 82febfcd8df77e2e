/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_SCENARIOS_H
#define TESTS_SCHED_SCENARIOS_H

#include "tests/sched/sched.h"

extern const struct sched_scenario lane_posts, lane_threads, lane_full, lane_grow, lane_farewell,
    lane_home, lane_quick;
extern const struct sched_scenario stop_post, watch_stop;
extern const struct sched_scenario resolver_answer, resolver_stop, resolver_make;
extern const struct sched_scenario token_fire, token_parent, token_free, token_reuse;
extern const struct sched_scenario slots_grow, slots_free;
extern const struct sched_scenario op_cancel, op_parked, op_reuse, op_wait, op_wait_own;
extern const struct sched_scenario pool_home, pool_orphan, pool_adopt, pool_registry, pool_refs,
    pool_refs_away, pool_refs_list, pool_refs_own, pool_pack, pool_ledger, pool_shared;
extern const struct sched_scenario net_high, net_high_local, net_order, net_order_local, net_holes,
    net_inline, net_inline_mixed, net_inline_part, net_inline_abort, net_inline_flush,
    net_inline_failed, net_end, net_ends, net_close, net_abort, net_reuse, net_bind, net_consume,
    net_consume_void, net_consume_other, net_consume_any, net_consume_abort, net_pause,
    net_write_wait, net_op_wait, net_cancel, net_closed_wait, net_read_wait, net_dial_wait,
    net_cancel_end;

#endif /* TESTS_SCHED_SCENARIOS_H */
