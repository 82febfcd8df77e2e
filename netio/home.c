/* SPDX-License-Identifier: MIT */

#include "netio/home.h"

// Finer than this nobody is cut off: one timer serves all connections of a loop.
#define SWEEP_NS_MIN (UINT64_C(50) * 1000 * 1000)

void
wi_home_init(struct wi_home *home, struct weir_loop *loop,
             uint64_t (*due)(struct wi_seat *seat, uint64_t now))
{
    home->loop = loop;
    home->first = NULL;
    home->sweep_ns = WEIR_NEVER;
    home->due = due;
    home->left = NULL;
    wi_store_relaxed(&home->pending, 0);
}

void
wi_home_leave(struct wi_home *home)
{
    void (*left)(struct wi_home *) = home->left;

    // ORDER(home) publish: the last use of the home.
    if (wi_sub_acq_rel(&home->pending, 1) == 1 && left != NULL) {
        left(home);
    }
}

/* ---- the timer ---- */

static void
cancel_sweep(struct wi_home *home)
{
    if (home->sweep_ns != WEIR_NEVER) {
        weir_cancel(home->sweep);
        home->sweep_ns = WEIR_NEVER;
    }
}

static void sweep(struct weir_loop *loop, int status, void *arg);

static void
arm(struct wi_home *home, uint64_t at_ns)
{
    struct weir_timer timer = {.deadline_ns = at_ns, .fn = sweep, .arg = home};

    cancel_sweep(home);
    if (weir_timer_start(home->loop, &timer, &home->sweep) == 0) {
        wi_add_relaxed(&home->pending, 1);
        home->sweep_ns = at_ns;
    } // else memory ran out or the runtime stops: the next event of a connection tries again
}

static void
sweep(struct weir_loop *loop, int status, void *arg)
{
    struct wi_home *home = arg;
    uint64_t now = weir_loop_now_ns(loop);
    uint64_t next_ns = WEIR_NEVER;

    if (status == 0) {
        home->sweep_ns = WEIR_NEVER;
        for (struct wi_seat *seat = home->first, *next; seat != NULL; seat = next) {
            next = seat->next;
            if (seat->look_ns <= now) {
                seat->look_ns = home->due(seat, now);
            }
            next_ns = seat->look_ns < next_ns ? seat->look_ns : next_ns;
        }
        if (next_ns < home->sweep_ns) {
            arm(home, next_ns < now + SWEEP_NS_MIN ? now + SWEEP_NS_MIN : next_ns);
        }
    }
    wi_home_leave(home);
}

void
wi_home_look_at(struct wi_home *home, struct wi_seat *seat, uint64_t look_ns)
{
    seat->look_ns = look_ns;
    if (look_ns < home->sweep_ns) {
        arm(home, look_ns);
    }
}

/* ---- who is there ---- */

void
wi_home_add(struct wi_home *home, struct wi_seat *seat, weir_stream stream)
{
    seat->look_ns = WEIR_NEVER;
    seat->previous = NULL;
    seat->next = home->first;
    if (seat->next != NULL) {
        seat->next->previous = seat;
    }
    home->first = seat;
    wi_store_relaxed(&seat->loop, (uintptr_t)home->loop);
    wi_seat_set_stream(seat, stream);
}

void
wi_home_remove(struct wi_home *home, struct wi_seat *seat)
{
    if (seat->previous != NULL) {
        seat->previous->next = seat->next;
    } else {
        home->first = seat->next;
    }
    if (seat->next != NULL) {
        seat->next->previous = seat->previous;
    }
    if (home->first == NULL) {
        cancel_sweep(home);
    }
}

int
wi_homes_post(struct wi_home *first, unsigned count, size_t stride, weir_post_fn *function)
{
    int result = 0;

    for (unsigned i = 0; i < count; i++) {
        struct wi_home *home = (struct wi_home *)(void *)((char *)first + i * stride);
        int status;

        wi_add_relaxed(&home->pending, 1);
        status = weir_post(home->loop, function, home);
        if (status < 0) {
            wi_sub_relaxed(&home->pending, 1);
            result = status == -WEIR_EENDED ? result : status;
        }
    }
    return result;
}
