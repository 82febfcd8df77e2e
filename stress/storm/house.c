/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "descriptors.h"
#include "terminal.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define REST_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define BACKLOG 4096

typedef unsigned long long ull;

void
house_start(struct house *house, struct run *run, struct crowd *crowd,
            const struct weir_runtime_options *options)
{
    struct weir_runtime_options mine = *options;

    memset(house, 0, sizeof(*house));
    house->crowd = crowd;
    live_init(&house->live, run->scenario->name, run->seconds);
    crowd_show(crowd, &house->live);
    house->descriptors = descriptors_open();
    if (run->server == SERVER_ADDRESS) {
        crowd_set_address(crowd, &run->address);
        return;
    }
    mine.loops = (unsigned)run_count(run, "loops");
    int status = weir_runtime_create(&mine, &house->runtime);
    if (status != 0) {
        fprintf(stderr, "weir-storm: no runtime: %s\n", weir_strerror(status));
        exit(2);
    }
    house->loop_count = weir_runtime_loop_count(house->runtime);
    storm_require(house->loop_count <= HOUSE_LOOPS_MAX, "room for so many loops");
    house->live.runtime = house->runtime;
    for (unsigned i = 0; i <= house->loop_count; i++) {
        live_add_count(&house->live, LIVE_REFUSALS, &house->counts[i].refused);
    }
}

void
house_listen(struct house *house, enum house_transport transport,
             const struct weir_stream_options *stream)
{
    struct weir_listen request = {.backlog = BACKLOG, .stream = *stream};
    struct weir_address bound;
    weir_listener listener;
    char name[64];
    int status;

    if (transport == HOUSE_TCP) {
        status = weir_address_ip(&request.address, "127.0.0.1", 0);
    } else {
        snprintf(name, sizeof(name), "@weir-storm-%d-%u", (int)getpid(), house->listeners);
        status = weir_address_unix(&request.address, name);
    }
    house->listeners++;
    if (status == 0) {
        status = weir_listen(house->runtime, &request, &listener);
    }
    if (status == 0) {
        status = weir_listener_address(listener, &bound);
    }
    if (status != 0) {
        fprintf(stderr, "weir-storm: cannot listen: %s\n", weir_strerror(status));
        exit(2);
    }
    crowd_set_address(house->crowd, &bound);
}

struct house_counts *
house_counts_here(struct house *house)
{
    static _Thread_local struct house_counts *mine; // one house in a process

    if (mine == NULL) {
        struct weir_loop *loop = weir_loop_current();
        unsigned row = 0;

        while (row < house->loop_count && weir_runtime_loop(house->runtime, row) != loop) {
            row++;
        }
        mine = &house->counts[row];
    }
    return mine;
}

void
house_count_done(struct house *house, const struct weir_result *result)
{
    struct house_counts *counts = house_counts_here(house);

    atomic_fetch_add_explicit(&counts->completed, 1, memory_order_relaxed);
    if (result->status != 0) {
        atomic_fetch_add_explicit(&counts->failed, 1, memory_order_relaxed);
    } else if (result->sent != result->accepted) {
        storm_broke("a write of %llu bytes succeeded with %llu sent", (ull)result->accepted,
                    (ull)result->sent);
    }
}

// --- Waiting -------------------------------------------------------------------------------------

static _Noreturn void
end_stalled(const struct house *house)
{
    const struct crowd *crowd = house->crowd;

    storm_broke("stalled: nothing has moved for 20 seconds");
    fprintf(stderr, "%llu clients connected, %llu of them are; %llu messages, %llu bytes\n",
            (ull)crowd_connected(crowd), (ull)crowd_connections(crowd), (ull)crowd_messages(crowd),
            (ull)crowd_bytes(crowd));
    if (house->runtime != NULL) {
        watchdog_dump(house->runtime);
    }
    fprintf(stderr, "storm: BROKE: %s\n", storm_first_broken());
    crowd_kill(crowd);
    terminal_release();
    _exit(1);
}

bool
house_moves(struct house *house)
{
    const struct crowd *crowd = house->crowd;
    uint64_t progress =
        crowd_bytes(crowd) + crowd_connected(crowd) + crowd_closes(crowd) + crowd_messages(crowd);

    if (watchdog_is_stalled(&house->watchdog, progress)) {
        end_stalled(house);
    }
    watchdog_nap();
    return !crowd_is_done(house->crowd);
}

void
house_gather(struct house *house, struct run *run, unsigned connections)
{
    sampler_start(&house->sampler, run, &house->live);
    crowd_enter(house->crowd, CROWD_CONNECTS);
    watchdog_init(&house->watchdog, house->runtime);
    while (crowd_connected(house->crowd) < connections && !storm_is_broken() &&
           house_moves(house)) {
    }
    watchdog_init(&house->watchdog, house->runtime);
}

void
house_wait(struct house *house, double seconds)
{
    uint64_t until_ns = weir_deadline_after((uint64_t)(seconds * 1e9));

    while (weir_now_ns() < until_ns && !storm_is_broken() && !crowd_is_done(house->crowd)) {
        watchdog_nap();
    }
}

void
house_dismiss(struct house *house)
{
    watchdog_init(&house->watchdog, house->runtime);
    crowd_enter(house->crowd, CROWD_ENDS);
    while (house_moves(house)) {
    }
    sampler_stop(&house->sampler);
    crowd_join(house->crowd);
}

// --- The end -------------------------------------------------------------------------------------

// The clients have gone; the streams see it a little later.
static void
await_rest(struct house *house)
{
    uint64_t until_ns = weir_deadline_after(REST_NS);
    struct weir_stats *stats = &house->stats;

    do {
        watchdog_nap();
        if (weir_stats(house->runtime, stats) != 0) {
            storm_broke("no statistics");
        }
    } while ((stats->streams_now != 0 || stats->queued_now != 0 ||
              stats->operations_accepted != stats->operations_completed) &&
             weir_now_ns() < until_ns);
}

static void
claim_completions(const struct house *house, struct result *result)
{
    const struct weir_stats *stats = &house->stats;
    uint64_t accepted = 0;
    uint64_t completed = 0;

    for (unsigned i = 0; i <= house->loop_count; i++) {
        accepted += atomic_load(&house->counts[i].accepted);
        completed += atomic_load(&house->counts[i].completed);
    }
    result_add_claim(result, CLAIM_CORRECTNESS,
                     accepted == completed &&
                         stats->operations_accepted == stats->operations_completed,
                     "each accepted write completed once", "%llu accepted, %llu completed",
                     (ull)accepted, (ull)completed);
}

static void
claim_rest(const struct house *house, struct result *result)
{
    const struct weir_stats *stats = &house->stats;

    result_add_claim(result, CLAIM_CORRECTNESS,
                     stats->streams_now == 0 && stats->queued_now == 0 &&
                         stats->streams_opened == stats->streams_closed,
                     "at rest nothing is queued and no stream is open",
                     "%llu bytes and %llu streams; %llu opened, %llu closed",
                     (ull)stats->queued_now, (ull)stats->streams_now, (ull)stats->streams_opened,
                     (ull)stats->streams_closed);
}

static void
claim_nothing_leaked(const struct house *house, struct result *result)
{
    struct weir_ledger ledger;
    unsigned descriptors = descriptors_open();

    weir_pool_ledger_all(&ledger);
    result_add_claim(result, CLAIM_CORRECTNESS,
                     ledger.leased == ledger.returned && ledger.oversize == 0,
                     "every block came back", "%llu leased, %llu returned", (ull)ledger.leased,
                     (ull)ledger.returned);
    // Threads in this process had descriptors of their own before.
    result_add_claim(result, CLAIM_CORRECTNESS, descriptors <= house->descriptors,
                     "no descriptor leaked", "%u open before, %u after", house->descriptors,
                     descriptors);
}

void
house_stop(struct house *house, struct result *result)
{
    if (house->runtime != NULL) {
        await_rest(house);
        int status = weir_runtime_stop(house->runtime, weir_deadline_after(STOP_NS));

        if (status != 0) {
            storm_broke("stopping answered %s", weir_strerror(status));
        }
        status = weir_runtime_free(house->runtime);
        if (status != 0) {
            storm_broke("freeing the runtime answered %s", weir_strerror(status));
        }
        claim_completions(house, result);
        claim_rest(house, result);
        claim_nothing_leaked(house, result);
    }
    live_fini(&house->live);
}
