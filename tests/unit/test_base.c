// SPDX-License-Identifier: MIT
// Names, texts and times.

#include "weir/base.h"

#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static void
every_status_has_a_text_of_its_own(void **state)
{
    static const int statuses[] = {
        0,
        -WEIR_ESTALE,
        -WEIR_EENDED,
        -WEIR_ETORN,
        -WEIR_ESTREAMFULL,
        -WEIR_ELANEFULL,
        -WEIR_ELOOPFULL,
        -WEIR_EPROCFULL,
        -EACCES,
        -EADDRINUSE,
        -EADDRNOTAVAIL,
        -EAFNOSUPPORT,
        -EAGAIN,
        -EALREADY,
        -EBUSY,
        -ECANCELED,
        -ECHILD,
        -ECONNABORTED,
        -ECONNREFUSED,
        -ECONNRESET,
        -EDEADLK,
        -EHOSTUNREACH,
        -EILSEQ,
        -EINVAL,
        -ELOOP,
        -EMFILE,
        -ENAMETOOLONG,
        -ENETUNREACH,
        -ENFILE,
        -ENODATA,
        -ENOENT,
        -ENOMEM,
        -ENOTCONN,
        -ENOTSOCK,
        -ENOTSUP,
        -EPERM,
        -EPIPE,
        -ETIMEDOUT,
        -EXDEV,
    };
    const unsigned count = sizeof(statuses) / sizeof(statuses[0]);

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        const char *text = weir_strerror(statuses[i]);

        assert_string_not_equal(text, "unknown status");
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(text, weir_strerror(statuses[j]));
        }
    }
    assert_string_equal(weir_strerror(0), "success");
    assert_string_equal(weir_strerror(1), "unknown status");
    assert_string_equal(weir_strerror(-4000), "unknown status");
    assert_string_equal(weir_strerror(INT_MIN), "unknown status");
}

// Transports fail with whatever the kernel says.
static void
any_errno_has_a_text(void **state)
{
    static const int statuses[] = {-ENETDOWN, -EPROTO, -EIO, -ENOPROTOOPT, -EBADMSG, -ENOLINK};

    (void)state;
    for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        assert_string_not_equal(weir_strerror(statuses[i]), "unknown status");
    }
}

static void
every_origin_has_a_name(void **state)
{
    (void)state;
    for (unsigned origin = WEIR_ORIGIN_NONE; origin <= WEIR_ORIGIN_MEMORY; origin++) {
        const char *name = weir_origin_name((enum weir_origin)origin);

        assert_non_null(name);
        assert_string_not_equal(name, "unknown");
    }
    assert_string_equal(weir_origin_name((enum weir_origin)(WEIR_ORIGIN_MEMORY + 1)), "unknown");
    assert_string_equal(weir_origin_name((enum weir_origin) - 1), "unknown");
}

static void
the_version_is_the_headers(void **state)
{
    char expected[32];

    (void)state;
    snprintf(expected, sizeof(expected), "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
             WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), expected);
}

static void
deadlines_saturate_below_never(void **state)
{
    uint64_t before = weir_now_ns();
    uint64_t soon = weir_deadline_after(1000);

    (void)state;
    assert_true(soon >= before + 1000 && soon <= weir_now_ns() + 1000);
    assert_true(weir_deadline_after(0) >= before);
    assert_true(weir_deadline_after(UINT64_MAX) == WEIR_NEVER - 1);
    assert_true(weir_deadline_after(WEIR_NEVER - 1 - before) == WEIR_NEVER - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(any_errno_has_a_text),
        cmocka_unit_test(every_origin_has_a_name),
        cmocka_unit_test(the_version_is_the_headers),
        cmocka_unit_test(deadlines_saturate_below_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
