/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_CALLS_WORLD_H
#define TESTS_FUZZ_CALLS_WORLD_H

// What fuzz_calls.c keeps books about: every operation, stream, listener, watch and token of one
// input, and what must hold for each. Nothing here makes a choice.

#include "tests/fuzz/fuzz.h"
#include "weir/weir.h"

#define CALLS_OPS       220u // a letter each, see calls_letter()
#define CALLS_STREAMS   24u
#define CALLS_LISTENERS 4u
#define CALLS_WATCHES   4u
#define CALLS_TOKENS    8u
#define CALLS_BUFFERS   8u
#define CALLS_LOOPS     2u
#define CALLS_FLOW      1u // letters that are no operation's: sent by a peer

enum calls_kind { CALLS_WRITE, CALLS_PULL, CALLS_TIMER, CALLS_POST };

struct calls_op {
    enum calls_kind kind;
    bool is_accepted, is_inlined, is_won;
    unsigned completions, releases;
    weir_op handle;
    unsigned stream; // its number
    unsigned flags;
    enum weir_level level;
    uint64_t size;
    uint64_t deadline_ns; // of a timer
    uint64_t sent;
    int status;
    void *memory; // until the library does not refer to it any more
    int disk;     // a file instead, while has_disk
    bool has_disk;
};

struct calls_stream {
    weir_stream handle;
    bool is_open, is_push, is_swallowing;
    int peer;          // -1: none, or closed
    bool peer_is_over; // closed or reset: what it has read is not all there was
    unsigned started, closed, send_closed;
    struct weir_closed end;
    size_t presented; // what a pending answer may speak of
    struct weir_loop *producing;
    bool is_producing;
    struct weir_iter section;
    void *buffers[CALLS_BUFFERS];
    unsigned provided, filled;
    unsigned ordered;       // the last plain write that has completed, + 1
    uint64_t got[256];      // bytes the peer has, by letter
    uint64_t got_all, gave; // by the peer
};

struct calls_end {
    weir_listener listener;
    weir_watch watch;
    struct weir_address address;
    int fds[2];
    bool is_open, is_signals;
    unsigned closed;
};

struct calls_world {
    struct fuzz_bytes input;
    struct weir_runtime *runtime;
    struct weir_loop *loops[CALLS_LOOPS];
    unsigned loop_count;
    unsigned inside; // calls of the library that must not call back
    bool is_in_callback;
    bool is_ending; // no more calls are made
    unsigned steps; // that callbacks may still take
    struct calls_op ops[CALLS_OPS];
    unsigned op_count;
    struct calls_stream streams[CALLS_STREAMS];
    unsigned stream_count;
    struct calls_end listeners[CALLS_LISTENERS];
    unsigned listener_count;
    struct calls_end watches[CALLS_WATCHES];
    unsigned watch_count;
    weir_token tokens[CALLS_TOKENS];
    unsigned token_count;
};

extern struct calls_world world;

// Runs a call that must not call back, and takes its result.
#define calls_call(call) calls_leave((world.inside++, (call)))
int calls_leave(int result);

// One step of the input, inside a callback: fuzz_calls.c has it.
void calls_step_inside(void);

extern const struct weir_handlers calls_push_handlers, calls_pull_handlers;

// NULL: there are as many as there may be.
struct calls_op *calls_op(enum calls_kind kind, unsigned stream);
struct calls_stream *calls_stream(bool is_push);
// The byte that all of an operation's payload is.
uint8_t calls_letter(const struct calls_op *op);
// Takes down what a submit said; memory of one that was refused or has gone is freed.
void calls_submitted(struct calls_op *op, int result);

weir_done_fn calls_done;
weir_read_fn calls_read_done;
weir_timer_fn calls_timer_done;
weir_post_fn calls_posted;
weir_release_fn calls_release;
weir_accept_fn calls_accepted;
weir_listener_closed_fn calls_listener_closed;
weir_watch_fn calls_watched;
weir_signal_fn calls_signalled;

// The peer reads up to so many bytes; sends; closes.
void calls_peer_take(struct calls_stream *stream, size_t size);
void calls_peer_give(struct calls_stream *stream, size_t size);
void calls_peer_close(struct calls_stream *stream);

// When the runtime has stopped.
void calls_check_all(void);

#endif /* TESTS_FUZZ_CALLS_WORLD_H */
