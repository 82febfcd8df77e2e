// SPDX-License-Identifier: MIT
#include "tests/lib/fixture.h"

#include <stdlib.h>
#include <time.h>

struct thread {
    struct fixture *fixture;
    thread_fn *function;
    void *arg;
    pthread_t id;
    bool done; // under the fixture's lock
    bool joined;
};

static _Thread_local unsigned call_depth;     // calls out of which nothing may come
static _Thread_local unsigned callback_depth; // callbacks running on this thread

static void *
thread_main(void *arg)
{
    struct thread *thread = arg;

    thread->function(thread->arg);
    pthread_mutex_lock(&thread->fixture->lock);
    thread->done = true;
    pthread_cond_broadcast(&thread->fixture->changed);
    pthread_mutex_unlock(&thread->fixture->lock);
    return NULL;
}

struct thread *
thread_start(struct fixture *fixture, thread_fn *function, void *arg)
{
    struct thread *thread = fixture_memory(fixture, sizeof(*thread));

    assert_true(fixture->thread_count < FIXTURE_THREADS_MAX);
    thread->fixture = fixture;
    thread->function = function;
    thread->arg = arg;
    assert_int_equal(pthread_create(&thread->id, NULL, thread_main, thread), 0);
    fixture->threads[fixture->thread_count++] = thread;
    return thread;
}

static bool
thread_is_done(void *arg)
{
    struct thread *thread = arg;
    bool done;

    pthread_mutex_lock(&thread->fixture->lock);
    done = thread->done;
    pthread_mutex_unlock(&thread->fixture->lock);
    return done;
}

static void
thread_reap(struct fixture *fixture, struct thread *thread)
{
    pthread_join(thread->id, NULL);
    for (unsigned index = 0; index < fixture->thread_count; index++) {
        if (fixture->threads[index] == thread) {
            fixture->threads[index] = fixture->threads[--fixture->thread_count];
            return;
        }
    }
}

void
thread_join(struct fixture *fixture, struct thread *thread)
{
    fixture_turn_until(fixture, thread_is_done, thread);
    thread_reap(fixture, thread);
}

void
thread_call(struct fixture *fixture, thread_fn *function, void *arg)
{
    struct thread *thread = thread_start(fixture, function, arg);
    uint64_t deadline = test_deadline();

    pthread_mutex_lock(&fixture->lock);
    while (!thread->done && test_now_ns() < deadline) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&fixture->changed, &fixture->lock, &until);
    }
    pthread_mutex_unlock(&fixture->lock);
    if (!thread_is_done(thread)) {
        fixture_fail(fixture, "a thread's call does not return while no loop turns");
    }
    thread_reap(fixture, thread);
}

struct loop_call {
    struct fixture *fixture;
    thread_fn *function;
    void *arg;
    bool done;
};

static void
run_loop_call(struct weir_loop *loop, void *arg)
{
    struct loop_call *call = arg;

    (void)loop;
    callback_begin(call->fixture);
    call->function(call->arg);
    callback_end();
    pthread_mutex_lock(&call->fixture->lock);
    call->done = true;
    pthread_cond_broadcast(&call->fixture->changed);
    pthread_mutex_unlock(&call->fixture->lock);
}

static bool
loop_call_is_done(void *arg)
{
    struct loop_call *call = arg;
    bool done;

    pthread_mutex_lock(&call->fixture->lock);
    done = call->done;
    pthread_mutex_unlock(&call->fixture->lock);
    return done;
}

void
loop_call(struct fixture *fixture, struct weir_loop *loop, thread_fn *function, void *arg)
{
    struct loop_call *call = fixture_memory(fixture, sizeof(*call));

    *call = (struct loop_call){.fixture = fixture, .function = function, .arg = arg};
    assert_status(weir_post(loop, run_loop_call, call), 0);
    fixture_turn_until(fixture, loop_call_is_done, call);
}

void
threads_end(struct fixture *fixture)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += (time_t)(5 * test_slow_factor());
    for (unsigned index = 0; index < fixture->thread_count; index++) {
        struct thread *thread = fixture->threads[index];

        if (!thread->joined && pthread_timedjoin_np(thread->id, NULL, &deadline) != 0) {
            print_error("a thread of the test does not end; aborting\n");
            abort();
        }
        thread->joined = true;
    }
}

// ---- submits ----------------------------------------------------------------------------------

void
call_begin(void)
{
    call_depth++;
}

void
call_end(void)
{
    call_depth--;
}

void
callback_begin(struct fixture *fixture)
{
    if (call_depth > 0 || callback_depth > 0) {
        pthread_mutex_lock(&fixture->lock);
        fixture->inside += call_depth > 0;
        fixture->nested += callback_depth > 0;
        pthread_mutex_unlock(&fixture->lock);
    }
    callback_depth++;
}

void
callback_end(void)
{
    callback_depth--;
}

int
submit(struct fixture *fixture, weir_stream stream, const struct weir_write *request,
       weir_op *ret_op)
{
    int result;

    (void)fixture;
    call_begin();
    result = weir_write(stream, request, ret_op);
    call_end();
    return result;
}
