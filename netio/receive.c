/* SPDX-License-Identifier: MIT */

#include "mem/lease.h"
#include "mem/plant.h"
#include "netio/blocked.h"
#include "netio/consume.h"
#include "netio/net.h"
#include "netio/pump.h"
#include "netio/reports.h"
#include "netio/socket.h"

#include <errno.h>

// Input arrives in the tail block while at least this much of it is free (K80).
#define READ_ROOM_MIN   2048u
#define READ_BLOCKS_MAX 16u
#define SHOWS_MAX       64u // how often the same input is shown in one turn

bool
wi_stream_has_reader(const struct wi_stream *stream)
{
    return (stream->handlers != NULL && stream->handlers->data != NULL) ||
           (stream->flags & WI_S_DISCARD) ||
           (stream->extra != NULL &&
            (stream->extra->pulls != NULL || stream->extra->provided != NULL));
}

// May what was read be shown? Also above the high mark: it is by showing that it gets below.
static bool
may_show(const struct wi_stream *stream)
{
    return (stream->phase == WI_PHASE_OPEN || stream->phase == WI_PHASE_CLOSING) &&
           !(stream->flags & (WI_S_PAUSED | WI_S_RESTING | WI_S_DATA_PENDING | WI_S_IN_DATA)) &&
           wi_stream_has_reader(stream);
}

bool
wi_stream_may_read(const struct wi_stream *stream)
{
    return !(stream->flags & WI_S_FULL) && may_show(stream);
}

/* ---- the end of input ---- */

// All bytes before it were delivered: now the FIN.
static void
tell_eof(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->flags & WI_S_EOF_TOLD) {
        return;
    }
    stream->flags |= WI_S_EOF_TOLD;
    wi_stream_event(loop, stream, WI_EVENT_PEER_FIN);
    wi_stream_feed_pulls(loop, stream);
    if (wi_gate_has(wi_gate_of(stream), WI_GATE_FIN_IS_ABORT)) {
        wi_stream_die(loop, stream, -ECONNABORTED, WEIR_ORIGIN_LOCAL_CLOSE, 0);
    } else if (stream->flags & WI_S_SEND_OVER) {
        if (!(stream->flags & WI_S_FIN_SENT)) { // it had failed, and all there was has been read
            wi_stream_die(loop, stream, stream->status, (enum weir_origin)stream->origin, 0);
        }
        wi_stream_needs_work(loop, stream); // a close may have waited for this
    }
}

// The connection is gone, and what had arrived was delivered.
static void
tell_reset(struct wi_loop *loop, struct wi_stream *stream, int status)
{
    enum weir_origin origin =
        status == -ECONNRESET || status == -EPIPE ? WEIR_ORIGIN_PEER_RESET : wi_origin_of(status);

    stream->flags |= WI_S_RESET;
    wi_stream_reason(stream, status, origin);
    if (origin == WEIR_ORIGIN_PEER_RESET && !(stream->flags & WI_S_RESET_TOLD)) {
        stream->flags |= WI_S_RESET_TOLD;
        wi_stream_event(loop, stream, WI_EVENT_PEER_RESET);
    }
    wi_stream_die(loop, stream, status, origin, 0);
}

// What ended it, if no FIN: a send (another thread's?) took the error, or it was told. 0: nothing
static int
reason_of_end(const struct wi_stream *stream)
{
    int status = wi_load_relaxed(&wi_gate_of(stream)->status);

    if (wi_socket_is_dead(status)) {
        return status;
    }
    return stream->flags & WI_S_RESET ? -ECONNRESET : 0;
}

// Paused, or nobody reads: a reset is an event at once, and ends the writes; unread bytes stay.
static void
note_reset(struct wi_loop *loop, struct wi_stream *stream)
{
    int error = 0;

    if (stream->flags & WI_S_RESET) {
        return;
    }
    if (wi_os_get_option(stream->fd, SOL_SOCKET, SO_ERROR, &error) < 0 || error == 0) {
        error = -reason_of_end(stream);
    }
    if (error == 0) {
        return; // both sides have ended in good order: the FIN waits its turn
    }
    stream->flags |= WI_S_RESET | WI_S_RESET_TOLD;
    wi_stream_fail_sending(loop, stream, error == EPIPE ? -ECONNRESET : -error);
    wi_stream_event(loop, stream, WI_EVENT_PEER_RESET);
}

// Nobody reads, and the peer has ended: is anything left in front of its FIN?
static void
peek_fin(struct wi_loop *loop, struct wi_stream *stream)
{
    // A reset that has been told leaves nothing to read either, and is no end.
    if (!(stream->flags & (WI_S_EOF | WI_S_PAUSED | (WI_PLANT(2) ? 0 : WI_S_RESET))) &&
        wi_os_is_at_end(stream->fd)) {
        stream->flags |= WI_S_EOF;
        stream->flags &= ~(unsigned)WI_S_READABLE;
        if (wi_stream_eof_is_due(stream)) { // else a pull still has something to take before it
            tell_eof(loop, stream);
        }
    }
}

// The socket has something, and nobody takes it: the poller will not say so again.
static void
nobody_reads(struct wi_loop *loop, struct wi_stream *stream)
{
    if (stream->phase != WI_PHASE_OPEN && stream->phase != WI_PHASE_CLOSING) {
        return;
    }
    // After a failure the end is the next pull's to see.
    if ((stream->flags & WI_S_RDHUP) &&
        (stream->flags & (WI_S_SEND_OVER | WI_S_FIN_SENT)) != WI_S_SEND_OVER) {
        peek_fin(loop, stream);
    }
    if (stream->extra != NULL && stream->extra->provides && stream->input_size == 0 &&
        !(stream->flags & (WI_S_EOF | WI_S_PAUSED))) {
        wi_stream_event(loop, stream, WI_EVENT_BUFFER);
    }
}

/* ---- delivering ---- */

static void
settle_consumed(struct wi_loop *loop, struct wi_stream *stream, size_t consumed)
{
    uint64_t high = stream->extra != NULL ? stream->extra->input_high : WI_INPUT_HIGH_DEFAULT;
    uint64_t low = stream->extra != NULL ? stream->extra->input_low : WI_INPUT_HIGH_DEFAULT / 2;

    if (consumed != 0) {
        weir_chain_consume(&stream->input, consumed);
        stream->input_size -= (uint32_t)consumed;
    }
    if (stream->input_size == 0) {
        weir_chain_return(&stream->input); // an idle stream holds no block
    } else if (wi_gate_has(wi_gate_of(stream), WI_GATE_PARTIAL_PAUSE)) {
        stream->flags |= WI_S_PAUSED;
    }
    if (stream->input_size >= high) {
        stream->flags |= WI_S_FULL;
    } else if (stream->input_size <= low) {
        stream->flags &= ~(unsigned)WI_S_FULL;
    }
    (void)loop;
}

static WI_COLD void
say_void(struct wi_loop *loop)
{
    wi_log(loop->runtime, WEIR_LOG_ERROR, "an answer for data, which had not said PENDING");
}

WI_INLINE void
end_show(struct wi_loop *loop)
{
    if (wi_unlikely(wi_show_end(&wi_net_of(loop)->show))) {
        say_void(loop);
    }
}

// What the data function answered. True: it left something that it has not looked at.
static bool
settle_answer(struct wi_loop *loop, struct wi_stream *stream, struct weir_consumed answer)
{
    size_t shown = stream->input_size; // less what weir_take() took

    if (answer.consumed == WEIR_CONSUME_PENDING) {
        if (wi_consume_open(loop, stream, shown)) {
            stream->flags |= WI_S_DATA_PENDING;
        } else {
            wi_stream_die(loop, stream, -ENOMEM, WEIR_ORIGIN_MEMORY, 0);
        }
        return false;
    }
    end_show(loop);
    if (answer.consumed > shown) {
        wi_log(loop->runtime, WEIR_LOG_ERROR, "data consumed %zu of %zu bytes", answer.consumed,
               shown);
        answer.consumed = shown;
    }
    settle_consumed(loop, stream, answer.consumed);
    return answer.examined < shown && stream->input_size != 0;
}

// Call the data function; as settle_answer().
static bool
present(struct wi_loop *loop, struct wi_stream *stream)
{
    struct weir_consumed answer;

    stream->flags |= WI_S_IN_DATA;
    wi_tls.at = wi_gate_of(stream);
    wi_show_begin(&wi_net_of(loop)->show, wi_gate_of(stream), stream->input_size);
    answer = stream->handlers->data(wi_stream_handle(stream), weir_chain_begin(&stream->input),
                                    weir_chain_end(&stream->input), stream->user);
    stream->flags &= ~(unsigned)WI_S_IN_DATA;
    return settle_answer(loop, stream, answer);
}

// Too much is queued to read on, or to show on. The flush of this turn says when it ends.
static bool
begins_to_rest(struct wi_loop *loop, struct wi_stream *stream)
{
    if (wi_likely(!wi_stream_is_to_rest(stream))) {
        return false;
    }
    stream->flags |= WI_S_RESTING;
    wi_stream_needs_work(loop, stream);
    return true;
}

static void
deliver(struct wi_loop *loop, struct wi_stream *stream)
{
    unsigned shows = 0;

    if (wi_unlikely(stream->flags & WI_S_DISCARD)) {
        weir_chain_return(&stream->input);
        stream->input_size = 0;
    } else if (wi_likely(stream->handlers != NULL && stream->handlers->data != NULL)) {
        while (stream->input_size != 0 && present(loop, stream) && may_show(stream) &&
               wi_gate_has(wi_gate_of(stream), WI_GATE_PUSH)) { // it may have taken itself away
            if (begins_to_rest(loop, stream)) {
                stream->events |= WI_EVENT_AGAIN;
                break;
            }
            if (++shows == SHOWS_MAX) { // it looks at little: let others have the loop
                stream->events |= WI_EVENT_AGAIN;
                wi_stream_needs_later(loop, stream);
                break;
            }
        }
    } else {
        wi_stream_feed_pulls(loop, stream);
    }
}

// After a first call from ready_plain() that did not take everything.
static __attribute__((noinline)) void
deliver_rest(struct wi_loop *loop, struct wi_stream *stream, struct weir_consumed answer)
{
    if (settle_answer(loop, stream, answer) && may_show(stream)) {
        deliver(loop, stream);
    }
}

void
wi_stream_consumed(struct wi_loop *loop, struct wi_stream *stream, size_t consumed, size_t examined)
{
    size_t shown = stream->input_size;

    stream->flags &= ~(unsigned)WI_S_DATA_PENDING;
    settle_consumed(loop, stream, WI_PLANT(20) ? consumed / 2 : consumed);
    if ((examined < shown || (stream->flags & WI_S_DISCARD)) && stream->input_size != 0) {
        stream->events |= WI_EVENT_AGAIN;
    }
    wi_stream_event(loop, stream, WI_EVENT_READ);
}

/* ---- reading ---- */

// Where the next bytes go: the room of the tail block, or fresh neighbouring blocks.
static struct weir_block *
room_for_input(struct wi_stream *stream, size_t *ret_room, bool *ret_fresh)
{
    struct weir_block *tail = stream->input.tail;
    unsigned count;

    if (tail != NULL && wi_block_room(tail) >= READ_ROOM_MIN) {
        *ret_room = wi_block_room(tail);
        *ret_fresh = false;
        return tail;
    }
    if (wi_likely(stream->read_blocks == 1)) {
        tail = wi_block_lease_one();
        count = 1;
    } else {
        tail = wi_block_lease_run(stream->read_blocks, &count);
    }
    *ret_room = (size_t)count * WEIR_BLOCK_SIZE;
    *ret_fresh = true;
    return tail;
}

// Fresh blocks hold size bytes: keep those in use, give the others back.
static void
append_fresh(struct wi_stream *stream, struct weir_block *block, size_t size)
{
    struct weir_chain fresh = {.head = block, .tail = block};
    struct weir_chain rest = {0};

    while (size > WEIR_BLOCK_SIZE) {
        fresh.tail->end = WEIR_BLOCK_SIZE;
        size -= WEIR_BLOCK_SIZE;
        fresh.tail = fresh.tail->next;
    }
    fresh.tail->end = (uint32_t)size;
    rest.head = fresh.tail->next;
    fresh.tail->next = NULL;
    if (rest.head != NULL) {
        for (rest.tail = rest.head; rest.tail->next != NULL;) {
            rest.tail = rest.tail->next;
        }
        weir_chain_return(&rest);
    }
    if (stream->input.head == NULL) {
        stream->input = fresh;
    } else {
        weir_chain_splice(&stream->input, &fresh);
    }
}

static void
return_blocks(struct weir_block *block)
{
    while (block != NULL) {
        struct weir_block *next = block->next;

        block->next = NULL;
        weir_block_return(block);
        block = next;
    }
}

static void
adapt_read_size(struct wi_stream *stream, size_t size, size_t room)
{
    if (size == room && stream->read_blocks < READ_BLOCKS_MAX) {
        stream->read_blocks = (uint8_t)(stream->read_blocks * 2);
    } else if (size <= WEIR_BLOCK_SIZE && stream->read_blocks > 1) {
        stream->read_blocks = (uint8_t)(stream->read_blocks / 2);
    }
}

// One receive. Bytes that came, 0 at the end, or -errno; -EAGAIN: none now.
static ssize_t
receive_once(struct wi_loop *loop, struct wi_stream *stream)
{
    bool fresh;
    size_t room;
    struct weir_block *block = room_for_input(stream, &room, &fresh);
    ssize_t size;

    if (block == NULL) {
        return -ENOMEM;
    }
    size = wi_os_receive(stream->fd, block->data + block->end, room);
    wi_count(&loop->counters.reads, 1);
    if (size <= 0) {
        if (fresh) {
            return_blocks(block);
        }
        return size;
    }
    if (fresh) {
        append_fresh(stream, block, (size_t)size);
    } else {
        block->end += (uint32_t)size;
    }
    if (((size_t)size < room || WI_PLANT(22)) && !(stream->flags & WI_S_RDHUP)) {
        stream->flags &= ~(unsigned)WI_S_READABLE; // an edge will say when there is more
    }
    adapt_read_size(stream, (size_t)size, room);
    stream->input_size += (uint32_t)size;
    wi_count(&stream->received, (uint64_t)size);
    wi_count(&loop->counters.bytes_received, (uint64_t)size);
    return size;
}

static void
input_ended(struct wi_loop *loop, struct wi_stream *stream, ssize_t result)
{
    int reason = result == 0 && !WI_PLANT(33) ? reason_of_end(stream) : 0;

    stream->flags &= ~(unsigned)WI_S_READABLE;
    if (reason != 0) {
        tell_reset(loop, stream, reason);
    } else if (result == 0) {
        stream->flags |= WI_S_EOF;
    } else if (result == -ENOMEM) {
        wi_stream_die(loop, stream, -ENOMEM, WEIR_ORIGIN_MEMORY, 0);
    } else if (result != -EAGAIN) {
        tell_reset(loop, stream, (int)result);
    }
}

void
wi_stream_read(struct wi_loop *loop, struct wi_stream *stream)
{
    size_t budget = WI_NET_READ_MAX;

    if (wi_unlikely(stream->extra != NULL && stream->extra->is_read_later)) {
        return; // an edge, or a call, in between: it reads when its turn comes
    }
    if (stream->input_size != 0 && (stream->events & WI_EVENT_AGAIN) && may_show(stream)) {
        stream->events &= (uint16_t)~WI_EVENT_AGAIN;
        deliver(loop, stream);
    }
    while ((stream->flags & WI_S_READABLE) && wi_stream_may_read(stream)) {
        ssize_t size;

        if (budget == 0) {
            wi_stream_reads_later(loop, stream);
            return;
        }
        if (begins_to_rest(loop, stream)) {
            break;
        }
        size = wi_pump_reads(stream) ? wi_pump_splice(loop, stream) : -ENOSYS;
        size = size == -ENOSYS ? receive_once(loop, stream) : size;
        if (size <= 0) {
            input_ended(loop, stream, size);
            break;
        }
        budget -= (size_t)size < budget ? (size_t)size : budget;
        deliver(loop, stream);
    }
    if (wi_unlikely(stream->phase == WI_PHASE_CLOSING)) {
        wi_stream_needs_work(loop, stream); // it may have waited for what was read
    }
    if (wi_unlikely(stream->flags & WI_S_READABLE) && !wi_stream_has_reader(stream)) {
        nobody_reads(loop, stream);
    }
    if ((stream->flags & WI_S_EOF) && wi_stream_eof_is_due(stream)) {
        tell_eof(loop, stream);
    } else if (stream->flags & WI_S_EOF_TOLD) {
        wi_stream_feed_pulls(loop, stream); // sticky: later pulls are told too
    }
}

bool
wi_stream_eof_is_due(const struct wi_stream *stream)
{
    bool pushes = stream->handlers != NULL && stream->handlers->data != NULL;

    // Input that is to be shown again goes before it.
    return (stream->phase == WI_PHASE_OPEN || stream->phase == WI_PHASE_CLOSING) &&
           !(stream->flags & (WI_S_EOF_TOLD | WI_S_PAUSED | WI_S_DATA_PENDING | WI_S_IN_DATA)) &&
           (stream->input_size == 0 || (pushes && !(stream->events & WI_EVENT_AGAIN)));
}

/* ---- the poller's word ---- */

// What a first read of one block brought that is not some bytes: a full block, nothing, an end.
static WI_COLD void
first_read(struct wi_loop *loop, struct wi_stream *stream, struct weir_block *block, ssize_t size)
{
    stream->flags |= WI_S_READABLE;
    if (size <= 0) {
        weir_block_return(block);
        input_ended(loop, stream, size);
    } else {
        append_fresh(stream, block, (size_t)size);
        adapt_read_size(stream, (size_t)size, WEIR_BLOCK_SIZE);
        stream->input_size += (uint32_t)size;
        wi_count(&stream->received, (uint64_t)size);
        wi_count(&loop->counters.bytes_received, (uint64_t)size);
        deliver(loop, stream);
    }
    wi_stream_read(loop, stream);
}

static void
note_room(struct wi_loop *loop, struct wi_stream *stream)
{
    wi_blocked_end(loop, stream);
    if (stream->handlers != NULL && stream->handlers->ideal_size != NULL) {
        wi_stream_event(loop, stream, WI_EVENT_IDEAL);
    }
    wi_stream_needs_work(loop, stream);
}

// The commonest readiness of all: some bytes, fewer than a block, for a data function that takes
// them all. The same steps as above, without asking what cannot be. False: not for here.
WI_INLINE bool
ready_plain(struct wi_loop *loop, struct wi_stream *stream, uint32_t events)
{
    struct weir_consumed answer;
    struct weir_block *block;
    ssize_t size;

    if ((events & ~(uint32_t)EPOLLOUT) != EPOLLIN || stream->input.head != NULL ||
        stream->read_blocks != 1 || (stream->queue.head != NULL && wi_stream_is_to_rest(stream)) ||
        (stream->flags & (WI_S_PAUSED | WI_S_FULL | WI_S_RESTING | WI_S_DATA_PENDING |
                          WI_S_DISCARD | WI_S_BLOCKED | WI_S_RDHUP | WI_S_EOF)) != 0) {
        return false;
    }
    block = wi_block_lease_one();
    if (wi_unlikely(block == NULL)) {
        return false;
    }
    size = wi_os_receive(stream->fd, block->data, WEIR_BLOCK_SIZE);
    wi_count(&loop->counters.reads, 1);
    if (wi_unlikely(size <= 0 || size == (ssize_t)WEIR_BLOCK_SIZE)) {
        first_read(loop, stream, block, size);
        return true;
    }
    block->end = (uint32_t)size;
    stream->input = (struct weir_chain){.head = block, .tail = block};
    stream->input_size = (uint32_t)size;
    wi_count(&stream->received, (uint64_t)size);
    stream->flags = (stream->flags & ~(unsigned)WI_S_READABLE) | WI_S_IN_DATA;
    wi_count(&loop->counters.bytes_received, (uint64_t)size);
    wi_tls.at = wi_gate_of(stream);
    wi_show_begin(&wi_net_of(loop)->show, wi_gate_of(stream), (uint32_t)size);
    answer = stream->handlers->data(wi_stream_handle(stream), (struct weir_iter){.block = block},
                                    (struct weir_iter){.block = block, .index = (uint32_t)size},
                                    stream->user);
    stream->flags &= ~(unsigned)WI_S_IN_DATA;
    if (wi_unlikely(answer.consumed != stream->input_size)) {
        deliver_rest(loop, stream, answer);
    } else {
        end_show(loop);
        stream->input_size = 0;
        weir_chain_return(&stream->input);
    }
    return true;
}

static __attribute__((noinline)) void
ready(struct wi_loop *loop, struct wi_stream *stream, uint32_t events)
{
    if (wi_unlikely(stream->phase == WI_PHASE_CONNECTING)) {
        wi_stream_connected(loop, stream, events);
        return;
    }
    if (wi_unlikely(events & EPOLLERR) && wi_reports_collect(loop, stream) &&
        !(events & (EPOLLHUP | EPOLLRDHUP))) {
        events &= ~(uint32_t)EPOLLERR; // it was for the reports: a failure hangs up too
    }
    if (wi_unlikely(stream->phase != WI_PHASE_OPEN && stream->phase != WI_PHASE_CLOSING)) {
        return;
    }
    if ((stream->flags & WI_S_BLOCKED) && wi_stream_may_send(stream, events)) {
        note_room(loop, stream);
    }
    if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
        return;
    }
    stream->flags |=
        WI_S_READABLE | (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? (uint32_t)WI_S_RDHUP : 0);
    if (wi_likely(wi_stream_may_read(stream))) {
        wi_stream_read(loop, stream);
        return;
    }
    if (events & (EPOLLHUP | EPOLLERR)) {
        note_reset(loop, stream);
    }
    if (!wi_stream_has_reader(stream)) {
        nobody_reads(loop, stream);
    }
}

static void
stream_ready(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    ready(loop, wi_container_of(source, struct wi_stream, source), events);
}

const struct wi_source_ops wi_stream_source_ops = {.ready = stream_ready};

static void
stream_ready_plain(struct wi_loop *loop, struct wi_source *source, uint32_t events)
{
    struct wi_stream *stream = wi_container_of(source, struct wi_stream, source);

    if (wi_unlikely(!ready_plain(loop, stream, events))) {
        ready(loop, stream, events);
    }
}

const struct wi_source_ops wi_stream_plain_source_ops = {.ready = stream_ready_plain};
