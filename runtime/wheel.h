/* SPDX-License-Identifier: MIT */
#ifndef WI_WHEEL_H
#define WI_WHEEL_H

/**
 * @file
 * A hierarchical timer wheel: ticks of 1 ms, eight levels of 64 places, nodes embedded in what they
 * time. Arming and disarming are O(1) and allocate nothing. A timer never fires early, and at most
 * a tick late plus the time the loop was busy.
 */

#include "mem/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WI_WHEEL_LEVELS  8u
#define WI_WHEEL_PLACES  64u
#define WI_WHEEL_TICK_NS UINT64_C(1000000)

/** Whose timer: an index of wi_wheel_fn. */
enum wi_timer_kind {
    WI_TIMER_OP,
    WI_TIMER_STREAM,
    WI_TIMER_LISTENER,
    WI_TIMER_HYBRID,
    WI_TIMER_ACKS,
    WI_TIMER_ZEROCOPY,
    WI_TIMER_PUMP,
    WI_TIMER_PUMP_FLOW,
    WI_TIMER_LOOP,
    WI_TIMER_KINDS,
};

/** Embedded. All zero: not armed. */
struct wi_timer {
    struct wi_timer *next;
    struct wi_timer **link; // what points at us; NULL: not armed
    uint64_t when;          // the tick it is due << 8 | kind
};

struct wi_wheel {
    uint64_t tick; // every timer due at or before this tick has fired
    uint64_t armed;
    uint64_t soonest_ns;                // nothing is due, or to be dealt out, before this
    struct wi_timer *later;             // armed overdue while due ones are taken: for the next turn
    uint64_t taking_below;              // timers due before this tick are being taken; 0: not now
    uint64_t occupied[WI_WHEEL_LEVELS]; // a bit per place that is not empty
    struct wi_timer *places[WI_WHEEL_LEVELS][WI_WHEEL_PLACES];
};

void wi_wheel_init(struct wi_wheel *wheel, uint64_t now_ns);

/** Loop thread. Arm, or arm anew. A deadline that has passed fires in the next advance. */
void wi_wheel_arm(struct wi_wheel *wheel, struct wi_timer *timer, enum wi_timer_kind kind,
                  uint64_t deadline_ns);

/** Loop thread. Legal when not armed. */
void wi_wheel_disarm(struct wi_wheel *wheel, struct wi_timer *timer);

static inline bool
wi_timer_is_armed(const struct wi_timer *timer)
{
    return timer->link != NULL;
}

/** When it is or was due, a tick's bound. */
static inline uint64_t
wi_timer_deadline_ns(const struct wi_timer *timer)
{
    return (timer->when >> 8) * WI_WHEEL_TICK_NS;
}

static inline enum wi_timer_kind
wi_timer_kind(const struct wi_timer *timer)
{
    return (enum wi_timer_kind)(timer->when & 0xff);
}

/** Loop thread. May anything be due by @p now_ns? */
static inline bool
wi_wheel_may_be_due(const struct wi_wheel *wheel, uint64_t now_ns)
{
    return now_ns >= wheel->soonest_ns;
}

/**
 * Loop thread. The next timer due by @p now_ns, disarmed, earliest tick first; NULL: none left.
 * Take until NULL: a timer armed overdue meanwhile waits for the next round, so the taking ends.
 */
struct wi_timer *wi_wheel_take(struct wi_wheel *wheel, uint64_t now_ns);

/** Loop thread. Nanoseconds from @p now_ns to the first moment an advance can do something useful;
 *  0: timers are due; UINT64_MAX: none armed. */
WI_INLINE uint64_t
wi_wheel_wait_ns(const struct wi_wheel *wheel, uint64_t now_ns)
{
    if (wheel->armed == 0) {
        return UINT64_MAX;
    }
    if (wheel->later != NULL) {
        return 0; // left over when the taking was broken off
    }
    // What was the soonest may have been disarmed: then one turn finds nothing, and looks anew.
    return wheel->soonest_ns > now_ns ? wheel->soonest_ns - now_ns : 0;
}

#endif /* WI_WHEEL_H */
