/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_RESULT_READ_H
#define SIGHT_RESULT_READ_H

// A result out of the line of JSON that weir-storm wrote with --json.

#include "json_tree.h"
#include "machine.h"
#include "result.h"

// Does this come from weir-storm?
bool result_is_known(const struct json_node *tree);

// The result, to be freed with result_free(); it refers to @p tree, which must outlive it. What is
// not in the tree is left out of the result. NULL, or what in the tree is not as it should be.
const char *result_read(struct result *ret_result, const struct json_node *tree);

// Where it ran; what is not told is empty.
void result_read_machine(struct machine *ret_machine, const struct json_node *tree);

#endif /* SIGHT_RESULT_READ_H */
