/* SPDX-License-Identifier: MIT */
#ifndef STORM_HOUSE_H
#define STORM_HOUSE_H

// weir's end of what a crowd connects to: a runtime, its listeners, and what must be true of them
// when all clients have gone.

#include "crowd.h"
#include "sampler.h"
#include "scenario.h"
#include "watchdog.h"

#include "weir/weir.h"

#define HOUSE_LOOPS_MAX 64u

enum house_transport { HOUSE_TCP, HOUSE_UNIX };

// What this program counts of the writes it makes: one row per loop, and one for another thread.
struct house_counts {
    _Alignas(64) _Atomic uint64_t accepted;
    _Atomic uint64_t completed;
    _Atomic uint64_t failed; // of the completed: with an error
    _Atomic uint64_t refused;
};

struct house {
    struct weir_runtime *runtime;
    unsigned loop_count;
    unsigned listeners;
    unsigned descriptors; // open before it was there
    struct house_counts counts[HOUSE_LOOPS_MAX + 1];
    struct weir_stats stats; // when all clients had gone
    struct watchdog watchdog;
    struct live live;
    struct sampler sampler;
    struct crowd *crowd;
};

// After crowd_start(). @p options: its number of loops is replaced by what the command line says.
void house_start(struct house *house, struct run *run, struct crowd *crowd,
                 const struct weir_runtime_options *options);

// Listen, and tell the crowd; the first call is for its address 0, and so on.
void house_listen(struct house *house, enum house_transport transport,
                  const struct weir_stream_options *stream);

// The row of the calling thread.
struct house_counts *house_counts_here(struct house *house);

// What is common to every completion.
void house_count_done(struct house *house, const struct weir_result *result);

// Begin to sample; let the crowd connect, and wait until all of its @p connections are there.
// With a server at an address there is no house, but this is all the same.
void house_gather(struct house *house, struct run *run, unsigned connections);

// Let so much time pass, unless something breaks; see that something moves.
void house_wait(struct house *house, double seconds);

// Nap for a moment. False: the crowd is done, or died. Ends the program when nothing moves.
bool house_moves(struct house *house);

// Let the crowd end, and wait until it has; stop sampling.
void house_dismiss(struct house *house);

// Stop and free the runtime; say what must have been true.
void house_stop(struct house *house, struct result *result);

#endif /* STORM_HOUSE_H */
