// SPDX-License-Identifier: MIT
// What the bits of a handle say.

#include "runtime/handle.h"

#include "tests/lib/runtime_fixture.h"

#include <errno.h>

static void
every_part_comes_back(void **state)
{
    static const struct {
        enum wi_handle_kind kind;
        unsigned runtime;
        uint32_t slot;
        uint32_t generation;
    } cases[] = {
        {WI_HANDLE_STREAM, 1, 0, 1},
        {WI_HANDLE_OP, WI_RUNTIMES_MAX - 1, WI_SLOTS_MAX - 1, WI_GENERATION_MAX},
        {WI_HANDLE_TOKEN, 7, 12345, 678},
        {WI_HANDLE_LISTENER, 16, 1u << 23, 1u << 31},
        {WI_HANDLE_WATCH, 3, 0xabcdef, 0xdeadbeef},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bits =
            wi_handle(cases[i].kind, cases[i].runtime, cases[i].slot, cases[i].generation);

        assert_int_equal(wi_handle_kind(bits), cases[i].kind);
        assert_int_equal(wi_handle_runtime(bits), cases[i].runtime);
        assert_int_equal(wi_handle_slot(bits), cases[i].slot);
        assert_int_equal(wi_handle_generation(bits), cases[i].generation);
    }
}

static void
garbage_names_nothing_and_harms_nothing(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    uint64_t random = seed_take();

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t bits = i == 0 ? 0 : random_next(&random);

        if (i % 2 == 0) { // the right runtime, so that only slot and generation are wrong
            bits = (bits & ~(UINT64_C(31) << 56)) | (uint64_t)wi_runtime_of(runtime)->index << 56;
        }
        assert_int_equal(weir_cancel((weir_op){bits}), WEIR_CANCEL_LATE);
        assert_false(weir_op_is_busy((weir_op){bits}));
        assert_int_equal(weir_op_wait((weir_op){bits}, WEIR_NEVER), 0);
        assert_int_equal(weir_token_fire((weir_token){bits}, 0, 0), -WEIR_ESTALE);
        assert_int_equal(weir_token_status((weir_token){bits}), -WEIR_ESTALE);
        assert_int_equal(weir_token_free((weir_token){bits}), -WEIR_ESTALE);
        assert_int_equal(weir_watch_stop((weir_watch){bits}), -WEIR_ESTALE);
    }
    runtime_end(runtime);
}

static void
a_handle_of_one_kind_is_stale_to_the_others(void **state)
{
    struct weir_runtime *runtime = runtime_make(1, WEIR_MANUAL);
    weir_token token;

    (void)state;
    assert_int_equal(weir_token_create(runtime, (weir_token){0}, &token), 0);
    assert_int_equal(weir_cancel((weir_op){token.bits}), WEIR_CANCEL_LATE);
    assert_int_equal(weir_watch_stop((weir_watch){token.bits}), -WEIR_ESTALE);
    assert_int_equal(weir_token_status(token), 0);
    runtime_end(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_comes_back),
        cmocka_unit_test(garbage_names_nothing_and_harms_nothing),
        cmocka_unit_test(a_handle_of_one_kind_is_stale_to_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
