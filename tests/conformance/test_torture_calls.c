// os: count
// SPDX-License-Identifier: MIT
// Every scenario again for each of its system calls, and for each error that call may have: that
// one call fails.

#include "tests/lib/os_count.h"
#include "tests/lib/torture.h"

#include <stdio.h>
#include <string.h>

#define NTH_MAX 40u // of one kind of call; waits come in any number

struct failing {
    enum os_counted call;
    unsigned long nth;
    int error;
    unsigned long counts[COUNT_CALLS]; // calls while it stood
};

static void
begin(void *arg)
{
    struct failing *failing = arg;

    os_count_fail(failing->call, failing->nth, failing->error);
}

static void
end(void *arg)
{
    struct failing *failing = arg;

    for (unsigned i = 0; i < COUNT_CALLS; i++) {
        failing->counts[i] = os_count_of((enum os_counted)i);
    }
    os_count_off();
}

static void
run(struct fixture *fixture, const struct scenario *scenario, struct failing *failing)
{
    struct seam seam = {.begin = begin, .end = end, .arg = failing, .status = -failing->error};
    char what[128];

    snprintf(what, sizeof(what), "%s call %lu ends with %d (%s)", os_count_name(failing->call),
             failing->nth, failing->error, strerror(failing->error));
    torture_run(fixture, scenario, &seam, what);
}

// How many calls of the kind were made to fail.
static unsigned
torture_call(struct fixture *fixture, const struct scenario *scenario, enum os_counted call,
             unsigned long count)
{
    unsigned failed = 0;

    for (const int *error = os_count_errors(call); *error != 0; error++) {
        for (unsigned long nth = 1; nth <= count && nth <= NTH_MAX; nth++) {
            struct failing failing = {.call = call, .nth = nth, .error = *error};

            run(fixture, scenario, &failing);
            failed += failing.counts[call] >= nth;
        }
    }
    return failed;
}

static void
any_system_call_may_fail(void **state)
{
    unsigned sum[COUNT_CALLS] = {0};
    unsigned all = 0;

    for (unsigned i = 0; i < scenario_count; i++) {
        struct failing none = {.nth = 0};

        run(*state, &scenarios[i], &none);
        for (unsigned call = 0; call < COUNT_CALLS; call++) {
            sum[call] +=
                torture_call(*state, &scenarios[i], (enum os_counted)call, none.counts[call]);
        }
    }
    for (unsigned call = 0; call < COUNT_CALLS; call++) {
        if (sum[call] != 0) {
            print_message("%s: failed %u times\n", os_count_name((enum os_counted)call), sum[call]);
        }
        all += sum[call];
    }
    print_message("%u in all\n", all);
}

int
main(void)
{
    static const struct test_case cases[] = {
        {"any_system_call_may_fail", any_system_call_may_fail, TRANSPORT_TCP4 | TRANSPORT_PATH},
    };

    return RUN_CASES("torture_calls", cases);
}
