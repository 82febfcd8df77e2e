// os: count
// SPDX-License-Identifier: MIT
// Every scenario again for each of its system calls, and for each error that call may have: that
// one call fails; it and all of its kind after it fail; two calls fail, or a call and an
// allocation.
//
// WEIR_STEPS=all makes all of these, which takes minutes; else the first is made in full, and of
// the others a sample by WEIR_SEED.

#include "tests/lib/torture.h"

static void
any_system_call_may_fail(void **state)
{
    torture_calls(*state, scenarios, scenario_count, false);
}

static void
from_any_system_call_on_its_kind_may_fail(void **state)
{
    torture_calls(*state, scenarios, scenario_count, true);
}

static void
any_two_may_fail(void **state)
{
    torture_two_calls(*state, scenarios, scenario_count);
}

int
main(void)
{
    static const struct test_case cases[] = {
        {"any_system_call_may_fail", any_system_call_may_fail, TRANSPORT_TCP4 | TRANSPORT_PATH},
        {"from_any_system_call_on_its_kind_may_fail", from_any_system_call_on_its_kind_may_fail,
         TRANSPORT_TCP4 | TRANSPORT_PATH},
        {"any_two_may_fail", any_two_may_fail, TRANSPORT_TCP4 | TRANSPORT_PATH},
    };

    return RUN_CASES("torture_calls", cases);
}
