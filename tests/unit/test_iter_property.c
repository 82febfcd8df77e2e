// SPDX-License-Identifier: MIT
// The iterator over random fragmentations, against a flat buffer: every answer must be the one that
// the flat bytes give. The seed is printed; WEIR_SEED repeats a run.

#include "tests/unit/mem_support.h"

#include <errno.h>

#define FLAT_MAX 3000u
#define ROUNDS   300u
#define STEPS    200u

// A chain, the same bytes flat, an iterator, and where it must be.
struct world {
    uint64_t random;
    struct weir_chain chain;
    struct weir_iter iter;
    uint8_t flat[FLAT_MAX + 64];
    size_t size;
    size_t at;
};

static uint32_t
world_below(struct world *world, uint32_t bound)
{
    return random_below(&world->random, bound);
}

// Random bytes; few different values in some rounds, so that a seek finds and misses.
static void
world_fill(struct world *world)
{
    uint32_t values = world_below(world, 2) == 0 ? 256 : 5;

    world->size = world_below(world, FLAT_MAX + 1);
    for (size_t i = 0; i < world->size; i++) {
        world->flat[i] = (uint8_t)(world_below(world, values) * (values == 5 ? 50 : 1));
    }
}

// Cut the bytes in blocks of up to @p most, with empty ones in between.
static void
world_fragment(struct world *world)
{
    static const uint32_t most[] = {1, 2, 9, 17, 40, 500, WEIR_BLOCK_SIZE};
    uint32_t limit = most[world_below(world, sizeof(most) / sizeof(most[0]))];
    size_t at = 0;

    world->chain = (struct weir_chain){NULL, NULL};
    (void)chain_add(&world->chain, NULL, 0, world_below(world, 50));
    while (at < world->size) {
        size_t part = 1 + world_below(world, limit);

        part = part < world->size - at ? part : world->size - at;
        (void)chain_add(&world->chain, world->flat + at, part,
                        world_below(world, WEIR_BLOCK_SIZE + 1 - (uint32_t)part));
        at += part;
        while (world_below(world, 4) == 0) {
            (void)chain_add(&world->chain, NULL, 0, world_below(world, 50));
        }
    }
    world->iter = weir_chain_begin(&world->chain);
    world->at = 0;
}

// The distance from the begin says where an iterator stands.
static void
world_check_place(const struct world *world)
{
    size_t size = 77;

    assert_int_equal(weir_iter_length(weir_chain_begin(&world->chain), world->iter, &size), 0);
    assert_int_equal(size, world->at);
    assert_int_equal(weir_iter_length(world->iter, weir_chain_end(&world->chain), &size), 0);
    assert_int_equal(size, world->size - world->at);
    assert_int_equal(weir_iter_is_end(&world->iter), world->at == world->size);
}

static void
step_take(struct world *world)
{
    int expected = world->at < world->size ? world->flat[world->at] : -ENODATA;

    assert_int_equal(weir_iter_peek(&world->iter), expected);
    assert_int_equal(weir_iter_take(&world->iter), expected);
    world->at += expected >= 0;
}

static void
step_peek_u64(struct world *world)
{
    uint64_t value = 77;
    uint64_t expected = 0;

    if (world->size - world->at < 8) {
        assert_int_equal(weir_iter_peek_u64(&world->iter, &value), -ENODATA);
        assert_true(value == 77);
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        expected |= (uint64_t)world->flat[world->at + i] << (8 * i);
    }
    assert_int_equal(weir_iter_peek_u64(&world->iter, &value), 0);
    assert_true(value == expected);
}

static void
step_skip(struct world *world)
{
    size_t size =
        world_below(world, 4) == 0 ? world_below(world, FLAT_MAX) : world_below(world, 20);
    struct weir_iter before = world->iter;

    if (size > world->size - world->at) {
        assert_int_equal(weir_iter_skip(&world->iter, size), -ENODATA);
        assert_same_place(world->iter, before);
        return;
    }
    assert_int_equal(weir_iter_skip(&world->iter, size), 0);
    world->at += size;
}

static void
step_seek(struct world *world)
{
    uint8_t values[3];
    size_t at = world->at;

    for (int i = 0; i < 3; i++) {
        values[i] = (uint8_t)world_below(world, 256);
        if (world->size > 0 && world_below(world, 2) == 0) {
            values[i] = world->flat[world_below(world, (uint32_t)world->size)];
        }
    }
    while (at < world->size && memchr(values, world->flat[at], 3) == NULL) {
        at++;
    }
    assert_int_equal(weir_iter_seek(&world->iter, values[0], values[1], values[2]),
                     at < world->size ? world->flat[at] : -ENODATA);
    world->at = at;
}

static void
step_put(struct world *world)
{
    uint8_t byte = (uint8_t)world_below(world, 256);

    if (world->at == world->size) {
        assert_int_equal(weir_iter_put(&world->iter, byte), -ENODATA);
        return;
    }
    assert_int_equal(weir_iter_put(&world->iter, byte), 0);
    world->flat[world->at++] = byte;
}

static void
step_copy_out(struct world *world)
{
    uint8_t bytes[600];
    size_t size = world_below(world, sizeof(bytes));
    size_t left = world->size - world->at;
    bool is_skip = world_below(world, 4) == 0;
    size_t done = weir_iter_copy_out(&world->iter, is_skip ? NULL : bytes, size);

    assert_int_equal(done, size < left ? size : left);
    if (!is_skip) {
        assert_memory_equal(bytes, world->flat + world->at, done);
    }
    world->at += done;
}

static void
step_segments(struct world *world)
{
    struct weir_iter end = world->iter;
    size_t size = world_below(world, 300);
    struct weir_segment segment;
    size_t seen = 0;

    size = weir_iter_copy_out(&end, NULL, size);
    while (weir_iter_segment(&world->iter, end, &segment)) {
        assert_true(segment.size > 0 && segment.size <= size - seen);
        assert_memory_equal(segment.data, world->flat + world->at + seen, segment.size);
        seen += segment.size;
    }
    assert_int_equal(seen, size);
    world->at += size;
}

static void
step_rewind(struct world *world)
{
    world->iter = weir_chain_begin(&world->chain);
    world->at = 0;
}

static void
step_append(struct world *world)
{
    size_t size = world_below(world, 64);
    uint8_t *bytes = world->flat + world->size;

    if (world->size + size > FLAT_MAX) {
        return;
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)world_below(world, 256);
    }
    world->iter = weir_chain_end(&world->chain);
    assert_int_equal(weir_iter_append(&world->iter, bytes, size), 0);
    world->size += size;
    world->at = world->size;
}

static void
every_step_agrees_with_a_flat_buffer(void **state)
{
    static void (*const steps[])(struct world *) = {
        step_take, step_take,     step_peek_u64, step_skip,   step_skip,   step_seek,
        step_put,  step_copy_out, step_segments, step_rewind, step_append,
    };
    static struct world world;

    world.random = random_seed();
    for (unsigned round = 0; round < ROUNDS; round++) {
        world_fill(&world);
        world_fragment(&world);
        for (unsigned step = 0; step < STEPS; step++) {
            steps[world_below(&world, sizeof(steps) / sizeof(steps[0]))](&world);
            world_check_place(&world);
        }
        assert_int_equal(weir_chain_size(&world.chain), world.size);
        assert_true(chain_equals(&world.chain, world.flat, world.size));
        weir_chain_return(&world.chain);
    }
    (void)state;
}

// A byte of every value is found at every place behind every boundary, in any mix of blocks.
static void
every_value_is_found_behind_every_boundary(void **state)
{
    uint8_t bytes[40];

    for (unsigned value = 0; value < 256; value++) {
        uint8_t other = (uint8_t)(value ^ 0x80);

        memset(bytes, other, sizeof(bytes));
        bytes[39] = (uint8_t)value;
        for (size_t cut = 0; cut < 40; cut++) {
            struct weir_chain chain = {NULL, NULL};
            struct weir_iter iter;
            size_t size;

            (void)chain_add(&chain, bytes, cut, 0);
            (void)chain_add(&chain, NULL, 0, 0);
            (void)chain_add(&chain, bytes + cut, 40 - cut, cut);
            iter = weir_chain_begin(&chain);
            assert_int_equal(weir_iter_seek(&iter, (uint8_t)value, (uint8_t)value, (uint8_t)value),
                             value);
            assert_int_equal(weir_iter_length(weir_chain_begin(&chain), iter, &size), 0);
            assert_int_equal(size, 39);
            weir_chain_return(&chain);
        }
    }
    (void)state;
}

// --- Whole chains -------------------------------------------------------------------------------

// Move a random front of one chain behind another, back and forth: no byte is lost or out of order.
static void
split_splice_and_consume_agree_with_a_flat_buffer(void **state)
{
    static struct world world;

    world.random = random_seed();
    for (unsigned round = 0; round < ROUNDS; round++) {
        world_fill(&world);
        world_fragment(&world);

        size_t gone = 0;

        for (unsigned step = 0; step < 20; step++) {
            struct weir_chain front = {NULL, NULL};
            size_t left = world.size - gone;
            size_t cut = world_below(&world, (uint32_t)left + 1);
            size_t drop = world_below(&world, (uint32_t)(left / 8) + 1);

            assert_int_equal(weir_chain_split(&world.chain, cut, &front), 0);
            assert_true(chain_equals(&front, world.flat + gone, cut));
            assert_true(chain_equals(&world.chain, world.flat + gone + cut, left - cut));
            weir_chain_splice(&front, &world.chain);
            world.chain = front;
            assert_int_equal(weir_chain_consume(&world.chain, left + 1), -EINVAL);
            assert_int_equal(weir_chain_consume(&world.chain, drop), 0);
            gone += drop;
            assert_true(chain_equals(&world.chain, world.flat + gone, world.size - gone));
        }
        weir_chain_return(&world.chain);
        assert_int_equal(blocks_out(), 0);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        mem_test(every_step_agrees_with_a_flat_buffer),
        mem_test(every_value_is_found_behind_every_boundary),
        mem_test(split_splice_and_consume_agree_with_a_flat_buffer),
    };

    return cmocka_run_group_tests_name("iter_property", tests, NULL, NULL);
}
