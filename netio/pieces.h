/* SPDX-License-Identifier: MIT */
#ifndef WI_PIECES_H
#define WI_PIECES_H

/**
 * @file
 * The bytes of a write in memory, piece by piece, whatever form they have: for what stands above
 * streams and puts framing between them. On the public interface only.
 */

#include "weir/write.h"

#include <errno.h>
#include <limits.h>

/** Where one is in them. */
struct wi_pieces {
    const struct iovec *iov;
    unsigned iov_count;
    struct weir_iter at; // of a chain
    struct weir_iter end;
    struct iovec shared;
};

/** Add up a request's array. 0, or -EINVAL: NULL with a size, or more than SSIZE_MAX. */
static inline int
wi_pieces_size_of_array(const struct weir_write *request, uint64_t *ret_size)
{
    uint64_t size = 0;

    if (request->iov == NULL && request->iov_count != 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        const struct iovec *piece = &request->iov[i];

        if (piece->iov_len > (uint64_t)SSIZE_MAX - size ||
            (piece->iov_base == NULL && piece->iov_len != 0)) {
            return -EINVAL;
        }
        size += piece->iov_len;
    }
    *ret_size = size;
    return 0;
}

/** From the beginning. The request has one form at most, and no file. */
static inline struct wi_pieces
wi_pieces_of(const struct weir_write *request)
{
    struct wi_pieces pieces = {.iov = request->iov, .iov_count = request->iov_count};

    if (request->chain != NULL && request->chain->head != NULL) {
        pieces.at = weir_chain_begin(request->chain);
        pieces.end = weir_chain_end(request->chain);
    } else if (request->shared != NULL) {
        pieces.shared =
            (struct iovec){weir_shared_data(request->shared), weir_shared_size(request->shared)};
    }
    return pieces;
}

/** The next piece of at least one byte; false: there is none. */
static inline bool
wi_pieces_next(struct wi_pieces *pieces, struct iovec *ret_piece)
{
    struct weir_segment segment;

    while (pieces->iov_count != 0) {
        *ret_piece = *pieces->iov++;
        pieces->iov_count--;
        if (ret_piece->iov_len != 0) {
            return true;
        }
    }
    if (pieces->shared.iov_len != 0) {
        *ret_piece = pieces->shared;
        pieces->shared.iov_len = 0;
        return true;
    }
    if (pieces->at.block != NULL && weir_iter_segment(&pieces->at, pieces->end, &segment)) {
        *ret_piece = (struct iovec){(void *)(uintptr_t)segment.data, segment.size};
        return true;
    }
    return false;
}

/** How many there are. */
static inline unsigned
wi_pieces_count(const struct weir_write *request)
{
    struct wi_pieces pieces = wi_pieces_of(request);
    struct iovec piece;
    unsigned count = 0;

    while (wi_pieces_next(&pieces, &piece)) {
        count++;
    }
    return count;
}

#endif /* WI_PIECES_H */
