/* SPDX-License-Identifier: MIT */
#include "mem/chain.h"
#include "mem/plant.h"
#include "mem/seek.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

// The chain's owner. Bytes between the place and its block's end.
static inline size_t
iter_left(const struct weir_iter *iter)
{
    wi_assert(iter->index >= iter->block->begin);
    wi_assert(iter->index <= iter->block->end);
    return iter->block->end - iter->index;
}

// The chain's owner. Move to the next byte if it is in a later block. False, and unmoved: there is
// none.
static inline bool
iter_settle(struct weir_iter *iter)
{
    const struct weir_block *block = iter->block;

    if (wi_likely(iter_left(iter) > 0)) {
        return true;
    }
    for (block = block->next; block != NULL; block = block->next) {
        if (wi_block_size(block) > 0) {
            *iter = (struct weir_iter){(struct weir_block *)(uintptr_t)block, block->begin};
            return true;
        }
    }
    return false;
}

int
weir_iter_take(struct weir_iter *iter)
{
    if (iter->block == NULL) {
        return -EINVAL;
    }
    if (!iter_settle(iter)) {
        return -ENODATA;
    }
    return iter->block->data[iter->index++];
}

int
weir_iter_peek(const struct weir_iter *iter)
{
    struct weir_iter place = *iter;

    return weir_iter_take(&place);
}

int
weir_iter_peek_u64(const struct weir_iter *iter, uint64_t *ret_value)
{
    struct weir_iter place = *iter;
    uint64_t value;

    if (iter->block == NULL || ret_value == NULL) {
        return -EINVAL;
    }
    if (wi_likely(iter_left(iter) >= sizeof(value) - WI_PLANT(101))) {
        memcpy(&value, iter->block->data + iter->index, sizeof(value));
    } else if (weir_iter_copy_out(&place, &value, sizeof(value)) < sizeof(value)) {
        return -ENODATA;
    }
    *ret_value = le64toh(value);
    return 0;
}

int
weir_iter_skip(struct weir_iter *iter, size_t size)
{
    struct weir_iter place = *iter;

    if (iter->block == NULL) {
        return -EINVAL;
    }
    if (weir_iter_copy_out(&place, NULL, size) < size) {
        return -ENODATA;
    }
    *iter = place;
    return 0;
}

int
weir_iter_seek(struct weir_iter *iter, uint8_t first, uint8_t second, uint8_t third)
{
    const uint8_t values[3] = {first, second, third};

    if (iter->block == NULL) {
        return -EINVAL;
    }
    for (;;) {
        size_t left = iter_left(iter);
        size_t at = wi_seek(iter->block->data + iter->index, left, values);

        iter->index += (uint32_t)at;
        if (at < left) {
            return iter->block->data[iter->index];
        }
        if (iter->block->next == NULL) {
            return -ENODATA;
        }
        iter->block = iter->block->next;
        iter->index = iter->block->begin;
    }
}

int
weir_iter_put(struct weir_iter *iter, uint8_t byte)
{
    if (iter->block == NULL) {
        return -EINVAL;
    }
    if (!iter_settle(iter)) {
        return -ENODATA;
    }
    iter->block->data[iter->index++] = byte;
    return 0;
}

// The chain's owner. Do only empty blocks lie between the two, so that both name the same byte?
static bool
iter_is_same(struct weir_iter iter, struct weir_iter other)
{
    while (iter.block != other.block) {
        if (iter_left(&iter) > 0 || iter.block->next == NULL) {
            return false;
        }
        iter.block = iter.block->next;
        iter.index = iter.block->begin;
    }
    return iter.index == other.index;
}

int
weir_iter_length(struct weir_iter begin, struct weir_iter end, size_t *ret_size)
{
    struct weir_iter place = begin;
    size_t size = 0;

    if (begin.block == NULL || end.block == NULL || ret_size == NULL) {
        return -EINVAL;
    }
    while (place.block != end.block && place.block->next != NULL) {
        size += iter_left(&place);
        place.block = place.block->next;
        place.index = place.block->begin;
    }
    if (place.block == end.block && place.index <= end.index) {
        *ret_size = size + (end.index - place.index);
        return 0;
    }
    // The end of one block and the begin of the next are one place with two names.
    if (iter_is_same(end, begin)) {
        *ret_size = 0;
        return 0;
    }
    return -EINVAL;
}

size_t
weir_iter_copy_out(struct weir_iter *iter, void *buffer, size_t size)
{
    uint8_t *bytes = buffer;
    size_t done = 0;

    while (done < size && iter->block != NULL && iter_settle(iter)) {
        size_t left = iter_left(iter);
        size_t part = left < size - done ? left : size - done;

        if (bytes != NULL) {
            memcpy(bytes + done, iter->block->data + iter->index, part);
        }
        iter->index += (uint32_t)part;
        done += part;
    }
    return done;
}

int
weir_iter_append(struct weir_iter *iter, const void *data, size_t size)
{
    struct weir_block *block = iter->block;
    struct weir_block *first;

    if (block == NULL || (data == NULL && size != 0)) {
        return -EINVAL;
    }
    if (block->next != NULL || iter->index != block->end) {
        return -EINVAL;
    }
    if (size == 0) {
        return 0;
    }

    int status = wi_blocks_append(block, data, size, &first, &block);

    if (status == 0) {
        *iter = (struct weir_iter){block, block->end};
    }
    return status;
}

int
weir_iter_append_ascii(struct weir_iter *iter, const char *text)
{
    size_t size = 0;

    if (text == NULL) {
        return -EINVAL;
    }
    for (; text[size] != '\0'; size++) {
        if ((unsigned char)text[size] > 127) {
            return -EILSEQ;
        }
    }
    return weir_iter_append(iter, text, size);
}

bool
weir_iter_is_end(const struct weir_iter *iter)
{
    struct weir_iter place = *iter;

    return place.block == NULL || !iter_settle(&place);
}

// The chain's owner. Does the payload of the block's successor follow its own, both filled up to
// where they meet?
static inline bool
block_runs_on(const struct weir_block *block)
{
    const struct weir_block *next = block->next;

    return next != NULL && block->end == block->capacity && next->begin == 0 &&
           next->data == block->data + block->capacity && block->slab == next->slab;
}

bool
weir_iter_segment(struct weir_iter *iter, struct weir_iter end, struct weir_segment *ret_segment)
{
    struct weir_iter place = *iter;

    // Not iter_settle(): the end may be in any of the empty blocks.
    while (place.block != NULL && place.block != end.block && iter_left(&place) == 0) {
        place.block = place.block->next;
        place.index = place.block == NULL ? 0 : place.block->begin;
    }
    if (place.block == NULL || (place.block == end.block && place.index >= end.index)) {
        return false;
    }

    struct weir_block *block = place.block;
    const uint8_t *data = block->data + place.index;

    while (block != end.block && block_runs_on(block)) {
        block = block->next;
    }
    iter->block = block;
    iter->index = block == end.block ? end.index : block->end;
    *ret_segment = (struct weir_segment){
        .data = data,
        .size = (size_t)(block->data + iter->index - data),
    };
    return true;
}
