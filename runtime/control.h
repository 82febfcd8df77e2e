/* SPDX-License-Identifier: MIT */
#ifndef WI_CONTROL_H
#define WI_CONTROL_H

/**
 * @file
 * What any thread may hand to a loop without a lane, without memory and without failing: a node
 * that the target embeds. The target keeps it from being pushed twice, by a bit in a word of its
 * own.
 */

#include "runtime/ring.h"

struct wi_loop;

struct wi_control {
    struct wi_stack_node node;
    /** Loop thread. Runs no user code. */
    void (*run)(struct wi_loop *loop, struct wi_control *control);
};

#endif /* WI_CONTROL_H */
