/* SPDX-License-Identifier: MIT */
// Back-pressure: what a stream's high mark or the process refuses waits here, and reading rests
// meanwhile. It goes on when the queue has fallen, or after a moment.

#include "house_echo.h"

#include "verdict.h"

#include <stdlib.h>

#define RETRY_NS UINT64_C(1000000)

struct held {
    weir_stream stream;
    struct weir_chain chain; // refused, to be written when there is room
    bool has_fin;            // the peer ended behind it
    bool has_timer;
    bool is_closed; // the timer is the last to know this
};

static struct house *house;
static house_full_fn *on_full;
static void *on_full_arg;

static void
on_done(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    house_count_done(house, result);
}

static void
finish(weir_stream stream)
{
    weir_close(stream, WEIR_CLOSE_DRAIN, 0, 0);
}

static bool
is_holding(const struct held *held)
{
    return held != NULL && held->chain.head != NULL;
}

static void on_writable(weir_stream stream, void *user);

static void
on_retry(struct weir_loop *loop, int status, void *arg)
{
    struct held *held = arg;

    (void)loop;
    (void)status;
    held->has_timer = false;
    if (held->is_closed) {
        free(held);
    } else {
        on_writable(held->stream, held);
    }
}

static void
retry_later(struct held *held)
{
    struct weir_timer timer = {
        .deadline_ns = weir_deadline_after(RETRY_NS), .fn = on_retry, .arg = held};

    if (on_full != NULL) {
        on_full(on_full_arg);
    }
    if (!held->has_timer) {
        held->has_timer = weir_timer_start(weir_loop_current(), &timer, NULL) == 0;
    }
}

// Keep what was refused, behind what was refused before.
static struct held *
hold(weir_stream stream, struct weir_chain *chain)
{
    struct held *held = weir_stream_user(stream);

    if (held == NULL) {
        held = calloc(1, sizeof(*held));
        storm_require(held != NULL, "memory");
        held->stream = stream;
        if (weir_stream_set_user(stream, held) != 0) {
            storm_broke("a stream refused its user pointer on its loop");
        }
    }
    weir_chain_splice(&held->chain, chain);
    weir_pause(stream);
    return held;
}

static void
write_back(weir_stream stream, struct weir_chain *chain)
{
    struct weir_write request = {.chain = chain, .done = on_done};
    struct house_counts *counts = house_counts_here(house);
    int status = weir_write(stream, &request, NULL);

    if (status == 0) {
        atomic_fetch_add_explicit(&counts->accepted, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&counts->refused, 1, memory_order_relaxed);
    if (status == -WEIR_ESTREAMFULL) {
        hold(stream, chain);
    } else if (status == -WEIR_EPROCFULL || status == -WEIR_ELOOPFULL) {
        retry_later(hold(stream, chain));
    } else {
        weir_chain_return(chain);
        weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
    }
}

static struct weir_consumed
on_data(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {NULL, NULL};

    (void)begin;
    (void)end;
    if (weir_take(stream, SIZE_MAX, &chain) != 0) {
        storm_broke("what was presented could not be taken");
    } else if (is_holding(user)) {
        hold(stream, &chain);
    } else {
        write_back(stream, &chain);
    }
    return (struct weir_consumed){0, 0};
}

static void
on_writable(weir_stream stream, void *user)
{
    struct held *held = user;

    if (!is_holding(held)) {
        return;
    }
    struct weir_chain chain = held->chain;
    held->chain = (struct weir_chain){NULL, NULL};
    write_back(stream, &chain);
    if (is_holding(held)) {
        return;
    }
    if (held->has_fin) {
        finish(stream);
    } else {
        weir_resume(stream);
    }
}

static void
on_peer_fin(weir_stream stream, bool ambiguous, void *user)
{
    struct held *held = user;

    (void)ambiguous;
    if (is_holding(held)) {
        held->has_fin = true;
    } else {
        finish(stream);
    }
}

static void
on_peer_reset(weir_stream stream, uint64_t code, void *user)
{
    (void)code;
    (void)user;
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

static void
on_closed(weir_stream stream, const struct weir_closed *closed, void *user)
{
    struct held *held = user;

    (void)stream;
    (void)closed;
    if (held == NULL) {
        return;
    }
    weir_chain_return(&held->chain);
    if (held->has_timer) {
        held->is_closed = true;
    } else {
        free(held);
    }
}

void
house_echo_start(struct house *the_house, enum house_transport transport, size_t queue_high,
                 house_full_fn *full, void *arg)
{
    static const struct weir_handlers handlers = {
        .data = on_data,
        .peer_fin = on_peer_fin,
        .peer_reset = on_peer_reset,
        .writable = on_writable,
        .closed = on_closed,
    };
    const struct weir_stream_options stream = {
        .handlers = &handlers,
        .flags = WEIR_STREAM_NODELAY,
        .queue_high = queue_high,
    };

    house = the_house;
    on_full = full;
    on_full_arg = arg;
    house_listen(house, transport, &stream);
}
