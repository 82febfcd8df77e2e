// SPDX-License-Identifier: MIT
// The send queue's arithmetic: order, gathering, and what a short send means, against a flat model.

#include "netio/sendq.h"

#include "mem/block.h"
#include "tests/lib/runtime_fixture.h"

#include <stdio.h>
#include <string.h>

#define WRITES_MAX 64u
#define FLAT_MAX   2048u
#define IOV_MAX_   64u
#define MODEL_MAX  65536u

static struct wi_write writes[WRITES_MAX];
static struct iovec pieces[WRITES_MAX][8];
static unsigned char bytes[WRITES_MAX][MODEL_MAX / 4];
static unsigned made;
static struct wi_sendq queue;

static unsigned char flat[FLAT_MAX];
static struct iovec iov[IOV_MAX_];

static unsigned char model[MODEL_MAX]; // what is queued, in order
static size_t model_size;

// ---- making writes ------------------------------------------------------------------------------

static int
scene_open(void **state)
{
    (void)state;
    memset(writes, 0, sizeof(writes));
    made = 0;
    model_size = 0;
    queue = (struct wi_sendq){0};
    return 0;
}

static void
drop_chains(void)
{
    for (unsigned i = 0; i < made; i++) {
        if (writes[i].flags & WI_WRITE_CHAIN) {
            weir_chain_return(&writes[i].from.chain);
        }
    }
}

static int
scene_close(void **state)
{
    (void)state;
    drop_chains();
    wi_pack_close();
    return 0;
}

static struct wi_write *
make(uint64_t size, unsigned flags)
{
    struct wi_write *write = &writes[made];

    assert_true(made < WRITES_MAX && size <= sizeof(bytes[0]));
    for (uint64_t i = 0; i < size; i++) {
        bytes[made][i] = (unsigned char)(made * 41 + i * 7 + (i >> 8));
    }
    *write = (struct wi_write){.size = size, .flags = flags};
    write->op.flags = WI_OP_NAMED;
    wi_store_relaxed(&write->op.word, (UINT64_C(1) << 32) | WI_OP_QUEUED);
    write->from.one =
        (struct iovec){.iov_base = size == 0 ? NULL : bytes[made], .iov_len = (size_t)size};
    made++;
    return write;
}

static struct wi_write *
make_many(uint64_t size, unsigned count)
{
    struct wi_write *write = make(size, WI_WRITE_MANY);
    struct iovec *list = pieces[write - writes];
    size_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t piece = i + 1 == count ? (size_t)size - done : (size_t)size / count;

        list[i] = (struct iovec){.iov_base = bytes[write - writes] + done, .iov_len = piece};
        done += piece;
    }
    write->from.many.next = list;
    write->from.many.left = count;
    return write;
}

static struct wi_write *
make_chain(uint64_t size)
{
    struct wi_write *write = make(size, WI_WRITE_CHAIN);

    write->from.chain = (struct weir_chain){0};
    assert_int_equal(weir_chain_append(&write->from.chain, bytes[write - writes], (size_t)size), 0);
    return write;
}

static struct wi_write *
put(struct wi_write *write)
{
    memcpy(model + model_size, bytes[write - writes], (size_t)write->size);
    model_size += (size_t)write->size;
    wi_sendq_append(&queue, write);
    return write;
}

static void
cancel(struct wi_write *write)
{
    wi_or_acq_rel(&write->op.word, WI_OP_CANCEL);
}

// ---- looking ------------------------------------------------------------------------------------

// The queue is these writes, by number, linked both ways.
static void
expect_order(const char *text)
{
    char seen[WRITES_MAX * 4] = "";
    struct wi_write *last = NULL;

    for (struct wi_write *write = queue.head; write != NULL; write = wi_write_next(write)) {
        size_t used = strlen(seen);

        snprintf(seen + used, sizeof(seen) - used, "%s%td", used == 0 ? "" : " ", write - writes);
        assert_ptr_equal(write->op.prev, last == NULL ? NULL : &last->op);
        last = write;
    }
    assert_ptr_equal(queue.tail, last);
    assert_string_equal(seen, text);
}

static struct wi_gather
gather(uint64_t size_max, size_t iov_max, size_t flat_size)
{
    struct wi_gather result = {
        .iov = iov,
        .iov_max = iov_max,
        .size_max = size_max,
        .flat = flat,
        .flat_left = flat_size,
    };

    wi_sendq_gather(&queue, &result);
    return result;
}

// What was gathered is the model's bytes from offset on.
static void
expect_gathered(const struct wi_gather *result, size_t offset)
{
    size_t done = 0;

    for (size_t i = 0; i < result->iov_count; i++) {
        assert_true(offset + done + iov[i].iov_len <= model_size);
        assert_memory_equal(iov[i].iov_base, model + offset + done, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    assert_int_equal(done, result->size);
}

// The kernel took so much. How many writes were done; what remains of size must be 0.
static unsigned
advance(uint64_t size)
{
    unsigned done = 0;

    while (wi_sendq_advance(&queue, &size)) {
        assert_non_null(queue.head);
        wi_sendq_remove(&queue, queue.head);
        done++;
    }
    assert_int_equal(size, 0);
    return done;
}

// ---- order --------------------------------------------------------------------------------------

static void
writes_stand_in_the_order_they_were_put(void **state)
{
    (void)state;
    assert_true(wi_sendq_is_empty(&queue));
    wi_sendq_append(&queue, make(1, 0));
    wi_sendq_append(&queue, make(1, 0));
    wi_sendq_prepend(&queue, make(1, 0));
    expect_order("2 0 1");
    wi_sendq_remove(&queue, &writes[0]);
    expect_order("2 1");
    wi_sendq_append(&queue, &writes[0]);
    expect_order("2 1 0");
    wi_sendq_remove(&queue, &writes[2]);
    wi_sendq_remove(&queue, &writes[0]);
    expect_order("1");
    wi_sendq_remove(&queue, &writes[1]);
    expect_order("");
    assert_null(writes[1].op.prev);
    assert_null(writes[1].op.task.next);
    wi_sendq_prepend(&queue, &writes[1]);
    expect_order("1");
}

static void
priority_passes_what_has_not_started(void **state)
{
    (void)state;
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    wi_sendq_append(&queue, make(1, 0));
    wi_sendq_append(&queue, make(1, 0));
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    expect_order("0 3 4 1 2");
}

static void
priority_never_passes_start_fin_a_barrier_or_what_has_begun(void **state)
{
    struct {
        unsigned size, flags;
        bool claimed, sent;
    } const barred[] = {
        {.size = 1, .flags = WEIR_START},
        {.size = 1, .flags = WEIR_FIN},
        {.size = 0},
        {.size = 2, .claimed = true},
        {.size = 2, .sent = true},
        {.size = 1, .flags = WEIR_START | WEIR_FIN},
        {.size = 1, .flags = WEIR_PRIORITY},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(barred) / sizeof(barred[0]); i++) {
        struct wi_write *write;

        scene_open(NULL);
        wi_sendq_append(&queue, make(1, 0));
        write = make(barred[i].size, barred[i].flags);
        wi_sendq_append(&queue, write);
        if (barred[i].claimed) {
            assert_true(wi_op_claim(&write->op));
        }
        write->op.owner = barred[i].sent;
        wi_sendq_append(&queue, make(1, 0));
        wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
        expect_order("0 1 3 2");
    }
}

static void
at_most_sixteen_with_priority_stand_in_a_row(void **state)
{
    (void)state;
    wi_sendq_append(&queue, make(1, 0));
    for (unsigned i = 0; i < WI_PRIORITY_RUN; i++) {
        wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    }
    expect_order("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 0");
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY)); // takes its ordinary place
    expect_order("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 0 17");
    wi_sendq_append(&queue, make(1, 0));
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY)); // a new run has begun there
    expect_order("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 0 17 19 18");
}

static void
a_run_of_priority_shrinks_as_it_is_sent(void **state)
{
    (void)state;
    wi_sendq_append(&queue, make(1, 0));
    for (unsigned i = 0; i < WI_PRIORITY_RUN; i++) {
        wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    }
    wi_sendq_remove(&queue, &writes[1]);
    wi_sendq_insert_priority(&queue, make(1, WEIR_PRIORITY));
    expect_order("2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 0");
}

// ---- gathering ----------------------------------------------------------------------------------

static void
small_pieces_are_copied_together_and_large_ones_are_not(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(10, 0));
    put(make(WI_FLAT_PIECE_MAX, 0));
    put(make(WI_FLAT_PIECE_MAX + 1, 0));
    put(make(1, 0));
    put(make_many(30, 3));
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_int_equal(result.iov_count, 3);
    assert_ptr_equal(iov[0].iov_base, flat);
    assert_int_equal(iov[0].iov_len, 10 + WI_FLAT_PIECE_MAX);
    assert_ptr_equal(iov[1].iov_base, bytes[2]);
    assert_ptr_equal(iov[2].iov_base, flat + 10 + WI_FLAT_PIECE_MAX);
    assert_int_equal(iov[2].iov_len, 31);
    assert_int_equal(result.size, model_size);
    expect_gathered(&result, 0);
    assert_false(result.wants_ack || result.lost != NULL);
    for (unsigned i = 0; i < made; i++) {
        assert_true(wi_op_is_claimed(&writes[i].op));
    }
}

static void
without_room_to_copy_pieces_go_by_reference(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(10, 0));
    put(make(10, 0));
    result = gather(UINT64_MAX, IOV_MAX_, 10);
    assert_int_equal(result.iov_count, 2);
    assert_ptr_equal(iov[0].iov_base, flat);
    assert_ptr_equal(iov[1].iov_base, bytes[1]);
    expect_gathered(&result, 0);
}

static void
a_gather_stops_at_every_bound_of_bytes(void **state)
{
    (void)state;
    put(make(3, 0));
    put(make(300, 0));
    put(make_many(700, 4));
    put(make(0, 0));
    put(make_chain(5000));
    put(make(9, 0));
    for (uint64_t bound = 1; bound <= model_size + 2; bound++) {
        struct wi_gather result = gather(bound, IOV_MAX_, sizeof(flat));

        assert_int_equal(result.size, bound < model_size ? bound : model_size);
        expect_gathered(&result, 0);
    }
}

static void
a_gather_stops_at_every_bound_of_pieces(void **state)
{
    size_t before = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        put(make(7, 0));
        put(make(400, 0));
        put(make_many(900, 3));
    }
    for (size_t bound = 1; bound <= 40; bound++) {
        struct wi_gather result = gather(UINT64_MAX, bound, 8); // little room: references too

        assert_true(result.iov_count <= bound);
        assert_true(result.size >= before);
        before = result.size;
        expect_gathered(&result, 0);
    }
    assert_int_equal(before, model_size);
}

static void
what_a_bound_keeps_out_is_not_claimed(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(300, 0));
    put(make(300, 0));
    put(make(300, 0));
    result = gather(300, IOV_MAX_, sizeof(flat));
    assert_int_equal(result.size, 300);
    assert_false(wi_op_is_claimed(&writes[1].op));
    result = gather(301, IOV_MAX_, sizeof(flat));
    assert_true(wi_op_is_claimed(&writes[1].op));
    assert_false(wi_op_is_claimed(&writes[2].op));
    assert_int_equal(result.size, 301);
}

// Large writes from their own memory share a send with their like only, a file with nobody; a
// barrier in front goes with either.
static void
writes_of_different_kinds_never_share_a_send(void **state)
{
    static const uint32_t flags[] = {
        0, 0, WEIR_ZEROCOPY, WEIR_ZEROCOPY, WEIR_ZEROCOPY, 0, WI_WRITE_FILE, 0, WI_WRITE_FILE, 0};
    static const uint64_t sizes[] = {100, 0, 40000, 50000, 60, 0, 300, 0, 400, 5};
    static const struct {
        enum wi_gather_kind kind;
        uint64_t size;
        unsigned ended; // writes
        bool goes_on;   // with a file
    } expected[] = {
        {WI_GATHER_BYTES, 100, 2, false}, {WI_GATHER_OWN, 90000, 2, false},
        {WI_GATHER_BYTES, 60, 2, true},   {WI_GATHER_FILE, 300, 1, false},
        {WI_GATHER_FILE, 400, 2, false},  {WI_GATHER_BYTES, 5, 1, false},
    };
    unsigned first = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct wi_write *write = make(0, flags[i]);

        write->size = sizes[i];
        if (!(flags[i] & WI_WRITE_FILE)) {
            write->from.one = (struct iovec){.iov_base = model, .iov_len = (size_t)sizes[i]};
        }
        wi_sendq_append(&queue, write);
    }
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct wi_gather result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
        uint64_t size = result.size;

        assert_int_equal(result.kind, expected[i].kind);
        assert_int_equal(size, expected[i].size);
        assert_int_equal(result.goes_on, expected[i].goes_on);
        assert_ptr_equal(result.file, result.kind == WI_GATHER_FILE
                                          ? &writes[first + expected[i].ended - 1]
                                          : NULL);
        for (unsigned ended = 0; ended < expected[i].ended; ended++) {
            struct wi_write *head = queue.head;

            assert_ptr_equal(head, &writes[first + ended]);
            assert_true(wi_op_is_claimed(&head->op));
            assert_true(wi_sendq_advance(&queue, &size));
            wi_sendq_remove(&queue, head);
        }
        assert_int_equal(size, 0);
        first += expected[i].ended;
        assert_true(queue.head == NULL || !wi_op_is_claimed(&queue.head->op));
    }
}

static void
nothing_is_gathered_behind_a_fin(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(5, 0));
    put(make(5, WEIR_FIN));
    wi_sendq_append(&queue, make(5, 0));
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_int_equal(result.size, 10);
    assert_false(wi_op_is_claimed(&writes[2].op));
    assert_int_equal(advance(10), 2);
    expect_order("2");
}

static void
a_level_that_waits_for_the_peer_is_noticed(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(5, 0))->ticket = (uint32_t)WEIR_ACCEPTED << 24;
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_false(result.wants_ack);
    put(make(5, 0))->ticket = (uint32_t)WEIR_ACKED << 24 | 0xffffff;
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_true(result.wants_ack);
}

static void
a_gather_stops_at_what_a_canceller_won(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(5, 0));
    wi_sendq_append(&queue, make(5, 0));
    put(make(5, 0));
    cancel(&writes[1]);
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_ptr_equal(result.lost, &writes[1]);
    assert_int_equal(result.size, 5);
    assert_false(wi_op_is_claimed(&writes[2].op));
    assert_int_equal(advance(5), 1); // the lost one is not done: the caller ends it
    expect_order("1 2");
    wi_sendq_remove(&queue, result.lost);
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_null(result.lost);
    expect_gathered(&result, 5);
}

static void
a_cancel_after_the_claim_changes_nothing(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(600, 0));
    result = gather(10, IOV_MAX_, sizeof(flat));
    cancel(&writes[0]);
    assert_int_equal(advance(10), 0);
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_null(result.lost);
    assert_int_equal(result.size, 590);
    expect_gathered(&result, 10);
}

static void
what_completed_early_is_sent_without_a_claim(void **state)
{
    struct wi_gather result;

    (void)state;
    put(make(5, WI_WRITE_EARLY));
    wi_store_relaxed(&writes[0].op.word, (UINT64_C(2) << 32)); // its handle is stale already
    put(make(5, 0));
    result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_null(result.lost);
    assert_int_equal(result.size, 10);
    assert_int_equal(wi_op_state(wi_load_relaxed(&writes[0].op.word)), WI_OP_FREE);
    assert_int_equal(advance(7), 1);
    assert_int_equal(writes[0].op.owner, 5);
    assert_int_equal(writes[1].op.owner, 2);
}

static void
an_empty_queue_gathers_and_advances_nothing(void **state)
{
    struct wi_gather result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));

    (void)state;
    assert_int_equal(result.iov_count, 0);
    assert_int_equal(result.size, 0);
    assert_int_equal(advance(0), 0);
}

// ---- advancing ----------------------------------------------------------------------------------

static void
barriers_are_done_when_all_before_them_is(void **state)
{
    (void)state;
    put(make(0, 0));
    put(make(4, 0));
    put(make(0, 0));
    put(make(0, WEIR_FIN));
    gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_int_equal(advance(3), 1);
    expect_order("1 2 3");
    assert_int_equal(advance(1), 3);
    expect_order("");
}

static void
a_barrier_that_was_not_claimed_is_not_done(void **state)
{
    (void)state;
    put(make(300, 0));
    put(make(0, 0));
    gather(300, IOV_MAX_, sizeof(flat)); // the bound stops in front of the barrier
    assert_int_equal(advance(300), 1);
    expect_order("1");
    gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
    assert_int_equal(advance(0), 1);
}

static void
some_is_done_with_its_first_byte(void **state)
{
    static const unsigned flags[] = {WEIR_SOME, WEIR_NOWAIT};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        scene_open(NULL);
        put(make(10, flags[i]));
        put(make(10, flags[i]));
        gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
        assert_int_equal(advance(0), 0); // nothing is not some
        assert_int_equal(advance(1), 1);
        assert_int_equal(writes[0].op.owner, 1);
        assert_int_equal(writes[1].op.owner, 0);
        expect_order("1");
        assert_int_equal(advance(9), 1);
        assert_int_equal(writes[1].op.owner, 9);
    }
}

// One queue of every form, with sizes at the edges of copying and blocks.
static void
put_every_form(void)
{
    put(make(1, 0));
    put(make(0, 0));
    put(make(WI_FLAT_PIECE_MAX - 1, 0));
    put(make_many(17, 5));
    put(make(WI_FLAT_PIECE_MAX + 1, 0));
    put(make_chain(40));
    put(make_many(900, 2));
    put(make(0, 0));
    put(make_many(6, 8)); // some of its pieces are empty
    put(make_chain(300));
    put(make(WI_FLAT_PIECE_MAX, 0));
}

static unsigned
count_done(size_t sent)
{
    unsigned done = 0;
    size_t end = 0;

    while (done < made && end + writes[done].size <= sent) {
        end += (size_t)writes[done++].size;
    }
    return done;
}

static void
every_split_leaves_exactly_the_rest(void **state)
{
    size_t total;

    (void)state;
    put_every_form();
    total = model_size;
    drop_chains();
    for (size_t split = 0; split <= total; split++) {
        struct wi_gather result;
        unsigned done;

        scene_open(NULL);
        put_every_form();
        result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
        assert_int_equal(result.size, total);
        done = advance(split);
        assert_int_equal(done, count_done(split));
        for (unsigned i = 0; i < done; i++) {
            assert_int_equal(writes[i].op.owner, writes[i].size);
        }
        result = gather(UINT64_MAX, IOV_MAX_, sizeof(flat));
        assert_int_equal(result.size, total - split);
        expect_gathered(&result, split);
        advance(total - split);
        assert_true(wi_sendq_is_empty(&queue));
        drop_chains();
        made = 0;
    }
}

static void
put_random(uint64_t *seed)
{
    static const uint64_t sizes[] = {0, 1, 2, 100, 255, 256, 257, 1000, 4031, 4032, 4033, 9000};
    uint64_t size = sizes[random_upto(seed, sizeof(sizes) / sizeof(sizes[0]))];

    switch (random_upto(seed, 3)) {
    case 0:
        put(make(size, 0));
        break;
    case 1:
        put(make_many(size, 1 + (unsigned)random_upto(seed, 8)));
        break;
    default:
        put(size == 0 ? make(0, 0) : make_chain(size));
        break;
    }
}

static void
any_bounds_and_short_sends_carry_all_bytes_in_order(void **state)
{
    uint64_t seed = seed_take();

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        unsigned count = 1 + (unsigned)random_upto(&seed, 12);
        unsigned done = 0;
        size_t sent = 0;

        scene_open(NULL);
        while (made < count && model_size + 9000 <= MODEL_MAX) {
            put_random(&seed);
        }
        while (!wi_sendq_is_empty(&queue)) {
            uint64_t size_max = 1 + random_upto(&seed, 20000);
            size_t iov_max = 1 + (size_t)random_upto(&seed, 16);
            struct wi_gather result =
                gather(size_max, iov_max, (size_t)random_upto(&seed, FLAT_MAX));
            size_t taken = (size_t)random_upto(&seed, result.size + 1);

            expect_gathered(&result, sent);
            assert_true(result.size != 0 || wi_write_left(queue.head) == 0);
            done += advance(taken);
            sent += taken;
            assert_true(done <= count_done(sent));
        }
        assert_int_equal(sent, model_size);
        assert_int_equal(done, made);
        drop_chains();
        made = 0;
    }
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(writes_stand_in_the_order_they_were_put),
        SCENE(priority_passes_what_has_not_started),
        SCENE(priority_never_passes_start_fin_a_barrier_or_what_has_begun),
        SCENE(at_most_sixteen_with_priority_stand_in_a_row),
        SCENE(a_run_of_priority_shrinks_as_it_is_sent),
        SCENE(small_pieces_are_copied_together_and_large_ones_are_not),
        SCENE(without_room_to_copy_pieces_go_by_reference),
        SCENE(a_gather_stops_at_every_bound_of_bytes),
        SCENE(a_gather_stops_at_every_bound_of_pieces),
        SCENE(what_a_bound_keeps_out_is_not_claimed),
        SCENE(writes_of_different_kinds_never_share_a_send),
        SCENE(nothing_is_gathered_behind_a_fin),
        SCENE(a_level_that_waits_for_the_peer_is_noticed),
        SCENE(a_gather_stops_at_what_a_canceller_won),
        SCENE(a_cancel_after_the_claim_changes_nothing),
        SCENE(what_completed_early_is_sent_without_a_claim),
        SCENE(an_empty_queue_gathers_and_advances_nothing),
        SCENE(barriers_are_done_when_all_before_them_is),
        SCENE(a_barrier_that_was_not_claimed_is_not_done),
        SCENE(some_is_done_with_its_first_byte),
        SCENE(every_split_leaves_exactly_the_rest),
        SCENE(any_bounds_and_short_sends_carry_all_bytes_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
