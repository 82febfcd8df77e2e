// SPDX-License-Identifier: MIT
//
// Seats: each is one's at a time, a stale handle finds its word, and none is lost.
#include "netio/seat.h"
#include "tests/lib/rounds.h"
#include "tests/lib/runtime_fixture.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, HELD = 40 };
#define ROUNDS ROUNDS_OF(4000u)

struct sitter {
    struct wi_seat seat;
    wi_atomic_u32 owners; // who sits here now
};

static struct wi_seats seats = WI_SEATS(struct sitter, 3);

static struct sitter *
take(void)
{
    return (struct sitter *)(void *)wi_seat_take(&seats);
}

static void
give(struct sitter *sitter)
{
    wi_store_relaxed(&sitter->seat.word,
                     wi_seat_word(&sitter->seat, seats.fresh) + WI_SEAT_GENERATION);
    wi_seat_free(&seats, &sitter->seat);
}

static void
garbage_handles_name_nobody(void **state)
{
    (void)state;
    assert_null(wi_seat_at(&seats, 0));
    assert_null(wi_seat_at(&seats, WI_SEAT_GENERATION | (WI_SEAT_GENERATION - 1)));
}

static void
a_stale_handle_is_known_by_its_generation(void **state)
{
    struct sitter *sitter = take();
    uint64_t word, handle;

    (void)state;
    assert_non_null(sitter);
    word = wi_load_relaxed(&sitter->seat.word);
    handle = wi_seat_handle(&sitter->seat, word);
    assert_int_equal(word & (WI_SEAT_GENERATION - 1), 3);
    assert_ptr_equal(wi_seat_at(&seats, handle), &sitter->seat);
    assert_true(wi_seat_is_same(word, handle));
    give(sitter);
    assert_ptr_equal(take(), sitter); // the last one given is taken first
    assert_ptr_equal(wi_seat_at(&seats, handle), &sitter->seat);
    assert_false(wi_seat_is_same(wi_load_relaxed(&sitter->seat.word), handle));
    give(sitter);
}

static void
seats_of_many_segments_have_indexes_of_their_own(void **state)
{
    enum { MANY = 3 << WI_SEAT_SEGMENT_SHIFT };
    static struct sitter *taken[MANY];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        taken[i] = take();
        assert_non_null(taken[i]);
        assert_ptr_equal(wi_seat_at(&seats, wi_seat_handle(&taken[i]->seat, WI_SEAT_GENERATION)),
                         &taken[i]->seat);
        for (unsigned j = 0; j < i; j++) {
            assert_ptr_not_equal(taken[j], taken[i]);
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        give(taken[i]);
    }
}

static void *
sit(void *arg)
{
    struct sitter *held[HELD] = {NULL};
    uintptr_t collisions = 0;

    (void)arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned at = round * 7 % HELD;

        if (held[at] != NULL) {
            wi_sub_relaxed(&held[at]->owners, 1);
            give(held[at]);
        }
        held[at] = take();
        collisions += held[at] == NULL || wi_add_relaxed(&held[at]->owners, 1) != 0;
        if (round % 64 == 0) {
            sched_yield();
        }
    }
    for (unsigned at = 0; at < HELD; at++) {
        if (held[at] != NULL) {
            wi_sub_relaxed(&held[at]->owners, 1);
            give(held[at]);
        }
    }
    return (void *)collisions;
}

static void
each_is_one_threads_at_a_time(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sit, NULL), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *collisions;

        assert_int_equal(pthread_join(threads[i], &collisions), 0);
        assert_null(collisions);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_handles_name_nobody),
        cmocka_unit_test(a_stale_handle_is_known_by_its_generation),
        cmocka_unit_test(seats_of_many_segments_have_indexes_of_their_own),
        cmocka_unit_test(each_is_one_threads_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
