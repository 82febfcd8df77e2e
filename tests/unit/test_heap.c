// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

static void
memory_is_usable_and_aligned(void **state)
{
    char *plain = wi_heap_alloc(100);
    char *aligned = wi_heap_alloc_aligned(3 << 20, 128 << 10);

    assert_non_null(plain);
    assert_non_null(aligned);
    memset(plain, 1, 100);
    memset(aligned, 2, 3 << 20);
    assert_int_equal((uintptr_t)plain % sizeof(void *), 0);
    assert_int_equal((uintptr_t)aligned % (128 << 10), 0);
    wi_heap_free(plain);
    wi_heap_free(aligned);
    (void)state;
}

static void
small_alignments_are_legal(void **state)
{
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        void *memory = wi_heap_alloc_aligned(40, alignment);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignment, 0);
        wi_heap_free(memory);
    }
    (void)state;
}

static void
zalloc_gives_zeroes_even_in_used_memory(void **state)
{
    uint8_t *memory = wi_heap_alloc(512);

    assert_non_null(memory);
    memset(memory, 0xff, 512);
    wi_heap_free(memory);
    memory = wi_heap_zalloc(512);
    assert_non_null(memory);
    for (int i = 0; i < 512; i++) {
        assert_int_equal(memory[i], 0);
    }
    wi_heap_free(memory);
    (void)state;
}

static void
free_of_null_does_nothing(void **state)
{
    wi_heap_free(NULL);
    (void)state;
}

static void
only_the_nth_allocation_fails(void **state)
{
    void *first;
    void *third;

    wi_heap_fail(2, 0);
    first = wi_heap_alloc(8);
    assert_null(wi_heap_zalloc(8));
    third = wi_heap_alloc_aligned(8, 64);
    assert_int_equal(wi_heap_fail_count(), 3);
    wi_heap_fail(0, 0);
    assert_non_null(first);
    assert_non_null(third);
    wi_heap_free(first);
    wi_heap_free(third);
    (void)state;
}

static void
every_allocation_from_the_nth_fails_when_asked(void **state)
{
    void *first;

    wi_heap_fail(2, 1);
    first = wi_heap_alloc(8);
    assert_non_null(first);
    assert_null(wi_heap_alloc(8));
    assert_null(wi_heap_zalloc(8));
    assert_null(wi_heap_alloc_aligned(8, 64));
    wi_heap_fail(0, 0);
    wi_heap_free(first);
    first = wi_heap_alloc(8);
    assert_non_null(first);
    wi_heap_free(first);
    (void)state;
}

static void *
allocate_and_end(void *arg)
{
    void **memory = arg;

    for (int i = 0; i < 64; i++) {
        memory[i] = wi_heap_alloc((size_t)(i + 1) * 100);
        if (memory[i] != NULL) {
            memset(memory[i], i, (size_t)(i + 1) * 100);
        }
    }
    return NULL;
}

static void
memory_outlives_its_thread_and_can_be_freed_elsewhere(void **state)
{
    void *memory[64];

    thread_run(allocate_and_end, memory);
    for (int i = 0; i < 64; i++) {
        const uint8_t *bytes = memory[i];

        assert_non_null(bytes);
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[(i + 1) * 100 - 1], i);
        wi_heap_free(memory[i]);
    }
    (void)state;
}

static void
heap_can_be_used_again_after_its_end(void **state)
{
    void *before = wi_heap_alloc(64);
    void *after;

    wi_heap_thread_end();
    wi_heap_thread_end();
    after = wi_heap_alloc(64);
    assert_non_null(before);
    assert_non_null(after);
    wi_heap_free(before);
    wi_heap_free(after);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(memory_is_usable_and_aligned),
        mem_test(small_alignments_are_legal),
        mem_test(zalloc_gives_zeroes_even_in_used_memory),
        mem_test(free_of_null_does_nothing),
        mem_test(only_the_nth_allocation_fails),
        mem_test(every_allocation_from_the_nth_fails_when_asked),
        mem_test(memory_outlives_its_thread_and_can_be_freed_elsewhere),
        mem_test(heap_can_be_used_again_after_its_end),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
