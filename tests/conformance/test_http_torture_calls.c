// os: count
// SPDX-License-Identifier: MIT
// Every scenario of HTTP again for each of its system calls, as test_torture_calls.c says.

#include "tests/lib/torture.h"

static void
any_system_call_may_fail(void **state)
{
    torture_calls(*state, http_scenarios, http_scenario_count, false);
}

static void
from_any_system_call_on_its_kind_may_fail(void **state)
{
    torture_calls(*state, http_scenarios, http_scenario_count, true);
}

static void
any_two_may_fail(void **state)
{
    torture_two_calls(*state, http_scenarios, http_scenario_count);
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

    return RUN_CASES("http_torture_calls", cases);
}
