// os: count
// SPDX-License-Identifier: MIT
// The scenarios of WebSocket again for each of their system calls, as test_torture_calls.c says. A
// single one fails in the first only: the others make the same, and wait as long for pings.

#include "tests/lib/torture.h"

static void
any_system_call_may_fail(void **state)
{
    torture_calls(*state, ws_scenarios, 1, false);
}

static void
from_any_system_call_on_its_kind_may_fail(void **state)
{
    torture_calls(*state, ws_scenarios, ws_scenario_count, true);
}

static void
any_two_may_fail(void **state)
{
    torture_two_calls(*state, ws_scenarios, ws_scenario_count);
}

int
main(void)
{
    static const struct test_case cases[] = {
        {"any_system_call_may_fail", any_system_call_may_fail, TRANSPORT_TCP4},
        {"from_any_system_call_on_its_kind_may_fail", from_any_system_call_on_its_kind_may_fail,
         TRANSPORT_TCP4},
        {"any_two_may_fail", any_two_may_fail, TRANSPORT_TCP4},
    };

    return RUN_CASES("ws_torture_calls", cases);
}
