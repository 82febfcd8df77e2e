// SPDX-License-Identifier: MIT

// Every scenario again for each of its allocations, and with so many pool blocks left.

#include "mem/heap.h"
#include "tests/lib/torture.h"

#include <errno.h>
#include <stdio.h>

#define ALLOCATIONS_MAX 2000u
#define BLOCKS_LEFT_MAX 12u
#define BLOCKS_MAX      4096u

struct failing {
    unsigned long nth;
    bool forever;
    unsigned long count; // allocations while it stood
};

static void
begin(void *arg)
{
    struct failing *failing = arg;

    wi_heap_fail(failing->nth, failing->forever);
}

static void
end(void *arg)
{
    struct failing *failing = arg;

    if (failing->count == 0) {
        failing->count = wi_heap_fail_count();
    }
    wi_heap_fail(0, 0);
}

// ---- blocks -----------------------------------------------------------------------------------

struct starving {
    unsigned left; // blocks that can still be leased
    struct weir_block *kept[BLOCKS_MAX];
    unsigned count;
};

// The calling thread, which turns the loops, has leased all its pool can give without allocating.
static void
begin_starving(void *arg)
{
    struct starving *starving = arg;

    wi_heap_fail(1, true);
    while (starving->count < BLOCKS_MAX &&
           (starving->kept[starving->count] = weir_block_lease(WEIR_BLOCK_SIZE)) != NULL) {
        starving->count++;
    }
    for (unsigned i = 0; i < starving->left && starving->count != 0; i++) {
        weir_block_return(starving->kept[--starving->count]);
    }
    wi_heap_fail(1, true);
}

static void
end_starving(void *arg)
{
    struct starving *starving = arg;

    wi_heap_fail(0, 0);
    while (starving->count != 0) {
        weir_block_return(starving->kept[--starving->count]);
    }
}

void
torture_blocks(struct fixture *fixture, const struct scenario *list, unsigned count)
{
    static struct starving starving;

    for (unsigned i = 0; i < count; i++) {
        for (unsigned left = 0; left < BLOCKS_LEFT_MAX && !list[i].bare; left++) {
            struct seam seam = {
                .begin = begin_starving, .end = end_starving, .arg = &starving, .status = -ENOMEM};
            char what[128];

            starving.left = left;
            snprintf(what, sizeof(what), "%u blocks are left", left);
            torture_run(fixture, &list[i], &seam, what);
        }
    }
}

// ---- allocations ------------------------------------------------------------------------------

// How many allocations were made to fail.
static unsigned
torture_each(struct fixture *fixture, const struct scenario *scenario, bool forever)
{
    unsigned failed = 0;

    for (unsigned long nth = forever ? 1 : 0; nth < ALLOCATIONS_MAX; nth++) {
        struct failing failing = {.nth = nth, .forever = forever};
        struct seam seam = {.begin = begin,
                            .end = end,
                            .arg = &failing,
                            .status = -ENOMEM,
                            .lasting = forever,
                            .idle = nth == 0};
        char what[128];

        snprintf(what, sizeof(what), "allocation %lu fails%s", nth,
                 forever ? ", and all after" : "");
        torture_run(fixture, scenario, &seam, what);
        if (nth != 0 && failing.count < nth) {
            return failed; // none was left to fail
        }
        failed += nth != 0;
    }
    fail_msg("scenario %s does not come to an end of its allocations", scenario->name);
    return failed;
}

void
torture_allocations(struct fixture *fixture, const struct scenario *list, unsigned count,
                    bool forever)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned failed = torture_each(fixture, &list[i], forever);

        print_message("%s: %u allocations failed%s\n", list[i].name, failed,
                      forever ? " for ever" : "");
        sum += failed;
    }
    print_message("%u in all\n", sum);
}
