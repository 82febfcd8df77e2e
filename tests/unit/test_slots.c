// SPDX-License-Identifier: MIT
// Tables of type-stable slots, and their free lists.

#include "runtime/slots.h"

#include "mem/heap.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>

#define OBJECTS 8u
#define THREADS 4u
#define STEPS   50000u
#define KEPT    16u

struct object {
    uint64_t payload;
    wi_atomic_u32 owner; // 0: nobody
    wi_atomic_u32 next_free;
};

static void
table_init(struct wi_slots *slots)
{
    assert_int_equal(
        wi_slots_init(slots, OBJECTS, sizeof(struct object), offsetof(struct object, next_free)),
        0);
}

static uint32_t
table_grow(struct wi_slots *slots, void **ret_segment)
{
    uint32_t first;

    *ret_segment = wi_slots_grow(slots, &first);
    assert_non_null(*ret_segment);
    return first;
}

static void
a_number_names_nothing_until_its_segment_is_published(void **state)
{
    struct wi_slots slots;
    void *segment;
    uint32_t first;

    (void)state;
    table_init(&slots);
    assert_null(wi_slots_at(&slots, 0));
    first = table_grow(&slots, &segment);
    assert_int_equal(first, 0);
    assert_null(wi_slots_at(&slots, 0));
    wi_slots_publish(&slots, first, segment);
    assert_ptr_equal(wi_slots_at(&slots, 0), segment);
    assert_ptr_equal(wi_slots_at(&slots, 3), (struct object *)segment + 3);
    assert_null(wi_slots_at(&slots, OBJECTS));
    assert_null(wi_slots_at(&slots, WI_SLOTS_MAX - 1));
    assert_null(wi_slots_at(&slots, WI_SLOTS_MAX));
    assert_null(wi_slots_at(&slots, UINT32_MAX));
    wi_slots_fini(&slots);
    wi_slots_fini(&slots); // a table that is not there is nothing to free
}

// Also when it was the directory's page, the second allocation, that could not be made.
static void
a_growth_that_fails_leaves_no_hole(void **state)
{
    struct wi_slots slots;
    void *segment;
    uint32_t first;

    (void)state;
    table_init(&slots);
    for (unsigned long nth = 1; nth <= 2; nth++) {
        wi_heap_fail(nth, 0);
        assert_null(wi_slots_grow(&slots, &first));
        wi_heap_fail(0, 0);
    }
    assert_int_equal(table_grow(&slots, &segment), 0);
    wi_heap_free(segment);
    wi_slots_fini(&slots);
}

static void
fresh_objects_are_zero_and_never_move(void **state)
{
    struct wi_slots slots;
    void *segments[50];

    (void)state;
    table_init(&slots);
    for (uint32_t i = 0; i < 50; i++) {
        uint32_t first = table_grow(&slots, &segments[i]);
        const struct object *object = segments[i];

        assert_int_equal(first, i * OBJECTS);
        for (uint32_t j = 0; j < OBJECTS; j++) {
            assert_int_equal(object[j].payload, 0);
        }
        wi_slots_publish(&slots, first, segments[i]);
    }
    for (uint32_t i = 0; i < 50; i++) {
        assert_ptr_equal(wi_slots_at(&slots, i * OBJECTS), segments[i]);
    }
    wi_slots_fini(&slots);
}

static void
running_out_of_memory_changes_nothing(void **state)
{
    struct wi_slots slots;
    uint32_t first;

    (void)state;
    wi_heap_fail(1, 0);
    assert_int_equal(wi_slots_init(&slots, OBJECTS, sizeof(struct object), 0), -ENOMEM);
    wi_slots_fini(&slots);
    table_init(&slots);
    wi_heap_fail(1, 0);
    assert_null(wi_slots_grow(&slots, &first));
    wi_heap_fail(0, 0);
    assert_int_equal(wi_load_relaxed(&slots.segments), 0);
    wi_slots_fini(&slots);
}

static void
numbers_run_out_at_the_end_of_the_table(void **state)
{
    struct wi_slots slots;
    uint32_t first;

    (void)state;
    assert_int_equal(wi_slots_init(&slots, 1u << 20, 4, 0), 0);
    for (unsigned i = 0; i < WI_SLOTS_MAX >> 20; i++) {
        void *segment = wi_slots_grow(&slots, &first);

        assert_non_null(segment);
        wi_slots_publish(&slots, first, segment);
    }
    assert_null(wi_slots_grow(&slots, &first));
    assert_null(wi_slots_grow(&slots, &first));
    assert_non_null(wi_slots_at(&slots, WI_SLOTS_MAX - 1));
    wi_slots_fini(&slots);
}

// ---- free lists ---------------------------------------------------------------------------------

static void
the_free_list_is_a_stack(void **state)
{
    struct wi_free_list list = {0};
    struct wi_slots slots;
    void *segment;
    uint32_t first;

    (void)state;
    table_init(&slots);
    first = table_grow(&slots, &segment);
    wi_slots_publish(&slots, first, segment);
    assert_int_equal(wi_free_take(&slots, &list), WI_SLOT_NONE);
    wi_free_put(&slots, &list, 0);
    wi_free_put(&slots, &list, 5);
    assert_int_equal(wi_free_take(&slots, &list), 5);
    wi_free_put(&slots, &list, 7);
    assert_int_equal(wi_free_take(&slots, &list), 7);
    assert_int_equal(wi_free_take(&slots, &list), 0);
    assert_int_equal(wi_free_take(&slots, &list), WI_SLOT_NONE);
    wi_slots_fini(&slots);
}

static void
a_slot_that_went_and_came_back_is_not_mistaken_for_itself(void **state)
{
    struct wi_free_list list = {0};
    struct wi_slots slots;
    void *segment;
    uint32_t first;
    uint64_t before;

    (void)state;
    table_init(&slots);
    first = table_grow(&slots, &segment);
    wi_slots_publish(&slots, first, segment);
    wi_free_put(&slots, &list, 2);
    wi_free_put(&slots, &list, 1);
    before = wi_load_relaxed(&list.head);
    assert_int_equal(wi_free_take(&slots, &list), 1);
    assert_int_equal(wi_free_take(&slots, &list), 2);
    wi_free_put(&slots, &list, 1);
    // A stalled taker still has `before`, whose next is slot 2: its exchange must fail.
    assert_int_equal((uint32_t)wi_load_relaxed(&list.head), (uint32_t)before);
    assert_true(wi_load_relaxed(&list.head) != before);
    wi_slots_fini(&slots);
}

struct shared {
    struct wi_slots slots;
    struct wi_free_list list;
    wi_atomic_u32 made;
};

static uint32_t
take_or_make(struct shared *shared)
{
    uint32_t slot = wi_free_take(&shared->slots, &shared->list);
    void *segment;

    if (slot != WI_SLOT_NONE) {
        return slot;
    }
    segment = wi_slots_grow(&shared->slots, &slot);
    FAILED_UNLESS(segment != NULL);
    wi_slots_publish(&shared->slots, slot, segment);
    wi_add_relaxed(&shared->made, OBJECTS);
    for (uint32_t i = 1; i < OBJECTS; i++) {
        wi_free_put(&shared->slots, &shared->list, slot + i);
    }
    return slot;
}

static void *
take_and_put(void *arg)
{
    struct shared *shared = arg;
    uint32_t kept[KEPT];
    uint64_t random = (uintptr_t)&kept;
    unsigned count = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        if (count < KEPT && random_upto(&random, 2) == 0) {
            struct object *object;

            kept[count] = take_or_make(shared);
            object = wi_slots_at(&shared->slots, kept[count++]);
            FAILED_UNLESS(wi_add_relaxed(&object->owner, 1) == 0);
            object->payload++; // plain: the list hands the last user's writes over
        } else if (count > 0) {
            struct object *object = wi_slots_at(&shared->slots, kept[--count]);

            FAILED_UNLESS(wi_sub_relaxed(&object->owner, 1) == 1);
            wi_free_put(&shared->slots, &shared->list, kept[count]);
        }
    }
    while (count > 0) {
        struct object *object = wi_slots_at(&shared->slots, kept[--count]);

        wi_sub_relaxed(&object->owner, 1);
        wi_free_put(&shared->slots, &shared->list, kept[count]);
    }
    return NULL;
}

static void
many_threads_never_hold_one_slot_at_once(void **state)
{
    static struct shared shared;
    pthread_t threads[THREADS];
    uint32_t free = 0;

    (void)state;
    table_init(&shared.slots);
    for (unsigned i = 0; i < THREADS; i++) {
        thread_go(&threads[i], take_and_put, &shared);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end_of(threads[i]);
    }
    while (wi_free_take(&shared.slots, &shared.list) != WI_SLOT_NONE) {
        free++;
    }
    assert_int_equal(free, wi_load_relaxed(&shared.made));
    wi_slots_fini(&shared.slots);
    no_failures();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_names_nothing_until_its_segment_is_published),
        cmocka_unit_test(a_growth_that_fails_leaves_no_hole),
        cmocka_unit_test(fresh_objects_are_zero_and_never_move),
        cmocka_unit_test(running_out_of_memory_changes_nothing),
        cmocka_unit_test(numbers_run_out_at_the_end_of_the_table),
        cmocka_unit_test(the_free_list_is_a_stack),
        cmocka_unit_test(a_slot_that_went_and_came_back_is_not_mistaken_for_itself),
        cmocka_unit_test(many_threads_never_hold_one_slot_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
