/* SPDX-License-Identifier: MIT */

#include "netio/request.h"

#include "mem/block.h"
#include "mem/heap.h"
#include "mem/shared.h"
#include "netio/net.h"
#include "netio/pieces.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FLAGS_ELSEWHERE       (WEIR_CHUNK | WEIR_CHUNK_END | WEIR_ALLOW_0RTT | WEIR_CANCEL_ON_LOSS)
#define FLAGS_WITH_FIN_BARRED (WEIR_MORE | WEIR_SOME | WEIR_NOWAIT | WEIR_PRIORITY)

/* ---- is the request sound? ---- */

static int
size_of_chain(const struct weir_chain *chain, uint64_t *ret_size)
{
    uint64_t size = 0;

    for (const struct weir_block *block = chain->head; block != NULL; block = block->next) {
        if (!wi_block_is_ours(block)) {
            return -EINVAL;
        }
        size += wi_block_size(block);
    }
    *ret_size = size;
    return 0;
}

static int
size_of_file(const struct weir_write *request, uint64_t *ret_size)
{
    const struct weir_file *file = request->file;

    if (request->iov != NULL || request->iov_count != 0 || request->chain != NULL ||
        request->shared != NULL || (request->flags & WEIR_COPY) ||
        request->level == WEIR_ACCEPTED || file->fd < 0 || file->size > SSIZE_MAX ||
        file->offset > (uint64_t)INT64_MAX - file->size) {
        return -EINVAL;
    }
    *ret_size = file->size;
    return 0;
}

static int
size_of_request(const struct weir_write *request, uint64_t *ret_size)
{
    if (request->file != NULL) {
        return size_of_file(request, ret_size);
    }
    if (request->chain != NULL) {
        return request->iov != NULL || request->iov_count != 0 || request->shared != NULL ||
                       (request->flags & WEIR_COPY)
                   ? -EINVAL
                   : size_of_chain(request->chain, ret_size);
    }
    if (request->shared != NULL) {
        *ret_size = wi_shared_size(request->shared);
        return request->iov != NULL || request->iov_count != 0 ||
                       (request->flags & (WEIR_COPY | WEIR_GIVE))
                   ? -EINVAL
                   : 0;
    }
    return wi_pieces_size_of_array(request, ret_size);
}

static int
check_rare(const struct weir_write *request, uint64_t size)
{
    unsigned flags = request->flags;

    if ((flags & ~WI_WRITE_USER_FLAGS) != 0 || (unsigned)request->level > WEIR_ACKED ||
        (unsigned)request->tear > WEIR_TEAR_NEEDED || request->abort_code > WEIR_CODE_MAX ||
        (flags & (WEIR_COPY | WEIR_GIVE)) == (WEIR_COPY | WEIR_GIVE) ||
        ((flags & WEIR_FIN) && (flags & FLAGS_WITH_FIN_BARRED)) ||
        ((flags & WEIR_NOWAIT) && ((flags & WEIR_MORE) || request->level == WEIR_ACCEPTED)) ||
        ((flags & WEIR_PRIORITY) && ((flags & WEIR_START) || size == 0)) ||
        ((flags & (WEIR_FAIL_BLOCKED | WEIR_NOTIFY)) && !(flags & WEIR_START)) ||
        ((flags & WEIR_GIVE) && request->chain == NULL && request->release == NULL && size != 0)) {
        return -EINVAL;
    }
    if (request->level == WEIR_ACCEPTED && size != 0 && request->chain == NULL &&
        request->shared == NULL && !(flags & (WEIR_COPY | WEIR_GIVE))) {
        return -EINVAL;
    }
    if (((flags & FLAGS_ELSEWHERE) || request->stream_priority != 0 ||
         request->reliable_offset != 0) &&
        !(flags & WEIR_BEST_EFFORT)) {
        return -ENOTSUP;
    }
    return 0;
}

int
wi_request_check(const struct weir_write *request, uint64_t *ret_size)
{
    int result;

    if (request == NULL) {
        return -EINVAL;
    }
    result = size_of_request(request, ret_size);
    if (result < 0) {
        return result;
    }
    // What most writes say needs no second look.
    if (wi_likely((request->flags & ~(unsigned)WEIR_INLINE_OK) == 0 && request->level == 0 &&
                  request->tear == 0 && request->stream_priority == 0 &&
                  request->reliable_offset == 0)) {
        return 0;
    }
    return check_rare(request, *ret_size);
}

/* ---- taking the bytes ---- */

static int
take_many(struct wi_write *write, const struct weir_write *request)
{
    struct iovec *pieces = (struct iovec *)(void *)write->copy;
    size_t count = 0;

    if (request->iov_count > WI_WRITE_INLINE_PIECES) {
        pieces = wi_heap_alloc(request->iov_count * sizeof(pieces[0]));
        if (pieces == NULL) {
            return -ENOMEM;
        }
        write->pieces = pieces;
        write->flags |= WI_WRITE_HEAP;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        if (request->iov[i].iov_len != 0) {
            pieces[count++] = request->iov[i];
        }
    }
    write->from.many.next = pieces;
    write->from.many.left = count;
    write->flags |= WI_WRITE_MANY;
    return 0;
}

static void
copy_pieces(unsigned char *to, const struct weir_write *request)
{
    for (unsigned i = 0; i < request->iov_count; i++) {
        if (request->iov[i].iov_len != 0) {
            memcpy(to, request->iov[i].iov_base, request->iov[i].iov_len);
            to += request->iov[i].iov_len;
        }
    }
}

static int
take_large_copy(struct wi_write *write, const struct weir_write *request)
{
    struct weir_chain chain = {0};

    for (unsigned i = 0; i < request->iov_count; i++) {
        if (weir_chain_append(&chain, request->iov[i].iov_base, request->iov[i].iov_len) < 0) {
            weir_chain_return(&chain);
            return -ENOMEM;
        }
    }
    write->from.chain = chain;
    write->flags |= WI_WRITE_CHAIN;
    return 0;
}

static int
take_copy(struct wi_write *write, const struct weir_write *request, uint64_t size)
{
    unsigned char *to = write->copy;

    if (size > WEIR_BLOCK_SIZE) {
        return take_large_copy(write, request);
    }
    if (size > WI_WRITE_INLINE_SIZE) {
        to = wi_pack_reserve((size_t)size, &write->owner.block);
        if (to == NULL) {
            return -ENOMEM;
        }
        write->flags |= WI_WRITE_PACKED;
    }
    copy_pieces(to, request);
    write->from.one = (struct iovec){.iov_base = to, .iov_len = (size_t)size};
    return 0;
}

// Point the operation at its bytes. On failure nothing of the caller's has been taken.
static int
take_bytes(struct wi_write *write, const struct weir_write *request, uint64_t size)
{
    if (request->flags & WEIR_COPY) {
        return take_copy(write, request, size);
    }
    if (request->chain != NULL) {
        write->from.chain = *request->chain; // the caller's stays until nothing can fail
        write->flags |= WI_WRITE_CHAIN;
        return 0;
    }
    if (request->shared != NULL) {
        write->from.one =
            (struct iovec){.iov_base = weir_shared_data(request->shared), .iov_len = (size_t)size};
        write->owner.shared = request->shared;
        write->flags |= WI_WRITE_SHARED;
        return 0;
    }
    if (request->flags & WEIR_GIVE) {
        write->owner.release.fn = request->release;
        write->owner.release.arg = request->release_arg;
    }
    if (request->file != NULL && size != 0) {
        write->from.file.fd = request->file->fd;
        write->from.file.is_read = false;
        write->from.file.offset = request->file->offset;
        write->flags |= WI_WRITE_FILE;
        return 0;
    }
    if (request->iov_count > 1) {
        return take_many(write, request);
    }
    if (request->iov_count == 1) {
        write->from.one = request->iov[0];
    } else {
        write->from.one = (struct iovec){0};
    }
    return 0;
}

// It is certain: what was the caller's is ours.
void
wi_request_keep(const struct weir_write *request)
{
    if (request->chain != NULL) {
        *request->chain = (struct weir_chain){0};
    } else if (request->shared != NULL) {
        weir_shared_ref(request->shared);
    }
}

// It was refused: give back what take_bytes() made, nothing of the caller's.
void
wi_request_drop(struct wi_write *write)
{
    if (write->flags & WI_WRITE_PACKED) {
        wi_block_unref(write->owner.block, 1);
    } else if ((write->flags & (WI_WRITE_CHAIN | WEIR_COPY)) == (WI_WRITE_CHAIN | WEIR_COPY)) {
        weir_chain_return(&write->from.chain);
    }
    if (write->flags & WI_WRITE_HEAP) {
        wi_heap_free(write->pieces);
    }
}

int
wi_request_fill(struct wi_write *write, struct wi_gate *gate, const struct weir_write *request,
                uint64_t size)
{
    write->op.owner = 0;
    write->gate = gate;
    write->size = size;
    write->done = request->done;
    write->arg = request->arg;
    write->flags = request->flags;
    write->ticket = (uint32_t)request->level << 24 | (uint32_t)request->tear << 28;
    if (request->deadline_ns != 0) {
        write->deadline_ns = request->deadline_ns;
        write->flags |= WI_WRITE_DEADLINE;
    }
    if (request->token.bits != 0) {
        write->token = request->token.bits;
        write->flags |= WI_WRITE_TOKEN;
    }
    if (request->level == WEIR_ACKED) {
        write->end = 0;
    }
    if (request->tear == WEIR_TEAR_ABORT) {
        write->abort_code = request->abort_code;
    }
    if (request->flags & WEIR_TIMED) {
        write->submit_ns = wi_os_now_ns();
    }
    if (request->flags & WEIR_ZEROCOPY) {
        write->kernel_end = 0;
        write->owner.kept = (struct weir_chain){0}; // who has another owner says so next
    }
    return take_bytes(write, request, size);
}
