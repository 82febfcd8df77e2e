// SPDX-License-Identifier: MIT
// Tables of slots: a segment is seen set up or not at all, and a free slot has one taker.

#include "runtime/slots.h"

#include "tests/sched/scenarios.h"

#define SLOTS 4u

struct object {
    wi_atomic_u32 next_free;
    unsigned value;
};

static struct wi_slots table;
static struct wi_free_list list;
static unsigned taken[SLOTS]; // how often, now

static void
make_segment(void *arg)
{
    uint32_t first;
    struct object *segment = wi_slots_grow(&table, &first);

    (void)arg;
    sched_check(segment != NULL);
    for (unsigned i = 0; i < SLOTS; i++) {
        segment[i].value = 7;
    }
    wi_slots_publish(&table, first, segment);
}

// Any number may stand in a handle.
static void
look(void *arg)
{
    for (uint32_t slot = 0; slot < 2 * SLOTS; slot += SLOTS) {
        const struct object *object = wi_slots_at(&table, slot);

        (void)arg;
        sched_check(object == NULL || object->value == 7);
    }
}

static void
start_table(void)
{
    sched_check(wi_slots_init(&table, SLOTS, sizeof(struct object),
                              offsetof(struct object, next_free)) == 0);
}

static void
set_up_grow(void)
{
    start_table();
    sched_start(make_segment, NULL);
    sched_start(make_segment, NULL);
    sched_start(look, NULL);
}

static void
verify_grow(void)
{
    sched_check(wi_slots_at(&table, 0) != NULL && wi_slots_at(&table, SLOTS) != NULL);
    sched_check(wi_slots_at(&table, 0) != wi_slots_at(&table, SLOTS));
    sched_check(wi_slots_at(&table, 2 * SLOTS) == NULL);
}

const struct sched_scenario slots_grow = {
    .name = "slots-grow",
    .promise = "two threads grow a table; who looks finds objects set up, or none",
    .set_up = set_up_grow,
    .verify = verify_grow,
};

// Take one, use it, put it back, twice: with another at the same, the head comes and goes.
static void
take_and_put(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t slot = wi_free_take(&table, &list);
        struct object *object;

        if (slot == WI_SLOT_NONE) {
            continue;
        }
        object = wi_slots_at(&table, slot);
        object->value++;
        wi_free_put(&table, &list, slot);
    }
}

static void
take_two(void *arg)
{
    uint32_t first = wi_free_take(&table, &list);
    uint32_t second = wi_free_take(&table, &list);

    (void)arg;
    sched_check(first == WI_SLOT_NONE || first != second);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t slot = i == 0 ? first : second;

        if (slot != WI_SLOT_NONE) {
            ((struct object *)wi_slots_at(&table, slot))->value++;
            wi_free_put(&table, &list, slot);
        }
    }
}

static void
set_up_free(void)
{
    start_table();
    make_segment(NULL);
    for (uint32_t slot = 0; slot < 3; slot++) {
        wi_free_put(&table, &list, slot);
    }
    sched_start(take_and_put, NULL);
    sched_start(take_two, NULL);
}

static void
verify_free(void)
{
    uint32_t slot;
    unsigned count = 0;

    while ((slot = wi_free_take(&table, &list)) != WI_SLOT_NONE) {
        sched_check(slot < 3 && taken[slot] == 0);
        taken[slot]++;
        count++;
    }
    sched_check(count == 3);
}

const struct sched_scenario slots_free = {
    .name = "slots-free",
    .promise = "a free slot is taken by one thread at a time, and none is lost",
    .set_up = set_up_free,
    .verify = verify_free,
    .pre_emptions = 3,
};
