/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

// Who acts: loops, threads that produce, peers, the clock. All run in one thread of the system: a
// call begins in one of them, and at any system call another may run.

#include "tests/sim/model.h"

#define SIM_LOOPS     3
#define SIM_PRODUCERS 4
#define SIM_THREADS   (SIM_LOOPS + SIM_PRODUCERS)

struct sim_world {
    struct weir_runtime *runtime;
    struct weir_loop *loops[SIM_LOOPS];
    unsigned loop_count, producer_count;
    uint64_t turns[SIM_LOOPS];
    uint64_t due[SIM_LOOPS]; // as the loop said behind its last turn; UINT64_MAX: no timer
    weir_listener listener;
    bool listens;
    unsigned kind; // what this run is mostly about: see world.c
    bool calls_from_callbacks;
    bool quiet; // the end: nothing new is begun
};
extern struct sim_world sim_world;

bool sim_wants_turn(unsigned loop);
void sim_world_create(void);
void sim_world_step(void);
void sim_world_finish(void);

// ---- threads (threads.c) ------------------------------------------------------------------------

// Be that thread until sim_leave(). Loops come first.
void sim_enter(unsigned thread);
void sim_leave(void);
void sim_thread_ends(unsigned thread);
bool sim_thread_is_busy(unsigned thread);
unsigned sim_depth(void);
int sim_loop_running(void); // the loop whose turn this is; -1: none

// Around every call of the library: no callback may run in the same thread meanwhile.
void sim_call_begins(void);
void sim_call_ends(void);
// Around every callback.
void sim_callback_begins(const struct sim_stream *stream, const char *name);
void sim_callback_ends(void);

bool sim_turn(unsigned loop, int64_t timeout_ns); // false: it runs already

// ---- what threads call (calls.c) ----------------------------------------------------------------

void sim_any_call(void);
void sim_call_write(struct sim_stream *stream);
void sim_call_read(struct sim_stream *stream);
void sim_call_close(struct sim_stream *stream, enum weir_close_mode mode, uint64_t deadline_ns);
void sim_call_resume(struct sim_stream *stream);
void sim_call_consume(struct sim_stream *stream);
void sim_call_start(struct sim_stream *stream);
void sim_check_calls_over(void);
void sim_tokens_create(void);

// ---- how streams come to be (streams.c) ---------------------------------------------------------

void sim_open_stream(void);
void sim_listen(void);
void sim_any_peer(void);
void sim_peers_read_all(void);
void sim_check_streams_over(void);

#endif /* TESTS_SIM_WORLD_H */
