/* SPDX-License-Identifier: MIT */
#ifndef WI_STREAM_H
#define WI_STREAM_H

/**
 * @file
 * A stream as its loop sees it. One slot of 256 bytes: the gate (one line, shared with other
 * threads) and the stream itself (three lines, the loop's alone). An idle stream needs nothing
 * else; what few streams need is in an extra part that is made when it is first needed.
 *
 *      FREE ─► NEW ─► CONNECTING ─► OPEN ─► CLOSING ─► DEAD ─► FREE
 *               │         │          │                  ▲
 *               └─────────┴──────────┴──── abort ───────┘
 *
 * NEW: dialled lazily, waits for START. CLOSING: DRAIN or FLUSH asked for. DEAD: every operation
 * has ended; `closed` waits for submits in flight and for the right to write to come back.
 */

#include "netio/gate.h"
#include "netio/hybrid.h"
#include "netio/sendq.h"
#include "runtime/token.h"
#include "weir/net.h"

enum wi_phase {
    WI_PHASE_FREE,
    WI_PHASE_NEW,
    WI_PHASE_CONNECTING,
    WI_PHASE_OPEN,
    WI_PHASE_CLOSING,
    WI_PHASE_DEAD,
};

enum wi_stream_mark {
    WI_S_WORK = 1 << 0,       // in the loop's work list
    WI_S_EVENT = 1 << 1,      // in the loop's event list
    WI_S_BLOCKED = 1 << 2,    // the socket was full; EPOLLOUT will come
    WI_S_POLL_OUT = 1 << 3,   // EPOLLOUT is armed (always, on TCP)
    WI_S_FIN_QUEUED = 1 << 4, // nothing may come behind what is queued
    WI_S_FIN_SENT = 1 << 5,
    WI_S_TORN = 1 << 6,
    WI_S_CORKED = 1 << 7,   // the last write said MORE
    WI_S_READABLE = 1 << 8, // the poller said so and we have not read to the end
    WI_S_PAUSED = 1 << 9,
    WI_S_FULL = 1 << 10, // input above its high mark: resting
    WI_S_EOF = 1 << 11,  // the peer's FIN was read
    WI_S_EOF_TOLD = 1 << 12,
    WI_S_RESET = 1 << 13,        // the peer reset, or the transport failed
    WI_S_DISCARD = 1 << 14,      // input is dropped
    WI_S_IN_DATA = 1 << 15,      // inside the data function
    WI_S_DATA_PENDING = 1 << 16, // the data function answered PENDING
    WI_S_INLINE = 1 << 17,       // foreign threads may send inline
    WI_S_RIGHT = 1 << 18,        // the loop has the right to write
    WI_S_FOREIGN = 1 << 19,      // other threads' submits have arrived since the last settling
    WI_S_RESET_TOLD = 1 << 20,
    WI_S_SEND_OVER = 1 << 21, // the write side is over; send_closed is due or told
    WI_S_FLUSH = 1 << 22,     // closing without waiting for the peer
    WI_S_STOP_TOLD = 1 << 23,
    WI_S_RDHUP = 1 << 24,      // the poller said that the peer will send no more: read to the end
    WI_S_CORK_TIMED = 1 << 25, // the timer is a cork's
    WI_S_CLOSED_TOLD = 1 << 26,
    WI_S_NOWAITS = 1 << 27, // there are NOWAIT writes in the queue
    WI_S_PLAIN = 1 << 28,   // see wi_stream_judge()
    WI_S_RESTING = 1 << 29, // too much is queued: reading rests
    WI_S_UNTOLD = 1 << 30,  // a completion of it waits in the loop's list
};
#define WI_S_TEARS (1u << 31) // writes from before a tear may still arrive

/** Events that wait for their place at the end of the turn; wi_stream.events. */
enum wi_event {
    WI_EVENT_STARTED = 1 << 0,
    WI_EVENT_WRITABLE = 1 << 1,
    WI_EVENT_PEER_RESET = 1 << 2,
    WI_EVENT_PEER_STOP = 1 << 3,
    WI_EVENT_PEER_FIN = 1 << 4,
    WI_EVENT_SEND_CLOSED = 1 << 5,
    WI_EVENT_GRACEFUL = 1 << 6, // with SEND_CLOSED
    WI_EVENT_CLOSED = 1 << 7,
    WI_EVENT_READ = 1 << 8, // read, or present again
    WI_EVENT_IDEAL = 1 << 9,
    WI_EVENT_BUFFER = 1 << 10,   // buffer_needed
    WI_EVENT_AGAIN = 1 << 11,    // with READ: there is unconsumed input to be shown again
    WI_EVENT_ACCEPTED = 1 << 12, // peer_accepted
    WI_EVENT_NEVER = 1 << 13,    // with STARTED: it has not and will not
};

#define WI_QUEUE_LOW_DEFAULT  (64u * 1024)
#define WI_CORK_DEFAULT_NS    UINT64_C(200000000)
#define WI_INPUT_HIGH_DEFAULT (1024u * 1024)

enum wi_transport { WI_TRANSPORT_TCP, WI_TRANSPORT_UNIX, WI_TRANSPORT_VSOCK };

/** A plain thread in weir_dial_wait(). */
struct wi_dial_waiting {
    int status;
    wi_atomic_bool over;
};

struct wi_race;

/** A stream that was dialled, and its way to the peer. */
struct wi_dialling {
    struct wi_dial_waiting *waiting; // NULL: nobody
    uint64_t deadline_ns;            // while a full Unix backlog makes it try again
    struct weir_address address;
    struct weir_address bind;
    uint64_t timeout_ns;
    bool is_lazy;
    bool notifies; // START asked for peer_accepted
    bool closes;   // closed while connecting: to be done when it has started
    bool fast_open;
    bool is_polled;                     // the poller has it since it began to connect
    struct wi_hybrid_asking hybrid;     // for a port, once it is connected
    struct wi_race *race;               // of a name's addresses, until it is over; else NULL
    struct weir_stream_options options; // for the socket that is made later
};

struct wi_read_op;
struct wi_provided;
struct wi_acks;
struct wi_zerocopy;

/** What most streams never need. */
struct wi_stream_extra {
    uint64_t write_behind;
    uint64_t behind;              // bytes completed early and not sent
    struct wi_write *behind_next; // first ACCEPTED write that waits for the budget
    uint64_t low;                 // 0: the default
    uint64_t input_high;
    uint64_t input_low;
    uint64_t write_deadline_ns;
    uint64_t cork_ns;
    wi_atomic_u64 consume; // see receive.c
    struct wi_read_op *pulls, *pulls_last;
    struct wi_provided *provided, *provided_last;
    bool has_hybrid_port; // it was asked for, by whom a listener accepted
    uint32_t hybrid_port;
    bool provides;              // buffers were provided once: input waits for them
    struct weir_block *section; // of a producing section opened on the loop
    struct wi_token_bond bond;
    struct wi_stream *stream; // whose bond it is
    struct wi_dialling *dialling;
    struct wi_acks *acks;
    struct wi_zerocopy *zerocopy;
    struct wi_stream *next_later; // budget used up: in the loop's list for its next turn
    bool is_later;
    bool is_read_later;        // its reading has used up the turn's budget
    uint64_t blocked_since_ns; // see blocked.h; 0: not
    uint64_t right_since_ns;
    size_t ideal_size;            // as told last
    uint64_t lost;                // bytes accepted and never sent
    struct sockaddr_storage peer; // when it does not fit the slot
    socklen_t peer_size;
    struct sockaddr_storage local; // once the socket is closed
    socklen_t local_size;
};

struct wi_stream {
    // Sending.
    struct wi_source source;
    const struct weir_handlers *handlers;
    void *user;
    uint32_t flags; // enum wi_stream_mark
    int fd;
    struct wi_stream *next_work;
    struct wi_stream *next_event;
    struct wi_sendq queue;

    // Order and input.
    uint32_t next_ticket; // of other threads' submits; see order.h
    uint32_t torn_ticket; // what was accepted before it is torn
    uint32_t drained;     // arrived and not yet taken off the gate's count
    int16_t status;       // the first reason it failed or ended
    uint8_t origin;
    uint8_t phase;                 // enum wi_phase
    struct wi_write *arrivals;     // whose turn in the order has not come
    struct wi_write *last_arrival; // the last one put there
    struct weir_chain input;       // received and not consumed
    uint32_t input_size;
    uint16_t events; // enum wi_event
    uint8_t transport;
    uint8_t read_blocks; // how much to read at once; doubles while reads are full; see pump.h
    struct wi_stream_extra *extra;
    wi_atomic_u64 sent; // whoever has the right to write counts; any thread looks

    // Life.
    wi_atomic_u64 received; // the loop counts; any thread looks
    wi_atomic_u32 peer_ip;  // the peer, when it is IPv4; while free: the free list's link
    uint16_t peer_port;
    uint8_t peer_family;
    uint8_t holes; // see order.h
    struct wi_control control;
    struct wi_timer timer; // connecting, cork, closing
};

#define WI_SLOT_SEGMENT     (1u << WI_SLOT_SHIFT)
#define WI_SLOT_NEXT_OFFSET (sizeof(struct wi_gate) + offsetof(struct wi_stream, peer_ip))
static_assert(sizeof(struct wi_gate) + sizeof(struct wi_stream) == WI_SLOT_SIZE,
              "what an idle stream costs");

/** Does the error say that memory, descriptors or another limit of this machine ran out? */
bool wi_is_shortage(int status);

/** Who decided a failure that the kernel has answered with, the peer's part apart. */
static inline enum weir_origin
wi_origin_of(int status)
{
    return wi_is_shortage(status) ? WEIR_ORIGIN_MEMORY : WEIR_ORIGIN_TRANSPORT;
}

static inline struct wi_stream *
wi_stream_of(struct wi_gate *gate)
{
    return (struct wi_stream *)(void *)(gate + 1);
}

static inline struct wi_gate *
wi_gate_of(const struct wi_stream *stream)
{
    return (struct wi_gate *)(uintptr_t)stream - 1;
}

static inline weir_stream
wi_stream_handle(const struct wi_stream *stream)
{
    return (weir_stream){wi_load_relaxed(&wi_gate_of(stream)->handle)};
}

/* ---- life (stream.c) ---- */

/** Any thread. A free slot of the loop; NULL: memory ran out. */
struct wi_gate *wi_stream_take_slot(struct wi_loop *loop);

/** Whoever took the slot. Make what a stream of these options needs, so that opening it cannot
 *  fail. Takes @p dialling. 0; or -ENOMEM, and the slot is given back. */
int wi_stream_reserve(struct wi_gate *gate, const struct weir_stream_options *options,
                      struct wi_dialling *dialling);

/** Whoever reserved it: not after all. */
void wi_stream_give_back(struct wi_gate *gate);

/** Whoever reserved it. Set the stream up by its options and name it. @p fd -1: not yet; then what
 *  was given as dialling says how. */
void wi_stream_open(struct wi_gate *gate, const struct weir_stream_options *options, int fd,
                    enum wi_transport transport);

/** Any thread. Options that could never be honoured: -EINVAL. */
int wi_stream_check_options(const struct weir_stream_options *options);

/** Loop thread. A stream made by an accept, an adoption or a dial has arrived on its loop. */
void wi_stream_join(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The socket is connected: poll it, let writes go. 0 or -errno. */
int wi_stream_start(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The extra part, made when needed; NULL: memory ran out. */
struct wi_stream_extra *wi_stream_need_extra(struct wi_stream *stream);

/** Loop thread. Its budget of this turn is used up: work and reading go on in the next one. */
void wi_stream_needs_later(struct wi_loop *loop, struct wi_stream *stream);
/** Likewise, by reading: until then nothing is read, whatever asks for it. */
void wi_stream_reads_later(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The stream goes: it must not be found in that list. */
void wi_stream_forget_later(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. An event to be told at its place at the end of the turn. */
void wi_stream_event(struct wi_loop *loop, struct wi_stream *stream, unsigned event);

/** Loop thread. End everything with this reason; the first reason stays. */
void wi_stream_die(struct wi_loop *loop, struct wi_stream *stream, int status,
                   enum weir_origin origin, uint64_t code);

/** Loop thread. `closed` has been told: from here every caller finds the handle stale. */
void wi_stream_retire_handle(struct wi_stream *stream);

/** Loop thread. A stream that is DEAD: free it if nothing is in flight. */
void wi_stream_settle_death(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. `closed` is told now: a section that was opened on the loop goes back. Until then,
 *  in another callback, its producer cannot know that the stream is gone. */
void wi_stream_drop_section(struct wi_stream *stream);

/** Loop thread. A write ends with the stream: what of it was not sent is lost (weir_closed). */
void wi_stream_lose(struct wi_loop *loop, struct wi_stream *stream, struct wi_write *write,
                    int status, enum weir_origin origin);

/** Loop thread. Remember the first reason. */
void wi_stream_reason(struct wi_stream *stream, int status, enum weir_origin origin);

/** Loop thread. Arm the stream's one timer. */
void wi_stream_arm(struct wi_loop *loop, struct wi_stream *stream, uint64_t deadline_ns);

/** Loop thread. It has started, and a close was asked for before (close.c). */
void wi_stream_close_on_start(struct wi_loop *loop, struct wi_stream *stream);
/** Loop thread. CLOSING: is everything over by now? */
void wi_stream_finish_close(struct wi_loop *loop, struct wi_stream *stream);
/** Loop thread. Are sent bytes waited for that the peer has not acknowledged? */
bool wi_stream_waits_for_acks(const struct wi_stream *stream);

/** Loop thread. Over vsock a peer that closed altogether looks like one that only ended its side,
 *  and so does one that reset; can it be told which it was (vsock.c)? */
bool wi_stream_end_is_ambiguous(const struct wi_stream *stream);
/** Loop thread. Do these events say that a send may go on? A vsock peer that has gone makes no
 *  room: only a send finds that out. */
static inline bool
wi_stream_may_send(const struct wi_stream *stream, uint32_t events)
{
    return (events & EPOLLOUT) ||
           ((events & EPOLLRDHUP) && stream->transport == WI_TRANSPORT_VSOCK);
}

/** Loop thread. Nobody will read here any more: over vsock that is said to the peer, and is the end
 *  of input. */
void wi_vsock_stop_reading(struct wi_loop *loop, struct wi_stream *stream);
/** Any thread. The kernel is not to give up on a vsock connection before we do. 0 or -errno. */
int wi_vsock_set_timeout(int fd, uint64_t timeout_ns);

/** Loop thread. What asked bits say (close.c). */
void wi_stream_asked(struct wi_loop *loop, struct wi_control *control);

/** Loop thread. The socket is ready (receive.c); of a plain stream with a data function. */
extern const struct wi_source_ops wi_stream_source_ops;
extern const struct wi_source_ops wi_stream_plain_source_ops;

/* ---- sending (flush.c) ---- */

/**
 * Loop thread. A plain stream is open and has no inline writes, no deadline for each write, and no
 * credit to account: what the short ways of reading, writing and flushing rest on. Judged anew
 * whenever one of these, or the data function, changes.
 */
void wi_stream_judge(struct wi_stream *stream);

/** Loop thread. Take a write off the queue, and out of the account of level ACCEPTED. */
void wi_stream_unqueue(struct wi_stream *stream, struct wi_write *write);

/** Loop thread. A send of one plain write did not take it whole: @p sent bytes, or -errno. */
void wi_stream_sent_short(struct wi_loop *loop, struct wi_stream *stream, ssize_t sent);

/** Loop thread. Bytes have gone: is somebody who was refused to be told that there is room? */
void wi_stream_tell_writable(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. Send what can be sent. */
void wi_stream_flush(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The write side is lost, reading goes on. */
void wi_stream_fail_sending(struct wi_loop *loop, struct wi_stream *stream, int status);

/** Loop thread. The first write from @p write on that waits for the budget; NULL: none. */
struct wi_write *wi_stream_next_for_budget(struct wi_write *write);

/** Loop thread. Complete writes of level ACCEPTED that the budget has room for. */
void wi_stream_admit(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. A cancelled write left a part on the wire: end the write side, keep the stream. */
void wi_stream_tear(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. The loop's part of the queued count. */
static inline void
wi_stream_count_queued(struct wi_stream *stream, uint64_t size)
{
    wi_count(&wi_gate_of(stream)->finished, -size);
}

static inline void
wi_stream_count_finished(struct wi_stream *stream, uint64_t size)
{
    wi_count(&wi_gate_of(stream)->finished, size);
}

/** Loop thread. The mark at or below which there is room again. */
static inline uint64_t
wi_stream_low(const struct wi_stream *stream)
{
    uint32_t high = wi_load_relaxed(&wi_gate_of(stream)->high);

    if (stream->extra != NULL && stream->extra->low != 0) {
        return stream->extra->low;
    }
    return high != 0 ? high / 2 : WI_QUEUE_LOW_DEFAULT;
}

/** Loop thread. Is so much queued that a stream with WEIR_STREAM_REST is not to be read from? What
 *  it discards is read all the same: it makes nothing to be queued, and two ends that both close
 *  would wait for each other. */
static inline bool
wi_stream_is_to_rest(const struct wi_stream *stream)
{
    return wi_gate_has(wi_gate_of(stream), WI_GATE_REST) && !(stream->flags & WI_S_DISCARD) &&
           wi_gate_queued(wi_gate_of(stream)) > wi_stream_low(stream);
}

/* ---- receiving (receive.c, pull.c) ---- */

/** Loop thread, among user code. Read what there is, within the budget, and deliver it. */
void wi_stream_read(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. May the stream read and deliver now? */
bool wi_stream_may_read(const struct wi_stream *stream);

/** Loop thread, among user code. Give input to waiting pulls and provided buffers. */
void wi_stream_feed_pulls(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. End every pull and give provided buffers back. */
void wi_stream_end_pulls(struct wi_loop *loop, struct wi_stream *stream, int status,
                         enum weir_origin origin);
void wi_stream_return_provided(struct wi_loop *loop, struct wi_stream *stream);

/** Loop thread. A pending data function has been answered. */
void wi_stream_consumed(struct wi_loop *loop, struct wi_stream *stream, size_t consumed,
                        size_t examined);

/** Loop thread. The FIN was read; may it be told now? */
bool wi_stream_eof_is_due(const struct wi_stream *stream);

/** Loop thread. Has the stream someone who takes input? */
bool wi_stream_has_reader(const struct wi_stream *stream);

/** Loop thread. The port that the peer asked for (hybrid.c). False: memory ran out. */
bool wi_stream_set_hybrid_port(struct wi_stream *stream, uint32_t port);

/* ---- connecting (dial.c) ---- */

/** Loop thread. Connect a NEW stream; with a first write, by TCP Fast Open where wanted. */
void wi_stream_connect(struct wi_loop *loop, struct wi_stream *stream);
/** Loop thread. It is connected, and what there was to be asked has been answered: it begins. */
void wi_dial_begin(struct wi_loop *loop, struct wi_stream *stream);
/** Loop thread. It has started or never will: tell the thread that waits for it, if one does. */
void wi_dial_finish_waiting(struct wi_stream *stream);
/** Loop thread. CONNECTING, and to be closed by then: connecting takes no longer. */
void wi_dial_bound(struct wi_loop *loop, struct wi_stream *stream, uint64_t deadline_ns);
/** Loop thread. The timer of a stream that has not started. */
void wi_dial_timer_fired(struct wi_loop *loop, struct wi_stream *stream);
/** Any thread. weir_dial(), with somebody waiting. */
int wi_dial(struct weir_loop *public, const struct weir_dial *request,
            struct wi_dial_waiting *waiting, weir_stream *ret_stream);
/** Loop thread. A socket of this dial's, configured and bound; or -errno. */
int wi_dial_socket(const struct wi_dialling *dialling, enum wi_transport transport, int family);
/** Loop thread. A CONNECTING stream has got a connected socket, which the poller may have already:
 *  it starts. */
void wi_dial_connected(struct wi_loop *loop, struct wi_stream *stream, int fd,
                       const struct weir_address *peer, bool is_polled);
/** Loop thread. The socket of a CONNECTING stream became ready. */
void wi_stream_connected(struct wi_loop *loop, struct wi_stream *stream, uint32_t events);

#endif /* WI_STREAM_H */
