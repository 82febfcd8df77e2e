/* SPDX-License-Identifier: MIT */

#include "runtime/resolver.h"

#include "mem/heap.h"
#include "runtime/runtime.h"

#include <errno.h>

enum query_state { QUERY_ASKED, QUERY_ANSWERED, QUERY_ABANDONED };

enum worker_state { WORKER_NONE, WORKER_STARTING, WORKER_RUNNING, WORKER_OVER };

struct worker {
    struct wi_resolver *resolver;
    void *thread;             // the starter's, then the stopping thread's
    wi_atomic_u32 state;      // enum worker_state
    wi_atomic_bool is_asking; // inside the look-up
};

/** Held by the runtime and by every worker: one that was left behind frees it. */
struct wi_resolver {
    wi_atomic_u32 holders;
    wi_atomic_u32 waiting;  // queries that no worker has taken
    wi_atomic_u32 idle;     // workers asleep, or nearly
    wi_atomic_u32 asked_at; // moves when there is something to look at; what they sleep on
    wi_atomic_u32 changes;  // moves when a worker has left a look-up or ended
    struct wi_stack asked;
    // The workers' among themselves; no loop takes this lock.
    wi_atomic_bool lock;
    struct wi_query *first, *last;
    bool is_ending;
    struct worker workers[WI_RESOLVER_THREADS];
};

/* ---- the workers ---- */

static void
lock(struct wi_resolver *resolver)
{
    // ORDER(resolver) observe: pairs with unlock().
    while (wi_swap_acquire(&resolver->lock, true)) {
        wi_os_yield();
    }
}

static void
unlock(struct wi_resolver *resolver)
{
    // ORDER(resolver) publish: pairs with lock().
    wi_store_release(&resolver->lock, false);
}

static void
drop(struct wi_resolver *resolver)
{
    // ORDER(resolver) publish and observe: whoever is last frees what the others wrote.
    if (wi_sub_acq_rel(&resolver->holders, 1) == 1) {
        wi_heap_free(resolver);
    }
}

// Under the lock. What was asked for, oldest first.
static void
take_asked(struct wi_resolver *resolver)
{
    struct wi_stack_node *node = wi_stack_reversed(wi_stack_take_all(&resolver->asked));

    while (node != NULL) {
        struct wi_query *query = wi_container_of(node, struct wi_query, node);

        node = wi_stack_next(node);
        query->next = NULL;
        if (resolver->first == NULL) {
            resolver->first = query;
        } else {
            resolver->last->next = query;
        }
        resolver->last = query;
    }
}

// The next query; NULL: none, or the end.
static struct wi_query *
take_query(struct worker *worker, bool *ret_ending)
{
    struct wi_resolver *resolver = worker->resolver;
    struct wi_query *query = NULL;

    lock(resolver);
    take_asked(resolver);
    *ret_ending = resolver->is_ending;
    if (!resolver->is_ending && resolver->first != NULL) {
        query = resolver->first;
        resolver->first = query->next;
        wi_sub_relaxed(&resolver->waiting, 1);
        wi_store_relaxed(&worker->is_asking, true); // before the end can be seen
    }
    unlock(resolver);
    return query;
}

static void
tell_change(struct wi_resolver *resolver)
{
    wi_add_acq_rel(&resolver->changes, 1); // ORDER(resolver) publish: pairs with wait_for_end()
    wi_os_wake_sleepers(&resolver->changes);
}

static void
answer(struct worker *worker, struct wi_query *query)
{
    struct wi_loop *loop = query->loop;
    bool is_wanted = wi_load_relaxed(&query->state) == QUERY_ASKED;

    if (is_wanted) {
        query->count = wi_os_resolve(query->host, query->addresses, WI_QUERY_ADDRESSES);
    }
    // From here the stop waits for us: the loop is touched below, if anybody there still waits. It
    // sees this, for its loop has taken the answer that is behind it.
    wi_store_relaxed(&worker->is_asking, false);
    tell_change(worker->resolver);
    // ORDER(answer) observe: nobody wants it, and the loop is done with it. Else the control's push
    // carries the answer.
    if (wi_swap_acquire(&query->state, QUERY_ANSWERED) == QUERY_ABANDONED) {
        wi_heap_free(query);
    } else {
        wi_loop_control(loop, &query->control);
    }
}

static void *
work(void *arg)
{
    struct worker *worker = arg;
    struct wi_resolver *resolver = worker->resolver;
    bool is_ending = false;

    while (!is_ending) {
        // ORDER(asked) observe: a move after this look makes the sleep return at once.
        uint32_t seen = wi_load_acquire(&resolver->asked_at);
        struct wi_query *query = take_query(worker, &is_ending);

        if (query != NULL) {
            answer(worker, query);
        } else if (!is_ending) {
            wi_add_relaxed(&resolver->idle, 1);
            wi_fence_full(); // ORDER(asked), worker half: see wake_worker()
            wi_os_sleep(&resolver->asked_at, seen, WEIR_NEVER);
            wi_sub_relaxed(&resolver->idle, 1);
        }
    }
    wi_store_relaxed(&worker->state, WORKER_OVER); // the change publishes it
    tell_change(resolver);
    drop(resolver);
    return NULL;
}

/* ---- the loop's side ---- */

static struct wi_resolver *
need_resolver(struct wi_runtime *runtime)
{
    // ORDER(resolver) observe: pairs with the exchange below.
    struct wi_resolver *resolver = (struct wi_resolver *)wi_load_acquire(&runtime->resolver);
    uintptr_t none = 0;

    if (resolver != NULL) {
        return resolver;
    }
    resolver = wi_heap_zalloc(sizeof(*resolver));
    if (resolver == NULL) {
        return NULL;
    }
    wi_store_relaxed(&resolver->holders, 1);
    wi_stack_init(&resolver->asked);
    for (unsigned i = 0; i < WI_RESOLVER_THREADS; i++) {
        resolver->workers[i].resolver = resolver;
    }
    // ORDER(resolver) publish: the first loop to ask makes it.
    if (!wi_cas_acq_rel(&runtime->resolver, &none, (uintptr_t)resolver)) {
        wi_heap_free(resolver);
        resolver = (struct wi_resolver *)none;
    }
    return resolver;
}

// One more thread, if there may be one. 0, or -errno.
static int
start_worker(struct wi_resolver *resolver)
{
    for (unsigned i = 0; i < WI_RESOLVER_THREADS; i++) {
        struct worker *worker = &resolver->workers[i];
        uint32_t none = WORKER_NONE;
        int result;

        if (!wi_cas_relaxed(&worker->state, &none, WORKER_STARTING)) {
            continue;
        }
        wi_add_relaxed(&resolver->holders, 1);
        result = wi_os_thread_start(&worker->thread, work, worker);
        if (result < 0) {
            wi_sub_relaxed(&resolver->holders, 1); // the runtime holds it too
            wi_store_relaxed(&worker->state, WORKER_NONE);
        } else {
            wi_store_relaxed(&worker->state, WORKER_RUNNING);
        }
        return result;
    }
    return 0;
}

static bool
has_worker(struct wi_resolver *resolver)
{
    for (unsigned i = 0; i < WI_RESOLVER_THREADS; i++) {
        if (wi_load_relaxed(&resolver->workers[i].state) == WORKER_RUNNING) {
            return true;
        }
    }
    return false;
}

// ORDER(asked), asker half: push, move the number, fence, look for sleepers. A worker does the
// mirror image: read the number, look at the queue, count itself, fence, sleep on the number.
static void
wake_worker(struct wi_resolver *resolver)
{
    wi_add_acq_rel(&resolver->asked_at, 1); // ORDER(asked) publish
    wi_fence_full();                        // ORDER(asked)
    if (wi_load_relaxed(&resolver->idle) != 0) {
        wi_os_wake_sleepers(&resolver->asked_at);
    }
}

// The answer has come home.
static void
come_home(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_query *query = wi_container_of(control, struct wi_query, control);

    loop->open_things--;
    if (query->done == NULL) {
        wi_heap_free(query);
    } else {
        query->done(loop, query);
    }
}

int
wi_query_start(struct wi_loop *loop, struct wi_query *query, wi_query_fn *done)
{
    struct wi_resolver *resolver = need_resolver(loop->runtime);
    uint32_t waiting;

    if (resolver == NULL) {
        return -ENOMEM;
    }
    waiting = wi_add_relaxed(&resolver->waiting, 1);
    if (waiting >= WI_QUERIES_MAX || (waiting >= wi_load_relaxed(&resolver->idle) &&
                                      start_worker(resolver) < 0 && !has_worker(resolver))) {
        wi_sub_relaxed(&resolver->waiting, 1);
        return -WEIR_ENAMESFULL;
    }
    query->control.run = come_home;
    query->loop = loop;
    query->done = done;
    wi_store_relaxed(&query->state, QUERY_ASKED);
    loop->open_things++; // the loop stays until the answer is home
    wi_stack_push(&resolver->asked, &query->node);
    wake_worker(resolver);
    return 0;
}

void
wi_query_abandon(struct wi_loop *loop, struct wi_query *query)
{
    query->done = NULL;
    // ORDER(answer) publish: whoever frees it finds us done with it.
    if (wi_swap_acq_rel(&query->state, QUERY_ABANDONED) == QUERY_ASKED) {
        loop->open_things--; // the worker touches the loop no more, and frees it
    }
}

/* ---- the end ---- */

// It ends, or is in a look-up when the time is over. True: it has ended.
static bool
wait_for_end(struct worker *worker, uint64_t deadline_ns)
{
    struct wi_resolver *resolver = worker->resolver;

    for (;;) {
        // ORDER(resolver) observe: a change after this look makes the sleep return at once.
        uint32_t seen = wi_load_acquire(&resolver->changes);
        bool is_late = wi_os_now_ns() >= deadline_ns;

        if (wi_load_relaxed(&worker->state) == WORKER_OVER) {
            return true;
        }
        if (is_late && wi_load_relaxed(&worker->is_asking)) {
            return false;
        }
        wi_os_sleep(&resolver->changes, seen, is_late ? WEIR_NEVER : deadline_ns);
    }
}

// Nobody waits for them any more: the loops have ended.
static void
free_queries(struct wi_resolver *resolver)
{
    take_asked(resolver);
    while (resolver->first != NULL) {
        struct wi_query *query = resolver->first;

        resolver->first = query->next;
        wi_heap_free(query);
    }
}

void
wi_resolver_stop(struct wi_runtime *runtime, uint64_t deadline_ns)
{
    // The loops have ended and are joined: nobody makes one now.
    struct wi_resolver *resolver = (struct wi_resolver *)wi_load_relaxed(&runtime->resolver);

    if (resolver == NULL) {
        return;
    }
    lock(resolver);
    resolver->is_ending = true;
    free_queries(resolver);
    unlock(resolver);
    wi_add_relaxed(&resolver->asked_at, 1); // the lock has told why
    wi_os_wake_sleepers(&resolver->asked_at);
    for (unsigned i = 0; i < WI_RESOLVER_THREADS; i++) {
        struct worker *worker = &resolver->workers[i];

        if (wi_load_relaxed(&worker->state) == WORKER_NONE) {
            continue;
        }
        if (wait_for_end(worker, deadline_ns)) {
            wi_os_thread_join(worker->thread);
        } else {
            wi_os_thread_detach(worker->thread);
        }
    }
    wi_store_relaxed(&runtime->resolver, (uintptr_t)0);
    drop(resolver);
}
