/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCHED_LETTERS_H
#define TESTS_SCHED_LETTERS_H

/**
 * @file
 * Writes that tell themselves on the wire: each sends a letter of its own, so many times. What was
 * answered, what completed, and when each call began and returned is kept, and is compared with
 * the wire in the end. Nothing of it is a place where others may run.
 */

#include "tests/sched/fixture_net.h"

/** Submit so many of @p letter. Answers what weir_write() does. */
int letters_write(weir_stream stream, char letter, size_t size, unsigned flags);
/** The same, and wait until it has completed. */
int letters_write_wait(weir_stream stream, char letter, size_t size, unsigned flags);
/** The operation of a letter is wanted. */
int letters_write_op(weir_stream stream, char letter, size_t size, unsigned flags, weir_op *ret_op);

/** In verify(). What was accepted completed once, with a true count, refused ones never; a letter's
 *  bytes are together on the wire; what returned before another began is in front of it. */
void letters_verify(int fd);

/** How a letter ended: its completion's status; 1: inside the call. Refused: what was answered. */
int letters_status(char letter);
/** Moves with each completion. */
extern struct net_counter letters_completed;

#endif /* TESTS_SCHED_LETTERS_H */
