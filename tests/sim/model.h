/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

// What the contract says must be true of every stream and operation, kept beside the library and
// compared with it at every completion, event and byte.
//
// The first byte of a message has its high bit set and names the message among those of its stream;
// the others have it clear. So the wire can be read: which message, and where it begins.

#include "tests/sim/kernel.h"
#include "weir/weir.h"

#define SIM_STREAMS 48
#define SIM_OPS     3000
#define SIM_IDS     128
#define SIM_TOKENS  6

// How an operation can be met by what disturbs it; the rows of the table.
enum sim_place {
    SIM_IN_LANE,  // submitted by another thread, and its loop has not turned since
    SIM_STARTING, // its stream is not connected
    SIM_QUEUED,   // the loop has it and has not tried it
    SIM_TRIED,    // the loop has tried it, nothing taken
    SIM_PARTLY,   // a part is on the wire
    SIM_WIRED,    // all of it is, and its completion is still to come
    SIM_DONE,     // over
    SIM_PLACES,
};

enum sim_disturbance {
    SIM_BY_CANCEL,
    SIM_BY_TOKEN,
    SIM_BY_DEADLINE,
    SIM_BY_DRAIN,
    SIM_BY_FLUSH,
    SIM_BY_ABORT,
    SIM_BY_RESET,
    SIM_BY_SHORT,
    SIM_BY_NO_MEMORY,
    SIM_DISTURBANCES,
};

struct sim_stream;

struct sim_op {
    struct sim_stream *stream;
    struct sim_op *next; // of its stream
    int number;
    unsigned id;
    uint64_t called, returned; // in the order of all calls' begins and ends
    int thread;                // whose call it is
    size_t size, wire, wire_end;
    unsigned flags;
    enum weir_level level;
    enum weir_tear tear;
    uint64_t deadline_ns; // 0: none
    int token;            // -1: none
    weir_op handle;
    unsigned char *bytes; // the caller's memory; what must be sent is sim_op_piece()'s
    unsigned pattern;     // where in the pattern it begins
    struct weir_shared *shared;
    bool accepted, in_call, done, done_inline, cut, by_loop;
    bool cancelled, won, pending; // what a cancel was asked and answered
    bool released, gives;
    bool tried;                      // the loop has tried it, as far as was seen
    bool is_file;                    // its bytes are a file's
    uint64_t file_offset, file_size; // which has so many of them
    int file_error;                  // and cannot be read, with that
    uint64_t turns;                  // of its loop, when it was submitted
    int status;
};

struct sim_stream {
    int number;
    weir_stream handle;
    int loop;
    struct sim_file *file; // NULL: not known yet, or closed
    struct sim_pipe *in, *out;
    int port;
    struct weir_stream_options options;
    bool exists, started, ended, closed, send_closed, eof_told, reset_told, is_lazy;
    bool dialled;
    bool is_provided;     // reads into buffers that are provided
    unsigned buffers_out; // of those
    bool wants_buffer;
    int started_status;
    uint64_t errors; // errno numbers that weir was told of its socket
    bool unknown_errors;
    // Writing.
    struct sim_op *ops, *current;
    unsigned next_id;
    uint64_t wire, lost_max;
    uint64_t last_called, last_called_priority; // of what began on the wire
    int last_thread;
    uint64_t sent_told;  // where on the wire the last message told as sent ended
    uint64_t fin_called; // 0: no end was asked for; the first one's call
    bool fin_sent, was_torn, was_refused_full, told_writable, resumed;
    uint64_t resumed_at; // what returned before was ended by the tear, or went out before it
    size_t early_max;
    bool section;
    // Closing.
    bool drained, flushed, aborted, bound, is_asked_to_close;
    uint64_t close_deadline_ns, abort_code;
    // Reading.
    size_t delivered, shown; // where what was consumed, and what was shown, ends
    bool paused, stopped_reading, consume_pending, is_pull, pulled_end;
    size_t pending_shown;
    int pulls; // under way
};

extern struct sim_stream sim_streams[SIM_STREAMS];
extern int sim_stream_count;
extern struct sim_op sim_ops[SIM_OPS];
extern int sim_op_count;
extern uint64_t sim_calls;     // begins and ends of calls
extern bool sim_out_of_memory; // an allocation was refused in this run
extern bool sim_stopping;

struct sim_stream *sim_stream_new(int loop);
struct sim_stream *sim_stream_by_port(int port);
void sim_stream_attach(struct sim_stream *stream, struct sim_file *file);
// Was weir told of that on its socket, or may it have been?
bool sim_was_told(const struct sim_stream *stream, int status);

struct sim_op *sim_op_new(struct sim_stream *stream, size_t size);
bool sim_op_has(const struct sim_op *op, size_t at, const unsigned char *bytes, size_t size);
bool sim_op_may_break(const struct sim_op *op); // its file may end it
bool sim_op_is_open(const struct sim_op *op);   // accepted and not completed
enum sim_place sim_op_place(struct sim_op *op);
void sim_op_expires(struct sim_op *op); // it has a deadline: tell when it passes
void sim_disturb(struct sim_stream *stream, enum sim_disturbance by); // counts all open ones
// The same into a row of its own.
void sim_count_places(struct sim_stream *stream, uint64_t counts[SIM_PLACES]);

void sim_check_accepted(struct sim_op *op, int result);
void sim_check_done(struct sim_op *op, const struct weir_result *result);
void sim_check_cancel(struct sim_op *op, int answer, struct sim_op before);
void sim_check_closed(struct sim_stream *stream, const struct weir_closed *closed);
void sim_check_deadlines(uint64_t from_ns, uint64_t to_ns); // they pass now
void sim_check_quiet(void);                                 // nothing can happen any more

// From the world.
uint64_t sim_turns_of(int loop);
bool sim_token_says(int token, int status); // it, or one above it, fired with that

// ---- the table ----------------------------------------------------------------------------------

#define SIM_PATHS(X)                                                    \
    X(inline_whole, "inline write, all of it")                          \
    X(inline_head, "inline write, a part left to the loop")             \
    X(inline_refused, "NOWAIT, nothing could go")                       \
    X(nested_turn, "a loop turned inside another thread's system call") \
    X(nested_call, "a thread's call inside another's system call")      \
    X(stopped_sender, "a loop turned while a thread was inside a send") \
    X(other_thread_order, "messages of several threads, in order")      \
    X(torn, "a stream torn")                                            \
    X(resumed, "a torn stream opened again")                            \
    X(etorn, "a write ended by a tear")                                 \
    X(won, "a cancel answered WON")                                     \
    X(pending, "a cancel answered PENDING")                             \
    X(late, "a cancel answered LATE")                                   \
    X(late_cancel, "late_cancel in a completion")                       \
    X(deadline, "a write ended by its deadline")                        \
    X(token, "a write ended by its token")                              \
    X(token_abort, "a stream aborted by its token")                     \
    X(fin_taken_back, "a cancelled FIN")                                \
    X(early, "ACCEPTED told before the bytes were sent")                \
    X(early_lost, "bytes lost after ACCEPTED")                          \
    X(acked, "ACKED")                                                   \
    X(stream_full, "refused: the stream is full")                       \
    X(loop_full, "refused: the loop is full")                           \
    X(process_full, "refused: the runtime is full")                     \
    X(lane_full, "refused: the lane is full")                           \
    X(no_memory, "refused: out of memory")                              \
    X(ended, "refused: the write side has ended")                       \
    X(stale, "refused: a stale handle")                                 \
    X(writable, "writable was told")                                    \
    X(some, "SOME ended with a part")                                   \
    X(nowait_part, "NOWAIT ended with a part")                          \
    X(nowait_nothing, "NOWAIT ended with nothing, on the loop")         \
    X(corked, "a cork")                                                 \
    X(priority, "PRIORITY passed others")                               \
    X(barrier, "a barrier")                                             \
    X(section, "a section committed")                                   \
    X(section_dropped, "a section refused at its commit")               \
    X(peer_fin, "the peer ended")                                       \
    X(peer_reset, "the peer reset")                                     \
    X(drained, "closed by DRAIN, with 0")                               \
    X(flushed, "closed by FLUSH, with 0")                               \
    X(aborted, "closed by ABORT")                                       \
    X(close_timeout, "a close at its deadline")                         \
    X(connect_failed, "a connect that failed")                          \
    X(connect_timeout, "a connect that timed out")                      \
    X(lazy_start, "a lazy dial, started by a write")                    \
    X(accepted, "a connection accepted")                                \
    X(accept_rests, "accept without descriptors")                       \
    X(consume_pending, "an answer given later")                         \
    X(partial_consume, "bytes shown again")                             \
    X(pull, "a pull completed")                                         \
    X(pull_cancelled, "a pull cancelled")                               \
    X(pull_eof, "a pull at the end")                                    \
    X(timer_fired, "a timer fired")                                     \
    X(timer_cancelled, "a timer cancelled")                             \
    X(posted, "a posted function ran")                                  \
    X(thread_ended, "a thread ended with things in its lanes")          \
    X(send_failed, "a send failed for want of memory")                  \
    X(poll_failed, "a poll failed")                                     \
    X(swallowed, "an error swallowed")                                  \
    X(stop_with_work, "a stop with operations under way")               \
    X(allocation_failed, "an allocation failed")                        \
    X(short_send, "a short send")                                       \
    X(send_again, "a send that found no room")                          \
    X(short_receive, "a short read")                                    \
    X(spurious, "readiness told again")                                 \
    X(merged, "bytes and an end told as one")                           \
    X(half_closed, "a write behind the peer's end")                     \
    X(slow_connect, "a write before its connection was there")          \
    X(zerocopy, "a send from the program's memory")                     \
    X(zerocopy_refused, "such a send refused, and copied")              \
    X(zerocopy_told, "the kernel told of memory it let go")             \
    X(sendfile, "a send from a file")                                   \
    X(file_read, "a file read and sent")                                \
    X(file_short, "a file that ended too soon")                         \
    X(file_broken, "a file that cannot be read")                        \
    X(provided, "a provided buffer filled")                             \
    X(buffer_needed, "bytes waited for a buffer")                       \
    X(taken, "blocks taken inside data")                                \
    X(watched, "a watch told")                                          \
    X(watch_ended, "a watch ended")                                     \
    X(signalled, "a signal told")                                       \
    X(write_chain, "weir_write_chain() accepted")                       \
    X(lane_notified, "room in a lane told")                             \
    X(unreachable, "a connect that failed at once")                     \
    X(descriptors, "the limit of descriptors was met")                  \
    X(interrupted, "a wait interrupted")                                \
    X(lost_network, "a connection that died of silence")                \
    X(reuseport, "a connection accepted by one of several sockets")

enum sim_path {
#define SIM_PATH_NAME(name, text) SIM_PATH_##name,
    SIM_PATHS(SIM_PATH_NAME)
#undef SIM_PATH_NAME
        SIM_PATH_COUNT,
};

struct sim_coverage {
    uint64_t cells[SIM_PLACES][SIM_DISTURBANCES];
    uint64_t paths[SIM_PATH_COUNT];
    uint64_t runs, steps, operations, bytes, events[SIM_EVENTS];
    uint64_t digest;
};
extern struct sim_coverage *sim_coverage;

#define SIM_HIT(name) (sim_coverage->paths[SIM_PATH_##name]++)

#endif /* TESTS_SIM_MODEL_H */
