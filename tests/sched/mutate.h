/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_MUTATE_H
#define TESTS_SCHED_MUTATE_H

/**
 * @file
 * Does any schedule notice when one place asks for less order? A mutation is named by what is left
 * out and where: `fence runtime/lane.c:wi_lane_drain`, and `#2` behind it for the second such
 * place of a function.
 */

#include <stdbool.h>

/** Leave the order out from now on. False: there is no such mutation. */
bool sched_weaken(const char *mutation);

/**
 * Check all mutations against a list of those that no schedule catches, a line each; `#` begins a
 * comment. Every other that a scenario comes by must be caught. With @p is_thorough those of the
 * list are tried too, and must not be caught. How many differ from the list.
 */
unsigned sched_mutations(const char *list_path, const char *only, bool is_thorough);

#endif /* TESTS_SCHED_MUTATE_H */
