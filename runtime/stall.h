/* SPDX-License-Identifier: MIT */
#ifndef WI_STALL_H
#define WI_STALL_H

/**
 * @file
 * The stall detector: a thread that looks, while loops turn, whether one of them has been in the
 * same turn for longer than weir_runtime_options.stall_ns, and reports it with the loop's stack.
 * While no loop turns it sleeps without a timeout; the next turn wakes it.
 */

#include <stdint.h>

struct wi_loop;
struct wi_runtime;
struct wi_stall;

/** Start only, before the loops' threads; does nothing if the option is zero. 0 or -errno. */
int wi_stall_start(struct wi_runtime *runtime);
/** Stop only, while the loops' threads live: end its thread. Legal without a start. */
void wi_stall_stop(struct wi_runtime *runtime);
/** Stop only, when the loops' threads have ended. */
void wi_stall_free(struct wi_runtime *runtime);

/** Any thread. How often it has looked. */
uint64_t wi_stall_looks(const struct wi_stall *stall);

/** The loop's thread, before its first turn. */
void wi_stall_join(struct wi_loop *loop);
/** Loop thread. */
void wi_stall_turn_begins(struct wi_loop *loop);
void wi_stall_turn_ends(struct wi_loop *loop);

#endif /* WI_STALL_H */
