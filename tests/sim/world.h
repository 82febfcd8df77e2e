/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

// Who acts: loops, threads that produce, peers, the clock. All run in one thread of the system: a
// call begins in one of them, and at any system call another may run.

#include "tests/sim/model.h"

#define SIM_LOOPS     3
#define SIM_PRODUCERS 4
#define SIM_THREADS   (SIM_LOOPS + SIM_PRODUCERS)

// What a run is mostly about.
enum sim_theme {
    SIM_THEME_ANY,
    SIM_THEME_LARGE,     // large messages, from memory where that can be
    SIM_THEME_FILES,     // writes of files
    SIM_THEME_DEADLINES, // they are short, and sockets full
    SIM_THEME_LIMITS,    // low marks, small lanes, inline writes
    SIM_THEME_SHORTAGE,  // memory and descriptors run out
    SIM_THEME_CONNECTS,  // streams come and go
    SIM_THEME_TEARS,     // cancels of what has partly left
    SIM_THEMES,
};

struct sim_world {
    struct weir_runtime *runtime;
    struct weir_loop *loops[SIM_LOOPS];
    unsigned loop_count, producer_count;
    uint64_t turns[SIM_LOOPS];
    uint64_t due[SIM_LOOPS]; // as the loop said behind its last turn; UINT64_MAX: no timer
    weir_listener listener;
    bool listens, reuses_port;
    enum sim_theme theme;
    struct sim_stream *writing; // a write to it is inside a call; NULL: none is
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
int sim_thread_running(void); // -1: none
int sim_loop_running(void);   // the loop whose turn this is; -1: none

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
void sim_forget_room(unsigned thread); // it has ended
void sim_check_calls_over(void);
void sim_tokens_create(void);

// ---- watches and signals (sources.c) ------------------------------------------------------------

void sim_call_watch(void);
void sim_sources_step(void);
void sim_check_sources_over(void);

// ---- how streams come to be (streams.c) ---------------------------------------------------------

void sim_open_stream(void);
void sim_listen(void);
void sim_any_peer(void);
void sim_provide_to(struct sim_stream *stream); // in the end, where one is missing
void sim_peers_read_all(void);
void sim_check_streams_over(void);

#endif /* TESTS_SIM_WORLD_H */
