// SPDX-License-Identifier: MIT
// The ring and the stack, alone and between threads.

#include "runtime/ring.h"

#include "mem/heap.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#define ENTRIES 16u
#define PASSED  ROUNDS_OF(200000u)
#define PUSHERS 4u
#define PUSHED  ROUNDS_OF(20000u)

static struct wi_ring *
ring_make(unsigned entries)
{
    struct wi_ring *ring =
        wi_heap_alloc_aligned(sizeof(*ring) + entries * sizeof(ring->slots[0]), WI_CACHE_LINE);

    assert_non_null(ring);
    wi_ring_init(ring, entries);
    return ring;
}

static void *
number(uintptr_t value)
{
    return (void *)value;
}

static void
a_ring_keeps_one_place_empty(void **state)
{
    struct wi_ring *ring = ring_make(ENTRIES);
    void *batch[ENTRIES];

    (void)state;
    assert_int_equal(wi_ring_room(ring), ENTRIES - 1);
    for (unsigned i = 0; i < ENTRIES - 1; i++) {
        assert_int_equal(wi_ring_size(ring), i);
        wi_ring_put(ring, number(i + 1));
    }
    assert_int_equal(wi_ring_room(ring), 0);
    assert_int_equal(wi_ring_take(ring, batch, ENTRIES), ENTRIES - 1);
    for (unsigned i = 0; i < ENTRIES - 1; i++) {
        assert_ptr_equal(batch[i], number(i + 1));
    }
    assert_int_equal(wi_ring_take(ring, batch, ENTRIES), 0);
    wi_heap_free(ring);
}

static void
a_batch_is_bounded_and_in_order(void **state)
{
    struct wi_ring *ring = ring_make(ENTRIES);
    void *batch[3];
    uintptr_t put = 0;
    uintptr_t taken = 0;

    (void)state;
    for (unsigned round = 0; round < 1000; round++) { // around the end many times
        for (unsigned i = 0; i < 5; i++) {
            if (wi_ring_room(ring) != 0) {
                wi_ring_put(ring, number(++put));
            }
        }
        for (unsigned i = wi_ring_take(ring, batch, 3), j = 0; j < i; j++) {
            assert_ptr_equal(batch[j], number(++taken));
        }
    }
    wi_heap_free(ring);
}

static void
positions_wrap_at_the_end_of_their_numbers(void **state)
{
    struct wi_ring *ring = ring_make(ENTRIES);
    void *batch[ENTRIES];
    uintptr_t put = 0;
    uintptr_t taken = 0;

    (void)state;
    ring->ring.c_head = ring->ring.p_head = ring->ring.p_tail = UINT32_MAX - 20;
    for (unsigned round = 0; round < 20; round++) {
        while (wi_ring_room(ring) != 0) {
            wi_ring_put(ring, number(++put));
        }
        assert_int_equal(wi_ring_size(ring), ENTRIES - 1);
        for (unsigned i = wi_ring_take(ring, batch, 7), j = 0; j < i; j++) {
            assert_ptr_equal(batch[j], number(++taken));
        }
    }
    wi_heap_free(ring);
}

static void *
put_all(void *arg)
{
    for (uintptr_t i = 1; i <= PASSED;) {
        if (wi_ring_room(arg) != 0) {
            wi_ring_put(arg, number(i));
            i++;
        }
    }
    return NULL;
}

static void
one_thread_puts_another_takes_each_once_in_order(void **state)
{
    struct wi_ring *ring = ring_make(ENTRIES);
    void *batch[ENTRIES];
    uintptr_t taken = 0;
    pthread_t thread;

    (void)state;
    thread_go(&thread, put_all, ring);
    while (taken < PASSED) {
        unsigned count = wi_ring_take(ring, batch, 1 + (unsigned)taken % ENTRIES);

        for (unsigned i = 0; i < count; i++) {
            assert_ptr_equal(batch[i], number(++taken));
        }
    }
    thread_end_of(thread);
    assert_int_equal(wi_ring_size(ring), 0);
    wi_heap_free(ring);
    no_failures();
}

// ---- the stack ----------------------------------------------------------------------------------

struct item {
    struct wi_stack_node node;
    unsigned pusher;
    unsigned number;
};

static void
a_stack_is_taken_whole_and_can_be_reversed(void **state)
{
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct wi_stack stack;
    struct wi_stack_node *node;

    (void)state;
    wi_stack_init(&stack);
    assert_true(wi_stack_is_empty(&stack));
    assert_null(wi_stack_take_all(&stack));
    assert_null(wi_stack_reversed(NULL));
    for (unsigned i = 0; i < 3; i++) {
        wi_stack_push(&stack, &items[i].node);
        assert_false(wi_stack_is_empty(&stack));
    }
    node = wi_stack_take_all(&stack);
    assert_true(wi_stack_is_empty(&stack));
    assert_ptr_equal(node, &items[2].node);
    node = wi_stack_reversed(node);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(node, &items[i].node);
        node = wi_stack_next(node);
    }
    assert_null(node);
}

struct pusher {
    pthread_t thread;
    struct wi_stack *stack;
    struct item *items;
};

static void *
push_all(void *arg)
{
    struct pusher *pusher = arg;

    for (unsigned i = 0; i < PUSHED; i++) {
        wi_stack_push(pusher->stack, &pusher->items[i].node);
    }
    return NULL;
}

static void
many_push_one_takes_each_once_in_order(void **state)
{
    static struct item items[PUSHERS][PUSHED];
    struct pusher pushers[PUSHERS];
    unsigned next[PUSHERS] = {0};
    struct wi_stack stack;
    unsigned taken = 0;

    (void)state;
    wi_stack_init(&stack);
    for (unsigned i = 0; i < PUSHERS; i++) {
        for (unsigned j = 0; j < PUSHED; j++) {
            items[i][j] = (struct item){.pusher = i, .number = j};
        }
        pushers[i] = (struct pusher){.stack = &stack, .items = items[i]};
        thread_go(&pushers[i].thread, push_all, &pushers[i]);
    }
    while (taken < PUSHERS * PUSHED) {
        struct wi_stack_node *node = wi_stack_reversed(wi_stack_take_all(&stack));

        for (; node != NULL; node = wi_stack_next(node), taken++) {
            const struct item *item = wi_container_of(node, struct item, node);

            assert_int_equal(item->number, next[item->pusher]);
            next[item->pusher]++;
        }
    }
    for (unsigned i = 0; i < PUSHERS; i++) {
        thread_end_of(pushers[i].thread);
    }
    assert_true(wi_stack_is_empty(&stack));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_keeps_one_place_empty),
        cmocka_unit_test(a_batch_is_bounded_and_in_order),
        cmocka_unit_test(positions_wrap_at_the_end_of_their_numbers),
        cmocka_unit_test(one_thread_puts_another_takes_each_once_in_order),
        cmocka_unit_test(a_stack_is_taken_whole_and_can_be_reversed),
        cmocka_unit_test(many_push_one_takes_each_once_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
