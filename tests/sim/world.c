// SPDX-License-Identifier: MIT

// A run: a world is made, steps are taken, then it comes to rest and everything must be over.

#include "tests/sim/world.h"

#include "mem/heap.h"

#include <string.h>
#include <unistd.h>

#define SETUP_STEP  1000000u
#define FINISH_STEP 1000001u
#define TURNS_MAX   60000

struct sim_world sim_world;

// ---- making -------------------------------------------------------------------------------------

// A run is mostly about something: a world in which everything fails at once shows little.
static void
choose_theme_faults(void)
{
    switch (sim_world.theme) {
    case SIM_THEME_FILES:
        sim_faults.no_sendfile = sim_chance(500) ? sim_below(600) : 0;
        break;
    case SIM_THEME_LARGE:
        sim_faults.no_zerocopy = sim_chance(500) ? sim_below(400) : 0;
        sim_faults.short_send = sim_below(700);
        break;
    case SIM_THEME_DEADLINES:
        sim_faults.send_again = sim_below(700);
        sim_faults.late = 300 + sim_below(700);
        break;
    case SIM_THEME_LIMITS:
        sim_faults.preempt = 100 + sim_below(200);
        sim_faults.short_send = sim_below(600);
        break;
    case SIM_THEME_SHORTAGE:
        sim_faults.descriptors = 6 + sim_below(20);
        sim_faults.send_fails = sim_below(20);
        sim_faults.no_descriptor = sim_below(30);
        sim_faults.poll_fails = sim_below(30);
        break;
    case SIM_THEME_CONNECTS:
        sim_faults.unreachable = sim_below(200);
        sim_faults.connection_lost = sim_below(200);
        break;
    case SIM_THEME_TEARS:
        sim_faults.short_send = 300 + sim_below(700);
        break;
    case SIM_THEME_ANY:
    case SIM_THEMES:
    default:
        break;
    }
}

static void
choose_faults(void)
{
    bool rough = sim_chance(500);

    sim_world.theme = sim_chance(400) ? SIM_THEME_ANY : (enum sim_theme)sim_below(SIM_THEMES);

    sim_faults = (struct sim_faults){
        .preempt = sim_chance(600) ? 20 + sim_below(150) : 0,
        .short_send = sim_chance(500) ? sim_below(500) : 0,
        .send_again = sim_chance(400) ? sim_below(300) : 0,
        .send_fails = rough && sim_chance(300) ? 1 + sim_below(10) : 0,
        .short_receive = sim_chance(500) ? sim_below(500) : 0,
        .spurious = sim_chance(300) ? sim_below(200) : 0,
        .few_events = sim_chance(300) ? sim_below(500) : 0,
        .late = sim_chance(700) ? sim_below(1000) : 0,
        .poll_fails = rough && sim_chance(200) ? 1 + sim_below(30) : 0,
        .no_descriptor = rough && sim_chance(200) ? 1 + sim_below(60) : 0,
        .option_fails = rough && sim_chance(200) ? 1 + sim_below(60) : 0,
        .connection_lost = rough && sim_chance(200) ? sim_below(200) : 0,
        .unreachable = rough && sim_chance(200) ? sim_below(200) : 0,
        .interrupted = sim_chance(300) ? sim_below(200) : 0,
        .no_zerocopy = sim_chance(200) ? sim_below(400) : 0,
        .no_sendfile = sim_chance(200) ? sim_below(400) : 0,
        .descriptors = rough && sim_chance(150) ? 6 + sim_below(30) : 0,
    };
    choose_theme_faults();
}

void
sim_world_create(void)
{
    struct weir_runtime_options options = {.flags = WEIR_MANUAL};
    struct sim_faults faults;

    sim_kernel_init();
    choose_faults();
    faults = sim_faults;
    sim_faults = (struct sim_faults){0};
    sim_world.loop_count = options.loops = 1 + sim_below(SIM_LOOPS);
    sim_world.producer_count = 1 + sim_below(SIM_PRODUCERS);
    sim_world.calls_from_callbacks = sim_chance(600);
    options.lane_entries = sim_chance(sim_world.theme == SIM_THEME_LIMITS ? 600 : 300) ? 4 : 0;
    options.loop_bytes_max = sim_chance(150) ? 2000 + sim_below(100000) : 0;
    options.total_bytes_max = sim_chance(150) ? 2000 + sim_below(100000) : 0;
    options.latency_every = sim_chance(300) ? 1 : 0;
    if (weir_runtime_create(&options, &sim_world.runtime) != 0) {
        sim_fail("the runtime cannot be made");
    }
    for (unsigned i = 0; i < sim_world.loop_count; i++) {
        sim_world.loops[i] = weir_runtime_loop(sim_world.runtime, i);
    }
    sim_enter(sim_world.loop_count);
    sim_tokens_create();
    sim_listen();
    for (int i = 0; i < 3; i++) {
        sim_open_stream();
    }
    sim_leave();
    sim_faults = faults;
}

// ---- a step -------------------------------------------------------------------------------------

// As a program that sleeps on the loop's descriptor would, and has asked it once how long: a wake-u
// that is lost is a turn that never comes.
bool
sim_wants_turn(unsigned loop)
{
    return sim_now >= sim_world.due[loop] ||
           sim_poller_is_ready(weir_loop_fd(sim_world.loops[loop]));
}

static void
turn_step(void)
{
    unsigned loop = sim_below(sim_world.loop_count);
    bool waits = sim_chance(100);

    if (sim_wants_turn(loop) || waits) {
        sim_say(loop, waits, "loop %u turns%s", loop, waits ? ", and may wait" : "");
        sim_turn(loop, waits ? (int64_t)sim_below(20000000) : 0);
    }
}

static void
time_step(void)
{
    uint64_t next = sim_next_event();

    if (next == UINT64_MAX || sim_chance(200)) {
        next = sim_now + 1000 * (uint64_t)sim_below(sim_chance(200) ? 1000000 : 3000);
    }
    sim_advance(next);
    sim_say(sim_now, 0, "time %.6f ms", (double)(sim_now - UINT64_C(1000000000000)) / 1e6);
}

// Several threads write to one stream, in turn.
static void
burst(void)
{
    struct sim_stream *stream =
        sim_stream_count == 0 ? NULL : &sim_streams[sim_below((unsigned)sim_stream_count)];

    for (unsigned calls = 3 + sim_below(10); calls > 0 && stream != NULL && stream->exists;
         calls--) {
        sim_enter(sim_world.loop_count + sim_below(sim_world.producer_count));
        sim_call_write(stream);
        sim_leave();
    }
}

static void
thread_step(void)
{
    unsigned producer = sim_world.loop_count + sim_below(sim_world.producer_count);
    unsigned calls = 1 + (sim_chance(200) ? sim_below(8) : 0);

    sim_say(producer, calls, "thread %u", producer);
    if (sim_chance(15)) {
        SIM_HIT(thread_ended);
        sim_thread_ends(producer);
        return;
    }
    if (sim_chance(200)) {
        burst();
        return;
    }
    sim_enter(producer);
    while (calls-- > 0) {
        sim_any_call();
    }
    sim_leave();
}

static struct {
    unsigned nth; // allocation that fails; 0: none does
    uint64_t met[SIM_PLACES];
} shortage;

static void
begin_shortage(void)
{
    memset(&shortage, 0, sizeof(shortage));
    if (!sim_chance(sim_world.theme == SIM_THEME_SHORTAGE ? 200 : 30)) {
        return;
    }
    shortage.nth = 1 + sim_below(3);
    wi_heap_fail(shortage.nth, sim_chance(300));
    sim_out_of_memory = true; // from here on it may be said to have been
    for (int i = 0; i < sim_stream_count; i++) {
        if (sim_streams[i].exists && !sim_streams[i].closed) {
            sim_count_places(&sim_streams[i], shortage.met);
        }
    }
    sim_say(0, 0, "(memory is short)");
}

// Only one that was met counts.
static void
end_shortage(void)
{
    if (shortage.nth != 0 && wi_heap_fail_count() >= shortage.nth) {
        SIM_HIT(allocation_failed);
        for (int place = 0; place < SIM_PLACES; place++) {
            sim_coverage->cells[place][SIM_BY_NO_MEMORY] += shortage.met[place];
        }
    }
    wi_heap_fail(0, 0);
}

void
sim_world_step(void)
{
    unsigned what = sim_below(100);

    begin_shortage();
    if (what < 40) {
        turn_step();
    } else if (what < 70) {
        thread_step();
    } else if (what < 85) {
        if (sim_chance(40)) {
            sim_sources_step();
        } else {
            sim_any_peer();
        }
    } else if (what < 96) {
        time_step();
    } else {
        sim_enter(sim_world.loop_count + sim_below(sim_world.producer_count));
        sim_open_stream();
        sim_leave();
    }
    end_shortage();
    sim_coverage->steps++;
}

// ---- the end ------------------------------------------------------------------------------------

static bool
turn_all(void)
{
    bool turned = false;

    for (unsigned i = 0; i < sim_world.loop_count; i++) {
        if (sim_wants_turn(i)) {
            turned |= sim_turn(i, 0);
        }
    }
    return turned;
}

// What the users of streams do in the end: read all there is.
static void
read_all(void)
{
    sim_peers_read_all();
    sim_enter(sim_world.loop_count);
    for (int i = 0; i < sim_stream_count; i++) {
        struct sim_stream *stream = &sim_streams[i];

        if (stream->exists && !stream->closed) {
            sim_call_consume(stream);
            sim_provide_to(stream);
            if (stream->is_pull && stream->pulls == 0 && !stream->eof_told && !stream->pulled_end) {
                sim_call_read(stream);
            }
        }
    }
    sim_leave();
}

static uint64_t
next_time(void)
{
    uint64_t next = sim_next_event();

    for (unsigned i = 0; i < sim_world.loop_count; i++) {
        next = sim_world.due[i] < next ? sim_world.due[i] : next;
    }
    return next;
}

// Go on without faults until nothing more can happen.
static void
come_to_rest(void)
{
    uint64_t next = 0;

    for (int turns = 0; next != UINT64_MAX; turns++) {
        if (turns == TURNS_MAX) {
            sim_fail("rest: loops turn and turn");
        }
        read_all();
        if (turn_all()) {
            continue;
        }
        next = next_time();
        if (next != UINT64_MAX) {
            sim_advance(next > sim_now ? next : sim_now + 1);
        }
    }
}

static void
reading_goes_on(void)
{
    sim_enter(sim_world.loop_count);
    for (int i = 0; i < sim_stream_count; i++) {
        struct sim_stream *stream = &sim_streams[i];

        if (stream->exists && !stream->closed) {
            sim_call_resume(stream);
            if (stream->is_lazy && !stream->started) {
                sim_call_start(stream);
            }
        }
    }
    sim_leave();
}

static void
check_writable(void)
{
    for (int i = 0; i < sim_stream_count; i++) {
        const struct sim_stream *stream = &sim_streams[i];

        if (stream->exists && !stream->closed && stream->was_refused_full && stream->started &&
            !stream->send_closed && weir_queued(stream->handle) <= stream->options.queue_high / 2) {
            sim_fail("limit: stream %d refused and never says `writable`", i);
        }
    }
}

static bool
any_open(void)
{
    bool open = sim_world.listens;

    for (int i = 0; i < sim_stream_count; i++) {
        open |=
            sim_streams[i].exists && !sim_streams[i].closed && !sim_streams[i].is_asked_to_close;
    }
    return open;
}

static void
close_all(void)
{
    sim_enter(sim_world.loop_count);
    for (int i = 0; i < sim_stream_count; i++) {
        if (sim_streams[i].exists && !sim_streams[i].closed) {
            sim_call_close(&sim_streams[i], (enum weir_close_mode)sim_below(3), 0);
            sim_streams[i].is_asked_to_close = true;
        }
    }
    if (sim_world.listens) {
        weir_listener_close(sim_world.listener);
    }
    sim_leave();
}

static void
check_ledgers(void)
{
    struct weir_ledger ledger;

    weir_pool_ledger_all(&ledger);
    if (ledger.leased != ledger.returned || ledger.oversize != 0) {
        sim_fail("ledger: %llu blocks leased, %llu returned, %llu large ones out",
                 (unsigned long long)ledger.leased, (unsigned long long)ledger.returned,
                 (unsigned long long)ledger.oversize);
    }
    if (sim_open_count() != 0) {
        sim_fail("descriptors: %u are still open", sim_open_count());
    }
}

// Nothing is under way: what was accepted has been completed.
static void
check_counts(void)
{
    for (unsigned i = 0; i < sim_world.loop_count; i++) {
        struct weir_stats stats;

        weir_loop_stats(sim_world.loops[i], &stats);
        if (stats.operations_accepted != stats.operations_completed) {
            sim_fail("ledger: loop %u accepted %llu operations and completed %llu", i,
                     (unsigned long long)stats.operations_accepted,
                     (unsigned long long)stats.operations_completed);
        }
    }
}

static void
stop(void)
{
    struct weir_stats stats;
    int result;

    sim_stopping = true;
    result = weir_runtime_stop(sim_world.runtime, sim_now + 1000000 * (uint64_t)sim_below(3000));
    if (result != 0) {
        sim_fail("the stop answers %d", result);
    }
    weir_stats(sim_world.runtime, &stats);
    if (stats.operations_accepted != stats.operations_completed || stats.streams_now != 0 ||
        stats.queued_now != 0) {
        sim_fail("ledger: %llu operations accepted, %llu completed, %llu streams, %llu bytes",
                 (unsigned long long)stats.operations_accepted,
                 (unsigned long long)stats.operations_completed,
                 (unsigned long long)stats.streams_now, (unsigned long long)stats.queued_now);
    }
    result = weir_runtime_free(sim_world.runtime);
    if (result != 0) {
        sim_fail("the free answers %d", result);
    }
}

void
sim_world_finish(void)
{
    bool at_once = sim_chance(150); // stop with all that is under way

    sim_say(at_once, 0, "---- the end%s", at_once ? ", at once" : "");
    sim_be_kind();
    sim_world.quiet = true;
    if (!at_once) {
        reading_goes_on();
        come_to_rest();
        sim_check_quiet();
        check_writable();
        sim_say(0, 0, "---- closing");
        for (int i = 0; i < 4 && any_open(); i++) { // a connection may still have been accepted
            close_all();
            come_to_rest();
        }
        sim_check_quiet();
        sim_check_streams_over();
        check_counts();
    } else {
        SIM_HIT(stop_with_work);
    }
    stop();
    sim_check_quiet();
    sim_check_streams_over();
    sim_check_calls_over();
    sim_check_sources_over();
    for (unsigned i = 0; i < SIM_THREADS; i++) {
        sim_thread_ends(i);
    }
    check_ledgers();
}

void
sim_run(const struct sim_run *run)
{
    sim_tracing = run->tracing;
    sim_begin_step(run->seed, SETUP_STEP);
    sim_world_create();
    for (unsigned step = 0; step < SIM_STEPS; step++) {
        sim_verdict->steps = step + 1;
        if (!run->skipped[step]) {
            sim_begin_step(run->seed, step);
            sim_world_step();
        }
    }
    sim_begin_step(run->seed, FINISH_STEP);
    sim_world_finish();
    sim_coverage->runs++;
    for (int kind = 0; kind < SIM_EVENTS; kind++) {
        sim_coverage->events[kind] += sim_events[kind];
    }
    sim_verdict->over = true;
    _exit(0);
}
