/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_THREAD_H
#define TESTS_LIB_THREAD_H

// Where a test's calls run: plain threads, the loop's thread, and the brackets that notice a
// callback in a place where none may be.

#include "weir/weir.h"

struct fixture;

typedef void thread_fn(void *arg);

struct thread;

// A plain thread. Joined at teardown if not before.
struct thread *thread_start(struct fixture *fixture, thread_fn *function, void *arg);
// Turn the loops until it has returned, and join it.
void thread_join(struct fixture *fixture, struct thread *thread);
// Run function on a plain thread and join it without a turn.
void thread_call(struct fixture *fixture, thread_fn *function, void *arg);
// Joins what still runs; aborts the program when it does not end. The teardown's.
void threads_end(struct fixture *fixture);
// Run function on the loop, and return when it has.
void loop_call(struct fixture *fixture, struct weir_loop *loop, thread_fn *function, void *arg);

// ---- submits ----------------------------------------------------------------------------------

// weir_write() that notices a completion from inside the call.
int submit(struct fixture *fixture, weir_stream stream, const struct weir_write *request,
           weir_op *ret_op);
// Brackets for any other call out of which nothing may be called back.
void call_begin(void);
void call_end(void);
// Callbacks of the test say so when they begin and end; recorders do by themselves.
void callback_begin(struct fixture *fixture);
void callback_end(void);

#endif /* TESTS_LIB_THREAD_H */
