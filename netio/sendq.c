/* SPDX-License-Identifier: MIT */

#include "netio/sendq.h"

#include "mem/block.h"
#include "mem/plant.h"

#include <string.h>

static void
insert_after(struct wi_sendq *queue, struct wi_write *before, struct wi_write *write)
{
    struct wi_write *after = before == NULL ? queue->head : wi_write_next(before);

    write->op.prev = before == NULL ? NULL : &before->op;
    write->op.task.next = after == NULL ? NULL : &after->op.task;
    if (before == NULL) {
        queue->head = write;
    } else {
        before->op.task.next = &write->op.task;
    }
    if (after == NULL) {
        queue->tail = write;
    } else {
        after->op.prev = &write->op;
    }
}

void
wi_sendq_prepend(struct wi_sendq *queue, struct wi_write *write)
{
    insert_after(queue, NULL, write);
}

static bool
may_be_passed(const struct wi_write *write)
{
    return (WI_PLANT(8) || (!wi_op_is_claimed(&write->op) && write->op.owner == 0)) &&
           write->size != 0 && !(write->flags & (WEIR_START | WEIR_FIN | WEIR_PRIORITY));
}

void
wi_sendq_insert_priority(struct wi_sendq *queue, struct wi_write *write)
{
    struct wi_write *before = queue->tail;
    unsigned run = 0;

    while (before != NULL && may_be_passed(before)) {
        before = before->op.prev == NULL ? NULL : wi_write_of(before->op.prev);
    }
    for (struct wi_write *earlier = before;
         earlier != NULL && (earlier->flags & WEIR_PRIORITY) && run < WI_PRIORITY_RUN;) {
        run++;
        earlier = earlier->op.prev == NULL ? NULL : wi_write_of(earlier->op.prev);
    }
    insert_after(queue, run < WI_PRIORITY_RUN ? before : queue->tail, write);
}

void
wi_sendq_remove(struct wi_sendq *queue, struct wi_write *write)
{
    struct wi_write *next = wi_write_next(write);

    if (write->op.prev == NULL) {
        queue->head = next;
    } else {
        write->op.prev->task.next = write->op.task.next;
    }
    if (next == NULL) {
        queue->tail = write->op.prev == NULL ? NULL : wi_write_of(write->op.prev);
    } else {
        next->op.prev = write->op.prev;
    }
    write->op.prev = NULL;
    write->op.task.next = NULL;
}

/* ---- gathering ---- */

static inline void
add_piece(struct wi_gather *gather, const void *data, size_t size)
{
    struct iovec *piece = gather->iov + gather->iov_count;

    // The gather's owner gave room: NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
    *piece = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    gather->iov_count++;
}

// Add one piece: copied behind the last one when both are small, else by reference. False: no room.
static bool
gather_piece(struct wi_gather *gather, const void *data, size_t size)
{
    struct iovec *last = gather->iov_count == 0 ? NULL : &gather->iov[gather->iov_count - 1];
    uint64_t room = gather->size_max - gather->size;

    size = size < room ? size : (size_t)room;
    if (size == 0) {
        return room != 0;
    }
    if (size <= WI_FLAT_PIECE_MAX && size <= gather->flat_left) {
        bool joins =
            last != NULL && (unsigned char *)last->iov_base + last->iov_len == gather->flat;

        if (!joins && gather->iov_count == gather->iov_max) {
            return false;
        }
        memcpy(gather->flat, data, size);
        if (joins) {
            last->iov_len += size;
        } else {
            add_piece(gather, gather->flat, size);
        }
        gather->flat += size;
        gather->flat_left -= size;
    } else if (last != NULL && (const unsigned char *)last->iov_base + last->iov_len == data) {
        last->iov_len += size; // neighbouring blocks of a slab
    } else {
        if (gather->iov_count == gather->iov_max) {
            return false;
        }
        add_piece(gather, data, size);
    }
    gather->size += size;
    return true;
}

static bool
gather_chain(struct wi_gather *gather, const struct weir_chain *chain)
{
    for (const struct weir_block *block = chain->head; block != NULL; block = block->next) {
        if (!gather_piece(gather, block->data + block->begin, wi_block_size(block))) {
            return false;
        }
    }
    return true;
}

static bool
gather_file(struct wi_gather *gather, struct wi_write *write)
{
    uint64_t left = wi_write_left(write);

    gather->file = write;
    gather->size = left < gather->size_max ? left : gather->size_max;
    return true;
}

static bool
gather_write(struct wi_gather *gather, struct wi_write *write)
{
    if (wi_likely(!(write->flags & (WI_WRITE_CHAIN | WI_WRITE_MANY | WI_WRITE_FILE)))) {
        return gather_piece(gather, write->from.one.iov_base, write->from.one.iov_len);
    }
    if (write->flags & WI_WRITE_FILE) {
        return gather_file(gather, write);
    }
    if (write->flags & WI_WRITE_CHAIN) {
        return gather_chain(gather, &write->from.chain);
    }
    for (size_t i = 0; i < write->from.many.left; i++) {
        const struct iovec *piece = &write->from.many.next[i];

        if (!gather_piece(gather, piece->iov_base, piece->iov_len)) {
            return false;
        }
    }
    return true;
}

// Does the last piece end where the next small one is copied to?
static bool
ends_flat(const struct wi_gather *gather)
{
    const struct iovec *last;

    if (gather->iov_count == 0) {
        return false;
    }
    last = &gather->iov[gather->iov_count - 1];
    return (const unsigned char *)last->iov_base + last->iov_len == gather->flat;
}

// The commonest of many: small plain pieces, copied one behind the other. The first write that is
// none.
static struct wi_write *
gather_small(struct wi_gather *gather, struct wi_write *write)
{
    uint64_t room = gather->size_max - gather->size;
    unsigned char *flat = gather->flat;
    const unsigned char *end = flat + (gather->flat_left < room ? gather->flat_left : room);
    size_t copied;

    // A barrier, of size 0, is none of these. One byte of room stays: what fills a gather ends it.
    while (write != NULL && write->size - 1 < WI_FLAT_PIECE_MAX && flat + write->size < end &&
           (write->flags & ~(uint32_t)WEIR_COPY) == WI_WRITE_PLAIN) {
        memcpy(flat, write->from.one.iov_base, write->size);
        flat += write->size;
        write = wi_write_next(write);
    }
    copied = (size_t)(flat - gather->flat);
    gather->iov[gather->iov_count - 1].iov_len += copied;
    gather->size += copied;
    gather->flat_left -= copied;
    gather->flat = flat;
    return write;
}

static enum wi_gather_kind
kind_of(const struct wi_write *write)
{
    if (wi_likely(!(write->flags & (WEIR_ZEROCOPY | WI_WRITE_FILE)))) {
        return WI_GATHER_BYTES;
    }
    if (write->flags & WI_WRITE_FILE) {
        return WI_GATHER_FILE;
    }
    return wi_write_left(write) >= WI_ZEROCOPY_MIN ? WI_GATHER_OWN : WI_GATHER_BYTES;
}

// May the write leave with what was gathered before it? The first bytes decide what kind it is.
WI_INLINE bool
joins(struct wi_gather *gather, const struct wi_write *write)
{
    enum wi_gather_kind kind = kind_of(write);

    if (wi_likely(kind == gather->kind && kind != WI_GATHER_FILE)) {
        return true;
    }
    if (gather->size != 0) {
        return false;
    }
    gather->kind = kind;
    gather->flat_left = 0;
    return true;
}

// Claim a write, and describe it. False: the gather ends with it, or before it.
static bool
gather_one(struct wi_gather *gather, struct wi_write *write)
{
    if (!wi_op_is_claimed(&write->op) && !(write->flags & WI_WRITE_EARLY) &&
        !wi_op_claim(&write->op)) {
        gather->lost = write;
        return false;
    }
    gather->wants_ack |= wi_write_level(write) == WEIR_ACKED;
    return gather_write(gather, write) && gather->size != gather->size_max &&
           !(write->flags & WEIR_FIN);
}

void
wi_sendq_gather(struct wi_sendq *queue, struct wi_gather *gather)
{
    struct wi_write *write = queue->head;

    while (write != NULL && joins(gather, write) && gather_one(gather, write)) {
        write = wi_write_next(write);
        if (ends_flat(gather)) {
            write = gather_small(gather, write);
        }
    }
    gather->goes_on = write != NULL && (write->flags & WI_WRITE_FILE) && gather->file == NULL &&
                      gather->size != 0 && gather->size != gather->size_max &&
                      wi_write_left(write) != 0;
}

/* ---- advancing ---- */

static void
advance_pieces(struct wi_write *write, uint64_t size)
{
    while (size != 0) {
        struct iovec *piece = write->from.many.next;
        size_t step = piece->iov_len < size ? piece->iov_len : (size_t)size;

        piece->iov_base = (unsigned char *)piece->iov_base + step;
        piece->iov_len -= step;
        size -= step;
        if (piece->iov_len == 0) {
            write->from.many.next++;
            write->from.many.left--;
        }
    }
}

// The kernel may refer to them: blocks that have been sent stay until it does not.
static void
keep_blocks(struct wi_write *write, uint64_t size)
{
    struct weir_chain *chain = &write->from.chain;

    while (size != 0) {
        struct weir_block *block = chain->head;

        if (wi_block_size(block) > size) {
            block->begin += (uint32_t)size;
            return;
        }
        size -= wi_block_size(block);
        chain->head = block->next;
        block->next = NULL;
        if (write->owner.kept.head == NULL) {
            write->owner.kept.head = block;
        } else {
            write->owner.kept.tail->next = block;
        }
        write->owner.kept.tail = block;
    }
}

void
wi_write_advance(struct wi_write *write, uint64_t size)
{
    write->op.owner += WI_PLANT(7) ? size - 1 : size;
    write->flags &= ~(uint32_t)WI_WRITE_PLAIN;
    if ((write->flags & (WI_WRITE_CHAIN | WEIR_ZEROCOPY)) == (WI_WRITE_CHAIN | WEIR_ZEROCOPY)) {
        keep_blocks(write, size);
    } else if (write->flags & WI_WRITE_CHAIN) {
        weir_chain_consume(&write->from.chain, (size_t)size); // sent blocks go home at once
    } else if (write->flags & WI_WRITE_MANY) {
        advance_pieces(write, size);
    } else if (!(write->flags & WI_WRITE_FILE)) {
        write->from.one.iov_base = (unsigned char *)write->from.one.iov_base + size;
        write->from.one.iov_len -= (size_t)size;
    }
}

bool
wi_sendq_advance(struct wi_sendq *queue, uint64_t *size)
{
    struct wi_write *write = queue->head;
    uint64_t left;

    if (write == NULL) {
        wi_assert(*size == 0);
        return false;
    }
    left = wi_write_left(write);
    if (*size >= left) {
        *size -= left;
        write->op.owner = write->size; // its pieces are of no use any more: leave them as they are
        return wi_op_is_claimed(&write->op) || !(write->op.flags & WI_OP_NAMED) ||
               (write->flags & WI_WRITE_EARLY);
    }
    if (*size == 0) {
        return false;
    }
    wi_write_advance(write, *size);
    *size = 0;
    // What has been called accepted goes out whole.
    return (write->flags & (WEIR_SOME | WEIR_NOWAIT)) != 0 && !(write->flags & WI_WRITE_EARLY);
}
