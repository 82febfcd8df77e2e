// SPDX-License-Identifier: MIT
#include "tests/unit/mem_support.h"

#include "mem/shared.h"

static void
payload_is_a_copy(void **state)
{
    char text[] = "one for all";
    struct weir_shared *shared = weir_shared_create(text, sizeof(text));

    assert_non_null(shared);
    memset(text, 0, sizeof(text));
    assert_string_equal(weir_shared_data(shared), "one for all");
    assert_int_equal(wi_shared_size(shared), sizeof(text));
    assert_int_equal(weir_shared_size(shared), wi_shared_size(shared));
    assert_ptr_equal(wi_shared_bytes(shared), weir_shared_data(shared));
    assert_int_equal((uintptr_t)weir_shared_data(shared) % _Alignof(max_align_t), 0);
    weir_shared_unref(shared);
    (void)state;
}

static void
payload_without_data_is_left_to_the_caller(void **state)
{
    struct weir_shared *shared = weir_shared_create(NULL, 100);

    assert_non_null(shared);
    memset(weir_shared_data(shared), 7, 100);
    assert_int_equal(wi_shared_bytes(shared)[99], 7);
    weir_shared_unref(shared);
    (void)state;
}

static void
empty_and_impossible_payloads_are_refused(void **state)
{
    assert_null(weir_shared_create("x", 0));
    assert_null(weir_shared_create(NULL, SIZE_MAX));
    wi_heap_fail(1, 0);
    assert_null(weir_shared_create("x", 1));
    (void)state;
}

static void
unref_of_null_does_nothing(void **state)
{
    weir_shared_unref(NULL);
    (void)state;
}

static void
references_are_counted(void **state)
{
    struct weir_shared *shared = weir_shared_create("x", 1);

    assert_non_null(shared);
    assert_int_equal(wi_shared_refs(shared), 1);
    assert_ptr_equal(weir_shared_ref(shared), shared);
    assert_int_equal(wi_shared_refs(shared), 2);
    weir_shared_unref(shared);
    assert_int_equal(wi_shared_refs(shared), 1);
    weir_shared_unref(shared);
    (void)state;
}

static wi_atomic_u32 failures;

static void *
share_and_release(void *arg)
{
    struct weir_shared *shared = arg;

    for (int i = 0; i < 20000; i++) {
        struct weir_shared *mine = weir_shared_ref(shared);

        if (wi_shared_bytes(mine)[i % 64] != i % 64) {
            wi_add_relaxed(&failures, 1);
        }
        weir_shared_unref(mine);
    }
    weir_shared_unref(shared);
    return NULL;
}

static void
last_of_many_threads_frees_the_payload(void **state)
{
    struct weir_shared *shared = weir_shared_create(NULL, 64);
    uint8_t *bytes = weir_shared_data(shared);
    pthread_t threads[4];

    for (int i = 0; i < 64; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (int i = 0; i < 4; i++) {
        (void)weir_shared_ref(shared);
        assert_int_equal(pthread_create(&threads[i], NULL, share_and_release, shared), 0);
    }
    weir_shared_unref(shared);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(wi_load_relaxed(&failures), 0);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(payload_is_a_copy),
        mem_test(payload_without_data_is_left_to_the_caller),
        mem_test(empty_and_impossible_payloads_are_refused),
        mem_test(unref_of_null_does_nothing),
        mem_test(references_are_counted),
        mem_test(last_of_many_threads_frees_the_payload),
    };

    return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
