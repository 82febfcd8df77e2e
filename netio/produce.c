/* SPDX-License-Identifier: MIT */

#include "mem/block.h"
#include "netio/net.h"

#include <errno.h>

// A producing section is a chain whose blocks name its first one, so that the end iterator alone
// says what is committed. The gate has one bit for "a section is open". A section opened on the
// stream's loop is also remembered there: if the stream closes first, its blocks are returned
// before `closed`.

static struct weir_block *
owner_mark(const struct wi_gate *gate)
{
    return (struct weir_block *)((uintptr_t)gate | 1);
}

// Holding the slot: open the section with its first block. 0 or why not.
static int
open_section(struct wi_gate *gate, struct weir_block *block)
{
    struct wi_stream_extra *extra;

    // One section at a time, whoever opens it.
    if (wi_or_acq_rel(&gate->word, WI_GATE_SECTION) & WI_GATE_SECTION) {
        return -EBUSY;
    }
    if (wi_on_loop(gate->loop)) {
        extra = wi_stream_need_extra(wi_stream_of(gate));
        if (extra == NULL) {
            wi_and_acq_rel(&gate->word, ~WI_GATE_SECTION);
            return -ENOMEM;
        }
        extra->section = block;
    }
    block->head = owner_mark(gate);
    return 0;
}

int
weir_produce(weir_stream handle, struct weir_iter *ret_iter)
{
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    struct weir_block *block = NULL;
    int result;

    if (gate == NULL) {
        return wi_stale();
    }
    result = ret_iter == NULL ? -EINVAL : wi_gate_refusal(gate, wi_load_relaxed(&gate->word));
    if (result == 0) {
        block = weir_block_lease(WEIR_BLOCK_SIZE);
        result = block == NULL ? -ENOMEM : open_section(gate, block);
    }
    if (result == 0) {
        *ret_iter = (struct weir_iter){.block = block, .index = 0};
    } else if (block != NULL) {
        weir_block_return(block);
    }
    wi_gate_leave(gate);
    return result;
}

// The blocks from the section's first one to the end iterator; what lies behind it is cut off.
static int
section_chain(struct weir_iter end, struct weir_chain *ret_chain)
{
    struct weir_block *block;

    if (end.block == NULL || !wi_block_is_ours(end.block) || end.index > end.block->end) {
        return -EINVAL;
    }
    // Appending through an iterator hands the first block on.
    for (block = wi_block_section(end.block); block != NULL && block != end.block;) {
        block = block->next;
    }
    if (block == NULL) {
        return -EINVAL;
    }
    ret_chain->head = wi_block_section(end.block);
    ret_chain->tail = end.block;
    return 0;
}

static void
cut_behind(struct weir_chain *chain, struct weir_iter end)
{
    struct weir_chain rest = {.head = end.block->next, .tail = end.block->next};

    end.block->next = NULL;
    end.block->end = end.index;
    chain->tail = end.block;
    while (rest.tail != NULL && rest.tail->next != NULL) {
        rest.tail = rest.tail->next;
    }
    weir_chain_return(&rest);
    for (struct weir_block *block = chain->head; block != NULL; block = block->next) {
        block->head = NULL;
    }
}

static int
check_commit(const struct weir_write *request)
{
    return request->iov != NULL || request->iov_count != 0 || request->chain != NULL ||
                   request->shared != NULL || request->file != NULL ||
                   (request->flags & (WEIR_COPY | WEIR_GIVE))
               ? -EINVAL
               : 0;
}

// The section is over, whatever follows. False: none was open.
static bool
leave_section(struct wi_gate *gate)
{
    if (!(wi_and_acq_rel(&gate->word, ~WI_GATE_SECTION) & WI_GATE_SECTION)) {
        return false;
    }
    if (wi_on_loop(gate->loop) && wi_stream_of(gate)->extra != NULL) {
        wi_stream_of(gate)->extra->section = NULL;
    }
    return true;
}

// The stream is gone. On its loop the blocks went back before `closed`; on any other thread,
// another loop's too, they are the caller's still. The slot tells the loop, whoever is in it now.
static int
commit_stale(weir_stream handle, struct weir_iter end)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_STREAM);
    const struct wi_gate *gate =
        runtime == NULL ? NULL : wi_slots_at(&runtime->gates, wi_handle_slot(handle.bits));
    struct weir_chain chain = {0};

    if (gate != NULL && !wi_on_loop(gate->loop) && section_chain(end, &chain) == 0) {
        cut_behind(&chain, end);
        weir_chain_return(&chain);
    }
    return wi_stale();
}

// Holding the slot: the section is over, and its blocks up to the end are a chain.
static int
close_section(struct wi_gate *gate, struct weir_iter end, struct weir_chain *ret_chain)
{
    int result = section_chain(end, ret_chain);

    if (result == 0 && (ret_chain->head->head != owner_mark(gate) || !leave_section(gate))) {
        result = -EINVAL;
    }
    if (result == 0) {
        cut_behind(ret_chain, end);
    }
    return result;
}

int
weir_produce_take(weir_stream handle, struct weir_iter end, struct weir_chain *ret_chain)
{
    struct weir_chain chain = {0};
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    int result;

    if (gate == NULL) {
        return commit_stale(handle, end);
    }
    result =
        ret_chain == NULL || ret_chain->head != NULL ? -EINVAL : close_section(gate, end, &chain);
    if (result == 0) {
        *ret_chain = chain;
    }
    wi_gate_leave(gate);
    return result;
}

int
weir_commit(weir_stream handle, struct weir_iter end, const struct weir_write *request,
            weir_op *ret_op)
{
    static const struct weir_write corked = {.flags = WEIR_MORE};
    struct weir_write write = request != NULL ? *request : corked;
    struct weir_chain chain = {0};
    struct wi_gate *gate = wi_gate_hold(handle.bits);
    int result;

    if (gate == NULL) {
        return commit_stale(handle, end);
    }
    result = close_section(gate, end, &chain);
    if (result == 0) {
        result = check_commit(&write);
        if (result == 0) {
            write.chain = &chain;
            result = weir_write(handle, &write, ret_op);
        }
        if (result < 0) {
            weir_chain_return(&chain);
        }
    }
    wi_gate_leave(gate);
    return result;
}
