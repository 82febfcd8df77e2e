// SPDX-License-Identifier: MIT

// Threads, played by one: each has what a thread of its own would have in the library. They nest:
// one that is inside a system call stays there while another runs.

#include "tests/sim/world.h"

#include "runtime/thread.h"

#define DEPTH_MAX 4

struct thread {
    struct wi_thread_self self;
    bool is_busy;
    unsigned in_call, in_callback;
};

static struct thread threads[SIM_THREADS];
static unsigned stack[DEPTH_MAX + 4];
static unsigned depth;
static bool is_ending; // a thread holds the cold lock while it ends: others would wait for it

void
sim_enter(unsigned thread)
{
    if (threads[thread].is_busy) {
        sim_fail("the simulation is broken: thread %u runs already", thread);
    }
    threads[thread].is_busy = true;
    stack[depth++] = thread;
    wi_thread_swap(&threads[thread].self);
}

void
sim_leave(void)
{
    struct thread *thread = &threads[stack[--depth]];

    wi_thread_swap(&thread->self);
    thread->is_busy = false;
}

void
sim_thread_ends(unsigned thread)
{
    sim_enter(thread);
    is_ending = true;
    wi_thread_leave();
    is_ending = false;
    sim_leave();
    threads[thread].self = (struct wi_thread_self){0};
    sim_forget_room(thread);
}

bool
sim_thread_is_busy(unsigned thread)
{
    return threads[thread].is_busy;
}

int
sim_thread_running(void)
{
    return depth == 0 ? -1 : (int)stack[depth - 1];
}

int
sim_loop_running(void)
{
    if (depth != 0) {
        return stack[depth - 1] < sim_world.loop_count ? (int)stack[depth - 1] : -1;
    }
    for (unsigned i = 0; i < sim_world.loop_count && sim_stopping; i++) { // the stop turns them
        if (weir_loop_current() == sim_world.loops[i]) {
            return (int)i;
        }
    }
    return -1;
}

void
sim_call_begins(void)
{
    sim_calls++;
    SIM_EVENT(CALL);
    if (depth != 0) {
        threads[stack[depth - 1]].in_call++;
    }
}

void
sim_call_ends(void)
{
    sim_calls++;
    if (depth != 0) {
        threads[stack[depth - 1]].in_call--;
    }
}

void
sim_callback_begins(const struct sim_stream *stream, const char *name)
{
    int loop = sim_loop_running();
    struct thread *thread;

    SIM_EVENT(CALLBACK);
    if (loop < 0 || (stream != NULL && loop != stream->loop)) {
        sim_fail("callbacks: %s runs on another thread than its loop's", name);
    }
    thread = &threads[loop];
    if (thread->in_call != 0) {
        sim_fail("callbacks: %s runs inside a call", name);
    }
    if (thread->in_callback != 0) {
        sim_fail("callbacks: %s runs inside another one", name);
    }
    thread->in_callback++;
}

void
sim_callback_ends(void)
{
    threads[sim_loop_running()].in_callback--;
}

bool
sim_turn(unsigned loop, int64_t timeout_ns)
{
    int result;
    int64_t wait;

    if (threads[loop].is_busy) {
        return false;
    }
    if (depth != 0) {
        SIM_HIT(nested_turn);
        if (threads[stack[depth - 1]].in_call != 0) {
            SIM_HIT(stopped_sender);
        }
    }
    sim_enter(loop);
    result = weir_loop_turn(sim_world.loops[loop], timeout_ns);
    wait = weir_loop_timeout_ns(sim_world.loops[loop]);
    sim_leave();
    sim_world.due[loop] = wait < 0 ? UINT64_MAX : sim_now + (uint64_t)wait;
    sim_world.turns[loop]++;
    if (result < 0) {
        sim_fail("a turn of loop %u fails: %d", loop, result);
    }
    return true;
}

uint64_t
sim_turns_of(int loop)
{
    return sim_world.turns[loop];
}

// Another thread runs, here.
void
sim_preempt(void)
{
    unsigned loop;
    unsigned producer;

    if (depth == 0 || depth >= DEPTH_MAX || is_ending || sim_world.quiet ||
        !sim_chance(sim_faults.preempt)) {
        return;
    }
    loop = sim_below(sim_world.loop_count);
    producer = sim_world.loop_count + sim_below(sim_world.producer_count);
    switch (sim_below(4)) {
    case 0:
        if (!threads[loop].is_busy) {
            sim_say(1, loop, "    (meanwhile loop %u turns)", loop);
            sim_turn(loop, 0);
            sim_say(2, loop, "    (loop %u has turned)", loop);
        }
        break;
    case 1:
        sim_any_peer();
        break;
    default:
        if (!threads[producer].is_busy) {
            SIM_HIT(nested_call);
            sim_say(3, producer, "    (meanwhile thread %u)", producer);
            sim_enter(producer);
            if (sim_world.theme == SIM_THEME_LIMITS && sim_world.writing != NULL) {
                sim_call_write(sim_world.writing); // to where it is tight
            } else {
                sim_any_call();
            }
            sim_leave();
            sim_say(4, producer, "    (thread %u is done)", producer);
        }
        break;
    }
}
