// SPDX-License-Identifier: MIT
// Fibers, and one run of a schedule.

#include "tests/sched/machine.h"

#include "mem/assert.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#undef memcpy
#undef memset

#define STACK_SIZE (UINT64_C(128) << 10)
#define STEPS_MAX  20000u
#define HOOKS_MAX  4u

extern char __data_start[], _end[];
extern char __start_sched_tls[], __stop_sched_tls[];

struct fiber {
    ucontext_t context;
    void *(*body)(void *arg);
    void *arg;
    bool is_loop;
    bool has_ended;
    bool is_held;                // nobody steps in, unless it waits
    bool (*is_ready)(void *arg); // NULL: it can run
    void *ready_arg;
    struct {
        void (*hook)(void *);
        void *arg;
    } at_exit[HOOKS_MAX];
    unsigned at_exit_count;
    char *tls;
    char *stack;
};

// Not among the data that each run restores: nothing here belongs to the library.
static struct machine {
    sched_decide_fn *decide;
    struct fiber fibers[SCHED_FIBERS_MAX];
    unsigned count;
    unsigned current;
    unsigned steps;
    bool is_asking; // whether a fiber can run: nobody's access
    const struct sched_scenario *scenario;
    ucontext_t home; // the first fiber's
    ucontext_t bail; // where a failed run ends
    char failure[256];
    char *image;
    size_t image_size, tls_size;
    char signal_stack[65536];
} * machine;

static void
crashed(int signal)
{
    sched_fail("signal %d: memory is accessed that is not there", signal);
}

static void
catch_crashes(void)
{
    stack_t stack = {.ss_sp = machine->signal_stack, .ss_size = sizeof(machine->signal_stack)};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK | SA_NODEFER};

    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGSEGV, &action, NULL) != 0 ||
        sigaction(SIGBUS, &action, NULL) != 0) {
        perror("weir-sched");
        exit(2);
    }
}

void
sched_machine_start(sched_decide_fn *decide)
{
    size_t tls_size = (size_t)(__stop_sched_tls - __start_sched_tls);
    size_t image_size = (size_t)(_end - __data_start);
    size_t size = sizeof(*machine) + SCHED_FIBERS_MAX * (STACK_SIZE + tls_size) + image_size;
    char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mapped == MAP_FAILED) {
        perror("weir-sched: mmap");
        exit(2);
    }
    machine = (struct machine *)(void *)mapped;
    mapped += sizeof(*machine);
    sched_memory_start(mapped, SCHED_FIBERS_MAX * STACK_SIZE);
    machine->decide = decide;
    machine->tls_size = tls_size;
    machine->image_size = image_size;
    for (unsigned i = 0; i < SCHED_FIBERS_MAX; i++) {
        machine->fibers[i].stack = mapped;
        mapped += STACK_SIZE;
    }
    for (unsigned i = 0; i < SCHED_FIBERS_MAX; i++) {
        machine->fibers[i].tls = mapped;
        mapped += tls_size;
    }
    machine->image = mapped;
    catch_crashes();
    sched_machine_keep();
}

void
sched_machine_restore(void)
{
    memcpy(__data_start, machine->image, machine->image_size);
}

void
sched_machine_keep(void)
{
    memcpy(machine->image, __data_start, machine->image_size);
}

unsigned
sched_current(void)
{
    return machine->current;
}

bool
sched_is_watched(void)
{
    return machine->current != 0 && !machine->is_asking &&
           !machine->fibers[machine->current].is_held;
}

/* ---- switching ---- */

static bool
can_run(const struct fiber *fiber)
{
    bool is_ready;

    if (fiber->has_ended || fiber->is_ready == NULL) {
        return !fiber->has_ended;
    }
    machine->is_asking = true;
    is_ready = fiber->is_ready(fiber->ready_arg);
    machine->is_asking = false;
    return is_ready;
}

static void
switch_to(unsigned next)
{
    struct fiber *from = &machine->fibers[machine->current];
    struct fiber *to = &machine->fibers[next];

    if (from == to) {
        return;
    }
    memcpy(from->tls, __start_sched_tls, machine->tls_size);
    memcpy(__start_sched_tls, to->tls, machine->tls_size);
    machine->current = next;
    if (from == &machine->fibers[0]) {
        swapcontext(&machine->home, &to->context);
    } else if (next == 0) {
        setcontext(&machine->home);
    } else {
        swapcontext(&from->context, &to->context);
    }
}

_Noreturn void
sched_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(machine->failure, sizeof(machine->failure), format, args);
    va_end(args);
    machine->current = 0;
    setcontext(&machine->bail);
    abort();
}

_Noreturn void
wi_assert_failed(const char *what, const char *file, int line)
{
    (void)what; // with all macros of the build in it
    sched_fail("%s:%d: an assertion", file, line);
}

// The fibers other than the caller that can run.
static unsigned
others(unsigned *ret_fibers)
{
    unsigned count = 0;

    for (unsigned i = 1; i < machine->count; i++) {
        if (i != machine->current && can_run(&machine->fibers[i])) {
            ret_fibers[count++] = i;
        }
    }
    return count;
}

// The caller cannot go on: somebody else does, or the run is over.
static void
leave(void)
{
    unsigned next[SCHED_FIBERS_MAX];
    unsigned count = others(next);

    if (count == 0) { // in the end everything gets out
        for (unsigned i = 1; i < machine->count; i++) {
            while (sched_memory_buffered(i) != 0) {
                sched_memory_drain_one(i);
            }
        }
        count = others(next);
    }
    if (count != 0) {
        switch_to(next[count == 1 ? 0 : machine->decide(count, count, false)]);
    } else if (machine->current != 0 && !can_run(&machine->fibers[machine->current])) {
        switch_to(0);
    }
}

// What may happen here, in this order: the caller goes on; another fiber runs, with the caller's
// stores on their way or, if there are any, seen; the oldest store of another fiber is seen.
void
sched_point_quiet(bool is_quiet)
{
    unsigned next[SCHED_FIBERS_MAX];
    unsigned me = machine->current;
    unsigned ways, count, choice;

    if (!sched_is_watched()) {
        return;
    }
    if (++machine->steps > STEPS_MAX) {
        sched_fail("no end after %u steps", STEPS_MAX);
    }
    count = others(next);
    ways = sched_memory_buffered(me) != 0 ? 2 * count : count;
    choice = 1 + ways;
    for (unsigned i = 1; i < machine->count; i++) {
        choice += i != me && sched_memory_buffered(i) != 0;
    }
    if (choice == 1) {
        return;
    }
    choice = machine->decide(1, choice, is_quiet);
    if (choice == 0) {
        return;
    }
    choice--;
    if (choice < ways) {
        if (choice >= count) {
            sched_drain();
        }
        switch_to(next[choice % count]);
        return;
    }
    choice -= ways;
    for (unsigned i = 1; i < machine->count; i++) {
        if (i != me && sched_memory_buffered(i) != 0 && choice-- == 0) {
            sched_memory_drain_one(i);
            return;
        }
    }
}

void
sched_point(void)
{
    sched_point_quiet(false);
}

void
sched_hold(void)
{
    machine->fibers[machine->current].is_held = true;
}

void
sched_release(void)
{
    sched_drain();
    machine->fibers[machine->current].is_held = false;
}

void
sched_wait(bool (*is_ready)(void *arg), void *arg)
{
    struct fiber *self = &machine->fibers[machine->current];

    if (machine->current == 0) {
        sched_check(is_ready(arg));
        return;
    }
    self->is_ready = is_ready;
    self->ready_arg = arg;
    while (!can_run(self)) {
        leave();
    }
    self->is_ready = NULL;
}

void
sched_yield_to_others(void)
{
    unsigned next[SCHED_FIBERS_MAX];
    unsigned count;

    if (machine->current == 0) {
        return;
    }
    if (++machine->steps > STEPS_MAX) {
        sched_fail("no end after %u steps", STEPS_MAX);
    }
    for (unsigned i = 1; i < machine->count; i++) {
        while (sched_memory_buffered(i) != 0) {
            sched_memory_drain_one(i);
        }
    }
    // In turns: two that spin for a third would else have no end of ways to spin.
    count = others(next);
    for (unsigned i = 0; i < count; i++) {
        if (next[i] > machine->current) {
            switch_to(next[i]);
            return;
        }
    }
    if (count != 0) {
        switch_to(next[0]);
    }
}

/* ---- fibers ---- */

static void
fiber_main(void)
{
    struct fiber *self = &machine->fibers[machine->current];

    self->body(self->arg);
    while (self->at_exit_count != 0) {
        self->at_exit_count--;
        self->at_exit[self->at_exit_count].hook(self->at_exit[self->at_exit_count].arg);
    }
    self->has_ended = true;
    leave();
    abort(); // nobody switches to a fiber that has ended
}

static unsigned
start(void *(*body)(void *arg), void *arg, bool is_loop)
{
    unsigned number = machine->count;
    struct fiber *fiber = &machine->fibers[number];
    char *tls = fiber->tls;
    char *stack = fiber->stack;

    if (number == SCHED_FIBERS_MAX) {
        sched_fail("more than %u fibers", SCHED_FIBERS_MAX - 1);
    }
    *fiber =
        (struct fiber){.body = body, .arg = arg, .is_loop = is_loop, .tls = tls, .stack = stack};
    memcpy(tls, machine->image + (__start_sched_tls - __data_start), machine->tls_size);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&fiber->context, fiber_main, 0);
    machine->count++;
    sched_memory_fork(machine->current, number);
    return number;
}

struct plain_body {
    void (*body)(void *arg);
    void *arg;
};

static void *
run_plain(void *arg)
{
    struct plain_body *plain = arg;

    plain->body(plain->arg);
    return NULL;
}

void
sched_start(void (*body)(void *arg), void *arg)
{
    struct plain_body *plain = sched_arena_take(sizeof(*plain), alignof(struct plain_body));

    *plain = (struct plain_body){body, arg};
    start(run_plain, plain, false);
}

unsigned
sched_start_loop(void *(*body)(void *arg), void *arg)
{
    return start(body, arg, true);
}

bool
sched_join(unsigned fiber)
{
    if (machine->fibers[fiber].has_ended) {
        sched_memory_join(machine->current, fiber);
    }
    return machine->fibers[fiber].has_ended;
}

uint64_t
sched_tally(uint64_t *number, uint64_t more)
{
    return *number += more;
}

int
sched_thread_atexit(void (*hook)(void *), void *arg, void *dso)
{
    struct fiber *self = &machine->fibers[machine->current];

    (void)dso;
    if (self->at_exit_count == HOOKS_MAX) {
        sched_fail("more than %u exit hooks", HOOKS_MAX);
    }
    self->at_exit[self->at_exit_count].hook = hook;
    self->at_exit[self->at_exit_count++].arg = arg;
    return 0;
}

/* ---- a run ---- */

static void
run(const struct sched_scenario *scenario)
{
    scenario->set_up();
    leave();
    for (unsigned i = 1; i < machine->count; i++) {
        sched_memory_join(0, i);
        if (!machine->fibers[i].has_ended && !machine->fibers[i].is_loop) {
            sched_fail("fiber %u waits for ever", i);
        }
    }
    scenario->verify();
}

const char *
sched_machine_run(const struct sched_scenario *scenario)
{
    sched_machine_restore();
    sched_memory_reset();
    machine->count = 1;
    machine->current = 0;
    machine->steps = 0;
    machine->is_asking = false;
    machine->failure[0] = '\0';
    machine->fibers[0].at_exit_count = 0;
    machine->scenario = scenario;
    getcontext(&machine->bail); // a failure comes back here
    if (machine->failure[0] == '\0') {
        run(machine->scenario);
    }
    return machine->failure[0] == '\0' ? NULL : machine->failure;
}
