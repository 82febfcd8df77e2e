// SPDX-License-Identifier: MIT
//
// The flow contract over streams as they are.
#include "tests/lib/fixture.h"
#include "tests/lib/flow_contract.h"

int
main(void)
{
    return flow_contract_run("conformance.contract", &flow_plain);
}
