// SPDX-License-Identifier: MIT
// Blocks that other threads return: each comes home once, and a slab whose thread has ended is
// freed once, by whoever is last.

#include "mem/block.h"
#include "mem/pool.h"
#include "mem/slab.h"
#include "tests/sched/scenarios.h"
#include "weir/pool.h"

#define BLOCKS 4u

static wi_atomic_ptr offered[BLOCKS];

static void
offer(unsigned number, struct weir_block *block)
{
    weir_block_data(block)[0] = (uint8_t)number;
    wi_store_release(&offered[number], (uintptr_t)block);
}

static bool
is_offered(void *arg)
{
    return sched_peek(arg, sizeof(uintptr_t)) != 0;
}

static struct weir_block *
accept_block(unsigned number)
{
    struct weir_block *block;

    sched_wait(is_offered, &offered[number]);
    block = (struct weir_block *)wi_load_acquire(&offered[number]);
    sched_check(weir_block_data(block)[0] == number);
    return block;
}

// A thread that got a block writes it and returns it.
static void
return_one(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    struct weir_block *block = accept_block(number);

    weir_block_data(block)[8] = 1;
    weir_block_return(block);
}

static struct weir_block *
lease(void)
{
    struct weir_block *block = weir_block_lease(WEIR_BLOCK_SIZE);

    sched_check(block != NULL);
    return block;
}

static void
start_returners(unsigned count)
{
    static unsigned numbers[BLOCKS] = {0, 1, 2, 3};

    for (unsigned i = 0; i < count; i++) {
        sched_start(return_one, &numbers[i]);
    }
}

static uint64_t
slabs_now(void)
{
    uint64_t slabs, peak;

    wi_slab_counts(&slabs, &peak);
    return slabs;
}

/* ---- home-coming ---- */

static void
own_two(void *arg)
{
    uint32_t out = 0;

    (void)arg;
    for (unsigned i = 0; i < 2; i++) {
        struct weir_block *block;

        sched_hold();
        block = lease();
        sched_release();
        offer(i, block);
    }
    wi_pool_decay(); // takes home what has come by now
    // Leases until the slab is empty: none twice, and the bytes of none are still written by its
    // last holder.
    while (wi_pool_self->open->free != 0) {
        struct weir_block *block = lease();

        sched_check(!(out & 1u << wi_block_index(block)));
        out |= 1u << wi_block_index(block);
        weir_block_data(block)[8] = 2;
    }
    sched_hold();
    for (uint32_t i = 0; i < WI_SLAB_BLOCKS; i++) {
        if (out & 1u << i) {
            weir_block_return(&wi_pool_self->open->headers[i]);
        }
    }
    sched_release();
}

static void
set_up_home(void)
{
    sched_start(own_two, NULL);
    start_returners(2);
}

static void
verify_nothing_left(void)
{
    sched_check(slabs_now() == 0);
    for (struct wi_pool *pool = wi_pool_first(); pool != NULL; pool = pool->registered_next) {
        sched_check(wi_load_relaxed(&pool->holds) == 0 && !wi_load_relaxed(&pool->is_used));
        sched_check(wi_load_relaxed(&pool->leased) ==
                    wi_load_relaxed(&pool->returned) + wi_load_relaxed(&pool->returned_away));
    }
}

const struct sched_scenario pool_home = {
    .name = "pool-home",
    .promise = "blocks that two other threads return come home once while the owner takes them",
    .set_up = set_up_home,
    .verify = verify_nothing_left,
};

/* ---- the owner ends ---- */

static void
own_and_end(void *arg)
{
    struct weir_block *blocks[2];

    (void)arg;
    sched_hold();
    blocks[0] = lease();
    blocks[1] = lease();
    offer(0, blocks[0]);
    offer(1, blocks[1]);
    sched_release();
}

static void
set_up_orphan(void)
{
    sched_start(own_and_end, NULL);
    start_returners(2);
}

const struct sched_scenario pool_orphan = {
    .name = "pool-orphan",
    .promise = "the slab of a thread that ends is freed once, by whoever returns its last block",
    .set_up = set_up_orphan,
    .verify = verify_nothing_left,
};

/* ---- a thread begins when another one ends ---- */

static void
begin_anew(void *arg)
{
    struct weir_block *block;

    (void)arg;
    block = lease();
    weir_block_data(block)[8] = 3;
    weir_block_return(block);
}

static void
set_up_adopt(void)
{
    sched_start(own_and_end, NULL);
    start_returners(2);
    sched_start(begin_anew, NULL);
}

const struct sched_scenario pool_adopt = {
    .name = "pool-adopt",
    .promise = "a thread takes over the pool of one that ended only when nobody uses it any more",
    .set_up = set_up_adopt,
    .verify = verify_nothing_left,
    .pre_emptions = 1,
};

static void
set_up_registry(void)
{
    sched_start(begin_anew, NULL);
    sched_start(begin_anew, NULL);
}

const struct sched_scenario pool_registry = {
    .name = "pool-registry",
    .promise = "two threads that begin at once have a pool each, and both are in the registry",
    .set_up = set_up_registry,
    .verify = verify_nothing_left,
};

/* ---- holders of one block ---- */

static unsigned read_by_holders[2];

static void
hold_and_unref(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    struct weir_block *block;

    sched_wait(is_offered, &offered[0]);
    block = (struct weir_block *)wi_load_acquire(&offered[0]);
    read_by_holders[number] = weir_block_data(block)[8];
    wi_block_unref(block, 1);
}

static void
own_shared_block(void *arg)
{
    struct weir_block *block;

    (void)arg;
    sched_hold();
    block = lease();
    sched_release();
    weir_block_data(block)[8] = 4;
    wi_block_ref(block, 2);
    wi_store_release(&offered[0], (uintptr_t)block);
    wi_block_unref(block, 1);
    block = lease(); // the same, when it is free
    weir_block_data(block)[8] = 5;
    weir_block_return(block);
}

static void
set_up_refs(void)
{
    static unsigned numbers[2] = {0, 1};

    sched_start(own_shared_block, NULL);
    sched_start(hold_and_unref, &numbers[0]);
    sched_start(hold_and_unref, &numbers[1]);
}

static void
verify_refs(void)
{
    sched_check(read_by_holders[0] == 4 && read_by_holders[1] == 4);
    verify_nothing_left();
}

const struct sched_scenario pool_refs = {
    .name = "pool-refs",
    .promise = "a block with several holders is leased again only when none of them reads it",
    .set_up = set_up_refs,
    .verify = verify_refs,
};

/* ---- the same, returned in other ways ---- */

static void (*give_back)(struct weir_block *block);

static void
hold_and_give_back(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    struct weir_block *block;

    sched_wait(is_offered, &offered[0]);
    block = (struct weir_block *)wi_load_acquire(&offered[0]);
    read_by_holders[number] = weir_block_data(block)[8];
    give_back(block);
}

// Whatever block is free is leased and written: none is still read by an earlier holder.
static void
lease_all(void)
{
    uint32_t out = 0;

    while (wi_pool_self->open->free != 0 || wi_pool_self->spare != NULL) {
        struct weir_block *block = lease();

        out |= 1u << wi_block_index(block);
        weir_block_data(block)[8] = 5;
    }
    sched_hold();
    for (uint32_t i = 0; i < WI_SLAB_BLOCKS; i++) {
        if (out & 1u << i) {
            weir_block_return(&wi_pool_self->open->headers[i]);
        }
    }
    sched_release();
}

// The last of two other threads sends it home.
static void
own_for_others(void *arg)
{
    struct weir_block *block;

    (void)arg;
    sched_hold();
    block = lease();
    sched_release();
    weir_block_data(block)[8] = 4;
    wi_block_ref(block, 1);
    wi_store_release(&offered[0], (uintptr_t)block);
    wi_pool_decay();
    lease_all();
}

static void
set_up_away(void)
{
    static unsigned numbers[2] = {0, 1};

    give_back = weir_block_return;
    sched_start(own_for_others, NULL);
    sched_start(hold_and_give_back, &numbers[0]);
    sched_start(hold_and_give_back, &numbers[1]);
}

const struct sched_scenario pool_refs_away = {
    .name = "pool-refs-away",
    .promise = "a block that two other threads return comes home when neither reads it",
    .set_up = set_up_away,
    .verify = verify_refs,
    .quick = 1,
};

static void
set_up_list(void)
{
    set_up_away();
    give_back = wi_block_return_list;
}

const struct sched_scenario pool_refs_list = {
    .name = "pool-refs-list",
    .promise = "a list of blocks comes home when no other holder reads them",
    .set_up = set_up_list,
    .verify = verify_refs,
    .quick = 1,
};

// Its owner is a holder too, and may be the last.
static void
own_and_return(void *arg)
{
    struct weir_block *block;

    (void)arg;
    sched_hold();
    block = lease();
    sched_release();
    weir_block_data(block)[8] = 4;
    wi_block_ref(block, 1);
    wi_store_release(&offered[0], (uintptr_t)block);
    weir_block_return(block);
    lease_all();
}

static void
set_up_own(void)
{
    static unsigned number = 0;

    give_back = weir_block_return;
    sched_start(own_and_return, NULL);
    sched_start(hold_and_give_back, &number);
}

static void
verify_own(void)
{
    sched_check(read_by_holders[0] == 4);
    verify_nothing_left();
}

const struct sched_scenario pool_refs_own = {
    .name = "pool-refs-own",
    .promise = "a block that its owner returns is leased again when nobody else reads it",
    .set_up = set_up_own,
    .verify = verify_own,
};

/* ---- pieces of a block that many share ---- */

#define PIECE (WEIR_BLOCK_SIZE - 8u) // the next does not fit beside it

static void
read_piece(void *arg)
{
    struct weir_block *block;

    (void)arg;
    sched_wait(is_offered, &offered[0]);
    block = (struct weir_block *)wi_load_acquire(&offered[0]);
    read_by_holders[0] = weir_block_data(block)[8];
    wi_block_unref(block, 1);
}

static void
pack_twice(void *arg)
{
    struct weir_block *block;
    uint8_t *piece;

    (void)arg;
    sched_hold();
    piece = wi_pack_reserve(PIECE, &block);
    sched_release();
    sched_check(piece == weir_block_data(block));
    piece[8] = 4;
    wi_store_release(&offered[0], (uintptr_t)block);
    piece = wi_pack_reserve(PIECE, &block);
    sched_check(piece != NULL);
    piece[8] = 5; // perhaps the same block, if the piece is back
    wi_block_unref(block, 1);
}

static void
set_up_pack(void)
{
    sched_start(pack_twice, NULL);
    sched_start(read_piece, NULL);
}

const struct sched_scenario pool_pack = {
    .name = "pool-pack",
    .promise = "a block of pieces is written anew only when none of them is read any more",
    .set_up = set_up_pack,
    .verify = verify_own,
};

/* ---- somebody counts meanwhile ---- */

static void
count_all(void *arg)
{
    struct weir_ledger ledger;

    (void)arg;
    weir_pool_ledger_all(&ledger); // exact only when nobody else is at it
}

static void
set_up_ledger(void)
{
    sched_start(own_and_end, NULL);
    start_returners(2);
    sched_start(count_all, NULL);
}

const struct sched_scenario pool_ledger = {
    .name = "pool-ledger",
    .promise = "who counts the blocks of all threads loses none, nor those of one that ends",
    .set_up = set_up_ledger,
    .verify = verify_nothing_left,
    .pre_emptions = 1,
};

/* ---- a shared payload ---- */

static struct weir_shared *payload;

static void
read_and_unref(void *arg)
{
    (void)arg;
    sched_check(*(const char *)weir_shared_data(payload) == 'a');
    weir_shared_unref(payload);
}

static void
set_up_shared(void)
{
    payload = weir_shared_create("a", 1);
    weir_shared_ref(payload);
    weir_shared_ref(payload);
    for (unsigned i = 0; i < 3; i++) {
        sched_start(read_and_unref, NULL);
    }
}

static void
verify_shared(void)
{
    sched_check(sched_is_freed(payload));
}

const struct sched_scenario pool_shared = {
    .name = "pool-shared",
    .promise = "a shared payload is freed once, when nobody reads it any more",
    .set_up = set_up_shared,
    .verify = verify_shared,
};
