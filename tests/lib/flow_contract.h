/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_FLOW_CONTRACT_H
#define TESTS_LIB_FLOW_CONTRACT_H

// What every flow promises (H1 to H9), whatever carries it: the same cases over each transport of
// the fixture and each layer. A program of tests/conformance/ runs them for one layer.

#include "tests/lib/flow.h"

int flow_contract_run(const char *group, const struct flow_layer *layer);

#endif /* TESTS_LIB_FLOW_CONTRACT_H */
