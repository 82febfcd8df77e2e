/* SPDX-License-Identifier: MIT */

#include "runtime/wheel.h"

#include <string.h>

// Level l holds timers due within 64^(l+1) ticks, by the l-th group of six bits of their tick. When
// the tick's lower groups roll over, the place of the next level that comes up is dealt out again.
// Places of level 0 at the current tick hold what is due: they are taken from there.

#define PLACE_BITS 6u
#define PLACE_MASK (WI_WHEEL_PLACES - 1u)

static inline uint64_t
due_tick(const struct wi_timer *timer)
{
    return timer->when >> 8;
}

static void
link_at(struct wi_timer **head, struct wi_timer *timer)
{
    timer->next = *head;
    timer->link = head;
    if (timer->next != NULL) {
        timer->next->link = &timer->next;
    }
    *head = timer;
}

static void
unlink_timer(struct wi_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL) {
        timer->next->link = timer->link;
    }
    timer->next = NULL;
    timer->link = NULL;
}

// The highest group of six bits in which the due tick differs from now says the level.
static void
place(struct wi_wheel *wheel, struct wi_timer *timer)
{
    uint64_t due = due_tick(timer) > wheel->tick ? due_tick(timer) : wheel->tick;
    uint64_t differ = due ^ wheel->tick;
    unsigned level = differ == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differ)) / PLACE_BITS;
    unsigned index = (unsigned)(due >> (level * PLACE_BITS)) & PLACE_MASK;

    wi_assert(level < WI_WHEEL_LEVELS);
    wheel->occupied[level] |= UINT64_C(1) << index;
    link_at(&wheel->places[level][index], timer);
}

void
wi_wheel_init(struct wi_wheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick = now_ns / WI_WHEEL_TICK_NS;
    wheel->soonest_ns = UINT64_MAX;
}

void
wi_wheel_arm(struct wi_wheel *wheel, struct wi_timer *timer, enum wi_timer_kind kind,
             uint64_t deadline_ns)
{
    // Rounded up: never early. 2^47 ticks are some 4,000 years; later deadlines mean that.
    uint64_t tick = deadline_ns / WI_WHEEL_TICK_NS + (deadline_ns % WI_WHEEL_TICK_NS != 0);
    uint64_t last = wheel->tick + (UINT64_C(1) << 46);

    wi_wheel_disarm(wheel, timer);
    timer->when = (tick < last ? tick : last) << 8 | kind;
    wheel->armed++;
    if (tick * WI_WHEEL_TICK_NS < wheel->soonest_ns) {
        wheel->soonest_ns = tick * WI_WHEEL_TICK_NS;
    }
    if (due_tick(timer) < wheel->taking_below) {
        link_at(&wheel->later, timer);
    } else {
        place(wheel, timer);
    }
}

void
wi_wheel_disarm(struct wi_wheel *wheel, struct wi_timer *timer)
{
    if (timer->link != NULL) {
        wheel->armed--;
        unlink_timer(timer); // an empty place keeps its bit until time passes it
    }
}

// Time stands at the start of a place of this level: deal its timers out to the levels below.
static void
deal_out(struct wi_wheel *wheel, unsigned level)
{
    unsigned index = (unsigned)(wheel->tick >> (level * PLACE_BITS)) & PLACE_MASK;
    struct wi_timer *timer = wheel->places[level][index];

    wheel->places[level][index] = NULL;
    wheel->occupied[level] &= ~(UINT64_C(1) << index);
    while (timer != NULL) {
        struct wi_timer *next = timer->next;

        timer->link = NULL;
        place(wheel, timer);
        timer = next;
    }
}

// The first tick after the current one at which something is due or must be dealt out.
static uint64_t
next_stop(const struct wi_wheel *wheel)
{
    for (unsigned level = 0; level < WI_WHEEL_LEVELS; level++) {
        unsigned shift = level * PLACE_BITS;
        unsigned index = (unsigned)(wheel->tick >> shift) & PLACE_MASK;
        uint64_t later =
            index == PLACE_MASK ? 0 : wheel->occupied[level] & (~UINT64_C(0) << (index + 1));

        if (later != 0) {
            uint64_t base = wheel->tick >> shift >> PLACE_BITS << PLACE_BITS;

            return (base + (unsigned)__builtin_ctzll(later)) << shift;
        }
    }
    return UINT64_MAX;
}

static void
move_to(struct wi_wheel *wheel, uint64_t tick)
{
    uint64_t passed = wheel->tick ^ tick;

    wheel->tick = tick;
    for (unsigned level = WI_WHEEL_LEVELS - 1; level > 0; level--) {
        if (passed >> (level * PLACE_BITS) != 0) {
            deal_out(wheel, level);
        }
    }
}

// Move time on, but not past a place whose timers are still to be taken: they would be mistaken for
// ones a whole round later.
static void
advance(struct wi_wheel *wheel, uint64_t now)
{
    while (wheel->tick < now && wheel->places[0][wheel->tick & PLACE_MASK] == NULL) {
        uint64_t stop = next_stop(wheel);

        wheel->occupied[0] &= ~(UINT64_C(1) << (wheel->tick & PLACE_MASK));
        move_to(wheel, stop < now ? stop : now);
    }
}

static void
finish_taking(struct wi_wheel *wheel)
{
    struct wi_timer *timer = wheel->later;

    wheel->later = NULL;
    wheel->taking_below = 0;
    while (timer != NULL) {
        struct wi_timer *next = timer->next;

        timer->link = NULL;
        place(wheel, timer);
        timer = next;
    }
}

static uint64_t
soonest(const struct wi_wheel *wheel)
{
    uint64_t stop;

    if (wheel->armed == 0) {
        return UINT64_MAX;
    }
    if (wheel->places[0][wheel->tick & PLACE_MASK] != NULL) {
        return 0;
    }
    stop = next_stop(wheel);
    return stop == UINT64_MAX ? UINT64_MAX : stop * WI_WHEEL_TICK_NS;
}

struct wi_timer *
wi_wheel_take(struct wi_wheel *wheel, uint64_t now_ns)
{
    uint64_t now = now_ns / WI_WHEEL_TICK_NS;
    struct wi_timer *timer;

    wheel->taking_below = now + 1;
    advance(wheel, now);
    timer = wheel->places[0][wheel->tick & PLACE_MASK];
    if (timer == NULL) {
        finish_taking(wheel);
        wheel->soonest_ns = soonest(wheel);
        return NULL;
    }
    wi_assert(due_tick(timer) <= wheel->tick);
    wheel->armed--;
    unlink_timer(timer);
    return timer;
}
