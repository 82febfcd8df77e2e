/* SPDX-License-Identifier: MIT */
#ifndef WI_PUMP_H
#define WI_PUMP_H

/**
 * @file
 * Pumps. A pump has two sides, its streams, and two flows, one from each side to the other.
 *
 *      side 0 (a, home) ── flow 0 ──► side 1 (b)
 *            ▲                            │
 *            └────────── flow 1 ──────────┘
 *
 * A flow's source half runs on its source's loop, its sink half on its sink's; what both touch is
 * atomic. When both flows are over each loop gives its stream back, b's first, and then a's loop
 * tells `done`. The slot is freed when the last write of the pump has completed too, which may be
 * later: it lies in a stream's queue.
 */

#include "netio/net.h"
#include "weir/pump.h"

struct wi_pipe;
struct wi_pump;

/** wi_pump_flow.marks: how a flow is, as both its loops see it. */
enum wi_flow_mark {
    WI_FLOW_OVER = 1 << 0,
    WI_FLOW_ENDED = 1 << 1,   // in order: the FIN has left behind every byte
    WI_FLOW_RESTING = 1 << 2, // the source is paused, for the sink has enough
    WI_FLOW_REFUSED = 1 << 3, // the source is paused, for the sink took nothing more
    WI_FLOW_AMBIGUOUS = 1 << 4,
};

struct wi_pump_flow {
    wi_atomic_u32 marks;
    uint8_t index;
    bool wants_end;           // the source has ended: the sink is to
    bool splices;             // the source's loop: reads go through a pipe now
    uint8_t streak;           // reads in a row that speak for the other way of moving
    uint32_t pipe_size;       // bytes in the pipe that the sink has not been given
    struct wi_pipe *pipe;     // NULL: nothing is in it
    wi_atomic_u64 taken;      // bytes; the source's loop counts
    wi_atomic_u64 operations; // likewise
    wi_atomic_u64 finished;   // bytes of writes that have completed; the sink's loop counts
    wi_atomic_u64 sent;       // likewise
    wi_atomic_u64 ended_ns;   // 0: not over
    struct wi_timer timer;    // the source's loop: try again what was refused
};

/** Why a side's control was pushed; wi_pump_side.asked. */
enum wi_pump_ask {
    WI_PUMP_TAKE = 1 << 0,  // take the stream over
    WI_PUMP_ABORT = 1 << 1, // end both flows
    WI_PUMP_LEAVE = 1 << 2, // give the stream back
};

struct wi_pump_side {
    weir_stream stream;
    struct wi_gate *gate;                 // the stream's, while its handle is that
    const struct weir_handlers *handlers; // the stream's own
    void *user;
    struct wi_loop *loop;
    struct wi_control control;
    wi_atomic_u32 asked;
    wi_atomic_u64 reason; // why the stream could not go on: origin << 32 | -status; 0: it could
    uint8_t index;
    bool is_taken;
};

struct wi_pump {
    wi_atomic_u64 word; // generation << 1 | an abort was asked for; odd generation: running
    wi_atomic_u32 next_free;
    uint32_t slot;
    wi_atomic_u32 refs; // the pump itself, and each of its writes
    wi_atomic_u32 flows_open;
    bool has_one_loop; // both streams': nothing here is shared
    bool may_splice;
    bool waits_for_abort; // all is over but an abort's control, which is on its way
    int status;
    uint64_t buffer;
    uint64_t idle_ns;
    uint64_t deadline_ns;
    wi_atomic_u64 started_ns;
    wi_atomic_u64 moved_ns; // when anything moved last
    weir_pump_fn *done;
    void *arg;
    struct wi_timer timer; // home: idle, deadline
    struct wi_task last;   // home: tell `done`
    struct wi_pump_flow flows[2];
    struct wi_pump_side sides[2];
};

#define WI_PUMP_SEGMENT 8u

static inline struct wi_pump *
wi_pump_of_side(struct wi_pump_side *side)
{
    return wi_container_of(side - side->index, struct wi_pump, sides[0]);
}

static inline struct wi_pump *
wi_pump_of_flow(struct wi_pump_flow *flow)
{
    return wi_container_of(flow - flow->index, struct wi_pump, flows[0]);
}

static inline struct wi_pump_side *
wi_flow_source(struct wi_pump_flow *flow)
{
    return &wi_pump_of_flow(flow)->sides[flow->index];
}

static inline struct wi_pump_side *
wi_flow_sink(struct wi_pump_flow *flow)
{
    return &wi_pump_of_flow(flow)->sides[1 - flow->index];
}

static inline bool
wi_flow_has(const struct wi_pump_flow *flow, enum wi_flow_mark mark)
{
    return (wi_load_relaxed(&flow->marks) & (uint32_t)mark) != 0;
}

/** Where a counter has one writer, and a pump's reference counts if it has one loop. */
static inline void
wi_pump_ref(struct wi_pump *pump)
{
    if (wi_likely(pump->has_one_loop)) {
        wi_store_relaxed(&pump->refs, wi_load_relaxed(&pump->refs) + 1);
    } else {
        wi_add_relaxed(&pump->refs, 1);
    }
}

/* ---- life (pump.c) ---- */

int wi_pumps_init(struct wi_runtime *runtime);

/** Any thread that holds one. The last one frees the slot. */
void wi_pump_unref(struct wi_pump *pump);

/** Either loop. The flow is over; the second one ends the pump. */
void wi_flow_end(struct wi_pump_flow *flow);

/** Either loop. The stream could not go on: the first reason stays. */
void wi_side_failed(struct wi_pump_side *side, int status, enum weir_origin origin);

void wi_pump_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

/** The pump a stream is in; NULL: none. What the program calls its handlers and its user pointer
 *  lies there meanwhile. */
struct wi_pump_side *wi_pump_side_of(const struct wi_stream *stream);

/* ---- moving (pump_flow.c) ---- */

/** A pumped stream's handlers; its user pointer is its side. */
extern const struct weir_handlers wi_pump_handlers;

/** Loop thread of the source. It can read again. */
void wi_flow_resume(struct wi_pump_flow *flow);

void wi_flow_timer_fired(struct wi_loop *loop, struct wi_timer *timer);

/** wi_stream.read_blocks of a stream that is read by wi_pump_splice(). */
#define WI_READ_SPLICES 0

static inline bool
wi_pump_reads(const struct wi_stream *stream)
{
    return wi_unlikely(stream->read_blocks == WI_READ_SPLICES);
}

/** Loop thread. Of a stream that a pump reads, instead of a receive: as its result; -ENOSYS:
 *  receive after all. */
ssize_t wi_pump_splice(struct wi_loop *loop, struct wi_stream *source);

#endif /* WI_PUMP_H */
