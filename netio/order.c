/* SPDX-License-Identifier: MIT */

#include "netio/order.h"

#include "mem/plant.h"
#include "netio/blocked.h"
#include "netio/net.h"

#define HOLES_MAX UINT8_MAX // so many, or more: until nothing is in flight
#define RUNS      25u       // a ticket has 24 bits, so 2^24 runs at most

static uint32_t
ticket_of(const struct wi_write *write)
{
    return write->ticket & WI_TICKET_MASK;
}

static void
set_next(struct wi_stream *stream, uint32_t ticket)
{
    bool waits = stream->arrivals != NULL || stream->holes != 0;

    stream->next_ticket = ticket | (waits ? WI_ORDER_WAITS : 0);
}

void
wi_order_pass(struct wi_stream *stream, uint32_t ticket)
{
    uint32_t next = stream->next_ticket & WI_TICKET_MASK;
    uint32_t skipped = (ticket - next) & WI_TICKET_MASK;

    if (wi_likely(skipped == 0)) {
        next = wi_ticket_next(ticket);
    } else if (wi_ticket_before(ticket, next)) { // it was concurrent with what has gone before it
        if (stream->holes != 0 && stream->holes != HOLES_MAX) {
            stream->holes--;
        }
    } else {
        stream->holes =
            (uint8_t)(skipped < HOLES_MAX - (uint32_t)stream->holes ? stream->holes + skipped
                                                                    : HOLES_MAX);
        next = wi_ticket_next(ticket);
    }
    set_next(stream, next);
}

void
wi_order_keep(struct wi_stream *stream, struct wi_write *write)
{
    write->op.task.next = NULL;
    if (stream->arrivals == NULL) {
        stream->arrivals = write;
    } else {
        stream->last_arrival->op.task.next = &write->op.task;
    }
    stream->last_arrival = write;
    stream->next_ticket |= WI_ORDER_WAITS;
}

/* ---- sorting: a lane brings its own in order, so there are few ascending runs ---- */

static struct wi_write *
merge(struct wi_write *a, struct wi_write *b)
{
    struct wi_task head = {0};
    struct wi_task *last = &head;

    for (;;) {
        struct wi_write *first = wi_ticket_before(ticket_of(b), ticket_of(a)) ? b : a;
        struct wi_write *other = first == a ? b : a;

        last->next = &first->op.task;
        last = &first->op.task;
        a = wi_write_next(first);
        b = other;
        if (a == NULL) {
            last->next = &b->op.task;
            return wi_write_of_task(head.next);
        }
    }
}

// Take the ascending run at the head of a list off it.
static struct wi_write *
take_run(struct wi_write **list)
{
    struct wi_write *first = *list;
    struct wi_write *last = first;
    struct wi_write *next;

    while ((next = wi_write_next(last)) != NULL &&
           wi_ticket_before(ticket_of(last), ticket_of(next))) {
        last = next;
    }
    last->op.task.next = NULL;
    *list = next;
    return first;
}

static struct wi_write *
sort(struct wi_write *list)
{
    struct wi_write *runs[RUNS] = {NULL}; // the i-th was merged of 2^i runs
    struct wi_write *sorted = NULL;

    while (list != NULL) {
        struct wi_write *run = take_run(&list);
        unsigned i = 0;

        for (; runs[i] != NULL; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < RUNS; i++) {
        if (runs[i] != NULL) {
            sorted = sorted == NULL ? runs[i] : merge(runs[i], sorted);
        }
    }
    return sorted;
}

/* ---- settling ---- */

static bool
is_without_gap(const struct wi_stream *stream, const struct wi_write *sorted)
{
    uint32_t next = stream->next_ticket & WI_TICKET_MASK;

    for (; sorted != NULL; sorted = wi_write_next(sorted)) {
        if (ticket_of(sorted) != next) {
            return false;
        }
        next = wi_ticket_next(next);
    }
    return true;
}

struct wi_write *
wi_order_take(struct wi_stream *stream)
{
    struct wi_write *sorted = WI_PLANT(5) ? stream->arrivals : sort(stream->arrivals);

    stream->arrivals = NULL;
    stream->last_arrival = NULL;
    return sorted;
}

static void
place_all(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_write *write = wi_order_take(stream);

    while (write != NULL) {
        struct wi_write *next = wi_write_next(write);

        wi_write_place(loop, stream, write);
        write = next;
    }
}

// A submit that returned before these began is in a marked lane, if it is not here: look once.
static void
place_arrivals(struct wi_loop *loop, struct wi_stream *stream)
{
    stream->arrivals = WI_PLANT(5) ? stream->arrivals : sort(stream->arrivals);
    if (stream->holes != 0 || !is_without_gap(stream, stream->arrivals)) {
        for (stream->last_arrival = stream->arrivals;
             wi_write_next(stream->last_arrival) != NULL;) {
            stream->last_arrival = wi_write_next(stream->last_arrival);
        }
        wi_loop_look(loop);
    }
    place_all(loop, stream);
}

bool
wi_stream_take_right(struct wi_loop *loop, struct wi_stream *stream)
{
    if (wi_likely(stream->flags & WI_S_RIGHT)) {
        return true;
    }
    switch (wi_gate_take_right(wi_gate_of(stream))) {
    case WI_TAKE_HANDED:
        // What a submitter began is in its lane: it goes in front of all else.
        stream->flags |= WI_S_RIGHT;
        wi_loop_look(loop);
        place_all(loop, stream);
        wi_right_wait_end(loop, stream);
        return true;
    case WI_TAKE_FREE:
        stream->flags |= WI_S_RIGHT;
        wi_right_wait_end(loop, stream);
        return true;
    case WI_TAKE_NO:
    default:
        wi_right_wait_begin(loop, stream);
        return false;
    }
}

void
wi_stream_settle(struct wi_loop *loop, struct wi_stream *stream)
{
    struct wi_gate *gate = wi_gate_of(stream);
    uint32_t drained;

    if (wi_unlikely(stream->arrivals != NULL)) {
        place_arrivals(loop, stream);
    }
    stream->flags &= ~(unsigned)WI_S_FOREIGN;
    if (stream->drained == 0) {
        return;
    }
    // The right first: while the count says "in flight", no submitter may take it.
    wi_stream_take_right(loop, stream);
    drained = stream->drained;
    stream->drained = 0;
    // ORDER(gate) publish: what these submits brought is in the queue before they stop counting.
    if ((wi_sub_acq_rel(&gate->word, drained * WI_GATE_INFLIGHT) & WI_GATE_INFLIGHTS) ==
        drained * WI_GATE_INFLIGHT) {
        stream->flags &= ~WI_S_TEARS; // nothing from before a tear is under way any more
        stream->holes = 0;            // and no ticket, for all in flight have arrived
        set_next(stream, stream->next_ticket & WI_TICKET_MASK);
    }
}
