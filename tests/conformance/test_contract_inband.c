// SPDX-License-Identifier: MIT
//
// The flow contract with the half-close in band.
#include "tests/lib/fixture.h"
#include "tests/lib/flow_contract.h"

int
main(void)
{
    return flow_contract_run("conformance.contract_inband", &flow_inband);
}
