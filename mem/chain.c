/* SPDX-License-Identifier: MIT */
#include "mem/chain.h"

#include <errno.h>
#include <string.h>

// The chain's owner. The last block; NULL: the chain is empty.
static struct weir_block *
chain_last(const struct weir_chain *chain)
{
    return chain->head == NULL ? NULL : wi_block_last(chain->tail);
}

// The chain's owner.
static void
chain_link(struct weir_chain *chain, struct weir_block *first, struct weir_block *last)
{
    struct weir_block *tail = chain_last(chain);

    wi_assert(last->next == NULL);
    if (tail == NULL) {
        chain->head = first;
    } else {
        tail->next = first;
    }
    chain->tail = last;
}

uint8_t *
weir_block_data(struct weir_block *block)
{
    return block->data;
}

size_t
weir_block_capacity(const struct weir_block *block)
{
    return block->capacity;
}

struct weir_iter
weir_chain_begin(const struct weir_chain *chain)
{
    if (chain->head == NULL) {
        return (struct weir_iter){NULL, 0};
    }
    return (struct weir_iter){chain->head, chain->head->begin};
}

struct weir_iter
weir_chain_end(const struct weir_chain *chain)
{
    struct weir_block *last = chain_last(chain);

    if (last == NULL) {
        return (struct weir_iter){NULL, 0};
    }
    return (struct weir_iter){last, last->end};
}

size_t
weir_chain_size(const struct weir_chain *chain)
{
    size_t size = 0;

    for (const struct weir_block *block = chain->head; block != NULL; block = block->next) {
        wi_assert(block->begin <= block->end && block->end <= block->capacity);
        size += wi_block_size(block);
    }
    return size;
}

// --- Append -------------------------------------------------------------------------------------

// Any thread. Blocks for @p size bytes, as few runs as there are to be had. 0 or -ENOMEM.
static int
blocks_lease(size_t size, struct weir_block **ret_first)
{
    size_t missing = size == 0 ? 0 : (size - 1) / WEIR_BLOCK_SIZE + 1;
    struct weir_block *first = NULL;
    struct weir_block **link = &first;

    while (missing > 0) {
        unsigned count = 0;

        *link = wi_block_lease_run(missing < WI_SLAB_BLOCKS ? (unsigned)missing : WI_SLAB_BLOCKS,
                                   &count);
        if (*link == NULL) {
            wi_block_return_list(first);
            return -ENOMEM;
        }
        for (missing -= count; count > 0; count--) {
            (*link)->is_chained = 1;
            link = &(*link)->next;
        }
    }
    *ret_first = first;
    return 0;
}

// The chain's owner. Copy what fits behind a block's last byte. How much that is.
static size_t
block_fill(struct weir_block *block, const uint8_t *data, size_t size)
{
    size_t part = wi_block_room(block) < size ? wi_block_room(block) : size;

    memcpy(block->data + block->end, data, part);
    block->end += (uint32_t)part;
    return part;
}

int
wi_blocks_append(struct weir_block *tail, const void *data, size_t size,
                 struct weir_block **ret_first, struct weir_block **ret_last)
{
    const uint8_t *bytes = data;
    size_t room = tail == NULL ? 0 : wi_block_room(tail);
    struct weir_block *block;

    wi_assert(size > 0);
    wi_assert(tail == NULL || tail->next == NULL);
    if (blocks_lease(size > room ? size - room : 0, &block) != 0) {
        return -ENOMEM;
    }
    *ret_first = room > 0 ? tail : block;
    *ret_last = tail;

    size_t done = room > 0 ? block_fill(tail, bytes, size) : 0;
    struct weir_block *first_new = block;

    for (; block != NULL; block = block->next) {
        block->head = tail == NULL ? NULL : wi_block_section(tail);
        done += block_fill(block, bytes + done, size - done);
        *ret_last = block;
    }
    wi_assert(done == size);
    // Last: a reader of a growing chain looks at next before it looks at end (K67).
    if (tail != NULL) {
        tail->next = first_new;
    }
    return 0;
}

int
weir_chain_append(struct weir_chain *chain, const void *data, size_t size)
{
    struct weir_block *first;
    struct weir_block *last;

    if (chain == NULL || (data == NULL && size != 0)) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }

    int status = wi_blocks_append(chain_last(chain), data, size, &first, &last);

    if (status != 0) {
        return status;
    }
    if (chain->head == NULL) {
        chain->head = first;
    }
    chain->tail = last;
    return 0;
}

int
weir_chain_append_block(struct weir_chain *chain, struct weir_block *block, size_t size)
{
    if (chain == NULL || !wi_block_is_ours(block) || size > block->capacity) {
        return -EINVAL;
    }
    if (block->is_chained || block->next != NULL) {
        return -EINVAL;
    }
    block->begin = 0;
    block->end = (uint32_t)size;
    block->is_chained = 1;
    chain_link(chain, block, block);
    return 0;
}

void
weir_chain_splice(struct weir_chain *chain, struct weir_chain *from)
{
    struct weir_block *first = from->head;

    if (chain == from || first == NULL) {
        return;
    }

    struct weir_block *last = chain_last(from);

    *from = (struct weir_chain){NULL, NULL};
    chain_link(chain, first, last);
}

// --- Take away ----------------------------------------------------------------------------------

void
weir_chain_return(struct weir_chain *chain)
{
    struct weir_block *first = chain->head;

    *chain = (struct weir_chain){NULL, NULL};
    wi_block_return_list(first);
}

// A place in a chain, found by the bytes before it.
struct chain_cut {
    struct weir_block *before; // last block that lies before the place as a whole; NULL: none
    struct weir_block *block;  // block the place is in, or behind the last
    uint32_t rest;             // bytes of block before the place
};

// The chain's owner. Where its first @p size bytes end: in the middle of a block, or behind one
// that is not empty. False: the chain is shorter.
static bool
chain_find(const struct weir_chain *chain, size_t size, struct chain_cut *ret_cut)
{
    struct weir_block *before = NULL;
    struct weir_block *block = chain->head;

    while (size > 0 && block != NULL && wi_block_size(block) <= size) {
        size -= wi_block_size(block);
        before = block;
        block = block->next;
    }
    *ret_cut = (struct chain_cut){before, block, (uint32_t)size};
    return size == 0 || block != NULL;
}

// The chain's owner. Cut all up to and including @p last off; NULL: nothing.
static struct weir_chain
chain_cut_front(struct weir_chain *chain, struct weir_block *last)
{
    struct weir_chain front = {NULL, NULL};

    if (last == NULL) {
        return front;
    }
    front = (struct weir_chain){chain->head, last};
    chain->tail = last->next == NULL ? NULL : chain_last(chain);
    chain->head = last->next;
    last->next = NULL;
    return front;
}

int
weir_chain_consume(struct weir_chain *chain, size_t size)
{
    struct chain_cut cut;

    if (!chain_find(chain, size, &cut)) {
        return -EINVAL;
    }

    struct weir_chain front = chain_cut_front(chain, cut.before);

    if (cut.rest > 0) {
        cut.block->begin += cut.rest;
    }
    weir_chain_return(&front);
    return 0;
}

// The chain's owner. Divide the block of a cut: the smaller part moves to @p other.
static void
block_divide(struct weir_chain *chain, const struct chain_cut *cut, struct weir_block *other,
             struct weir_chain *ret_front)
{
    struct weir_block *block = cut->block;
    uint32_t behind = wi_block_size(block) - cut->rest;

    wi_assert(cut->rest > 0 && behind > 0);
    other->is_chained = 1;
    if (cut->rest <= behind) {
        (void)block_fill(other, block->data + block->begin, cut->rest);
        block->begin += cut->rest;
        *ret_front = chain_cut_front(chain, cut->before);
        chain_link(ret_front, other, other);
    } else {
        (void)block_fill(other, block->data + block->begin + cut->rest, behind);
        block->end -= behind;
        other->next = block->next;
        block->next = other;
        *ret_front = chain_cut_front(chain, block);
    }
}

int
weir_chain_split(struct weir_chain *chain, size_t size, struct weir_chain *ret_front)
{
    struct chain_cut cut;

    if (ret_front == NULL || ret_front->head != NULL || !chain_find(chain, size, &cut)) {
        return -EINVAL;
    }
    if (cut.rest == 0) {
        *ret_front = chain_cut_front(chain, cut.before);
        return 0;
    }

    uint32_t behind = wi_block_size(cut.block) - cut.rest;
    struct weir_block *other = weir_block_lease(cut.rest < behind ? cut.rest : behind);

    if (other == NULL) {
        return -ENOMEM;
    }
    block_divide(chain, &cut, other, ret_front);
    return 0;
}
