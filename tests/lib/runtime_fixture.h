/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIB_RUNTIME_FIXTURE_H
#define TESTS_LIB_RUNTIME_FIXTURE_H

// A runtime without an upper layer, for tests of runtime/ alone: its service does nothing but
// count.
//
// Every wait has a deadline; worker threads record what went wrong with FAILED_UNLESS() and the
// main thread asserts no_failures().

#include "runtime/runtime.h"
#include "weir/weir.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// ---- the service ------------------------------------------------------------------------------

struct service_log {
    wi_atomic_u32 tables, inits, stops, finis;
    unsigned tables_fail;  // errno for tables()
    unsigned init_fail_at; // 1 …: which call of init() fails, with ENOBUFS
    bool init_leaves_net;  // the failing init() leaves something for fini()
};
extern struct service_log service_log;
extern const struct wi_service idle_service;

// ---- runtimes ---------------------------------------------------------------------------------

// Asserts that it works. Loops with threads, or WEIR_MANUAL ones.
struct weir_runtime *runtime_make(unsigned loops, unsigned flags);
struct weir_runtime *runtime_make_with(const struct weir_runtime_options *options);
// Stop and free; asserts that both work.
void runtime_end(struct weir_runtime *runtime);
struct wi_loop *runtime_loop(struct weir_runtime *runtime, unsigned index);

// ---- loops turned by hand ---------------------------------------------------------------------

// Turn without waiting until a turn finds nothing.
void loop_settle(struct weir_loop *loop);
// Is now, whatever thread this is, as if a turn of the loop ran: calls of loop-only functions.
void loop_enter(struct wi_loop *loop);
void loop_leave(void);
uint64_t loop_turns(struct weir_loop *loop);

// ---- conditions, threads ----------------------------------------------------------------------

typedef bool condition_fn(void *arg);
// Until the condition holds; asserts that it does within a minute.
void await(condition_fn *condition, void *arg);
bool reached(void *counter); // a condition: struct goal
struct goal {
    wi_atomic_u32 count;
    uint32_t wanted;
};
void goal_add(struct goal *goal);
// A post that adds to a goal.
void post_goal(struct weir_loop *loop, void *goal);

void *thread_run_joined(void *(*body)(void *), void *arg); // start, join, result
void thread_go(pthread_t *thread, void *(*body)(void *), void *arg);
void *thread_end_of(pthread_t thread);

extern wi_atomic_u32 failure_count;
extern const char *failure_first; // written once, by the first failure
void failure(const char *what);
#define FAILED_UNLESS(condition) ((condition) ? (void)0 : failure(#condition))
void no_failures(void);

// ---- random numbers ---------------------------------------------------------------------------

// WEIR_SEED, or a new one; printed.
uint64_t seed_take(void);
uint64_t random_next(uint64_t *state);
uint64_t random_upto(uint64_t *state, uint64_t bound); // 0 … bound - 1

#endif /* TESTS_LIB_RUNTIME_FIXTURE_H */
