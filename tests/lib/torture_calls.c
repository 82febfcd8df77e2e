// SPDX-License-Identifier: MIT
// Every scenario again for each of its system calls, and for each error that call may have: that
// one call fails; it and all of its kind after it fail; two calls fail, or a call and an
// allocation.
//
// WEIR_STEPS=all makes all of these, which takes minutes; else the first is made in full, and of
// the others a sample by WEIR_SEED.

#include "mem/heap.h"
#include "tests/lib/os_count.h"
#include "tests/lib/torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NTH_MAX      40u // of one kind of call; waits come in any number
#define POINTS_MAX   90u // of a scenario that is short enough for pairs
#define SAMPLE       61u // one in so many
#define DEFAULT_SEED 20151u
#define ALLOCATION   COUNT_CALLS // in place of a call
#define ALLOCATIONS  12u         // with which a call is paired

struct point {
    unsigned call; // an os_counted, or ALLOCATION
    unsigned long nth;
    int error;
};

struct failing {
    struct point first, second; // nth 0: none
    bool forever;
    unsigned long counts[COUNT_CALLS]; // calls while it stood
};

static struct {
    bool all;
    uint64_t seed;
    uint64_t number; // of the next choice
} sample;

static void
begin_sample(const char *what)
{
    const char *steps = getenv("WEIR_STEPS");
    const char *seed = getenv("WEIR_SEED");

    sample.all = steps != NULL && strcmp(steps, "all") == 0;
    sample.seed = seed != NULL ? strtoull(seed, NULL, 0) : DEFAULT_SEED;
    sample.number = 0;
    if (!sample.all) {
        print_message("one in %u; again with WEIR_SEED=%llu WEIR_TEST_FILTER='%s*'\n", SAMPLE,
                      (unsigned long long)sample.seed, what);
    }
}

static bool
is_in_sample(void)
{
    uint64_t mixed = (sample.seed + ++sample.number) * UINT64_C(0x9e3779b97f4a7c15);

    return sample.all || (mixed >> 32) % SAMPLE == 0;
}

static void
begin(void *arg)
{
    struct failing *failing = arg;
    const struct point *second = &failing->second;

    os_count_fail((enum os_counted)failing->first.call, failing->first.nth, failing->first.error);
    if (failing->forever) {
        os_count_fail_forever();
    }
    if (second->nth != 0 && second->call == ALLOCATION) {
        wi_heap_fail(second->nth, false);
    } else if (second->nth != 0) {
        os_count_fail_also((enum os_counted)second->call, second->nth, second->error);
    }
}

static void
end(void *arg)
{
    struct failing *failing = arg;

    for (unsigned i = 0; i < COUNT_CALLS; i++) {
        failing->counts[i] = os_count_of((enum os_counted)i);
    }
    os_count_off();
    wi_heap_fail(0, false);
}

static void
describe(const struct point *point, char *text, size_t size)
{
    if (point->nth == 0) {
        snprintf(text, size, "nothing");
    } else if (point->call == ALLOCATION) {
        snprintf(text, size, "allocation %lu", point->nth);
    } else {
        snprintf(text, size, "%s call %lu ends with %d (%s)",
                 os_count_name((enum os_counted)point->call), point->nth, point->error,
                 strerror(point->error));
    }
}

static void
run(struct fixture *fixture, const struct scenario *scenario, struct failing *failing)
{
    struct seam seam = {
        .begin = begin,
        .end = end,
        .arg = failing,
        .status = -failing->first.error,
        .status_also = -failing->second.error,
        .lasting = failing->forever,
        .idle = failing->first.nth == 0,
    };
    char first[128];
    char second[128];
    char what[300];

    describe(&failing->first, first, sizeof(first));
    describe(&failing->second, second, sizeof(second));
    snprintf(what, sizeof(what), "%s%s; %s", first, failing->forever ? ", and all after" : "",
             second);
    torture_run(fixture, scenario, &seam, what);
}

// ---- one ----------------------------------------------------------------------------------------

// For ever an error can be only if it does not promise an event that then does not come; and
// without any report nobody can say when the kernel lets go of the writer's memory.
static bool
can_last(enum os_counted call, int error)
{
    return error != COUNT_NOTHING && call != COUNT_RECEIVE_REPORT &&
           (error != EAGAIN || call == COUNT_THREAD_START);
}

// How many calls of the kind were made to fail.
static unsigned
torture_call(struct fixture *fixture, const struct scenario *scenario, enum os_counted call,
             unsigned long count, bool forever)
{
    unsigned long nth_max = sample.all && call != COUNT_WAIT ? count : NTH_MAX;
    unsigned failed = 0;

    for (const int *error = os_count_errors(call); *error != 0; error++) {
        for (unsigned long nth = 1; nth <= count && nth <= nth_max; nth++) {
            struct failing failing = {.first = {call, nth, *error}, .forever = forever};

            if (!forever || (can_last(call, *error) && is_in_sample())) {
                run(fixture, scenario, &failing);
                failed += failing.counts[call] >= nth;
            }
        }
    }
    return failed;
}

static void
tell(const unsigned *sum)
{
    unsigned all = 0;

    for (unsigned call = 0; call < COUNT_CALLS; call++) {
        if (sum[call] != 0) {
            print_message("%s: failed %u times\n", os_count_name((enum os_counted)call), sum[call]);
        }
        all += sum[call];
    }
    print_message("%u in all\n", all);
    assert_true(all != 0);
}

void
torture_calls(struct fixture *fixture, const struct scenario *list, unsigned count, bool forever)
{
    unsigned sum[COUNT_CALLS] = {0};

    begin_sample(forever ? "from_any_system_call_on_its_kind_may_fail"
                         : "any_system_call_may_fail");
    for (unsigned i = 0; i < count; i++) {
        struct failing none = {.forever = false};

        run(fixture, &list[i], &none);
        for (unsigned call = 0; call < COUNT_CALLS; call++) {
            sum[call] +=
                torture_call(fixture, &list[i], (enum os_counted)call, none.counts[call], forever);
        }
    }
    tell(sum);
}

// ---- two ----------------------------------------------------------------------------------------

// Each call of a scenario but its waits, with the first error of its kind. More than POINTS_MAX: it
// is too long for pairs.
static unsigned
list_points(const unsigned long *counts, struct point *points)
{
    unsigned count = 0;

    for (unsigned call = 0; call < COUNT_CALLS; call++) {
        for (unsigned long nth = 1; nth <= counts[call] && call != COUNT_WAIT; nth++) {
            if (count == POINTS_MAX) {
                return POINTS_MAX + 1;
            }
            points[count++] = (struct point){call, nth, *os_count_errors((enum os_counted)call)};
        }
    }
    return count;
}

// How many pairs were made.
static unsigned
torture_pairs(struct fixture *fixture, const struct scenario *scenario)
{
    struct failing none = {.forever = false};
    struct point points[POINTS_MAX + ALLOCATIONS];
    unsigned pairs = 0;
    unsigned calls;

    run(fixture, scenario, &none);
    calls = list_points(none.counts, points);
    if (calls > POINTS_MAX) {
        return 0;
    }
    for (unsigned i = 0; i < ALLOCATIONS; i++) {
        points[calls + i] = (struct point){ALLOCATION, i + 1, ENOMEM};
    }
    for (unsigned first = 0; first < calls; first++) {
        for (unsigned second = first + 1; second < calls + ALLOCATIONS; second++) {
            struct failing failing = {.first = points[first], .second = points[second]};

            if (is_in_sample()) {
                run(fixture, scenario, &failing);
                pairs++;
            }
        }
    }
    return pairs;
}

void
torture_two_calls(struct fixture *fixture, const struct scenario *list, unsigned count)
{
    unsigned short_ones = 0;
    unsigned all = 0;

    begin_sample("any_two_may_fail");
    for (unsigned i = 0; i < count; i++) {
        unsigned pairs = torture_pairs(fixture, &list[i]);

        short_ones += pairs != 0;
        all += pairs;
    }
    print_message("%u pairs, in %u of %u scenarios\n", all, short_ones, count);
    assert_true(all != 0);
}
