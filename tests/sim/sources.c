// SPDX-License-Identifier: MIT

// Watches of the program's own descriptors, and its signals.

#include "tests/sim/world.h"

#include <errno.h>
#include <signal.h>

#define WATCHES_MAX 24

struct watch {
    weir_watch handle;
    struct sim_file *file; // watched; NULL: of signals
    unsigned asked;
    int loop;
    int signal; // that it is told of
    bool accepted, stopped, over;
    bool told_stop; // the stop has returned
};

static struct watch watches[WATCHES_MAX];
static int watch_count;
static const int signals[] = {SIGHUP, SIGUSR1, SIGTERM};

// Level-triggered: what is not taken away is told again and again.
static void
take_away(struct watch *watch)
{
    if (sim_world.quiet || sim_chance(700)) {
        watch->file->ready = 0;
        sim_changed(watch->file);
    }
}

static void
begin_event(struct watch *watch, weir_watch handle, bool is_last)
{
    if (watch->over) {
        sim_fail("watch: its function is called behind the last call");
    }
    if (sim_loop_running() != watch->loop) {
        sim_fail("watch: its function runs on another loop");
    }
    if (handle.bits != watch->handle.bits) {
        sim_fail("watch: its function is told another handle");
    }
    if (is_last && !watch->stopped && !sim_stopping) {
        sim_fail("watch: it ends, and nobody stopped it");
    }
    watch->over = is_last;
}

static void
watched(weir_watch handle, unsigned events, void *arg)
{
    struct watch *watch = arg;

    sim_callback_begins(NULL, "a watch's function");
    sim_say(events, (uint64_t)watch->loop, "    a watch: %#x", events);
    begin_event(watch, handle, events == 0);
    if (events == 0) {
        SIM_HIT(watch_ended);
        sim_close_file(watch->file);
    } else {
        SIM_HIT(watched);
        if (watch->told_stop) {
            sim_fail("watch: its function is called with %#x behind the stop", events);
        }
        if ((events & ~(watch->asked | (unsigned)WEIR_WATCH_HUP)) != 0) {
            sim_fail("watch: told of %#x, asked %#x", events, watch->asked);
        }
        take_away(watch);
    }
    if (sim_world.calls_from_callbacks && !sim_world.quiet && sim_chance(200)) {
        sim_any_call();
    }
    sim_callback_ends();
}

static void
signalled(weir_watch handle, int signal, void *arg)
{
    struct watch *watch = arg;

    sim_callback_begins(NULL, "a signal's function");
    sim_say((uint64_t)signal, (uint64_t)watch->loop, "    a signal: %d", signal);
    begin_event(watch, handle, signal == 0);
    if (signal != 0 && signal != watch->signal) {
        sim_fail("signal: told of %d, asked for %d", signal, watch->signal);
    }
    if (signal != 0) {
        SIM_HIT(signalled);
    }
    sim_callback_ends();
}

static struct sim_file *
plain_file(void)
{
    int fd = sim_open(SIM_PLAIN);

    if (fd < 0) {
        return NULL;
    }
    sim_file(fd)->is_peers = true; // the program's
    sim_file(fd)->state = SIM_CONNECTED;
    return sim_file(fd);
}

static void
start_watch(void)
{
    struct watch *watch = &watches[watch_count];
    int loop = (int)sim_below(sim_world.loop_count);
    int result;

    if (watch_count == WATCHES_MAX) {
        return;
    }
    *watch = (struct watch){.loop = loop, .asked = 1 + sim_below(3)};
    if (sim_chance(700)) {
        watch->file = plain_file();
        if (watch->file == NULL) {
            return;
        }
        watch->file->ready = sim_chance(300) ? (uint32_t)EPOLLIN : 0;
    }
    watch_count++;
    watch->signal = signals[sim_below(3)];
    sim_call_begins();
    result = watch->file != NULL
                 ? weir_watch_start(sim_world.loops[loop], SIM_FIRST_FD + watch->file->index,
                                    watch->asked, watched, watch, &watch->handle)
                 : weir_signal_start(sim_world.loops[loop], &watch->signal, 1, signalled, watch,
                                     &watch->handle);
    sim_call_ends();
    watch->accepted = result == 0;
    if (result < 0 && watch->file != NULL) {
        sim_close_file(watch->file);
    }
    sim_say((uint64_t)loop, (uint64_t)result, "  a watch%s on loop %d = %d",
            watch->file == NULL ? " of signals" : "", loop, result);
}

static void
stop_watch(void)
{
    struct watch *watch = &watches[watch_count == 0 ? 0 : sim_below((unsigned)watch_count)];
    bool was_stopped = watch->stopped;
    int result;

    if (!watch->accepted) {
        return;
    }
    watch->stopped = true;
    sim_call_begins();
    result = weir_watch_stop(watch->handle);
    sim_call_ends();
    watch->told_stop = true;
    sim_say((uint64_t)watch->loop, (uint64_t)result, "  a watch is stopped = %d", result);
    if ((result == 0) == was_stopped || (result != 0 && result != -WEIR_ESTALE)) {
        sim_fail("watch: stopping it answers %d", result);
    }
}

void
sim_call_watch(void)
{
    if (sim_chance(500)) {
        start_watch();
    } else {
        stop_watch();
    }
}

// The program's descriptors become ready, signals are raised.
void
sim_sources_step(void)
{
    static const uint32_t readiness[] = {EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLHUP};
    struct watch *watch = &watches[watch_count == 0 ? 0 : sim_below((unsigned)watch_count)];

    if (!watch->accepted || watch->over) {
        return;
    }
    if (watch->file != NULL) {
        SIM_EVENT(KERNEL);
        watch->file->ready = readiness[sim_below(4)];
        sim_changed(watch->file);
        sim_say(watch->file->ready, 0, "  the program's %d is ready",
                SIM_FIRST_FD + watch->file->index);
    } else {
        SIM_EVENT(KERNEL);
        sim_raise(watch->signal);
        sim_say((uint64_t)watch->signal, 0, "  signal %d is raised", watch->signal);
    }
}

void
sim_check_sources_over(void)
{
    for (int i = 0; i < watch_count; i++) {
        if (watches[i].accepted && !watches[i].over) {
            sim_fail("stuck: a watch never has its last call");
        }
    }
}
