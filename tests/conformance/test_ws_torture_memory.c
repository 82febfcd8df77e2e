// SPDX-License-Identifier: MIT
// Every scenario of WebSocket again for each of its allocations: that one fails; that one and all
// after it fail; and with only so many pool blocks left.

#include "tests/lib/torture.h"

static void
any_one_allocation_may_fail(void **state)
{
    torture_allocations(*state, ws_scenarios, ws_scenario_count, false);
}

static void
from_any_allocation_on_all_may_fail(void **state)
{
    torture_allocations(*state, ws_scenarios, ws_scenario_count, true);
}

static void
any_number_of_blocks_may_be_all(void **state)
{
    torture_blocks(*state, ws_scenarios, ws_scenario_count);
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(any_one_allocation_may_fail),
        ONCE(from_any_allocation_on_all_may_fail),
        ONCE(any_number_of_blocks_may_be_all),
    };

    return RUN_CASES("ws_torture_memory", cases);
}
