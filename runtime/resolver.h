/* SPDX-License-Identifier: MIT */
#ifndef WI_RESOLVER_H
#define WI_RESOLVER_H

/**
 * @file
 * Names of hosts, resolved by a few plain threads of the runtime, for that blocks. A loop hands a
 * query over without a lock; the answer comes home as a control, which cannot fail.
 *
 *                  worker                       loop
 *      ASKED ────────────────► ANSWERED ────────────────► done() on the loop
 *        │ loop                    │ loop
 *        └──► ABANDONED            └──► as before, but nobody is told
 *             the worker frees it       the loop frees it
 *
 * Threads start with the first queries, as many as are busy at once, and end with the stop of the
 * runtime. Nothing can end a look-up that a name server does not answer: a thread in one is not
 * waited for beyond the stop's deadline. What it still touches is not the runtime's.
 */

#include "runtime/control.h"
#include "runtime/os_names.h"

#include "mem/atomic.h"

#define WI_RESOLVER_THREADS 8u
#define WI_QUERIES_MAX      1024u // waiting for a thread, in one runtime
#define WI_QUERY_ADDRESSES  16u   // of one name
#define WI_QUERY_HOST_SIZE  256u

struct wi_loop;
struct wi_runtime;
struct wi_query;

/** Loop thread. @p query has its answer, and is yours to free. Runs no user code. */
typedef void wi_query_fn(struct wi_loop *loop, struct wi_query *query);

struct wi_query {
    struct wi_control control; // brings the answer home
    struct wi_stack_node node; // on its way to a worker
    struct wi_query *next;     // waits for one
    struct wi_loop *loop;
    wi_query_fn *done; // loop thread; NULL: abandoned
    void *owner;       // the asker's
    wi_atomic_u32 state;
    int count; // of addresses, or -errno
    union wi_ip addresses[WI_QUERY_ADDRESSES];
    char host[WI_QUERY_HOST_SIZE];
};

/** Loop thread. Ask for query->host, which is all that is set besides query->owner. @p done will
 *  run once unless the query is abandoned. 0; -WEIR_ENAMESFULL: too many wait, or no thread can be
 *  started; -ENOMEM. */
int wi_query_start(struct wi_loop *loop, struct wi_query *query, wi_query_fn *done);

/** Loop thread. A started query whose answer nobody wants: it is freed by whoever comes last. */
void wi_query_abandon(struct wi_loop *loop, struct wi_query *query);

/** The stopping thread, when the loops have ended. End the threads; leave those behind that are in
 *  a look-up at the deadline. */
void wi_resolver_stop(struct wi_runtime *runtime, uint64_t deadline_ns);

#endif /* WI_RESOLVER_H */
