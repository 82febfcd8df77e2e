// SPDX-License-Identifier: MIT
// Two chains and an iterator over each, against flat bytes: every call of weir/pool.h must answer
// what the flat bytes say, also when memory runs out, and change nothing when it refuses.

#include "mem/block.h"
#include "mem/heap.h"
#include "tests/fuzz/fuzz.h"
#include "weir/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FLAT_MAX  20000u
#define CHAINS    2u
#define STEPS_MAX 400u

struct flat {
    struct weir_chain chain;
    struct weir_iter iter;
    uint8_t bytes[FLAT_MAX];
    size_t size;
    size_t at; // where iter is
};

struct world {
    struct fuzz_bytes input;
    struct flat flats[CHAINS];
    bool starving; // allocations may fail
};

static struct flat *
pick(struct world *world)
{
    return &world->flats[fuzz_below(&world->input, CHAINS)];
}

static struct flat *
other_of(struct world *world, const struct flat *flat)
{
    return &world->flats[flat == &world->flats[0]];
}

static void
rewind_flat(struct flat *flat)
{
    flat->iter = weir_chain_begin(&flat->chain);
    flat->at = 0;
}

static size_t
left_of(const struct flat *flat)
{
    return flat->size - flat->at;
}

static bool
may_refuse(struct world *world, int result)
{
    return world->starving && result == -ENOMEM;
}

// Sizes around what matters: nothing, a few, a block's, more than one block.
static size_t
some_size(struct world *world)
{
    switch (fuzz_below(&world->input, 6)) {
    case 0:
        return fuzz_below(&world->input, 4);
    case 1:
        return WEIR_BLOCK_SIZE - 2 + fuzz_below(&world->input, 5);
    case 2:
        return fuzz_below(&world->input, 3 * WEIR_BLOCK_SIZE);
    default:
        return fuzz_below(&world->input, 40);
    }
}

// New bytes behind the flat ones, made of few values so that a seek finds some.
static const uint8_t *
fresh_bytes(struct world *world, struct flat *flat, size_t size)
{
    uint8_t value = fuzz_byte(&world->input);

    for (size_t i = 0; i < size; i++) {
        flat->bytes[flat->size + i] = (uint8_t)(value + i % 5);
    }
    return flat->bytes + flat->size;
}

static bool
has_room(const struct flat *flat, size_t size)
{
    return flat->size + size <= FLAT_MAX;
}

// ---- growing ----------------------------------------------------------------------------------

static void
step_append(struct world *world)
{
    struct flat *flat = pick(world);
    size_t size = some_size(world);
    bool was_empty = flat->chain.head == NULL;
    int result;

    if (!has_room(flat, size)) {
        return;
    }
    result = weir_chain_append(&flat->chain, fresh_bytes(world, flat, size), size);
    fuzz_require(result == 0 || may_refuse(world, result));
    if (result == 0) {
        flat->size += size;
    }
    if (was_empty) {
        rewind_flat(flat);
    }
}

static void
step_append_block(struct world *world)
{
    struct flat *flat = pick(world);
    size_t size = some_size(world);
    struct weir_block *block = weir_block_lease(size);
    bool was_empty = flat->chain.head == NULL;

    fuzz_require(block != NULL || world->starving);
    if (block == NULL) {
        return;
    }
    fuzz_require(weir_block_capacity(block) >= size);
    fuzz_require(weir_chain_append_block(&flat->chain, block, weir_block_capacity(block) + 1) ==
                 -EINVAL);
    if (!has_room(flat, size)) {
        weir_block_return(block);
        return;
    }
    memcpy(weir_block_data(block), fresh_bytes(world, flat, size), size);
    fuzz_require(weir_chain_append_block(&flat->chain, block, size) == 0);
    flat->size += size;
    fuzz_require(weir_chain_append_block(&flat->chain, block, size) == -EINVAL);
    if (was_empty) {
        rewind_flat(flat);
    }
}

// Where an iterator stands behind bytes that come from elsewhere it is made anew.
static void
step_iter_append(struct world *world)
{
    struct flat *flat = pick(world);
    size_t size = some_size(world);
    bool at_end = fuzz_below(&world->input, 4) != 0;
    struct weir_iter iter = at_end ? weir_chain_end(&flat->chain) : flat->iter;
    bool is_refused;
    int result;

    if (!has_room(flat, size)) {
        return;
    }
    is_refused = iter.block == NULL || iter.block != flat->chain.tail || (!at_end && left_of(flat));
    result = weir_iter_append(&iter, fresh_bytes(world, flat, size), size);
    if (is_refused) {
        fuzz_require(result == -EINVAL);
        return;
    }
    fuzz_require(result == 0 || may_refuse(world, result));
    if (result == 0) {
        while (flat->chain.tail->next != NULL) { // the iterator's append knows no chain
            flat->chain.tail = flat->chain.tail->next;
        }
        flat->size += size;
        flat->iter = iter;
        flat->at = flat->size;
    }
}

static void
step_iter_append_ascii(struct world *world)
{
    struct flat *flat = pick(world);
    struct weir_iter iter = weir_chain_end(&flat->chain);
    char text[8] = "";
    size_t size = fuzz_below(&world->input, sizeof(text));
    bool is_ascii = true;
    int result;

    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(fuzz_byte(&world->input) | 1);
        is_ascii = is_ascii && (text[i] & 0x80) == 0;
    }
    if (flat->chain.head == NULL || !has_room(flat, size)) {
        return;
    }
    result = weir_iter_append_ascii(&iter, text);
    fuzz_require(result == (is_ascii ? 0 : -EILSEQ) || may_refuse(world, result));
    if (result == 0) {
        while (flat->chain.tail->next != NULL) {
            flat->chain.tail = flat->chain.tail->next;
        }
        memcpy(flat->bytes + flat->size, text, size);
        flat->size += size;
        flat->iter = iter;
        flat->at = flat->size;
    }
}

// ---- moving and shrinking ---------------------------------------------------------------------

static void
step_splice(struct world *world)
{
    struct flat *to = pick(world);
    struct flat *from = other_of(world, to);

    if (!has_room(to, from->size)) {
        return;
    }
    weir_chain_splice(&to->chain, &from->chain);
    fuzz_require(from->chain.head == NULL && from->chain.tail == NULL);
    memcpy(to->bytes + to->size, from->bytes, from->size);
    to->size += from->size;
    from->size = 0;
    rewind_flat(to);
    rewind_flat(from);
}

static void
step_split(struct world *world)
{
    struct flat *flat = pick(world);
    struct flat *front = other_of(world, flat);
    size_t size = fuzz_below(&world->input, (uint32_t)flat->size + 3);
    int result;

    weir_chain_return(&front->chain);
    front->size = 0;
    result = weir_chain_split(&flat->chain, size, &front->chain);
    if (size > flat->size) {
        fuzz_require(result == -EINVAL);
    } else {
        fuzz_require(result == 0 || may_refuse(world, result));
    }
    if (result == 0) {
        memcpy(front->bytes, flat->bytes, size);
        front->size = size;
        memmove(flat->bytes, flat->bytes + size, flat->size - size);
        flat->size -= size;
    }
    rewind_flat(front);
    rewind_flat(flat);
}

static void
step_consume(struct world *world)
{
    struct flat *flat = pick(world);
    size_t size = fuzz_below(&world->input, (uint32_t)flat->size + 3);
    int result = weir_chain_consume(&flat->chain, size);

    fuzz_require(result == (size > flat->size ? -EINVAL : 0));
    if (result == 0) {
        memmove(flat->bytes, flat->bytes + size, flat->size - size);
        flat->size -= size;
        rewind_flat(flat);
    }
}

static void
step_return(struct world *world)
{
    struct flat *flat = pick(world);

    weir_chain_return(&flat->chain);
    fuzz_require(flat->chain.head == NULL && flat->chain.tail == NULL);
    flat->size = 0;
    rewind_flat(flat);
}

// ---- walking ----------------------------------------------------------------------------------

static void
step_rewind(struct world *world)
{
    rewind_flat(pick(world));
}

static void
step_take(struct world *world)
{
    struct flat *flat = pick(world);
    int wanted = weir_iter_is_default(&flat->iter) ? -EINVAL
                 : left_of(flat) == 0              ? -ENODATA
                                                   : flat->bytes[flat->at];

    fuzz_require(weir_iter_peek(&flat->iter) == wanted);
    fuzz_require(weir_iter_take(&flat->iter) == wanted);
    flat->at += wanted >= 0;
}

static void
step_peek_word(struct world *world)
{
    struct flat *flat = pick(world);
    uint64_t value = 0;
    int result = weir_iter_peek_u64(&flat->iter, &value);

    if (weir_iter_is_default(&flat->iter)) {
        fuzz_require(result == -EINVAL);
    } else if (left_of(flat) < 8) {
        fuzz_require(result == -ENODATA);
    } else {
        fuzz_require(result == 0);
        for (unsigned i = 0; i < 8; i++) {
            fuzz_require((uint8_t)(value >> 8 * i) == flat->bytes[flat->at + i]);
        }
    }
}

static void
step_skip(struct world *world)
{
    struct flat *flat = pick(world);
    size_t size = some_size(world);
    int result = weir_iter_skip(&flat->iter, size);

    if (weir_iter_is_default(&flat->iter)) {
        fuzz_require(result == -EINVAL);
        return;
    }
    fuzz_require(result == (size > left_of(flat) ? -ENODATA : 0));
    flat->at += result == 0 ? size : 0;
}

static void
step_seek(struct world *world)
{
    struct flat *flat = pick(world);
    uint8_t wanted[3] = {fuzz_byte(&world->input), fuzz_byte(&world->input), 0};
    size_t at = flat->at;
    int result;

    wanted[2] = wanted[fuzz_flip(&world->input)];
    result = weir_iter_seek(&flat->iter, wanted[0], wanted[1], wanted[2]);
    if (weir_iter_is_default(&flat->iter)) {
        fuzz_require(result < 0);
        return;
    }
    while (at < flat->size && memchr(wanted, flat->bytes[at], sizeof(wanted)) == NULL) {
        at++;
    }
    fuzz_require(result == (at == flat->size ? -ENODATA : flat->bytes[at]));
    flat->at = at;
}

static void
step_put(struct world *world)
{
    struct flat *flat = pick(world);
    uint8_t byte = fuzz_byte(&world->input);
    int result = weir_iter_put(&flat->iter, byte);

    if (weir_iter_is_default(&flat->iter)) {
        fuzz_require(result == -EINVAL);
    } else if (left_of(flat) == 0) {
        fuzz_require(result == -ENODATA);
    } else {
        fuzz_require(result == 0);
        flat->bytes[flat->at++] = byte;
    }
}

static void
step_copy_out(struct world *world)
{
    static uint8_t bytes[4 * WEIR_BLOCK_SIZE];
    struct flat *flat = pick(world);
    size_t size = some_size(world);
    bool is_skip = fuzz_flip(&world->input);
    size_t wanted = size < left_of(flat) ? size : left_of(flat);

    fuzz_require(weir_iter_copy_out(&flat->iter, is_skip ? NULL : bytes, size) == wanted);
    fuzz_require(is_skip || memcmp(bytes, flat->bytes + flat->at, wanted) == 0);
    flat->at += wanted;
}

static void
step_segments(struct world *world)
{
    struct flat *flat = pick(world);
    struct weir_iter end = flat->iter;
    struct weir_segment segment;
    size_t wanted = weir_iter_copy_out(&end, NULL, some_size(world));
    size_t seen = 0;

    if (weir_iter_is_default(&flat->iter)) {
        return;
    }
    while (weir_iter_segment(&flat->iter, end, &segment)) {
        fuzz_require(segment.size != 0 && segment.size <= wanted - seen);
        fuzz_require(memcmp(segment.data, flat->bytes + flat->at + seen, segment.size) == 0);
        seen += segment.size;
    }
    fuzz_require(seen == wanted);
    flat->at += seen;
}

static void
step_memory(struct world *world)
{
    world->starving = fuzz_flip(&world->input);
    wi_heap_fail(world->starving ? 1 + fuzz_below(&world->input, 4) : 0,
                 world->starving && fuzz_flip(&world->input));
}

// ---- what holds after each step ---------------------------------------------------------------

static void
check_place(const struct flat *flat)
{
    struct weir_iter begin = weir_chain_begin(&flat->chain);
    struct weir_iter end = weir_chain_end(&flat->chain);
    size_t size = 0;

    fuzz_require(weir_chain_size(&flat->chain) == flat->size);
    fuzz_require(weir_iter_is_end(&flat->iter) == (left_of(flat) == 0));
    if (weir_iter_is_default(&flat->iter)) {
        fuzz_require(weir_iter_length(flat->iter, end, &size) == -EINVAL);
        return;
    }
    fuzz_require(weir_iter_length(begin, flat->iter, &size) == 0 && size == flat->at);
    fuzz_require(weir_iter_length(flat->iter, end, &size) == 0 && size == left_of(flat));
}

static void
check_bytes(const struct flat *flat)
{
    const uint8_t *bytes = flat->bytes;
    size_t left = flat->size;

    for (const struct weir_block *block = flat->chain.head; block != NULL; block = block->next) {
        size_t part = wi_block_size(block);

        fuzz_require(part <= left);
        fuzz_require(memcmp(block->data + block->begin, bytes, part) == 0);
        fuzz_require(block->next != NULL || block == flat->chain.tail);
        bytes += part;
        left -= part;
    }
    fuzz_require(left == 0);
}

static void
step(struct world *world)
{
    static void (*const steps[])(struct world *) = {
        step_append,      step_append_block, step_iter_append, step_iter_append_ascii,
        step_splice,      step_split,        step_consume,     step_return,
        step_rewind,      step_take,         step_peek_word,   step_skip,
        step_seek,        step_put,          step_copy_out,    step_segments,
        step_iter_append, step_append_block, step_split,       step_memory,
    };

    steps[fuzz_below(&world->input, sizeof(steps) / sizeof(steps[0]))](world);
    for (unsigned i = 0; i < CHAINS; i++) {
        check_place(&world->flats[i]);
        check_bytes(&world->flats[i]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct weir_ledger ledger;

    world.input = (struct fuzz_bytes){data, size};
    world.starving = false;
    for (unsigned i = 0; i < CHAINS; i++) {
        rewind_flat(&world.flats[i]);
    }
    for (unsigned steps = 0; world.input.size != 0 && steps < STEPS_MAX; steps++) {
        step(&world);
    }
    wi_heap_fail(0, 0);
    for (unsigned i = 0; i < CHAINS; i++) {
        weir_chain_return(&world.flats[i].chain);
        world.flats[i].size = 0;
    }
    weir_pool_ledger_all(&ledger);
    fuzz_require(ledger.leased == ledger.returned && ledger.oversize == 0);
    return 0;
}
